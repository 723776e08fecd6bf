/* fuzz_npy.c - NumPy's arrays, plain or in .npz. Input: two bytes with the size of the file of labels, that file, and the file of
 * images; a size of 65535 leaves the labels out. */
#include "fuzz_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"x_train.npy", "y_train.npy"};
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
