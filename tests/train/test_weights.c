/* test_weights.c - a run's weights go to a file and from there to other models; files that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "data/safetensors.h"
#include "train/checkpoint.h"
#include "train/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An encoder and what it was made from. */
typedef struct encoder {
    px_settings s;
    px_task task;
    px_model m;
} encoder;

static void start(encoder *e, int size, uint64_t seed, const char *a, const char *b)
{
    *e = (encoder){.task = {.image_size = size, .channels = 3, .batch = 1, .ranks = 1}};
    if (px_settings_load(&e->s, NULL, (const char *[]){a, b}, 2) != 0 ||
        px_model_encoder(&e->m, &e->s, &e->task, &(px_encoder_spec){.batch = 1, .views = 1, .size = size}) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(e->m.plan, seed);
}

static void stop(encoder *e)
{
    px_model_finish(&e->m);
    px_settings_finish(&e->s);
}

static float *parameter(encoder *e, int i)
{
    int64_t count = px_shape_count(px_graph_param(e->m.graph, i)->value->shape);
    float *plain = px_aligned_calloc((size_t)count * sizeof plain[0]);
    px_plan_get_param(e->m.plan, i, plain);
    return plain;
}

/* A folder with a run in it, and a file of its weights. */
typedef struct fixture {
    char *folder, *path;
    encoder run;
    px_log quiet;
} fixture;

static void make_run(fixture *f, int size, const char *a, const char *b)
{
    start(&f->run, size, 1, a, b);
    char *config = px_config_text(f->run.s.config);
    if (px_checkpoint_save(f->folder, &f->run.m, NULL, 7, config) != 0 ||
        px_weights_export(f->folder, f->path, "", false, &f->quiet) != 0)
        fail_msg("%s", px_error());
    free(config);
}

static int set_up(void **state)
{
    const char *root = getenv("TMPDIR");
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = px_format("%s/px-weights-XXXXXX", root ? root : "/tmp");
    f->quiet = px_log_make(stderr, true);
    *state = f;
    if (!mkdtemp(f->folder))
        return -1;
    f->path = px_format("%s/w.safetensors", f->folder);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"w.safetensors", "checkpoint.h5", "checkpoint.previous.h5"};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = px_format("%s/%s", f->folder, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(f->folder);
    free(f->path);
    free(f->folder);
    if (f->run.m.plan)
        stop(&f->run);
    free(f);
    return 0;
}

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

static void check_refused(fixture *f, encoder *e, const char *says)
{
    char *message = px_format("%s: %s", f->path, says);
    assert_int_equal(px_weights_load(&e->m, &e->s, &e->task, f->path, &f->quiet), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_string_equal(px_error(), message);
    free(message);
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

/* Heads are reported in one line; missing counters do not matter. */
static void what_is_not_used_is_said(void **state)
{
    fixture *f = *state;
    start(&f->run, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    f->run.s.data.normalize = "none"; /* else there is a warning */
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

/* ---- files of other programs ---- */

/* The backbone's tensors under other names, and `more` after them. */
typedef struct foreign {
    px_stored_tensor *list;
    int count;
} foreign;

static void add(foreign *o, const char *name, px_shape shape, const float *data)
{
    o->list = px_grow(o->list, o->count, sizeof o->list[0]);
    o->list[o->count++] =
        (px_stored_tensor){.name = px_strdup(name), .type = "F32", .shape = shape, .data = (void *)(uintptr_t)data};
}

typedef const char *rename_fn(const char *ours, char *text);

/* All parameters of `e` times `factor`, under the names that `theirs` gives them. */
static void add_renamed(foreign *o, encoder *e, const char *prefix, rename_fn *theirs, float factor)
{
    for (int i = 0; i < px_graph_params(e->m.graph); i++) {
        const px_param *p = px_graph_param(e->m.graph, i);
        char text[128];
        float *values = parameter(e, i);
        for (int64_t k = 0; k < px_shape_count(p->value->shape); k++)
            values[k] *= factor;
        char *name = px_format("%s%s", prefix, theirs ? theirs(p->name, text) : p->name);
        add(o, name, p->value->shape, values);
        free(name);
    }
}

static void write_foreign(const fixture *f, foreign *o)
{
    assert_int_equal(px_safetensors_write(f->path, o->list, o->count, NULL, 0), 0);
    for (int i = 0; i < o->count; i++) {
        free((void *)(uintptr_t)o->list[i].name);
        free((void *)(uintptr_t)o->list[i].data);
    }
    free(o->list);
    *o = (foreign){0};
}

/* Reads the file into another model, which then has the parameters of `e`. `given`: assignments. */
static void check_same(fixture *f, encoder *e, const char *backbone, const char *width, const char *given)
{
    encoder other;
    start(&other, 32, 2, backbone, width);
    if (px_config_set(other.s.config, given) != 0 || px_config_finish(other.s.config) != 0 ||
        px_weights_load(&other.m, &other.s, &other.task, f->path, &f->quiet) != 0)
        fail_msg("%s", px_error());
    for (int i = 0; i < px_graph_params(other.m.graph); i++) {
        float *a = parameter(e, i), *b = parameter(&other, i);
        assert_memory_equal(a, b, (size_t)px_shape_count(px_graph_param(e->m.graph, i)->value->shape) * sizeof a[0]);
        free(a);
        free(b);
    }
    stop(&other);
}

static const char *lightly(const char *ours, char *text)
{
    static const char *const names[] = {"conv1.", "bn1.", "", "", "layer1.", "layer2.", "layer3.", "layer4."};
    for (int i = 0; i < 8; i++)
        if (names[i][0] && strncmp(ours, names[i], strlen(names[i])) == 0)
            sprintf(text, "%d.%s", i, ours + strlen(names[i]));
    return text;
}

static const char *torchvision(const char *ours, char *text)
{
    static const char *const names[][2] = {{"norm1.", "ln_1."},
                                           {"attn.qkv.", "self_attention.in_proj_"},
                                           {"attn.proj.", "self_attention.out_proj."},
                                           {"norm2.", "ln_2."},
                                           {"mlp.fc1.", "mlp.0."},
                                           {"mlp.fc2.", "mlp.3."},
                                           {"cls_token", "class_token"},
                                           {"norm.", "encoder.ln."},
                                           {"pos_embed", "encoder.pos_embedding"},
                                           {"patch_embed.proj.", "conv_proj."}};
    int block, at = 0;
    bool inside = sscanf(ours, "blocks.%d.%n", &block, &at) == 1;
    text[0] = '\0';
    if (inside)
        sprintf(text, "encoder.layers.encoder_layer_%d.", block);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(ours + at, names[i][0], strlen(names[i][0])) == 0)
            sprintf(text + strlen(text), "%s%s", names[i][1], ours + at + strlen(names[i][0]));
    return text;
}

static void prefixes_and_spellings_are_found(void **state)
{
    fixture *f = *state;
    foreign o = {0};
    encoder resnet, vit;
    start(&resnet, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    start(&vit, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    add_renamed(&o, &resnet, "state_dict.module.", NULL, 1);
    write_foreign(f, &o);
    check_same(f, &resnet, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    add_renamed(&o, &resnet, "backbone.", lightly, 1);
    write_foreign(f, &o);
    check_same(f, &resnet, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    add_renamed(&o, &vit, "", torchvision, 1);
    write_foreign(f, &o);
    check_same(f, &vit, "backbone=vit_tiny_16", "vit.pool=cls", "weights.prefix=auto");
    stop(&resnet);
    stop(&vit);
}

static void check_guess(const fixture *f, const char *given, const char *backbone, const char *key, const char *value)
{
    px_settings s;
    const char *assignments[] = {given};
    if (px_weights_settings(&s, f->path, assignments, given != NULL) != 0)
        fail_msg("%s", px_error());
    assert_string_equal(s.backbone->name, backbone);
    char *text = px_config_text(s.config);
    char *line = px_format("%s = %s;", key, value);
    if (!strstr(text, line))
        fail_msg("%s is not in %s", line, text);
    free(line);
    free(text);
    px_settings_finish(&s);
}

/* The backbone, its stem, its width and its patches follow from the tensors. */
static void the_backbone_follows_from_the_tensors(void **state)
{
    fixture *f = *state;
    foreign o = {0};
    encoder e;
    start(&e, 224, 1, "backbone=resnet34", "resnet.width=0.125");
    add_renamed(&o, &e, "module.", NULL, 1);
    write_foreign(f, &o);
    stop(&e);
    check_guess(f, NULL, "resnet34", "stem", "\"7x7\"");
    check_guess(f, NULL, "resnet34", "width", "0.125");
    check_guess(f, "backbone=resnet34", "resnet34", "width", "0.125");
    check_guess(f, "resnet.width=0.25", "resnet34", "width", "0.25");
    check_guess(f, "weights.prefix=module", "resnet34", "width", "0.125");
    start(&e, 32, 1, "backbone=vit_tiny_8", "vit.pool=cls");
    add_renamed(&o, &e, "", torchvision, 1);
    write_foreign(f, &o);
    stop(&e);
    check_guess(f, NULL, "vit_tiny_8", "pool", "\"cls\"");
}

/* Hugging Face keeps queries, keys and values apart. */
static const char *hugging_face(const char *ours, char *text)
{
    static const char *const names[][2] = {{"norm1.", "layernorm_before."},
                                           {"attn.proj.", "attention.output.dense."},
                                           {"norm2.", "layernorm_after."},
                                           {"mlp.fc1.", "intermediate.dense."},
                                           {"mlp.fc2.", "output.dense."},
                                           {"attn.qkv.", "qkv."},
                                           {"cls_token", "embeddings.cls_token"},
                                           {"norm.", "layernorm."},
                                           {"pos_embed", "embeddings.position_embeddings"},
                                           {"patch_embed.proj.", "embeddings.patch_embeddings.projection."}};
    int block, at = 0;
    bool inside = sscanf(ours, "blocks.%d.%n", &block, &at) == 1;
    text[0] = '\0';
    if (inside)
        sprintf(text, "encoder.layer.%d.", block);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(ours + at, names[i][0], strlen(names[i][0])) == 0)
            sprintf(text + strlen(text), "%s%s", names[i][1], ours + at + strlen(names[i][0]));
    return text;
}

static void parts_are_stacked(void **state)
{
    fixture *f = *state;
    foreign all = {0}, o = {0};
    encoder vit;
    start(&vit, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    add_renamed(&all, &vit, "vit.", hugging_face, 1);
    for (int i = 0; i < all.count; i++) {
        static const char *const parts[] = {"query", "key", "value"};
        const char *name = all.list[i].name, *at = strstr(name, ".qkv.");
        const float *values = all.list[i].data;
        px_shape shape = all.list[i].shape;
        if (!at) {
            add(&o, name, shape, values);
            continue;
        }
        shape.dim[0] /= 3;
        size_t third = (size_t)px_shape_count(shape);
        for (int k = 0; k < 3; k++) {
            float *own = px_calloc(third, sizeof own[0]);
            memcpy(own, values + (size_t)k * third, third * sizeof own[0]);
            char *theirs = px_format("%.*s.attention.attention.%s.%s", (int)(at - name), name, parts[k], at + 5);
            add(&o, theirs, shape, own);
            free(theirs);
        }
        free((void *)(uintptr_t)values);
    }
    for (int i = 0; i < all.count; i++)
        free((void *)(uintptr_t)all.list[i].name);
    free(all.list);
    write_foreign(f, &o);
    check_same(f, &vit, "backbone=vit_tiny_16", "vit.pool=cls", "weights.prefix=auto");
    stop(&vit);
}

static void of_several_encoders_the_usual_one_is_taken(void **state)
{
    static const char *const pairs[][2] = {
        {"teacher.backbone.", "student.backbone."}, {"module.encoder_q.", "module.encoder_k."}, {"a.", "b."}};
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    for (int i = 0; i < 3; i++) {
        foreign o = {0};
        add_renamed(&o, &e, pairs[i][0], NULL, 1);
        add_renamed(&o, &e, pairs[i][1], NULL, 2);
        write_foreign(f, &o);
        if (i < 2)
            check_same(f, &e, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    }
    check_refused(f, &e,
                  "has the backbone 2 times, with the prefixes \"a.\" and \"b.\"; weights.prefix=... chooses one");
    check_same(f, &e, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=a");
    assert_int_equal(px_config_set(e.s.config, "weights.prefix=c"), 0);
    assert_int_equal(px_config_finish(e.s.config), 0);
    check_refused(f, &e, "has no tensor of resnet18 with the prefix \"c\"");
    stop(&e);
}

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

static void what_the_backbone_lacks_is_named(void **state)
{
    static const char *const cases[][2] = {
        {"blocks.0.ls1.gamma",
         "belongs to LayerScale, which vit_tiny_16 does not have here, so features would be others"},
        {"reg_token", "belongs to register tokens, which vit_tiny_16 does not have here, so features would be others"},
        {"fc_norm.weight", "belongs to a norm after pooling (fc_norm), which vit_tiny_16 does not have here, so "
                           "features would be others"},
        {"gate.weight", "is neither of vit_tiny_16 nor a head that is known, so features may be others"}};
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        foreign o = {0};
        add_renamed(&o, &e, "model.", NULL, 1);
        char *name = px_format("model.%s", cases[i][0]);
        add(&o, name, PX_SHAPE(1), px_calloc(1, sizeof(float)));
        add(&o, "model.head.bias", PX_SHAPE(1), px_calloc(1, sizeof(float)));
        add(&o, "optimizer.0", PX_SHAPE(1), px_calloc(1, sizeof(float)));
        write_foreign(f, &o);
        char *says = px_format("tensor %s %s; weights.other=ignore reads the rest all the same", name, cases[i][1]);
        check_refused(f, &e, says);
        check_same(f, &e, "backbone=vit_tiny_16", "vit.pool=cls", "weights.other=ignore");
        free(says);
        free(name);
    }
    stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_travels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(torch_finds_its_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_shapes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_tensors_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_used_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefixes_and_spellings_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_backbone_follows_from_the_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_are_stacked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_several_encoders_the_usual_one_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integers_are_not_weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_backbone_lacks_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(positions_follow_the_image_size, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
