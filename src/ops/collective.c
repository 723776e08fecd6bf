/* collective.c - sums and gathers across ranks, as differentiable ops.
 *
 * Every rank r backpropagates its own loss L_r, and gradients of parameters are then averaged over ranks. The result is
 * the gradient of the mean of all L_r, provided that the gradient of a value is that of the *sum* of all ranks' losses.
 * So the adjoint of a gather is a reduce-scatter sum, and the adjoint of a sum over ranks is the sum of the gradients
 * over ranks. */
#include "backends/portable/portable.h"
#include "dist/shards.h"
#include "graph/op.h"
#include "ops/ops.h"

#include <string.h>

/* ---- a batch cut into shards ---- */

typedef struct arrays {
    void *in[PX_SHARDS_MAX], *out[PX_SHARDS_MAX];
    px_summand summand;
    int64_t in_count, out_count; /* elements */
} arrays;

static arrays arrays_of(const px_step *const s[], int shards)
{
    const px_value *x = s[0]->node->in[0], *y = s[0]->node->out[0];
    arrays a = {.summand = x->dtype == PX_F64 ? px_summand_f64() : px_summand_f32(),
                .in_count = px_shape_count(x->shape),
                .out_count = px_shape_count(y->shape)};
    for (int k = 0; k < shards; k++) {
        a.in[k] = s[k]->in[0];
        a.out[k] = s[k]->out[0];
    }
    return a;
}

static void reduce_together(const px_step *const s[], int shards)
{
    arrays a = arrays_of(s, shards);
    for (int k = 0; k < shards; k++)
        if (a.out[k] != a.in[k])
            memcpy(a.out[k], a.in[k], (size_t)a.in_count * a.summand.bytes);
    px_shards_sum(px_plan_comm(s[0]->plan), a.summand, a.out, shards, a.out_count);
}

static void scatter_together(const px_step *const s[], int shards)
{
    arrays a = arrays_of(s, shards);
    px_shards_reduce_scatter(px_plan_comm(s[0]->plan), a.summand, (const void *const *)a.in, a.out, shards,
                             a.out_count);
}

static void gather_together(const px_step *const s[], int shards)
{
    arrays a = arrays_of(s, shards);
    px_shards_gather(px_plan_comm(s[0]->plan), (const void *const *)a.in, a.out, shards,
                     a.in_count * (int64_t)a.summand.bytes);
}

/* ---- the ops ---- */

static void reduce_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
    n->out[0]->dtype = n->in[0]->dtype;
}

static void reduce_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], px_all_reduce(g, n->out[0]->grad));
}

const px_op px_op_all_reduce = {.name = "all_reduce",
                                .in_min = 1,
                                .infer = reduce_infer,
                                .grad = reduce_grad,
                                .portable = PX_PORTABLE(all_reduce),
                                .together = reduce_together,
                                .effect = true,
                                .in_place = 1};

px_value *px_all_reduce(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_all_reduce, &x, 1, NULL);
}

static void scatter_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
    n->out[0]->shape.dim[0] /= *(const int *)n->attr;
}

const px_op px_op_reduce_scatter = {.name = "reduce_scatter",
                                    .attr_size = sizeof(int),
                                    .in_min = 1,
                                    .infer = scatter_infer,
                                    .portable = PX_PORTABLE(reduce_scatter),
                                    .together = scatter_together,
                                    .effect = true};

static void gather_infer(px_graph *g, px_node *n)
{
    if (n->in[0]->shape.rank < 1)
        px_graph_fail(g, "all_gather: a scalar has no rows");
    n->out[0]->shape = n->in[0]->shape;
    n->out[0]->shape.dim[0] *= *(const int *)n->attr;
}

static void gather_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_reduce_scatter, &n->out[0]->grad, 1, n->attr));
}

const px_op px_op_all_gather = {.name = "all_gather",
                                .attr_size = sizeof(int),
                                .in_min = 1,
                                .infer = gather_infer,
                                .grad = gather_grad,
                                .portable = PX_PORTABLE(all_gather),
                                .together = gather_together,
                                .effect = true};

px_value *px_all_gather(px_graph *g, px_value *x, int *first)
{
    px_mode mode = px_graph_mode(g);
    int ranks = mode.ranks;
    if (first)
        *first = x->shape.rank ? mode.rank * (int)x->shape.dim[0] : 0;
    return px_node_add(g, &px_op_all_gather, &x, 1, &ranks);
}
