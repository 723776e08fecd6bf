/* seeds.h - one protocol with several seeds: the mean, and an interval in which it lies.
 *
 *     for k: ... the protocol writes /eval/NAME/SUBJECT/seeds/K ...
 *     px_seeds_conclude(results, "/eval/NAME/SUBJECT", protocol, 3)      // writes NUMBER and NUMBER_interval beside `seeds`
 */
#ifndef PX_EVAL_SEEDS_H
#define PX_EVAL_SEEDS_H

#include "eval/protocol.h"

enum { PX_SEEDS_MAX = 64 };

/* Writes the mean of each of the protocol's numbers over seeds 0..seeds-1, and as NUMBER_interval half the width of the 95 %
 * interval of that mean (Student's t); and the axis. 0 or -1. */
int px_seeds_conclude(px_results *, const char *group, const px_protocol *, int seeds);

#endif
