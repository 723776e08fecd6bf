/* kernels.h - our own fast kernels: one source, compiled for activations in float and in bf16.
 *
 * Files in this folder that say `elem` and KERNEL(add) are compiled twice, with PX_ELEM_BF16 0 and 1: px_fast_f32_add
 * and px_fast_bf16_add. up() converts an element to float, down() a float to an element (rounded to the nearest, ties
 * to even). Arithmetic, parameters and sums are float or double in both. prepare.c has their rows. */
#ifndef PX_BACKENDS_X86_KERNELS_H
#define PX_BACKENDS_X86_KERNELS_H

#include "backends/x86/blocks.h"
#include "base/simd.h"
#include "graph/kernel.h"
#include "ops/attr.h"
#include "ops/taps.h"
#include "tensor/bf16.h"

#define INLINE static inline __attribute__((always_inline))

#define PX_FAST_DECLARE(name) void px_fast_f32_##name(const px_step *), px_fast_bf16_##name(const px_step *)
/* Both kernels of a name: for activations in float, and in bf16. */
#define PX_FAST(name)                                                                                                  \
    (px_kernel *const[])                                                                                               \
    {                                                                                                                  \
        px_fast_f32_##name, px_fast_bf16_##name                                                                        \
    }

PX_FAST_DECLARE(add);
PX_FAST_DECLARE(unary);
PX_FAST_DECLARE(unary_back);
PX_FAST_DECLARE(unary_back_sums);
PX_FAST_DECLARE(permute);
/* For px_op_binary: the formats of its results, and of its residual. */
void px_fast_need_tail(px_plan *, px_step *, px_storage);
px_kernel px_fast_binary_run; /* any mix of float and bf16, plain, or all of one shape and format */
PX_FAST_DECLARE(batch_sums);
PX_FAST_DECLARE(batch_norm);
PX_FAST_DECLARE(batch_norm_back_sums);
PX_FAST_DECLARE(batch_norm_back);
size_t px_fast_norm_bytes(int64_t C); /* of scratch memory for C channels; float and bf16 alike */
PX_FAST_DECLARE(global_avg_pool);
PX_FAST_DECLARE(global_avg_pool_back);
/* Forward or its adjoint: tables of the map that is to be computed; in `data` of the step. */
typedef struct px_resampler {
    px_taps h, w;
    int64_t H, W;   /* inputs */
    bool rows_only; /* each column stays as it is */
    double memory[];
} px_resampler;
PX_FAST_DECLARE(resample);
INLINE size_t px_fast_resample_row_bytes(int64_t W, int64_t B) /* of scratch memory for a thread */
{
    return ((size_t)(W * B) * sizeof(float) + 63) / 64 * 64;
}
PX_FAST_DECLARE(sum_channels); /* over rows and columns, or also over samples; blocked (N, C, H, W) */
PX_FAST_DECLARE(layer_norm);
PX_FAST_DECLARE(layer_norm_back);
PX_FAST_DECLARE(sum_rows);            /* (N, C) -> (C) */
PX_FAST_DECLARE(epilogue);            /* the residual and the activation of a node: see epilogue.c */
px_kernel px_fast_linear;             /* a linear layer in float with its epilogue */
px_kernel px_fast_linear_back_weight; /* of its weight */

/* grouped.c: activations plain or in any blocks; weights and their gradients are plain. */
typedef enum px_grouped_pass { PX_GROUPED_FORWARD, PX_GROUPED_DATA, PX_GROUPED_WEIGHT } px_grouped_pass;
PX_FAST_DECLARE(grouped_conv2d);
PX_FAST_DECLARE(grouped_conv2d_back_data);
PX_FAST_DECLARE(grouped_conv2d_back_weight);
bool px_fast_grouped_fits(px_shape x, px_shape weight);
size_t px_fast_grouped_bytes(const px_node *, px_grouped_pass); /* of scratch memory for all threads */

/* ---- what a row's prepare function calls ---- */

/* The inputs and outputs that are activations. */
typedef struct px_activations {
    int first; /* the input whose type, float or bf16, they all have */
    bool in[PX_NODE_IN], out[PX_NODE_OUT];
} px_activations;

/* Prepares a step with everything plain, and the kernel for float or that for bf16; what is not an activation is float. Returns
 * true. */
bool px_fast_prepare(px_plan *, px_step *, px_kernel *const kernel[2], px_activations);

/* ---- activations within kernels, on floats in the cache; bf16 has approximations that suffice for it (unary.c) ---- */

/* out[i] = f(in[i]); out may be in */
typedef void px_fast_values(const px_unary_attr *, float *out, const float *in, int64_t n);
/* Each v[i], from which the function's slope is computed (x or y), becomes the slope; or, `at`, each argument. */
typedef void px_fast_slopes(const px_unary_attr *, float *v, int64_t n);
px_fast_values px_fast_f32_values, px_fast_bf16_values;
px_fast_slopes px_fast_f32_slopes, px_fast_bf16_slopes, px_fast_f32_slopes_at, px_fast_bf16_slopes_at;

/* The end of a piece of n elements, where v + bias is in `argument`, or in y if that is NULL: y = act(v + bias + residual), and
 * `argument` becomes act's argument. `residual` and `act` may be NULL. In epilogue.c. */
void px_fast_f32_finish(const px_unary_attr *act, float *y, float *argument, const float *residual, int64_t n);
void px_fast_bf16_finish(const px_unary_attr *act, px_bf16 *y, px_bf16 *argument, const px_bf16 *residual, int64_t n);

#ifdef PX_ELEM_BF16
#if PX_ELEM_BF16
typedef px_bf16 elem;
#define KERNEL(name) px_fast_bf16_##name
INLINE float up(elem x)
{
    return px_bf16_float(x);
}
INLINE elem down(float x)
{
    return px_bf16_of(x);
}
#else
typedef float elem;
#define KERNEL(name) px_fast_f32_##name
INLINE float up(elem x)
{
    return x;
}
INLINE elem down(float x)
{
    return x;
}
#endif

/* For a loop that reads memory in order and has reached these n elements: prefetches as many, 4 KiB further on. By
 * itself the processor prefetches too few lines if a loop does more than one addition per element. */
INLINE void fetch_ahead(const elem *x, int64_t n)
{
    const char *from = (const char *)x + 4096;
    for (int64_t i = 0; i < n * (int64_t)sizeof(elem); i += 64)
        __builtin_prefetch(from + i, 0, 2);
}
#endif

#endif
