/* test_model.c - every method on every family of backbones, every backbone in training and evaluation: they can be
 * built, and the loss reaches every parameter; torchvision's counts and names; layouts that need no conversion. */
#include "pairs.h"

#include "base/cpu.h"
#include "graph/kernel.h"
#include "ops/ops.h"

#include <stdio.h>

/* ---- all of them ---- */

/* Colorization reads the last map: what a family has after it, its last norm or linear layers, gets no gradient. */
static bool is_after_the_map(const char *method, const char *parameter)
{
    static const char *const after[] = {"head.norm.", "norm.", "classifier."};
    for (size_t i = 0; strcmp(method, "colorization") == 0 && i < sizeof after / sizeof *after; i++)
        if (strncmp(parameter, after[i], strlen(after[i])) == 0)
            return true;
    return false;
}

static void has_all_gradients(const px_graph *g, const char *method, const char *backbone)
{
    int parameters = 0;
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        parameters++;
        if (!p->value->grad && is_after_the_map(method, p->name))
            continue;
        if (!p->value->grad)
            fail_msg("%s on %s: no gradient reaches %s", method, backbone, p->name);
        assert_true(px_shape_equal(p->value->grad->shape, p->value->shape));
    }
    assert_true(parameters > 10);
}

static void pair_has_all_gradients(const px_model *m, const px_settings *s)
{
    has_all_gradients(m->graph, s->method->name, s->backbone->name);
}

static void methods_build_on_families(void **state)
{
    (void)state;
    const px_method *m;
    for (int i = 0; (m = method_at(i)); i++) {
        int families = 0;
        for (int f = 0; px_backbone_families[f]; f++)
            families += build_pair(m, &px_backbone_families[f]->variants[0], NULL, 0, pair_has_all_gradients);
        if (families == 0)
            fail_msg("%s builds on no family", m->name);
    }
}

/* What a vision transformer has beside class token and patches reaches no method's tokens, but learns with all of them. */
static void methods_build_on_a_vit_with_all_its_parts(void **state)
{
    (void)state;
    static const char *const parts[] = {"vit.registers=2", "vit.distillation_token=true", "vit.mlp=swiglu",
                                        "vit.qkv_bias=qv", "vit.qk_norm=true"};
    const px_method *m;
    for (int i = 0; (m = method_at(i)); i++)
        assert_true(
            build_pair(m, px_backbone_find("vit_tiny_8"), parts, sizeof parts / sizeof *parts, pair_has_all_gradients));
}

/* A family's limits hold for small crops, too; the line names the option that sets their side, and sizes that would work. */
static void small_crops_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *backbone, *says;
    } cases[] = {
        {"backbone=swin_tiny", "dino.small_size = 8 px: its patches (swin.patch) cannot be merged"},
        {"backbone=vgg11", "dino.small_size = 8 px: VGG "},
        {"backbone=convnext_atto", "dino.small_size = 8 px: a ConvNeXt with "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_settings s;
        px_model m;
        px_comm self = px_comm_self();
        const char *given[] = {"method=dino", cases[i].backbone, "dino.small_crops=2", "dino.small_size=8"};
        assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
        px_task t = task_of(&s, 32, 2);
        assert_int_equal(px_model_pretrain(&m, &s, &t, &self), -1);
        if (!strstr(px_error(), cases[i].says) || !strstr(px_error(), "; dino.small_size="))
            fail_msg("%s", px_error());
        px_settings_finish(&s);
    }
}

/* Small crops on a ViT: their side is whole patches, and the table of positions learns from them. */
static void small_crops_on_a_vit(void **state)
{
    (void)state;
    px_settings s;
    px_model m;
    px_comm self = px_comm_self();
    const char *given[] = {"method=swav", "backbone=vit_tiny_8", "swav.small_crops=2", "swav.prototypes=8",
                           "swav.small_size=20"};
    assert_int_equal(px_settings_load(&s, NULL, given, 5), 0);
    px_task t = task_of(&s, 40, 2);
    assert_int_equal(px_model_pretrain(&m, &s, &t, &self), -1);
    assert_non_null(strstr(px_error(), "small_size is not divisible into the backbone's patches"));
    px_settings_finish(&s);
    assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
    if (px_model_pretrain(&m, &s, &t, &self) != 0)
        fail_msg("%s", px_error());
    assert_true(px_shape_equal(m.input[1]->shape, PX_SHAPE(4, 3, 16, 16))); /* half of 40 are two patches and a half */
    has_all_gradients(m.graph, "swav", "vit_tiny_8");
    px_model_finish(&m);
    px_settings_finish(&s);
}

/* Graphs only: the largest need gigabytes as plans. */
static void build_backbone(const px_backbone *b, bool evaluation)
{
    px_settings s;
    char *backbone = px_format("backbone=%s", b->name);
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){backbone}, 1), 0);
    int side = 0;
    for (size_t i = 0; side == 0 && i < sizeof sides / sizeof *sides; i++)
        if (!b->family->check || !b->family->check(b, s.backbone_cfg, sides[i], 3))
            side = sides[i];
    assert_true(side > 0);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = evaluation, .ranks = 1});
    px_encoding e = b->family->build(g, b, s.backbone_cfg, px_input(g, "images", PX_F32, PX_SHAPE(2, 3, side, side)));
    if (px_graph_error(g))
        fail_msg("%s: %s", b->name, px_graph_error(g));
    assert_int_equal(e.pooled->shape.rank, 2);
    assert_int_equal(e.pooled->shape.dim[0], 2);
    assert_true(e.stages > 0 && e.stages <= PX_STAGES_MAX);
    for (int i = 0; i < e.stages; i++)
        assert_true(e.stage[i].name && e.stage[i].map->shape.dim[0] == 2);
    if (!evaluation) {
        int64_t width = e.pooled->shape.dim[1];
        px_value *w = px_parameter(g, "head.weight", PX_SHAPE(5, width), px_init_normal(0.1), PX_DECAYS);
        px_value *loss =
            px_cross_entropy(g, px_linear(g, e.pooled, w, NULL), px_constant_i32(g, PX_SHAPE(2), (int32_t[]){0, 3}));
        px_graph_output(g, "loss", loss);
        px_graph_fuse(g);
        px_graph_differentiate(g, loss);
        assert_null(px_graph_error(g));
        has_all_gradients(g, "a linear head", b->name);
    }
    px_graph_destroy(g);
    px_settings_finish(&s);
    free(backbone);
}

static void backbones_build(void **state)
{
    (void)state;
    for (int f = 0; px_backbone_families[f]; f++)
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++) {
            build_backbone(b, true);
            build_backbone(b, false);
        }
}

/* ---- torchvision's ResNets ---- */

static px_graph *resnet(const char *name, px_settings *s)
{
    char *backbone = px_format("backbone=%s", name);
    assert_int_equal(px_settings_load(s, NULL, (const char *[]){backbone, "resnet.stem=7x7"}, 2), 0);
    free(backbone);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    s->backbone->family->build(g, s->backbone, s->backbone_cfg,
                               px_input(g, "images", PX_F32, PX_SHAPE(2, 3, 224, 224)));
    assert_null(px_graph_error(g));
    return g;
}

static void counts_are_torchvisions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t parameters; /* without fc */
        int tensors;        /* of the state_dict, without fc's and the counters num_batches_tracked */
    } expected[] = {{"resnet18", 11176512, 100},
                    {"resnet34", 21284672, 180},
                    {"resnet50", 23508032, 265},
                    {"resnet101", 42500160, 520}};
    for (int i = 0; i < 4; i++) {
        px_settings s;
        px_graph *g = resnet(expected[i].name, &s);
        int64_t count = 0;
        for (int k = 0; k < px_graph_params(g); k++)
            if (px_graph_param(g, k)->value->kind == PX_PARAMETER)
                count += px_shape_count(px_graph_param(g, k)->value->shape);
        assert_int_equal(count, expected[i].parameters);
        assert_int_equal(px_graph_params(g), expected[i].tensors);
        px_graph_destroy(g);
        px_settings_finish(&s);
    }
}

typedef struct names {
    int count;
    char *name[128];
} names;

static void add_conv_bn(names *n, const char *prefix, const char *conv, const char *bn)
{
    static const char *const norm[] = {"weight", "bias", "running_mean", "running_var"};
    n->name[n->count++] = px_format("%s%s.weight", prefix, conv);
    for (int i = 0; i < 4; i++)
        n->name[n->count++] = px_format("%s%s.%s", prefix, bn, norm[i]);
}

/* torchvision.models.resnet18().state_dict().keys(), without fc and num_batches_tracked. */
static names resnet18_names(void)
{
    names n = {0};
    add_conv_bn(&n, "", "conv1", "bn1");
    for (int layer = 1; layer <= 4; layer++)
        for (int block = 0; block < 2; block++) {
            char *prefix = px_format("layer%d.%d.", layer, block);
            add_conv_bn(&n, prefix, "conv1", "bn1");
            add_conv_bn(&n, prefix, "conv2", "bn2");
            if (layer > 1 && block == 0)
                add_conv_bn(&n, prefix, "downsample.0", "downsample.1");
            free(prefix);
        }
    return n;
}

static void names_are_torchvisions(void **state)
{
    (void)state;
    px_settings s;
    px_graph *g = resnet("resnet18", &s);
    names n = resnet18_names();
    assert_int_equal(px_graph_params(g), n.count);
    for (int i = 0; i < n.count; i++) {
        bool found = false;
        for (int k = 0; k < n.count && !found; k++)
            found = strcmp(px_graph_param(g, k)->name, n.name[i]) == 0;
        if (!found)
            fail_msg("there is no %s", n.name[i]);
        free(n.name[i]);
    }
    px_graph_destroy(g);
    px_settings_finish(&s);
}

/* ---- the plan ---- */

static int reorders_of_weights(const px_plan *p)
{
    int count = -px_plan_activation_reorders(p);
    for (int i = 0; i < px_plan_steps(p); i++)
        count += strcmp(px_plan_step_info(p, i).op, "reorder") == 0;
    return count;
}

/* In bf16 each of the 19 inner convolutions has two copies of its weight, for the output and for the gradient of the
 * input, the stem and the projector's two layers one; gradients come in the formats of the parameters. */
static void bf16_copies_weights_only(void **state)
{
    (void)state;
    if (!px_bf16_native())
        skip();
    px_settings s;
    px_model m;
    px_comm self = px_comm_self();
    const char *const given[] = {"method=simclr", "backbone=resnet18", "backend=auto", "precision=bf16"};
    assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
    px_task t = task_of(&s, 32, 8);
    assert_int_equal(px_model_pretrain(&m, &s, &t, &self), 0);
    assert_in_range(reorders_of_weights(m.plan), 1, 2 * 19 + 3);
    px_model_finish(&m);
    px_settings_finish(&s);
}

/* A build without oneDNN says so. */
static void backends_of_this_build(void **state)
{
    (void)state;
    static const char *const chosen[] = {"backend=auto", "backend=openblas", "backend=onednn"};
    bool there = px_backend_fast.bf16;
    px_comm self = px_comm_self();
    for (int i = 0; i < 3; i++) {
        px_settings s;
        assert_int_equal(px_settings_load(&s, NULL, &chosen[i], 1), 0);
        assert_int_equal(px_precision_settle(&s, &self), i < 2 || there ? 0 : -1);
        if (i == 2 && !there)
            assert_string_equal(px_error(), "backend = onednn: this build of Pretext has no oneDNN; auto uses our own "
                                            "fast kernels and the portable ones");
        px_settings_finish(&s);
    }
    px_settings s;
    const char *const half[] = {"precision=bf16"};
    assert_int_equal(px_settings_load(&s, NULL, half, 1), 0);
    assert_int_equal(px_precision_settle(&s, &self), px_bf16_native() ? 0 : -1);
    if (!there)
        assert_non_null(strstr(px_error(), "this build of Pretext has no oneDNN"));
    px_settings_finish(&s);
}

static void layouts_flow(void **state)
{
    (void)state;
    if (!px_cpu_has(PX_ISA_AVX512)) {
        print_message("skipped: oneDNN's choice of layouts is known for AVX-512 only\n");
        skip();
    }
    px_settings s;
    px_model m;
    px_comm self = px_comm_self();
    const char *const given[] = {"method=simclr", "backbone=resnet18", "backend=auto"};
    assert_int_equal(px_settings_load(&s, NULL, given, 3), 0);
    px_task t = task_of(&s, 32, 8);
    assert_int_equal(px_model_pretrain(&m, &s, &t, &self), 0);
    assert_int_equal(px_plan_activation_reorders(m.plan), 0);
    px_model_finish(&m);
    px_settings_finish(&s);
}

static int reductions(const px_plan *p)
{
    int count = 0;
    for (int i = 0; i < px_plan_steps(p); i++)
        count += strcmp(px_plan_step_info(p, i).op, "all_reduce") == 0;
    return count;
}

/* One step; its gradients, the size of its arena, and how often it sums over ranks. */
static float *gradients_of(const char *const given[], int count, int64_t *n, size_t *arena, int *sums)
{
    px_settings s;
    px_model m;
    px_comm self = px_comm_self();
    assert_int_equal(px_settings_load(&s, NULL, given, count), 0);
    px_task t = task_of(&s, 32, 4);
    assert_int_equal(px_model_pretrain(&m, &s, &t, &self), 0);
    px_plan_init_params(m.plan, 1);
    void *data[PX_VIEWS_MAX] = {0};
    for (int i = 0; i < m.views.count; i++) {
        int64_t elements = px_shape_count(m.input[i]->shape);
        data[i] = px_aligned_calloc((size_t)elements * px_dtype_size(m.input[i]->dtype));
        for (int64_t k = 0; m.input[i]->dtype == PX_F32 && k < elements; k++)
            ((float *)data[i])[k] = (float)(k * 2654435761 % 1000) / 1000;
        px_plan_bind(m.plan, m.input[i], data[i]);
    }
    px_plan_run(m.plan, NULL);
    *n = px_plan_flat_count(m.plan);
    *arena = px_plan_arena_bytes(m.plan);
    *sums = reductions(m.plan);
    float *copy = px_calloc((size_t)*n, sizeof copy[0]);
    memcpy(copy, px_plan_grads(m.plan), (size_t)*n * sizeof copy[0]);
    px_model_finish(&m);
    px_settings_finish(&s);
    for (int i = 0; i < PX_VIEWS_MAX; i++)
        free(data[i]);
    return copy;
}

static void recomputing_changes_no_bit(void **state)
{
    (void)state;
    /* What the portable convolutions need beside activations stays. */
    double most = px_backend_fast.bf16 ? 2.0 / 3 : 0.9;
    static const char *const cases[][4] = {
        {"method=simclr", "backbone=resnet18", "recompute=false"},
        {"method=mae", "backbone=vit_tiny_4", "vit.dropout=0.1", "recompute=false"},
        {"method=simclr", "backbone=vit_tiny_4", "vit.drop_path=0.2", "recompute=false"},
    };
    for (int i = 0; i < 3; i++) {
        const char *given[4];
        int count = cases[i][3] ? 4 : 3, sums, sums_again;
        int64_t n, again;
        size_t arena, less;
        memcpy(given, cases[i], sizeof given);
        float *kept = gradients_of(given, count, &n, &arena, &sums);
        given[count - 1] = "recompute=true";
        float *computed = gradients_of(given, count, &again, &less, &sums_again);
        assert_int_equal(n, again);
        assert_int_equal(sums, sums_again);
        for (int64_t k = 0; k < n; k++)
            if (kept[k] != computed[k])
                fail_msg("%s %s: gradient %lld of %lld differs: %g, %g", cases[i][0], cases[i][1], (long long)k,
                         (long long)n, (double)kept[k], (double)computed[k]);
        if ((double)less > most * (double)arena)
            fail_msg("%s: recomputing needs %zu bytes instead of %zu", cases[i][1], less, arena);
        free(kept);
        free(computed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_build_on_families),
        cmocka_unit_test(methods_build_on_a_vit_with_all_its_parts),
        cmocka_unit_test(small_crops_on_a_vit),
        cmocka_unit_test(small_crops_that_do_not_fit),
        cmocka_unit_test(backbones_build),
        cmocka_unit_test(counts_are_torchvisions),
        cmocka_unit_test(names_are_torchvisions),
        cmocka_unit_test(layouts_flow),
        cmocka_unit_test(backends_of_this_build),
        cmocka_unit_test(bf16_copies_weights_only),
        cmocka_unit_test(recomputing_changes_no_bit),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
