/* test_treat.c - layer-wise rates, the method's rules and the user's reach the optimizer of a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PER_EPOCH = 10, ASSIGNMENTS = 12 };

typedef struct trained {
    px_settings s;
    px_model m;
    px_optimizer *optimizer;
    const px_param_span *span;
    int spans;
} trained;

static void start(trained *t, const char *const given[])
{
    const char *all[ASSIGNMENTS] = {"optim.optimizer=sgd", "optim.momentum=0", "optim.weight_decay=0"};
    int n = 3;
    while (given[n - 3]) {
        all[n] = given[n - 3];
        n++;
    }
    px_comm self = px_comm_self();
    assert_int_equal(px_settings_load(&t->s, NULL, all, n), 0);
    px_task task = {.image_size = SIDE, .channels = 3, .classes = 4, .labelled = true, .batch = 2, .ranks = 1};
    px_task_take_backbone(&task, t->s.backbone, t->s.backbone_cfg);
    if (px_model_pretrain(&t->m, &t->s, &task, &self) != 0)
        fail_msg("%s", px_error());
    t->span = px_plan_spans(t->m.plan, &t->spans);
    assert_int_equal(px_optimizer_create(&t->optimizer, &t->s.optim, t->span, t->spans, px_plan_update(t->m.plan)), 0);
}

static void stop(trained *t)
{
    px_optimizer_destroy(t->optimizer);
    px_model_finish(&t->m);
    px_settings_finish(&t->s);
}

/* By how much a step of rate 1 changes each parameter whose gradient is 1. */
static void moves(trained *t, double *change)
{
    int64_t n = px_plan_flat_count(t->m.plan);
    float *w = px_calloc((size_t)n, sizeof w[0]), *g = px_calloc((size_t)n, sizeof g[0]);
    for (int64_t i = 0; i < n; i++)
        g[i] = 1;
    px_optimizer_step(t->optimizer, w, g, 1, 1);
    for (int i = 0; i < t->spans; i++)
        change[i] = -w[t->span[i].offset];
    free(w);
    free(g);
}

static double change_of(trained *t, const double *change, const char *name)
{
    for (int i = 0; i < t->spans; i++)
        if (strcmp(t->span[i].name, name) == 0)
            return change[i];
    fail_msg("there is no %s", name);
    return 0;
}

typedef struct expected {
    const char *name;
    double change;
} expected;

static void check(const char *const given[], const expected *e)
{
    trained t;
    start(&t, given);
    double *change = px_calloc((size_t)t.spans, sizeof change[0]);
    assert_int_equal(px_model_treat(&t.m, &t.s, PER_EPOCH, t.optimizer), 0);
    moves(&t, change);
    for (; e->name; e++)
        if (fabs(change_of(&t, change, e->name) - e->change) > 1e-6)
            fail_msg("%s: %g is not %g", e->name, change_of(&t, change, e->name), e->change);
    free(change);
    stop(&t);
}

/* MAE's own lr_decay.py: times decay^(depth + 1 - layer), with layer 0 for the embedding. */
static void layers_of_a_vit(void **state)
{
    (void)state;
    const double d = 0.75;
    const expected e[] = {{"pos_embed", pow(d, 13)},
                          {"cls_token", pow(d, 13)},
                          {"patch_embed.proj.weight", pow(d, 13)},
                          {"blocks.0.norm1.weight", pow(d, 12)},
                          {"blocks.1.mlp.fc1.weight", pow(d, 11)},
                          {"blocks.11.attn.qkv.weight", d},
                          {"norm.weight", 1},
                          {"fc.weight", 1},
                          {NULL, 0}};
    check((const char *[]){"method=supervised", "backbone=vit_tiny_8", "optim.layer_decay=0.75", NULL}, e);
}

static void layers_of_a_resnet(void **state)
{
    (void)state;
    const expected e[] = {{"conv1.weight", 1.0 / 32},
                          {"bn1.bias", 1.0 / 32},
                          {"layer1.0.conv1.weight", 1.0 / 16},
                          {"layer4.1.bn2.bias", 0.5},
                          {"layer3.0.downsample.0.weight", 0.25},
                          {"fc.bias", 1},
                          {NULL, 0}};
    check(
        (const char *[]){"method=supervised", "backbone=resnet18", "resnet.width=0.125", "optim.layer_decay=0.5", NULL},
        e);
}

/* The stem, 17 blocks, the last convolution, then the classifier. */
static void layers_of_a_mobilenet(void **state)
{
    (void)state;
    const double d = 0.5;
    const expected e[] = {{"features.0.0.weight", pow(d, 19)},
                          {"features.1.conv.0.0.weight", pow(d, 18)},
                          {"features.17.conv.2.weight", pow(d, 2)},
                          {"features.18.0.weight", d},
                          {"fc.bias", 1},
                          {NULL, 0}};
    check((const char *[]){"method=supervised", "backbone=mobilenet_v2", "mobilenet_v2.width=0.25",
                           "optim.layer_decay=0.5", NULL},
          e);
}

/* The decoder has a mask token of its own, which has the name of an encoder's (SimMIM, BEiT: layer 0). */
static void layers_of_mae(void **state)
{
    (void)state;
    const double d = 0.75;
    const expected e[] = {{"patch_embed.proj.weight", pow(d, 13)},
                          {"norm.weight", 1},
                          {"mask_token", 1},
                          {"decoder_embed.weight", 1},
                          {NULL, 0}};
    check((const char *[]){"method=mae", "backbone=vit_tiny_8", "mae.decoder_width=32", "mae.decoder_heads=2",
                           "mae.decoder_depth=1", "optim.layer_decay=0.75", NULL},
          e);
}

static void rules_of_user_and_method(void **state)
{
    (void)state;
    const expected e[] = {{"prototypes.weight", 0},   {"conv1.weight", 0},          {"projector.linear1.bias", 0.5},
                          {"layer1.0.bn1.weight", 2}, {"layer1.0.conv1.weight", 1}, {NULL, 0}};
    check((const char *[]){"method=swav", "backbone=resnet18", "resnet.width=0.125", "swav.freeze_epochs=1",
                           "optim.rules=conv1:frozen=inf; projector:rate=0.5; layer1.*.bn?.*:rate=2", NULL},
          e);
    const expected free_ones[] = {{"prototypes.weight", 1}, {"conv1.weight", 1}, {NULL, 0}};
    check((const char *[]){"method=swav", "backbone=resnet18", "resnet.width=0.125", NULL}, free_ones);
}

/* MoCo v3's patches never move; DINO's prototypes do after an epoch. */
static void methods_freeze(void **state)
{
    (void)state;
    const expected patches[] = {
        {"patch_embed.proj.weight", 0}, {"patch_embed.proj.bias", 0}, {"cls_token", 1}, {NULL, 0}};
    check((const char *[]){"method=mocov3", "backbone=vit_tiny_8", NULL}, patches);
    const expected prototypes[] = {{"head.last_layer.weight_v", 0}, {"head.linear1.weight", 1}, {NULL, 0}};
    check((const char *[]){"method=dino", "backbone=resnet18", "resnet.width=0.125", NULL}, prototypes);
}

static void rules_that_miss_are_refused(void **state)
{
    (void)state;
    trained t;
    start(&t, (const char *[]){"method=byol", "backbone=resnet18", "resnet.width=0.125", "optim.rules=predictr:rate=10",
                               NULL});
    assert_int_equal(px_model_treat(&t.m, &t.s, PER_EPOCH, t.optimizer), -1);
    assert_string_equal(px_error(),
                        "optim.rules: no parameter is named predictr, or begins with it, nearest is 'predictor'");
    t.m.rule[t.m.rules++] = (px_rule){"teacher", PX_RULE_RATE, 0}; /* a follower is not trained */
    assert_int_equal(px_model_treat(&t.m, &t.s, PER_EPOCH, t.optimizer), -1);
    assert_string_equal(px_error(),
                        "method byol: no parameter is named teacher, or begins with it; 'pretext summary' lists "
                        "the backbone's layers");
    stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_of_a_vit),
                                       cmocka_unit_test(layers_of_a_resnet),
                                       cmocka_unit_test(layers_of_a_mobilenet),
                                       cmocka_unit_test(layers_of_mae),
                                       cmocka_unit_test(rules_of_user_and_method),
                                       cmocka_unit_test(methods_freeze),
                                       cmocka_unit_test(rules_that_miss_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
