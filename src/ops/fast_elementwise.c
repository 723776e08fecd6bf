/* fast_elementwise.c - add and relu on any format, cut into pieces for the threads. */
#include "base/simd.h"
#include "ops/fast.h"

enum { PIECE = 16384 }; /* elements: 64 KiB a buffer, so that a piece stays in the second-level cache */

PX_MULTIVERSION
static void add_piece(float *y, const float *a, const float *b, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

PX_MULTIVERSION
static void relu_piece(float *y, const float *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

PX_MULTIVERSION
static void relu_back_piece(float *dx, const float *dy, const float *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

static int64_t piece(int64_t i, int64_t n)
{
    return n - i < PIECE ? n - i : PIECE;
}

static void add(const px_step *s)
{
    const float *a = s->in[0], *b = s->in[1];
    float *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        add_piece(y + i, a + i, b + i, piece(i, n));
}

static void relu(const px_step *s)
{
    const float *x = s->in[0];
    float *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        relu_piece(y + i, x + i, piece(i, n));
}

static void relu_back(const px_step *s)
{
    const float *dy = s->in[0], *y = s->in[1];
    float *dx = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        relu_back_piece(dx + i, dy + i, y + i, piece(i, n));
}

/* All operands in the format of input `as`. */
static bool prepare(px_plan *p, px_step *s, px_kernel *kernel, int as)
{
    px_storage st = px_plan_format(p, s->node->in[as]);
    if (st.own || px_plan_undecided(p, s->node->in[as]))
        return false;
    for (int i = 0; i < s->node->inputs; i++)
        px_plan_need(p, s, i, st);
    px_plan_make(p, s, 0, st);
    s->run = kernel;
    s->kernel = "pretext";
    s->in_place = 1;
    return true;
}

void px_fast_plain(px_plan *p, px_step *s, px_kernel *kernel)
{
    const px_node *n = s->node;
    for (int i = 0; i < n->inputs; i++)
        if (n->in[i])
            px_plan_need(p, s, i, px_storage_plain(n->in[i]));
    for (int i = 0; i < n->outputs; i++)
        px_plan_make(p, s, i, px_storage_plain(n->out[i]));
    s->run = kernel;
    s->kernel = "pretext";
}

bool px_fast_add(px_plan *p, px_step *s)
{
    return prepare(p, s, add, 0);
}

bool px_fast_relu(px_plan *p, px_step *s)
{
    return prepare(p, s, relu, 0);
}

bool px_fast_relu_back(px_plan *p, px_step *s)
{
    return prepare(p, s, relu_back, 1);
}
