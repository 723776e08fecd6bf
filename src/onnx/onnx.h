/* onnx.h - a graph as a file of ONNX, which onnxruntime and others run.
 *
 *     px_onnx_model model = {.graph = g, .weights = weights};     // inputs are named by px_input
 *     px_onnx_write("w.onnx", &model);                            // outputs: those of px_graph_output, by their names
 *
 * Each op that the outputs need is translated by its row (rows.h); an op without a row is refused by its name. So a new
 * backbone needs nothing here. The first axis of inputs and outputs may have any extent, which ONNX calls N: the graph is
 * built for PX_ONNX_BATCH samples, a prime that is larger than any other extent, and every extent that is a multiple of it
 * follows N. Nothing of that size is ever allocated.
 *
 * The file is of operator set PX_ONNX_OPSET and IR version PX_ONNX_IR, which onnxruntime reads since its version 1.12 of
 * July 2022. A build without protobuf-c has these functions too; they say what is missing. */
#ifndef PX_ONNX_ONNX_H
#define PX_ONNX_ONNX_H

#include "graph/graph.h"

enum { PX_ONNX_OPSET = 17, PX_ONNX_IR = 8, PX_ONNX_BATCH = 1000003 };

/* The standard's numbers of types of elements. */
enum { PX_ONNX_FLOAT = 1, PX_ONNX_INT32 = 6, PX_ONNX_INT64 = 7 };

/* One entry of the file's description (metadata_props). */
typedef struct px_onnx_note {
    const char *key, *text;
} px_onnx_note;

typedef struct px_onnx_model {
    const px_graph *graph;       /* PX_F32, not differentiated; fused or not */
    const float *const *weights; /* of parameter number i (px_graph_param), in plain order; those that are read */
    const px_onnx_note *notes;
    int note_count;
} px_onnx_model;

/* Writes the file, reads it back, checks it (px_onnx_check), and only then gives it its name. 0, or -1: PX_USAGE if the
 * graph cannot be said in ONNX or this build cannot write it, PX_FAIL if the file cannot be written. */
int px_onnx_write(const char *path, const px_onnx_model *);

/* Whether the file is what px_onnx_write writes: one operator set, the stated one; every initial value as long as its shape
 * says; names made once and before they are read; inputs and outputs with types and shapes. 0, or -1 with PX_DATA. */
int px_onnx_check(const char *path);

/* NULL, or why this build cannot write ONNX, in one line. */
const char *px_onnx_missing(void);

#endif
