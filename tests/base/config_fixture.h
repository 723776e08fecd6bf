/* config_fixture.h - a configuration of three groups, for tests of config.h. */
#ifndef PX_TESTS_BASE_CONFIG_FIXTURE_H
#define PX_TESTS_BASE_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/error.h"

#include <stdlib.h>

typedef struct top {
    int epochs;
    int64_t seed;
    double scale;
    bool resume;
    const char *method, *note;
    px_list steps;
    enum { COSINE, STEP, CONSTANT } curve;
} top;

static const px_option top_options[] = {
    PX_OPTION(top, epochs, "100", 1, 10000, "passes over the data"),
    PX_OPTION(top, seed, "1", 0, 0, "seed of everything"),
    PX_OPTION(top, scale, "1e-4", 0, 0, "a number without bounds"),
    PX_OPTION_FLAG(top, resume, "false", "a flag"),
    PX_OPTION_CHOICE(top, method, "simclr", "simclr|rotation|jigsaw|mae", "the method"),
    PX_OPTION_TEXT(top, note, "", "any text"),
    PX_OPTION(top, steps, "[15, 25]", 0, 1000, "epochs where something happens"),
    PX_OPTION_CHOICE(top, curve, "step", "cosine|step|constant", "a word that becomes an enum"),
    {0}};

typedef struct optim {
    double lr, momentum;
    int warmup;
} optim;

static const px_option optim_options[] = {PX_OPTION(optim, lr, "0.3", 0, 100, "peak rate"),
                                          PX_OPTION(optim, momentum, "0.9", 0, 1, "of SGD"),
                                          PX_OPTION(optim, warmup, "10", 0, 1000, "epochs"),
                                          {0}};

typedef struct fixture {
    px_config *config;
    top top;
    optim optim, linear;
} fixture;

static int setup(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->config = px_config_create();
    px_config_group(f->config, "", top_options, &f->top);
    px_config_group(f->config, "optim", optim_options, &f->optim);
    px_config_group(f->config, "eval.linear", optim_options, &f->linear);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    px_config_destroy(f->config);
    free(f);
    return 0;
}

#endif
