/* test_interrupt.c - one SIGINT ends a run after its step, with a checkpoint. A second one, to the program or to
 * mpirun, ends it at once even if the step would never end, and what was saved before is intact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "faulty.h"
#include "run_files.h"

#include <signal.h>
#include <sys/wait.h>

enum { STEPS = 84, AT_ONCE = 5 /* seconds: mpirun gives its ranks one; more on a busy machine */ };

/* The method of faulty_plugin.c; if `hangs`, the last rank's loader hangs after about 40 steps, when checkpoints have
 * been written. ranks 0: without mpirun. */
static run_child start(const fixture *f, const char *out, int ranks, bool hangs, const char *option)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    unlink(f->mark);
    setenv("PRETEXT_FAULT", hangs ? "hang" : "none", 1);
    setenv("PRETEXT_FAULT_RANK", "1", 1);
    setenv("PRETEXT_FAULT_AFTER", ranks ? "320" : "640", 1);
    setenv("PRETEXT_FAULT_MARK", f->mark, 1);
    run_child c = run_start(ranks, (const char *const[]){"pretrain", "--plugin", f->plugin, "method=faulty", set_out,
                                                         set_data, "resnet.width=0.125", "batch=16", "epochs=14",
                                                         "data.workers=1", "data.timeout=100", "optim.warmup_epochs=1",
                                                         "checkpoint_minutes=0", option, NULL});
    free(set_out);
    free(set_data);
    return c;
}

/* The loader hangs, and soon the training loop waits for it. */
static void wait_for_mark(const fixture *f)
{
    for (int i = 0; i < 600 && access(f->mark, F_OK) != 0; i++)
        run_pause_ms(100);
    assert_int_equal(access(f->mark, F_OK), 0);
    run_pause_ms(1000);
}

static bool ended(pid_t process)
{
    siginfo_t about = {.si_pid = 0};
    return waitid(P_PID, (id_t)process, &about, WEXITED | WNOHANG | WNOWAIT) == 0 && about.si_pid == process;
}

static void resumes(const fixture *f, const char *out, int ranks)
{
    run_child c = start(f, out, ranks, false, "--resume");
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.err, "resumed at step ") || strstr(r.err, "damaged"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    array steps = read_array(out, "run.h5", "/train/step");
    assert_int_equal(steps.count, STEPS);
    free(steps.data);
}

static void once_saves(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/once", f->folder);
    run_child c = start(f, out, 0, false, NULL);
    run_wait_for_progress(&c);
    kill(c.process, SIGINT);
    run_result r = run_wait(&c);
    if (r.status != 75 || !strstr(r.err, " with a checkpoint; to continue: ") ||
        !strstr(r.err, " pretrain --resume --plugin "))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    resumes(f, out, 0);
    free(out);
}

static void twice_ends_at_once(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/twice", f->folder);
    run_child c = start(f, out, 0, true, NULL);
    wait_for_mark(f);
    kill(c.process, SIGINT);
    run_pause_ms(1000);
    assert_false(ended(c.process));
    kill(c.process, SIGTERM); /* another signal in between does not count */
    double sent = px_now();
    kill(c.process, SIGINT);
    run_result r = run_wait(&c);
    assert_int_equal(r.status, 128 + SIGINT);
    assert_true(px_now() - sent < AT_ONCE);
    run_finish(&r);
    resumes(f, out, 0);
    free(out);
}

static void twice_to_mpirun(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/mpirun", f->folder);
    pid_t rank[2];
    run_child c = start(f, out, 2, true, NULL);
    wait_for_mark(f);
    assert_int_equal(run_ranks(&c, rank, 2), 2);
    double sent = px_now();
    kill(c.process, SIGINT);
    run_pause_ms(200);
    kill(c.process, SIGINT);
    run_result r = run_wait(&c);
    assert_int_not_equal(r.status, 0);
    for (int i = 0; i < 2; i++)
        while (run_is_alive(rank[i]) && px_now() - sent < AT_ONCE)
            run_pause_ms(50);
    assert_true(px_now() - sent < AT_ONCE);
    print_message("two to mpirun: status %d, ended after %.1f s\n", r.status, px_now() - sent);
    run_finish(&r);
    resumes(f, out, 2);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(once_saves), cmocka_unit_test(twice_ends_at_once),
                                       cmocka_unit_test(twice_to_mpirun)};
    return cmocka_run_group_tests_name("interrupt", tests, set_up, tear_down);
}
