/* rows.c - the fast kernels of this build. Of the rows of one op, a plan takes the first that accepts a step: the most
 * special one stands first. A row is defined as px_row_NAME in its kernel's file. */
#include "backends/rows.h"

#if defined(PX_AMX) && defined(PX_ONEDNN) /* the compiler knows AMX, and there are plans in bf16 */
#define AMX(ROW)                                                                                                       \
    ROW(attention_amx)                                                                                                 \
    ROW(attention_back_amx)                                                                                            \
    ROW(conv2d_back_data_amx)                                                                                          \
    ROW(conv2d_back_weight_amx)                                                                                        \
    ROW(linear_back_weight_amx)
#else
#define AMX(ROW)
#endif

#ifdef PX_ONEDNN
#define ONEDNN(ROW)                                                                                                    \
    ROW(conv2d_onednn)                                                                                                 \
    ROW(conv2d_back_data_onednn)                                                                                       \
    ROW(conv2d_back_weight_onednn)                                                                                     \
    ROW(conv2d_back_weight_taps) /* if oneDNN has only a product for each image */                                     \
    ROW(conv2d_back_weight_onednn_product)                                                                             \
    ROW(matmul_onednn)                                                                                                 \
    ROW(max_pool_onednn)                                                                                               \
    ROW(max_pool_back_onednn)
#else
#define ONEDNN(ROW)
#endif

#define OWN(ROW)                                                                                                       \
    ROW(add)                                                                                                           \
    ROW(unary)                                                                                                         \
    ROW(unary_back)                                                                                                    \
    ROW(unary_back_sums)                                                                                               \
    ROW(binary_channels)                                                                                               \
    ROW(binary)                                                                                                        \
    ROW(reshape)                                                                                                       \
    ROW(stop_gradient)                                                                                                 \
    ROW(batch_sums)                                                                                                    \
    ROW(batch_norm)                                                                                                    \
    ROW(batch_norm_back_sums)                                                                                          \
    ROW(batch_norm_back_masked)                                                                                        \
    ROW(batch_norm_back)                                                                                               \
    ROW(global_avg_pool)                                                                                               \
    ROW(conv2d_groups) /* if oneDNN has only a product for each image and group */                                     \
    ROW(conv2d_back_data_groups)                                                                                       \
    ROW(conv2d_back_weight_groups)                                                                                     \
    ROW(resample)                                                                                                      \
    ROW(resample_back)                                                                                                 \
    ROW(global_avg_pool_back)                                                                                          \
    ROW(layer_norm)                                                                                                    \
    ROW(layer_norm_back)                                                                                               \
    ROW(sum_channels)                                                                                                  \
    ROW(channel_sum)                                                                                                   \
    ROW(attention)                                                                                                     \
    ROW(attention_back)

#define ROWS(ROW) AMX(ROW) ROW(linear) ONEDNN(ROW) OWN(ROW)

#define DECLARE(name) extern const px_kernel_row px_row_##name;
ROWS(DECLARE)

#define LIST(name) &px_row_##name,
const px_kernel_row *const px_fast_rows[] = {ROWS(LIST) NULL};
