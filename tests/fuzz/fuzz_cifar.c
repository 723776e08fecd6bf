/* fuzz_cifar.c - the binary files of CIFAR-10, CIFAR-100 and STL-10. In real ones, which are large, only labels matter,
 * so files are made from a few bytes. Input: the format; then for each file a name, the number of records, how much is
 * cut off or added, the label bytes; at the end the text of the class names. */
#include "fuzz_source.h"

enum { FILES = 4, RECORDS = 4, PIXELS = 3072, STL_PIXELS = 27648 };

static const char *const names[3][FILES] = {
    {"data_batch_1.bin", "data_batch_2.bin", "test_batch.bin", "batches.meta.txt"},
    {"train.bin", "test.bin", "unknown.bin", "fine_label_names.txt"},
    {"train_X.bin", "train_y.bin", "unlabeled_X.bin", "class_names.txt"}};

/* `count` records of `lead` label bytes and `pixels` bytes; at most `spare` bytes of them missing or too many. */
static void put_records(fuzz_source *s, const char *name, fuzz_input *in, size_t lead, size_t pixels)
{
    size_t count = fuzz_byte(in) % (RECORDS + 1), size = count * (lead + pixels);
    int change = (int)fuzz_byte(in) - 128;
    uint8_t *file = px_calloc(size + 256, 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lead; k++)
            file[i * (lead + pixels) + k] = fuzz_byte(in);
        if (pixels > 0)
            file[i * (lead + pixels) + lead] = (uint8_t)i;
    }
    size_t used = change < 0 && size < (size_t)-change ? 0 : size + (size_t)change;
    fuzz_source_put(s, name, file, used);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size, 0};
    int format = fuzz_byte(&in) % 3, files = fuzz_byte(&in) % 8;
    fuzz_source s = fuzz_source_begin();
    for (int i = 0; i < FILES - 1; i++) {
        bool labels = strcmp(names[format][i], "train_y.bin") == 0;
        size_t lead = format == 2 ? labels : (size_t)format + 1, pixels = format < 2 ? PIXELS : labels ? 0 : STL_PIXELS;
        if (files >> i & 1)
            put_records(&s, names[format][i], &in, lead, pixels);
    }
    if (in.at < size)
        fuzz_source_put(&s, names[format][FILES - 1], bytes + in.at, size - in.at);
    fuzz_source_end(&s, names[format], FILES);
    return 0;
}
