/* attr.h - the attributes of nodes that both the op's file and its kernels read. */
#ifndef PX_OPS_ATTR_H
#define PX_OPS_ATTR_H

#include "ops/ops.h"
#include "ops/sliding.h"
#include "ops/taps.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct px_unary_attr {
    px_function function;
    double a, b;
} px_unary_attr;

/* See epilogue.h. The attribute of an op that takes an epilogue begins with it. */
typedef struct px_epilogue {
    px_unary_attr act; /* PX_FN_IDENTITY: no activation */
} px_epilogue;

typedef struct px_conv_attr {
    px_epilogue epilogue;
    px_sliding slide;
    int groups;
} px_conv_attr;

typedef struct px_binary_attr {
    px_epilogue epilogue;
    px_pair function;
} px_binary_attr;

typedef struct px_reduce_attr {
    px_reduction kind;
    bool over[PX_RANK_MAX]; /* axes that are reduced */
    bool keep;
} px_reduce_attr;

typedef struct px_argmax_attr {
    int axis;
} px_argmax_attr;

typedef struct px_permute_attr {
    int from[PX_RANK_MAX]; /* the input's axis for each axis of the output */
} px_permute_attr;

typedef struct px_window_attr {
    int axis;
    int64_t start, count; /* places along the axis: the first one of the input, which may be outside, and how many */
    bool wraps;
} px_window_attr;

typedef struct px_concat_attr {
    int axis;
} px_concat_attr;

typedef struct px_matmul_attr {
    px_epilogue epilogue;
    bool transpose_a, transpose_b;
    double factor;
} px_matmul_attr;

typedef struct px_norm_attr {
    px_epilogue epilogue;
    double count; /* elements per channel on one rank */
    double eps;
    bool frozen;
} px_norm_attr;

typedef struct px_layer_norm_attr {
    px_epilogue epilogue;
    double eps;
} px_layer_norm_attr;

typedef struct px_running_attr {
    double count, momentum;
} px_running_attr;

typedef struct px_pool_attr {
    px_sliding slide;
} px_pool_attr;

typedef struct px_resample_attr {
    px_tap_axis axis[2]; /* height, width */
} px_resample_attr;

typedef struct px_patch_attr {
    int patch;
    bool channels_last; /* elements of a patch: (row, column, channel), else (channel, row, column) */
} px_patch_attr;

typedef struct px_dropout_attr {
    double p;
    int64_t samples; /* x is samples of equal size, one after the other: how many */
    int place;       /* number of this op in the graph, part of the key of its random numbers */
} px_dropout_attr;

typedef struct px_random_attr {
    px_shape shape;
    int stream;
} px_random_attr;

typedef struct px_cluster_attr {
    px_spherical how;
    int ranks; /* at most so many share the work */
} px_cluster_attr;

enum { PX_CLUSTER_BLOCK = 64 }; /* rows, and centroids, of one product */

/* Rows of each rank: whole blocks, so that no product depends on the number of ranks. */
static inline int64_t px_cluster_share(int64_t rows, int ranks)
{
    int64_t blocks = (rows + PX_CLUSTER_BLOCK - 1) / PX_CLUSTER_BLOCK;
    return (blocks + ranks - 1) / ranks * PX_CLUSTER_BLOCK;
}

/* Where k-means of `rows` rows has its temporary arrays, in bytes; `nearest` has room for all ranks' shares. */
typedef struct px_cluster_layout {
    size_t sum, order, own, nearest, bytes;
} px_cluster_layout;
static inline px_cluster_layout px_cluster_places(int64_t rows, int64_t centroids, int64_t width, int ranks)
{
    px_cluster_layout l = {.order = (size_t)(centroids * width) * sizeof(double)};
    l.own = l.order + (size_t)rows * sizeof(uint64_t);
    l.nearest = l.own + (size_t)(rows + PX_CLUSTER_BLOCK) * sizeof(int32_t);
    l.bytes = l.nearest + (size_t)(rows + (int64_t)PX_CLUSTER_BLOCK * (ranks + 1)) * sizeof(int32_t);
    return l;
}

/* The map of x (N, C, H, W) along both axes. In resample.c. */
px_value *px_resample(px_graph *, px_value *x, const px_resample_attr *);

/* The axis counted from the start; a negative one counts from the end. -1, after px_graph_fail: there is no such axis of
 * x, which `what` was to use. In move.c. */
int px_axis(px_graph *, const char *what, px_shape x, int axis);

#endif
