/* knn.c - weighted nearest neighbours: blocks of similarities by matrix products, the k best of each row in a heap.
 *
 * Training rows stay on the ranks that have them. Queries go to all ranks, a round of some blocks at a time; each rank finds the
 * nearest among its own rows, then gets what all have found for its share of the queries, and lets the nearest of those vote.
 *
 * The threads of a rank share tiles, a block of queries with a block of its rows each. So all have work also in a round of few
 * blocks of queries, and rows that are bf16 are made floats once for several of them. Which neighbours are the nearest does not
 * depend on the order in which they are found: of any two one is nearer. */
#include "eval/knn.h"

#include "base/error.h"
#include "eval/gallery.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

const px_option px_knn_options[] = {
    PX_OPTION(px_knn_cfg, k, "[10, 20, 100, 200]", 1, 100000, "numbers of neighbours; each one is reported (DINO)"),
    PX_OPTION(px_knn_cfg, temperature, "0.07", 0.001, 100,
              "votes weigh exp(similarity / temperature) (DINO, Wu et al.)"),
    PX_NEIGHBOURS_OPTION(px_knn_cfg, neighbours, "nearest training images"),
    {0}};

/* Queries of a block, and the most blocks of a round. A round is collective, so its size follows from what all ranks know: what its
 * neighbours and its rows take. */
enum { QUERIES = 128, ROUND = 64, NEIGHBOUR_BYTES = 1 << 25, ROW_BYTES = 1 << 30 };

/* Queries whose heaps one lock guards, so that threads with the same block seldom wait; runs of tiles for each thread of a rank,
 * so that none is idle for long at the end. */
enum { GUARDED = 16, GUARDS = QUERIES / GUARDED, RUNS = 8 };

/* What a vote weighs: exp(similarity / temperature), one, or 1 / distance. */
enum { SOFT, EQUAL, DISTANCE, WEIGHTINGS };

typedef struct neighbour {
    float similarity;
    int32_t class;
    int64_t row;
} neighbour;

typedef struct heap {
    int count, capacity;
    neighbour *at; /* (capacity) a heap with the worst on top */
} heap;

typedef struct search {
    const px_features *train, *test;
    px_gallery gallery;          /* the training rows that are here */
    const float *train_scale;    /* (theirs) 1 / length of each row, 0 for a row of zeros */
    const px_knn_result *result; /* its k and count */
    double temperature;
    px_neighbours *shown;
    int most; /* the largest k, or that of `shown` */
} search;

/* Some test rows, the same ones on all ranks, and their neighbours. */
typedef struct turn {
    int64_t first;
    int queries, slice;     /* rows; those that one rank lets vote, so that ranks * slice is at least `queries` */
    const float *x, *scale; /* (queries, width), (queries) 1 / length */
    float *copy, *lengths;  /* their memory; copy: of rows that are not in place */
    heap *heap;             /* (queries) of `own` */
    omp_lock_t *guard;      /* one for every GUARDED heaps */
    neighbour *own; /* (ranks * slice, most) found among this rank's training rows; places that are left have row -1 */
    neighbour *all; /* (ranks, slice, most) found by all ranks for this rank's slice */
} turn;

static bool worse(const neighbour *a, const neighbour *b)
{
    return a->similarity < b->similarity || (a->similarity == b->similarity && a->row > b->row);
}

static int best_first(const void *a, const void *b)
{
    return worse(b, a) ? -1 : 1; /* never equal: all rows differ */
}

static void offer(heap *h, neighbour n)
{
    int i = 0;
    if (h->count < h->capacity) {
        for (i = h->count++; i > 0 && worse(&n, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
            h->at[i] = h->at[(i - 1) / 2];
    } else {
        if (!worse(&h->at[0], &n))
            return;
        for (int child; (child = 2 * i + 1) < h->count; i = child) {
            if (child + 1 < h->count && worse(&h->at[child + 1], &h->at[child]))
                child++;
            if (!worse(&h->at[child], &n))
                break;
            h->at[i] = h->at[child];
        }
    }
    h->at[i] = n;
}

/* Offers the keys of a block with these dot products to the heap; one comparison rejects most of them. */
static void offer_keys(heap *h, const search *s, const float *dot, const px_gallery_block *k, float query_scale)
{
    const int32_t *label = s->train->label + k->begin;
    const float *scale = s->train_scale + (k->begin - s->gallery.here.first);
    for (int j = k->from; j < k->to; j++) {
        float similarity = dot[j] * scale[j] * query_scale;
        bool full = h->count == h->capacity;
        if ((full && similarity < h->at[0].similarity) || label[j] < 0)
            continue;
        offer(h, (neighbour){similarity, label[j], k->begin + j});
    }
}

/* How many test rows are right, for each k. */
typedef struct tally {
    int64_t right1[WEIGHTINGS][PX_LIST_MAX], right5[PX_LIST_MAX];
} tally;

/* A neighbour at distance 0 has all the weight, with others at 0, as scikit-learn does it. */
static double weight_of(const search *s, const heap *h, int i, int by)
{
    double similarity = (double)h->at[i].similarity, nearest = (double)h->at[0].similarity;
    if (by == EQUAL)
        return 1;
    if (by == DISTANCE)
        return nearest >= 1 ? (double)(similarity >= 1) : (1 - nearest) / (1 - similarity);
    return exp((double)(h->at[i].similarity - h->at[0].similarity) / s->temperature);
}

/* Lets the neighbours vote, nearest first, and scores the votes whenever one of the k is reached. votes (WEIGHTINGS, classes) */
static void vote(const search *s, heap *h, int32_t label, double *votes, tally *t)
{
    int classes = s->train->classes;
    for (int c = 0; c < WEIGHTINGS * classes; c++)
        votes[c] = 0;
    qsort(h->at, (size_t)h->count, sizeof(neighbour), best_first);
    for (int i = 0; i < h->count; i++)
        for (int by = 0; by < WEIGHTINGS; by++) {
            double *own = votes + (int64_t)by * classes;
            own[h->at[i].class] += weight_of(s, h, i, by);
            for (int k = 0; k < s->result->count; k++) {
                if (s->result->k[k] != i + 1 || !(own[label] > 0))
                    continue;
                int before = 0;
                for (int c = 0; c < classes; c++)
                    before += own[c] > own[label] || (own[c] == own[label] && c < label);
                t->right1[by][k] += before < 1;
                t->right5[k] += by == SOFT && before < 5;
            }
        }
}

/* The block of a round's queries that begins at `first` with a block of this rank's rows. dot (QUERIES, keys) */
static void search_tile(const search *s, turn *r, const px_gallery_block *k, int first, float *dot)
{
    int queries = r->queries - first < QUERIES ? r->queries - first : QUERIES, width = s->test->width;
    px_gallery_dot(k, r->x + (int64_t)first * width, queries, width, dot);
    for (int n = 0; n < GUARDS; n++) {
        int own = (n + omp_get_thread_num()) % GUARDS * GUARDED; /* threads do not all begin with the same ones */
        omp_lock_t *guard = &r->guard[(first + own) / GUARDED];
        omp_set_lock(guard);
        for (int i = own; i < own + GUARDED && i < queries; i++)
            offer_keys(&r->heap[first + i], s, dot + (int64_t)i * k->keys, k, r->scale[first + i]);
        omp_unset_lock(guard);
    }
}

/* This rank's nearest of all queries of a round. Tiles of the same rows follow each other. */
static void search_rows(const search *s, turn *r)
{
    int blocks = (r->queries + QUERIES - 1) / QUERIES;
    int64_t tiles = s->gallery.blocks * blocks, run = tiles / ((int64_t)RUNS * omp_get_max_threads());
    run = run < 1 ? 1 : run < blocks ? run : blocks;
    for (int i = 0; i < r->queries; i++)
        r->heap[i] = (heap){.capacity = s->most, .at = r->own + (int64_t)i * s->most};
#pragma omp parallel
    {
        float *dot = px_aligned_calloc(sizeof(float) * QUERIES * PX_GALLERY_KEYS), *copy = px_gallery_copy(&s->gallery);
        px_gallery_block keys = {0};
        int64_t at = -1;
#pragma omp for schedule(dynamic, run)
        for (int64_t t = 0; t < tiles; t++) {
            if (t / blocks != at) {
                at = t / blocks;
                keys = px_gallery_at(&s->gallery, at, copy);
            }
            search_tile(s, r, &keys, (int)(t % blocks) * QUERIES, dot);
        }
        free(dot);
        free(copy);
    }
    for (int i = 0; i < r->queries; i++)
        for (int n = r->heap[i].count; n < s->most; n++)
            r->heap[i].at[n].row = -1;
}

/* The nearest of what the ranks have found for query `i` of this rank's slice. merged: (most) */
static heap merge(const search *s, const turn *r, int i, neighbour *merged)
{
    heap h = {.capacity = s->most, .at = merged};
    for (int rank = 0; rank < s->train->comm->size; rank++) {
        const neighbour *found = r->all + ((int64_t)rank * r->slice + i) * s->most;
        for (int n = 0; n < s->most && found[n].row >= 0; n++)
            offer(&h, found[n]);
    }
    return h;
}

/* Keeps the nearest, if this test row is one that is shown. */
static void show(const search *s, const heap *sorted, int64_t row)
{
    int query = px_neighbours_query(s->shown, row);
    for (int j = 0; query >= 0 && j < s->shown->k; j++)
        px_neighbours_put(s->shown, query, j, sorted->at[j].row, (double)sorted->at[j].similarity);
}

/* This rank's slice of a round votes. */
static void vote_slice(const search *s, const turn *r, const px_comm *comm, neighbour *merged, double *votes, tally *t)
{
    int begin = comm->rank * r->slice, end = begin + r->slice < r->queries ? begin + r->slice : r->queries;
#pragma omp for schedule(dynamic)
    for (int i = begin; i < end; i++) {
        int32_t label = s->test->label[r->first + i];
        if (label < 0)
            continue;
        heap h = {s->most, s->most, r->own + (int64_t)i * s->most};
        if (comm->size > 1)
            h = merge(s, r, i - begin, merged);
        vote(s, &h, label, votes, t);
        show(s, &h, r->first + i);
    }
}

static void add_tally(tally *sum, const tally *t)
{
    for (int k = 0; k < PX_LIST_MAX; k++) {
        for (int by = 0; by < WEIGHTINGS; by++)
            sum->right1[by][k] += t->right1[by][k];
        sum->right5[k] += t->right5[k];
    }
}

/* All ranks search, then each lets its slice vote. */
static void run_round(const search *s, turn *r, const px_comm *comm, tally *sum)
{
    search_rows(s, r);
    if (comm->size > 1)
        px_all_to_all_bytes(comm, r->own, r->all, (int64_t)r->slice * s->most * (int64_t)sizeof(neighbour));
#pragma omp parallel
    {
        neighbour *merged = px_calloc((size_t)s->most, sizeof(neighbour));
        double *votes = px_calloc(WEIGHTINGS * (size_t)s->train->classes, sizeof(double));
        tally mine = {0};
        vote_slice(s, r, comm, merged, votes, &mine);
#pragma omp critical(px_knn)
        add_tally(sum, &mine);
        free(merged);
        free(votes);
    }
}

/* Blocks of queries in a round. Results do not depend on it. */
static int round_blocks(int64_t test, int64_t most, int width, bool in_place)
{
    int64_t all = (test + QUERIES - 1) / QUERIES, blocks = all < ROUND ? all : ROUND,
            fit = NEIGHBOUR_BYTES / (most * QUERIES * (int64_t)sizeof(neighbour)),
            rows = ROW_BYTES / ((int64_t)width * QUERIES * (int64_t)sizeof(float));
    blocks = blocks < fit ? blocks : fit;
    blocks = blocks < rows || in_place ? blocks : rows;
    return blocks > 1 ? (int)blocks : 1;
}

/* Counts are integers, so the order of additions does not matter. */
static void search_all(const search *s, const px_comm *comm, px_log *log, tally *sum)
{
    const px_features *test = s->test;
    int64_t size = (int64_t)round_blocks(test->count, s->most, test->width, px_features_in_place(test)) * QUERIES;
    size_t rows = (size_t)(size + comm->size), found = rows * (size_t)s->most;
    bool divided = comm->size > 1;
    turn r = {.copy = px_features_in_place(test) ? NULL
                                                 : px_aligned_calloc((size_t)(size * test->width) * sizeof(float) + 64),
              .lengths = px_calloc(rows, sizeof(float)),
              .heap = px_calloc(rows, sizeof(heap)),
              .guard = px_calloc((size_t)size / GUARDED, sizeof(omp_lock_t)),
              .own = px_calloc(found, sizeof(neighbour)),
              .all = divided ? px_calloc(found, sizeof(neighbour)) : NULL};
    r.scale = r.lengths;
    for (int64_t i = 0; i < size / GUARDED; i++)
        omp_init_lock(&r.guard[i]);
    for (r.first = 0; r.first < test->count; r.first += size) {
        r.queries = (int)(test->count - r.first < size ? test->count - r.first : size);
        r.slice = (r.queries + comm->size - 1) / comm->size;
        r.x = px_features_fetch_from(test, r.first, r.queries, r.copy);
        px_gallery_inverse_lengths(r.x, r.queries, test->width, r.lengths);
        run_round(s, &r, comm, sum);
        px_log_progress(log, "k-NN: %d%%", (int)(100 * (r.first + r.queries) / test->count));
    }
    px_log_progress_end(log);
    for (int64_t i = 0; i < size / GUARDED; i++)
        omp_destroy_lock(&r.guard[i]);
    free(r.guard);
    free(r.heap);
    free(r.copy);
    free(r.lengths);
    free(r.own);
    free(r.all);
}

/* Copies the configured k after checking them against the number of training rows. */
static int take_k(const px_knn_cfg *cfg, int64_t rows, px_log *log, px_knn_result *r)
{
    for (int i = 0; i < cfg->k.count; i++) {
        double k = cfg->k.value[i];
        if (k < 1 || k != floor(k))
            return px_fail(PX_USAGE, "knn.k = %g is not a number of neighbours, as knn.k=20 is", k);
        if (k > (double)rows)
            px_log_warning(log, "k-NN: k = %g is left out: there are only %lld training samples", k, (long long)rows);
        else
            r->k[r->count++] = (int)k;
    }
    if (r->count == 0)
        return px_fail(PX_USAGE, "no knn.k to search for: give one between 1 and %lld, the number of training samples",
                       (long long)rows);
    return 0;
}

/* Labelled rows. */
typedef struct known {
    int64_t train, test;
} known;

/* Checks everything that can be wrong with data or settings, with the same result on every rank. */
static int prepare(const px_knn_cfg *cfg, const px_features *train, const px_features *test, px_log *log,
                   px_knn_result *r, known *rows)
{
    PX_CHECK(train->width == test->width);
    int64_t *per_class = px_calloc((size_t)train->classes + 1, sizeof(int64_t));
    int64_t *row = px_features_labelled(train, train->classes, "training", &rows->train, per_class);
    int64_t *test_row = row ? px_features_labelled(test, train->classes, "test", &rows->test, per_class) : NULL;
    int rc = row && test_row ? 0 : -1;
    free(per_class);
    free(row);
    free(test_row);
    if (rc != 0)
        return -1;
    if (rows->train == 0 || rows->test == 0)
        return px_fail(PX_DATA, "the %s set has no labelled samples; %s= names another",
                       rows->train == 0 ? "training" : "test", rows->train == 0 ? "train_split" : "test_split");
    if (px_features_finite(train, "training") != 0 || px_features_finite(test, "test") != 0)
        return -1;
    if (take_k(cfg, rows->train, log, r) != 0)
        return -1;
    if (cfg->neighbours > 0)
        r->shown = px_neighbours_begin(test, cfg->neighbours, rows->train);
    return 0;
}

double px_knn_bytes(const px_knn_cfg *cfg, const px_knn_size *size)
{
    double most = cfg->neighbours > 0 ? fmin(PX_NEIGHBOURS_KEPT, (double)size->train) : 1, divided = size->ranks > 1,
           copied = size->ranks > 1 || size->bf16, neighbours = (double)sizeof(neighbour);
    for (int i = 0; i < cfg->k.count; i++)
        most = cfg->k.value[i] > most && cfg->k.value[i] <= (double)size->train ? cfg->k.value[i] : most;
    double thread = sizeof(float) * QUERIES * PX_GALLERY_KEYS;
    double voting = most * neighbours + WEIGHTINGS * size->classes * (double)sizeof(double);
    double round = (double)round_blocks(size->test, (int64_t)most, size->width, copied == 0) * QUERIES + size->ranks;
    double queries = round * ((1 + divided) * most * neighbours + (1 + copied * size->width) * (double)sizeof(float) +
                              (double)sizeof(heap) + (double)sizeof(omp_lock_t) / GUARDED);
    double rows = (double)size->train_here * sizeof(float); /* their lengths */
    return size->threads * fmax(thread, voting) + queries + rows +
           px_gallery_bytes(size->width, size->ranks, size->threads, size->bf16) +
           (double)(size->train + size->test) * sizeof(int64_t);
}

int px_knn(const px_knn_cfg *cfg, const px_features *train, const px_features *test, const px_comm *comm, px_log *log,
           px_knn_result *r)
{
    known rows = {0};
    *r = (px_knn_result){0};
    PX_CHECK(comm->size == 1 || (px_features_divided(train) && px_features_divided(test)));
    if (px_agree(comm, prepare(cfg, train, test, log, r, &rows)) != 0)
        return -1;
    px_rows here = px_features_here(train);
    float *train_scale = px_calloc((size_t)here.rows + 1, sizeof(float));
    px_gallery_scales(train, train_scale);
    search s = {train, test, px_gallery_make(train), train_scale, r, cfg->temperature, &r->shown, 1};
    s.most = r->shown.k > 1 ? r->shown.k : 1;
    for (int i = 0; i < r->count; i++)
        s.most = r->k[i] > s.most ? r->k[i] : s.most;
    tally right = {0};
    search_all(&s, comm, log, &right);
    double total[WEIGHTINGS + 1][PX_LIST_MAX];
    for (int i = 0; i < PX_LIST_MAX; i++) {
        for (int by = 0; by < WEIGHTINGS; by++)
            total[by][i] = (double)right.right1[by][i];
        total[WEIGHTINGS][i] = (double)right.right5[i];
    }
    px_all_reduce_f64(comm, total[0], (WEIGHTINGS + 1) * PX_LIST_MAX);
    px_neighbours_share(&r->shown, comm);
    for (int i = 0; i < r->count; i++) {
        r->top1[i] = total[SOFT][i] / (double)rows.test;
        r->equal[i] = total[EQUAL][i] / (double)rows.test;
        r->distance[i] = total[DISTANCE][i] / (double)rows.test;
        r->top5[i] = total[WEIGHTINGS][i] / (double)rows.test;
    }
    free(train_scale);
    px_gallery_finish(&s.gallery);
    return 0;
}

/* ---- as a protocol ---- */

int px_knn_write(px_results *r, const char *group, const px_knn_result *k)
{
    int32_t neighbours[PX_LIST_MAX];
    for (int i = 0; i < k->count; i++)
        neighbours[i] = k->k[i];
    if (px_put(r, group, "k", PX_I32, k->count, neighbours) != 0 ||
        px_put(r, group, "top1", PX_F64, k->count, k->top1) != 0 ||
        px_put(r, group, "top1_equal", PX_F64, k->count, k->equal) != 0 ||
        px_put(r, group, "top1_distance", PX_F64, k->count, k->distance) != 0)
        return -1;
    return px_put(r, group, "top5", PX_F64, k->count, k->top5);
}

struct px_protocol_cfg {
    px_knn_cfg knn;
};

static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    const px_knn_size of = {.train = size->train,
                            .train_here = size->train_here,
                            .test = size->test,
                            .width = size->width,
                            .classes = size->classes,
                            .threads = omp_get_max_threads(),
                            .ranks = size->comm->size,
                            .bf16 = size->bf16};
    return px_knn_bytes(&cfg->knn, &of);
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    px_knn_cfg knn = cfg->knn;
    px_knn_result r;
    knn.neighbours = px_neighbours_wanted(t, knn.neighbours);
    int status = px_agree(t->comm, px_knn(&knn, &train, &test, t->comm, t->log, &r));
    if (status == 0)
        status = px_neighbours_keep(t, &r.shown);
    px_neighbours_finish(&r.shown);
    if (status == 0 && t->results) {
        status = px_trial_seal(t, t->group, px_knn_write(t->results, t->group, &r));
        for (int i = 0; i < r.count && status == 0; i++)
            px_trial_print(t, "%-12s %8.2f %8.2f %8.2f %8.2f   k = %d", t->subject, 100 * r.top1[i], 100 * r.top5[i],
                           100 * r.equal[i], 100 * r.distance[i], r.k[i]);
    }
    return px_agree(t->comm, status);
}

static const char *const numbers[] = {"top1", "top5", "top1_equal", "top1_distance", NULL};

const px_protocol px_protocol_knn = {
    .name = "knn",
    .title = "Nearest neighbours",
    .label = "k-NN",
    .summary = "weighted nearest neighbours by cosine similarity; nothing is trained (Wu et al. 2018, DINO)",
    .columns = "  top-1 %  top-5 %  equal % 1/dist %",
    .numbers = numbers,
    .axis = "k",
    .cfg_size = sizeof(px_protocol_cfg),
    .options = px_knn_options,
    .pictures = "neighbours",
    .bytes = bytes,
    .run = run,
};
