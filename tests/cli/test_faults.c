/* test_faults.c - a rank that dies, is stopped, hangs in its loader or gets no memory ends the whole job within ten
 * seconds, with a line that names it; what was saved is intact, and the run can be resumed. What only looks like a
 * fault (a slow image, a suspended job) does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "faulty.h"
#include "run_files.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>

enum { LIMIT = 10, RANKS = 2 };

/* The file that the fault leaves beside the run `out`; the caller frees the name. */
static char *mark_of(const char *out)
{
    return px_format("%s.fault", out);
}

/* The method of faulty_plugin.c on two ranks, 48 steps; `fault` happens after 20 of them or so, when checkpoints have
 * been written, one after each step. NULL: none, and the run goes on. `launch`: one more option of mpirun, or NULL. */
static run_child start_with(const char *launch, const fixture *f, const char *out, const char *fault, const char *rank,
                            const char *option)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data), *mark = mark_of(out);
    bool happens = fault && strcmp(fault, "none") != 0;
    unsetenv("PRETEXT_FAULT");
    if (fault)
        setenv("PRETEXT_FAULT", fault, 1);
    setenv("PRETEXT_FAULT_RANK", rank, 1);
    setenv("PRETEXT_FAULT_AFTER", "160", 1);
    setenv("PRETEXT_FAULT_MARK", mark, 1);
    run_child c =
        run_start_with(launch, RANKS,
                       (const char *const[]){"pretrain", "--plugin", f->plugin, "method=faulty", set_out, set_data,
                                             "resnet.width=0.125", "batch=16", "epochs=8", "optim.optimizer=adamw",
                                             "optim.lr=1e-3", "data.workers=1", "optim.warmup_epochs=1",
                                             happens ? "checkpoint_minutes=0" : "checkpoint_minutes=10", option,
                                             fault ? NULL : "--resume", NULL});
    free(set_out);
    free(set_data);
    free(mark);
    return c;
}

static run_child start(const fixture *f, const char *out, const char *fault, const char *rank, const char *option)
{
    return start_with(NULL, f, out, fault, rank, option);
}

/* Seconds since the fault of the run `out`. */
static double since_fault(const char *out)
{
    char *mark = mark_of(out);
    struct stat st;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stat(mark, &st) != 0)
        fail_msg("there was no fault");
    free(mark);
    return (double)(now.tv_sec - st.st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - st.st_mtim.tv_nsec);
}

static void goes_on(const fixture *f, const char *out)
{
    run_child c = start(f, out, NULL, "", "data.timeout=60");
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.err, "resumed at step ") || strstr(r.err, "damaged"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    array steps = read_array(out, "run.h5", "/train/step");
    assert_int_equal(steps.count, 48);
    free(steps.data);
}

typedef struct fault_case {
    const char *fault, *rank, *says[2];
} fault_case;

static void check_end(const fault_case *c, const char *out, const run_result *r)
{
    double seconds = since_fault(out);
    print_message("%s of rank %s: ended after %.1f s\n", c->fault, c->rank, seconds);
    bool dies = strstr(c->says[1], "signal "), named = strstr(r->err, c->says[0]);
    char *by_mpirun = px_format("process rank %s with PID ", c->rank);
    if (dies && strstr(r->err, by_mpirun)) /* mpirun may end the others before they notice */
        named = true;
    free(by_mpirun);
    if (r->status == 0 || !named || !strstr(r->err, c->says[1]) || seconds > LIMIT)
        fail_msg("%s of rank %s: status %d after %.1f s: %s", c->fault, c->rank, r->status, seconds, r->err);
    if (!dies && strstr(r->err, " has died\n"))
        fail_msg("%s of rank %s: %s", c->fault, c->rank, r->err);
}

/* Several at once, since most of the time they wait; a run's seconds are read when it has ended. */
static void the_job_ends(void **state)
{
    const fixture *f = *state;
    static const fault_case cases[] = {
        {"stop",
         "0",
         {"pretext: rank 1: rank 0 (process ", "shows no sign of life: it is stopped, or its host or network"}},
        {"stop",
         "1",
         {"pretext: rank 0: rank 1 (process ", "shows no sign of life: it is stopped, or its host or network"}},
        {"hang", "1", {"pretext: rank 1: ", " was not ready after 5 seconds (data.timeout): the job ends"}},
        {"die", "1", {"pretext: rank 0: rank 1 (process ", "signal 9"}},
        {"crash", "0", {"pretext: rank 1: rank 0 (process ", "signal 11"}},
        {"memory", "1", {"pretext: rank 1: out of memory: ", "1125899906842624 bytes were asked for"}},
    };
    enum { CASES = sizeof cases / sizeof *cases, AT_ONCE = 3 };
    static_assert(CASES % AT_ONCE == 0, "");
    for (int first = 0; first < CASES; first += AT_ONCE) {
        run_child child[AT_ONCE];
        char *out[AT_ONCE];
        bool ended[AT_ONCE] = {false};
        for (int i = 0; i < AT_ONCE; i++) {
            const fault_case *c = &cases[first + i];
            out[i] = px_format("%s/%s-%s", f->folder, c->fault, c->rank);
            child[i] = start(f, out[i], c->fault, c->rank, "data.timeout=5");
        }
        for (int left = AT_ONCE; left > 0; run_pause_ms(20))
            for (int i = 0; i < AT_ONCE; i++) {
                run_result r;
                if (!ended[i] && run_has_ended(&child[i], &r)) {
                    check_end(&cases[first + i], out[i], &r);
                    run_finish(&r);
                    ended[i] = true;
                    left--;
                }
            }
        for (int i = 0; i < AT_ONCE; i++) {
            goes_on(f, out[i]);
            free(out[i]);
        }
    }
}

/* A rank that gives up has said why: it is the one to end the job, however long that takes, and no rank is called
 * dead. */
static void giving_up_is_not_lost(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/gives-up", f->folder), *slow = px_format("%s/slow_abort.so", getenv("PRETEXT_PLUGINS"));
    assert_int_equal(access(slow, R_OK), 0);
    setenv("LD_PRELOAD", slow, 1);
    run_child c = start(f, out, "memory", "1", "data.timeout=60");
    unsetenv("LD_PRELOAD");
    run_result r = run_wait(&c);
    double seconds = since_fault(out);
    print_message("ended after %.1f s\n", seconds);
    if (r.status != 1 || !strstr(r.err, "pretext: rank 1: out of memory: ") || strstr(r.err, " has died") ||
        seconds < 5 || seconds > LIMIT)
        fail_msg("status %d after %.1f s: %s", r.status, seconds, r.err);
    run_finish(&r);
    free(slow);
    free(out);
}

/* With a launcher that lets the others wait forever, as srun does by default, the ranks end the job themselves. */
static void launcher_looks_on(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/looks-on", f->folder);
    run_child c = start_with("--enable-recovery", f, out, "die", "1", "data.timeout=60");
    run_result r = run_wait(&c);
    double seconds = since_fault(out);
    print_message("ended after %.1f s\n", seconds);
    if (!strstr(r.err, "pretext: rank 0: rank 1 (process ") || !strstr(r.err, " has died: the job ends\n") ||
        seconds > LIMIT)
        fail_msg("after %.1f s: %s", seconds, r.err);
    run_finish(&r);
    goes_on(f, out);
    free(out);
}

/* An image that takes seven seconds is reported, no more. */
static void slow_is_not_lost(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/slow", f->folder);
    run_child c = start(f, out, "slow", "1", "data.timeout=60");
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.err, "pretext: rank 1: ") || !strstr(r.err, " after 5 seconds\n"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    free(out);
}

/* As a batch system does when it lets another job run for a while. */
static void suspended_is_not_lost(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/suspended", f->folder);
    pid_t rank[RANKS];
    run_child c = start(f, out, "none", "", "epochs=20");
    run_wait_for_progress(&c);
    assert_int_equal(run_ranks(&c, rank, RANKS), RANKS);
    for (int i = 0; i < RANKS; i++)
        kill(rank[i], SIGSTOP);
    run_pause_ms(9000);
    for (int i = 0; i < RANKS; i++)
        assert_int_equal(kill(rank[i], SIGCONT), 0);
    run_result r = run_wait(&c);
    if (r.status != 0 || strstr(r.err, "pretext: "))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    free(out);
}

/* If the launcher does nothing, the ranks end by themselves. */
static void launcher_dies(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/launcher", f->folder);
    pid_t rank[RANKS];
    run_child c = start(f, out, "none", "", "epochs=10000");
    run_wait_for_progress(&c);
    assert_int_equal(run_ranks(&c, rank, RANKS), RANKS);
    kill(c.process, SIGKILL);
    run_result r = run_wait(&c);
    run_finish(&r);
    double start = px_now();
    for (int i = 0; i < RANKS; i++)
        while (run_is_alive(rank[i]) && px_now() - start < LIMIT)
            run_pause_ms(50);
    assert_true(px_now() - start < LIMIT);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_job_ends),          cmocka_unit_test(giving_up_is_not_lost),
                                       cmocka_unit_test(launcher_looks_on),     cmocka_unit_test(slow_is_not_lost),
                                       cmocka_unit_test(suspended_is_not_lost), cmocka_unit_test(launcher_dies)};
    return cmocka_run_group_tests_name("faults", tests, set_up, tear_down);
}
