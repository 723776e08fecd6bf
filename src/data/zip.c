/* zip.c - see zip.h. The numbers are those of PKWARE's APPNOTE 6.3. */
#include "data/zip.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

enum {
    END = 22,        /* bytes of the record at the end of the directory, without its comment */
    COMMENT = 65535, /* at most */
    END64 = 56,
    LOCATOR64 = 20,
    CENTRAL = 46, /* an entry of the directory, without its name, extra fields and comment */
    LOCAL = 30,   /* an entry's own header, without its name and extra fields */
    ENCRYPTED = 1,
    SIZES_FOLLOW = 1 << 3, /* its own header does not know the checksum and the sizes yet */
};

typedef struct zip {
    const uint8_t *bytes;
    size_t size;
    const char *path;
} zip;

/* One of the two descriptions of an entry. */
typedef struct header {
    const uint8_t *name, *extra;
    unsigned name_length, extra_length, flags, method;
    uint64_t crc, packed, size, offset;
} header;

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static bool is(const zip *z, uint64_t at, size_t length, const char *signature)
{
    return at <= z->size && length <= z->size - at && memcmp(z->bytes + at, signature, 4) == 0;
}

/* Numbers that do not fit into 32 bits stand in an extra field, in this order, and only those. */
static void take_wide(header *h, bool central)
{
    enum { WIDE = 1 };
    const uint64_t too_large = 0xFFFFFFFF;
    uint64_t *of[] = {&h->size, &h->packed, central ? &h->offset : NULL};
    for (unsigned at = 0; at + 4 <= h->extra_length;) {
        unsigned id = (unsigned)number(h->extra + at, 2), length = (unsigned)number(h->extra + at + 2, 2), used = 0;
        at += 4;
        if (length > h->extra_length - at)
            return;
        for (int i = 0; i < 3 && id == WIDE; i++)
            if (of[i] && *of[i] == too_large && used + 8 <= length) {
                *of[i] = number(h->extra + at + used, 8);
                used += 8;
            }
        at += length;
    }
}

/* The fields from flags to the lengths are the same in both, from `fields` on. */
static bool read_header(const zip *z, uint64_t at, size_t fixed, size_t fields, header *h)
{
    const uint8_t *b = z->bytes + at, *f = b + fields;
    *h = (header){.flags = (unsigned)number(f, 2),
                  .method = (unsigned)number(f + 2, 2),
                  .crc = number(f + 8, 4),
                  .packed = number(f + 12, 4),
                  .size = number(f + 16, 4),
                  .name_length = (unsigned)number(f + 20, 2),
                  .extra_length = (unsigned)number(f + 22, 2),
                  .offset = fixed == CENTRAL ? number(b + 42, 4) : 0,
                  .name = b + fixed};
    h->extra = h->name + h->name_length;
    if (h->name_length + h->extra_length > z->size - at - fixed)
        return false;
    take_wide(h, fixed == CENTRAL);
    return true;
}

/* What the two descriptions disagree about; NULL: nothing. */
static const char *difference(const header *a, const header *b)
{
    if (a->name_length != b->name_length || memcmp(a->name, b->name, a->name_length) != 0)
        return "name";
    if (a->method != b->method)
        return "method of compression";
    if ((a->flags ^ b->flags) & ENCRYPTED)
        return "encryption";
    if (b->flags & SIZES_FOLLOW)
        return NULL;
    return a->size != b->size || a->packed != b->packed ? "size" : a->crc != b->crc ? "checksum" : NULL;
}

/* The last record that may end the directory; false: there is none. */
static bool find_end(const zip *z, uint64_t *end)
{
    uint64_t lowest = z->size > END + COMMENT ? z->size - END - COMMENT : 0;
    for (uint64_t at = z->size >= END ? z->size - END + 1 : 0; at-- > lowest;)
        if (is(z, at, END, "PK\5\6")) {
            *end = at;
            return true;
        }
    return false;
}

int px_zip_check(const uint8_t *bytes, size_t size, const char *path)
{
    zip z = {bytes, size, path};
    uint64_t end, length, offset;
    if (size < END || !find_end(&z, &end))
        return 0;
    length = number(bytes + end + 12, 4);
    offset = number(bytes + end + 16, 4);
    if (end >= LOCATOR64 && is(&z, end - LOCATOR64, LOCATOR64, "PK\6\7")) {
        uint64_t wide = number(bytes + end - LOCATOR64 + 8, 8);
        if (is(&z, wide, END64, "PK\6\6")) {
            end = wide;
            length = number(bytes + wide + 40, 8);
            offset = number(bytes + wide + 48, 8);
        }
    }
    if (length > end || offset > end - length)
        return 0;
    uint64_t before = end - length - offset; /* bytes in front of the zip, which its numbers do not count */
    header central, own;
    for (uint64_t at = end - length; at < end && is(&z, at, CENTRAL, "PK\1\2");) {
        if (!read_header(&z, at, CENTRAL, 8, &central))
            return 0;
        uint64_t local = before + central.offset;
        if (local < before || !is(&z, local, LOCAL, "PK\3\4") || !read_header(&z, local, LOCAL, 6, &own))
            return 0;
        const char *what = difference(&central, &own);
        if (what)
            return px_fail(PX_DATA,
                           "%s: entry %.*s has another %s in its own header than in the zip's directory; pack it anew",
                           path, (int)central.name_length, (const char *)central.name, what);
        at += CENTRAL + central.name_length + central.extra_length + number(bytes + at + 32, 2);
    }
    return 0;
}
