/* results.h - run.h5, the results of a run.
 *
 *     px_results *r;
 *     px_results_open(&r, "runs/a/run.h5", PX_RESULTS_APPEND);    // created if it does not exist; the folder is not
 *     px_results_truncate(r, "/train", step);                     // on resume: drop rows of steps >= step
 *     px_results_series(r, "/train", names, count);
 *     px_results_live(r);
 *     px_results_row(r, "/train", step, names, values, count);    // one row of several series, and /train/step
 *     px_results_flush(r);
 *     px_results_close(r);
 *
 * Layout (docs/files.md): /train/{step,loss,lr,...} extendable 1-D float64 (step: int64); /eval/<protocol>/...;
 * /config (string); /provenance (attributes). Rows are written in HDF5's SWMR mode once all series exist
 * (px_results_live), so that h5py (swmr=True) and our own plot read a live run; SWMR forbids new objects, so
 * px_results_series comes before it, and px_results_put for /eval on a file opened again.
 *
 * What was flushed or closed survives a kill at any moment. Before px_results_live, changes are made in a copy beside
 * the file, and appear in the file only after flush, live or close. After a kill the file can be opened here and with
 * swmr=True; other programs refuse it until it has been opened for appending, or `h5clear -s` has been run on it.
 *
 * Only one process can write: a lock beside the file (flock on PATH.lock, removed at the end) refuses a second one with
 * PX_USAGE. A missing file to read is PX_DATA. HDF5 need not be thread-safe: open, write and read from only one thread.
 */
#ifndef PX_RESULTS_RESULTS_H
#define PX_RESULTS_RESULTS_H

#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct px_results px_results;
typedef enum px_results_mode { PX_RESULTS_READ, PX_RESULTS_APPEND } px_results_mode;

int px_results_open(px_results **out, const char *path, px_results_mode);
/* Flushes and closes. 0 or -1 (disk full, ...); frees in any case. Accepts NULL. */
int px_results_close(px_results *);

/* Closes and discards changes since the last flush, so that a failure does not change the file; in SWMR, like
 * px_results_close. Does not change px_error(). Accepts NULL. */
void px_results_abandon(px_results *);

/* Creates missing extendable 1-D series in `group` (and group/step). 0 or -1. */
int px_results_series(px_results *, const char *group, const char *const names[], int count);

/* Switches to SWMR: from now on only rows can be added. */
int px_results_live(px_results *);

/* Appends one row; NaN is stored as NaN. All `names` must have been created. 0 or -1. */
int px_results_row(px_results *, const char *group, int64_t step, const char *const names[], const double values[],
                   int count);

/* Drops the rows of `group` whose step is >= step (not in SWMR). 0 or -1. */
int px_results_truncate(px_results *, const char *group, int64_t step);
int px_results_flush(px_results *);

/* Writes or replaces a dense data set of any rank; rank 0 is a scalar. Creates intermediate groups. 0 or -1. */
int px_results_put(px_results *, const char *path, px_dtype, int rank, const int64_t dim[], const void *data);
int px_results_put_text(px_results *, const char *path, const char *text);
int px_results_put_texts(px_results *, const char *path, const char *const texts[], int count);
/* Writes an attribute of an existing object ("/": the root; missing groups are created). */
int px_results_attribute_text(px_results *, const char *object, const char *name, const char *text);
int px_results_attribute_real(px_results *, const char *object, const char *name, double value);

/* Gives a group or data set another path, which must not exist; its group must. Removes one, if it exists. 0 or -1. */
int px_results_move(px_results *, const char *from, const char *to);
int px_results_remove(px_results *, const char *path);

/* Reads a numeric data set of any type as float64; the caller frees *data. dim: the extents, 1 beyond the rank. 0 or
 * -1. */
int px_results_get(px_results *, const char *path, double **data, int *rank, int64_t dim[4]);
int px_results_get_text(px_results *, const char *path, char **text);
int px_results_get_texts(px_results *, const char *path, char ***texts, int *count); /* free each, then the array */
int px_results_get_attribute_text(px_results *, const char *object, const char *name, char **text);
int px_results_get_attribute_real(px_results *, const char *object, const char *name, double *value);
bool px_results_has(px_results *, const char *path);

/* Whether a process is writing the run.h5 at `path` now, as its lock tells: on this host the process must be there; of another
 * host, or where the disk was too full to name the process, the file must have changed within the last ten minutes (a run that was
 * killed leaves its lock). */
bool px_results_is_written(const char *path);

/* What is there, but was not read, as it is too large for its file, damaged or of another kind: one line each, without
 * repetition, in order. px_results_get... note it themselves; px_results_leave_out notes what a page cannot use, after the
 * file's path. The lines are borrowed. Returns their number. */
int px_results_left_out(const px_results *, const char *const **lines);
void px_results_leave_out(px_results *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names of all members of a group, sorted. free each, then the array. 0 or -1. */
int px_results_list(px_results *, const char *group, char ***names, int *count);

/* For listings: paths of the objects below the root ("/train/loss"), sorted; at most `most` of them, 0: all. */
typedef struct px_results_objects {
    char **path;
    int count;
    int more;     /* the number of those that are not listed */
    bool endless; /* ... and there are others, which were not even counted */
} px_results_objects;
int px_results_all(px_results *, int most, px_results_objects *); /* 0, or -1 with nothing to finish */
void px_results_objects_finish(px_results_objects *);

/* Names of an object's attributes; type and shape of an object ("float32 (64, 3, 7, 7)", "group"); the values of an
 * attribute as text. The caller frees everything. */
int px_results_attributes(px_results *, const char *object, char ***names, int *count);
char *px_results_describe(px_results *, const char *object);
char *px_results_attribute_shown(px_results *, const char *object, const char *name);

/* All strings of an attribute; free each, then the array. 0 or -1. */
int px_results_get_attribute_texts(px_results *, const char *object, const char *name, char ***texts, int *count);

#endif
