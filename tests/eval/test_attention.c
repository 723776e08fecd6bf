/* test_attention.c - attention distance and entropy against NumPy's, and where all patches are looked at alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attention_fixtures.h"
#include "base/error.h"
#include "eval/attention_maps.h"

#include <math.h>
#include <stdlib.h>

enum { HEADS_MAX = 3 };

/* make_attention_fixtures.py makes the same numbers; times `factor`. */
static float *rows(const px_attention_about *a, float factor)
{
    int64_t tokens = a->first + a->grid * a->grid, row = 3 * a->width;
    float *x = px_calloc((size_t)(tokens * row), sizeof x[0]);
    for (int64_t i = 0; i < tokens; i++)
        for (int64_t j = 0; j < row; j++)
            x[i * row + j] = factor * (float)((double)((i * 7919 + j * 104729 + i * j * 31) % 1009) / 252.0 - 2);
    return x;
}

static void check(const px_attention_about *a, const double *distance, const double *entropy)
{
    double d[HEADS_MAX], e[HEADS_MAX];
    float *x = rows(a, 1);
    px_attention_measure(d, e, x, a);
    for (int h = 0; h < a->heads; h++)
        if (fabs(d[h] - distance[h]) > 1e-6 || fabs(e[h] - entropy[h]) > 1e-6)
            fail_msg("head %d: %.9g, %.9g, expected %.9g, %.9g", h, d[h], e[h], distance[h], entropy[h]);
    free(x);
}

static void numbers_are_those_of_numpy(void **state)
{
    (void)state;
    check(&(px_attention_about){.heads = 3, .width = 12, .scale = 0.5, .grid = 4, .first = 1, .patch = 8},
          with_class_distance, with_class_entropy);
    check(&(px_attention_about){.heads = 2, .width = 8, .scale = 0.5, .grid = 3, .patch = 4}, without_distance,
          without_entropy);
}

static void even_attention(void **state)
{
    (void)state;
    const px_attention_about a = {.heads = 2, .width = 8, .scale = 0.5, .grid = 2, .first = 1, .patch = 10};
    double d[HEADS_MAX], e[HEADS_MAX];
    float *x = rows(&a, 0);
    px_attention_measure(d, e, x, &a);
    assert_true(fabs(d[0] - 10 * (2 + sqrt(2)) / 4) < 1e-12); /* itself, two neighbours, the other corner */
    assert_true(fabs(e[1] - log(5)) < 1e-12);
    free(x);
}

/* Where the class token looks; without one, what all patches look at. The scale is such that one key takes e times as much. */
static void maps_of_heads(void **state)
{
    (void)state;
    px_attention_about a = {.heads = 2, .width = 2, .scale = 1, .grid = 2, .first = 1, .patch = 1};
    /* (tokens, 3 width): queries, keys, values; a head's query and key are a number each */
    float x[5][6] = {{1, 0, 9, 9}, {5, 5, 0, 0}, {5, 5, 0, 9}, {5, 5, 1, 0}, {5, 5, 0, 0}};
    double map[8], e = exp(1);
    px_attention_map(map, x[0], &a);
    for (int k = 0; k < 4; k++) {
        assert_true(fabs(map[k] - (k == 2 ? e : 1) / (3 + e)) < 1e-12);
        assert_true(fabs(map[4 + k] - 0.25) < 1e-12); /* the second head's query of the class token is 0 */
    }
    a.first = 0;
    float y[4][6] = {{1, 0, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}};
    px_attention_map(map, y[0], &a);
    for (int k = 0; k < 4; k++)
        assert_true(fabs(map[k] - (2 * (k == 1 ? e : 1) / (3 + e) + 2 * 0.25) / 4) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_those_of_numpy), cmocka_unit_test(even_attention),
                                       cmocka_unit_test(maps_of_heads)};
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
