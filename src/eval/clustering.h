/* clustering.h - clusters found without labels, held against the classes.
 *
 *     px_clustering_result r;
 *     px_clustering(&cfg, &test, &comm, &log, &r);       // all ranks together; the result is the same on all
 *
 * k-means on the test features, each scaled to length 1, with as many clusters as classes (as in DeepCluster, Caron et al. 2018,
 * and SCAN, Van Gansbeke et al. 2020). Of several starts the one with the smallest sum of distances counts: labels choose
 * nothing. Starts are divided among ranks.
 */
#ifndef PX_EVAL_CLUSTERING_H
#define PX_EVAL_CLUSTERING_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/features.h"
#include "eval/partition.h"
#include "results/results.h"

typedef struct px_clustering_cfg {
    int clusters, starts, steps;
    int64_t seed;
} px_clustering_cfg;
extern const px_option px_clustering_options[];

typedef struct px_clustering_result {
    px_partition like; /* the classes */
    double inertia;    /* the sum of squared distances to the centres */
    int clusters, start, steps;
} px_clustering_result;

double px_clustering_bytes(const px_clustering_cfg *, int64_t test, int classes, int width);

/* Rows with label -1 are left out. 0 or -1 (no labelled rows: PX_DATA; non-finite features: PX_DIVERGED;
 * more clusters than rows: PX_USAGE). */
int px_clustering(const px_clustering_cfg *, const px_features *test, const px_comm *, px_log *,
                  px_clustering_result *);

/* Into `group`: accuracy, nmi, ari, inertia, clusters, steps. 0 or -1. */
int px_clustering_write(px_results *, const char *group, const px_clustering_result *);

#endif
