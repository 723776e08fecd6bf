/* losses.c - see losses.h. */
#include "nn/losses.h"
#include "base/error.h"
#include "ops/ops.h"

#include <stdlib.h>

px_value *px_sum_all(px_graph *g, px_value *x)
{
    px_axes all = {.count = x->shape.rank};
    for (int i = 0; i < x->shape.rank; i++)
        all.axis[i] = i;
    return px_reduce(g, PX_SUM, x, all);
}

px_value *px_mean_cosine(px_graph *g, px_value *a, px_value *b)
{
    px_value *product = px_binary(g, PX_MUL, px_l2_normalize(g, a), px_l2_normalize(g, b));
    return px_reduce(g, PX_MEAN, px_reduce(g, PX_SUM, product, (px_axes){1, {1}, false}), (px_axes){1, {0}, false});
}

/* With c = x, cut to -1 and 1. */
px_value *px_smooth_l1(px_graph *g, px_value *x)
{
    px_value *c = px_unary(g, PX_FN_CLAMP, x, -1, 1);
    return px_binary(g, PX_MUL, c, px_binary(g, PX_SUB, x, px_scale(g, c, 0.5)));
}

px_value *px_soft_cross_entropy(px_graph *g, px_value *target, px_value *log_p)
{
    double B = (double)(target->shape.rank ? target->shape.dim[0] : 1);
    return px_scale(g, px_sum_all(g, px_binary(g, PX_MUL, log_p, target)), -1 / B);
}

px_value *px_distil_crops(px_graph *g, px_value *q, px_value *large, px_value *small)
{
    if (px_graph_error(g))
        return q;
    int64_t B = q->shape.dim[0] / 2, K = q->shape.dim[1], N = small ? small->shape.dim[0] / B : 0;
    px_value *loss = NULL, *by_crop = small ? px_reshape(g, small, PX_SHAPE(N, B, K)) : NULL;
    for (int v = 0; v < 2; v++) {
        px_value *target = px_slice(g, q, 0, v * B, B);
        px_value *one = px_soft_cross_entropy(g, target, px_slice(g, large, 0, (1 - v) * B, B));
        one = by_crop ? px_add(g, one, px_soft_cross_entropy(g, target, by_crop)) : one;
        loss = loss ? px_add(g, loss, one) : one;
    }
    return px_scale(g, loss, 1 / (2.0 * (double)(1 + N)));
}

px_value *px_own_rows(px_graph *g, int first, int64_t rows, int64_t shift)
{
    int32_t *number = px_calloc((size_t)rows + 1, sizeof number[0]);
    for (int64_t i = 0; i < rows; i++)
        number[i] = first + (int32_t)((i + shift) % rows);
    px_value *numbers = px_constant_i32(g, PX_SHAPE(rows), number);
    free(number);
    return numbers;
}

px_value *px_info_nce(px_graph *g, px_value *q, px_value *keys, double temperature, px_value **accuracy)
{
    if (px_graph_error(g))
        return q;
    int first;
    px_value *all = px_all_gather(g, keys, &first);
    px_value *logits = px_matmul(g, q, all, false, true, 1 / temperature);
    px_value *right = px_own_rows(g, first, q->shape.dim[0], 0);
    if (accuracy)
        *accuracy = px_accuracy(g, logits, right);
    return px_cross_entropy(g, logits, right);
}

/* Only ratios matter until the end, so that the paper's factors 1/K and 1/B cancel. */
px_value *px_sinkhorn(px_graph *g, px_value *scores, double epsilon, int rounds)
{
    px_value *q = px_unary(g, PX_FN_EXP, px_scale(g, scores, 1 / epsilon), 0, 0);
    for (int i = 0; i < rounds; i++) {
        q = px_binary(g, PX_DIV, q, px_all_reduce(g, px_reduce(g, PX_SUM, q, (px_axes){1, {0}, true})));
        q = px_binary(g, PX_DIV, q, px_reduce(g, PX_SUM, q, (px_axes){1, {1}, true}));
    }
    return px_stop_gradient(g, q);
}

px_value *px_mean_entropy(px_graph *g, px_value *log_p)
{
    px_value *mean = px_batch_mean(g, px_unary(g, PX_FN_EXP, log_p, 0, 0)); /* (1, K) */
    return px_soft_cross_entropy(g, mean, px_unary(g, PX_FN_LOG, mean, 0, 0));
}

double px_batch_rows(px_graph *g, const px_value *x)
{
    return (double)(x->shape.rank ? x->shape.dim[0] : 1) * px_graph_mode(g).ranks;
}

px_value *px_batch_mean(px_graph *g, px_value *x)
{
    px_value *sum = px_all_reduce(g, px_reduce(g, PX_SUM, x, (px_axes){1, {0}, true}));
    return px_scale(g, sum, 1 / px_batch_rows(g, x));
}

px_value *px_batch_deviation(px_graph *g, px_value *x)
{
    px_value *mean = px_batch_mean(g, x), *square = px_batch_mean(g, px_unary(g, PX_FN_SQUARE, x, 0, 0));
    px_value *variance = px_binary(g, PX_SUB, square, px_unary(g, PX_FN_SQUARE, mean, 0, 0));
    variance = px_relu(g, variance); /* rounding may leave less than 0 */
    return px_reduce(g, PX_MEAN, px_unary(g, PX_FN_SQRT, px_unary(g, PX_FN_AFFINE, variance, 1, 1e-6), 0, 0),
                     (px_axes){2, {0, 1}, false});
}

px_value *px_batch_products(px_graph *g, px_value *a, px_value *b)
{
    return px_all_reduce(g, px_matmul(g, a, b, true, false, 1 / px_batch_rows(g, a)));
}

px_value *px_gather_copies(px_graph *g, px_value *z, int copies)
{
    if (px_graph_error(g))
        return z;
    int64_t B = z->shape.dim[0] / copies, D = z->shape.dim[1], N = B * px_graph_mode(g).ranks;
    px_value *by_image = px_permute(g, px_reshape(g, z, PX_SHAPE(copies, B, D)), (const int[]){1, 0, 2});
    px_value *all = px_all_gather(g, px_reshape(g, by_image, PX_SHAPE(B, copies * D)), NULL);
    return px_permute(g, px_reshape(g, all, PX_SHAPE(N, copies, D)), (const int[]){1, 0, 2});
}
