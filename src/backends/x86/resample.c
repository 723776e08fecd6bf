/* resample.c - maps of weighted neighbours (ops/taps.h) on blocked formats: a row of the result is first a sum of whole
 * rows, in scratch memory, then of neighbours in it. */
#include "backends/x86/kernels.h"

#include <omp.h>

/* t (n) = sum over k of weight[k] x[k n ...] */
INLINE void rows(float *restrict t, const elem *restrict x, int64_t n, const float *weight, int count)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        t[i] = weight[0] * up(x[i]);
    for (int k = 1; k < count; k++) {
        float w = weight[k];
        const elem *from = x + k * n;
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            t[i] += w * up(from[i]);
    }
}

/* The channels of one pixel: `width` of a block of B. */
INLINE void pixel(elem *restrict y, const float *restrict t, int64_t B, int width, const float *weight, int count)
{
    float sum[64] = {0};
    for (int k = 0; k < count; k++) {
#pragma omp simd
        for (int b = 0; b < width; b++)
            sum[b] += weight[k] * t[k * B + b];
    }
#pragma omp simd
    for (int b = 0; b < width; b++)
        y[b] = down(sum[b]);
}

INLINE void columns(elem *restrict y, const float *restrict t, const px_taps *w, int64_t B)
{
    enum { GROUP = 64 };
    for (int64_t o = 0; o < w->outputs; o++) {
        const float *weight = w->single + o * w->most, *from = t + w->first[o] * B;
        int count = w->count[o];
        if (B == 1)
            pixel(y + o, from, 1, 1, weight, count);
        else if (B == 8)
            pixel(y + o * 8, from, 8, 8, weight, count);
        else if (B == 16)
            pixel(y + o * 16, from, 16, 16, weight, count);
        else
            for (int64_t b = 0; b < B; b += GROUP)
                pixel(y + o * B + b, from + b, B, (int)(B - b < GROUP ? B - b : GROUP), weight, count);
    }
}

static PX_MULTIVERSION(row, (elem * y, const elem *x, float *t, const px_resampler *r, int64_t o, int64_t B),
                       (y, x, t, r, o, B))
{
    const px_taps *h = &r->h, *w = &r->w;
    int64_t n = r->W * B;
    if (h->count[o] == 0) /* an input that no output sees has no gradient */
        for (int64_t i = 0; i < w->outputs * B; i++)
            y[i] = down(0);
    else {
        rows(t, x + h->first[o] * n, n, h->single + o * h->most, h->count[o]);
        if (r->rows_only)
#pragma omp simd
            for (int64_t i = 0; i < n; i++)
                y[i] = down(t[i]);
        else
            columns(y, t, w, B);
    }
}

void KERNEL(resample)(const px_step *s)
{
    const px_resampler *r = s->data;
    px_blocks v = px_blocks_of(s->node->out[0], s->out_format[0]);
    const elem *x = s->in[0];
    elem *y = s->out[0];
    size_t each = px_fast_resample_row_bytes(r->W, v.B);
#pragma omp parallel num_threads(px_fast_threads(s, 0, each))
    {
        float *t = (float *)(void *)((char *)s->scratch + (size_t)omp_get_thread_num() * each);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < v.N * v.G * r->h.outputs; i++) {
            int64_t plane = i / r->h.outputs, o = i % r->h.outputs;
            row(y + i * r->w.outputs * v.B, x + plane * r->H * r->W * v.B, t, r, o, v.B);
        }
    }
}
