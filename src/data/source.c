/* source.c - walks files and folders (fts); source_archive.c walks archives. */
#include "data/source.h"

#include "base/crash.h"
#include "base/error.h"
#include "data/entry_name.h"
#include "data/names.h"
#include "data/source_private.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NESTING_MAX = 4 };

const char *px_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *px_entry_name(const char *source, const char *path, char name[PX_ENTRY_NAME])
{
    const char *own = px_base_name(source);
    size_t length = strlen(path);
    bool itself = strncmp(own, path, length) == 0 && (own[length] == '\0' || own[length] == '.'); /* .gz */
    snprintf(name, PX_ENTRY_NAME, itself ? "%s" : "%s: %s", source, path);
    return px_one_line(name);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

size_t px_source_stem(const char *name)
{
    static const char *const endings[] = {".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4", ".tar.lzma", ".tar",
                                          ".tgz",    ".tbz2",    ".txz",    ".tzst",    ".zip",     ".7z",       ".gz",
                                          ".bz2",    ".xz",      ".lzma",   ".zst",     ".lz4"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcasecmp(name + length - ending, endings[i]) == 0)
            return length - ending;
    }
    return length;
}

bool px_source_hidden(const char *path)
{
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (px_name_is_junk(part, strcspn(part, "/")))
            return true;
    return false;
}

int px_source_junk(const px_walker *w, const char *path)
{
    return w->visit(w->context, &(px_entry){.source = w->source, .path = path, .junk = true});
}

/* ---- files and folders ------------------------------------------------------------------------------------------- */

int px_source_bytes(const px_walker *w, const char *path, const uint8_t *bytes, size_t size, int depth)
{
    char name[PX_ENTRY_NAME];
    if (!px_archive_is(path, bytes, size))
        return w->visit(w->context, &(px_entry){.source = w->source, .path = path, .bytes = bytes, .size = size});
    if (depth >= NESTING_MAX)
        return px_fail(PX_DATA, "%s: archives nested more than %d deep are not read",
                       px_entry_name(w->source, path, name), NESTING_MAX);
    return px_archive_visit(w, path, bytes, size, depth);
}

static int visit_file(const px_walker *w, const char *file, const char *path)
{
    struct stat about;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return px_fail(PX_DATA, "%s: cannot be opened: %s", file, strerror(error));
    }
    size_t size = (size_t)about.st_size;
    void *map = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int error = errno;
    close(fd);
    if (map == MAP_FAILED)
        return px_fail(PX_DATA, "%s: cannot be read: %s", file, strerror(error));
    if (map) {
        madvise(map, size, MADV_SEQUENTIAL);
        px_crash_file_add(map, size, file);
    }
    size_t left = px_archive_budget(size);
    int64_t linked = PX_LINKED_ALWAYS;
    px_walker limited = {
        .source = w->source, .visit = w->visit, .context = w->context, .left = &left, .linked = &linked};
    int status = px_source_bytes(&limited, path, map ? map : (const uint8_t *)"", size, 0);
    px_crash_file_remove(map);
    if (map)
        munmap(map, size);
    return status;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Gives the visitor a file that cannot be read, with the message that was set. */
static int visit_bad(const px_walker *w, const char *path)
{
    char *why = px_strdup(px_error());
    int status = w->visit(w->context, &(px_entry){.source = w->source, .path = path, .bad = why});
    free(why);
    return status;
}

static int visit_unreadable(const px_walker *w, const FTSENT *node, const char *path)
{
    px_fail(PX_DATA, "%s: cannot be opened: %s", node->fts_path, strerror(errno));
    return visit_bad(w, path);
}

/* `root`: the length of the source's name with its slash. */
static int visit_node(const px_walker *w, FTS *tree, FTSENT *node, size_t root)
{
    if (node->fts_level == 0 && node->fts_info != FTS_DNR)
        return 0;
    const char *path = node->fts_level ? node->fts_path + root : "";
    if (node->fts_level > 0 && px_name_is_junk(node->fts_name, strlen(node->fts_name))) {
        bool again = node->fts_info == FTS_DP;
        fts_set(tree, node, FTS_SKIP);
        return again ? 0 : px_source_junk(w, path);
    }
    switch (node->fts_info) {
    case FTS_D:
        return w->visit(w->context, &(px_entry){.source = w->source, .path = path, .folder = true});
    case FTS_F:
        return access(node->fts_accpath, R_OK) == 0 ? visit_file(w, node->fts_accpath, path)
                                                    : visit_unreadable(w, node, path);
    case FTS_DC:
        return px_fail(PX_DATA, "%s: is a link to a folder that contains it", node->fts_path);
    case FTS_SLNONE:
        px_fail(PX_DATA, "%s: is a link to a file that does not exist", node->fts_path);
        return visit_bad(w, path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return px_fail(PX_DATA, "%s: cannot be read: %s", node->fts_path, strerror(node->fts_errno));
    default:
        return 0; /* the second visit of a folder, after its content; pipes and devices */
    }
}

static int visit_folder(const px_walker *w)
{
    char *roots[] = {px_strdup(w->source), NULL};
    size_t root = strlen(roots[0]);
    while (root > 1 && roots[0][root - 1] == '/')
        roots[0][--root] = '\0';
    root += roots[0][root - 1] != '/'; /* the root "/" already ends with a slash */
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    int status = tree ? 0 : px_fail(PX_DATA, "%s: cannot be read: %s", w->source, strerror(errno));
    while (status == 0) {
        errno = 0;
        FTSENT *node = fts_read(tree);
        if (!node) {
            if (errno)
                status = px_fail(PX_DATA, "%s: cannot be read: %s", w->source, strerror(errno));
            break;
        }
        status = visit_node(w, tree, node, root);
    }
    if (tree)
        fts_close(tree);
    free(roots[0]);
    return status;
}

static int visit_source_file(const px_walker *w)
{
    return visit_file(w, w->source, px_base_name(w->source));
}

static int visit_in_utf8(const px_walker *w, int (*visit_all)(const px_walker *))
{
    px_utf8_locale before = px_utf8_locale_enter();
    int status = visit_all(w);
    px_utf8_locale_leave(before);
    return status;
}

int px_source_walk(const char *source, px_entry_visit *visit, void *context)
{
    struct stat about;
    px_walker w = {.source = source, .visit = visit, .context = context};
    if (stat(source, &about) != 0)
        return px_fail(PX_DATA, "%s: cannot be opened: %s", source, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return visit_in_utf8(&w, visit_folder);
    if (!S_ISREG(about.st_mode))
        return px_fail(PX_DATA, "%s: is neither a file nor a folder", source);
    if (about.st_size == 0)
        return px_fail(PX_DATA, "%s: is empty", source);
    return visit_in_utf8(&w, visit_source_file);
}
