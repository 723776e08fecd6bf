/* epilogue.c - what follows v and its bias in the portable kernels of ops with an epilogue. */
#include "ops/epilogue.h"
#include "backends/portable/portable.h"

#include <string.h>

void KERNEL(epilogue)(const px_step *s)
{
    enum { PIECE = 256 };
    int residual = px_epilogue_residual(s->node), argument = px_epilogue_argument(s->node);
    const px_unary_attr *act = px_epilogue_act(s->node);
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const real *more = residual ? s->in[residual] : NULL;
    real *y = s->out[0], *keep = argument ? s->out[argument] : NULL;
    if (!more && !keep && !act)
        return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t count = n - i < PIECE ? n - i : PIECE;
        for (int64_t k = i; more && k < i + count; k++)
            y[k] += more[k];
        if (keep)
            memcpy(keep + i, y + i, (size_t)count * sizeof y[0]);
        if (act)
            KERNEL(values)(act, y + i, y + i, count);
    }
}
