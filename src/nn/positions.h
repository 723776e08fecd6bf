/* positions.h - position embeddings of one image size, resampled for another. */
#ifndef PX_NN_POSITIONS_H
#define PX_NN_POSITIONS_H

#include "tensor/shape.h"

/* Resamples learned positions (1, P + h*h, D) to (1, Q + k*k, D), where P and Q are 1 with a class token, else 0. The
 * grid is resampled as timm does it (bicubic, antialiased); the class token's position is copied, or dropped if only
 * `from` has one. Returns 0, or -1 if the shapes are not such grids or only `to` has a class token: no message is set,
 * since only the caller knows the names. */
int px_positions_resample(px_shape from, const float *in, px_shape to, float *out);

#endif
