/* fuzz_pytorch.c - what torch.save writes. Input: a byte, and if it is 0, the file; else the pickle of the contents and
 * what follows it in the format before PyTorch 1.6, to which the three pickles before it are added. */
#include "fuzz.h"

#include "data/tensor_file.h"

static void read_all(const px_tensor_file *f)
{
    for (int i = 0; i < px_tensor_file_count(f); i++) {
        const px_stored_tensor *t = px_tensor_file_at(f, i);
        PX_CHECK(px_tensor_file_find(f, t->name) == t);
        if (!px_stored_tensor_is_real(t))
            continue;
        float *values = px_calloc((size_t)px_shape_count(t->shape), sizeof values[0]);
        px_stored_tensor_read(t, values);
        free(values);
    }
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
    static const char before[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                 "\x80\2M\xe9\3."
                                 "\x80\2}X\x0d\0\0\0little_endian\x88s.";
    if (size == 0)
        return 0;
    if (bytes[0] == 0) {
        open_file(bytes + 1, size - 1);
        return 0;
    }
    uint8_t *file = px_calloc(sizeof before + size, 1);
    memcpy(file, before, sizeof before - 1);
    memcpy(file + sizeof before - 1, bytes + 1, size - 1);
    open_file(file, sizeof before - 1 + size - 1);
    free(file);
    return 0;
}
