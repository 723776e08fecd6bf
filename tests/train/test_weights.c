/* test_weights.c - a run's weights go to a file and from there to other models; files that do not fit. */
#include "weights_files.h"

static void a_run_travels(void **state)
{
    fixture *f = *state;
    make_run(f, 32, "backbone=resnet18", "resnet.width=0.125");
    px_settings found;
    assert_int_equal(px_weights_settings(&found, f->path, NULL, 0), 0);
    assert_string_equal(found.backbone->name, "resnet18");
    px_settings_finish(&found);
    encoder other;
    start(&other, 32, 2, "backbone=resnet18", "resnet.width=0.125");
    assert_int_equal(px_weights_load(&other.m, &other.s, &other.task, f->path, &f->quiet), 0);
    for (int i = 0; i < px_graph_params(other.m.graph); i++) {
        float *a = parameter(&f->run, i), *b = parameter(&other, i);
        assert_memory_equal(a, b, (size_t)px_shape_count(px_graph_param(other.m.graph, i)->value->shape) * sizeof a[0]);
        free(a);
        free(b);
    }
    stop(&other);
}

static void torch_finds_its_counters(void **state)
{
    fixture *f = *state;
    make_run(f, 32, "backbone=resnet18", "resnet.width=0.125");
    px_tensor_file *s;
    assert_int_equal(px_tensor_file_open(&s, f->path), 0);
    const px_stored_tensor *t = px_tensor_file_find(s, "layer4.1.bn2.num_batches_tracked");
    assert_non_null(t);
    assert_string_equal(t->type, "I64");
    assert_int_equal(t->shape.rank, 0);
    assert_memory_equal(t->data, &(int64_t){7}, sizeof(int64_t));
    assert_int_equal(px_tensor_file_count(s), 20 * 6); /* 20 convolutions, each with the five tensors of a norm */
    px_tensor_file_close(s);
}

static void other_shapes_are_refused(void **state)
{
    fixture *f = *state;
    make_run(f, 32, "backbone=resnet18", "resnet.width=0.125");
    encoder wide;
    start(&wide, 32, 2, "backbone=resnet18", "resnet.width=0.25");
    assert_int_equal(px_weights_load(&wide.m, &wide.s, &wide.task, f->path, &f->quiet), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    char *message =
        px_format("%s: tensor conv1.weight is (8, 3, 3, 3), but resnet18 with these options has (16, 3, 3, 3); "
                  "resnet.width=0.125 would fit",
                  f->path);
    assert_string_equal(px_error(), message);
    free(message);
    stop(&wide);
}

static void write_one(const fixture *f, const char *name, const char *type)
{
    static const float zeros[2 * 8 * 3 * 3 * 3]; /* enough for either type */
    const px_stored_tensor t = {.name = name, .type = type, .shape = PX_SHAPE(8, 3, 3, 3), .data = zeros};
    assert_int_equal(px_safetensors_write(f->path, &t, 1, NULL, 0), 0);
}

static void missing_tensors_are_named(void **state)
{
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    write_one(f, "conv1.weight", "F32");
    check_refused(f, &e, "has no tensor bn1.weight, which resnet18 needs; it has 1 of the 100 that are needed");
    write_one(f, "module.conv1.weight", "F32");
    check_refused(f, &e, "has no tensor module.bn1.weight, which resnet18 needs; it has 1 of the 100 that are needed");
    stop(&e);
}

/* A file of ours of which a network of fewer blocks would take a part. */
static void more_of_the_backbone_is_refused(void **state)
{
    fixture *f = *state;
    encoder e;
    make_run(f, 32, "backbone=vit_tiny_16", "vit.depth=2");
    start(&e, 32, 1, "backbone=vit_tiny_16", "vit.depth=1");
    check_refused(f, &e,
                  "has blocks.1.attn.proj.bias, which vit_tiny_16 as it is set does not have; without options of the "
                  "backbone the file's own hold");
    stop(&e);
}

/* Heads are reported in one line; missing counters do not matter. */
static void what_is_not_used_is_said(void **state)
{
    fixture *f = *state;
    start(&f->run, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    f->run.s.data.normalize = PX_NORMALIZE_NONE; /* else there is a warning */
    int count = px_graph_params(f->run.m.graph);
    px_stored_tensor *list = px_calloc((size_t)count + 2, sizeof list[0]);
    for (int i = 0; i < count; i++) {
        const px_param *p = px_graph_param(f->run.m.graph, i);
        list[i] =
            (px_stored_tensor){.name = p->name, .type = "F32", .shape = p->value->shape, .data = parameter(&f->run, i)};
    }
    list[count] = (px_stored_tensor){.name = "fc.bias", .type = "F32", .shape = PX_SHAPE(1), .data = &(float){1}};
    list[count + 1] = (px_stored_tensor){.name = "bn1.num_batches_tracked", .type = "I64", .data = &(int64_t){1}};
    assert_int_equal(px_safetensors_write(f->path, list, count + 2, NULL, 0), 0);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    px_log log = px_log_make(out, false);
    assert_int_equal(px_weights_load(&f->run.m, &f->run.s, &f->run.task, f->path, &log), 0);
    fclose(out);
    char *says = px_format("%s: 100 tensors of the backbone; 1 not used: fc.bias\n", f->path);
    assert_string_equal(text, says);
    free(says);
    free(text);
    for (int i = 0; i < count; i++)
        free((void *)(uintptr_t)list[i].data);
    free(list);
}

static int find(const encoder *e, const char *name)
{
    for (int i = 0; i < px_graph_params(e->m.graph); i++)
        if (strcmp(px_graph_param(e->m.graph, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

static void positions_follow_the_image_size(void **state)
{
    fixture *f = *state;
    make_run(f, 64, "backbone=vit_tiny_16", "data.image_size=64");
    encoder small;
    start(&small, 32, 2, "backbone=vit_tiny_16", "data.image_size=32");
    assert_int_equal(px_weights_load(&small.m, &small.s, &small.task, f->path, &f->quiet), 0);
    float *from = parameter(&f->run, find(&f->run, "pos_embed")), *to = parameter(&small, find(&small, "pos_embed"));
    assert_memory_equal(from, to, 192 * sizeof from[0]); /* the class token's */
    double sum = 0, whole = 0;
    for (int i = 0; i < 192 * 4; i++) /* a grid that shrinks keeps its mean, except at the border */
        sum += to[192 + i] / (192 * 4.0);
    for (int i = 0; i < 192 * 16; i++)
        whole += from[192 + i] / (192 * 16.0);
    assert_true(sum - whole < 2e-3 && whole - sum < 2e-3);
    free(from);
    free(to);
    stop(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_travels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(torch_finds_its_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_shapes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_tensors_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_of_the_backbone_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_used_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(positions_follow_the_image_size, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
