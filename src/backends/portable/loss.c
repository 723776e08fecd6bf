/* loss.c - portable kernels of row normalisation, cross-entropy and accuracy. */
#include "backends/portable/portable.h"

#include <math.h>
#include <string.h>

static void extent_of(const px_value *x, int64_t *N, int64_t *D)
{
    *N = x->shape.dim[0];
    *D = x->shape.dim[1];
}

/* x (N, D) -> y (N, D), length (N) */
void KERNEL(l2_normalize)(const px_step *s)
{
    int64_t N, D;
    extent_of(s->node->in[0], &N, &D);
    const real *x = s->in[0];
    real *y = s->out[0], *length = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++) {
        double sum = 0;
        for (int64_t k = 0; k < D; k++)
            sum += (double)x[i * D + k] * (double)x[i * D + k];
        length[i] = (real)fmax(sqrt(sum), 1e-12);
        for (int64_t k = 0; k < D; k++)
            y[i * D + k] = x[i * D + k] / length[i];
    }
}

/* dy, y, length -> dx = (dy - y (y . dy)) / length */
void KERNEL(l2_normalize_back)(const px_step *s)
{
    int64_t N, D;
    extent_of(s->node->in[0], &N, &D);
    const real *dy = s->in[0], *y = s->in[1], *length = s->in[2];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++) {
        double dot = 0;
        for (int64_t k = 0; k < D; k++)
            dot += (double)dy[i * D + k] * (double)y[i * D + k];
        for (int64_t k = 0; k < D; k++)
            dx[i * D + k] = (dy[i * D + k] - y[i * D + k] * (real)dot) / length[i];
    }
}

/* x (N, M), place i32 (N) -> y */
void KERNEL(mask_diagonal)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[0], &N, &M);
    const int32_t *place = s->in[1];
    real *y = s->out[0];
    if (y != s->in[0])
        memcpy(y, s->in[0], (size_t)(N * M) * sizeof y[0]);
    for (int64_t i = 0; i < N; i++)
        y[i * M + place[i]] = -(real)INFINITY;
}

void KERNEL(mask_diagonal_back)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[0], &N, &M);
    const int32_t *place = s->in[1];
    real *dx = s->out[0];
    if (dx != s->in[0])
        memcpy(dx, s->in[0], (size_t)(N * M) * sizeof dx[0]);
    for (int64_t i = 0; i < N; i++)
        dx[i * M + place[i]] = 0;
}

/* The sum of a row of targets and of its products with the logits: what a class number is as a row, 1 and its logit. */
static void weigh(const px_step *s, int64_t i, int64_t M, double *sum, double *product)
{
    const real *x = (const real *)s->in[0] + i * M;
    if (s->node->in[1]->dtype == PX_I32) {
        *sum = 1;
        *product = (double)x[((const int32_t *)s->in[1])[i]];
        return;
    }
    const real *t = (const real *)s->in[1] + i * M;
    *sum = *product = 0;
    for (int64_t k = 0; k < M; k++) {
        *sum += (double)t[k];
        *product += (double)t[k] * (double)x[k];
    }
}

/* logits (N, M), target i32 (N) or real (N, M) -> loss, log of each row's sum of exponentials (N). Rows are added in order. */
void KERNEL(cross_entropy)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[0], &N, &M);
    const real *x = s->in[0];
    real *loss = s->out[0], *lse = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++) {
        real top = -(real)INFINITY;
        for (int64_t k = 0; k < M; k++)
            top = x[i * M + k] > top ? x[i * M + k] : top;
        double sum = 0;
        for (int64_t k = 0; k < M; k++)
            sum += sizeof(real) == 4 ? (double)expf((float)(x[i * M + k] - top)) : exp((double)(x[i * M + k] - top));
        lse[i] = (real)((double)top + log(sum));
    }
    double total = 0;
    for (int64_t i = 0; i < N; i++) {
        double sum, product;
        weigh(s, i, M, &sum, &product);
        total += (double)lse[i] * sum - product;
    }
    loss[0] = (real)(total / (double)N);
}

/* dloss, logits, target, lse -> dx = (softmax sum(target) - target) dloss / N; a number is a one-hot row */
void KERNEL(cross_entropy_back)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[1], &N, &M);
    const real *x = s->in[1], *lse = s->in[3], scale = *(const real *)s->in[0] / (real)N;
    const bool soft = s->node->in[2]->dtype != PX_I32;
    const int32_t *number = s->in[2];
    const real *target = s->in[2];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++) {
        double sum = soft ? 0 : 1;
        for (int64_t k = 0; k < M && soft; k++)
            sum += (double)target[i * M + k];
        for (int64_t k = 0; k < M; k++) {
            real z = x[i * M + k] - lse[i];
            dx[i * M + k] = scale * (real)sum * (sizeof(real) == 4 ? (real)expf((float)z) : (real)exp((double)z));
            if (soft)
                dx[i * M + k] -= scale * target[i * M + k];
        }
        if (!soft)
            dx[i * M + number[i]] -= scale;
    }
}

void KERNEL(accuracy)(const px_step *s)
{
    int64_t N, M, right = 0;
    extent_of(s->node->in[0], &N, &M);
    const real *x = s->in[0];
    const int32_t *target = s->in[1];
    for (int64_t i = 0; i < N; i++) {
        int64_t best = 0;
        for (int64_t k = 1; k < M; k++)
            best = x[i * M + k] > x[i * M + best] ? k : best;
        right += best == target[i];
    }
    *(real *)s->out[0] = (real)right / (real)N;
}

/* a, b -> mean of (a - b)^2. Pieces of a fixed size are added in order, so the number of threads does not change it. */
void KERNEL(mean_squared_error)(const px_step *s)
{
    enum { PIECE = 4096 };
    int64_t n = px_shape_count(s->node->in[0]->shape), pieces = (n + PIECE - 1) / PIECE;
    const real *a = s->in[0], *b = s->in[1];
    double total = 0;
#pragma omp parallel for ordered schedule(static, 1)
    for (int64_t p = 0; p < pieces; p++) {
        double sum = 0;
        int64_t end = (p + 1) * PIECE < n ? (p + 1) * PIECE : n;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = p * PIECE; i < end; i++) {
            double d = (double)(a[i] - b[i]);
            sum += d * d;
        }
#pragma omp ordered
        total += sum;
    }
    *(real *)s->out[0] = (real)(total / (double)n);
}

/* dloss, a, b -> da = 2 (a - b) dloss / n */
void KERNEL(mean_squared_error_back)(const px_step *s)
{
    int64_t n = px_shape_count(s->node->in[1]->shape);
    const real *a = s->in[1], *b = s->in[2], factor = 2 * *(const real *)s->in[0] / (real)n;
    real *da = s->out[0];
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        da[i] = factor * (a[i] - b[i]);
}

/* Mean of a row and 1 / sqrt(unbiased variance + eps). */
static void row_moments(const real *x, int64_t D, double eps, double *mean, double *inverse)
{
    double sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < D; i++)
        sum += x[i];
    double m = sum / (double)D;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < D; i++)
        square += (x[i] - m) * (x[i] - m);
    *mean = m;
    *inverse = 1 / sqrt(square / (double)(D - 1) + eps);
}

/* x (..., D) -> y = (x - mean) inverse */
void KERNEL(standardize)(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    int64_t D = shape.dim[shape.rank - 1], rows = px_shape_count(shape) / D;
    const real *x = s->in[0];
    double eps = *(const double *)s->node->attr;
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        double mean, inverse;
        row_moments(x + r * D, D, eps, &mean, &inverse);
        for (int64_t i = r * D; i < (r + 1) * D; i++)
            y[i] = (real)((x[i] - mean) * inverse);
    }
}

/* dy, x -> dx = inverse (dy - mean(dy) - y (y . dy) / (D - 1)) */
void KERNEL(standardize_back)(const px_step *s)
{
    px_shape shape = s->node->in[1]->shape;
    int64_t D = shape.dim[shape.rank - 1], rows = px_shape_count(shape) / D;
    const real *dy = s->in[0], *x = s->in[1];
    double eps = *(const double *)s->node->attr;
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        double mean, inverse, sum = 0, dot = 0;
        row_moments(x + r * D, D, eps, &mean, &inverse);
        for (int64_t i = r * D; i < (r + 1) * D; i++) {
            sum += dy[i];
            dot += dy[i] * (x[i] - mean) * inverse;
        }
        for (int64_t i = r * D; i < (r + 1) * D; i++)
            dx[i] = (real)(inverse * (dy[i] - sum / (double)D - (x[i] - mean) * inverse * dot / (double)(D - 1)));
    }
}
