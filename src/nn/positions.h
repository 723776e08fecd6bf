/* positions.h - position embeddings: fixed ones, and those of one image size resampled for another. */
#ifndef PX_NN_POSITIONS_H
#define PX_NN_POSITIONS_H

#include "graph/graph.h"

/* Resamples learned positions (1, P + h*h, D) to (1, P + k*k, D), where P is 0, 1 or 2: those of a class token and of DeiT's
 * second one, which are copied. The grid is resampled as timm does it (bicubic, antialiased). Returns 0, or -1 if the shapes
 * are not such grids or have not as many in front: no message is set, since only the caller knows the names. */
int px_positions_resample(px_shape from, const float *in, px_shape to, float *out);

/* The same in the graph, with gradients to the table (1, P + h*w, D), a parameter or state: for images of another size than
 * those that it was made for (small crops), with `rows` x `columns` patches. h and w are those of px_param_grid, or a
 * square's.
 * It is a product with the resampling's weights, a small matrix: 36 x 196 for crops of 96 px beside images of 224 in patches
 * of 16. It antialiases, as timm does; DINO's code does not. */
px_value *px_positions_for(px_graph *, px_value *table, int64_t rows, int64_t columns);

/* MAE's fixed positions (1, P + rows columns, width), a state of that name: zero for P tokens in front, then for each patch
 * sines and cosines of its column (first half) and its row, at wavelengths from 2 pi to 10000 * 2 pi. */
px_value *px_sincos_positions(px_graph *, const char *name, int64_t in_front, int64_t rows, int64_t columns,
                              int64_t width);

#endif
