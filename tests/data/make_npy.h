/* make_npy.h - NumPy's arrays as numpy.save writes them. */
#ifndef PX_TEST_MAKE_NPY_H
#define PX_TEST_MAKE_NPY_H

#include "make_data.h"

/* `type`: "|u1", "<i8", ...; `shape`: "(2, 3)". `version`: 1, 2 or 3. The caller frees bytes. */
static inline blob make_npy(int version, const char *type, bool by_columns, const char *shape, const void *numbers,
                            size_t size)
{
    size_t lead = version == 1 ? 10 : 12;
    char *text =
        px_format("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", type, by_columns ? "True" : "False", shape);
    size_t used = strlen(text),
           length = (lead + used + 1 + 63) / 64 * 64 - lead; /* blanks and a newline to a multiple of 64 */
    blob b = {.bytes = px_calloc(lead + length + size, 1), .size = lead + length + size};
    memcpy(b.bytes, "\x93NUMPY", 6);
    b.bytes[6] = (uint8_t)version;
    b.bytes[8] = (uint8_t)length;
    b.bytes[9] = (uint8_t)(length >> 8);
    memset(b.bytes + lead, ' ', length);
    memcpy(b.bytes + lead, text, used);
    b.bytes[lead + length - 1] = '\n';
    memcpy(b.bytes + lead + length, numbers, size);
    free(text);
    return b;
}

#endif
