/* test_holdout.c - a test that is held out of a split: by class, the same each time, nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cli/make_set.h"
#include "../data/make_data.h"
#include "eval/holdout.h"

enum { CLASSES = 3 };

static void by_class(void **state)
{
    char *folder = *state,
         *path = make_set(folder, "d.h5", &(set_spec){.count = 80, .side = 8, .channels = 1, .classes = CLASSES});
    px_dataset *d;
    px_holdout h, again, other;
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    const px_split *train = px_dataset_split(d, "train"); /* 20 images of each class */
    assert_int_equal(px_holdout_make(&h, d, train, 0.2, 5), 0);
    assert_int_equal(px_holdout_make(&again, d, train, 0.2, 5), 0);
    assert_int_equal(px_holdout_make(&other, d, train, 0.2, 6), 0);
    assert_int_equal(h.held.count, 12);
    assert_int_equal(h.kept.count, train->count - 12);
    assert_memory_equal(h.held.index, again.held.index, 12 * sizeof(int64_t));
    assert_memory_not_equal(h.held.index, other.held.index, 12 * sizeof(int64_t));
    int of[CLASSES] = {0};
    int64_t kept = 0, held = 0;
    for (int64_t i = 0; i < h.held.count; i++)
        of[px_dataset_label(d, h.held.index[i])]++;
    for (int c = 0; c < CLASSES; c++)
        assert_int_equal(of[c], 4);
    for (int64_t i = 0; i < train->count; i++) /* both ascend, and together are the split */
        if (held < h.held.count && h.held.index[held] == train->index[i])
            held++;
        else
            assert_int_equal(h.kept.index[kept++], train->index[i]);
    assert_int_equal(kept, h.kept.count);
    px_holdout_finish(&h);
    px_holdout_finish(&again);
    px_holdout_finish(&other);
    px_dataset_close(d);
    free(path);
}

static void nothing_to_hold_out(void **state)
{
    char *folder = *state,
         *path = make_set(folder, "d.h5", &(set_spec){.count = 4, .side = 8, .channels = 1, .classes = 4});
    px_dataset *d;
    px_holdout h;
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    assert_int_equal(px_holdout_make(&h, d, px_dataset_split(d, "train"), 0.5, 0), -1);
    assert_non_null(strstr(px_error(), "nothing can be held out of the split train: no class has two images"));
    px_dataset_close(d);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(by_class, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(nothing_to_hold_out, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
