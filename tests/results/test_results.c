/* test_results.c - run.h5: what is written is read back, and a writer killed at any moment loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "results/results.h"

#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[256], path[300];
static const char *const names[] = {"loss", "lr"};

static int setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/pretext-results-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.h5", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", ".new", ".lock"};
    char name[320];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static double loss_of(int64_t step)
{
    return 5.0 / (1.0 + 0.01 * (double)step);
}

static void add_rows(px_results *r, int64_t first, int64_t count)
{
    for (int64_t step = first; step < first + count; step++)
        assert_int_equal(px_results_row(r, "/train", step, names, (double[]){loss_of(step), 0.1}, 2), 0);
}

static px_results *open_ok(px_results_mode mode)
{
    px_results *r = NULL;
    if (px_results_open(&r, path, mode) != 0)
        fail_msg("%s", px_error());
    return r;
}

static double *series(px_results *r, const char *name, int64_t *count)
{
    double *data = NULL;
    int rank;
    int64_t dim[4];
    if (px_results_get(r, name, &data, &rank, dim) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(rank, 1);
    *count = dim[0];
    return data;
}

static void check_rows(px_results *r, int64_t expected)
{
    int64_t steps, losses;
    double *step = series(r, "/train/step", &steps), *loss = series(r, "/train/loss", &losses);
    assert_int_equal(steps, expected);
    assert_int_equal(losses, expected);
    for (int64_t i = 0; i < steps; i++) {
        assert_true(step[i] == (double)i);
        assert_true(loss[i] == loss_of(i));
    }
    free(step);
    free(loss);
}

static void test_series(void **state)
{
    (void)state;
    px_results *r = open_ok(PX_RESULTS_APPEND);
    assert_int_equal(px_results_series(r, "/train", names, 2), 0);
    assert_int_equal(px_results_live(r), 0);
    add_rows(r, 0, 1300); /* over several chunks */
    assert_int_equal(px_results_row(r, "/train", 1300, (const char *[]){"nonsense"}, (double[]){1}, 1), -1);
    assert_int_equal(px_results_close(r), 0);

    r = open_ok(PX_RESULTS_APPEND);
    assert_int_equal(px_results_truncate(r, "/train", 700), 0);
    assert_int_equal(px_results_truncate(r, "/absent", 7), 0);
    assert_int_equal(px_results_series(r, "/train", (const char *[]){"loss", "grad_norm"}, 2), 0);
    add_rows(r, 700, 1);
    assert_int_equal(px_results_close(r), 0);

    r = open_ok(PX_RESULTS_READ);
    check_rows(r, 701);
    int64_t count;
    double *late = series(r, "/train/grad_norm", &count);
    assert_int_equal(count, 701);
    assert_true(isnan(late[0]) && isnan(late[700]));
    free(late);
    assert_int_equal(px_results_close(r), 0);
}

static void test_values(void **state)
{
    (void)state;
    px_results *r = open_ok(PX_RESULTS_APPEND);
    const int32_t confusion[] = {5, 1, 0, 7};
    const uint16_t bf16[] = {0x3f80, 0xc000};
    const double top1 = 0.75;
    const char *const classes[] = {"T-shirt/top", "Knöchelstiefel"};
    assert_int_equal(px_results_put(r, "/eval/linear/pretrained/confusion", PX_I32, 2, (int64_t[]){2, 2}, confusion),
                     0);
    assert_int_equal(px_results_put(r, "/eval/linear/pretrained/top1", PX_F64, 0, NULL, &(double){0.5}), 0);
    assert_int_equal(px_results_put(r, "/eval/linear/pretrained/top1", PX_F64, 0, NULL, &top1), 0); /* replaces */
    assert_int_equal(px_results_put(r, "/b", PX_BF16, 1, (int64_t[]){2}, bf16), 0);
    assert_int_equal(px_results_put_text(r, "/config", "epochs = 3;\n"), 0);
    assert_int_equal(px_results_put_texts(r, "/eval/linear/class_names", classes, 2), 0);
    assert_int_equal(px_results_attribute_text(r, "/provenance", "version", "0.1"), 0);
    assert_int_equal(px_results_attribute_text(r, "/provenance", "version", "0.2"), 0);
    assert_int_equal(px_results_attribute_real(r, "/", "duration", 12.5), 0);
    assert_int_equal(px_results_flush(r), 0); /* outside SWMR: the file already exists, and work goes on */
    assert_int_equal(px_results_put_text(r, "/later", "x"), 0);
    assert_int_equal(px_results_close(r), 0);
    r = open_ok(PX_RESULTS_APPEND); /* copies everything, root attributes too */
    assert_int_equal(px_results_close(r), 0);

    r = open_ok(PX_RESULTS_READ);
    double *data, real;
    int rank, count;
    int64_t dim[4];
    assert_int_equal(px_results_get(r, "/eval/linear/pretrained/confusion", &data, &rank, dim), 0);
    assert_true(rank == 2 && dim[0] == 2 && dim[1] == 2 && data[1] == 1 && data[3] == 7);
    free(data);
    assert_int_equal(px_results_get(r, "/eval/linear/pretrained/top1", &data, &rank, dim), 0);
    assert_true(rank == 0 && data[0] == top1);
    free(data);
    assert_int_equal(px_results_get(r, "/b", &data, &rank, dim), 0);
    assert_true(data[0] == 1.0 && data[1] == -2.0);
    free(data);
    char *text, **texts;
    assert_int_equal(px_results_get_text(r, "/config", &text), 0);
    assert_string_equal(text, "epochs = 3;\n");
    free(text);
    assert_int_equal(px_results_get_texts(r, "/eval/linear/class_names", &texts, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(texts[1], classes[1]);
    free(texts[0]), free(texts[1]), free(texts);
    assert_int_equal(px_results_get_attribute_text(r, "/provenance", "version", &text), 0);
    assert_string_equal(text, "0.2");
    free(text);
    assert_int_equal(px_results_get_attribute_real(r, "/", "duration", &real), 0);
    assert_true(real == 12.5);
    assert_int_equal(px_results_list(r, "/", &texts, &count), 0);
    assert_int_equal(count, 5);
    assert_string_equal(texts[0], "b");
    for (int i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    assert_true(px_results_has(r, "/eval/linear") && !px_results_has(r, "/eval/linear/untrained/top1"));
    assert_int_equal(px_results_get(r, "/config", &data, &rank, dim), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_int_equal(px_results_get(r, "/absent/x", &data, &rank, dim), -1);
    assert_int_equal(px_results_close(r), 0);
}

/* Extents that nothing stands behind are refused before memory is taken. */
static void test_extents(void **state)
{
    (void)state;
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t huge[] = {(hsize_t)1 << 40, 1 << 20}, chunk[] = {64, 64};
    H5Pset_chunk(dcpl, 2, chunk);
    hid_t space = H5Screate_simple(2, huge, NULL), one = H5Screate_simple(2, chunk, NULL);
    H5Dclose(H5Dcreate2(file, "chunked", H5T_IEEE_F64LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "contiguous", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "small", H5T_STD_I32LE, one, H5P_DEFAULT, dcpl, H5P_DEFAULT));
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 64);
    H5Dclose(H5Dcreate2(file, "text", text, space, H5P_DEFAULT, dcpl, H5P_DEFAULT));
    H5Tclose(text);
    H5Sclose(one);
    H5Sclose(space);
    H5Pclose(dcpl);
    H5Fclose(file);

    px_results *r = NULL;
    double *data = NULL;
    char **texts = NULL;
    int rank, count;
    int64_t dim[4];
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), 0);
    const char *const refused[] = {"/chunked", "/contiguous"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_results_get(r, refused[i], &data, &rank, dim), -1);
        assert_int_equal(px_error_status(), PX_DATA);
        assert_non_null(strstr(px_error(), "announces 1152921504606846976 elements, but stores 0 bytes"));
    }
    assert_int_equal(px_results_get_texts(r, "/text", &texts, &count), -1);
    assert_non_null(strstr(px_error(), "/text announces"));
    assert_int_equal(px_results_get(r, "/small", &data, &rank, dim), 0);
    assert_int_equal(dim[0] * dim[1], 4096);
    free(data);
    px_results_close(r);
}

static void test_refusals(void **state)
{
    (void)state;
    px_results *r, *second;
    assert_int_equal(px_results_open(&r, "/nowhere/at/all/run.h5", PX_RESULTS_APPEND), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    r = open_ok(PX_RESULTS_APPEND);
    assert_int_equal(px_results_open(&second, path, PX_RESULTS_APPEND), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "in use by process"));
    assert_int_equal(px_results_close(r), 0);

    FILE *f = fopen(path, "w"); /* a damaged file is reported and not changed */
    fputs("this is no HDF5 file", f);
    fclose(f);
    for (int mode = PX_RESULTS_READ; mode <= PX_RESULTS_APPEND; mode++) {
        assert_int_equal(px_results_open(&r, path, (px_results_mode)mode), -1);
        assert_int_equal(px_error_status(), PX_DATA);
    }
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 20);
}

static void test_reader_of_live_file(void **state)
{
    (void)state;
    px_results *r = open_ok(PX_RESULTS_APPEND);
    assert_int_equal(px_results_series(r, "/train", names, 2), 0);
    assert_int_equal(px_results_live(r), 0);
    for (int round = 1; round <= 20; round++) {
        add_rows(r, 50 * (round - 1), 50);
        assert_int_equal(px_results_flush(r), 0);
        pid_t child = fork(); /* another process, since this one's HDF5 would return the open file */
        if (child == 0) {
            H5close();
            px_results *reader;
            double *loss;
            int rank;
            int64_t dim[4];
            if (px_results_open(&reader, path, PX_RESULTS_READ) != 0 ||
                px_results_get(reader, "/train/loss", &loss, &rank, dim) != 0) {
                fprintf(stderr, "%s\n", px_error());
                _exit(1);
            }
            _exit(dim[0] == 50 * round && loss[dim[0] - 1] == loss_of(dim[0] - 1) ? 0 : 2);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(px_results_close(r), 0);
}

/* Appends forever; *flushed is the number of rows that are certainly saved. */
static _Noreturn void write_until_killed(volatile int64_t *flushed)
{
    px_results *r;
    if (px_results_open(&r, path, PX_RESULTS_APPEND) != 0 || px_results_series(r, "/train", names, 2) != 0 ||
        px_results_truncate(r, "/train", INT64_MAX) != 0 || px_results_live(r) != 0) {
        fprintf(stderr, "%s\n", px_error());
        _exit(1);
    }
    int64_t next;
    free(series(r, "/train/loss", &next));
    for (;; next++) {
        if (px_results_row(r, "/train", next, names, (double[]){loss_of(next), 0.1}, 2) != 0 ||
            px_results_flush(r) != 0)
            _exit(1);
        *flushed = next + 1;
    }
}

static void test_killed_writer(void **state)
{
    (void)state;
    const char *wish = getenv("PX_TEST_KILLS");
    int kills = wish ? atoi(wish) : 40;
    volatile int64_t *flushed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    srand(7);
    for (int k = 0; k < kills || (*flushed <= 100 && k < 100 * kills); k++) { /* more on a busy machine */
        pid_t child = fork();
        if (child == 0)
            write_until_killed(flushed);
        nanosleep(&(struct timespec){0, (long)(rand() % (k < kills ? 12000 : 120000)) * 1000}, NULL);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        if (*flushed == 0)
            continue;
        px_results *r = open_ok(PX_RESULTS_READ);
        int64_t steps, losses;
        double *step = series(r, "/train/step", &steps), *loss = series(r, "/train/loss", &losses);
        assert_true(steps >= *flushed && losses >= *flushed);
        for (int64_t i = 0; i < *flushed; i++)
            assert_true(step[i] == (double)i && loss[i] == loss_of(i));
        free(step);
        free(loss);
        assert_int_equal(px_results_close(r), 0);
    }
    assert_true(*flushed > 100);
    px_results *r = open_ok(PX_RESULTS_APPEND); /* and it can still be appended to */
    assert_int_equal(px_results_truncate(r, "/train", *flushed), 0);
    add_rows(r, *flushed, 10);
    assert_int_equal(px_results_close(r), 0);
    r = open_ok(PX_RESULTS_READ);
    check_rows(r, *flushed + 10);
    assert_int_equal(px_results_close(r), 0);
    if (wish)
        print_message("%d kills, %ld rows\n", kills, (long)*flushed);
    munmap((void *)flushed, 4096);
}

/* A lock that a killed process has left is of a process that is gone, or of a file that does not grow: on another host, or where
 * the disk was too full for the process's name. */
static void test_is_written(void **state)
{
    (void)state;
    assert_false(px_results_is_written(path));
    px_results *r = open_ok(PX_RESULTS_APPEND);
    assert_true(px_results_is_written(path));
    assert_int_equal(px_results_close(r), 0);
    assert_false(px_results_is_written(path));

    char host[64] = "?", lock[310];
    gethostname(host, sizeof host - 1);
    snprintf(lock, sizeof lock, "%s.lock", path);
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    const struct {
        long process;
        const char *host;
        time_t age;
        bool written;
    } cases[] = {{gone, host, 0, false},          {getpid(), host, 5000, true}, {gone, "elsewhere", 30, true},
                 {gone, "elsewhere", 700, false}, {0, NULL, 30, true},          {0, NULL, 700, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen(lock, "w");
        assert_non_null(f);
        if (cases[i].host)
            fprintf(f, "process %ld on %s", cases[i].process, cases[i].host);
        fclose(f);
        struct timespec at = {.tv_sec = time(NULL) - cases[i].age};
        assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){at, at}, 0), 0);
        assert_int_equal(px_results_is_written(path), cases[i].written);
    }
    FILE *f = fopen(lock, "w");
    assert_non_null(f);
    fputs("nonsense", f);
    fclose(f);
    assert_false(px_results_is_written(path));
    unlink(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_series, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reader_of_live_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_written, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
