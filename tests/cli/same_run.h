/* same_run.h - checks that two runs are the same, bit for bit.
 *
 *     same_run("runs/whole", "runs/resumed", STEPS);      // fails the test if not
 */
#ifndef PX_TESTS_CLI_SAME_RUN_H
#define PX_TESTS_CLI_SAME_RUN_H

#include "run_files.h"

#include <stdbool.h>

static inline bool timing(const char *object)
{
    return strcmp(object, "/train/images_per_second") == 0 || strcmp(object, "/train/data_wait") == 0 ||
           strcmp(object, "/train/val_seconds") == 0 || strcmp(object, "/train/online_knn_seconds") == 0;
}

/* All numbers of a file below `group`, bit for bit. */
static inline void same_group(const char *a, const char *b, const char *file, const char *group)
{
    px_results *x = open_h5(a, file), *y = open_h5(b, file);
    px_results_objects objects;
    char *prefix = px_format("%s/", group);
    int compared = 0;
    assert_int_equal(px_results_all(x, 0, &objects), 0);
    for (int i = 0; i < objects.count; i++) {
        const char *object = objects.path[i];
        char *what = px_results_describe(x, object);
        if (strncmp(object, prefix, strlen(prefix)) == 0 && strcmp(what, "group") != 0 &&
            strncmp(what, "text", 4) != 0 && !timing(object)) {
            double *p, *q;
            int rank;
            int64_t n[4], m[4];
            assert_int_equal(px_results_get(x, object, &p, &rank, n), 0);
            assert_int_equal(px_results_get(y, object, &q, &rank, m), 0);
            assert_memory_equal(n, m, sizeof n);
            if (memcmp(p, q, (size_t)(n[0] * n[1] * n[2] * n[3]) * sizeof *p) != 0)
                fail_msg("%s of %s and %s differ in %s", file, a, b, object);
            free(p);
            free(q);
            compared++;
        }
        free(what);
    }
    assert_true(compared > 3);
    px_results_objects_finish(&objects);
    free(prefix);
    px_results_close(x);
    px_results_close(y);
}

/* Compares series (except those of times), parameters and optimizer of two runs of `steps` steps. */
static inline void same_run(const char *a, const char *b, int steps)
{
    array rows = read_array(b, "run.h5", "/train/step");
    assert_int_equal(rows.count, steps);
    for (int i = 0; i < steps; i++)
        assert_int_equal(rows.data[i], i);
    free(rows.data);
    same_group(a, b, "run.h5", "/train");
    same_group(a, b, "checkpoint.h5", "/parameters");
    same_group(a, b, "checkpoint.h5", "/optimizer");
}

#endif
