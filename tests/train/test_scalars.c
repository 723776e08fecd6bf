/* test_scalars.c - what a step reports: any number of metrics, each by its name, averaged over micro-batches; scheduled numbers
 * among them. Names that are taken, and metrics that are not single numbers, are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/scalars.h"

#include <stdlib.h>
#include <string.h>

enum { METRICS = 100, PASSES = 2 };

typedef struct subject {
    px_task task;
    px_model model;
    px_build b;
    px_value *input;
    float scheduled[PX_SCHEDULED_MAX];
} subject;

/* A graph whose loss is its input x (4), summed; an embedding that is read without a name. */
static void start(subject *t)
{
    *t = (subject){.task = {.batch = 4}};
    t->model.graph = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    t->b = (px_build){.g = t->model.graph, .task = &t->task};
    t->input = px_input(t->b.g, "x", PX_F32, PX_SHAPE(4));
    t->model.loss = px_reduce(t->b.g, PX_SUM, t->input, (px_axes){1, {0}, false});
}

static void stop(subject *t)
{
    px_model_finish(&t->model);
}

static void any_number_of_metrics(void **state)
{
    (void)state;
    subject t;
    px_comm self = px_comm_self();
    static const float x[PASSES][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    char name[32];
    start(&t);
    for (int i = 0; i < METRICS; i++) {
        snprintf(name, sizeof name, "metric_%d", i);
        px_metric(&t.b, name, px_scale(t.b.g, t.model.loss, i));
    }
    px_schedule(&t.b, "momentum", 0.5, 1, PX_COSINE, PX_SHARE);
    px_graph_read(t.b.g, t.input);
    px_graph_output(t.b.g, "loss", t.model.loss);
    t.model.scheduled_count = t.b.scheduled_count;
    memcpy(t.model.scheduled, t.b.scheduled, sizeof t.b.scheduled);
    t.model.plan = px_plan_create(t.b.g, &(px_plan_spec){.backend = &px_backend_openblas, .comm = &self});
    if (!t.model.plan)
        fail_msg("%s", px_error());

    px_scalars s;
    float grad[1] = {0}, *part[1] = {grad};
    const int64_t bound[2] = {0, 0};
    px_reducer *reducer = px_reducer_ring(&self, (px_gradients){part, 1, bound, 1}, false);
    px_scalars_find(&s, &t.model, 1, t.scheduled);
    assert_int_equal(s.count, 1 + METRICS + 1);
    for (int step = 0; step < 2; step++) { /* the second one begins at zero */
        t.scheduled[0] = 0.75f;
        px_scalars_begin(&s);
        for (int k = 0; k < PASSES; k++) {
            px_plan_bind(t.model.plan, t.input, x[k]);
            px_plan_run(t.model.plan, NULL);
            px_scalars_add(&s, &t.model, PASSES);
        }
        double votes[PX_VOTES] = {3, 1};
        px_scalars_sum(&s, reducer, votes);
        assert_true(votes[PX_VOTE_STOP] == 3 && votes[PX_VOTE_SAVE] == 1);
        assert_string_equal(s.name[0], "loss");
        assert_true(s.mean[0] == 18);
        for (int i = 0; i < METRICS; i++) {
            snprintf(name, sizeof name, "metric_%d", i);
            assert_string_equal(s.name[1 + i], name);
            assert_true(s.mean[1 + i] == 18 * i);
        }
        assert_string_equal(s.name[1 + METRICS], "momentum");
        assert_true(s.mean[1 + METRICS] == 0.75);
    }
    px_scalars_finish(&s);
    px_reducer_destroy(reducer);
    stop(&t);
}

static void refused(const char *name, bool scalar, const char *why)
{
    subject t;
    start(&t);
    px_metric(&t.b, "accuracy", t.model.loss);
    px_schedule(&t.b, "momentum", 0.5, 1, PX_COSINE, PX_SHARE);
    assert_null(px_graph_error(t.b.g));
    px_metric(&t.b, name, scalar ? t.model.loss : t.input);
    assert_non_null(px_graph_error(t.b.g));
    if (!strstr(px_graph_error(t.b.g), why))
        fail_msg("%s", px_graph_error(t.b.g));
    stop(&t);
}

static void names_once(void **state)
{
    (void)state;
    refused("accuracy", true, "there is a series 'accuracy' already");
    refused("momentum", true, "there is a series 'momentum' already");
    refused("loss", true, "there is a series 'loss' already");
    refused("x", false, "'x' is not a single number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_number_of_metrics), cmocka_unit_test(names_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
