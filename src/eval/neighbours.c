/* neighbours.c - see neighbours.h. */
#include "eval/neighbours.h"

#include "base/error.h"
#include "eval/pictures.h"
#include "eval/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 8 /* neighbours of a query that are kept as pictures */ };

/* ---- the search ---- */

/* The rows of a split's last layer that are here. */
typedef struct rows {
    int64_t first, count;
    int width;
    px_features of;  /* those that are here, or all */
    int64_t skipped; /* of them, before the first */
    const int32_t *label;
} rows;

static rows own_rows(const px_extraction *e)
{
    px_features of = px_extraction_features(e, e->layers - 1, 0);
    return (rows){.first = e->first,
                  .count = e->rows,
                  .width = of.width,
                  .of = of,
                  .skipped = e->layer[e->layers - 1].whole ? e->first : 0,
                  .label = e->label + e->first};
}

/* Spreads the queries over the labelled rows: each is the middle one of as many. */
static void choose(px_neighbours *n, const px_extraction *test, int64_t labelled)
{
    int64_t seen = 0;
    for (int64_t i = 0, q = 0; i < test->count && q < n->queries; i++)
        if (test->label[i] >= 0 && seen++ == (2 * q + 1) * labelled / (2 * n->queries))
            n->query[q++] = i;
}

static double dot(const float *a, const float *b, int width)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < width; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* Inserts a row into a list of the nearest, behind those that are as near. */
static void insert(double *similarity, double *row, int k, double s, double r)
{
    int at = k;
    while (at > 0 && (row[at - 1] < 0 || s > similarity[at - 1]))
        at--;
    if (at == k)
        return;
    memmove(similarity + at + 1, similarity + at, (size_t)(k - 1 - at) * sizeof *similarity);
    memmove(row + at + 1, row + at, (size_t)(k - 1 - at) * sizeof *row);
    similarity[at] = s;
    row[at] = r;
}

/* The nearest ones of these rows to a query x (width), with -1 behind the last. */
static void search(const rows *keys, const float *x, int k, double *similarity, double *row)
{
    double own = dot(x, x, keys->width);
    float *copy = keys->of.x ? NULL : px_calloc((size_t)keys->width, sizeof *copy);
    for (int j = 0; j < k; j++)
        row[j] = -1;
    for (int64_t i = 0; i < keys->count; i++) {
        if (keys->label[i] < 0)
            continue;
        const float *key = px_features_rows(&keys->of, keys->skipped + i, 1, copy);
        double product = own * dot(key, key, keys->width);
        insert(similarity, row, k, product > 0 ? dot(x, key, keys->width) / sqrt(product) : 0,
               (double)(keys->first + i));
    }
    free(copy);
}

/* The features of the queries (queries, width), from the ranks that have them. A new array. */
static float *gather_queries(const px_neighbours *n, const rows *tested, const px_comm *comm)
{
    size_t width = (size_t)tested->width;
    float *x = px_calloc((size_t)n->queries * width + 1, sizeof *x);
    for (int q = 0; q < n->queries; q++)
        if (n->query[q] >= tested->first && n->query[q] < tested->first + tested->count)
            px_features_copy(&tested->of, tested->skipped + n->query[q] - tested->first, 1, x + (size_t)q * width);
    px_all_reduce_f32(comm, x, (int64_t)((size_t)n->queries * width));
    return x;
}

/* Of each rank's nearest the nearest ones. similarity, row (ranks, queries, k). Rows ascend from rank to rank, and so do ties. */
static void merge(px_neighbours *n, const double *similarity, const double *row, int ranks)
{
    double *best = px_calloc((size_t)n->k + 1, sizeof *best);
    for (int q = 0; q < n->queries; q++) {
        for (int j = 0; j < n->k; j++)
            best[j] = -1;
        for (int rank = 0; rank < ranks; rank++)
            for (int j = 0; j < n->k; j++) {
                int64_t at = ((int64_t)rank * n->queries + q) * n->k + j;
                if (row[at] >= 0)
                    insert(n->similarity + (int64_t)q * n->k, best, n->k, similarity[at], row[at]);
            }
        for (int j = 0; j < n->k; j++)
            n->found[q * n->k + j] = (int64_t)best[j];
    }
    free(best);
}

void px_neighbours_find(px_neighbours *n, const px_extraction *train, const px_extraction *test, int queries, int k,
                        const px_comm *comm)
{
    rows keys = own_rows(train), tested = own_rows(test);
    int64_t known = px_extraction_labelled(train), asked = px_extraction_labelled(test);
    *n = (px_neighbours){.queries = (int)(queries < asked ? queries : asked), .k = (int)(k < known ? k : known)};
    int64_t cells = (int64_t)n->queries * n->k, all = comm->size * cells;
    n->query = px_calloc((size_t)n->queries + 1, sizeof *n->query);
    n->found = px_calloc((size_t)cells + 1, sizeof *n->found);
    n->similarity = px_calloc((size_t)cells + 1, sizeof *n->similarity);
    choose(n, test, asked);
    float *x = gather_queries(n, &tested, comm);
    /* (ranks, queries, k) each: zeros but for the own ones, so that the sums over ranks are all of them. */
    double *similarity = px_calloc((size_t)(2 * all) + 1, sizeof *similarity), *row = similarity + all;
#pragma omp parallel for schedule(dynamic)
    for (int q = 0; q < n->queries; q++) {
        int64_t own = comm->rank * cells + (int64_t)q * n->k;
        search(&keys, x + (int64_t)q * keys.width, n->k, similarity + own, row + own);
    }
    px_all_reduce_f64(comm, similarity, 2 * all);
    merge(n, similarity, row, comm->size);
    free(similarity);
    free(x);
}

void px_neighbours_finish(px_neighbours *n)
{
    free(n->query);
    free(n->found);
    free(n->similarity);
    *n = (px_neighbours){0};
}

/* ---- the pictures ---- */

/* What is written, of `cells` images: each query, and behind it its neighbours. */
typedef struct sheet {
    int cells, side, channels;
    int64_t *row; /* (cells) of the data set */
    int32_t *label;
    uint8_t *pixels; /* (cells, side, side, channels); on rank 0 */
} sheet;

static void sheet_finish(sheet *s)
{
    free(s->row);
    free(s->label);
    free(s->pixels);
}

static void place_rows(sheet *s, const px_neighbours *n, const px_trial *t)
{
    s->row = px_calloc((size_t)s->cells + 1, sizeof *s->row);
    s->label = px_calloc((size_t)s->cells + 1, sizeof *s->label);
    for (int q = 0; q < n->queries; q++)
        for (int j = 0; j <= n->k; j++) {
            int64_t at = j == 0 ? n->query[q] : n->found[q * n->k + j - 1];
            s->row[q * (n->k + 1) + j] = (j == 0 ? t->source.test : t->source.train).index[at];
            s->label[q * (n->k + 1) + j] = (j == 0 ? t->test : t->train)->label[at];
        }
}

static int write(px_results *r, const char *group, const sheet *s, const px_neighbours *n)
{
    const int64_t cells[] = {n->queries, n->k + 1}, near[] = {n->queries, n->k},
                  pixels[] = {s->cells, s->side, s->side, s->channels};
    int32_t *row = px_calloc((size_t)s->cells, sizeof *row);
    for (int i = 0; i < s->cells; i++) {
        PX_CHECK(s->row[i] <= INT32_MAX);
        row[i] = (int32_t)s->row[i];
    }
    int status = px_put_array(r, group, "neighbours/pictures", PX_U8, 4, pixels, s->pixels);
    if (status == 0)
        status = px_put_array(r, group, "neighbours/labels", PX_I32, 2, cells, s->label);
    if (status == 0)
        status = px_put_array(r, group, "neighbours/rows", PX_I32, 2, cells, row);
    if (status == 0)
        status = px_put_array(r, group, "neighbours/similarity", PX_F64, 2, near, n->similarity);
    free(row);
    return status;
}

/* Those of an earlier measurement, whose numbers this one replaces, may be of other weights. */
static int forget(const px_trial *t)
{
    char *group = px_format("%s/neighbours", t->group);
    int status = px_agree(t->comm, t->results ? px_results_remove(t->results, group) : 0);
    free(group);
    return status;
}

int px_neighbours_keep(px_trial *t)
{
    const px_task *task = t->source.from->task;
    int side = px_picture_side(task);
    if (t->neighbours == 0 || t->seed > 0 || side == 0)
        return forget(t);
    px_neighbours n;
    px_neighbours_find(&n, t->train, t->test, t->neighbours, KEPT, t->comm);
    sheet s = {.cells = n.queries * (n.k + 1), .side = side, .channels = task->channels};
    place_rows(&s, &n, t);
    int status = px_pictures_load(&s.pixels, t->source.from, s.row, s.cells);
    if (status == 0)
        status = px_agree(t->comm, t->results ? write(t->results, t->group, &s, &n) : 0);
    sheet_finish(&s);
    px_neighbours_finish(&n);
    return status;
}
