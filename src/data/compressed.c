/* compressed.c - see compressed.h: gzip by zlib, the others by libarchive's filters. */
#include "data/compressed.h"
#include "base/error.h"

#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define ZLIB_CONST /* it does not change its input */
#include <zlib.h>

enum { BLOCK = 1 << 18, WINDOW = 15 + 16 /* the largest, with gzip's header and checksum */ };

static const struct kind {
    const char *name;
    size_t length;
    const char *magic;
    int (*filter)(struct archive *);
} kinds[] = {
    [PX_GZIP] = {"gzip", 3, "\x1F\x8B\x08", NULL},
    [PX_BZIP2] = {"bzip2", 3, "BZh", archive_read_support_filter_bzip2},
    [PX_XZ] = {"xz", 6, "\xFD\x37zXZ\0", archive_read_support_filter_xz},
    [PX_ZSTD] = {"zstd", 4, "\x28\xB5\x2F\xFD", archive_read_support_filter_zstd},
    [PX_LZ4] = {"lz4", 4, "\x04\x22\x4D\x18", archive_read_support_filter_lz4},
    [PX_LZMA] = {"lzma", 0, "", archive_read_support_filter_lzma},
};

struct px_compressed {
    const struct kind *kind;
    z_stream z;             /* gzip */
    struct archive *filter; /* the others */
    const uint8_t *next, *end;
    size_t *left;
    bool over, too_much;
    uint8_t block[BLOCK];
};

px_compression px_compression_of(const char *path, const uint8_t *bytes, size_t size)
{
    size_t length = strlen(path);
    for (px_compression k = PX_GZIP; k <= PX_LZ4; k++)
        if (size >= kinds[k].length && memcmp(bytes, kinds[k].magic, kinds[k].length) == 0)
            return k;
    return size > 0 && length > 5 && strcasecmp(path + length - 5, ".lzma") == 0 ? PX_LZMA : PX_NOT_COMPRESSED;
}

static la_ssize_t refuse(struct archive *archive, const px_compressed *c, const char *why)
{
    archive_set_error(archive, EINVAL, "%s: %s", c->kind->name, why ? why : "it is not readable");
    return ARCHIVE_FATAL;
}

/* After the compressed bytes only zeros may follow, a tape's padding. */
static int check_end(struct archive *archive, const px_compressed *c)
{
    for (const uint8_t *rest = c->next; rest < c->end; rest++)
        if (*rest != 0)
            return (int)refuse(archive, c, "other bytes follow the compressed ones");
    return 0;
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

/* After a member: another one, or the end. */
static int next_member(struct archive *archive, px_compressed *c)
{
    const struct kind *gzip = &kinds[PX_GZIP];
    if ((size_t)(c->end - c->next) < gzip->length || memcmp(c->next, gzip->magic, gzip->length) != 0) {
        c->over = true;
        return check_end(archive, c);
    }
    PX_CHECK(inflateReset(&c->z) == Z_OK);
    return 0;
}

static la_ssize_t inflate_block(struct archive *archive, px_compressed *c)
{
    c->z.next_out = c->block;
    c->z.avail_out = BLOCK;
    while (!c->over && c->z.avail_out > 0) {
        const size_t at_once = (size_t)1 << 30; /* zlib counts in 32 bits */
        size_t rest = (size_t)(c->end - c->next);
        c->z.next_in = c->next;
        c->z.avail_in = (uInt)(rest < at_once ? rest : at_once);
        int status = inflate(&c->z, Z_NO_FLUSH);
        c->next = c->z.next_in;
        if (status == Z_STREAM_END) {
            if (next_member(archive, c) != 0)
                return ARCHIVE_FATAL;
        } else if (status == Z_BUF_ERROR) {
            return refuse(archive, c, "it is cut off");
        } else if (status != Z_OK) {
            return refuse(archive, c, c->z.msg);
        }
    }
    return BLOCK - (la_ssize_t)c->z.avail_out;
}

/* ---- the others: an archive of libarchive's format "raw" is a single compressed file ----------------------------- */

static int open_filter(struct archive *archive, px_compressed *c)
{
    struct archive_entry *entry;
    size_t size = (size_t)(c->end - c->next);
    c->filter = archive_read_new();
    c->kind->filter(c->filter);
    archive_read_support_format_raw(c->filter);
    archive_read_support_format_empty(c->filter);
    int status = archive_read_open_memory(c->filter, c->next, size);
    if (status == ARCHIVE_OK && archive_filter_count(c->filter) < 2) /* it did not recognize what it should read */
        return (int)refuse(archive, c, NULL);
    if (status == ARCHIVE_OK)
        status = archive_read_next_header(c->filter, &entry);
    if (status == ARCHIVE_EOF)
        c->over = true;
    else if (status != ARCHIVE_OK)
        return (int)refuse(archive, c, archive_error_string(c->filter));
    return 0;
}

static la_ssize_t filter_block(struct archive *archive, px_compressed *c)
{
    if (!c->filter && open_filter(archive, c) != 0)
        return ARCHIVE_FATAL;
    la_ssize_t got = c->over ? 0 : archive_read_data(c->filter, c->block, BLOCK);
    if (got < 0)
        return refuse(archive, c, archive_error_string(c->filter));
    if (got > 0 || c->over)
        return got;
    c->over = true;
    c->next += archive_filter_bytes(c->filter, -1);
    return check_end(archive, c);
}

/* ---- the interface ----------------------------------------------------------------------------------------------- */

/* libarchive's read callback. */
static la_ssize_t read_block(struct archive *archive, void *data, const void **block)
{
    px_compressed *c = data;
    la_ssize_t got = c->kind->filter ? filter_block(archive, c) : inflate_block(archive, c);
    if (got > 0 && (size_t)got > *c->left) {
        c->too_much = true;
        return refuse(archive, c, "it unpacks to too much");
    }
    *c->left -= got > 0 ? (size_t)got : 0;
    *block = c->block;
    return got;
}

px_compressed *px_compressed_open(struct archive *archive, px_compression kind, const uint8_t *bytes, size_t size,
                                  size_t *left, int *status)
{
    px_compressed *c = px_calloc(1, sizeof *c);
    c->kind = &kinds[kind];
    c->next = bytes;
    c->end = bytes + size;
    c->left = left;
    if (kind == PX_GZIP)
        PX_CHECK(inflateInit2(&c->z, WINDOW) == Z_OK);
    *status = archive_read_open(archive, c, NULL, read_block, NULL);
    return c;
}

int px_compressed_rest(struct archive *archive, px_compressed *c)
{
    const void *block;
    la_ssize_t got;
    do
        got = read_block(archive, c, &block);
    while (got > 0);
    return got < 0 ? -1 : 0;
}

bool px_compressed_is_too_much(const px_compressed *c)
{
    return c && c->too_much;
}

void px_compressed_close(px_compressed *c)
{
    if (!c)
        return;
    if (c->filter)
        archive_read_free(c->filter);
    else if (!c->kind->filter)
        inflateEnd(&c->z);
    free(c);
}
