/* pool.c - global average pooling on blocked formats. */
#include "backends/x86/kernels.h"

#include <string.h>

PX_MULTIVERSION
static void average_plane(elem *y, const elem *x, int64_t S, int64_t B)
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

PX_MULTIVERSION
static void spread_plane(elem *dx, const elem *dy, int64_t S, int64_t B)
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
