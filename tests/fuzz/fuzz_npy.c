/* fuzz_npy.c - NumPy's arrays, plain or in .npz. Input: that of fuzz_source_pair. */
#include "fuzz_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_source_pair("x_train.npy", "y_train.npy", bytes, size);
    return 0;
}
