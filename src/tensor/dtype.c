/* dtype.c - sizes and names of element types. */
#include "tensor/dtype.h"

#include "base/error.h"

static const struct {
    const char *name;
    size_t size;
} types[PX_DTYPES] = {
    [PX_F32] = {"f32", 4}, [PX_F64] = {"f64", 8}, [PX_BF16] = {"bf16", 2}, [PX_I32] = {"i32", 4}, [PX_U8] = {"u8", 1},
};

size_t px_dtype_size(px_dtype type)
{
    PX_CHECK(type < PX_DTYPES);
    return types[type].size;
}

const char *px_dtype_name(px_dtype type)
{
    PX_CHECK(type < PX_DTYPES);
    return types[type].name;
}
