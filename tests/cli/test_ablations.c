/* test_ablations.c - the mechanism that keeps a method from collapsing, taken out: then the watch warns, and otherwise not. Each
 * pair of short runs differs in one option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"

#include <stdio.h>

enum { OWN = 8 };

typedef struct ablation {
    const char *method, *off; /* the option without which the method collapses */
    const char *warning;
    const char *own[OWN]; /* both runs' other settings */
} ablation;

static const ablation ablations[] = {
    {"simsiam",
     "simsiam.predictor=false",
     ": the embedding collapses: ",
     {"simsiam.dim=64", "simsiam.predictor_hidden=16", "simsiam.projector_layers=2", "optim.optimizer=sgd",
      "optim.lr=0.2"}},
    {"dino",
     "dino.center=1",
     ": the teacher's embedding collapses: ",
     {"dino.prototypes=16", "dino.hidden=64", "dino.dim=32", "dino.head_norm=true", "dino.momentum=0.7",
      "dino.freeze_epochs=0", "dino.warmup_epochs=0", "optim.lr=2e-3"}},
    {"vicreg", "vicreg.variance=0", ": the embedding collapses: ", {"vicreg.dim=64", "optim.lr=5e-3"}},
    {"tico",
     "tico.rho=0",
     ": the embedding collapses: ",
     {"tico.hidden=64", "tico.dim=32", "tico.momentum=0.7", "optim.lr=5e-3"}},
};

/* What the log says of a run of 60 steps, with `off` or without (NULL). */
static char *train(const ablation *a, const char *folder, const char *data, const char *off)
{
    char *method = px_format("method=%s", a->method),
         *out = px_format("out=%s/%s-%s", folder, a->method, off ? "off" : "on");
    const char *words[32] = {"pretrain",
                             method,
                             out,
                             data,
                             "resnet.width=0.125",
                             "batch=32",
                             "epochs=15",
                             "precision=fp32",
                             "optim.optimizer=adamw",
                             "optim.lr_scaling=none",
                             "optim.warmup_epochs=0",
                             "data.workers=1",
                             "threads=1"};
    int n = 13;
    for (int i = 0; i < OWN && a->own[i]; i++)
        words[n++] = a->own[i];
    if (off)
        words[n++] = off;
    run_child c = run_start(0, words);
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.err, "done: 60 steps"))
        fail_msg("%s: status %d, %s", a->method, r.status, r.err);
    char *said = px_strdup(r.err);
    run_finish(&r);
    free(method);
    free(out);
    return said;
}

static void the_watch_tells_them_apart(void **state)
{
    (void)state;
    char *folder = run_folder_create(),
         *set = make_set(folder, "d.h5", &(set_spec){.count = 176, .side = 16, .channels = 3, .classes = 8}),
         *data = px_format("data.path=%s", set);
    for (size_t i = 0; i < sizeof ablations / sizeof ablations[0]; i++) {
        const ablation *a = &ablations[i];
        char *on = train(a, folder, data, NULL), *off = train(a, folder, data, a->off);
        if (strstr(on, "collapses"))
            fail_msg("%s: a healthy run warns: %s", a->method, on);
        if (!strstr(off, a->warning))
            fail_msg("%s with %s does not warn: %s", a->method, a->off, off);
        free(on);
        free(off);
    }
    free(data);
    free(set);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_watch_tells_them_apart)};
    return cmocka_run_group_tests_name("ablations", tests, NULL, NULL);
}
