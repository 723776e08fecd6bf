/* fast_pool.c - global average pooling on blocked formats. */
#include "base/simd.h"
#include "ops/fast.h"

#include <string.h>

PX_MULTIVERSION
static void average_plane(float *y, const float *x, int64_t S, int64_t B)
{
    memset(y, 0, (size_t)B * sizeof y[0]);
    for (int64_t i = 0; i < S; i++) {
#pragma omp simd
        for (int64_t b = 0; b < B; b++)
            y[b] += x[i * B + b];
    }
    for (int64_t b = 0; b < B; b++)
        y[b] /= (float)S;
}

PX_MULTIVERSION
static void spread_plane(float *dx, const float *dy, int64_t S, int64_t B)
{
    float share = 1 / (float)S;
    for (int64_t i = 0; i < S; i++) {
#pragma omp simd
        for (int64_t b = 0; b < B; b++)
            dx[i * B + b] = dy[b] * share;
    }
}

static void global_avg_pool(const px_step *s)
{
    px_blocks v = px_blocks_of(s->node->in[0], s->in_format[0]);
    const float *x = s->in[0];
    float *y = s->out[0]; // (N, C)
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v.N * v.G; i++)
        average_plane(y + i * v.B, x + i * v.S * v.B, v.S, v.B);
}

static void global_avg_pool_back(const px_step *s)
{
    px_blocks v = px_blocks_of(s->node->out[0], s->out_format[0]);
    const float *dy = s->in[0];
    float *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v.N * v.G; i++)
        spread_plane(dx + i * v.S * v.B, dy + i * v.B, v.S, v.B);
}

bool px_fast_global_avg_pool(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[0]);
    if (st.own || st.block == 1)
        return false;
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, px_storage_plain(s->node->out[0]));
    s->run = global_avg_pool;
    s->kernel = "pretext";
    return true;
}

bool px_fast_global_avg_pool_back(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[1]);
    if (st.own || st.block == 1)
        return false;
    px_plan_need(p, s, 0, px_storage_plain(s->node->in[0]));
    px_plan_make(p, s, 0, st);
    s->run = global_avg_pool_back;
    s->kernel = "pretext";
    return true;
}
