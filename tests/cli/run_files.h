/* run_files.h - reads what runs have written: series and arrays of run.h5 and checkpoint.h5, bytes of files.
 *
 *     array a = read_array(folder, "run.h5", "/train/loss");
 *     ... a.count, a.data[i] ...
 *     free(a.data);
 */
#ifndef PX_TESTS_CLI_RUN_FILES_H
#define PX_TESTS_CLI_RUN_FILES_H

#include "base/error.h"
#include "results/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct array {
    int64_t count;
    double *data;
} array;

static inline px_results *open_h5(const char *folder, const char *file)
{
    char *path = px_format("%s/%s", folder, file);
    px_results *r;
    if (px_results_open(&r, path, PX_RESULTS_READ) != 0)
        fail_msg("%s", px_error());
    free(path);
    return r;
}

static inline array read_array(const char *folder, const char *file, const char *object)
{
    px_results *r = open_h5(folder, file);
    array a;
    int rank;
    int64_t dim[4];
    if (px_results_get(r, object, &a.data, &rank, dim) != 0)
        fail_msg("%s", px_error());
    a.count = dim[0] * dim[1] * dim[2] * dim[3];
    px_results_close(r);
    return a;
}

/* A file's bytes; size -1: it does not exist. */
typedef struct content {
    long size;
    char *bytes;
} content;

static inline content read_content(const char *folder, const char *name)
{
    char *path = px_format("%s/%s", folder, name);
    content c = {.size = -1};
    FILE *f = fopen(path, "rb");
    free(path);
    if (!f)
        return c;
    fseek(f, 0, SEEK_END);
    c.size = ftell(f);
    rewind(f);
    c.bytes = px_calloc((size_t)c.size + 1, 1);
    assert_int_equal(fread(c.bytes, 1, (size_t)c.size, f), c.size);
    fclose(f);
    return c;
}

static inline void write_content(const char *folder, const char *name, const void *bytes, long size)
{
    char *path = px_format("%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, f), size);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static inline void copy_file(const char *from, const char *to, const char *name)
{
    content c = read_content(from, name);
    assert_true(c.size >= 0);
    write_content(to, name, c.bytes, c.size);
    free(c.bytes);
}

#endif
