/* test_report.c - `pretext report` as a user calls it: the page of a run, and of one that goes on, which ends with it or with a
 * signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../figures/page.h"
#include "../figures/synthetic_run.h"
#include "run.h"
#include "run_files.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = run_folder_create();
    return write_synthetic_run(folder, true);
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

/* Whether there is a page, and it loads itself again. */
static bool page_is_live(void)
{
    char *path = px_format("%s/report.html", folder);
    bool there = access(path, F_OK) == 0;
    free(path);
    if (!there)
        return false;
    content page = read_content(folder, "report.html");
    page_check(page.bytes, "h2");
    bool live = strstr(page.bytes, "http-equiv=\"refresh\" content=\"1\"") != NULL;
    free(page.bytes);
    return live;
}

static void a_page(void **state)
{
    (void)state;
    char *path = px_format("%s/report.html", folder), *line = px_format("%s\n", path);
    run_result r = RUN("report", folder);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, line);
    assert_string_equal(r.err, "");
    run_finish(&r);
    assert_false(page_is_live());
    r = RUN("report", folder, "--live"); /* nobody writes the run */
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "no run is being written: the page is written once"));
    run_finish(&r);
    assert_false(page_is_live());
    free(line);
    free(path);
}

static void wait_for_page(void)
{
    for (int i = 0; i < 1200 && !page_is_live(); i++) /* a minute, on a machine that is busy */
        run_pause_ms(50);
    assert_true(page_is_live());
}

/* The command, which has written a first page of a run that this process writes. */
static run_child start_live(px_results **r)
{
    char *file = px_format("%s/run.h5", folder);
    assert_int_equal(px_results_open(r, file, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_live(*r), 0);
    run_child c = run_start(0, (const char *const[]){"report", folder, "--live", "report.seconds=1", NULL});
    wait_for_page();
    free(file);
    return c;
}

static void ends(run_child *c)
{
    run_result r = run_wait(c);
    if (r.status != 0)
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    assert_false(page_is_live());
}

static void live_until_the_run_ends(void **state)
{
    (void)state;
    px_results *r;
    run_child c = start_live(&r);
    assert_int_equal(px_results_close(r), 0);
    ends(&c);
}

static void live_until_a_signal(void **state)
{
    (void)state;
    px_results *r;
    run_child c = start_live(&r);
    kill(c.process, SIGINT);
    ends(&c);
    assert_int_equal(px_results_close(r), 0);
}

/* One line each, and no page. */
static void refusals(void **state)
{
    (void)state;
    char *nothing = px_format("%s/nothing", folder), *notes = px_format("out=%s/notes.txt", folder),
         *set = px_format("%s/set.h5", folder), *away = px_format("out=%s/no/such/page.html", folder);
    assert_int_equal(mkdir(nothing, 0700), 0);
    write_content(folder, "notes.txt", "mine\n", 5);
    px_results *r;
    assert_int_equal(px_results_open(&r, set, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put_text(r, "/images", "x"), 0);
    assert_int_equal(px_results_close(r), 0);
    const struct {
        const char *words[4];
        int status;
        const char *says;
    } cases[] = {
        {{nothing}, 3, "nothing: is not a run: run.h5 is missing\n"},
        {{set}, 2, "set.h5: is not a run: it has neither /train nor /eval\n"},
        {{folder, notes}, 2, "notes.txt: is not a page (HTML), so it is not replaced; give out= another name\n"},
        {{folder, away}, 1, "no/such/page.html: cannot be written: its folder is not there\n"},
        {{folder, "report.seconds=0"}, 2, "report.seconds"},
        {{folder, "report.second=1"}, 2, "nearest is 'report.seconds'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *words[5] = {"report", cases[i].words[0], cases[i].words[1], NULL};
        run_result got = run_program(0, words);
        const char *newline = strchr(got.err, '\n');
        if (got.status != cases[i].status || !strstr(got.err, cases[i].says) || !newline || newline[1])
            fail_msg("status %d, not %d: %s", got.status, cases[i].status, got.err);
        run_finish(&got);
    }
    content kept = read_content(folder, "notes.txt");
    assert_string_equal(kept.bytes, "mine\n");
    free(kept.bytes);
    free(nothing);
    free(notes);
    free(set);
    free(away);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(live_until_the_run_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(live_until_a_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
