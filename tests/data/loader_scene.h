/* loader_scene.h - two small data sets, a loader's specification for them, and copies of its batches, for tests of the loader. */
#ifndef PX_TESTS_DATA_LOADER_SCENE_H
#define PX_TESTS_DATA_LOADER_SCENE_H

#include "base/error.h"
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

static inline void write_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t dims[],
                               const void *values)
{
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static inline void write_attribute(hid_t file, const char *name, hid_t type, hsize_t count, const void *values)
{
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0 && H5Awrite(attribute, type, values) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

/* What both data sets have besides images. */
static inline void write_rest(hid_t file, hsize_t count)
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

static inline void write_raw(const char *path)
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

static inline void write_encoded(const char *path)
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

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline void make(const void *context, px_rng *rng, const px_image *image, px_sample *out)
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

static inline px_loader_spec spec_of(fixture *f, int batch, int workers)
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

static inline record record_make(const px_loader_spec *spec, int64_t start, int steps)
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

static inline void record_free(record *r)
{
    free(r->row);
    free(r->label);
    free(r->view);
}

static inline const float *view_of(const record *r, int step, int copy, int place)
{
    return r->view + (((size_t)step * 2 + (size_t)copy) * (size_t)r->batch + (size_t)place) * IMAGE;
}

/* The samples from `first` on in the steps of `whole` from `skip` on equal those of `part`, bit for bit. */
static inline void assert_part(const record *whole, int skip, int first, const record *part)
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

#endif
