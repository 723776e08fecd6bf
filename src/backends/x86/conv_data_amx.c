/* conv_data_amx.c - the gradient of a convolution's input in bf16 by AMX.
 *
 *     dx (N, H, W, C)[y, x] = sum over taps (kh, kw) of dy (N, H', W', O)[i, j] W (KH, KW, O, C)[kh, kw]
 *     with i stride + kh - pad = y, j stride + kw - pad = x
 *
 * Places (y, x) with the same remainders modulo the stride have the same taps: they form a phase. A few hundred places
 * of a phase are worked on at a time: for each tap, their rows of dy are gathered in the second cache and multiplied by
 * the tap's weights, 32 channels at a time. Before that, weights are brought into the form that AMX needs (tiles.h).
 * Each place is computed by one thread: the result does not depend on the number of threads. */
#include "backends/rows.h"
#include "backends/x86/tiles_rows.h"
#include "graph/op.h"
#include "ops/attr.h"

#include <omp.h>

enum {
    BLOCK = 32, /* places or channels per block */
    SQUARE = BLOCK * BLOCK,
    MOST_ROWS = 512,         /* most places at a time, */
    MOST_BYTES = 1280 << 10, /* and most bytes of rows and sums, unless one block alone takes more */
};

typedef struct job {
    const px_bf16 *dy;
    const float *weight; /* (O, KH KW, C) */
    pair *panels;        /* the same: (KH KW, C/32, O/2, 32) couples */
    px_bf16 *dx;
    px_conv_attr conv;
    int64_t N, H, W, h, w, O, C, KH, KW;
} job;

/* The places (top + stride y, left + stride x), y < h, x < w, of each image; and how many taps they have. */
typedef struct phase {
    int64_t top, left, h, w, taps;
} phase;

/* A thread's working memory for `rows` places. */
typedef struct desk {
    int64_t rows;
    pair *dy;     /* (rows, O/2) */
    float *sums;  /* (C/32, rows/32, 32, 32) */
    px_bf16 **to; /* (rows) */
} desk;

static job job_of(const px_node *n)
{
    px_shape dy = n->in[0]->shape, w = n->in[1]->shape, x = n->in[2]->shape;
    return (job){.conv = *(const px_conv_attr *)n->attr,
                 .N = x.dim[0],
                 .H = x.dim[2],
                 .W = x.dim[3],
                 .h = dy.dim[2],
                 .w = dy.dim[3],
                 .O = w.dim[0],
                 .C = w.dim[1],
                 .KH = w.dim[2],
                 .KW = w.dim[3]};
}

static int64_t rows_of(const job *j)
{
    int64_t row = j->O * (int64_t)sizeof(px_bf16) + j->C * (int64_t)sizeof(float);
    int64_t rows = MOST_BYTES / row / BLOCK * BLOCK;
    return rows < BLOCK ? BLOCK : rows > MOST_ROWS ? MOST_ROWS : rows;
}

static size_t desk_bytes(const job *j)
{
    size_t row = (size_t)j->O * sizeof(px_bf16) + (size_t)j->C * sizeof(float) + sizeof(px_bf16 *);
    return (size_t)rows_of(j) * row;
}

static size_t panel_bytes(const job *j)
{
    return (size_t)(j->KH * j->KW * j->C * j->O) * sizeof(px_bf16);
}

static size_t bytes_of(const px_node *n)
{
    job j = job_of(n);
    return panel_bytes(&j) + (size_t)omp_get_max_threads() * desk_bytes(&j);
}

static desk desk_at(const job *j, char *memory)
{
    desk d = {.rows = rows_of(j), .dy = (pair *)memory};
    d.sums = (float *)(d.dy + d.rows * j->O / 2);
    d.to = (px_bf16 **)(d.sums + d.rows * j->C);
    return d;
}

/* ---- weights ---- */

/* Makes couples of the 32 output channels from o on and the 32 input channels from c on, at all taps. */
static void form_weights(const job *j, int64_t o, int64_t c)
{
    int64_t taps = j->KH * j->KW;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t i = 0; i < BLOCK; i += 2)
            for (int64_t k = 0; k < BLOCK; k += 16) {
                const float *first = j->weight + ((o + i) * taps + tap) * j->C + c + k, *second = first + taps * j->C;
                pair *to = j->panels + ((tap * j->C + c) * j->O + (o + i) * BLOCK) / 2 + k;
                _mm512_store_si512(to, pairs_of(_mm512_loadu_ps(first), _mm512_loadu_ps(second)));
            }
}

/* ---- places ---- */

/* Whether row or column k of the kernel reaches the places that are `first` modulo the stride. */
static bool is_seen(const job *j, int64_t first, int64_t k)
{
    return (first + j->conv.slide.before[0] - k) % j->conv.slide.stride[0] == 0;
}

static phase phase_of(const job *j, int64_t top, int64_t left)
{
    int64_t s = j->conv.slide.stride[0];
    phase f = {.top = top, .left = left, .h = (j->H - top + s - 1) / s, .w = (j->W - left + s - 1) / s};
    for (int64_t kh = 0; kh < j->KH; kh++)
        for (int64_t kw = 0; kw < j->KW; kw++)
            f.taps += is_seen(j, top, kh) && is_seen(j, left, kw);
    return f;
}

/* to[r] = where place first + r of the phase is in dx */
static void find_places(const job *j, phase f, int64_t first, int64_t count, px_bf16 **to)
{
    int64_t s = j->conv.slide.stride[0];
    for (int64_t r = 0; r < count; r++) {
        int64_t line = (first + r) / f.w, x = (first + r) % f.w, n = line / f.h, y = line % f.h;
        to[r] = j->dx + ((n * j->H + f.top + s * y) * j->W + f.left + s * x) * j->C;
    }
}

/* to (count, O) = the rows of dy that a tap connects with places first + r of the phase; zeros outside the image */
static void gather(const job *j, phase f, int64_t kh, int64_t kw, int64_t first, int64_t count, pair *to)
{
    int64_t down = (f.top + j->conv.slide.before[0] - kh) / j->conv.slide.stride[0],
            across = (f.left + j->conv.slide.before[0] - kw) / j->conv.slide.stride[0];
    for (int64_t r = 0, x = first % f.w, line = first / f.w; r < count; line++, x = 0) {
        int64_t i = line % f.h + down;
        const px_bf16 *from = j->dy + (line / f.h * j->h + i) * j->w * j->O;
        for (; x < f.w && r < count; x++, r++, to += j->O / 2) {
            int64_t k = x + across;
            bool inside = i >= 0 && i < j->h && k >= 0 && k < j->w;
            for (int64_t o = 0; o < j->O; o += BLOCK)
                _mm512_store_si512(to + o / 2,
                                   inside ? _mm512_loadu_si512(from + k * j->O + o) : _mm512_setzero_si512());
        }
    }
}

/* Writes sums (count, 32) to the rows at to[], from `channel` on. */
static void write_rows(px_bf16 *const *to, int64_t channel, const float *sums, int64_t count)
{
    for (int64_t r = 0; r < count; r++, sums += BLOCK)
        _mm512_storeu_si512(to[r] + channel,
                            (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(sums + 16), _mm512_load_ps(sums)));
}

/* Multiplies the desk's rows by a tap's weights; `add`: adds to the sums. After the last tap, writes the sums to dx. */
static void add_tap(const job *j, const desk *d, int64_t tap, int64_t count, bool add, bool last)
{
    int64_t blocks = (count + BLOCK - 1) / BLOCK, panel = j->O / 2 * BLOCK, panels = j->KH * j->KW * j->C / BLOCK;
    for (int64_t c = 0; c < j->C / BLOCK; c++) {
        int64_t at = tap * j->C / BLOCK + c;
        const pair *weight = j->panels + at * panel, *next = at + 1 < panels ? weight + panel : weight;
        for (int64_t b = 0; b < blocks; b++) {
            float *sums = d->sums + (c * d->rows / BLOCK + b) * SQUARE;
            for (int64_t i = panel * b / blocks / 16 * 16; i < panel * (b + 1) / blocks; i += 16)
                _mm_prefetch((const char *)(next + i), _MM_HINT_T1);
            product(sums, BLOCK, d->dy + b * BLOCK * j->O / 2, j->O / 2, weight, BLOCK, BLOCK, BLOCK, j->O, add);
            int64_t rows = count - b * BLOCK;
            if (last)
                write_rows(d->to + b * BLOCK, c * BLOCK, sums, smaller(rows, BLOCK));
        }
    }
}

/* Places [first, end) of a phase */
static void work(const job *j, phase f, int64_t first, int64_t end, const desk *d)
{
    for (int64_t m = first; m < end; m += d->rows) {
        int64_t count = smaller(end - m, d->rows), done = 0;
        find_places(j, f, m, count, d->to);
        for (int64_t r = 0; r < count && f.taps == 0; r++)
            memset(d->to[r], 0, (size_t)j->C * sizeof(px_bf16));
        for (int64_t kh = 0; kh < j->KH; kh++)
            for (int64_t kw = 0; kw < j->KW; kw++)
                if (is_seen(j, f.top, kh) && is_seen(j, f.left, kw)) {
                    gather(j, f, kh, kw, m, count, d->dy);
                    add_tap(j, d, kh * j->KW + kw, count, done > 0, done + 1 == f.taps);
                    done++;
                }
    }
}

/* dy, weight -> dx; scratch: panels, desks */
static void back_data(const px_step *s)
{
    job j = job_of(s->node);
    j.dy = s->in[0];
    j.weight = s->in[1];
    j.dx = s->out[0];
    j.panels = s->scratch;
    char *desks = (char *)s->scratch + panel_bytes(&j);
#pragma omp parallel num_threads(px_fast_threads(s, panel_bytes(&j), desk_bytes(&j)))
    {
        int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        desk d = desk_at(&j, desks + (size_t)thread * desk_bytes(&j));
#pragma omp for collapse(2) schedule(static)
        for (int64_t o = 0; o < j.O; o += BLOCK)
            for (int64_t c = 0; c < j.C; c += BLOCK)
                form_weights(&j, o, c);
        tiles_begin();
        for (int64_t top = 0; top < j.conv.slide.stride[0] && top < j.H; top++)
            for (int64_t left = 0; left < j.conv.slide.stride[0] && left < j.W; left++) {
                phase f = phase_of(&j, top, left);
                int64_t places = j.N * f.h * f.w, blocks = (places + BLOCK - 1) / BLOCK;
                int64_t first = blocks * thread / threads * BLOCK, end = blocks * (thread + 1) / threads * BLOCK;
                work(&j, f, first, smaller(end, places), &d);
            }
        tiles_end();
    }
}

/* For strides and small maps, where it takes a third to a half of oneDNN's time. */
static bool accepts(const px_plan *p, const px_step *s)
{
    enum { SMALL_MAP = 64 };
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2];
    const px_conv_attr *a = s->node->attr;
    return px_plan_precision(p) == PX_BF16 && a->groups == 1 && px_sliding_is_even(&a->slide) &&
           is_in_rows(px_plan_format(p, dy), dy) && is_in_rows(px_plan_format(p, x), x) &&
           w->shape.dim[0] % BLOCK == 0 && w->shape.dim[1] % BLOCK == 0 &&
           (a->slide.stride[0] > 1 || px_shape_tail(dy->shape, 2) <= SMALL_MAP);
}

static bool prepare(px_plan *p, px_step *s)
{
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_plan_need(p, s, 0, px_plan_format(p, dy));
    px_plan_need(p, s, 1, weight_in_rows(w));
    px_plan_make(p, s, 0, px_storage_blocked(dx, (int)x->shape.dim[1], PX_BF16));
    s->scratch_bytes = bytes_of(s->node);
    s->run = back_data;
    s->kernel = "pretext:amx_bf16";
    return true;
}

const px_kernel_row px_row_conv2d_back_data_amx = {
    .op = &px_op_conv2d_back_data, .needs = PX_ISA_AMX, .accepts = accepts, .prepare = prepare};
