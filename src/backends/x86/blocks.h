/* blocks.h - what our own kernels share: blocked formats, (N, C/block, H*W, block), threads, sums over rows. */
#ifndef PX_BACKENDS_X86_BLOCKS_H
#define PX_BACKENDS_X86_BLOCKS_H

#include "graph/kernel.h"

/* A value as the blocked kernels see it: (N, G, S, B), G * B channels. Matrices (N, C): one group of C. */
typedef struct px_blocks {
    int64_t N, G, S, B;
} px_blocks;
px_blocks px_blocks_of(const px_value *, px_storage);

/* The number of threads for a kernel: that of OpenMP now, but at most that for which the step's scratch memory was made
 * at planning (`shared` bytes, and `each` bytes per thread). In chunks.c. */
int px_fast_threads(const px_step *, size_t shared, size_t each);

/* Sums over the rows of matrices that do not depend on the number of threads. Rows are cut into PX_CHUNKS chunks. Each
 * chunk adds up PX_CHUNK_ROWS rows at a time in float (`partial`) and adds these sums up in double (`total`); chunks
 * are added in order. A chunk has `n` sums; the step's scratch holds px_chunks_bytes(n). In chunks.c. */
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
