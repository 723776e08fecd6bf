/* pytorch.c - what torch.save writes: since PyTorch 1.6 a zip (ARCHIVE/data.pkl, and ARCHIVE/data/KEY for each storage),
 * before that five pickles and the storages one after the other. Source: torch/serialization.py. */
#include "base/error.h"
#include "data/pickle.h"
#include "data/tensor_file_private.h"
#include "data/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PICKLE_MAX = 8 << 20, /* bytes; that of a ViT-L with its optimizer has half a million */
    NESTING_MAX = 16,     /* containers within containers */
    VISITS_MAX = 1 << 20, /* items of all containers; a pickle may name one container many times */
    NAME_MAX_BYTES = 1024,
    TENSORS_MAX = 1 << 16, /* a pickle may name one tensor many times; a ViT-g with its optimizer has some thousand */
    NAMES_MAX = 16 << 20,  /* bytes of all names */
};

/* The numbers of one storage. */
typedef struct numbers {
    char *key;
    uint8_t *owned;        /* NULL: part of the mapped file */
    const uint8_t *bytes;  /* NULL: there is none */
    size_t size, capacity; /* capacity: of `owned` */
} numbers;

struct px_pytorch {
    px_pickle *pickle;
    numbers *storage;
    int storages;
    char **name; /* of tensors */
    int names;
    size_t named; /* bytes of all names */
    void **copy;  /* numbers of tensors that are not contiguous in their storage */
    int copies;
    size_t copied; /* their bytes */
};

/* The older format begins with a pickle of this number. */
static const uint8_t older[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static bool begins(const uint8_t *bytes, size_t size, const void *with, size_t length)
{
    return size >= length && memcmp(bytes, with, length) == 0;
}

bool px_pytorch_recognize(const uint8_t *bytes, size_t size)
{
    return begins(bytes, size, "PK\3\4", 4) || begins(bytes, size, "PK\5\6", 4) ||
           (size > 1 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && (size < 8 || bytes[7] != 0));
}

void px_pytorch_free(struct px_pytorch *t)
{
    if (!t)
        return;
    px_pickle_free(t->pickle);
    for (int i = 0; i < t->storages; i++) {
        free(t->storage[i].key);
        free(t->storage[i].owned);
    }
    for (int i = 0; i < t->names; i++)
        free(t->name[i]);
    for (int i = 0; i < t->copies; i++)
        free(t->copy[i]);
    free(t->storage);
    free(t->name);
    free(t->copy);
    free(t);
}

/* ---- tensors ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const numbers *)a)->key, ((const numbers *)b)->key);
}

/* Whether the elements follow each other, as in C. */
static bool contiguous(const px_item_layout *l)
{
    int64_t next = 1;
    for (int i = l->shape.rank - 1; i >= 0; i--) {
        if (l->shape.dim[i] != 1 && l->stride[i] != next)
            return false;
        next *= l->shape.dim[i];
    }
    return true;
}

/* Elements in the order of C: those of axis `axis` and the ones after it. Returns where the next one goes. */
static uint8_t *copy_axis(const px_item_layout *l, int axis, size_t each, const uint8_t *from, uint8_t *to)
{
    if (axis == l->shape.rank) {
        memcpy(to, from, each);
        return to + each;
    }
    for (int64_t i = 0; i < l->shape.dim[axis]; i++)
        to = copy_axis(l, axis + 1, each, from + (size_t)(i * l->stride[axis]) * each, to);
    return to;
}

/* Number of elements, and the place of the last one; -1: larger than any file. */
static int extent(const px_item *t, int64_t *count, int64_t *last)
{
    const px_item_layout *l = t->layout;
    *count = 1;
    *last = t->number;
    for (int i = 0; i < l->shape.rank; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(*count, l->shape.dim[i], count) || *count > INT64_MAX / 64 ||
            (l->shape.dim[i] > 0 && (__builtin_mul_overflow(l->shape.dim[i] - 1, l->stride[i], &reach) ||
                                     __builtin_add_overflow(*last, reach, last))))
            return -1;
    }
    return 0;
}

/* Fills in t's shape, type and data from the pickle's tensor. */
static int place(px_tensor_file *f, px_stored_tensor *t, const px_item *item)
{
    struct px_pytorch *p = f->loaded;
    const px_item *s = item->of;
    numbers wanted = {.key = (char *)(uintptr_t)s->text};
    const numbers *n =
        p->storages == 0 ? NULL : bsearch(&wanted, p->storage, (size_t)p->storages, sizeof wanted, by_key);
    size_t each = px_stored_type_bytes(s->type);
    int64_t count, last;
    t->type = s->type;
    t->shape = item->layout->shape;
    if (!n)
        return px_fail(PX_DATA, "%s: the numbers of tensor %s are not there (storage %s): is the file cut off?",
                       f->path, t->name, s->text);
    if (item->number < 0 || extent(item, &count, &last) != 0 ||
        (count > 0 && ((uint64_t)last >= n->size / each || last >= s->number)))
        return px_fail(PX_DATA, "%s: tensor %s reaches beyond its %zu bytes of numbers", f->path, t->name, n->size);
    t->bytes = (size_t)count * each;
    t->data = n->bytes + (count > 0 ? (size_t)item->number * each : 0);
    if (count == 0 || contiguous(item->layout))
        return 0;
    if (t->bytes > n->size || (p->copied += t->bytes) > f->size)
        return px_fail(PX_DATA, "%s: tensor %s repeats its numbers; save it by .contiguous()", f->path, t->name);
    p->copy = px_grow(p->copy, p->copies, sizeof p->copy[0]);
    t->data = p->copy[p->copies++] = px_calloc(t->bytes, 1);
    copy_axis(item->layout, 0, each, n->bytes + (size_t)item->number * each, (uint8_t *)(uintptr_t)t->data);
    return 0;
}

static int add(px_tensor_file *f, const char *name, const px_item *item)
{
    struct px_pytorch *p = f->loaded;
    p->named += strlen(name) + 1;
    if (f->count == TENSORS_MAX || p->named > NAMES_MAX)
        return px_fail(PX_DATA,
                       "%s: holds more than %d tensors, or their names have more than %d MiB: too much for weights",
                       f->path, TENSORS_MAX, NAMES_MAX >> 20);
    f->list = px_grow(f->list, f->count, sizeof f->list[0]);
    p->name = px_grow(p->name, p->names, sizeof p->name[0]);
    px_stored_tensor *t = &f->list[f->count++];
    *t = (px_stored_tensor){.name = p->name[p->names++] = px_strdup(name)};
    return place(f, t, item);
}

/* Adds all tensors within `item`, whose name so far is name[0..length). */
static int collect(px_tensor_file *f, const px_item *item, char *name, size_t length, int depth, int *visits)
{
    if (item->kind == PX_ITEM_TENSOR)
        return add(f, name, item);
    if (item->kind != PX_ITEM_DICT && item->kind != PX_ITEM_LIST && item->kind != PX_ITEM_TUPLE)
        return 0;
    if (depth == NESTING_MAX)
        return px_fail(PX_DATA, "%s: its containers are nested more than %d deep", f->path, NESTING_MAX);
    int step = item->kind == PX_ITEM_DICT ? 2 : 1;
    for (int i = 0; i + step <= item->count; i += step) {
        const px_item *key = item->item[i];
        char number[32];
        snprintf(number, sizeof number, "%" PRId64, step == 2 ? key->number : i);
        const char *part = step == 2 && key->kind == PX_ITEM_TEXT ? key->text : number;
        if (step == 2 && key->kind != PX_ITEM_TEXT && key->kind != PX_ITEM_INT)
            continue; /* such a key has no name */
        int written = snprintf(name + length, NAME_MAX_BYTES - length, "%s%s", length ? "." : "", part);
        if (++*visits > VISITS_MAX || written < 0 || length + (size_t)written >= NAME_MAX_BYTES)
            return px_fail(PX_DATA, "%s: its containers hold too much, or have too long names, for weights", f->path);
        if (collect(f, item->item[i + step - 1], name, length + (size_t)written, depth + 1, visits) != 0)
            return -1;
    }
    return 0;
}

static int collect_all(px_tensor_file *f)
{
    struct px_pytorch *p = f->loaded;
    char name[NAME_MAX_BYTES] = "";
    int visits = 0;
    const px_item *root = px_pickle_root(p->pickle);
    if (p->storages > 0)
        qsort(p->storage, (size_t)p->storages, sizeof p->storage[0], by_key);
    if (root->kind != PX_ITEM_DICT)
        return px_fail(PX_DATA, "%s: is not a dictionary of tensors (a state_dict), or several of them", f->path);
    if (collect(f, root, name, 0, 0, &visits) != 0)
        return -1;
    return f->count > 0 ? 0 : px_fail(PX_DATA, "%s: holds no tensors", f->path);
}

static int read_pickle(px_tensor_file *f, const uint8_t *bytes, size_t size)
{
    if (size > PICKLE_MAX)
        return px_fail(PX_DATA, "%s: its pickle has %zu bytes, more than weights need (%d)", f->path, size, PICKLE_MAX);
    f->loaded->pickle = px_pickle_read(f->path, bytes, size, NULL);
    return f->loaded->pickle ? 0 : -1;
}

/* ---- the zip ---- */

static int damaged_zip(const px_tensor_file *f, struct archive *a)
{
    const char *why = archive_error_string(a);
    return px_fail(PX_DATA, "%s: is damaged or cut off: %s", f->path, why ? why : "no reason given");
}

/* Adds a piece of an entry. What is stored as it is lies in the mapped file already; anything else is copied. */
static void take_piece(const px_tensor_file *f, numbers *n, const uint8_t *piece, size_t size)
{
    if (size == 0)
        return;
    bool mapped = piece >= f->bytes && piece + size <= f->bytes + f->size;
    if (mapped && !n->owned && (n->size == 0 || n->bytes + n->size == piece)) {
        n->bytes = n->size == 0 ? piece : n->bytes;
        n->size += size;
        return;
    }
    if (!n->owned || n->size + size > n->capacity) {
        const uint8_t *before = n->owned ? NULL : n->bytes;
        n->capacity = n->size + size > 2 * n->capacity ? n->size + size : 2 * n->capacity;
        n->owned = px_realloc(n->owned, n->capacity);
        if (before)
            memcpy(n->owned, before, n->size);
        n->bytes = n->owned;
    }
    memcpy(n->owned + n->size, piece, size);
    n->size += size;
}

/* The current entry's bytes. torch.save never compresses: all entries together are smaller than the file. */
static int read_entry(const px_tensor_file *f, struct archive *a, size_t *left, numbers *n)
{
    n->bytes = f->bytes;
    for (;;) {
        const void *piece;
        size_t size;
        la_int64_t offset;
        int status = archive_read_data_block(a, &piece, &size, &offset);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status != ARCHIVE_OK)
            return damaged_zip(f, a);
        if (size > *left)
            return px_fail(PX_DATA, "%s: is compressed, which torch.save does not do", f->path);
        *left -= size;
        if (size > 0)
            take_piece(f, n, piece, size);
    }
}

/* What is in a zip of torch.save besides storages. */
typedef struct contents {
    numbers pickle, order;
} contents;

/* Entries are named ARCHIVE/..., where ARCHIVE is the file's name when it was saved. */
static int read_named(px_tensor_file *f, struct archive *a, const char *name, size_t *left, contents *c)
{
    struct px_pytorch *p = f->loaded;
    const char *slash = name ? strchr(name, '/') : NULL, *part = slash ? slash + 1 : "";
    if (strncmp(part, "code/", 5) == 0)
        return px_fail(PX_DATA, "%s: is a program of TorchScript; in Python, torch.save the state_dict of its module",
                       f->path);
    if (strcmp(part, "data.pkl") == 0 && !c->pickle.bytes)
        return read_entry(f, a, left, &c->pickle);
    if (strcmp(part, "byteorder") == 0 && !c->order.bytes)
        return read_entry(f, a, left, &c->order);
    if (strncmp(part, "data/", 5) != 0 || !part[5])
        return 0;
    p->storage = px_grow(p->storage, p->storages, sizeof p->storage[0]);
    p->storage[p->storages] = (numbers){.key = px_strdup(part + 5)};
    return read_entry(f, a, left, &p->storage[p->storages++]);
}

static int read_entries(px_tensor_file *f, struct archive *a, contents *c)
{
    size_t left = f->size;
    for (;;) {
        struct archive_entry *entry;
        int status = archive_read_next_header(a, &entry);
        if (status == ARCHIVE_EOF)
            break;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return damaged_zip(f, a);
        if (read_named(f, a, archive_entry_pathname(entry), &left, c) != 0)
            return -1;
    }
    if (!c->pickle.bytes)
        return px_fail(PX_DATA, "%s: is a zip, but torch.save did not write it: it has no data.pkl", f->path);
    if (begins(c->order.bytes, c->order.size, "big", 3))
        return px_fail(PX_DATA, "%s: was written by a big-endian machine; load and save it again on another", f->path);
    return read_pickle(f, c->pickle.bytes, c->pickle.size);
}

static int read_zip(px_tensor_file *f)
{
    contents c = {0};
    if (px_zip_check(f->bytes, f->size, f->path) != 0)
        return -1;
    struct archive *a = archive_read_new();
    archive_read_support_format_zip_seekable(a);
    int status = archive_read_open_memory(a, f->bytes, f->size) == ARCHIVE_OK ? 0 : damaged_zip(f, a);
    if (status == 0)
        status = read_entries(f, a, &c);
    archive_read_free(a);
    free(c.pickle.owned);
    free(c.order.owned);
    return status;
}

/* ---- the older format ---- */

/* Reads the pickle at `*at`, and moves `*at` behind it. */
static px_pickle *next_pickle(const px_tensor_file *f, size_t *at)
{
    size_t left = f->size - *at, used;
    px_pickle *p = px_pickle_read(f->path, f->bytes + *at, left < PICKLE_MAX ? left : PICKLE_MAX, &used);
    *at += p ? used : 0;
    return p;
}

/* Number of elements, then these: one storage after the other, in the order of `keys`. */
static int read_storages(px_tensor_file *f, const px_item *keys, size_t at)
{
    struct px_pytorch *p = f->loaded;
    if (keys->kind != PX_ITEM_LIST)
        return px_fail(PX_DATA, "%s: has no list of its storages, as torch.save writes it", f->path);
    p->storage = px_calloc((size_t)keys->count + 1, sizeof p->storage[0]);
    for (int i = 0; i < keys->count; i++) {
        const px_item *key = keys->item[i];
        const px_item *s = key->kind == PX_ITEM_TEXT ? px_pickle_storage(p->pickle, key->text) : NULL;
        int64_t count;
        if (!s)
            return px_fail(PX_DATA, "%s: has a storage that belongs to no tensor", f->path);
        if (f->size - at < sizeof count)
            return px_fail(PX_DATA, "%s: is cut off before storage %d of %d", f->path, i + 1, keys->count);
        memcpy(&count, f->bytes + at, sizeof count);
        at += sizeof count;
        size_t each = px_stored_type_bytes(s->type);
        if (count < 0 || (uint64_t)count > (f->size - at) / each)
            return px_fail(PX_DATA, "%s: is cut off in storage %d of %d", f->path, i + 1, keys->count);
        p->storage[p->storages++] =
            (numbers){.key = px_strdup(key->text), .bytes = f->bytes + at, .size = (size_t)count * each};
        at += (size_t)count * each;
    }
    return 0;
}

static int check_machine(const px_tensor_file *f, const px_item *about)
{
    const px_item *little = px_item_find(about, "little_endian");
    if (little && little->kind == PX_ITEM_INT && little->number == 0)
        return px_fail(PX_DATA, "%s: was written by a big-endian machine; load and save it again on another", f->path);
    return 0;
}

static int read_older(px_tensor_file *f)
{
    enum { MACHINE = 2, ROOT = 3, KEYS = 4, PICKLES = 5 }; /* the first two are numbers of the format */
    size_t at = 0;
    int status = 0;
    for (int i = 0; i < PICKLES && status == 0; i++) {
        px_pickle *p = next_pickle(f, &at);
        if (!p)
            return -1;
        if (i == ROOT) {
            f->loaded->pickle = p;
            continue;
        }
        if (i == MACHINE)
            status = check_machine(f, px_pickle_root(p));
        else if (i == KEYS)
            status = read_storages(f, px_pickle_root(p), at);
        px_pickle_free(p);
    }
    return status;
}

int px_pytorch_read(px_tensor_file *f)
{
    f->loaded = px_calloc(1, sizeof *f->loaded);
    int status;
    if (begins(f->bytes, f->size, older, sizeof older))
        status = read_older(f);
    else if (f->bytes[0] == 'P')
        status = read_zip(f);
    else
        status = px_fail(PX_DATA,
                         "%s: is a pickle that torch.save did not write; weights are .safetensors or what "
                         "torch.save writes",
                         f->path);
    return status == 0 ? collect_all(f) : -1;
}
