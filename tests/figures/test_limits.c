/* test_limits.c - `pretext show`, `plot` and `column` of files that announce what no page can show: what can be shown is,
 * the rest is named, and neither memory nor time follow what a small file announces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "figures/gnuplot.h"
#include "figures/plot.h"
#include "figures/show.h"
#include "synthetic_run.h"

#include <hdf5.h>
#include <string.h>
#include <sys/resource.h>

static char *folder, *path;
static hid_t file;

static int setup(void **state)
{
    (void)state;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    folder = make_test_folder();
    path = px_format("%s/any.h5", folder);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110); /* attributes of any size */
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    return file < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    int bad = remove_tree(folder);
    free(path);
    free(folder);
    return bad;
}

static hid_t with_groups(void)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    return links;
}

/* Numbers as they are given. */
static void put(const char *name, int rank, const hsize_t *extent, const double *values)
{
    hid_t space = rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR), links = with_groups(),
          set = H5Dcreate2(file, name, H5T_NATIVE_DOUBLE, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(links);
    H5Sclose(space);
}

/* So many zero bytes, which a filter packs to a thousandth. All chunks are one packed chunk of `rows`. */
static void put_packed(const char *name, hsize_t rows, hsize_t chunk)
{
    hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &rows, NULL), links = with_groups();
    H5Pset_chunk(how, 1, &chunk);
    H5Pset_deflate(how, 9);
    hid_t set = H5Dcreate2(file, name, H5T_NATIVE_UINT8, space, links, how, H5P_DEFAULT);
    uint8_t *zeros = px_calloc(rows, 1);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    free(zeros);
    H5Dclose(set);
    H5Pclose(links);
    H5Sclose(space);
    H5Pclose(how);
}

static void put_text(const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text) + 1);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
}

/* Not inlined: otherwise gcc 12 warns that the stream's pointer to `text` dangles in the caller. */
static __attribute__((noinline)) char *shown(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (px_show(f, path, false) != 0)
        fail_msg("%s", px_error());
    fclose(f);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text ? text : "nothing");
}

/* What plot draws and what it leaves out, one line each; NULL, after the message, without gnuplot. */
static char *plotted(void)
{
    px_gnuplot found;
    px_plot_outcome done;
    if (px_gnuplot_find(&found, PX_PICTURE_PNG) != 0)
        return px_strdup("");
    char *text = px_strdup(""), *figures = px_format("%s/figures", folder);
    if (px_plot_runs((const char *[]){path}, 1, figures, &done) != 0) {
        free(text);
        text = px_format("refused %s\n", px_error());
    }
    for (int i = 0; i < done.drawn; i++) {
        char *longer = px_format("%sdrawn %s\n", text, strrchr(done.file[i], '/') + 1);
        free(text);
        text = longer;
    }
    for (int i = 0; i < done.left_out; i++) {
        char *longer = px_format("%sleft out %s\n", text, done.missing[i]);
        free(text);
        text = longer;
    }
    px_plot_outcome_finish(&done);
    free(figures);
    return text;
}

/* 24 data sets of 16 million zeros: 460 kB that would be 3 GB of numbers. */
static void test_many_packed(void **state)
{
    (void)state;
    put_packed("/train/step", 1 << 22, 1 << 22);
    put_packed("/train/series0", 1 << 24, 1 << 22);
    for (int i = 1; i < 24; i++) {
        char name[40];
        snprintf(name, sizeof name, "/train/series%d", i);
        assert_true(H5Ocopy(file, "/train/series0", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0); /* packed once */
    }
    H5Fclose(file);
    double begin = px_thread_seconds();
    char *text = shown();
    double seconds = px_thread_seconds() - begin;
    expect(text, "Training: ");
    expect(text, "/train/series1 is not read: all that the file announces would be too large for it");
    expect(text, "... and ");
    free(text);
    text = plotted();
    expect(text, *text ? "refused nothing to draw" : "");
    free(text);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("show took %.2f s, and with plot %ld kB\n", seconds, usage.ru_maxrss);
#ifndef __SANITIZE_ADDRESS__
    assert_true(seconds < 2);
    assert_true(usage.ru_maxrss < 512 << 10);
#endif
}

/* One datum each that is too large, however little of it is used. */
static void test_too_large(void **state)
{
    (void)state;
    put_packed("/train/step", 10, 10);
    put_packed("/train/long", (1 << 24) + 10, 1 << 20);
    put_packed("/train/wide", 5, 5);
    hsize_t chunk = 200 << 20, rows = 20, most = H5S_UNLIMITED;
    hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &rows, &most);
    H5Pset_chunk(how, 1, &chunk);
    H5Pset_deflate(how, 1);
    H5Dclose(H5Dcreate2(file, "/train/chunk", H5T_NATIVE_UINT8, space, H5P_DEFAULT, how, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(how);
    H5Fclose(file);
    char *text = shown();
    expect(text, "\n  wide ");
    expect(text, "/train/long is too large to be shown: 134 MB, but at most 134 MB are read");
    expect(text, "/train/chunk is too large to be shown: 210 MB, but");
    free(text);
}

/* Only its first values are shown, however many there are. */
static void test_attributes(void **state)
{
    (void)state;
    hsize_t count = 1 << 20;
    hid_t space = H5Screate_simple(1, &count, NULL),
          attribute = H5Acreate2(file, "a\x1b[31mb\nc", H5T_NATIVE_INT8, space, H5P_DEFAULT, H5P_DEFAULT);
    int8_t *ones = px_calloc(count, 1);
    memset(ones, 1, count);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT8, ones) >= 0);
    free(ones);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Fclose(file);
    char *text = shown();
    expect(text, "@a?[31mb?c            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ...\n");
    free(text);
}

/* A file's numbers of another shape, or such as no axis can have: the other figures are drawn. */
static void test_odd_shapes(void **state)
{
    (void)state;
    const double four[] = {3, 1, 1, 3}, huge[] = {1e308, -1e308, INFINITY, 2e9}, half = 0.5, nothing = NAN;
    put("/train/step", 1, (hsize_t[]){4}, four);
    put("/train/loss", 1, (hsize_t[]){4}, huge);
    put("/train/flat\x1b[2J\nx", 1, (hsize_t[]){4}, (double[]){1e15, 1e15, 1e15, 1e15});
    put("/train/table", 2, (hsize_t[]){2, 2}, four);
    put("/eval/linear/array/top1", 1, (hsize_t[]){1}, &half);
    put("/eval/linear/nan/top1", 0, NULL, &nothing);
    put("/eval/linear/four/top1", 1, (hsize_t[]){4}, four);
    put("/eval/linear/array/confusion", 1, (hsize_t[]){4}, four);
    put("/eval/knn/pixels/top1", 0, NULL, &half);
    put("/eval/knn/pixels/confusion", 2, (hsize_t[]){2, 2}, (double[]){-1, NAN, INFINITY, 3});
    put("/eval/embedding/xy", 2, (hsize_t[]){2, 2}, four);
    put("/eval/embedding/label", 1, (hsize_t[]){2}, &huge[2]);
    put("/eval/spectrum/a/eigenvalues", 1, (hsize_t[]){4}, huge);
    put("/eval/spectrum/b/eigenvalues", 1, (hsize_t[]){1}, &(double){0});
    put("/eval/spectrum/c/eigenvalues", 1, (hsize_t[]){4}, four);
    put("/figures/empty", 3, (hsize_t[]){0, 5, 1}, four);
    put("/figures/bytes", 3, (hsize_t[]){2, 2, 1}, huge);
    H5Fclose(file);
    char *text = plotted();
    if (*text) {
        static const char *const parts[] = {
            "drawn accuracy",
            "drawn diagnostics",
            "drawn confusion",
            "drawn bytes",
            "drawn curves",
            "drawn spectrum",
            "/eval/spectrum/a/eigenvalues: not numbers from 0 on",
            "/eval/spectrum/b/eigenvalues: not numbers from 0 on",
            "/train/table: the number of its axes is 2, not 1",
            "four/top1: the number of its axes is 1, not 0",
            "array/confusion: the number of its axes is 1, not 2",
            "/eval/embedding of 2 points: ",
            "/figures/empty is not (height, width, 1 or 3 channels)",
        };
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            expect(text, parts[i]);
        for (const char *c = text; *c; c++)
            assert_true(*c == '\n' || (unsigned char)*c >= ' ');
    }
    free(text);
    text = shown();
    expect(text, "  flat?[2J?x ");
    expect(text, "  linear         array                50.00%");
    expect(text, "\nLeft out\n");
    expect(text, "/train/table: the number of its axes is 2, not 1");
    free(text);
}

static void test_configuration(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = px_calloc(SIZE, 1), *at = text;
    for (int i = 0; at < text + SIZE - 40; i++)
        at += sprintf(at, "a%d = 1;\n", i);
    put("/train/step", 1, (hsize_t[]){1}, (double[]){1});
    put_text("/config", text);
    H5Fclose(file);
    free(text);
    double begin = px_thread_seconds();
    text = shown();
    assert_true(px_thread_seconds() - begin < 1);
    expect(text, "bytes is not read: at most 65536 are");
    free(text);
}

/* Hundreds of everything, of which the first are drawn. */
static void test_many_figures(void **state)
{
    (void)state;
    enum { MANY = 130 };
    const double two[] = {1, 2}, half = 0.5;
    put("/train/step", 1, (hsize_t[]){2}, two);
    for (int i = 0; i < MANY; i++) {
        char series[40], top1[60];
        snprintf(series, sizeof series, "/train/s%d", i);
        snprintf(top1, sizeof top1, "/eval/p%d/pretrained/top1", i);
        put(series, 1, (hsize_t[]){2}, two);
        put(top1, 0, NULL, &half);
    }
    H5Fclose(file);
    char *text = plotted();
    if (*text) {
        expect(text, "drawn diagnostics");
        expect(text, "drawn accuracy");
        expect(text, "series of /train after the first 60");
        expect(text, "evaluations after the first 100");
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_packed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_figures, setup, teardown),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
