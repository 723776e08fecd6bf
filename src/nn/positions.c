/* positions.c - bicubic resampling of a grid of embeddings, as torch's interpolate(mode="bicubic", antialias=True):
 * Keys' cubic with a = -0.5, widened by the scale when the grid shrinks, cut off and renormalised at the border. */
#include "nn/positions.h"
#include "base/error.h"

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

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* weight (outputs, inputs): how much each input position contributes to each output position. */
static double *weights(int64_t inputs, int64_t outputs)
{
    double *weight = px_calloc((size_t)(inputs * outputs), sizeof weight[0]);
    double scale = (double)inputs / (double)outputs, widen = scale > 1 ? scale : 1;
    for (int64_t o = 0; o < outputs; o++) {
        double center = ((double)o + 0.5) * scale, total = 0, *row = weight + o * inputs;
        int64_t begin = (int64_t)(center - 2 * widen + 0.5), end = (int64_t)(center + 2 * widen + 0.5);
        begin = begin < 0 ? 0 : begin;
        end = end > inputs ? inputs : end;
        for (int64_t i = begin; i < end; i++)
            total += row[i] = cubic(((double)i - center + 0.5) / widen);
        for (int64_t i = begin; i < end; i++)
            row[i] /= total;
    }
    return weight;
}

/* out (outputs, width) = weight (outputs, inputs) in (inputs, width) */
static void mix(const double *weight, int64_t inputs, int64_t outputs, const double *in, int64_t width, double *out)
{
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t i = 0; i < inputs; i++)
            for (int64_t k = 0; k < width && weight[o * inputs + i] != 0; k++)
                out[o * width + k] += weight[o * inputs + i] * in[i * width + k];
}

int px_positions_resample(px_shape from, const float *in, px_shape to, float *out)
{
    grid a = grid_of(from), b = grid_of(to);
    if (a.side == 0 || b.side == 0 || from.dim[2] != to.dim[2] || b.prefix > a.prefix)
        return -1;
    int64_t D = to.dim[2], h = a.side, k = b.side;
    memcpy(out, in, (size_t)(b.prefix * D) * sizeof out[0]);
    double *weight = weights(h, k);
    double *whole = px_calloc((size_t)(h * h * D), sizeof whole[0]);
    double *rows = px_calloc((size_t)(h * k * D), sizeof rows[0]);
    double *all = px_calloc((size_t)(k * k * D), sizeof all[0]);
    for (int64_t i = 0; i < h * h * D; i++)
        whole[i] = in[a.prefix * D + i];
    for (int64_t y = 0; y < h; y++) /* along each row */
        mix(weight, h, k, whole + y * h * D, D, rows + y * k * D);
    mix(weight, h, k, rows, k * D, all); /* whole rows, from top to bottom */
    for (int64_t i = 0; i < k * k * D; i++)
        out[b.prefix * D + i] = (float)all[i];
    free(weight);
    free(whole);
    free(rows);
    free(all);
    return 0;
}
