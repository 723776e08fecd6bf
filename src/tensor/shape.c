/* shape.c - see shape.h. */
#include "tensor/shape.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

px_shape px_shape_make(const int64_t dim[], int rank)
{
    PX_CHECK(rank >= 0 && rank <= PX_RANK_MAX);
    px_shape s = {.rank = rank};
    memcpy(s.dim, dim, (size_t)rank * sizeof dim[0]);
    return s;
}

int64_t px_shape_tail(px_shape s, int from)
{
    int64_t n = 1;
    for (int i = from; i < s.rank; i++)
        n *= s.dim[i];
    return n;
}

int64_t px_shape_count(px_shape s)
{
    return px_shape_tail(s, 0);
}

bool px_shape_equal(px_shape a, px_shape b)
{
    return a.rank == b.rank && memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0;
}

char *px_shape_text(px_shape s, char buffer[64])
{
    enum { WIDEST = 24, SIZE = 64 }; /* ", -9223372036854775808" and ")" */
    int n = snprintf(buffer, SIZE, "("), i = 0;
    for (; i < s.rank && n + WIDEST < SIZE; i++)
        n += snprintf(buffer + n, SIZE - (size_t)n, "%s%" PRId64, i ? ", " : "", s.dim[i]);
    snprintf(buffer + n, SIZE - (size_t)n, i < s.rank ? ", ...)" : ")");
    return buffer;
}
