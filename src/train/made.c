/* made.c - see made.h. */
#include "train/made.h"
#include "base/error.h"
#include "base/folder.h"

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

int px_made_begin(px_made *m, const char *folder)
{
    *m = (px_made){0};
    int existed, status = px_folder_make(folder, OWN_NAMES, &existed);
    if (status == 0)
        *m = (px_made){.folder = px_strdup(folder), .existed = existed};
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
        px_folder_unmake(m->folder, m->existed);
    px_made_keep(m);
}

void px_made_keep(px_made *m)
{
    free(m->folder);
    *m = (px_made){0};
}
