/* test_protocol_charts.c - figures that one protocol has: robustness, the likeness of stages, attention and its maps; and what
 * their titles say where a subject was measured several times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawn.h"
#include "figures/plot.h"
#include "figures/plot_private.h"
#include "results/measured.h"
#include "test_folder.h"

#include <string.h>
#include <sys/stat.h>

static int put_numbers(px_results *r, const char *path, int rank, int rows, int columns, const double *x)
{
    return px_results_put(r, path, PX_F64, rank, (int64_t[]){rows, columns}, x);
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

/* A title with all that a number was measured with takes two lines, neither wider than the picture. */
static void long_titles(void **state)
{
    (void)state;
    char *script;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    PX_CHECK(f);
    px_plot_title(f, px_strdup("Accuracy on spoilt images: A, pretrained"));
    px_plot_title(
        f, px_strdup("Accuracy on spoilt images: A, pretrained; learned from train, 8000 images, image_size=32"));
    fclose(f);
    assert_string_equal(script, "set title 'Accuracy on spoilt images: A, pretrained'\n"
                                "set title 'Accuracy on spoilt images: A, pretrained'.\"\\n\"."
                                "'learned from train, 8000 images, image_size=32' font ',12'\n");
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(robustness, setup, teardown),
        cmocka_unit_test_setup_teardown(likeness, setup, teardown),
        cmocka_unit_test_setup_teardown(attention, setup, teardown),
        cmocka_unit_test_setup_teardown(a_teacher_before_its_twin, setup, teardown),
        cmocka_unit_test_setup_teardown(attention_maps, setup, teardown),
        cmocka_unit_test(long_titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
