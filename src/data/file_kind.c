/* file_kind.c - see file_kind.h. */
#include "data/file_kind.h"

#include <string.h>

const char *px_file_kind(const uint8_t *bytes, size_t size)
{
#define BEGINS(TEXT) sizeof(TEXT) - 1, TEXT
    static const struct {
        size_t length;
        const char *begins, *is;
    } kinds[] = {{BEGINS("\x89PNG\r\n\x1a\n"), "a PNG picture"},
                 {BEGINS("\xFF\xD8\xFF"), "a JPEG picture"},
                 {BEGINS("GIF8"), "a GIF picture"},
                 {BEGINS("II*\0"), "a TIFF picture"},
                 {BEGINS("MM\0*"), "a TIFF picture"},
                 {BEGINS("\x89HDF\r\n\x1a\n"), "an HDF5 file"},
                 {BEGINS("\x93NUMPY"), "an array of NumPy"},
                 {BEGINS("PK\3\4"), "a zip archive (torch.save and NumPy write such)"},
                 {BEGINS("\x1F\x8B"), "a file compressed by gzip"},
                 {BEGINS("\x28\xB5\x2F\xFD"), "a file compressed by zstd"},
                 {BEGINS("\xFD"
                         "7zXZ"),
                  "a file compressed by xz"},
                 {BEGINS("BZh"), "a file compressed by bzip2"},
                 {BEGINS("\x7F"
                         "ELF"),
                  "a program or library"},
                 {BEGINS("%PDF"), "a PDF document"},
                 {BEGINS("version https://git-lfs"), "a Git LFS pointer ('git lfs pull' fetches the file itself)"},
                 {BEGINS("<"), "a web page or XML"}};
#undef BEGINS
    enum { LENGTH = 8, VERSIONS = 32 };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (size >= kinds[i].length && memcmp(bytes, kinds[i].begins, kinds[i].length) == 0)
            return kinds[i].is;
    /* Messages of Protocol Buffers: a version as field 1, then a text or a message as field 2 (who wrote it), 7 (the graph) or
     * 8 (its operators). */
    if (size > 2 && bytes[0] == 0x08 && bytes[1] < VERSIONS &&
        (bytes[2] == 0x12 || bytes[2] == 0x3A || bytes[2] == 0x42))
        return "ONNX or TensorFlow";
    if (size > LENGTH && bytes[LENGTH] == '{' && bytes[LENGTH - 1] == 0)
        return "a safetensors file";
    return NULL;
}
