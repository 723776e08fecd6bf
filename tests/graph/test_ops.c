/* Every op: gradients against central differences in double on the portable kernels; the fast backend against the
 * portable one in float, on odd shapes. A case builds a small graph; an op that no case reaches fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "op_cases.h"
#include "ops/portable/portable.h"
#include "ops/table.h"
#include "tensor/bf16.h"

/* ---- machinery ---- */

typedef struct trial {
    px_graph *g;
    px_plan *p;
    px_value *v[OPERANDS], *loss;
    double *data[OPERANDS]; /* current values */
    void *bound[OPERANDS], *weights;
} trial;

static bool reached[256];

static void mark_ops(const px_graph *g)
{
    for (int i = 0; i < px_graph_nodes(g); i++)
        for (int k = 0; px_ops[k]; k++)
            reached[k] |= px_graph_node(g, i)->op == px_ops[k];
}

/* y as one number: its elements weighted by fixed random numbers. */
static px_value *project(px_graph *g, px_value *y, px_value **weights)
{
    int64_t n = px_shape_count(y->shape);
    *weights = px_input(g, "weights", PX_F32, PX_SHAPE(n, 1));
    return px_reshape(g, px_matmul(g, px_reshape(g, y, PX_SHAPE(1, n)), *weights, false, false, 1), (px_shape){0});
}

static void *converted(const double *x, int64_t n, px_dtype to)
{
    void *out = px_aligned_calloc((size_t)n * sizeof(double) + 64);
    for (int64_t i = 0; i < n; i++) {
        if (to == PX_F64)
            ((double *)out)[i] = x[i];
        else
            ((float *)out)[i] = (float)x[i];
    }
    return out;
}

static void give(trial *t, int k)
{
    int64_t n = px_shape_count(t->v[k]->shape);
    void *data = converted(t->data[k], n, t->v[k]->dtype);
    if (t->v[k]->kind == PX_PARAMETER) {
        px_plan_set_param(t->p, t->v[k]->param, data);
        free(data);
    } else {
        free(t->bound[k]);
        t->bound[k] = data;
        px_plan_bind(t->p, t->v[k], data);
    }
}

/* What an operand is multiplied by to reach the op as the output of a layer: in a bf16 plan, in bf16. */
static px_value *through_layer(px_graph *g, px_value *x, int k)
{
    int64_t n = x->shape.dim[x->shape.rank == 4 ? 1 : x->shape.rank - 1];
    float *identity = px_calloc((size_t)(n * n), sizeof identity[0]);
    for (int64_t i = 0; i < n; i++)
        identity[i * n + i] = 1;
    px_scope_push(g, "identity%d", k);
    px_value *y;
    if (x->shape.rank == 4) {
        px_init init = px_init_values(g, identity, n * n);
        y = px_conv2d(g, x, px_parameter(g, "weight", PX_SHAPE(n, n, 1, 1), init, PX_DECAYS), NULL, 1, 0, 1);
    } else {
        px_init init = px_init_values(g, identity, n * n);
        y = px_linear(g, x, px_parameter(g, "weight", PX_SHAPE(n, n), init, PX_DECAYS), NULL);
    }
    px_scope_pop(g);
    free(identity);
    return y;
}

typedef struct variant {
    px_dtype real;
    const px_backend *backend;
    bool fuse;
    bool layers; /* operands come out of layers, and have values that bf16 holds exactly */
    px_dtype precision;
    double limit; /* of the distance from the portable kernels; 0: as usual */
} variant;

static trial start(const test_case *c, variant how)
{
    trial t = {.g = px_graph_create((px_mode){.real = how.real})};
    px_value *in[OPERANDS] = {0};
    for (int k = 0; k < OPERANDS && c->operand[k].shape.rank; k++) {
        char name[8] = {'v', (char)('0' + k)};
        if (c->operand[k].parameter)
            t.v[k] = px_parameter(t.g, name, c->operand[k].shape, px_init_constant(0), PX_DECAYS);
        else
            px_graph_want_grad(t.v[k] = px_input(t.g, name, PX_F32, c->operand[k].shape));
        bool wrap = how.layers && !c->operand[k].parameter && c->operand[k].shape.rank > 1;
        in[k] = wrap ? through_layer(t.g, t.v[k], k) : t.v[k];
    }
    px_value *weights, *y = c->build(t.g, in);
    assert_null(px_graph_error(t.g));
    t.loss = project(t.g, y, &weights);
    px_graph_output(t.g, "y", y);
    px_graph_output(t.g, "loss", t.loss);
    if (how.fuse)
        px_graph_fuse(t.g);
    px_graph_differentiate(t.g, t.loss);
    mark_ops(t.g);
    t.p = px_plan_create(t.g, &(px_plan_spec){.backend = how.backend, .precision = how.precision});
    if (!t.p)
        fail_msg("%s: %s", c->name, px_error());
    px_plan_init_params(t.p, 1);

    px_rng rng = px_rng_make(7, PX_RNG_TEST, 0, 0);
    for (int k = 0; k < OPERANDS && t.v[k]; k++) {
        int64_t n = px_shape_count(t.v[k]->shape);
        t.data[k] = px_calloc((size_t)n, sizeof(double));
        for (int64_t i = 0; i < n; i++) { /* away from the kinks of relu and max, mostly */
            t.data[k][i] = px_rng_normal(&rng) + (c->operand[k].shape.rank == 1 ? 1.5 : 0);
            if (how.layers)
                t.data[k][i] = px_bf16_float(px_bf16_of((float)t.data[k][i]));
        }
        give(&t, k);
    }
    int64_t n = px_shape_count(weights->shape);
    double *w = px_calloc((size_t)n, sizeof w[0]);
    for (int64_t i = 0; i < n; i++)
        w[i] = px_rng_normal(&rng);
    t.weights = converted(w, n, how.real);
    px_plan_bind(t.p, weights, t.weights);
    free(w);
    return t;
}

static void stop(trial *t)
{
    px_plan_destroy(t->p);
    px_graph_destroy(t->g);
    for (int k = 0; k < OPERANDS; k++) {
        free(t->data[k]);
        free(t->bound[k]);
    }
    free(t->weights);
}

static double *gradient(trial *t, int k)
{
    int64_t n = px_shape_count(t->v[k]->shape);
    double *out = px_calloc((size_t)n, sizeof out[0]);
    bool wide = t->v[k]->dtype == PX_F64;
    void *plain = px_aligned_calloc((size_t)n * 8);
    if (t->v[k]->kind == PX_PARAMETER)
        px_plan_get_grad(t->p, t->v[k]->param, plain);
    else
        memcpy(plain, px_plan_read(t->p, t->v[k]->grad), (size_t)n * (wide ? 8 : 4));
    for (int64_t i = 0; i < n; i++)
        out[i] = wide ? ((double *)plain)[i] : ((float *)plain)[i];
    free(plain);
    return out;
}

/* ---- tests ---- */

static void check_differences(const test_case *c, bool fuse)
{
    trial t = start(c, (variant){PX_F64, &px_backend_openblas, .fuse = fuse});
    px_plan_run(t.p, NULL);
    for (int k = 0; k < OPERANDS && t.v[k]; k++) {
        if (!t.v[k]->grad)
            continue;
        px_plan_run(t.p, NULL);
        double *g = gradient(&t, k), largest = 0;
        int64_t n = px_shape_count(t.v[k]->shape), step = n > 60 ? n / 60 : 1;
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(g[i]));
        for (int64_t i = 0; i < n; i += step) {
            const double h = 1e-5;
            double x = t.data[k][i], loss[2];
            for (int side = 0; side < 2; side++) {
                t.data[k][i] = x + (side ? h : -h);
                give(&t, k);
                px_plan_run(t.p, NULL);
                loss[side] = px_plan_scalar(t.p, t.loss);
            }
            t.data[k][i] = x;
            give(&t, k);
            double numeric = (loss[1] - loss[0]) / (2 * h);
            if (!(fabs(numeric - g[i]) <= 1e-6 * (1 + largest)))
                fail_msg("%s%s, operand %d, element %d: gradient %.9g, by differences %.9g", c->name,
                         fuse ? ", fused" : "", k, (int)i, g[i], numeric);
        }
        free(g);
    }
    stop(&t);
}

static void gradients_agree_with_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_differences(&cases[i], false);
        check_differences(&cases[i], true);
    }
}

/* The largest difference, as a share of the largest number; in bf16, where a rounding may take a number to the other
 * side of a relu, the length of the difference as a share of the length. */
static double distance(const double *a, const double *b, int64_t n, bool half)
{
    double largest = 0, worst = 0, length = 0, between = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(a[i]));
        worst = fmax(worst, fabs(a[i] - b[i]));
        length += a[i] * a[i];
        between += (a[i] - b[i]) * (a[i] - b[i]);
        if (isnan(b[i]))
            return INFINITY;
    }
    return half ? sqrt(between / (length + 1e-6)) : worst / (largest + 1e-3);
}

static void compare(const char *name, const char *what, const double *a, const double *b, int64_t n, variant how)
{
    bool half = how.precision == PX_BF16;
    double d = distance(a, b, n, half), most = how.limit > 0 ? how.limit : half ? 5e-2 : 2e-5;
    if (!(d <= most))
        fail_msg("%s, %s: differs from the portable kernels by %g", name, what, d);
}

static double *output(trial *t)
{
    px_value *y = px_graph_find_output(t->g, "y");
    const float *data = px_plan_read(t->p, y);
    int64_t n = px_shape_count(y->shape);
    double *out = px_calloc((size_t)n, sizeof out[0]);
    for (int64_t i = 0; i < n; i++)
        out[i] = data[i];
    return out;
}

static void compare_case(const test_case *c, variant how)
{
    variant portable = {PX_F32, &px_backend_openblas, .layers = how.layers};
    trial a = start(c, portable), b = start(c, how);
    for (int run = 0; run < 2; run++) { /* twice: a step must not depend on what the arena held */
        px_plan_run(a.p, NULL);
        px_plan_run(b.p, NULL);
    }
    double *ya = output(&a), *yb = output(&b);
    compare(c->name, "output", ya, yb, px_shape_count(px_graph_find_output(a.g, "y")->shape), how);
    free(ya);
    free(yb);
    for (int k = 0; k < OPERANDS && a.v[k]; k++) {
        char what[32];
        if (!a.v[k]->grad)
            continue;
        snprintf(what, sizeof what, "gradient of operand %d", k);
        double *ga = gradient(&a, k), *gb = gradient(&b, k);
        compare(c->name, what, ga, gb, px_shape_count(a.v[k]->shape), how);
        free(ga);
        free(gb);
    }
    stop(&a);
    stop(&b);
}

static void fast_agrees_with_portable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare_case(&cases[i], (variant){PX_F32, &px_backend_onednn, .fuse = true});
}

/* Each number is rounded to 8 bits a few times on its way. */
static void bf16_agrees_with_portable(void **state)
{
    (void)state;
    if (!px_bf16_native())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare_case(&cases[i],
                     (variant){PX_F32, &px_backend_onednn, .fuse = true, .layers = true, .precision = PX_BF16});
}

static px_value *build_attention(px_graph *g, px_value *v[])
{
    return px_attention(g, v[0], 2);
}

/* Many blocks of queries, the last not full, and more of them than are summed before memory; heads that vectors do not
 * divide; in fp32 and in bf16, by AMX where the processor has it. */
static void long_attention_agrees_with_portable(void **state)
{
    static const test_case longer[] = {{"attention over 33 tokens", build_attention, {IN(2, 33, 192)}},
                                       {"attention over 50 tokens", build_attention, {IN(2, 50, 384)}},
                                       {"attention over 197 tokens", build_attention, {IN(1, 197, 240)}},
                                       {"attention over 300 tokens", build_attention, {IN(1, 300, 96)}}};
    (void)state;
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        compare_case(&longer[i], (variant){PX_F32, &px_backend_onednn, .fuse = true});
        if (px_bf16_native())
            compare_case(&longer[i], (variant){PX_F32, &px_backend_onednn, .fuse = true, .layers = true,
                                               .precision = PX_BF16, .limit = 5e-3});
    }
}

static const variant fast_bf16 = {PX_F32,         &px_backend_onednn,   .fuse = true,
                                  .layers = true, .precision = PX_BF16, .limit = 1e-2};

/* Between two others of 1x1, from and to which formats flow as in a network. */
static px_value *conv_between(px_graph *g, px_value *v[], int stride, int pad)
{
    return px_conv2d(g, px_conv2d(g, v[0], v[1], NULL, stride, pad, 1), v[2], NULL, 1, 0, 1);
}

static px_value *build_same(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 1, 1);
}

static px_value *build_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 1);
}

static px_value *build_wide_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 3);
}

static px_value *build_pointwise(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 1, 0);
}

static px_value *build_pointwise_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 0);
}

/* Channels in several blocks of 32, the last not full in some; places in several parts, of which steps of 32 are no
 * multiple; small maps, and strides, at which some places see nothing of a kernel. */
static const test_case wide_conv[] = {
    {"wide conv 3x3", build_same, {IN(2, 40, 13, 11), PARAM(72, 40, 3, 3), PARAM(32, 72, 1, 1)}},
    {"the same, small maps", build_same, {IN(3, 64, 7, 5), PARAM(96, 64, 3, 3), PARAM(32, 96, 1, 1)}},
    {"the same, stride 2", build_half, {IN(2, 64, 15, 14), PARAM(96, 64, 3, 3), PARAM(32, 96, 1, 1)}},
    {"wide conv 7x7", build_wide_half, {IN(2, 3, 71, 69), PARAM(40, 3, 7, 7), PARAM(32, 40, 1, 1)}},
    {"wide conv 1x1", build_pointwise, {IN(3, 96, 33, 31), PARAM(40, 96, 1, 1), PARAM(32, 40, 1, 1)}},
    {"the same, widening", build_pointwise, {IN(3, 40, 33, 31), PARAM(72, 40, 1, 1), PARAM(32, 72, 1, 1)}},
    {"the same, stride 2", build_pointwise_half, {IN(2, 40, 9, 9), PARAM(96, 40, 1, 1), PARAM(32, 96, 1, 1)}},
    {"the same, whole blocks", build_pointwise_half, {IN(2, 64, 9, 8), PARAM(96, 64, 1, 1), PARAM(32, 96, 1, 1)}}};

static void wide_convolutions_agree_with_portable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wide_conv / sizeof wide_conv[0]; i++) {
        compare_case(&wide_conv[i], (variant){PX_F32, &px_backend_onednn, .fuse = true});
        if (px_bf16_native())
            compare_case(&wide_conv[i], fast_bf16);
    }
}

/* The gradients of input and weight on so many threads. *matrix_unit: the processor has one; *own: ours makes the
 * weight's there. */
static void gradients_on(const test_case *c, int threads, double *gradients[2], bool *matrix_unit, bool *own)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(c, fast_bf16);
    px_plan_run(t.p, NULL);
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info s = px_plan_step_info(t.p, i);
        *matrix_unit |= strstr(s.kernel, "amx") != NULL;
        if (strcmp(s.op, "conv2d_back_weight") == 0 && px_shape_equal(s.shape, c->operand[1].shape))
            *own = strstr(s.kernel, "pretext") != NULL;
    }
    for (int k = 0; k < 2; k++)
        gradients[k] = gradient(&t, k);
    stop(&t);
    omp_set_num_threads(before);
}

/* Of our own kernels on matrix units: others may add up in another order. */
static void gradients_do_not_depend_on_threads(void **state)
{
    (void)state;
    if (!px_bf16_native())
        skip();
    for (size_t i = 0; i < sizeof wide_conv / sizeof wide_conv[0]; i++) {
        double *one[2], *more[2];
        bool matrix_unit = false, own = false;
        gradients_on(&wide_conv[i], 1, one, &matrix_unit, &own);
        assert_true(own || !matrix_unit);
        for (int threads = 2; threads <= 5; threads++) {
            gradients_on(&wide_conv[i], threads, more, &matrix_unit, &own);
            for (int k = 0; k < 2; k++) {
                int64_t n = px_shape_count(wide_conv[i].operand[k].shape);
                if (own)
                    assert_memory_equal(one[k], more[k], (size_t)n * sizeof(double));
                free(more[k]);
            }
        }
        free(one[0]);
        free(one[1]);
    }
}

/* A sum of many rows (MAE's mask token) is rounded once: ones added up in bf16 would stop at 256. */
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

/* What is no number must reach the loss, where it is seen: in each operand, forward and backward, whatever is fused. */
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
        poison_case(&cases[i], (variant){PX_F32, &px_backend_onednn, .fuse = true});
        poison_case(&cases[i], (variant){PX_F32, &px_backend_onednn, .fuse = false});
        if (px_bf16_native())
            poison_case(&cases[i],
                        (variant){PX_F32, &px_backend_onednn, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

static void every_op_has_a_case(void **state)
{
    (void)state;
    for (int k = 0; px_ops[k]; k++)
        if (!reached[k])
            fail_msg("op %s is in no test case", px_ops[k]->name);
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
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_onednn});
    px_plan_bind(p, in, x);
    px_plan_draw_by(p, draws);
    px_plan_run(p, NULL);
    memcpy(y, px_plan_read(p, out), 400 * sizeof y[0]);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* What is dropped belongs to the sample: 2 views of 2 images on one rank are row for row those of two ranks with one
 * image each. */
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

/* In the graph that is not differentiated a linear layer and its gelu are one kernel. */
static void gelu_joins_the_linear_layer(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(3, 4));
    px_value *w = px_parameter(g, "w", PX_SHAPE(2, 4), px_init_constant(0.25), PX_DECAYS);
    px_value *b = px_parameter(g, "b", PX_SHAPE(2), px_init_constant(-0.5), PX_EXEMPT);
    px_graph_output(g, "y", px_dropout(g, px_gelu(g, px_linear(g, x, w, b)), 0.5, 3));
    px_graph_fuse(g);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_onednn});
    px_plan_init_params(p, 1);
    const float data[12] = {1, 1, 1, 1, 6, 6, 6, 6, -20, 0, 0, 0};
    px_plan_bind(p, x, data);
    px_plan_run(p, NULL);
    const float *y = px_plan_read(p, px_graph_find_output(g, "y"));
    for (int i = 0; i < 6; i++) {
        double v = (const double[]){0.5, 5.5, -5.5}[i / 2];
        assert_true(fabs(y[i] - v * 0.5 * erfc(-v / sqrt(2))) < 1e-5);
    }
    int lines = 0;
    px_layer_line line;
    for (int i = 0; px_graph_line(g, &i, &line);)
        lines++;
    assert_int_equal(lines, 1);
    px_plan_destroy(p);
    px_graph_destroy(g);
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
    assert_null(px_plan_create(g, &(px_plan_spec){.backend = &px_backend_onednn}));
    assert_int_equal(px_error_status(), PX_USAGE);
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(fast_agrees_with_portable),
        cmocka_unit_test(bf16_agrees_with_portable),
        cmocka_unit_test(long_attention_agrees_with_portable),
        cmocka_unit_test(wide_convolutions_agree_with_portable),
        cmocka_unit_test(gradients_do_not_depend_on_threads),
        cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(running_statistics_move),
        cmocka_unit_test(dropout_follows_the_sample),
        cmocka_unit_test(gelu_joins_the_linear_layer),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(bf16_scatter_rounds_once),
        cmocka_unit_test(nan_is_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
