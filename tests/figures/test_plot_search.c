/* test_plot_search.c - the figure of a search for cells: both strategies, their best, what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawn.h"
#include "test_folder.h"

#include <math.h>

/* search.h5 of six candidates, two of them evolved, one without a score. */
static char *make_search(const char *name, int texts)
{
    static const char *const strategy[] = {"random", "random", "random", "evolution", "random", "evolution"};
    static const char *const cells[] = {"id:0+id:1",     "sep3x3:0+id:1", "avg3x3:0+id:1",
                                        "max3x3:0+id:1", "sep5x5:0+id:1", "sep7x7:0+id:1"};
    static const double score[] = {0.2, 0.3, 0.25, 0.35, NAN, 0.4}, cost[] = {1e6, 2e6, 3e6, 4e6, 5e6, 9e6};
    const int64_t dim[1] = {6};
    char *path = px_format("%s/%s.h5", folder, name);
    px_results *r;
    int status = px_results_open(&r, path, PX_RESULTS_APPEND);
    status |= px_results_put(r, "/candidates/score", PX_F64, 1, dim, score);
    status |= px_results_put(r, "/candidates/multiply_adds", PX_F64, 1, dim, cost);
    status |= px_results_put_texts(r, "/candidates/strategy", strategy, texts);
    status |= px_results_put_texts(r, "/candidates/normal", cells, 6);
    status |= px_results_put_texts(r, "/candidates/reduction", cells, 6);
    status |= px_results_attribute_real(r, "/candidates", "population", 2) | px_results_close(r);
    assert_int_equal(status, 0);
    return path;
}

/* Both strategies with their best; the whole's best by name, with its cells. */
static void search(void **state)
{
    (void)state;
    char *path = make_search("cells", 6), *short_of_texts = make_search("short", 5);
    char *text = drawn((const char *[]){path}, 1, "search");
    has(text, "Search for cells: 6 candidates");
    has(text, "random search: best 30.00 % (candidate 1, 2 M)");
    has(text, "evolution after the shared ones: best 40.00 % (candidate 5, 9 M)");
    has(text, "candidate 5 (@), normal cell: sep7x7:0+id:1");
    has(text, "million multiply-adds, logarithmic");
    free(text);
    px_plot_outcome done; /* the one without a score is told, and no figure of a training is missed */
    assert_int_equal(px_plot_as(PX_PICTURE_TEXT, (const char *[]){path}, 1, NULL, &done), 0);
    assert_int_equal(done.drawn, 1);
    assert_int_equal(done.left_out, 1);
    assert_string_equal(done.missing[0], "search: 1 candidate without a score");
    px_plot_outcome_finish(&done);
    assert_null(drawn((const char *[]){short_of_texts}, 1, "search"));
    free(path);
    free(short_of_texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(search, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
