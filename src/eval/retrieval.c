/* retrieval.c - see retrieval.h. The whole gallery is sorted for each query: by radix, with similarities as integers.
 *
 * The gallery's rows stay on the ranks that have them. Queries go to all ranks, a round at a time; each rank compares all of them
 * with its own rows, then gets the similarities of its share of the queries with the rows of all ranks. */
#include "eval/retrieval.h"

#include "base/error.h"
#include "eval/gallery.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

const px_option px_retrieval_options[] = {
    PX_OPTION_CHOICE(px_retrieval_cfg, gallery, "train", "train|test",
                     "where images are looked for: the training images, or the other test images"),
    PX_OPTION(px_retrieval_cfg, k, "[1, 5, 10]", 1, 100000, "recall is reported at each of these"),
    PX_NEIGHBOURS_OPTION(px_retrieval_cfg, neighbours, "images that are retrieved first"),
    {0}};

/* Queries of a product; the most that a rank asks in a round, and bytes of their similarities; bits of a digit of the sort. */
enum { QUERIES = 16, SLICE = 1024, SLICE_BYTES = 1 << 28, DIGIT = 11 };

/* One per image of the gallery: a similarity that sorts ascending from the most similar one, and whether it is of the class. */
typedef struct entry {
    uint32_t key, right;
} entry;

typedef struct search {
    const px_features *gallery, *test;
    px_gallery here;            /* the rows of the gallery that are */
    const float *gallery_scale; /* (theirs) 1 / length of each row, 0 for a row of zeros */
    int64_t most;               /* the most rows of the gallery that a rank has */
    const px_comm *comm;
    bool self; /* the gallery is the test set: a query does not find itself */
    const px_retrieval_result *result;
    double *precision; /* (test rows) average precision, NaN: does not count */
    int64_t *found;    /* (PX_LIST_MAX) queries with a right image among the first k */
    px_neighbours *shown;
} search;

/* What a thread works with. */
typedef struct desk {
    entry *list, *other;
    int64_t found[PX_LIST_MAX];
} desk;

/* Some test rows, the same ones on all ranks, of which each rank asks `slice`. */
typedef struct turn {
    int64_t first;
    int queries, slice;
    const float *x; /* (queries, width) */
    float *scale;   /* (queries) 1 / length */
    float *own;     /* (ranks, slice, most) similarities of all queries with this rank's rows */
    float *all;     /* (ranks, slice, most) of this rank's queries with the rows of each rank */
    desk *desk;     /* (threads) */
} turn;

/* Descending in x: the bits of a float as an integer, turned so that their order is that of the numbers. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    x += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~bits;
}

/* Sorts by key, ascending and stable; the result is in `a` or `b`, and returned. */
static entry *sort(entry *a, entry *b, int64_t n)
{
    for (int shift = 0; shift < 32; shift += DIGIT) {
        int64_t begin[(1 << DIGIT) + 1] = {0};
        const uint32_t mask = (1u << DIGIT) - 1;
        for (int64_t i = 0; i < n; i++)
            begin[(a[i].key >> shift & mask) + 1]++;
        for (int d = 0; d < 1 << DIGIT; d++)
            begin[d + 1] += begin[d];
        for (int64_t i = 0; i < n; i++)
            b[begin[a[i].key >> shift & mask]++] = a[i];
        entry *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

static px_rows rows_of(const search *s, int rank)
{
    if (!px_features_divided(s->gallery))
        return (px_rows){0, s->gallery->count};
    return px_share(s->gallery->count, s->gallery->unit, rank, s->comm->size);
}

/* The labelled gallery as query `i` of this rank's slice sees it: their number. */
static int64_t list_gallery(const search *s, const turn *r, int i, int64_t query, entry *list)
{
    int64_t n = 0;
    for (int rank = 0; rank < s->comm->size; rank++) {
        px_rows rows = rows_of(s, rank);
        const float *similarity = r->all + ((int64_t)rank * r->slice + i) * s->most;
        const int32_t *label = s->gallery->label + rows.first;
        for (int64_t j = 0; j < rows.rows; j++)
            if (label[j] >= 0 && !(s->self && rows.first + j == query))
                list[n++] = (entry){key_of(similarity[j]), label[j] == s->test->label[query]};
    }
    return n;
}

/* Keeps what is retrieved first, if this query is one that is shown. Among equals the smaller row is first, as in the ranking. */
static void show(const search *s, const turn *r, int i, int64_t query)
{
    int shown = px_neighbours_query(s->shown, query), count = 0;
    float similarity[PX_NEIGHBOURS_KEPT];
    int64_t row[PX_NEIGHBOURS_KEPT];
    for (int rank = 0; shown >= 0 && rank < s->comm->size; rank++) {
        px_rows rows = rows_of(s, rank);
        const float *here = r->all + ((int64_t)rank * r->slice + i) * s->most;
        for (int64_t j = 0; j < rows.rows; j++) {
            int64_t at = rows.first + j;
            if (s->gallery->label[at] < 0 || (s->self && at == query))
                continue;
            int place = count;
            for (; place > 0 && here[j] > similarity[place - 1]; place--)
                if (place < s->shown->k) {
                    similarity[place] = similarity[place - 1];
                    row[place] = row[place - 1];
                }
            if (place < s->shown->k) {
                similarity[place] = here[j];
                row[place] = at;
                count += count < s->shown->k;
            }
        }
    }
    for (int j = 0; j < count; j++)
        px_neighbours_put(s->shown, shown, j, row[j], (double)similarity[j]);
}

/* Ranks the gallery for query `i` of this rank's slice, row `query` of the test. */
static void ask(const search *s, const turn *r, desk *d, int i, int64_t query)
{
    int64_t n = list_gallery(s, r, i, query, d->list), right = 0, first = -1;
    double sum = 0;
    const entry *ranked = sort(d->list, d->other, n);
    for (int64_t place = 0; place < n; place++)
        if (ranked[place].right) {
            first = right == 0 ? place : first;
            sum += (double)++right / (double)(place + 1);
        }
    s->precision[query] = right > 0 ? sum / (double)right : NAN;
    for (int k = 0; k < s->result->count; k++)
        d->found[k] += first >= 0 && first < s->result->k[k];
    show(s, r, i, query);
}

/* Similarities of all queries of a round with one block of this rank's rows. dot (QUERIES, keys) */
static void compare_block(const search *s, const turn *r, int64_t block, float *dot, float *copy)
{
    px_gallery_block k = px_gallery_at(&s->here, block, copy);
    int64_t place = k.begin - s->here.here.first; /* of its first row among this rank's, which may be one before them */
    for (int first = 0; first < r->queries; first += QUERIES) {
        int queries = r->queries - first < QUERIES ? r->queries - first : QUERIES;
        px_gallery_dot(&k, r->x + (int64_t)first * s->test->width, queries, s->test->width, dot);
        for (int i = 0; i < queries; i++) {
            float *to = r->own + (first + i) * s->most + place;
            for (int j = k.from; j < k.to; j++)
                to[j] = dot[(int64_t)i * k.keys + j] * s->gallery_scale[place + j] * r->scale[first + i];
        }
    }
}

static void run_round(const search *s, turn *r)
{
    int begin = s->comm->rank * r->slice, end = begin + r->slice < r->queries ? begin + r->slice : r->queries;
#pragma omp parallel
    {
        float *dot = px_aligned_calloc(sizeof(float) * QUERIES * PX_GALLERY_KEYS), *copy = px_gallery_copy(&s->here);
#pragma omp for schedule(dynamic)
        for (int64_t b = 0; b < s->here.blocks; b++)
            compare_block(s, r, b, dot, copy);
        free(dot);
        free(copy);
    }
    if (s->comm->size > 1)
        px_all_to_all_bytes(s->comm, r->own, r->all, r->slice * s->most * (int64_t)sizeof r->own[0]);
#pragma omp parallel for schedule(dynamic)
    for (int i = begin; i < end; i++)
        if (s->test->label[r->first + i] >= 0)
            ask(s, r, &r->desk[omp_get_thread_num()], i - begin, r->first + i);
}

/* Queries that a rank asks in a round, which is collective: so many from what all ranks know. Results do not depend on it. */
static int slice_of(int64_t gallery)
{
    int64_t rows = gallery > 0 ? gallery : 1, fit = SLICE_BYTES / (rows * (int64_t)sizeof(float)) / QUERIES * QUERIES;
    fit = fit < SLICE ? fit : SLICE;
    return fit > QUERIES ? (int)fit : QUERIES;
}

static void ask_all(const search *s, px_log *log)
{
    const px_features *test = s->test;
    int slice = slice_of(s->gallery->count), ranks = s->comm->size, size = slice * ranks;
    size_t similarities = (size_t)size * (size_t)s->most;
    float *copy =
        px_features_in_place(test) ? NULL : px_aligned_calloc((size_t)size * (size_t)test->width * sizeof(float) + 64);
    turn r = {.slice = slice,
              .scale = px_calloc((size_t)size, sizeof(float)),
              .own = px_aligned_calloc(similarities * sizeof(float) + 64)};
    int threads = omp_get_max_threads();
    r.desk = px_calloc((size_t)threads, sizeof r.desk[0]);
    for (int i = 0; i < threads; i++)
        r.desk[i] = (desk){.list = px_calloc((size_t)s->gallery->count, sizeof(entry)),
                           .other = px_calloc((size_t)s->gallery->count, sizeof(entry))};
    r.all = ranks > 1 ? px_aligned_calloc(similarities * sizeof(float) + 64) : r.own;
    for (r.first = 0; r.first < test->count; r.first += size) {
        r.queries = (int)(test->count - r.first < size ? test->count - r.first : size);
        r.x = px_features_fetch_from(test, r.first, r.queries, copy);
        px_gallery_inverse_lengths(r.x, r.queries, test->width, r.scale);
        run_round(s, &r);
        px_log_progress(log, "retrieval: %d%%", (int)(100 * (r.first + r.queries) / test->count));
    }
    px_log_progress_end(log);
    for (int i = 0; i < threads; i++) {
        for (int k = 0; k < s->result->count; k++)
            s->found[k] += r.desk[i].found[k];
        free(r.desk[i].list);
        free(r.desk[i].other);
    }
    free(r.desk);
    if (ranks > 1)
        free(r.all);
    free(r.own);
    free(r.scale);
    free(copy);
}

/* Copies the configured k that are not more than the images that a query can find. Of none `conclude` tells. */
static int take_k(const px_retrieval_cfg *cfg, int64_t images, px_log *log, px_retrieval_result *r)
{
    if (cfg->k.count < 1)
        return px_fail(PX_USAGE, "retrieval.k is empty; retrieval.k=5 is one number of images");
    for (int i = 0; i < cfg->k.count; i++) {
        double k = cfg->k.value[i];
        if (k < 1 || k != floor(k))
            return px_fail(PX_USAGE, "retrieval.k = %g is not a number of images, as retrieval.k=5 is", k);
        if (images > 0 && k > (double)images)
            px_log_warning(log, "retrieval: k = %g is left out: there are only %lld images to find", k,
                           (long long)images);
        else
            r->k[r->count++] = (int)k;
    }
    if (r->count == 0)
        return px_fail(PX_USAGE, "no retrieval.k to report: give one between 1 and %lld, the number of images to find",
                       (long long)images);
    return 0;
}

static int prepare(const px_retrieval_cfg *cfg, const px_features *gallery, const px_features *test, px_log *log,
                   px_retrieval_result *r)
{
    bool self = cfg->gallery == PX_GALLERY_TEST;
    PX_CHECK(gallery->width == test->width && gallery->count <= INT32_MAX);
    int64_t rows, known = 0, *per_class = px_calloc((size_t)gallery->classes + 1, sizeof *per_class);
    int64_t *of_gallery = px_features_labelled(gallery, gallery->classes, "training", &known, per_class);
    int64_t *of_test = of_gallery ? px_features_labelled(test, gallery->classes, "test", &rows, per_class) : NULL;
    int status = of_gallery && of_test ? 0 : -1;
    free(per_class);
    free(of_gallery);
    free(of_test);
    if (status != 0 || px_features_finite(gallery, "training") != 0 || px_features_finite(test, "test") != 0)
        return -1;
    known -= self; /* a query does not find itself */
    if (take_k(cfg, known, log, r) != 0)
        return -1;
    if (cfg->neighbours > 0 && known > 0) {
        r->shown = px_neighbours_begin(test, cfg->neighbours, known);
        r->shown.of_test = self;
    }
    return 0;
}

/* The ranks' parts together: each query has its place, so that sums do not depend on who asked. */
static int conclude(const search *s, const px_comm *comm, px_retrieval_result *r)
{
    double right[PX_LIST_MAX] = {0}, sum = 0;
    px_all_reduce_f64(comm, s->precision, s->test->count);
    for (int64_t i = 0; i < s->test->count; i++)
        if (s->test->label[i] >= 0 && !isnan(s->precision[i])) {
            sum += s->precision[i];
            r->queries++;
        }
    for (int k = 0; k < r->count; k++)
        right[k] = (double)s->found[k];
    px_all_reduce_f64(comm, right, r->count);
    if (r->queries == 0)
        return px_fail(PX_DATA, "no test image has another one of its class in the gallery");
    for (int k = 0; k < r->count; k++)
        r->recall[k] = right[k] / (double)r->queries;
    r->map = sum / (double)r->queries;
    return 0;
}

int px_retrieval(const px_retrieval_cfg *cfg, const px_features *train, const px_features *test, const px_comm *comm,
                 px_log *log, px_retrieval_result *r)
{
    bool self = cfg->gallery == PX_GALLERY_TEST;
    const px_features *gallery = self ? test : train;
    *r = (px_retrieval_result){0};
    PX_CHECK(comm->size == 1 || (px_features_divided(gallery) && px_features_divided(test)));
    if (px_agree(comm, prepare(cfg, gallery, test, log, r)) != 0)
        return -1;
    px_rows here = px_features_here(gallery);
    float *gallery_scale = px_calloc((size_t)here.rows + 1, sizeof(float));
    px_gallery_scales(gallery, gallery_scale);
    int64_t found[PX_LIST_MAX] = {0};
    search s = {.gallery = gallery,
                .test = test,
                .here = px_gallery_make(gallery),
                .gallery_scale = gallery_scale,
                .most = comm->size > 1 ? px_share_most(gallery->count, gallery->unit, comm->size) : gallery->count,
                .comm = comm,
                .self = self,
                .result = r,
                .precision = px_calloc((size_t)test->count + 1, sizeof(double)),
                .found = found,
                .shown = &r->shown};
    ask_all(&s, log);
    px_neighbours_share(&r->shown, comm);
    int status = conclude(&s, comm, r);
    free(s.precision);
    free(gallery_scale);
    px_gallery_finish(&s.here);
    return status;
}

double px_retrieval_bytes(const px_retrieval_cfg *cfg, const px_retrieval_size *size)
{
    bool self = cfg->gallery == PX_GALLERY_TEST;
    double gallery = (double)(self ? size->test : size->train),
           here = (double)(self ? size->test_here : size->train_here);
    double queries = (double)slice_of((int64_t)gallery) * size->ranks, divided = size->ranks > 1,
           copied = size->ranks > 1 || size->bf16;
    double similarities = queries * here * (1 + divided) * (double)sizeof(float);
    return size->threads * gallery * 2 * (double)sizeof(entry) + similarities +
           queries * (1 + copied * size->width) * (double)sizeof(float) + here * (double)sizeof(float) +
           px_gallery_bytes(size->width, size->ranks, size->threads, size->bf16) +
           (double)(size->train + size->test) * sizeof(int64_t) + (double)size->test * sizeof(double);
}

int px_retrieval_write(px_results *r, const char *group, const px_retrieval_result *f)
{
    int32_t k[PX_LIST_MAX], queries = (int32_t)f->queries;
    for (int i = 0; i < f->count; i++)
        k[i] = f->k[i];
    if (px_put(r, group, "map", PX_F64, 0, &f->map) != 0 || px_put(r, group, "queries", PX_I32, 0, &queries) != 0 ||
        px_put(r, group, "recall_k", PX_I32, f->count, k) != 0)
        return -1;
    return px_put(r, group, "recall", PX_F64, f->count, f->recall);
}

/* ---- as a protocol ---- */

struct px_protocol_cfg {
    px_retrieval_cfg retrieval;
};

static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    const px_retrieval_size of = {.train = size->train,
                                  .train_here = size->train_here,
                                  .test = size->test,
                                  .test_here = size->test_here,
                                  .width = size->width,
                                  .threads = omp_get_max_threads(),
                                  .ranks = size->comm->size,
                                  .bf16 = size->bf16};
    return px_retrieval_bytes(&cfg->retrieval, &of);
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    px_retrieval_cfg ask_for = cfg->retrieval;
    px_retrieval_result r;
    ask_for.neighbours = px_neighbours_wanted(t, ask_for.neighbours);
    int status = px_agree(t->comm, px_retrieval(&ask_for, &train, &test, t->comm, t->log, &r));
    if (status == 0)
        status = px_neighbours_keep(t, &r.shown);
    px_neighbours_finish(&r.shown);
    if (status == 0 && t->results) {
        status = px_trial_seal(t, t->group, px_retrieval_write(t->results, t->group, &r));
        for (int i = 0; i < r.count && status == 0; i++)
            px_trial_print(t, "%-12s %8.2f %10.2f   k = %d", t->subject, 100 * r.map, 100 * r.recall[i], r.k[i]);
    }
    return px_agree(t->comm, status);
}

static const char *const numbers[] = {"map", "recall", NULL};

const px_protocol px_protocol_retrieval = {
    .name = "retrieval",
    .title = "Retrieval",
    .label = "retrieval, mAP",
    .summary = "test images ask for images of their class: mean average precision, recall at k (Song et al. 2016)",
    .columns = "    mAP %   recall %",
    .numbers = numbers,
    .axis = "recall_k",
    .cfg_size = sizeof(px_protocol_cfg),
    .options = px_retrieval_options,
    .pictures = "neighbours",
    .bytes = bytes,
    .run = run,
};
