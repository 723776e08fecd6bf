/* test_search.c - pretext search: the same results on one rank and two; a search that was killed, stopped, or grown
 * goes on to the same; a candidate that fails alone; what cannot be. What is drawn and changed: tests/backbones/test_cells.c; which
 * cells are tried: test_evolution.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CANDIDATES = 4, POPULATION = 2, PATIENCE = 60 /* seconds */ };

#define TINY                                                                                                           \
    "backbone=nasnet_mobile", "nasnet.channels=2", "nasnet.cells=1", "method=simclr", "data.path=d.h5", "batch=32",    \
        "optim.warmup_epochs=0", "threads=1", "data.workers=1", "validate_split=test"
#define SMALL                                                                                                          \
    "epochs=1", "search.candidates=4", "search.population=2", "search.sample=2", "search.generation=2",                \
        "search.blocks=1"

static int setup(void **state)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0)
        return -1;
    free(make_set(".", "d.h5", &(set_spec){.count = 128, .side = 8, .channels = 3, .classes = 4}));
    return 0;
}

static void succeeds(run_result r)
{
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

static void refused(run_result r, const char *why)
{
    if (r.status != 2 || !strstr(r.err, why))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
}

/* All results but core-seconds. */
static void same_search(const char *a, const char *b)
{
    static const char *const numbers[] = {"score", "multiply_adds", "parameters", "parent"};
    static const char *const texts[] = {"normal", "reduction", "strategy"};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        char *path = px_format("/candidates/%s", numbers[k]);
        array x = read_array(a, "search.h5", path), y = read_array(b, "search.h5", path);
        for (int i = 0; i < CANDIDATES; i++)
            if (!(x.data[i] == y.data[i]))
                fail_msg("%s of candidate %d: %.17g and %.17g", numbers[k], i, x.data[i], y.data[i]);
        free(x.data);
        free(y.data);
        free(path);
    }
    px_results *f[2] = {open_h5(a, "search.h5"), open_h5(b, "search.h5")};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        char *path = px_format("/candidates/%s", texts[k]), **x[2];
        int count[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(px_results_get_texts(f[i], path, &x[i], &count[i]), 0);
            assert_int_equal(count[i], CANDIDATES);
        }
        for (int i = 0; i < CANDIDATES; i++) {
            assert_string_equal(x[0][i], x[1][i]);
            free(x[0][i]);
            free(x[1][i]);
        }
        free(x[0]);
        free(x[1]);
        free(path);
    }
    px_results_abandon(f[0]);
    px_results_abandon(f[1]);
}

/* The core-seconds of all candidates together. Each has some, also those whose runs were whole when the search was killed. */
static double cost_of(const char *search)
{
    array seconds = read_array(search, "search.h5", "/candidates/core_seconds");
    double sum = 0;
    assert_int_equal(seconds.count, CANDIDATES);
    for (int i = 0; i < CANDIDATES; i++) {
        assert_true(seconds.data[i] > 0.01);
        sum += seconds.data[i];
    }
    free(seconds.data);
    return sum;
}

static void one_rank_and_two_find_the_same(void **state)
{
    (void)state;
    run_result r = RUN("search", TINY, SMALL, "out=one");
    assert_int_equal(r.status, 0);
    assert_true(cost_of("one") < r.processor); /* no candidate is charged with those before it */
    run_finish(&r);
    succeeds(RUN_RANKS(2, "search", TINY, SMALL, "out=two"));
    same_search("one", "two");
    array parent = read_array("one", "search.h5", "/candidates/parent"),
          score = read_array("one", "search.h5", "/candidates/score");
    /* Behind the population every second one has a parent, before its generation. */
    for (int i = 0; i < CANDIDATES; i++) {
        bool evolved = i >= POPULATION && (i - POPULATION) % 2 == 1;
        assert_true(evolved ? parent.data[i] >= 0 && parent.data[i] < i - 1 : parent.data[i] == -1);
        assert_true(score.data[i] >= 0 && score.data[i] <= 1);
    }
    free(parent.data);
    free(score.data);
}

/* Starts a search, and sends it the signal when a candidate begins. Its status must be this one. */
static void interrupted(const char *out, const char *candidate, int signal, int status)
{
    char *set_out = px_format("out=%s", out), *begun = px_format("%s/%s/log.txt", out, candidate);
    const char *const words[] = {"search", TINY, SMALL, set_out, NULL};
    run_child child = run_start(0, words);
    run_result ended;
    for (double since = px_now(); access(begun, F_OK) != 0; run_pause_ms(2)) {
        if (run_has_ended(&child, &ended))
            fail_msg("status %d: %s", ended.status, ended.err);
        if (px_now() - since > PATIENCE)
            fail_msg("no candidate %s", candidate);
    }
    kill(child.process, signal);
    ended = run_wait(&child);
    if (ended.status != status || (status == 75 && !strstr(ended.err, "of 4; to continue: the same command")))
        fail_msg("status %d: %s", ended.status, ended.err);
    run_finish(&ended);
    free(set_out);
    free(begun);
}

/* Goes on with a search, which becomes the one that was not disturbed, and does not train its first candidate again. */
static void goes_on(const char *out, const char *says)
{
    char *set_out = px_format("out=%s", out), *first = px_format("%s/0000/checkpoint.h5", out);
    struct stat before, after;
    assert_int_equal(stat(first, &before), 0);
    run_result r = RUN("search", TINY, SMALL, set_out);
    if (r.status != 0 || !strstr(r.err, says))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    same_search("one", out);
    cost_of(out);
    assert_int_equal(stat(first, &after), 0);
    assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    free(set_out);
    free(first);
}

/* When its fourth candidate begins: two are in search.h5; the third has a whole run, the fourth a folder. */
static void a_killed_search_goes_on(void **state)
{
    (void)state;
    interrupted("killed", "0003", SIGKILL, 128 + SIGKILL);
    goes_on("killed", "there are runs of the candidates 2, 3, which go on");
}

/* In its first generation, so that search.h5 has nothing yet. */
static void a_stopped_search_goes_on(void **state)
{
    (void)state;
    interrupted("stopped", "0001", SIGTERM, 75);
    goes_on("stopped", "there are runs of the candidates 0, 1, which go on");
}

/* A finished search gets more candidates, first within a generation. */
static void a_search_grows(void **state)
{
    (void)state;
    succeeds(RUN("search", TINY, SMALL, "search.candidates=3", "out=grown"));
    goes_on("grown", "3 of 4 candidates are done");
    run_result r = RUN("search", TINY, SMALL, "time_limit=0.0001", "search.candidates=5", "out=grown");
    if (r.status != 75 || !strstr(r.err, "stopped"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    goes_on("grown", "4 of 4 candidates are done"); /* nothing of it is lost */
}

/* The second candidate's run cannot be made: a file is in its place. */
static void one_candidate_fails(void **state)
{
    (void)state;
    assert_int_equal(mkdir("failed", 0777), 0);
    write_content("failed", "0001", "", 0);
    run_result r = RUN("search", TINY, SMALL, "out=failed");
    if (r.status != 2 || !strstr(r.err, "candidate 1: failed/0001: ") ||
        !strstr(r.err, "; the same command tries it again and keeps the others, search.skip=1 leaves it out"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    r = RUN("search", TINY, SMALL, "search.candidates=2", "search.skip=1", "out=failed");
    if (r.status != 0 || !strstr(r.err, "candidate 1 of 2, random: left out"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
    array score = read_array("failed", "search.h5", "/candidates/score");
    assert_true(score.count == 2 && isfinite(score.data[0]) && isnan(score.data[1]));
    free(score.data);
}

/* What keeps all candidates from being trained leaves nothing: the right command is not refused as another search. */
static void a_start_that_fails_leaves_nothing(void **state)
{
    (void)state;
    refused(RUN("search", TINY, SMALL, "optim.warmup_epochs=2", "out=new/search"),
            "candidate 0: optim.warmup_epochs = 2");
    assert_int_not_equal(access("new", F_OK), 0);
}

/* They are a result, without a score: not an error, and not tried again. */
static void candidates_may_diverge(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        run_result r = RUN("search", TINY, "epochs=5", "search.candidates=2", "search.population=2", "search.blocks=1",
                           "optim.optimizer=sgd", "optim.lr=1000", "optim.lr_scaling=none", "optim.weight_decay=1",
                           "out=diverged");
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, "best of random search: no candidate has a score"));
        assert_non_null(
            strstr(r.err, again ? "2 of 2 candidates are done" : "candidate 1 of 2, random: did not stay finite"));
        run_finish(&r);
    }
    array score = read_array("diverged", "search.h5", "/candidates/score");
    assert_true(score.count == 2 && isnan(score.data[0]) && isnan(score.data[1]));
    free(score.data);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refused(RUN("search", TINY, "epochs=2", "search.candidates=4", "search.population=2", "search.sample=2",
                "search.generation=2", "search.blocks=1", "out=one"),
            "one: was begun with epochs = 1.0, not 2.0");
    refused(RUN("search", TINY, SMALL, "out=one", "search.seed=2"), "its search has search.seed = 1, not 2");
    refused(RUN("search", "method=simclr", "backbone=resnet18", "data.path=d.h5", SMALL, "out=x"),
            "backbone = resnet18 has no cells to search for");
    refused(RUN("search", TINY, SMALL, "out=x", "nasnet.normal=id:0+id:1"), "is what a search varies");
    refused(RUN("search", TINY, "search.candidates=3", "out=x"), "are fewer than search.population = 16");
    refused(RUN("search", TINY, SMALL, "out=x", "search.generations=2"), "search.generation");
    refused(RUN("search", TINY, SMALL, "out=x", "search.skip=1,4"), "is not a list of candidates, 0 to 3");
    refused(RUN("search", TINY, SMALL, "out=x", "search.skip=1,"), "is not a list of candidates, 0 to 3");
    assert_int_not_equal(access("x", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_and_two_find_the_same),
        cmocka_unit_test(a_killed_search_goes_on),
        cmocka_unit_test(a_stopped_search_goes_on),
        cmocka_unit_test(a_search_grows),
        cmocka_unit_test(one_candidate_fails),
        cmocka_unit_test(a_start_that_fails_leaves_nothing),
        cmocka_unit_test(candidates_may_diverge),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, run_folder_leave);
}
