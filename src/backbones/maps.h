/* maps.h - what families have in common whose stages are maps (N, C, H, W).
 *
 *     px_encoding e = {0};
 *     px_stage_add(&e, g, x, "features.%d", 4);
 *     ... {.build_masked = px_map_build_masked, .pool = px_map_pool} ...
 */
#ifndef PX_BACKBONES_MAPS_H
#define PX_BACKBONES_MAPS_H

#include "backbones/backbone.h"

enum { PX_SMALL_IMAGE = 64 }; /* sides up to this have a stem for small images where the option says auto */

/* A choice that may follow the images' size: "auto|3x3|7x7", what is for small images before what is for large ones. */
typedef enum px_by_size { PX_BY_SIZE, PX_FOR_SMALL, PX_FOR_LARGE } px_by_size;

static inline bool px_is_small(px_by_size choice, int64_t side)
{
    return choice == PX_FOR_SMALL || (choice == PX_BY_SIZE && side <= PX_SMALL_IMAGE);
}

/* For px_backbone_family.settle: the choice without "auto". */
static inline px_by_size px_settled(px_by_size choice, int64_t side)
{
    return px_is_small(choice, side) ? PX_FOR_SMALL : PX_FOR_LARGE;
}

/* One more stage. The name lives as long as the graph. */
void px_stage_add(px_encoding *, px_graph *, px_value *map, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Side of images (N, C, S, S); 0 after an error. */
int64_t px_image_side(const px_value *images);

/* px_backbone_family.pool: the mean over the map, (N, C). */
px_value *px_map_pool(px_graph *, const px_backbone_cfg *, px_value *map);

/* px_backbone_family.build_masked, by the family's `build`: the pixels of hidden patches become one learned colour (SimMIM's
 * token, before the first layer). Patches are as large as the mask makes them. Leaving them out is for networks whose patches
 * do not overlap: PX_DROP is refused. `tokens` is the last stage's map. */
px_encoding px_map_build_masked(px_graph *, const px_backbone *, const px_backbone_cfg *, px_value *x, px_value *places,
                                px_hiding);

/* The map (N, C, H, W) of the last stage; of tokens, those of the patches, whose grid is a square. */
px_value *px_last_map(px_graph *, px_encoding);

#endif
