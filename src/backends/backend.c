/* backend.c - finds backends by name; the portable backend's reorders. */
#include "base/error.h"
#include "graph/plan.h"

#include <string.h>

static void copy(const px_step *s)
{
    memcpy(s->out[0], s->in[0], s->out_format[0].bytes);
}

/* All formats are plain: a reorder only copies. */
static void reorder(px_step *step, px_shape shape, px_storage from, px_storage to)
{
    (void)shape;
    PX_CHECK(from.block == 1 && to.block == 1 && from.dtype == to.dtype && from.bytes == to.bytes);
    step->out_format[0] = to;
    step->run = copy;
}

static bool same(const void *a, const void *b)
{
    return a == b;
}

const px_backend px_backend_openblas = {.name = "openblas", .reorder = reorder, .same = same};

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
