/* fast.h - the fast backend's px_prepare functions: onednn/ with oneDNN's kernels, fast.c with our own of x86/, which
 * read any blocked format, (N, C/block, H*W, block), and float or bf16. */
#ifndef PX_BACKENDS_FAST_H
#define PX_BACKENDS_FAST_H

#include "graph/plan.h"

/* fast.c */
px_prepare px_fast_add, px_fast_unary, px_fast_unary_back, px_fast_binary, px_fast_relu, px_fast_relu_back;
px_prepare px_fast_batch_sums, px_fast_batch_norm, px_fast_batch_norm_back_sums, px_fast_batch_norm_back;
px_prepare px_fast_global_avg_pool, px_fast_global_avg_pool_back;
px_prepare px_fast_layer_norm, px_fast_layer_norm_back, px_fast_channel_sum;
px_prepare px_fast_gelu, px_fast_gelu_back, px_fast_linear_gelu;
px_prepare px_fast_attention, px_fast_attention_back;
px_prepare px_fast_reshape;
/* onednn/conv.c, matmul.c, pool.c; in a build without oneDNN none.c, where all leave the step to the
 * portable kernels */
px_prepare px_onednn_conv2d, px_onednn_conv2d_back_data, px_onednn_conv2d_back_weight;
px_prepare px_onednn_matmul, px_onednn_linear_gelu; /* the latter in bf16 */
px_prepare px_onednn_max_pool, px_onednn_max_pool_back;

/* A value as the blocked kernels see it: (N, G, S, B), G * B channels. Matrices (N, C): one group of C. */
typedef struct px_blocks {
    int64_t N, G, S, B;
} px_blocks;
px_blocks px_blocks_of(const px_value *, px_storage);

/* The number of threads for a kernel: that of OpenMP now, but at most that for which the step's scratch memory was made
 * at planning (`shared` bytes, and `each` bytes per thread). In x86/chunks.c. */
int px_fast_threads(const px_step *, size_t shared, size_t each);

/* Sums over the rows of matrices that do not depend on the number of threads. Rows are cut into PX_CHUNKS chunks. Each
 * chunk adds up PX_CHUNK_ROWS rows at a time in float (`partial`) and adds these sums up in double (`total`); chunks
 * are added in order. A chunk has `n` sums; the step's scratch holds px_chunks_bytes(n). In x86/chunks.c. */
enum { PX_CHUNKS = 64, PX_CHUNK_ROWS = 32 };
typedef struct px_chunk {
    int64_t first, last; /* rows */
    double *total;       /* (n) */
    float *partial;      /* (n) */
} px_chunk;
size_t px_chunks_bytes(int64_t n);
px_chunk px_chunk_start(const px_step *, int64_t rows, int64_t n, int chunk);
void px_chunk_flush(px_chunk *, int64_t n); /* adds `partial` to `total` and clears it */
/* out[i] = sum number `from` + i, for i < count */
void px_chunks_sum(const px_step *, int64_t n, int64_t from, int64_t count, float *out);

#endif
