/* results.h - run.h5, the results of a run.
 *
 *     px_results *r;
 *     px_results_open(&r, "runs/a/run.h5", PX_RESULTS_APPEND);    // created if it is not there; the folder is not
 *     px_results_truncate(r, "/train", step);                     // on resume: drop rows of steps >= step
 *     px_results_series(r, "/train", names, count);
 *     px_results_live(r);
 *     px_results_row(r, "/train", step, names, values, count);    // a row of several series; /train/step gets the step
 *     px_results_flush(r);
 *     px_results_close(r);
 *
 * Layout (docs/files.md): /train/{step,loss,lr,...} extendable 1-D float64 (step: int64); /eval/<protocol>/...;
 * /config (string); /provenance (attributes). Rows are written in HDF5's SWMR mode once all series exist
 * (px_results_live), so that h5py (swmr=True) and our own plot read a live run; SWMR forbids new objects, so
 * px_results_series comes before it, and px_results_put for /eval on a file opened again.
 *
 * What was flushed or closed survives a kill at any moment. Before px_results_live, changes are made in a copy beside
 * the file, and seen in it only after flush, live or close. A killed writer's file opens here and with swmr=True; other
 * programs refuse it until it was once opened for appending, or `h5clear -s` was run on it.
 *
 * Only one process writes: a lock beside the file (flock on PATH.lock, removed at the end) refuses a second, with
 * PX_USAGE; a file to read that is not there is PX_DATA. An HDF5 library that is not thread-safe serves one thread at a
 * time: open, write and read from one thread.
 */
#ifndef PX_REPORT_RESULTS_H
#define PX_REPORT_RESULTS_H

#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct px_results px_results;
typedef enum px_results_mode { PX_RESULTS_READ, PX_RESULTS_APPEND } px_results_mode;

int px_results_open(px_results **out, const char *path, px_results_mode);
/* Flushes and closes. 0 or -1 (disk full, ...); frees in any case. NULL is fine. */
int px_results_close(px_results *);

/* Closes without what was changed since the last flush, so that a failure leaves the file as it was; in SWMR like
 * px_results_close. Leaves px_error() alone. NULL is fine. */
void px_results_abandon(px_results *);

/* Creates extendable 1-D series in `group` (and group/step) where they are missing. 0 or -1. */
int px_results_series(px_results *, const char *group, const char *const names[], int count);

/* Switches to SWMR: from now on only rows are added. */
int px_results_live(px_results *);

/* Appends one row; NaN is stored as NaN. All `names` must have been created. 0 or -1. */
int px_results_row(px_results *, const char *group, int64_t step, const char *const names[], const double values[],
                   int count);

/* Drops the rows of `group` whose step is >= step (not in SWMR). 0 or -1. */
int px_results_truncate(px_results *, const char *group, int64_t step);
int px_results_flush(px_results *);

/* Writes (replacing) a dense data set of any rank; rank 0 is a scalar. Intermediate groups are made. 0 or -1. */
int px_results_put(px_results *, const char *path, px_dtype, int rank, const int64_t dim[], const void *data);
int px_results_put_text(px_results *, const char *path, const char *text);
int px_results_put_texts(px_results *, const char *path, const char *const texts[], int count);
/* Attribute of an existing object ("/" for the root; missing groups are made). */
int px_results_attribute_text(px_results *, const char *object, const char *name, const char *text);
int px_results_attribute_real(px_results *, const char *object, const char *name, double value);

/* Reads a numeric data set as float64, whatever its type; *data is yours (free). dim: the extents, 1 beyond
 * the rank. 0 or -1. */
int px_results_get(px_results *, const char *path, double **data, int *rank, int64_t dim[4]);
int px_results_get_text(px_results *, const char *path, char **text);
int px_results_get_texts(px_results *, const char *path, char ***texts, int *count); /* free each, then the array */
int px_results_get_attribute_text(px_results *, const char *object, const char *name, char **text);
int px_results_get_attribute_real(px_results *, const char *object, const char *name, double *value);
bool px_results_has(px_results *, const char *path);

/* Names of all members of a group, sorted. free each, then the array. 0 or -1. */
int px_results_list(px_results *, const char *group, char ***names, int *count);

/* For people: paths of all objects below the root ("/train/loss"), sorted; names of an object's attributes; type and
 * shape of an object ("float32 (64, 3, 7, 7)", "group"); the values of an attribute as text. Everything is yours. */
int px_results_all(px_results *, char ***paths, int *count);
int px_results_attributes(px_results *, const char *object, char ***names, int *count);
char *px_results_describe(px_results *, const char *object);
char *px_results_attribute_shown(px_results *, const char *object, const char *name);

/* All strings of an attribute; free each, then the array. 0 or -1. */
int px_results_get_attribute_texts(px_results *, const char *object, const char *name, char ***texts, int *count);

#endif
