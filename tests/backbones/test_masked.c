/* test_masked.c - masked encoding: what is hidden is not seen, by leaving patches out or by a learned token; and what is
 * refused. MAE's outputs and gradients are compared with PyTorch's in tests/golden and tests/methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/vit.h"
#include "base/config.h"
#include "base/error.h"
#include "graph/plan_params.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 2, C = 3, SIDE = 16, PATCH = 4, ROWS = 4, T = 16, D = 16, K = 5, PIXELS = B * C * SIDE * SIDE };

static const px_vit_variant small_variant = {.width = D, .depth = 2, .heads = 2, .patch = PATCH};
static const px_backbone small_vit = {.name = "small_vit", .family = &px_vit_family, .variant = &small_variant};
static const px_backend *const backends[] = {&px_backend_fast, &px_backend_openblas};

typedef struct fixture {
    const px_backbone *backbone;
    px_backbone_cfg *cfg;
    px_config *config;
    px_graph *g;
    px_value *image;
    px_plan *plan;
} fixture;

static void begin_with(fixture *f, const px_backbone *b, const char *option)
{
    *f = (fixture){.backbone = b, .config = px_config_create()};
    f->cfg = px_calloc(1, b->family->cfg_size);
    px_config_group(f->config, b->family->name, b->family->options, f->cfg);
    assert_int_equal(px_config_set(f->config, option), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    f->g = px_graph_create((px_mode){.real = PX_F32});
    f->image = px_input(f->g, "image", PX_F32, PX_SHAPE(B, C, SIDE, SIDE));
}

static void begin(fixture *f, const px_backbone *b)
{
    begin_with(f, b, b == &small_vit ? "vit.registers=0" : "resnet.width=0.125");
}

static void end(fixture *f)
{
    px_plan_destroy(f->plan);
    px_graph_destroy(f->g);
    px_config_destroy(f->config);
    free(f->cfg);
}

static px_encoding masked(fixture *f, px_net *net, px_value *places, px_hiding hiding)
{
    px_net_enter(net);
    px_encoding e = f->backbone->family->build_masked(f->g, f->backbone, f->cfg, f->image, places, hiding);
    px_net_leave(net);
    return e;
}

static px_value *output(fixture *f, const char *name, px_value *v)
{
    px_graph_output(f->g, name, v);
    return v;
}

static void plan(fixture *f, const px_backend *backend)
{
    f->plan = px_plan_create(f->g, &(px_plan_spec){.backend = backend});
    if (!f->plan)
        fail_msg("%s", px_error());
    px_plan_init_params(f->plan, 3);
}

/* Images in which the hidden patches are replaced by noise. */
static void draw(float *x, const bool *hidden, float noise)
{
    for (int i = 0; i < PIXELS; i++) {
        int n = i / (C * SIDE * SIDE), row = i / SIDE % SIDE / PATCH, column = i % SIDE / PATCH;
        x[i] = sinf((float)i * 0.7f);
        if (hidden && hidden[n * T + row * ROWS + column])
            x[i] += noise * cosf((float)i * 1.3f);
    }
}

static float *kept(const px_plan *p, const px_value *v)
{
    size_t bytes = (size_t)px_shape_count(v->shape) * sizeof(float);
    return memcpy(px_calloc(bytes, 1), px_plan_read(p, v), bytes);
}

/* Image 0 keeps patches 3, 0, 7, 12, 15, image 1 others; the last places are all of them, in order. */
static const int32_t visible[B * K] = {3, 0, 7, 12, 15, 1, 2, 4, 9, 14};

static void dropped_patches_are_not_seen(void **state)
{
    (void)state;
    bool hidden[B * T];
    int32_t whole[B * T];
    for (int i = 0; i < B * T; i++) {
        hidden[i] = true;
        whole[i] = i % T;
    }
    for (int i = 0; i < B * K; i++)
        hidden[i / K * T + visible[i]] = false;
    for (int b = 0; b < 4; b++) {
        fixture f;
        float x[PIXELS];
        begin_with(&f, &small_vit,
                   b / 2 ? "vit.registers=3" : "vit.registers=0"); /* registers are not among the tokens */
        px_net *net = px_net_create(f.g, "");
        px_value *some = px_input(f.g, "visible", PX_I32, PX_SHAPE(B, K)),
                 *all = px_input(f.g, "whole", PX_I32, PX_SHAPE(B, T));
        px_value *part = output(&f, "part", masked(&f, net, some, PX_DROP).tokens);
        px_value *entire = output(&f, "entire", masked(&f, net, all, PX_DROP).tokens);
        px_value *plain = output(&f, "plain", masked(&f, net, NULL, PX_DROP).tokens);
        assert_true(px_shape_equal(part->shape, PX_SHAPE(B, 1 + K, D)));
        plan(&f, backends[b % 2]);
        px_plan_bind(f.plan, f.image, x);
        px_plan_bind(f.plan, some, visible);
        px_plan_bind(f.plan, all, whole);
        draw(x, NULL, 0);
        px_plan_run(f.plan, NULL);
        const float *left = px_plan_read(f.plan, entire), *right = px_plan_read(f.plan, plain);
        for (int i = 0; i < B * (1 + T) * D; i++)
            assert_float_equal(left[i], right[i], 1e-5);
        float *before = kept(f.plan, part), *before_plain = kept(f.plan, plain);
        draw(x, hidden, 1);
        px_plan_run(f.plan, NULL);
        assert_memory_equal(before, px_plan_read(f.plan, part), (size_t)(B * (1 + K) * D) * sizeof(float));
        assert_memory_not_equal(before_plain, px_plan_read(f.plan, plain), (size_t)(B * (1 + T) * D) * sizeof(float));
        free(before);
        free(before_plain);
        end(&f);
    }
}

/* On both families: hidden pixels change nothing, others do; without a mask nothing is hidden; the token is trained. */
static void replaced_patches_are_not_seen(void **state)
{
    (void)state;
    bool hidden[B * T] = {[1] = true, [6] = true, [15] = true, [T] = true, [T + 9] = true};
    float mask[B * T], none[B * T] = {0};
    for (int i = 0; i < B * T; i++)
        mask[i] = hidden[i];
    for (int k = 0; k < 4; k++) {
        fixture f;
        float x[PIXELS], grad[D];
        begin(&f, k / 2 ? px_backbone_find("resnet18") : &small_vit);
        px_net *net = px_net_create(f.g, "");
        px_value *m = px_input(f.g, "mask", PX_F32, PX_SHAPE(B, ROWS, ROWS)),
                 *z = px_input(f.g, "none", PX_F32, PX_SHAPE(B, ROWS, ROWS));
        px_value *plain = output(&f, "plain", masked(&f, net, NULL, PX_TOKEN).tokens); /* the token joins later */
        px_encoding e = masked(&f, net, m, PX_TOKEN);
        output(&f, "tokens", e.tokens);
        px_value *zero = output(&f, "zero", masked(&f, net, z, PX_TOKEN).tokens);
        px_value *loss =
            px_reduce(f.g, PX_MEAN, px_unary(f.g, PX_FN_SQUARE, e.pooled, 0, 0), (px_axes){2, {0, 1}, false});
        output(&f, "loss", loss);
        px_graph_differentiate(f.g, loss);
        plan(&f, backends[k % 2]);
        px_plan_bind(f.plan, f.image, x);
        px_plan_bind(f.plan, m, mask);
        px_plan_bind(f.plan, z, none);
        draw(x, NULL, 0);
        px_plan_run(f.plan, NULL);
        size_t bytes = (size_t)px_shape_count(e.tokens->shape) * sizeof(float);
        assert_memory_equal(px_plan_read(f.plan, plain), px_plan_read(f.plan, zero), bytes);
        float *before = kept(f.plan, e.tokens), *before_plain = kept(f.plan, plain);
        int token = 0;
        while (strcmp(px_graph_param(f.g, token)->name, "mask_token") != 0)
            token++;
        px_plan_get_grad(f.plan, token, grad);
        assert_true(grad[0] != 0 && isfinite(grad[0]));
        draw(x, hidden, 1);
        px_plan_run(f.plan, NULL);
        assert_memory_equal(before, px_plan_read(f.plan, e.tokens), bytes);
        assert_memory_not_equal(before_plain, px_plan_read(f.plan, plain), bytes);
        free(before);
        free(before_plain);
        end(&f);
    }
}

/* ---- what is refused ---- */

static void refused(const char *backbone, px_dtype type, px_shape shape, px_hiding hiding, const char *why)
{
    fixture f;
    begin(&f, backbone ? px_backbone_find(backbone) : &small_vit);
    masked(&f, px_net_create(f.g, ""), px_input(f.g, "places", type, shape), hiding);
    assert_non_null(px_graph_error(f.g));
    assert_string_equal(px_graph_error(f.g), why);
    end(&f);
}

static void masks_that_do_not_fit(void **state)
{
    (void)state;
    refused("resnet18", PX_I32, PX_SHAPE(B, K), PX_DROP,
            "resnet18 cannot leave out patches: its convolutions read whole images; PX_TOKEN replaces them, and the "
            "family vit can leave them out");
    refused("resnet18", PX_F32, PX_SHAPE(B, 3, 3), PX_TOKEN,
            "a mask of hidden patches (2, 3, 3) does not divide images (2, 3, 16, 16) into patches");
    refused(NULL, PX_F32, PX_SHAPE(B, K), PX_DROP,
            "places of the patches that stay must be integers (2, 1 to 16), not (2, 5)");
    refused(NULL, PX_I32, PX_SHAPE(B, T + 1), PX_DROP,
            "places of the patches that stay must be integers (2, 1 to 16), not (2, 17)");
    refused(NULL, PX_F32, PX_SHAPE(B, T), PX_TOKEN,
            "the mask of hidden patches must be numbers (2, 4, 4), not (2, 16)");
    refused(NULL, PX_I32, PX_SHAPE(B, ROWS, ROWS), PX_TOKEN,
            "the mask of hidden patches must be numbers (2, 4, 4), not (2, 4, 4)");
}

/* A teacher sees the hidden patches; one that has a token of its own would follow nothing. */
static void a_token_without_a_leader(void **state)
{
    (void)state;
    fixture f;
    begin(&f, &small_vit);
    px_net *net = px_net_create(f.g, "");
    masked(&f, net, NULL, PX_TOKEN);
    px_net *teacher = px_net_follow(net, "teacher", px_input(f.g, "momentum", PX_F32, (px_shape){0}));
    masked(&f, teacher, px_input(f.g, "mask", PX_F32, PX_SHAPE(B, ROWS, ROWS)), PX_TOKEN);
    assert_string_equal(px_graph_error(f.g), "teacher: teacher.mask_token follows nothing: apply the network's leader "
                                             "first, and in the same way");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropped_patches_are_not_seen), cmocka_unit_test(replaced_patches_are_not_seen),
        cmocka_unit_test(masks_that_do_not_fit), cmocka_unit_test(a_token_without_a_leader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
