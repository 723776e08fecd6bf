/* rows_tokens.c - rows of sequences of tokens (B, T, D): patches, attention, tokens chosen by places. */
#include "onnx/rows.h"
#include "ops/attention.h"
#include "ops/attr.h"

#include <math.h>

/* places (B, K) as ONNX wants indices: int64 */
static const char *indices(px_onnx_writer *w, const px_value *places)
{
    const char *y = px_onnx_one(w, "Cast", px_onnx_name(w, places));
    px_onnx_int(w, "to", PX_ONNX_INT64);
    return y;
}

/* x (B, T, D), places (B, K) -> (B, K, D) */
static const char *gather(px_onnx_writer *w, const char *x, const px_value *places)
{
    static const int64_t last[] = {-1};
    const char *at = px_onnx_two(w, "Unsqueeze", indices(w, places), px_onnx_vector(w, last, 1));
    const char *y = px_onnx_two(w, "GatherND", x, at);
    px_onnx_int(w, "batch_dims", 1);
    return y;
}

void px_onnx_gather_tokens(px_onnx_writer *w, const px_node *n)
{
    px_onnx_set(w, n->out[0], gather(w, px_onnx_name(w, n->in[0]), n->in[1]));
}

void px_onnx_add_rows_at(px_onnx_writer *w, const px_node *n)
{
    int64_t D = n->in[0]->shape.dim[2], T = px_shape_count(n->in[1]->shape) / D;
    const char *table = px_onnx_reshape(w, px_onnx_name(w, n->in[1]), PX_SHAPE(T, D));
    const char *rows = px_onnx_two(w, "Gather", table, indices(w, n->in[2]));
    px_onnx_set(w, n->out[0], px_onnx_two(w, "Add", px_onnx_name(w, n->in[0]), rows));
}

/* (B, C, rows p, columns p) -> (B, rows columns, C p p) */
void px_onnx_patchify(px_onnx_writer *w, const px_node *n)
{
    static const int channels_first[] = {0, 2, 4, 1, 3, 5}, channels_last[] = {0, 2, 4, 3, 5, 1};
    const px_patch_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    int64_t p = a->patch, rows = x.dim[2] / p, columns = x.dim[3] / p;
    const char *y = px_onnx_name(w, n->in[0]);
    y = px_onnx_reshape(w, y, PX_SHAPE(x.dim[0], x.dim[1], rows, p, columns, p));
    y = px_onnx_permute(w, y, a->channels_last ? channels_last : channels_first, 6);
    y = px_onnx_reshape(w, y, PX_SHAPE(x.dim[0], rows * columns, x.dim[1] * p * p));
    px_onnx_set(w, n->out[0], n->in[1] ? gather(w, y, n->in[1]) : y);
}

/* ---- attention ---- */

/* Places first to first + D of the last axis of (B, T, 3 D). */
static const char *third(px_onnx_writer *w, const char *x, int64_t first, int64_t D)
{
    const int64_t from[] = {first}, to[] = {first + D}, axis[] = {2};
    const char *in[] = {x, px_onnx_vector(w, from, 1), px_onnx_vector(w, to, 1), px_onnx_vector(w, axis, 1)};
    return px_onnx_emit(w, "Slice", in, 4);
}

/* (B, T, D) -> (B, heads, T, d), or for keys (B, heads, d, T) */
static const char *heads(px_onnx_writer *w, const char *x, const px_attention_sizes *z, int64_t T, bool keys)
{
    static const int usual[] = {0, 2, 1, 3}, of_keys[] = {0, 2, 3, 1};
    x = px_onnx_reshape(w, x, PX_SHAPE(z->B, T, z->H, z->d));
    return px_onnx_permute(w, x, keys ? of_keys : usual, 4);
}

/* A bias for b % period: scores (B, heads, Q, K) become (B / period, period, heads, Q, K) meanwhile. */
static const char *biased(px_onnx_writer *w, const char *scores, const px_value *bias, const px_attention_sizes *z)
{
    px_shape whole = PX_SHAPE(z->B, z->H, z->Q, z->K);
    if (z->period == 1 || z->period == z->B)
        return px_onnx_two(w, "Add", scores, px_onnx_name(w, bias));
    if (px_onnx_follows_batch(z->period)) {
        px_onnx_refuse(w, "attention: a bias for a part of the samples");
        return scores;
    }
    scores = px_onnx_reshape(w, scores, PX_SHAPE(z->B / z->period, z->period, z->H, z->Q, z->K));
    return px_onnx_reshape(w, px_onnx_two(w, "Add", scores, px_onnx_name(w, bias)), whole);
}

/* A query all of whose keys are masked has zeros. A bias that is a parameter masks nothing. */
static const char *softmax(px_onnx_writer *w, const char *scores, const px_value *bias)
{
    static const int64_t last[] = {-1};
    const char *shares = px_onnx_one(w, "Softmax", scores);
    px_onnx_int(w, "axis", -1);
    if (!bias || bias->param >= 0)
        return shares;
    const char *most = px_onnx_one(w, "ReduceMax", scores);
    px_onnx_ints(w, "axes", last, 1);
    const char *masked = px_onnx_two(w, "Equal", most, px_onnx_number(w, -INFINITY));
    return px_onnx_emit(w, "Where", (const char *[]){masked, px_onnx_number(w, 0), shares}, 3);
}

void px_onnx_attention(px_onnx_writer *w, const px_node *n)
{
    static const int back[] = {0, 2, 1, 3};
    px_attention_sizes z = px_attention_sizes_of(n, 0);
    const px_value *bias = n->in[PX_ATTENTION_BIAS];
    const char *q = px_onnx_name(w, n->in[PX_ATTENTION_Q]), *k, *v;
    if (z.packed) {
        const char *all = q;
        q = third(w, all, 0, z.D);
        k = third(w, all, z.D, z.D);
        v = third(w, all, 2 * z.D, z.D);
    } else {
        k = px_onnx_name(w, n->in[PX_ATTENTION_K]);
        v = px_onnx_name(w, n->in[PX_ATTENTION_V]);
    }
    q = px_onnx_two(w, "Mul", heads(w, q, &z, z.Q, false), px_onnx_number(w, z.scale));
    const char *scores = px_onnx_two(w, "MatMul", q, heads(w, k, &z, z.K, true));
    scores = bias ? biased(w, scores, bias, &z) : scores;
    const char *y = px_onnx_two(w, "MatMul", softmax(w, scores, bias), heads(w, v, &z, z.K, false));
    y = px_onnx_permute(w, y, back, 4);
    px_onnx_set(w, n->out[0], px_onnx_reshape(w, y, PX_SHAPE(z.B, z.Q, z.D)));
}
