/* sliding.h - how a kernel slides over a map, for convolution and pooling; index 0: rows (height), 1: columns (width). */
#ifndef PX_OPS_SLIDING_H
#define PX_OPS_SLIDING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct px_sliding {
    int kernel[2];
    int stride[2];
    int before[2], after[2]; /* pixels outside of the map */
    int dilation[2];         /* distance between neighbouring taps; 1: they touch */
} px_sliding;

/* Pixels that the kernel covers along an axis, with the gaps between its taps. */
static inline int64_t px_sliding_reach(const px_sliding *s, int axis)
{
    return (int64_t)(s->kernel[axis] - 1) * s->dilation[axis] + 1;
}

/* Outputs along an axis of so many inputs; less than 1: the kernel is larger than the padded map. */
static inline int64_t px_sliding_outputs(const px_sliding *s, int axis, int64_t inputs)
{
    int64_t room = inputs + s->before[axis] + s->after[axis] - px_sliding_reach(s, axis);
    return room < 0 ? 0 : room / s->stride[axis] + 1;
}

/* Same stride and padding on all sides, no gaps between taps. */
static inline bool px_sliding_is_even(const px_sliding *s)
{
    return s->stride[0] == s->stride[1] && s->before[0] == s->before[1] && s->before[0] == s->after[0] &&
           s->before[1] == s->after[1] && s->dilation[0] == 1 && s->dilation[1] == 1;
}

#endif
