/* spectrum.h - numbers that tell, without labels, whether the representation has collapsed.
 *
 *     px_spectrum s;
 *     px_spectrum_measure(&features, &comm, &s);            // all ranks together; the result is the same on all
 *     px_spectrum_finish(&s);
 *
 * - deviation: standard deviation of each feature of the L2-normalised rows, averaged over features (SimSiam, Chen & He
 *   2021). 0 is complete collapse; features spread evenly over the sphere have 1/sqrt(width), `healthy`.
 *   Features after a ReLU have a common mean and stay below that.
 * - rankme: exp(entropy of the singular values divided by their sum) of the matrix of features, not centred (RankMe,
 *   Garrido et al. 2023): 1 (all rows parallel) to width.
 * - alpha: the covariance's n-th eigenvalue falls like n^-alpha (alpha-ReQ, Agrawal et al. 2022); about 1 is healthy,
 *   larger means collapse onto few directions. Weighted fit over the ranks 12 to 100, as in Stringer et al. 2019, or
 *   over all if there are fewer than 24. NaN with fewer than two eigenvalues above rounding error.
 */
#ifndef PX_EVAL_SPECTRUM_H
#define PX_EVAL_SPECTRUM_H

#include "eval/linear.h"
#include "results/results.h"

typedef struct px_spectrum {
    int width;
    double deviation, healthy;
    double rankme;
    double alpha;
    double *eigenvalue; /* (width) of the covariance, largest first, none below 0 */
} px_spectrum;
void px_spectrum_finish(px_spectrum *);

/* Bytes of memory that the measurement takes for features of this width. */
double px_spectrum_bytes(int width);

/* Uses all rows, labelled or not. 0 or -1 (fewer than two rows: PX_DATA; features that are not finite: PX_DIVERGED). */
int px_spectrum_measure(const px_features *, const px_comm *, px_spectrum *);

/* Into `group`: deviation, healthy_deviation, rankme, alpha: scalars; eigenvalues (width). 0 or -1. */
int px_spectrum_write(px_results *, const char *group, const px_spectrum *);

#endif
