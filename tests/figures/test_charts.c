/* test_charts.c - figures of several files, of a checkpoint, and of neighbours; figures as characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawn.h"
#include "figures/plot.h"
#include "figures/plot_private.h"
#include "results/ledger.h"
#include "results/measured.h"
#include "test_folder.h"

#include <string.h>

/* ---- cost ---- */

/* A run that took so many core-hours, and what it reached by a protocol that was set so. */
static char *make_cost(const char *name, double hours, double top1, const char *measured)
{
    char *path = px_format("%s/%s.h5", folder, name);
    px_results *r;
    px_ledger l = {.ranks = 1};
    l.core[PX_PART_FORWARD] = 3600 * hours;
    int status = px_results_open(&r, path, PX_RESULTS_APPEND);
    status |= px_measured_begin(r, "/eval/linear/pretrained", measured);
    status |= px_results_put(r, "/eval/linear/pretrained/top1", PX_F64, 0, NULL, &top1);
    status |= px_ledger_series(r) | px_ledger_row(r, 1, 1, &l) | px_results_close(r);
    assert_int_equal(status, 0);
    return path;
}

/* What most runs have, but is no accuracy: LiDAR's share of its most. */
static void put_diagnostics(const char *path)
{
    px_results *r;
    int status = px_results_open(&r, path, PX_RESULTS_APPEND);
    status |= px_measured_begin(r, "/eval/diagnostics/pretrained", "data = x\n");
    status |= px_results_put(r, "/eval/diagnostics/pretrained/lidar_share", PX_F64, 0, NULL, &(double){0.25});
    assert_int_equal(status | px_results_close(r), 0);
}

/* Runs that were measured alike stand beside each other; with one alone there is no figure. */
static void cost(void **state)
{
    (void)state;
    char *a = make_cost("a", 0.5, 0.7, "data = x\nlinear.epochs = 10\n"),
         *b = make_cost("b", 8, 0.815, "data = x\nlinear.epochs = 10\n"),
         *other = make_cost("other", 2, 0.9, "data = y\nlinear.epochs = 10\n");
    put_diagnostics(a);
    put_diagnostics(b);
    put_diagnostics(other);
    char *text = drawn((const char *[]){a, b, other}, 3, "cost");
    has(text, "What accuracy costs: linear probe");
    has(text, "a: 70.0 %, 0.5 h");
    has(text, "b: 81.5 %, 8 h");
    has(text, "core-hours, of all starts and evaluations, logarithmic");
    assert_null(strstr(text, "other"));
    free(text);
    assert_null(drawn((const char *[]){a, other}, 2, "cost"));
    assert_null(drawn((const char *[]){a}, 1, "cost"));
    free(other);
    free(b);
    free(a);
}

/* ---- scaling ---- */

static char *make_bench(const char *name, const char *backbone, double ranks, double rate)
{
    static const char *const words[] = {"method", "simclr", "precision", "bf16"};
    char *path = px_format("%s/%s.h5", folder, name);
    px_results *r;
    int status = px_results_open(&r, path, PX_RESULTS_APPEND);
    status |= px_results_put(r, "/bench/ranks", PX_F64, 0, NULL, &ranks);
    status |= px_results_put(r, "/bench/threads", PX_F64, 0, NULL, &(double){2});
    status |= px_results_put(r, "/bench/image_size", PX_F64, 0, NULL, &(double){32});
    status |= px_results_put(r, "/bench/images_per_second", PX_F64, 0, NULL, &rate);
    for (int i = 0; i < 4; i += 2)
        status |= px_results_attribute_text(r, "/bench", words[i], words[i + 1]);
    status |= px_results_attribute_text(r, "/bench", "backbone", backbone) | px_results_close(r);
    assert_int_equal(status, 0);
    return path;
}

/* A line per kind of step that was measured on several numbers of cores. */
static void scaling(void **state)
{
    (void)state;
    char *four = make_bench("four", "resnet18", 4, 300), *one = make_bench("one", "resnet18", 1, 100),
         *alone = make_bench("alone", "vit", 2, 900), *again = make_bench("again", "resnet50", 2, 9),
         *same = make_bench("same", "resnet50", 2, 10);
    char *text = drawn((const char *[]){four, one, alone, again, same}, 5, "scaling");
    has(text, "simclr on resnet18, 32 px, bf16: 3 times as fast on 4 times the cores");
    has(text, "as fast on each core as on the fewest");
    assert_null(strstr(text, "vit"));
    assert_null(strstr(text, "resnet50"));
    free(text);
    assert_null(drawn((const char *[]){one, alone}, 2, "scaling"));
    char *all[] = {four, one, alone, again, same};
    for (int i = 0; i < 5; i++)
        free(all[i]);
}

/* ---- filters ---- */

/* Of two layers that look at three and one channels the first is taken. The first filter has one black and one white weight. */
static void filters(void **state)
{
    (void)state;
    char *path = px_format("%s/checkpoint.h5", folder), *caption;
    float weight[3][3][2][2] = {{{{0}}}}, depthwise[9][1][3][3] = {{{{0}}}};
    weight[0][0][0][0] = -0.5f;
    weight[0][2][1][1] = 0.5f;
    weight[2][1][0][1] = 1e-6f;
    px_results *r;
    int64_t size[3];
    assert_null(px_plot_filters(folder, size, &caption)); /* no checkpoint */
    assert_null(px_plot_filters(NULL, size, &caption));
    int status = px_results_open(&r, path, PX_RESULTS_APPEND);
    status |= px_results_put(r, "/parameters/a.depthwise", PX_F32, 4, (int64_t[]){9, 1, 3, 3}, depthwise);
    status |= px_results_put(r, "/parameters/conv1.weight", PX_F32, 4, (int64_t[]){3, 3, 2, 2}, weight);
    status |= px_results_put(r, "/parameters/teacher.conv1.weight", PX_F32, 4, (int64_t[]){3, 3, 2, 2}, weight);
    assert_int_equal(status | px_results_close(r), 0);
    double *sheet = px_plot_filters(folder, size, &caption);
    assert_non_null(sheet);
    assert_string_equal(caption, "3 filters of 2 x 2 in conv1.weight; gray is zero, each filter has its own scale");
    assert_int_equal(size[0], 7); /* two rows of 2 pixels and three gaps of 1 */
    assert_int_equal(size[1], 7);
    assert_int_equal(size[2], 3);
    static const double corner[] = {255, 255, 255}, low[] = {0, 127.5, 127.5}, high[] = {127.5, 127.5, 255},
                        small[] = {127.5, 255, 127.5};
    assert_memory_equal(sheet, corner, sizeof corner);
    assert_memory_equal(sheet + (1 * 7 + 1) * 3, low, sizeof low);
    assert_memory_equal(sheet + (2 * 7 + 2) * 3, high, sizeof high);
    assert_memory_equal(sheet + (4 * 7 + 2) * 3, small, sizeof small); /* its own scale */
    free(sheet);
    free(caption);

    /* Drawn as a picture of the run, not in the terminal. */
    assert_int_equal(write_synthetic_run(folder, false), 0);
    char *figures = px_format("%s/figures", folder), *picture = px_format("%s/figures/filters.svg", folder);
    px_plot_outcome done;
    if (px_plot_as(PX_PICTURE_SVG, (const char *[]){folder}, 1, figures, &done) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(access(picture, F_OK), 0);
    px_plot_outcome_finish(&done);
    assert_null(drawn((const char *[]){folder}, 1, "filters"));
    free(picture);
    free(figures);
    free(path);
}

/* ---- neighbours ---- */

/* An evaluation with neighbours (channels > 0) and class names of its own. */
static void put_evaluation_with(px_results *r, const char *group, int channels)
{
    static const char *const classes[] = {"cat", "dog & co", "a very long name of a class"};
    char *top1 = px_format("%s/top1", group), *names = px_format("%s/class_names", group);
    int status = px_results_put(r, top1, PX_F64, 0, NULL, &(double){0.5}) | px_results_put_texts(r, names, classes, 3) |
                 put_neighbours(r, group, channels);
    assert_int_equal(status, 0);
    free(top1);
    free(names);
}

/* Each neighbour has its class below it, and says without colour whether it is the query's. */
static void neighbours(void **state)
{
    (void)state;
    char *file = px_format("%s/run.h5", folder), *svg = px_format("%s/figures/neighbours.svg", folder), *text;
    px_results *r;
    plot_neighbours n;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    put_evaluation_with(r, "/eval/knn/pretrained", 3);
    put_evaluation_with(r, "/eval/knn/untrained", 2); /* no picture has two channels */
    put_evaluation_with(r, "/eval/retrieval/pretrained", 1);
    assert_int_equal(px_results_put(r, "/eval/retrieval/pretrained/map", PX_F64, 0, NULL, &(double){0.5}), 0);
    plot_run run = {.results = r};
    const plot_eval own = {.protocol = (char[]){"knn"}, .subject = (char[]){"pretrained"}},
                    bad = {.protocol = (char[]){"knn"}, .subject = (char[]){"untrained"}},
                    none = {.protocol = (char[]){"knn"}, .subject = (char[]){"pixels"}};
    const char *const *lines;
    assert_false(px_plot_neighbours_read(&n, &run, &none));
    assert_int_equal(px_results_left_out(r, &lines), 0);
    assert_false(px_plot_neighbours_read(&n, &run, &bad));
    assert_int_equal(px_results_left_out(r, &lines), 1);
    has(lines[0], "/eval/knn/untrained/neighbours: pictures (Q (1 + K), side, side, 1 or 3) and labels (Q, 1 + K)");
    assert_true(px_plot_neighbours_read(&n, &run, &own));
    assert_true(n.queries == 2 && n.k == 3 && n.side == SYNTHETIC_SIDE && n.channels == 3 && n.right == 3);
    text = px_plot_neighbours_summary(&n);
    has(text, "3 of 6 neighbours are of the query's class");
    free(text);
    px_plot_neighbours_finish(&n);
    assert_int_equal(px_results_close(r), 0);
    px_plot_outcome done;
    char *figures = px_format("%s/figures", folder);
    if (px_plot_as(PX_PICTURE_SVG, (const char *[]){folder}, 1, figures, &done) != 0)
        fail_msg("%s", px_error());
    px_plot_outcome_finish(&done);
    text = read_all(svg);
    has(text, ">query<");
    has(text, ">cat<");
    has(text, ">× dog &amp; co<");
    has(text, "stroke-dasharray");
    free(text);
    free(svg);
    svg = px_format("%s/figures/retrieved.svg", folder); /* the same of retrieval */
    text = read_all(svg);
    has(text, ">Retrieved first: ");
    has(text, ">3 of 6 retrieved images are of the query's class: ");
    free(text);
    free(figures);
    free(svg);
    free(file);
}

/* ---- characters ---- */

/* Every figure that is made of lines is drawn in characters, with its title, within the width of a terminal. */
static void characters(void **state)
{
    (void)state;
    assert_int_equal(write_synthetic_run(folder, true), 0);
    static const char *const titles[][2] = {{"curves", "Pretraining with simclr"},
                                            {"diagnostics", "Training series"},
                                            {"accuracy", "accuracy on the test set"},
                                            {"probe_epochs", "epoch"},
                                            {"layers", "layer1"},
                                            {"confusion", "predicted class"},
                                            {"embedding", "t-SNE, first axis"},
                                            {"spectrum", "Spectrum of the features"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        char *text = drawn((const char *[]){folder}, 1, titles[i][0]);
        has(text, titles[i][1]);
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
            assert_true(px_plot_width(line) <= 80);
        free(text);
    }
}

/* In characters classes have numbers: their names do not fit below columns, and marks are too few. */
static void classes_in_characters(void **state)
{
    (void)state;
    enum { MOST = 31 };
    char *file = px_format("%s/run.h5", folder), *names[MOST];
    for (int i = 0; i < MOST; i++)
        names[i] = px_format("class of %d", i);
    for (int classes = 21; classes <= MOST; classes += 10) {
        int32_t matrix[MOST * MOST] = {0}, label[MOST];
        float xy[MOST][2];
        for (int i = 0; i < classes; i++) {
            matrix[i * classes + i] = 60;
            matrix[i * classes] += 40;
            label[i] = i;
            xy[i][0] = (float)(i % 7);
            xy[i][1] = (float)(i - i % 7);
        }
        px_results *r;
        int status = px_results_open(&r, file, PX_RESULTS_APPEND);
        status |= px_results_put(r, "/eval/linear/x/top1", PX_F64, 0, NULL, &(double){0.6});
        status |= px_results_put(r, "/eval/linear/x/confusion", PX_I32, 2, (int64_t[]){classes, classes}, matrix);
        status |= px_results_put_texts(r, "/eval/linear/x/class_names", (const char *const *)names, classes);
        status |= px_results_put_texts(r, "/eval/embedding/class_names", (const char *const *)names, classes);
        status |= px_results_put(r, "/eval/embedding/xy", PX_F32, 2, (int64_t[]){classes, 2}, xy);
        status |= px_results_put(r, "/eval/embedding/label", PX_I32, 1, (int64_t[]){classes}, label);
        assert_int_equal(status | px_results_close(r), 0);
        char *text = drawn((const char *[]){folder}, 1, "embedding");
        assert_true((strstr(text, "k class of 20") != NULL) == (classes == 21)); /* 31 have no room for a legend */
        free(text);
        text = drawn((const char *[]){folder}, 1, "confusion");
        if (classes == 21) {
            has(text, " class of 20 20 |4 ");
            has(text, "tens of percent (. below 5) of the true class, by predicted class");
            free(text);
        } else {
            assert_null(text);
            assert_int_equal(
                left_out((const char *[]){folder}, "confusion: 31 classes do not fit into a terminal, 30 do"), 1);
        }
    }
    for (int i = 0; i < MOST; i++)
        free(names[i]);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cost, setup, teardown),
        cmocka_unit_test_setup_teardown(scaling, setup, teardown),
        cmocka_unit_test_setup_teardown(filters, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours, setup, teardown),
        cmocka_unit_test_setup_teardown(characters, setup, teardown),
        cmocka_unit_test_setup_teardown(classes_in_characters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
