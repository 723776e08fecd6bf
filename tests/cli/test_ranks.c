/* test_ranks.c - the same global batch on 1, 2 and 4 ranks is the same training, with batch norm and negatives over
 * the global batch.
 *
 * Sums are added in another order, so single steps agree up to rounding. This is checked for the first steps, and again
 * for the steps after resuming on another number of ranks. The second of them begins with parameters that differ in their
 * last digits, which may flip one unit near zero: of 24 such steps three differed by 1e-4 to 3e-4, with other kernels, too.
 * Over many steps no two fp32 runs of a ReLU network stay so close, not even on one rank: a rounding difference flips some
 * units near zero, which changes the gradient by about the square root of their fraction. The difference settles near the
 * square of the relative change of weights per step, so the curve over 20 steps is compared at a small learning rate.
 * tests/train/mpi_ranks.c compares in double at a usual one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"
#include "same_run.h"

#include <sys/stat.h>

enum { STEPS = 20, MORE = 3 };

/* Largest difference of rows from..to-1, relative to the value. */
static double series_difference(const char *a, const char *b, const char *series, int from, int to)
{
    array x = read_array(a, "run.h5", series), y = read_array(b, "run.h5", series);
    double worst = 0;
    assert_true(x.count >= to && y.count >= to);
    for (int i = from; i < to; i++)
        worst = fmax(worst, fabs(x.data[i] - y.data[i]) / fabs(x.data[i]));
    free(x.data);
    free(y.data);
    return worst;
}

/* |a - b| / |a| over all parameters and running statistics, as one vector. */
static double parameter_difference(const char *a, const char *b)
{
    px_results *r = open_h5(a, "checkpoint.h5");
    char **names;
    int count, compared = 0;
    double apart = 0, whole = 0;
    assert_int_equal(px_results_list(r, "/parameters", &names, &count), 0);
    px_results_close(r);
    for (int i = 0; i < count; i++) {
        char *object = px_format("/parameters/%s", names[i]);
        array x = read_array(a, "checkpoint.h5", object), y = read_array(b, "checkpoint.h5", object);
        assert_int_equal(x.count, y.count);
        for (int64_t k = 0; k < x.count; k++) {
            apart += (x.data[k] - y.data[k]) * (x.data[k] - y.data[k]);
            whole += x.data[k] * x.data[k];
        }
        compared++;
        free(x.data);
        free(y.data);
        free(object);
        free(names[i]);
    }
    free(names);
    assert_true(compared > 100);
    return sqrt(apart / whole);
}

static void train(const char *out, const char *data, int ranks, int accumulate, int steps, bool resume)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", data),
         *set_epochs = px_format("epochs=%d", steps), *set_accumulate = px_format("accumulate=%d", accumulate);
    run_result r = RUN_RANKS(ranks, "pretrain", set_data, set_out, set_accumulate, set_epochs, "method=simclr",
                             "backbone=resnet18", "resnet.width=0.25", "batch=64", "data.limit=64",
                             "optim.optimizer=adamw", "optim.lr=4e-5", "optim.lr_scaling=none", "optim.warmup_epochs=1",
                             "data.workers=1", "simclr.area_min=0.5", "simclr.jitter=0.3", "simclr.gray=0.1",
                             "simclr.temperature=1", resume ? "--resume" : NULL);
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
    free(set_out);
    free(set_data);
    free(set_accumulate);
    free(set_epochs);
}

static void compare(const char *what, const char *a, const char *b, int from)
{
    double loss = series_difference(a, b, "/train/loss", from, from + 2),
           norm = series_difference(a, b, "/train/grad_norm", from, from + 1),
           next = series_difference(a, b, "/train/grad_norm", from + 1, from + 2);
    double curve = series_difference(a, b, "/train/loss", 0, STEPS),
           norms = series_difference(a, b, "/train/grad_norm", 0, STEPS);
    double parameters = parameter_difference(a, b);
    print_message("%s: steps %d, %d: loss %.1e, gradients %.1e, %.1e; all %d: loss %.1e, gradient %.1e; parameters in "
                  "the end %.1e\n",
                  what, from, from + 1, loss, norm, next, STEPS, curve, norms, parameters);
    assert_true(loss < 1e-6);
    assert_true(norm < 1e-5);
    assert_true(next < 2e-3);
    assert_true(curve < 1e-4);
    assert_true(norms < 0.1);
    assert_true(parameters < 1e-3);
}

/* Continues a run of one rank for MORE steps, on 1, 2 and 4 ranks. */
static void compare_resumed(const char *folder, const char *data, const char *from)
{
    char *alone = px_format("%s/again-1", folder);
    for (int ranks = 1; ranks < 5; ranks *= 2) {
        char *out = px_format("%s/again-%d", folder, ranks);
        assert_int_equal(mkdir(out, 0777), 0);
        copy_file(from, out, "run.h5");
        copy_file(from, out, "checkpoint.h5");
        train(out, data, ranks, 1, STEPS + MORE, true);
        if (ranks > 1)
            compare(strrchr(out, '/') + 1, alone, out, STEPS);
        free(out);
    }
    free(alone);
}

static void training_is_the_same(void **state)
{
    (void)state;
    char *folder = run_folder_create();
    char *data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 5});
    static const int cases[][2] = {{1, 1}, {2, 1}, {4, 1}, {1, 2}, {2, 2}}; /* ranks, micro-batches */
    for (int i = 0; i < 5; i++) {
        char *out = px_format("%s/%d-%d", folder, cases[i][0], cases[i][1]),
             *alone = px_format("%s/1-%d", folder, cases[i][1]);
        train(out, data, cases[i][0], cases[i][1], STEPS, false);
        if (cases[i][0] > 1)
            compare(strrchr(out, '/') + 1, alone, out, 0);
        free(out);
        free(alone);
    }
    char *first = px_format("%s/1-1", folder);
    compare_resumed(folder, data, first);
    free(first);
    free(data);
    run_folder_remove(folder);
}

/* Returns what the run says that the optimizer's state takes. */
static char *train_divided(const char *out, const char *data, const char *divide, const char *epochs)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", data);
    run_result r =
        RUN_RANKS(2, "pretrain", set_data, set_out, divide, epochs, "--resume", "method=simclr", "backbone=resnet18",
                  "resnet.width=0.25", "batch=32", "data.limit=32", "optim.optimizer=lamb", "optim.lr=1e-3",
                  "optim.schedule=constant", "optim.warmup_epochs=1", "optim.clip=1", "data.workers=1");
    const char *state = strstr(r.err, "optimizer's state ");
    if (r.status != 0 || !state)
        fail_msg("%s", r.err);
    char *said = px_format("%.*s", (int)strcspn(state, ",\n"), state);
    run_finish(&r);
    free(set_out);
    free(set_data);
    return said;
}

/* Whether ranks have a part each of the optimizer changes no bit, also if a run goes on otherwise than it began. */
static void a_divided_optimizer_is_the_same(void **state)
{
    (void)state;
    static const char *const divide[] = {"divide_optimizer=no", "divide_optimizer=yes"};
    char *folder = run_folder_create(), *whole = px_format("%s/whole", folder);
    char *data = make_set(folder, "d.h5", &(set_spec){.count = 48, .side = 16, .channels = 3, .classes = 5});
    free(train_divided(whole, data, divide[0], "epochs=4"));
    for (int i = 0; i < 2; i++) {
        char *out = px_format("%s/first %s", folder, divide[i]);
        char *first = train_divided(out, data, divide[i], "epochs=2"),
             *then = train_divided(out, data, divide[1 - i], "epochs=4");
        assert_string_not_equal(first, then);
        same_group(whole, out, "checkpoint.h5", "/parameters");
        same_group(whole, out, "checkpoint.h5", "/optimizer");
        free(first);
        free(then);
        free(out);
    }
    free(data);
    free(whole);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(training_is_the_same),
                                       cmocka_unit_test(a_divided_optimizer_is_the_same)};
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
