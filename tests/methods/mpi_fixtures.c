/* mpi_fixtures.c - every method against PyTorch, in double, on one rank and on several: the loss and all gradients of one
 * step, the losses of ten, and all parameters and states after them (running statistics, teacher, queue, prototypes); the same
 * again with recompute=true. Walks the table of methods; one without its fixture fails. make_fixtures.py writes them, and says
 * how to add one.
 *
 *     mpi_fixtures [METHOD...] */
#include "small_nets.h"

#include "../golden/formula.h"
#include "base/error.h"
#include "graph/plan_params.h"
#include "results/results.h"
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 10, PER_EPOCH = 2, WHOLE = 256, SAMPLES = 32 };

/* Relative: what rounding in double leaves after ten steps, with room. */
static const double allowed = 2e-9;

/* Fixtures beside those of the table, of the method before the dash: another head, another side of a case. */
static const char *const more[] = {"dino-plain", "emp_ssl-narrow", "mocov3-vit", "rotation-one"};

typedef struct subject {
    const px_comm *comm;
    px_results *fixture;
    px_settings s;
    px_task task;
    double rate;
    px_views views;
    px_build b;
    px_plan *plan;
    px_value *loss;
    void *input[PX_VIEWS_MAX];
    double scheduled[PX_SCHEDULED_MAX];
    double worst; /* relative difference so far */
    char *where;
} subject;

/* ---- the fixture ---- */

static double *fixture_get(px_results *r, const char *path, int64_t *count)
{
    double *data;
    int rank;
    int64_t dim[4];
    if (px_results_get(r, path, &data, &rank, dim) != 0) {
        fprintf(stderr, "%s\n", px_error());
        return NULL;
    }
    *count = dim[0] * dim[1] * dim[2] * dim[3];
    return data;
}

static px_results *fixture_open(const char *method)
{
    const char *folder = getenv("FIXTURES");
    px_results *r;
    char *path = px_format("%s/%s.h5", folder ? folder : "tests/methods/fixtures", method);
    int status = px_results_open(&r, path, PX_RESULTS_READ);
    if (status != 0)
        fprintf(stderr, "%s: every method needs a function in tests/methods/make_fixtures.py\n", px_error());
    free(path);
    return status == 0 ? r : NULL;
}

/* ---- comparison ---- */

static void note(subject *t, double error, const char *format, const char *name)
{
    if (error <= t->worst)
        return;
    t->worst = isfinite(error) ? error : INFINITY;
    free(t->where);
    t->where = px_format(format, name);
}

/* The digest in make_fixtures.py, in place. Returns its length. */
static int64_t digest(double *x, int64_t count)
{
    double sample[1 + SAMPLES], square = 0;
    if (count <= WHOLE)
        return count;
    for (int64_t i = 0; i < count; i++)
        square += x[i] * x[i];
    sample[0] = sqrt(square);
    for (int k = 0; k < SAMPLES; k++)
        sample[1 + k] = x[(2 * k + 1) * count / (2 * SAMPLES)];
    memcpy(x, sample, sizeof sample);
    return 1 + SAMPLES;
}

/* Notes the largest difference between x and the fixture's `group`/`name`, relative to the latter's largest number. */
static void compare(subject *t, const char *group, const char *name, double *x, int64_t count)
{
    char *path = px_format("/%s/%s", group, name);
    int64_t expected_count;
    double *expected = fixture_get(t->fixture, path, &expected_count), size = 0, apart = 0;
    count = digest(x, count);
    if (!expected || expected_count != count) {
        note(t, INFINITY, "there is no such tensor as %s", path);
    } else {
        for (int64_t i = 0; i < count; i++) {
            size = fmax(size, fabs(expected[i]));
            apart = isfinite(x[i]) ? fmax(apart, fabs(x[i] - expected[i])) : INFINITY;
        }
        note(t, apart / fmax(size, 1e-3), "%s", path);
    }
    free(expected);
    free(path);
}

/* Whether the fixture's group has as many tensors as were compared with it. */
static void compare_count(subject *t, const char *group, int compared)
{
    char **names;
    int count = 0;
    if (px_results_list(t->fixture, group, &names, &count) != 0 || count != compared)
        note(t, INFINITY, "%s has tensors that the graph does not have", group);
    for (int i = 0; i < count; i++)
        free(names[i]);
    if (count)
        free(names);
}

/* ---- the method's graph ---- */

/* Positions, which the graph computes. */
static bool is_fixed(const px_param *p)
{
    return p->value->kind == PX_STATE && formula_ends(p->name, "pos_embed");
}

/* Values by formula, except for positions and single numbers (a place in a queue). */
static void fill(subject *t)
{
    px_plan_init_params(t->plan, 1);
    for (int i = 0; i < px_graph_params(t->b.g); i++) {
        const px_param *p = px_graph_param(t->b.g, i);
        int64_t count = px_shape_count(p->value->shape);
        if (count == 1 || is_fixed(p))
            continue;
        float *single = px_calloc((size_t)count, sizeof single[0]);
        double *x = px_calloc((size_t)count, sizeof x[0]);
        formula_parameter(p->name, p->value->shape, single);
        for (int64_t k = 0; k < count; k++)
            x[k] = single[k];
        px_plan_set_param(t->plan, i, x);
        free(single);
        free(x);
    }
    px_plan_normalize(t->plan);
}

/* Whether the fixture has this view. */
static bool is_given(const subject *t, const char *view)
{
    char **names = NULL;
    int count = 0;
    bool given = false;
    PX_CHECK(px_results_list(t->fixture, "inputs", &names, &count) == 0);
    for (int i = 0; i < count; i++) {
        given = given || strcmp(names[i], view) == 0;
        free(names[i]);
    }
    free(names);
    return given;
}

/* This rank's rows of a view: from the fixture (whole numbers, masks), others by make_fixtures.py's formula. */
static void *make_input(subject *t, const px_view *v)
{
    int64_t all = (int64_t)t->task.batch * t->comm->size, first = (int64_t)t->task.batch * t->comm->rank, count = 0;
    int64_t each = (int64_t)px_view_elements(v), rows = (int64_t)v->copies * t->task.batch;
    double *x = px_aligned_calloc((size_t)(rows * each) * sizeof x[0]), *given = NULL;
    int32_t *whole = px_aligned_calloc((size_t)(rows * each) * sizeof whole[0]);
    char *image = px_format("%s.image", v->name), *path = px_format("/inputs/%s", v->name);
    if (is_given(t, v->name)) {
        given = fixture_get(t->fixture, path, &count);
        PX_CHECK(given && count == v->copies * all * each);
    }
    PX_CHECK(given || v->dtype != PX_I32);
    for (int64_t i = 0; i < rows * each; i++) {
        int64_t copy = i / each / t->task.batch, at = (first + i / each % t->task.batch) * each + i % each;
        int64_t place = copy * all * each + at;
        if (v->dtype == PX_I32)
            whole[i] = (int32_t)given[place];
        else if (given)
            x[i] = given[place];
        else
            x[i] = (float)(0.5 + 0.3 * formula_unit(image, at) + 0.2 * formula_unit(v->name, place));
    }
    free(given);
    free(image);
    free(path);
    free(v->dtype == PX_I32 ? (void *)x : whole);
    return v->dtype == PX_I32 ? (void *)whole : x;
}

static int build(subject *t, px_recompute what)
{
    bool vit = t->s.backbone->family == &px_vit_family;
    const px_backbone *backbone = vit ? &small_vit : &small_cnn;
    px_graph *g = px_graph_create((px_mode){.real = PX_F64, .rank = t->comm->rank, .ranks = t->comm->size});
    px_task_take_backbone(&t->task, backbone, t->s.backbone_cfg);
    t->b = (px_build){.g = g, .task = &t->task, .backbone = backbone, .backbone_cfg = t->s.backbone_cfg};
    const char *why = t->s.method->check ? t->s.method->check(t->s.method_cfg, &t->task, backbone) : NULL;
    if (why)
        return px_fail(PX_USAGE, "%s", why);
    t->s.method->views(t->s.method_cfg, &t->task, &t->views);
    view_inputs(g, &t->views, t->task.batch);
    t->loss = t->s.method->build(t->s.method_cfg, &t->b);
    px_graph_output(g, "loss", t->loss);
    px_graph_fuse(g);
    px_graph_differentiate(g, t->loss);
    px_graph_recompute(g, what);
    t->plan = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas, .comm = t->comm});
    if (!t->plan)
        return -1;
    fill(t);
    for (int i = 0; i < t->views.count; i++) {
        t->input[i] = make_input(t, &t->views.view[i]);
        px_plan_bind(t->plan, px_graph_find_input(g, t->views.view[i].name), t->input[i]);
    }
    for (int i = 0; i < t->b.scheduled_count; i++)
        px_plan_bind(t->plan, t->b.scheduled[i].value, &t->scheduled[i]);
    return 0;
}

/* ---- training ---- */

/* Gradient descent; the first step's gradients are compared before. */
static void update(subject *t, int step)
{
    int compared = 0;
    for (int i = 0; i < px_graph_params(t->b.g); i++) {
        const px_param *p = px_graph_param(t->b.g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        int64_t count = px_shape_count(p->value->shape);
        double *weight = px_calloc((size_t)count, sizeof *weight), *grad = px_calloc((size_t)count, sizeof *grad);
        px_plan_get_grad(t->plan, i, grad);
        px_all_reduce_f64(t->comm, grad, count);
        px_plan_get_param(t->plan, i, weight);
        for (int64_t k = 0; k < count; k++) {
            grad[k] /= t->comm->size;
            weight[k] -= t->rate * grad[k];
        }
        px_plan_set_param(t->plan, i, weight);
        if (step == 0)
            compare(t, "gradients", p->name, grad, count);
        compared++;
        free(weight);
        free(grad);
    }
    if (step == 0)
        compare_count(t, "gradients", compared);
}

/* What follows the optimizer's step: rows of length 1, followers. */
static void move_on(subject *t)
{
    px_plan_normalize(t->plan);
    for (int i = 0; i < px_graph_followers(t->b.g); i++) {
        px_value *momentum;
        int k = 0;
        px_graph_follower(t->b.g, i, &momentum);
        while (t->b.scheduled[k].value->index != momentum->index)
            k++;
        px_plan_follow(t->plan, i, t->scheduled[k]);
    }
}

static void train(subject *t)
{
    int64_t count;
    double *expected = fixture_get(t->fixture, "/loss", &count);
    PX_CHECK(expected && count == STEPS);
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < t->b.scheduled_count; i++)
            t->scheduled[i] = px_scheduled_at(&t->b.scheduled[i], (double)step / STEPS, (double)step / PER_EPOCH);
        px_plan_draw_by(t->plan, (px_draws){.step = step});
        px_plan_run(t->plan, NULL);
        double loss = px_plan_scalar(t->plan, t->loss);
        px_all_reduce_f64(t->comm, &loss, 1);
        note(t, fabs(loss / t->comm->size - expected[step]) / fabs(expected[step]), "a %s", "loss");
        update(t, step);
        move_on(t);
    }
    free(expected);
}

static void compare_end(subject *t)
{
    int compared = 0;
    for (int i = 0; i < px_graph_params(t->b.g); i++) {
        const px_param *p = px_graph_param(t->b.g, i);
        int64_t count = px_shape_count(p->value->shape);
        if (is_fixed(p))
            continue;
        double *x = px_calloc((size_t)count, sizeof x[0]);
        px_plan_get_param(t->plan, i, x);
        compare(t, "end", p->name, x, count);
        compared++;
        free(x);
    }
    compare_count(t, "end", compared);
}

/* ---- the walk ---- */

static int load(subject *t)
{
    char **given;
    int count, status;
    int64_t n;
    double *task = fixture_get(t->fixture, "/task", &n); /* images, their side, classes, the rate */
    if (!task || px_results_get_texts(t->fixture, "/settings", &given, &count) != 0)
        return -1;
    t->task = (px_task){.image_size = (int)task[1],
                        .channels = 3,
                        .classes = (int)task[2],
                        .labelled = task[2] > 0,
                        .batch = (int)task[0] / t->comm->size,
                        .ranks = t->comm->size};
    t->rate = task[3];
    status = px_settings_load(&t->s, NULL, (const char *const *)given, count);
    for (int i = 0; i < count; i++)
        free(given[i]);
    free(given);
    free(task);
    return status;
}

/* Whether the method's training is the fixture's. */
static bool check_with(const char *method, const px_comm *comm, px_recompute what)
{
    subject t = {.comm = comm, .fixture = fixture_open(method), .where = px_strdup("")};
    bool good = t.fixture && load(&t) == 0 && build(&t, what) == 0;
    if (good) {
        train(&t);
        compare_end(&t);
        good = t.worst < allowed;
        if (comm->rank == 0)
            printf("%s %s%s: largest relative difference %.1e (%s)\n", good ? "ok    " : "not ok", method,
                   what == PX_RECOMPUTE_SEGMENTS ? ", recomputed" : "", t.worst, t.where);
    } else {
        fprintf(stderr, "not ok %s: %s\n", method, px_error());
    }
    px_plan_destroy(t.plan);
    px_graph_destroy(t.b.g);
    px_settings_finish(&t.s);
    px_results_close(t.fixture);
    for (int i = 0; i < t.views.count; i++)
        free(t.input[i]);
    free(t.where);
    return good;
}

/* With activations kept, and with segments computed again. */
static bool check(const char *method, const px_comm *comm)
{
    bool kept = check_with(method, comm, PX_RECOMPUTE_LIGHT), again = check_with(method, comm, PX_RECOMPUTE_SEGMENTS);
    return kept && again;
}

/* Whether `name` is asked for: without arguments all are. */
static bool is_asked(int argc, char **argv, const char *name)
{
    bool asked = argc < 2;
    for (int k = 1; k < argc; k++)
        asked = asked || strcmp(argv[k], name) == 0;
    return asked;
}

int main(int argc, char **argv)
{
    px_comm comm;
    int bad = 0, checked = 0;
    PX_CHECK(px_comm_init(&comm, &argc, &argv) == 0);
    for (int i = 0; px_methods[i]; i++) {
        if (!is_asked(argc, argv, px_methods[i]->name))
            continue;
        checked++;
        bad += !check(px_methods[i]->name, &comm);
    }
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        if (is_asked(argc, argv, more[i])) {
            checked++;
            bad += !check(more[i], &comm);
        }
    if (comm.rank == 0)
        printf("%d of %d trainings are PyTorch's on %d ranks\n", checked - bad, checked, comm.size);
    px_comm_finish(&comm);
    return bad || checked == 0;
}
