/* test_bench.c - `pretext bench`: the parts of a measured step add up, rates follow from it, and the written file can
 * be drawn and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <math.h>

enum { LOADER, WAIT, FORWARD, BACKWARD, REDUCE, OPTIMIZER, OTHER, STEP, PARTS };

static char *folder, *data;

static double number(const char *file, const char *name)
{
    char *object = px_format("/bench/%s", name);
    array a = read_array(folder, file, object);
    double value = a.data[0];
    free(a.data);
    free(object);
    return value;
}

static run_result bench(const char *file, const char *const more[3])
{
    char *out = px_format("out=%s/%s", folder, file);
    run_result r = RUN("bench", "batch=16", "bench.seconds=0.2", "resnet.width=0.125", "threads=1", out, more[0],
                       more[1], more[2]);
    free(out);
    if (r.status != 0)
        fail_msg("%s", r.err);
    return r;
}

static void check_parts(const char *file)
{
    array part = read_array(folder, file, "/bench/parts/seconds");
    assert_int_equal(part.count, PARTS);
    double sum = 0, step = part.data[STEP];
    for (int i = WAIT; i < STEP; i++)
        sum += part.data[i];
    assert_true(fabs(sum - step) < 1e-9);
    assert_true(part.data[LOADER] > 0 && part.data[FORWARD] > 0 && part.data[OPTIMIZER] > 0);
    assert_true(part.data[BACKWARD] > 0);
    assert_true(fabs(number(file, "images_per_second") * step / 16 - 1) < 1e-9);
    assert_true(fabs(number(file, "share") * number(file, "machine_gflops") / number(file, "gflops") - 1) < 1e-9);
    assert_true(number(file, "machine_gflops") > 1 && number(file, "peak_bytes") > number(file, "arena_bytes"));
    free(part.data);
}

/* The most expensive ops come first; those that multiply have a rate. */
static void check_ops(const char *file)
{
    array seconds = read_array(folder, file, "/bench/ops/seconds"),
          gflops = read_array(folder, file, "/bench/ops/gflops");
    assert_int_equal(seconds.count, 10);
    int rated = 0;
    for (int i = 0; i < 10; i++) {
        assert_true(i == 0 || seconds.data[i] <= seconds.data[i - 1]);
        rated += gflops.data[i] > 0;
    }
    assert_true(rated >= 1 && rated < 10);
    array gbytes = read_array(folder, file, "/bench/ops/gbytes"),
          reached = read_array(folder, file, "/bench/ops/reached");
    double rate = number(file, "machine_gflops"), memory = number(file, "machine_gbytes");
    assert_true(memory > 0.1);
    for (int i = 0; i < 10; i++) { /* the sum of what binds each step is at least what binds all of them together */
        double least = fmax(gflops.data[i] / rate, gbytes.data[i] / memory);
        assert_true(gbytes.data[i] > 0);
        assert_true(reached.data[i] > least * (1 - 1e-9) &&
                    reached.data[i] < (gflops.data[i] / rate + gbytes.data[i] / memory) * (1 + 1e-9));
    }
    free(gbytes.data);
    free(reached.data);
    free(seconds.data);
    free(gflops.data);
}

static void random_images(void **state)
{
    (void)state;
    run_result r = bench("random.h5", (const char *const[]){NULL, NULL, NULL});
    assert_non_null(strstr(r.out, "simclr on resnet18, 32 px, batch 16, fp32: 1 rank x 1 threads, "));
    assert_non_null(strstr(r.out, "conv2d"));
    assert_non_null(strstr(r.out, "memory's rate"));
    assert_non_null(strstr(r.out, "reached\n"));
    run_finish(&r);
    check_parts("random.h5");
    check_ops("random.h5");
    assert_int_equal(number("random.h5", "image_size"), 32);
    array part = read_array(folder, "random.h5", "/bench/parts/seconds");
    assert_true(fabs(number("random.h5", "views_per_second") * part.data[LOADER] / 32 - 1) <
                1e-9); /* two views per image */
    assert_true(part.data[WAIT] == 0);
    free(part.data);
}

/* The step that pretrain would take: micro-batches of images that the loader reads. */
static void data_set(void **state)
{
    (void)state;
    char *path = px_format("data.path=%s", data);
    double once, twice;
    run_result r = bench("once.h5", (const char *const[]){path, NULL, NULL});
    run_finish(&r);
    r = bench("twice.h5", (const char *const[]){path, "accumulate=2", NULL});
    run_finish(&r);
    check_parts("once.h5");
    check_parts("twice.h5");
    once = number("once.h5", "gflops") / number("once.h5", "images_per_second");
    twice = number("twice.h5", "gflops") / number("twice.h5", "images_per_second");
    assert_true(fabs(once / twice - 1) < 0.05); /* work per image; SimCLR's similarities grow with the batch */
    assert_int_equal(number("twice.h5", "image_size"), 16);
    free(path);
}

static void shown_and_drawn(void **state)
{
    (void)state;
    char *file = px_format("%s/random.h5", folder), *out = px_format("out=%s", folder);
    run_result r = RUN("plot", file, out);
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "/bench."));
    assert_string_equal(r.err, ""); /* there is no warning about missing training series */
    run_finish(&r);
    r = RUN("show", file);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "images_per_second"));
    assert_non_null(strstr(r.out, "all-reduce"));
    assert_non_null(strstr(r.out, "GF/s"));
    int limits = 0; /* each op has one; a sanitized build computes so slowly that all have the same */
    for (const char *at = r.out; (at = strstr(at, "% of ")); at++)
        limits += strncmp(at, "% of R\n", 7) == 0 || strncmp(at, "% of memory's rate\n", 19) == 0;
    assert_int_equal(limits, 10);
    run_finish(&r);
    free(file);
    free(out);
}

static void wrong_use(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"bench.second=1", "unknown key 'bench.second', nearest is 'bench.seconds'"},
                                           {"bench.seconds=0", "bench.seconds"},
                                           {"batch=1000", "batch = 1000 is larger than the split 'train'"},
                                           {"data.limit=8", "which has 8 images"}};
    char *path = px_format("data.path=%s", data);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("bench", "batch=16", path, cases[i][0]);
        if (r.status != 2 || !strstr(r.err, cases[i][1]))
            fail_msg("status %d, expected 2 and '%s': %s", r.status, cases[i][1], r.err);
        run_finish(&r);
    }
    free(path);
}

static int set_up(void **state)
{
    (void)state;
    folder = run_folder_create();
    data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 5});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(data);
    run_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_images), cmocka_unit_test(data_set),
                                       cmocka_unit_test(shown_and_drawn), cmocka_unit_test(wrong_use)};
    return cmocka_run_group_tests_name("bench", tests, set_up, tear_down);
}
