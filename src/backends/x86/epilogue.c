/* epilogue.c - what follows v and its bias in the fast kernels of ops with an epilogue: residual and activation, in pieces that
 * stay in the first-level cache between the two. */
#include "ops/epilogue.h"
#include "backends/x86/kernels.h"

enum { PIECE = 16384, STRIP = 256 }; /* elements */

static PX_MULTIVERSION(load, (float *v, const elem *from, int64_t n), (v, from, n))
{
    fetch_ahead(from, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        v[i] = up(from[i]);
}

static PX_MULTIVERSION(load_sum, (float *v, const elem *from, const elem *residual, int64_t n), (v, from, residual, n))
{
    fetch_ahead(from, n);
    fetch_ahead(residual, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        v[i] = up(from[i]) + up(residual[i]);
}

static PX_MULTIVERSION(store, (elem * to, const float *v, int64_t n), (to, v, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = down(v[i]);
}

void KERNEL(finish)(const px_unary_attr *act, elem *y, elem *argument, const elem *residual, int64_t n)
{
    const elem *from = argument ? argument : y;
    for (int64_t i = 0; i < n; i += STRIP) {
        float v[STRIP];
        int64_t count = n - i < STRIP ? n - i : STRIP;
        if (residual)
            load_sum(v, from + i, residual + i, count);
        else
            load(v, from + i, count);
        if (argument && residual)
            store(argument + i, v, count);
        if (act)
            KERNEL(values)(act, v, v, count);
        store(y + i, v, count);
    }
}

/* As finish, for the whole of a step. */
void KERNEL(epilogue)(const px_step *s)
{
    int residual = px_epilogue_residual(s->node), argument = px_epilogue_argument(s->node);
    const px_unary_attr *act = px_epilogue_act(s->node);
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const elem *more = residual ? s->in[residual] : NULL;
    elem *y = s->out[0], *keep = argument ? s->out[argument] : NULL;
    if (!act && !more)
        return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t count = n - i < PIECE ? n - i : PIECE;
        KERNEL(finish)(act, y + i, keep ? keep + i : NULL, more ? more + i : NULL, count);
    }
}
