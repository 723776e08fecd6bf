/* partition.c - see partition.h. */
#include "eval/partition.h"

#include "base/error.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* ---- matching ---- */

/* A square problem of least cost, rows and columns from 1 on; 0 is where an augmenting path begins. Potentials u + v are at
 * most the cost everywhere, and equal to it where a row is matched. */
typedef struct matching {
    const int64_t *table;
    int rows, columns, size;
    int64_t *u, *v, *least; /* (size + 1) */
    int *row_of, *from;     /* (size + 1) the row that a column has; the column before it on the path */
    bool *seen;             /* (size + 1) */
} matching;

static int64_t cost(const matching *m, int row, int column)
{
    return row <= m->rows && column <= m->columns ? -m->table[(int64_t)(row - 1) * m->columns + column - 1] : 0;
}

/* Grows the tree of shortest paths from column `at` by the nearest column, and returns it. */
static int grow(matching *m, int at)
{
    int row = m->row_of[at], next = 0;
    int64_t step = INT64_MAX;
    m->seen[at] = true;
    for (int j = 1; j <= m->size; j++) {
        if (m->seen[j])
            continue;
        int64_t reduced = cost(m, row, j) - m->u[row] - m->v[j];
        if (reduced < m->least[j]) {
            m->least[j] = reduced;
            m->from[j] = at;
        }
        if (m->least[j] < step) {
            step = m->least[j];
            next = j;
        }
    }
    for (int j = 0; j <= m->size; j++)
        if (m->seen[j]) {
            m->u[m->row_of[j]] += step;
            m->v[j] -= step;
        } else {
            m->least[j] -= step;
        }
    return next;
}

static void match_row(matching *m, int row)
{
    int at = 0;
    m->row_of[0] = row;
    for (int j = 0; j <= m->size; j++) {
        m->least[j] = INT64_MAX / 2;
        m->seen[j] = false;
    }
    do
        at = grow(m, at);
    while (m->row_of[at] != 0);
    for (int before; at != 0; at = before) {
        before = m->from[at];
        m->row_of[at] = m->row_of[before];
    }
}

void px_partition_match(const int64_t *table, int rows, int columns, int *column)
{
    int size = rows > columns ? rows : columns;
    size_t n = (size_t)size + 1;
    matching m = {.table = table,
                  .rows = rows,
                  .columns = columns,
                  .size = size,
                  .u = px_calloc(n, sizeof(int64_t)),
                  .v = px_calloc(n, sizeof(int64_t)),
                  .least = px_calloc(n, sizeof(int64_t)),
                  .row_of = px_calloc(n, sizeof(int)),
                  .from = px_calloc(n, sizeof(int)),
                  .seen = px_calloc(n, sizeof(bool))};
    for (int i = 1; i <= size; i++)
        match_row(&m, i);
    for (int j = 1; j <= size; j++)
        if (m.row_of[j] <= rows)
            column[m.row_of[j] - 1] = j <= columns ? j - 1 : -1;
    free(m.u);
    free(m.v);
    free(m.least);
    free(m.row_of);
    free(m.from);
    free(m.seen);
}

/* ---- numbers ---- */

static double pairs(double n)
{
    return n * (n - 1) / 2;
}

static double entropy(const int64_t *count, int n, double all)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (count[i] > 0)
            sum -= (double)count[i] / all * log((double)count[i] / all);
    return sum;
}

static double matched_share(const int64_t *table, int classes, int clusters, double all)
{
    int *cluster = px_calloc((size_t)classes, sizeof *cluster);
    int64_t right = 0;
    px_partition_match(table, classes, clusters, cluster);
    for (int i = 0; i < classes; i++)
        right += cluster[i] >= 0 ? table[(int64_t)i * clusters + cluster[i]] : 0;
    free(cluster);
    return (double)right / all;
}

px_partition px_partition_compare(const int64_t *table, int classes, int clusters)
{
    int64_t *row = px_calloc((size_t)classes, sizeof *row), *column = px_calloc((size_t)clusters, sizeof *column);
    double all = 0, same = 0, mutual = 0, rows = 0, columns = 0;
    for (int i = 0; i < classes; i++)
        for (int j = 0; j < clusters; j++) {
            int64_t n = table[(int64_t)i * clusters + j];
            row[i] += n;
            column[j] += n;
            all += (double)n;
            same += pairs((double)n);
        }
    for (int i = 0; i < classes; i++)
        for (int j = 0; j < clusters; j++) {
            double n = (double)table[(int64_t)i * clusters + j];
            if (n > 0)
                mutual += n / all * (log(n / all) - log((double)row[i] / all) - log((double)column[j] / all));
        }
    for (int i = 0; i < classes; i++)
        rows += pairs((double)row[i]);
    for (int j = 0; j < clusters; j++)
        columns += pairs((double)column[j]);
    double mean = (entropy(row, classes, all) + entropy(column, clusters, all)) / 2;
    double expected = pairs(all) > 0 ? rows * columns / pairs(all) : 0, most = (rows + columns) / 2;
    px_partition p = {.nmi = mean > 0 ? fmax(mutual, 0) / mean : 1,
                      .ari = most != expected ? (same - expected) / (most - expected) : 1,
                      .accuracy = matched_share(table, classes, clusters, all)};
    free(row);
    free(column);
    return p;
}
