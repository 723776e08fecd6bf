/* test_h5_disk.c - files written under the driver whose writes never fail: the same bytes as HDF5's own driver makes,
 * and at whatever write the disk is full, HDF5 closes the file, the program ends cleanly, and the caller is told. A limit
 * on the size of files stands for the full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "results/h5.h"
#include "results/h5_disk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SETS = 40, ROWS = 3000, STEP = 8192 };

static char folder[] = "/tmp/px_h5_disk.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    px_h5_quiet();
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Chunked arrays with checksums, as in a checkpoint, and an attribute after them. */
static void fill(hid_t file)
{
    static float row[ROWS];
    hsize_t count = ROWS, chunk = 1000;
    hid_t space = H5Screate_simple(1, &count, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(how, 1, &chunk);
    H5Pset_fletcher32(how);
    for (int i = 0; i < SETS; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d.weight", i);
        for (int k = 0; k < ROWS; k++)
            row[k] = (float)(i * ROWS + k);
        hid_t set = H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
        H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, row);
        H5Dclose(set);
    }
    H5Pclose(how);
    H5Sclose(space);
    px_h5_put_attribute_number(file, "step", 7);
}

/* -1 with px_error() set, or 0. */
static int write_file(const char *path)
{
    px_h5_disk disk = {0};
    hid_t access = px_h5_disk_access(&disk);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    if (file >= 0) {
        fill(file);
        if (H5Fclose(file) < 0)
            return px_fail(PX_FAIL, "%s: does not close", path);
    }
    return px_h5_disk_check(&disk, path);
}

static void check_whole(const char *path)
{
    int64_t step = 0;
    float row[ROWS];
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    assert_int_equal(px_h5_get_attribute_number(file, "step", &step), 0);
    assert_int_equal(step, 7);
    for (int i = 0; i < SETS; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d.weight", i);
        hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
        assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, row) >= 0);
        H5Dclose(set);
        for (int k = 0; k < ROWS; k++)
            assert_true(row[k] == (float)(i * ROWS + k));
    }
    H5Fclose(file);
}

static void holds_what_was_written(void **state)
{
    (void)state;
    char *path = px_format("%s/whole.h5", folder);
    assert_int_equal(write_file(path), 0);
    check_whole(path);
    assert_int_equal(write_file(path), 0); /* over an existing file */
    check_whole(path);
    unlink(path);
    free(path);
}

/* Writes with files limited to `bytes` in a process of its own, HDF5's clean-up at its end included. The exit status:
 * 0 written, 3 refused for the right reason; anything else, or a signal, is wrong. */
static int limited(const char *path, rlim_t bytes)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes});
        int status = write_file(path);
        H5close();
        _exit(status == 0 ? 0 : strstr(px_error(), strerror(EFBIG)) ? 3 : 4);
    }
    int how;
    assert_true(waitpid(child, &how, 0) == child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 1000 + how;
}

static void survives_a_full_disk_at_any_write(void **state)
{
    (void)state;
    char *path = px_format("%s/full.h5", folder);
    struct stat about;
    assert_int_equal(write_file(path), 0);
    assert_int_equal(stat(path, &about), 0);
    int refused = 0;
    for (off_t bytes = 0; bytes < about.st_size; bytes += STEP, refused++) {
        int status = limited(path, (rlim_t)bytes);
        if (status != 3)
            fail_msg("limited to %ld of %ld bytes: %d", (long)bytes, (long)about.st_size, status);
    }
    assert_true(refused > 50);
    assert_int_equal(limited(path, (rlim_t)about.st_size * 2), 0); /* HDF5 gives back some of what it took */
    check_whole(path);
    unlink(path);
    free(path);
}

static void tells_why_a_file_cannot_be_made(void **state)
{
    (void)state;
    char *path = px_format("%s/nowhere/a.h5", folder);
    assert_int_equal(write_file(path), -1);
    assert_non_null(strstr(px_error(), path));
    assert_non_null(strstr(px_error(), strerror(ENOENT)));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_written),
        cmocka_unit_test(survives_a_full_disk_at_any_write),
        cmocka_unit_test(tells_why_a_file_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
