/* elementwise.c - add and relu on any format, cut into pieces for the threads. */
#include "backends/x86/kernels.h"

enum {
    PIECE = 16384, /* elements: 64 KiB per buffer of floats, so that a piece stays in the second-level cache */
    STRIP = 256,   /* elements between two prefetches */
};

PX_MULTIVERSION
static void add_piece(elem *y, const elem *a, const elem *b, int64_t n)
{
    for (int64_t k = 0; k < n; k += STRIP) {
        int64_t end = n - k < STRIP ? n : k + STRIP;
        fetch_ahead(a + k, end - k);
        fetch_ahead(b + k, end - k);
#pragma omp simd
        for (int64_t i = k; i < end; i++)
            y[i] = down(up(a[i]) + up(b[i]));
    }
}

PX_MULTIVERSION
static void relu_piece(elem *y, const elem *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = up(x[i]) <= 0 ? down(0) : x[i];
}

PX_MULTIVERSION
static void relu_back_piece(elem *dx, const elem *dy, const elem *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = up(y[i]) <= 0 ? down(0) : dy[i];
}

static int64_t piece(int64_t i, int64_t n)
{
    return n - i < PIECE ? n - i : PIECE;
}

void KERNEL(add)(const px_step *s)
{
    const elem *a = s->in[0], *b = s->in[1];
    elem *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        add_piece(y + i, a + i, b + i, piece(i, n));
}

void KERNEL(relu)(const px_step *s)
{
    const elem *x = s->in[0];
    elem *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        relu_piece(y + i, x + i, piece(i, n));
}

void KERNEL(relu_back)(const px_step *s)
{
    const elem *dy = s->in[0], *y = s->in[1];
    elem *dx = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        relu_back_piece(dx + i, dy + i, y + i, piece(i, n));
}
