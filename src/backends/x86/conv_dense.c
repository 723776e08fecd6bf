/* conv_dense.c - convolutions on maps so small that every place of the output sees every place of the input, as 3x3 ones on maps
 * of 2x2 do: in float, as one product of matrices, an image a row.
 *
 *     y (N, O h w) = x (N, C H W) D^T,  dx = dy D,  dD = dy^T x
 *     D (O h w, C H W)[(o, p), (c, q)] = w[o, c, the tap through which p sees q]
 *
 * No product has a factor that lies in the border: of 3x3 taps on 2x2 places that saves 20 of 36. The columns of matrices are in
 * the order in which the formats of x and y have channels and places, so that nothing is copied but w. Tasks are cut by shape
 * alone, and each runs on one thread: results are the same on any number of threads. */
#include "backends/rows.h"
#include "backends/x86/kernels.h"
#include "ops/attr.h"
#include "ops/epilogue.h"

#include <cblas.h>
#include <omp.h>

enum {
    LEAST_IMAGES = 32, /* with fewer, making D costs too much beside the product */
    ROWS = 128,        /* of a task's part of the product, */
    COLUMNS = 256      /* and its columns */
};

/* A convolution from x to y: S places, which are H x W. */
typedef struct job {
    px_blocks x, y;
    int64_t H, W, h, w, KH, KW;
    int64_t stride[2], before[2];
    int64_t C, O, in, out; /* channels; C H W, O h w */
} job;

static job job_of(const px_node *n, const px_value *x, px_storage of_x, const px_value *y, px_storage of_y)
{
    const px_sliding *slide = &((const px_conv_attr *)n->attr)->slide;
    job j = {.x = px_blocks_of(x, of_x),
             .y = px_blocks_of(y, of_y),
             .H = x->shape.dim[2],
             .W = x->shape.dim[3],
             .h = y->shape.dim[2],
             .w = y->shape.dim[3],
             .KH = slide->kernel[0],
             .KW = slide->kernel[1],
             .stride = {slide->stride[0], slide->stride[1]},
             .before = {slide->before[0], slide->before[1]},
             .C = x->shape.dim[1],
             .O = y->shape.dim[1]};
    j.in = j.C * j.H * j.W;
    j.out = j.O * j.h * j.w;
    return j;
}

/* The column of a channel's place. */
static int64_t column(px_blocks f, int64_t channel, int64_t place)
{
    return (channel / f.B * f.S + place) * f.B + channel % f.B;
}

static int64_t tap(const job *j, int64_t p, int64_t q)
{
    int64_t kh = q / j->W - p / j->w * j->stride[0] + j->before[0];
    int64_t kw = q % j->W - p % j->w * j->stride[1] + j->before[1];
    return kh * j->KW + kw;
}

/* w (O, C, KH, KW) -> D; one output channel */
static void spread(const job *j, const float *w, float *dense, int64_t o)
{
    const int64_t taps = j->KH * j->KW;
    for (int64_t p = 0; p < j->y.S; p++)
        for (int64_t q = 0; q < j->x.S; q++) {
            const float *from = w + o * j->C * taps + tap(j, p, q);
            float *to = dense + column(j->y, o, p) * j->in + q * j->x.B;
            for (int64_t g = 0; g < j->x.G; g++, to += j->x.S * j->x.B)
                for (int64_t c = 0; c < j->x.B; c++)
                    to[c] = from[(g * j->x.B + c) * taps];
        }
}

/* dD's rows from the output channel `first` on -> dw (O, C, KH, KW); one output channel */
static void gather(const job *j, const float *dense, int64_t first, float *dw, int64_t o)
{
    const int64_t taps = j->KH * j->KW, above = column(j->y, first, 0);
    for (int64_t i = 0; i < j->C * taps; i++)
        dw[o * j->C * taps + i] = 0;
    for (int64_t p = 0; p < j->y.S; p++)
        for (int64_t q = 0; q < j->x.S; q++) {
            float *to = dw + o * j->C * taps + tap(j, p, q);
            const float *from = dense + (column(j->y, o, p) - above) * j->in + q * j->x.B;
            for (int64_t g = 0; g < j->x.G; g++, from += j->x.S * j->x.B)
                for (int64_t c = 0; c < j->x.B; c++)
                    to[(g * j->x.B + c) * taps] += from[c];
        }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t n, int64_t of)
{
    return (n + of - 1) / of;
}

/* Makes D in scratch memory, and the rows x columns of `to` by calls of BLAS for the pieces. */
static void multiply(const job *j, const px_step *s, const float *from, int64_t width, CBLAS_TRANSPOSE transpose,
                     int64_t columns)
{
    const float *weight = s->in[1];
    float *dense = s->scratch, *to = s->out[0];
    const int64_t across = pieces(columns, COLUMNS), tasks = pieces(j->x.N, ROWS) * across;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t o = 0; o < j->O; o++)
            spread(j, weight, dense, o);
#pragma omp for schedule(dynamic)
        for (int64_t t = 0; t < tasks; t++) {
            int64_t row = t / across * ROWS, at = t % across * COLUMNS;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose, (int)least(ROWS, j->x.N - row),
                        (int)least(COLUMNS, columns - at), (int)width, 1, from + row * width, (int)width,
                        dense + (transpose == CblasTrans ? at * j->in : at), (int)j->in, 0, to + row * columns + at,
                        (int)columns);
        }
    }
}

/* x, w -> y */
static void forward(const px_step *s)
{
    const px_node *n = s->node;
    const job j = job_of(n, n->in[0], s->in_format[0], n->out[0], s->out_format[0]);
    multiply(&j, s, s->in[0], j.in, CblasTrans, j.out);
}

/* dy, w, the shape of x -> dx */
static void back_data(const px_step *s)
{
    const px_node *n = s->node;
    const job j = job_of(n, n->in[2], s->out_format[0], n->in[0], s->in_format[0]);
    multiply(&j, s, s->in[0], j.out, CblasNoTrans, j.in);
}

/* Output channels of a task of back_weight: whole blocks. */
static int64_t channels(const job *j)
{
    return pieces(ROWS, j->y.S * j->y.B) * j->y.B;
}

static size_t slab_bytes(const job *j)
{
    return (size_t)(channels(j) * j->y.S * j->in) * sizeof(float);
}

/* x, dy, the shape of w -> dw (O, C, KH, KW), plain */
static void back_weight(const px_step *s)
{
    const px_node *n = s->node;
    const job j = job_of(n, n->in[0], s->in_format[0], n->in[1], s->in_format[1]);
    const float *x = s->in[0], *dy = s->in[1];
    const int64_t each = channels(&j);
#pragma omp parallel num_threads(px_fast_threads(s, 0, slab_bytes(&j)))
    {
        float *slab = (float *)((char *)s->scratch + (size_t)omp_get_thread_num() * slab_bytes(&j));
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < j.O; first += each) {
            int64_t end = least(first + each, j.O), rows = (end - first) * j.y.S;
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)j.in, (int)j.x.N, 1,
                        dy + column(j.y, first, 0), (int)j.out, x, (int)j.in, 0, slab, (int)j.in);
            for (int64_t o = first; o < end; o++)
                gather(&j, slab, first, s->out[0], o);
        }
    }
}

/* ---- rows ---- */

/* Whether each of `out` places sees each of `in` places along an axis. */
static bool sees_all(const px_sliding *slide, int axis, int64_t in, int64_t out)
{
    return slide->before[axis] >= (out - 1) * slide->stride[axis] && in - 1 + slide->before[axis] < slide->kernel[axis];
}

/* Plain, or whole blocks as oneDNN's convolutions make them. Not all channels of a place together, a block that another value
 * does not have. */
static bool known_blocks(px_storage st, const px_value *v)
{
    bool known = st.block == 1 || st.block == 8 || st.block == 16;
    return known && !st.own && st.dtype == PX_F32 && v->shape.dim[1] % st.block == 0;
}

static bool accepts(const px_plan *p, const px_node *n, const px_value *x, const px_value *y, const px_value *w)
{
    const px_conv_attr *a = n->attr;
    return px_plan_precision(p) == PX_F32 && x->dtype == PX_F32 && a->groups == 1 &&
           w->shape.dim[2] * w->shape.dim[3] > 1 && a->slide.dilation[0] == 1 && a->slide.dilation[1] == 1 &&
           x->shape.dim[0] >= LEAST_IMAGES && sees_all(&a->slide, 0, x->shape.dim[2], y->shape.dim[2]) &&
           sees_all(&a->slide, 1, x->shape.dim[3], y->shape.dim[3]);
}

/* The other's block where it divides this value's channels, else none. */
static px_storage alike(const px_value *v, px_storage other)
{
    return v->shape.dim[1] % other.block == 0 ? px_storage_blocked(v, other.block, PX_F32) : px_storage_plain(v);
}

/* The kernel of a step from `in`, input 0, to `out`, with w as input 1. */
static bool prepare_product(px_plan *p, px_step *s, const px_value *in, const px_value *out)
{
    const px_node *n = s->node;
    px_storage from = px_plan_format(p, in);
    px_plan_need(p, s, 0, from);
    px_plan_need(p, s, 1, px_storage_plain(n->in[1]));
    px_plan_make(p, s, 0, alike(out, from));
    s->scratch_bytes =
        (size_t)(px_shape_count(in->shape) / in->shape.dim[0] * (px_shape_count(out->shape) / out->shape.dim[0])) *
        sizeof(float);
    s->kernel = "pretext:dense";
    return true;
}

static bool accepts_forward(const px_plan *p, const px_step *s)
{
    const px_node *n = s->node;
    return !n->in[2] && !n->in[3] && !n->out[1] && !px_epilogue_act(n) &&
           known_blocks(px_plan_format(p, n->in[0]), n->in[0]) && accepts(p, n, n->in[0], n->out[0], n->in[1]);
}

static bool prepare_forward(px_plan *p, px_step *s)
{
    s->run = forward;
    return prepare_product(p, s, s->node->in[0], s->node->out[0]);
}

static bool accepts_back_data(const px_plan *p, const px_step *s)
{
    const px_node *n = s->node;
    return known_blocks(px_plan_format(p, n->in[0]), n->in[0]) && accepts(p, n, n->in[2], n->in[0], n->in[1]);
}

static bool prepare_back_data(px_plan *p, px_step *s)
{
    s->run = back_data;
    return prepare_product(p, s, s->node->in[0], s->node->out[0]);
}

static bool accepts_back_weight(const px_plan *p, const px_step *s)
{
    const px_node *n = s->node;
    return known_blocks(px_plan_format(p, n->in[0]), n->in[0]) && known_blocks(px_plan_format(p, n->in[1]), n->in[1]) &&
           accepts(p, n, n->in[0], n->in[1], n->in[2]);
}

static bool prepare_back_weight(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    px_storage x = px_plan_format(p, n->in[0]), dy = px_plan_format(p, n->in[1]);
    px_plan_need(p, s, 0, x);
    px_plan_need(p, s, 1, dy);
    px_plan_make(p, s, 0, px_storage_plain(n->out[0]));
    job j = job_of(n, n->in[0], x, n->in[1], dy);
    s->scratch_bytes = (size_t)omp_get_max_threads() * slab_bytes(&j);
    s->run = back_weight;
    s->kernel = "pretext:dense";
    return true;
}

const px_kernel_row px_row_conv2d_dense = {.op = &px_op_conv2d, .accepts = accepts_forward, .prepare = prepare_forward};
const px_kernel_row px_row_conv2d_back_data_dense = {
    .op = &px_op_conv2d_back_data, .accepts = accepts_back_data, .prepare = prepare_back_data};
const px_kernel_row px_row_conv2d_back_weight_dense = {
    .op = &px_op_conv2d_back_weight, .accepts = accepts_back_weight, .prepare = prepare_back_weight};
