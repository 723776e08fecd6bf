/* test_kills.c - runs are killed by SIGKILL at random moments (and in the middle of writing a checkpoint), then resumed
 * to the end: parameters, optimizer and series are those of a run that was never interrupted, bit for bit. On one rank,
 * and on two, where the launcher or one of the ranks is killed. Evaluations are killed as well: run.h5 stays intact,
 * and a new evaluation gives the numbers of one that was never interrupted.
 *
 * Takes minutes: suite `long`. The seed is printed; PRETEXT_TEST_SEED repeats the moments, as far as timing allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/rng.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <signal.h>
#include <sys/stat.h>

enum { STEPS = 40, KILLS = 20, IN_CHECKPOINT = 6, PROBE_KILLS = 6, RANKS = 2 };

typedef struct fixture {
    char *folder, *data;
    char *whole[RANKS + 1];                         /* uninterrupted runs on 1 and 2 ranks */
    double seconds[RANKS + 1], training[RANKS + 1]; /* how long they took in all, and from the first step on */
    px_rng rng;
    /* What is killed. */
    int unborn, writing, staging;
} fixture;

/* A checkpoint after each step. */
static run_child start(const fixture *f, const char *out, int ranks, bool resume)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    run_child c = run_start(ranks > 1 ? ranks : 0,
                            (const char *const[]){"pretrain", set_out, set_data, "resnet.width=0.25", "batch=16",
                                                  "accumulate=2", "epochs=8", "optim.optimizer=adamw", "optim.lr=1e-3",
                                                  "data.workers=2", "optim.warmup_epochs=1", "threads=1",
                                                  "checkpoint_minutes=0", resume ? "--resume" : NULL, NULL});
    free(set_out);
    free(set_data);
    return c;
}

static run_child start_probe(const char *run)
{
    return run_start(0, (const char *const[]){"probe", run, "baselines=true", "linear.epochs=100", "embed=60",
                                              "data.workers=1", "threads=1", NULL});
}

/* How many seconds it took. */
static double finish(run_child *c)
{
    double start_time = px_now();
    run_result r = run_wait(c);
    if (r.status != 0)
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    return px_now() - start_time;
}

static bool there(const char *folder, const char *name)
{
    char *path = px_format("%s/%s", folder, name);
    bool yes = access(path, F_OK) == 0;
    free(path);
    return yes;
}

/* Kills the program, or one of its ranks, and waits until no process is left. */
static void kill_run(fixture *f, run_child *c, int ranks)
{
    pid_t rank[RANKS];
    int count = ranks > 1 ? run_ranks(c, rank, RANKS) : 0;
    int victim = count ? (int)px_rng_below(&f->rng, (uint32_t)count + 1) : 0;
    kill(victim ? rank[victim - 1] : c->process, SIGKILL);
    run_result r = run_wait(c);
    run_finish(&r);
    for (int i = 0; i < count; i++)
        while (run_is_alive(rank[i]))
            run_pause_ms(20);
}

/* Waits until out/name exists again after having appeared `times` times, or the program has ended. */
static void wait_for_writing(const run_child *c, const char *out, const char *name, int times)
{
    for (int seen = 0; run_is_alive(c->process);) {
        bool writing = there(out, name);
        if (writing && seen++ == times)
            return;
        while (writing && run_is_alive(c->process))
            writing = there(out, name);
    }
}

/* ---- the tests ---- */

static void killed_runs_end_the_same(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < KILLS + IN_CHECKPOINT; i++) {
        int ranks = 1 + i % RANKS;
        char *out = px_format("%s/killed-%d", f->folder, i);
        run_child c = start(f, out, ranks, false);
        double after = 0;
        if (i < KILLS) {
            bool any_time = i % 4 < 1; /* else while it trains */
            if (!any_time)
                run_wait_for_progress(&c);
            after = (any_time ? f->seconds : f->training)[ranks] * px_rng_uniform(&f->rng);
            run_pause_ms((int)(1000 * after));
        } else {
            wait_for_writing(&c, out, "checkpoint.h5.partial", (int)px_rng_below(&f->rng, STEPS / 2));
            after = 0.004 * px_rng_uniform(&f->rng);
            usleep((useconds_t)(1e6 * after));
        }
        kill_run(f, &c, ranks);
        f->unborn += !there(out, "checkpoint.h5");
        f->writing += there(out, "checkpoint.h5.partial");
        c = start(f, out, ranks, true);
        finish(&c);
        same_run(f->whole[ranks], out, STEPS);
        print_message("%d: %d ranks, killed %.2f s %s: the same\n", i, ranks, after,
                      i >= KILLS  ? "into a checkpoint"
                      : i % 4 < 1 ? "after its start"
                                  : "after its first step");
        free(out);
    }
    print_message("%d kills: %d before the first checkpoint, %d within the writing of one\n", KILLS + IN_CHECKPOINT,
                  f->unborn, f->writing);
    assert_true(f->writing > 0);
}

static void killed_probes_do_no_harm(void **state)
{
    fixture *f = *state;
    char *whole = px_format("%s/probed", f->folder), *killed = px_format("%s/probe-killed", f->folder);
    static const char *const files[] = {"run.h5", "checkpoint.h5"};
    mkdir(whole, 0777);
    mkdir(killed, 0777);
    for (int i = 0; i < 2; i++) {
        copy_file(f->whole[1], whole, files[i]);
        copy_file(f->whole[1], killed, files[i]);
    }
    run_child c = start_probe(whole);
    double seconds = finish(&c);
    for (int i = 0; i < PROBE_KILLS; i++) {
        c = start_probe(killed);
        if (i % 2 == 0)
            run_pause_ms((int)(1000 * seconds * px_rng_uniform(&f->rng)));
        else
            wait_for_writing(&c, killed, "run.h5.new", (i - 1) / 2);
        f->staging += there(killed, "run.h5.new");
        kill_run(f, &c, 1);
        same_group(f->whole[1], killed, "run.h5", "/train");
    }
    c = start_probe(killed);
    finish(&c);
    same_group(f->whole[1], killed, "run.h5", "/train");
    same_group(whole, killed, "run.h5", "/eval");
    print_message("%d probes killed within %.1f s, %d of them while they wrote\n", PROBE_KILLS, seconds, f->staging);
    assert_true(f->staging > 0);
    free(whole);
    free(killed);
}

static int set_up(void **state)
{
    const char *given = getenv("PRETEXT_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)(px_now() * 1e6) % 1000000;
    fixture *f = px_calloc(1, sizeof *f);
    print_message("PRETEXT_TEST_SEED=%llu\n", (unsigned long long)seed);
    f->rng = px_rng_make(seed, PX_RNG_VIEWS, 0, 0);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 112, .side = 16, .channels = 3, .classes = 5});
    for (int ranks = 1; ranks <= RANKS; ranks++) {
        f->whole[ranks] = px_format("%s/whole-%d", f->folder, ranks);
        run_child c = start(f, f->whole[ranks], ranks, false);
        double begun = px_now();
        run_wait_for_progress(&c);
        f->training[ranks] = finish(&c);
        f->seconds[ranks] = px_now() - begun;
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    for (int ranks = 1; ranks <= RANKS; ranks++)
        free(f->whole[ranks]);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_runs_end_the_same),
                                       cmocka_unit_test(killed_probes_do_no_harm)};
    return cmocka_run_group_tests_name("kills", tests, set_up, tear_down);
}
