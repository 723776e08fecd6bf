/* maps.c - see maps.h. */
#include "backbones/maps.h"
#include "base/error.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void px_stage_add(px_encoding *e, px_graph *g, px_value *map, const char *format, ...)
{
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    PX_CHECK(e->stages < PX_STAGES_MAX);
    e->stage[e->stages].name = px_graph_text(g, "%s", name);
    e->stage[e->stages++].map = map;
}

int64_t px_image_side(const px_value *images)
{
    return images->shape.rank == 4 ? images->shape.dim[2] : 0;
}

px_value *px_map_pool(px_graph *g, const px_backbone_cfg *c, px_value *map)
{
    (void)c;
    return px_global_avg_pool(g, map);
}

/* mask (N,R,C) -> (N,1,R down,C right), each element repeated */
static px_value *enlarge(px_graph *g, px_value *mask, int64_t down, int64_t right)
{
    int64_t N = mask->shape.dim[0], R = mask->shape.dim[1], C = mask->shape.dim[2];
    mask = px_expand(g, px_reshape(g, mask, PX_SHAPE(N, R, 1, C, 1)), PX_SHAPE(N, R, down, C, right));
    return px_reshape(g, mask, PX_SHAPE(N, 1, R * down, C * right));
}

/* Whether the mask cuts the images into patches; else it is an error. */
static bool mask_fits(px_graph *g, px_shape image, const px_value *places)
{
    px_shape m = places->shape;
    char mask[64], images[64];
    bool cut = m.rank == 3 && m.dim[1] > 0 && m.dim[2] > 0;
    if (places->dtype == PX_I32)
        px_graph_fail(g, "a mask of hidden patches has numbers 0 and 1, not integers");
    else if (!cut || m.dim[0] != image.dim[0] || image.dim[2] % m.dim[1] || image.dim[3] % m.dim[2])
        px_graph_fail(g, "a mask of hidden patches %s does not divide images %s into patches", px_shape_text(m, mask),
                      px_shape_text(image, images));
    return !px_graph_error(g);
}

static px_value *hide(px_graph *g, px_value *x, px_value *mask)
{
    px_shape s = x->shape;
    if (px_graph_error(g) || s.rank != 4 || !mask_fits(g, s, mask))
        return x;
    px_value *token =
        px_parameter(g, "mask_token", PX_SHAPE(1, s.dim[1], 1, 1), px_init_normal(0.02), PX_DECAYS | PX_JOINS_LATER);
    return px_blend(g, x, token, enlarge(g, mask, s.dim[2] / mask->shape.dim[1], s.dim[3] / mask->shape.dim[2]));
}

px_encoding px_map_build_masked(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x,
                                px_value *places, px_hiding hiding)
{
    if (places && hiding == PX_DROP)
        px_graph_fail(
            g,
            "%s cannot leave out patches: its convolutions read whole images; PX_TOKEN replaces them, and the "
            "family vit can leave them out",
            b->name);
    else if (places)
        x = hide(g, x, places);
    px_encoding e = b->family->build(g, b, c, x);
    e.tokens = e.stage[e.stages - 1].map;
    return e;
}

px_value *px_last_map(px_graph *g, px_encoding e)
{
    px_value *x = e.stages > 0 ? e.stage[e.stages - 1].map : e.pooled;
    if (px_graph_error(g) || x->shape.rank == 4)
        return x;
    int64_t N = x->shape.dim[0], T = x->shape.dim[1], D = x->shape.dim[2], side = (int64_t)sqrt((double)T);
    px_value *patches = px_slice(g, x, 1, T - side * side, side * side); /* after the class token */
    return px_reshape(g, px_permute(g, patches, (int[]){0, 2, 1}), PX_SHAPE(N, D, side, side));
}
