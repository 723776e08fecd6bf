/* test_positions.c - position embeddings for other image sizes, against torch's
 * interpolate(mode="bicubic", antialias=True). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "nn/positions.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { D = 2 };

/* 1 + 4 x 4 positions. */
static void make(float in[17 * D])
{
    for (int i = 0; i < 17 * D; i++)
        in[i] = (float)(i * 37 % 64) / 64;
}

static void check(const float *out, int64_t at, const float *expected, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(fabsf(out[at + i] - expected[i]) < 1e-6f);
}

static void grows_as_torch_does(void **state)
{
    (void)state;
    float in[17 * D], out[50 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 50, D), out), 0);
    assert_memory_equal(out, in, D * sizeof in[0]);
    check(out, D, (float[]){0.0942758f, 0.7517278f, 0.1448720f, 0.8465623f, 0.2486108f, 0.9416585f}, 6);
    check(out, 44 * D, (float[]){0.0427325f, 0.6448184f, 0.1458796f, 0.7997408f, 0.2358774f, 0.9657452f}, 6);
    check(out, 49 * D, (float[]){0.4826472f, -0.0248474f}, 2);
}

static void shrinks_as_torch_does(void **state)
{
    (void)state;
    float in[17 * D], out[10 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 10, D), out), 0);
    check(out, D, (float[]){0.3792533f, 0.6928275f, 0.4143664f, 0.5231093f, 0.4494795f, 0.3062937f}, 6);
    check(out, 5 * D, (float[]){0.5957256f, 0.3685706f}, 2);
    check(out, 7 * D, (float[]){0.1288782f, 0.6922679f, 0.3654534f, 0.6836228f, 0.6020285f, 0.3057341f}, 6);
}

static void the_class_token(void **state)
{
    (void)state;
    float in[17 * D], out[17 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 16, D), out), -1); /* it would be lost */
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 16, D), in, PX_SHAPE(1, 17, D), out),
                     -1); /* it cannot be invented */
    float both[18 * D], grid[16 * D];
    for (int i = 0; i < 18 * D; i++)
        both[i] = (float)(i * 37 % 64) / 64;
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 18, D), both, PX_SHAPE(1, 11, D), out),
                     0); /* DeiT's second one */
    assert_memory_equal(out, both, 2 * D * sizeof in[0]);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 16, D), both + 2 * D, PX_SHAPE(1, 9, D), grid), 0); /* neither */
    check(out, 2 * D, grid, 9 * D);
}

static void what_is_no_grid(void **state)
{
    (void)state;
    float in[17 * D] = {0}, out[17 * D];
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 15, D), in, PX_SHAPE(1, 17, D), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 15, D), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 17, 1), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(17, D), in, PX_SHAPE(1, 17, D), out), -1);
}

/* The table resampled in the graph, (1, 1 + side^2, D), weighted by waves and summed as `loss`. */
typedef struct resampled {
    px_graph *g;
    px_value *out, *loss;
    px_plan *plan;
} resampled;

static resampled in_graph(px_dtype real, int64_t side)
{
    resampled r = {.g = px_graph_create((px_mode){.real = real})};
    px_value *table = px_parameter(r.g, "pos_embed", PX_SHAPE(1, 17, D), px_init_normal(1), PX_EXEMPT);
    r.out = px_positions_for(r.g, table, side, side);
    double wave[50 * D];
    for (int i = 0; i < (1 + side * side) * D; i++)
        wave[i] = sin(i + 1.0);
    px_value *weighted = px_binary(r.g, PX_MUL, r.out, px_constant_real(r.g, r.out->shape, wave));
    r.loss = px_reduce(r.g, PX_SUM, px_unary(r.g, PX_FN_SIN, weighted, 0, 0), (px_axes){3, {0, 1, 2}, false});
    px_graph_output(r.g, "out", r.out);
    px_graph_output(r.g, "loss", r.loss);
    px_graph_differentiate(r.g, r.loss);
    r.plan = px_plan_create(r.g, &(px_plan_spec){.backend = &px_backend_fast});
    if (!r.plan)
        fail_msg("%s", px_error());
    px_plan_init_params(r.plan, 1);
    return r;
}

static void drop(resampled *r)
{
    px_plan_destroy(r->plan);
    px_graph_destroy(r->g);
}

static void the_graph_has_the_same_formula(void **state)
{
    (void)state;
    static const int64_t sides[] = {2, 3, 7};
    for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
        int64_t count = (1 + sides[k] * sides[k]) * D;
        resampled r = in_graph(PX_F32, sides[k]);
        float in[17 * D], expected[50 * D];
        make(in);
        px_plan_set_param(r.plan, 0, in);
        px_plan_run(r.plan, NULL);
        assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, r.out->shape, expected), 0);
        const float *out = px_plan_read(r.plan, r.out);
        for (int64_t i = 0; i < count; i++)
            assert_float_equal(out[i], expected[i], 1e-5);
        drop(&r);
    }
}

/* Finite differences in double. */
static void gradients_reach_the_table(void **state)
{
    (void)state;
    for (int64_t side = 3; side < 7; side += 3) {
        resampled r = in_graph(PX_F64, side);
        double x[17 * D], grad[17 * D], step = 1e-6, loss[2];
        px_plan_get_param(r.plan, 0, x);
        px_plan_run(r.plan, NULL);
        px_plan_get_grad(r.plan, 0, grad);
        for (int i = 0; i < 17 * D; i++) {
            for (int k = 0; k < 2; k++) {
                double before = x[i];
                x[i] += k ? step : -step;
                px_plan_set_param(r.plan, 0, x);
                px_plan_run(r.plan, NULL);
                loss[k] = px_plan_scalar(r.plan, r.loss);
                x[i] = before;
            }
            assert_true(fabs((loss[1] - loss[0]) / (2 * step) - grad[i]) < 1e-7);
        }
        drop(&r);
    }
}

/* 4 x 9 patches are as many as 6 x 6, but not the same. A plane, of which resampling leaves the middle rows and columns as they
 * are, tells which way is down. */
static void as_many_patches_are_not_the_same(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *table = px_parameter(g, "pos_embed", PX_SHAPE(1, 37, D), px_init_normal(1), PX_EXEMPT);
    px_param_grid(g, table, 4, 9);
    assert_ptr_equal(px_positions_for(g, table, 4, 9), table);
    px_value *square = px_positions_for(g, table, 6, 6);
    assert_ptr_not_equal(square, table);
    assert_true(px_shape_equal(square->shape, table->shape));
    px_graph_output(g, "square", square);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    float in[37 * D] = {0};
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 9; x++) {
            in[(1 + y * 9 + x) * D] = (float)(y + 0.5) / 4;
            in[(1 + y * 9 + x) * D + 1] = (float)(x + 0.5) / 9;
        }
    px_plan_set_param(p, 0, in);
    px_plan_run(p, NULL);
    const float *out = px_plan_read(p, square);
    for (int y = 2; y < 4; y++)
        for (int x = 2; x < 4; x++) {
            assert_float_equal(out[(1 + y * 6 + x) * D], (y + 0.5) / 6, 2e-2);
            assert_float_equal(out[(1 + y * 6 + x) * D + 1], (x + 0.5) / 6, 2e-2);
        }
    px_plan_destroy(p);
    px_graph_destroy(g);
}

static void tables_that_are_not_grids_are_refused(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *table = px_parameter(g, "pos_embed", PX_SHAPE(1, 15, D), px_init_normal(1), PX_EXEMPT);
    px_positions_for(g, table, 2, 3);
    assert_string_equal(px_graph_error(g),
                        "positions (1, 15, 2) cannot be resampled for 2 x 3 patches: they are not those of a square");
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_as_torch_does),
                                       cmocka_unit_test(shrinks_as_torch_does),
                                       cmocka_unit_test(the_class_token),
                                       cmocka_unit_test(what_is_no_grid),
                                       cmocka_unit_test(the_graph_has_the_same_formula),
                                       cmocka_unit_test(gradients_reach_the_table),
                                       cmocka_unit_test(as_many_patches_are_not_the_same),
                                       cmocka_unit_test(tables_that_are_not_grids_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
