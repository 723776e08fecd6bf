/* test_validate.c - the average of weights (supervised.ema) against a second formulation over ten steps; accuracy on a validation
 * split while training, against an encoder's features and the stored linear layer; both the same bits on one rank and two, and
 * after an interruption; what is probed and exported; what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/extract.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"
#include "train/checkpoint.h"
#include "train/saved.h"
#include "train/session.h"
#include "train/validate.h"

#include <hdf5.h>
#include <unistd.h>

enum { IMAGES = 640, TEST = 160, STEPS = 20 }; /* a validation takes two batches, which two ranks share */

#define TINY                                                                                                           \
    "method=supervised", "resnet.width=0.125", "data.path=d.h5", "batch=48", "epochs=2", "optim.lr=0.02",              \
        "optim.warmup_epochs=0", "data.workers=1", "supervised.ema=0.9"
#define WATCHED "validate_epochs=0.5", "validate_split=test"

/* In the current folder: d.h5; u.h5, whose split test has no labels; run, which was trained on one rank. */
static void forget_labels(void)
{
    hid_t file = H5Fopen("u.h5", H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, "labels", H5P_DEFAULT);
    int32_t label[IMAGES];
    PX_CHECK(H5Dread(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, label) >= 0);
    label[IMAGES - 1] = -1;
    PX_CHECK(H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, label) >= 0);
    H5Dclose(set);
    H5Fclose(file);
}

static run_result train(int ranks, const char *out, const char *threads, const char *more)
{
    return RUN_RANKS(ranks, "pretrain", TINY, WATCHED, "reproducible=true", "shards=2", "time_limit=0", out, threads,
                     more);
}

static void train_well(int ranks, const char *out, const char *threads, const char *more, int status, const char *says)
{
    run_result r = train(ranks, out, threads, more);
    if (r.status != status || !strstr(r.err, says))
        fail_msg("status %d instead of %d, or not '%s': %s", r.status, status, says, r.err);
    run_finish(&r);
}

static int setup(void **state)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0)
        return -1;
    const set_spec spec = {.count = IMAGES, .side = 16, .channels = 3, .classes = 4};
    free(make_set(".", "d.h5", &spec));
    free(make_set(".", "u.h5", &spec));
    forget_labels();
    return 0;
}

/* ---- the average ---- */

/* The numbers of parameter or state i. */
static float *numbers(const px_model *m, int i, int64_t *count)
{
    *count = px_shape_count(px_graph_param(m->graph, i)->value->shape);
    float *x = px_aligned_calloc((size_t)*count * sizeof x[0]);
    px_plan_get_param(m->plan, i, x);
    return x;
}

/* Moves the averages by the formula, in double; returns how many parameters and states there are. */
static int move(const px_model *m, double momentum, double **average)
{
    int moved = 0;
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        int64_t n;
        if (p->leader < 0)
            continue;
        float *leader = numbers(m, p->leader, &n);
        if (!average[i]) {
            average[i] = px_calloc((size_t)n, sizeof average[i][0]);
            momentum = 0;
        }
        for (int64_t k = 0; k < n; k++)
            average[i][k] = momentum * average[i][k] + (1 - momentum) * (double)leader[k];
        free(leader);
        moved++;
    }
    return moved;
}

static double furthest(const px_model *m, double **average)
{
    double most = 0;
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        int64_t n;
        float *own = numbers(m, i, &n);
        for (int64_t k = 0; k < n && average[i]; k++)
            most = fmax(most, fabs((double)own[k] - average[i][k]));
        free(own);
    }
    return most;
}

static void average_follows_its_formula(void **state)
{
    (void)state;
    const char *given[] = {TINY, "threads=1"};
    px_settings settings;
    px_session s;
    px_comm self = px_comm_self();
    assert_int_equal(px_settings_load(&settings, NULL, given, sizeof given / sizeof *given), 0);
    if (px_session_create(&s, &settings, &self, NULL) != 0 || px_session_load(&s, 0) != 0)
        fail_msg("%s", px_error());
    int count = px_graph_params(s.model->graph);
    double **average = px_calloc((size_t)count, sizeof average[0]);
    assert_int_equal(2 * move(s.model, 0.9, average), count); /* all have one: running statistics, the linear layer */
    assert_true(furthest(s.model, average) == 0);
    double *first = average[count - 1], before = first[0];
    for (int step = 0; step < 10; step++) {
        double votes[PX_VOTES] = {0};
        assert_int_equal(px_session_gradients(&s, step, votes), 0);
        assert_true(isfinite(px_session_update(&s, 0.02)));
        move(s.model, 0.9, average);
    }
    print_message("largest difference after ten steps: %.2g\n", furthest(s.model, average));
    assert_true(furthest(s.model, average) < 1e-5);
    assert_true(fabs(first[0] - before) > 1e-4); /* it has moved */
    for (int i = 0; i < count; i++)
        free(average[i]);
    free(average);
    px_session_finish(&s);
    px_settings_finish(&settings);
}

/* ---- the accuracy ---- */

/* Share of the test images that the stored linear layer gets right, of features that an encoder makes of them. */
static double accuracy_of(const char *net, const char *weight, const char *bias)
{
    px_log log = px_log_make(stderr, true);
    px_comm self = px_comm_self();
    px_settings s;
    px_dataset *data;
    px_task task;
    px_model m;
    px_checkpoint saved;
    px_extraction e;
    assert_int_equal(px_saved_settings(&s, "run", NULL, 0, &log), 0);
    assert_int_equal(px_dataset_open(&data, "d.h5", PX_LINKS_REFUSED), 0);
    assert_int_equal(px_task_make(&task, &s, data, NULL, 32, 1), 0);
    px_encoder_spec spec = {.batch = 32, .views = 1, .size = task.image_size};
    assert_int_equal(px_model_encoder(&m, &s, &task, &spec), 0);
    m.net = net;
    assert_int_equal(px_checkpoint_load("run", &m, NULL, &saved, &log), 0);
    px_extract_spec from = {.task = &task, .data = data, .workers = 1, .comm = &self, .log = &log};
    assert_int_equal(px_extract(&e, &from, &m, px_dataset_split(data, "test")), 0);
    array w = read_array("run", "checkpoint.h5", weight), b = read_array("run", "checkpoint.h5", bias);
    px_features f = px_extraction_features(&e, 0, task.classes);
    int right = 0;
    assert_int_equal(f.count, TEST);
    for (int64_t i = 0; i < f.count; i++) {
        double best = -INFINITY;
        int chosen = -1;
        for (int k = 0; k < task.classes; k++) {
            double logit = b.data[k];
            for (int j = 0; j < f.width; j++)
                logit += w.data[k * f.width + j] * (double)f.x[i * f.width + j];
            chosen = logit > best ? k : chosen;
            best = fmax(best, logit);
        }
        right += chosen == f.label[i];
    }
    free(w.data);
    free(b.data);
    px_extraction_finish(&e);
    px_checkpoint_finish(&saved);
    px_model_finish(&m);
    px_dataset_close(data);
    px_settings_finish(&s);
    return right / (double)TEST;
}

static void accuracy_is_that_of_the_stored_weights(void **state)
{
    (void)state;
    train_well(0, "out=run", "threads=2", NULL, 0, " validation ");
    array own = read_array("run", "run.h5", "/train/val_accuracy"),
          average = read_array("run", "run.h5", "/train/val_accuracy_average"),
          seconds = read_array("run", "run.h5", "/train/val_seconds");
    assert_int_equal(own.count, STEPS);
    for (int i = 0; i < STEPS; i++) { /* one after every fifth step, which stands until the next */
        assert_int_equal(isfinite(own.data[i]), i >= 4);
        if (i >= 5 && (i + 1) % 5)
            assert_true(own.data[i] == own.data[i - 1] && average.data[i] == average.data[i - 1]);
    }
    assert_true(seconds.data[STEPS - 1] > 0);
    print_message("%.1f %%, of the average %.1f %%\n", 100 * own.data[STEPS - 1], 100 * average.data[STEPS - 1]);
    assert_true(own.data[STEPS - 1] == accuracy_of("", "/parameters/fc.weight", "/parameters/fc.bias"));
    assert_true(average.data[STEPS - 1] == accuracy_of("ema", "/parameters/ema.fc.weight", "/parameters/ema.fc.bias"));
    free(own.data);
    free(average.data);
    free(seconds.data);
    run_result r = RUN("show", "run");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "val_accuracy_average"));
    run_finish(&r);
}

/* ---- ranks, interruptions ---- */

static void the_same_on_two_ranks_and_in_pieces(void **state)
{
    (void)state;
    train_well(2, "out=two", "threads=1", NULL, 0, " of the average (ema) ");
    same_run("run", "two", STEPS);
    train_well(2, "out=pieces", "threads=1", "time_limit=0.00001", 75, "to continue");
    train_well(0, "out=pieces", "threads=1", "--resume", 0, "resumed at step ");
    same_run("run", "pieces", STEPS);
}

/* ---- what is read ---- */

static void the_average_is_what_is_read(void **state)
{
    (void)state;
    static const char *const nets[] = {"net=", "net=ema", "net=trained"};
    content written[3];
    for (int i = 0; i < 3; i++) {
        char *out = px_format("out=%d.safetensors", i), *name = px_format("%d.safetensors", i);
        run_result r = RUN("export", "run", nets[i], out);
        if (r.status != 0)
            fail_msg("%s", r.err);
        run_finish(&r);
        written[i] = read_content(".", name);
        free(out);
        free(name);
    }
    assert_int_equal(written[0].size, written[1].size);
    assert_memory_equal(written[0].bytes, written[1].bytes, (size_t)written[0].size);
    assert_int_equal(written[0].size, written[2].size);
    assert_int_not_equal(memcmp(written[0].bytes, written[2].bytes, (size_t)written[0].size), 0);
    for (int i = 0; i < 3; i++)
        free(written[i].bytes);
}

/* ---- what cannot be ---- */

static void refuses_what_cannot_be_validated(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *method, *data, *split, *more, *error;
    } cases[] = {
        {2, "method=simclr", "data.path=d.h5", "validate_split=test", "validate_epochs=1",
         "validate_epochs = 1: method simclr learns no classes"},
        {2, "method=supervised", "data.path=d.h5", "validate_split=train", "validate_epochs=1",
         "validate_split = train is the split that is trained on"},
        {3, "method=supervised", "data.path=d.h5", "validate_split=val", "validate_epochs=1",
         "d.h5: has no split \"val\" for validate_split; it has: train, test"},
        {2, "method=supervised", "data.path=u.h5", "validate_split=test", "validate_epochs=1",
         "validate_split = test: some of its images have no label"},
        {2, "method=supervised", "data.path=d.h5", "validate_split=test", "supervised.ema=1", "supervised.ema"},
        {2, "method=supervised", "data.path=d.h5", "validate_split=test", "validate_epochs=-1", "validate_epochs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("pretrain", "resnet.width=0.125", "batch=48", "threads=1", "out=bad", cases[i].method,
                           cases[i].data, cases[i].split, cases[i].more);
        if (r.status != cases[i].status || !strstr(r.err, cases[i].error) ||
            strchr(r.err, '\n') != r.err + strlen(r.err) - 1)
            fail_msg("status %d, or not '%s' in one line: %s", r.status, cases[i].error, r.err);
        run_finish(&r);
        assert_int_not_equal(access("bad", F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(average_follows_its_formula), cmocka_unit_test(accuracy_is_that_of_the_stored_weights),
        cmocka_unit_test(the_same_on_two_ranks_and_in_pieces), cmocka_unit_test(the_average_is_what_is_read),
        cmocka_unit_test(refuses_what_cannot_be_validated)};
    return cmocka_run_group_tests_name("validate", tests, setup, run_folder_leave);
}
