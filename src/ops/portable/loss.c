/* loss.c - portable kernels of row normalisation, cross-entropy and accuracy. */
#include "ops/portable/portable.h"

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

/* logits (N, M), target i32 (N) -> loss, log of each row's sum of exponentials (N). The mean is taken over the rows in
 * order. */
void KERNEL(cross_entropy)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[0], &N, &M);
    const real *x = s->in[0];
    const int32_t *target = s->in[1];
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
    for (int64_t i = 0; i < N; i++)
        total += (double)lse[i] - (double)x[i * M + target[i]];
    loss[0] = (real)(total / (double)N);
}

/* dloss, logits, target, lse -> dx = (softmax - one hot) dloss / N */
void KERNEL(cross_entropy_back)(const px_step *s)
{
    int64_t N, M;
    extent_of(s->node->in[1], &N, &M);
    const real *x = s->in[1], *lse = s->in[3], scale = *(const real *)s->in[0] / (real)N;
    const int32_t *target = s->in[2];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++) {
        for (int64_t k = 0; k < M; k++) {
            real z = x[i * M + k] - lse[i];
            dx[i * M + k] = scale * (sizeof(real) == 4 ? (real)expf((float)z) : (real)exp((double)z));
        }
        dx[i * M + target[i]] -= scale;
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
