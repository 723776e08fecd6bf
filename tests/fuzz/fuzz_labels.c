/* fuzz_labels.c - text files of labels=. Input: the file. Every second path names an image. */
#include "data/labels.h"
#include "fuzz.h"

static bool every_second(void *context, const char *path)
{
    (void)context;
    return strlen(path) % 2 == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    px_label_rows rows;
    char *text = px_calloc(size + 1, 1);
    memcpy(text, bytes, size);
    if (px_label_rows_read(&rows, text, size, "labels.csv", every_second, NULL) != 0)
        fuzz_check_message();
    else
        PX_CHECK(rows.count > 0);
    for (int k = 0; k < rows.count; k++)
        PX_CHECK(rows.row[k].label && (rows.list || rows.row[k].path));
    px_label_rows_free(&rows);
    free(text);
    return 0;
}
