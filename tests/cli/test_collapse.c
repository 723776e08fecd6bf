/* test_collapse.c - an embedding that collapses is reported, in the log and in run.h5; a healthy one is not. The
 * measurements are the same on any number of ranks and micro-batches. (Resumed runs: test_resume.c, test_kills.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "faulty.h"
#include "same_run.h"

enum { STEPS = 180, LOOK = 9 }; /* a twentieth of the steps */

/* The method of faulty_plugin.c, with its fault "collapse", whose loss pulls all embeddings to one place, "misfit" or
 * "none". ranks 0: without mpirun. */
static run_result train(const fixture *f, const char *out, int ranks, const char *fault, const char *option,
                        const char *more)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    setenv("PRETEXT_FAULT", fault, 1);
    run_child c =
        run_start(ranks, (const char *const[]){"pretrain", "--plugin", f->plugin, "method=faulty", set_out, set_data,
                                               "resnet.width=0.125", "batch=16", "epochs=30", "data.workers=1",
                                               "optim.optimizer=sgd", "optim.lr=0.1", "optim.lr_scaling=none",
                                               "optim.warmup_epochs=0", option, more, NULL});
    run_result r = run_wait(&c);
    free(set_out);
    free(set_data);
    return r;
}

static void expect(const run_result *r, int status, const char *text)
{
    if (r->status != status || !strstr(r->err, text))
        fail_msg("status %d instead of %d, or not '%s': %s", r->status, status, text, r->err);
}

static void is_told(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/collapsed", f->folder);
    run_result r = train(f, out, 0, "collapse", NULL, NULL);
    expect(&r, 0, "warning: step ");
    expect(&r, 0, ": the embedding collapses: its deviation is ");
    expect(&r, 0, ", its effective rank 1");
    assert_null(strstr(strstr(r.err, "embedding collapses") + 1, "embedding collapses")); /* once */
    run_finish(&r);
    array deviation = read_array(out, "run.h5", "/train/embedding_deviation"),
          rank = read_array(out, "run.h5", "/train/embedding_rank"),
          collapsed = read_array(out, "run.h5", "/train/collapsed");
    assert_int_equal(deviation.count, STEPS);
    assert_true(deviation.data[0] > 0.05 && rank.data[0] > 1 && collapsed.data[0] == 0);
    assert_true(deviation.data[STEPS - 1] < 0.05 && rank.data[STEPS - 1] < 1.5 && collapsed.data[STEPS - 1] == 1);
    for (int i = 0; i < STEPS; i++) /* between looks the last values are repeated */
        assert_true(deviation.data[i] == deviation.data[i / LOOK * LOOK]);
    free(deviation.data);
    free(rank.data);
    free(collapsed.data);
    free(out);
}

/* Of a network that follows, in series of its own, which a resumed run continues. */
static void a_teachers_is_told(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/teacher", f->folder);
    run_result r = train(f, out, 0, "teacher", "epochs=20", NULL);
    expect(&r, 0, ": the teacher's embedding collapses: its deviation is ");
    assert_null(strstr(r.err, ": the embedding"));
    run_finish(&r);
    r = train(f, out, 2, "teacher", "epochs=30", "--resume");
    expect(&r, 0, "resumed");
    run_finish(&r);
    array deviation = read_array(out, "run.h5", "/train/teacher_deviation"),
          rank = read_array(out, "run.h5", "/train/teacher_rank"),
          collapsed = read_array(out, "run.h5", "/train/teacher_collapsed");
    assert_int_equal(deviation.count, STEPS);
    assert_true(deviation.data[0] > 0.05 && rank.data[0] > 1 && collapsed.data[0] == 0);
    assert_true(deviation.data[STEPS - 1] < 0.05 && rank.data[STEPS - 1] < 1.5 && collapsed.data[STEPS - 1] == 1);
    free(deviation.data);
    free(rank.data);
    free(collapsed.data);
    free(out);
}

static void a_misfit_is_refused(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/misfit", f->folder);
    run_result r = train(f, out, 0, "misfit", NULL, NULL);
    expect(&r, 2, "px_embedding needs a row for each of the batch's 16 images, not (16, ");
    run_finish(&r);
    free(out);
}

static void health_is_not(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/healthy", f->folder), *set_out = px_format("out=%s", out),
         *set_data = px_format("data.path=%s", f->data);
    run_result r = RUN("pretrain", set_out, set_data, "resnet.width=0.125", "batch=16", "epochs=10",
                       "optim.optimizer=adamw", "optim.lr=1e-3", "optim.warmup_epochs=1");
    expect(&r, 0, "done: 60 steps");
    assert_null(strstr(r.err, "embedding"));
    run_finish(&r);
    array deviation = read_array(out, "run.h5", "/train/embedding_deviation"),
          rank = read_array(out, "run.h5", "/train/embedding_rank"),
          collapsed = read_array(out, "run.h5", "/train/collapsed");
    assert_true(deviation.data[0] > 0.3 && deviation.data[0] <= 1);
    assert_true(rank.data[0] > 4 && rank.data[0] <= 16);
    assert_true(collapsed.data[59] == 0);
    free(deviation.data);
    free(rank.data);
    free(collapsed.data);
    free(out);
    free(set_out);
    free(set_data);
}

static const char *const looked[] = {"embedding_deviation", "embedding_rank", "embedding_alignment", "embedding_lidar"};
enum { DEVIATION, RANK, ALIGNMENT, LIDAR, LOOKED };

typedef struct look {
    double value[LOOKED];
} look;

/* The first step's look is at the embedding of the same weights and images. */
static look first_look(const fixture *f, int ranks, const char *option, const char *more)
{
    char *out = px_format("%s/look-%d-%s-%s", f->folder, ranks, option, more);
    run_result r = train(f, out, ranks, "views", option, more);
    assert_int_equal(r.status, 0);
    run_finish(&r);
    look l;
    for (int i = 0; i < LOOKED; i++) {
        char *name = px_format("/train/%s", looked[i]);
        array a = read_array(out, "run.h5", name);
        l.value[i] = a.data[0];
        free(a.data);
        free(name);
    }
    free(out);
    return l;
}

/* All rows of both views, whichever rank and micro-batch has them. */
static void any_ranks_see_the_same(void **state)
{
    const fixture *f = *state;
    static const char *const micros[] = {"accumulate=1", "accumulate=2"};
    for (int i = 0; i < 2; i++) {
        look one = first_look(f, 0, micros[i], "epochs=0.1"), two = first_look(f, 2, micros[i], "epochs=0.1");
        assert_true(one.value[DEVIATION] > 0.05 && one.value[RANK] > 2);
        assert_true(one.value[ALIGNMENT] > 0.001 && one.value[LIDAR] > 1);
        for (int k = 0; k < LOOKED; k++)
            assert_true(fabs(one.value[k] / two.value[k] - 1) < (k == LIDAR ? 1e-2 : 1e-4));
    }
    look one = first_look(f, 0, "reproducible=true", "epochs=0.1"),
         two = first_look(f, 2, "reproducible=true", "epochs=0.1");
    assert_memory_equal(&one, &two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_told), cmocka_unit_test(a_teachers_is_told),
                                       cmocka_unit_test(a_misfit_is_refused), cmocka_unit_test(health_is_not),
                                       cmocka_unit_test(any_ranks_see_the_same)};
    return cmocka_run_group_tests_name("collapse", tests, set_up, tear_down);
}
