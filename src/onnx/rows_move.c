/* rows_move.c - rows that move elements, or mix neighbouring ones: windows, repeating, resizing and average pooling. */
#include "base/error.h"
#include "onnx/rows.h"
#include "ops/attr.h"

#include <stdlib.h>

/* ---- windows ---- */

static const char *slice(px_onnx_writer *w, const char *x, int axis, int64_t first, int64_t end)
{
    const int64_t from[] = {first}, to[] = {end}, along[] = {axis};
    const char *in[] = {x, px_onnx_vector(w, from, 1), px_onnx_vector(w, to, 1), px_onnx_vector(w, along, 1)};
    return px_onnx_emit(w, "Slice", in, 4);
}

static const char *zeros_around(px_onnx_writer *w, const char *x, int rank, int axis, int64_t before, int64_t after)
{
    int64_t pads[2 * PX_RANK_MAX] = {0};
    if (before == 0 && after == 0)
        return x;
    pads[axis] = before;
    pads[rank + axis] = after;
    return px_onnx_two(w, "Pad", x, px_onnx_vector(w, pads, 2 * rank));
}

static int64_t within(int64_t place, int64_t extent)
{
    return place < 0 ? 0 : place > extent ? extent : place;
}

void px_onnx_window(px_onnx_writer *w, const px_node *n)
{
    const px_window_attr *at = n->attr;
    px_shape shape = n->in[0]->shape;
    int64_t extent = shape.dim[at->axis], start = at->start, end = at->start + at->count;
    const char *x = px_onnx_name(w, n->in[0]);
    if (px_onnx_follows_batch(extent)) {
        px_onnx_refuse(w, "a slice of the batch, whose size is not fixed there");
        return;
    }
    if (at->wraps) {
        int64_t first = extent > 0 ? (start % extent + extent) % extent : 0;
        const char *in[] = {slice(w, x, at->axis, first, extent), slice(w, x, at->axis, 0, first)};
        x = px_onnx_emit(w, "Concat", in, 2);
        px_onnx_int(w, "axis", at->axis);
        px_onnx_set(w, n->out[0], x);
        return;
    }
    int64_t from = within(start, extent), to = within(end, extent);
    x = from == 0 && to == extent ? x : slice(w, x, at->axis, from, to);
    int64_t before = start < 0 ? (end < 0 ? at->count : -start) : 0;
    px_onnx_set(w, n->out[0], zeros_around(w, x, shape.rank, at->axis, before, at->count - before - (to - from)));
}

/* ---- repeating ---- */

/* One number of the target's shape, as a vector of one: known, or N times something. */
static const char *extent_of(px_onnx_writer *w, int64_t extent)
{
    const int64_t known[] = {extent}, times[] = {extent / PX_ONNX_BATCH};
    if (!px_onnx_follows_batch(extent))
        return px_onnx_vector(w, known, 1);
    const char *N = px_onnx_batch(w);
    return times[0] == 1 ? N : px_onnx_two(w, "Mul", N, px_onnx_vector(w, times, 1));
}

void px_onnx_expand(px_onnx_writer *w, const px_node *n)
{
    const char *x = px_onnx_name(w, n->in[0]), *extent[PX_RANK_MAX];
    px_shape to = n->out[0]->shape;
    for (int i = 0; i < to.rank; i++)
        extent[i] = extent_of(w, to.dim[i]);
    const char *shape = px_onnx_emit(w, "Concat", extent, to.rank);
    px_onnx_int(w, "axis", 0);
    px_onnx_set(w, n->out[0], px_onnx_two(w, "Expand", x, shape));
}

/* ---- weighted sums of neighbours ---- */

static bool changes_nothing(const px_taps *t, int64_t inputs)
{
    bool same = t->outputs == inputs;
    for (int64_t o = 0; o < t->outputs && same; o++)
        same = t->count[o] == 1 && t->first[o] == o && t->weight[o * t->most] == 1;
    return same;
}

/* The map along one axis as a matrix: for rows (outputs, inputs), which stands on the left; for columns (inputs, outputs). NULL:
 * it changes nothing. */
static const char *matrix(px_onnx_writer *w, const px_tap_axis *axis, bool columns)
{
    void *memory = px_calloc(1, px_taps_bytes(axis, false));
    px_taps t = px_taps_make(axis, false, memory);
    int64_t I = axis->inputs, O = t.outputs;
    const char *name = NULL;
    if (!changes_nothing(&t, I)) {
        float *whole = px_calloc((size_t)(I * O), sizeof whole[0]);
        for (int64_t o = 0; o < O; o++)
            for (int k = 0; k < t.count[o]; k++) {
                int64_t i = t.first[o] + k;
                whole[columns ? i * O + o : o * I + i] = (float)t.weight[o * t.most + k];
            }
        name = columns ? px_onnx_matrix(w, I, O, whole) : px_onnx_matrix(w, O, I, whole);
        free(whole);
    }
    free(memory);
    return name;
}

/* As products with a matrix for each axis: every rule (torch's resizings with and without antialiasing, average pooling)
 * comes out as it is here, whatever a runtime's own resizing does at borders. */
void px_onnx_resample(px_onnx_writer *w, const px_node *n)
{
    const px_resample_attr *a = n->attr;
    const char *x = px_onnx_name(w, n->in[0]), *rows = matrix(w, &a->axis[0], false),
               *columns = matrix(w, &a->axis[1], true);
    x = columns ? px_onnx_two(w, "MatMul", x, columns) : x;
    px_onnx_set(w, n->out[0], rows ? px_onnx_two(w, "MatMul", rows, x) : x);
}
