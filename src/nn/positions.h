/* positions.h - position embeddings of one image size for another. */
#ifndef PX_NN_POSITIONS_H
#define PX_NN_POSITIONS_H

#include "tensor/shape.h"

/* Resamples learned positions (1, P + h*h, D) to (1, Q + k*k, D): the grid as timm does it (bicubic, antialiased), the
 * prefix (P, Q are 1 with a class token, else 0) as it is; one that only `from` has is dropped. 0, or -1 if the shapes
 * are no such grids or only `to` has a prefix: no message is set, the caller knows the names. */
int px_positions_resample(px_shape from, const float *in, px_shape to, float *out);

#endif
