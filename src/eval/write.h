/* write.h - writes evaluations into run.h5, below a group such as /eval/linear.
 *
 *     px_linear_probe_write(results, "/eval/linear", &probe);     // one rank, outside SWMR; replaces older data
 *
 * All return 0 or -1 (results/results.h). Accuracies are 0 to 1; epochs count from 1; a class is its index in
 * class_names.
 */
#ifndef PX_EVAL_WRITE_H
#define PX_EVAL_WRITE_H

#include "eval/knn.h"
#include "eval/layers.h"
#include "eval/linear.h"
#include "eval/spectrum.h"
#include "results/results.h"

/* top1, top5, best_top1, best_epoch, chosen_rate: scalars; per_class (C), confusion (C, C: row true, column predicted),
 * rates (R), holdout_top1 (R), train_loss (E), test_top1 (E). */
int px_linear_probe_write(px_results *, const char *group, const px_probe_result *);

/* names (L texts), width, top1, top5, holdout_top1, chosen_rate (L): layers from the first stage on. */
int px_layers_write(px_results *, const char *group, const px_layers *);

/* k, top1, top5 (K). */
int px_knn_write(px_results *, const char *group, const px_knn_result *);

/* deviation, healthy_deviation, rankme, alpha: scalars; eigenvalues (width). */
int px_spectrum_write(px_results *, const char *group, const px_spectrum *);

#endif
