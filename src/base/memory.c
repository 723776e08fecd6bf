/* memory.c - see memory.h. */
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH = 512 };

/* ---- numbers in the system's files ---- */

/* The first number of a file; NaN if there is none ("max"). */
static double number_in(const char *path)
{
    double value = NAN;
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lf", &value) != 1)
        value = NAN;
    if (f)
        fclose(f);
    return value;
}

/* The number after a word at the beginning of a line; NaN if there is none. */
static double number_after(const char *path, const char *word)
{
    char line[256];
    double value = NAN;
    size_t length = strlen(word);
    FILE *f = fopen(path, "r");
    while (f && isnan(value) && fgets(line, sizeof line, f))
        if (strncmp(line, word, length) == 0 && (line[length] == ' ' || line[length] == ':'))
            (void)sscanf(line + length + 1, "%lf", &value);
    if (f)
        fclose(f);
    return value;
}

static void lower(px_memory *m, double bytes, const char *what, const char *path)
{
    if (isnan(bytes) || bytes >= m->bytes)
        return;
    m->bytes = bytes > 0 ? bytes : 0;
    snprintf(m->limit, sizeof m->limit, "%s %.400s", what, path);
}

/* ---- control groups ---- */

/* The file names in one version of the interface. */
typedef struct hierarchy {
    const char *mount, *max, *used, *file_cache[2];
} hierarchy;

static const hierarchy version_1 = {"/sys/fs/cgroup/memory",
                                    "memory.limit_in_bytes",
                                    "memory.usage_in_bytes",
                                    {"total_inactive_file", "total_active_file"}};
static const hierarchy version_2[] = {
    {"/sys/fs/cgroup", "memory.max", "memory.current", {"inactive_file", "active_file"}},
    {"/sys/fs/cgroup/unified", "memory.max", "memory.current", {"inactive_file", "active_file"}}};

static double group_number(const char *folder, const char *file, const char *word)
{
    char path[2 * PATH];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return word ? number_after(path, word) : number_in(path);
}

/* How much memory one group leaves. The page cache that is charged to it counts as free, since it is dropped on
 * demand. */
static void ask_group(px_memory *m, const char *folder, const hierarchy *h)
{
    double left = group_number(folder, h->max, NULL) - group_number(folder, h->used, NULL);
    for (int i = 0; i < 2; i++) {
        double cache = group_number(folder, "memory.stat", h->file_cache[i]);
        left += isnan(cache) ? 0 : cache;
    }
    lower(m, left, "left by the limit of the control group", folder);
}

/* Checks a group and those above it. In a container the path may be the host's, which is invisible from inside: only
 * the parts that exist count. */
static void ask_groups(px_memory *m, const char *root, const hierarchy *h, const char *group)
{
    char folder[2 * PATH];
    snprintf(folder, sizeof folder, "%s%s", root, h->mount);
    size_t top = strlen(folder);
    snprintf(folder + top, sizeof folder - top, "%s", group);
    for (;;) {
        ask_group(m, folder, h);
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup is NUMBER:CONTROLLERS:PATH; in version 2 there are no controllers. */
static void ask_all_groups(px_memory *m, const char *root)
{
    char path[PATH], line[PATH];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = *group++ = '\0';
        if (strcmp(controllers, "memory") == 0)
            ask_groups(m, root, &version_1, group);
        for (int i = 0; i < 2 && !*controllers; i++)
            ask_groups(m, root, &version_2[i], group);
    }
    if (f)
        fclose(f);
}

/* ---- the host and this process ---- */

px_memory px_memory_of_host(const char *root)
{
    px_memory m = {.bytes = INFINITY};
    char path[PATH];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    lower(&m, 1024 * number_after(path, "MemAvailable"), "available by", "/proc/meminfo");
    ask_all_groups(&m, root);
    return m;
}

/* A number of /proc/self/statm, in bytes: the first is the address space, the second what is in memory. */
static double own_pages(int column)
{
    double pages[2] = {NAN, NAN};
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lf %lf", &pages[0], &pages[1]) != 2)
        pages[0] = pages[1] = NAN;
    if (f)
        fclose(f);
    return pages[column] * (double)sysconf(_SC_PAGESIZE);
}

px_memory px_memory_of_process(void)
{
    px_memory m = {.bytes = INFINITY};
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        lower(&m, (double)limit.rlim_cur - own_pages(0), "left by the limit of a process's",
              "address space (ulimit -v)");
    return m;
}

double px_memory_resident(void)
{
    double bytes = own_pages(1);
    return isnan(bytes) ? 0 : bytes;
}

char *px_bytes_text(double bytes, char buffer[32])
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int i = 0;
    while (i < 5 && bytes >= 1000) {
        bytes /= 1024;
        i++;
    }
    snprintf(buffer, 32, bytes < 10 && i > 0 ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return buffer;
}
