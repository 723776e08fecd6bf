/* test_positions.c - position embeddings for other image sizes, against torch's
 * interpolate(mode="bicubic", antialias=True). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/positions.h"

#include <math.h>
#include <string.h>

enum { D = 2 };

/* 1 + 4 x 4 positions. */
static void make(float in[17 * D])
{
    for (int i = 0; i < 17 * D; i++)
        in[i] = (float)(i * 37 % 64) / 64;
}

static void check(const float *out, int64_t at, const float *expected, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(fabsf(out[at + i] - expected[i]) < 1e-6f);
}

static void grows_as_torch_does(void **state)
{
    (void)state;
    float in[17 * D], out[50 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 50, D), out), 0);
    assert_memory_equal(out, in, D * sizeof in[0]);
    check(out, D, (float[]){0.0942758f, 0.7517278f, 0.1448720f, 0.8465623f, 0.2486108f, 0.9416585f}, 6);
    check(out, 44 * D, (float[]){0.0427325f, 0.6448184f, 0.1458796f, 0.7997408f, 0.2358774f, 0.9657452f}, 6);
    check(out, 49 * D, (float[]){0.4826472f, -0.0248474f}, 2);
}

static void shrinks_as_torch_does(void **state)
{
    (void)state;
    float in[17 * D], out[10 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 10, D), out), 0);
    check(out, D, (float[]){0.3792533f, 0.6928275f, 0.4143664f, 0.5231093f, 0.4494795f, 0.3062937f}, 6);
    check(out, 5 * D, (float[]){0.5957256f, 0.3685706f}, 2);
    check(out, 7 * D, (float[]){0.1288782f, 0.6922679f, 0.3654534f, 0.6836228f, 0.6020285f, 0.3057341f}, 6);
}

static void the_class_token(void **state)
{
    (void)state;
    float in[17 * D], out[17 * D];
    make(in);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 16, D), out),
                     0); /* the class token's is dropped */
    check(out, 0, in + D, 16 * D);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 16, D), in, PX_SHAPE(1, 17, D), out),
                     -1); /* it cannot be invented */
}

static void what_is_no_grid(void **state)
{
    (void)state;
    float in[17 * D] = {0}, out[17 * D];
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 15, D), in, PX_SHAPE(1, 17, D), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 15, D), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(1, 17, D), in, PX_SHAPE(1, 17, 1), out), -1);
    assert_int_equal(px_positions_resample(PX_SHAPE(17, D), in, PX_SHAPE(1, 17, D), out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_as_torch_does), cmocka_unit_test(shrinks_as_torch_does),
                                       cmocka_unit_test(the_class_token), cmocka_unit_test(what_is_no_grid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
