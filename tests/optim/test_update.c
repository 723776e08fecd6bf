/* test_update.c - the loops of all backends make the same bits, for each level of vectors that the processor has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/rows.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1000, RUNS = 3 };

typedef struct buffers {
    float g[MOST], w[MOST], m[MOST], v[MOST];
} buffers;

static void fill(buffers *b)
{
    px_rng rng = px_rng_make(5, PX_RNG_VIEWS, 0, 1);
    for (int i = 0; i < MOST; i++) {
        b->g[i] = (float)(px_rng_uniform(&rng) - 0.5);
        b->w[i] = (float)(px_rng_uniform(&rng) - 0.5);
        b->m[i] = (float)(px_rng_uniform(&rng) - 0.5);
        b->v[i] = (float)px_rng_uniform(&rng);
    }
}

/* All loops, one after the other, on the first n numbers. */
static void run(const px_update *u, buffers *b, int64_t n, double sums[3])
{
    const px_update_sgd plain = {.factor = 0.3f, .decay = 0.01f, .momentum = 0.9f, .rate = 0.07f};
    const px_update_sgd nesterov = {.factor = 0.3f, .decay = 0.01f, .momentum = 0.9f, .rate = 0.07f, .nesterov = true};
    const px_update_adam adam = {.factor = 0.3f,
                                 .decay = 0.02f,
                                 .keep = 0.999f,
                                 .one_minus_beta1 = 0.1f,
                                 .beta2 = 0.95f,
                                 .one_minus_beta2 = 0.05f,
                                 .rate = 0.01f,
                                 .root_correction = 0.7f,
                                 .eps = 1e-8f};
    const px_update_lamb lamb = {
        .decay = 0.01f, .rate = 0.02f, .correction = 0.3f, .root_correction = 0.7f, .eps = 1e-6f};
    fill(b);
    for (int k = 0; k < RUNS; k++) {
        u->sgd(b->w, b->m, b->g, n, k ? &nesterov : &plain);
        u->lars(b->w, b->m, b->g, n, k ? &nesterov : &plain);
        u->adam(b->w, b->m, b->v, b->g, n, &adam);
        u->moments(b->m, b->v, b->g, n, &adam);
        sums[2] = u->lamb_squares(b->w, b->m, b->v, n, &lamb);
        u->lamb(b->w, b->m, b->v, n, &lamb);
    }
    sums[0] = u->sum_squares(b->w, n);
    sums[1] = u->sum_products(b->g, b->w, n);
}

static void all_make_the_same_bits(void **state)
{
    (void)state;
    static const char *const isas[] = {"SSE41", "AVX2", "AVX512_CORE", NULL};
    static const int64_t counts[] = {0, 1, 15, 16, 17, 255, MOST};
    static buffers right, seen;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        unsetenv("ONEDNN_MAX_CPU_ISA");
        if (isas[i])
            setenv("ONEDNN_MAX_CPU_ISA", isas[i], 1);
        assert_int_equal(px_cpu_narrow("auto"), 0); /* has the processor asked again */
        assert_true(!isas[i] || strcmp(isas[i], "SSE41") != 0 || px_cpu_loops() == PX_ISA_BASE);
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            double right_sums[3], seen_sums[3];
            run(&px_update_portable, &right, counts[k], right_sums);
            run(&px_update_fast, &seen, counts[k], seen_sums);
            assert_memory_equal(&right, &seen, sizeof right);
            assert_memory_equal(right_sums, seen_sums, sizeof right_sums);
        }
    }
}

static void each_backend_has_loops(void **state)
{
    (void)state;
    assert_ptr_equal(px_backend_fast.update, &px_update_fast);
    assert_ptr_equal(px_backend_openblas.update, &px_update_portable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_make_the_same_bits),
        cmocka_unit_test(each_backend_has_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
