/* transformer.h - layers of vision transformers, with timm's names: layer norm, attention, the two-layer MLP, and the
 * pre-norm block of both with its residual connections (Vaswani et al. 2017, Dosovitskiy et al. 2021).
 *
 *     px_block_spec spec = {.heads = 3, .mlp_ratio = 4, .init = PX_DENSE_TIMM};
 *     x = px_transformer(g, "blocks", x, 12, &spec);              // blocks.0.norm1.weight, ...
 *     x = px_layer_norm_layer(g, "norm", x);                      // norm.weight, norm.bias
 *
 * Tokens are (B, T, D). */
#ifndef PX_NN_TRANSFORMER_H
#define PX_NN_TRANSFORMER_H

#include "graph/graph.h"

/* Initial weights of linear layers; biases begin at zero. */
typedef enum px_dense_init {
    PX_DENSE_TIMM,   /* normal, deviation 0.02 (timm truncates at +-2, a hundred deviations away: no effect) */
    PX_DENSE_XAVIER, /* uniform within sqrt(6 / (in + out)) (Glorot & Bengio 2010): MAE */
} px_dense_init;

/* A block's MLP. SwiGLU's hidden width is 2/3 of the other's, rounded up to a multiple of 8, so that it has about as many
 * parameters (DINOv2's code). Its initial values are those of all linear layers, as there; timm's begin with b near 1. */
typedef enum px_mlp_kind {
    PX_MLP_GELU,   /* fc2(gelu(fc1(x))) */
    PX_MLP_SWIGLU, /* fc2(silu(a) b), a and b the halves of fc1(x) (Shazeer 2020) */
} px_mlp_kind;

/* Which of an attention's queries, keys and values have biases. */
typedef enum px_qkv_bias {
    PX_QKV_ALL,  /* qkv.bias */
    PX_QKV_NONE, /* timm's qkv_bias=False */
    PX_QKV_QV,   /* q_bias, v_bias; keys have none, which would add the same to all logits of a query (BEiT's code) */
} px_qkv_bias;

typedef struct px_block_spec {
    int heads;
    double mlp_ratio; /* hidden width of the MLP, in units of D */
    px_mlp_kind kind; /* of the MLP */
    px_qkv_bias qkv_bias;
    bool qk_norm;       /* layer norms of each head's queries and keys: q_norm, k_norm (Dehghani et al. 2023) */
    double dropout;     /* rate, after the attention's projection and both layers of the MLP */
    double drop_path;   /* probability that a branch of the block is left out for a sample */
    double layer_scale; /* LayerScale (Touvron et al. 2021): first value of the factors of both branches; 0: none */
    px_value **mlp;     /* gets what the MLP adds to the tokens, before LayerScale: rows (B T, D); or NULL */
    px_value *bias;     /* of px_attention_with, in each block: (B, 1, 1, T) hides padded tokens; or NULL */
    px_dense_init init;
} px_block_spec;

/* x (..., in) -> (..., out): weight, bias */
px_value *px_dense_layer(px_graph *, const char *name, px_value *x, int64_t out, px_dense_init);

/* Over the last axis; weight 1, bias 0; eps 1e-6, as in timm's ViT and MAE. */
px_value *px_layer_norm_layer(px_graph *, const char *name, px_value *x);

px_value *px_layer_norm_layer_of(px_graph *, const char *name, px_value *x, double eps); /* torch.nn's eps is 1e-5 */

/* The same without weight and bias. */
px_value *px_plain_layer_norm(px_graph *, px_value *x, double eps);

/* x (B, T, D): each feature with mean 0 and variance 1 over the tokens of a sample (torch's instance_norm). */
px_value *px_instance_norm(px_graph *, px_value *x, double eps);

/* How many heads of about 32 numbers, or slightly more, divide a width. */
int px_heads_of_32(int width);

/* x (B, T, D) -> (B, T, D) in the scope `number`: x + ls1 attn(norm1(x)), then + ls2 mlp(norm2(.)) */
px_value *px_transformer_block(px_graph *, int number, px_value *x, const px_block_spec *);

/* `depth` such blocks in the scope `name`. */
px_value *px_transformer(px_graph *, const char *name, px_value *x, int depth, const px_block_spec *);

#endif
