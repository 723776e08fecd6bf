/* find.c - a backbone by its name; a parameter's layer. */
#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"

#include <string.h>

const px_backbone *px_backbone_find(const char *name)
{
    const char *names[256];
    int n = 0;
    for (int f = 0; px_backbone_families[f]; f++)
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++) {
            if (strcmp(b->name, name) == 0)
                return b;
            PX_CHECK(n < 255);
            names[n++] = b->name;
        }
    names[n] = NULL;
    const char *near = px_nearest(name, names);
    return px_fail_null(PX_USAGE, "there is no backbone '%s'%s%s%s ('pretext backbones' lists them)", name,
                        near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int px_backbone_layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    int layer = b->family->layer(b, c, parameter, layers);
    return strcmp(parameter, "mask_token") == 0 ? 0 : layer;
}
