/* writer.h - a model of ONNX that grows node by node: what the rows of ops are written with (rows.h).
 *
 *     const char *x = px_onnx_name(w, n->in[0]);
 *     const char *y = px_onnx_emit(w, "Transpose", (const char *[]){x}, 1);
 *     px_onnx_ints(w, "perm", axes, 4);                          // of the last node
 *     px_onnx_set(w, n->out[0], y);
 *
 * The first mistake is kept (px_onnx_refuse) and checked once, at the end. All strings belong to the writer. */
#ifndef PX_ONNX_WRITER_H
#define PX_ONNX_WRITER_H

#include "onnx/onnx.h"

#include <stddef.h>

typedef struct px_onnx_writer px_onnx_writer;

px_onnx_writer *px_onnx_writer_create(const px_onnx_model *);
void px_onnx_writer_destroy(px_onnx_writer *);

/* The bytes of the whole file, which the caller frees; NULL: PX_USAGE, what was refused. */
unsigned char *px_onnx_writer_pack(px_onnx_writer *, size_t *size);

/* Adds an input or an output of the model. */
void px_onnx_add_input(px_onnx_writer *, const px_value *);
void px_onnx_add_output(px_onnx_writer *, const char *name, const px_value *);

/* The name of a value. Parameters and constants become initial values when they are first asked for. */
const char *px_onnx_name(px_onnx_writer *, const px_value *);
void px_onnx_set(px_onnx_writer *, const px_value *, const char *name);

/* Nodes that are emitted from here on are called after this scope and op. */
void px_onnx_place(px_onnx_writer *, const char *scope);

/* Adds a node; returns the name of its output. An input may be NULL: absent. */
const char *px_onnx_emit(px_onnx_writer *, const char *op, const char *const in[], int inputs);
const char *px_onnx_one(px_onnx_writer *, const char *op, const char *x);
const char *px_onnx_two(px_onnx_writer *, const char *op, const char *a, const char *b);

/* Attributes of the last node. */
void px_onnx_int(px_onnx_writer *, const char *name, int64_t);
void px_onnx_ints(px_onnx_writer *, const char *name, const int64_t *, int count);
void px_onnx_float(px_onnx_writer *, const char *name, double);

/* Numbers as inputs of nodes: a vector of int64, a scalar, a matrix of floats. */
const char *px_onnx_vector(px_onnx_writer *, const int64_t *, int count);
const char *px_onnx_number(px_onnx_writer *, double);
const char *px_onnx_matrix(px_onnx_writer *, int64_t rows, int64_t columns, const float *);

/* Nodes for common steps; a shape's multiples of PX_ONNX_BATCH follow N. */
const char *px_onnx_reshape(px_onnx_writer *, const char *x, px_shape);
const char *px_onnx_permute(px_onnx_writer *, const char *x, const int *from, int rank);
bool px_onnx_follows_batch(int64_t extent);
const char *px_onnx_batch(px_onnx_writer *); /* N, as a vector of one int64: the first extent of the first input */

void px_onnx_refuse(px_onnx_writer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool px_onnx_refused(const px_onnx_writer *);

#endif
