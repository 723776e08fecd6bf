/* save.c - see save.h. */
#include "base/save.h"
#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? px_format("%.*s", (int)(slash - path) + 1, path) : px_strdup(".");
    int error = access(folder, W_OK | X_OK) == 0 ? 0 : errno;
    free(folder);
    if (error == ENOENT)
        return px_fail(PX_FAIL, "%s: cannot be written: its folder is not there", path);
    return error ? px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(error)) : 0;
}

int px_save_replaceable(const char *path, const char *begins, size_t bytes, const char *what)
{
    char first[16];
    PX_CHECK(bytes <= sizeof first);
    if (px_replaceable(path) != 0 || check_folder(path) != 0)
        return -1;
    FILE *f = fopen(path, "rb");
    if (!f && errno != ENOENT)
        return px_fail(PX_FAIL, "%s: cannot be read, so it is not replaced: %s", path, strerror(errno));
    size_t got = f ? fread(first, 1, bytes, f) : 0;
    if (f)
        fclose(f);
    if (got == 0 || (got == bytes && memcmp(first, begins, bytes) == 0))
        return 0;
    return px_fail(PX_USAGE, "%s: is not %s, so it is not replaced; give out= another name", path, what);
}

/* To `partial`; messages name `path`. */
static int write_file(const char *partial, const char *path, const void *content, size_t size)
{
    FILE *f = fopen(partial, "wb");
    bool good = f && fwrite(content, 1, size, f) == size;
    int why = errno;
    if (f && fclose(f) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(partial, path) == 0)
        return 0;
    int status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(good ? errno : why));
    if (f)
        unlink(partial);
    return status;
}

int px_save(const char *path, const void *content, size_t size)
{
    char *partial = px_partial_name(path);
    int status = px_plain_file(partial, PX_FAIL) == 0 ? write_file(partial, path, content, size) : -1;
    free(partial);
    return status;
}
