/* fast.h - the fast backend's px_prepare functions. onednn.c holds all calls of oneDNN; fast_*.c our own kernels, which read any blocked
 * format: (N, C/block, H*W, block). */
#ifndef PX_OPS_FAST_H
#define PX_OPS_FAST_H

#include "graph/plan.h"

px_prepare px_fast_add, px_fast_relu, px_fast_relu_back;                              /* fast_elementwise.c */
px_prepare px_fast_batch_sums, px_fast_batch_norm, px_fast_batch_norm_back_sums, px_fast_batch_norm_back; /* fast_norm.c */
px_prepare px_fast_global_avg_pool, px_fast_global_avg_pool_back;                     /* fast_pool.c */
px_prepare px_onednn_conv2d, px_onednn_conv2d_back_data, px_onednn_conv2d_back_weight; /* onednn.c */
px_prepare px_onednn_matmul, px_onednn_max_pool, px_onednn_max_pool_back;

/* A value as the blocked kernels see it: (N, G, S, B), G * B channels. Matrices (N, C): one group of C. */
typedef struct px_blocks {
    int64_t N, G, S, B;
} px_blocks;
px_blocks px_blocks_of(const px_value *, px_storage);

#endif
