/* test_resume.c - a run that was stopped (by a signal or a time limit) or killed at any moment, and then resumed, ends
 * with exactly the bits of one that was never interrupted: parameters, optimizer, series. On one rank and on two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <signal.h>
#include <sys/stat.h>

enum { STEPS = 40 };

typedef struct fixture {
    char *folder, *data;
    char *whole[3]; /* uninterrupted runs on 1 and 2 ranks */
} fixture;

/* ---- running ---- */

/* ranks 0: without mpirun. */
static run_child start(const fixture *f, const char *out, int ranks, const char *option, bool resume)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    run_child c =
        run_start(ranks, (const char *const[]){"pretrain", set_out, set_data, "resnet.width=0.125", "batch=16",
                                               "accumulate=2", "epochs=8", "optim.optimizer=adamw", "optim.lr=1e-3",
                                               "data.workers=2", "optim.warmup_epochs=1", "optim.layer_decay=0.9",
                                               "optim.rules=conv1:frozen=2.5; layer4:decay=0", option,
                                               resume ? "--resume" : NULL, NULL});
    free(set_out);
    free(set_data);
    return c;
}

static void finish(run_child *c, int status)
{
    run_result r = run_wait(c);
    if (r.status != status)
        fail_msg("status %d instead of %d: %s", r.status, status, r.err);
    run_finish(&r);
}

/* Lets a shell run the command that the message proposes, with as many threads per rank as before. */
static void follow(const char *message, int ranks)
{
    const char *command = strstr(message, "with a checkpoint; to continue: ");
    if (!command)
        fail_msg("no command that continues: %s", message);
    command = strstr(command, ": ") + 2;
    char *line = px_format("export OMP_NUM_THREADS=%d OMPI_MCA_rmaps_base_oversubscribe=1 "
                           "PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe; %.*s",
                           ranks ? 1 : 2, (int)strcspn(command, "\n"), command);
    run_child c = run_start_command((const char *const[]){"/bin/sh", "-c", line, NULL});
    finish(&c, 0);
    free(line);
}

/* ---- the tests ---- */

/* A signal to the program, to mpirun, or to one rank alone: all ranks stop after the same step. (mpirun passes on only
 * SIGUSR1; after SIGTERM and SIGINT it soon kills its ranks.) */
static void stopped_by_signal(void **state)
{
    const fixture *f = *state;
    static const struct {
        int ranks, to, signal; /* to: a rank, or -1: the process that was started */
    } cases[] = {{0, -1, SIGTERM}, {0, -1, SIGINT}, {2, -1, SIGUSR1}, {2, 1, SIGTERM}, {2, 0, SIGINT}, {2, 1, SIGUSR1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int ranks = cases[i].ranks;
        pid_t rank[2];
        char *out = px_format("%s/it's %zu", f->folder, i);
        run_child c = start(f, out, ranks, "checkpoint_minutes=10", false);
        run_wait_for_progress(&c);
        if (cases[i].to >= 0)
            assert_int_equal(run_ranks(&c, rank, 2), 2);
        kill(cases[i].to < 0 ? c.process : rank[cases[i].to], cases[i].signal);
        run_result r = run_wait(&c);
        if (r.status != 75)
            fail_msg("signal %d to %d of %d: status %d: %s", cases[i].signal, cases[i].to, ranks, r.status, r.err);
        array steps = read_array(out, "run.h5", "/train/step");
        assert_in_range(steps.count, 1, STEPS - 1);
        free(steps.data);
        follow(r.err, ranks);
        run_finish(&r);
        same_run(f->whole[ranks], out, STEPS);
        free(out);
    }
}

static void stopped_by_the_clock_on_two_ranks(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/clock-2", f->folder);
    run_child c = start(f, out, 2, "time_limit=0.0001", false);
    finish(&c, 75);
    c = start(f, out, 2, "time_limit=0", true);
    finish(&c, 0);
    same_run(f->whole[2], out, STEPS);
    free(out);
}

static void stopped_by_the_clock(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/clock", f->folder);
    run_child c = start(f, out, 0, "time_limit=0.0001", false);
    finish(&c, 75);
    array steps = read_array(out, "run.h5", "/train/step");
    assert_in_range(steps.count, 1, STEPS - 1);
    free(steps.data);
    c = start(f, out, 0, "time_limit=0", true);
    run_result r = run_wait(&c);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "warning: resumed with a different setting: time_limit = 0.0 (was: 0.0001)\n"));
    assert_null(strstr(r.err, "setting: optim."));
    assert_non_null(strstr(r.err, "\ndone: "));
    run_finish(&r);
    same_run(f->whole[0], out, STEPS);
    c = start(f, out, 0, "time_limit=0", true);
    r = run_wait(&c);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "\nnothing to do: "));
    run_finish(&r);
    free(out);
}

/* Killed and resumed several times in a row, then left to end. */
static void killed(void **state)
{
    const fixture *f = *state;
    for (int ranks = 0; ranks < 3; ranks += 2) {
        char *out = px_format("%s/killed-%d", f->folder, ranks);
        for (int i = 0; i < (ranks ? 2 : 3); i++) {
            run_child c = start(f, out, ranks, "checkpoint_minutes=0.0005", i > 0);
            run_wait_for_progress(&c);
            run_pause_ms((int)((long)(px_now() * 1e6) % 150));
            kill(c.process, SIGKILL);
            run_result r = run_wait(&c);
            run_finish(&r);
            if (ranks)
                run_pause_ms(1500); /* the ranks notice that mpirun is gone */
        }
        run_child c = start(f, out, ranks, "checkpoint_minutes=10", true);
        finish(&c, 0);
        same_run(f->whole[ranks], out, STEPS);
        free(out);
    }
}

static void damaged_checkpoint(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/damaged", f->folder);
    run_child c = start(f, out, 0, "checkpoint_minutes=0", false);
    finish(&c, 0);
    content saved = read_content(out, "checkpoint.h5");
    for (long i = saved.size / 2; i < saved.size / 2 + 64; i++)
        saved.bytes[i] ^= 0x55;
    write_content(out, "checkpoint.h5", saved.bytes, saved.size);
    free(saved.bytes);
    c = start(f, out, 0, "checkpoint_minutes=10", true);
    run_result r = run_wait(&c);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "is damaged: "));
    assert_non_null(strstr(r.err, "using the one before it, "));
    assert_non_null(strstr(r.err, "resumed at step 39 of 40"));
    run_finish(&r);
    same_run(f->whole[0], out, STEPS);
    free(out);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 112, .side = 16, .channels = 3, .classes = 5});
    for (int ranks = 0; ranks < 3; ranks += 2) {
        f->whole[ranks] = px_format("%s/whole-%d", f->folder, ranks);
        run_child c = start(f, f->whole[ranks], ranks, "checkpoint_minutes=10", false);
        finish(&c, 0);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->whole[0]);
    free(f->whole[2]);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stopped_by_signal), cmocka_unit_test(stopped_by_the_clock),
                                       cmocka_unit_test(stopped_by_the_clock_on_two_ranks), cmocka_unit_test(killed),
                                       cmocka_unit_test(damaged_checkpoint)};
    return cmocka_run_group_tests_name("resume", tests, set_up, tear_down);
}
