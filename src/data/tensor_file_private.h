/* tensor_file_private.h - what the readers of formats fill in; for src/data/tensor_file.c, safetensors.c, pytorch.c. */
#ifndef PX_DATA_TENSOR_FILE_PRIVATE_H
#define PX_DATA_TENSOR_FILE_PRIVATE_H

#include "data/tensor_file.h"

#include <jansson.h>
#include <stdint.h>

struct px_tensor_file {
    char *path;
    const uint8_t *bytes; /* the whole file, mapped; NULL if it is empty */
    size_t size;
    px_stored_tensor *list; /* from malloc */
    int count;
    json_t *header;            /* safetensors: owns names, types and notes */
    struct px_pytorch *loaded; /* torch.save: owns names and numbers */
};

/* Bytes per element of this type; 0: unknown. */
size_t px_stored_type_bytes(const char *type);

/* Read f->bytes and fill in `list`, in any order. 0 or -1 (PX_DATA). */
int px_safetensors_read(px_tensor_file *f);
int px_pytorch_read(px_tensor_file *f);

/* Whether the first bytes are those of torch.save: a zip, or the older format. */
bool px_pytorch_recognize(const uint8_t *bytes, size_t size);
void px_pytorch_free(struct px_pytorch *); /* NULL is fine */

#endif
