/* predictor.h - a narrow transformer that predicts tokens at places that the encoder did not see (I-JEPA, Assran et al. 2023,
 * arXiv:2301.08243): it gets the seen ones, and one learned token for each place, which differ by their positions.
 *
 *     px_predictor p = {.width = 384, .depth = 6, .heads = 12};
 *     px_asked asked = {.groups = 4, .places = targets, .share = share};
 *     px_value *there = px_predict_tokens(g, &p, context, visible, side, asked);
 */
#ifndef PX_NN_PREDICTOR_H
#define PX_NN_PREDICTOR_H

#include "graph/graph.h"

typedef struct px_predictor {
    int width; /* a multiple of 4 and of `heads` */
    int depth, heads;
} px_predictor;

/* Replaces what is 0: half the encoder's width, at most 384, and half its depth (ViT-B's in the paper); heads of about 32. */
void px_predictor_settle(px_predictor *, int encoder_width, int encoder_depth);

/* Places of a grid in groups of M, each of which is predicted without the others. */
typedef struct px_asked {
    int groups;
    px_value *places; /* i32 (B, groups M) */
    /* (B, groups M): 0 where there is nothing to predict, which then is hidden from the others of the group; else at least
     * 1 / (2 M) */
    px_value *share;
} px_asked;

/* context (B, K, D), tokens at `visible`, i32 (B, K), of a grid of side x side -> (B, groups M, D). Positions are fixed sines and
 * cosines. Parameters: embed, mask_token, blocks.0, ..., norm, proj; weights begin as timm's. */
px_value *px_predict_tokens(px_graph *, const px_predictor *, px_value *context, px_value *visible, int side, px_asked);

#endif
