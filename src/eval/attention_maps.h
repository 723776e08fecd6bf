/* attention_maps.h - where the heads of a vision transformer look: from packed rows of queries, keys and values.
 *
 *     px_attention_measure(&m, qkv, &about);        // one image, one layer: qkv (T, 3 D)
 *
 * - distance: of a patch, the mean distance to the patches that it attends to, weighted by its attention; in pixels, from centre
 *   to centre, averaged over patches (Dosovitskiy et al. 2021, arXiv:2010.11929, figure 7). A class token is left out, and the
 *   weights of the patches sum to 1.
 * - entropy: of the attention of a patch over all tokens, in nats, averaged over patches: 0: it looks at one token, log T: at all
 *   alike.
 */
#ifndef PX_EVAL_ATTENTION_MAPS_H
#define PX_EVAL_ATTENTION_MAPS_H

#include <stdint.h>

typedef struct px_attention_about {
    int heads, width; /* D */
    double scale;     /* of the products of queries and keys */
    int grid;         /* patches per side */
    int first;        /* tokens before the patches: the class token, registers */
    int patch;        /* pixels */
} px_attention_about;

/* Between two patches of a grid, in patches. */
double px_patch_distance(int grid, int a, int b);

/* distance, entropy (heads) */
void px_attention_measure(double *distance, double *entropy, const float *qkv, const px_attention_about *);

/* map (heads, grid, grid): where the class token looks, the first of those in front; without one, what patches look at on the
 * average. Of each head over all patches the sum is 1 (0: it looks at none). */
void px_attention_map(double *map, const float *qkv, const px_attention_about *);

#endif
