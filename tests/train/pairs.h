/* pairs.h - every method on every family of backbones, for tests that look at all of them.
 *
 *     static void look(const px_model *m, const px_settings *s) ...
 *     for (each method m and backbone b)
 *         build_pair(m, b, (const char *[]){"precision=bf16"}, 1, look);
 */
#ifndef PX_TESTS_TRAIN_PAIRS_H
#define PX_TESTS_TRAIN_PAIRS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/model.h"

#include <stdlib.h>
#include <string.h>

/* Sides to try: small images, then ImageNet's crops, which are used only if the small ones are refused. */
static const int sides[] = {32, 64, 224};

/* The same for batches: W-MSE whitens groups of images. */
static const int batches[] = {2, 256};
enum { SIDES = sizeof sides / sizeof sides[0], BATCHES = sizeof batches / sizeof batches[0] };

static px_task task_of(const px_settings *s, int side, int batch)
{
    px_task t = {
        .image_size = side, .channels = 3, .classes = 4, .labelled = true, .batch = batch, .ranks = 1, .augment = true};
    px_task_take_backbone(&t, s->backbone, s->backbone_cfg);
    return t;
}

static const char *refusal(const px_settings *s, const px_task *t)
{
    const px_backbone_family *f = s->backbone->family;
    const char *why = f->check ? f->check(s->backbone, s->backbone_cfg, t->image_size, t->channels) : NULL;
    return why ? why : s->method->check ? s->method->check(s->method_cfg, t, s->backbone) : NULL;
}

/* The i-th method; with METHODS_EVERY=N of every N-th (as in tests/cli/test_methods.c). */
static const px_method *method_at(int i)
{
    const char *some = getenv("METHODS_EVERY");
    return px_method_at(some && atoi(some) > 1 ? i * atoi(some) : i);
}

typedef void look_fn(const px_model *, const px_settings *);

/* Builds one step of the pair, with up to six further keys, for the first side and batch that both take, and has
 * `look` look at it. False if method and backbone do not go together at any side. */
static bool build_pair(const px_method *m, const px_backbone *b, const char *const keys[], int count, look_fn *look)
{
    px_settings s;
    char *method = px_format("method=%s", m->name), *backbone = px_format("backbone=%s", b->name);
    const char *given[8] = {method, backbone};
    bool built = false;
    for (int i = 0; i < count; i++)
        given[2 + i] = keys[i];
    bool fits = px_settings_load(&s, NULL, given, 2 + count) == 0;
    assert_true(fits || (m->family && px_error_status() == PX_USAGE));
    for (int i = 0; fits && !built && i < SIDES * BATCHES; i++) {
        px_task t = task_of(&s, sides[i % SIDES], batches[i / SIDES]);
        px_comm self = px_comm_self();
        px_model model;
        if (refusal(&s, &t))
            continue;
        if (px_model_plan(&model, &s, &t, &self, 0, NULL) != 0) /* nothing is run */
            fail_msg("%s on %s, %d px: %s", m->name, b->name, sides[i % SIDES], px_error());
        look(&model, &s);
        px_model_finish(&model);
        built = true;
    }
    if (fits)
        px_settings_finish(&s);
    free(method);
    free(backbone);
    return built;
}

#endif
