/* knn.c - weighted nearest neighbours: blocks of similarities by matrix products, the k best of each row in a heap. */
#include "eval/knn.h"

#include "base/error.h"
#include "eval/neighbours.h"
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
    {0}};

enum { QUERIES = 128, KEYS = 2048 }; /* a block of similarities is 1 MB: it stays in a core's own cache */

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
    const float *train_scale, *test_scale; /* (count) 1 / length of each row, 0 for a row of zeros */
    const px_knn_result *result;           /* its k and count */
    double temperature;
    int most; /* the largest k */
} search;

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

/* Offers the keys begin..begin+keys-1 with these dot products to the heap; one comparison rejects most of them. */
static void offer_keys(heap *h, const search *s, const float *dot, int64_t begin, int keys, float query_scale)
{
    for (int j = 0; j < keys; j++) {
        float similarity = dot[j] * s->train_scale[begin + j] * query_scale;
        bool full = h->count == h->capacity;
        if ((full && similarity <= h->at[0].similarity) || s->train->label[begin + j] < 0)
            continue;
        offer(h, (neighbour){similarity, s->train->label[begin + j], begin + j});
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

/* One block of test rows against all training rows, on one thread. */
static void search_block(const search *s, int64_t first, float *dot, neighbour *storage, double *votes, tally *t)
{
    int queries = (int)(s->test->count - first < QUERIES ? s->test->count - first : QUERIES), width = s->test->width;
    heap heaps[QUERIES];
    for (int i = 0; i < queries; i++)
        heaps[i] = (heap){.capacity = s->most, .at = storage + (int64_t)i * s->most};
    for (int64_t begin = 0; begin < s->train->count; begin += KEYS) {
        int keys = (int)(s->train->count - begin < KEYS ? s->train->count - begin : KEYS);
        /* dot (queries, keys) = test (queries, width) train^T (width, keys) */
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, queries, keys, width, 1, s->test->x + first * width, width,
                    s->train->x + begin * width, width, 0, dot, keys);
        for (int i = 0; i < queries; i++)
            offer_keys(&heaps[i], s, dot + (int64_t)i * keys, begin, keys, s->test_scale[first + i]);
    }
    for (int i = 0; i < queries; i++)
        if (s->test->label[first + i] >= 0)
            vote(s, &heaps[i], s->test->label[first + i], votes, t);
}

/* Divides blocks among ranks and threads; counts are integers, so the order of additions does not matter. */
static void search_all(const search *s, const px_comm *comm, px_log *log, tally *sum)
{
    int64_t blocks = (s->test->count + QUERIES - 1) / QUERIES, done = 0;
#pragma omp parallel
    {
        float *dot = px_aligned_calloc(sizeof(float) * QUERIES * KEYS);
        neighbour *storage = px_calloc((size_t)s->most * QUERIES, sizeof(neighbour));
        double *votes = px_calloc(WEIGHTINGS * (size_t)s->train->classes, sizeof(double));
        tally mine = {0};
#pragma omp for schedule(dynamic)
        for (int64_t b = comm->rank; b < blocks; b += comm->size) {
            search_block(s, b * QUERIES, dot, storage, votes, &mine);
#pragma omp critical(px_knn)
            {
                done += comm->size;
                px_log_progress(log, "k-NN: %d%%", (int)(100 * (done < blocks ? done : blocks) / blocks));
            }
        }
#pragma omp critical(px_knn)
        for (int k = 0; k < s->result->count; k++) {
            for (int by = 0; by < WEIGHTINGS; by++)
                sum->right1[by][k] += mine.right1[by][k];
            sum->right5[k] += mine.right5[k];
        }
        free(dot);
        free(storage);
        free(votes);
    }
    px_log_progress_end(log);
}

static float *inverse_lengths(const px_features *f)
{
    float *scale = px_calloc((size_t)f->count, sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < f->count; i++) {
        float length = cblas_snrm2(f->width, f->x + i * f->width, 1);
        scale[i] = length > 0 ? 1 / length : 0;
    }
    return scale;
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

/* Checks everything that can be wrong with data or settings, with the same result on every rank. */
static int prepare(const px_knn_cfg *cfg, const px_features *train, const px_features *test, px_log *log,
                   px_knn_result *r, int64_t *test_rows)
{
    PX_CHECK(train->width == test->width);
    int64_t train_rows = 0, *per_class = px_calloc((size_t)train->classes + 1, sizeof(int64_t));
    int64_t *row = px_features_labelled(train, train->classes, "training", &train_rows, per_class);
    int64_t *test_row = row ? px_features_labelled(test, train->classes, "test", test_rows, per_class) : NULL;
    int rc = row && test_row ? 0 : -1;
    free(per_class);
    free(row);
    free(test_row);
    if (rc != 0)
        return -1;
    if (train_rows == 0 || *test_rows == 0)
        return px_fail(PX_DATA, "the %s set has no labelled samples; %s= names another",
                       train_rows == 0 ? "training" : "test", train_rows == 0 ? "train_split" : "test_split");
    if (px_features_finite(train, "training") != 0 || px_features_finite(test, "test") != 0)
        return -1;
    return take_k(cfg, train_rows, log, r);
}

double px_knn_bytes(const px_knn_cfg *cfg, int64_t train, int64_t test, int classes, int threads)
{
    double most = 0;
    for (int i = 0; i < cfg->k.count; i++)
        most = cfg->k.value[i] > most && cfg->k.value[i] <= (double)train ? cfg->k.value[i] : most;
    double thread = sizeof(float) * QUERIES * KEYS + most * QUERIES * sizeof(neighbour) +
                    WEIGHTINGS * classes * (double)sizeof(double);
    return threads * thread + (double)(train + test) * (sizeof(float) + sizeof(int64_t));
}

int px_knn(const px_knn_cfg *cfg, const px_features *train, const px_features *test, const px_comm *comm, px_log *log,
           px_knn_result *r)
{
    int64_t test_rows = 0;
    *r = (px_knn_result){0};
    if (px_agree(comm, prepare(cfg, train, test, log, r, &test_rows)) != 0)
        return -1;
    float *train_scale = inverse_lengths(train), *test_scale = inverse_lengths(test);
    search s = {train, test, train_scale, test_scale, r, cfg->temperature, 0};
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
    for (int i = 0; i < r->count; i++) {
        r->top1[i] = total[SOFT][i] / (double)test_rows;
        r->equal[i] = total[EQUAL][i] / (double)test_rows;
        r->distance[i] = total[DISTANCE][i] / (double)test_rows;
        r->top5[i] = total[WEIGHTINGS][i] / (double)test_rows;
    }
    free(train_scale);
    free(test_scale);
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
    return px_knn_bytes(&cfg->knn, size->train, size->test, size->classes, omp_get_max_threads());
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    px_knn_result r;
    int status = px_agree(t->comm, px_knn(&cfg->knn, &train, &test, t->comm, t->log, &r));
    if (status == 0)
        status = px_neighbours_keep(t);
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
    .bytes = bytes,
    .run = run,
};
