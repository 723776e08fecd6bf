/* taps.c - the weights of maps along an axis, after PyTorch's UpSampleKernel.cpp, AvgPoolKernel.cpp and AdaptivePooling.h. */
#include "ops/taps.h"
#include "base/error.h"
#include "tensor/cubic.h"

#include <math.h>
#include <string.h>

static double triangle(double x)
{
    return fmax(0, 1 - fabs(x));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The weights of one output; they are added to `weight`, which begins with zeros. */
typedef struct output {
    int64_t first, count;
    double *weight;
} output;

static double scale_of(const px_tap_axis *a)
{
    if (!a->align_corners)
        return (double)a->inputs / (double)a->outputs;
    return a->outputs > 1 ? (double)(a->inputs - 1) / (double)(a->outputs - 1) : 0;
}

/* Half of the inputs that an output sees with antialiasing. */
static double support(const px_tap_axis *a)
{
    return (a->rule == PX_TAP_CUBIC ? 2 : 1) * fmax(scale_of(a), 1);
}

static int64_t most_of(const px_tap_axis *a)
{
    if (a->rule == PX_TAP_NEAREST)
        return 1;
    if (a->rule == PX_TAP_WINDOW)
        return a->kernel;
    if (a->rule == PX_TAP_BINS)
        return least(a->inputs, (a->inputs + a->outputs - 1) / a->outputs + 1);
    if (a->antialias)
        return least(a->inputs, 2 * (int64_t)ceil(support(a)) + 1);
    return a->rule == PX_TAP_CUBIC ? 4 : 2;
}

/* In float as PyTorch: the product of a place and an inexact scale may lie just below a whole number. */
static void nearest(const px_tap_axis *a, int64_t o, output *y)
{
    float scale = (float)a->inputs / (float)a->outputs;
    y->first = least((int64_t)floorf((float)o * scale), a->inputs - 1);
    y->count = 1;
    y->weight[0] = 1;
}

/* Two or four samples around the place; beyond the border those at the border again. */
static void between(const px_tap_axis *a, int64_t o, output *y)
{
    bool cubic = a->rule == PX_TAP_CUBIC;
    double at = a->align_corners ? scale_of(a) * (double)o : scale_of(a) * ((double)o + 0.5) - 0.5;
    if (!cubic)
        at = fmax(at, 0);
    int64_t floor_at = (int64_t)floor(at), from = floor_at - (cubic ? 1 : 0), to = floor_at + (cubic ? 2 : 1);
    y->first = least(larger(from, 0), a->inputs - 1);
    y->count = least(larger(to, 0), a->inputs - 1) - y->first + 1;
    for (int64_t i = from; i <= to; i++) {
        double far = (double)i - at;
        y->weight[least(larger(i, 0), a->inputs - 1) - y->first] += cubic ? px_keys_cubic(far, -0.75) : triangle(far);
    }
}

/* The filter is as wide as the scale, and renormalised where the border cuts it off. */
static void filtered(const px_tap_axis *a, int64_t o, output *y)
{
    double center = scale_of(a) * ((double)o + 0.5), reach = support(a), widen = fmax(scale_of(a), 1), total = 0;
    y->first = larger((int64_t)(center - reach + 0.5), 0);
    y->count = least((int64_t)(center + reach + 0.5), a->inputs) - y->first;
    for (int64_t k = 0; k < y->count; k++) {
        double far = ((double)(y->first + k) - center + 0.5) / widen;
        total += y->weight[k] = a->rule == PX_TAP_CUBIC ? px_keys_cubic(far, -0.5) : triangle(far);
    }
    for (int64_t k = 0; k < y->count; k++)
        y->weight[k] /= total;
}

static void average(const px_tap_axis *a, int64_t o, output *y)
{
    int64_t from, to, counted;
    if (a->rule == PX_TAP_BINS) {
        from = o * a->inputs / a->outputs;
        to = ((o + 1) * a->inputs + a->outputs - 1) / a->outputs;
        counted = to - from;
    } else {
        from = o * a->stride - a->before;
        to = least(from + a->kernel, a->inputs + a->after);
        counted = to - from;
        from = larger(from, 0);
        to = least(to, a->inputs);
        if (a->exclude_pad)
            counted = to - from;
    }
    y->first = from;
    y->count = to - from;
    for (int64_t k = 0; k < y->count; k++)
        y->weight[k] = 1 / (double)counted;
}

static void taps_of(const px_tap_axis *a, int64_t o, output *y)
{
    if (a->rule == PX_TAP_NEAREST)
        nearest(a, o, y);
    else if (a->rule == PX_TAP_WINDOW || a->rule == PX_TAP_BINS)
        average(a, o, y);
    else if (a->antialias)
        filtered(a, o, y);
    else
        between(a, o, y);
}

/* ---- tables ---- */

/* More than the outputs that see one input: windows move on by inputs / outputs or by the stride. */
static int64_t most_back(const px_tap_axis *a)
{
    double step = a->rule == PX_TAP_WINDOW ? a->stride
                  : a->align_corners       ? scale_of(a)
                                           : (double)a->inputs / (double)a->outputs;
    double seen = step > 0 ? ((double)most_of(a) + 1) / step + 3 : (double)a->outputs;
    return seen < (double)a->outputs ? (int64_t)seen : a->outputs;
}

static px_taps layout(const px_tap_axis *a, bool back, char *memory)
{
    px_taps t = {.outputs = back ? a->inputs : a->outputs, .most = (int)(back ? most_back(a) : most_of(a))};
    size_t n = (size_t)t.outputs, weights = n * (size_t)t.most;
    t.weight = (double *)(void *)memory;
    t.single = (float *)(void *)(memory + weights * sizeof(double));
    t.first = (int *)(void *)(memory + weights * (sizeof(double) + sizeof(float)));
    t.count = t.first + n;
    return t;
}

size_t px_taps_bytes(const px_tap_axis *a, bool back)
{
    size_t n = (size_t)(back ? a->inputs : a->outputs), most = (size_t)(back ? most_back(a) : most_of(a));
    /* back: one output's weights behind it */
    return n * (most * (sizeof(double) + sizeof(float)) + 2 * sizeof(int)) + 8 + (size_t)most_of(a) * sizeof(double);
}

/* Outputs are made in their order, so those that see an input follow each other. */
static void add_back(px_taps *t, int64_t o, const output *y)
{
    for (int64_t k = 0; k < y->count; k++) {
        int64_t i = y->first + k;
        if (t->count[i] == 0)
            t->first[i] = (int)o;
        PX_CHECK(o - t->first[i] < t->most);
        t->weight[i * t->most + (o - t->first[i])] = y->weight[k];
        t->count[i] = (int)(o - t->first[i]) + 1;
    }
}

px_taps px_taps_make(const px_tap_axis *a, bool back, void *memory)
{
    memset(memory, 0, px_taps_bytes(a, back));
    px_taps t = layout(a, back, memory);
    uintptr_t end = ((uintptr_t)(t.count + t.outputs) + 7) / 8 * 8;
    double *apart = (double *)end;
    for (int64_t o = 0; o < a->outputs; o++) {
        output y = {.weight = back ? apart : t.weight + o * t.most};
        if (back)
            memset(apart, 0, (size_t)most_of(a) * sizeof apart[0]);
        taps_of(a, o, &y);
        if (back) {
            add_back(&t, o, &y);
        } else {
            t.first[o] = (int)y.first;
            t.count[o] = (int)y.count;
        }
    }
    for (int64_t i = 0; i < t.outputs * t.most; i++)
        t.single[i] = (float)t.weight[i];
    return t;
}
