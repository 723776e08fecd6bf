/* test_crash.c - signals of crashes end in one line that says what was being done and what is saved; a data set that
 * shrinks under a run ends it with a line that names the file; the checkpoint stays whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <signal.h>
#include <sys/resource.h>

static run_child start(const char *data, const char *out, int ranks)
{
    char *set_data = px_format("data.path=%s", data), *set_out = px_format("out=%s", out);
    run_child c = run_start(ranks, (const char *const[]){"pretrain", set_data, set_out, "resnet.width=0.125", "batch=8",
                                                         "threads=1", "epochs=100000", "data.workers=1",
                                                         "optim.warmup_epochs=0", "checkpoint_minutes=0.001", NULL});
    char *path = px_format("%s/checkpoint.previous.h5", out);
    for (int i = 0; i < 6000 && access(path, F_OK) != 0; i++)
        run_pause_ms(5);
    free(path);
    free(set_data);
    free(set_out);
    return c;
}

/* The only line of the program that does not tell its progress. */
static void check_line(const run_result *r, const char *const says[])
{
    const char *line = strstr(r->err, "pretext pretrain: ");
    if (!line || strstr(line + 1, "pretext pretrain: "))
        fail_msg("%s", r->err);
    size_t length = strcspn(line, "\n");
    for (int i = 0; says[i]; i++) {
        const char *at = strstr(line, says[i]);
        if (!at || at > line + length)
            fail_msg("'%s' is missing: %s", says[i], r->err);
    }
    assert_null(strstr(r->err, "*** Process received signal"));
}

static void check_checkpoint(const char *out)
{
    array a = read_array(out, "checkpoint.h5", "/parameters/conv1.weight");
    assert_int_equal(a.count, 8 * 27);
    free(a.data);
}

static void signals(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
    } cases[] = {
        {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGABRT, "SIGABRT"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_child c = start("d.h5", cases[i].name, 0);
        kill(c.process, cases[i].number);
        run_result r = run_wait(&c);
        assert_int_equal(r.status, 128 + cases[i].number);
        check_line(&r, (const char *const[]){cases[i].name, " during the ", " of step ", "the checkpoint of step ",
                                             "is whole; to continue: ", " pretrain --resume out=", NULL});
        check_checkpoint(cases[i].name);
        run_finish(&r);
    }
}

static void data_shrink(void **state)
{
    (void)state;
    static const struct {
        int ranks;
        long left; /* bytes; within the images' first page: the rest of that page reads as zeros, without a signal */
    } cases[] = {{0, 0}, {0, 30000}, {0, 101000}, {2, 4000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *data = px_format("%zu.h5", i), *out = px_format("shrunk-%zu", i);
        content whole = read_content(".", "d.h5");
        write_content(".", data, whole.bytes, whole.size);
        run_child c = start(data, out, cases[i].ranks);
        assert_int_equal(truncate(data, cases[i].left), 0);
        run_result r = run_wait(&c);
        if (r.status != 3)
            fail_msg("status %d: %s", r.status, r.err);
        check_line(&r, (const char *const[]){data, "cannot be read any more: it has become shorter", NULL});
        check_checkpoint(out);
        run_finish(&r);
        free(whole.bytes);
        free(data);
        free(out);
    }
}

/* Its images are still there as long as the run has them open. */
static void data_removed(void **state)
{
    (void)state;
    content whole = read_content(".", "d.h5");
    write_content(".", "r.h5", whole.bytes, whole.size);
    run_child c = start("r.h5", "removed", 0);
    assert_int_equal(unlink("r.h5"), 0);
    run_pause_ms(300);
    kill(c.process, SIGTERM);
    run_result r = run_wait(&c);
    assert_int_equal(r.status, 75);
    run_finish(&r);
    free(whole.bytes);
}

static int set_up(void **state)
{
    char *folder = run_folder_create();
    assert_int_equal(chdir(folder), 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    free(make_set(".", "d.h5", &(set_spec){.count = 160, .side = 16, .channels = 3, .classes = 5}));
    *state = folder;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signals), cmocka_unit_test(data_shrink),
                                       cmocka_unit_test(data_removed)};
    return cmocka_run_group_tests_name("crash", tests, set_up, run_folder_leave);
}
