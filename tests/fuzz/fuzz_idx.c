/* fuzz_idx.c - IDX files, plain or compressed. Input: two bytes with the size of the label file, that file, and the
 * image file; a size of 65535 leaves the labels out. */
#include "fuzz_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
    fuzz_input in = {bytes, size, 0};
    size_t wanted = fuzz_byte(&in);
    wanted |= (size_t)fuzz_byte(&in) << 8;
    size_t rest = size - in.at, labels = wanted == 65535 ? 0 : wanted < rest ? wanted : rest;
    fuzz_source s = fuzz_source_begin();
    if (wanted != 65535)
        fuzz_source_put(&s, names[1], bytes + in.at, labels);
    fuzz_source_put(&s, names[0], bytes + in.at + labels, rest - labels);
    fuzz_source_end(&s, names, 2);
    return 0;
}
