/* test_splits.c - few labels: the same images for everybody, a smaller share within a larger one; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>
#include <stdio.h>

#include "../cli/make_set.h"
#include "../data/make_data.h"
#include "data/fingerprint.h"
#include "eval/splits.h"

enum { CLASSES = 3 };

static px_dataset *open_set(const char *folder, int count, int classes)
{
    px_dataset *d;
    char *path = make_set(folder, "d.h5", &(set_spec){.count = count, .side = 8, .channels = 1, .classes = classes});
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    free(path);
    return d;
}

static px_eval_splits splits(const px_dataset *d, px_eval_splits_cfg cfg)
{
    px_eval_splits s;
    cfg.train = cfg.train ? cfg.train : "train";
    cfg.test = cfg.test ? cfg.test : "";
    if (px_eval_splits_make(&s, d, &cfg) != 0)
        fail_msg("%s", px_error());
    return s;
}

static bool holds(const px_split *s, int64_t row)
{
    for (int64_t i = 0; i < s->count; i++)
        if (s->index[i] == row)
            return true;
    return false;
}

static void few_labels(void **state)
{
    px_dataset *d = open_set(*state, 160, CLASSES); /* 120 to train, 40 of each class */
    px_eval_splits all = splits(d, (px_eval_splits_cfg){.seeds = 1}),
                   tenth = splits(d, (px_eval_splits_cfg){.labels = 0.1, .seeds = 1}),
                   half = splits(d, (px_eval_splits_cfg){.labels = 0.5, .seeds = 1}),
                   five = splits(d, (px_eval_splits_cfg){.labels = 5, .seeds = 1}),
                   other = splits(d, (px_eval_splits_cfg){.labels = 5, .labels_seed = 1, .seeds = 1}),
                   both = splits(d, (px_eval_splits_cfg){.labels = 5, .seeds = 2});
    assert_int_equal(all.train.count, 120);
    assert_int_equal(tenth.train.count, 12);
    assert_int_equal(half.train.count, 60);
    assert_int_equal(five.train.count, 15);
    assert_int_equal(five.subset_count, 15);
    assert_int_equal(all.test.count, 40);
    for (int64_t i = 0; i < tenth.train.count; i++)
        assert_true(holds(&half.train, tenth.train.index[i]) && holds(&five.train, tenth.train.index[i]));
    int of[CLASSES] = {0}, same = 0;
    for (int64_t i = 0; i < five.train.count; i++) {
        of[px_dataset_label(d, five.train.index[i])]++;
        same += holds(&other.train, five.train.index[i]);
    }
    assert_true(of[0] == 5 && of[1] == 5 && of[2] == 5 && same < 10);
    /* With two seeds both subsets are there, and each is what its seed alone draws. */
    assert_int_equal(both.subset_count, 15);
    int32_t *label = px_calloc((size_t)both.train.count, sizeof *label);
    for (int64_t i = 0; i < both.train.count; i++)
        label[i] = px_dataset_label(d, both.train.index[i]);
    for (int k = 0; k < 2; k++) {
        const px_split *alone = k ? &other.train : &five.train;
        int32_t *own = px_eval_splits_labels(&both, label, k);
        int64_t taken = 0;
        for (int64_t i = 0; i < both.train.count; i++) {
            assert_true(own[i] == (holds(alone, both.train.index[i]) ? label[i] : -1));
            taken += own[i] >= 0;
        }
        assert_int_equal(taken, 15);
        free(own);
    }
    free(label);
    px_eval_splits *made[] = {&all, &tenth, &half, &five, &other, &both};
    for (int i = 0; i < 6; i++)
        px_eval_splits_finish(made[i]);
    px_dataset_close(d);
}

/* Every third image has none: it is in no subset's rows, with labels= or without. */
static void rows_without_labels(void **state)
{
    px_dataset *d;
    px_split rows, test;
    char *path = make_set(*state, "d.h5", &(set_spec){.count = 160, .side = 8, .channels = 1, .classes = 4, .bare = 3});
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    px_eval_splits all = splits(d, (px_eval_splits_cfg){.seeds = 1}),
                   five = splits(d, (px_eval_splits_cfg){.labels = 5, .seeds = 2});
    int64_t *index = px_eval_splits_rows(&all, 0, &rows);
    assert_int_equal(all.train.count, 120);
    assert_int_equal(rows.count, 80);
    for (int64_t i = 0; i < rows.count; i++)
        assert_true(rows.index[i] % 3 != 2);
    free(index);
    index = px_eval_splits_rows(&five, 1, &rows);
    assert_int_equal(rows.count, 20);
    free(index);
    test = all.test;
    index = px_eval_splits_labelled(d, &test);
    assert_int_equal(test.count, 27); /* of 120 ... 159 not 122, 125, ..., 158 */
    free(index);
    px_eval_splits_finish(&all);
    px_eval_splits_finish(&five);
    px_dataset_close(d);
    free(path);
}

static void refuse(const px_dataset *d, px_eval_splits_cfg cfg, const char *says)
{
    px_eval_splits s;
    cfg.train = cfg.train ? cfg.train : "train";
    cfg.test = cfg.test ? cfg.test : "";
    assert_int_equal(px_eval_splits_make(&s, d, &cfg), -1);
    if (!strstr(px_error(), says))
        fail_msg("no '%s' in '%s'", says, px_error());
    px_eval_splits_finish(&s);
}

/* A protocol that learns nothing needs neither classes nor labels, unless the test is held out class by class. */
static void nothing_is_learned(void **state)
{
    px_dataset *d = open_set(*state, 160, 0);
    refuse(d, (px_eval_splits_cfg){.seeds = 1}, "has no classes to probe for");
    refuse(d, (px_eval_splits_cfg){.holdout = 0.1, .unlabelled = true, .seeds = 1}, "has no classes to probe for");
    refuse(d, (px_eval_splits_cfg){.no_training = true, .seeds = 1}, "has no classes to probe for");
    const px_eval_splits_cfg neither = {.labels = 0.1, .unlabelled = true, .no_training = true, .seeds = 1};
    px_eval_splits s = splits(d, neither);
    assert_int_equal(s.test.count, 40);
    assert_null(s.subsets);
    px_eval_splits_finish(&s);
    px_dataset_close(d);
    d = open_set(*state, 160, CLASSES); /* a protocol that learns nothing, but compares with the classes */
    s = splits(d, (px_eval_splits_cfg){.labels = 0.1, .no_training = true, .seeds = 1});
    assert_null(s.subsets);
    px_eval_splits_finish(&s);
    px_dataset_close(d);
}

static void bad_input(void **state)
{
    px_dataset *d = open_set(*state, 160, CLASSES);
    refuse(d, (px_eval_splits_cfg){.labels = 41, .seeds = 1},
           "labels = 41, but the class a of the split train has only 40 images");
    refuse(d, (px_eval_splits_cfg){.labels = 2.5, .seeds = 1}, "labels = 2.5 is neither a share");
    refuse(d, (px_eval_splits_cfg){.test = "test", .holdout = 0.1, .seeds = 1},
           "the test is either a split or held out");
    refuse(d, (px_eval_splits_cfg){.test = "tset", .seeds = 1}, "tset");
    px_dataset_close(d);
}

/* One pixel of the test's last image: labels and the training images' mean stay. */
static void change_last_image(const char *folder)
{
    char *path = px_format("%s/d.h5", folder);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "images", H5P_DEFAULT);
    off_t last = (off_t)(H5Dget_offset(set) + H5Dget_storage_size(set)) - 1;
    H5Dclose(set);
    H5Fclose(file);
    FILE *bytes = fopen(path, "r+b");
    assert_non_null(bytes);
    assert_int_equal(fseeko(bytes, last, SEEK_SET), 0);
    int value = fgetc(bytes);
    assert_int_equal(fseeko(bytes, last, SEEK_SET), 0);
    assert_int_equal(fputc(value ^ 1, bytes), value ^ 1);
    assert_int_equal(fclose(bytes), 0);
    free(path);
}

/* Another set of the same shape, or with other images, has another fingerprint, the same one the same. */
static void fingerprints(void **state)
{
    px_dataset *d = open_set(*state, 160, CLASSES);
    uint32_t first = px_dataset_fingerprint(d);
    px_dataset_close(d);
    d = open_set(*state, 160, CLASSES);
    assert_true(px_dataset_fingerprint(d) == first);
    px_dataset_close(d);
    change_last_image(*state);
    char *changed = px_format("%s/d.h5", (const char *)*state);
    assert_int_equal(px_dataset_open(&d, changed, PX_LINKS_REFUSED), 0);
    free(changed);
    assert_true(px_dataset_fingerprint(d) != first);
    px_dataset_close(d);
    d = open_set(*state, 160, CLASSES + 1);
    assert_true(px_dataset_fingerprint(d) != first);
    px_dataset_close(d);
    uint32_t file;
    assert_int_equal(px_file_fingerprint("/nowhere/a.pth", &file), -1);
    char *path = px_format("%s/f", (char *)*state);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fputs("123456789", out);
    fclose(out);
    assert_int_equal(px_file_fingerprint(path, &file), 0);
    assert_true(file == 0xcbf43926u); /* the check value of CRC-32 */
    free(path);
}

static int set_up(void **state)
{
    *state = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    remove_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(few_labels, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(rows_without_labels, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(nothing_is_learned, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(bad_input, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(fingerprints, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
