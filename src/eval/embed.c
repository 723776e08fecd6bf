/* embed.c - principal components by LAPACK, and exact t-SNE. */
#include "eval/embed.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/simd.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Below TEAM_FROM points a step takes about a millisecond on one core, and the barrier at its end costs a team of
 * threads more than it saves: on a busy machine 18 s instead of 5 s for 1500 points; one idle core takes 1 s. */
enum { COMPONENTS = 30, TEAM_FROM = 3000, EXAGGERATED_STEPS = 250, MOST_POINTS = 10000 };
static const float exaggeration = 12, perplexity_wanted = 30;

/* ---- principal components ---- */

/* LAPACK with Fortran's interface (the last three are the lengths of the strings): Debian's OpenBLAS has no
 * lapacke.h. */
extern void ssyevr_(const char *jobz, const char *range, const char *uplo, const int *n, float *a, const int *lda,
                    const float *vl, const float *vu, const int *il, const int *iu, const float *abstol, int *m,
                    float *w, float *z, const int *ldz, int *isuppz, float *work, const int *lwork, int *iwork,
                    const int *liwork, int *info, size_t, size_t, size_t);

/* The k largest eigenvalues of the symmetric a (n, n; destroyed), ascending, and their vectors (k, n). */
static int top_eigen(float *a, int n, int k, float *value, float *vector)
{
    int first = n - k + 1, found = 0, info = 0, ask = -1, iwork_size = 0;
    float work_size = 0, none = 0;
    int *support = px_calloc(2 * (size_t)n, sizeof *support);
    float *all = px_calloc((size_t)n, sizeof *all);
    ssyevr_("V", "I", "U", &n, a, &n, &none, &none, &first, &n, &none, &found, all, vector, &n, support, &work_size,
            &ask, &iwork_size, &ask, &info, 1, 1, 1);
    int lwork = (int)work_size, liwork = iwork_size;
    float *work = px_calloc((size_t)lwork, sizeof *work);
    int *iwork = px_calloc((size_t)liwork, sizeof *iwork);
    ssyevr_("V", "I", "U", &n, a, &n, &none, &none, &first, &n, &none, &found, all, vector, &n, support, work, &lwork,
            iwork, &liwork, &info, 1, 1, 1);
    memcpy(value, all, (size_t)k * sizeof *value);
    free(iwork);
    free(work);
    free(all);
    free(support);
    return info == 0 && found == k
               ? 0
               : px_fail(PX_FAIL, "principal components: LAPACK's ssyevr failed with status %d", info);
}

static int check_finite(const float *x, int64_t n, int d)
{
    for (int64_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return px_fail(PX_DIVERGED, "embedding %lld: feature %lld is not a finite number", (long long)(i / d),
                           (long long)(i % d));
    return 0;
}

static float *centred(const float *x, int64_t n, int d)
{
    float *c = px_calloc((size_t)(n * d), sizeof *c);
    double *mean = px_calloc((size_t)d, sizeof *mean);
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < d; j++)
            mean[j] += x[i * d + j];
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < d; j++)
            c[i * d + j] = x[i * d + j] - (float)(mean[j] / (double)n);
    free(mean);
    return c;
}

/* An eigenvector's sign is arbitrary: makes the largest score of each component positive. */
static void fix_signs(float *out, int64_t n, int k)
{
    for (int j = 0; j < k; j++) {
        float largest = 0;
        for (int64_t i = 0; i < n; i++)
            if (fabsf(out[i * k + j]) > fabsf(largest))
                largest = out[i * k + j];
        for (int64_t i = 0; i < n; i++)
            out[i * k + j] = copysignf(1, largest) * out[i * k + j];
    }
}

int px_pca(const float *x, int64_t n, int d, int k, float *out)
{
    PX_CHECK(n >= 1 && n <= MOST_POINTS && d >= 1 && k >= 1 && k <= d && k <= n);
    if (check_finite(x, n, d) != 0)
        return -1;
    float *c = centred(x, n, d);
    bool gram = n < d; /* use the smaller of C C' (n, n) and C' C (d, d), which have the same non-zero eigenvalues */
    int size = gram ? (int)n : d;
    float *a = px_calloc((size_t)size * (size_t)size, sizeof *a), *value = px_calloc((size_t)k, sizeof *value);
    float *vector = px_calloc((size_t)k * (size_t)size, sizeof *vector);
    cblas_ssyrk(CblasRowMajor, CblasLower, gram ? CblasNoTrans : CblasTrans, size, gram ? d : (int)n, 1, c, d, 0, a,
                size);
    int bad = top_eigen(a, size, k, value, vector); /* row-major lower is column-major upper */
    for (int j = 0; bad == 0 && j < k; j++) {
        const float *v = vector + (size_t)(k - 1 - j) * (size_t)size;
        if (gram)
            for (int64_t i = 0; i < n; i++)
                out[i * k + j] = v[i] * sqrtf(fmaxf(value[k - 1 - j], 0));
        else
            cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)n, d, 1, c, d, v, 1, 0, out + j, k);
    }
    if (bad == 0)
        fix_signs(out, n, k);
    free(vector);
    free(value);
    free(a);
    free(c);
    return bad;
}

/* ---- t-SNE: the probabilities p ---- */

static PX_MULTIVERSION(squared_distances, (const float *x, int64_t n, int k, int64_t i, float *restrict out),
                       (x, n, k, i, out)) /* x: (k, n) */
{
    memset(out, 0, (size_t)n * sizeof *out);
    for (int c = 0; c < k; c++) {
        const float *column = x + c * n;
        float own = column[i];
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            out[j] += (column[j] - own) * (column[j] - own);
    }
}

/* Converts squared distances from point i to p(j|i) with the given perplexity; finds the bandwidth by bisection. */
static void conditional(float *row, int64_t n, int64_t i, float perplexity, float *restrict weight)
{
    float nearest = FLT_MAX;
    for (int64_t j = 0; j < n; j++)
        if (j != i)
            nearest = fminf(nearest, row[j]);
    double mean = 0;
    for (int64_t j = 0; j < n; j++)
        mean += (double)row[j] / (double)n;
    double low = 0, high = INFINITY, beta = mean > 0 ? 1 / mean : 1, sum = 1;
    for (int tries = 0; tries < 100; tries++) {
        double moment = 0;
        sum = 0;
        for (int64_t j = 0; j < n; j++) {
            weight[j] = j == i ? 0 : expf(-(float)beta * (row[j] - nearest));
            sum += (double)weight[j];
            moment += (double)weight[j] * (double)(row[j] - nearest);
        }
        double excess = log(sum) + beta * moment / sum - log((double)perplexity); /* entropy too high: narrow down */
        if (fabs(excess) < 1e-5)
            break;
        *(excess > 0 ? &low : &high) = beta;
        beta = isinf(high) ? beta * 2 : (low + high) / 2;
    }
    for (int64_t j = 0; j < n; j++)
        row[j] = weight[j] / (float)sum;
}

/* p_ij = (p(j|i) + p(i|j)) / 2n of the points (n, k): (n, n), sums to 1. */
static float *joint_probabilities(const float *points, int64_t n, int k)
{
    float *p = px_aligned_calloc((size_t)(n * n) * sizeof *p), *across = px_calloc((size_t)(n * k), sizeof *across);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < k; c++)
            across[c * n + i] = points[i * k + c];
    float perplexity = fminf(perplexity_wanted, (float)(n - 1) / 3);
#pragma omp parallel
    {
        float *weight = px_calloc((size_t)n, sizeof *weight);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n; i++) {
            squared_distances(across, n, k, i, p + i * n);
            conditional(p + i * n, n, i, fmaxf(perplexity, 1.01f), weight);
        }
        free(weight);
    }
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            p[i * n + j] = p[j * n + i] = (p[i * n + j] + p[j * n + i]) / (float)(2 * n);
    free(across);
    return p;
}

/* ---- t-SNE: the descent ---- */

typedef struct map {
    int64_t n;
    const float *p;           /* (n, n) */
    float *y[2];              /* (n) each: the two coordinates */
    float *pull[2], *push[2]; /* (n) each: attraction, and repulsion before division by Z */
    double *z;                /* (n): each row's part of Z */
    float *speed[2], *gain[2];
} map;

/* With q = 1 / (1 + |yi - yj|^2): {sum p q dx, sum p q dy, sum q^2 dx, sum q^2 dy, sum q} over all j. */
static PX_MULTIVERSION(forces,
                       (const float *restrict p, const float *restrict x, const float *restrict y, int64_t i, int64_t n,
                        float out[5]),
                       (p, x, y, i, n, out))
{
    float xi = x[i], yi = y[i], px = 0, py = 0, qx = 0, qy = 0, z = 0;
#pragma omp simd reduction(+ : px, py, qx, qy, z)
    for (int64_t j = 0; j < n; j++) {
        float dx = xi - x[j], dy = yi - y[j];
        float q = 1 / (1 + dx * dx + dy * dy);
        float a = p[j] * q, b = q * q;
        px += a * dx;
        py += a * dy;
        qx += b * dx;
        qy += b * dy;
        z += q;
    }
    out[0] = px, out[1] = py, out[2] = qx, out[3] = qy, out[4] = z;
}

static double all_forces(map *m)
{
#pragma omp parallel for schedule(static) if (m->n >= TEAM_FROM)
    for (int64_t i = 0; i < m->n; i++) {
        float f[5];
        forces(m->p + i * m->n, m->y[0], m->y[1], i, m->n, f);
        m->pull[0][i] = f[0], m->pull[1][i] = f[1];
        m->push[0][i] = f[2], m->push[1][i] = f[3];
        m->z[i] = (double)f[4] - 1; /* without the point itself */
    }
    double z = 0; /* summed in a fixed order, so that it is the same for any number of threads */
    for (int64_t i = 0; i < m->n; i++)
        z += m->z[i];
    return fmax(z, DBL_MIN);
}

/* One step of gradient descent with momentum and the gains of Jacobs (1988), as in the paper's program. */
static void descend(map *m, int step)
{
    float scale = step < EXAGGERATED_STEPS ? exaggeration : 1, momentum = step < EXAGGERATED_STEPS ? 0.5f : 0.8f;
    float rate = fmaxf((float)m->n / exaggeration / 4, 50), inverse_z = (float)(1 / all_forces(m));
    for (int c = 0; c < 2; c++) {
        double mean = 0;
        for (int64_t i = 0; i < m->n; i++) {
            float gradient = 4 * (scale * m->pull[c][i] - inverse_z * m->push[c][i]);
            float *gain = &m->gain[c][i], *speed = &m->speed[c][i];
            *gain = fmaxf((gradient > 0) != (*speed > 0) ? *gain + 0.2f : *gain * 0.8f, 0.01f);
            *speed = momentum * *speed - rate * *gain * gradient;
            m->y[c][i] += *speed;
            mean += (double)m->y[c][i];
        }
        for (int64_t i = 0; i < m->n; i++)
            m->y[c][i] -= (float)(mean / (double)m->n);
    }
}

/* KL(P || Q) = sum p log p + sum p log(1 + |yi - yj|^2) + log Z */
static double divergence(map *m)
{
    double z = all_forces(m), kl = 0;
#pragma omp parallel for schedule(static) if (m->n >= TEAM_FROM)
    for (int64_t i = 0; i < m->n; i++) {
        m->z[i] = 0;
        for (int64_t j = 0; j < m->n; j++) {
            float p = m->p[i * m->n + j], dx = m->y[0][i] - m->y[0][j], dy = m->y[1][i] - m->y[1][j];
            if (p > 0)
                m->z[i] += (double)(p * logf(p * (1 + dx * dx + dy * dy)));
        }
    }
    for (int64_t i = 0; i < m->n; i++)
        kl += m->z[i];
    return kl + log(z);
}

static void run(map *m, double *kl)
{
    for (int step = 0; step < PX_EMBED_STEPS; step++) {
        descend(m, step);
        if (kl && (step + 1) % PX_EMBED_TRACE == 0)
            kl[step / PX_EMBED_TRACE] = divergence(m);
    }
}

/* Starts from the first two components, which keeps the global shape of the data (Kobak & Berens 2019), shrunk to a
 * spread of 1e-4; jitter separates equal points. */
static void start(map *m, const float *points, int k, uint64_t seed)
{
    px_rng rng = px_rng_make(seed, PX_RNG_PROBE, 0, 0x2d);
    double spread = 0;
    for (int64_t i = 0; i < m->n; i++)
        spread += (double)(points[i * k] * points[i * k]) / (double)m->n;
    float scale = spread > 0 ? 1e-4f / (float)sqrt(spread) : 0;
    for (int64_t i = 0; i < m->n; i++)
        for (int c = 0; c < 2; c++) {
            m->y[c][i] = (c < k ? points[i * k + c] * scale : 0) + 1e-6f * px_rng_normal(&rng);
            m->gain[c][i] = 1;
        }
}

int px_embed_2d_traced(const float *x, int64_t n, int d, uint64_t seed, float *xy, double *kl)
{
    if (n > MOST_POINTS)
        return px_fail(PX_USAGE, "%lld points are too many for a map of embeddings, which can have at most %d",
                       (long long)n, MOST_POINTS);
    memset(xy, 0, (size_t)n * 2 * sizeof *xy);
    if (n < 3) /* no neighbours to keep */
        return 0;
    int k = d < COMPONENTS ? d : COMPONENTS;
    if (n < k)
        k = (int)n;
    float *points = px_calloc((size_t)(n * k), sizeof *points);
    int bad = px_pca(x, n, d, k, points);
    if (bad == 0) {
        float *p = joint_probabilities(points, n, k), *block = px_aligned_calloc((size_t)n * 10 * sizeof *block);
        map m = {.n = n, .p = p, .z = px_calloc((size_t)n, sizeof *m.z)};
        for (int c = 0; c < 2; c++) {
            float *own = block + c * 5 * n;
            m.y[c] = own, m.pull[c] = own + n, m.push[c] = own + 2 * n, m.speed[c] = own + 3 * n,
            m.gain[c] = own + 4 * n;
        }
        start(&m, points, k, seed);
        run(&m, kl);
        for (int64_t i = 0; i < n; i++)
            xy[2 * i] = m.y[0][i], xy[2 * i + 1] = m.y[1][i];
        free(m.z);
        free(block);
        free(p);
    }
    free(points);
    return bad;
}

int px_embed_2d(const float *x, int64_t n, int d, uint64_t seed, float *xy)
{
    return px_embed_2d_traced(x, n, d, seed, xy, NULL);
}
