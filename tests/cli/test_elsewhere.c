/* test_elsewhere.c - what people do with a run beside the usual: probe it from another folder, without a test split, with
 * labels that begin at 1; read the split of its features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "results/h5.h"
#include "run.h"

#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES = 48, SIDE = 16 };

/* d.h5 in the current folder, only with a split train: labels from 1 to 3, or without a test split's. */
static void make(const char *name, bool test)
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
                           .mean = {0.5f, 0.5f, 0.5f},
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
    make("d.h5", false);
    make("t.h5", true);
    check(RUN("pretrain", "data.path=d.h5", "out=r", "batch=8", "epochs=1", "optim.warmup_epochs=0",
              "resnet.width=0.125"),
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_relative_path), cmocka_unit_test(no_test_split),
                                       cmocka_unit_test(labels_from_one), cmocka_unit_test(the_split_of_features)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
