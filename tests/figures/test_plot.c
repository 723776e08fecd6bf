/* test_plot.c - figures by gnuplot: they are pictures of a sensible size, and texts in them are never executed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "figures/gnuplot.h"
#include "figures/plot.h"
#include "test_folder.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static px_gnuplot found;

/* Width and height are in the first chunk of a PNG, big-endian, after its 8-byte signature. */
static void check_picture(const char *path)
{
    unsigned char head[24];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_true(ftell(f) > 3000);
    fclose(f);
    if (strcmp(found.extension, "png") != 0)
        return;
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    int width = head[18] << 8 | head[19], height = head[22] << 8 | head[23];
    assert_true(width >= 500 && width <= 2000 && height >= 250 && height <= 2000);
}

static bool drawn(const px_plot_outcome *done, const char *name)
{
    for (int i = 0; i < done->drawn; i++)
        if (strstr(done->file[i], name))
            return true;
    return false;
}

static void test_one_run(void **state)
{
    (void)state;
    assert_int_equal(write_synthetic_run(folder, true), 0);
    char *figures = px_format("%s/new/figures", folder), *pwned = px_format("%s/pwned", folder);
    px_plot_outcome done;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0); /* where the file of `touch` would appear */
    if (px_plot_runs((const char *[]){folder}, 1, figures, &done) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(chdir(here), 0);
    static const char *const names[] = {"/curves.", "/diagnostics.", "/accuracy.",  "/probe_epochs.",
                                        "/layers.", "/confusion.",   "/embedding.", "/spectrum."};
    assert_int_equal(done.drawn, 8);
    assert_int_equal(done.left_out, 0);
    for (int i = 0; i < 8; i++) {
        assert_true(drawn(&done, names[i]));
        check_picture(done.file[i]);
    }
    assert_int_not_equal(access(pwned, F_OK), 0);
    px_plot_outcome_finish(&done);
    free(pwned);
    free(figures);
}

static void test_several_runs(void **state)
{
    (void)state;
    char *a = px_format("%s/a", folder), *b = px_format("%s/b", folder), *file = px_format("%s/b/run.h5", folder);
    assert_int_equal(mkdir(a, 0777), 0);
    assert_int_equal(mkdir(b, 0777), 0);
    assert_int_equal(write_synthetic_run(a, true), 0);
    assert_int_equal(write_synthetic_run(b, false), 0);
    px_plot_outcome done;
    assert_int_equal(px_plot_runs((const char *[]){a, file}, 2, folder, &done), 0);
    assert_int_equal(done.drawn, 8);
    assert_true(drawn(&done, "/curves.") && drawn(&done, "/layers.") && drawn(&done, "/a_confusion.") &&
                drawn(&done, "/a_embedding."));
    px_plot_outcome_finish(&done);

    assert_int_equal(px_plot_runs((const char *[]){b}, 1, folder, &done), 0); /* never evaluated */
    assert_int_equal(done.drawn, 2);
    assert_int_equal(done.left_out, 4);
    assert_non_null(strstr(done.missing[0], "accuracy"));
    px_plot_outcome_finish(&done);
    free(file);
    free(b);
    free(a);
}

/* Backbones with the same number of stages share a figure; another one gets its own. */
static void test_layers(void **state)
{
    (void)state;
    static const int stages[] = {4, 5, 5, 4};
    char *run[4];
    for (int i = 0; i < 4; i++) {
        run[i] = px_format("%s/%c", folder, 'a' + i);
        char *file = px_format("%s/run.h5", run[i]);
        px_results *r;
        assert_int_equal(mkdir(run[i], 0777), 0);
        assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
        assert_int_equal(px_results_put(r, "/eval/linear/pretrained/top1", PX_F64, 0, NULL, &(double){0.5}), 0);
        assert_int_equal(put_layers(r, "pretrained", 0.9, stages[i]), 0);
        assert_int_equal(px_results_close(r), 0);
        free(file);
    }
    px_plot_outcome done;
    if (px_plot_runs((const char *const *)run, 4, folder, &done) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(done.drawn, 3); /* including the bars of accuracy */
    assert_true(drawn(&done, "/layers.") && drawn(&done, "/b_layers."));
    for (int i = 0; i < 3; i++)
        check_picture(done.file[i]);
    px_plot_outcome_finish(&done);
    for (int i = 0; i < 4; i++)
        free(run[i]);
}

static void test_refusals(void **state)
{
    (void)state;
    px_plot_outcome done;
    assert_int_equal(px_plot_runs((const char *[]){folder}, 1, folder, &done), -1); /* no run.h5 */
    assert_int_equal(px_error_status(), PX_DATA);
    char *path = px_format("%s/empty.h5", folder), *picture = px_format("%s/x.png", folder);
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_close(r), 0);
    assert_int_equal(px_plot_runs((const char *[]){path}, 1, folder, &done), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_int_equal(px_gnuplot_draw(&found, picture, 600, 400, "plot nonsense(x)\n"), -1);
    assert_non_null(strstr(px_error(), "gnuplot"));
    assert_int_not_equal(access(picture, F_OK), 0);

    char *old = px_strdup(getenv("PATH"));
    setenv("PATH", folder, 1);
    px_gnuplot none;
    assert_int_equal(px_gnuplot_find(&none, PX_PICTURE_PNG), -1);
    assert_non_null(strstr(px_error(), "apt install gnuplot"));
    setenv("PATH", old, 1);
    free(old);
    free(picture);
    free(path);
}

/* Everything that gnuplot could take for a command, a format, an escape, a macro or markup. */
static const char awkward[] = "100%g ''a'' `touch pwned` \"q\" $1 @x {y}_a^b \\n \\";

/* The texts of an SVG file stand in it as they are drawn, but for five characters. */
static char *read_svg(const char *path)
{
    static const char *const entities[][2] = {{"&apos;", "'"}, {"&#39;", "'"}, {"&quot;", "\""}, {"&amp;", "&"}};
    char *text = px_calloc(1 << 20, 1);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        for (char *at = text; (at = strstr(at, entities[i][0]));) {
            size_t length = strlen(entities[i][0]);
            *at = *entities[i][1];
            memmove(at + 1, at + length, strlen(at + length) + 1);
        }
    return text;
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

static void test_texts_draw_as_themselves(void **state)
{
    (void)state;
    /* The path, too: gnuplot never sees it. */
    char *odd = px_format("%s/d'q\"`touch pwned`$x %%d\nline\\", folder), *picture = px_format("%s/texts.svg", odd),
         *body;
    size_t size;
    FILE *f = open_memstream(&body, &size);
    assert_int_equal(mkdir(odd, 0777), 0);
    fputs("set title ", f);
    px_gnuplot_text(f, awkward);
    fputs("\nset xlabel ", f);
    px_gnuplot_text(f, awkward);
    fputs("\nset label 1 ", f);
    px_gnuplot_text(f, awkward);
    fputs(" at 0,0\nset xtics (", f);
    px_gnuplot_tic(f, awkward);
    fputs(" 0, ", f);
    px_gnuplot_tic(f, "100% of a name of which gnuplot would draw forty-nine");
    fputs(" 1)\nset ylabel ", f);
    px_gnuplot_text(f, "a\033[31mb\nc\xc2\x9b\x9b");
    fputs("\nplot x title ", f);
    px_gnuplot_text(f, awkward);
    fclose(f);
    if (px_gnuplot_draw(&(px_gnuplot){.terminal = "svg", .extension = "svg"}, picture, 900, 500, body) != 0)
        fail_msg("%s", px_error());
    char *text = read_svg(picture), *pwned = px_format("%s/pwned", odd);
    assert_int_equal(count_of(text, awkward), 5);
    assert_int_equal(count_of(text, "100% of a name of which gnuplot would draw for…<"), 1);
    assert_int_equal(count_of(text, "a?[31mb?c???"), 1);
    assert_int_not_equal(access("pwned", F_OK), 0);
    free(pwned);
    free(text);
    free(body);
    free(picture);
    free(odd);
}

/* One picture is drawn, and nothing else stays. */
static void test_awkward_run(void **state)
{
    (void)state;
    char *path = px_format("%s/a`id`'b\".h5", folder), *figures = px_format("%s/f'\"`id`\n", folder);
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put_texts(r, "/eval/%d it's/class_names", (const char *[]){awkward, "100%"}, 2), 0);
    assert_int_equal(px_results_put(r, "/eval/%d it's/''/top1", PX_F64, 0, NULL, &(double){0.5}), 0);
    assert_int_equal(
        px_results_put(r, "/eval/%d it's/''/confusion", PX_I32, 2, (int64_t[]){2, 2}, (int32_t[]){3, 1, 1, 3}), 0);
    assert_int_equal(px_results_close(r), 0);
    px_plot_outcome done;
    if (px_plot_runs((const char *[]){path}, 1, figures, &done) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(done.drawn, 2);
    for (int i = 0; i < 2; i++)
        check_picture(done.file[i]);
    px_plot_outcome_finish(&done);
    free(figures);
    free(path);
}

/* Beyond a few classes the matrix is an image, whose cells stand for several classes where there are too many. */
static void test_many_classes(void **state)
{
    (void)state;
    enum { CLASSES = 1100 };
    char *path = px_format("%s/many.h5", folder);
    int32_t *matrix = px_calloc((size_t)CLASSES * CLASSES, sizeof *matrix);
    for (int i = 0; i < CLASSES; i++)
        matrix[i * CLASSES + i] = 50;
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/eval/linear/pretrained/top1", PX_F64, 0, NULL, &(double){1}), 0);
    assert_int_equal(
        px_results_put(r, "/eval/linear/pretrained/confusion", PX_I32, 2, (int64_t[]){CLASSES, CLASSES}, matrix), 0);
    assert_int_equal(px_results_close(r), 0);
    px_plot_outcome done;
    if (px_plot_runs((const char *[]){path}, 1, folder, &done) != 0)
        fail_msg("%s", px_error());
    assert_true(drawn(&done, "/confusion."));
    for (int i = 0; i < done.drawn; i++)
        check_picture(done.file[i]);
    px_plot_outcome_finish(&done);
    free(matrix);
    free(path);
}

static void test_long_folder(void **state)
{
    (void)state;
    assert_int_equal(write_synthetic_run(folder, false), 0);
    char *deep = px_format("%s/new", folder), *name = px_calloc(300, 1), *bad = NULL;
    px_plot_outcome done;
    for (int i = 0; i < 1500; i++) {
        char *longer = px_format("%s/abc", bad ? bad : deep);
        free(bad);
        bad = longer;
    }
    assert_int_equal(px_plot_runs((const char *[]){folder}, 1, bad, &done), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_not_equal(access(deep, F_OK), 0);
    free(bad);
    memset(name, 'n', 299);
    bad = px_format("%s/%s", deep, name);
    assert_int_equal(px_plot_runs((const char *[]){folder}, 1, bad, &done), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_not_equal(access(deep, F_OK), 0);
    free(bad);
    free(name);
    free(deep);
}

static void test_names(void **state)
{
    (void)state;
    char *file = px_run_file("results/a.h5"), *parent = px_run_folder("results/a.h5"), *here = px_run_folder("a.h5");
    assert_string_equal(file, "results/a.h5");
    assert_string_equal(parent, "results");
    assert_string_equal(here, ".");
    free(here);
    free(parent);
    free(file);
    char *slashes = px_format("%s//", folder), *inside = px_run_file(slashes), *own = px_run_folder(slashes);
    char *expected = px_format("%s/run.h5", folder);
    assert_string_equal(inside, expected);
    assert_string_equal(own, folder);
    free(expected);
    free(own);
    free(inside);
    free(slashes);
}

int main(void)
{
    if (px_gnuplot_find(&found, PX_PICTURE_PNG) != 0) {
        printf("skipped: %s\n", px_error());
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_draw_as_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_awkward_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
