/* state.c - portable kernels that change states: inputs that are written. */
#include "backends/portable/portable.h"

#include <string.h>

/* queue (K, D), place (1), rows (n, D): the rows take the places from `place` on, round and round. */
void KERNEL(enqueue)(const px_step *s)
{
    int64_t K = s->node->in[0]->shape.dim[0], D = s->node->in[0]->shape.dim[1], n = s->node->in[2]->shape.dim[0];
    real *queue = s->in[0], *place = s->in[1], *after = s->out[0];
    const real *rows = s->in[2];
    int64_t first = (int64_t)*place % K, whole = K - first < n ? K - first : n;
    memcpy(queue + first * D, rows, (size_t)(whole * D) * sizeof queue[0]);
    memcpy(queue, rows + whole * D, (size_t)((n - whole) * D) * sizeof queue[0]);
    *place = *after = (real)((first + n) % K);
}

void KERNEL(assign)(const px_step *s)
{
    size_t bytes = (size_t)px_shape_count(s->node->in[0]->shape) * sizeof(real);
    memcpy(s->in[0], s->in[1], bytes);
    memcpy(s->out[0], s->in[1], bytes);
}
