#include "train/provenance.h"
#include "base/error.h"
#include "base/version.h"
#include "commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int px_provenance_write(px_results *r, const px_comm *comm, const char *command, int threads)
{
    char host[256] = "", started[64], *versions = NULL;
    size_t size;
    time_t now = time(NULL);
    struct tm local;
    gethostname(host, sizeof host - 1);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &local));
    FILE *text = open_memstream(&versions, &size);
    PX_CHECK(text);
    px_version_print(text);
    fclose(text);
    int status = px_results_attribute_text(r, "/provenance", "host", host);
    if (status == 0)
        status = px_results_attribute_text(r, "/provenance", "command", command);
    if (status == 0)
        status = px_results_attribute_text(r, "/provenance", "commit", PX_COMMIT);
    if (status == 0)
        status = px_results_attribute_text(r, "/provenance", "versions", versions);
    if (status == 0)
        status = px_results_attribute_text(r, "/provenance", "started", started);
    if (status == 0)
        status = px_results_attribute_real(r, "/provenance", "ranks", comm->size);
    if (status == 0)
        status = px_results_attribute_real(r, "/provenance", "ranks_on_host", comm->local_size);
    if (status == 0)
        status = px_results_attribute_real(r, "/provenance", "threads", threads);
    free(versions);
    return status;
}

int px_folder_make(const char *path)
{
    char *part = px_strdup(path), *end = part;
    int status = 0;
    do {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            status = px_fail(PX_USAGE, "%s: cannot make the folder: %s", part, strerror(errno));
        *end = after;
    } while (*end && status == 0);
    free(part);
    struct stat st;
    if (status == 0 && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
        status = px_fail(PX_USAGE, "%s: is not a folder", path);
    if (status == 0 && access(path, W_OK) != 0)
        status = px_fail(PX_USAGE, "%s: the folder cannot be written to", path);
    return status;
}
