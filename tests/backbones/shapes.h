/* shapes.h - the parameters of a graph as a file of weights would have them, for px_backbone_family.stored and of_shapes. */
#ifndef PX_TESTS_BACKBONES_SHAPES_H
#define PX_TESTS_BACKBONES_SHAPES_H

#include "graph/graph.h"

#include <string.h>

/* `file` is a px_graph. Rank 0: it has no such parameter. */
static inline px_shape shape_in(const void *file, const char *name)
{
    const px_graph *g = file;
    for (int i = 0; i < px_graph_params(g); i++)
        if (strcmp(px_graph_param(g, i)->name, name) == 0)
            return px_graph_param(g, i)->value->shape;
    return (px_shape){0};
}

#endif
