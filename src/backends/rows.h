/* rows.h - what the file of a fast kernel needs to say which steps it takes.
 *
 *     static bool accepts(const px_plan *p, const px_step *s) ...
 *     static bool prepare(px_plan *p, px_step *s) ...
 *     const px_kernel_row px_row_attention_amx = {
 *         .op = &px_op_attention, .needs = PX_ISA_AMX, .accepts = accepts, .prepare = prepare};
 *
 * and its name, attention_amx, in the list of meson.build. */
#ifndef PX_BACKENDS_ROWS_H
#define PX_BACKENDS_ROWS_H

#include "graph/kernel.h"

/* The fast backend's rows, in the order in which a plan asks them; NULL-terminated. */
extern const px_kernel_row *const px_fast_rows[];

/* px_backend's functions for memory of the host, beside px_aligned_calloc and free. In backend.c. */
void px_host_copy(void *to, const void *from, size_t bytes);
void px_plain_reorder(px_step *, px_shape, px_storage from, px_storage to); /* between plain formats: a copy */
bool px_plain_same(const void *own_a, const void *own_b);
void px_host_follow(void *to, const void *leader, int64_t n, double momentum, bool wide);

/* px_backend.update: plain loops, and loops by the vectors that the processor has. In update.c. */
extern const px_update px_update_portable, px_update_fast;

/* The ops that have a row. */
extern const px_op px_op_add, px_op_unary, px_op_unary_back, px_op_unary_back_sums, px_op_binary, px_op_permute,
    px_op_reshape, px_op_stop_gradient, px_op_batch_sums, px_op_batch_norm, px_op_batch_norm_back_sums,
    px_op_batch_norm_back_masked, px_op_batch_norm_back, px_op_global_avg_pool, px_op_global_avg_pool_back,
    px_op_resample, px_op_resample_back, px_op_max_pool, px_op_max_pool_back, px_op_layer_norm, px_op_layer_norm_back,
    px_op_sum, px_op_attention, px_op_attention_back, px_op_conv2d, px_op_conv2d_back_data, px_op_conv2d_back_weight,
    px_op_matmul;

#endif
