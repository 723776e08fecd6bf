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

enum { STEPS = 60 };

static const struct schedule {
    const char *name;
    px_optim_cfg cfg;
    double rate[STEPS];
} schedules[] = {
    /* written by make_schedule_fixtures.py */
    {"StepLR",
     {.schedule = PX_LR_STEPS, .step_every = 2, .step_factor = 0.25},
     {0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,
      0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.5,     0.125,   0.125,   0.125,   0.125,
      0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,   0.125,
      0.125,   0.125,   0.125,   0.125,   0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125,
      0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125, 0.03125}},
    {"MultiStepLR",
     {.schedule = PX_LR_STEPS, .steps = {2, {1, 4}}, .step_factor = 0.1},
     {0.5,   0.5,   0.5,   0.5,   0.5,   0.5,   0.5,   0.5,   0.5,   0.5,   0.05,  0.05,  0.05,  0.05,  0.05,
      0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,
      0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.05,  0.005, 0.005, 0.005, 0.005, 0.005,
      0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005}},
    {"PolynomialLR",
     {.schedule = PX_LR_POLYNOMIAL, .power = 0.9},
     {0.5,
      0.492493711468,
      0.484974688984,
      0.477442690811,
      0.469897466294,
      0.462338755372,
      0.454766288041,
      0.447179783787,
      0.439578950968,
      0.431963486151,
      0.424333073395,
      0.416687383471,
      0.409026073025,
      0.401348783664,
      0.393655140958,
      0.385944753362,
      0.378217211035,
      0.370472084547,
      0.362708923469,
      0.354927254813,
      0.347126581331,
      0.339306379629,
      0.331466098085,
      0.323605154542,
      0.315722933745,
      0.307818784486,
      0.299892016415,
      0.29194189646,
      0.283967644809,
      0.27596843037,
      0.267943365634,
      0.259891500827,
      0.251811817244,
      0.243703219589,
      0.235564527169,
      0.22739446367,
      0.219191645277,
      0.210954566735,
      0.202681584931,
      0.194370899399,
      0.186020529006,
      0.177628283829,
      0.169191730951,
      0.16070815241,
      0.152174492963,
      0.143587294375,
      0.134942611637,
      0.126235904467,
      0.117461894309,
      0.108614372037,
      0.0996859332376,
      0.0906676036568,
      0.0815482916161,
      0.0723139550592,
      0.0629462705897,
      0.0534203689161,
      0.0437006474347,
      0.0337320711918,
      0.0234185971081,
      0.0125497154551}},
    {"warm-up and CosineAnnealingLR",
     {.schedule = PX_LR_COSINE, .warmup_epochs = 1, .warmup_from = 0.01, .lr_min = 0.02},
     {0.005,
      0.0545,
      0.104,
      0.1535,
      0.203,
      0.2525,
      0.302,
      0.3515,
      0.401,
      0.4505,
      0.5,
      0.499526414823,
      0.498107528315,
      0.495748940175,
      0.492459958671,
      0.488253563911,
      0.483146356613,
      0.477158492592,
      0.470313603211,
      0.46263870212,
      0.45416407865,
      0.444923178266,
      0.434952470581,
      0.424291305423,
      0.41298175754,
      0.40106846055,
      0.388598430795,
      0.375620881784,
      0.362187029976,
      0.348349892644,
      0.33416407865,
      0.31968557292,
      0.304971515501,
      0.290079976055,
      0.275069724687,
      0.26,
      0.244930275313,
      0.229920023945,
      0.215028484499,
      0.20031442708,
      0.18583592135,
      0.171650107356,
      0.157812970024,
      0.144379118216,
      0.131401569205,
      0.11893153945,
      0.10701824246,
      0.0957086945771,
      0.0850475294189,
      0.0750768217338,
      0.06583592135,
      0.0573612978795,
      0.0496863967895,
      0.0428415074082,
      0.0368536433868,
      0.0317464360892,
      0.0275400413291,
      0.0242510598251,
      0.0218924716845,
      0.0204735851772}},
    {"OneCycleLR",
     {.schedule = PX_LR_ONE_CYCLE, .cycle_rise = 0.3, .cycle_from = 25, .cycle_to = 1e4},
     {0.02,
      0.0240864560759,
      0.036206664943,
      0.0559478874249,
      0.082637859867,
      0.115367687269,
      0.153022794614,
      0.194320882383,
      0.237855593729,
      0.282144406271,
      0.325679117617,
      0.366977205386,
      0.404632312731,
      0.437362140133,
      0.464052112575,
      0.483793335057,
      0.495913543924,
      0.5,
      0.499300952091,
      0.497207717725,
      0.493732003118,
      0.488893245874,
      0.482718506287,
      0.475242316007,
      0.466506484921,
      0.45655986734,
      0.445458088786,
      0.433263234906,
      0.42004350427,
      0.405872826975,
      0.390830451196,
      0.3750005,
      0.358471500896,
      0.341335890751,
      0.323689498848,
      0.305631010968,
      0.287261417502,
      0.268683448667,
      0.250001,
      0.231318551333,
      0.212740582498,
      0.194370989032,
      0.176312501152,
      0.158666109249,
      0.141530499104,
      0.1250015,
      0.109171548804,
      0.0941291730251,
      0.07995849573,
      0.0667387650944,
      0.0545439112145,
      0.0434421326598,
      0.0334955150793,
      0.0247596839933,
      0.0172834937127,
      0.0111087541263,
      0.00626999688246,
      0.00279428227454,
      0.000701047908502,
      2e-06}},
    {"OneCycleLR, others",
     {.schedule = PX_LR_ONE_CYCLE, .cycle_rise = 0.42, .cycle_from = 10, .cycle_to = 100},
     {0.05,
      0.0518932655448,
      0.057541200362,
      0.0668487552038,
      0.0796592929778,
      0.0957572247971,
      0.114871638131,
      0.136680856002,
      0.16081785049,
      0.186876419462,
      0.214418022556,
      0.242979161389,
      0.27207917978,
      0.301228352735,
      0.329936128031,
      0.357719381742,
      0.384110548739,
      0.408665491358,
      0.430970973806,
      0.450651616514,
      0.467376213413,
      0.480863305811,
      0.490885919063,
      0.497275382341,
      0.499924167193,
      0.499348959572,
      0.496709924005,
      0.492063679415,
      0.485448065563,
      0.476916961063,
      0.466539844595,
      0.454401229055,
      0.440599973268,
      0.425248476868,
      0.408471764895,
      0.390406469574,
      0.371199717559,
      0.351007931707,
      0.329995557151,
      0.30833372203,
      0.28619884379,
      0.263771192419,
      0.241233422296,
      0.218769084623,
      0.196561132557,
      0.174790431211,
      0.153634284658,
      0.133264991935,
      0.113848443821,
      0.0955427717864,
      0.0784970601514,
      0.0628501319164,
      0.0487294181666,
      0.0362499202521,
      0.0255132731991,
      0.0166069179776,
      0.00960338936832,
      0.00455972522798,
      0.00151700196364,
      0.0005}},
    {"CosineAnnealingWarmRestarts",
     {.schedule = PX_LR_RESTARTS, .restart_epochs = 0.8, .restart_factor = 2, .lr_min = 0.01},
     {0.5,
      0.481350485465,
      0.428241161391,
      0.348757440929,
      0.255,
      0.161242559071,
      0.0817588386093,
      0.0286495145347,
      0.5,
      0.495292393699,
      0.481350485465,
      0.458710055014,
      0.428241161391,
      0.39111470709,
      0.348757440929,
      0.302797128894,
      0.255,
      0.207202871106,
      0.161242559071,
      0.11888529291,
      0.0817588386093,
      0.0512899449859,
      0.0286495145347,
      0.0147076063012,
      0.5,
      0.498820258035,
      0.495292393699,
      0.489450382254,
      0.481350485465,
      0.471070709765,
      0.458710055014,
      0.444387561074,
      0.428241161391,
      0.41042635462,
      0.39111470709,
      0.370492200522,
      0.348757440929,
      0.326119745927,
      0.302797128894,
      0.279014199381,
      0.255,
      0.230985800619,
      0.207202871106,
      0.183880254073,
      0.161242559071,
      0.139507799478,
      0.11888529291,
      0.0995736453799,
      0.0817588386093,
      0.0656124389261,
      0.0512899449859,
      0.0389292902347,
      0.0286495145347,
      0.0205496177456,
      0.0147076063012,
      0.0111797419653,
      0.5,
      0.49970488677,
      0.498820258035,
      0.497348244941}},
    {"CosineAnnealingWarmRestarts, equal",
     {.schedule = PX_LR_RESTARTS, .restart_epochs = 1.6, .restart_factor = 1},
     {0.5,
      0.495196320101,
      0.480969883128,
      0.457867403076,
      0.426776695297,
      0.388892558255,
      0.345670858091,
      0.298772580504,
      0.25,
      0.201227419496,
      0.154329141909,
      0.111107441745,
      0.0732233047034,
      0.0421325969244,
      0.0190301168722,
      0.00480367989919,
      0.5,
      0.495196320101,
      0.480969883128,
      0.457867403076,
      0.426776695297,
      0.388892558255,
      0.345670858091,
      0.298772580504,
      0.25,
      0.201227419496,
      0.154329141909,
      0.111107441745,
      0.0732233047034,
      0.0421325969244,
      0.0190301168722,
      0.00480367989919,
      0.5,
      0.495196320101,
      0.480969883128,
      0.457867403076,
      0.426776695297,
      0.388892558255,
      0.345670858091,
      0.298772580504,
      0.25,
      0.201227419496,
      0.154329141909,
      0.111107441745,
      0.0732233047034,
      0.0421325969244,
      0.0190301168722,
      0.00480367989919,
      0.5,
      0.495196320101,
      0.480969883128,
      0.457867403076,
      0.426776695297,
      0.388892558255,
      0.345670858091,
      0.298772580504,
      0.25,
      0.201227419496,
      0.154329141909,
      0.111107441745}},
    /* end */
};

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
