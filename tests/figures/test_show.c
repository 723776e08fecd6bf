/* test_show.c - `pretext show` and `pretext column`: what they print about a run, a data set and any other file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"
#include "figures/show.h"
#include "test_folder.h"

#include <hdf5.h>
#include <string.h>

static int setup_run(void **state)
{
    return setup(state) == 0 ? write_synthetic_run(folder, true) : -1;
}

/* Not inlined: otherwise gcc 12 warns that the stream's pointer to `text` dangles in the caller. */
static __attribute__((noinline)) char *shown(const char *what)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (px_show(f, what, false) != 0)
        fail_msg("%s", px_error());
    fclose(f);
    return text;
}

static void expect(const char *text, const char *const parts[])
{
    for (int i = 0; parts[i]; i++)
        if (!strstr(text, parts[i]))
            fail_msg("'%s' is not in:\n%s", parts[i], text);
}

static void test_run(void **state)
{
    (void)state;
    char *text = shown(folder);
    expect(text, (const char *[]){"method=simclr", "lr=0.3 steps=[1.5, 2]", "version              0.1.0",
                                  "300 rows, last step 299", "grad_norm", "pretrained           90.00%",
                                  "under_score {a^2} 85.0%", "layer1         50.00%", "layer2         80.00%",
                                  "untrained            60.00%", "knn, k = 20    pretrained           75.00%", NULL});
    free(text);
}

/* The heads are the names of what is below them: top-1 is not all that protocols measure. */
static void test_heads(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"clustering", "accuracy"},
                                           {"clustering", "nmi"},
                                           {"retrieval", "map"},
                                           {"robustness", "mean"},
                                           {"robustness", "clean"}};
    char *file = px_format("%s/run.h5", folder);
    px_results *r;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    for (int i = 0; i < 5; i++) {
        char *path = px_format("/eval/%s/pretrained/%s", names[i][0], names[i][1]);
        assert_int_equal(px_results_put(r, path, PX_F64, 0, NULL, &(double){0.25}), 0);
        free(path);
    }
    /* Over an axis of its own it is no column. */
    assert_int_equal(
        px_results_put(r, "/eval/retrieval/pretrained/recall", PX_F64, 1, (int64_t[]){2}, (double[]){0.5, 1}), 0);
    assert_int_equal(px_results_close(r), 0);
    char *text = shown(folder);
    expect(text, (const char *[]){"Evaluations\n  protocol       subject               top-1    top-5  worst class\n",
                                  "\n  protocol       subject                 map\n"
                                  "  retrieval      pretrained           25.00%\n"
                                  "  protocol       subject             accuracy      nmi\n"
                                  "  clustering     pretrained            25.00%   25.00%\n"
                                  "  protocol       subject                mean    clean\n"
                                  "  robustness     pretrained           25.00%   25.00%\n",
                                  NULL});
    free(text);
    free(file);
}

static void test_other_file(void **state)
{
    (void)state;
    char *path = px_format("%s/other.h5", folder);
    px_results *r;
    const float weight[6] = {0};
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/model/conv.weight", PX_F32, 2, (int64_t[]){2, 3}, weight), 0);
    assert_int_equal(px_results_attribute_real(r, "/model", "step", 12), 0);
    assert_int_equal(px_results_close(r), 0);
    char *text = shown(path);
    expect(text, (const char *[]){"/model/conv.weight", "float32 (2, 3)", "@step", "12", NULL});
    free(text);
    free(path);
}

static void test_dataset(void **state)
{
    (void)state;
    char *path = px_format("%s/data.h5", folder);
    px_results *r;
    const uint8_t images[4 * 2 * 2] = {0}, split[4] = {0, 0, 0, 1};
    const int32_t labels[4] = {0, 1, 1, -1};
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/images", PX_U8, 4, (int64_t[]){4, 2, 2, 1}, images), 0);
    assert_int_equal(px_results_put(r, "/labels", PX_I32, 1, (int64_t[]){4}, labels), 0);
    assert_int_equal(px_results_put(r, "/split", PX_U8, 1, (int64_t[]){4}, split), 0);
    assert_int_equal(px_results_attribute_real(r, "/", "mean", 0.25), 0);
    assert_int_equal(px_results_close(r), 0);
    const char *const names[][2] = {{"cat", "dog"}, {"train", "test"}}, *const keys[] = {"class_names", "split_names"};
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t space = H5Screate_simple(1, (hsize_t[]){2}, NULL);
    for (int i = 0; i < 2; i++) {
        hid_t attribute = H5Acreate2(file, keys[i], type, space, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Awrite(attribute, type, names[i]) >= 0);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
    char *text = shown(path);
    expect(text,
           (const char *[]){"uint8 (4, 2, 2, 1)", "mean       0.25", "train", "cat ", "dog ", "(no label)", NULL});
    int train = 0, test = 0;
    assert_int_equal(sscanf(strstr(text, "  all"), " all %d %d", &train, &test), 2);
    assert_true(train == 3 && test == 1);
    assert_int_equal(sscanf(strstr(text, "  dog"), " dog %d %d", &train, &test), 2);
    assert_true(train == 2 && test == 0);
    assert_null(strstr(text, "(no split)"));
    free(text);

    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT); /* numbers that name no split */
    H5Ldelete(file, "split", H5P_DEFAULT);
    H5Fclose(file);
    const int32_t strays[4] = {0, -5, INT32_MIN, 2};
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/split", PX_I32, 1, (int64_t[]){4}, strays), 0);
    assert_int_equal(px_results_close(r), 0);
    text = shown(path);
    int none = 0;
    assert_int_equal(sscanf(strstr(text, "(no split)\n  all"), "(no split) all %d %d %d", &train, &test, &none), 3);
    assert_true(train == 1 && test == 0 && none == 3);
    free(text);
    free(path);
}

/* Runs `pretext column RUN ...` with its output in a file. */
static int column_of(char *run, const char *first, const char *second, char *text, size_t size)
{
    char *argv[] = {(char[]){"column"}, run, px_strdup(first), second ? px_strdup(second) : NULL, NULL};
    FILE *out = tmpfile();
    int saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(out), STDOUT_FILENO);
    int bad = px_cmd_column.run(second ? 4 : 3, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(out);
    text[fread(text, 1, size - 1, out)] = '\0';
    fclose(out);
    free(argv[2]);
    free(argv[3]);
    return bad;
}

static int column(const char *first, const char *second, char *text, size_t size)
{
    return column_of(folder, first, second, text, size);
}

/* A row may be half written, and another program's file may hold anything. */
static void test_short_column(void **state)
{
    (void)state;
    char *path = px_format("%s/short.h5", folder), text[256];
    const int32_t steps[] = {1, 2, 3, 4};
    const double two[] = {7, 8};
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/train/step", PX_I32, 1, (int64_t[]){4}, steps), 0);
    assert_int_equal(px_results_put(r, "/train/short", PX_F64, 1, (int64_t[]){2}, two), 0);
    assert_int_equal(px_results_put(r, "/train/scalar", PX_F64, 0, NULL, two), 0);
    assert_int_equal(px_results_close(r), 0);
    assert_int_equal(column_of(path, "short", NULL, text, sizeof text), 0);
    assert_string_equal(text, "# step train/short\n1 7\n2 8\n");
    assert_int_equal(column_of(path, "scalar", NULL, text, sizeof text), 0);
    assert_string_equal(text, "# step train/scalar\n1 7\n");
    unlink(path);
    free(path);
}

/* A file of a few KB can hold millions of zeros. */
static void test_long_column(void **state)
{
    (void)state;
    enum { ROWS = 5000000 };
    char *path = px_format("%s/long.h5", folder), text[256];
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), how = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t rows = ROWS, chunk = ROWS / 5;
    H5Pset_chunk(how, 1, &chunk);
    H5Pset_deflate(how, 9);
    hid_t space = H5Screate_simple(1, &rows, NULL);
    hid_t set = H5Dcreate2(file, "zeros", H5T_STD_U8LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
    uint8_t *zeros = px_calloc(ROWS, 1);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    free(zeros);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(how);
    H5Fclose(file);
    assert_int_equal(column_of(path, "zeros", NULL, text, sizeof text), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(
        strstr(px_error(), "zeros has 5000000 rows of 1, so the table has more than 4000000 numbers; --all"));
    assert_string_equal(text, "");
    assert_int_equal(column_of(path, "zeros", "--all", text, sizeof text), 0);
    assert_non_null(strstr(text, "# row zeros\n0 0\n1 0\n"));
    unlink(path);
    free(path);
}

static void test_column(void **state)
{
    (void)state;
    char text[32768];
    assert_int_equal(column("train/loss", "lr", text, sizeof text), 0);
    expect(text, (const char *[]){"# step train/loss train/lr\n0 5 0.3\n", "\n200 NaN 0.1\n", "\n299 ", NULL});
    assert_int_equal(column("eval/linear/pretrained/confusion", NULL, text, sizeof text), 0);
    expect(text, (const char *[]){"# row eval/linear/pretrained/confusion[0] ", "\n0 95 2 2\n", NULL});
    assert_int_equal(column("train/lss", NULL, text, sizeof text), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "nearest is 'train/loss'"));
    assert_string_equal(text, "");
    assert_int_equal(column("eval/embedding", NULL, text, sizeof text), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), ": 'eval/embedding' is a group, not a series; it contains "));
    assert_non_null(strstr(px_error(), "xy"));
    assert_int_equal(column("loss", "eval/embedding/xy", text, sizeof text), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_run, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_heads, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_other_file, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_dataset, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_column, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_long_column, setup_run, teardown),
        cmocka_unit_test_setup_teardown(test_short_column, setup_run, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
