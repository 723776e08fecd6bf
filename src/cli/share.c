/* share.c - see share.h. */
#include "cli/share.h"
#include "base/error.h"
#include "cli/share_path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* PX_SHARE comes from meson: absolute, or relative to the program's folder ("../share/pretext"). A new string; NULL: the
 * system does not tell where the program is. */
static char *share_folder(void)
{
    if (PX_SHARE[0] == '/')
        return px_strdup(PX_SHARE);
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = 0;
    const char *rest = PX_SHARE;
    *strrchr(program, '/') = 0;
    for (; strncmp(rest, "../", 3) == 0 && strchr(program, '/'); rest += 3)
        *strrchr(program, '/') = 0;
    return px_format("%s/%s", program, rest);
}

char *px_share_file(const char *name)
{
    if (access(name, F_OK) == 0)
        return px_strdup(name);
    char *folder = share_folder(), *path = folder ? px_format("%s/%s", folder, name) : NULL;
    free(folder);
    if (path && access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *px_share_config(const char *name, px_log *log)
{
    if (access(name, F_OK) == 0 || *name == '/')
        return px_strdup(name);
    int reason = errno;
    char *folder = share_folder(), *found = NULL;
    static const char *const below[] = {"", "experiments/"};
    for (int i = 0; folder && !found && i < 2; i++) {
        found = px_format("%s/%s%s", folder, below[i], name);
        if (access(found, R_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    if (found)
        px_log_line(log, "configuration %s", found);
    else
        px_fail(PX_USAGE, "%s: %s%s%s%s", name, strerror(reason), folder ? ", nor is it in " : "", folder ? folder : "",
                folder && access(folder, F_OK) != 0 ? ", which is not there" : "");
    free(folder);
    return found;
}
