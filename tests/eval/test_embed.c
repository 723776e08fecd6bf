/* test_embed.c - principal components and the map of embeddings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "eval/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `clusters` Gaussian blobs of spread 1 around centres of spread `apart`: (n, d), label i % clusters. */
static float *blobs(int64_t n, int d, int clusters, float apart)
{
    float *x = px_calloc((size_t)(n * d), sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        px_rng centre = px_rng_make(1, PX_RNG_TEST, 1, (uint64_t)(i % clusters));
        px_rng noise = px_rng_make(1, PX_RNG_TEST, 2, (uint64_t)i);
        for (int j = 0; j < d; j++)
            x[i * d + j] = apart * px_rng_normal(&centre) + px_rng_normal(&noise);
    }
    return x;
}

/* Fraction of points whose nearest other point in the map has the same label. */
static double purity(const float *xy, int64_t n, int clusters)
{
    int64_t good = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = -1;
        float nearest = INFINITY;
        for (int64_t j = 0; j < n; j++) {
            float dx = xy[2 * i] - xy[2 * j], dy = xy[2 * i + 1] - xy[2 * j + 1];
            if (j != i && dx * dx + dy * dy < nearest)
                nearest = dx * dx + dy * dy, best = j;
        }
        good += best % clusters == i % clusters;
    }
    return (double)good / (double)n;
}

static void test_pca(void **state)
{
    (void)state;
    enum { N = 60, D = 5, WIDE = 100 };
    /* Scores along axes of known size, rotated into D or WIDE dimensions by a Householder reflection. */
    for (int d = D; d <= WIDE; d += WIDE - D) {
        float *x = px_calloc((size_t)(N * d), sizeof *x), out[N * 2], truth[N][2];
        for (int i = 0; i < N; i++) {
            px_rng rng = px_rng_make(3, PX_RNG_TEST, 0, (uint64_t)i);
            truth[i][0] = 10 * px_rng_normal(&rng), truth[i][1] = 3 * px_rng_normal(&rng);
            float v = 2 * (truth[i][0] + truth[i][1]) / (float)d; /* 2 u'x / u'u, u all ones */
            for (int j = 0; j < d; j++)
                x[i * d + j] = (j < 2 ? truth[i][j] : 0) - v + 7;
        }
        assert_int_equal(px_pca(x, N, d, 2, out), 0);
        double variance[2] = {0}, cross = 0, total = 0, mean[2] = {0};
        for (int i = 0; i < N; i++)
            for (int c = 0; c < 2; c++)
                mean[c] += (double)truth[i][c] / N;
        for (int i = 0; i < N; i++) {
            for (int c = 0; c < 2; c++) {
                variance[c] += (double)(out[2 * i + c] * out[2 * i + c]);
                total += pow((double)truth[i][c] - mean[c], 2);
            }
            cross += (double)(out[2 * i] * out[2 * i + 1]);
        }
        assert_true(variance[0] > variance[1]);
        assert_true(fabs(variance[0] + variance[1] - total) < 1e-3 * total);
        assert_true(fabs(cross) < 1e-3 * total);
        free(x);
    }
}

static void test_blobs(void **state)
{
    (void)state;
    enum { N = 300, D = 64 };
    float *x = blobs(N, D, 3, 2), xy[2 * N], again[2 * N];
    double kl[PX_EMBED_STEPS / PX_EMBED_TRACE];
    assert_int_equal(px_embed_2d_traced(x, N, D, 5, xy, kl), 0);
    assert_true(purity(xy, N, 3) > 0.99);
    double last = kl[PX_EMBED_STEPS / PX_EMBED_TRACE - 1];
    assert_true(last > 0 && last < kl[0]);
    for (int i = 6; i < PX_EMBED_STEPS / PX_EMBED_TRACE; i++) /* after the exaggeration it only falls */
        assert_true(kl[i] < kl[i - 1] * 1.01);
    assert_int_equal(px_embed_2d(x, N, D, 5, again), 0);
    assert_memory_equal(xy, again, sizeof xy);
    free(x);
}

static void test_edges(void **state)
{
    (void)state;
    float same[20 * 3] = {0}, xy[40];
    assert_int_equal(px_embed_2d(same, 20, 3, 1, xy), 0); /* all points equal */
    for (int i = 0; i < 40; i++)
        assert_true(isfinite(xy[i]));
    for (int64_t n = 0; n < 6; n++)
        assert_int_equal(px_embed_2d(same, n, 1, 1, xy), 0);
    same[7] = NAN;
    assert_int_equal(px_embed_2d(same, 20, 3, 1, xy), -1);
    assert_int_equal(px_error_status(), PX_DIVERGED);
    assert_non_null(strstr(px_error(), "embedding 2"));
}

static void test_speed(void **state)
{
    (void)state;
    if (!getenv("PX_TEST_SPEED"))
        skip();
    enum { N = 1500, D = 512 };
    float *x = blobs(N, D, 10, 0.5f), *xy = px_calloc(2 * N, sizeof *xy);
    double begin = px_now(), kl[PX_EMBED_STEPS / PX_EMBED_TRACE];
    assert_int_equal(px_embed_2d(x, N, D, 5, xy), 0);
    double seconds = px_now() - begin;
    assert_int_equal(px_embed_2d_traced(x, N, D, 5, xy, kl), 0);
    print_message("%d points of %d: %.2f s, purity %.3f, KL", N, D, seconds, purity(xy, N, 10));
    for (int i = 0; i < PX_EMBED_STEPS / PX_EMBED_TRACE; i++)
        print_message(" %.3f", kl[i]);
    print_message("\n");
    free(x);
    free(xy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pca),
        cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
