/* test_weights_values.c - what shapes do not tell: types, numbers that are not finite, the number of heads. */
#include "weights_files.h"

#include <math.h>

static void integers_are_not_weights(void **state)
{
    fixture *f = *state;
    encoder e;
    foreign o = {0};
    start(&e, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    add_renamed(&o, &e, "", NULL, 1);
    for (int i = 0; i < o.count; i++) {
        px_stored_tensor *t = &o.list[i];
        if (strcmp(t->name, "bn1.bias") != 0)
            continue;
        free((void *)(uintptr_t)t->data);
        t->data = px_calloc((size_t)px_shape_count(t->shape), sizeof(int64_t));
        t->type = "I64";
    }
    write_foreign(f, &o);
    check_refused(f, &e, "tensor bn1.bias has the type I64, but only F32, F16, BF16 and F64 can be read");
    stop(&e);
}

/* The number at `place` of one tensor, whatever program wrote the file. */
static void spoil(foreign *o, const char *name, int64_t place, float value)
{
    for (int i = 0; i < o->count; i++)
        if (strcmp(o->list[i].name, name) == 0)
            ((float *)(uintptr_t)o->list[i].data)[place] = value;
}

static void what_is_not_finite_is_named(void **state)
{
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    foreign o = {0};
    add_renamed(&o, &e, "module.", NULL, 1);
    spoil(&o, "module.layer4.1.conv2.weight", 36863, (float)NAN);
    write_foreign(f, &o);
    check_refused(f, &e, "tensor module.layer4.1.conv2.weight is not finite: number 36863 of 36864 is nan");
    add_renamed(&o, &e, "module.", NULL, 1);
    spoil(&o, "module.bn1.running_var", 3, INFINITY);
    write_foreign(f, &o);
    check_refused(f, &e, "tensor module.bn1.running_var is not finite: number 3 of 8 is inf");
    add_renamed(&o, &e, "module.", NULL, 1);
    add(&o, "other.weight", PX_SHAPE(1), px_calloc(1, sizeof(float)));
    spoil(&o, "other.weight", 0, (float)NAN); /* which is not read */
    write_foreign(f, &o);
    check_same(f, &e, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    stop(&e);
}

/* ---- heads ---- */

/* A file of MoCo v3's ViT-S: its positions are sines and cosines. */
static void write_moco_v3(fixture *f, encoder *e, const char *prefix)
{
    foreign o = {0};
    add_renamed(&o, e, prefix, NULL, 1);
    write_foreign(f, &o);
}

static char *loaded(fixture *f, encoder *e, int *status)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    px_log log = px_log_make(out, false);
    *status = px_weights_load(&e->m, &e->s, &e->task, f->path, &log);
    fclose(out);
    return text;
}

static void check_says(fixture *f, encoder *e, const char *says)
{
    int status;
    char *text = loaded(f, e, &status);
    if (status != 0 || !strstr(text, says))
        fail_msg("'%s' is not in '%s' (%s)", says, text, status ? px_error() : "loaded");
    free(text);
}

static void the_heads_of_moco_v3_are_known(void **state)
{
    fixture *f = *state;
    encoder fixed, twelve, learned;
    start(&fixed, 32, 1, "backbone=vit_small_16", "vit.positions=sincos");
    write_moco_v3(f, &fixed, "module.base_encoder.");
    check_refused(f, &fixed, "is MoCo v3's ViT-S, which has 12 heads, but vit_small_16 has 6; vit.heads=12 would fit");
    start(&twelve, 32, 2, "backbone=vit_small_16", "vit.heads=12");
    check_says(f, &twelve, "12 attention heads, as vit.heads says\n");
    px_settings s;
    assert_int_equal(px_weights_settings(&s, f->path, NULL, 0), 0);
    assert_string_equal(s.backbone->name, "vit_small_16");
    assert_int_equal(s.backbone->family->heads(s.backbone, s.backbone_cfg), 12);
    px_settings_finish(&s);
    assert_int_equal(px_weights_settings(&s, f->path, (const char *[]){"vit.heads=6"}, 1), 0);
    assert_int_equal(s.backbone->family->heads(s.backbone, s.backbone_cfg), 6);
    px_settings_finish(&s);
    write_moco_v3(f, &fixed, "module.");
    check_says(f, &fixed, "6 attention heads are assumed, those of vit_small_16, as tensors do not tell; vit.heads=N");
    start(&learned, 32, 1, "backbone=vit_small_16", "vit.positions=learned");
    write_moco_v3(f, &learned, "module.base_encoder.");
    check_says(f, &learned, "6 attention heads are assumed");
    stop(&fixed);
    stop(&twelve);
    stop(&learned);
}

/* A ViT of a size that has no name, from another program: width and depth follow from the tensors. */
static void other_sizes_are_told_by_the_tensors(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *option;
        int width, depth;
    } cases[] = {{"vit.embed_dim=48", 48, 12}, {"vit.depth=3", 192, 3}};
    for (int i = 0; i < 2; i++) {
        encoder e;
        px_settings s;
        int width, depth;
        start(&e, 32, 1, "backbone=vit_tiny_16", cases[i].option);
        write_moco_v3(f, &e, "");
        assert_int_equal(px_weights_settings(&s, f->path, NULL, 0), 0);
        assert_string_equal(s.backbone->name, "vit_tiny_16");
        s.backbone->family->size(s.backbone, s.backbone_cfg, &width, &depth);
        assert_true(width == cases[i].width && depth == cases[i].depth);
        px_settings_finish(&s);
        stop(&e);
    }
}

/* An export says them, and another number of heads gives other features from the same tensors. */
static void heads_travel(void **state)
{
    fixture *f = *state;
    make_run(f, 32, "backbone=vit_tiny_16", "vit.heads=6");
    px_settings s;
    assert_int_equal(px_weights_settings(&s, f->path, NULL, 0), 0);
    assert_int_equal(s.backbone->family->heads(s.backbone, s.backbone_cfg), 6);
    px_settings_finish(&s);
    if (px_settings_load(&s, NULL, (const char *[]){"backbone=vit_tiny_16", "vit.heads=5"}, 2) != 0)
        fail_msg("%s", px_error());
    assert_string_equal(s.backbone->family->check(s.backbone, s.backbone_cfg, 32, 3),
                        "its width (vit.embed_dim) cannot be divided among that many heads (vit.heads)");
    px_settings_finish(&s);
}

/* ---- pixels ---- */

/* The numbers of the data set go with the weights, to the last bit: data.normalize=dataset would mean those of another. */
static void what_pixels_were_normalized_by_travels(void **state)
{
    static const float mean[] = {0.4914009f, 1.0f / 3, 0.1f}, std[] = {0.2470323f, 2.0f / 7, 0.3f};
    fixture *f = *state;
    start(&f->run, 32, 1, "backbone=resnet18", "data.normalize=dataset");
    f->run.m.mean = mean;
    f->run.m.std = std;
    f->run.m.channels = 3;
    char *config = px_config_text(f->run.s.config);
    if (px_checkpoint_save(f->folder, &f->run.m, NULL, (px_position){.step = 7}, config) != 0 ||
        px_weights_export(f->folder, f->path, "", false, &f->quiet) != 0)
        fail_msg("%s", px_error());
    free(config);
    px_settings s;
    bool normalized = false;
    if (px_weights_settings(&s, f->path, NULL, 0) != 0 || px_settings_moments(&s, NULL, NULL, 3, &normalized) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(s.data.normalize, PX_NORMALIZE_GIVEN);
    assert_true(normalized);
    assert_memory_equal(s.moments.mean, mean, sizeof mean);
    assert_memory_equal(s.moments.std, std, sizeof std);
    px_settings_finish(&s);
}

/* A checkpoint is not believed more than a file of others. */
static void a_run_that_is_not_finite_is_refused(void **state)
{
    fixture *f = *state;
    make_run(f, 32, "backbone=resnet18", "resnet.width=0.125");
    float *bias = parameter(&f->run, 2);
    bias[5] = (float)NAN;
    px_plan_set_param(f->run.m.plan, 2, bias);
    free(bias);
    assert_int_equal(
        px_checkpoint_save(f->folder, &f->run.m, NULL, (px_position){.step = 7}, "backbone = \"resnet18\";\n"), 0);
    unlink(f->path);
    char *before = px_format("%s/checkpoint.previous.h5", f->folder);
    unlink(before);
    free(before);
    const char *name = px_graph_param(f->run.m.graph, 2)->name;
    char *says = px_format("%s/checkpoint.h5: parameters/%s is not finite: number 5 of 8 is nan", f->folder, name);
    px_checkpoint saved;
    assert_int_equal(px_weights_export(f->folder, f->path, "", false, &f->quiet), -1);
    assert_string_equal(px_error(), says);
    assert_int_equal(px_checkpoint_load(f->folder, &f->run.m, NULL, &saved, &f->quiet), -1);
    assert_string_equal(px_error(), says);
    free(says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_are_not_weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_finite_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_heads_of_moco_v3_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_sizes_are_told_by_the_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heads_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_pixels_were_normalized_by_travels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_not_finite_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
