/* scalars.h - the numbers that a training step reports, as many as there are: the loss, what the method records
 * (px_metric), and its scheduled numbers (px_schedule).
 *
 *     px_scalars_find(&s, models, parts, scheduled);
 *     px_scalars_begin(&s);
 *     ... px_scalars_add(&s, models, terms) after each pass
 *     px_scalars_sum(&s, reducer, votes);
 *     ... s.name[i], s.mean[i] ...
 */
#ifndef PX_TRAIN_SCALARS_H
#define PX_TRAIN_SCALARS_H

#include "dist/reducer.h"
#include "train/model.h"

/* What ranks tell each other with a step's numbers: that the run is to stop after it, that it is to be kept (rank 0). */
enum { PX_VOTE_STOP, PX_VOTE_SAVE, PX_VOTES };

typedef struct px_scalars {
    int count;
    const char **name; /* the first is the loss; borrowed from the graph */
    double *mean;      /* of the last step */
    /* private */
    px_value **value;    /* NULL: a scheduled number */
    const float **given; /* scheduled numbers: where they stand */
    int parts;
    double **sum; /* per part: `count` sums, and the votes */
} px_scalars;

/* Of `parts` models of the same graph. `scheduled`: the values of its scheduled numbers; borrowed. */
void px_scalars_find(px_scalars *, const px_model *, int parts, const float *scheduled);
void px_scalars_finish(px_scalars *); /* also accepts a zeroed one */

void px_scalars_begin(px_scalars *);

/* Adds what each part's last run computed, divided by the number of terms that a mean has. */
void px_scalars_add(px_scalars *, const px_model *, int terms);

/* Collective: the means are the sums over all parts of all ranks; the votes become their sums over ranks. */
void px_scalars_sum(px_scalars *, px_reducer *, double votes[PX_VOTES]);

#endif
