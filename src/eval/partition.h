/* partition.h - how alike two partitions of the same rows are: true classes, and clusters that were found without them.
 *
 *     int64_t *table = ...;                       // (classes, clusters): rows of class i in cluster j
 *     px_partition p = px_partition_compare(table, classes, clusters);
 */
#ifndef PX_EVAL_PARTITION_H
#define PX_EVAL_PARTITION_H

#include <stdint.h>

typedef struct px_partition {
    double nmi; /* mutual information over the arithmetic mean of the entropies (scikit-learn's default); 1: the same */
    double ari; /* adjusted Rand index (Hubert & Arabie 1985); 0: as by chance */
    double accuracy; /* the share of rows that are right if each cluster is one class, matched as well as can be */
} px_partition;

/* Of a table with at least one row. */
px_partition px_partition_compare(const int64_t *table, int classes, int clusters);

/* The assignment of rows to columns, one each, with the largest sum: column[i] of row i, or -1 where there are more rows than
 * columns. The Hungarian algorithm (Kuhn 1955, Munkres 1957) with shortest augmenting paths. */
void px_partition_match(const int64_t *table, int rows, int columns, int *column);

#endif
