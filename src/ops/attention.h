/* attention.h - the sizes of an attention node, and where its operands' elements are: for the op's file and its kernels. */
#ifndef PX_OPS_ATTENTION_H
#define PX_OPS_ATTENTION_H

#include "graph/op.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct px_attention_attr {
    int heads;
    double scale; /* of the products of queries and keys */
} px_attention_attr;

/* Inputs of the node, counted from that of the queries (0; in the gradient 1). If the keys are absent, the queries' input
 * holds rows of queries, keys and values. The bias may be absent. */
enum { PX_ATTENTION_Q, PX_ATTENTION_K, PX_ATTENTION_V, PX_ATTENTION_BIAS, PX_ATTENTION_INPUTS };

typedef struct px_attention_sizes {
    int64_t B, H, Q, K, d, D; /* samples, heads, queries, keys; numbers of a head, and of all heads */
    int64_t row_q, row_kv;    /* from one token's queries to the next one's; of keys and of values alike */
    bool packed, biased;
    double scale;
    int64_t period;                             /* sample b has the bias of sample b % period */
    int64_t bias_sample, bias_head, bias_query; /* strides of the bias; 0 where it repeats. Keys follow each other. */
} px_attention_sizes;

/* `first`: the number of the queries' input */
static inline px_attention_sizes px_attention_sizes_of(const px_node *n, int first)
{
    const px_attention_attr *a = n->attr;
    px_value *const *in = n->in + first;
    px_shape q = in[PX_ATTENTION_Q]->shape;
    bool packed = !in[PX_ATTENTION_K];
    px_attention_sizes z = {.B = q.dim[0], .H = a->heads, .Q = q.dim[1], .packed = packed, .scale = a->scale};
    z.K = packed ? z.Q : in[PX_ATTENTION_K]->shape.dim[1];
    z.D = q.dim[2] / (packed ? 3 : 1);
    z.d = z.D / z.H;
    z.row_q = z.row_kv = q.dim[2];
    z.period = 1;
    if (in[PX_ATTENTION_BIAS]) {
        px_shape b = in[PX_ATTENTION_BIAS]->shape;
        int64_t dim[4], stride = z.K;
        for (int i = 0; i < 4; i++)
            dim[i] = i + b.rank >= 4 ? b.dim[i + b.rank - 4] : 1;
        z.biased = true;
        z.period = dim[0];
        z.bias_query = dim[2] == 1 ? 0 : stride;
        stride *= dim[2];
        z.bias_head = dim[1] == 1 ? 0 : stride;
        stride *= dim[1];
        z.bias_sample = dim[0] == 1 ? 0 : stride;
    }
    return z;
}

/* Where the first row of head h of sample b is: of its queries, and of its keys, counted from the first key. */
static inline int64_t px_attention_q(const px_attention_sizes *z, int64_t b, int64_t h)
{
    return b * z->Q * z->row_q + h * z->d;
}

static inline int64_t px_attention_kv(const px_attention_sizes *z, int64_t b, int64_t h)
{
    return b * z->K * z->row_kv + h * z->d;
}

/* Of its results (B, Q, D). */
static inline int64_t px_attention_y(const px_attention_sizes *z, int64_t b, int64_t h)
{
    return b * z->Q * z->D + h * z->d;
}

static inline int64_t px_attention_bias(const px_attention_sizes *z, int64_t b, int64_t h)
{
    return b % z->period * z->bias_sample + h * z->bias_head;
}

#endif
