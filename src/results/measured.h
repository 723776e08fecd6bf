/* measured.h - what a number in /eval says: its group's attribute `measured`, a text of lines `key = value`.
 *
 *     data = cifar10.h5              the data set's file, and what tells it from others (data/fingerprint.h)
 *     data_crc = 1a2b3c4d
 *     train = train, 50000 images    what the protocol learned from
 *     test = test, 10000 images
 *     ...
 *     weights = checkpoint           where the weights are from; further lines begin with `weights_`
 *     weights_step = 1950
 *     linear.epochs = 30             settings of the protocol
 *
 *     px_measured_begin(results, "/eval/linear/pretrained", text);      // sets an older measurement aside if it is another
 *     ... px_results_put(results, "/eval/linear/pretrained/top1", ...)
 *
 * Two measurements are the same if their texts are. GROUP is the last one; another one that was there before becomes
 * GROUP@1, the next GROUP@2, and so on: they stand beside each other, and none replaces another. One that is measured again
 * replaces itself. Groups of versions before 0.3 have no such attribute; they count as different from all.
 */
#ifndef PX_RESULTS_MEASURED_H
#define PX_RESULTS_MEASURED_H

#include "results/results.h"

/* Prepares `group` for results that are measured so, and writes the attribute. 0 or -1. */
int px_measured_begin(px_results *, const char *group, const char *measured);

/* The text of a group, or NULL if it has none. A new string. */
char *px_measured_get(px_results *, const char *group);

/* The value of a key, or NULL if there is none. A new string. */
char *px_measured_value(const char *measured, const char *key);

/* Whether both were measured in the same way, on whatever weights: all lines are equal, but for those of the weights, and that
 * `normalize` may be auto, none and false, which are the same. NULL is like nothing. */
bool px_measured_alike(const char *a, const char *b);

/* The keys whose values are not the same in all of the texts that have them, in their order. New strings in a new array. */
char **px_measured_differences(const char *const *measured, int count, int *keys);

/* Whether a line with this key tells where the weights are from. */
bool px_measured_of_weights(const char *key);

/* The length of a subject's name without @N. */
int px_measured_subject(const char *name);

#endif
