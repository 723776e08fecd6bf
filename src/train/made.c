/* made.c - see made.h. */
#include "train/made.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OWN_NAMES = 64 }; /* bytes for "/checkpoint.previous.h5" and the like */

static bool is_in(const char *folder, const char *name)
{
    struct stat about;
    char *path = px_format("%s/%s", folder, name);
    bool there = lstat(path, &about) == 0;
    free(path);
    return there;
}

static void remove_from(const char *folder, const char *name)
{
    char *path = px_format("%s/%s", folder, name);
    unlink(path);
    free(path);
}

/* Removes the folder and its parents up to those that were there. */
static void remove_folders(px_made *m)
{
    for (int length = (int)strlen(m->folder); length > m->existed; length--) {
        if (length > 1 && m->folder[length - 1] == '/')
            continue; /* "a//" is "a" */
        char after = m->folder[length];
        if (after == '/' || after == '\0') {
            m->folder[length] = '\0';
            rmdir(m->folder); /* refused if somebody has put something into it */
            m->folder[length] = after;
        }
    }
}

static int make_all(px_made *m)
{
    char *part = px_strdup(m->folder), *end = part;
    int status = 0;
    bool made = false;
    do {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        if (mkdir(part, 0777) == 0)
            made = true;
        else if (errno != EEXIST)
            status = px_fail(PX_USAGE, "%s: the folder cannot be created: %s", part, strerror(errno));
        else if (!made)
            m->existed = (int)(end - part);
        *end = after;
    } while (*end && status == 0);
    free(part);
    return status;
}

int px_made_begin(px_made *m, const char *folder)
{
    struct stat st;
    *m = (px_made){0};
    if (strlen(folder) + OWN_NAMES > PATH_MAX)
        return px_fail(PX_USAGE,
                       "out: a path of %zu bytes is too long: at most %d leave room for the names of its files",
                       strlen(folder), PATH_MAX - OWN_NAMES);
    m->folder = px_strdup(folder);
    int status = make_all(m);
    if (status == 0 && (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)))
        status = px_fail(PX_USAGE, "%s: is not a folder", folder);
    if (status == 0 && access(folder, W_OK) != 0)
        status = px_fail(PX_USAGE, "%s: the folder cannot be written to", folder);
    if (status != 0) {
        remove_folders(m);
        px_made_keep(m);
    }
    return status;
}

void px_made_files(px_made *m)
{
    m->results = !is_in(m->folder, "run.h5");
    m->log = !is_in(m->folder, "log.txt");
}

void px_made_undo(px_made *m, px_results *results)
{
    if (m->results) /* before the lock is released */
        remove_from(m->folder, "run.h5");
    if (m->log)
        remove_from(m->folder, "log.txt");
    px_results_abandon(results);
    if (m->folder)
        remove_folders(m);
    px_made_keep(m);
}

void px_made_keep(px_made *m)
{
    free(m->folder);
    *m = (px_made){0};
}
