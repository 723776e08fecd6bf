/* test_rules.c - rules are read, find their parameters, and change the optimizer's steps as if these were other optimizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/rows.h"
#include "base/error.h"
#include "optim/rules.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 5, EACH = 40, STEPS = 6 };

static const px_param_span spans[COUNT] = {{"patch_embed.proj.weight", 0, EACH, false},
                                           {"blocks.1.norm1.bias", EACH, EACH, true},
                                           {"blocks.1.attn.weight", 2 * EACH, EACH, false},
                                           {"blocks.10.attn.weight", 3 * EACH, EACH, false},
                                           {"head.weight", 4 * EACH, EACH, false}};

/* ---- text ---- */

static void reads_what_is_written(void **state)
{
    (void)state;
    px_rules r;
    assert_int_equal(
        px_rules_read(&r, " patch_embed : frozen=inf ;head:rate=10,decay=0; ; *.bias: rate=1e-2, frozen=0.5;"), 0);
    static const px_rule expected[] = {{"patch_embed", PX_RULE_FROZEN, INFINITY},
                                       {"head", PX_RULE_RATE, 10},
                                       {"head", PX_RULE_DECAY, 0},
                                       {"*.bias", PX_RULE_RATE, 0.01},
                                       {"*.bias", PX_RULE_FROZEN, 0.5}};
    assert_int_equal(r.count, 5);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(r.rule[i].scope, expected[i].scope);
        assert_int_equal(r.rule[i].kind, expected[i].kind);
        assert_true(r.rule[i].value == expected[i].value);
    }
    px_rules_finish(&r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_rules_read(&r, i ? NULL : " "), 0);
        assert_int_equal(r.count, 0);
        px_rules_finish(&r);
    }
}

static void refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    static const char form[] = " is not of the form SCOPE:rate=X,decay=Y,steady=1,frozen=EPOCHS, as "
                               "\"patch_embed:frozen=inf; head:rate=10\" is";
    static const struct {
        const char *text, *why;
        bool form;
    } cases[] = {
        {"head", "'head'", true},
        {"head:", "'head'", true},
        {":rate=1", "''", true},
        {"head:rat=1", "'rat' is unknown; choose one of: rate, decay, steady, frozen", false},
        {"head:rate", "rate of head must be a number, as in head:rate=0.1, not ''", false},
        {"head:rate=fast", "rate of head must be a number, as in head:rate=0.1, not 'fast'", false},
        {"head:rate=1x,decay=0", "rate of head must be a number, as in head:rate=0.1, not '1x'", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_rules r;
        char *expected = px_format("optim.rules: %s%s", cases[i].why, cases[i].form ? form : "");
        assert_int_equal(px_rules_read(&r, cases[i].text), -1);
        assert_int_equal(px_error_status(), PX_USAGE);
        assert_string_equal(px_error(), expected);
        free(expected);
    }
    char *many = px_calloc(PX_RULES_MAX + 1, 12);
    for (int i = 0; i <= PX_RULES_MAX; i++)
        strcat(many, "a:rate=1;");
    px_rules r;
    assert_int_equal(px_rules_read(&r, many), -1);
    assert_string_equal(px_error(), "optim.rules: there are more than 64");
    free(many);
}

/* ---- names ---- */

static int apply(px_treatment **how, const char *text)
{
    px_rules r;
    assert_int_equal(px_rules_read(&r, text), 0);
    *how = px_treatments(COUNT);
    int status = px_rules_apply(*how, spans, COUNT, r.rule, r.count, 20, "optim.rules");
    px_rules_finish(&r);
    return status;
}

static void rules_find_their_parameters(void **state)
{
    (void)state;
    px_treatment *how;
    assert_int_equal(apply(&how,
                           "blocks.1:rate=0.5; blocks:rate=0.5,frozen=0.5; *.weight:decay=3; head.weight:frozen=1e99; "
                           "*attn*:frozen=0.1; blocks.1.attn:steady=1; head:steady=1; head:steady=0"),
                     0);
    static const px_treatment expected[COUNT] = {
        {1, 3, false, 0}, {0.25, 1, false, 10}, {0.25, 3, true, 10}, {0.5, 3, false, 10}, {1, 3, false, INT64_MAX}};
    for (int i = 0; i < COUNT; i++) {
        assert_true(how[i].rate == expected[i].rate && how[i].decay == expected[i].decay);
        assert_int_equal(how[i].steady, expected[i].steady);
        assert_int_equal(how[i].frozen, expected[i].frozen);
    }
    free(how);
}

static void rules_for_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"block:rate=2", "no parameter is named block, or begins with it, nearest is 'blocks'"},
        {"blocks.2:rate=2", "no parameter is named blocks.2, or begins with it, nearest is 'blocks.1'"},
        {"head.weigth:rate=2", "no parameter is named head.weigth, or begins with it, nearest is 'head.weight'"},
        {"hea:rate=2", "no parameter is named hea, or begins with it, nearest is 'head'"},
        {"decoder_layers:rate=2",
         "no parameter is named decoder_layers, or begins with it; 'pretext summary' lists the "
         "backbone's layers"},
        {"*.gamma:rate=2", "no parameter is named *.gamma; 'pretext summary' lists the backbone's layers"},
        {"head:rate=-1", "rate of head must be at least 0 and finite, not -1"},
        {"head:decay=inf", "decay of head must be at least 0 and finite, not inf"},
        {"head:frozen=nan", "frozen of head must be at least 0 (inf: always), not nan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_treatment *how;
        char *expected = px_format("optim.rules: %s", cases[i].why);
        assert_int_equal(apply(&how, cases[i].text), -1);
        assert_int_equal(px_error_status(), PX_USAGE);
        assert_string_equal(px_error(), expected);
        free(expected);
        free(how);
    }
}

/* ---- steps ---- */

static const double STEADY = 0.5;

static const px_optim_cfg cfgs[] = {
    {.optimizer = PX_SGD, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
    {.optimizer = PX_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.05},
    {.optimizer = PX_LARS, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.02},
};
enum { CFGS = sizeof cfgs / sizeof *cfgs };

static void fill(float *x, int seed)
{
    for (int i = 0; i < COUNT * EACH; i++)
        x[i] = sinf((float)(i * 7 + seed * 13 + 1));
}

static const float *of(const float *w, int span)
{
    return w + spans[span].offset;
}

/* STEPS steps from step `first` on; `how` may be NULL. */
static px_optimizer *train(const px_optim_cfg *cfg, const px_treatment *how, int first, double lr, float *w)
{
    px_optimizer *o;
    float g[COUNT * EACH];
    assert_int_equal(px_optimizer_create(&o, cfg, spans, COUNT, &px_update_fast), 0);
    px_optimizer_steady(o, STEADY);
    if (how)
        px_optimizer_treat(o, how);
    fill(w, 0);
    for (int step = first; step < STEPS; step++) {
        fill(g, 1 + step);
        px_optimizer_step(o, w, g, 0.5, lr);
    }
    return o;
}

static void factors_are_those_of_another_optimizer(void **state)
{
    (void)state;
    for (int k = 0; k < CFGS; k++) {
        px_treatment *how;
        px_optim_cfg decays = cfgs[k];
        float w[COUNT * EACH], plain[COUNT * EACH], fast[COUNT * EACH], decayed[COUNT * EACH];
        decays.weight_decay *= 4;
        assert_int_equal(apply(&how, "blocks:rate=2; head:decay=4; blocks.1.norm1.bias:decay=4"), 0);
        px_optimizer_destroy(train(&cfgs[k], how, 0, 0.125, w));
        px_optimizer_destroy(train(&cfgs[k], NULL, 0, 0.125, plain));
        px_optimizer_destroy(train(&cfgs[k], NULL, 0, 0.25, fast));
        px_optimizer_destroy(train(&decays, NULL, 0, 0.125, decayed));
        assert_memory_equal(of(w, 0), of(plain, 0), EACH * sizeof w[0]);
        for (int i = 1; i < 4; i++) { /* the bias does not decay, whatever the factor */
            assert_memory_equal(of(w, i), of(fast, i), EACH * sizeof w[0]);
            assert_memory_not_equal(of(w, i), of(plain, i), EACH * sizeof w[0]);
        }
        assert_memory_equal(of(w, 4), of(decayed, 4), EACH * sizeof w[0]);
        assert_memory_not_equal(of(w, 4), of(plain, 4), EACH * sizeof w[0]);
        free(how);
    }
}

/* Whatever the step's rate is. */
static void steady_parameters_keep_their_rate(void **state)
{
    (void)state;
    for (int k = 0; k < CFGS; k++) {
        px_treatment *how;
        float w[COUNT * EACH], plain[COUNT * EACH], steady[COUNT * EACH];
        assert_int_equal(apply(&how, "head:steady=1"), 0);
        px_optimizer_destroy(train(&cfgs[k], how, 0, 0.125, w));
        px_optimizer_destroy(train(&cfgs[k], NULL, 0, 0.125, plain));
        px_optimizer_destroy(train(&cfgs[k], NULL, 0, STEADY, steady));
        assert_memory_equal(of(w, 0), of(plain, 0), 4 * EACH * sizeof w[0]);
        assert_memory_equal(of(w, 4), of(steady, 4), EACH * sizeof w[0]);
        assert_memory_not_equal(of(w, 4), of(plain, 4), EACH * sizeof w[0]);
        free(how);
    }
}

/* A parameter that is frozen for some steps then begins as in an optimizer that begins there. */
static void frozen_parameters_begin_later(void **state)
{
    (void)state;
    enum { FROZEN = 2 };
    for (int k = 0; k < CFGS; k++) {
        px_treatment *how;
        float w[COUNT * EACH], plain[COUNT * EACH], late[COUNT * EACH], start[COUNT * EACH];
        fill(start, 0);
        assert_int_equal(apply(&how, "head:frozen=0.1; patch_embed:frozen=inf"), 0);
        assert_int_equal(how[4].frozen, FROZEN);
        px_optimizer_destroy(train(&cfgs[k], how, 0, 0.125, w));
        px_optimizer_destroy(train(&cfgs[k], NULL, 0, 0.125, plain));
        px_optimizer_destroy(train(&cfgs[k], NULL, FROZEN, 0.125, late));
        assert_memory_equal(of(w, 0), of(start, 0), EACH * sizeof w[0]);
        assert_memory_equal(of(w, 1), of(plain, 1), 3 * EACH * sizeof w[0]);
        assert_memory_equal(of(w, 4), of(late, 4), EACH * sizeof w[0]);
        assert_memory_not_equal(of(w, 4), of(plain, 4), EACH * sizeof w[0]);
        free(how);
    }
}

/* Neither the norm nor clipping nor a NaN comes from a frozen parameter's gradient, until it is trained. */
static void frozen_gradients_do_not_count(void **state)
{
    (void)state;
    px_treatment *how;
    px_optimizer *o;
    float w[COUNT * EACH], g[COUNT * EACH] = {0};
    assert_int_equal(apply(&how, "head:frozen=0.05"), 0);
    assert_int_equal(px_optimizer_create(&o, &cfgs[0], spans, COUNT, &px_update_fast), 0);
    px_optimizer_treat(o, how);
    fill(w, 0);
    g[0] = 3;
    g[spans[4].offset] = NAN;
    assert_true(px_optimizer_step(o, w, g, 1, 0.1) == 3);
    assert_true(isnan(px_optimizer_step(o, w, g, 1, 0.1)));
    g[spans[4].offset] = 4;
    assert_true(px_optimizer_step(o, w, g, 1, 0.1) == 5);
    px_optimizer_destroy(o);
    free(how);
}

/* A run that is interrupted, while a parameter is frozen or after that, continues with the same bits. */
static void resumes_with_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; k < CFGS; k++)
        for (int at = 1; at < STEPS; at++) {
            px_treatment *how;
            px_optimizer *o[2];
            float w[2][COUNT * EACH], g[COUNT * EACH];
            assert_int_equal(apply(&how, "head:frozen=0.15,rate=0.5; blocks.10:decay=0"), 0);
            px_optimizer_destroy(train(&cfgs[k], how, 0, 0.125, w[0]));
            for (int j = 0; j < 2; j++) {
                assert_int_equal(px_optimizer_create(&o[j], &cfgs[k], spans, COUNT, &px_update_fast), 0);
                px_optimizer_treat(o[j], how);
            }
            fill(w[1], 0);
            for (int step = 0; step < STEPS; step++) {
                if (step == at)
                    hand_over(o[1], o[0], spans, COUNT);
                fill(g, 1 + step);
                px_optimizer_step(o[step >= at], w[1], g, 0.5, 0.125);
            }
            assert_memory_equal(w[0], w[1], sizeof g);
            px_optimizer_destroy(o[0]);
            px_optimizer_destroy(o[1]);
            free(how);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_written),
        cmocka_unit_test(refuses_what_it_does_not_understand),
        cmocka_unit_test(rules_find_their_parameters),
        cmocka_unit_test(rules_for_nothing_are_refused),
        cmocka_unit_test(factors_are_those_of_another_optimizer),
        cmocka_unit_test(steady_parameters_keep_their_rate),
        cmocka_unit_test(frozen_parameters_begin_later),
        cmocka_unit_test(frozen_gradients_do_not_count),
        cmocka_unit_test(resumes_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
