/* attr.h - attributes of nodes that both an op's file and its kernels read. */
#ifndef PX_OPS_ATTR_H
#define PX_OPS_ATTR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct px_conv_attr {
    int stride, pad, groups;
} px_conv_attr;

typedef enum px_activation { PX_ACT_NONE, PX_ACT_RELU } px_activation;

typedef struct px_matmul_attr {
    bool transpose_a, transpose_b;
    double factor;
    px_activation act;
} px_matmul_attr;

typedef struct px_norm_attr {
    double count; /* elements a channel on one rank */
    double eps;
    px_activation act;
    bool frozen;
} px_norm_attr;

typedef struct px_running_attr {
    double count, momentum;
} px_running_attr;

typedef struct px_pool_attr {
    int kernel, stride, pad;
} px_pool_attr;

#endif
