/* test_layers.c - probe and features on layers and patches: the same bits on any number of ranks, and the meaning of a
 * limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <sys/stat.h>

typedef struct fixture {
    char *folder, *run;
} fixture;

static void succeed(run_result r)
{
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

/* A run that was trained on 40 of 72 images. */
static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->run = px_format("%s/run", f->folder);
    char *data = make_set(f->folder, "d.h5", &(set_spec){.count = 96, .side = 32, .channels = 3, .classes = 4}),
         *set_data = px_format("data.path=%s", data), *out = px_format("out=%s", f->run);
    *state = f;
    succeed(RUN("pretrain", "method=relative_location", set_data, out, "epochs=1", "batch=8", "resnet.width=0.125",
                "relative_location.hidden=16", "optim.warmup_epochs=0", "data.limit=40"));
    free(data);
    free(set_data);
    free(out);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->run);
    free(f);
    return 0;
}

/* Copies the run, for another probe. */
static char *another(const fixture *f, const char *name)
{
    char *copy = px_format("%s/%s", f->folder, name);
    assert_int_equal(mkdir(copy, 0777), 0);
    copy_file(f->run, copy, "run.h5");
    copy_file(f->run, copy, "checkpoint.h5");
    return copy;
}

static void same(array a, array b, const char *what)
{
    assert_int_equal(a.count, b.count);
    for (int64_t i = 0; i < a.count; i++)
        if (a.data[i] != b.data[i])
            fail_msg("%s: element %lld is %g and %g", what, (long long)i, a.data[i], b.data[i]);
    free(a.data);
    free(b.data);
}

static void same_result(const char *a, const char *b, const char *object)
{
    same(read_array(a, "run.h5", object), read_array(b, "run.h5", object), object);
}

/* Batches of two images: each rank has several. */
static void probes_do_not_depend_on_ranks(void **state)
{
    const fixture *f = *state;
    char *run[4] = {0};
    for (int ranks = 1; ranks < 4; ranks++) {
        run[ranks] = another(f, ranks == 1 ? "one" : ranks == 2 ? "two" : "three");
        run_result r = RUN_RANKS(ranks, "probe", run[ranks], "layers=true", "baselines=true", "patches=9", "batch=18",
                                 "linear.epochs=3", "linear.rates=[0.1, 1]", "embed=0");
        if (r.status != 0)
            fail_msg("%s", r.err);
        for (int layer = 1; layer < 5; layer++) {
            char line[16];
            snprintf(line, sizeof line, "\n  layer%d ", layer);
            char *trained = strstr(r.out, line);
            assert_true(trained && strstr(trained + 1, line)); /* and the untrained twin's */
        }
        run_finish(&r);
    }
    static const char *const subjects[] = {"pretrained", "untrained"}, *const scores[] = {"top1", "top5",
                                                                                          "holdout_top1",
                                                                                          "chosen_rate"};
    for (int k = 0; k < 2 * 4; k++) {
        char *object = px_format("/eval/linear/%s/layers/%s", subjects[k / 4], scores[k % 4]);
        same_result(run[1], run[2], object);
        same_result(run[1], run[3], object);
        free(object);
    }
    same_result(run[1], run[3], "/eval/linear/pretrained/train_loss");
    same_result(run[1], run[3], "/eval/linear/pixels/train_loss");
    same_result(run[1], run[3], "/eval/linear/hog/train_loss");
    array last = read_array(run[1], "run.h5", "/eval/linear/pretrained/layers/top1"),
          whole = read_array(run[1], "run.h5", "/eval/linear/pretrained/top1"),
          width = read_array(run[1], "run.h5", "/eval/linear/pretrained/layers/width");
    assert_true(last.data[3] == whole.data[0]);
    for (int i = 0; i < 4; i++)
        assert_true(width.data[i] == 8 << i);
    free(last.data);
    free(whole.data);
    free(width.data);
    for (int ranks = 1; ranks < 4; ranks++)
        free(run[ranks]);
}

/* The settings are stored with the results. */
static void settings_are_kept(void **state)
{
    const fixture *f = *state;
    char *run = another(f, "settings"), *text;
    succeed(RUN("probe", run, "patches=9", "linear.epochs=1", "linear.rates=[1]", "embed=0"));
    px_results *r = open_h5(run, "run.h5");
    assert_int_equal(px_results_get_attribute_text(r, "/eval/linear/pretrained", "config", &text), 0);
    assert_true(strstr(text, "patches = 9;") && strstr(text, "patch_size = 16;") && strstr(text, "epochs = 1;"));
    assert_false(px_results_has(r, "/eval/linear/pretrained/layers"));
    px_results_close(r);
    free(text);
    free(run);
}

/* The first epoch's loss is log 4: heads begin at zero, and there is only one batch. */
static double second_loss(const char *run)
{
    array loss = read_array(run, "run.h5", "/eval/linear/pretrained/train_loss");
    double second = loss.data[1];
    free(loss.data);
    return second;
}

/* The run used 40 images; its probe uses all, unless a limit is given. */
static void a_limit_is_the_probes_own(void **state)
{
    const fixture *f = *state;
    char *run = another(f, "limit");
    static const char *const limits[] = {"data.split=train", "data.limit=72", "data.limit=40"};
    double loss[3];
    for (int i = 0; i < 3; i++) {
        succeed(RUN("probe", run, "linear.epochs=2", "linear.rates=[0.1]", "embed=0", limits[i]));
        loss[i] = second_loss(run);
    }
    assert_true(loss[0] == loss[1] && loss[0] != loss[2]);
    run_result r = RUN("probe", run, "data.limit=3"); /* rows 0, 24 and 48 are of class 0 */
    assert_int_equal(r.status, 3);
    assert_non_null(strstr(r.err, "class 1 has no training samples"));
    run_finish(&r);
    free(run);
}

static void write_features(const fixture *f, int ranks, const char *limit, const char *name)
{
    char *out = px_format("out=%s/%s", f->folder, name);
    succeed(RUN_RANKS(ranks, "features", f->run, "patches=9", out, limit));
    free(out);
}

/* Of 80 images each of three ranks has a batch of 28; of 20 two ranks have none. */
static void features_do_not_depend_on_ranks(void **state)
{
    const fixture *f = *state;
    static const char *const limits[] = {"data.limit=80", "data.limit=20"}, *const objects[] = {"/features", "/labels",
                                                                                                "/rows"};
    for (int k = 0; k < 2; k++) {
        write_features(f, 1, limits[k], "one.h5");
        write_features(f, 3, limits[k], "three.h5");
        for (int i = 0; i < 3; i++) {
            array alone = read_array(f->folder, "one.h5", objects[i]);
            assert_int_equal(alone.count, (k == 0 ? 80 : 20) * (i == 0 ? 64 : 1));
            same(alone, read_array(f->folder, "three.h5", objects[i]), objects[i]);
        }
    }
    array rows = read_array(f->folder, "one.h5", "/rows");
    assert_true(rows.data[5] == 96 * 5 / 20);
    free(rows.data);
}

/* Images of 32 px: nine blocks of 36 numbers. */
static void baselines_do_not_depend_on_ranks(void **state)
{
    const fixture *f = *state;
    static const char *const names[] = {"one_hog.h5", "three_hog.h5"};
    for (int i = 0; i < 2; i++) {
        char *out = px_format("out=%s/%s", f->folder, names[i]), *data = px_format("data.path=%s/d.h5", f->folder);
        succeed(RUN_RANKS(i == 0 ? 1 : 3, "features", "hog", data, out, "threads=1"));
        free(out);
        free(data);
    }
    array alone = read_array(f->folder, names[0], "/features");
    double square = 0;
    for (int i = 0; i < 36; i++)
        square += alone.data[i] * alone.data[i];
    assert_true(fabs(square - 1) < 1e-5);
    same(alone, read_array(f->folder, names[1], "/features"), "/features");
}

static void a_baseline_has_no_network(void **state)
{
    const fixture *f = *state;
    char *data = px_format("data.path=%s/d.h5", f->folder), *out = px_format("out=%s/no.h5", f->folder);
    static const struct {
        const char *word, *message;
    } wrong[] = {{"net=teacher", "net: features of hog take the whole image and have no network"},
                 {"patches=9", "patches: features of hog take the whole image"},
                 {"hog_cell=20", "hog_cell = 20: images of "}};
    for (int i = 0; i < 3; i++) {
        run_result r = RUN("features", "hog", data, out, wrong[i].word);
        assert_int_equal(r.status, 2);
        if (!strstr(r.err, wrong[i].message))
            fail_msg("%s", r.err);
        run_finish(&r);
    }
    free(data);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_do_not_depend_on_ranks),    cmocka_unit_test(settings_are_kept),
        cmocka_unit_test(a_limit_is_the_probes_own),        cmocka_unit_test(features_do_not_depend_on_ranks),
        cmocka_unit_test(baselines_do_not_depend_on_ranks), cmocka_unit_test(a_baseline_has_no_network),
    };
    return cmocka_run_group_tests_name("layers", tests, set_up, tear_down);
}
