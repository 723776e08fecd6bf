/* conv_taps.c - the gradient of a convolution's weight in float on small maps, one matrix product for each tap of the
 * kernel: dw[:, :, kh, kw] (O, C) is dy^T x over all places of all images where the tap lies on the image. oneDNN has
 * no direct kernel for small maps below AVX-512, and its product of one image at a time has only H * W terms. */
#include "backends/rows.h"
#include "backends/x86/kernels.h"
#include "ops/attr.h"

#include <cblas.h>
#include <omp.h>
#include <string.h>

enum { ROWS = 256, PIECE = 64 }; /* places in one product; output channels that a thread takes at a time */

typedef struct job {
    px_blocks x, dy;
    int H, W, h, w, KH, KW, stride, pad; /* H, W: of x; h, w: of dy; KH, KW: of the kernel */
    int C, O;
} job;

static job job_of(const px_node *n)
{
    px_shape x = n->in[0]->shape, dy = n->in[1]->shape, w = n->in[2]->shape;
    const px_conv_attr *a = n->attr;
    return (job){.H = (int)x.dim[2],
                 .W = (int)x.dim[3],
                 .h = (int)dy.dim[2],
                 .w = (int)dy.dim[3],
                 .KH = (int)w.dim[2],
                 .KW = (int)w.dim[3],
                 .stride = a->slide.stride[0],
                 .pad = a->slide.before[0],
                 .C = (int)w.dim[1],
                 .O = (int)w.dim[0]};
}

/* Scratch memory: sums of all taps (KH * KW, O, C), then for each thread ROWS rows of dy and of x. */
static size_t shared_bytes(const job *j)
{
    return ((size_t)(j->KH * j->KW) * (size_t)j->O * (size_t)j->C * sizeof(float) + 63) / 64 * 64;
}

static size_t thread_bytes(const job *j)
{
    return ((size_t)ROWS * (size_t)(PIECE + j->C) * sizeof(float) + 63) / 64 * 64;
}

static size_t bytes_of(const px_node *n)
{
    job j = job_of(n);
    return shared_bytes(&j) + (size_t)omp_get_max_threads() * thread_bytes(&j);
}

/* to (count) = the channels from number `from` on, of one place of one image; both are multiples of the block */
static void copy_place(float *to, const float *data, px_blocks v, int64_t image, int64_t place, int from, int count)
{
    for (int64_t g = from / v.B; g < (from + count) / v.B; g++, to += v.B)
        memcpy(to, data + ((image * v.G + g) * v.S + place) * v.B, (size_t)v.B * sizeof to[0]);
}

/* sum (O, C), rows first..first+count-1, = the product over all places of this tap */
static void add_up(const job *j, const px_step *s, int kh, int kw, int first, int count, float *rows, float *sum)
{
    float *left = rows, *right = rows + (int64_t)ROWS * PIECE; // (ROWS, PIECE), (ROWS, C)
    int filled = 0;
    bool begun = false;
    int64_t last = j->dy.N * j->h * j->w;
    for (int64_t m = 0; m < last; m++) {
        int64_t image = m / (j->h * j->w), place = m % (j->h * j->w);
        int64_t top = place / j->w * j->stride + kh - j->pad, across = place % j->w * j->stride + kw - j->pad;
        if (top >= 0 && top < j->H && across >= 0 && across < j->W) {
            copy_place(left + (int64_t)filled * PIECE, s->in[1], j->dy, image, place, first, count);
            copy_place(right + (int64_t)filled * j->C, s->in[0], j->x, image, top * j->W + across, 0, j->C);
            filled++;
        }
        if (filled == ROWS || (m == last - 1 && filled > 0)) {
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, j->C, filled, 1, left, PIECE, right, j->C,
                        begun, sum + (int64_t)first * j->C, j->C);
            begun = true;
            filled = 0;
        }
    }
    if (!begun)
        memset(sum + (int64_t)first * j->C, 0, (size_t)count * (size_t)j->C * sizeof sum[0]);
}

/* x, dy, w -> dw (O, C, KH, KW), plain; only the shape of w is used */
static void back_weight(const px_step *s)
{
    job j = job_of(s->node);
    j.x = px_blocks_of(s->node->in[0], s->in_format[0]);
    j.dy = px_blocks_of(s->node->in[1], s->in_format[1]);
    int taps = j.KH * j.KW, pieces = (j.O + PIECE - 1) / PIECE;
    int64_t each = (int64_t)j.O * j.C;
    float *sum = s->scratch, *dw = s->out[0];
#pragma omp parallel num_threads(px_fast_threads(s, shared_bytes(&j), thread_bytes(&j)))
    {
        float *rows =
            (float *)((char *)s->scratch + shared_bytes(&j) + (size_t)omp_get_thread_num() * thread_bytes(&j));
#pragma omp for schedule(dynamic)
        for (int i = 0; i < taps * pieces; i++) {
            int tap = i / pieces, first = i % pieces * PIECE, count = j.O - first < PIECE ? j.O - first : PIECE;
            add_up(&j, s, tap / j.KW, tap % j.KW, first, count, rows, sum + tap * each);
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < each; i++)
            for (int tap = 0; tap < taps; tap++)
                dw[i * taps + tap] = sum[tap * each + i];
    }
}

static bool has_blocks_of_vectors(px_storage st)
{
    return !st.own && (st.block == 8 || st.block == 16);
}

/* On small maps, with activations in any format. */
static bool accepts(const px_plan *p, const px_step *s)
{
    enum { SMALL_MAP = 64 };
    const px_value *x = s->node->in[0], *dy = s->node->in[1];
    const px_conv_attr *a = s->node->attr;
    return px_plan_precision(p) == PX_F32 && a->groups == 1 && px_sliding_is_even(&a->slide) &&
           px_shape_tail(dy->shape, 2) <= SMALL_MAP && has_blocks_of_vectors(px_plan_format(p, x)) &&
           has_blocks_of_vectors(px_plan_format(p, dy));
}

static bool prepare(px_plan *p, px_step *s)
{
    px_plan_need(p, s, 0, px_plan_format(p, s->node->in[0]));
    px_plan_need(p, s, 1, px_plan_format(p, s->node->in[1]));
    px_plan_make(p, s, 0, px_storage_plain(s->node->out[0]));
    s->scratch_bytes = bytes_of(s->node);
    s->run = back_weight;
    s->kernel = "pretext:taps";
    return true;
}

const px_kernel_row px_row_conv2d_back_weight_taps = {
    .op = &px_op_conv2d_back_weight, .accepts = accepts, .prepare = prepare};
