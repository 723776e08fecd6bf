/* make_set.h - small data sets for tests that train: images with something to learn in them, in any of the stored
 * forms.
 *
 *     char *data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 4});
 *     ... "data.path=..." ...
 *     free(data);
 *
 * An image is a grating whose direction and colour follow from its class; tint, phase and grain differ from image to
 * image. The last quarter of the rows is the split "test", the others are "train".
 */
#ifndef PX_TESTS_CLI_MAKE_SET_H
#define PX_TESTS_CLI_MAKE_SET_H

#include "base/error.h"
#include "base/rng.h"
#include "data/pack_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

typedef struct set_spec {
    int count, side, channels;
    bool gray;    /* channels is 3, and each is what the set with one channel has */
    int classes;  /* 0: no labels */
    int bare;     /* each so-manieth row has no label; 0: all have one */
    bool encoded; /* JPEG files; else raw pixels */
    bool broken;  /* encoded: row `broken_row` is not a JPEG */
    int broken_row;
} set_spec;

static inline void draw_image(uint8_t *pixels, const set_spec *s, int row)
{
    px_rng rng = px_rng_make(11, PX_RNG_VIEWS, 0, (uint64_t)row);
    int kind = row % (s->classes ? s->classes : 5);
    double phase = 6.28 * px_rng_uniform(&rng), x = cos(kind), y = sin(kind), base[3];
    for (int c = 0; c < 3; c++)
        base[c] = 60 + 120 * px_rng_uniform(&rng);
    for (int i = 0; i < s->side * s->side; i++) {
        double wave = sin(phase + 0.7 * (x * (i % s->side) + y * (double)(i / s->side)));
        for (int c = 0; c < (s->gray ? 1 : s->channels); c++)
            pixels[i * s->channels + c] = (uint8_t)(base[c] + 40 * wave * cos(kind + c) + 20 * px_rng_uniform(&rng));
        for (int c = 1; c < s->channels && s->gray; c++)
            pixels[i * s->channels + c] = pixels[i * s->channels];
    }
}

/* The JPEG files of all images one after the other; offsets (count + 1). */
static inline uint8_t *encode_all(const set_spec *s, uint64_t *offsets)
{
    tjhandle jpeg = tjInitCompress();
    uint8_t *pixels = px_calloc((size_t)(s->side * s->side * s->channels), 1), *all = NULL;
    for (int i = 0; i < s->count; i++) {
        unsigned char *file = NULL;
        unsigned long size = 0;
        bool gray = s->channels == 1;
        draw_image(pixels, s, i);
        PX_CHECK(tjCompress2(jpeg, pixels, s->side, 0, s->side, gray ? TJPF_GRAY : TJPF_RGB, &file, &size,
                             gray ? TJSAMP_GRAY : TJSAMP_444, 90, 0) == 0);
        all = px_realloc(all, offsets[i] + size);
        memcpy(all + offsets[i], file, size);
        if (s->broken && i == s->broken_row)
            memset(all + offsets[i], 'x', size);
        offsets[i + 1] = offsets[i] + size;
        tjFree(file);
    }
    tjDestroy(jpeg);
    free(pixels);
    return all;
}

static inline uint8_t *draw_all(const set_spec *s)
{
    size_t size = (size_t)(s->side * s->side * s->channels);
    uint8_t *all = px_calloc((size_t)s->count, size);
    for (int i = 0; i < s->count; i++)
        draw_image(all + (size_t)i * size, s, i);
    return all;
}

/* Writes folder/name. The path, a new string. */
static inline char *make_set(const char *folder, const char *name, const set_spec *s)
{
    static const char *const class_names[] = {"a", "b", "c", "d", "e", "f", "g", "h"}, *const splits[] = {"train",
                                                                                                          "test"};
    char *path = px_format("%s/%s", folder, name);
    int32_t *labels = px_calloc((size_t)s->count, sizeof labels[0]);
    uint8_t *split = px_calloc((size_t)s->count, 1);
    uint64_t *offsets = px_calloc((size_t)s->count + 1, sizeof offsets[0]);
    uint8_t *bytes = s->encoded ? encode_all(s, offsets) : draw_all(s);
    for (int i = 0; i < s->count; i++) {
        labels[i] = s->classes && !(s->bare && i % s->bare == s->bare - 1) ? i % s->classes : -1;
        split[i] = i >= s->count - s->count / 4;
    }
    px_pack_shape shape = {.count = s->count, .channels = s->channels, .encoded_size = offsets[s->count]};
    if (!s->encoded)
        shape.height = shape.width = s->side;
    px_pack_about about = {.labels = labels,
                           .split = split,
                           .offsets = s->encoded ? offsets : NULL,
                           .class_names = class_names,
                           .classes = s->classes,
                           .split_names = splits,
                           .splits = 2,
                           .mean = {0.5f, 0.5f, 0.5f},
                           .std = {0.25f, 0.25f, 0.25f},
                           .source = "a test"};
    px_pack_file f;
    PX_CHECK(px_pack_file_create(&f, &shape, path) == 0);
    PX_CHECK(px_pack_file_write(&f, 0, s->encoded ? (int64_t)shape.encoded_size : s->count, bytes) == 0);
    PX_CHECK(px_pack_file_finish(&f, &about) == 0);
    free(labels);
    free(split);
    free(offsets);
    free(bytes);
    return path;
}

#endif
