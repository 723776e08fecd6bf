/* test_encoder.c - features in bf16: of each family near those in fp32, and the same on any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "train/model.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, CHANNELS = 3 };
/* Of each image's features, relative to their length. MobileNet V1, 27 layers without shortcuts that each round to 8 bits, reaches
 * 1.6e-2, all others 1.0e-2. */
static const double NEAR = 2e-2;

/* Features (BATCH, *width) of random images, or NULL if the backbone does not take this side. A new array. */
static float *features_of(const px_backbone *b, const char *precision, int side, int *width)
{
    px_settings s;
    px_model m;
    px_encoder_spec spec = {.batch = BATCH, .views = 1, .size = side};
    char *backbone = px_format("backbone=%s", b->name);
    const char *given[] = {backbone, precision};
    assert_int_equal(px_settings_load(&s, NULL, given, 2), 0);
    px_task t = {.image_size = side, .channels = CHANNELS, .batch = BATCH, .ranks = 1};
    float *features = NULL;
    if (!b->family->check || !b->family->check(b, s.backbone_cfg, side, CHANNELS)) {
        size_t count = (size_t)BATCH * CHANNELS * (size_t)(side * side);
        float *images = px_aligned_calloc(count * sizeof images[0]);
        px_rng rng = px_rng_make(5, PX_RNG_VIEWS, 0, 0);
        for (size_t i = 0; i < count; i++)
            images[i] = (float)px_rng_normal(&rng);
        if (px_model_encoder(&m, &s, &t, &spec) != 0)
            fail_msg("%s: %s", b->name, px_error());
        px_plan_init_params(m.plan, 7);
        px_plan_bind(m.plan, m.input[0], images);
        px_plan_run(m.plan, NULL);
        *width = (int)m.features->shape.dim[1];
        size_t size = (size_t)BATCH * (size_t)*width * sizeof features[0];
        features = px_calloc(1, size);
        memcpy(features, px_plan_read(m.plan, m.features), size);
        px_model_finish(&m);
        free(images);
    }
    px_settings_finish(&s);
    free(backbone);
    return features;
}

static double distance(const float *x, const float *y, int n)
{
    double difference = 0, length = 0;
    for (int i = 0; i < n; i++) {
        difference += pow((double)x[i] - y[i], 2);
        length += pow(x[i], 2);
    }
    return sqrt(difference / length);
}

static void near_fp32_in_every_family(void **state)
{
    (void)state;
    if (!px_bf16_native()) {
        print_message("skipped: this processor has no bf16 instructions\n");
        skip();
    }
    for (int f = 0; px_backbone_families[f]; f++) {
        const px_backbone *b = &px_backbone_families[f]->variants[0];
        float *exact = NULL;
        int width = 0, side = 0;
        for (side = 32; side <= 256 && !exact; side *= 2)
            exact = features_of(b, "precision=fp32", side, &width);
        assert_non_null(exact);
        side /= 2;
        float *half = features_of(b, "precision=bf16", side, &width);
        double worst = 0;
        for (int i = 0; i < BATCH; i++)
            worst = fmax(worst, distance(exact + i * width, half + i * width, width));
        print_message("%s, %d px: %.2g\n", b->name, side, worst);
        if (!(worst <= NEAR) || worst == 0)
            fail_msg("%s: features in bf16 are %g from those in fp32", b->name, worst);
        int threads = omp_get_max_threads();
        omp_set_num_threads(3);
        float *again = features_of(b, "precision=bf16", side, &width);
        omp_set_num_threads(threads);
        assert_memory_equal(half, again, (size_t)(BATCH * width) * sizeof half[0]);
        free(exact);
        free(half);
        free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(near_fp32_in_every_family)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
