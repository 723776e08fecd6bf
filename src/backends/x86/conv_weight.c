/* conv_weight.c - the gradient of a convolution's weight in float, from blocks of channels as they lie:
 * dw[o, c, kh, kw] = the sum over images and places of dy[o, place] x[c, place * stride + (kh, kw) - pad].
 *
 * A tile keeps sums in registers while it goes over a piece of the places: those of some taps and input channels with two blocks
 * of output channels (with one, if their number is odd and it is the last). A piece is so small that its part of dy and of a block
 * of x, copied with its border, stay in the nearest cache. A task has these output channels and up to 64 input channels, for which
 * a piece of dy is read once. A layer with few tasks is also cut by images, into parts that depend on its shape alone, as all sums
 * do: results are the same on any number of threads.
 *
 * Compiled for vectors of 8 and of 16 floats; the blocks must be of this length. */
#include "backends/rows.h"
#include "backends/x86/vectors.h"

#include <omp.h>
#include <string.h>

/* Of a tile, with two blocks of output channels: 12 sums of 8 floats for a row of three taps and 8 for a single tap, 24 and 16 of
 * 16 floats. */
enum { ROW = 3, ROW_INPUTS = LANES == 16 ? 4 : 2, ONE_INPUTS = LANES == 16 ? 8 : 4 };

enum {
    NEAREST = 6144,     /* floats of the nearest cache that a piece may take: 24 of 32 KiB or more */
    GROUP = 64 / LANES, /* blocks of x in a task */
    TASKS = 32          /* a layer with fewer is cut by images */
};

/* A band is some rows of dy in one image: all of them, or, of large maps, one band is a piece. */
typedef struct job {
    px_blocks x, dy;
    px_sliding slide;
    int64_t H, W, h, w, KH, KW;   /* of x, of dy, of the kernel */
    int64_t rows, bands;          /* rows of a band; bands of a piece */
    int64_t tall, wide;           /* the part of x below a band, with its border: rows, columns */
    int64_t pairs, groups, parts; /* tasks are pairs x groups x parts */
    int64_t weights;              /* of dw */
    int64_t sums, floats;         /* of a block's sums with a pair; of the copy */
} job;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of x that so many rows of dy see. */
static int64_t tall(const job *j, int64_t rows)
{
    return (rows - 1) * j->slide.stride[0] + j->KH;
}

static int64_t band_floats(const job *j, int64_t rows)
{
    return (rows * j->w * 2 + tall(j, rows) * j->wide) * LANES;
}

static job job_of(const px_node *n)
{
    const px_value *x = n->in[0], *dy = n->in[1], *w = n->in[2];
    px_storage blocks = {.block = LANES};
    job j = {
        .x = px_blocks_of(x, blocks), .dy = px_blocks_of(dy, blocks), .slide = ((const px_conv_attr *)n->attr)->slide};
    j.H = x->shape.dim[2];
    j.W = x->shape.dim[3];
    j.h = dy->shape.dim[2];
    j.w = dy->shape.dim[3];
    j.KH = w->shape.dim[2];
    j.KW = w->shape.dim[3];
    j.wide = (j.w - 1) * j.slide.stride[1] + j.KW;
    j.rows = j.h;
    while (j.rows > 1 && band_floats(&j, j.rows) > NEAREST)
        j.rows = (j.rows + 1) / 2;
    j.tall = tall(&j, j.rows);
    j.bands = j.rows < j.h || band_floats(&j, j.h) > NEAREST ? 1 : NEAREST / band_floats(&j, j.h);
    j.pairs = (j.dy.G + 1) / 2;
    j.groups = (j.x.G + GROUP - 1) / GROUP;
    j.parts = least((TASKS + j.pairs * j.groups - 1) / (j.pairs * j.groups), j.dy.N);
    j.weights = px_shape_count(w->shape);
    j.sums = j.KH * j.KW * LANES * 2 * LANES;
    j.floats = j.bands * j.tall * j.wide * LANES;
    return j;
}

INLINE void clear(float *to, int64_t vectors)
{
    for (int64_t i = 0; i < vectors; i++)
        *at(to + i * LANES) = (vec){0};
}

/* What a band's rows see of x, with zeros where there is nothing: (tall, wide, LANES). By vectors: rows may be short. */
static void copy_band(const job *j, float *to, const float *x, int64_t first)
{
    const int64_t left = j->slide.before[1], there = least(j->W, j->wide - left);
    for (int64_t r = 0; r < j->tall; r++, to += j->wide * LANES) {
        int64_t row = first * j->slide.stride[0] + r - j->slide.before[0];
        if (row < 0 || row >= j->H) {
            clear(to, j->wide);
            continue;
        }
        clear(to, left);
        for (int64_t i = 0; i < there; i++)
            *at(to + (left + i) * LANES) = from(x + (row * j->W + i) * LANES);
        clear(to + (left + there) * LANES, j->wide - left - there);
    }
}

/* A piece: `bands` bands of `rows` rows each, from the row `first` of dy on. x: the copy, at the tile's first tap and channel */
typedef struct piece {
    const float *x, *dy;
    int64_t bands, rows, first;
} piece;

/* total += the products of one place, with the taps first <= t < last. */
INLINE void add_place(vec total[ROW][ONE_INPUTS][2], const float *x, const float *dy, int64_t other, const int first,
                      const int last, const int inputs, const int vectors)
{
    for (int t = first; t < last; t++)
        for (int i = 0; i < inputs; i++)
            for (int v = 0; v < vectors; v++)
                total[t][i][v] += x[t * LANES + i] * from(dy + v * other);
}

/* sum (taps, LANES, vectors * LANES), of which `inputs` rows of each tap, += the products over the rows of the piece. border:
 * the first tap of the first place of each row, and the last one of the last, lie in the border. The last four are constants
 * after inlining: all sums stay in registers. */
INLINE void add_tile(const job *j, piece p, float *sum, const int taps, const int inputs, const int vectors,
                     const bool border)
{
    const int64_t down = j->slide.stride[0] * j->wide * LANES, across = j->slide.stride[1] * LANES;
    const int64_t other = j->dy.S * LANES;
    vec total[ROW][ONE_INPUTS][2] = {0};
    for (int64_t b = 0; b < p.bands; b++)
        for (int64_t r = 0; r < p.rows; r++) {
            const float *x = p.x + b * j->tall * j->wide * LANES + r * down;
            const float *dy = p.dy + (b * j->dy.G * j->dy.S + r * j->w) * LANES;
            const float *end = dy + (j->w - border) * LANES;
            if (border) {
                add_place(total, x, dy, other, 1, taps, inputs, vectors);
                x += across;
                dy += LANES;
            }
            for (; dy < end; x += across, dy += LANES)
                add_place(total, x, dy, other, 0, taps, inputs, vectors);
            if (border)
                add_place(total, x, dy, other, 0, taps - 1, inputs, vectors);
        }
    for (int t = 0; t < taps; t++)
        for (int i = 0; i < inputs; i++)
            for (int v = 0; v < vectors; v++)
                *at(sum + ((t * LANES + i) * vectors + v) * LANES) += total[t][i][v];
}

/* The rows of the piece whose tap row `kh` does not lie in the border. */
static piece within(const job *j, piece p, int64_t kh)
{
    const int64_t stride = j->slide.stride[0], shift = kh - j->slide.before[0];
    int64_t skipped = 0, end = p.rows;
    while (skipped < end && (p.first + skipped) * stride + shift < 0)
        skipped++;
    while (end > skipped && (p.first + end - 1) * stride + shift >= j->H)
        end--;
    p.x += skipped * stride * j->wide * LANES;
    p.dy += skipped * j->w * LANES;
    p.rows = end - skipped;
    return p;
}

/* All tiles of a block of x over a piece. sum: (KH, KW, LANES, vectors * LANES) */
INLINE void add_tiles(const job *j, piece p, float *sum, const int taps, const int inputs, const int vectors,
                      const bool border)
{
    const float *copy = p.x;
    for (int64_t k = 0; k < j->KH * j->KW; k += taps) {
        p.x = copy + (k / j->KW * j->wide + k % j->KW) * LANES;
        piece inner = within(j, p, k / j->KW);
        for (int i = 0; i < LANES; i += inputs, inner.x += inputs)
            add_tile(j, inner, sum + (k * LANES + i) * vectors * LANES, taps, inputs, vectors, border);
    }
}

/* Whether a row of dy sees one column of border on each side, as 3x3 convolutions with a border of 1 do. */
static bool has_border(const job *j)
{
    return j->KW == ROW && j->w > 1 && j->slide.before[1] == 1 && j->slide.stride[1] == 1 && j->w == j->W;
}

static void add_piece(const job *j, piece p, float *sum, bool pair)
{
    const bool border = has_border(j);
    if (border && pair)
        add_tiles(j, p, sum, ROW, ROW_INPUTS, 2, true);
    else if (border)
        add_tiles(j, p, sum, ROW, ROW_INPUTS, 1, true);
    else if (j->KW % ROW == 0 && pair)
        add_tiles(j, p, sum, ROW, ROW_INPUTS, 2, false);
    else if (j->KW % ROW == 0)
        add_tiles(j, p, sum, ROW, ROW_INPUTS, 1, false);
    else if (pair)
        add_tiles(j, p, sum, 1, ONE_INPUTS, 2, false);
    else
        add_tiles(j, p, sum, 1, ONE_INPUTS, 1, false);
}

/* sums (blocks of the group, KH, KW, LANES, width): of a pair with each block of a group, over a part of the images */
static void add_up(const job *j, const px_step *s, int64_t task, float *sums, float *copy)
{
    const int64_t group = task % j->groups, pair = task / j->groups % j->pairs, part = task / j->groups / j->pairs;
    const int64_t first = group * GROUP, last = least(first + GROUP, j->x.G), end = j->dy.N * (part + 1) / j->parts;
    const float *x = s->in[0], *dy = s->in[1];
    memset(sums, 0, (size_t)(GROUP * j->sums) * sizeof sums[0]);
    for (int64_t n = j->dy.N * part / j->parts; n < end; n += j->bands)
        for (int64_t row = 0; row < j->h; row += j->rows)
            for (int64_t in = first; in < last; in++) {
                piece p = {
                    .x = copy, .bands = least(j->bands, end - n), .rows = least(j->rows, j->h - row), .first = row};
                p.dy = dy + ((n * j->dy.G + 2 * pair) * j->dy.S + row * j->w) * LANES;
                for (int64_t b = 0; b < p.bands; b++)
                    copy_band(j, copy + b * j->tall * j->wide * LANES, x + ((n + b) * j->x.G + in) * j->x.S * LANES,
                              row);
                add_piece(j, p, sums + (in - first) * j->sums, 2 * pair + 1 < j->dy.G);
            }
}

/* The places of a task's sums in dw (O, C, KH, KW). */
static void write_sums(const job *j, int64_t task, const float *sums, float *dw)
{
    const int64_t group = task % j->groups, pair = task / j->groups % j->pairs;
    const int64_t first = group * GROUP, last = least(first + GROUP, j->x.G), C = j->x.G * LANES;
    const int64_t taps = j->KH * j->KW, width = (2 * pair + 1 < j->dy.G ? 2 : 1) * LANES;
    for (int64_t o = 0; o < width; o++)
        for (int64_t c = first * LANES; c < last * LANES; c++) {
            const float *sum = sums + (c / LANES - first) * j->sums + c % LANES * width + o;
            for (int64_t t = 0; t < taps; t++)
                dw[((2 * pair * LANES + o) * C + c) * taps + t] = sum[t * LANES * width];
        }
}

/* Scratch memory: dw of each part, if there are several; then for each thread a task's sums and a piece's copy. */
static size_t shared_bytes(const job *j)
{
    return j->parts > 1 ? (size_t)(j->parts * j->weights) * sizeof(float) : 0;
}

static size_t thread_bytes(const job *j)
{
    return (size_t)(GROUP * j->sums + j->floats) * sizeof(float);
}

/* x, dy, w -> dw (O, C, KH, KW), plain; only the shape of w is used */
static void back_weight(const px_step *s)
{
    const job j = job_of(s->node);
    float *dw = s->out[0], *parts = s->scratch;
#pragma omp parallel num_threads(px_fast_threads(s, shared_bytes(&j), thread_bytes(&j)))
    {
        float *sums =
            (float *)((char *)s->scratch + shared_bytes(&j) + (size_t)omp_get_thread_num() * thread_bytes(&j));
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < j.groups * j.pairs * j.parts; task++) {
            add_up(&j, s, task, sums, sums + GROUP * j.sums);
            write_sums(&j, task, sums, j.parts > 1 ? parts + task / j.groups / j.pairs * j.weights : dw);
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (j.parts > 1 ? j.weights : 0); i++) {
            dw[i] = parts[i];
            for (int64_t k = 1; k < j.parts; k++)
                dw[i] += parts[k * j.weights + i];
        }
    }
}

/* ---- rows ---- */

static bool has_our_blocks(const px_plan *p, const px_value *v)
{
    px_storage st = px_plan_format(p, v);
    return !st.own && st.block == LANES;
}

static bool accepts(const px_plan *p, const px_step *s)
{
    const px_node *n = s->node;
    const px_conv_attr *a = n->attr;
    return px_plan_precision(p) == PX_F32 && a->groups == 1 && a->slide.dilation[0] == 1 && a->slide.dilation[1] == 1 &&
           a->slide.before[1] < a->slide.kernel[1] && has_our_blocks(p, n->in[0]) && has_our_blocks(p, n->in[1]);
}

static bool accepts_rows(const px_plan *p, const px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    return a->slide.kernel[1] % ROW == 0 && accepts(p, s);
}

static bool prepare(px_plan *p, px_step *s)
{
    px_plan_need(p, s, 0, px_plan_format(p, s->node->in[0]));
    px_plan_need(p, s, 1, px_plan_format(p, s->node->in[1]));
    px_plan_make(p, s, 0, px_storage_plain(s->node->out[0]));
    job j = job_of(s->node);
    s->scratch_bytes = shared_bytes(&j) + (size_t)omp_get_max_threads() * thread_bytes(&j);
    s->run = back_weight;
    s->kernel = "pretext:blocks";
    return true;
}

/* oneDNN makes blocks of 16 where there is AVX-512. */
#define NEEDS (LANES == 16 ? PX_ISA_AVX512 : PX_ISA_AVX2)
#define BELOW (LANES == 16 ? PX_ISA_BASE : PX_ISA_AVX512)
/* With rows of taps it is faster than oneDNN's direct kernels, and without them than its product for each image. */
const px_kernel_row PX_LANED(px_row_conv2d_back_weight_rows, PX_LANES) = {
    .op = &px_op_conv2d_back_weight, .needs = NEEDS, .below = BELOW, .accepts = accepts_rows, .prepare = prepare};
const px_kernel_row PX_LANED(px_row_conv2d_back_weight_any, PX_LANES) = {
    .op = &px_op_conv2d_back_weight, .needs = NEEDS, .below = BELOW, .accepts = accepts, .prepare = prepare};
