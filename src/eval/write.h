/* write.h - writes evaluations into run.h5, below a group such as /eval/linear. What a protocol writes is in its own header.
 *
 *     px_linear_probe_write(results, "/eval/linear/pretrained", &probe);     // one rank, outside SWMR; replaces older data
 *
 * All such functions return 0 or -1 (results/results.h). Accuracies are 0 to 1; epochs count from 1; a class is its index in
 * class_names.
 */
#ifndef PX_EVAL_WRITE_H
#define PX_EVAL_WRITE_H

#include "results/results.h"

/* Writes the array GROUP/NAME of `count` elements; with a count of 0, a scalar. 0 or -1. */
int px_put(px_results *, const char *group, const char *name, px_dtype type, int64_t count, const void *data);

/* The same of the shape dim (rank). `name` may be of a group below: "maps/rows". */
int px_put_array(px_results *, const char *group, const char *name, px_dtype type, int rank, const int64_t dim[],
                 const void *data);

#endif
