/* portable.h - the readable kernels: plain formats, one source compiled for float and for double.
 *
 * Files in this folder are compiled with PX_WIDE 0 and 1; they say `real` and KERNEL(relu), which is px_f32_relu or
 * px_f64_relu. Op files name both at once: .portable = PX_PORTABLE(relu). Files whose kernels mostly move memory are
 * also compiled for bf16 (PX_WIDE 2), for the fast backend: they compute in `wide`, with up() and down().
 */
#ifndef PX_BACKENDS_PORTABLE_H
#define PX_BACKENDS_PORTABLE_H

#include "graph/kernel.h"
#include "ops/attr.h"
#include "tensor/bf16.h"

#define PX_DECLARE(name) void px_f32_##name(const px_step *), px_f64_##name(const px_step *)
#define PX_DECLARE_ALL(name)                                                                                           \
    PX_DECLARE(name);                                                                                                  \
    void px_bf16_##name(const px_step *)
#define PX_PORTABLE(name)                                                                                              \
    {                                                                                                                  \
        px_f32_##name, px_f64_##name                                                                                   \
    }

PX_DECLARE(add);
PX_DECLARE(unary);
PX_DECLARE(binary);
PX_DECLARE_ALL(reduce);
PX_DECLARE_ALL(sum);
PX_DECLARE_ALL(argmax);
PX_DECLARE_ALL(expand);
PX_DECLARE_ALL(permute);
PX_DECLARE_ALL(window);
PX_DECLARE_ALL(concat);
PX_DECLARE(unary_back);
PX_DECLARE(unary_back_sums);
PX_DECLARE(conv2d);
PX_DECLARE(conv2d_back_data);
PX_DECLARE(conv2d_back_weight);
PX_DECLARE(matmul);
PX_DECLARE(batch_sums);
PX_DECLARE(running_sums);
PX_DECLARE(update_running);
PX_DECLARE(batch_norm);
PX_DECLARE(batch_norm_back_sums);
PX_DECLARE(batch_norm_back);
PX_DECLARE(batch_norm_back_param);
PX_DECLARE(max_pool);
PX_DECLARE(max_pool_back);
PX_DECLARE(global_avg_pool);
PX_DECLARE(global_avg_pool_back);
PX_DECLARE(resample);
PX_DECLARE(resample_back);
PX_DECLARE(l2_normalize);
PX_DECLARE(l2_normalize_back);
PX_DECLARE(mask_diagonal);
PX_DECLARE(mask_diagonal_back);
PX_DECLARE(cross_entropy);
PX_DECLARE(cross_entropy_back);
PX_DECLARE(accuracy);
PX_DECLARE(mean_squared_error);
PX_DECLARE(mean_squared_error_back);
PX_DECLARE(standardize);
PX_DECLARE(standardize_back);
PX_DECLARE(layer_norm);
PX_DECLARE(layer_norm_back);
PX_DECLARE(attention);
PX_DECLARE(attention_back);
PX_DECLARE(patchify);
PX_DECLARE(unpatchify);
PX_DECLARE_ALL(add_rows_at);
PX_DECLARE_ALL(sum_rows_at);
PX_DECLARE_ALL(gather_tokens);
PX_DECLARE_ALL(scatter_tokens);
PX_DECLARE_ALL(dropout);
PX_DECLARE_ALL(drop_path);
PX_DECLARE(random_normal);
PX_DECLARE(inverse_cholesky);
PX_DECLARE(enqueue);
PX_DECLARE(assign);
PX_DECLARE(recall);
PX_DECLARE(remember);
PX_DECLARE(cluster);
PX_DECLARE(all_reduce);
PX_DECLARE(all_gather);
PX_DECLARE(reduce_scatter);

#ifdef PX_WIDE
#if PX_WIDE == 2
typedef px_bf16 real;
typedef float wide;
#define KERNEL(name) px_bf16_##name
#define up(x) px_bf16_float(x)
#define down(x) px_bf16_of(x)
#elif PX_WIDE == 1
typedef double real;
typedef double wide;
#define KERNEL(name) px_f64_##name
#define GEMM cblas_dgemm
#define up(x) (x)
#define down(x) (x)
#else
typedef float real;
typedef float wide;
#define KERNEL(name) px_f32_##name
#define GEMM cblas_sgemm
#define up(x) (x)
#define down(x) (x)
#endif

#if PX_WIDE != 2
/* ---- activations of epilogues (epilogue.c, unary.c) ---- */

/* The end of a kernel whose op takes an epilogue: output 0, which holds v + bias, becomes act(v + bias + residual), and the
 * argument is kept if there is such an output. */
void KERNEL(epilogue)(const px_step *);
/* out[i] = f(in[i]); out may be in */
void KERNEL(values)(const px_unary_attr *, real *out, const real *in, int64_t n);
/* Each v[i], from which the function's slope is computed (x or y), becomes the slope. */
void KERNEL(slopes)(const px_unary_attr *, real *v, int64_t n);
/* Each v[i], an argument, becomes the slope there. */
void KERNEL(slopes_at)(const px_unary_attr *, real *v, int64_t n);
#endif
#endif

#endif
