/* test_reproducible.c - with reproducible=true a run is the same, bit for bit, on any number of ranks and threads, also
 * if it is resumed on another number of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/plan.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <unistd.h>

enum { STEPS = 4 };

typedef struct layout {
    int ranks, threads;
} layout;

/* A method that connects samples in every way (norms, negatives), and one that draws random numbers in its graph. */
static const char *const simclr[] = {"method=simclr", "backbone=resnet18", "resnet.width=0.25", "accumulate=2",
                                     "precision=fp32"};
static const char *const mae[] = {"method=mae",  "backbone=vit_tiny_4", "vit.embed_dim=96",
                                  "vit.depth=3", "vit.drop_path=0.2",   "mae.decoder_depth=2"};

/* Methods with a teacher, one with a queue too, of which four steps go round more than once; crops of two sizes. */
static const char *const byol[] = {"method=byol", "backbone=resnet18", "resnet.width=0.125", "accumulate=2",
                                   "byol.hidden=32"};
static const char *const swav[] = {"method=swav", "backbone=resnet18", "resnet.width=0.125", "swav.prototypes=32",
                                   "swav.small_crops=2"};
static const char *const moco[] = {"method=moco", "backbone=resnet18", "resnet.width=0.125", "accumulate=2",
                                   "moco.queue=80"};

static run_result train(const char *out, const char *data, layout on, const char *const method[5], const char *more)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", data),
         *set_epochs = px_format("epochs=%d", STEPS), *set_threads = px_format("threads=%d", on.threads);
    run_result r = RUN_RANKS(on.ranks, "pretrain", method[0], method[1], method[2], method[3], method[4], set_out,
                             set_data, set_epochs, set_threads, "reproducible=true", "shards=4", "batch=64",
                             "data.limit=64", "data.workers=1", "time_limit=0", "optim.optimizer=adamw",
                             "optim.lr=1e-3", "optim.lr_scaling=none", "optim.warmup_epochs=1", more);
    free(set_out);
    free(set_data);
    free(set_epochs);
    free(set_threads);
    return r;
}

static void train_well(const char *out, const char *data, layout on, const char *const method[5], const char *more,
                       int status)
{
    run_result r = train(out, data, on, method, more);
    if (r.status != status)
        fail_msg("%d ranks: %s", on.ranks, r.err);
    run_finish(&r);
}

static char *make_data(const char *folder)
{
    return make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 5});
}

static void same_on(const layout *on, int layouts, const char *const method[5])
{
    char *folder = run_folder_create(), *data = make_data(folder), *first = px_format("%s/0", folder);
    for (int i = 0; i < layouts; i++) {
        char *out = px_format("%s/%d", folder, i);
        train_well(out, data, on[i], method, NULL, 0);
        if (i > 0)
            same_run(first, out, STEPS);
        free(out);
    }
    /* The first step on two ranks, the others on another number. */
    char *moved = px_format("%s/moved", folder);
    train_well(moved, data, (layout){2, 1}, method, "time_limit=0.00001", 75);
    train_well(moved, data, on[layouts - 1], method, "--resume", 0);
    same_run(first, moved, STEPS);
    free(moved);
    free(first);
    free(data);
    run_folder_remove(folder);
}

static void contrast_and_norms(void **state)
{
    (void)state;
    const layout all[] = {{1, 1}, {1, 2}, {1, 3}, {2, 1}, {2, 2}, {4, 1}};
    same_on(all, 6, simclr);
}

static void masks_and_drops(void **state)
{
    (void)state;
    same_on((const layout[]){{2, 2}, {1, 1}}, 2, mae);
}

static void teachers_and_queues(void **state)
{
    (void)state;
    same_on((const layout[]){{1, 2}, {2, 1}, {4, 1}}, 3, byol);
    same_on((const layout[]){{1, 2}, {2, 1}, {4, 1}}, 3, moco);
    same_on((const layout[]){{2, 1}, {4, 1}}, 2, swav);
}

static void in_bf16(void **state)
{
    (void)state;
    if (!px_bf16_native()) {
        print_message("skipped: this processor has no bf16 instructions\n");
        skip();
    }
    const char *method[5];
    memcpy(method, simclr, sizeof method);
    method[4] = "precision=bf16";
    same_on((const layout[]){{1, 2}, {4, 1}}, 2, method);
}

static void says_what_cannot_be(void **state)
{
    (void)state;
    static const struct {
        int ranks;
        const char *more, *error;
    } cases[] = {
        {1, "shards=6", "shards = 6 is not a power of two"},
        {3, NULL, "reproducible=true: 3 ranks cannot share shards = 4; use a power of two up to 4"},
        {2, "shards=1", "reproducible=true: 2 ranks cannot share shards = 1; use a power of two up to 1"},
        {1, "batch=36",
         "batch = 36 cannot be divided among 4 shards x 2 micro-batches (accumulate); batch=32 or 40 would work"},
    };
    char *folder = run_folder_create(), *data = make_data(folder), *out = px_format("%s/run", folder);
    for (int i = 0; i < 4; i++) {
        run_result r = train(out, data, (layout){cases[i].ranks, 1}, simclr, cases[i].more);
        assert_int_equal(r.status, 2);
        if (!strstr(r.err, cases[i].error))
            fail_msg("no '%s' in: %s", cases[i].error, r.err);
        run_finish(&r);
        assert_int_not_equal(access(out, F_OK), 0);
    }
    free(out);
    free(data);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(contrast_and_norms), cmocka_unit_test(masks_and_drops),
                                       cmocka_unit_test(teachers_and_queues), cmocka_unit_test(in_bf16),
                                       cmocka_unit_test(says_what_cannot_be)};
    return cmocka_run_group_tests_name("reproducible", tests, NULL, NULL);
}
