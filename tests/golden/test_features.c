/* test_features.c - features of whole backbones in evaluation, against torchvision's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"

#include <stdlib.h>

static void check(const char *fixture, const char *backbone, const char *backend, int size)
{
    enum { IMAGES = 2 };
    px_settings s = golden_settings((const char *[]){backbone, backend, NULL});
    px_task task = {.image_size = size, .channels = 3, .batch = IMAGES, .ranks = 1};
    px_model m;
    px_encoder_spec spec = {.batch = IMAGES, .views = 1, .size = size};
    if (px_model_encoder(&m, &s, &task, &spec) != 0)
        fail_msg("%s", px_error());
    golden_fill(&m);
    float *x = px_aligned_calloc((size_t)(IMAGES * 3 * size * size) * sizeof x[0]);
    golden_images(x, IMAGES, IMAGES, 3, size);
    px_plan_bind(m.plan, m.input[0], x);
    px_plan_run(m.plan, NULL);
    int64_t count = px_shape_count(m.features->shape);
    px_tensor_file *f = golden_open(fixture);
    float *expected = golden_read(f, "features", count);
    double error = golden_error(px_plan_read(m.plan, m.features), expected, count);
    print_message("%s, %s: relative error %.2g\n", fixture, backend, error);
    assert_true(error < 1e-5);
    px_tensor_file_close(f);
    free(expected);
    free(x);
    px_model_finish(&m);
    px_settings_finish(&s);
}

static void resnet18_small_images(void **state)
{
    (void)state;
    check("resnet18_features", "backbone=resnet18", "backend=auto", 32);
    check("resnet18_features", "backbone=resnet18", "backend=openblas", 32);
}

static void resnet50(void **state)
{
    (void)state;
    check("resnet50_features", "backbone=resnet50", "backend=auto", 96);
    check("resnet50_features", "backbone=resnet50", "backend=openblas", 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(resnet18_small_images), cmocka_unit_test(resnet50)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
