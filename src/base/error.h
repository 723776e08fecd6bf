/* error.h - how failures travel.
 *
 *     if (n < 1)
 *         return px_fail(PX_DATA, "%s: holds no images", path);     // returns -1
 *     ...
 *     if (px_dataset_open(&data, path) != 0)
 *         return -1;                                                // the message is set: never reword it
 *
 * An expected failure sets one short message at the point of failure and returns -1 (or NULL). Callers pass it on
 * unchanged; `main` prints it once, on one rank, and exits with its status. The message is kept per thread, like errno:
 * a worker thread that fails must hand its message over (px_error() there, px_fail() here).
 * A programmer's mistake is a PX_CHECK: it names rank, file and line and ends the whole MPI job.
 */
#ifndef PX_BASE_ERROR_H
#define PX_BASE_ERROR_H

#include <stddef.h>

/* Exit statuses of the program (docs/conventions.md). */
typedef enum px_status {
    PX_OK = 0,
    PX_FAIL = 1,     /* anything else: disk full, a rank died, ... */
    PX_USAGE = 2,    /* wrong command line or configuration */
    PX_DATA = 3,     /* bad input data */
    PX_DIVERGED = 4, /* training or its features did not stay finite */
    PX_STOPPED = 75, /* stopped early with a checkpoint that can be resumed */
} px_status;

/* Sets this thread's message and status; always returns -1. A message has no newline and no trailing period. */
int px_fail(px_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for functions that return pointers; always returns NULL. */
void *px_fail_null(px_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message and status of this thread's last px_fail. Borrowed, valid until the next px_fail of this thread. */
const char *px_error(void);
px_status px_error_status(void);

/* Replaces each byte of a control character (those of 8 bits, too) and each byte that is not UTF-8 by '?', so that names
 * from other people's files stay one line and are harmless to a terminal. px_fail, px_tell and px_die do this
 * themselves. px_printable leaves the characters of `keep` ("\n\t"). Both return `text`. */
char *px_one_line(char *text);
char *px_printable(char *text, const char *keep);

/* Ends the program (all ranks of an MPI job) after a programmer's mistake. */
_Noreturn void px_check_failed(const char *file, int line, const char *what);
#define PX_CHECK(condition) ((condition) ? (void)0 : px_check_failed(__FILE__, __LINE__, #condition))

/* For failures that cannot be returned to a caller, from any thread: prints one line on standard error, with the rank.
 * px_die then ends the program (all ranks of an MPI job): a thread hangs in a call, or another rank is gone. After a
 * process's first px_die nothing more is printed. */
void px_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void px_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 0 if a file that will be opened is a plain one, or missing; -1 with `status` for a folder, a pipe or a device, which
 * would be waited for. */
int px_plain_file(const char *path, px_status status);

/* 0 if what out= names is a plain file, which its successor replaces when that is complete, or missing; else -1
 * (PX_USAGE). */
int px_replaceable(const char *path);

/* OUT.partial.PID, where a file is written until it is complete: processes that write the same file, as those that mpirun starts
 * of a command for one, are not in each other's way. The caller frees it. */
char *px_partial_name(const char *out);

/* This process's rank by its launcher's environment (mpirun, srun), for what does not know MPI; "" without a launcher. */
const char *px_rank_of_launcher(void);

/* Memory, zeroed or as from malloc. Never NULL: out of memory ends the program here, naming the size that was
 * requested. Free with free(). */
void *px_calloc(size_t count, size_t size);
void *px_realloc(void *old, size_t size);
char *px_strdup(const char *text);
char *px_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a new string */

/* Makes room for one more element in an array of `count` elements that only this function has grown: its capacity is
 * the next power of two, at least 8. Returns the array. */
void *px_grow(void *array, int count, size_t element_size);

/* Zeroed memory, 64-byte aligned; the size is rounded up to a multiple of 64. Large blocks request large pages. Free
 * with free(). */
void *px_aligned_calloc(size_t size);

/* Called by px_check_failed, px_die and on running out of memory, before abort(): dist/ sets it to MPI_Abort. */
extern void (*px_on_abort)(void);

#endif
