/* crash.h - signals of crashes end in one line, then as the system wants it (core dump); mapped files that shrink under
 * the program end in a line that names them.
 *
 *     px_crash_watch("pretrain");                         // in main, and again after MPI_Init, which has its own handlers
 *     px_crash_doing("the update", step);                 // as often as wanted: it only stores
 *     px_crash_saved("runs/a: checkpoint.h5 is whole");   // what the line ends with
 *
 *     px_crash_file_add(map, bytes, "d.h5");              // after mmap
 *     if (px_crash_guard(read_some, &context) != 0)       // -1: the file is shorter than when it was mapped
 *         return -1;
 *     px_crash_file_remove(map);                          // before munmap
 *
 * A mapped file is accessed like memory, so its loss is a signal (SIGBUS), not an error. Outside a guard it ends the
 * process with PX_DATA after one line; under MPI the launcher and the watch then end the job.
 */
#ifndef PX_BASE_CRASH_H
#define PX_BASE_CRASH_H

#include <stddef.h>
#include <stdint.h>

/* Handles SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT; `command` is copied. In builds with a sanitizer, which reports
 * crashes itself, only SIGBUS. */
void px_crash_watch(const char *command);

/* What the program does now: a string literal, and the step of a run that it belongs to; -1: none. */
void px_crash_doing(const char *what, int64_t step);

/* The same for the calling thread alone; NULL: what the program does. */
void px_crash_thread_doing(const char *what);

/* What is said about the last checkpoint; copied. Call it from one thread. */
void px_crash_saved(const char *text);

/* A line has been printed: SIGABRT prints no other. */
void px_crash_told(void);

/* Mapped files. Any thread. */
void px_crash_file_add(const void *map, size_t bytes, const char *path);
void px_crash_file_remove(const void *map);

/* -1 with PX_DATA: the file cannot be read any more. */
int px_crash_file_lost(const char *path);

/* Calls work(context). 0, or -1 with PX_DATA and a message if a mapped file could not be read; then `work` was left
 * where it was, and what it had allocated is lost. */
int px_crash_guard(void (*work)(void *), void *context);

#endif
