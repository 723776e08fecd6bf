/* safetensors.h - named tensors in one file, the format in which PyTorch users exchange weights: 8 bytes of header
 * length (little-endian), a JSON header, the numbers.
 *
 *     px_safetensors *f;
 *     if (px_safetensors_open(&f, "resnet18.safetensors") != 0) ...
 *     const px_safetensor *t = px_safetensors_find(f, "conv1.weight");        // NULL: not there
 *     if (t && px_safetensor_is_real(t))
 *         px_safetensor_read(t, plain);                                       // as float32, whatever its stored type
 *     px_safetensors_close(f);
 *
 * The file is mapped, not read: opening reads only the header. Everything that can be wrong is found on opening, so
 * reading a tensor cannot fail. Tensors are borrowed until the file is closed.
 */
#ifndef PX_DATA_SAFETENSORS_H
#define PX_DATA_SAFETENSORS_H

#include "tensor/shape.h"

#include <stddef.h>

typedef struct px_safetensor {
    const char *name;
    const char *type; /* as in the file: "F32", "F16", "BF16", "F64", "I64", ... */
    px_shape shape;
    const void *data; /* not aligned */
    size_t bytes;
} px_safetensor;

typedef struct px_safetensors px_safetensors;

/* 0 or -1 (PX_DATA). */
int px_safetensors_open(px_safetensors **out, const char *path);
void px_safetensors_close(px_safetensors *); /* NULL is fine */

/* Tensors are in the order of their names. */
int px_safetensors_count(const px_safetensors *);
const px_safetensor *px_safetensors_at(const px_safetensors *, int i);
const px_safetensor *px_safetensors_find(const px_safetensors *, const char *name);

/* An entry of the file's description (__metadata__), or NULL. */
const char *px_safetensors_about(const px_safetensors *, const char *key);

/* Whether px_safetensor_read can convert it (F16, BF16, F32, F64). */
bool px_safetensor_is_real(const px_safetensor *);
void px_safetensor_read(const px_safetensor *, float *out); /* all px_shape_count(shape) numbers */

/* An entry of the description. */
typedef struct px_safetensors_note {
    const char *key, *text;
} px_safetensors_note;

/* Writes tensors of type "F32" and "I64" from their `data` (`bytes` follows from the shape): first under another name,
 * then synced and renamed. Offsets are aligned as PyTorch's loader needs them. 0 or -1 (PX_FAIL). */
int px_safetensors_write(const char *path, const px_safetensor *tensors, int count, const px_safetensors_note *notes,
                         int note_count);

#endif
