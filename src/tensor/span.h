/* span.h - where parameters lie in the flat buffers of weights, gradients and optimizer states: what a plan tells and an
 * optimizer takes.
 */
#ifndef PX_TENSOR_SPAN_H
#define PX_TENSOR_SPAN_H

#include <stdbool.h>
#include <stdint.h>

/* One parameter: elements offset to offset + count - 1. The name is borrowed. */
typedef struct px_param_span {
    const char *name;
    int64_t offset, count;
    bool exempt; /* a bias, or a norm's: no weight decay (unless decay_all), no LARS adaptation */
} px_param_span;

#endif
