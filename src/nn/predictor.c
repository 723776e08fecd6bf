/* predictor.c - see predictor.h. */
#include "nn/predictor.h"
#include "nn/positions.h"
#include "nn/transformer.h"
#include "ops/ops.h"

void px_predictor_settle(px_predictor *p, int encoder_width, int encoder_depth)
{
    enum { WIDEST = 384 };
    if (p->width == 0)
        p->width = encoder_width < 2 * WIDEST ? encoder_width / 2 : WIDEST;
    if (p->depth == 0)
        p->depth = encoder_depth > 1 ? encoder_depth / 2 : 1;
    if (p->heads == 0)
        p->heads = px_heads_of_32(p->width);
}

/* What attention adds (B groups, 1, 1, K + M): 0, or so little where there is nothing to predict that its share of attention is 0,
 * also in single precision. */
static px_value *hiding(px_graph *g, px_asked asked, int64_t K, int64_t M)
{
    px_value *there = px_unary(g, PX_FN_CLAMP, px_scale(g, asked.share, 2 * (double)M), 0, 1);
    px_value *bias = px_unary(g, PX_FN_AFFINE, there, 1e9, -1e9);
    return px_pad(g, px_reshape(g, bias, PX_SHAPE(asked.share->shape.dim[0] * asked.groups, 1, 1, M)), 3, K, 0);
}

px_value *px_predict_tokens(px_graph *g, const px_predictor *p, px_value *context, px_value *visible, int side,
                            px_asked asked)
{
    if (px_graph_error(g))
        return context;
    int64_t B = context->shape.dim[0], K = context->shape.dim[1], D = context->shape.dim[2], E = p->width,
            N = asked.groups, M = asked.places->shape.dim[1] / N, T = (int64_t)side * side;
    px_value *positions = px_slice(g, px_sincos_positions(g, "pos_embed", 1, side, side, E), 1, 1, T);
    px_value *seen = px_add_rows_at(g, px_dense_layer(g, "embed", context, E, PX_DENSE_TIMM), positions, visible);
    seen = px_expand(g, px_reshape(g, seen, PX_SHAPE(B, 1, K * E)), PX_SHAPE(B, N, K * E));
    px_value *token = px_parameter(g, "mask_token", PX_SHAPE(1, 1, E), px_init_normal(0.02), PX_DECAYS);
    px_value *there = px_add_rows_at(g, px_expand(g, token, PX_SHAPE(B, N * M, E)), positions, asked.places);
    seen = px_reshape(g, seen, PX_SHAPE(B * N, K, E));
    px_value *x = px_concat(g, 1, (px_value *[]){seen, px_reshape(g, there, PX_SHAPE(B * N, M, E))}, 2);
    px_block_spec block = {.heads = p->heads, .mlp_ratio = 4, .bias = hiding(g, asked, K, M)};
    x = px_slice(g, px_transformer(g, "blocks", x, p->depth, &block), 1, K, M); /* [B N,M,E] */
    x = px_dense_layer(g, "proj", px_layer_norm_layer(g, "norm", x), D, PX_DENSE_TIMM);
    return px_reshape(g, x, PX_SHAPE(B, N * M, D));
}
