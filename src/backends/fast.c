/* fast.c - prepares steps with our own kernels: chooses formats, and the kernel for float or bf16. */
#include "backends/x86/kernels.h"
#include "base/cpu.h"
#include "graph/op.h"
#include "ops/attr.h"

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

/* The inputs and outputs that are activations. */
typedef struct activations {
    int first; /* the input whose type, float or bf16, they all have */
    bool in[PX_NODE_IN], out[PX_NODE_OUT];
} activations;

/* Prepares a step with everything plain; the rest is float. */
static bool plain(px_plan *p, px_step *s, px_kernel *const kernel[2], activations a)
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

static bool elementwise(px_plan *p, px_step *s, px_kernel *const kernel[2], int as)
{
    if (px_plan_format(p, s->node->in[as]).own || px_plan_undecided(p, s->node->in[as]))
        return false;
    s->in_place = 1;
    return like(p, s, kernel, as);
}

bool px_fast_add(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(add), 0);
}

bool px_fast_unary(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(unary), 0);
}

bool px_fast_unary_back(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(unary_back), 1);
}

/* Each operand has its own type. What all have in one format stays in it; what repeats is plain. */
bool px_fast_binary(px_plan *p, px_step *s)
{
    const px_value *a = s->node->in[0], *b = s->node->in[1], *y = s->node->out[0];
    px_storage fa = px_plan_format(p, a), fb = px_plan_format(p, b);
    bool whole_a = px_shape_equal(a->shape, y->shape), whole_b = px_shape_equal(b->shape, y->shape);
    int block = whole_a && whole_b && !fa.own ? fa.block : 1;
    bool bf16 = (whole_a && fa.dtype == PX_BF16) || (whole_b && fb.dtype == PX_BF16);
    s->in_place = whole_a && (fa.dtype == PX_BF16) == bf16;
    px_plan_need(p, s, 0, px_storage_blocked(a, block, fa.dtype));
    px_plan_need(p, s, 1, px_storage_blocked(b, block, fb.dtype));
    px_plan_make(p, s, 0, px_storage_blocked(y, block, bf16 ? PX_BF16 : PX_F32));
    s->run = px_fast_binary_run;
    s->kernel = "pretext";
    return true;
}

bool px_fast_relu(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(relu), 0);
}

bool px_fast_relu_back(px_plan *p, px_step *s)
{
    return elementwise(p, s, PX_FAST(relu_back), 1);
}

/* The same memory, if it is plain, for any type. */
bool px_fast_reshape(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[0]);
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, st.dtype));
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, st.dtype));
    s->kernel = "none";
    return true;
}

/* ---- batch norm ---- */

static bool batch_norm(px_plan *p, px_step *s, px_kernel *const kernel[2], int x)
{
    const px_value *v = s->node->in[x];
    px_storage st = px_plan_format(p, v);
    if (st.own || (v->shape.rank != 2 && st.block == 1))
        return false;
    s->scratch_bytes = px_fast_norm_bytes(v->shape.dim[1]);
    return like(p, s, kernel, x);
}

bool px_fast_batch_sums(px_plan *p, px_step *s)
{
    return batch_norm(p, s, PX_FAST(batch_sums), 0);
}

bool px_fast_batch_norm(px_plan *p, px_step *s)
{
    return batch_norm(p, s, PX_FAST(batch_norm), 0);
}

bool px_fast_batch_norm_back_sums(px_plan *p, px_step *s)
{
    return batch_norm(p, s, PX_FAST(batch_norm_back_sums), 1);
}

bool px_fast_batch_norm_back(px_plan *p, px_step *s)
{
    s->in_place = 1;
    return batch_norm(p, s, PX_FAST(batch_norm_back), 1);
}

/* ---- pooling ---- */

bool px_fast_global_avg_pool(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[0]);
    if (st.own || st.block == 1)
        return false;
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, st.dtype));
    set(s, PX_FAST(global_avg_pool), st.dtype);
    return true;
}

bool px_fast_global_avg_pool_back(px_plan *p, px_step *s)
{
    px_storage st = px_plan_format(p, s->node->in[1]);
    if (st.own || st.block == 1)
        return false;
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, st.dtype));
    px_plan_make(p, s, 0, st);
    set(s, PX_FAST(global_avg_pool_back), st.dtype);
    return true;
}

/* ---- rows ---- */

bool px_fast_layer_norm(px_plan *p, px_step *s)
{
    return plain(p, s, PX_FAST(layer_norm), (activations){.in = {true}, .out = {true}});
}

/* dy, x, statistics, gamma, around -> dx, dgamma, dbeta */
bool px_fast_layer_norm_back(px_plan *p, px_step *s)
{
    s->in_place = 1;
    s->scratch_bytes = px_chunks_bytes(2 * px_shape_count(s->node->in[3]->shape));
    return plain(p, s, PX_FAST(layer_norm_back),
                 (activations){.first = 1, .in = {[0] = true, [1] = true, [4] = true}, .out = {true}});
}

bool px_fast_channel_sum(px_plan *p, px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    if (shape.rank != 2)
        return false;
    s->scratch_bytes = px_chunks_bytes(shape.dim[1]);
    return plain(p, s, PX_FAST(channel_sum), (activations){.in = {true}});
}

bool px_fast_gelu(px_plan *p, px_step *s)
{
    return plain(p, s, PX_FAST(gelu), (activations){.in = {true}, .out = {true}});
}

bool px_fast_gelu_back(px_plan *p, px_step *s)
{
    bool sums = s->node->outputs > 1;
    s->in_place = 1;
    if (sums)
        s->scratch_bytes = px_chunks_bytes(s->node->out[0]->shape.dim[1]);
    return plain(p, s, sums ? PX_FAST(gelu_back_sums) : PX_FAST(gelu_back),
                 (activations){.first = 1, .in = {true, true}, .out = {true}});
}

bool px_fast_linear_gelu(px_plan *p, px_step *s)
{
    if (s->node->out[1]->uses == 0) /* without a gradient the argument is not needed */
        return px_onednn_matmul(p, s);
    if (px_plan_precision(p) == PX_BF16)
        return px_onednn_linear_gelu(p, s);
    return plain(p, s, (px_kernel *const[]){px_fast_f32_linear_gelu, NULL}, (activations){0});
}

/* ---- attention ---- */

static bool attention(px_plan *p, px_step *s, px_kernel *const kernel[2], bool back)
{
    const px_value *qkv = s->node->in[back];
    int heads = ((const px_attention_attr *)s->node->attr)->heads;
    if (qkv->shape.dim[2] / 3 / heads % 8)
        return false;
    s->scratch_bytes = px_fast_attention_bytes(s->node, back);
    plain(p, s, kernel, (activations){.first = back, .in = {true, back}, .out = {true}});
#ifdef PX_AMX
    if (s->run == kernel[true] && px_cpu_has(PX_ISA_AMX)) {
        s->run = back ? px_amx_attention_back : px_amx_attention;
        s->kernel = "pretext:amx_bf16";
        s->scratch_bytes = px_amx_attention_bytes(s->node, back);
    }
#endif
    return true;
}

bool px_fast_attention(px_plan *p, px_step *s)
{
    return attention(p, s, PX_FAST(attention), false);
}

bool px_fast_attention_back(px_plan *p, px_step *s)
{
    return attention(p, s, PX_FAST(attention_back), true);
}
