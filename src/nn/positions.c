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
    int64_t prefix, rows, columns;
} grid;

/* (1, P + side^2, D) with P from 0 to 2, of which one fits; no rows: not a square. */
static grid square_of(px_shape s)
{
    for (int64_t prefix = 0; prefix < 3 && s.rank == 3 && s.dim[0] == 1; prefix++) {
        int64_t side = (int64_t)llround(sqrt((double)(s.dim[1] - prefix)));
        if (side > 0 && side * side == s.dim[1] - prefix)
            return (grid){prefix, side, side};
    }
    return (grid){0};
}

/* weight[o, i] (outputs, inputs) along one axis */
static double *along_axis(int64_t inputs, int64_t outputs)
{
    px_tap_axis axis = {.rule = PX_TAP_CUBIC, .inputs = inputs, .outputs = outputs, .antialias = true};
    void *memory = px_calloc(1, px_taps_bytes(&axis, false));
    px_taps t = px_taps_make(&axis, false, memory);
    double *weight = px_calloc((size_t)(inputs * outputs), sizeof weight[0]);
    for (int64_t o = 0; o < outputs; o++)
        for (int i = 0; i < t.count[o]; i++)
            weight[o * inputs + t.first[o] + i] = t.weight[o * t.most + i];
    free(memory);
    return weight;
}

/* Place (y, x) of grid b is made of the places (i, j) of grid a by down[y, i] right[x, j]. */
static double *between(grid a, grid b)
{
    double *down = along_axis(a.rows, b.rows), *right = along_axis(a.columns, b.columns);
    int64_t from = a.rows * a.columns, to = b.rows * b.columns;
    double *whole = px_calloc((size_t)(from * to), sizeof whole[0]);
    for (int64_t o = 0; o < to; o++)
        for (int64_t i = 0; i < from; i++)
            whole[o * from + i] =
                down[o / b.columns * a.rows + i / a.columns] * right[o % b.columns * a.columns + i % a.columns];
    free(down);
    free(right);
    return whole;
}

int px_positions_resample(px_shape from, const float *in, px_shape to, float *out)
{
    grid a = square_of(from), b = square_of(to);
    if (a.rows == 0 || b.rows == 0 || from.dim[2] != to.dim[2] || b.prefix != a.prefix)
        return -1;
    int64_t D = to.dim[2], inputs = a.rows * a.columns, outputs = b.rows * b.columns;
    double *weight = between(a, b), *row = px_calloc((size_t)D + 1, sizeof row[0]);
    memcpy(out, in, (size_t)(b.prefix * D) * sizeof out[0]);
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t k = 0; k < D; k++)
            row[k] = 0;
        for (int64_t i = 0; i < inputs; i++)
            for (int64_t k = 0; k < D && weight[o * inputs + i] != 0; k++)
                row[k] += weight[o * inputs + i] * in[(a.prefix + i) * D + k];
        for (int64_t k = 0; k < D; k++)
            out[(b.prefix + o) * D + k] = (float)row[k];
    }
    free(weight);
    free(row);
    return 0;
}

px_value *px_positions_for(px_graph *g, px_value *table, int64_t rows, int64_t columns)
{
    char text[64];
    if (px_graph_error(g))
        return table;
    const int64_t *known = px_graph_param(g, table->param)->grid;
    int64_t first = known[0] ? table->shape.dim[1] - known[0] * known[1] : 0;
    grid a = known[0] ? (grid){first, known[0], known[1]} : square_of(table->shape), b = {a.prefix, rows, columns};
    if (a.rows == 0)
        return px_graph_fail(g,
                             "positions %s cannot be resampled for %lld x %lld patches: they are not those of a square",
                             px_shape_text(table->shape, text), (long long)rows, (long long)columns);
    if (a.rows == rows && a.columns == columns)
        return table;
    int64_t D = table->shape.dim[2], inputs = a.rows * a.columns, outputs = rows * columns;
    double *weight = between(a, b);
    px_value *w = px_constant_real(g, PX_SHAPE(outputs, inputs), weight);
    free(weight);
    px_value *patches = px_reshape(g, px_slice(g, table, 1, a.prefix, inputs), PX_SHAPE(inputs, D));
    patches = px_reshape(g, px_matmul(g, w, patches, false, false, 1), PX_SHAPE(1, outputs, D));
    if (a.prefix == 0)
        return patches;
    return px_concat(g, 1, (px_value *[]){px_slice(g, table, 1, 0, a.prefix), patches}, 2);
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

px_value *px_sincos_positions(px_graph *g, const char *name, int64_t in_front, int64_t rows, int64_t columns,
                              int64_t width)
{
    PX_CHECK(width % 4 == 0);
    int64_t T = rows * columns;
    float *table = px_calloc((size_t)((in_front + T) * width), sizeof table[0]);
    for (int64_t t = 0; t < T; t++) {
        int64_t row = t / columns, column = t % columns;
        waves(table + (in_front + t) * width, width / 4, (double)column);
        waves(table + (in_front + t) * width + width / 2, width / 4, (double)row);
    }
    px_value *v = px_state(g, name, PX_SHAPE(1, in_front + T, width), px_init_values(g, table, (in_front + T) * width));
    free(table);
    return v;
}
