/* results_private.h - what the files results*.c share; no other file includes it. */
#ifndef PX_RESULTS_RESULTS_PRIVATE_H
#define PX_RESULTS_RESULTS_PRIVATE_H

#include "base/error.h"
#include "results/h5_disk.h"
#include "results/results.h"

#include <hdf5.h>

/* One group of series, whose data sets stay open while rows are added. names[0] is "step", which decides the length of
 * the others. */
typedef struct series_group {
    char *path;
    int count;
    char **names;
    hid_t *sets;
    hsize_t rows;
} series_group;

struct px_results {
    char *path;  /* the public file */
    char *stage; /* where changes outside SWMR are prepared, until it is renamed to `path`; NULL when reading */
    hid_t file;
    px_h5_disk disk; /* what became of writes to `file` */
    bool live;
    int lock; /* descriptor, or -1 */
    char *lock_path;
    series_group *groups;
    int group_count;
    double read_bytes; /* so far, unpacked */
    char **left_out;   /* px_results_left_out */
    int left_count;
};

/* Closes all open groups of series. */
void px_results_groups_close(px_results *);

/* px_fail with HDF5's innermost reason: "run.h5: cannot write /train/loss: No space left on device". */
int px_results_broken(const char *path, px_status status, const char *doing, const char *object);

/* Whether there is room for a data set or an attribute, and the file can contain what it announces. 0 or -1 (PX_DATA). */
int px_results_fits(px_results *, hid_t set, const char *what);
int px_results_attribute_fits(px_results *, hid_t attribute, const char *what);

/* Like H5Lexists, but also checks every group on the way. */
bool px_results_exists(hid_t file, const char *path);

#endif
