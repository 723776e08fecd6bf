/* tensor_file.c - opens a file of named tensors: maps it, tells its format, converts elements. */
#include "base/crash.h"
#include "base/error.h"
#include "data/file_kind.h"
#include "data/tensor_file_private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are little-endian");

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

size_t px_stored_type_bytes(const char *name)
{
    const struct type *type = find_type(name);
    return type ? type->size : 0;
}

bool px_stored_tensor_is_real(const px_stored_tensor *t)
{
    const struct type *type = find_type(t->type);
    return type && type->read;
}

void px_stored_tensor_read(const px_stored_tensor *t, float *out)
{
    PX_CHECK(px_stored_tensor_is_real(t));
    find_type(t->type)->read(t->data, out, (size_t)px_shape_count(t->shape));
}

int64_t px_stored_tensor_not_finite(const px_stored_tensor *t)
{
    enum { ROOM = 1024 };
    float some[ROOM];
    PX_CHECK(px_stored_tensor_is_real(t));
    const struct type *type = find_type(t->type);
    int64_t count = px_shape_count(t->shape);
    for (int64_t at = 0; at < count; at += ROOM) {
        int64_t n = count - at < ROOM ? count - at : ROOM;
        type->read((const char *)t->data + (size_t)at * type->size, some, (size_t)n);
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(some[i]))
                return at + i;
    }
    return -1;
}

/* ---- files ---- */

static int map_file(px_tensor_file *f)
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

/* Other files that people give for weights. A header of safetensors begins at byte 8, after its length. */
static int refuse_other(const px_tensor_file *f)
{
    const char *kind = f->bytes && f->size > 0 ? px_file_kind(f->bytes, f->size) : NULL;
    if (!kind || (f->size > 8 && f->bytes[8] == '{'))
        return 0;
    return px_fail(PX_DATA,
                   "%s: is %s, not weights, which are .safetensors or what torch.save writes; 'pretext export RUN "
                   "out=W.safetensors' writes those of a run",
                   f->path, kind);
}

static int read_file(px_tensor_file *f)
{
    if (f->bytes && px_pytorch_recognize(f->bytes, f->size))
        return px_pytorch_read(f);
    return refuse_other(f) != 0 ? -1 : px_safetensors_read(f);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const px_stored_tensor *)a)->name, ((const px_stored_tensor *)b)->name);
}

/* Names are unique: two files' tensors could not be told apart otherwise. */
static int sort(px_tensor_file *f)
{
    if (f->count > 0)
        qsort(f->list, (size_t)f->count, sizeof f->list[0], by_name);
    for (int i = 1; i < f->count; i++)
        if (strcmp(f->list[i - 1].name, f->list[i].name) == 0)
            return px_fail(PX_DATA, "%s: has two tensors %s", f->path, f->list[i].name);
    return 0;
}

int px_tensor_file_open(px_tensor_file **out, const char *path)
{
    px_tensor_file *f = px_calloc(1, sizeof *f);
    f->path = px_strdup(path);
    if (map_file(f) != 0 || read_file(f) != 0 || sort(f) != 0) {
        px_tensor_file_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void px_tensor_file_close(px_tensor_file *f)
{
    if (!f)
        return;
    px_crash_file_remove(f->bytes);
    if (f->bytes)
        munmap((void *)(uintptr_t)f->bytes, f->size);
    json_decref(f->header);
    px_pytorch_free(f->loaded);
    free(f->list);
    free(f->path);
    free(f);
}

int px_tensor_file_count(const px_tensor_file *f)
{
    return f->count;
}

const px_stored_tensor *px_tensor_file_at(const px_tensor_file *f, int i)
{
    PX_CHECK(i >= 0 && i < f->count);
    return &f->list[i];
}

const px_stored_tensor *px_tensor_file_find(const px_tensor_file *f, const char *name)
{
    return bsearch(&(px_stored_tensor){.name = name}, f->list, (size_t)f->count, sizeof f->list[0], by_name);
}

const char *px_tensor_file_about(const px_tensor_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}
