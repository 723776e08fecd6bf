/* test_plot_script.c - what gnuplot is asked to draw, read from the scripts themselves: a program of that name takes them
 * down, so that gnuplot need not be there. What can be judged without eyes: which panels there are, what is said of
 * axes, which runs look alike, where legends lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "figures/plot.h"
#include "figures/plot_private.h"
#include "synthetic_run.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static char *folder, *old_path;

/* Gives each script back as the picture that it asks for, and claims to be able to draw PNG. */
static const char recorder[] = "#!/bin/sh\n"
                               "script=$(cat)\n"
                               "case $script in *GPVAL_TERMINALS*) echo ' pngcairo ' ;; *) printf '%s\\n' "
                               "\"$script\"; printf '\\000\\000\\000\\000IEND\\256B`\\202' ;; esac\n";

static int setup(void **state)
{
    (void)state;
    folder = make_test_folder();
    char *program = px_format("%s/gnuplot", folder), *path;
    FILE *f = fopen(program, "w");
    if (!f || fputs(recorder, f) < 0 || fclose(f) != 0 || chmod(program, 0755) != 0)
        return -1;
    old_path = px_strdup(getenv("PATH"));
    path = px_format("%s:%s", folder, old_path);
    setenv("PATH", path, 1);
    free(path);
    free(program);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    setenv("PATH", old_path, 1);
    int bad = remove_tree(folder);
    free(old_path);
    free(folder);
    return bad;
}

/* The script of one figure, a new string. */
static char *script_of(const char *name)
{
    char *path = px_format("%s/figures/%s.png", folder, name), *text = px_calloc(1 << 22, 1);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s was not drawn", path);
    assert_true(fread(text, 1, (1 << 22) - 1, f) > 0);
    fclose(f);
    free(path);
    return text;
}

static void draw(char *const *runs, int count)
{
    char *figures = px_format("%s/figures", folder);
    px_plot_outcome done;
    if (px_plot_runs((const char *const *)runs, count, figures, &done) != 0)
        fail_msg("%s", px_error());
    px_plot_outcome_finish(&done);
    free(figures);
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s'", part);
}

static void expect_none(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' should not be there", part);
}

/* An evaluation whose test accuracy goes from `first` to `last` in two epochs. */
static int put_course(px_results *r, const char *subject, double first, double last)
{
    char *top1 = px_format("/eval/linear/%s/top1", subject), *course = px_format("/eval/linear/%s/test_top1", subject);
    int bad = px_results_put(r, top1, PX_F64, 0, NULL, &last) |
              px_results_put(r, course, PX_F64, 1, (int64_t[]){2}, (double[]){first, last});
    free(top1);
    free(course);
    return bad;
}

/* A run of this many steps: the loss falls from `from` to `to`; three diagnostics, two of them zero all the time.
 * With an evaluation where `first`, the accuracy of a probe's first epoch, is not negative. */
static char *make_run(const char *name, int steps, double from, double to, double first)
{
    static const char *const series[] = {"loss", "lr", "grad_norm", "skipped", "data_wait"};
    char *run = px_format("%s/%s", folder, name), *file = px_format("%s/run.h5", run);
    px_results *r;
    assert_int_equal(mkdir(run, 0777), 0);
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    int bad = px_results_put_text(r, "/config", "method = \"simclr\";\n") | px_results_series(r, "/train", series, 5);
    for (int i = 0; i < steps; i++) {
        double loss = from + (to - from) * i / (steps - 1);
        bad |= px_results_row(r, "/train", i, series, (double[]){loss, 0.1, 3 + sin(i), 0, 1e-5}, 5);
    }
    if (first >= 0) {
        static const char *const classes[] = {"a", "b", "c", "d"};
        bad |= px_results_put_texts(r, "/eval/linear/class_names", classes, 4);
        bad |= put_course(r, "pretrained", first, 0.9) | put_course(r, "untrained", first, 0.8);
        bad |= put_layers(r, "pretrained", 0.9, 4) | put_layers(r, "untrained", 0.8, 4);
    }
    assert_int_equal(px_results_close(r) | bad, 0);
    free(file);
    return run;
}

/* The value of a line like "set tmargin at screen 0.9". */
static double number_after(const char *script, const char *what)
{
    const char *at = strstr(script, what);
    if (!at)
        fail_msg("no '%s'", what);
    return strtod(at + strlen(what), NULL);
}

/* Digits are wide: nine of them take 106 pixels beside 59 for the marks. */
static void map_has_room_for_names(void **state)
{
    (void)state;
    static const char *const classes[] = {"n01440764", "n02102040", "n03888257"};
    char *run = make_run("ids", 20, 5, 4, -1), *file = px_format("%s/run.h5", run);
    px_results *r;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    int bad = px_results_put(r, "/eval/embedding/xy", PX_F32, 2, (int64_t[]){3, 2}, (float[]){0, 0, 1, 0, 1, 1}) |
              px_results_put(r, "/eval/embedding/label", PX_I32, 1, (int64_t[]){3}, (int32_t[]){0, 1, 2}) |
              px_results_put_texts(r, "/eval/embedding/class_names", classes, 3);
    assert_int_equal(px_results_close(r) | bad, 0);
    draw(&run, 1);
    char *script = script_of("embedding");
    expect(script, "'Embeddings of 3 test images: simclr'");
    assert_true((1 - number_after(script, "set rmargin at screen ")) * number_after(script, " size ") >= 59 + 106);
    free(script);
    free(file);
    free(run);
}

static void zeros_have_no_panel(void **state)
{
    (void)state;
    char *run = make_run("a", 20, 5, 4, -1);
    draw(&run, 1);
    char *script = script_of("diagnostics");
    assert_int_equal(count_of(script, "\nplot "), 1);
    expect(script, "'gradient norm'");
    expect(script, "'left out, zero throughout: data wait, skipped'");
    expect_none(script, "'skipped (1: yes)'");
    free(script);
    free(run);
}

/* From 5 to 4: the axis does not reach zero. From 5 to 0.1 it does, from one spike it is cut. */
static void axes_say_what_they_lack(void **state)
{
    (void)state;
    char *zoomed = make_run("zoomed", 20, 5, 4, 0.7), *whole = make_run("whole", 20, 5, 0.1, 0.1);
    draw(&zoomed, 1);
    char *script = script_of("curves");
    assert_int_equal(count_of(script, "'vertical axis begins above 0'"), 2); /* the loss, and the constant rate */
    free(script);
    script = script_of("probe_epochs");
    expect(script, "set ylabel 'top-1 accuracy on the test set (%), axis begins above 0'");
    free(script);
    script = script_of("accuracy");
    expect(script, "set xrange [0:");
    free(script);
    draw(&whole, 1);
    script = script_of("curves");
    assert_int_equal(count_of(script, "vertical axis begins above 0"), 1); /* the rate */
    free(script);
    script = script_of("probe_epochs");
    expect(script, "set ylabel 'top-1 accuracy on the test set (%)'");
    expect(script, "set yrange [0:");
    free(script);
    free(whole);
    free(zoomed);
}

static void spikes_are_told(void **state)
{
    (void)state;
    static const char *const series[] = {"loss"};
    char *run = px_format("%s/spiky", folder), *file = px_format("%s/run.h5", run);
    px_results *r;
    assert_int_equal(mkdir(run, 0777), 0);
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    int bad = px_results_series(r, "/train", series, 1);
    for (int i = 0; i < 1000; i++)
        bad |= px_results_row(r, "/train", i, series, (double[]){i == 3 ? 77 : 1 + 0.1 * sin(i)}, 1);
    assert_int_equal(px_results_close(r) | bad, 0);
    draw(&run, 1);
    char *script = script_of("curves");
    expect(script, "values up to 77 are cut, lines are smoothed'");
    free(script);
    free(file);
    free(run);
}

static void layers_have_chance_and_a_band_for_the_legend(void **state)
{
    (void)state;
    char *run = make_run("a", 20, 5, 4, 0.7);
    draw(&run, 1);
    char *script = script_of("layers");
    expect(script, "'chance 25%'");
    expect(script, "set yrange [0:*]");
    double bottom = number_after(script, "set bmargin at screen "), height = number_after(script, "size 910,");
    expect(script, "center bottom vertical");     /* the legend grows upwards from the lower edge ... */
    assert_true(bottom * height >= 12 + 26 + 30); /* ... and ends below the names of the layers */
    free(script);
    free(run);
}

enum { MANY = 12 };

static void many_runs_look_different(void **state)
{
    (void)state;
    char *run[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[80];
        snprintf(name, sizeof name, "a_run_with_a_name_of_more_than_forty_characters_%02d_of_twelve", i);
        run[i] = make_run(name, 20, 5, 4 + 0.05 * ((i * 5) % MANY), 0.7); /* ends in another order than they stand */
    }
    draw(run, MANY);
    char *script = script_of("curves"), style[MANY][100], *at = strstr(script, "\nplot ");
    double last = 100;
    for (int i = 0; i < MANY; i++) {
        const char *begin = strstr(at, "with linespoints "), *end = begin ? strstr(begin, " title ") : NULL;
        if (!end)
            fail_msg("run %d has no style: %s", i, at);
        snprintf(style[i], sizeof style[i], "%.*s", end ? (int)(end - begin) : 0, end ? begin : "");
        at = strstr(at, " title ");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(style[i], style[j]);
        double here = number_after(at, ": ends at ");
        assert_true(here < last); /* as at the right end of the picture */
        last = here;
        at++;
    }
    assert_int_equal(count_of(script, "a_run_with_a_name_of_more_than_forty_characters"), 0);
    double top = number_after(script, "set tmargin at screen "), key = 0, height = number_after(script, "size 1200,");
    const char *place = strstr(script, "set key at screen ");
    assert_int_equal(sscanf(place, "set key at screen %*f, screen %lf", &key), 1);
    assert_true((key - top) * height >= 20);        /* room for the note */
    assert_true((1 - key) * height >= 24 * 6 + 28); /* two columns below the title */
    free(script);
    for (int i = 0; i < MANY; i++)
        free(run[i]);
}

/* Shares of the variance: 1 / (1 + 1/2 + 1/4 + 1/8) = 53.3 % first; the fifth is rounding error. */
static void spectrum_is_in_shares(void **state)
{
    (void)state;
    char *run = make_run("spectrum", 20, 5, 4, -1), *file = px_format("%s/run.h5", run);
    px_results *r;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    int bad = put_spectrum(r, "pretrained", 0.5) | put_spectrum(r, "untrained", 0.1);
    assert_int_equal(px_results_close(r) | bad, 0);
    draw(&run, 1);
    char *script = script_of("spectrum");
    expect(script, "$line0 << EOD\n1 53.3333\n2 26.6667\n3 13.3333\n4 6.66667\nEOD\n");
    expect(script, "set logscale xy");
    expect(script, "'simclr, pretrained: rank 2 of 5'");
    expect(script, "'untrained twin: rank 1.11 of 5'");
    assert_int_equal(count_of(script, "dt 2"), 1); /* the twin's */
    free(script);
    free(file);
    free(run);
}

static void texts_fit(void **state)
{
    (void)state;
    char *text = px_plot_shorten("simclr_resnet18_lr0.3", 12);
    assert_string_equal(text, "simcl…_lr0.3");
    assert_int_equal(px_plot_width(text), 12);
    free(text);
    text = px_plot_shorten("ÄÖÜäöüß", 5);
    assert_string_equal(text, "ÄÖ…üß");
    free(text);
    text = px_plot_shorten("short", 5);
    assert_string_equal(text, "short");
    free(text);

    char *alike[] = {px_strdup("same_beginning_1_same_end"), px_strdup("same_beginning_2_same_end")};
    px_plot_shorten_all(alike, 2, 12);
    assert_string_equal(alike[0], "1: sa…me_end");
    assert_string_equal(alike[1], "2: sa…me_end");
    free(alike[0]);
    free(alike[1]);

    int count;
    char **lines = px_plot_wrap("one two three; four", 8, &count);
    assert_int_equal(count, 3);
    assert_string_equal(lines[0], "one two");
    assert_string_equal(lines[1], "three");
    assert_string_equal(lines[2], "four");
    px_plot_texts_free(lines, count);
    lines = px_plot_wrap("incomprehensibilities", 8, &count);
    assert_int_equal(count, 3);
    px_plot_texts_free(lines, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(map_has_room_for_names, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros_have_no_panel, setup, teardown),
        cmocka_unit_test_setup_teardown(axes_say_what_they_lack, setup, teardown),
        cmocka_unit_test_setup_teardown(spikes_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(layers_have_chance_and_a_band_for_the_legend, setup, teardown),
        cmocka_unit_test_setup_teardown(many_runs_look_different, setup, teardown),
        cmocka_unit_test_setup_teardown(spectrum_is_in_shares, setup, teardown),
        cmocka_unit_test(texts_fit),
    };
    return cmocka_run_group_tests_name("plot_script", tests, NULL, NULL);
}
