/* provenance.c - see provenance.h. */
#include "train/provenance.h"
#include "base/error.h"
#include "base/version.h"
#include "commit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOST_BYTES = 256 };

char *px_provenance_hosts(const px_comm *comm)
{
    char own[HOST_BYTES] = "", *all = px_calloc((size_t)comm->size, HOST_BYTES), *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    gethostname(own, sizeof own - 1);
    px_all_gather_bytes(comm, own, all, HOST_BYTES);
    for (int i = 0, end; i < comm->size; i = end) {
        const char *host = all + (size_t)i * HOST_BYTES;
        for (end = i + 1; end < comm->size && strcmp(all + (size_t)end * HOST_BYTES, host) == 0;)
            end++;
        fprintf(out, "%s%s x %d", i ? ", " : "", host, end - i);
    }
    fclose(out);
    free(all);
    return text;
}

/* A start has eight attributes. With a ninth one HDF5 would store them in another way, on which H5Ocopy (release
 * 1.10.8) crashes, and so would the next program that appends to the file. */
enum { HOST, STARTED, COMMAND, COMMIT, VERSIONS, TEXTS };
static const char *const text_name[TEXTS] = {"host", "started", "command", "commit", "versions"};
enum { NUMBERS = 3 };
static const char *const number_name[NUMBERS] = {"ranks", "ranks_on_host", "threads"};

typedef struct start {
    char *text[TEXTS];
    double number[NUMBERS];
} start;

static start this_start(const px_comm *comm, const char *command, int threads)
{
    char host[HOST_BYTES] = "", started[64], *versions = NULL;
    size_t size;
    time_t now = time(NULL);
    struct tm local;
    gethostname(host, sizeof host - 1);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &local));
    FILE *text = open_memstream(&versions, &size);
    PX_CHECK(text);
    px_version_print(text);
    fclose(text);
    return (start){{px_strdup(host), px_strdup(started), px_strdup(command), px_strdup(PX_COMMIT), versions},
                   {comm->size, comm->local_size, threads}};
}

static void finish_start(start *s)
{
    for (int i = 0; i < TEXTS; i++)
        free(s->text[i]);
}

/* `hosts`: NULL, or the text to write instead of the host. */
static int write_start(px_results *r, const char *object, const start *s, const char *hosts)
{
    int status = 0;
    for (int i = 0; i < TEXTS && status == 0; i++)
        if (i == HOST && hosts)
            status = px_results_attribute_text(r, object, "hosts", hosts);
        else if (s->text[i])
            status = px_results_attribute_text(r, object, text_name[i], s->text[i]);
    for (int i = 0; i < NUMBERS && status == 0; i++)
        status = px_results_attribute_real(r, object, number_name[i], s->number[i]);
    return status;
}

/* Reads those of these attributes that a file of an older version has. False: none. */
static bool read_start(px_results *r, start *s)
{
    *s = (start){{NULL}, {NAN, NAN, NAN}};
    char **names;
    int count;
    if (!px_results_has(r, "/provenance") || px_results_attributes(r, "/provenance", &names, &count) != 0)
        return false;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < TEXTS; k++)
            if (strcmp(names[i], text_name[k]) == 0 &&
                px_results_get_attribute_text(r, "/provenance", names[i], &s->text[k]) != 0)
                s->text[k] = NULL;
        for (int k = 0; k < NUMBERS; k++)
            if (strcmp(names[i], number_name[k]) == 0 &&
                px_results_get_attribute_real(r, "/provenance", names[i], &s->number[k]) != 0)
                s->number[k] = NAN;
        free(names[i]);
    }
    free(names);
    return s->text[STARTED] != NULL;
}

/* The number of recorded starts. */
static int count_starts(px_results *r)
{
    int n = 0;
    for (bool there = true; there; n += there) {
        char *path = px_format("/provenance/%d", n + 1);
        there = px_results_has(r, path);
        free(path);
    }
    return n;
}

static int add_start(px_results *r, int number, const start *s, const char *hosts)
{
    char *path = px_format("/provenance/%d", number);
    int status = write_start(r, path, s, hosts ? hosts : s->text[HOST]);
    free(path);
    return status;
}

int px_provenance_write(px_results *r, const px_comm *comm, const char *hosts, const char *command, int threads)
{
    start now = this_start(comm, command, threads), before;
    int starts = count_starts(r), status = 0;
    if (starts == 0) {
        if (read_start(r, &before))
            status = add_start(r, ++starts, &before, NULL);
        finish_start(&before);
    }
    if (status == 0)
        status = add_start(r, starts + 1, &now, hosts);
    if (status == 0)
        status = write_start(r, "/provenance", &now, NULL);
    finish_start(&now);
    return status;
}
