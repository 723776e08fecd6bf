/* safetensors.c - reading: everything in the header is checked against the file before it is used. */
#include "data/safetensors.h"
#include "base/crash.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

enum {
    PREFIX = 8,             /* bytes of the header's length */
    HEADER_MAX = 100000000, /* bytes; the format's limit */
};

struct px_safetensors {
    char *path;
    const uint8_t *bytes; /* mapped */
    size_t size;
    json_t *header; /* owns names, types and notes */
    px_safetensor *list;
    int count;
};

/* ---- element types ---- */

static void read_f32(const void *from, float *out, size_t n)
{
    memcpy(out, from, n * sizeof out[0]);
}

static void read_f64(const void *from, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, (const char *)from + i * sizeof v, sizeof v);
        out[i] = (float)v;
    }
}

static void read_bf16(const void *from, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, (const char *)from + i * sizeof half, sizeof half);
        uint32_t whole = (uint32_t)half << 16;
        memcpy(&out[i], &whole, sizeof whole);
    }
}

/* IEEE binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
static float from_f16(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float magnitude = ldexpf((float)(fraction + 1024), exponent - 25);
    if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    if (exponent == 31)
        magnitude = fraction ? NAN : INFINITY;
    return half >> 15 ? -magnitude : magnitude;
}

static void read_f16(const void *from, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, (const char *)from + i * sizeof half, sizeof half);
        out[i] = from_f16(half);
    }
}

typedef void read_fn(const void *from, float *out, size_t n);

/* Types that are not in the table (newer ones) are accepted with unchecked sizes, since nothing here reads them. */
static const struct type {
    const char *name;
    size_t size;
    read_fn *read; /* NULL: not a real type that we read */
} types[] = {{"F32", 4, read_f32}, {"F16", 2, read_f16}, {"BF16", 2, read_bf16}, {"F64", 8, read_f64},
             {"I64", 8, NULL},     {"U64", 8, NULL},     {"I32", 4, NULL},       {"U32", 4, NULL},
             {"I16", 2, NULL},     {"U16", 2, NULL},     {"I8", 1, NULL},        {"U8", 1, NULL},
             {"BOOL", 1, NULL},    {"F8_E4M3", 1, NULL}, {"F8_E5M2", 1, NULL}};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

bool px_safetensor_is_real(const px_safetensor *t)
{
    const struct type *type = find_type(t->type);
    return type && type->read;
}

void px_safetensor_read(const px_safetensor *t, float *out)
{
    PX_CHECK(px_safetensor_is_real(t));
    find_type(t->type)->read(t->data, out, (size_t)px_shape_count(t->shape));
}

/* ---- the header ---- */

static int read_shape(const px_safetensors *f, px_safetensor *t, const json_t *shape)
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
static int read_place(const px_safetensors *f, px_safetensor *t, const json_t *offsets, size_t data_at)
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

static int read_entry(const px_safetensors *f, px_safetensor *t, const char *name, const json_t *entry, size_t data_at)
{
    *t = (px_safetensor){.name = name, .type = json_string_value(json_object_get(entry, "dtype"))};
    if (!t->type)
        return px_fail(PX_DATA, "%s: tensor %s has no dtype", f->path, name);
    if (read_shape(f, t, json_object_get(entry, "shape")) != 0 ||
        read_place(f, t, json_object_get(entry, "data_offsets"), data_at) != 0)
        return -1;
    const struct type *type = find_type(t->type);
    size_t wanted = type ? (size_t)px_shape_count(t->shape) * type->size : t->bytes;
    char shape[64];
    if (t->bytes != wanted)
        return px_fail(PX_DATA, "%s: tensor %s, %s %s, takes %zu bytes, not %zu", f->path, name, t->type,
                       px_shape_text(t->shape, shape), wanted, t->bytes);
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const px_safetensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) -
           (x->bytes < y->bytes); /* an empty tensor comes before the one that begins at the same place */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const px_safetensor *)a)->name, ((const px_safetensor *)b)->name);
}

/* The format allows neither overlaps nor bytes that belong to no tensor. */
static int check_places(px_safetensors *f, size_t data_at)
{
    const char *next = (const char *)f->bytes + data_at, *end = (const char *)f->bytes + f->size;
    qsort(f->list, (size_t)f->count, sizeof f->list[0], by_place);
    for (int i = 0; i < f->count; i++) {
        const px_safetensor *t = &f->list[i];
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

static int read_entries(px_safetensors *f, size_t data_at)
{
    const char *name;
    json_t *entry;
    f->list = px_calloc(json_object_size(f->header) + 1, sizeof f->list[0]);
    json_object_foreach(f->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (read_entry(f, &f->list[f->count], name, entry, data_at) != 0)
            return -1;
        f->count++;
    }
    if (check_places(f, data_at) != 0)
        return -1;
    qsort(f->list, (size_t)f->count, sizeof f->list[0], by_name);
    return 0;
}

static int read_header(px_safetensors *f)
{
    uint64_t length;
    if (!f->bytes || f->size < PREFIX)
        return px_fail(PX_DATA, "%s: is not a safetensors file, it has %zu bytes", f->path, f->size);
    memcpy(&length, f->bytes, sizeof length);
    if (length > HEADER_MAX || length > f->size - PREFIX)
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

static int map_file(px_safetensors *f)
{
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        return px_fail(PX_DATA, "%s: %s", f->path, strerror(errno));
    int status = fstat(fd, &st);
    if (status == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return px_fail(PX_DATA, "%s: is not a file", f->path);
    }
    void *bytes = status == 0 && st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (status != 0 || bytes == MAP_FAILED)
        status = px_fail(PX_DATA, "%s: cannot be mapped: %s", f->path, strerror(errno));
    close(fd);
    if (status == 0) {
        f->bytes = bytes;
        f->size = (size_t)st.st_size;
        px_crash_file_add(bytes, f->size, f->path);
    }
    return status;
}

int px_safetensors_open(px_safetensors **out, const char *path)
{
    px_safetensors *f = px_calloc(1, sizeof *f);
    f->path = px_strdup(path);
    if (map_file(f) != 0 || read_header(f) != 0) {
        px_safetensors_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void px_safetensors_close(px_safetensors *f)
{
    if (!f)
        return;
    px_crash_file_remove(f->bytes);
    if (f->bytes)
        munmap((void *)(uintptr_t)f->bytes, f->size);
    json_decref(f->header);
    free(f->list);
    free(f->path);
    free(f);
}

int px_safetensors_count(const px_safetensors *f)
{
    return f->count;
}

const px_safetensor *px_safetensors_at(const px_safetensors *f, int i)
{
    PX_CHECK(i >= 0 && i < f->count);
    return &f->list[i];
}

const px_safetensor *px_safetensors_find(const px_safetensors *f, const char *name)
{
    return bsearch(&(px_safetensor){.name = name}, f->list, (size_t)f->count, sizeof f->list[0], by_name);
}

const char *px_safetensors_about(const px_safetensors *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}
