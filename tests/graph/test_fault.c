/* test_fault.c - the first value of a run that is not finite: op, place and parameter are named, forward and backward;
 * a value that is infinite on purpose is not a fault; states are restored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 4 };

/* x (N, D) -> up.weight (D, D) -> * factor -> down.weight -> mean of squares */
typedef struct net {
    px_graph *g;
    px_plan *p;
    px_value *x;
    float image[N * D];
} net;

typedef struct kernels {
    const px_backend *backend;
    px_dtype precision;
} kernels;
static const kernels sets[] = {{&px_backend_fast, PX_F32}, {&px_backend_openblas, PX_F32}, {&px_backend_fast, PX_BF16}};

/* bf16 last, where the processor has it. */
static int sets_here(void)
{
    return px_bf16_native() ? 3 : 2;
}

static net make(kernels with, double factor, double weight)
{
    net t = {.g = px_graph_create((px_mode){.real = PX_F32})};
    t.x = px_input(t.g, "views", PX_F32, PX_SHAPE(N, D));
    px_scope_push(t.g, "up");
    px_value *w = px_parameter(t.g, "weight", PX_SHAPE(D, D), px_init_constant(weight), PX_DECAYS);
    px_value *y = px_linear(t.g, t.x, w, NULL);
    px_scope_pop(t.g);
    px_scope_push(t.g, "middle");
    y = px_scale(t.g, y, factor);
    px_scope_pop(t.g);
    px_scope_push(t.g, "down");
    w = px_parameter(t.g, "weight", PX_SHAPE(D, D), px_init_constant(1), PX_DECAYS);
    y = px_linear(t.g, y, w, NULL);
    px_scope_pop(t.g);
    px_value *loss = px_mean_squared_error(t.g, y, px_constant_fill(t.g, PX_SHAPE(N, D), 0));
    px_graph_output(t.g, "loss", loss);
    px_graph_differentiate(t.g, loss);
    t.p = px_plan_create(t.g, &(px_plan_spec){.backend = with.backend, .precision = with.precision});
    assert_non_null(t.p);
    px_plan_init_params(t.p, 1);
    for (int i = 0; i < N * D; i++)
        t.image[i] = 1;
    return t;
}

static px_fault find(net *t)
{
    px_fault fault = {0};
    px_plan_bind(t->p, t->x, t->image);
    px_plan_run(t->p, &(px_plan_hooks){.fault = &fault});
    return fault;
}

static void finish(net *t)
{
    px_plan_destroy(t->p);
    px_graph_destroy(t->g);
}

static void finite_is_no_fault(void **state)
{
    (void)state;
    for (int i = 0; i < sets_here(); i++) {
        net t = make(sets[i], 1, 1);
        assert_int_equal(find(&t).at, PX_FAULT_NONE);
        assert_null(px_plan_not_finite(t.p));
        finish(&t);
    }
}

/* 1e30 * 1e10 is beyond floats; the next op would pass it on. */
static void forward(void **state)
{
    (void)state;
    for (int i = 0; i < sets_here(); i++) {
        net t = make(sets[i], 1e10, 1e30);
        px_fault f = find(&t);
        assert_int_equal(f.at, PX_FAULT_STEP);
        assert_string_equal(f.op, "affine");
        assert_string_equal(f.place, "middle");
        assert_false(f.backward);
        assert_int_equal(f.bad, N * D);
        assert_int_equal(f.count, N * D);
        assert_null(f.name);
        assert_non_null(f.gradient);
        assert_string_equal(px_plan_step_info(t.p, f.step).op, "affine");
        finish(&t);
    }
}

static void forward_with_parameter(void **state)
{
    (void)state;
    for (int i = 0; i < sets_here(); i++) {
        net t = make(sets[i], 1, 2e38);
        px_fault f = find(&t);
        assert_int_equal(f.at, PX_FAULT_STEP);
        assert_string_equal(f.op, "matmul");
        assert_string_equal(f.place, "up");
        assert_string_equal(f.name, "up.weight");
        char *text = px_fault_text(&f);
        assert_non_null(strstr(text, "output of matmul in up (forward, kernel "));
        assert_non_null(
            strstr(text, "), 12 of 12 values, parameter up.weight; the first gradient that is not finite is that of "));
        free(text);
        finish(&t);
    }
}

/* Loss and activations are finite, d loss / d up.weight = x * 1e10 * ... is not. */
static void backward(void **state)
{
    (void)state;
    for (int i = 0; i < sets_here(); i++) {
        net t = make(sets[i], 1e10, 1e-30);
        for (int k = 0; k < N * D; k++)
            t.image[k] = 1e30f;
        px_fault f = find(&t);
        assert_int_equal(f.at, PX_FAULT_STEP);
        assert_true(f.backward);
        assert_string_equal(f.gradient, "up.weight");
        finish(&t);
    }
}

static void before_any_step(void **state)
{
    (void)state;
    net t = make(sets[0], 1, 1);
    t.image[5] = -INFINITY;
    px_fault f = find(&t);
    assert_int_equal(f.at, PX_FAULT_INPUT);
    assert_string_equal(f.name, "views");
    assert_int_equal(f.bad, 1);
    char *text = px_fault_text(&f);
    assert_memory_equal(text, "input views, 1 of 12 values", 27);
    free(text);

    float w[D * D] = {[3] = NAN, [7] = INFINITY};
    px_plan_set_param(t.p, 1, w);
    f = find(&t);
    assert_int_equal(f.at, PX_FAULT_PARAMETER);
    assert_string_equal(f.name, "down.weight");
    assert_int_equal(f.bad, 2);
    assert_int_equal(f.step, -1);
    assert_string_equal(px_plan_not_finite(t.p), "down.weight");
    finish(&t);
}

static void first_run_is_kept(void **state)
{
    (void)state;
    net t = make(sets[0], 1, 1);
    px_fault fault = {.at = PX_FAULT_INPUT, .name = "earlier", .gradient = "earlier"};
    t.image[0] = NAN;
    px_plan_bind(t.p, t.x, t.image);
    px_plan_run(t.p, &(px_plan_hooks){.fault = &fault});
    assert_string_equal(fault.name, "earlier");
    assert_string_equal(fault.gradient, "earlier");
    finish(&t);
}

/* -infinity on the diagonal is intended; a NaN after it is not. */
static void masked(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(N, D));
        px_value *w = px_parameter(g, "weight", PX_SHAPE(N, D), px_init_constant(1), PX_DECAYS);
        px_value *place = px_constant_i32(g, PX_SHAPE(N), (int32_t[]){0, 1, 2});
        px_value *logits = px_mask_diagonal(g, px_matmul(g, x, w, false, true, 1), place);
        px_value *scaled = px_scale(g, px_scale(g, logits, bad ? 1e30 : 2), bad ? 1e30 : 2);
        px_value *loss = px_cross_entropy(g, scaled, px_constant_i32(g, PX_SHAPE(N), (int32_t[]){1, 2, 0}));
        px_graph_output(g, "loss", loss);
        px_graph_differentiate(g, loss);
        px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
        assert_non_null(p);
        px_plan_init_params(p, 1);
        float image[N * D];
        for (int i = 0; i < N * D; i++)
            image[i] = 1;
        px_fault f = {0};
        px_plan_bind(p, x, image);
        px_plan_run(p, &(px_plan_hooks){.fault = &f});
        assert_int_equal(f.at, bad ? PX_FAULT_STEP : PX_FAULT_NONE);
        if (bad) {
            assert_string_equal(f.op, "affine");
            assert_int_equal(f.bad, N * N - N);
        }
        px_plan_destroy(p);
        px_graph_destroy(g);
    }
}

static void states_are_restored(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(N, D));
    px_value *mean = px_state(g, "running_mean", PX_SHAPE(D), px_init_constant(1)),
             *var = px_state(g, "running_var", PX_SHAPE(D), px_init_constant(2));
    px_value *sums = px_batch_sums(g, x);
    px_update_running(g, sums, mean, var, N, 0.5);
    px_graph_output(g, "sums", sums);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    px_plan_init_params(p, 1);
    float image[N * D], now[D];
    for (int i = 0; i < N * D; i++)
        image[i] = 1e30f * (float)i;
    px_plan_bind(p, x, image);
    px_plan_save_states(p);
    px_plan_run(p, NULL);
    assert_string_equal(px_plan_not_finite(p), "running_var");
    px_plan_restore_states(p);
    assert_null(px_plan_not_finite(p));
    for (int i = 0; i < 2; i++) {
        px_plan_get_param(p, i, now);
        for (int k = 0; k < D; k++)
            assert_true(now[k] == (float)(i + 1));
    }
    px_plan_destroy(p);
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_is_no_fault),
        cmocka_unit_test(forward),
        cmocka_unit_test(forward_with_parameter),
        cmocka_unit_test(backward),
        cmocka_unit_test(before_any_step),
        cmocka_unit_test(first_run_is_kept),
        cmocka_unit_test(masked),
        cmocka_unit_test(states_are_restored),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
