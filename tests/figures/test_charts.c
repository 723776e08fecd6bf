/* test_charts.c - figures of several files, of a checkpoint, and of what few evaluations have; figures as characters. */
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
#include <sys/stat.h>

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

/* ---- robustness, likeness, attention ---- */

static int put_numbers(px_results *r, const char *path, int rank, int rows, int columns, const double *x)
{
    return px_results_put(r, path, PX_F64, rank, (int64_t[]){rows, columns}, x);
}

/* How often the file says of its groups that they do not fit together. */
static int left_out(const char *const runs[], const char *part)
{
    px_plot_outcome done;
    int found = 0;
    if (px_plot_as(PX_PICTURE_TEXT, runs, 1, NULL, &done) != 0)
        return strstr(px_error(), part) != NULL; /* nothing else was there */
    for (int i = 0; i < done.left_out; i++)
        found += strstr(done.missing[i], part) != NULL;
    px_plot_outcome_finish(&done);
    return found;
}

static int copy_bytes(const char *from, const char *to)
{
    char bytes[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    return fclose(out);
}

/* A line per kind of spoiling, from the clean images on, and one of each baseline. */
static void robustness(void **state)
{
    (void)state;
    static const char *const kinds[] = {"noise", "blur", "jpeg", "brightness"};
    static const char *const subjects[] = {"pretrained", "untrained"};
    static const double top1[] = {0.8, 0.7, 0.6, 0.5, 0.4};
    char *file = px_format("%s/run.h5", folder), *path;
    px_results *r;
    int status = px_results_open(&r, file, PX_RESULTS_APPEND);
    for (int s = 0; s < 2; s++) {
        for (int k = 0; k < 4; k++) {
            path = px_format("/eval/robustness/%s/%s", subjects[s], kinds[k]);
            status |= put_numbers(r, path, 1, 5, 1, top1);
            free(path);
        }
        path = px_format("/eval/robustness/%s/clean", subjects[s]);
        status |= put_numbers(r, path, 0, 1, 1, &(double){0.9});
        free(path);
        path = px_format("/eval/robustness/%s/mean", subjects[s]);
        status |= put_numbers(r, path, 0, 1, 1, &(double){0.6});
        free(path);
    }
    assert_int_equal(status | px_results_close(r), 0);
    char *text = drawn((const char *[]){folder}, 1, "robustness");
    has(text, "Accuracy on spoilt images");
    has(text, "0 (clean)");
    has(text, "brightness");
    has(text, "untrained twin: mean of all kinds");
    free(text);

    /* Of two runs the means of both, beside the figure of each. */
    char *second = px_format("%s/second", folder), *other = px_format("%s/run.h5", second),
         *both = px_format("%s/figures/robustness.svg", folder), *figures = px_format("%s/figures", folder);
    assert_int_equal(mkdir(second, 0777) | copy_bytes(file, other), 0);
    px_plot_outcome done;
    if (px_plot_as(PX_PICTURE_SVG, (const char *[]){folder, second}, 2, figures, &done) != 0)
        fail_msg("%s", px_error());
    px_plot_outcome_finish(&done);
    text = read_all(both);
    has(text, "Accuracy on spoilt images: mean of all kinds");
    has(text, "second, pretrained");
    free(text);
    free(figures);
    free(both);
    free(other);
    free(second);
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    status = put_numbers(r, "/eval/robustness/pretrained/jpeg", 1, 3, 1, top1);
    assert_int_equal(status | px_results_close(r), 0);
    assert_int_equal(left_out((const char *[]){folder}, "/eval/robustness/pretrained/jpeg: 3 strengths, not 5"), 1);
    free(file);
}

static void likeness(void **state)
{
    (void)state;
    static const double cka[] = {1, 0.25, 0.25, 1};
    char *file = px_format("%s/run.h5", folder);
    px_results *r;
    int status = px_results_open(&r, file, PX_RESULTS_APPEND);
    status |= px_results_put(r, "/eval/diagnostics/initial/lidar_share", PX_F64, 0, NULL, &(double){0.5});
    status |= px_results_put_texts(r, "/eval/diagnostics/initial/layers/names", (const char *[]){"stem", "last"}, 2);
    status |= put_numbers(r, "/eval/diagnostics/initial/layers/cka", 2, 2, 2, cka);
    assert_int_equal(status | px_results_close(r), 0);
    char *text = drawn((const char *[]){folder}, 1, "cka");
    has(text, "How alike stages are");
    has(text, "stem");
    has(text, "0.25");
    free(text);
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    status = put_numbers(r, "/eval/diagnostics/initial/layers/cka", 2, 1, 2, cka);
    assert_int_equal(status | px_results_close(r), 0);
    assert_int_equal(left_out((const char *[]){folder}, "2 names, and 1 x 2 likenesses (cka)"), 1);
    free(file);
}

/* The untrained twin beside it, unless it has other layers. */
static void attention(void **state)
{
    (void)state;
    static const double far[] = {3, 5, 7, 9, 11, 13};
    static const char *const subjects[] = {"pretrained", "untrained"};
    char *file = px_format("%s/run.h5", folder);
    px_results *r;
    for (int same = 1; same >= 0; same--) {
        int status = px_results_open(&r, file, PX_RESULTS_APPEND);
        for (int s = 0; s < 2; s++) {
            char *share = px_format("/eval/attention/%s/distance_share", subjects[s]),
                 *distance = px_format("/eval/attention/%s/distance", subjects[s]),
                 *entropy = px_format("/eval/attention/%s/entropy", subjects[s]);
            int layers = s == 1 && !same ? 2 : 3;
            status |= px_results_put(r, share, PX_F64, 0, NULL, &(double){0.5});
            status |= put_numbers(r, distance, 2, layers, 2, far) | put_numbers(r, entropy, 2, layers, 2, far);
            free(share);
            free(distance);
            free(entropy);
        }
        assert_int_equal(status | px_results_close(r), 0);
        char *text = drawn((const char *[]){folder}, 1, "attention");
        has(text, "Where heads look: pretrained");
        has(text, "block");
        assert_true((strstr(text, "untrained twin") != NULL) == (same == 1));
        free(text);
    }
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    int status = put_numbers(r, "/eval/attention/pretrained/entropy", 2, 1, 2, far);
    assert_int_equal(status | px_results_close(r), 0);
    assert_int_equal(left_out((const char *[]){folder}, "distance and entropy (layers, heads) go together"), 1);
    free(file);
}

/* What was trained is shown though its name comes behind the twin's, and the twin beside it. */
static void a_teacher_before_its_twin(void **state)
{
    (void)state;
    static const char *const names[] = {"untrained", "teacher"}, /* also of stages */
        *const parts[] = {"diagnostics/layers/names", "diagnostics/lidar_share", "attention/distance_share",
                          "diagnostics/layers/cka",   "attention/distance",      "attention/entropy"};
    char *file = px_format("%s/run.h5", folder);
    px_results *r;
    int status = px_results_open(&r, file, PX_RESULTS_APPEND);
    for (int i = 0; i < 12; i++) {
        int length = (int)strcspn(parts[i / 2], "/");
        char *path = px_format("/eval/%.*s/%s%s", length, parts[i / 2], names[i % 2], parts[i / 2] + length);
        status |= i < 2 ? px_results_put_texts(r, path, names, 2)
                        : put_numbers(r, path, i < 6 ? 0 : 2, 2, 2, (double[]){1, 1, 1, 1});
        free(path);
    }
    assert_int_equal(status | px_results_close(r), 0);
    char *cka = drawn((const char *[]){folder}, 1, "cka"), *heads = drawn((const char *[]){folder}, 1, "attention");
    has(cka, "How alike stages are: teacher");
    has(heads, "Where heads look: teacher");
    has(heads, "untrained twin");
    free(heads);
    free(cka);
    free(file);
}

/* One image of 2 x 2 pixels and two heads that look at one patch each of a 2 x 2 grid: image, mean, heads. */
static void attention_maps(void **state)
{
    (void)state;
    static const uint8_t pixels[] = {10, 20, 30, 40};
    static const double weights[] = {1, 0, 0, 0, 0, 0, 0, 1};
    char *file = px_format("%s/run.h5", folder), *caption;
    px_results *r;
    int64_t size[3];
    int status = px_results_open(&r, file, PX_RESULTS_APPEND);
    status |= px_results_put(r, "/eval/attention/x/seeds/0/maps/pictures", PX_U8, 4, (int64_t[]){1, 2, 2, 1}, pixels);
    status |= px_results_put(r, "/eval/attention/x/maps/pictures", PX_U8, 4, (int64_t[]){1, 2, 2, 1}, pixels);
    status |= px_results_put(r, "/eval/attention/x/maps/weights", PX_F64, 4, (int64_t[]){1, 2, 2, 2}, weights);
    assert_int_equal(status, 0);
    const plot_run run = {.results = r};
    const plot_eval e = {.protocol = (char[]){"attention"}, .subject = (char[]){"x"}};
    double *sheet = px_plot_attention_maps(&run, &e, size, &caption);
    assert_non_null(sheet);
    has(caption, "in each row the image, the mean of its 2 heads, the heads");
    assert_memory_equal(size, ((int64_t[]){2 + 4, 4 * 4 + 4, 3}), sizeof size);
    const double *row = sheet + 2 * size[1] * 3; /* below a gap of 2 pixels */
    static const double first[] = {255, 255, 10,  20, 255, 255, 255, 255, 255, 0,
                                   255, 255, 255, 0,  255, 255, 0,   0,   255, 255};
    for (int x = 0; x < size[1]; x++)
        for (int c = 0; c < 3; c++)
            assert_true(row[x * 3 + c] == first[x]);
    free(sheet);
    free(caption);
    assert_int_equal(px_results_remove(r, "/eval/attention/x/maps"), 0);
    const char *const *lines;
    assert_null(px_plot_attention_maps(&run, &e, size, &caption)); /* the repeat has pictures alone */
    assert_int_equal(px_results_left_out(r, &lines), 1);
    has(lines[0], "/eval/attention/x/seeds/0/maps: pictures (Q, side, side, 1 or 3) and weights (Q, heads, grid,");
    has(lines[0], "up to 32 images of 256 pixels, 1000 heads, and a grid of 256");
    assert_int_equal(px_results_close(r), 0);
    free(file);
}

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
        cmocka_unit_test_setup_teardown(robustness, setup, teardown),
        cmocka_unit_test_setup_teardown(likeness, setup, teardown),
        cmocka_unit_test_setup_teardown(attention, setup, teardown),
        cmocka_unit_test_setup_teardown(a_teacher_before_its_twin, setup, teardown),
        cmocka_unit_test_setup_teardown(attention_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(characters, setup, teardown),
        cmocka_unit_test_setup_teardown(classes_in_characters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
