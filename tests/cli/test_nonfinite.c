/* test_nonfinite.c - a step whose loss or gradient is not finite: the run says where it began and on which rank, and
 * ends with a checkpoint from before the step, bit for bit. Or it leaves the step out and goes on, until ten in a row
 * are left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "faulty.h"
#include "same_run.h"

/* 96 images; row BAD is in the second half of step 3, which belongs to rank 1 of two. */
enum { PER_EPOCH = 6, EPOCHS = 3 };
#define BAD "44"

/* The method of faulty_plugin.c, with images in order. ranks 0: without mpirun. `bad`: rows with a NaN pixel. */
static run_result train(const fixture *f, const char *out, int ranks, const char *bad, const char *const option[4])
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    setenv("PRETEXT_NAN_IMAGE", bad, 1);
    run_child c = run_start(ranks, (const char *const[]){"pretrain", "--plugin", f->plugin, "method=faulty", set_out,
                                                         set_data, "data.shuffle=false", "data.workers=2",
                                                         "resnet.width=0.125", "batch=16", "optim.warmup_epochs=0",
                                                         "optim.schedule=constant", "epochs=3", "optim.lr_scaling=none",
                                                         option[0], option[1], option[2], option[3], NULL});
    run_result r = run_wait(&c);
    free(set_out);
    free(set_data);
    return r;
}

#define TRAIN(out, ranks, bad, ...) train(f, out, ranks, bad, (const char *const[4]){__VA_ARGS__})

static void expect(const run_result *r, int status, const char *text)
{
    if (r->status != status || !strstr(r->err, text))
        fail_msg("status %d instead of %d, or not '%s': %s", r->status, status, text, r->err);
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

static double sum_of(const char *out, const char *series, int64_t rows)
{
    array a = read_array(out, "run.h5", series);
    double sum = 0;
    assert_int_equal(a.count, rows);
    for (int64_t i = 0; i < a.count; i++)
        sum += isfinite(a.data[i]) ? a.data[i] : 0;
    free(a.data);
    return sum;
}

/* The checkpoint equals that of a run that ends before the bad step. */
static void stops(const fixture *f, int ranks, const char *reproducible, const char *where)
{
    char *out = px_format("%s/stop-%d%s", f->folder, ranks, reproducible),
         *good = px_format("%s/good-%d%s", f->folder, ranks, reproducible);
    run_result r = TRAIN(out, ranks, BAD, "optim.lr=0.05", reproducible);
    expect(&r, PX_DIVERGED, "pretext pretrain: step 3 of 18: the loss is not finite; where it began: ");
    expect(&r, PX_DIVERGED, where);
    expect(&r, PX_DIVERGED, "; checkpoint.h5 is from before this step; a smaller optim.lr");
    expect(&r, PX_DIVERGED, "nonfinite=skip leaves such steps out");
    run_finish(&r);
    r = TRAIN(good, ranks, "", "optim.lr=0.05", "epochs=0.3333", reproducible);
    expect(&r, 0, "done: 2 steps");
    run_finish(&r);
    same_group(good, out, "checkpoint.h5", "/parameters");
    same_group(good, out, "checkpoint.h5", "/optimizer");
    free(out);
    free(good);
}

static void stops_with_what_was_before(void **state)
{
    const fixture *f = *state;
    stops(f, 0, "reproducible=false", "began: input image, 1 of 12288 values; ");
    stops(f, 2, "reproducible=false", "began: rank 1, input image, 1 of 6144 values; ");
    stops(f, 0, "reproducible=true", "began: input image, 1 of 3072 values; ");
    stops(f, 2, "reproducible=true", "began: rank 1, input image, 1 of 3072 values; ");
}

/* The bad step comes once per epoch. With micro-batches, the whole step is left out. */
static void leaves_a_step_out(void **state)
{
    const fixture *f = *state;
    for (int ranks = 0; ranks < 3; ranks += 2)
        for (int micros = 1; micros < 3; micros++) {
            char *out = px_format("%s/skip-%d-%d", f->folder, ranks, micros);
            run_result r = TRAIN(out, ranks, BAD, "nonfinite=skip", micros > 1 ? "accumulate=2" : "accumulate=1");
            expect(&r, 0, "is left out: the loss is not finite; where it began: ");
            expect(&r, 0, "3 of these steps were left out");
            assert_int_equal(count(r.err, "is left out: "), EPOCHS);
            run_finish(&r);
            assert_true(sum_of(out, "/train/skipped", PER_EPOCH * EPOCHS) == EPOCHS);
            array loss = read_array(out, "run.h5", "/train/loss");
            for (int i = 0; i < loss.count; i++)
                assert_int_equal(!isfinite(loss.data[i]), i % PER_EPOCH == 2);
            free(loss.data);
            free(out);
        }
}

static void gives_up_after_ten(void **state)
{
    const fixture *f = *state;
    for (int ranks = 0; ranks < 3; ranks += 2) {
        char *out = px_format("%s/ten-%d", f->folder, ranks);
        run_result r = TRAIN(out, ranks, "all", "nonfinite=skip");
        expect(&r, PX_DIVERGED,
               "step 11 of 18: the loss is not finite, with 10 left out just before it; where it began: ");
        expect(&r, PX_DIVERGED, "; checkpoint.h5 is from before this step; ");
        assert_int_equal(count(r.err, "is left out: "), 10);
        assert_null(strstr(r.err, "nonfinite=skip leaves"));
        run_finish(&r);
        assert_true(sum_of(out, "/train/skipped", 10) == 10);
        free(out);
    }
}

/* The rate is so large that the weights grow by two orders of magnitude in each step. */
static void diverges(void **state)
{
    const fixture *f = *state;
    for (int ranks = 0; ranks < 3; ranks += 2)
        for (int skip = 0; skip < 2; skip++) {
            char *out = px_format("%s/huge-%d-%d", f->folder, ranks, skip);
            run_result r = TRAIN(out, ranks, "", "epochs=30", "optim.lr=1000", "optim.weight_decay=0.1",
                                 skip ? "nonfinite=skip" : "nonfinite=stop");
            expect(&r, PX_DIVERGED, " is not finite");
            expect(&r, PX_DIVERGED, "; where it began: ");
            assert_true(strstr(r.err, "; checkpoint.h5 is from before this step; ") ||
                        strstr(r.err, "; there is no checkpoint yet; "));
            run_finish(&r);
            free(out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stops_with_what_was_before),
                                       cmocka_unit_test(leaves_a_step_out), cmocka_unit_test(gives_up_after_ten),
                                       cmocka_unit_test(diverges)};
    return cmocka_run_group_tests_name("nonfinite", tests, set_up, tear_down);
}
