/* backend.c - finds backends by name; memory of the host; the portable backend's reorders. */
#include "backends/rows.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory of the host ---- */

void px_host_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

void px_host_follow(void *to, const void *leader, int64_t n, double momentum, bool wide)
{
    const float m = (float)momentum, rest = 1 - m; /* they add up to 1, or an average would shrink: rest may be 1e-5 */
    if (wide) {
        double *y = to;
        const double *x = leader;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            y[i] = momentum * y[i] + (1 - momentum) * x[i];
    } else {
        float *y = to;
        const float *x = leader;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            y[i] = m * y[i] + rest * x[i];
    }
}

/* ---- the portable backend ---- */

static void copy(const px_step *s)
{
    memcpy(s->out[0], s->in[0], s->out_format[0].bytes);
}

/* All formats are plain: a reorder only copies. */
void px_plain_reorder(px_step *step, px_shape shape, px_storage from, px_storage to)
{
    (void)shape;
    PX_CHECK(from.block == 1 && to.block == 1 && from.dtype == to.dtype && from.bytes == to.bytes);
    step->out_format[0] = to;
    step->run = copy;
}

bool px_plain_same(const void *own_a, const void *own_b)
{
    return own_a == own_b;
}

const px_backend px_backend_openblas = {.name = "openblas",
                                        .allocate = px_aligned_calloc,
                                        .release = free,
                                        .copy = px_host_copy,
                                        .follow = px_host_follow,
                                        .update = &px_update_portable,
                                        .reorder = px_plain_reorder,
                                        .same = px_plain_same};

const px_backend *px_backend_find(const char *name)
{
    static const px_backend *const backends[] = {&px_backend_fast, &px_backend_openblas};
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (strcmp(name, backends[i]->name) == 0 || strcmp(name, "auto") == 0)
            return backends[i];
    if (strcmp(name, "onednn") == 0)
        return px_fail_null(PX_USAGE, "backend = onednn: this build of Pretext has no oneDNN; auto uses our own fast "
                                      "kernels and the portable ones");
    return px_fail_null(PX_USAGE, "there is no backend '%s': choose auto, onednn or openblas", name);
}
