/* safetensors.c - reading: everything in the header is checked against the file before it is used. */
#include "base/error.h"
#include "data/tensor_file_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX = 8,            /* bytes of the header's length */
    HEADER_MAX = 16 << 20, /* bytes; the format allows 100 MB, which take 2 GB as JSON; a ViT-g has 0.1 MB */
    TENSORS_MAX = 1 << 16, /* as in pytorch.c */
};

static int read_shape(const px_tensor_file *f, px_stored_tensor *t, const json_t *shape)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > PX_RANK_MAX)
        return px_fail(PX_DATA, "%s: tensor %s needs a shape of at most %d extents", f->path, t->name, PX_RANK_MAX);
    t->shape.rank = (int)rank;
    int64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0)
            return px_fail(PX_DATA, "%s: tensor %s: extent %zu of its shape is not a whole number >= 0", f->path,
                           t->name, i + 1);
        t->shape.dim[i] = json_integer_value(extent);
        if (__builtin_mul_overflow(count, t->shape.dim[i], &count) || count > (int64_t)(SIZE_MAX / 16))
            return px_fail(PX_DATA, "%s: tensor %s: its shape is larger than any file", f->path, t->name);
    }
    return 0;
}

/* data_offsets: [begin, end), counted from the end of the header. */
static int read_place(const px_tensor_file *f, px_stored_tensor *t, const json_t *offsets, size_t data_at)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    size_t room = f->size - data_at;
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return px_fail(PX_DATA, "%s: tensor %s: its data_offsets are not [begin, end]", f->path, t->name);
    if ((uint64_t)json_integer_value(end) > room)
        return px_fail(PX_DATA,
                       "%s: tensor %s ends at byte %" PRId64 " of the data, but the file has only %zu: is it cut off?",
                       f->path, t->name, (int64_t)json_integer_value(end), room);
    t->data = f->bytes + data_at + (size_t)json_integer_value(begin);
    t->bytes = (size_t)(json_integer_value(end) - json_integer_value(begin));
    return 0;
}

static int read_entry(const px_tensor_file *f, px_stored_tensor *t, const char *name, const json_t *entry,
                      size_t data_at)
{
    *t = (px_stored_tensor){.name = name, .type = json_string_value(json_object_get(entry, "dtype"))};
    if (!t->type)
        return px_fail(PX_DATA, "%s: tensor %s has no dtype", f->path, name);
    if (read_shape(f, t, json_object_get(entry, "shape")) != 0 ||
        read_place(f, t, json_object_get(entry, "data_offsets"), data_at) != 0)
        return -1;
    size_t each = px_stored_type_bytes(t->type), wanted = each ? (size_t)px_shape_count(t->shape) * each : t->bytes;
    char shape[64];
    if (t->bytes != wanted)
        return px_fail(PX_DATA, "%s: tensor %s, %s %s, takes %zu bytes, not %zu", f->path, name, t->type,
                       px_shape_text(t->shape, shape), wanted, t->bytes);
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const px_stored_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) -
           (x->bytes < y->bytes); /* an empty tensor comes before the one that begins at the same place */
}

/* The format allows neither overlaps nor bytes that belong to no tensor. */
static int check_places(px_tensor_file *f, size_t data_at)
{
    const char *next = (const char *)f->bytes + data_at, *end = (const char *)f->bytes + f->size;
    qsort(f->list, (size_t)f->count, sizeof f->list[0], by_place);
    for (int i = 0; i < f->count; i++) {
        const px_stored_tensor *t = &f->list[i];
        const char *at = t->data;
        if (at < next)
            return px_fail(PX_DATA, "%s: tensors %s and %s overlap", f->path, t[-1].name, t->name);
        if (at > next)
            return px_fail(PX_DATA, "%s: %td bytes before tensor %s belong to no tensor", f->path, at - next, t->name);
        next = at + t->bytes;
    }
    if (next < end)
        return px_fail(PX_DATA, "%s: %td bytes after the last tensor belong to no tensor", f->path, end - next);
    return 0;
}

static int read_entries(px_tensor_file *f, size_t data_at)
{
    const char *name;
    json_t *entry;
    if (json_object_size(f->header) > TENSORS_MAX)
        return px_fail(PX_DATA, "%s: holds more than %d tensors: too much for weights", f->path, TENSORS_MAX);
    f->list = px_calloc(json_object_size(f->header) + 1, sizeof f->list[0]);
    json_object_foreach(f->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (read_entry(f, &f->list[f->count], name, entry, data_at) != 0)
            return -1;
        f->count++;
    }
    return check_places(f, data_at);
}

int px_safetensors_read(px_tensor_file *f)
{
    uint64_t length;
    if (!f->bytes || f->size < PREFIX)
        return px_fail(PX_DATA, "%s: is not a safetensors file, it has %zu bytes", f->path, f->size);
    memcpy(&length, f->bytes, sizeof length);
    if (length > HEADER_MAX && length <= f->size - PREFIX)
        return px_fail(PX_DATA, "%s: has a header of %" PRIu64 " bytes, more than weights need (%d)", f->path, length,
                       HEADER_MAX);
    if (length > f->size - PREFIX)
        return px_fail(PX_DATA,
                       "%s: is not a safetensors file, or is cut off: a header of %" PRIu64 " bytes in a file of %zu",
                       f->path, length, f->size);
    json_error_t why;
    f->header = json_loadb((const char *)f->bytes + PREFIX, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!f->header)
        return px_fail(PX_DATA, "%s: is not a safetensors file, its header is not JSON from byte %d on", f->path,
                       why.position);
    if (!json_is_object(f->header))
        return px_fail(PX_DATA, "%s: is not a safetensors file, its header is not a JSON object", f->path);
    return read_entries(f, PREFIX + (size_t)length);
}
