/* safetensors.h - writes named tensors in the format in which PyTorch users exchange weights: 8 bytes of header length
 * (little-endian), a JSON header, the numbers. tensor_file.h reads it. */
#ifndef PX_DATA_SAFETENSORS_H
#define PX_DATA_SAFETENSORS_H

#include "data/tensor_file.h"

/* An entry of the description. */
typedef struct px_safetensors_note {
    const char *key, *text;
} px_safetensors_note;

/* Writes tensors of type "F32" and "I64" from their `data` (`bytes` follows from the shape): first under another name,
 * then synced and renamed. Offsets are aligned as PyTorch's loader needs them. 0 or -1 (PX_FAIL). */
int px_safetensors_write(const char *path, const px_stored_tensor *tensors, int count, const px_safetensors_note *notes,
                         int note_count);

#endif
