/* none.c - the fast backend in a build without oneDNN: our own kernels, and the portable ones for convolutions,
 * matrix products and max pooling. All formats are plain, in float. */
#include "backends/rows.h"
#include "base/error.h"

#include <stdlib.h>

bool px_bf16_native(void)
{
    return false;
}

static void reorder(px_step *step, px_shape shape, px_storage from, px_storage to)
{
    px_backend_openblas.reorder(step, shape, from, to);
}

static bool same(const void *own_a, const void *own_b)
{
    return own_a == own_b;
}

const px_backend px_backend_fast = {.name = "own",
                                    .rows = px_fast_rows,
                                    .in_double = &px_backend_openblas,
                                    .allocate = px_aligned_calloc,
                                    .release = free,
                                    .copy = px_host_copy,
                                    .follow = px_host_follow,
                                    .reorder = reorder,
                                    .same = same};
