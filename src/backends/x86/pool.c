/* pool.c - global average pooling, and sums for each channel, on blocked formats. */
#include "backends/x86/kernels.h"

#include <string.h>

static PX_MULTIVERSION(average_plane, (elem * y, const elem *x, int64_t S, int64_t B), (y, x, S, B))
{
    enum { GROUP = 64 };
    for (int64_t from = 0; from < B; from += GROUP) {
        float sum[GROUP] = {0};
        int64_t width = B - from < GROUP ? B - from : GROUP;
        for (int64_t i = 0; i < S; i++) {
#pragma omp simd
            for (int64_t b = 0; b < width; b++)
                sum[b] += up(x[i * B + from + b]);
        }
        for (int64_t b = 0; b < width; b++)
            y[from + b] = down(sum[b] / (float)S);
    }
}

static PX_MULTIVERSION(spread_plane, (elem * dx, const elem *dy, int64_t S, int64_t B), (dx, dy, S, B))
{
    float share = 1 / (float)S;
    for (int64_t i = 0; i < S; i++) {
#pragma omp simd
        for (int64_t b = 0; b < B; b++)
            dx[i * B + b] = down(up(dy[b]) * share);
    }
}

void KERNEL(global_avg_pool)(const px_step *s)
{
    px_blocks v = px_blocks_of(s->node->in[0], s->in_format[0]);
    const elem *x = s->in[0];
    elem *y = s->out[0]; // (N, C)
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v.N * v.G; i++)
        average_plane(y + i * v.B, x + i * v.S * v.B, v.S, v.B);
}

void KERNEL(global_avg_pool_back)(const px_step *s)
{
    px_blocks v = px_blocks_of(s->node->out[0], s->out_format[0]);
    const elem *dy = s->in[0];
    elem *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v.N * v.G; i++)
        spread_plane(dx + i * v.S * v.B, dy + i * v.B, v.S, v.B);
}

/* ---- sums for each channel ---- */

/* total (B) = the sums of S rows: 32 at a time in float */
static PX_MULTIVERSION(sum_plane, (double *total, const elem *x, int64_t S, int64_t B), (total, x, S, B))
{
    enum { GROUP = 64, ROWS = 32 };
    for (int64_t from = 0; from < B; from += GROUP) {
        int64_t width = B - from < GROUP ? B - from : GROUP;
        for (int64_t b = 0; b < width; b++)
            total[from + b] = 0;
        for (int64_t first = 0; first < S; first += ROWS) {
            float sum[GROUP] = {0};
            for (int64_t i = first; i < S && i < first + ROWS; i++) {
#pragma omp simd
                for (int64_t b = 0; b < width; b++)
                    sum[b] += up(x[i * B + from + b]);
            }
            for (int64_t b = 0; b < width; b++)
                total[from + b] += (double)sum[b];
        }
    }
}

/* (N, C, H, W) -> (N, C), or where samples are summed too (C), whatever axes of extent 1 there are; float */
void KERNEL(sum_channels)(const px_step *s)
{
    px_blocks v = px_blocks_of(s->node->in[0], s->in_format[0]);
    int64_t C = v.G * v.B, samples = px_shape_count(s->node->out[0]->shape) / C;
    const elem *x = s->in[0];
    double *total = s->scratch; /* (N, C) */
    float *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v.N * v.G; i++)
        sum_plane(total + i * v.B, x + i * v.S * v.B, v.S, v.B);
    for (int64_t c = 0; c < samples * C; c++) {
        double sum = 0;
        for (int64_t n = 0; n < v.N / samples; n++)
            sum += total[n * C + c];
        y[c] = (float)sum;
    }
}
