/* portable.h - the readable kernels: plain formats, one source compiled for float and for double.
 *
 * Files in this folder are compiled twice, with PX_WIDE 0 and 1; they say `real` and KERNEL(relu), which is
 * px_f32_relu or px_f64_relu. Op files name both at once: .portable = PX_PORTABLE(relu).
 */
#ifndef PX_OPS_PORTABLE_H
#define PX_OPS_PORTABLE_H

#include "graph/plan.h"

#define PX_DECLARE(name) void px_f32_##name(const px_step *), px_f64_##name(const px_step *)
#define PX_PORTABLE(name)                                                                                              \
    {                                                                                                                  \
        px_f32_##name, px_f64_##name                                                                                   \
    }

PX_DECLARE(add);
PX_DECLARE(scale);
PX_DECLARE(relu);
PX_DECLARE(relu_back);
PX_DECLARE(conv2d);
PX_DECLARE(conv2d_back_data);
PX_DECLARE(conv2d_back_weight);
PX_DECLARE(channel_sum);
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
PX_DECLARE(gelu);
PX_DECLARE(gelu_back);
PX_DECLARE(gelu_back_sums);
PX_DECLARE(linear_gelu);
PX_DECLARE(attention);
PX_DECLARE(attention_back);
PX_DECLARE(patchify);
PX_DECLARE(unpatchify);
PX_DECLARE(add_rows);
PX_DECLARE(sum_samples);
PX_DECLARE(slice_tokens);
PX_DECLARE(slice_tokens_back);
PX_DECLARE(prepend_token);
PX_DECLARE(gather_tokens);
PX_DECLARE(scatter_tokens);
PX_DECLARE(token_mean);
PX_DECLARE(token_mean_back);
PX_DECLARE(dropout);
PX_DECLARE(drop_path);
PX_DECLARE(all_reduce);
PX_DECLARE(all_gather);
PX_DECLARE(reduce_scatter);

#ifdef PX_WIDE
#if PX_WIDE
typedef double real;
#define KERNEL(name) px_f64_##name
#define GEMM cblas_dgemm
#else
typedef float real;
#define KERNEL(name) px_f32_##name
#define GEMM cblas_sgemm
#endif
#endif

#endif
