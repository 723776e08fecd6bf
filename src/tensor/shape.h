/* shape.h - extents of a tensor, outermost first: images (N, C, H, W), tokens (N, T, C), matrices (rows, columns). */
#ifndef PX_TENSOR_SHAPE_H
#define PX_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

enum { PX_RANK_MAX = 6 }; /* windows of a map: (N, rows, height, columns, width, C) */

typedef struct px_shape {
    int rank; /* 0: a scalar */
    int64_t dim[PX_RANK_MAX];
} px_shape;

#define PX_SHAPE(...)                                                                                                  \
    px_shape_make((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

px_shape px_shape_make(const int64_t dim[], int rank);
int64_t px_shape_count(px_shape);
bool px_shape_equal(px_shape, px_shape);
char *px_shape_text(px_shape, char buffer[64]); /* "(2, 3, 32, 32)"; returns buffer */

/* The product of all extents from number `from` on. */
int64_t px_shape_tail(px_shape, int from);

#endif
