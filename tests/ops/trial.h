/* trial.h - a small graph around an op, run by any backend, and compared with the portable kernels.
 *
 *     trial t = start(&c, (variant){PX_F32, &px_backend_fast, .fuse = true});
 *     px_plan_run(t.p, NULL);
 *     double *g = gradient(&t, 0);     // of operand 0; the caller frees it
 *     stop(&t);
 *     check_differences(&t, c.name);   // gradients against differences, in double; fails the test
 *     compare_case(&c, how);           // outputs and gradients; fails the test where they are too far from portable ones
 */
#ifndef PX_TESTS_GRAPH_TRIAL_H
#define PX_TESTS_GRAPH_TRIAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "graph/kernel.h"
#include "graph/plan_params.h"
#include "ops/ops.h"
#include "tensor/bf16.h"

enum { OPERANDS = 4 };

typedef struct operand {
    px_shape shape;
    bool parameter; /* else an input that needs a gradient */
} operand;

typedef struct test_case {
    const char *name;
    px_value *(*build)(px_graph *, px_value *v[OPERANDS]);
    operand operand[OPERANDS];
} test_case;

#define IN(...)                                                                                                        \
    {                                                                                                                  \
        .shape = { sizeof((int[]){__VA_ARGS__}) / sizeof(int), {__VA_ARGS__} }                                         \
    }
#define PARAM(...)                                                                                                     \
    {                                                                                                                  \
        .shape = {sizeof((int[]){__VA_ARGS__}) / sizeof(int), {__VA_ARGS__}}, .parameter = true                        \
    }

typedef struct trial {
    px_graph *g;
    px_plan *p;
    px_value *v[OPERANDS], *loss;
    double *data[OPERANDS]; /* current values */
    void *bound[OPERANDS], *weights;
} trial;

/* Reduces y to one number: its elements weighted by fixed random numbers. */
static inline px_value *project(px_graph *g, px_value *y, px_value **weights)
{
    int64_t n = px_shape_count(y->shape);
    *weights = px_input(g, "weights", PX_F32, PX_SHAPE(n, 1));
    return px_reshape(g, px_matmul(g, px_reshape(g, y, PX_SHAPE(1, n)), *weights, false, false, 1), (px_shape){0});
}

static inline void *converted(const double *x, int64_t n, px_dtype to)
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

static inline void give(trial *t, int k)
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

/* An operand is multiplied by this, so that it reaches the op as the output of a layer: in a bf16 plan, as bf16. */
static inline px_value *through_layer(px_graph *g, px_value *x, int k)
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

/* Whether bf16 can be run here: on AVX-512 oneDNN computes it with or without instructions for it. */
static inline bool bf16_runs(void)
{
    return px_cpu_has(PX_ISA_AVX512) && px_backend_fast.bf16;
}

typedef struct variant {
    px_dtype real;
    const px_backend *backend;
    bool fuse;
    bool layers; /* operands are outputs of layers, with values that bf16 represents exactly */
    px_dtype precision;
    double limit; /* of the distance from the portable kernels; 0: as usual */
} variant;

static inline trial start(const test_case *c, variant how)
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

static inline void stop(trial *t)
{
    px_plan_destroy(t->p);
    px_graph_destroy(t->g);
    for (int k = 0; k < OPERANDS; k++) {
        free(t->data[k]);
        free(t->bound[k]);
    }
    free(t->weights);
}

static inline double *gradient(trial *t, int k)
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

/* The gradients of some elements of each operand against central differences, in double. One thread takes the
 * differences: of so small a graph two make three times the work. */
static inline void check_differences(trial *t, const char *name)
{
#ifdef __SANITIZE_ADDRESS__
    enum { ELEMENTS = 6 }; /* which element it is changes no address, and each takes six times as long */
#else
    enum { ELEMENTS = 60 };
#endif
    for (int k = 0; k < OPERANDS && t->v[k]; k++) {
        if (!t->v[k]->grad)
            continue;
        px_plan_run(t->p, NULL);
        double *g = gradient(t, k), largest = 0;
        const int threads = omp_get_max_threads();
        omp_set_num_threads(1);
        int64_t n = px_shape_count(t->v[k]->shape), step = n > ELEMENTS ? n / ELEMENTS : 1;
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(g[i]));
        for (int64_t i = 0; i < n; i += step) {
            const double h = 1e-5;
            double x = t->data[k][i], loss[2];
            for (int side = 0; side < 2; side++) {
                t->data[k][i] = x + (side ? h : -h);
                give(t, k);
                px_plan_run(t->p, NULL);
                loss[side] = px_plan_scalar(t->p, t->loss);
            }
            t->data[k][i] = x;
            give(t, k);
            double numeric = (loss[1] - loss[0]) / (2 * h);
            if (!(fabs(numeric - g[i]) <= 1e-6 * (1 + largest)))
                fail_msg("%s, operand %d, element %d: gradient %.9g, by differences %.9g", name, k, (int)i, g[i],
                         numeric);
        }
        omp_set_num_threads(threads);
        free(g);
    }
}

/* The largest difference divided by the largest number. In bf16, where rounding may move a number to the other side of
 * a relu: the length of the difference divided by the length. */
static inline double distance(const double *a, const double *b, int64_t n, bool bf16)
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
    return bf16 ? sqrt(between / (length + 1e-6)) : worst / (largest + 1e-3);
}

static inline void compare(const char *name, const char *what, const double *a, const double *b, int64_t n, variant how)
{
    bool bf16 = how.precision == PX_BF16;
    /* Only its slope jumps, where rounding may cross (epilogue_cases.h). */
    double jumps = strstr(name, "HARD_SWISH") && strncmp(what, "gradient", 8) == 0 ? 2 : 1;
    double d = distance(a, b, n, bf16), most = how.limit > 0 ? how.limit : bf16 ? 5e-2 * jumps : 2e-5;
    if (!(d <= most))
        fail_msg("%s, %s: differs from the portable kernels by %g", name, what, d);
}

static inline double *output(trial *t)
{
    px_value *y = px_graph_find_output(t->g, "y");
    const float *data = px_plan_read(t->p, y);
    int64_t n = px_shape_count(y->shape);
    double *out = px_calloc((size_t)n, sizeof out[0]);
    for (int64_t i = 0; i < n; i++)
        out[i] = data[i];
    return out;
}

/* The operands' values of both are the same, those of compare_case. */
static inline void compare_trials(const char *name, trial *a, trial *b, variant how)
{
    for (int run = 0; run < 2; run++) { /* twice, since a step must not depend on the arena's old content */
        px_plan_run(a->p, NULL);
        px_plan_run(b->p, NULL);
    }
    double *ya = output(a), *yb = output(b);
    compare(name, "output", ya, yb, px_shape_count(px_graph_find_output(a->g, "y")->shape), how);
    free(ya);
    free(yb);
    for (int k = 0; k < OPERANDS && a->v[k]; k++) {
        char what[32];
        if (!a->v[k]->grad)
            continue;
        snprintf(what, sizeof what, "gradient of operand %d", k);
        double *ga = gradient(a, k), *gb = gradient(b, k);
        compare(name, what, ga, gb, px_shape_count(a->v[k]->shape), how);
        free(ga);
        free(gb);
    }
}

/* The yardstick of a variant. */
static inline trial start_portable(const test_case *c, variant how)
{
    return start(c, (variant){PX_F32, &px_backend_openblas, .layers = how.layers});
}

static inline void compare_case(const test_case *c, variant how)
{
    trial a = start_portable(c, how), b = start(c, how);
    compare_trials(c->name, &a, &b, how);
    stop(&a);
    stop(&b);
}

#endif
