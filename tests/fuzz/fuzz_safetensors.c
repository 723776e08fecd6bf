/* fuzz_safetensors.c - weights files. Input: a byte, and if it is 0, the file; else a header, up to a zero byte, and
 * the data; the header's length is added as the format needs it. */
#include "fuzz.h"

#include "data/safetensors.h"

#include <math.h>

static void read_all(const px_tensor_file *f)
{
    for (int i = 0; i < px_tensor_file_count(f); i++) {
        const px_stored_tensor *t = px_tensor_file_at(f, i);
        char text[64];
        PX_CHECK(px_tensor_file_find(f, t->name));
        px_shape_text(t->shape, text);
        if (!px_stored_tensor_is_real(t))
            continue;
        size_t count = (size_t)px_shape_count(t->shape);
        float *values = px_calloc(count, sizeof values[0]);
        px_stored_tensor_read(t, values);
        free(values);
    }
    px_tensor_file_about(f, "format");
}

static void open_file(const uint8_t *bytes, size_t size)
{
    px_tensor_file *f;
    if (px_tensor_file_open(&f, fuzz_file(bytes, size)) != 0) {
        fuzz_check_message();
        return;
    }
    read_all(f);
    px_tensor_file_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { PREFIX = 8 };
    if (size == 0)
        return 0;
    if (bytes[0] == 0) {
        open_file(bytes + 1, size - 1);
        return 0;
    }
    const uint8_t *end = memchr(bytes + 1, 0, size - 1);
    uint64_t length = end ? (uint64_t)(end - bytes) - 1 : size - 1;
    size_t data = end ? size - 1 - (size_t)length - 1 : 0;
    uint8_t *file = px_calloc(PREFIX + size, 1);
    memcpy(file, &length, PREFIX);
    memcpy(file + PREFIX, bytes + 1, (size_t)length);
    if (data > 0)
        memcpy(file + PREFIX + length, end + 1, data);
    open_file(file, PREFIX + (size_t)length + data);
    free(file);
    return 0;
}
