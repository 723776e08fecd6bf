/* source_archive.c - visits what is inside an archive or a compressed file, by libarchive. */
#include "base/error.h"
#include "data/compressed.h"
#include "data/entry_name.h"
#include "data/links.h"
#include "data/source_private.h"
#include "data/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The largest published file in a format that we read has 2.8 GB (STL-10). An archive entry of more than twice that is
 * a decompression bomb, or not meant for us. */
#define ENTRY_MAX ((size_t)6 << 30)
/* Pictures stay far below this ratio, even black and white drawings; a bomb needs more. */
enum { RATIO_MAX = 500, ALWAYS = 16 << 20 };

/* Links to folders multiply their files. So many per entry of the archive, and PX_LINKED_ALWAYS, are not an attack: a class is
 * linked in a few splits. */
enum { LINKED_PER_ENTRY = 16 };

bool px_archive_is(const char *path, const uint8_t *bytes, size_t size)
{
    static const struct {
        size_t offset, length;
        const char *magic;
    } magics[] = {{0, 4, "PK\x03\x04"}, {0, 6, "7z\xBC\xAF\x27\x1C"}, {257, 5, "ustar"}};
    if (px_compression_of(path, bytes, size) != PX_NOT_COMPRESSED)
        return true;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (size >= magics[i].offset + magics[i].length &&
            memcmp(bytes + magics[i].offset, magics[i].magic, magics[i].length) == 0)
            return true;
    size_t stem = px_source_stem(px_base_name(path));
    return size > 0 && (strcasecmp(px_base_name(path) + stem, ".tar") == 0);
}

/* ---- reading ---- */

/* A path in an archive without parts that say nothing ("./", "//") and slashes at its ends. A new string, or NULL with a
 * message if it leads out of the archive. */
static char *clean_path(const char *source, const char *path)
{
    char *clean = px_strdup(path), *to = clean;
    for (const char *part = path, *next; part; part = next) {
        size_t length = strcspn(part, "/");
        next = part[length] ? part + length + 1 : NULL;
        if (length == 2 && memcmp(part, "..", 2) == 0) {
            free(clean);
            return px_fail_null(PX_DATA, "%s: entry %s leads out of the archive; such archives are refused", source,
                                path);
        }
        if (length == 0 || (length == 1 && *part == '.'))
            continue;
        if (to > clean)
            *to++ = '/';
        memcpy(to, part, length);
        to += length;
    }
    *to = '\0';
    return clean;
}

/* An archive that is being read. */
typedef struct opened {
    struct archive *archive;
    px_compressed *packed; /* NULL: it is not compressed as a whole */
    uint8_t *bytes;        /* of the current entry */
    size_t size, capacity;
} opened;

size_t px_archive_budget(size_t size)
{
    return size > ALWAYS / RATIO_MAX ? size * RATIO_MAX : ALWAYS;
}

static int unpacks_to_too_much(const px_walker *w)
{
    return px_fail(PX_DATA,
                   "%s: unpacks to more than %d times its size, like a decompression bomb; if it is not one, "
                   "unpack it and give its folder",
                   w->source, RATIO_MAX);
}

static int damaged(const px_walker *w, const char *path, const opened *o)
{
    char name[PX_ENTRY_NAME];
    const char *why = archive_error_string(o->archive);
    if (px_compressed_is_too_much(o->packed))
        return unpacks_to_too_much(w);
    return px_fail(PX_DATA, "%s: the archive is damaged or cut off: %s", px_entry_name(w->source, path, name),
                   why ? why : "no reason given");
}

/* Inside compressed bytes there may be a single file, libarchive's format "raw", which takes what no other format does; a zip,
 * too, which is then read by the directory at its end, as every zip is (zip.h). */
static int open_archive(opened *o, const px_walker *w, const char *path, const uint8_t *bytes, size_t size)
{
    int status;
    char name[PX_ENTRY_NAME];
    px_compression kind = px_compression_of(path, bytes, size);
    *o = (opened){.archive = archive_read_new()};
    archive_read_support_format_tar(o->archive);
    archive_read_support_format_7zip(o->archive);
    if (kind != PX_NOT_COMPRESSED) {
        archive_read_support_format_raw(o->archive);
        o->packed = px_compressed_open(o->archive, kind, bytes, size, w->left, &status);
    } else { /* a zip that is cut between two entries shows it only by its missing directory */
        if (px_zip_check(bytes, size, px_entry_name(w->source, path, name)) != 0)
            return -1;
        archive_read_support_format_zip_seekable(o->archive);
        status = archive_read_open_memory(o->archive, bytes, size);
    }
    return status == ARCHIVE_OK ? 0 : damaged(w, path, o);
}

static void close_archive(opened *o)
{
    archive_read_free(o->archive);
    px_compressed_close(o->packed);
    free(o->bytes);
}

/* Reads the current entry's data. What a compressed archive unpacks to has been counted already. */
static int read_entry(const px_walker *w, const char *path, opened *o)
{
    char name[PX_ENTRY_NAME];
    o->size = 0;
    for (;;) {
        if (o->size == o->capacity) {
            o->capacity = o->capacity ? 2 * o->capacity : 1 << 16;
            o->bytes = px_realloc(o->bytes, o->capacity);
        }
        la_ssize_t got = archive_read_data(o->archive, o->bytes + o->size, o->capacity - o->size);
        if (got < 0)
            return damaged(w, path, o);
        if (got == 0)
            return 0;
        o->size += (size_t)got;
        if (!o->packed && (size_t)got > *w->left)
            return unpacks_to_too_much(w);
        *w->left -= o->packed ? 0 : (size_t)got;
        if (o->size > ENTRY_MAX)
            return px_fail(PX_DATA, "%s: is larger than %zu GB unpacked; unpack the archive and give its folder",
                           px_entry_name(w->source, path, name), ENTRY_MAX >> 30);
    }
}

/* The cleaned path of an entry, a new string, or NULL with a message. */
static char *entry_path(const px_walker *w, struct archive *archive, struct archive_entry *entry)
{
    const char *given = archive_entry_pathname(entry);
    if (!given)
        return px_fail_null(PX_DATA, "%s: contains an entry whose name cannot be read", w->source);
    char *name = px_entry_utf8(archive, given), *path = clean_path(w->source, name);
    free(name);
    return path;
}

static int visit_single(const px_walker *w, const char *outer, opened *o, int depth)
{
    if (read_entry(w, outer, o) != 0)
        return -1;
    size_t folder = (size_t)(px_base_name(outer) - outer);
    char *path = px_format("%.*s", (int)(folder + px_source_stem(outer + folder)), outer);
    int status = px_source_bytes(w, path, o->bytes, o->size, depth + 1);
    free(path);
    return status;
}

static int leads_to_too_much(const px_walker *w, const char *outer, const px_links *links)
{
    char name[PX_ENTRY_NAME];
    return px_fail(PX_DATA,
                   "%s: its %d links lead to more than %d times as many files as it holds, like a bomb; if it is not "
                   "one, unpack it and give its folder",
                   px_entry_name(w->source, outer, name), links->count, LINKED_PER_ENTRY);
}

/* What the links to the entry `path` lead to, under their own paths. */
static int visit_linked(const px_walker *w, const char *outer, const char *prefix, px_links *links, opened *o,
                        const char *path, int depth)
{
    px_links_at at = {0};
    int result = 0;
    bool read = false;
    for (char *name; result == 0 && (name = px_links_next(links, path, &at)); free(name)) {
        if (--*w->linked < 0)
            result = leads_to_too_much(w, outer, links);
        if (result != 0 || px_source_hidden(name) || px_source_hidden(path))
            continue;
        char *shown = px_format("%s%s", prefix, name);
        result = read ? 0 : read_entry(w, shown, o);
        if (result == 0 && read && o->size > *w->left)
            result = unpacks_to_too_much(w);
        *w->left -= result == 0 && read ? o->size : 0;
        read = true;
        if (result == 0)
            result = px_source_bytes(w, shown, o->bytes, o->size, depth + 1);
        free(shown);
    }
    return result;
}

/* Names the links that lead out of the archive, in a circle or to nothing. */
static int visit_lost_links(const px_walker *w, const char *prefix, const px_links *links)
{
    int result = 0;
    for (int k = 0; k < links->count && result == 0; k++) {
        if (links->link[k].found || px_source_hidden(links->link[k].path))
            continue;
        char *path = px_format("%s%s", prefix, links->link[k].path);
        result = w->visit(w->context, &(px_entry){.source = w->source, .path = path, .nowhere = true});
        free(path);
    }
    return result;
}

/* Once more through an archive that has links: visits what they lead to. */
static int visit_links(const px_walker *w, const char *outer, const char *prefix, px_links *links, const uint8_t *bytes,
                       size_t size, int depth)
{
    opened o;
    struct archive_entry *entry;
    size_t left = px_archive_budget(size);
    int status;
    px_walker again = *w;
    again.left = &left;
    again.through_link = true;
    px_links_resolve(links);
    int result = open_archive(&o, &again, outer, bytes, size);
    while (result == 0 && (status = archive_read_next_header(o.archive, &entry)) != ARCHIVE_EOF) {
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
            result = damaged(&again, outer, &o);
            break;
        }
        char *path = entry_path(&again, o.archive, entry);
        result = path ? 0 : -1;
        if (path && archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry))
            result = visit_linked(&again, outer, prefix, links, &o, path, depth);
        else if (path && archive_entry_filetype(entry) == AE_IFDIR)
            px_links_found(links, path);
        free(path);
    }
    close_archive(&o);
    return result == 0 ? visit_lost_links(w, prefix, links) : result;
}

/* Visits one entry of the archive called `outer`; paths in it get the prefix `prefix`. */
static int visit_archive_entry(const px_walker *w, const char *outer, const char *prefix, opened *o,
                               struct archive_entry *entry, px_links *links, int depth)
{
    if (archive_format(o->archive) == ARCHIVE_FORMAT_RAW)
        return visit_single(w, outer, o, depth);
    char *clean = entry_path(w, o->archive, entry);
    if (!clean)
        return -1;
    const char *hard = archive_entry_hardlink(entry), *target = hard ? hard : archive_entry_symlink(entry);
    if (*clean && target && (hard || archive_entry_filetype(entry) == AE_IFLNK))
        px_links_add(links, clean, target, hard != NULL);
    char *path = px_format("%s%s", prefix, clean);
    bool keep = *clean && !px_source_hidden(clean);
    int status = *clean && !keep ? px_source_junk(w, path) : 0;
    free(clean);
    if (keep && archive_entry_filetype(entry) == AE_IFDIR) {
        status = w->visit(w->context, &(px_entry){.source = w->source, .path = path, .folder = true});
    } else if (keep && archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry)) {
        status = read_entry(w, path, o);
        if (status == 0)
            status = px_source_bytes(w, path, o->bytes, o->size, depth + 1);
    }
    free(path);
    return status;
}

int px_archive_visit(const px_walker *w, const char *outer, const uint8_t *bytes, size_t size, int depth)
{
    opened o;
    bool whole = depth == 0 && strcmp(outer, px_base_name(w->source)) == 0;
    size_t folder = (size_t)(px_base_name(outer) - outer);
    char *prefix =
        whole ? px_strdup("") : px_format("%.*s/", (int)(folder + px_source_stem(px_base_name(outer))), outer);
    struct archive_entry *entry;
    px_links links = {0};
    int result = open_archive(&o, w, outer, bytes, size);
    while (result == 0) {
        int status = archive_read_next_header(o.archive, &entry);
        if (status == ARCHIVE_EOF)
            break;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) /* warnings concern only names and owners */
            result = damaged(w, outer, &o);
        else if (w->through_link && --*w->linked < 0)
            result = leads_to_too_much(w, outer, &links);
        else
            result = visit_archive_entry(w, outer, prefix, &o, entry, &links, depth);
        *w->linked += w->through_link ? 0 : LINKED_PER_ENTRY;
    }
    if (result == 0 && o.packed && px_compressed_rest(o.archive, o.packed) != 0)
        result = damaged(w, outer, &o);
    close_archive(&o);
    if (result == 0 && links.count > 0)
        result = visit_links(w, outer, prefix, &links, bytes, size, depth);
    px_links_finish(&links);
    free(prefix);
    return result;
}
