/* prepare.c - the rows of our own kernels that take float and bf16: which steps they accept, in which formats. */
#include "backends/rows.h"
#include "backends/x86/kernels.h"
#include "base/error.h"
#include "graph/op.h"
#include "ops/epilogue.h"

#include <omp.h>
#include <stdlib.h>

static void set(px_step *s, px_kernel *const kernel[2], px_dtype dtype)
{
    s->run = kernel[dtype == PX_BF16];
    s->kernel = "pretext";
}

/* Prepares a step with activations in the format of input `as` and everything else plain. Inputs and outputs that are
 * real and have the shape of `as` are activations. */
static bool like(px_plan *p, px_step *s, px_kernel *const kernel[2], int as)
{
    const px_node *n = s->node;
    const px_value *x = n->in[as];
    px_storage st = px_plan_format(p, x);
    for (int i = 0; i < n->inputs; i++)
        if (n->in[i]) {
            bool same = px_shape_equal(n->in[i]->shape, x->shape) && n->in[i]->dtype == PX_F32;
            px_plan_need(p, s, i, same ? st : px_storage_plain(n->in[i]));
        }
    for (int i = 0; i < n->outputs; i++) {
        bool same = px_shape_equal(n->out[i]->shape, x->shape) && n->out[i]->dtype == PX_F32;
        px_plan_make(p, s, i, same ? st : px_storage_plain(n->out[i]));
    }
    set(s, kernel, st.dtype);
    return true;
}

bool px_fast_prepare(px_plan *p, px_step *s, px_kernel *const kernel[2], px_activations a)
{
    const px_node *n = s->node;
    px_dtype dtype = px_plan_format(p, n->in[a.first]).dtype;
    for (int i = 0; i < n->inputs; i++)
        if (n->in[i])
            px_plan_need(p, s, i, a.in[i] ? px_storage_blocked(n->in[i], 1, dtype) : px_storage_plain(n->in[i]));
    for (int i = 0; i < n->outputs; i++)
        px_plan_make(p, s, i, a.out[i] ? px_storage_blocked(n->out[i], 1, dtype) : px_storage_plain(n->out[i]));
    set(s, kernel, dtype);
    return true;
}

/* ---- element-wise ---- */

/* Any format that is ours. A parameter gets its format from a kernel that has a wish. */
static bool is_decided(const px_plan *p, const px_value *v)
{
    return !px_plan_format(p, v).own && !px_plan_undecided(p, v);
}

static bool first_is_decided(const px_plan *p, const px_step *s)
{
    return is_decided(p, s->node->in[0]);
}

static bool second_is_decided(const px_plan *p, const px_step *s)
{
    return is_decided(p, s->node->in[1]);
}

static bool elementwise(px_plan *p, px_step *s, px_kernel *const kernel[2], int as)
{
    s->in_place = 1;
    return like(p, s, kernel, as);
}

static bool add(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(add), 0);
}

static bool unary(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(unary), 0);
}

static bool unary_back(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(unary_back), 1);
}

const px_kernel_row px_row_add = {.op = &px_op_add, .accepts = first_is_decided, .prepare = add};
const px_kernel_row px_row_unary = {.op = &px_op_unary, .accepts = first_is_decided, .prepare = unary};
const px_kernel_row px_row_unary_back = {.op = &px_op_unary_back, .accepts = second_is_decided, .prepare = unary_back};

/* Each operand has its own type. What all have in one format stays in it; what repeats is plain. */
static bool binary(px_plan *p, px_step *s)
{
    const px_value *a = s->node->in[0], *b = s->node->in[1], *y = s->node->out[0];
    px_storage fa = px_plan_format(p, a), fb = px_plan_format(p, b);
    bool whole_a = px_shape_equal(a->shape, y->shape), whole_b = px_shape_equal(b->shape, y->shape);
    int block = whole_a && whole_b && !fa.own ? fa.block : 1;
    bool bf16 = (whole_a && fa.dtype == PX_BF16) || (whole_b && fb.dtype == PX_BF16);
    s->in_place = whole_a && (fa.dtype == PX_BF16) == bf16;
    px_plan_need(p, s, 0, px_storage_blocked(a, block, fa.dtype));
    px_plan_need(p, s, 1, px_storage_blocked(b, block, fb.dtype));
    px_fast_need_tail(p, s, px_storage_blocked(y, block, bf16 ? PX_BF16 : PX_F32));
    s->run = px_fast_binary_run;
    s->kernel = "pretext";
    return true;
}

const px_kernel_row px_row_binary = {.op = &px_op_binary, .prepare = binary};

/* The same memory, if it is plain, for any type. */
static bool reshape(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[0]);
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, st.dtype));
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, st.dtype));
    s->kernel = "none";
    return true;
}

const px_kernel_row px_row_reshape = {.op = &px_op_reshape, .prepare = reshape};
const px_kernel_row px_row_stop_gradient = {.op = &px_op_stop_gradient, .prepare = reshape};

static bool permute(px_plan *p, px_step *s)
{
    return px_fast_prepare(p, s, PX_FAST(permute), (px_activations){.in = {true}, .out = {true}});
}

const px_kernel_row px_row_permute = {.op = &px_op_permute, .prepare = permute};

/* ---- batch norm ---- */

static bool is_in_blocks(const px_plan *p, const px_value *v)
{
    px_storage st = px_plan_format(p, v);
    return !st.own && (v->shape.rank == 2 || st.block != 1);
}

static bool first_is_in_blocks(const px_plan *p, const px_step *s)
{
    return is_in_blocks(p, s->node->in[0]);
}

static bool second_is_in_blocks(const px_plan *p, const px_step *s)
{
    return is_in_blocks(p, s->node->in[1]);
}

static bool by_channels(px_plan *p, px_step *s, px_kernel *const kernel[2], int x)
{
    s->scratch_bytes = px_fast_norm_bytes(s->node->in[x]->shape.dim[1]);
    return like(p, s, kernel, x);
}

static bool batch_sums(px_plan *p, px_step *s)
{
    return by_channels(p, s, PX_FAST(batch_sums), 0);
}

static bool batch_norm(px_plan *p, px_step *s)
{
    return by_channels(p, s, PX_FAST(batch_norm), 0);
}

static bool batch_norm_back_sums(px_plan *p, px_step *s)
{
    return by_channels(p, s, PX_FAST(batch_norm_back_sums), 1);
}

static bool batch_norm_back(px_plan *p, px_step *s)
{
    s->in_place = 1;
    return by_channels(p, s, PX_FAST(batch_norm_back), 1);
}

const px_kernel_row px_row_batch_sums = {.op = &px_op_batch_sums, .accepts = first_is_in_blocks, .prepare = batch_sums};
const px_kernel_row px_row_batch_norm = {.op = &px_op_batch_norm, .accepts = first_is_in_blocks, .prepare = batch_norm};
const px_kernel_row px_row_batch_norm_back_sums = {
    .op = &px_op_batch_norm_back_sums, .accepts = second_is_in_blocks, .prepare = batch_norm_back_sums};
const px_kernel_row px_row_batch_norm_back_masked = {
    .op = &px_op_batch_norm_back_masked, .accepts = second_is_in_blocks, .prepare = batch_norm_back_sums};
const px_kernel_row px_row_batch_norm_back = {
    .op = &px_op_batch_norm_back, .accepts = second_is_in_blocks, .prepare = batch_norm_back};

/* ---- pooling ---- */

static bool global_avg_pool(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[0]);
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, st.dtype));
    set(s, PX_FAST(global_avg_pool), st.dtype);
    return true;
}

static bool global_avg_pool_back(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[1]);
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, st.dtype));
    px_plan_make(p, s, 0, st);
    set(s, PX_FAST(global_avg_pool_back), st.dtype);
    return true;
}

const px_kernel_row px_row_global_avg_pool = {
    .op = &px_op_global_avg_pool, .accepts = first_is_in_blocks, .prepare = global_avg_pool};
const px_kernel_row px_row_global_avg_pool_back = {
    .op = &px_op_global_avg_pool_back, .accepts = second_is_in_blocks, .prepare = global_avg_pool_back};

/* ---- convolutions in groups of few channels ---- */

static bool grouped_accepts(const px_plan *p, const px_step *s)
{
    (void)p;
    const px_node *n = s->node;
    if (n->op == &px_op_conv2d)
        return px_fast_grouped_fits(n->in[0]->shape, n->in[1]->shape);
    if (n->op == &px_op_conv2d_back_data)
        return px_fast_grouped_fits(n->in[2]->shape, n->in[1]->shape);
    return px_fast_grouped_fits(n->in[0]->shape, n->in[2]->shape);
}

/* Activations stay in the format of x; weights and their gradients are plain. */
static bool grouped(px_plan *p, px_step *s, px_kernel *const kernel[2], px_grouped_pass pass)
{
    const px_node *n = s->node;
    bool weight = pass == PX_GROUPED_WEIGHT;
    int residual = px_epilogue_residual(n), argument = px_epilogue_argument(n);
    px_storage st = px_plan_format(p, n->in[pass == PX_GROUPED_DATA ? 2 : 0]);
    int block = st.own ? 1 : st.block;
    px_plan_need(p, s, 0, px_storage_blocked(n->in[0], block, st.dtype));
    px_plan_need(p, s, 1, weight ? px_storage_blocked(n->in[1], block, st.dtype) : px_storage_plain(n->in[1]));
    if (pass == PX_GROUPED_FORWARD && n->in[2])
        px_plan_need(p, s, 2, px_storage_plain(n->in[2]));
    if (residual)
        px_plan_need(p, s, residual, px_storage_blocked(n->in[residual], block, st.dtype));
    if (argument)
        px_plan_make(p, s, argument, px_storage_blocked(n->out[argument], block, st.dtype));
    px_plan_make(p, s, 0, weight ? px_storage_plain(n->out[0]) : px_storage_blocked(n->out[0], block, st.dtype));
    set(s, kernel, st.dtype);
    s->kernel = "pretext:groups";
    s->scratch_bytes = px_fast_grouped_bytes(n, pass);
    return true;
}

static bool grouped_conv2d(px_plan *p, px_step *s)
{
    return grouped(p, s, PX_FAST(grouped_conv2d), PX_GROUPED_FORWARD);
}

static bool grouped_conv2d_back_data(px_plan *p, px_step *s)
{
    return grouped(p, s, PX_FAST(grouped_conv2d_back_data), PX_GROUPED_DATA);
}

static bool grouped_conv2d_back_weight(px_plan *p, px_step *s)
{
    return grouped(p, s, PX_FAST(grouped_conv2d_back_weight), PX_GROUPED_WEIGHT);
}

const px_kernel_row px_row_conv2d_groups = {.op = &px_op_conv2d, .accepts = grouped_accepts, .prepare = grouped_conv2d};
const px_kernel_row px_row_conv2d_back_data_groups = {
    .op = &px_op_conv2d_back_data, .accepts = grouped_accepts, .prepare = grouped_conv2d_back_data};
const px_kernel_row px_row_conv2d_back_weight_groups = {
    .op = &px_op_conv2d_back_weight, .accepts = grouped_accepts, .prepare = grouped_conv2d_back_weight};

/* ---- maps of weighted neighbours ---- */

static bool resample_like(px_plan *p, px_step *s, const px_value *like, bool back)
{
    const px_resample_attr *a = s->node->attr;
    const px_value *from = s->node->in[0], *to = s->node->out[0];
    px_storage st = px_plan_format(p, like);
    int block = st.own ? 1 : st.block;
    size_t first = (px_taps_bytes(&a->axis[0], back) + 7) / 8 * 8, second = px_taps_bytes(&a->axis[1], back);
    px_resampler *r = px_calloc(1, sizeof *r + first + second);
    *r = (px_resampler){.h = px_taps_make(&a->axis[0], back, r->memory),
                        .w = px_taps_make(&a->axis[1], back, (char *)r->memory + first),
                        .H = from->shape.dim[2],
                        .W = from->shape.dim[3],
                        .rows_only = a->axis[1].rule == PX_TAP_WINDOW && a->axis[1].kernel == 1 &&
                                     a->axis[1].inputs == a->axis[1].outputs};
    px_plan_need(p, s, 0, px_storage_blocked(from, block, st.dtype));
    px_plan_make(p, s, 0, px_storage_blocked(to, block, st.dtype));
    set(s, PX_FAST(resample), st.dtype);
    s->data = r;
    s->release = free;
    s->scratch_bytes = (size_t)omp_get_max_threads() * px_fast_resample_row_bytes(r->W, block);
    return true;
}

static bool resample(px_plan *p, px_step *s)
{
    return resample_like(p, s, s->node->in[0], false);
}

static bool resample_back(px_plan *p, px_step *s)
{
    return resample_like(p, s, s->node->in[1], true);
}

const px_kernel_row px_row_resample = {.op = &px_op_resample, .prepare = resample};
const px_kernel_row px_row_resample_back = {.op = &px_op_resample_back, .prepare = resample_back};

/* ---- sums for each channel ---- */

/* Over rows and columns, or also over samples. */
static bool sums_channels(const px_plan *p, const px_step *s)
{
    const px_value *x = s->node->in[0];
    const bool *over = ((const px_reduce_attr *)s->node->attr)->over;
    return x->shape.rank == 4 && !over[1] && over[2] && over[3] && is_decided(p, x) && px_plan_format(p, x).block > 1;
}

static bool sum_channels(px_plan *p, px_step *s)
{
    px_shape x = s->node->in[0]->shape;
    px_storage st = px_plan_format(p, s->node->in[0]);
    s->scratch_bytes = (size_t)(x.dim[0] * x.dim[1]) * sizeof(double);
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, px_storage_plain(s->node->out[0]));
    set(s, PX_FAST(sum_channels), st.dtype);
    return true;
}

/* Of a matrix. */
static bool sums_rows(const px_plan *p, const px_step *s)
{
    (void)p;
    const bool *over = ((const px_reduce_attr *)s->node->attr)->over;
    return s->node->in[0]->shape.rank == 2 && over[0] && !over[1];
}

static bool sum_rows(px_plan *p, px_step *s)
{
    s->scratch_bytes = px_chunks_bytes(s->node->in[0]->shape.dim[1]);
    return px_fast_prepare(p, s, PX_FAST(sum_rows), (px_activations){.in = {true}});
}

const px_kernel_row px_row_sum_rows = {.op = &px_op_sum, .accepts = sums_rows, .prepare = sum_rows};
const px_kernel_row px_row_sum_channels = {.op = &px_op_sum, .accepts = sums_channels, .prepare = sum_channels};

/* ---- rows ---- */

static bool layer_norm(px_plan *p, px_step *s)
{
    return px_fast_prepare(p, s, PX_FAST(layer_norm),
                           (px_activations){.in = {[0] = true, [3] = true}, .out = {[0] = true, [2] = true}});
}

/* dy, x, statistics, gamma, residual -> dx, dgamma, dbeta */
static bool layer_norm_back(px_plan *p, px_step *s)
{
    s->in_place = 1;
    s->scratch_bytes = px_chunks_bytes(2 * px_shape_count(s->node->in[3]->shape));
    return px_fast_prepare(p, s, PX_FAST(layer_norm_back),
                           (px_activations){.first = 1, .in = {[0] = true, [1] = true, [4] = true}, .out = {true}});
}

static bool unary_back_sums(px_plan *p, px_step *s)
{
    s->in_place = 1;
    s->scratch_bytes = px_chunks_bytes(s->node->out[0]->shape.dim[1]);
    return px_fast_prepare(p, s, PX_FAST(unary_back_sums),
                           (px_activations){.first = 1, .in = {true, true}, .out = {true}});
}

/* A linear layer in float that keeps its activation's argument. */
static bool is_linear(const px_plan *p, const px_step *s)
{
    const px_matmul_attr *a = s->node->attr;
    return px_plan_precision(p) != PX_BF16 && px_epilogue_argument(s->node) && s->node->out[0]->shape.rank == 2 &&
           !a->transpose_a && a->transpose_b && a->factor == 1;
}

static bool linear(px_plan *p, px_step *s)
{
    return px_fast_prepare(p, s, (px_kernel *const[]){px_fast_linear, NULL}, (px_activations){0});
}

/* oneDNN's product for AVX2 reads columns of both in place. Where rows are a multiple of 1 KiB apart, these share few lines of
 * the cache. OpenBLAS copies them. Only shapes and `isa` decide: ranks on processors of one kind
 * do the same. */
static bool is_linear_back_weight(const px_plan *p, const px_step *s)
{
    const px_node *n = s->node;
    const px_matmul_attr *a = n->attr;
    px_shape y = n->out[0]->shape;
    return px_plan_precision(p) != PX_BF16 && y.rank == 2 && a->transpose_a && !a->transpose_b && !n->in[2] &&
           !px_epilogue_residual(n) && !px_epilogue_act(n) && (y.dim[0] % 256 == 0 || y.dim[1] % 256 == 0);
}

static bool linear_back_weight(px_plan *p, px_step *s)
{
    px_fast_prepare(p, s, (px_kernel *const[]){px_fast_linear_back_weight, NULL}, (px_activations){0});
    s->kernel = "openblas";
    return true;
}

const px_kernel_row px_row_layer_norm = {.op = &px_op_layer_norm, .prepare = layer_norm};
const px_kernel_row px_row_layer_norm_back = {.op = &px_op_layer_norm_back, .prepare = layer_norm_back};
const px_kernel_row px_row_unary_back_sums = {.op = &px_op_unary_back_sums, .prepare = unary_back_sums};
const px_kernel_row px_row_linear_back_weight = {
    .op = &px_op_matmul, .below = PX_ISA_AVX512, .accepts = is_linear_back_weight, .prepare = linear_back_weight};
const px_kernel_row px_row_linear = {.op = &px_op_matmul, .accepts = is_linear, .prepare = linear};
