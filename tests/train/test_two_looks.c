/* test_two_looks.c - alignment and LiDAR of two views beside NumPy, with fewer features than rows and with more.
 *
 *     def rows(n, w, s):
 *         i, j = np.arange(n)[:, None], np.arange(w)[None, :]
 *         return (np.sin(1.3*i + 0.7*j + 0.11*i*j) + s*np.cos(0.9*i - 1.7*j + 0.05*i*j)).astype(np.float32).astype(np.float64)
 *     for n, w in ((40, 6), (12, 30)):
 *         a, b = rows(n, w, 0.3), rows(n, w, -0.3)
 *         unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
 *         m = (a + b) / 2
 *         d = np.concatenate([a - m, b - m])
 *         e, v = np.linalg.eigh(d.T @ d / len(d) + 1e-4 * np.eye(w))
 *         root = v @ np.diag(e ** -0.5) @ v.T
 *         p = np.clip(np.linalg.eigvalsh(root @ np.cov(m.T, bias=True) @ root), 0, None)
 *         p = p[p > 0] / p.sum()
 *         print(((unit(a) - unit(b)) ** 2).sum(1).mean(), np.exp(-(p * np.log(p)).sum()))
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/two_looks.h"

#include <math.h>

enum { MOST = 40 * 30 };

static void fill(float *x, int count, int width, double share)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < width; j++)
            x[i * width + j] =
                (float)(sin(1.3 * i + 0.7 * j + 0.11 * i * j) + share * cos(0.9 * i - 1.7 * j + 0.05 * i * j));
}

static px_two_looks measure(int count, int width)
{
    float first[MOST], second[MOST];
    px_two_looks t;
    fill(first, count, width, 0.3);
    fill(second, count, width, -0.3);
    assert_int_equal(px_two_looks_measure(&t, first, second, count, width), 0);
    return t;
}

static void equals_numpy(void **state)
{
    (void)state;
    px_two_looks t = measure(40, 6);
    assert_true(fabs(t.alignment - 0.348501031) < 1e-6 && fabs(t.lidar - 1.312312342) < 1e-6 && t.narrow);
    t = measure(12, 30);
    assert_true(fabs(t.alignment - 0.323702216) < 1e-6 && fabs(t.lidar - 2.832351063) < 1e-6 && !t.narrow);
}

/* Of equal views nothing is lost, and W is delta alone: LiDAR is the effective rank of the images' covariance. */
static void equal_views(void **state)
{
    (void)state;
    float x[8 * 4] = {0};
    px_two_looks t;
    for (int i = 0; i < 8; i++)
        x[i * 4 + i % 4] = i < 4 ? 1 : -1; /* the covariance is 1/4 in each direction */
    assert_int_equal(px_two_looks_measure(&t, x, x, 8, 4), 0);
    assert_true(t.alignment == 0 && fabs(t.lidar - 4) < 1e-9 && !t.narrow);
}

static void not_finite(void **state)
{
    (void)state;
    float x[4] = {1, 2, NAN, 4}, y[4] = {1, 2, 3, 4};
    px_two_looks t;
    assert_int_equal(px_two_looks_measure(&t, x, y, 2, 2), 0);
    assert_true(isnan(t.alignment) && isnan(t.lidar) && !t.narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_numpy), cmocka_unit_test(equal_views),
                                       cmocka_unit_test(not_finite)};
    return cmocka_run_group_tests_name("two_looks", tests, NULL, NULL);
}
