/* binary.c - portable kernel of functions of two numbers. */
#include "backends/portable/portable.h"
#include "ops/attr.h"
#include "ops/functions.h"
#include "ops/strides.h"

#define EACH(name, text, value)                                                                                        \
    case PX_##name:                                                                                                    \
        for (int64_t i = 0; i < p.n; i++) {                                                                            \
            real x = a[i * p.step[0]], z = b[i * p.step[1]];                                                           \
            y[i] = value;                                                                                              \
        }                                                                                                              \
        break;

static void piece(px_pair function, const real *a, const real *b, real *y, px_piece p)
{
    switch (function) {
        PX_PAIRS(EACH)
    }
}

void KERNEL(binary)(const px_step *s)
{
    const px_node *node = s->node;
    px_walk w = px_walk_along(node->out[0]->shape, 2, (const px_shape[]){node->in[0]->shape, node->in[1]->shape});
    px_pair function = ((const px_binary_attr *)node->attr)->function;
    const real *a = s->in[0], *b = s->in[1];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < px_walk_pieces(&w); k++) {
        px_piece p = px_walk_piece(&w, k);
        piece(function, a + p.from[0], b + p.from[1], y + p.at, p);
    }
    KERNEL(epilogue)(s);
}
