/* memory.h - how much memory can still be had, asked before any is taken.
 *
 *     px_memory m = px_memory_of_host("");          // shared by all processes on it
 *     if (need > m.bytes) ... m.limit says what limits it ...
 *
 * Swap is not counted: a training step walks over all of its memory, so it would never end.
 */
#ifndef PX_BASE_MEMORY_H
#define PX_BASE_MEMORY_H

typedef struct px_memory {
    double bytes;    /* INFINITY: there is no limit that the system tells of */
    char limit[512]; /* what it is, for messages: "available (MemAvailable in /proc/meminfo)" */
} px_memory;

/* The least of what the kernel counts as available and what the control groups above this process leave (version 1 and
 * 2; their page cache counts as free). `root` stands before all paths: "", or a folder of a test. */
px_memory px_memory_of_host(const char *root);

/* What the limit of this process's address space (ulimit -v) leaves. */
px_memory px_memory_of_process(void);

/* What this process holds in memory now. */
double px_memory_resident(void);

/* "2.1 GiB", "310 MiB", "12 KiB": for people. Returns `buffer`. */
char *px_bytes_text(double bytes, char buffer[32]);

#endif
