/* pictures.c - see pictures.h. */
#include "eval/pictures.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int px_picture_side(const px_task *task)
{
    if (task->channels != 1 && task->channels != 3)
        return 0;
    return task->image_size < PX_PICTURE_SIDE ? task->image_size : PX_PICTURE_SIDE;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The rows in order, each once: a new array. */
static int64_t *sorted(const int64_t *row, int count, int64_t *found)
{
    int64_t *all = px_calloc((size_t)count + 1, sizeof *all);
    *found = 0;
    memcpy(all, row, (size_t)count * sizeof *all);
    qsort(all, (size_t)count, sizeof *all, by_number);
    for (int i = 0; i < count; i++)
        if (*found == 0 || all[i] != all[*found - 1])
            all[(*found)++] = all[i];
    return all;
}

/* x (channels, side, side) in [0,1] to (side, side, channels) bytes. */
static void write_bytes(uint8_t *to, const float *x, int side, int channels)
{
    for (int i = 0; i < side * side; i++)
        for (int c = 0; c < channels; c++)
            to[i * channels + c] = (uint8_t)lrintf(255 * x[c * side * side + i]);
}

int px_pictures_load(uint8_t **pixels, const px_extract_spec *like, const int64_t *row, int count)
{
    px_task small = *like->task;
    px_extract_spec from = *like;
    px_extraction e;
    int64_t different, *once = sorted(row, count, &different);
    small.image_size = px_picture_side(like->task);
    small.mean = small.std = NULL;
    from.task = &small;
    from.show = NULL;
    *pixels = NULL;
    int status = px_extract_baseline(&e, &from, PX_PIXELS, &(px_split){"pictures", once, different});
    if (status == 0) {
        size_t size = (size_t)(small.image_size * small.image_size * small.channels);
        px_extraction_gather(&e, 0);
        *pixels = from.comm->rank == 0 ? px_calloc((size_t)count + 1, size) : NULL;
        for (int i = 0; i < count && *pixels; i++) {
            const int64_t *at = bsearch(&row[i], once, (size_t)different, sizeof *once, by_number);
            PX_CHECK(at);
            write_bytes(*pixels + (size_t)i * size, e.layer[0].x + (size_t)(at - once) * size, small.image_size,
                        small.channels);
        }
        px_extraction_finish(&e);
    }
    free(once);
    return status;
}
