/* test_loader.c - the loader's batches are a pure function of (seed, step), for any number of workers and ranks and any
 * starting step; its failures and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "loader_scene.h"

static void any_number_of_workers(void **state)
{
    fixture *f = *state;
    px_loader_spec spec = spec_of(f, 8, 1);
    record one = record_make(&spec, 0, 11);
    assert_true(memcmp(view_of(&one, 0, 0, 0), view_of(&one, 0, 1, 0), IMAGE * sizeof(float)) != 0);
    for (int workers = 2; workers <= 3; workers++)
        for (int ahead = 1; ahead <= 5; ahead += 2) {
            spec.workers = workers;
            spec.ahead = ahead;
            record more = record_make(&spec, 0, 11);
            assert_part(&one, 0, 0, &more);
            record_free(&more);
        }
    record_free(&one);
    assert_int_equal(atomic_load(&f->unblocked), 0);
}

static void any_start(void **state)
{
    px_loader_spec spec = spec_of(*state, 8, 2);
    record whole = record_make(&spec, 0, 13);
    for (int start = 1; start < 10; start += 4) {
        record rest = record_make(&spec, start, 13 - start);
        assert_part(&whole, start, 0, &rest);
        record_free(&rest);
    }
    record_free(&whole);
}

static void any_number_of_ranks(void **state)
{
    px_loader_spec spec = spec_of(*state, 8, 2);
    record whole = record_make(&spec, 0, 6);
    for (int ranks = 2; ranks <= 4; ranks *= 2)
        for (int rank = 0; rank < ranks; rank++) {
            spec.batch = 8 / ranks;
            spec.first = rank * spec.batch;
            record part = record_make(&spec, 0, 6);
            assert_part(&whole, 0, (int)spec.first, &part);
            record_free(&part);
        }
    record_free(&whole);
}

static void epochs(void **state)
{
    fixture *f = *state;
    px_loader_spec spec = spec_of(f, 8, 2);
    record r = record_make(&spec, 0, 12); /* 39 images: 4 steps per epoch, 7 left out */
    int same = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[IMAGES] = {0};
        for (int i = 0; i < 32; i++) {
            int64_t row = r.row[epoch * 32 + i];
            assert_true(row % 4 != 0);
            assert_int_equal(seen[row]++, 0);
            assert_int_equal(r.label[epoch * 32 + i], row % CLASSES);
            same += epoch > 0 && row == r.row[i];
        }
    }
    assert_true(same < 16);
    spec.seed = 12;
    record other = record_make(&spec, 0, 1);
    assert_memory_not_equal(other.row, r.row, 8 * sizeof *r.row);
    record_free(&other);
    record_free(&r);

    spec.global_batch = spec.batch = TRAIN; /* one step per epoch: several epochs are in progress at the same time */
    spec.ahead = 4;
    record all = record_make(&spec, 0, 9), last = record_make(&spec, 8, 1);
    assert_part(&all, 8, 0, &last);
    record_free(&all);
    record_free(&last);
}

static void one_pass(void **state)
{
    fixture *f = *state;
    const px_split *test = px_dataset_split(f->data, "test");
    for (int rank = 0; rank < 2; rank++) {
        px_loader_spec spec = spec_of(f, 4, 3);
        spec.split = test;
        spec.global_batch = 8;
        spec.first = 4 * rank;
        spec.shuffle = false;
        spec.keep_last = true;
        px_loader *l = NULL;
        assert_int_equal(px_loader_create(&l, &spec, 0), 0);
        assert_int_equal(px_loader_steps_per_epoch(l), 2); /* 14 images: 8, and 6 of 8 */
        for (int step = 0; step < 2; step++) {
            const px_batch *b = px_loader_next(l);
            assert_non_null(b);
            assert_int_equal(b->valid, step == 1 && rank == 1 ? 2 : 4);
            for (int i = 0; i < 4; i++) {
                int place = step * 8 + rank * 4 + i;
                assert_int_equal(b->row[i], test->index[place < TEST ? place : TEST - 1]);
                assert_int_equal(((const int32_t *)b->tensor[1])[i], b->row[i] % CLASSES);
            }
        }
        px_loader_destroy(l);
    }

    px_loader_spec spec = spec_of(f, 4, 1); /* fewer images than a global batch; none for this rank */
    spec.split = test;
    spec.global_batch = 32;
    spec.first = 28;
    spec.keep_last = true;
    spec.shuffle = false;
    px_loader *l = NULL;
    assert_int_equal(px_loader_create(&l, &spec, 0), 0);
    const px_batch *b = px_loader_next(l);
    assert_non_null(b);
    assert_int_equal(b->valid, 0);
    assert_int_equal(b->row[3], test->index[TEST - 1]);
    px_loader_destroy(l);
}

/* The caller's batch does not change while workers go on. */
static void held_batch(void **state)
{
    px_loader_spec spec = spec_of(*state, 8, 3);
    spec.ahead = 1;
    px_loader *l = NULL;
    assert_int_equal(px_loader_create(&l, &spec, 0), 0);
    static float copy[2 * 8 * IMAGE];
    for (int step = 0; step < 5; step++) {
        const px_batch *b = px_loader_next(l);
        assert_non_null(b);
        assert_int_equal((uintptr_t)b->tensor[0] % 64, 0);
        memcpy(copy, b->tensor[0], sizeof copy);
        usleep(3000);
        assert_memory_equal(copy, b->tensor[0], sizeof copy);
    }
    assert_true(px_loader_waited(l) > 0 && px_loader_waited(l) < 60);
    px_loader_destroy(l);
}

/* A millisecond of work, and another of sleep. */
static void make_slowly(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    (void)context, (void)rng, (void)image, (void)out;
    double start = px_thread_seconds();
    while (px_thread_seconds() - start < 1e-3)
        ;
    usleep(1000);
}

static void work_is_counted(void **state)
{
    px_loader_spec spec = spec_of(*state, 4, 2);
    spec.shuffle = false;
    spec.keep_last = true;
    spec.make = make_slowly;
    px_loader *l = NULL;
    assert_int_equal(px_loader_create(&l, &spec, 0), 0);
    int steps = (int)px_loader_steps_per_epoch(l), images = steps * 4;
    for (int step = 0; step < steps; step++)
        assert_non_null(px_loader_next(l));
    px_loader_work w = px_loader_worked(l);
    px_loader_destroy(l);
    assert_int_equal(w.images, images);
    assert_true(w.seconds >= 1e-3 * images && w.seconds < 1.8e-3 * images);
}

static void broken_image(void **state)
{
    fixture *f = *state;
    px_dataset *data = NULL;
    assert_int_equal(px_dataset_open(&data, f->encoded, PX_LINKS_REFUSED), 0);
    for (int workers = 1; workers <= 3; workers++) {
        px_loader_spec spec = spec_of(f, 4, workers);
        spec.data = data;
        spec.split = px_dataset_split(data, "train");
        spec.shuffle = false;
        px_loader *l = NULL;
        assert_int_equal(px_loader_create(&l, &spec, 0), 0);
        /* train is 1 2 3 5 | 6 7 9 10 | 11 13 14 15 | 17 18 ... */
        for (int step = 0; step < 3; step++)
            assert_non_null(px_loader_next(l));
        for (int again = 0; again < 2; again++) {
            assert_null(px_loader_next(l));
            assert_int_equal(px_error_status(), PX_DATA);
            assert_non_null(strstr(px_error(), f->encoded));
            assert_non_null(strstr(px_error(), "17"));
        }
        px_loader_destroy(l);
    }
    px_dataset_close(data);
}

static void too_few_images(void **state)
{
    fixture *f = *state;
    px_loader_spec spec = spec_of(f, TRAIN + 1, 1);
    px_loader *l = NULL;
    assert_int_equal(px_loader_create(&l, &spec, 0), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), f->raw));
    assert_non_null(strstr(px_error(), "39"));
    assert_null(l);
}

static void destroyed_at_any_moment(void **state)
{
    px_loader_destroy(NULL);
    for (int round = 0; round < 40; round++) {
        px_loader_spec spec = spec_of(*state, 8, 1 + round % 3);
        px_loader *l = NULL;
        assert_int_equal(px_loader_create(&l, &spec, round), 0);
        if (round % 4 == 1)
            usleep((useconds_t)(round * 50));
        for (int step = 0; step < round % 6; step++)
            assert_non_null(px_loader_next(l));
        px_loader_destroy(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_workers),
        cmocka_unit_test(any_start),
        cmocka_unit_test(any_number_of_ranks),
        cmocka_unit_test(epochs),
        cmocka_unit_test(one_pass),
        cmocka_unit_test(held_batch),
        cmocka_unit_test(work_is_counted),
        cmocka_unit_test(broken_image),
        cmocka_unit_test(too_few_images),
        cmocka_unit_test(destroyed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
