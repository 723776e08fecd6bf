/* test_loader.c - the loader's batches are a pure function of (seed, step), for any number of workers and ranks and any
 * starting step; its failures and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"
#include "data/loader.h"

#include <hdf5.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

enum {
    IMAGES = 53, /* every fourth is in the split "test": 14 there, 39 in "train" */
    TRAIN = 39,
    TEST = 14,
    SIDE = 10,
    VIEW = 6,
    CLASSES = 5,
    BYTES = SIDE * SIDE * 3,
    BROKEN_FIRST = 17, /* rows of the encoded data set that are not images */
    BROKEN_SECOND = 18,
};

typedef struct fixture {
    char folder[64], raw[96], encoded[96];
    px_dataset *data;
    px_views views;
    atomic_int unblocked; /* views made in a thread that takes the program's signals */
} fixture;

/* ---- two small data sets ---- */

static void write_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t dims[], const void *values)
{
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void write_attribute(hid_t file, const char *name, hid_t type, hsize_t count, const void *values)
{
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0 && H5Awrite(attribute, type, values) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

/* What both data sets have besides images. */
static void write_rest(hid_t file, hsize_t count)
{
    int32_t label[IMAGES];
    uint8_t split[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        label[i] = i % CLASSES;
        split[i] = i % 4 == 0;
    }
    write_array(file, "labels", H5T_NATIVE_INT32, 1, &count, label);
    write_array(file, "split", H5T_NATIVE_UINT8, 1, &count, split);
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    write_attribute(file, "class_names", text, CLASSES, (const char *[]){"a", "b", "c", "d", "e"});
    write_attribute(file, "split_names", text, 2, (const char *[]){"train", "test"});
    H5Tclose(text);
    write_attribute(file, "mean", H5T_NATIVE_FLOAT, 3, (float[]){0.5f, 0.5f, 0.5f});
    write_attribute(file, "std", H5T_NATIVE_FLOAT, 3, (float[]){0.2f, 0.2f, 0.2f});
    write_attribute(file, "channels", H5T_NATIVE_INT32, 1, &(int32_t){3});
}

static void write_raw(const char *path)
{
    static uint8_t pixels[IMAGES * BYTES];
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 0, 0);
    for (int i = 0; i < IMAGES * BYTES; i++)
        pixels[i] = (uint8_t)px_rng_below(&rng, 256);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_array(file, "images", H5T_NATIVE_UINT8, 4, (hsize_t[]){IMAGES, SIDE, SIDE, 3}, pixels);
    write_rest(file, IMAGES);
    H5Fclose(file);
}

static void write_encoded(const char *path)
{
    uint8_t pixels[BYTES], *bytes = NULL;
    uint64_t offset[IMAGES + 1] = {0};
    tjhandle jpeg = tjInitCompress();
    for (int i = 0; i < IMAGES; i++) {
        unsigned char *one = NULL;
        unsigned long size = 0;
        memset(pixels, i, sizeof pixels);
        assert_int_equal(tjCompress2(jpeg, pixels, SIDE, 0, SIDE, TJPF_RGB, &one, &size, TJSAMP_444, 90, 0), 0);
        if (i == BROKEN_FIRST || i == BROKEN_SECOND)
            memset(one, 'x', size);
        offset[i + 1] = offset[i] + size;
        bytes = px_realloc(bytes, offset[i + 1]);
        memcpy(bytes + offset[i], one, size);
        tjFree(one);
    }
    tjDestroy(jpeg);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_array(file, "encoded", H5T_NATIVE_UINT8, 1, (hsize_t[]){offset[IMAGES]}, bytes);
    write_array(file, "offsets", H5T_NATIVE_UINT64, 1, (hsize_t[]){IMAGES + 1}, offset);
    write_rest(file, IMAGES);
    H5Fclose(file);
    free(bytes);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    const char *parent = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%.40s/px_loader_XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->raw, sizeof f->raw, "%s/raw.h5", f->folder);
    snprintf(f->encoded, sizeof f->encoded, "%s/encoded.h5", f->folder);
    write_raw(f->raw);
    write_encoded(f->encoded);
    px_views_add(&f->views, "views", PX_F32, 2, 3, (int[]){3, VIEW, VIEW});
    px_views_add(&f->views, "label", PX_I32, 1, 0, NULL);
    *state = f;
    return px_dataset_open(&f->data, f->raw, PX_LINKS_REFUSED);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    px_dataset_close(f->data);
    unlink(f->raw);
    unlink(f->encoded);
    rmdir(f->folder);
    free(f);
    return 0;
}

/* ---- loaders ---- */

static void make(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGINT))
        atomic_fetch_add((atomic_int *)context, 1);
    for (int v = 0; v < 2; v++) {
        px_plane p = px_sample_plane(out, 0, v);
        px_crop crop = px_crop_random(rng, image, 0.2f, 1, 0.75f, 4 / 3.0f);
        px_resize(&p, image, crop, px_rng_uniform(rng) < 0.5f, PX_BICUBIC, out->scratch);
        px_color_jitter(&p, rng, 0.4f, 0.4f, 0.4f, 0.1f);
        px_blur(&p, 1, 3, out->scratch);
    }
    *px_sample_i32(out, 1, 0) = image->label;
}

static px_loader_spec spec_of(fixture *f, int batch, int workers)
{
    return (px_loader_spec){.data = f->data,
                            .split = px_dataset_split(f->data, "train"),
                            .views = &f->views,
                            .make = make,
                            .context = &f->unblocked,
                            .seed = 11,
                            .global_batch = batch,
                            .batch = batch,
                            .shuffle = true,
                            .workers = workers};
}

/* A copy of some consecutive batches. */
typedef struct record {
    int steps, batch;
    int64_t *row;   /* (steps, batch) */
    int32_t *label; /* (steps, batch) */
    float *view;    /* (steps, 2, batch, IMAGE) */
} record;

enum { IMAGE = 3 * VIEW * VIEW };

static record record_make(const px_loader_spec *spec, int64_t start, int steps)
{
    size_t n = (size_t)steps * (size_t)spec->batch, each = (size_t)spec->batch;
    record r = {steps, spec->batch, px_calloc(n, sizeof *r.row), px_calloc(n, sizeof *r.label),
                px_calloc(n * 2 * IMAGE, sizeof *r.view)};
    px_loader *l = NULL;
    assert_int_equal(px_loader_create(&l, spec, start), 0);
    for (int s = 0; s < steps; s++) {
        const px_batch *b = px_loader_next(l);
        assert_non_null(b);
        assert_int_equal(b->step, start + s);
        assert_int_equal(b->batch, spec->batch);
        memcpy(r.row + (size_t)s * each, b->row, each * sizeof *r.row);
        memcpy(r.label + (size_t)s * each, b->tensor[1], each * sizeof *r.label);
        memcpy(r.view + (size_t)s * each * 2 * IMAGE, b->tensor[0], each * 2 * IMAGE * sizeof *r.view);
    }
    px_loader_destroy(l);
    return r;
}

static void record_free(record *r)
{
    free(r->row);
    free(r->label);
    free(r->view);
}

static const float *view_of(const record *r, int step, int copy, int place)
{
    return r->view + (((size_t)step * 2 + (size_t)copy) * (size_t)r->batch + (size_t)place) * IMAGE;
}

/* The samples from `first` on in the steps of `whole` from `skip` on equal those of `part`, bit for bit. */
static void assert_part(const record *whole, int skip, int first, const record *part)
{
    for (int s = 0; s < part->steps; s++)
        for (int i = 0; i < part->batch; i++) {
            int at = (s + skip) * whole->batch + first + i, here = s * part->batch + i;
            assert_int_equal(part->row[here], whole->row[at]);
            assert_int_equal(part->label[here], whole->label[at]);
            for (int v = 0; v < 2; v++)
                assert_memory_equal(view_of(part, s, v, i), view_of(whole, s + skip, v, first + i),
                                    IMAGE * sizeof(float));
        }
}

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
