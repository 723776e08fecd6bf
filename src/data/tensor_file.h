/* tensor_file.h - named tensors in one file, as PyTorch users exchange weights: safetensors, and what torch.save writes
 * (.pth, .pt, .ckpt, .bin).
 *
 *     px_tensor_file *f;
 *     if (px_tensor_file_open(&f, "resnet18.pth") != 0) ...
 *     const px_stored_tensor *t = px_tensor_file_find(f, "conv1.weight");      // NULL: not there
 *     if (t && px_stored_tensor_is_real(t))
 *         px_stored_tensor_read(t, plain);                                     // as float32, whatever its stored type
 *     px_tensor_file_close(f);
 *
 * The format is told by the first bytes, not by the name. A file of torch.save holds dictionaries and lists of tensors
 * within each other: a tensor's name is its path in them, joined by points ("state_dict.module.conv1.weight").
 * Everything that can be wrong is found on opening, so reading a tensor cannot fail. The file is mapped, not
 * read; what torch.save has compressed or does not store contiguously is copied. Tensors are borrowed until the file is closed.
 */
#ifndef PX_DATA_TENSOR_FILE_H
#define PX_DATA_TENSOR_FILE_H

#include "tensor/shape.h"

#include <stddef.h>

typedef struct px_stored_tensor {
    const char *name;
    const char *type; /* as safetensors calls it: "F32", "F16", "BF16", "F64", "I64", ... */
    px_shape shape;
    const void *data; /* not aligned */
    size_t bytes;
} px_stored_tensor;

typedef struct px_tensor_file px_tensor_file;

/* 0 or -1 (PX_DATA). */
int px_tensor_file_open(px_tensor_file **out, const char *path);
void px_tensor_file_close(px_tensor_file *); /* NULL is fine */

/* Tensors are in the order of their names. */
int px_tensor_file_count(const px_tensor_file *);
const px_stored_tensor *px_tensor_file_at(const px_tensor_file *, int i);
const px_stored_tensor *px_tensor_file_find(const px_tensor_file *, const char *name);

/* An entry of a safetensors file's description (__metadata__), or NULL. */
const char *px_tensor_file_about(const px_tensor_file *, const char *key);

/* Whether px_stored_tensor_read can convert it (F16, BF16, F32, F64). */
bool px_stored_tensor_is_real(const px_stored_tensor *);
void px_stored_tensor_read(const px_stored_tensor *, float *out); /* all px_shape_count(shape) numbers */

/* The place, in plain order, of the first number that is infinite or not a number as float32; -1: there is none. Only for
 * tensors that are real. */
int64_t px_stored_tensor_not_finite(const px_stored_tensor *);

#endif
