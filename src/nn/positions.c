/* positions.c - see positions.h. Resampling is torch's interpolate(mode="bicubic", antialias=True): Keys' cubic with a = -0.5,
 * widened by the scale when the grid shrinks, cut off and renormalised at the border. */
#include "nn/positions.h"
#include "base/error.h"
#include "ops/ops.h"
#include "ops/taps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct grid {
    int64_t prefix, side;
} grid;

/* (1, P + side^2, D) with P 0 or 1; side 0: not a grid. */
static grid grid_of(px_shape s)
{
    for (int64_t prefix = 0; prefix < 2 && s.rank == 3 && s.dim[0] == 1; prefix++) {
        int64_t side = (int64_t)llround(sqrt((double)(s.dim[1] - prefix)));
        if (side > 0 && side * side == s.dim[1] - prefix)
            return (grid){prefix, side};
    }
    return (grid){0, 0};
}

/* out (outputs, width) = weighted sums of rows of in (inputs, width) */
static void mix(const px_taps *t, const double *in, int64_t width, double *out)
{
    for (int64_t o = 0; o < t->outputs; o++)
        for (int i = 0; i < t->count[o]; i++)
            for (int64_t k = 0; k < width; k++)
                out[o * width + k] += t->weight[o * t->most + i] * in[(t->first[o] + i) * width + k];
}

int px_positions_resample(px_shape from, const float *in, px_shape to, float *out)
{
    grid a = grid_of(from), b = grid_of(to);
    if (a.side == 0 || b.side == 0 || from.dim[2] != to.dim[2] || b.prefix > a.prefix)
        return -1;
    int64_t D = to.dim[2], h = a.side, k = b.side;
    memcpy(out, in, (size_t)(b.prefix * D) * sizeof out[0]);
    px_tap_axis axis = {.rule = PX_TAP_CUBIC, .inputs = h, .outputs = k, .antialias = true};
    void *memory = px_calloc(1, px_taps_bytes(&axis, false));
    px_taps taps = px_taps_make(&axis, false, memory);
    double *whole = px_calloc((size_t)(h * h * D), sizeof whole[0]);
    double *rows = px_calloc((size_t)(h * k * D), sizeof rows[0]);
    double *all = px_calloc((size_t)(k * k * D), sizeof all[0]);
    for (int64_t i = 0; i < h * h * D; i++)
        whole[i] = in[a.prefix * D + i];
    for (int64_t y = 0; y < h; y++) /* along each row */
        mix(&taps, whole + y * h * D, D, rows + y * k * D);
    mix(&taps, rows, k * D, all); /* whole rows, from top to bottom */
    for (int64_t i = 0; i < k * k * D; i++)
        out[b.prefix * D + i] = (float)all[i];
    free(memory);
    free(whole);
    free(rows);
    free(all);
    return 0;
}

/* Row (y, x) of the new grid is made of rows (i, j) of the old one by weight[y, i] weight[x, j]. */
static double *of_grid(int64_t inputs, int64_t outputs)
{
    px_tap_axis axis = {.rule = PX_TAP_CUBIC, .inputs = inputs, .outputs = outputs, .antialias = true};
    void *memory = px_calloc(1, px_taps_bytes(&axis, false));
    px_taps t = px_taps_make(&axis, false, memory);
    int64_t from = inputs * inputs, to = outputs * outputs;
    double *side = px_calloc((size_t)(inputs * outputs), sizeof side[0]);
    double *whole = px_calloc((size_t)(from * to), sizeof whole[0]);
    for (int64_t o = 0; o < outputs; o++)
        for (int i = 0; i < t.count[o]; i++)
            side[o * inputs + t.first[o] + i] = t.weight[o * t.most + i];
    for (int64_t o = 0; o < to; o++)
        for (int64_t i = 0; i < from; i++)
            whole[o * from + i] = side[o / outputs * inputs + i / inputs] * side[o % outputs * inputs + i % inputs];
    free(side);
    free(memory);
    return whole;
}

px_value *px_positions_for(px_graph *g, px_value *table, int64_t rows, int64_t columns)
{
    grid a, b;
    px_shape to = table->shape;
    char text[64];
    if (px_graph_error(g))
        return table;
    if (to.rank == 3)
        to.dim[1] = 1 + rows * columns;
    if (px_shape_equal(to, table->shape))
        return table;
    a = grid_of(table->shape);
    b = grid_of(to);
    if (a.side == 0 || b.side == 0 || rows != columns || a.prefix != 1)
        return px_graph_fail(g, "positions %s cannot be resampled for %lld x %lld patches: both must be squares",
                             px_shape_text(table->shape, text), (long long)rows, (long long)columns);
    int64_t D = to.dim[2], inputs = a.side * a.side, outputs = b.side * b.side;
    double *weight = of_grid(a.side, b.side);
    px_value *w = px_constant_real(g, PX_SHAPE(outputs, inputs), weight);
    free(weight);
    px_value *patches = px_reshape(g, px_slice(g, table, 1, 1, inputs), PX_SHAPE(inputs, D));
    patches = px_reshape(g, px_matmul(g, w, patches, false, false, 1), PX_SHAPE(1, outputs, D));
    return px_concat(g, 1, (px_value *[]){px_slice(g, table, 1, 0, 1), patches}, 2);
}

/* ---- sines and cosines ---- */

/* Sines, then cosines, of position / 10000^(k / count) for k < count. */
static void waves(float *out, int64_t count, double place)
{
    for (int64_t k = 0; k < count; k++) {
        double angle = place / pow(10000, (double)k / (double)count);
        out[k] = (float)sin(angle);
        out[count + k] = (float)cos(angle);
    }
}

px_value *px_sincos_positions(px_graph *g, const char *name, int64_t rows, int64_t columns, int64_t width)
{
    PX_CHECK(width % 4 == 0);
    int64_t T = rows * columns;
    float *table = px_calloc((size_t)((1 + T) * width), sizeof table[0]);
    for (int64_t t = 0; t < T; t++) {
        int64_t row = t / columns, column = t % columns;
        waves(table + (1 + t) * width, width / 4, (double)column);
        waves(table + (1 + t) * width + width / 2, width / 4, (double)row);
    }
    px_value *v = px_state(g, name, PX_SHAPE(1, 1 + T, width), px_init_values(g, table, (1 + T) * width));
    free(table);
    return v;
}
