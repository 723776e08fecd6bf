/* heads.h - a method's graph in double on a backbone that passes pixels through, so that the features are known, and its heads
 * written out: for comparing losses with their formulas. */
#ifndef PX_TESTS_METHODS_HEADS_H
#define PX_TESTS_METHODS_HEADS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "ops/ops.h"
#include "train/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, SIDE = 4, F = 3 * SIDE * SIDE, HIDDEN = 10, D = 7, K = 14 };

/* ---- the graph ---- */

static inline px_encoding pixels(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    (void)c;
    return (px_encoding){.pooled = px_reshape(g, x, PX_SHAPE(x->shape.dim[0], F))};
}

static const px_backbone_family pixels_family = {.name = "pixels", .build = pixels};
static const px_backbone pixels_backbone = {.name = "pixels", .family = &pixels_family};

typedef struct subject {
    px_settings s;
    px_task task;
    px_graph *g;
    px_plan *plan;
    px_value *loss;
    double image[2 * B * F]; /* (view, image, pixel) */
} subject;

static inline void start(subject *t, const char *const given[], int count)
{
    *t = (subject){.task = {.image_size = SIDE, .channels = 3, .batch = B, .ranks = 1}};
    assert_int_equal(px_settings_load(&t->s, NULL, given, count), 0);
    t->g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1});
    px_value *views = px_input(t->g, "views", PX_F32, PX_SHAPE(2 * B, 3, SIDE, SIDE));
    px_build b = {.g = t->g, .task = &t->task, .backbone = &pixels_backbone};
    t->loss = t->s.method->build(t->s.method_cfg, &b);
    px_graph_output(t->g, "loss", t->loss);
    px_graph_fuse(t->g);
    px_graph_differentiate(t->g, t->loss);
    t->plan = px_plan_create(t->g, &(px_plan_spec){.backend = &px_backend_openblas});
    if (!t->plan)
        fail_msg("%s", px_error());
    px_plan_init_params(t->plan, 4);
    for (int i = 0; i < 2 * B * F; i++)
        t->image[i] = sin(i * 0.7) + (i % F == 3);
    px_plan_bind(t->plan, views, t->image);
}

static inline void stop(subject *t)
{
    px_plan_destroy(t->plan);
    px_graph_destroy(t->g);
    px_settings_finish(&t->s);
}

static inline int find(const subject *t, const char *name)
{
    for (int i = 0; i < px_graph_params(t->g); i++)
        if (strcmp(px_graph_param(t->g, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

/* A parameter, into `to`. */
static inline void get(subject *t, const char *of, const char *name, int count, double *to)
{
    char *whole = px_format("%s.%s", of, name);
    int i = find(t, whole);
    assert_int_equal(px_shape_count(px_graph_param(t->g, i)->value->shape), count);
    px_plan_get_param(t->plan, i, to);
    free(whole);
}

/* ---- the formulas ---- */

static inline void linear(const double *x, int rows, int in, const double *w, const double *bias, int out, double *y)
{
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < out; k++) {
            y[i * out + k] = bias[k];
            for (int j = 0; j < in; j++)
                y[i * out + k] += x[i * in + j] * w[k * in + j];
        }
}

static inline void normalise(double *y, int rows, const double *scale, const double *shift)
{
    for (int k = 0; k < HIDDEN; k++) {
        double mean = 0, var = 0;
        for (int i = 0; i < rows; i++)
            mean += y[i * HIDDEN + k] / rows;
        for (int i = 0; i < rows; i++)
            var += (y[i * HIDDEN + k] - mean) * (y[i * HIDDEN + k] - mean) / rows;
        for (int i = 0; i < rows; i++)
            y[i * HIDDEN + k] = (y[i * HIDDEN + k] - mean) / sqrt(var + 1e-5) * scale[k] + shift[k];
    }
}

/* The head `of` on `rows` rows (at most 2B): linear, batch norm if `norm`, relu, linear; then of length 1 if `unit`. */
static inline void head(subject *t, const char *of, const double *x, int rows, int in, bool norm, bool unit, double *z)
{
    double w[HIDDEN * F], bias[HIDDEN], y[2 * B * HIDDEN], scale[HIDDEN], shift[HIDDEN];
    get(t, of, "linear1.weight", HIDDEN * in, w);
    get(t, of, "linear1.bias", HIDDEN, bias);
    linear(x, rows, in, w, bias, HIDDEN, y);
    if (norm) {
        get(t, of, "bn1.weight", HIDDEN, scale);
        get(t, of, "bn1.bias", HIDDEN, shift);
        normalise(y, rows, scale, shift);
    }
    for (int i = 0; i < rows * HIDDEN; i++)
        y[i] = y[i] > 0 ? y[i] : 0;
    get(t, of, "linear2.weight", D * HIDDEN, w);
    get(t, of, "linear2.bias", D, bias);
    linear(y, rows, HIDDEN, w, bias, D, z);
    for (int i = 0; i < rows && unit; i++) {
        double square = 0;
        for (int d = 0; d < D; d++)
            square += z[i * D + d] * z[i * D + d];
        for (int d = 0; d < D; d++)
            z[i * D + d] /= sqrt(square);
    }
}

static inline double dot(const double *a, const double *b)
{
    double s = 0;
    for (int d = 0; d < D; d++)
        s += a[d] * b[d];
    return s;
}

#endif
