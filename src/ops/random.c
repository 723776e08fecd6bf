/* random.c - numbers that are drawn anew in each step: the directions of LeJEPA's test.
 *
 * They come from the key (seed, step, stream, row), so that all ranks and micro-batches of a step have the same ones, and a run
 * that continues has those of one that never stopped. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = ((const px_random_attr *)n->attr)->shape;
}

const px_op px_op_random_normal = {.name = "random_normal",
                                   .attr_size = sizeof(px_random_attr),
                                   .infer = infer,
                                   .portable = PX_PORTABLE(random_normal)};

px_value *px_random_normal(px_graph *g, int stream, px_shape shape)
{
    px_random_attr a = {.shape = shape, .stream = stream};
    return px_node_add(g, &px_op_random_normal, NULL, 0, &a);
}
