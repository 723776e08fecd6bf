/* folder.c - see folder.h. */
#include "base/folder.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void px_folder_unmake(const char *folder, int existed)
{
    char *part = px_strdup(folder);
    for (int length = (int)strlen(part); length > existed; length--) {
        if (length > 1 && part[length - 1] == '/')
            continue; /* "a//" is "a" */
        if (folder[length] == '/' || folder[length] == '\0') {
            part[length] = '\0';
            rmdir(part); /* refused if somebody has put something into it */
        }
    }
    free(part);
}

static int make_all(const char *folder, int *existed)
{
    char *part = px_strdup(folder), *end = part;
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
            *existed = (int)(end - part);
        *end = after;
    } while (*end && status == 0);
    free(part);
    return status;
}

/* Before a part is made, since the parts before a bad one would be made. */
static int check_length(const char *folder, int room)
{
    if (strlen(folder) + (size_t)room > PATH_MAX)
        return px_fail(PX_USAGE,
                       "out: a path of %zu bytes is too long: at most %d leave room for the names of its files",
                       strlen(folder), PATH_MAX - room);
    for (const char *at = folder; *at; at += strspn(at, "/")) {
        size_t length = strcspn(at, "/");
        if (length > NAME_MAX)
            return px_fail(PX_USAGE, "out: a folder's name of %zu bytes is too long: at most %d are possible", length,
                           NAME_MAX);
        at += length;
    }
    return 0;
}

int px_folder_make(const char *folder, int room, int *existed)
{
    struct stat st;
    *existed = 0;
    if (check_length(folder, room) != 0)
        return -1;
    int status = make_all(folder, existed);
    if (status == 0 && (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)))
        status = px_fail(PX_USAGE, "%s: is not a folder", folder);
    if (status == 0 && access(folder, W_OK) != 0)
        status = px_fail(PX_USAGE, "%s: the folder cannot be written to", folder);
    if (status != 0)
        px_folder_unmake(folder, *existed);
    return status;
}

int px_not_input(const char *path, const char *input, const char *what)
{
    struct stat out, in;
    if (stat(path, &out) != 0 || stat(input, &in) != 0 || out.st_dev != in.st_dev || out.st_ino != in.st_ino)
        return 0;
    return px_fail(PX_USAGE, "%s is %s, so it cannot be the output as well", path, what);
}
