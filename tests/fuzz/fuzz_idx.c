/* fuzz_idx.c - IDX files, plain or compressed. Input: that of fuzz_source_pair. */
#include "fuzz_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_source_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte", bytes, size);
    return 0;
}
