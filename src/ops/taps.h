/* taps.h - maps along an axis in which each output is a weighted sum of a few neighbouring inputs: resizing, averages over
 * windows. A map of two axes is one along each of them.
 *
 *     px_taps t = px_taps_make(&axis, false, memory);            // memory: px_taps_bytes(&axis, false)
 *     y[o] = sum over k < t.count[o] of t.weight[o * t.most + k] * x[t.first[o] + k]
 *
 * The adjoint map (for gradients) has the same form: with `back`, outputs and inputs change places. */
#ifndef PX_OPS_TAPS_H
#define PX_OPS_TAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum px_tap_rule {
    PX_TAP_NEAREST, /* these three: torch.nn.functional.interpolate */
    PX_TAP_LINEAR,
    PX_TAP_CUBIC,
    PX_TAP_WINDOW, /* torch.nn.AvgPool2d, along one axis */
    PX_TAP_BINS,   /* torch.nn.AdaptiveAvgPool2d, along one axis */
} px_tap_rule;

typedef struct px_tap_axis {
    px_tap_rule rule;
    int64_t inputs, outputs;       /* at least 1 */
    bool align_corners, antialias; /* PX_TAP_LINEAR, PX_TAP_CUBIC */
    int kernel, stride;            /* PX_TAP_WINDOW */
    int before, after;             /* likewise: zeros around the inputs */
    bool exclude_pad;              /* likewise: these zeros are not counted */
} px_tap_axis;

typedef struct px_taps {
    int64_t outputs;
    int most;           /* of an output */
    int *first, *count; /* per output */
    double *weight;     /* (outputs, most) */
    float *single;      /* the same in float */
} px_taps;

size_t px_taps_bytes(const px_tap_axis *, bool back);
/* `memory` must be aligned to 8 bytes and is borrowed. */
px_taps px_taps_make(const px_tap_axis *, bool back, void *memory);

#endif
