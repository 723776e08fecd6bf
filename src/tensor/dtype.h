/* dtype.h - element types. */
#ifndef PX_TENSOR_DTYPE_H
#define PX_TENSOR_DTYPE_H

#include <stddef.h>

typedef enum px_dtype { PX_F32, PX_F64, PX_BF16, PX_I32, PX_U8, PX_DTYPES } px_dtype;

size_t px_dtype_size(px_dtype);
const char *px_dtype_name(px_dtype); /* "f32", ... */

#endif
