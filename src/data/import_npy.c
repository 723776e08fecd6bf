/* import_npy.c - NumPy's arrays: .npy files, and the entries of .npz, which are zips of them. The format is that of
 * numpy.lib.format, versions 1 to 3: "\x93NUMPY", two bytes of version, the length of a header, the header, then the numbers. The
 * header is a Python dictionary with 'descr' (the type), 'fortran_order' and 'shape', in any order. */
#include "base/error.h"
#include "data/arrays.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const px_importer px_importer_npy;

enum { MAGIC = 6, RANK_MAX = 4, HEADER_MAX = 4096 };

typedef struct array {
    char kind; /* as NumPy's: u without sign, i with, b bool, f float, O objects, ... */
    int bytes; /* of a number */
    bool big_endian, by_columns;
    int rank; /* RANK_MAX + 1: more */
    int64_t dim[RANK_MAX];
    size_t start; /* of the numbers, in the file */
} array;

static bool claims(const px_entry *entry)
{
    return entry->size >= MAGIC && memcmp(entry->bytes, "\x93NUMPY", MAGIC) == 0;
}

/* ---- the header ------------------------------------------------------------------------------------------------- */

/* What stands behind 'key': in the header, without blanks. NULL: it is not there. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    at = at ? at + strlen(key) : NULL;
    while (at && (isspace((unsigned char)*at) || *at == ':'))
        at++;
    return at;
}

/* '<u2', '|b1', "|O": byte order, kind and size. A list of fields is refused. */
static bool read_type(const char *text, array *a)
{
    if (!text || (*text != '\'' && *text != '"') || !strchr("<>|=", text[1]) || !isalpha((unsigned char)text[2]))
        return false;
    a->big_endian = text[1] == '>';
    a->kind = text[2];
    a->bytes = atoi((char[]){text[3], '\0'});
    return true;
}

/* (3, 28, 28), (5,) or (). */
static bool read_shape(const char *text, array *a)
{
    if (!text || *text++ != '(')
        return false;
    for (a->rank = 0; a->rank <= RANK_MAX;) {
        text += strspn(text, " ,");
        if (*text == ')')
            return true;
        char *end;
        errno = 0;
        long long extent = strtoll(text, &end, 10);
        if (end == text || errno || extent < 0)
            return false;
        if (a->rank < RANK_MAX)
            a->dim[a->rank] = extent;
        a->rank++;
        text = end;
    }
    return true;
}

/* False: the header is not one of NumPy's. */
static bool read_header(const px_entry *entry, array *a)
{
    const uint8_t *b = entry->bytes;
    size_t lead = entry->size > MAGIC && b[MAGIC] == 1 ? 10 : 12;
    if (entry->size < lead || b[MAGIC] < 1 || b[MAGIC] > 3)
        return false;
    size_t length = b[8] | (size_t)b[9] << 8;
    if (lead == 12)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > HEADER_MAX || length > entry->size - lead)
        return false;
    char header[HEADER_MAX + 1];
    memcpy(header, b + lead, length);
    header[length] = '\0';
    *a = (array){.start = lead + length};
    const char *order = value_of(header, "'fortran_order'");
    a->by_columns = order && strncmp(order, "True", 4) == 0;
    return order && read_type(value_of(header, "'descr'"), a) && read_shape(value_of(header, "'shape'"), a);
}

/* Whether the file holds as many numbers as its header says. */
static bool is_whole(const px_entry *entry, const array *a)
{
    int64_t size = a->bytes;
    for (int i = 0; i < a->rank; i++)
        if (a->rank > RANK_MAX || __builtin_mul_overflow(size, a->dim[i], &size))
            return false;
    return size == (int64_t)(entry->size - a->start);
}

/* ---- roles ------------------------------------------------------------------------------------------------------ */

/* Whole numbers, one per image: (N) or (N, 1). */
static bool are_labels(const array *a, const char *path)
{
    bool flat = a->rank >= 1 && a->rank <= RANK_MAX && px_array_role_of(path) != PX_ARRAY_IMAGES;
    for (int i = 1; i < a->rank && flat; i++)
        flat = a->dim[i] == 1;
    return flat && a->dim[0] > 0 && strchr("uib", a->kind) &&
           (a->bytes == 1 || a->bytes == 2 || a->bytes == 4 || a->bytes == 8);
}

static bool are_images(const array *a, const char *path, px_array_axes *axes)
{
    return a->kind == 'u' && (a->bytes == 1 || a->bytes == 2) && a->rank <= RANK_MAX && !a->by_columns &&
           px_array_role_of(path) != PX_ARRAY_LABELS && px_array_axes_of(a->rank, a->dim, (size_t)a->bytes, axes);
}

static int64_t number_at(const uint8_t *bytes, const array *a)
{
    uint64_t value = 0;
    for (int i = 0; i < a->bytes; i++)
        value |= (uint64_t)bytes[a->big_endian ? a->bytes - 1 - i : i] << (8 * i);
    int unused = 64 - 8 * a->bytes;
    return a->kind == 'i' ? (int64_t)(value << unused) >> unused : (int64_t)(value > INT64_MAX ? INT64_MAX : value);
}

/* ---- the first walk --------------------------------------------------------------------------------------------- */

/* Whether they are classes is judged when images take them (px_arrays_finish). */
static void add_labels(px_catalog *c, const px_entry *entry, const array *a)
{
    int32_t *labels = px_calloc((size_t)a->dim[0], sizeof *labels);
    for (int64_t i = 0; i < a->dim[0]; i++) {
        int64_t label = number_at(entry->bytes + a->start + (size_t)(i * a->bytes), a);
        labels[i] = (int32_t)(label < INT32_MIN ? INT32_MIN : label > INT32_MAX ? INT32_MAX : label);
    }
    px_catalog_side(c,
                    &(px_entry){.source = entry->source,
                                .path = entry->path,
                                .bytes = (const uint8_t *)labels,
                                .size = (size_t)a->dim[0] * sizeof *labels},
                    &px_importer_npy);
    free(labels);
}

static int add_images(px_catalog *c, const px_entry *entry, const array *a, const px_array_axes *axes)
{
    int split = px_array_split_of(entry->path);
    if (split < 0)
        split = px_array_split_of(px_base_name(entry->source)); /* test.npz: x.npy, y.npy */
    px_block *b = px_catalog_block(c, entry, &px_importer_npy, split >= 0 ? split : PX_SPLIT_TRAIN, axes->count);
    if (!b)
        return -1;
    b->height = axes->height;
    b->width = axes->width;
    b->channels = axes->channels;
    b->bits = 8 * a->bytes;
    b->turned_axes = axes->channels_first;
    b->big_endian = a->big_endian;
    return 0;
}

/* Keeps what is wrong: whether that matters is known when all files are. */
static int add_bad(px_catalog *c, const px_entry *entry)
{
    char name[PX_ENTRY_NAME];
    px_block *b = px_catalog_block(c, entry, &px_importer_npy, PX_SPLIT_TRAIN, 0);
    if (!b)
        return -1;
    b->bad = true;
    b->why = px_format("%s: is truncated or too long: it has %zu bytes, but not those that its header announces",
                       px_entry_name(entry->source, entry->path, name), entry->size);
    return 0;
}

/* Arrays of other things are left out, unless the source is this file. */
static int leave_out(px_catalog *c, const px_entry *entry, const char *why)
{
    char name[PX_ENTRY_NAME];
    if (px_entry_is_source(entry->source, entry->path))
        return px_fail(PX_DATA,
                       "%s: %s; images are uint8 or uint16, (N, height, width, channels), labels whole numbers, (N)",
                       px_entry_name(entry->source, entry->path, name), why);
    px_catalog_leave_out(c, entry->path, c->source);
    return 0;
}

static int list(px_catalog *c, const px_entry *entry)
{
    array a;
    px_array_axes axes;
    int yields = px_catalog_yields(c, entry, &px_importer_npy);
    if (yields != 0)
        return yields < 0 ? -1 : 0;
    if (!read_header(entry, &a))
        return leave_out(c, entry, "its header is not one of NumPy's");
    bool labels = are_labels(&a, entry->path);
    if (!labels && !are_images(&a, entry->path, &axes))
        return leave_out(c, entry, a.by_columns ? "is an array in Fortran's order" : "holds neither images nor labels");
    if (!is_whole(entry, &a))
        return add_bad(c, entry);
    if (!labels)
        return add_images(c, entry, &a, &axes);
    add_labels(c, entry, &a);
    return 0;
}

/* ---- the second walk -------------------------------------------------------------------------------------------- */

static int unpack(const px_block *b, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels)
{
    size_t width = (size_t)b->bits / 8;
    size_t numbers = (size_t)b->height * (size_t)b->width * (size_t)b->channels, stride = numbers * width;
    const uint8_t *from = bytes + ((size_t)b->size - stride * (size_t)b->count) + (size_t)first * stride;
    if (b->turned_axes)
        px_array_put_channels_last(b, count, from, pixels);
    else
        memcpy(pixels, from, (size_t)count * stride);
    for (size_t i = 0; b->big_endian && width == 2 && i < (size_t)count * numbers; i++) {
        uint8_t high = pixels[2 * i];
        pixels[2 * i] = pixels[2 * i + 1];
        pixels[2 * i + 1] = high;
    }
    return 0;
}

const px_importer px_importer_npy = {
    .name = "NumPy", .yields = true, .claims = claims, .list = list, .finish = px_arrays_finish, .unpack = unpack};
