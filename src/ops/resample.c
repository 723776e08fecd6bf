/* resample.c - maps whose pixels are weighted sums of neighbouring pixels, along each axis by itself: resizing and average
 * pooling. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    (void)g;
    const px_resample_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    n->out[0]->shape = PX_SHAPE(x.dim[0], x.dim[1], a->axis[0].outputs, a->axis[1].outputs);
}

static void back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

static const char *text(const px_node *n)
{
    switch (((const px_resample_attr *)n->attr)->axis[0].rule) {
    case PX_TAP_WINDOW:
        return "avg_pool";
    case PX_TAP_BINS:
        return "adaptive_avg_pool";
    default:
        return "resize";
    }
}

static const char *text_back(const px_node *n)
{
    switch (((const px_resample_attr *)n->attr)->axis[0].rule) {
    case PX_TAP_WINDOW:
        return "avg_pool_back";
    case PX_TAP_BINS:
        return "adaptive_avg_pool_back";
    default:
        return "resize_back";
    }
}

static size_t scratch(const px_node *n)
{
    const px_resample_attr *a = n->attr;
    return px_taps_bytes(&a->axis[0], false) + 8 + px_taps_bytes(&a->axis[1], false);
}

/* dy, x -> dx: the adjoint; x gives its shape and format */
const px_op px_op_resample_back = {.name = "resample_back",
                                   .text = text_back,
                                   .shape_only = {[1] = true},
                                   .attr_size = sizeof(px_resample_attr),
                                   .in_min = 2,
                                   .infer = back_infer,
                                   .scratch = scratch,
                                   .portable = PX_PORTABLE(resample_back)};

static void grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_resample_back, in, 2, n->attr));
}

const px_op px_op_resample = {.name = "resample",
                              .text = text,
                              .attr_size = sizeof(px_resample_attr),
                              .in_min = 1,
                              .infer = infer,
                              .grad = grad,
                              .scratch = scratch,
                              .portable = PX_PORTABLE(resample)};

px_value *px_resample(px_graph *g, px_value *x, const px_resample_attr *a)
{
    return px_node_add(g, &px_op_resample, &x, 1, a);
}

px_value *px_resize_map(px_graph *g, px_value *x, int64_t height, int64_t width, px_resizing how)
{
    char t[64];
    px_shape s = x->shape;
    const int64_t size[] = {height, width};
    if (s.rank != 4)
        return px_graph_fail(g, "resize: %s is not a map (N, C, H, W)", px_shape_text(s, t));
    if (s.dim[2] < 1 || s.dim[3] < 1 || height < 1 || width < 1)
        return px_graph_fail(g, "resize: %s to %lld x %lld: both need pixels", px_shape_text(s, t), (long long)height,
                             (long long)width);
    if (how.by == PX_RESIZE_NEAREST && (how.align_corners || how.antialias))
        return px_graph_fail(g, "resize: align_corners and antialias are for bilinear and bicubic");
    if (s.dim[2] == height && s.dim[3] == width)
        return x;
    px_resample_attr a;
    for (int k = 0; k < 2; k++)
        a.axis[k] = (px_tap_axis){.rule = how.by == PX_RESIZE_NEAREST  ? PX_TAP_NEAREST
                                          : how.by == PX_RESIZE_LINEAR ? PX_TAP_LINEAR
                                                                       : PX_TAP_CUBIC,
                                  .inputs = s.dim[2 + k],
                                  .outputs = size[k],
                                  .align_corners = how.align_corners,
                                  .antialias = how.antialias};
    return px_resample(g, x, &a);
}
