/* none.c - the fast backend in a build without oneDNN: our own kernels, and the portable ones for convolutions,
 * matrix products and max pooling. All formats are plain, in float. */
#include "backends/fast.h"

bool px_bf16_native(void)
{
    return false;
}

static bool left_to_portable(px_plan *p, px_step *s)
{
    (void)p, (void)s;
    return false;
}

bool px_onednn_conv2d(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_conv2d_back_data(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_conv2d_back_weight(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_matmul(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_linear_gelu(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_max_pool(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

bool px_onednn_max_pool_back(px_plan *p, px_step *s)
{
    return left_to_portable(p, s);
}

static void reorder(px_step *step, px_shape shape, px_storage from, px_storage to)
{
    px_backend_openblas.reorder(step, shape, from, to);
}

static bool same(const void *own_a, const void *own_b)
{
    return own_a == own_b;
}

const px_backend px_backend_fast = {.name = "own", .fast = true, .reorder = reorder, .same = same};
