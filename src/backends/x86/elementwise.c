/* elementwise.c - add on any format, cut into pieces for the threads. */
#include "backends/x86/kernels.h"

enum {
    PIECE = 16384, /* elements: 64 KiB per buffer of floats, so that a piece stays in the second-level cache */
    STRIP = 256,   /* elements between two prefetches */
};

static PX_MULTIVERSION(add_piece, (elem * y, const elem *a, const elem *b, int64_t n), (y, a, b, n))
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
