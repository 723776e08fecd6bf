/* windows.h - attention within windows: a map cut into squares, rolled so that every second layer's squares lie across the
 * borders of the others', and biases by relative position (Swin Transformer, Liu et al. 2021, arXiv:2103.14030, figures 2 and 4).
 *
 *     px_windows w = {.map = 14, .side = 7, .shift = 3};
 *     x = px_windows_cut(g, &w, map);                                     // map (N, 14, 14, C) -> x (4 N, 49, C)
 *     bias = px_binary(g, PX_ADD, px_windows_bias(g, w.side, table), px_windows_mask(g, &w));
 *     x = px_attention_with(g, (px_attention_operands){.qkv = ..., .bias = bias, .heads = heads});
 *     map = px_windows_join(g, &w, x);
 *
 * Windows are ordered image by image, and in an image as pixels are, row by row; so are the places within a window. */
#ifndef PX_NN_WINDOWS_H
#define PX_NN_WINDOWS_H

#include "graph/graph.h"

typedef struct px_windows {
    int64_t map;   /* side of the map */
    int64_t side;  /* of a window: divides `map` */
    int64_t shift; /* by so many places the map is rolled up and left before it is cut, 0 <= shift < side */
} px_windows;

/* (N, map, map, C) -> (N (map / side)^2, side^2, C) */
px_value *px_windows_cut(px_graph *, const px_windows *, px_value *map);

/* The other way round; what was rolled is rolled back. */
px_value *px_windows_join(px_graph *, const px_windows *, px_value *windows);

/* (windows of an image, 1, side^2, side^2): 0, or -100 (the authors' value) between places that are no neighbours but came
 * into one window when the map was rolled. */
px_value *px_windows_mask(px_graph *, const px_windows *);

/* table ((2 side - 1)^2, heads) -> (1, heads, side^2, side^2): for each pair (query, key) of places the row that belongs to
 * their vertical, then horizontal distance, query less key, from 1 - side. */
px_value *px_windows_bias(px_graph *, int64_t side, px_value *table);

#endif
