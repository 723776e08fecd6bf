/* test_methods.c - every method of the table as a run, with the small settings of its fixture (tests/methods/fixtures): the
 * same bits on 1, 2 and 4 ranks with reproducible=true, also after SIGKILL in the middle and a move to another number of
 * ranks; and after SIGKILL in the usual mode. What is compared is all that a checkpoint holds (parameters, teacher, queue,
 * prototypes, running statistics, optimizer) and all series. The environment variable METHOD names one to look at alone,
 * METHODS_EVERY=N takes every N-th. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "same_run.h"
#include "train/method.h"

#include <signal.h>

enum { STEPS = 16, GIVEN_MAX = 40 };

typedef struct subject {
    const px_method *method;
    char *folder, *data, **settings;
    int settings_count;
} subject;

typedef struct layout {
    int ranks, threads;
    bool reproducible;
} layout;

typedef enum about { WHOLE, TO_BE_KILLED, RESUMED } about;

/* The one to be killed makes a checkpoint after each step. */
static run_child start(const subject *t, const char *out, layout on, about run)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", t->data),
         *set_threads = px_format("threads=%d", on.threads);
    const char *given[GIVEN_MAX] = {"pretrain",
                                    set_out,
                                    set_data,
                                    set_threads,
                                    t->method->family ? "backbone=vit_tiny_8" : "backbone=resnet18",
                                    "batch=16",
                                    "accumulate=2",
                                    "epochs=4",
                                    "precision=fp32",
                                    "optim.optimizer=adamw",
                                    "optim.lr=1e-3",
                                    "optim.lr_scaling=none",
                                    "optim.warmup_epochs=1",
                                    "data.workers=1"};
    int n = 14;
    if (t->method->family) {
        given[n++] = "vit.embed_dim=48";
        given[n++] = "vit.depth=2";
    } else {
        given[n++] = "resnet.width=0.125";
    }
    if (on.reproducible) {
        given[n++] = "reproducible=true";
        given[n++] = "shards=4";
    }
    if (run != WHOLE)
        given[n++] = run == RESUMED ? "--resume" : "checkpoint_minutes=0";
    assert_true(n + t->settings_count < GIVEN_MAX);
    for (int i = 0; i < t->settings_count; i++)
        given[n++] = t->settings[i];
    run_child c = run_start(on.ranks > 1 ? on.ranks : 0, given);
    free(set_out);
    free(set_data);
    free(set_threads);
    return c;
}

static char *train(const subject *t, const char *name, layout on, about run)
{
    char *out = px_format("%s/%s-%s", t->folder, t->method->name, name);
    run_child c = start(t, out, on, run);
    run_result r = run_wait(&c);
    if (r.status != 0)
        fail_msg("%s, %s: status %d, %s", t->method->name, name, r.status, r.err);
    run_finish(&r);
    return out;
}

/* Kills the program, or its last rank, after the first checkpoint, and waits until no process is left. */
static void kill_midway(const subject *t, const char *name, layout on)
{
    char *out = px_format("%s/%s-%s", t->folder, t->method->name, name),
         *checkpoint = px_format("%s/checkpoint.h5", out);
    pid_t rank[4];
    run_child c = start(t, out, on, TO_BE_KILLED);
    run_wait_for_progress(&c);
    while (access(checkpoint, F_OK) != 0 && run_is_alive(c.process))
        run_pause_ms(1);
    int count = on.ranks > 1 ? run_ranks(&c, rank, 4) : 0;
    kill(count ? rank[count - 1] : c.process, SIGKILL);
    run_result r = run_wait(&c);
    if (r.status == 0)
        fail_msg("%s, %s had ended before it was killed", t->method->name, name);
    for (int i = 0; i < count; i++)
        while (run_is_alive(rank[i]))
            run_pause_ms(10);
    run_finish(&r);
    free(checkpoint);
    free(out);
}

static void walk(void (*check)(const subject *))
{
    const char *fixtures = getenv("FIXTURES"), *some = getenv("METHODS_EVERY");
    int every = some && atoi(some) > 0 ? atoi(some) : 1;
    subject t = {.folder = run_folder_create()};
    t.data = make_set(t.folder, "d.h5", &(set_spec){.count = 96, .side = 24, .channels = 3, .classes = 5});
    for (int i = 0; px_methods[i]; i++) {
        const char *alone = getenv("METHOD");
        t.method = px_methods[i];
        if (alone ? strcmp(alone, t.method->name) != 0 : i % every != 0)
            continue;
        char *file = px_format("%s.h5", t.method->name);
        px_results *r = open_h5(fixtures ? fixtures : "tests/methods/fixtures", file);
        if (px_results_get_texts(r, "/settings", &t.settings, &t.settings_count) != 0)
            fail_msg("%s", px_error());
        px_results_close(r);
        check(&t);
        for (int k = 0; k < t.settings_count; k++)
            free(t.settings[k]);
        free(t.settings);
        free(file);
    }
    free(t.data);
    run_folder_remove(t.folder);
}

/* ---- the tests ---- */

static void check_killed(const subject *t)
{
    const layout one = {1, 2, false};
    char *whole = train(t, "whole", one, WHOLE);
    kill_midway(t, "killed", one);
    char *killed = train(t, "killed", one, RESUMED);
    same_run(whole, killed, STEPS);
    free(whole);
    free(killed);
}

static void check_reproducible(const subject *t)
{
    const layout one = {1, 2, true}, two = {2, 1, true}, four = {4, 1, true};
    char *first = train(t, "on 1", one, WHOLE), *other = train(t, "on 2", two, WHOLE);
    same_run(first, other, STEPS);
    free(other);
    other = train(t, "on 4", four, WHOLE);
    same_run(first, other, STEPS);
    free(other);
    kill_midway(t, "moved", two);
    other = train(t, "moved", one, RESUMED);
    same_run(first, other, STEPS);
    free(other);
    free(first);
}

static void same_after_a_kill(void **state)
{
    (void)state;
    walk(check_killed);
}

static void same_on_any_ranks_and_moved_after_a_kill(void **state)
{
    (void)state;
    walk(check_reproducible);
}

/* With an argument, those on several ranks, which take minutes. */
int main(int argc, char **argv)
{
    (void)argv;
    const struct CMUnitTest brief[] = {cmocka_unit_test(same_after_a_kill)},
                            lengthy[] = {cmocka_unit_test(same_on_any_ranks_and_moved_after_a_kill)};
    return argc > 1 ? cmocka_run_group_tests_name("methods on ranks", lengthy, NULL, NULL)
                    : cmocka_run_group_tests_name("methods", brief, NULL, NULL);
}
