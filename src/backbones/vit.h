/* vit.h - the vision transformer as separate pieces, for methods that work between them (MAE embeds only some of the
 * patches and builds its decoder from the same blocks).
 *
 *     if (!px_vit_of(&vit, backbone, cfg)) ...                       // another family
 *     px_value *positions, *x = px_vit_embed_at(g, &vit, images, visible, &positions); // (B, K, D): some patches
 *     x = px_vit_class_token(g, &vit, x, positions);                 // (B, K + 1, D), the class token first
 *     x = px_vit_blocks(g, &vit, x, NULL);
 *     x = px_vit_norm(g, x);
 */
#ifndef PX_BACKBONES_VIT_H
#define PX_BACKBONES_VIT_H

#include "backbones/backbone.h"
#include "nn/transformer.h"

/* What px_backbone.variant points to in this family. */
typedef struct px_vit_variant {
    int width, depth, heads, patch;
} px_vit_variant;
extern const px_backbone_family px_vit_family;

typedef struct px_vit {
    int width, depth, heads, patch;
    bool fixed_positions; /* two-dimensional sine and cosine, not trained; else learned */
    bool mean_pooling;    /* features: the mean over the patches' tokens; else the class token */
    double dropout, drop_path;
    px_dense_init init;
} px_vit;

/* Whether the backbone is of this family; if so, *v gets its sizes and options. */
bool px_vit_of(px_vit *v, const px_backbone *, const px_backbone_cfg *);

/* The width and the number of blocks of a backbone of this family. */
void px_vit_size(const px_backbone *, int *width, int *depth);

/* images (B, C, H, W) -> (B, T, D), T = H/patch W/patch, row by row; *positions gets (1, 1 + T, D), the class token's
 * first. Parameters: patch_embed.proj.weight (D, C, patch, patch), patch_embed.proj.bias, pos_embed. */
px_value *px_vit_embed(px_graph *, const px_vit *, px_value *images, px_value **positions);
/* The same for some patches only: places i32 (B, K) -> (B, K, D). The others cost nothing. */
px_value *px_vit_embed_at(px_graph *, const px_vit *, px_value *images, px_value *places, px_value **positions);

/* Puts the class token with its position in front. Parameter cls_token (1, 1, D). */
px_value *px_vit_class_token(px_graph *, const px_vit *, px_value *tokens, px_value *positions);

/* All blocks; `e` (or NULL) gets the output of each as a stage. Parameters: blocks.N.*. */
px_value *px_vit_blocks(px_graph *, const px_vit *, px_value *tokens, px_encoding *e);

/* The last layer norm. Parameters norm.*. */
px_value *px_vit_norm(px_graph *, px_value *tokens);

/* MAE's fixed positions (1, 1 + rows columns, width), a state of that name: zero for the class token, then for each
 * patch sines and cosines of its column (first half) and its row, at wavelengths from 2 pi to 10000 * 2 pi. */
px_value *px_vit_fixed_positions(px_graph *, const char *name, int64_t rows, int64_t columns, int64_t width);

#endif
