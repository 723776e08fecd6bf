/* response_norm.c - local response normalisation, composed of other ops. */
#include "ops/attr.h"
#include "ops/ops.h"

px_value *px_local_response_norm(px_graph *g, px_value *x, int size, double alpha, double beta, double k)
{
    char t[64];
    px_shape s = x->shape;
    if (s.rank != 4 || size < 1)
        return px_graph_fail(g, "local_response_norm: %d channels of %s, which is to be (N, C, H, W)", size,
                             px_shape_text(s, t));
    if (px_shape_count(s) == 0)
        return x;
    /* The mean over a window of channels is an average pool of a map of (C, H W); beyond the first and the last channel
     * zeros are counted. */
    int64_t pixels = s.dim[2] * s.dim[3];
    px_value *squares = px_reshape(g, px_unary(g, PX_FN_SQUARE, x, 0, 0), PX_SHAPE(s.dim[0], 1, s.dim[1], pixels));
    px_resample_attr window = {
        .axis = {{.rule = PX_TAP_WINDOW,
                  .inputs = s.dim[1],
                  .outputs = s.dim[1],
                  .kernel = size,
                  .stride = 1,
                  .before = size / 2,
                  .after = (size - 1) / 2},
                 {.rule = PX_TAP_WINDOW, .inputs = pixels, .outputs = pixels, .kernel = 1, .stride = 1}}};
    px_value *mean = px_reshape(g, px_resample(g, squares, &window), s);
    px_value *logarithm = px_unary(g, PX_FN_LOG, px_unary(g, PX_FN_AFFINE, mean, alpha, k), 0, 0);
    return px_binary(g, PX_MUL, x, px_unary(g, PX_FN_EXP, px_scale(g, logarithm, -beta), 0, 0));
}
