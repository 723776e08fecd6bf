/* test_slurm.c - experiments/slurm.sh as SLURM runs it, with stand-ins for srun and scontrol: it goes back into the
 * queue if the run stopped with a checkpoint (after SIGUSR1 before the end of the job's time, or by its own
 * time_limit), but not if the job was cancelled, has failed or is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <glob.h>
#include <signal.h>
#include <sys/stat.h>

enum { STEPS = 60 };

typedef struct fixture {
    char *folder, *data, *script;
} fixture;

static run_child submit(const fixture *f, const char *out, const char *option)
{
    char *set_out = px_format("out=%s/%s", f->folder, out), *set_data = px_format("data.path=%s", f->data);
    run_child c = run_start_command((const char *const[]){
        "bash", f->script, set_data, set_out, "resnet.width=0.125", "batch=16", "epochs=10", "optim.optimizer=adamw",
        "optim.lr=1e-3", "optim.warmup_epochs=1", "threads=1", "data.workers=1", option, NULL});
    free(set_out);
    free(set_data);
    return c;
}

/* How the job ended, and whether it was put back into the queue. */
static void ends(const fixture *f, run_child *c, int status, bool requeued)
{
    run_result r = run_wait(c);
    content calls = read_content(f->folder, "scontrol.log");
    if (r.status != status || (calls.size > 0) != requeued)
        fail_msg("status %d instead of %d, scontrol %s: %s%s", r.status, status,
                 calls.size > 0 ? calls.bytes : "was not called", r.out, r.err);
    if (requeued)
        assert_string_equal(calls.bytes, "requeue 4711\n");
    free(calls.bytes);
    char *log = px_format("%s/scontrol.log", f->folder);
    unlink(log);
    free(log);
    run_finish(&r);
}

static void requeued_until_it_is_done(void **state)
{
    const fixture *f = *state;
    run_child c = submit(f, "whole", "checkpoint_minutes=10");
    ends(f, &c, 0, false);
    c = submit(f, "often", "time_limit=0");
    run_wait_for_progress(&c);
    kill(c.process, SIGUSR1);
    ends(f, &c, 75, true);
    c = submit(f, "often", "time_limit=0.0001");
    ends(f, &c, 75, true);
    c = submit(f, "often", "time_limit=0");
    ends(f, &c, 0, false);
    char *whole = px_format("%s/whole", f->folder), *often = px_format("%s/often", f->folder);
    same_run(whole, often, STEPS);
    free(whole);
    free(often);
}

static void cancelled_is_not_requeued(void **state)
{
    const fixture *f = *state;
    run_child c = submit(f, "cancelled", "epochs=10000");
    run_wait_for_progress(&c);
    kill(c.process, SIGTERM);
    ends(f, &c, 75, false);
}

static void failed_is_not_requeued(void **state)
{
    const fixture *f = *state;
    run_child c = submit(f, "failed", "batch=17");
    ends(f, &c, 2, false);
    c = run_start_command((const char *const[]){"bash", f->script, NULL});
    ends(f, &c, 2, false);
}

/* As if srun used a plug-in that Open MPI does not know. */
static void ranks_that_do_not_know_of_each_other(void **state)
{
    const fixture *f = *state;
    char *set_out = px_format("out=%s/alone", f->folder), *set_data = px_format("data.path=%s", f->data);
    setenv("SLURM_STEP_NUM_TASKS", "4", 1);
    run_result r = RUN("pretrain", set_data, set_out);
    unsetenv("SLURM_STEP_NUM_TASKS");
    assert_int_equal(r.status, 2);
    assert_string_equal(r.err, "pretext pretrain: srun started 4 tasks, but MPI does not see them as one job: use srun "
                               "--mpi=pmix if 'srun --mpi=list' shows it, else mpirun\n");
    run_finish(&r);
    free(set_out);
    free(set_data);
}

static void scripts_are_whole(void **state)
{
    (void)state;
    char *pattern = px_format("%s/*.sh", getenv("PRETEXT_EXPERIMENTS"));
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        run_child c = run_start_command((const char *const[]){"bash", "-n", found.gl_pathv[i], NULL});
        run_result r = run_wait(&c);
        if (r.status != 0)
            fail_msg("%s", r.err);
        run_finish(&r);
    }
    globfree(&found);
    free(pattern);
}

static void put_program(const char *folder, const char *name, const char *text)
{
    char *path = px_format("%s/%s", folder, name);
    write_content(folder, name, text, (long)strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
    free(path);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    const char *experiments = getenv("PRETEXT_EXPERIMENTS");
    assert_non_null(experiments);
    f->folder = run_folder_create();
    f->script = px_format("%s/slurm.sh", experiments);
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 128, .side = 16, .channels = 3, .classes = 5});
    put_program(f->folder, "srun",
                "#!/bin/sh\n"
                "[ \"$*\" != --mpi=list ] || { printf 'MPI plugin types are...\\n\\tnone\\n\\tpmix\\n'; exit; }\n"
                "[ \"$SLURM_MPI_TYPE\" = pmix ] || { echo \"with ${SLURM_MPI_TYPE-no} plug-in\" >&2; exit 1; }\n"
                "exec mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n 2 \"$@\"\n");
    char *scontrol = px_format("#!/bin/sh\necho \"$@\" >>%s/scontrol.log\n", f->folder),
         *path = px_format("%s:%s", f->folder, getenv("PATH"));
    put_program(f->folder, "scontrol", scontrol);
    setenv("PATH", path, 1);
    setenv("SLURM_JOB_ID", "4711", 1);
    setenv("SLURM_CPUS_PER_TASK", "1", 1);
    run_allow_root();
    /* Only this much of a job's environment exists: Open MPI 4 and 5 must not look for the rest. */
    setenv("OMPI_MCA_ras", "^slurm", 1);
    setenv("OMPI_MCA_plm", "^slurm", 1);
    setenv("PRTE_MCA_ras", "^slurm", 1);
    setenv("PRTE_MCA_plm", "^slurm", 1);
    free(scontrol);
    free(path);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->script);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scripts_are_whole), cmocka_unit_test(failed_is_not_requeued),
                                       cmocka_unit_test(cancelled_is_not_requeued),
                                       cmocka_unit_test(ranks_that_do_not_know_of_each_other),
                                       cmocka_unit_test(requeued_until_it_is_done)};
    return cmocka_run_group_tests_name("slurm", tests, set_up, tear_down);
}
