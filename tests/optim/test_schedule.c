/* test_schedule.c - learning rates at known steps, and the defaults of the option table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "backends/rows.h"
#include "base/config.h"
#include "base/error.h"
#include "optim/optim.h"
#include "schedule_fixtures.h"

static void assert_rate(const px_optim_cfg *cfg, int64_t step, double expected)
{
    double lr = px_schedule_lr(cfg, step, 50, 100, 512); /* 50 steps per epoch, 100 epochs, batch 512 */
    if (fabs(lr - expected) > 1e-12)
        fail_msg("step %d: %.15g is not %.15g", (int)step, lr, expected);
}

static void test_cosine(void **state)
{
    (void)state;
    px_optim_cfg cfg = {
        .lr = 0.3, .lr_scaling = PX_LR_LINEAR, .schedule = PX_LR_COSINE, .warmup_epochs = 10, .lr_min = 0.1};
    assert_rate(&cfg, 0, 0);
    assert_rate(&cfg, 1, 0.6 / 500);
    assert_rate(&cfg, 250, 0.3);
    assert_rate(&cfg, 499, 0.6 * 499 / 500);
    assert_rate(&cfg, 500, 0.6);
    assert_rate(&cfg, 500 + 1500, 0.1 + 0.5 * 0.75); /* a third of the way: cos(pi/3) is 1/2 */
    assert_rate(&cfg, 500 + 2250, 0.35);
    assert_rate(&cfg, 5000, 0.1);
    assert_rate(&cfg, 6000, 0.1);
}

static void test_decay(void **state)
{
    (void)state;
    px_optim_cfg cfg = {.weight_decay = 0.04, .weight_decay_end = 0.4, .warmup_epochs = 10};
    const struct {
        int64_t step;
        double factor;
    } cases[] = {{0, 1}, {1250, 1 + 9 * (1 - sqrt(0.5)) / 2}, {2500, 5.5}, {5000, 10}, {6000, 10}}; /* of 5000 */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(fabs(px_schedule_decay(&cfg, cases[i].step, 50, 100) - cases[i].factor) < 1e-12);
    cfg.weight_decay_end = -1;
    assert_true(px_schedule_decay(&cfg, 2500, 50, 100) == 1);
    cfg.weight_decay = 0;
    assert_int_equal(px_schedule_check(&cfg, 100), 0);
    cfg.weight_decay_end = -0.5;
    assert_int_equal(px_schedule_check(&cfg, 100), -1);
    assert_non_null(strstr(px_error(), "optim.weight_decay_end = -0.5 is negative; -1: weight decay stays as it is"));
    cfg.weight_decay_end = 0.4;
    assert_int_equal(px_schedule_check(&cfg, 100), -1);
    assert_non_null(strstr(px_error(), "optim.weight_decay_end needs optim.weight_decay above 0"));
}

static void test_step(void **state)
{
    (void)state;
    px_optim_cfg cfg = {.lr = 0.1,
                        .lr_scaling = PX_LR_AS_IS,
                        .schedule = PX_LR_STEPS,
                        .warmup_epochs = 5,
                        .steps = {2, {30, 50}},
                        .step_factor = 0.1};
    assert_rate(&cfg, 125, 0.05);
    assert_rate(&cfg, 250, 0.1);
    assert_rate(&cfg, 30 * 50 - 1, 0.1);
    assert_rate(&cfg, 30 * 50, 0.01);
    assert_rate(&cfg, 50 * 50 - 1, 0.01);
    assert_rate(&cfg, 50 * 50, 0.001);
}

static void test_constant_and_scaling(void **state)
{
    (void)state;
    px_optim_cfg cfg = {.lr = 0.075, .lr_scaling = PX_LR_SQRT, .schedule = PX_LR_CONSTANT};
    assert_rate(&cfg, 0, 0.075 * sqrt(512));
    assert_rate(&cfg, 4999, 0.075 * sqrt(512));
    cfg.lr_scaling = PX_LR_LINEAR;
    assert_rate(&cfg, 0, 0.15);
    cfg.lr_scaling = PX_LR_AS_IS;
    assert_rate(&cfg, 0, 0.075);
    cfg.warmup_epochs = 0.5;
    assert_rate(&cfg, 5, 0.075 / 5);
    assert_rate(&cfg, 25, 0.075);
}

static void test_check(void **state)
{
    (void)state;
    px_optim_cfg cfg = {.schedule = PX_LR_COSINE, .warmup_epochs = 10};
    assert_int_equal(px_schedule_check(&cfg, 11), 0);
    assert_int_equal(px_schedule_check(&cfg, 10), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "optim.warmup_epochs"));
    cfg = (px_optim_cfg){.schedule = PX_LR_STEPS};
    assert_int_equal(px_schedule_check(&cfg, 10), -1);
    assert_non_null(strstr(px_error(), "optim.steps=[15,25], or optim.step_every=30"));
    cfg.step_every = 30;
    assert_int_equal(px_schedule_check(&cfg, 10), 0);
    cfg.steps = (px_list){1, {5}};
    assert_int_equal(px_schedule_check(&cfg, 10), -1);
    assert_non_null(strstr(px_error(), "leave one of them out"));
    cfg.step_every = 0;
    cfg.steps = (px_list){3, {5, 8, 7}};
    assert_int_equal(px_schedule_check(&cfg, 10), -1);
    assert_string_equal(px_error(), "optim.steps must be ascending, but 7 follows 8");
    cfg.steps = (px_list){2, {5, 8}};
    assert_int_equal(px_schedule_check(&cfg, 10), 0);
}

/* The table's defaults have the right types, are in range, and give the default schedule. */
static void test_defaults(void **state)
{
    (void)state;
    px_optim_cfg cfg;
    px_optimizer *o;
    const px_param_span span = {.name = "w", .count = 4};
    px_config *c = px_config_create();
    px_config_group(c, "optim", px_optim_options, &cfg);
    assert_int_equal(px_config_finish(c), 0);
    assert_int_equal(cfg.optimizer, PX_SGD);
    assert_int_equal(cfg.schedule, PX_LR_COSINE);
    assert_true(cfg.lr == 0.12 && cfg.momentum == 0.9 && cfg.weight_decay == 5e-4 && cfg.clip == 0 && cfg.eta == 0.001);
    assert_true(cfg.beta1 == 0.9 && cfg.beta2 == 0.999 && cfg.eps == 1e-8 && cfg.step_factor == 0.1);
    assert_true(!cfg.nesterov && !cfg.decay_all && cfg.steps.count == 0);
    assert_int_equal(px_schedule_check(&cfg, 200), 0);
    assert_int_equal(px_optimizer_create(&o, &cfg, &span, 1, &px_update_fast), 0);
    px_optimizer_destroy(o);
    px_config_destroy(c);
}

/* ---- against PyTorch: 60 steps of 10 per epoch at the rate 0.5 ---- */

static void test_pytorch(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof schedules / sizeof schedules[0]; k++) {
        px_optim_cfg cfg = schedules[k].cfg;
        cfg.lr = 0.5;
        cfg.lr_scaling = PX_LR_AS_IS;
        for (int step = 0; step < STEPS; step++) {
            double lr = px_schedule_lr(&cfg, step, 10, 6, 512), expected = schedules[k].rate[step];
            if (fabs(lr - expected) > 1e-9)
                fail_msg("%s, step %d: %.12g is not %.12g", schedules[k].name, step, lr, expected);
        }
    }
}

/* One cycle in a run of one or two steps is finite, and the highest rate is not left out. */
static void test_short_cycle(void **state)
{
    (void)state;
    const px_optim_cfg cfg = {.lr = 1,
                              .lr_scaling = PX_LR_AS_IS,
                              .schedule = PX_LR_ONE_CYCLE,
                              .cycle_rise = 0.3,
                              .cycle_from = 10,
                              .cycle_to = 10,
                              .warmup_epochs = 10};
    assert_int_equal(px_schedule_check(&cfg, 2), 0);
    assert_true(px_schedule_lr(&cfg, 0, 1, 1, 1) == 0.01);
    assert_true(px_schedule_lr(&cfg, 0, 1, 2, 1) == 1);
    assert_true(fabs(px_schedule_lr(&cfg, 1, 1, 2, 1) - 0.01) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine),  cmocka_unit_test(test_decay),
        cmocka_unit_test(test_step),    cmocka_unit_test(test_constant_and_scaling),
        cmocka_unit_test(test_check),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_pytorch), cmocka_unit_test(test_short_cycle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
