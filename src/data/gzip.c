/* gzip.c - see gzip.h. */
#include "data/gzip.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#define ZLIB_CONST /* it does not change its input */
#include <zlib.h>

enum { BLOCK = 1 << 18, GZIP = 15 + 16 /* the largest window, with gzip's header and checksum */ };

struct px_gzip {
    z_stream z;
    const uint8_t *next, *end;
    bool over;
    uint8_t block[BLOCK];
};

bool px_is_gzip(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8;
}

static la_ssize_t refuse(struct archive *archive, const char *why)
{
    archive_set_error(archive, EINVAL, "gzip: %s", why);
    return ARCHIVE_FATAL;
}

/* After a member: another one, zeros up to the end (a tape's padding), or the end. */
static int next_member(struct archive *archive, px_gzip *g)
{
    const uint8_t *rest = g->next;
    while (rest < g->end && *rest == 0)
        rest++;
    g->over = rest == g->end;
    if (g->over)
        return 0;
    if (rest > g->next || !px_is_gzip(rest, (size_t)(g->end - rest)))
        return (int)refuse(archive, "other bytes follow the compressed ones");
    PX_CHECK(inflateReset(&g->z) == Z_OK);
    return 0;
}

/* libarchive's read callback. */
static la_ssize_t read_block(struct archive *archive, void *data, const void **block)
{
    px_gzip *g = data;
    g->z.next_out = g->block;
    g->z.avail_out = BLOCK;
    while (!g->over && g->z.avail_out > 0) {
        const size_t at_once = (size_t)1 << 30; /* zlib counts in 32 bits */
        size_t rest = (size_t)(g->end - g->next);
        g->z.next_in = g->next;
        g->z.avail_in = (uInt)(rest < at_once ? rest : at_once);
        int status = inflate(&g->z, Z_NO_FLUSH);
        g->next = g->z.next_in;
        if (status == Z_STREAM_END) {
            if (next_member(archive, g) != 0)
                return ARCHIVE_FATAL;
        } else if (status == Z_BUF_ERROR) {
            return refuse(archive, "it is cut off");
        } else if (status != Z_OK) {
            return refuse(archive, g->z.msg ? g->z.msg : "it is not readable");
        }
    }
    *block = g->block;
    return BLOCK - (la_ssize_t)g->z.avail_out;
}

px_gzip *px_gzip_open(struct archive *archive, const uint8_t *bytes, size_t size, int *status)
{
    px_gzip *g = px_calloc(1, sizeof *g);
    g->next = bytes;
    g->end = bytes + size;
    PX_CHECK(inflateInit2(&g->z, GZIP) == Z_OK);
    *status = archive_read_open(archive, g, NULL, read_block, NULL);
    return g;
}

int px_gzip_rest(struct archive *archive, px_gzip *g, size_t *left)
{
    for (;;) {
        const void *block;
        la_ssize_t got = read_block(archive, g, &block);
        if (got <= 0)
            return got < 0 ? -1 : 0;
        if ((size_t)got > *left)
            return 1;
        *left -= (size_t)got;
    }
}

void px_gzip_close(px_gzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}
