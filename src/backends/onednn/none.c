/* none.c - the fast backend in a build without oneDNN: our own kernels, and the portable ones for convolutions,
 * matrix products and max pooling. All formats are plain, in float. */
#include "backends/rows.h"
#include "base/error.h"

#include <stdlib.h>

bool px_bf16_native(void)
{
    return false;
}

const px_backend px_backend_fast = {.name = "own",
                                    .rows = px_fast_rows,
                                    .in_double = &px_backend_openblas,
                                    .allocate = px_aligned_calloc,
                                    .release = free,
                                    .copy = px_host_copy,
                                    .follow = px_host_follow,
                                    .update = &px_update_fast,
                                    .reorder = px_plain_reorder,
                                    .same = px_plain_same};
