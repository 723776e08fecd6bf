/* test_vit.c - vision transformers: sizes of timm's models, shapes, what is refused, stochastic depth. What they
 * compute is compared with PyTorch in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/vit.h"
#include "base/config.h"
#include "base/error.h"
#include "graph/plan_params.h"
#include "nn/positions.h"
#include "ops/ops.h"
#include "train/settings.h"

#include <stdlib.h>
#include <string.h>

typedef struct model {
    const px_backbone *backbone;
    px_backbone_cfg *cfg;
    px_config *config;
    px_graph *g;
    px_encoding e;
} model;

static model make(const char *name, int size, bool evaluation, const char *const options[])
{
    model m = {.backbone = px_backbone_find(name), .config = px_config_create()};
    assert_non_null(m.backbone);
    const px_backbone_family *family = m.backbone->family;
    m.cfg = px_calloc(1, family->cfg_size);
    px_config_group(m.config, family->name, family->options, m.cfg);
    for (int i = 0; options && options[i]; i++)
        assert_int_equal(px_config_set(m.config, options[i]), 0);
    assert_int_equal(px_config_finish(m.config), 0);
    m.g = px_graph_create((px_mode){.real = PX_F32, .evaluation = evaluation});
    px_value *x = px_input(m.g, "images", PX_F32, PX_SHAPE(2, 3, size, size));
    m.e = family->build(m.g, m.backbone, m.cfg, x);
    assert_null(px_graph_error(m.g));
    return m;
}

static void drop(model *m)
{
    px_graph_destroy(m->g);
    px_config_destroy(m->config);
    free(m->cfg);
}

static int64_t parameters(const px_graph *g)
{
    int64_t count = 0;
    for (int i = 0; i < px_graph_params(g); i++)
        if (px_graph_param(g, i)->value->kind == PX_PARAMETER)
            count += px_shape_count(px_graph_param(g, i)->value->shape);
    return count;
}

static int ops_named(const px_graph *g, const char *name)
{
    int count = 0;
    for (int i = 0; i < px_graph_nodes(g); i++)
        count += strcmp(px_graph_node(g, i)->op->name, name) == 0;
    return count;
}

/* The numbers of parameters that timm 0.6.13 counts with num_classes=0. */
static void sizes_are_those_of_timm(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int size;
        int64_t parameters;
    } models[] = {{"vit_tiny_16", 224, 5524416},
                  {"vit_small_16", 224, 21665664},
                  {"vit_base_16", 224, 85798656},
                  {"vit_large_16", 224, 303301632}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        model m = make(models[i].name, models[i].size, true, NULL);
        assert_int_equal(parameters(m.g), models[i].parameters);
        drop(&m);
    }
}

static void shapes(void **state)
{
    (void)state;
    model m = make("vit_tiny_8", 32, false, (const char *[]){"vit.pool=mean", NULL});
    assert_true(px_shape_equal(m.e.pooled->shape, PX_SHAPE(2, 192)));
    assert_int_equal(m.e.stages, 12);
    assert_string_equal(m.e.stage[11].name, "blocks.11");
    assert_true(px_shape_equal(m.e.stage[11].map->shape, PX_SHAPE(2, 17, 192)));
    drop(&m);
}

/* timm 1.0.31, VisionTransformer(32, 8, num_classes=0, embed_dim=48, depth=2, num_heads=3); MAE's positions need a width of four
 * parts. */
static void other_sizes(void **state)
{
    (void)state;
    static const char *const options[] = {"vit.embed_dim=48", "vit.depth=2", NULL};
    model m = make("vit_tiny_8", 32, false, options);
    assert_int_equal(parameters(m.g), 66768);
    assert_true(px_shape_equal(m.e.pooled->shape, PX_SHAPE(2, 48)));
    assert_int_equal(m.e.stages, 2);
    int layers, width, depth;
    assert_int_equal(m.backbone->family->layer(m.backbone, m.cfg, "norm.weight", &layers), 3);
    m.backbone->family->size(m.backbone, m.cfg, &width, &depth);
    assert_true(layers == 4 && width == 48 && depth == 2);
    drop(&m);
    const char *const wrong[][4] = {
        {"vit.embed_dim=50", "vit.heads=4", "vit.depth=1", "(vit.embed_dim) cannot be divided among"},
        {"vit.embed_dim=42", "vit.heads=2", "vit.positions=sincos", "needs a vit.embed_dim that is a multiple of 4"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        px_settings s;
        const char *given[] = {"backbone=vit_tiny_8", wrong[i][0], wrong[i][1], wrong[i][2]};
        assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
        const char *why = s.backbone->family->check(s.backbone, s.backbone_cfg, 32, 3);
        assert_non_null(why);
        assert_non_null(strstr(why, wrong[i][3]));
        px_settings_finish(&s);
    }
}

/* Registers and DeiT's token are in no map, and the widths are those of timm's: 3 x 192 numbers of tokens, 2 of positions. */
static void other_tokens_are_in_no_map(void **state)
{
    (void)state;
    const char *const options[] = {"vit.registers=2", "vit.distillation_token=true", NULL};
    model plain = make("vit_tiny_8", 32, false, NULL), more = make("vit_tiny_8", 32, false, options);
    assert_true(px_shape_equal(more.e.pooled->shape, PX_SHAPE(2, 192)));
    assert_true(px_shape_equal(more.e.stage[11].map->shape, PX_SHAPE(2, 17, 192)));
    assert_true(px_shape_equal(more.e.mlp[11]->shape, PX_SHAPE(2 * 20, 192)));
    assert_int_equal(more.e.in_front, 4);
    assert_int_equal(parameters(more.g) - parameters(plain.g), (3 + 1) * 192);
    drop(&plain);
    drop(&more);
}

/* timm 1.0.31, of vit_tiny_patch16_224 at 56 px, patch_size=14, reg_tokens=4, no_embed_class=True, init_values=1e-5,
 * mlp_layer=SwiGLUPacked, mlp_ratio=2.66667 * 2. */
static void dinov2_has_as_many_parameters(void **state)
{
    (void)state;
    const char *const options[] = {"vit.registers=4", "vit.class_position=false", "vit.layer_scale=1e-5",
                                   "vit.mlp=swiglu", NULL};
    model m = make("vit_tiny_14", 56, true, options);
    assert_int_equal(parameters(m.g), 5463552);
    drop(&m);
}

static void fixed_positions_are_no_parameter(void **state)
{
    (void)state;
    model learned = make("vit_tiny_16", 32, true, NULL);
    model fixed = make("vit_tiny_16", 32, true, (const char *[]){"vit.positions=sincos", NULL});
    assert_int_equal(parameters(learned.g) - parameters(fixed.g), 5 * 192);
    drop(&learned);
    drop(&fixed);
}

static void images_must_be_whole_patches(void **state)
{
    (void)state;
    model m = make("vit_tiny_16", 32, true, NULL);
    assert_null(m.backbone->family->check(m.backbone, m.cfg, 48, 3));
    assert_non_null(strstr(m.backbone->family->check(m.backbone, m.cfg, 40, 3), "not divisible"));
    drop(&m);
}

/* The first block never drops its branches, and in evaluation no block does. */
static void stochastic_depth(void **state)
{
    (void)state;
    const char *const options[] = {"vit.drop_path=0.1", "vit.dropout=0.1", NULL};
    model training = make("vit_tiny_16", 32, false, options), evaluation = make("vit_tiny_16", 32, true, options);
    assert_int_equal(ops_named(training.g, "drop_path"), 2 * 11);
    assert_int_equal(ops_named(training.g, "dropout"), 1 + 3 * 12);
    assert_int_equal(ops_named(evaluation.g, "drop_path") + ops_named(evaluation.g, "dropout"), 0);
    drop(&training);
    drop(&evaluation);
}

static int param(const px_graph *g, const char *name)
{
    for (int i = 0; i < px_graph_params(g); i++)
        if (strcmp(px_graph_param(g, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

static px_plan *planned(px_graph *g)
{
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    if (!p)
        fail_msg("%s", px_error());
    px_plan_init_params(p, 1);
    return p;
}

static px_value *apply(const model *m, px_net *net, px_value *x)
{
    px_net_enter(net);
    px_value *y = m->backbone->family->build(m->g, m->backbone, m->cfg, x).pooled;
    px_net_leave(net);
    return y;
}

/* A network and its teacher on images of 64 and of 32 px: features of the small ones are those of a ViT for 32 px whose table
 * was resampled as if it came from a file. With fixed positions, too. */
static void images_of_several_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        int in_front;
    } kinds[] = {{"vit.positions=learned", 1},
                 {"vit.positions=sincos", 1},
                 {"vit.class_position=false", 0},
                 {"vit.distillation_token=true", 2}};
    float image[2 * 3 * 32 * 32], large[2 * 3 * 64 * 64], table[6 * 192], whole[18 * 192];
    for (int i = 0; i < 2 * 3 * 64 * 64; i++)
        large[i] = (float)(i * 37 % 101) / 101;
    memcpy(image, large, sizeof image);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int front = kinds[k].in_front;
        model one = make("vit_tiny_16", 32, false, (const char *[]){kinds[k].option, NULL}), both = one;
        px_graph_output(one.g, "features", one.e.pooled);
        both.g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(both.g, "images", PX_F32, PX_SHAPE(2, 3, 64, 64)),
                 *s = px_input(both.g, "small", PX_F32, PX_SHAPE(2, 3, 32, 32)),
                 *m = px_input(both.g, "momentum", PX_F32, (px_shape){0});
        px_net *net = px_net_create(both.g, ""), *teacher;
        px_graph_output(both.g, "large", apply(&both, net, x));
        px_value *small = apply(&both, net, s);
        px_graph_output(both.g, "small", small);
        teacher = px_net_follow(net, "teacher", m);
        px_value *taught = apply(&both, teacher, s); /* it sees only small ones, with a table for large ones */
        px_graph_output(both.g, "taught", taught);
        px_value *loss = px_reduce(both.g, PX_SUM, small, (px_axes){2, {0, 1}, false});
        px_graph_output(both.g, "loss", loss);
        px_graph_differentiate(both.g, loss);
        px_plan *p = planned(both.g), *q = planned(one.g);
        px_plan_get_param(p, param(both.g, "pos_embed"), whole);
        assert_int_equal(px_positions_resample(PX_SHAPE(1, front + 16, 192), whole, PX_SHAPE(1, front + 4, 192), table),
                         0);
        px_plan_set_param(q, param(one.g, "pos_embed"), table);
        px_plan_bind(p, x, large);
        px_plan_bind(p, s, image);
        px_plan_bind(q, px_graph_find_input(one.g, "images"), image);
        px_plan_run(p, NULL);
        px_plan_run(q, NULL);
        const float *a = px_plan_read(p, small), *b = px_plan_read(q, one.e.pooled), *c = px_plan_read(p, taught);
        for (int i = 0; i < 2 * 192; i++) {
            assert_float_equal(a[i], b[i], 1e-4);
            assert_float_equal(c[i], b[i], 1e-4);
        }
        if (k != 1) {
            px_plan_get_grad(p, param(both.g, "pos_embed"), whole);
            assert_true(whole[front * 192L] != 0 && whole[(front + 15) * 192L] != 0);
        }
        px_plan_destroy(p);
        px_plan_destroy(q);
        px_graph_destroy(both.g);
        drop(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_timm),
        cmocka_unit_test(shapes),
        cmocka_unit_test(other_sizes),
        cmocka_unit_test(other_tokens_are_in_no_map),
        cmocka_unit_test(dinov2_has_as_many_parameters),
        cmocka_unit_test(fixed_positions_are_no_parameter),
        cmocka_unit_test(images_must_be_whole_patches),
        cmocka_unit_test(stochastic_depth),
        cmocka_unit_test(images_of_several_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
