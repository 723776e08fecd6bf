/* test_grid.c - pretext grid: which runs there are and what they are called; that it skips what is done, goes on with what was
 * interrupted, also after a kill, reports what fails and goes on; the array of SLURM jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/grid.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"
#include "same_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define GRID_FAILS(...)                                                                                                \
    do {                                                                                                               \
        const char *const list[] = {__VA_ARGS__};                                                                      \
        px_grid g;                                                                                                     \
        assert_int_equal(px_grid_read(&g, list, sizeof list / sizeof *list), -1);                                      \
        assert_int_equal(px_error_status(), PX_USAGE);                                                                 \
    } while (0)

/* ---- the product ---- */

static void check_run(const px_grid *g, int run, const char *name, const char *settings)
{
    char *is = px_grid_name(g, run), **words = px_grid_settings(g, run), *all = px_strdup("");
    for (char **w = words; *w; w++) {
        char *longer = px_format("%s%s%s", all, *all ? " " : "", *w);
        free(all);
        free(*w);
        all = longer;
    }
    assert_string_equal(is, name);
    assert_string_equal(all, settings);
    free(is);
    free(words);
    free(all);
}

static void product_of_all_lists(void **state)
{
    (void)state;
    px_grid g;
    const char *const given[] = {"optim.lr=0.1,3e-1", "epochs=5", "seed=-1..1,7"};
    assert_int_equal(px_grid_read(&g, given, 3), 0);
    assert_int_equal(g.runs, 8);
    check_run(&g, 0, "lr-0.1_seed--1", "epochs=5 optim.lr=0.1 seed=-1");
    check_run(&g, 3, "lr-0.1_seed-7", "epochs=5 optim.lr=0.1 seed=7");
    check_run(&g, 6, "lr-3e-1_seed-1", "epochs=5 optim.lr=3e-1 seed=1");
    px_grid_finish(&g);
}

static void commas_within_values(void **state)
{
    (void)state;
    px_grid g;
    const char *const given[] = {"optim.steps=[30,60],[40, 80]", "data.path=\"a,b.h5\",../c d.h5", "init=\"x,y\""};
    assert_int_equal(px_grid_read(&g, given, 3), 0);
    assert_int_equal(g.runs, 4);
    check_run(&g, 0, "steps-30-60_path-a-b.h5", "init=\"x,y\" optim.steps=[30,60] data.path=\"a,b.h5\"");
    check_run(&g, 3, "steps-40-80_path-..-c-d.h5", "init=\"x,y\" optim.steps=[40, 80] data.path=../c d.h5");
    px_grid_finish(&g);
}

static void labels_tell_keys_apart(void **state)
{
    (void)state;
    px_grid g;
    const char *const given[] = {"simclr.temperature=0.1,0.2", "moco.temperature=0.1,0.2", "seed=1..1"};
    assert_int_equal(px_grid_read(&g, given, 3), 0);
    check_run(&g, 0, "simclr.temperature-0.1_moco.temperature-0.1_seed-1",
              "simclr.temperature=0.1 moco.temperature=0.1 seed=1");
    px_grid_finish(&g);
    char *one = px_format("data.path=/%0100d/a.h5,b.h5", 7), *two = px_format("data.path=/%0100d/a.h5,b.h5", 8);
    px_grid h;
    assert_int_equal(px_grid_read(&g, (const char *const *)&one, 1), 0);
    assert_int_equal(px_grid_read(&h, (const char *const *)&two, 1), 0);
    char *x = px_grid_name(&g, 0), *y = px_grid_name(&h, 0);
    assert_true(strlen(x) < 80);
    assert_string_not_equal(x, y); /* only what is cut off differs */
    free(x);
    free(y);
    free(one);
    free(two);
    px_grid_finish(&g);
    px_grid_finish(&h);
}

static void one_run(void **state)
{
    (void)state;
    px_grid g;
    const char *const seed[] = {"epochs=5", "seed=3", "optim.lr=1"}, *const none[] = {"epochs=5"};
    assert_int_equal(px_grid_read(&g, seed, 3), 0);
    assert_int_equal(g.runs, 1);
    check_run(&g, 0, "seed-3", "epochs=5 optim.lr=1 seed=3");
    px_grid_finish(&g);
    assert_int_equal(px_grid_read(&g, none, 1), 0);
    assert_int_equal(g.runs, 1);
    check_run(&g, 0, "run", "epochs=5");
    px_grid_finish(&g);
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    GRID_FAILS("seed=1,2", "seed=3");
    GRID_FAILS("seed=3", "seed=1,2");
    GRID_FAILS("seed=1,2,1");
    GRID_FAILS("seed=1..3,2");
    GRID_FAILS("seed=1,,2");
    GRID_FAILS("seed=1,2,");
    GRID_FAILS("seed=3..1");
    GRID_FAILS("seed=1..1000000000");
    GRID_FAILS("seed=-9000000000000000000..9000000000000000000"); /* the difference is no long */
    GRID_FAILS("seed=0..101", "epochs=1..100");
    GRID_FAILS("optim.steps=[1,2");
    GRID_FAILS("optim.steps=1],2");
    GRID_FAILS("init=\"a,b");
    GRID_FAILS("init=a/b,a-b");
    GRID_FAILS("init=a,A");
    GRID_FAILS("init=x,x_seed-1", "seed=1_seed-1,1"); /* init-x_seed-1_seed-1 twice */
    GRID_FAILS("seed");
}

/* ---- runs ---- */

typedef struct fixture {
    char *folder, *data;
} fixture;

enum { STEPS = 24 };

static run_child start(const fixture *f, const char *out, const char *one, const char *two, const char *three)
{
    char *set_out = px_format("out=%s/%s", f->folder, out), *set_data = px_format("data.path=%s", f->data);
    run_child c = run_start(0, (const char *const[]){"grid", set_data, set_out, "resnet.width=0.125", "batch=16",
                                                     "optim.optimizer=adamw", "optim.lr=1e-3", "optim.warmup_epochs=0",
                                                     "threads=1", "data.workers=1", one, two, three, NULL});
    free(set_out);
    free(set_data);
    return c;
}

/* How a grid ends, and what it says. */
static void ends(run_child c, int status, const char *says)
{
    run_result r = run_wait(&c);
    if (r.status != status || (says && !strstr(r.err, says) && !strstr(r.out, says)))
        fail_msg("status %d instead of %d, or no '%s' in:\n%s%s", r.status, status, says ? says : "", r.out, r.err);
    run_finish(&r);
}

static int64_t rows(const fixture *f, const char *run)
{
    char *folder = px_format("%s/%s", f->folder, run);
    array a = read_array(folder, "run.h5", "/train/step");
    free(a.data);
    free(folder);
    return a.count;
}

static void done_runs_are_skipped(void **state)
{
    const fixture *f = *state;
    ends(start(f, "g", "seed=1,2", "epochs=1", NULL), 0, "run 2 of 2: seed-2");
    ends(start(f, "g", "seed=1,2", "epochs=1", NULL), 0, "2 of 2 runs in");
    ends(start(f, "g", "seed=1..3", "epochs=1", "--dry-run"), 0, "new    ");
    ends(start(f, "g", "seed=1..3", "epochs=1", NULL), 0, "2 of 3 runs in");
    assert_int_equal(rows(f, "g/seed-3"), 6);
    ends(start(f, "g", "seed=1,2", "epochs=2", NULL), 0, "resumed at step 6 of 12");
    assert_int_equal(rows(f, "g/seed-2"), 12);
    assert_int_equal(rows(f, "g/seed-3"), 6);
}

/* A run that is done has the results of its own configuration, which the grid's may be no longer. */
static void other_settings_are_refused(void **state)
{
    const fixture *f = *state;
    ends(start(f, "auto", "seed=1", "epochs=1", "precision=auto"), 0, "run 1 of 1: seed-1");
    ends(start(f, "auto", "seed=1", "epochs=1", "precision=auto"), 0,
         "1 of 1 runs in"); /* the run keeps what it became */
    ends(start(f, "s", "seed=1", "epochs=1", NULL), 0, "run 1 of 1: seed-1");
    ends(start(f, "s", "seed=1", "epochs=1", "threads=2"), 0, "1 of 1 runs in"); /* changes no result */
    ends(
        start(f, "s", "seed=1,2", "epochs=1", "optim.weight_decay=0.5"), 2,
        "s/seed-1: was begun with optim.weight_decay = 0.0001, not 0.5; another one takes another out=, or remove this "
        "run");
    ends(start(f, "s", "seed=1,2", "epochs=0.5", "--dry-run"), 2, "was begun with epochs = 1.0, not 0.5");
    char *other = px_format("%s/s/seed-2", f->folder);
    assert_int_not_equal(access(other, F_OK), 0); /* before anything is started */
    free(other);
}

/* How often a grid has started something, in a run that is evaluated by these settings; whether results are there then. */
static void probed_by(const fixture *f, const char *settings, bool starts, const char *group)
{
    char *probe = px_format("grid.probe=%s", settings), *run = px_format("%s/probed/seed-1", f->folder);
    run_child c = start(f, "probed", "seed=1..1", "epochs=1", probe);
    run_result r = run_wait(&c);
    if (r.status != 0 || (strstr(r.err, "run 1 of 1: seed-1") != NULL) != starts)
        fail_msg("status %d, started or not by %s:\n%s%s", r.status, settings, r.out, r.err);
    run_finish(&r);
    px_results *h5 = open_h5(run, "run.h5");
    assert_true(px_results_has(h5, group));
    px_results_close(h5);
    free(probe);
    free(run);
}

/* A run is evaluated by each probe once: another protocol, or one that was interrupted, finds results of another one there. */
static void each_probe_of_a_run(void **state)
{
    const fixture *f = *state;
    probed_by(f, "protocol=knn", true, "/eval/knn/pretrained");
    probed_by(f, "protocol=knn", false, "/eval/knn/pretrained");
    probed_by(f, "protocol=retrieval", true, "/eval/retrieval/pretrained");
    probed_by(f, "protocol=retrieval", false, "/eval/retrieval/pretrained");
    char *checkpoint = px_format("%s/probed/seed-1/checkpoint.h5", f->folder);
    assert_int_equal(utimensat(AT_FDCWD, checkpoint, NULL, 0), 0); /* it was trained further meanwhile */
    probed_by(f, "protocol=knn", true, "/eval/knn/pretrained");
    free(checkpoint);
}

/* An array of no jobs would be nothing to submit. */
static void no_array_of_done_runs(void **state)
{
    const fixture *f = *state;
    char *script = px_format("%s/probed/grid.sh", f->folder);
    ends(start(f, "probed", "seed=1..1", "epochs=1", "--slurm"), 0, "all 1 runs are done");
    assert_int_equal(access(script, F_OK), -1);
    free(script);
}

/* Under another launcher each rank would start all runs. Where SIGCHLD is ignored, the status of a run would be lost. */
static void started_by_others(void **state)
{
    const fixture *f = *state;
    setenv("PMI_RANK", "0", 1);
    setenv("PMI_SIZE", "1", 1);
    ends(start(f, "new", "seed=1,2", "epochs=1", "--dry-run"), 0, "new    ");
    setenv("PMI_SIZE", "2", 1);
    ends(start(f, "new", "seed=1,2", "epochs=1", "--dry-run"), 2, "is not started by mpirun or srun");
    unsetenv("PMI_RANK");
    unsetenv("PMI_SIZE");
    signal(SIGCHLD, SIG_IGN);
    run_child c = start(f, "ignored", "data.limit=8,9", "epochs=1", NULL);
    signal(SIGCHLD, SIG_DFL);
    ends(c, 2, "the training of limit-8 has failed with status 2; the others go on");
}

/* Waits until the stand-in for a launcher has written so much. */
static void launcher_says(const fixture *f, const char *all)
{
    for (int tries = 0; tries < 200; tries++) {
        content log = read_content(f->folder, "launcher.log");
        bool there = log.size >= (long)strlen(all);
        if (there)
            assert_memory_equal(log.bytes, all, strlen(all));
        free(log.bytes);
        if (there)
            return;
        run_pause_ms(50);
    }
    fail_msg("the launcher has not come to '%s'", all);
}

/* A launcher hands on SIGUSR1 alone, and ends its ranks on SIGTERM: a second Ctrl-C is that. */
static void interrupts_of_a_launcher(void **state)
{
    const fixture *f = *state;
    static const char script[] = "log=${0%/*}/launcher.log\n"
                                 "trap 'echo USR1 >>$log' USR1\n"
                                 "trap 'echo TERM >>$log; exit 1' TERM\n"
                                 "echo begun >>$log\n"
                                 "while :; do sleep 0.05; done\n";
    write_content(f->folder, "launcher.sh", script, (long)strlen(script));
    char *launch = px_format("grid.launch=bash %s/launcher.sh", f->folder);
    run_child c = start(f, "launched", "seed=1,2", "epochs=1", launch);
    launcher_says(f, "begun\n");
    kill(c.process, SIGINT);
    launcher_says(f, "begun\nUSR1\n");
    kill(c.process, SIGINT);
    launcher_says(f, "begun\nUSR1\nTERM\n");
    ends(c, 75, "stopped with 0 of 2 runs done; the same command goes on");
    free(launch);
}

static void failures_do_not_stop_the_others(void **state)
{
    const fixture *f = *state;
    ends(start(f, "bad", "data.limit=8,96", "epochs=1", NULL), 2, "1 of 2 runs failed");
    assert_int_equal(rows(f, "bad/limit-96"), 6);
    ends(start(f, "worse", "seed=1,2", "epochs=-1", NULL), 2, "epochs");
    ends(start(f, "none", "seed=1,2", "grid.launch=/no/such/launcher", NULL), 2, "cannot be started");
}

/* A signal is handed on; a kill lets the run stop with a checkpoint; in the end it is the run of an undisturbed grid. */
static void interrupted_runs_go_on(void **state)
{
    const fixture *f = *state;
    ends(start(f, "whole", "seed=1,2", "epochs=4", NULL), 0, NULL);
    const int signals[] = {SIGTERM, SIGKILL};
    for (int i = 0; i < 2; i++) {
        run_child c = start(f, "torn", "seed=1,2", "epochs=4", NULL);
        run_wait_for_progress(&c);
        kill(c.process, signals[i]);
        if (signals[i] == SIGTERM)
            ends(c, 75, "the same command goes on");
        else
            ends(c, 128 + SIGKILL, NULL);
    }
    for (int tries = 0; tries < 100; tries++) { /* the killed grid's run is still writing its checkpoint */
        char *lock = px_format("%s/torn/seed-2/run.h5.lock", f->folder),
             *first = px_format("%s/torn/seed-1/run.h5.lock", f->folder);
        bool waits = access(lock, F_OK) == 0 || access(first, F_OK) == 0;
        free(lock);
        free(first);
        if (!waits)
            break;
        run_pause_ms(50);
    }
    ends(start(f, "torn", "seed=1,2", "epochs=4", NULL), 0, NULL);
    for (int seed = 1; seed <= 2; seed++) {
        char *whole = px_format("%s/whole/seed-%d", f->folder, seed),
             *torn = px_format("%s/torn/seed-%d", f->folder, seed);
        same_run(whole, torn, STEPS);
        free(whole);
        free(torn);
    }
}

/* Each task of the array trains its run; here as SLURM would start it, with a launcher that does nothing. */
static void array_of_jobs(void **state)
{
    const fixture *f = *state;
    ends(start(f, "array", "seed=1,2", "epochs=1", "--slurm"), 0, "2 of 2 runs are to be done: sbatch");
    char *script = px_format("%s/array/grid.sh", f->folder);
    setenv("LAUNCH", "env", 1);
    setenv("SLURM_ARRAY_TASK_ID", "1", 1);
    ends(run_start_command((const char *const[]){"bash", script, NULL}), 0, "done: 6 steps");
    setenv("SLURM_ARRAY_TASK_ID", "2", 1);
    ends(run_start_command((const char *const[]){"bash", script, NULL}), 2, "there is no run 2");
    assert_int_equal(rows(f, "array/seed-2"), 6);
    ends(start(f, "array", "seed=1,2", "epochs=1", "--slurm"), 0, "1 of 2 runs are to be done: sbatch");
    content text = {0};
    char *folder = px_format("%s/array", f->folder);
    text = read_content(folder, "grid.sh");
    assert_non_null(strstr(text.bytes, "#SBATCH --array=0\n"));
    assert_non_null(strstr(text.bytes, "#SBATCH --signal=B:USR1@300\n"));
    free(text.bytes);
    free(folder);
    free(script);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 128, .side = 16, .channels = 3, .classes = 4});
    run_allow_root();
    *state = f;
    return chdir(getenv("PRETEXT_EXPERIMENTS")) == 0 ? chdir("..") : -1; /* where experiments/slurm.sh is */
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(product_of_all_lists),
                                       cmocka_unit_test(commas_within_values),
                                       cmocka_unit_test(labels_tell_keys_apart),
                                       cmocka_unit_test(bad_lists_are_refused),
                                       cmocka_unit_test(one_run),
                                       cmocka_unit_test(other_settings_are_refused),
                                       cmocka_unit_test(each_probe_of_a_run),
                                       cmocka_unit_test(no_array_of_done_runs),
                                       cmocka_unit_test(started_by_others),
                                       cmocka_unit_test(interrupts_of_a_launcher),
                                       cmocka_unit_test(done_runs_are_skipped),
                                       cmocka_unit_test(failures_do_not_stop_the_others),
                                       cmocka_unit_test(interrupted_runs_go_on),
                                       cmocka_unit_test(array_of_jobs)};
    return cmocka_run_group_tests_name("grid", tests, set_up, tear_down);
}
