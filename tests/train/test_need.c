/* test_need.c - the memory that training will take, by part, from a plan that has not taken any. That pretrain refuses
 * what does not fit is shown by tests/cli/test_need.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/need.h"

#include <stdlib.h>
#include <string.h>

static px_comm self;

/* What a small SimCLR needs with one more setting; *flat: bytes of its parameters. */
static px_need need_of(const char *setting, int batch, double *flat)
{
    const char *given[] = {"method=simclr", "resnet.width=0.25", "optim.optimizer=sgd", setting};
    const px_dataset_info info = {.height = 32, .width = 32, .channels = 3, .std = {1, 1, 1}};
    px_settings s;
    px_task task;
    px_model m;
    self = px_comm_self();
    assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
    assert_int_equal(px_task_of(&task, &s, &info, false, batch, 1), 0);
    assert_int_equal(px_model_plan(&m, &s, &task, &self, 0, NULL), 0);
    px_need n = px_train_need_of(&m, &s, &task, (px_train_loading){.parts = 1, .batch = batch, .images = 1000}, NULL);
    *flat = (double)px_plan_memory(m.plan).weights;
    assert_true(n.part[PX_NEED_ACTIVATIONS] == (double)px_plan_arena_bytes(m.plan));
    px_plan_allocate(m.plan); /* and what was planned is there */
    px_plan_init_params(m.plan, 1);
    px_model_finish(&m);
    px_settings_finish(&s);
    return n;
}

static void parts(void **state)
{
    (void)state;
    double flat;
    px_need n = need_of("seed=1", 16, &flat);
    assert_true(flat > 4 * 600e3 && n.part[PX_NEED_PARAMETERS] > flat); /* and running statistics */
    assert_true(n.part[PX_NEED_PARAMETERS] < 1.1 * flat);
    assert_true(n.part[PX_NEED_GRADIENTS] == flat);
    assert_true(n.part[PX_NEED_OPTIMIZER] == flat); /* momentum */
    assert_true(n.part[PX_NEED_VIEWS] == 3 * 2 * 16 * 3 * 32 * 32 * 4.0 + 4000);
    assert_true(need_of("optim.optimizer=adamw", 16, &flat).part[PX_NEED_OPTIMIZER] == 2 * flat);
    assert_true(need_of("accumulate=2", 16, &flat).part[PX_NEED_GRADIENTS] == 2 * flat);
    double sum = 0;
    for (int i = 0; i < PX_NEED_PARTS; i++)
        sum += n.part[i];
    assert_true(px_need_sum(&n) == sum);
}

/* The line that the search for what fits relies on. */
static void activations_grow_with_the_batch(void **state)
{
    (void)state;
    double flat, small = need_of("seed=1", 16, &flat).part[PX_NEED_ACTIVATIONS],
                 middle = need_of("seed=1", 32, &flat).part[PX_NEED_ACTIVATIONS],
                 large = need_of("seed=1", 64, &flat).part[PX_NEED_ACTIVATIONS];
    double expected = middle + 2 * (middle - small);
    assert_true(large > 0.95 * expected && large < 1.05 * expected);
    assert_true(need_of("recompute=true", 64, &flat).part[PX_NEED_ACTIVATIONS] < 0.9 * large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts), cmocka_unit_test(activations_grow_with_the_batch)};
    return cmocka_run_group_tests_name("need", tests, NULL, NULL);
}
