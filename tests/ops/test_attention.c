/* Attention with a bias: against plain loops; masked keys; blocks of many rows; every number of rows; threads; what does not
 * fit. */
#include "trial.h"

#include <omp.h>

enum { B = 6, H = 2, Q = 19, K = 35, D = 32, N = 3 }; /* N: samples with a bias of their own */

/* ---- against loops ---- */

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y (B, Q, D) of q, k, v and a bias (N, 1, Q, K) */
static void loops(double *y, const double *q, const double *k, const double *v, const double *bias)
{
    const int d = D / H;
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < Q; i++) {
                double e[K], sum = 0, *to = y + (b * Q + i) * D + h * d;
                for (int j = 0; j < K; j++) {
                    const double *key = k + (b * K + j) * D + h * d;
                    e[j] = exp(0.3 * dot(q + (b * Q + i) * D + h * d, key, d) + bias[(b % N * Q + i) * K + j]);
                    sum += e[j];
                }
                memset(to, 0, (size_t)d * sizeof to[0]);
                for (int j = 0; j < K; j++)
                    for (int c = 0; c < d; c++)
                        to[c] += e[j] / sum * v[(b * K + j) * D + h * d + c];
            }
}

static px_value *build_cross(px_graph *g, px_value *v[])
{
    return px_attention_with(
        g, (px_attention_operands){.q = v[0], .k = v[1], .v = v[2], .bias = v[3], .heads = H, .scale = 0.3});
}

static const test_case cross = {
    "cross attention", build_cross, {IN(B, Q, D), IN(B, K, D), IN(B, K, D), IN(N, 1, Q, K)}};

static void follows_the_definition(void **state)
{
    (void)state;
    static double expected[B * Q * D];
    const variant how[] = {{PX_F32, &px_backend_openblas, .fuse = true},
                           {PX_F32, &px_backend_fast, .fuse = true},
                           {PX_F32, &px_backend_fast, .layers = true, .precision = PX_BF16}};
    for (int i = 0; i < (bf16_runs() ? 3 : 2); i++) {
        trial t = start(&cross, how[i]);
        px_plan_run(t.p, NULL);
        loops(expected, t.data[0], t.data[1], t.data[2], t.data[3]);
        double *y = output(&t);
        compare("cross attention", "output", expected, y, B * Q * D, how[i]);
        free(y);
        stop(&t);
    }
}

/* ---- masked keys ---- */

/* The first query sees no key, the second one only the last. */
static px_value *build_masked(px_graph *g, px_value *v[])
{
    double mask[7 * 7] = {0};
    for (int i = 0; i < 13; i++)
        mask[i] = -INFINITY;
    px_value *bias = px_binary(g, PX_ADD, v[1], px_constant_real(g, PX_SHAPE(7, 7), mask));
    return px_attention_with(g, (px_attention_operands){.qkv = v[0], .bias = bias, .heads = 1});
}

static void masked_keys_are_not_seen(void **state)
{
    (void)state;
    const variant how[] = {{PX_F32, &px_backend_openblas, .fuse = true},
                           {PX_F32, &px_backend_fast, .fuse = true},
                           {PX_F32, &px_backend_fast, .layers = true, .precision = PX_BF16}};
    for (int d = 3; d <= 8; d += 5)
        for (int i = 0; i < (bf16_runs() ? 3 : 2); i++) {
            const test_case masked = {"masked", build_masked, {IN(2, 7, 3 * d), IN(1, 7, 7)}};
            trial t = start(&masked, how[i]);
            px_fault fault = {0};
            px_plan_run(t.p, &(px_plan_hooks){.fault = &fault});
            if (fault.at != PX_FAULT_NONE)
                fail_msg("%s", px_fault_text(&fault));
            double *y = output(&t), *dqkv = gradient(&t, 0), *dbias = gradient(&t, 1), most = 0;
            for (int c = 0; c < d; c++) {
                assert_float_equal(y[c], 0, 0);
                assert_float_equal(dqkv[c], 0, 0);
                assert_float_equal(y[d + c], t.data[0][6 * 3 * d + 2 * d + c], i == 2 ? 2e-2 : 1e-6);
            }
            for (int k = 0; k < 14; k++)
                assert_float_equal(dbias[k], 0, 1e-6);
            for (int k = 14; k < 49; k++)
                most = fmax(most, fabs(dbias[k]));
            assert_true(most > 1e-3);
            free(y);
            free(dqkv);
            free(dbias);
            stop(&t);
        }
}

/* ---- many blocks ---- */

static px_value *build_positions(px_graph *g, px_value *v[])
{
    return px_attention_with(g, (px_attention_operands){.qkv = v[0], .bias = v[1], .heads = 2});
}

static void long_rows_agree_with_portable(void **state)
{
    (void)state;
    static const test_case longer[] = {
        {"bias of 50 tokens", build_positions, {IN(3, 50, 384), PARAM(2, 50, 50)}},
        {"bias of 197 tokens", build_positions, {IN(2, 197, 240), PARAM(2, 197, 197)}},
        {"bias of 300 tokens, a sample each", build_positions, {IN(2, 300, 96), IN(2, 1, 1, 300)}}};
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        compare_case(&longer[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (bf16_runs())
            compare_case(&longer[i],
                         (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

/* ---- any number of queries, of keys and of a head's numbers ---- */

static px_value *build_two_heads(px_graph *g, px_value *v[])
{
    return px_attention_with(g, (px_attention_operands){.q = v[0], .k = v[1], .v = v[2], .heads = 2});
}

static void odd_sizes_agree_with_portable(void **state)
{
    (void)state;
    for (int i = 1; i <= 40; i++) {
        const int queries = i, keys = 41 - i, width = 2 * (i % 20 + 1);
        const test_case odd = {
            "odd sizes", build_two_heads, {IN(2, queries, width), IN(2, keys, width), IN(2, keys, width)}};
        compare_case(&odd, (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (bf16_runs())
            compare_case(&odd, (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

/* ---- threads ---- */

static const test_case shared = {"learned bias", build_positions, {IN(9, 37, 144), PARAM(2, 37, 37)}};

static void results_on(int threads, double *result[3])
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(&shared, (variant){PX_F32, &px_backend_fast, .fuse = true});
    px_plan_run(t.p, NULL);
    result[0] = output(&t);
    for (int k = 0; k < 2; k++)
        result[1 + k] = gradient(&t, k);
    stop(&t);
    omp_set_num_threads(before);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    const int64_t counts[] = {9 * 37 * 48, 9 * 37 * 144, 2 * 37 * 37};
    double *one[3], *more[3];
    results_on(1, one);
    for (int threads = 2; threads <= 5; threads++) {
        results_on(threads, more);
        for (int i = 0; i < 3; i++) {
            assert_memory_equal(one[i], more[i], (size_t)counts[i] * sizeof(double));
            free(more[i]);
        }
    }
    for (int i = 0; i < 3; i++)
        free(one[i]);
}

/* ---- what does not fit ---- */

static void refuse(const char *message, px_shape q, px_shape k, px_shape bias, int heads)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "q", PX_F32, q), *y = px_input(g, "k", PX_F32, k);
    px_attention_with(
        g, (px_attention_operands){.q = x, .k = y, .v = y, .bias = px_input(g, "bias", PX_F32, bias), .heads = heads});
    assert_non_null(px_graph_error(g));
    assert_string_equal(px_graph_error(g), message);
    px_graph_destroy(g);
}

static void misfits_are_refused(void **state)
{
    (void)state;
    const px_shape q = PX_SHAPE(4, 5, 6), k = PX_SHAPE(4, 7, 6);
    refuse("attention: queries (4, 5, 6), keys (4, 7, 6) and values (4, 7, 6) do not fit in 4 heads", q, k, PX_SHAPE(7),
           4);
    refuse("attention: queries (4, 5, 6), keys (3, 7, 6) and values (3, 7, 6) do not fit in 2 heads", q,
           PX_SHAPE(3, 7, 6), PX_SHAPE(7), 2);
    refuse("attention: bias (3, 1, 5, 7) does not fit (4 samples, 2 heads, 5 queries, 7 keys)", q, k,
           PX_SHAPE(3, 1, 5, 7), 2);
    refuse("attention: bias (2, 5, 1) does not fit (4 samples, 2 heads, 5 queries, 7 keys)", q, k, PX_SHAPE(2, 5, 1),
           2);
    refuse("attention: bias (3, 5, 7) does not fit (4 samples, 2 heads, 5 queries, 7 keys)", q, k, PX_SHAPE(3, 5, 7),
           2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),        cmocka_unit_test(masked_keys_are_not_seen),
        cmocka_unit_test(long_rows_agree_with_portable), cmocka_unit_test(odd_sizes_agree_with_portable),
        cmocka_unit_test(bits_do_not_depend_on_threads), cmocka_unit_test(misfits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
