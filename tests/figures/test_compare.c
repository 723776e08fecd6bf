/* test_compare.c - runs in one table: which runs are repetitions of each other, which numbers may stand in one column, means and
 * intervals, differences paired by seed, and the forms of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "figures/compare.h"
#include "results/measured.h"
#include "results/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/pretext-compare-XXXXXX";

typedef struct made_run {
    const char *name, *measured;
    double lr, top1, holdout;
    int seed;
    const char *subject, *init; /* NULL: "pretrained"; no such setting */
} made_run;

static char *path_of(const char *name)
{
    return px_format("%s/%s.h5", folder, name);
}

static void make_run(const made_run *m)
{
    px_results *r;
    char *path = path_of(m->name),
         *config = px_format(
             "method = \"simclr\";\nbackbone = \"resnet18\";\nseed = %d;\nthreads = %d;\nepochs = 2.0;\nout = "
             "\"%s\";\ninit = \"%s\";\ndata = {\n  path = \"sets/c_10.h5\";\n};\noptim = {\n  lr = %g;\n};\n",
             m->seed, m->seed, m->name, m->init ? m->init : "", m->lr),
         *group = px_format("/eval/linear/%s", m->subject ? m->subject : "pretrained"),
         *top1 = px_format("%s/top1", group), *holdout = px_format("%s/holdout_top1", group);
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put_text(r, "/config", config), 0);
    if (m->measured)
        assert_int_equal(px_measured_begin(r, group, m->measured), 0);
    assert_int_equal(px_results_put(r, top1, PX_F64, 0, NULL, &m->top1), 0);
    const double grid[2] = {m->holdout / 2, m->holdout};
    assert_int_equal(px_results_put(r, holdout, PX_F64, 1, (int64_t[]){2}, grid), 0);
    assert_int_equal(px_results_close(r), 0);
    free(path);
    free(config);
    free(group);
    free(top1);
    free(holdout);
}

/* What is printed of these runs; a new string. */
static char *printed(const made_run *runs, int count, px_table_format format)
{
    char *paths[8] = {NULL}, *text;
    size_t size;
    px_comparison *c;
    for (int i = 0; i < count; i++) {
        paths[i] = path_of(runs[i].name);
        remove(paths[i]);
        make_run(&runs[i]);
    }
    if (px_comparison_read(&c, (const char *const *)paths, count) != 0)
        fail_msg("%s", px_error());
    FILE *out = open_memstream(&text, &size);
    px_comparison_print(c, format, out);
    fclose(out);
    px_comparison_destroy(c);
    for (int i = 0; i < count; i++)
        free(paths[i]);
    return text;
}

static void contains(const char *text, const char *what)
{
    if (!text || !strstr(text, what))
        fail_msg("no '%s' in:\n%s", what, text ? text : "nothing");
}

static const char like[] = "data = c.h5\ntest = test, 100 images\nweights = checkpoint\nweights_step = 7\n";
static const char unlike[] = "data = c.h5\ntest = val, 50 images\nweights = checkpoint\nweights_step = 7\n";

static void seeds_are_one_row(void **state)
{
    (void)state;
    const made_run runs[] = {{"a1", like, 0.1, 0.70, 0.60, 1, NULL, NULL},
                             {"a2", like, 0.1, 0.72, 0.62, 2, NULL, NULL},
                             {"b1", like, 0.3, 0.75, 0.50, 1, NULL, NULL},
                             {"b2", like, 0.3, 0.76, 0.52, 2, NULL, NULL}};
    char *csv = printed(runs, 4, PX_TABLE_CSV);
    /* t(1) = 12.706; deviations 0.0141 and 0.0071 over sqrt(2); what was held out chooses, not the test */
    assert_string_equal(csv,
                        "run,method,backbone,data,epochs,seeds,core-hours,linear,linear half_interval,linear seeds\n"
                        "optim.lr=0.1,simclr,resnet18,c_10.h5,-,2,-,71.0000,12.7062,2\n"
                        "optim.lr=0.3,simclr,resnet18,c_10.h5,-,2,-,75.5000,6.3531,2\n");
    free(csv);
    char *text = printed(runs, 4, PX_TABLE_TEXT);
    /* differences 0.05 and 0.04: 4.5 +- 12.706 * 0.00707 / sqrt(2) */
    contains(text, "linear, optim.lr=0.3 minus optim.lr=0.1, paired by 2 seeds: +4.50 ± 6.35 points (may be chance)\n");
    contains(text, "optim.lr: 0.1, 0.3\n");
    contains(text, "  71.00 ± 12.71 *\n");
    contains(text, "   75.50 ± 6.35\n");
    free(text);
}

static void unlike_numbers_do_not_share_a_column(void **state)
{
    (void)state;
    const made_run runs[] = {{"a1", like, 0.1, 0.70, 0.6, 1, NULL, NULL},
                             {"b1", unlike, 0.3, 0.75, 0.5, 1, NULL, NULL},
                             {"c1", NULL, 0.5, 0.80, 0.5, 1, NULL, NULL}};
    char *table = printed(runs, 3, PX_TABLE_MARKDOWN);
    contains(table, "| core-hours | linear \\[a\\] | linear \\[b\\] | linear \\[c\\] |\n");
    contains(table, "| a1 | simclr | resnet18 | c\\_10.h5 | - | 1 | - | 70.00 | - | - |\n"
                    "| b1 | simclr | resnet18 | c\\_10.h5 | - | 1 | - | - | 75.00 | - |\n"
                    "| c1 | simclr | resnet18 | c\\_10.h5 | - | 1 | - | - | - | 80.00 |\n");
    free(table);
    char *text = printed(runs, 3, PX_TABLE_TEXT);
    contains(text,
             "linear [a] was measured differently from its namesakes: do not compare them: test = test, 100 images;\n");
    contains(text,
             "linear [b] was measured differently from its namesakes: do not compare them: test = val, 50 images;\n");
    contains(text, "linear [c] was measured differently from its namesakes: do not compare them: it does not say how");
    free(text);
}

/* Results of a file of weights: with what the file was trained is not known, and pixels as they are have two names. */
static void weights_do_not_tell_of_their_training(void **state)
{
    (void)state;
    const made_run runs[] = {
        {"a1", "data = c.h5\nnormalize = auto\nweights = checkpoint\n", 0.1, 0.70, 0.6, 1, NULL, NULL},
        {"w", "data = c.h5\nnormalize = none\nweights = w.safetensors\n", 1, 0.75, 0.5, 1, NULL, NULL},
        {"b1", "data = c.h5\nnormalize = auto\nweights = checkpoint\n", 0.3, 0.72, 0.6, 1, NULL, NULL}};
    char *text = printed(runs, 2, PX_TABLE_MARKDOWN);
    contains(text, "| core-hours | linear |\n");
    assert_null(strstr(text, "optim.lr"));
    free(text);
    text = printed(runs, 3, PX_TABLE_TEXT);
    contains(text, "optim.lr: 0.1, -, 0.3\n");
    free(text);
}

/* Whatever was trained has its star and its differences, not only `pretrained`; baselines have none. */
static void subjects_of_all_kinds(void **state)
{
    (void)state;
    static const char *const subjects[] = {"teacher", "pretrained_holdout", "untrained", "hog"};
    for (int i = 0; i < 4; i++) {
        const char *s = subjects[i];
        const made_run runs[] = {{"a1", like, 0.1, 0.70, 0.60, 1, s, NULL},
                                 {"a2", like, 0.1, 0.72, 0.62, 2, s, NULL},
                                 {"b1", like, 0.3, 0.75, 0.50, 1, s, NULL},
                                 {"b2", like, 0.3, 0.76, 0.52, 2, s, NULL}};
        char *text = printed(runs, 4, PX_TABLE_TEXT),
             *note = px_format("linear %s, optim.lr=0.3 minus optim.lr=0.1, paired by 2 seeds: +4.50", s);
        assert_int_equal(strstr(text, note) != NULL, i < 2);
        assert_int_equal(strstr(text, " *\n") != NULL, i < 2);
        assert_int_equal(strstr(text, "* is best") != NULL, i < 2);
        free(text);
        free(note);
    }
}

/* Names and settings are other people's: libconfig makes control characters of escapes, HDF5 takes any name. */
static void nothing_reaches_the_terminal_raw(void **state)
{
    (void)state;
    static const char evil[] = "teacher\x1b[2J\n";
    const made_run runs[] = {{"a1", like, 0.1, 0.70, 0.6, 1, evil, "a\\x1b[31m\\x07"},
                             {"a2", like, 0.1, 0.70, 0.6, 2, evil, "a\\x1b[31m\\x07"},
                             {"b1", unlike, 0.1, 0.75, 0.5, 1, evil, "b\\x1b[32m\\n"},
                             {"b2", like, 0.1, 0.75, 0.5, 2, evil, "b\\x1b[32m\\n"}};
    for (px_table_format f = PX_TABLE_TEXT; f <= PX_TABLE_LATEX; f++) {
        char *text = printed(runs, 4, f);
        for (const char *at = text; *at; at++)
            assert_true((unsigned char)*at >= ' ' || *at == '\n');
        if (f == PX_TABLE_TEXT)
            contains(text, "\ninit: a?[31m?, b?[32m?\n");
        free(text);
    }
}

/* The same seed twice is no repetition: it tells nothing about chance. */
static void same_seed_is_another_row(void **state)
{
    (void)state;
    const made_run runs[] = {{"a1", like, 0.1, 0.70, 0.6, 1, NULL, NULL}, {"b1", like, 0.1, 0.70, 0.6, 1, NULL, NULL}};
    char *csv = printed(runs, 2, PX_TABLE_CSV);
    contains(csv, "\na1,simclr");
    contains(csv, "\nb1,simclr");
    free(csv);
}

static void forms_escape_what_means_something(void **state)
{
    (void)state;
    const made_run runs[] = {{"a_1", like, 0.1, 0.70, 0.6, 1, NULL, NULL},
                             {"b|2", like, 0.1, 0.72, 0.6, 1, NULL, NULL},
                             {"c,3", like, 0.1, 0.7, 0.6, 1, NULL, NULL}};
    char *latex = printed(runs, 3, PX_TABLE_LATEX), *markdown = printed(runs, 3, PX_TABLE_MARKDOWN),
         *csv = printed(runs, 3, PX_TABLE_CSV);
    contains(latex, "\\begin{tabular}{llllrrrr}\n\\toprule\nrun & method & ");
    contains(latex, "a\\_1 & simclr & resnet18 & c\\_10.h5");
    contains(markdown, "|---|---|---|---|---:|---:|---:|---:|\n");
    contains(markdown, "| b\\|2 | simclr |");
    contains(csv, "\n\"c,3\",simclr");
    free(latex);
    free(markdown);
    free(csv);
}

static void what_is_no_run_is_refused(void **state)
{
    (void)state;
    px_results *r;
    px_comparison *c;
    char *path = path_of("empty");
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_close(r), 0);
    assert_int_equal(px_comparison_read(&c, (const char *const[]){path}, 1), -1);
    assert_non_null(strstr(px_error(), "is not a run"));
    free(path);
    assert_int_equal(px_comparison_read(&c, (const char *const[]){"/no/such/run"}, 1), -1);
}

/* Settings of parts that a row does not have follow those that both have, in a line per part. A run that went on after a probe, or
 * between two of them, is named. */
static void other_methods_and_later_probes(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "method = \"simclr\"; seed = 1; simclr = { temperature = 0.5; dim = 128; }; optim = { lr = 0.1; };"
        "resnet = { width = 1; };",
        "method = \"byol\"; seed = 1; byol = { hidden = 512; }; optim = { lr = 0.3; }; resnet = { width = 2; };"};
    const made_run runs[] = {{"a", like, 0.1, 0.70, 0.60, 1, NULL, NULL}, {"b", like, 0.3, 0.75, 0.50, 1, NULL, NULL}};
    char *paths[2], *text;
    size_t size;
    for (int i = 0; i < 2; i++) {
        px_results *r;
        paths[i] = path_of(runs[i].name);
        remove(paths[i]);
        make_run(&runs[i]);
        assert_int_equal(px_results_open(&r, paths[i], PX_RESULTS_APPEND), 0);
        int status = px_results_put_text(r, "/config", configs[i]);
        if (i == 0) { /* nine steps; probed after seven and after nine */
            status |= px_measured_begin(r, "/eval/clustering/pretrained", "weights_step = 9\n");
            status |= px_results_put(r, "/eval/clustering/pretrained/accuracy", PX_F64, 0, NULL, &(double){0.5});
            status |= px_results_series(r, "/train", (const char *const[]){"epoch"}, 1);
            status |= px_results_row(r, "/train", 8, (const char *const[]){"epoch"}, &(double){0.9}, 1);
        }
        assert_int_equal(status | px_results_close(r), 0);
    }
    px_comparison *c;
    assert_int_equal(px_comparison_read(&c, (const char *const *)paths, 2), 0);
    FILE *out = open_memstream(&text, &size);
    px_comparison_print(c, PX_TABLE_TEXT, out);
    fclose(out);
    contains(text,
             "optim.lr: 0.1, 0.3\nresnet.width: 1, 2\nsimclr.* (only a): temperature=0.5, dim=128\nbyol.* (only b): "
             "hidden=512\n");
    contains(text,
             "\na went on between its probes, or after them: linear is of step 7, clustering accuracy is of step 9; "
             "it has 9 steps\n");
    assert_null(strstr(text, "b went on"));
    free(text);
    out = open_memstream(&text, &size);
    px_comparison_print(c, PX_TABLE_HTML, out);
    fclose(out);
    contains(text, ">resnet.width<");
    assert_true(strstr(text, ">resnet.width<") < strstr(text, ">simclr.dim<"));
    free(text);
    px_comparison_destroy(c);
    for (int i = 0; i < 2; i++)
        free(paths[i]);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(seeds_are_one_row),
                                       cmocka_unit_test(unlike_numbers_do_not_share_a_column),
                                       cmocka_unit_test(same_seed_is_another_row),
                                       cmocka_unit_test(forms_escape_what_means_something),
                                       cmocka_unit_test(weights_do_not_tell_of_their_training),
                                       cmocka_unit_test(subjects_of_all_kinds),
                                       cmocka_unit_test(nothing_reaches_the_terminal_raw),
                                       cmocka_unit_test(what_is_no_run_is_refused),
                                       cmocka_unit_test(other_methods_and_later_probes)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
