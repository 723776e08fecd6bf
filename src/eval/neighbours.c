/* neighbours.c - see neighbours.h. */
#include "eval/neighbours.h"

#include "base/error.h"
#include "eval/pictures.h"
#include "eval/write.h"

#include <stdlib.h>

/* ---- which they are ---- */

/* Spreads the queries over the labelled rows: each is the middle one of as many. */
static void choose(px_neighbours *n, const px_features *test, int64_t labelled)
{
    int64_t seen = 0;
    for (int64_t i = 0, q = 0; i < test->count && q < n->queries; i++)
        if (test->label[i] >= 0 && seen++ == (2 * q + 1) * labelled / (2 * n->queries))
            n->query[q++] = i;
}

px_neighbours px_neighbours_begin(const px_features *test, int queries, int64_t known)
{
    int64_t asked = 0;
    for (int64_t i = 0; i < test->count; i++)
        asked += test->label[i] >= 0;
    px_neighbours n = {.queries = (int)(queries < asked ? queries : asked),
                       .k = (int)(known < PX_NEIGHBOURS_KEPT ? known : PX_NEIGHBOURS_KEPT)};
    size_t cells = (size_t)n.queries * (size_t)n.k;
    n.query = px_calloc((size_t)n.queries + 1, sizeof *n.query);
    n.found = px_calloc(cells + 1, sizeof *n.found);
    n.similarity = px_calloc(cells + 1, sizeof *n.similarity);
    choose(&n, test, asked);
    return n;
}

int px_neighbours_query(const px_neighbours *n, int64_t row)
{
    for (int q = 0; q < n->queries; q++)
        if (n->query[q] == row)
            return q;
    return -1;
}

void px_neighbours_put(px_neighbours *n, int query, int j, int64_t row, double similarity)
{
    n->found[query * n->k + j] = row;
    n->similarity[query * n->k + j] = similarity;
}

void px_neighbours_share(px_neighbours *n, const px_comm *comm)
{
    int64_t cells = (int64_t)n->queries * n->k;
    double *row = px_calloc((size_t)cells + 1, sizeof *row); /* where others found them there is 0 */
    for (int64_t i = 0; i < cells; i++)
        row[i] = (double)n->found[i];
    px_all_reduce_f64(comm, row, cells);
    px_all_reduce_f64(comm, n->similarity, cells);
    for (int64_t i = 0; i < cells; i++)
        n->found[i] = (int64_t)row[i];
    free(row);
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
            s->row[q * (n->k + 1) + j] = (j == 0 || n->of_test ? t->source.test : t->source.train).index[at];
            s->label[q * (n->k + 1) + j] = (j == 0 || n->of_test ? t->test : t->train)->label[at];
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

int px_neighbours_wanted(const px_trial *t, int asked)
{
    return t->baseline || t->seed > 0 || px_picture_side(t->source.from->task) == 0 ? 0 : asked;
}

int px_neighbours_keep(px_trial *t, const px_neighbours *n)
{
    const px_task *task = t->source.from->task;
    if (n->queries == 0)
        return forget(t);
    sheet s = {.cells = n->queries * (n->k + 1), .side = px_picture_side(task), .channels = task->channels};
    place_rows(&s, n, t);
    int status = px_pictures_load(&s.pixels, t->source.from, s.row, s.cells);
    if (status == 0)
        status = px_agree(t->comm, t->results ? write(t->results, t->group, &s, n) : 0);
    sheet_finish(&s);
    return status;
}
