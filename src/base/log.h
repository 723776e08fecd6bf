/* log.h - what the program says while it works. Results go to files and to standard output, never through here.
 *
 *     px_log log = px_log_make(stderr, comm.rank != 0);
 *     px_log_line(&log, "packed %d images", n);               // plain line
 *     px_log_progress(&log, "epoch 3  step 120  loss 4.21");   // rewrites one line on a terminal; at most one line
 *                                                             // every 10 seconds elsewhere
 *     px_log_keep(&log, "runs/first/log.txt", command);        // ... and writes all of it to a file, too
 * Each call prints one line: control characters in names become '?' (px_one_line).
 * Quiet logs (ranks other than 0) print nothing.
 */
#ifndef PX_BASE_LOG_H
#define PX_BASE_LOG_H

#include <stdbool.h>
#include <stdio.h>

typedef struct px_log {
    FILE *stream;
    bool quiet, terminal;
    bool open_line;    /* the terminal shows an unfinished progress line */
    double last_plain; /* time of the last plain progress line */
    FILE *file;        /* set by px_log_keep, or NULL; until then lines wait in `early` */
    double last_kept;  /* time of the last progress line in the file */
    char early[2048];
} px_log;

px_log px_log_make(FILE *stream, bool quiet);
void px_log_line(px_log *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void px_log_warning(px_log *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void px_log_progress(px_log *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void px_log_progress_end(px_log *); /* ends the last progress line, so that it stays visible */

/* From now on each line is also appended to the file at `path`, after date and time; `title` and the lines printed so
 * far come first. Progress is written once per minute. A quiet log writes nothing. 0, or -1 if the file cannot be
 * opened; later failures to write (a full disk) are ignored. */
int px_log_keep(px_log *, const char *path, const char *title);

/* Writes a line only to the file, since it is printed elsewhere. */
void px_log_note(px_log *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void px_log_close(px_log *); /* closes the file; the log goes on without it */

/* Seconds of a monotonic clock. */
double px_now(void);

/* Processor seconds of the calling thread: time spent waiting, for others or for a core, does not count. */
double px_thread_seconds(void);

/* A duration for people: "1h 02m", "3m 20s", "12s". Returns `buffer`. */
char *px_duration(double seconds, char buffer[32]);

#endif
