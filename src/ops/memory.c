/* memory.c - what a network made of each image when it last saw it, kept in a state, and the clusters of these rows (DeepCluster).
 *
 * All ranks have the whole memory, the same one. They share the search for the nearest centroids; the sums that follow are made
 * on each rank in the order of the rows, so that the bits do not depend on the number of ranks and threads. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

#include <string.h>

/* ---- recall ---- */

static void recall_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape memory = n->in[0]->shape, index = n->in[1]->shape;
    if (n->in[0]->kind != PX_STATE || memory.rank != 2 || index.rank != 1) {
        px_graph_fail(g, "recall: the memory is a state (N, W), index (n), not %s and %s", px_shape_text(memory, a),
                      px_shape_text(index, b));
        return;
    }
    n->out[0]->shape = PX_SHAPE(index.dim[0], memory.dim[1]);
}

/* memory, index -> rows */
const px_op px_op_recall = {.name = "recall", .in_min = 2, .infer = recall_infer, .portable = PX_PORTABLE(recall)};

px_value *px_recall(px_graph *g, px_value *memory, px_value *index)
{
    return px_node_add(g, &px_op_recall, (px_value *[]){memory, index}, 2, NULL);
}

/* ---- remember ---- */

static void remember_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape memory = n->in[0]->shape, rows = n->in[3]->shape;
    bool fits = memory.rank == 2 && rows.rank == 2 && memory.dim[1] == rows.dim[1] && n->in[2]->shape.rank == 1 &&
                n->in[2]->shape.dim[0] == rows.dim[0] && px_shape_count(n->in[1]->shape) == 1;
    if (!fits)
        px_graph_fail(g, "remember: rows %s do not fit into a memory %s", px_shape_text(rows, a),
                      px_shape_text(memory, b));
    if (n->in[0]->kind != PX_STATE || n->in[1]->kind != PX_STATE)
        px_graph_fail(g, "remember: a memory and the count of what it saw are states (px_state)");
    n->out[0]->shape = n->in[1]->shape;
}

/* memory, seen, index, rows -> seen afterwards */
const px_op px_op_remember = {.name = "remember",
                              .attr_size = sizeof(int64_t),
                              .in_min = 4,
                              .infer = remember_infer,
                              .portable = PX_PORTABLE(remember),
                              .effect = true};

void px_remember(px_graph *g, px_value *memory, px_value *seen, px_value *index, px_value *rows, int64_t every)
{
    px_node_add(g, &px_op_remember, (px_value *[]){memory, seen, index, rows}, 4, &every);
}

/* ---- clusters ---- */

static void cluster_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    const px_cluster_attr *c = n->attr;
    px_shape centroids = n->in[0]->shape, memory = n->in[1]->shape;
    if (centroids.rank != 2 || memory.rank != 2 || c->how.column + centroids.dim[1] > memory.dim[1])
        px_graph_fail(g, "cluster: centroids %s do not fit to a memory %s", px_shape_text(centroids, a),
                      px_shape_text(memory, b));
    for (int i = 0; i < 3; i++)
        if (n->in[i]->kind != PX_STATE)
            px_graph_fail(g, "cluster: centroids, the memory and the count of what it saw are states (px_state)");
    n->out[0]->shape = n->in[2]->shape;
}

/* Ranks take part, shards do not: they share the states. */
static void cluster_together(const px_step *const s[], int shards)
{
    bool wide = s[0]->node->in[0]->dtype == PX_F64;
    (wide ? px_f64_cluster : px_f32_cluster)(s[0]);
    for (int k = 1; k < shards; k++)
        memcpy(s[k]->out[0], s[0]->out[0], wide ? sizeof(double) : sizeof(float));
}

static size_t cluster_scratch(const px_node *n)
{
    const px_cluster_attr *c = n->attr;
    return px_cluster_places(n->in[1]->shape.dim[0], n->in[0]->shape.dim[0], n->in[0]->shape.dim[1], c->ranks).bytes;
}

/* centroids, memory, seen -> seen */
const px_op px_op_cluster = {.name = "cluster",
                             .attr_size = sizeof(px_cluster_attr),
                             .in_min = 3,
                             .infer = cluster_infer,
                             .portable = PX_PORTABLE(cluster),
                             .together = cluster_together,
                             .scratch = cluster_scratch,
                             .reads_only = {[1] = true, [2] = true},
                             .effect = true};

void px_cluster(px_graph *g, px_value *centroids, px_value *memory, px_value *seen, px_spherical how)
{
    px_cluster_attr a = {.how = how, .ranks = px_graph_mode(g).ranks};
    px_node_add(g, &px_op_cluster, (px_value *[]){centroids, memory, seen}, 3, &a);
}
