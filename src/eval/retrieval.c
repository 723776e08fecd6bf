/* retrieval.c - see retrieval.h. The whole gallery is sorted for each query: by radix, with similarities as integers. */
#include "eval/retrieval.h"

#include "base/error.h"
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
    {0}};

enum { QUERIES = 16, KEYS = 4096, DIGIT = 11 };

/* One per image of the gallery: a similarity that sorts ascending from the most similar one, and whether it is of the class. */
typedef struct entry {
    uint32_t key, right;
} entry;

typedef struct search {
    const px_features *gallery, *test;
    const float *gallery_scale, *test_scale; /* (count) 1 / length of each row, 0 for a row of zeros */
    bool self;                               /* the gallery is the test set: a query does not find itself */
    const px_retrieval_result *result;
    double *precision; /* (test rows) average precision, NaN: does not count */
    int64_t *found;    /* (PX_LIST_MAX) queries with a right image among the first k */
} search;

/* What a thread works with. */
typedef struct desk {
    float *dot; /* (QUERIES, gallery rows) */
    entry *list, *other;
    int64_t found[PX_LIST_MAX];
} desk;

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

/* Ranks the gallery for one query. */
static void ask(const search *s, desk *d, int64_t query, const float *dot)
{
    int64_t n = 0, right = 0, first = -1;
    int32_t label = s->test->label[query];
    double sum = 0;
    for (int64_t i = 0; i < s->gallery->count; i++) {
        if (s->gallery->label[i] < 0 || (s->self && i == query))
            continue;
        float similarity = dot[i] * s->gallery_scale[i] * s->test_scale[query];
        d->list[n++] = (entry){key_of(similarity), s->gallery->label[i] == label};
    }
    const entry *ranked = sort(d->list, d->other, n);
    for (int64_t i = 0; i < n; i++)
        if (ranked[i].right) {
            first = right == 0 ? i : first;
            sum += (double)++right / (double)(i + 1);
        }
    s->precision[query] = right > 0 ? sum / (double)right : NAN;
    for (int k = 0; k < s->result->count; k++)
        d->found[k] += first >= 0 && first < s->result->k[k];
}

static void ask_block(const search *s, desk *d, int64_t begin)
{
    int queries = (int)(s->test->count - begin < QUERIES ? s->test->count - begin : QUERIES), width = s->test->width;
    int64_t keys = s->gallery->count;
    for (int64_t key = 0; key < keys; key += KEYS) {
        int some = (int)(keys - key < KEYS ? keys - key : KEYS);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, queries, some, width, 1, s->test->x + begin * width, width,
                    s->gallery->x + key * width, width, 0, d->dot + key, (int)keys);
    }
    for (int i = 0; i < queries; i++)
        if (s->test->label[begin + i] >= 0)
            ask(s, d, begin + i, d->dot + (int64_t)i * keys);
}

/* Divides blocks among ranks and threads. */
static void ask_all(const search *s, const px_comm *comm, px_log *log)
{
    int64_t blocks = (s->test->count + QUERIES - 1) / QUERIES, done = 0;
    size_t keys = (size_t)s->gallery->count;
#pragma omp parallel
    {
        desk d = {.dot = px_aligned_calloc(keys * QUERIES * sizeof(float)),
                  .list = px_calloc(keys, sizeof(entry)),
                  .other = px_calloc(keys, sizeof(entry))};
#pragma omp for schedule(dynamic)
        for (int64_t b = comm->rank; b < blocks; b += comm->size) {
            ask_block(s, &d, b * QUERIES);
#pragma omp critical(px_retrieval)
            {
                done += comm->size;
                px_log_progress(log, "retrieval: %d%%", (int)(100 * (done < blocks ? done : blocks) / blocks));
            }
        }
#pragma omp critical(px_retrieval)
        for (int k = 0; k < s->result->count; k++)
            s->found[k] += d.found[k];
        free(d.dot);
        free(d.list);
        free(d.other);
    }
    px_log_progress_end(log);
}

static float *inverse_lengths(const px_features *f)
{
    float *scale = px_calloc((size_t)f->count + 1, sizeof(float));
    for (int64_t i = 0; i < f->count; i++) {
        double square = 0;
        for (int j = 0; j < f->width; j++)
            square += (double)f->x[i * f->width + j] * f->x[i * f->width + j];
        scale[i] = square > 0 ? (float)(1 / sqrt(square)) : 0;
    }
    return scale;
}

static int take_k(const px_retrieval_cfg *cfg, px_retrieval_result *r)
{
    if (cfg->k.count < 1)
        return px_fail(PX_USAGE, "retrieval.k is empty; retrieval.k=5 is one number of images");
    for (int i = 0; i < cfg->k.count; i++) {
        double k = cfg->k.value[i];
        if (k < 1 || k != floor(k))
            return px_fail(PX_USAGE, "retrieval.k = %g is not a number of images, as retrieval.k=5 is", k);
        r->k[r->count++] = (int)k;
    }
    return 0;
}

static int prepare(const px_retrieval_cfg *cfg, const px_features *gallery, const px_features *test,
                   px_retrieval_result *r)
{
    PX_CHECK(gallery->width == test->width && gallery->count <= INT32_MAX);
    int64_t rows, *per_class = px_calloc((size_t)gallery->classes + 1, sizeof *per_class);
    int64_t *of_gallery = px_features_labelled(gallery, gallery->classes, "training", &rows, per_class);
    int64_t *of_test = of_gallery ? px_features_labelled(test, gallery->classes, "test", &rows, per_class) : NULL;
    int status = of_gallery && of_test ? 0 : -1;
    free(per_class);
    free(of_gallery);
    free(of_test);
    if (status != 0 || px_features_finite(gallery, "training") != 0 || px_features_finite(test, "test") != 0)
        return -1;
    return take_k(cfg, r);
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
    if (px_agree(comm, prepare(cfg, gallery, test, r)) != 0)
        return -1;
    float *gallery_scale = inverse_lengths(gallery), *test_scale = inverse_lengths(test);
    int64_t found[PX_LIST_MAX] = {0};
    search s = {gallery, test, gallery_scale, test_scale, self, r, px_calloc((size_t)test->count + 1, sizeof(double)),
                found};
    ask_all(&s, comm, log);
    int status = conclude(&s, comm, r);
    free(s.precision);
    free(gallery_scale);
    free(test_scale);
    return status;
}

double px_retrieval_bytes(const px_retrieval_cfg *cfg, int64_t train, int64_t test, int threads)
{
    int64_t gallery = cfg->gallery == PX_GALLERY_TEST ? test : train;
    double thread = (double)gallery * (QUERIES * sizeof(float) + 2 * sizeof(entry));
    return threads * thread + (double)(train + test) * (sizeof(float) + sizeof(int64_t)) +
           (double)test * sizeof(double);
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
    return px_retrieval_bytes(&cfg->retrieval, size->train, size->test, omp_get_max_threads());
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    px_retrieval_result r;
    int status = px_agree(t->comm, px_retrieval(&cfg->retrieval, &train, &test, t->comm, t->log, &r));
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
    .bytes = bytes,
    .run = run,
};
