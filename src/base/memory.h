/* memory.h - how much memory is available, to be checked before any is allocated.
 *
 *     px_memory m = px_memory_of_host("");          // shared by all its processes
 *     if (need > m.bytes) ... m.limit names the limit ...
 *
 * Swap does not count: a training step reads all of its memory, so with swap it would never end.
 */
#ifndef PX_BASE_MEMORY_H
#define PX_BASE_MEMORY_H

typedef struct px_memory {
    double bytes;    /* INFINITY: no known limit */
    char limit[512]; /* for messages: "available by /proc/meminfo" */
} px_memory;

/* The smallest of what Linux counts as available and what the control groups of this process leave (versions 1 and 2;
 * their page cache counts as free). `root` is put before all paths: "", or a test's folder. */
px_memory px_memory_of_host(const char *root);

/* How much the limit of this process's address space (ulimit -v) leaves. */
px_memory px_memory_of_process(void);

/* How much memory this process uses now. */
double px_memory_resident(void);

/* "2.1 GiB", "310 MiB", "12 KiB": for people. Returns `buffer`. */
char *px_bytes_text(double bytes, char buffer[32]);

#endif
