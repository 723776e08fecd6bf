/* conv_amx.c - the gradient of a convolution's or a linear layer's weights in bf16 by AMX.
 *
 *     dw (O, KH, KW, C) = sum over places m of dy (M, O)[m]^T x (M, C)[m as seen by (kh, kw)],   M = N H' W'
 *
 * dy and x are (N, H, W, C). For each tap (kh, kw) this is a product of two matrices, summed over their rows. A few
 * hundred rows of both at a time are brought into the forms that AMX needs (tiles.h), in the second cache: those of the
 * left matrix once, those of the right one again for each tap. A 1x1 kernel has one tap and works like a linear layer:
 * its left matrix is the narrower of the two, since transposing takes longer than coupling. With few channels, the taps
 * (kh, all kw), which lie side by side in x, are taken as one tap with KW C channels: (KH, 1) taps over a copy of x
 * with zeros to its left and right.
 *
 * Places are cut into parts, whose number depends only on the shapes; the left matrix is cut into blocks of 32
 * channels. Each thread takes a share of the blocks of all parts, and sums each block over its places in order; then
 * parts are added in order. So the result does not depend on the number of threads. */
#include "backends/rows.h"
#include "backends/x86/tiles_rows.h"
#include "graph/op.h"
#include "ops/epilogue.h"

#include <omp.h>

enum {
    BLOCK = 32,                /* channels per block, places per step */
    SQUARE = BLOCK * BLOCK,    /* floats in the product of two blocks; pairs in two steps of a block */
    STEPS = 32,                /* most steps of the left matrix that are formed at a time */
    LEFT_BYTES = 512 << 10,    /* and most bytes */
    RUN = 8,                   /* most steps of the right matrix */
    RIGHT_BYTES = 128 << 10,   /* and most bytes */
    PARTS = 16,                /* most parts */
    PART_BYTES = 2 << 20,      /* most bytes of all parts' sums, if there are several parts */
    PART_ROWS = STEPS * BLOCK, /* fewest places in a part */
};

/* One of the two matrices. */
typedef struct side {
    const px_bf16 *data; /* x or dy */
    int64_t channels, blocks;
    int64_t apart; /* elements from one place of a line to the next */
    bool moves;    /* the row that belongs to a place depends on the tap */
} side;

typedef struct job {
    side left, right;
    bool swapped;                  /* left is x */
    int64_t stride, down, across;  /* down, across: padding */
    int64_t N, H, W, h, w, KH, KW; /* N, H, W: of x; h, w: of dy; KH, KW: of the kernel */
    int64_t M, parts, margin;      /* margin: zeros at each end of a line in the copy of x, if there is a copy */
    px_bf16 *zeros;                /* a row of zeros */
    px_bf16 *copy;                 /* (N, H, W, C), W with its margins; or NULL */
    float *sums;                   /* (parts, KH KW, left blocks, right blocks, 32, 32) */
    char *forms;                   /* THREAD_BYTES for each thread */
} job;

enum { THREAD_BYTES = LEFT_BYTES + RIGHT_BYTES + (int)sizeof(px_bf16 *) * STEPS * BLOCK };

static int64_t sums_of(const job *j)
{
    return j->KH * j->KW * j->left.blocks * j->right.blocks * SQUARE;
}

static side side_of(int64_t channels, int64_t apart, bool moves)
{
    return (side){NULL, channels, (channels + BLOCK - 1) / BLOCK, apart, moves};
}

/* Completes a job: decides which matrix is the left one (until now dy is), and the number of parts. */
static job divided(job j)
{
    j.swapped = j.KH * j.KW == 1 && j.right.channels < j.left.channels;
    if (j.swapped) {
        side dy = j.left;
        j.left = j.right;
        j.right = dy;
    }
    int64_t fit = PART_BYTES / (int64_t)sizeof(float) / sums_of(&j);
    j.parts = larger(1, smaller(smaller(fit, PARTS), j.M / PART_ROWS));
    return j;
}

static bool is_narrow(px_shape w)
{
    return w.dim[3] > 1 && w.dim[3] * w.dim[1] <= BLOCK;
}

static job conv_job(const px_node *n)
{
    px_shape x = n->in[0]->shape, dy = n->in[1]->shape, w = n->in[2]->shape;
    const px_conv_attr *a = n->attr;
    job j = {.stride = a->slide.stride[0],
             .down = a->slide.before[0],
             .across = a->slide.before[0],
             .N = x.dim[0],
             .H = x.dim[2],
             .W = x.dim[3]};
    j.h = dy.dim[2];
    j.w = dy.dim[3];
    j.KH = w.dim[2];
    j.KW = w.dim[3];
    j.M = j.N * j.h * j.w;
    j.left = side_of(dy.dim[1], dy.dim[1], false);
    j.right = side_of(x.dim[1], x.dim[1], j.KH * j.KW > 1 || a->slide.stride[0] > 1 || a->slide.before[0] > 0);
    if (is_narrow(w)) {
        j.right = side_of(j.KW * x.dim[1], x.dim[1], true);
        j.margin = a->slide.before[0];
        j.W += 2 * j.margin;
        j.KW = 1;
        j.across = 0;
    }
    return divided(j);
}

/* dw (O, C) = dy^T x */
static job linear_job(const px_node *n)
{
    px_shape dy = n->in[0]->shape, x = n->in[1]->shape;
    job j = {.h = 1, .w = dy.dim[0], .KH = 1, .KW = 1, .M = dy.dim[0]};
    j.left = side_of(dy.dim[1], dy.dim[1], false);
    j.right = side_of(x.dim[1], x.dim[1], false);
    return divided(j);
}

static size_t zeros_bytes(const job *j)
{
    return (size_t)larger(j->left.blocks, j->right.blocks) * BLOCK * sizeof(px_bf16);
}

static bool is_copied(const job *j)
{
    return j->right.channels > j->right.apart;
}

/* Where the threads' forms begin in the scratch memory, after sums, zeros and the copy: a multiple of 64. */
static size_t shared_bytes(const job *j)
{
    size_t copy = is_copied(j) ? (size_t)(j->N * j->H * j->W * j->right.apart) * sizeof(px_bf16) : 0;
    return ((size_t)(j->parts * sums_of(j)) * sizeof(float) + zeros_bytes(j) + copy + 63) / 64 * 64;
}

static size_t scratch_bytes(const job *j)
{
    return shared_bytes(j) + (size_t)omp_get_max_threads() * THREAD_BYTES;
}

static size_t conv_bytes(const px_node *n)
{
    job j = conv_job(n);
    return scratch_bytes(&j);
}

static size_t linear_bytes(const px_node *n)
{
    job j = linear_job(n);
    return scratch_bytes(&j);
}

/* ---- rows ---- */

/* row[i]: the row of `s` for place first + i, i < count, at a tap; the row of zeros from `end` on and outside the
 * image. */
static void find_rows(const job *j, side s, int64_t tap, int64_t first, int64_t count, int64_t end, const px_bf16 **row)
{
    int64_t last = smaller(first + count, end), m = first;
    int64_t down = tap / j->KW - j->down, across = tap % j->KW - j->across;
    for (; !s.moves && m < last; m++)
        *row++ = s.data + m * s.apart;
    for (int64_t line = m / j->w, i = m % j->w; m < last; line++, i = 0) {
        int64_t top = line % j->h * j->stride + down;
        const px_bf16 *at = s.data + (line / j->h * j->H + top) * j->W * s.apart;
        for (; i < j->w && m < last; i++, m++) {
            int64_t left = i * j->stride + across;
            bool inside = top >= 0 && top < j->H && left >= 0 && left < j->W;
            *row++ = inside ? at + left * s.apart : j->zeros;
        }
    }
    for (; m < first + count; m++)
        *row++ = j->zeros;
}

/* copy (N, H, margin + W + margin, C) = x */
static void copy_with_margins(const job *j, const px_bf16 *x)
{
    int64_t C = j->right.apart, margin = j->margin * C, line = j->W * C, inner = line - 2 * margin;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < j->N * j->H; i++) {
        px_bf16 *to = j->copy + i * line;
        memset(to, 0, (size_t)margin * sizeof *to);
        memcpy(to + margin, x + i * inner, (size_t)inner * sizeof *to);
        memset(to + margin + inner, 0, (size_t)margin * sizeof *to);
    }
}

/* ---- forms ----
 *
 * A step of a block, 32 places of 32 channels, becomes 16 couples of places. unpack leaves the channels, in groups of
 * four, in the order 0, 2, 4, 6, 1, 3, 5, 7; write_block undoes that. */

/* to (16, 32) = couples of the channels from `channel` on */
INLINE void couple(pair *to, const px_bf16 *const *row, int64_t channel, __mmask32 mask)
{
    for (int i = 0; i < 16; i++) {
        __m512i a = _mm512_maskz_loadu_epi16(mask, row[2 * i] + channel),
                b = _mm512_maskz_loadu_epi16(mask, row[2 * i + 1] + channel);
        _mm512_store_si512(to + i * BLOCK, _mm512_unpacklo_epi16(a, b));
        _mm512_store_si512(to + i * BLOCK + 16, _mm512_unpackhi_epi16(a, b));
    }
}

/* to (blocks, 16 steps, 32): `blocks` blocks from `block` on */
static void form_right(pair *to, side s, const px_bf16 *const *row, int64_t block, int64_t blocks, int64_t steps)
{
    for (int64_t k = 0; k < steps; k++)
        for (int64_t b = 0; b < blocks; b++) {
            int64_t channel = (block + b) * BLOCK;
            couple(to + (b * steps + k) * SQUARE / 2, row + k * BLOCK, channel, first32(s.channels - channel));
        }
}

/* to (blocks, 32, 16 steps) */
static void form_left(pair *to, side s, const px_bf16 *const *row, int64_t block, int64_t blocks, int64_t steps)
{
    _Alignas(64) pair couples[SQUARE / 2];
    for (int64_t k = 0; k < steps; k++)
        for (int64_t b = 0; b < blocks; b++) {
            int64_t channel = (block + b) * BLOCK;
            couple(couples, row + k * BLOCK, channel, first32(s.channels - channel));
            pair *at = to + b * steps * SQUARE / 2 + k * 16;
            flip16(at, steps * 16, couples, BLOCK);
            flip16(at + 16 * steps * 16, steps * 16, couples + 16, BLOCK);
        }
}

/* ---- sums ---- */

/* A thread's share of one part: places [first, end), left blocks [block, block + blocks). */
typedef struct share {
    int64_t part, first, end, block, blocks;
} share;

/* Multiplies the formed rows of the left matrix with one tap's rows of the right one. */
static void add_tap(const job *j, share s, int64_t tap, const pair *left, const px_bf16 *const *row, int64_t steps,
                    bool add, pair *right)
{
    int64_t group = larger(1, RIGHT_BYTES / (RUN * SQUARE / 2 * (int64_t)sizeof(pair)));
    float *sums = j->sums + s.part * sums_of(j) + (tap * j->left.blocks + s.block) * j->right.blocks * SQUARE;
    for (int64_t k = 0; k < steps; k += RUN)
        for (int64_t b0 = 0; b0 < j->right.blocks; b0 += group) {
            int64_t blocks = smaller(group, j->right.blocks - b0), run = smaller(RUN, steps - k);
            form_right(right, j->right, row + k * BLOCK, b0, blocks, run);
            for (int64_t b = 0; b < blocks; b++)
                for (int64_t a = 0; a < s.blocks; a++)
                    product(sums + (a * j->right.blocks + b0 + b) * SQUARE, BLOCK,
                            left + a * steps * SQUARE / 2 + k * 16, steps * 16, right + b * run * SQUARE / 2, BLOCK,
                            BLOCK, BLOCK, run * BLOCK, add || k > 0);
        }
}

static void add_share(const job *j, share s, char *forms)
{
    pair *left = (pair *)forms, *right = (pair *)(forms + LEFT_BYTES);
    const px_bf16 **row = (const px_bf16 **)(forms + LEFT_BYTES + RIGHT_BYTES);
    int64_t most = smaller(STEPS, LEFT_BYTES / (s.blocks * SQUARE / 2 * (int64_t)sizeof(pair)));
    for (int64_t m = s.first; m < s.end; m += most * BLOCK) {
        int64_t steps = smaller(most, (s.end - m + BLOCK - 1) / BLOCK);
        find_rows(j, j->left, 0, m, steps * BLOCK, s.end, row);
        form_left(left, j->left, row, s.block, s.blocks, steps);
        for (int64_t tap = 0; tap < j->KH * j->KW; tap++) {
            find_rows(j, j->right, tap, m, steps * BLOCK, s.end, row);
            add_tap(j, s, tap, left, row, steps, m > s.first, right);
        }
    }
}

/* Where part `p` begins: a multiple of 32 places, or the end. */
static int64_t part_begin(const job *j, int64_t p)
{
    return p == j->parts ? j->M : j->M * p / j->parts / BLOCK * BLOCK;
}

static void add_all(const job *j, int team)
{
#pragma omp parallel num_threads(team)
    {
        int64_t all = j->parts * j->left.blocks, thread = omp_get_thread_num(), threads = omp_get_num_threads();
        int64_t end = all * (thread + 1) / threads;
        tiles_begin();
        for (int64_t i = all * thread / threads; i < end;) {
            int64_t part = i / j->left.blocks, block = i % j->left.blocks;
            int64_t most = LEFT_BYTES / (SQUARE / 2 * (int64_t)sizeof(pair)); /* blocks, of one step each */
            share s = {part, part_begin(j, part), part_begin(j, part + 1), block,
                       smaller(smaller(end - i, j->left.blocks - block), most)};
            add_share(j, s, j->forms + thread * THREAD_BYTES);
            i += s.blocks;
        }
        tiles_end();
    }
}

/* ---- the result ---- */

/* The row of a block's sums that belongs to channel r: see couple. */
INLINE int place_of(int r)
{
    return r / 8 * 4 + r % 4 + r / 4 % 2 * 16;
}

/* dw (rows, columns) = the sum over parts of a block (32, 32), transposed if the sides are swapped */
static void write_block(float *dw, int64_t ld, const float *sums, int64_t parts, int64_t part_size, int64_t rows,
                        int64_t columns, bool transposed)
{
    _Alignas(64) float sum[SQUARE], flipped[SQUARE];
    for (int i = 0; i < SQUARE; i += 16) {
        __m512 v = _mm512_load_ps(sums + i);
        for (int64_t p = 1; p < parts; p++)
            v = _mm512_add_ps(v, _mm512_load_ps(sums + p * part_size + i));
        _mm512_store_ps(sum + i, v);
    }
    for (int i = 0; transposed && i < BLOCK; i += 16)
        for (int k = 0; k < BLOCK; k += 16)
            flip16((pair *)flipped + k * BLOCK + i, BLOCK, (const pair *)sum + i * BLOCK + k, BLOCK);
    const __m512i first = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0),
                  second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    for (int r = 0; r < rows; r++) {
        const float *from = (transposed ? flipped : sum) + place_of(r) * BLOCK;
        __m512 low = _mm512_load_ps(from), high = _mm512_load_ps(from + 16);
        _mm512_mask_storeu_ps(dw + r * ld, first16(columns), _mm512_permutex2var_ps(low, first, high));
        _mm512_mask_storeu_ps(dw + r * ld + 16, first16(columns - 16), _mm512_permutex2var_ps(low, second, high));
    }
}

static void write_all(const job *j, float *dw)
{
    int64_t taps = j->KH * j->KW, O = (j->swapped ? j->right : j->left).channels,
            C = (j->swapped ? j->left : j->right).channels;
#pragma omp parallel for collapse(3) schedule(static)
    for (int64_t a = 0; a < j->left.blocks; a++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t b = 0; b < j->right.blocks; b++) {
                int64_t o = (j->swapped ? b : a) * BLOCK, c = (j->swapped ? a : b) * BLOCK;
                const float *sums = j->sums + ((tap * j->left.blocks + a) * j->right.blocks + b) * SQUARE;
                write_block(dw + (o * taps + tap) * C + c, taps * C, sums, j->parts, sums_of(j), smaller(BLOCK, O - o),
                            smaller(BLOCK, C - c), j->swapped);
            }
}

static void back_weight(const px_step *s, job *j, const void *x, const void *dy)
{
    (j->swapped ? &j->left : &j->right)->data = x;
    (j->swapped ? &j->right : &j->left)->data = dy;
    j->sums = s->scratch;
    j->zeros = (px_bf16 *)(j->sums + j->parts * sums_of(j));
    j->forms = (char *)s->scratch + shared_bytes(j);
    memset(j->zeros, 0, zeros_bytes(j));
    if (is_copied(j)) {
        j->copy = (px_bf16 *)((char *)j->zeros + zeros_bytes(j));
        copy_with_margins(j, x);
        j->right.data = j->copy;
    }
    add_all(j, px_fast_threads(s, shared_bytes(j), THREAD_BYTES));
    write_all(j, s->out[0]);
}

/* x, dy -> dw (O, KH, KW, C) */
static void conv_back_weight(const px_step *s)
{
    job j = conv_job(s->node);
    back_weight(s, &j, s->in[0], s->in[1]);
}

/* dy (M, O), x (M, C) -> dw (O, C) */
static void linear_back_weight(const px_step *s)
{
    job j = linear_job(s->node);
    back_weight(s, &j, s->in[1], s->in[0]);
}

/* ---- rows ---- */

/* Takes 50 to 90 % of oneDNN's time, except with many taps and few channels. Inputs of the graph have another format
 * than (N, H, W, C), but forward had to copy them as well. */
static bool fits(const px_plan *p, const px_conv_attr *a, const px_value *x, px_storage xs, const px_value *dy,
                 px_storage dys, px_shape w)
{
    enum { FEW_CHANNELS = 16 };
    return px_plan_precision(p) == PX_BF16 && a->groups == 1 && px_sliding_is_even(&a->slide) && is_in_rows(dys, dy) &&
           (is_in_rows(xs, x) || x->kind == PX_INPUT) && (x->shape.dim[1] >= FEW_CHANNELS || is_narrow(w));
}

static bool conv_accepts(const px_plan *p, const px_step *s)
{
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *w = s->node->in[2];
    return fits(p, s->node->attr, x, px_plan_format(p, x), dy, px_plan_format(p, dy), w->shape);
}

static bool conv_prepare(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *dw = s->node->out[0];
    px_plan_need(p, s, 0, px_storage_blocked(x, (int)x->shape.dim[1], PX_BF16));
    px_plan_need(p, s, 1, px_plan_format(p, dy));
    px_plan_make(p, s, 0, weight_in_rows(dw));
    s->scratch_bytes = conv_bytes(s->node);
    s->run = conv_back_weight;
    s->kernel = "pretext:amx_bf16";
    return true;
}

static bool conv_wish(px_plan *p, const px_node *forward, px_storage in, px_storage out, px_storage *wish)
{
    const px_value *x = forward->in[0], *w = forward->in[1];
    if (!fits(p, forward->attr, x, in, forward->out[0], out, w->shape))
        return false;
    *wish = weight_in_rows(w);
    return true;
}

/* For which oneDNN first copies the transposed operand. */
static bool linear_accepts(const px_plan *p, const px_step *s)
{
    const px_matmul_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *x = s->node->in[1];
    return !px_epilogue_act(s->node) && !px_epilogue_residual(s->node) && a->transpose_a && !a->transpose_b &&
           a->factor == 1 && dy->shape.rank == 2 && px_plan_is_gradient(p, s->node->out[0]) &&
           px_plan_precision(p) == PX_BF16 && px_plan_is_bf16_operand(p, dy) && px_plan_is_bf16_operand(p, x);
}

static bool linear_prepare(px_plan *p, px_step *s)
{
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, PX_BF16));
    px_plan_need(p, s, 1, px_storage_blocked(s->node->in[1], 1, PX_BF16));
    px_plan_make(p, s, 0, px_storage_plain(s->node->out[0]));
    s->scratch_bytes = linear_bytes(s->node);
    s->run = linear_back_weight;
    s->kernel = "pretext:amx_bf16";
    return true;
}

const px_kernel_row px_row_conv2d_back_weight_amx = {.op = &px_op_conv2d_back_weight,
                                                     .needs = PX_ISA_AMX,
                                                     .accepts = conv_accepts,
                                                     .prepare = conv_prepare,
                                                     .wish = conv_wish};
const px_kernel_row px_row_linear_back_weight_amx = {
    .op = &px_op_matmul, .needs = PX_ISA_AMX, .accepts = linear_accepts, .prepare = linear_prepare};
