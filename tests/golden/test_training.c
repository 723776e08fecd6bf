/* test_training.c - SimCLR on fixed images: all gradients of one step, and the losses of ten steps with each optimizer,
 * against PyTorch's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 10 };

typedef struct simclr {
    px_settings s;
    px_task task;
    px_comm comm;
    px_model m;
    float *x;
} simclr;

static void start(simclr *t, int batch, int size, const char *const assignments[])
{
    *t = (simclr){.s = golden_settings(assignments),
                  .task = {.image_size = size, .channels = 3, .batch = batch, .ranks = 1},
                  .comm = px_comm_self()};
    if (px_model_pretrain(&t->m, &t->s, &t->task, &t->comm) != 0)
        fail_msg("%s", px_error());
    golden_fill(&t->m);
    t->x = px_aligned_calloc((size_t)(2 * batch * 3 * size * size) * sizeof t->x[0]);
    golden_images(t->x, 2 * batch, batch, 3, size);
    px_plan_bind(t->m.plan, t->m.input[0], t->x);
}

static void stop(simclr *t)
{
    px_model_finish(&t->m);
    px_settings_finish(&t->s);
    free(t->x);
}

static double difference(double a, double b)
{
    return fabs(a - b) / fabs(b);
}

/* A parameter's gradient, or a running statistic after the step. The norms are compared, and elements in proportion to
 * the root of the mean square. Returns the larger difference. */
static double compare(simclr *t, int i, const px_safetensors *f)
{
    const px_param *p = px_graph_param(t->m.graph, i);
    int64_t count = px_shape_count(p->value->shape);
    float *plain = px_aligned_calloc((size_t)count * sizeof plain[0]);
    if (p->value->kind == PX_PARAMETER)
        px_plan_get_grad(t->m.plan, i, plain);
    else
        px_plan_get_param(t->m.plan, i, plain);
    double digest[GOLDEN_DIGEST];
    golden_digest(plain, count, digest);
    float *expected = golden_read(f, p->name, GOLDEN_DIGEST);
    double worst = difference(digest[0], expected[0]), size = expected[0] / sqrt((double)count);
    for (int k = 1; k < GOLDEN_DIGEST; k++)
        worst = fmax(worst, fabs(digest[k] - expected[k]) / fmax(size, fabs(expected[k])));
    free(plain);
    free(expected);
    return worst;
}

static void one_step(const char *backend)
{
    simclr t;
    start(&t, 3, 13, (const char *[]){"method=simclr", "backbone=resnet18", backend, NULL});
    px_safetensors *f = golden_open("simclr_gradients");
    float *loss = golden_read(f, "loss", 1);
    px_plan_run(t.m.plan, NULL);
    double error = difference(px_plan_scalar(t.m.plan, t.m.loss), loss[0]), worst = 0;
    const char *where = "";
    assert_int_equal(px_safetensors_count(f), 1 + px_graph_params(t.m.graph));
    for (int i = 0; i < px_graph_params(t.m.graph); i++) {
        double d = compare(&t, i, f);
        where = d > worst ? px_graph_param(t.m.graph, i)->name : where;
        worst = fmax(worst, d);
    }
    print_message("%s: loss %.2g, gradients and statistics %.2g (%s)\n", backend, error, worst, where);
    assert_true(error < 1e-5);
    assert_true(worst < 2e-4);
    free(loss);
    px_safetensors_close(f);
    stop(&t);
}

static void gradients(void **state)
{
    (void)state;
    one_step("backend=onednn");
    one_step("backend=openblas");
}

/* The rates are small, because rounding grows from step to step: at ten times these, PyTorch's own float32 is 6e-3 from
 * its float64. */
static void ten_steps(const char *fixture, double lr, double allowed, const char *const assignments[])
{
    simclr t;
    start(&t, 8, 32, assignments);
    int spans;
    const px_param_span *span = px_plan_spans(t.m.plan, &spans);
    px_optimizer *o;
    if (px_optimizer_create(&o, &t.s.optim, span, spans) != 0)
        fail_msg("%s", px_error());
    px_safetensors *f = golden_open(fixture);
    float *loss = golden_read(f, "loss", STEPS);
    double worst = 0, last = 0;
    for (int i = 0; i < STEPS; i++) {
        px_plan_run(t.m.plan, NULL);
        last = difference(px_plan_scalar(t.m.plan, t.m.loss), loss[i]);
        worst = fmax(worst, last);
        px_optimizer_step(o, px_plan_weights(t.m.plan), px_plan_grads(t.m.plan), 1, lr);
    }
    print_message("%s: loss %.4f to %.4f, largest difference %.2g, at the last step %.2g\n", fixture, loss[0],
                  loss[STEPS - 1], worst, last);
    assert_true(worst < allowed);
    px_safetensors_close(f);
    free(loss);
    px_optimizer_destroy(o);
    stop(&t);
}

static void sgd(void **state)
{
    (void)state;
    ten_steps("simclr_sgd", 0.002, 2e-3,
              (const char *[]){"backbone=resnet18", "optim.optimizer=sgd", "optim.momentum=0.9",
                               "optim.weight_decay=5e-4", NULL});
}

static void adamw(void **state)
{
    (void)state;
    ten_steps("simclr_adamw", 5e-5, 1e-3,
              (const char *[]){"backbone=resnet18", "optim.optimizer=adamw", "optim.beta1=0.9", "optim.beta2=0.95",
                               "optim.eps=1e-8", "optim.weight_decay=0.05", NULL});
}

static void lars(void **state)
{
    (void)state;
    ten_steps("simclr_lars", 0.003, 1e-3,
              (const char *[]){"backbone=resnet18", "optim.optimizer=lars", "optim.momentum=0.9", "optim.eta=0.1",
                               "optim.weight_decay=1e-4", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients), cmocka_unit_test(sgd), cmocka_unit_test(adamw),
                                       cmocka_unit_test(lars)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
