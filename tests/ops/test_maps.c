/* test_maps.c - resized, pooled, normalised and convolved maps, against PyTorch's numbers (map_fixtures.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "graph/kernel.h"
#include "map_fixtures.h"
#include "ops/ops.h"

typedef struct map_case {
    const char *name;
    px_value *(*build)(px_graph *, px_value *x);
    px_shape shape;
    const double *y, *dx;
    size_t outputs;
    px_shape weight; /* of a convolution: the input "w" */
    const double *dw;
} map_case;

static px_value *nearest(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 7, 3, (px_resizing){.by = PX_RESIZE_NEAREST});
}

static px_value *linear(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 7, 3, (px_resizing){.by = PX_RESIZE_LINEAR});
}

static px_value *linear_corners(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 7, 3, (px_resizing){.by = PX_RESIZE_LINEAR, .align_corners = true});
}

static px_value *linear_antialias(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 2, 6, (px_resizing){.by = PX_RESIZE_LINEAR, .antialias = true});
}

static px_value *cubic(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 7, 3, (px_resizing){.by = PX_RESIZE_CUBIC});
}

static px_value *cubic_corners(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 3, 9, (px_resizing){.by = PX_RESIZE_CUBIC, .align_corners = true});
}

static px_value *cubic_antialias(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 2, 6, (px_resizing){.by = PX_RESIZE_CUBIC, .antialias = true});
}

static px_value *max_pooled(px_graph *g, px_value *x)
{
    return px_max_pool2d(g, x, (px_pooling){.kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 0}, .dilation = {1, 2}});
}

static px_value *max_pooled_ceil(px_graph *g, px_value *x)
{
    return px_max_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true});
}

static px_value *avg_pooled(px_graph *g, px_value *x)
{
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {3, 2}, .stride = {2, 3}, .pad = {1, 1}});
}

static px_value *avg_pooled_ceil(px_graph *g, px_value *x)
{
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .ceil_mode = true});
}

static px_value *avg_pooled_without_pad(px_graph *g, px_value *x)
{
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {5, 5}, .stride = {2, 2}, .pad = {2, 2}, .exclude_pad = true});
}

static px_value *adaptive(px_graph *g, px_value *x)
{
    return px_adaptive_avg_pool(g, x, 3, 4);
}

static px_value *adaptive_larger(px_graph *g, px_value *x)
{
    return px_adaptive_avg_pool(g, x, 9, 2);
}

static px_value *adaptive_one(px_graph *g, px_value *x)
{
    return px_adaptive_avg_pool(g, x, 1, 1);
}

static px_value *response_norm(px_graph *g, px_value *x)
{
    return px_local_response_norm(g, x, 5, 0.3, 0.75, 2);
}

static px_value *response_norm_even(px_graph *g, px_value *x)
{
    return px_local_response_norm(g, x, 4, 1.5, 0.5, 1);
}

/* ---- convolutions ---- */

static px_value *convolve(px_graph *g, px_value *x, px_convolution how)
{
    return px_convolve(g, x, px_graph_find_input(g, "w"), NULL, how);
}

static px_value *convolved(px_graph *g, px_value *x)
{
    return convolve(g, x, (px_convolution){.stride = {2, 1}, .pad = {{1, 1}, {2, 2}}, .dilation = {1, 2}});
}

static px_value *depthwise(px_graph *g, px_value *x)
{
    return convolve(g, x, (px_convolution){.stride = {2, 2}, .pad = {{2, 2}, {2, 2}}, .groups = 4});
}

static px_value *depthwise_twice(px_graph *g, px_value *x)
{
    return convolve(g, x, (px_convolution){.pad = {{1, 1}, {1, 1}}, .groups = 4});
}

/* Padding on one side, as TensorFlow's "same" with strides. */
static px_value *in_groups(px_graph *g, px_value *x)
{
    return convolve(g, x, (px_convolution){.stride = {2, 2}, .pad = {{0, 1}, {0, 1}}, .dilation = {2, 2}, .groups = 2});
}

#define CONVOLUTION(name, ...)                                                                                         \
    {                                                                                                                  \
#name, name,                                                                                                   \
            {4, {2, 4, 6, 7 } }, name##_y, name##_dx,                                                                  \
             sizeof name##_y / sizeof name##_y[0], {4, {__VA_ARGS__ } }, name##_dw                                     \
    }
#define CASE(name, ...)                                                                                                \
    {                                                                                                                  \
#name, name,                                                                                                   \
            {sizeof((int[]){__VA_ARGS__}) / sizeof(int), {__VA_ARGS__ } }, name##_y, name##_dx,                        \
             sizeof name##_y / sizeof name##_y[0], {0 }, NULL                                                          \
    }
static const map_case map_cases[] = {
    CASE(nearest, 1, 2, 5, 4),
    CASE(linear, 1, 2, 5, 4),
    CASE(linear_corners, 1, 2, 5, 4),
    CASE(linear_antialias, 1, 2, 5, 4),
    CASE(cubic, 1, 2, 5, 4),
    CASE(cubic_corners, 1, 2, 5, 4),
    CASE(cubic_antialias, 1, 2, 5, 4),
    CASE(max_pooled, 1, 2, 7, 6),
    CASE(max_pooled_ceil, 1, 2, 7, 6),
    CASE(avg_pooled, 1, 2, 7, 6),
    CASE(avg_pooled_ceil, 1, 2, 7, 6),
    CASE(avg_pooled_without_pad, 1, 2, 7, 6),
    CASE(adaptive, 1, 2, 7, 6),
    CASE(adaptive_larger, 1, 2, 7, 6),
    CASE(adaptive_one, 1, 2, 7, 6),
    CASE(response_norm, 1, 7, 2, 3),
    CASE(response_norm_even, 1, 7, 2, 3),
    CONVOLUTION(convolved, 3, 4, 3, 2),
    CONVOLUTION(depthwise, 4, 1, 5, 5),
    CONVOLUTION(depthwise_twice, 8, 1, 3, 3),
    CONVOLUTION(in_groups, 4, 2, 2, 3),
};

static void near(const map_case *c, const char *backend, const char *what, const float *got, const double *right,
                 size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - right[i]) <= 1e-5 * (1 + fabs(right[i]))))
            fail_msg("%s by %s: %s %zu is %.8g, PyTorch's %.8g", c->name, backend, what, i, got[i], right[i]);
}

static void check(const map_case *c, const px_backend *backend)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, c->shape);
    px_graph_want_grad(x);
    px_value *filter = c->dw ? px_input(g, "w", PX_F32, c->weight) : NULL;
    if (filter)
        px_graph_want_grad(filter);
    px_value *y = c->build(g, x);
    assert_null(px_graph_error(g));
    int64_t n = px_shape_count(x->shape), m = px_shape_count(y->shape);
    assert_int_equal(m, c->outputs);
    px_value *weights = px_input(g, "weights", PX_F32, PX_SHAPE(m, 1));
    px_value *loss =
        px_reshape(g, px_matmul(g, px_reshape(g, y, PX_SHAPE(1, m)), weights, false, false, 1), (px_shape){0});
    px_graph_output(g, "y", y);
    px_graph_output(g, "loss", loss);
    px_graph_differentiate(g, loss);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = backend});
    float *data = px_aligned_calloc((size_t)n * sizeof data[0]), *w = px_aligned_calloc((size_t)m * sizeof w[0]);
    for (int i = 0; i < n; i++)
        data[i] = (float)(i * 7 % 11 - 4) / 2;
    for (int i = 0; i < m; i++)
        w[i] = (float)(i * 3 % 5 - 1);
    px_plan_bind(p, x, data);
    int64_t taps = filter ? px_shape_count(filter->shape) : 0;
    float *kernel = px_aligned_calloc((size_t)taps * sizeof kernel[0] + 1);
    for (int i = 0; i < taps; i++)
        kernel[i] = (float)(i * 5 % 7 - 3) / 4;
    if (filter)
        px_plan_bind(p, filter, kernel);
    px_plan_bind(p, weights, w);
    px_plan_run(p, NULL);
    near(c, backend->name, "output", px_plan_read(p, y), c->y, (size_t)m);
    near(c, backend->name, "gradient", px_plan_read(p, x->grad), c->dx, (size_t)n);
    if (filter)
        near(c, backend->name, "gradient of weight", px_plan_read(p, filter->grad), c->dw, (size_t)taps);
    px_plan_destroy(p);
    px_graph_destroy(g);
    free(data);
    free(kernel);
    free(w);
}

static void maps_are_as_pytorch_makes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof map_cases / sizeof map_cases[0]; i++) {
        check(&map_cases[i], &px_backend_openblas);
        check(&map_cases[i], &px_backend_fast);
    }
}

/* A map of the right size is not copied. */
static void same_size_is_the_same_map(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(1, 2, 5, 4));
    assert_ptr_equal(px_resize_map(g, x, 5, 4, (px_resizing){.by = PX_RESIZE_CUBIC, .antialias = true}), x);
    px_graph_destroy(g);
}

static void refuse(const char *message, px_shape shape, px_value *(*build)(px_graph *, px_value *x))
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    build(g, px_input(g, "x", PX_F32, shape));
    if (!px_graph_error(g) || strcmp(px_graph_error(g), message) != 0)
        fail_msg("%s, but expected %s", px_graph_error(g), message);
    px_graph_destroy(g);
}

static px_value *nearest_antialias(px_graph *g, px_value *x)
{
    return px_resize_map(g, x, 2, 6, (px_resizing){.by = PX_RESIZE_NEAREST, .antialias = true});
}

static px_value *padded_far(px_graph *g, px_value *x)
{
    return px_max_pool(g, x, 3, 2, 2);
}

static px_value *too_large(px_graph *g, px_value *x)
{
    return px_max_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .dilation = {1, 2}});
}

static px_value *no_stride(px_graph *g, px_value *x)
{
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .stride = {1, -1}});
}

static px_value *gaps_in_mean(px_graph *g, px_value *x)
{
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .dilation = {1, 2}});
}

static void misfits_are_refused(void **state)
{
    (void)state;
    refuse("resize: (2, 3, 0, 4) to 7 x 3: both need pixels", PX_SHAPE(2, 3, 0, 4), linear);
    refuse("resize: (2, 3) is not a map (N, C, H, W)", PX_SHAPE(2, 3), linear);
    refuse("resize: align_corners and antialias are for bilinear and bicubic", PX_SHAPE(2, 3, 5, 4), nearest_antialias);
    refuse("max_pool: a padding of 2 is more than half of a kernel of 3", PX_SHAPE(2, 3, 5, 4), padded_far);
    refuse("max_pool: (2, 3, 5, 4) is too small for a kernel of 5", PX_SHAPE(2, 3, 5, 4), too_large);
    refuse("avg_pool: kernel 3, stride -1, padding 0, dilation 0", PX_SHAPE(2, 3, 5, 4), no_stride);
    refuse("avg_pool: dilation is for max_pool", PX_SHAPE(2, 3, 5, 6), gaps_in_mean);
    refuse("adaptive_avg_pool: (2, 3, 0, 4) to 3 x 4: both need pixels", PX_SHAPE(2, 3, 0, 4), adaptive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_as_pytorch_makes_them),
        cmocka_unit_test(same_size_is_the_same_map),
        cmocka_unit_test(misfits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
