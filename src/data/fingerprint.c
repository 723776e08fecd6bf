/* fingerprint.c - see fingerprint.h. */
#include "data/fingerprint.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uLong add(uLong crc, const void *bytes, size_t size)
{
    return crc32_z(crc, bytes, size);
}

static uLong add_names(uLong crc, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        crc = add(crc, names[i], strlen(names[i]) + 1);
    return crc;
}

/* SAMPLES images of each split, evenly spaced. */
static uLong add_images(uLong crc, const px_dataset *d)
{
    enum { SAMPLES = 32 };
    px_image image = {0};
    for (int s = 0; s < px_dataset_about(d)->splits; s++) {
        const px_split *split = px_dataset_split(d, px_dataset_about(d)->split_names[s]);
        int64_t wanted = !split ? 0 : split->count < SAMPLES ? split->count : SAMPLES;
        for (int64_t i = 0; i < wanted; i++) {
            int64_t at = wanted > 1 ? i * (split->count - 1) / (wanted - 1) : 0;
            if (px_dataset_read(d, split->index[at], &image) != 0)
                continue;
            const int32_t shape[] = {image.height, image.width, image.channels, image.bits};
            crc = add(crc, shape, sizeof shape);
            crc = add(crc, image.pixels,
                      (size_t)image.height * (size_t)image.width * (size_t)image.channels * (size_t)image.bits / 8);
        }
    }
    px_image_finish(&image);
    return crc;
}

uint32_t px_dataset_fingerprint(const px_dataset *d)
{
    const px_dataset_info *info = px_dataset_about(d);
    const int64_t shape[] = {info->count, info->height, info->width, info->channels, info->bits, info->classes};
    uLong crc = add(crc32(0, NULL, 0), shape, sizeof shape);
    crc = add_names(crc, info->class_names, info->classes);
    crc = add_names(crc, info->split_names, info->splits);
    crc = add(crc, info->mean, (size_t)info->channels * sizeof info->mean[0]);
    crc = add(crc, info->std, (size_t)info->channels * sizeof info->std[0]);
    for (int64_t i = 0; i < info->count; i++) {
        const int32_t of[] = {px_dataset_label(d, i), px_dataset_split_of(d, i)};
        crc = add(crc, of, sizeof of);
    }
    return (uint32_t)add_images(crc, d);
}

int px_file_fingerprint(const char *path, uint32_t *out)
{
    enum { BLOCK = 1 << 20 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return px_fail(PX_FAIL, "%s: cannot be read: %s", path, strerror(errno));
    char *block = px_calloc(BLOCK, 1);
    uLong crc = crc32(0, NULL, 0);
    for (size_t have; (have = fread(block, 1, BLOCK, file)) > 0;)
        crc = add(crc, block, have);
    int status = ferror(file) ? px_fail(PX_FAIL, "%s: cannot be read: %s", path, strerror(errno)) : 0;
    fclose(file);
    free(block);
    *out = (uint32_t)crc;
    return status;
}
