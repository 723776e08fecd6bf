/* windows.c - see windows.h */
#include "nn/windows.h"

#include "base/error.h"
#include "ops/ops.h"

#include <stdlib.h>

static px_value *roll(px_graph *g, px_value *map, int64_t by)
{
    return by ? px_roll(g, px_roll(g, map, 1, (int)by), 2, (int)by) : map;
}

px_value *px_windows_cut(px_graph *g, const px_windows *s, px_value *map)
{
    if (px_graph_error(g))
        return map;
    int64_t w = s->side, n = s->map / w, N = map->shape.dim[0], C = map->shape.dim[3];
    map = px_reshape(g, roll(g, map, -s->shift), PX_SHAPE(N, n, w, n, w, C));
    return px_reshape(g, px_permute(g, map, (const int[]){0, 1, 3, 2, 4, 5}), PX_SHAPE(N * n * n, w * w, C));
}

px_value *px_windows_join(px_graph *g, const px_windows *s, px_value *windows)
{
    if (px_graph_error(g))
        return windows;
    int64_t w = s->side, n = s->map / w, N = windows->shape.dim[0] / (n * n), C = windows->shape.dim[2];
    px_value *map = px_permute(g, px_reshape(g, windows, PX_SHAPE(N, n, n, w, w, C)), (const int[]){0, 1, 3, 2, 4, 5});
    return roll(g, px_reshape(g, map, PX_SHAPE(N, s->map, s->map, C)), s->shift);
}

/* Which of the three bands along an axis a place of the rolled map is from: those of two bands were no neighbours. */
static int band(const px_windows *s, int64_t place)
{
    return (place >= s->map - s->side) + (place >= s->map - s->shift);
}

px_value *px_windows_mask(px_graph *g, const px_windows *s)
{
    int64_t w = s->side, T = w * w, n = s->map / w;
    double *mask = px_calloc((size_t)(n * n * T * T), sizeof mask[0]);
    int *region = px_calloc((size_t)T, sizeof region[0]);
    for (int64_t i = 0; i < n * n; i++) {
        for (int64_t t = 0; t < T; t++)
            region[t] = 3 * band(s, i / n * w + t / w) + band(s, i % n * w + t % w);
        for (int64_t p = 0; p < T * T; p++)
            mask[i * T * T + p] = region[p / T] == region[p % T] ? 0 : -100;
    }
    px_value *value = px_constant_real(g, PX_SHAPE(n * n, 1, T, T), mask);
    free(mask);
    free(region);
    return value;
}

px_value *px_windows_bias(px_graph *g, int64_t w, px_value *table)
{
    if (px_graph_error(g))
        return table;
    int64_t T = w * w, heads = table->shape.dim[1];
    int32_t *row = px_calloc((size_t)(T * T), sizeof row[0]);
    for (int64_t q = 0; q < T; q++)
        for (int64_t k = 0; k < T; k++)
            row[q * T + k] = (int32_t)((q / w - k / w + w - 1) * (2 * w - 1) + (q % w - k % w + w - 1));
    px_value *bias = px_gather_tokens(g, px_reshape(g, table, PX_SHAPE(1, table->shape.dim[0], heads)),
                                      px_constant_i32(g, PX_SHAPE(1, T * T), row)); // (1, T T, heads)
    free(row);
    return px_reshape(g, px_permute(g, bias, (const int[]){0, 2, 1}), PX_SHAPE(1, heads, T, T));
}
