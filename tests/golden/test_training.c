/* test_training.c - against PyTorch: SimCLR on fixed images, all gradients of one step and the losses of ten steps with
 * each optimizer; a ResNet-18 that learns labels, the losses of ten steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"

#include <stdlib.h>

/* Two views of each image; the caller frees them after the last step. */
static float *bind_pairs(golden_run *t)
{
    int batch = t->task.batch, size = t->task.image_size;
    float *x = px_aligned_calloc((size_t)(2 * batch * 3 * size * size) * sizeof x[0]);
    golden_images(x, 2 * batch, batch, 3, size);
    px_plan_bind(t->m.plan, t->m.input[0], x);
    return x;
}

static void one_step(const char *backend)
{
    golden_run t;
    golden_start(&t, (px_task){.batch = 3, .image_size = 13},
                 (const char *[]){"method=simclr", "backbone=resnet18", backend, NULL});
    float *x = bind_pairs(&t);
    golden_one_step(&t, "simclr_gradients", 1e-5, 2e-4);
    golden_stop(&t);
    free(x);
}

static void gradients(void **state)
{
    (void)state;
    one_step("backend=auto");
    one_step("backend=openblas");
}

/* The rates are small, since rounding errors grow from step to step: at ten times these rates PyTorch's float32 differs
 * from its float64 by 6e-3. */
static void simclr(const char *fixture, double lr, double allowed, const char *const assignments[])
{
    golden_run t;
    golden_start(&t, (px_task){.batch = 8, .image_size = 32}, assignments);
    float *x = bind_pairs(&t);
    golden_ten_steps(&t, fixture, lr, allowed);
    golden_stop(&t);
    free(x);
}

static void sgd(void **state)
{
    (void)state;
    simclr("simclr_sgd", 0.002, 2e-3,
           (const char *[]){"backbone=resnet18", "optim.optimizer=sgd", "optim.momentum=0.9", "optim.weight_decay=5e-4",
                            NULL});
}

static void adamw(void **state)
{
    (void)state;
    simclr("simclr_adamw", 5e-5, 1e-3,
           (const char *[]){"backbone=resnet18", "optim.optimizer=adamw", "optim.beta1=0.9", "optim.beta2=0.95",
                            "optim.eps=1e-8", "optim.weight_decay=0.05", NULL});
}

static void lars(void **state)
{
    (void)state;
    simclr("simclr_lars", 0.003, 1e-3,
           (const char *[]){"backbone=resnet18", "optim.optimizer=lars", "optim.momentum=0.9", "optim.eta=0.1",
                            "optim.weight_decay=1e-4", NULL});
}

/* This decay is large enough to matter at such a small rate: without it the last loss would differ by 9e-4. */
static void supervised(void **state)
{
    enum { B = 8, SIZE = 32, CLASSES = 10 };
    (void)state;
    golden_run t;
    golden_start(&t, (px_task){.batch = B, .image_size = SIZE, .classes = CLASSES},
                 (const char *[]){"method=supervised", "backbone=resnet18", "optim.optimizer=sgd", "optim.momentum=0.9",
                                  "optim.weight_decay=1", NULL});
    float *x = px_aligned_calloc(B * 3 * SIZE * SIZE * sizeof x[0]);
    int32_t label[B];
    golden_images(x, B, B, 3, SIZE);
    for (int i = 0; i < B; i++)
        label[i] = (7 * i + 3) % CLASSES;
    px_plan_bind(t.m.plan, t.m.input[0], x);
    px_plan_bind(t.m.plan, t.m.input[1], label);
    golden_ten_steps(&t, "supervised_sgd", 1e-4, 2e-4);
    golden_stop(&t);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients), cmocka_unit_test(sgd), cmocka_unit_test(adamw),
                                       cmocka_unit_test(lars), cmocka_unit_test(supervised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
