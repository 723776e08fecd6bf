/* test_online.c - the linear probe that is trained beside a backbone, step by step against a second formulation in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "graph/kernel.h"
#include "graph/plan_params.h"
#include "train/online.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 12, F = 7, C = 3, ROWS = 2 * B, STEPS = 9 }; /* two views of each image, of which the first is taken */

typedef struct head {
    double weight[C][F], bias[C], weight_speed[C][F], bias_speed[C];
} head;

/* One step by the book; returns how many images of the batch are right before it. */
static int step_by_hand(head *h, float x[ROWS][F], const int *label, double rate, double *loss)
{
    double z[B][F], wrong[B][C];
    int right = 0;
    *loss = 0;
    for (int j = 0; j < F; j++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < B; i++)
            mean += (double)x[i][j] / B;
        for (int i = 0; i < B; i++)
            variance += ((double)x[i][j] - mean) * ((double)x[i][j] - mean) / B;
        for (int i = 0; i < B; i++)
            z[i][j] = ((double)x[i][j] - mean) / sqrt(variance + 1e-6);
    }
    for (int i = 0; i < B; i++) {
        double logit[C], sum = 0;
        int best = 0;
        for (int c = 0; c < C; c++) {
            logit[c] = h->bias[c];
            for (int j = 0; j < F; j++)
                logit[c] += h->weight[c][j] * z[i][j];
            sum += exp(logit[c]);
            best = logit[c] > logit[best] ? c : best;
        }
        right += best == label[i];
        *loss -= (logit[label[i]] - log(sum)) / B;
        for (int c = 0; c < C; c++)
            wrong[i][c] = (exp(logit[c]) / sum - (c == label[i])) / B;
    }
    for (int c = 0; c < C; c++) {
        for (int j = 0; j <= F; j++) {
            double gradient = 0, *speed = j < F ? &h->weight_speed[c][j] : &h->bias_speed[c],
                   *value = j < F ? &h->weight[c][j] : &h->bias[c];
            for (int i = 0; i < B; i++)
                gradient += wrong[i][c] * (j < F ? z[i][j] : 1);
            *speed = 0.9 * *speed + gradient;
            *value -= rate * (gradient + 0.9 * *speed);
        }
    }
    return right;
}

static void draw(float x[ROWS][F], int *label, float target[B][C], int step)
{
    px_rng rng = px_rng_make(3, PX_RNG_TEST, (uint64_t)step, 0);
    memset(target, 0, sizeof(float) * B * C);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < F; j++)
            x[i][j] = 4 + (float)(j + 1) * px_rng_normal(&rng) + (float)(i % C == j) * 3;
    for (int i = 0; i < B; i++) {
        label[i] = i % C;
        target[i][label[i]] = 1;
    }
}

static double distance(px_plan *plan, const px_graph *g, const head *h)
{
    double most = 0;
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        float plain[C * F];
        px_plan_get_param(plan, i, plain);
        for (int k = 0; k < C * F && strcmp(p->name, "online.weight") == 0; k++)
            most = fmax(most, fabs((double)plain[k] - h->weight[k / F][k % F]));
        for (int k = 0; k < C && strcmp(p->name, "online.bias") == 0; k++)
            most = fmax(most, fabs((double)plain[k] - h->bias[k]));
    }
    return most;
}

static void steps_are_those_by_hand(void **state)
{
    (void)state;
    static float x[ROWS][F], target[B][C], rate = 0.5f;
    int label[B];
    const px_task task = {.batch = B, .ranks = 1, .classes = C, .labelled = true};
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    px_value *pooled = px_input(g, "x", PX_F32, PX_SHAPE(ROWS, F)),
             *shares = px_input(g, "online_target", PX_F32, PX_SHAPE(B, C));
    px_build b = {.g = g, .task = &task, .pooled = pooled};
    px_online_build(&b, 0.1);
    assert_null(px_graph_error(g));
    assert_int_equal(b.scheduled_count, 1);
    assert_true(fabs(b.scheduled[0].from - 0.1 * B / 256) < 1e-12 && b.scheduled[0].to == 0);
    const px_plan_spec spec = {.backend = px_backend_find("openblas"), .precision = PX_F32};
    px_plan *plan = px_plan_create(g, &spec);
    assert_non_null(plan);
    px_plan_init_params(plan, 1);
    px_plan_bind(plan, pooled, x);
    px_plan_bind(plan, shares, target);
    px_plan_bind(plan, b.scheduled[0].value, &rate);
    head h = {0};
    double first = 0, last = 0;
    for (int step = 0; step < STEPS; step++) {
        draw(x, label, target, step);
        px_plan_run(plan, NULL);
        double loss;
        int right = step_by_hand(&h, x, label, (double)rate, &loss);
        assert_true(fabs(px_plan_scalar(plan, px_graph_find_output(g, "online_loss")) - loss) < 1e-5);
        assert_true(fabs(px_plan_scalar(plan, px_graph_find_output(g, "online_accuracy")) * B - right) < 1e-4);
        assert_true(distance(plan, g, &h) < 1e-5);
        first = step == 0 ? loss : first;
        last = loss;
    }
    print_message("loss %.4f to %.4f, largest difference %.2g\n", first, last, distance(plan, g, &h));
    assert_true(fabs(first - log(C)) < 1e-6 && last < 0.9 * first);
    px_plan_destroy(plan);
    px_graph_destroy(g);
}

static void needs_labels(void **state)
{
    (void)state;
    assert_int_equal(px_online_check(&(px_task){.classes = 0}, 0.1), -1);
    assert_string_equal(px_error(),
                        "online_linear = 0.1: the data set has no classes to probe for; online_linear=0 turns "
                        "it off");
    assert_int_equal(px_online_check(&(px_task){.classes = 3}, 0.1), -1);
    assert_int_equal(px_online_check(&(px_task){.classes = 3, .labelled = true}, 0.1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_are_those_by_hand), cmocka_unit_test(needs_labels)};
    return cmocka_run_group_tests_name("online", tests, NULL, NULL);
}
