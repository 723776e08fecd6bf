/* test_elsewhere.c - what people do with a run beside the usual: probe it from another folder, without a test split, with
 * labels that begin at 1; read the split of its features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "graph/plan.h"
#include "make_set.h"
#include "results/h5.h"
#include "run.h"
#include "run_files.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES = 48, SIDE = 16 };

/* A data set in the current folder, only with a split train or also with `test`; labels are from 1 to 3. `mean`: what it
 * says of its pixels, which are always the same. */
static void make(const char *name, bool test, float mean)
{
    static const char *const classes[] = {"0", "1", "2", "3"}, *const splits[] = {"train", "test"};
    int32_t labels[IMAGES];
    uint8_t split[IMAGES];
    set_spec all = {.count = IMAGES, .side = SIDE, .channels = 3, .classes = 3};
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = 1 + i % 3;
        split[i] = test && i >= IMAGES / 2;
    }
    px_pack_about about = {.labels = labels,
                           .split = split,
                           .class_names = classes,
                           .classes = 4,
                           .split_names = splits,
                           .splits = test ? 2 : 1,
                           .mean = {mean, mean, mean},
                           .std = {0.25f, 0.25f, 0.25f},
                           .source = "a test"};
    px_pack_file f;
    uint8_t *pixels = draw_all(&all);
    PX_CHECK(px_pack_file_create(&f, &(px_pack_shape){IMAGES, SIDE, SIDE, 3, 8, 0}, name) == 0);
    PX_CHECK(px_pack_file_write(&f, 0, IMAGES, pixels) == 0);
    PX_CHECK(px_pack_file_finish(&f, &about) == 0);
    free(pixels);
}

static void check(run_result r, int status, const char *says)
{
    if (r.status != status || !(strstr(r.err, says) || strstr(r.out, says)))
        fail_msg("status %d, not %d with '%s': %s%s", r.status, status, says, r.err, r.out);
    run_finish(&r);
}

static int set_up(void **state)
{
    char *folder = run_folder_create();
    PX_CHECK(chdir(folder) == 0);
    make("d.h5", false, 0.5f);
    make("t.h5", true, 0.5f);
    make("dark.h5", false, 0.1f);
    check(RUN("pretrain", "data.path=d.h5", "out=r", "batch=8", "epochs=1", "optim.warmup_epochs=0",
              "resnet.width=0.125", "data.normalize=dataset"),
          0, "probe with holdout=0.1 holds some of its images out");
    PX_CHECK(mkdir("elsewhere", 0777) == 0);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    PX_CHECK(chdir("/") == 0);
    run_folder_remove(*state);
    return 0;
}

static void a_relative_path(void **state)
{
    (void)state;
    PX_CHECK(chdir("elsewhere") == 0);
    check(RUN("features", "../r", "out=f.h5"), 0, "data.path=d.h5 is taken from ");
    check(RUN("probe", "../r", "protocol=knn", "test_split=train", "embed=0"), 0, "top-1");
    check(RUN("pretrain", "--resume", "out=../r", "epochs=2"), 0, "data.path=d.h5 is taken from ");
    check(RUN("probe", "../r", "data.path=d.h5", "protocol=knn", "test_split=train"), 3, "d.h5: cannot be opened");
    PX_CHECK(chdir("..") == 0);
}

static void no_test_split(void **state)
{
    (void)state;
    check(RUN("probe", "r", "embed=0"), 3,
          "has no split \"val\" for test_split; it has: train; test_split= names another, holdout=0.1 holds a tenth of "
          "train out");
    check(RUN("probe", "r", "embed=0", "holdout=0.25", "linear.epochs=2"), 0, "top-1");
    check(RUN("probe", "r", "embed=0", "holdout=0.25", "protocol=knn"), 0, "top-1");
    check(RUN("probe", "r", "holdout=0.25", "test_split=train"), 2,
          "the test is either a split or held out of train_split");
    check(RUN("probe", "r", "holdout=1"), 2, "holdout");
}

static double number(const char *name)
{
    array a = read_array("r", "run.h5", name);
    double first = a.data[0];
    assert_true(a.count > 0);
    free(a.data);
    return first;
}

/* What the run's results say that a group measures. A new string. */
static char *measured_of(const char *group)
{
    px_results *r;
    char *text = NULL;
    assert_int_equal(px_results_open(&r, "r/run.h5", PX_RESULTS_READ), 0);
    assert_int_equal(px_results_get_attribute_text(r, group, "measured", &text), 0);
    px_results_close(r);
    return text;
}

static void expect_measured(const char *group, const char *line)
{
    char *text = measured_of(group);
    if (!strstr(text, line))
        fail_msg("%s: no '%s' in\n%s", group, line, text);
    free(text);
}

/* A probe of the training split warns, and does not replace that of the test split; neither do other settings. */
static void other_measurements_stand_beside(void **state)
{
    (void)state;
    check(RUN("probe", "r", "data.path=t.h5", "linear.epochs=2"), 0, "top-1");
    double top1 = number("/eval/linear/pretrained/top1");
    check(RUN("probe", "r", "data.path=t.h5", "linear.epochs=2", "test_split=train"), 0,
          "test_split=train is what the probe learns from");
    check(RUN("probe", "r", "data.path=t.h5", "linear.epochs=3"), 0, "top-1");
    assert_true(number("/eval/linear/pretrained@1/top1") == top1);
    expect_measured("/eval/linear/pretrained@1", "data = t.h5\n");
    expect_measured("/eval/linear/pretrained@1", "train = train, 24 images\ntest = test, 24 images\n");
    expect_measured("/eval/linear/pretrained@2", "test = train, 24 images\n");
    expect_measured("/eval/linear/pretrained", "linear.epochs = 3\n");
    expect_measured("/eval/linear/pretrained", "weights = checkpoint\nweights_step = ");
    expect_measured("/eval/linear/pretrained", "\nweights_normalize = "); /* it belongs to the network, ... */
    expect_measured("/eval/spectrum/pretrained", "test = test, 24 images\n");
    check(RUN("show", "r"), 0, "tested on train, 24 images, linear.epochs=2");
    check(RUN("show", "r"), 0, "t.h5, learned from train, 24 images, tested on test, 24 images");
}

/* Kept features give the same numbers, and only those of the same network and images are taken. */
static void kept_features(void **state)
{
    (void)state;
    check(RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept"), 0, "top-1");
    double top1 = number("/eval/knn/pretrained/top1"), rank = number("/eval/spectrum/pretrained/rankme");
    check(RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept"), 0,
          "features of test: taken from kept/");
    assert_true(number("/eval/knn/pretrained/top1") == top1 && number("/eval/spectrum/pretrained/rankme") == rank);
    run_result other = RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept",
                           "data.image_size=24", "baselines=true");
    assert_null(strstr(other.err, "taken from"));
    check(other, 0, "untrained");
    expect_measured("/eval/knn/pixels", "\nnormalize = "); /* ... where there is one */
    run_result half =
        RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept", "features=bf16");
    assert_null(strstr(half.err, "taken from"));
    check(half, 0, "top-1");
    rank = number("/eval/spectrum/pretrained/rankme");
    check(RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept", "features=bf16"), 0,
          "features of test: taken from kept/");
    assert_true(number("/eval/spectrum/pretrained/rankme") == rank);
    expect_measured("/eval/knn/pretrained", "features = bf16\n");
    check(RUN("probe", "r", "data.path=t.h5", "protocol=knn", "embed=0", "store=t.h5"), 2, "t.h5");
    check(RUN("probe", "r", "data.path=t.h5", "layers=true", "store=kept"), 2, "does not go together with layers=true");
}

/* What a network computes in bf16 is near, the same on any number of ranks, and no measurement in fp32. */
static void in_bf16(void **state)
{
    (void)state;
    run_result r = RUN("features", "r", "data.path=t.h5", "batch=8", "precision=bf16", "out=bf16.h5");
    if (!px_bf16_native()) {
        check(r, 2, "precision = bf16");
        print_message("skipped: this processor has no bf16 instructions\n");
        skip();
    }
    check(r, 0, "");
    check(RUN_RANKS(2, "features", "r", "data.path=t.h5", "batch=8", "precision=auto", "out=ranks.h5"), 0, "");
    check(RUN("features", "r", "data.path=t.h5", "out=fp32.h5"), 0, "");
    array half = read_array(".", "bf16.h5", "/features"), ranks = read_array(".", "ranks.h5", "/features"),
          exact = read_array(".", "fp32.h5", "/features");
    assert_int_equal(half.count, exact.count);
    assert_memory_equal(half.data, ranks.data, (size_t)half.count * sizeof half.data[0]);
    double difference = 0, length = 0;
    for (int64_t i = 0; i < half.count; i++) {
        difference += pow(half.data[i] - exact.data[i], 2);
        length += pow(exact.data[i], 2);
    }
    print_message("features in bf16: %.2g from fp32\n", sqrt(difference / length));
    assert_true(difference > 0 && sqrt(difference / length) < 3e-2); /* a network that has hardly learned */
    free(half.data);
    free(ranks.data);
    free(exact.data);
    r = RUN("probe", "r", "data.path=t.h5", "protocol=knn", "knn.k=3", "embed=0", "store=kept", "precision=bf16",
            "baselines=true");
    assert_null(strstr(r.err, "taken from"));
    check(r, 0, "top-1");
    expect_measured("/eval/knn/pretrained", "precision = bf16\n");
    expect_measured("/eval/knn/untrained", "precision = bf16\n");
    char *pixels = measured_of("/eval/knn/pixels");
    assert_null(strstr(pixels, "precision"));
    free(pixels);
}

/* What was held out is tested beside a test split, not in its place. */
static void a_holdout_beside_a_test(void **state)
{
    (void)state;
    check(RUN("probe", "r", "data.path=t.h5", "linear.epochs=2"), 0, "top-1");
    double top1 = number("/eval/linear/pretrained/top1"), rank = number("/eval/spectrum/pretrained/rankme"),
           place = number("/eval/embedding/xy");
    check(RUN("probe", "r", "holdout=0.25", "linear.epochs=2", "baselines=true"), 0, "top-1");
    assert_true(number("/eval/linear/pretrained/top1") == top1);
    assert_true(number("/eval/spectrum/pretrained/rankme") == rank);
    assert_true(number("/eval/embedding/xy") == place);
    number("/eval/linear/pretrained_holdout/top1");
    number("/eval/linear/untrained_holdout/top1");
    number("/eval/linear/pixels_holdout/top1");
    number("/eval/spectrum/pretrained_holdout/rankme");
    check(RUN("show", "r"), 0, "pretrained_holdout");
}

/* A network that learned with its data set's mean needs that for other images, too. */
static void the_numbers_of_pixels_travel(void **state)
{
    (void)state;
    check(RUN("features", "r", "out=own.h5"), 0, "");
    check(RUN("features", "r", "data.path=dark.h5", "out=dark_features.h5"), 0,
          "pixels are normalized by the numbers that the run was trained with; ");
    check(RUN("features", "r", "data.path=dark.h5", "data.normalize=dataset", "out=other.h5"), 0, "");
    array own = read_array(".", "own.h5", "/features"), dark = read_array(".", "dark_features.h5", "/features"),
          other = read_array(".", "other.h5", "/features");
    size_t bytes = (size_t)own.count * sizeof own.data[0];
    assert_int_equal(own.count, dark.count);
    assert_memory_equal(own.data, dark.data, bytes);
    assert_memory_not_equal(own.data, other.data, bytes);
    free(own.data);
    free(dark.data);
    free(other.data);
    check(RUN("probe", "r", "data.path=dark.h5", "holdout=0.25", "protocol=knn", "embed=0"), 0,
          "the numbers that the run was trained with");
}

/* Whether the run's settings are its own or come from a file. */
static void the_numbers_of_pixels_stay(void **state)
{
    (void)state;
    static const char text[] =
        "data: { path = \"d.h5\"; normalize = \"dataset\"; }; out = \"stays\"; batch = 8; epochs = 1.0;\n"
        "optim: { warmup_epochs = 0.0; }; resnet: { width = 0.125; };\n",
                      kept[] = "pixels are normalized by the numbers that the run was trained with; ";
    free(write_file(".", "stays.cfg", text, sizeof text - 1));
    check(RUN("pretrain", "stays.cfg"), 0, "done: 6 steps");
    check(RUN("pretrain", "stays.cfg", "--resume", "data.path=dark.h5", "epochs=2"), 0, kept);
    array mean = read_array("stays", "checkpoint.h5", "/moments/mean");
    assert_true(fabs(mean.data[0] - 0.5) < 1e-6);
    free(mean.data);
    check(RUN("pretrain", "--resume", "out=stays", "data.path=dark.h5", "epochs=3"), 0, "done: ");
    mean = read_array("stays", "checkpoint.h5", "/moments/mean");
    assert_true(fabs(mean.data[0] - 0.5) < 1e-6);
    free(mean.data);
    check(RUN("pretrain", "stays.cfg", "--resume", "data.path=dark.h5", "data.normalize=dataset", "epochs=4"), 0,
          "done: ");
    mean = read_array("stays", "checkpoint.h5", "/moments/mean");
    assert_true(fabs(mean.data[0] - 0.1) < 1e-6);
    free(mean.data);
}

/* A run's backbone is what it is, but its features can be pooled otherwise. */
static void settings_of_the_backbone(void **state)
{
    (void)state;
    check(RUN("probe", "r", "holdout=0.25", "resnet.max_pool=yes"), 2,
          "r: is a run with resnet.max_pool = \"no\" and cannot go on with \"yes\"; ");
    check(RUN("features", "r", "resnet.width=0.25", "out=no.h5"), 2, "is a run with resnet.width = 0.125 and cannot");
    check(RUN("probe", "r", "holdout=0.25", "backbone=resnet34"), 2, "is a run with backbone=resnet18 and cannot");
    check(RUN("pretrain", "data.path=d.h5", "out=m", "method=mae", "backbone=vit_tiny_8", "batch=8", "epochs=0.2",
              "optim.warmup_epochs=0"),
          0, "mae on vit_tiny_8");
    check(RUN("features", "m", "out=cls.h5", "vit.pool=cls"), 0, "");
    check(RUN("features", "m", "out=mean.h5", "vit.pool=mean"), 0, "");
    check(RUN("features", "m", "out=no.h5", "vit.heads=6"), 2, "cannot go on with 6; ");
    check(RUN("probe", "m", "vit.pool=mean", "holdout=0.25", "protocol=knn", "embed=0"), 0, "top-1");
    check(RUN("probe", "m", "vit.pool=cls", "holdout=0.25", "protocol=knn", "embed=0"), 0, "top-1");
    check(RUN("show", "m"), 0, "pool cls");
    array cls = read_array(".", "cls.h5", "/features"), mean = read_array(".", "mean.h5", "/features");
    assert_memory_not_equal(cls.data, mean.data, (size_t)cls.count * sizeof cls.data[0]);
    free(cls.data);
    free(mean.data);
}

static void labels_from_one(void **state)
{
    (void)state;
    check(RUN("probe", "r", "data.path=t.h5", "embed=0", "linear.epochs=2"), 0, "top-1");
}

static void the_split_of_features(void **state)
{
    (void)state;
    check(RUN("features", "r", "data.path=t.h5", "out=t_features.h5"), 0, "");
    uint8_t split[IMAGES];
    hid_t file = H5Fopen("t_features.h5", H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "split", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, split) >= 0);
    for (int i = 0; i < IMAGES; i++)
        assert_int_equal(split[i], i >= IMAGES / 2);
    assert_true(H5Aexists(file, "split_names") > 0);
    H5Dclose(set);
    H5Fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_relative_path),
                                       cmocka_unit_test(no_test_split),
                                       cmocka_unit_test(other_measurements_stand_beside),
                                       cmocka_unit_test(kept_features),
                                       cmocka_unit_test(in_bf16),
                                       cmocka_unit_test(a_holdout_beside_a_test),
                                       cmocka_unit_test(the_numbers_of_pixels_travel),
                                       cmocka_unit_test(the_numbers_of_pixels_stay),
                                       cmocka_unit_test(settings_of_the_backbone),
                                       cmocka_unit_test(labels_from_one),
                                       cmocka_unit_test(the_split_of_features)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
