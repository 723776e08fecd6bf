/* ops.h - the functions that models are written with. Each adds a node and returns its output; all pass on the graph's
 * sticky error. Images are (N, C, H, W), matrices (rows, columns); weights have PyTorch's shapes. */
#ifndef PX_OPS_OPS_H
#define PX_OPS_OPS_H

#include "graph/graph.h"

/* ---- element-wise ---- */
px_value *px_add(px_graph *, px_value *a, px_value *b); /* same shapes */
px_value *px_scale(px_graph *, px_value *x, double factor);
/* A function of one number, of each element. a and b are numbers that some of them take; the others ignore them. */
typedef enum px_function {
    PX_FN_IDENTITY,     /* x */
    PX_FN_AFFINE,       /* a x + b */
    PX_FN_RELU,         /* max(x, 0) */
    PX_FN_RELU6,        /* min(max(x, 0), 6) */
    PX_FN_LEAKY_RELU,   /* x, or a x if x is negative */
    PX_FN_SIGMOID,      /* 1 / (1 + e^-x) */
    PX_FN_HARD_SIGMOID, /* min(max(x + 3, 0), 6) / 6 (Howard et al. 2019) */
    PX_FN_GELU,         /* x Phi(x), exact (Hendrycks & Gimpel 2016; torch.nn.GELU's default) */
    PX_FN_SILU,         /* x sigmoid(x) (Hendrycks & Gimpel 2016; also called swish) */
    PX_FN_HARD_SWISH,   /* x hard_sigmoid(x) (Howard et al. 2019) */
    PX_FN_TANH,
    PX_FN_EXP,
    PX_FN_LOG, /* natural */
    PX_FN_SQRT,
    PX_FN_SQUARE,
    PX_FN_ABS,
    PX_FN_SIN,
    PX_FN_COS,
    PX_FN_CLAMP, /* min(max(x, a), b) */
    PX_FN_COUNT,
} px_function;
px_value *px_unary(px_graph *, px_function, px_value *x, double a, double b);
px_value *px_relu(px_graph *, px_value *x);
px_value *px_gelu(px_graph *, px_value *x);

/* A function of two numbers, with NumPy's broadcasting: shapes are aligned at their last axes, and an axis of extent 1 (or
 * one that is missing) repeats. Gradients are summed over what was repeated. For sums of equal shapes px_add is faster. */
typedef enum px_pair {
    PX_ADD, /* a + b */
    PX_SUB, /* a - b */
    PX_MUL, /* a b */
    PX_DIV, /* a / b */
    PX_MAX, /* the larger one; where both are equal, each gets half of the gradient, as in PyTorch */
    PX_MIN,
    PX_EQUAL, /* 1 where a and b are equal, else 0; no gradient */
} px_pair;
px_value *px_binary(px_graph *, px_pair, px_value *a, px_value *b);

/* In training, elements / whole samples become 0 with probability p, and the others are multiplied by 1 / (1 - p). In
 * evaluation, within a network that follows, or with p 0, the result is x itself. x is `samples` samples of equal size, one
 * after the other. Which ones are dropped depends on a sample's place in the global batch (px_plan_draw_by), not on the
 * number of ranks. */
px_value *px_dropout(px_graph *, px_value *x, double p, int64_t samples);
px_value *px_drop_path(px_graph *, px_value *x, double p, int64_t samples);

/* Numbers of a standard normal distribution, without a gradient: others in each step and of each stream, the same on all ranks and
 * in all micro-batches of a step (px_plan_draw_by). */
px_value *px_random_normal(px_graph *, int stream, px_shape);

/* ---- moving elements; a negative axis counts from the end ---- */
px_value *px_reshape(px_graph *, px_value *x, px_shape);         /* plain order of elements; no copy */
px_value *px_permute(px_graph *, px_value *x, const int from[]); /* axis i of the result is axis from[i] of x */
px_value *px_slice(px_graph *, px_value *x, int axis, int64_t first, int64_t count);
px_value *px_select(px_graph *, px_value *x, int axis, int64_t place); /* a slice of one place, without the axis */
px_value *px_pad(px_graph *, px_value *x, int axis, int64_t before, int64_t after); /* with zeros */
px_value *px_roll(px_graph *, px_value *x, int axis, int64_t by);                   /* as torch.roll */
px_value *px_concat(px_graph *, int axis, px_value *const x[], int count);          /* at most 8 */

/* ---- over axes ---- */
/* Axes by number, from the end if negative: (px_axes){2, {0, -1}}. They disappear, or with `keep` their extent becomes 1. */
typedef struct px_axes {
    int count, axis[PX_RANK_MAX];
    bool keep;
} px_axes;
typedef enum px_reduction {
    PX_SUM, /* of nothing: 0; the others need elements */
    PX_MEAN,
    PX_AMAX,        /* the largest element; equal ones share the gradient, as in PyTorch */
    PX_LOG_SUM_EXP, /* log of the sum of e^x, without overflow */
} px_reduction;
px_value *px_reduce(px_graph *, px_reduction, px_value *x, px_axes);
px_value *px_sum_to(px_graph *, px_value *x, px_shape); /* summed over the axes along which the shape would repeat */
px_value *px_expand(px_graph *, px_value *x, px_shape); /* repeated to the shape, to which x broadcasts */
/* i32, without the axis: the place of the largest element, of several the first one */
px_value *px_argmax(px_graph *, px_value *x, int axis);
px_value *px_softmax(px_graph *, px_value *x, int axis);
px_value *px_log_softmax(px_graph *, px_value *x, int axis);
px_value *px_variance(px_graph *, px_value *x, px_axes); /* mean squared distance from the mean: divided by the count */

/* ---- convolution ---- */
/* Indices 0: height, 1: width. What is 0 is as usual: stride, dilation and groups 1, no padding. */
typedef struct px_convolution {
    int stride[2];
    int pad[2][2];   /* zeros {{above, below}, {left, right}} */
    int dilation[2]; /* distance between the pixels that neighbouring taps see */
    int groups;
} px_convolution;
/* x (N, C, H, W), weight (O, C/groups, kh, kw), bias (O) or NULL -> (N, O, H', W'),
 * H' = (H + above + below - dilation (kh - 1) - 1) / stride + 1, as torch.nn.Conv2d. With as many groups as channels
 * (depthwise) each output sees one channel. */
px_value *px_convolve(px_graph *, px_value *x, px_value *weight, px_value *bias, px_convolution);
/* The same stride on both axes, the same padding on all sides. */
px_value *px_conv2d(px_graph *, px_value *x, px_value *weight, px_value *bias, int stride, int pad, int groups);

/* ---- matrices ---- */
/* factor * op(a) op(b) over the last two axes, op: transposed or not; leading axes are equal (a batch of products). */
px_value *px_matmul(px_graph *, px_value *a, px_value *b, bool transpose_a, bool transpose_b, double factor);
/* x (..., K), weight (M, K), bias (M) or NULL -> (..., M) = x weight^T + bias */
px_value *px_linear(px_graph *, px_value *x, px_value *weight, px_value *bias);

/* s (..., D, D), symmetric and positive definite, of which only the lower triangle is read -> W (..., D, D) = L^-1, lower
 * triangular, where s = L L^T (Cholesky): W s W^T is the unit matrix. Not positive definite: NaN or infinities. */
px_value *px_inverse_cholesky(px_graph *, px_value *s);

/* ---- batch normalisation (Ioffe & Szegedy 2015), over the global batch ---- */
/* x (N, C, H, W) or (N, C) -> f64 (2, C): sums of x and of x^2 over this rank's samples */
px_value *px_batch_sums(px_graph *, px_value *x);
/* Running statistics in the same form (with count 1). mean, var (C) */
px_value *px_running_sums(px_graph *, px_value *mean, px_value *var);
/* mean += momentum (batch mean - mean), and var likewise with the unbiased batch variance (as torch.nn.BatchNorm).
 * `count`: elements per channel on this rank. An effect: it happens in each run. */
void px_update_running(px_graph *, px_value *sums, px_value *mean, px_value *var, int64_t count, double momentum);
/* (x - mean) / sqrt(var + eps) * gamma + beta, with statistics from `sums` over `count` elements per rank (over those
 * of all ranks if `across`; sums must then have gone through px_all_reduce). `frozen`: the statistics are constants
 * (running ones), and no gradient flows through them. */
px_value *px_batch_norm(px_graph *, px_value *x, px_value *sums, px_value *gamma, px_value *beta, int64_t count,
                        double eps, bool frozen);

/* ---- layer normalisation (Ba et al. 2016), over the last axis ---- */
/* x (..., D), gamma (D), beta (D) */
px_value *px_layer_norm(px_graph *, px_value *x, px_value *gamma, px_value *beta, double eps);

/* ---- tokens (B, T, D) ---- */
/* Attention: softmax(scale Q K^T + bias) V in each head -> (B, Q, D). The matrices of all heads are never stored.
 *
 * The bias repeats by NumPy's rule, aligned at the last axes of (B, heads, Q, K), except that its last extent is K, and that
 * its first extent n may be any divisor of B: sample b has the bias of b % n. So windows that follow each other in the batch
 * image by image, as a partition makes them, take a bias for each place of a window:
 *     relative positions                   (1, heads, Q, K), or (heads, Q, K); learned
 *     the mask of shifted windows          (windows, 1, Q, K)
 *     both                                 their sum by px_binary: (windows, heads, Q, K)
 *     padded keys                          (B, 1, 1, K)
 * -infinity masks a key; a query all of whose keys are masked gets zeros, and no gradient. Where the bias is learned, its
 * gradient is computed for (n, heads, Q, K) and then summed over what repeats.
 *
 * Heads of a multiple of 8 numbers have fast kernels. */
typedef struct px_attention_operands {
    /* (B, T, 3 D): rows of queries, keys, values, each (heads, D / heads), as in timm; or NULL, and then q, k and v */
    px_value *qkv;
    px_value *q, *k, *v; /* (B, Q, D), (B, K, D), (B, K, D) */
    px_value *bias;      /* or NULL */
    int heads;
    double scale; /* positive, or 0: 1 / sqrt(D / heads) */
} px_attention_operands;
px_value *px_attention_with(px_graph *, px_attention_operands);
px_value *px_attention(px_graph *, px_value *qkv, int heads); /* without a bias */
/* x (B, C, H, W) -> (B, H/patch W/patch, C patch patch), row by row. A patch is (C, patch, patch), as a convolution's
 * weight is, or with `channels_last` (patch, patch, C), as MAE's decoder predicts it. */
px_value *px_patchify(px_graph *, px_value *x, int patch, bool channels_last);
/* Only some patches: places i32 (B, K) -> (B, K, C patch patch) */
px_value *px_patchify_at(px_graph *, px_value *x, px_value *places, int patch, bool channels_last);
/* x (B, K, D), table of T rows of D, places i32 (B, K): out[b, k] = x[b, k] + table[places[b, k]] */
px_value *px_add_rows_at(px_graph *, px_value *x, px_value *table, px_value *places);
px_value *px_prepend_token(px_graph *, px_value *x, px_value *token); /* token: D numbers -> (B, T + 1, D) */
/* places i32 (B, K): out[b, k] = x[b, places[b, k]]; a place may be taken several times */
px_value *px_gather_tokens(px_graph *, px_value *x, px_value *places);

/* ---- pooling ---- */
/* Windows over a map, as torch.nn.MaxPool2d and AvgPool2d count them. Indices 0: height, 1: width; strides of 0 are the
 * kernel's size, dilations of 0 are 1. */
typedef struct px_pooling {
    int kernel[2], stride[2];
    int pad[2];       /* on both sides, at most half of the kernel */
    int dilation[2];  /* of the maximum only */
    bool ceil_mode;   /* the last window may begin on the map and end outside of it */
    bool exclude_pad; /* averages are over pixels of the map only (count_include_pad=False) */
} px_pooling;
/* (N, C, H, W) -> (N, C, H', W'), H' = (H + 2 pad - dilation (kernel - 1) - 1) / stride + 1, rounded up in ceil_mode. The
 * gradient goes to the first of several equal maxima. */
px_value *px_max_pool2d(px_graph *, px_value *x, px_pooling);
px_value *px_avg_pool2d(px_graph *, px_value *x, px_pooling);
/* (N, C, H, W) -> (N, C, height, width): output i is the mean of the rows from floor(i H / height) to before
 * ceil((i + 1) H / height), as torch.nn.AdaptiveAvgPool2d */
px_value *px_adaptive_avg_pool(px_graph *, px_value *x, int64_t height, int64_t width);
px_value *px_max_pool(px_graph *, px_value *x, int kernel, int stride, int pad); /* alike on both axes */
px_value *px_global_avg_pool(px_graph *, px_value *x);                           /* (N, C, H, W) -> (N, C) */

/* ---- resizing ---- */
/* How torch.nn.functional.interpolate makes a map of another size. */
typedef enum px_interpolation {
    PX_RESIZE_NEAREST,
    PX_RESIZE_LINEAR,
    PX_RESIZE_CUBIC, /* Keys 1981: a = -0.75, with antialiasing -0.5 */
} px_interpolation;
typedef struct px_resizing {
    px_interpolation by;
    bool align_corners; /* the corners' pixels stay in the corners; else the borders of the image stay */
    bool antialias; /* a smaller map is made with a filter that is wider by the scale, as timm makes position tables */
} px_resizing;
/* x (N, C, H, W) -> (N, C, height, width). x itself if it has this size. */
px_value *px_resize_map(px_graph *, px_value *x, int64_t height, int64_t width, px_resizing);

/* ---- local response normalisation (Krizhevsky et al. 2012), as torch.nn.LocalResponseNorm ---- */
/* x (N, C, H, W) / (k + alpha m)^beta, where m is the sum of x^2 over a window of `size` neighbouring channels, divided by
 * size. It begins size / 2 channels before; what lies beyond the first and the last channel is 0. AlexNet: 5, 1e-4, 0.75, 2
 * (there alpha is not divided by size). */
px_value *px_local_response_norm(px_graph *, px_value *x, int size, double alpha, double beta, double k);

/* ---- losses ---- */
px_value *px_l2_normalize(px_graph *, px_value *x);                   /* rows of (N, D) to length 1 (at least 1e-12) */
px_value *px_mask_diagonal(px_graph *, px_value *x, px_value *place); /* x (N, M): x[i, place[i]] = -infinity */
/* logits (N, M), target i32 (N) -> mean over rows of -log softmax(logits)[target]; scalar. Or target (N, M), shares of the classes,
 * without gradient -> mean over rows of -sum target log softmax(logits) (smoothed or mixed labels). */
px_value *px_cross_entropy(px_graph *, px_value *logits, px_value *target);
/* Mean over all elements of (a - b)^2; scalar. */
px_value *px_mean_squared_error(px_graph *, px_value *a, px_value *b);
/* (x - mean) / sqrt(variance + eps) over the last axis, with the unbiased variance: MAE's targets. */
px_value *px_standardize(px_graph *, px_value *x, double eps);
/* Fraction of rows whose largest logit is the target's; scalar, no gradient. */
px_value *px_accuracy(px_graph *, px_value *logits, px_value *target);

/* ---- states: effects, which happen in each run ---- */
px_value *px_stop_gradient(px_graph *, px_value *x); /* x, as if it were a constant */
/* Puts the rows (n, D) into the queue, a state (K, D), in place of the oldest ones. `place` is a state of one number, 0 at
 * first: where the next row goes. n is at most K. Call it in the phase after the step if the step reads the queue. */
void px_enqueue(px_graph *, px_value *queue, px_value *place, px_value *rows);
void px_assign(px_graph *, px_value *state, px_value *x); /* the state becomes x, of the same shape */

/* ---- a memory of all images: what a network made of each of them when it last saw it ----
 * memory: a state (N, W), the row of image i at i; zeros: not seen yet. seen: a state of one number, 0 at first: rows since
 * the last clusters. index (n): the numbers of images, of the graph's real type so that it can be gathered; below 2^24 they
 * are exact. */
/* -> the rows (n, W), without a gradient */
px_value *px_recall(px_graph *, px_value *memory, px_value *index);
/* In the phase after the step. Rows (n, W) and index of all ranks (px_all_gather); `every`: seen begins anew after so many. */
void px_remember(px_graph *, px_value *memory, px_value *seen, px_value *index, px_value *rows, int64_t every);
typedef struct px_spherical {
    int64_t column; /* where the numbers begin, in the memory's rows */
    int64_t every;  /* rows seen between two clusterings: an epoch */
    int rounds;
    int stream; /* part of the key of the random beginning, as in px_random_normal */
} px_spherical;
/* After px_remember: if enough rows were seen, the centroids, a state (K, D), become those of spherical k-means of the rows that
 * are remembered (Dhillon & Modha 2001). It begins with K of them, drawn at random. In each round each row goes to the centroid
 * with the largest product, then centroids become the means of their rows, of length 1; one without rows stays. The bits do not
 * depend on the number of ranks and threads. */
void px_cluster(px_graph *, px_value *centroids, px_value *memory, px_value *seen, px_spherical);

/* ---- across ranks: gradients of parameters are averaged, so the loss is the mean of the ranks' losses ---- */
px_value *px_all_reduce(px_graph *, px_value *x); /* sum over ranks; its gradient is the same */
/* (N, D) -> (ranks N, D) in rank order; its gradient is a reduce-scatter sum. *first (unless NULL) gets the number of
 * this rank's first row. */
px_value *px_all_gather(px_graph *, px_value *x, int *first);

#endif
