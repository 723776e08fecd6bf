/* test_vit.c - a vision transformer's features and the gradients of one step, against PyTorch's: with class token and
 * learned positions, and with mean over patches and fixed positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 3, SIZE = 32 };

/* The features are used as the logits of as many classes. */
static px_model make(const px_settings *s, px_value **features)
{
    px_model m = {.graph = px_graph_create((px_mode){.real = PX_F32})};
    m.input[0] = px_input(m.graph, "images", PX_F32, PX_SHAPE(IMAGES, 3, SIZE, SIZE));
    px_encoding e = s->backbone->family->build(m.graph, s->backbone, s->backbone_cfg, m.input[0]);
    px_value *classes = px_constant_i32(m.graph, PX_SHAPE(IMAGES), (int32_t[]){3, 77, 150});
    m.loss = px_cross_entropy(m.graph, e.pooled, classes);
    *features = e.pooled;
    px_graph_output(m.graph, "features", e.pooled);
    px_graph_output(m.graph, "loss", m.loss);
    px_graph_fuse(m.graph);
    px_graph_differentiate(m.graph, m.loss);
    m.plan = px_plan_create(m.graph, &(px_plan_spec){.backend = px_backend_find(s->train.backend)});
    if (!m.plan)
        fail_msg("%s", px_error());
    return m;
}

static void check(const char *fixture, const char *pool, const char *positions, const char *backend)
{
    px_settings s = golden_settings((const char *[]){"backbone=vit_tiny_16", pool, positions, backend, NULL});
    px_value *features;
    px_model m = make(&s, &features);
    golden_fill(&m);
    float *x = px_aligned_calloc((size_t)(IMAGES * 3 * SIZE * SIZE) * sizeof x[0]);
    golden_images(x, IMAGES, IMAGES, 3, SIZE);
    px_plan_bind(m.plan, m.input[0], x);
    px_plan_run(m.plan, NULL);

    px_tensor_file *f = golden_open(fixture);
    int64_t count = px_shape_count(features->shape);
    float *expected = golden_read(f, "features", count);
    double error = golden_error(px_plan_read(m.plan, features), expected, count), worst = 0;
    int trained = 0;
    for (int i = 0; i < px_graph_params(m.graph); i++)
        if (px_graph_param(m.graph, i)->value->kind == PX_PARAMETER) {
            worst = fmax(worst, golden_param_error(&m, i, f));
            trained++;
        }
    print_message("%s, %s: features %.2g, %d gradients %.2g\n", fixture, backend, error, trained, worst);
    assert_int_equal(trained, strstr(positions, "sincos") ? 149 : 150);
    assert_true(error < 1e-5);
    assert_true(worst < 1e-4);
    px_tensor_file_close(f);
    free(expected);
    free(x);
    px_model_finish(&m);
    px_settings_finish(&s);
}

static void class_token_and_learned_positions(void **state)
{
    (void)state;
    check("vit_class_token", "vit.pool=cls", "vit.positions=learned", "backend=auto");
    check("vit_class_token", "vit.pool=cls", "vit.positions=learned", "backend=openblas");
}

static void mean_and_fixed_positions(void **state)
{
    (void)state;
    check("vit_mean_sincos", "vit.pool=mean", "vit.positions=sincos", "backend=auto");
    check("vit_mean_sincos", "vit.pool=mean", "vit.positions=sincos", "backend=openblas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(class_token_and_learned_positions),
                                       cmocka_unit_test(mean_and_fixed_positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
