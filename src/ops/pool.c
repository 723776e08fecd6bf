/* pool.c - max pooling and global average pooling. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

/* ---- max ---- */

/* How windows slide over x. In ceil_mode `after` grows until the last window, which must begin before the padding ends,
 * is whole. false: the graph has failed. */
static bool slide_of(px_graph *g, const char *op, px_shape x, const px_pooling *how, px_sliding *s)
{
    char t[64];
    if (x.rank != 4)
        return px_graph_fail(g, "%s: %s is not a map (N, C, H, W)", op, px_shape_text(x, t)), false;
    for (int k = 0; k < 2; k++) {
        s->kernel[k] = how->kernel[k];
        s->stride[k] = how->stride[k] ? how->stride[k] : how->kernel[k];
        s->dilation[k] = how->dilation[k] ? how->dilation[k] : 1;
        s->before[k] = s->after[k] = how->pad[k];
        if (s->kernel[k] < 1 || s->stride[k] < 1 || s->dilation[k] < 1 || how->pad[k] < 0)
            return px_graph_fail(g, "%s: kernel %d, stride %d, padding %d, dilation %d", op, how->kernel[k],
                                 how->stride[k], how->pad[k], how->dilation[k]),
                   false;
        if (2 * how->pad[k] > s->kernel[k])
            return px_graph_fail(g, "%s: a padding of %d is more than half of a kernel of %d", op, how->pad[k],
                                 s->kernel[k]),
                   false;
        int64_t room = x.dim[2 + k] + 2 * how->pad[k] - px_sliding_reach(s, k);
        if (x.dim[2 + k] < 1 || room < 0)
            return px_graph_fail(g, "%s: %s is too small for a kernel of %lld", op, px_shape_text(x, t),
                                 (long long)px_sliding_reach(s, k)),
                   false;
        int64_t more = (s->stride[k] - room % s->stride[k]) % s->stride[k];
        int64_t begin = (room + more) / s->stride[k] * s->stride[k];
        if (how->ceil_mode && begin < x.dim[2 + k] + how->pad[k])
            s->after[k] += (int)more;
    }
    return true;
}

static void max_infer(px_graph *g, px_node *n)
{
    (void)g;
    const px_pool_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    n->out[0]->shape = PX_SHAPE(x.dim[0], x.dim[1], px_sliding_outputs(&a->slide, 0, x.dim[2]),
                                px_sliding_outputs(&a->slide, 1, x.dim[3]));
    n->out[1]->shape = n->out[0]->shape;
    n->out[1]->dtype = PX_I32;
}

static void max_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[2]->shape;
}

/* dy, places, x -> dx; x gives its shape and format */
const px_op px_op_max_pool_back = {.name = "max_pool_back",
                                   .shape_only = {[2] = true},
                                   .attr_size = sizeof(px_pool_attr),
                                   .in_min = 3,
                                   .infer = max_back_infer,
                                   .portable = PX_PORTABLE(max_pool_back)};

static void max_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->out[1], n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_max_pool_back, in, 3, n->attr));
}

/* x -> y, places of the maxima */
const px_op px_op_max_pool = {.name = "max_pool",
                              .attr_size = sizeof(px_pool_attr),
                              .in_min = 1,
                              .outputs = 2,
                              .infer = max_infer,
                              .grad = max_grad,
                              .portable = PX_PORTABLE(max_pool)};

px_value *px_max_pool2d(px_graph *g, px_value *x, px_pooling how)
{
    px_pool_attr a;
    return slide_of(g, "max_pool", x->shape, &how, &a.slide) ? px_node_add(g, &px_op_max_pool, &x, 1, &a) : x;
}

px_value *px_max_pool(px_graph *g, px_value *x, int kernel, int stride, int pad)
{
    return px_max_pool2d(g, x, (px_pooling){.kernel = {kernel, kernel}, .stride = {stride, stride}, .pad = {pad, pad}});
}

/* ---- average ---- */

px_value *px_avg_pool2d(px_graph *g, px_value *x, px_pooling how)
{
    px_sliding s;
    if (!slide_of(g, "avg_pool", x->shape, &how, &s))
        return x;
    if (s.dilation[0] != 1 || s.dilation[1] != 1)
        return px_graph_fail(g, "avg_pool: dilation is for max_pool");
    px_resample_attr a;
    for (int k = 0; k < 2; k++) /* what ceil_mode has added counts for no average */
        a.axis[k] = (px_tap_axis){.rule = PX_TAP_WINDOW,
                                  .inputs = x->shape.dim[2 + k],
                                  .outputs = px_sliding_outputs(&s, k, x->shape.dim[2 + k]),
                                  .kernel = s.kernel[k],
                                  .stride = s.stride[k],
                                  .before = how.pad[k],
                                  .after = how.pad[k],
                                  .exclude_pad = how.exclude_pad};
    return px_resample(g, x, &a);
}

px_value *px_adaptive_avg_pool(px_graph *g, px_value *x, int64_t height, int64_t width)
{
    char t[64];
    px_shape s = x->shape;
    const int64_t size[] = {height, width};
    if (s.rank != 4 || s.dim[2] < 1 || s.dim[3] < 1 || height < 1 || width < 1)
        return px_graph_fail(g, "adaptive_avg_pool: %s to %lld x %lld: both need pixels", px_shape_text(s, t),
                             (long long)height, (long long)width);
    if (height == 1 && width == 1)
        return px_reshape(g, px_global_avg_pool(g, x), PX_SHAPE(s.dim[0], s.dim[1], 1, 1));
    px_resample_attr a;
    for (int k = 0; k < 2; k++)
        a.axis[k] = (px_tap_axis){.rule = PX_TAP_BINS, .inputs = s.dim[2 + k], .outputs = size[k]};
    return px_resample(g, x, &a);
}

/* ---- global average ---- */

static void avg_infer(px_graph *g, px_node *n)
{
    if (n->in[0]->shape.rank != 4)
        px_graph_fail(g, "global_avg_pool: needs (N, C, H, W)");
    n->out[0]->shape = PX_SHAPE(n->in[0]->shape.dim[0], n->in[0]->shape.dim[1]);
}

static void avg_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

/* dy, x -> dx; x gives its shape and format */
const px_op px_op_global_avg_pool_back = {.name = "global_avg_pool_back",
                                          .shape_only = {[1] = true},
                                          .in_min = 2,
                                          .infer = avg_back_infer,
                                          .portable = PX_PORTABLE(global_avg_pool_back)};

static void avg_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_global_avg_pool_back, in, 2, NULL));
}

const px_op px_op_global_avg_pool = {.name = "global_avg_pool",
                                     .in_min = 1,
                                     .infer = avg_infer,
                                     .grad = avg_grad,
                                     .portable = PX_PORTABLE(global_avg_pool)};

px_value *px_global_avg_pool(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_global_avg_pool, &x, 1, NULL);
}
