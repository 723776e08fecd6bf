/* golden.c - see golden.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "formula.h"
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST = 5, STEPS = 10 };

static bool is_fixed(const px_param *p)
{
    return p->value->kind == PX_STATE && formula_ends(p->name, "pos_embed");
}

void golden_fill(px_model *m)
{
    bool twice = px_graph_real(m->graph) == PX_F64;
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        if (is_fixed(p)) {
            px_plan_init_param(m->plan, i, 1);
            continue;
        }
        int64_t count = px_shape_count(p->value->shape);
        float *plain = px_aligned_calloc((size_t)count * sizeof plain[0]);
        double *precise = px_aligned_calloc((size_t)count * sizeof precise[0]);
        formula_parameter(p->name, p->value->shape, plain);
        for (int64_t k = 0; k < count; k++)
            precise[k] = plain[k];
        px_plan_set_param(m->plan, i, twice ? (void *)precise : plain);
        free(plain);
        free(precise);
    }
}

void golden_images(float *x, int count, int of, int channels, int size)
{
    int64_t blocks = (size + 7) / 8, i = 0;
    for (int n = 0; n < count; n++)
        for (int c = 0; c < channels; c++)
            for (int row = 0; row < size; row++)
                for (int column = 0; column < size; column++, i++) {
                    int64_t block = ((n % of * (int64_t)channels + c) * blocks + row / 8) * blocks + column / 8;
                    x[i] = (float)(0.5 + 0.35 * formula_unit("blocks", block) + 0.15 * formula_unit("noise", i));
                }
}

px_settings golden_settings(const char *const assignments[])
{
    px_settings s;
    int count = 0;
    while (assignments[count])
        count++;
    if (px_settings_load(&s, NULL, assignments, count) != 0)
        fail_msg("%s", px_error());
    return s;
}

px_tensor_file *golden_open(const char *name)
{
    px_tensor_file *f;
    const char *folder = getenv("GOLDEN");
    if (!folder)
        fail_msg("GOLDEN is not set: the folder of the fixtures");
    char *path = px_format("%s/%s.safetensors", folder, name);
    if (px_tensor_file_open(&f, path) != 0)
        fail_msg("%s", px_error());
    free(path);
    return f;
}

float *golden_read(const px_tensor_file *f, const char *name, int64_t count)
{
    const px_stored_tensor *t = px_tensor_file_find(f, name);
    if (!t || px_shape_count(t->shape) != count)
        fail_msg("the fixture has no %s of %lld numbers", name, (long long)count);
    float *out = px_calloc((size_t)count, sizeof out[0]);
    px_stored_tensor_read(t, out);
    return out;
}

double golden_error(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += pow((double)a[i] - b[i], 2);
        norm += (double)b[i] * b[i];
    }
    return sqrt(difference / norm);
}

static double difference(double a, double b)
{
    return fabs(a - b) / fabs(b);
}

/* A parameter's gradient, or a running statistic. */
static double *result_of(px_model *m, int param, int64_t count)
{
    double *plain = px_aligned_calloc((size_t)count * sizeof plain[0]);
    if (px_graph_param(m->graph, param)->value->kind == PX_PARAMETER)
        px_plan_get_grad(m->plan, param, plain);
    else
        px_plan_get_param(m->plan, param, plain);
    if (px_graph_real(m->graph) == PX_F32) {
        float *single = px_aligned_calloc((size_t)count * sizeof single[0]);
        memcpy(single, plain, (size_t)count * sizeof single[0]);
        for (int64_t i = 0; i < count; i++)
            plain[i] = single[i];
        free(single);
    }
    return plain;
}

double golden_param_error(px_model *m, int param, const px_tensor_file *f)
{
    const px_param *p = px_graph_param(m->graph, param);
    int64_t count = px_shape_count(p->value->shape);
    double *plain = result_of(m, param, count), sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += plain[i] * plain[i];
    float *expected = golden_read(f, p->name, DIGEST);
    double worst = expected[0] == 0 ? sqrt(sum) : difference(sqrt(sum), expected[0]),
           size = expected[0] / sqrt((double)count);
    for (int k = 1; k < DIGEST && expected[0] != 0; k++) {
        double element = plain[count * (2 * k - 1) / (2 * (DIGEST - 1))];
        worst = fmax(worst, fabs(element - expected[k]) / fmax(size, fabs((double)expected[k])));
    }
    free(plain);
    free(expected);
    return worst;
}

/* ---- a model in training ---- */

void golden_start(golden_run *t, px_task task, const char *const assignments[])
{
    *t = (golden_run){.s = golden_settings(assignments), .task = task, .comm = px_comm_self()};
    const px_backbone *b = t->s.backbone;
    t->task.channels = 3;
    t->task.ranks = 1;
    t->task.labelled = task.classes > 0;
    px_task_take_backbone(&t->task, b, t->s.backbone_cfg);
    if (px_model_pretrain(&t->m, &t->s, &t->task, &t->comm) != 0)
        fail_msg("%s", px_error());
    golden_fill(&t->m);
}

void golden_stop(golden_run *t)
{
    px_model_finish(&t->m);
    px_settings_finish(&t->s);
}

void golden_one_step(golden_run *t, const char *fixture, double allowed_loss, double allowed_gradient)
{
    px_tensor_file *f = golden_open(fixture);
    float *loss = golden_read(f, "loss", 1);
    px_plan_run(t->m.plan, NULL);
    double error = difference(px_plan_scalar(t->m.plan, t->m.loss), loss[0]), worst = 0;
    const char *where = "";
    int compared = 0;
    for (int i = 0; i < px_graph_params(t->m.graph); i++) {
        if (is_fixed(px_graph_param(t->m.graph, i)))
            continue;
        double d = golden_param_error(&t->m, i, f);
        where = d > worst ? px_graph_param(t->m.graph, i)->name : where;
        worst = fmax(worst, d);
        compared++;
    }
    print_message("%s, %s: loss %.2g, gradients and statistics %.2g (%s)\n", fixture, t->s.train.backend, error, worst,
                  where);
    assert_int_equal(px_tensor_file_count(f), 1 + compared);
    assert_true(error < allowed_loss);
    assert_true(worst < allowed_gradient);
    free(loss);
    px_tensor_file_close(f);
}

void golden_ten_steps(golden_run *t, const char *fixture, double lr, double allowed)
{
    int spans;
    const px_param_span *span = px_plan_spans(t->m.plan, &spans);
    px_optimizer *o;
    if (px_optimizer_create(&o, &t->s.optim, span, spans, px_plan_update(t->m.plan)) != 0)
        fail_msg("%s", px_error());
    px_tensor_file *f = golden_open(fixture);
    float *loss = golden_read(f, "loss", STEPS);
    double worst = 0, last = 0;
    for (int i = 0; i < STEPS; i++) {
        px_plan_run(t->m.plan, NULL);
        last = difference(px_plan_scalar(t->m.plan, t->m.loss), loss[i]);
        worst = fmax(worst, last);
        px_optimizer_step(o, px_plan_weights(t->m.plan), px_plan_grads(t->m.plan), 1, lr);
    }
    print_message("%s, %s: loss %.4f to %.4f, largest difference %.2g, at the last step %.2g\n", fixture,
                  t->s.train.backend, loss[0], loss[STEPS - 1], worst, last);
    assert_true(worst < allowed);
    px_tensor_file_close(f);
    free(loss);
    px_optimizer_destroy(o);
}
