/* rows.h - how each op is said in ONNX. To add one, write its function and its row in rows.c. */
#ifndef PX_ONNX_ROWS_H
#define PX_ONNX_ROWS_H

#include "graph/op.h"
#include "onnx/writer.h"

typedef struct px_onnx_row {
    const px_op *op;
    /* Emits nodes for n, and names its output 0 (px_onnx_set). */
    void (*write)(px_onnx_writer *, const px_node *n);
} px_onnx_row;

/* NULL: the op has no row. */
const px_onnx_row *px_onnx_row_of(const px_op *);

/* act(v + residual), as the op's epilogue says (ops/epilogue.h). A bias is the row's own business. */
const char *px_onnx_epilogue(px_onnx_writer *, const px_node *, const char *v);

/* Rows in other files, by their subject. */
void px_onnx_window(px_onnx_writer *, const px_node *);
void px_onnx_expand(px_onnx_writer *, const px_node *);
void px_onnx_resample(px_onnx_writer *, const px_node *);
void px_onnx_attention(px_onnx_writer *, const px_node *);
void px_onnx_patchify(px_onnx_writer *, const px_node *);
void px_onnx_gather_tokens(px_onnx_writer *, const px_node *);
void px_onnx_add_rows_at(px_onnx_writer *, const px_node *);

#endif
