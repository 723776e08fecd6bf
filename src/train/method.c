#include "train/method.h"
#include "base/config.h"
#include "base/error.h"

#include <string.h>

px_value *px_view_input(px_build *b, const char *name)
{
    px_value *v = px_graph_find_input(b->g, name);
    return v ? v : px_graph_fail(b->g, "the method has no view '%s'", name);
}

px_encoding px_encode(px_build *b, px_value *x)
{
    return b->backbone->family->build(b->g, b->backbone, b->backbone_cfg, x);
}

void px_metric(px_build *b, const char *name, px_value *v)
{
    px_graph_output(b->g, name, v);
}

const px_method *px_method_find(const char *name)
{
    const char *names[64];
    int n = 0;
    for (; px_methods[n]; n++) {
        PX_CHECK(n < 63);
        if (strcmp(px_methods[n]->name, name) == 0)
            return px_methods[n];
        names[n] = px_methods[n]->name;
    }
    names[n] = NULL;
    const char *near = px_nearest(name, names);
    return px_fail_null(PX_USAGE, "there is no method '%s'%s%s%s ('pretext methods' lists them)", name,
                        near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}
