/* test_ops.c - every op: gradients against central differences, in double on the portable kernels; the fast backend
 * against the portable one, in float on odd shapes. A case builds a small graph; an op that no case reaches fails the
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "backends/portable/portable.h"
#include "base/error.h"
#include "op_cases.h"
#include "ops/attr.h"
#include "ops/table.h"
#include "trial.h"

static bool reached[256], applied[PX_FN_COUNT], paired[PX_EQUAL + 1];

static void mark_ops(const px_graph *g)
{
    for (int i = 0; i < px_graph_nodes(g); i++) {
        const px_node *n = px_graph_node(g, i);
        for (int k = 0; px_ops[k]; k++)
            reached[k] |= n->op == px_ops[k];
        if (strcmp(n->op->name, "unary") == 0)
            applied[((const px_unary_attr *)n->attr)->function] = true;
        if (strcmp(n->op->name, "binary") == 0)
            paired[((const px_binary_attr *)n->attr)->function] = true;
    }
}

/* ---- tests ---- */

static void check_case(const test_case *c, bool fuse)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", c->name, fuse ? ", fused" : "");
    trial t = start(c, (variant){PX_F64, &px_backend_openblas, .fuse = fuse});
    mark_ops(t.g);
    px_plan_run(t.p, NULL);
    check_differences(&t, name);
    stop(&t);
}

static void gradients_agree_with_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(&cases[i], false);
        check_case(&cases[i], true);
    }
}

static void fast_agrees_with_portable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare_case(&cases[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
}

/* On its way each number is rounded to 8 bits a few times. */
static void bf16_agrees_with_portable(void **state)
{
    (void)state;
    if (!bf16_runs())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare_case(&cases[i],
                     (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
}

/* A sum of many rows (MAE's mask token) is rounded once: a sum of ones in bf16 would stop at 256. */
static void bf16_scatter_rounds_once(void **state)
{
    (void)state;
    enum { K = 512, D = 3 };
    static px_bf16 dy[K * D], dx[2 * D];
    static int32_t place[K];
    for (int i = 0; i < K * D; i++)
        dy[i] = px_bf16_of(1);
    px_value rows = {.shape = PX_SHAPE(1, K, D)}, places = {.shape = PX_SHAPE(1, K)}, x = {.shape = PX_SHAPE(1, 2, D)};
    px_node n = {.in = {&rows, &places, &x}, .out = {&x}};
    px_bf16_scatter_tokens(&(px_step){.node = &n, .in = {dy, place}, .out = {dx}});
    for (int i = 0; i < D; i++) {
        assert_float_equal(px_bf16_float(dx[i]), K, 0);
        assert_float_equal(px_bf16_float(dx[D + i]), 0, 0);
    }
}

/* A NaN in any operand must reach the loss, where it is seen: forward and backward, with and without fusion. */
static void poison_case(const test_case *c, variant how)
{
    for (int k = 0; k < OPERANDS && c->operand[k].shape.rank; k++) {
        trial t = start(c, how);
        for (int64_t i = 0; i < px_shape_count(t.v[k]->shape); i++)
            t.data[k][i] = NAN;
        give(&t, k);
        px_plan_run(t.p, NULL);
        if (isfinite(px_plan_scalar(t.p, t.loss)))
            fail_msg("%s, %s%s%s: operand %d is NaN, the loss is %g", c->name, how.backend->name,
                     how.fuse ? ", fused" : "", how.precision == PX_BF16 ? ", bf16" : "", k,
                     px_plan_scalar(t.p, t.loss));
        stop(&t);
    }
}

static void nan_is_not_hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poison_case(&cases[i], (variant){PX_F32, &px_backend_openblas, .fuse = true});
        poison_case(&cases[i], (variant){PX_F32, &px_backend_openblas, .fuse = false});
        poison_case(&cases[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        poison_case(&cases[i], (variant){PX_F32, &px_backend_fast, .fuse = false});
        if (bf16_runs())
            poison_case(&cases[i],
                        (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

static void every_op_has_a_case(void **state)
{
    (void)state;
    for (int k = 0; px_ops[k]; k++)
        if (!reached[k])
            fail_msg("op %s is in no test case", px_ops[k]->name);
    for (int k = 0; k < PX_FN_COUNT; k++)
        if (!applied[k])
            fail_msg("function %d of px_unary is in no test case", k);
    for (int k = 0; k <= PX_EQUAL; k++)
        if (!paired[k])
            fail_msg("function %d of px_binary is in no test case", k);
}

/* Running statistics move as torch.nn.BatchNorm's: momentum, unbiased variance. */
static void running_statistics_move(void **state)
{
    (void)state;
    test_case c = {"running", build_running, {IN(7, 5, 2, 1)}};
    trial t = start(&c, (variant){PX_F64, &px_backend_openblas, .fuse = true});
    px_plan_run(t.p, NULL);
    double mean[5], var[5];
    px_plan_get_param(t.p, 0, mean);
    px_plan_get_param(t.p, 1, var);
    for (int ch = 0; ch < 5; ch++) {
        double m = 0, s = 0;
        for (int n = 0; n < 7; n++)
            for (int i = 0; i < 2; i++)
                m += t.data[0][(n * 5 + ch) * 2 + i] / 14;
        for (int n = 0; n < 7; n++)
            for (int i = 0; i < 2; i++)
                s += pow(t.data[0][(n * 5 + ch) * 2 + i] - m, 2) / 13;
        assert_true(fabs(mean[ch] - (0.9 * 0.3 + 0.1 * m)) < 1e-6);
        assert_true(fabs(var[ch] - (0.9 * 1.7 + 0.1 * s)) < 1e-6);
    }
    stop(&t);
}

static void run_dropout(float *y, px_draws draws, const float *x)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *in = px_input(g, "x", PX_F32, PX_SHAPE(4, 100)), *out = px_dropout(g, in, 0.25, 4);
    px_graph_output(g, "y", out);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    px_plan_bind(p, in, x);
    px_plan_draw_by(p, draws);
    px_plan_run(p, NULL);
    memcpy(y, px_plan_read(p, out), 400 * sizeof y[0]);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* Dropout depends on the sample: the rows of 2 views of 2 images on one rank are those of two ranks with one image
 * each. */
static void dropout_follows_the_sample(void **state)
{
    (void)state;
    float x[400], whole[400], later[400], part[400];
    for (int i = 0; i < 400; i++)
        x[i] = 1;
    run_dropout(whole, (px_draws){.seed = 5, .step = 9, .first = 0, .batch = 2}, x);
    run_dropout(later, (px_draws){.seed = 5, .step = 10, .first = 0, .batch = 2}, x);
    assert_memory_not_equal(whole, later, sizeof whole);
    assert_memory_not_equal(whole, whole + 100, 100 * sizeof x[0]);
    for (int rank = 0; rank < 2; rank++) {
        run_dropout(part, (px_draws){.seed = 5, .step = 9, .first = rank, .batch = 1}, x);
        assert_memory_equal(part, whole + rank * 100, 100 * sizeof x[0]);
        assert_memory_equal(part + 100, whole + (2 + rank) * 100, 100 * sizeof x[0]);
    }
    int kept = 0;
    for (int i = 0; i < 400; i++) {
        kept += whole[i] != 0;
        assert_true(whole[i] == 0 || fabsf(whole[i] - 4 / 3.0f) < 1e-6f);
    }
    assert_in_range(kept, 260, 340);
}

/* Axes without elements: sums of nothing are 0, and gradients pass by. */
static void nothing_is_a_tensor(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(2, 3));
    px_graph_want_grad(x);
    px_value *none = px_slice(g, x, 0, 1, 0); /* (0, 3) */
    px_value *more =
        px_binary(g, PX_MUL, px_permute(g, px_unary(g, PX_FN_EXP, none, 0, 0), (const int[]){1, 0}),
                  px_reduce(g, PX_SUM, px_expand(g, none, PX_SHAPE(5, 0, 3)), (px_axes){2, {0, -1}, false}));
    px_value *sum = px_reduce(g, PX_SUM, px_reshape(g, more, PX_SHAPE(0)), (px_axes){1, {0}, false});
    px_value *padded = px_pad(g, px_roll(g, none, 1, 1), 0, 1, 1); /* (2, 3), zeros */
    px_value *whole = px_binary(g, PX_ADD, px_concat(g, 0, (px_value *[]){none, x, none}, 3), padded);
    px_value *loss = px_binary(g, PX_ADD, px_reduce(g, PX_SUM, whole, (px_axes){2, {0, 1}, false}), sum);
    px_graph_output(g, "loss", loss);
    px_graph_differentiate(g, loss);
    assert_null(px_graph_error(g));
    const float data[6] = {1, 2, 3, 4, 5, 6};
    for (int fast = 0; fast < 2; fast++) {
        px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = fast ? &px_backend_fast : &px_backend_openblas});
        px_plan_bind(p, x, data);
        px_plan_run(p, NULL);
        assert_float_equal(px_plan_scalar(p, loss), 21, 0);
        for (int i = 0; i < 6; i++)
            assert_float_equal(((const float *)px_plan_read(p, x->grad))[i], 1, 0);
        px_plan_destroy(p);
    }
    px_graph_destroy(g);
}

/* Products of no rows, of no columns, over nothing (the bias alone), of no matrices; convolutions of no images. */
static px_value *products_of_nothing(px_graph *g, px_value *x, px_value *w, px_value *bias)
{
    px_value *none = px_slice(g, x, 0, 1, 0), *thin = px_slice(g, x, 1, 0, 0); /* (0, 3), (2, 0) */
    px_value *image = px_reshape(g, none, PX_SHAPE(0, 3, 1, 1)), *filter = px_reshape(g, w, PX_SHAPE(4, 3, 1, 1));
    px_value *part[] = {
        px_linear(g, none, w, bias),                                                         /* (0, 4) */
        px_linear(g, thin, px_slice(g, w, 1, 0, 0), bias),                                   /* (2, 4): bias */
        px_matmul(g, thin, px_slice(g, w, 1, 1, 0), false, true, 3),                         /* (2, 4): 0 */
        px_linear(g, px_reshape(g, thin, PX_SHAPE(1, 2, 0)), px_slice(g, w, 1, 0, 0), bias), /* (1, 2, 4): bias */
        px_linear(g, x, px_slice(g, w, 0, 2, 0), px_slice(g, bias, 0, 1, 0)),                /* (2, 0) */
        px_matmul(g, px_reshape(g, none, PX_SHAPE(0, 2, 3)), px_reshape(g, none, PX_SHAPE(0, 2, 3)), true, false, 1),
        px_relu(g, px_conv2d(g, image, filter, bias, 1, 0, 1)), /* (0, 4, 1, 1) */
    };
    px_value *sum = px_reduce(g, PX_SUM, x, (px_axes){2, {0, 1}, false});
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        px_axes all = {.count = part[i]->shape.rank, .axis = {0, 1, 2, 3}};
        sum = px_add(g, sum, px_reduce(g, PX_SUM, part[i], all));
    }
    return sum;
}

static void products_with_nothing_are_defined(void **state)
{
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(2, 3));
        px_graph_want_grad(x);
        px_value *w = px_parameter(g, "weight", PX_SHAPE(4, 3), px_init_constant(5), PX_DECAYS);
        px_value *bias = px_parameter(g, "bias", PX_SHAPE(4), px_init_constant(0.25), PX_EXEMPT);
        px_value *loss = products_of_nothing(g, x, w, bias);
        px_graph_output(g, "loss", loss);
        if (fused)
            px_graph_fuse(g);
        px_graph_differentiate(g, loss);
        assert_null(px_graph_error(g));
        const float data[6] = {1, 2, 3, 4, 5, 6};
        for (int fast = 0; fast < 2 + bf16_runs(); fast++) {
            px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = fast ? &px_backend_fast : &px_backend_openblas,
                                                           .precision = fast == 2 ? PX_BF16 : 0});
            float grad[12];
            px_plan_init_params(p, 1);
            px_plan_bind(p, x, data);
            for (int run = 0; run < 2; run++)
                px_plan_run(p, NULL);
            assert_float_equal(px_plan_scalar(p, loss), 21 + 2 * 2 * 4 * 0.25, 1e-6);
            for (int i = 0; i < 6; i++)
                assert_float_equal(((const float *)px_plan_read(p, x->grad))[i], 1, 0);
            px_plan_get_grad(p, w->param, grad);
            for (int i = 0; i < 12; i++)
                assert_float_equal(grad[i], 0, 0);
            px_plan_get_grad(p, bias->param, grad);
            for (int i = 0; i < 4; i++)
                assert_float_equal(grad[i], 4, 0); /* two rows, twice */
            px_plan_destroy(p);
        }
        px_graph_destroy(g);
    }
}

/* The first mistake stays, with the scope in which it was made. */
static void refuse(const char *message, px_value *(*build)(px_graph *, px_value *x))
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_scope_push(g, "head");
    build(g, px_input(g, "x", PX_F32, PX_SHAPE(2, 3)));
    px_scope_pop(g);
    if (!px_graph_error(g) || strcmp(px_graph_error(g), message) != 0)
        fail_msg("%s, but expected %s", px_graph_error(g), message);
    px_graph_destroy(g);
}

static px_value *unlike(px_graph *g, px_value *x)
{
    return px_binary(g, PX_MUL, x, px_reshape(g, x, PX_SHAPE(3, 2)));
}

static px_value *of_integers(px_graph *g, px_value *x)
{
    return px_binary(g, PX_ADD, px_reduce(g, PX_SUM, x, (px_axes){1, {1}, false}), px_argmax(g, x, 1));
}

static px_value *beyond(px_graph *g, px_value *x)
{
    return px_slice(g, x, -1, 2, 2);
}

static px_value *no_axis(px_graph *g, px_value *x)
{
    return px_softmax(g, x, 2);
}

static px_value *axis_twice(px_graph *g, px_value *x)
{
    return px_reduce(g, PX_SUM, x, (px_axes){2, {1, -1}, false});
}

static px_value *most_of_none(px_graph *g, px_value *x)
{
    return px_reduce(g, PX_AMAX, px_slice(g, x, 1, 0, 0), (px_axes){1, {1}, false});
}

static px_value *unlike_parts(px_graph *g, px_value *x)
{
    return px_concat(g, 1, (px_value *[]){x, px_reshape(g, x, PX_SHAPE(3, 2))}, 2);
}

static px_value *no_order(px_graph *g, px_value *x)
{
    return px_permute(g, x, (const int[]){1, 1});
}

static px_value *not_repeated(px_graph *g, px_value *x)
{
    return px_expand(g, x, PX_SHAPE(4, 3));
}

static void wrong_words_are_refused(void **state)
{
    (void)state;
    refuse("head: mul: shapes (2, 3) and (3, 2) do not broadcast", unlike);
    refuse("head: add: operand 2 is of type i32, not f32", of_integers);
    refuse("head: slice: (2, 3) has no elements 2 to 3 along axis 1", beyond);
    refuse("head: logsumexp: (2, 3) has no axis 2", no_axis);
    refuse("head: sum: axis -1 of (2, 3) is named twice", axis_twice);
    refuse("head: amax over axis 1 of (2, 0): it has no elements", most_of_none);
    refuse("head: concat along axis 1: (2, 3) and (3, 2) differ elsewhere", unlike_parts);
    refuse("head: permute: axis 1 of (2, 3) is named twice", no_order);
    refuse("head: expand: (2, 3) does not broadcast to (4, 3)", not_repeated);
}

static void misfits_are_refused(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(2, 3, 8, 8));
    px_scope_push(g, "layer1");
    px_value *w = px_parameter(g, "weight", PX_SHAPE(4, 5, 3, 3), px_init_constant(0), PX_DECAYS);
    px_value *y = px_relu(g, px_conv2d(g, x, w, NULL, 1, 1, 1));
    px_value *z = px_add(g, y, x);
    px_scope_pop(g);
    assert_ptr_equal(y, z);
    assert_string_equal(px_graph_error(g),
                        "layer1: conv2d: input (2, 3, 8, 8) does not fit weight (4, 5, 3, 3) in 1 groups");
    assert_null(px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast}));
    assert_int_equal(px_error_status(), PX_USAGE);
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(fast_agrees_with_portable),
        cmocka_unit_test(bf16_agrees_with_portable),
        cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(running_statistics_move),
        cmocka_unit_test(dropout_follows_the_sample),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(bf16_scatter_rounds_once),
        cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(nothing_is_a_tensor),
        cmocka_unit_test(products_with_nothing_are_defined),
        cmocka_unit_test(wrong_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
