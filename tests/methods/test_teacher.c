/* test_teacher.c - the losses of the methods with a teacher, BYOL and MoCo, against their formulas written out in double, in the
 * first step and after the teacher has moved. The backbone is replaced by one that passes pixels through, so that the features
 * are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan.h"
#include "ops/ops.h"
#include "train/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, SIDE = 4, F = 3 * SIDE * SIDE, HIDDEN = 10, D = 7, K = 14 };

/* ---- the graph ---- */

static px_encoding pixels(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
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

static void start(subject *t, const char *const given[], int count)
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

static void stop(subject *t)
{
    px_plan_destroy(t->plan);
    px_graph_destroy(t->g);
    px_settings_finish(&t->s);
}

static int find(const subject *t, const char *name)
{
    for (int i = 0; i < px_graph_params(t->g); i++)
        if (strcmp(px_graph_param(t->g, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

/* A parameter, into `to`. */
static void get(subject *t, const char *of, const char *name, int count, double *to)
{
    char *whole = px_format("%s.%s", of, name);
    int i = find(t, whole);
    assert_int_equal(px_shape_count(px_graph_param(t->g, i)->value->shape), count);
    px_plan_get_param(t->plan, i, to);
    free(whole);
}

/* ---- the formulas ---- */

static void linear(const double *x, int in, const double *w, const double *bias, int out, double *y)
{
    for (int i = 0; i < B; i++)
        for (int k = 0; k < out; k++) {
            y[i * out + k] = bias[k];
            for (int j = 0; j < in; j++)
                y[i * out + k] += x[i * in + j] * w[k * in + j];
        }
}

static void normalise(double *y, const double *scale, const double *shift)
{
    for (int k = 0; k < HIDDEN; k++) {
        double mean = 0, var = 0;
        for (int i = 0; i < B; i++)
            mean += y[i * HIDDEN + k] / B;
        for (int i = 0; i < B; i++)
            var += (y[i * HIDDEN + k] - mean) * (y[i * HIDDEN + k] - mean) / B;
        for (int i = 0; i < B; i++)
            y[i * HIDDEN + k] = (y[i * HIDDEN + k] - mean) / sqrt(var + 1e-5) * scale[k] + shift[k];
    }
}

/* The head `of`: linear, batch norm if `norm`, relu, linear; rows of length 1 if `unit`. */
static void head(subject *t, const char *of, const double *x, int in, bool norm, bool unit, double *z)
{
    double w[HIDDEN * F], bias[HIDDEN], y[B * HIDDEN], scale[HIDDEN], shift[HIDDEN];
    get(t, of, "linear1.weight", HIDDEN * in, w);
    get(t, of, "linear1.bias", HIDDEN, bias);
    linear(x, in, w, bias, HIDDEN, y);
    if (norm) {
        get(t, of, "bn1.weight", HIDDEN, scale);
        get(t, of, "bn1.bias", HIDDEN, shift);
        normalise(y, scale, shift);
    }
    for (int i = 0; i < B * HIDDEN; i++)
        y[i] = y[i] > 0 ? y[i] : 0;
    get(t, of, "linear2.weight", D * HIDDEN, w);
    get(t, of, "linear2.bias", D, bias);
    linear(y, HIDDEN, w, bias, D, z);
    for (int i = 0; i < B && unit; i++) {
        double square = 0;
        for (int d = 0; d < D; d++)
            square += z[i * D + d] * z[i * D + d];
        for (int d = 0; d < D; d++)
            z[i * D + d] /= sqrt(square);
    }
}

static double dot(const double *a, const double *b)
{
    double s = 0;
    for (int d = 0; d < D; d++)
        s += a[d] * b[d];
    return s;
}

/* Grill et al. 2020, equation 2, over both orders. */
static double byol(subject *t)
{
    double sum = 0, z[B * D], p[B * D], target[B * D];
    for (int v = 0; v < 2; v++) {
        head(t, "projector", t->image + v * B * F, F, true, false, z);
        head(t, "predictor", z, D, true, true, p);
        head(t, "teacher.projector", t->image + (1 - v) * B * F, F, true, true, target);
        for (int i = 0; i < B; i++)
            sum += (2 - 2 * dot(p + i * D, target + i * D)) / B;
    }
    return sum;
}

/* He et al. 2020, equation 1, of one order; `keys` gets this step's. */
static double moco(subject *t, int view, double temperature, const double *queue, double *keys)
{
    double q[B * D], loss = 0;
    head(t, "head", t->image + view * B * F, F, false, true, q);
    head(t, "teacher.head", t->image + (1 - view) * B * F, F, false, true, keys);
    for (int i = 0; i < B; i++) {
        double positive = dot(q + i * D, keys + i * D) / temperature, sum = exp(positive);
        for (int k = 0; k < K; k++)
            sum += exp(dot(q + i * D, queue + k * D) / temperature);
        loss += (log(sum) - positive) / B;
    }
    return loss;
}

/* ---- tests ---- */

/* As after an optimizer's step: the student's weights change, and the teacher moves. */
static void move_on(subject *t, double momentum)
{
    for (int i = 0; i < px_graph_params(t->g); i++) {
        const px_param *p = px_graph_param(t->g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        int64_t n = px_shape_count(p->value->shape);
        double *x = px_calloc((size_t)n, sizeof x[0]);
        px_plan_get_param(t->plan, i, x);
        for (int64_t k = 0; k < n; k++)
            x[k] += 0.3 * cos((double)(k + i));
        px_plan_set_param(t->plan, i, x);
        free(x);
    }
    px_plan_follow(t->plan, 0, momentum);
}

static void byol_is_its_formula(void **state)
{
    (void)state;
    static const char *const given[] = {"method=byol", "byol.hidden=10", "byol.dim=7"};
    subject t;
    start(&t, given, 3);
    for (int step = 0; step < 3; step++) {
        px_plan_run(t.plan, NULL);
        assert_true(fabs(px_plan_scalar(t.plan, t.loss) - byol(&t)) < 1e-12);
        move_on(&t, 0.9);
    }
    stop(&t);
}

static void check_moco(bool symmetric)
{
    const char *given[] = {"method=moco",          "moco.hidden=10",
                           "moco.dim=7",           "moco.queue=14",
                           "moco.temperature=0.3", symmetric ? "moco.symmetric=true" : "moco.symmetric=false"};
    subject t;
    start(&t, given, 6);
    double queue[K * D], now[K * D], keys[2 * B * D], place;
    int n = symmetric ? 2 * B : B;
    px_plan_get_param(t.plan, find(&t, "queue"), queue);
    for (int k = 0; k < K; k++)
        assert_true(fabs(dot(queue + k * D, queue + k * D) - 1) < 1e-12);
    for (int step = 0; step < 4; step++) {
        px_plan_run(t.plan, NULL);
        double expected = moco(&t, 0, 0.3, queue, keys);
        if (symmetric)
            expected = (expected + moco(&t, 1, 0.3, queue, keys + B * D)) / 2;
        assert_true(fabs(px_plan_scalar(t.plan, t.loss) - expected) < 1e-12);
        for (int i = 0; i < n; i++) /* the oldest keys go */
            memcpy(queue + (step * n + i) % K * D, keys + i * D, D * sizeof(double));
        px_plan_get_param(t.plan, find(&t, "queue"), now);
        px_plan_get_param(t.plan, find(&t, "queue_ptr"), &place);
        for (int i = 0; i < K * D; i++)
            assert_true(fabs(now[i] - queue[i]) < 1e-12);
        assert_true(place == (step + 1) * n % K);
        move_on(&t, 0.9);
    }
    stop(&t);
}

static void moco_is_its_formula(void **state)
{
    (void)state;
    check_moco(false);
    check_moco(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(byol_is_its_formula), cmocka_unit_test(moco_is_its_formula)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
