/* test_ijepa.c - I-JEPA's blocks: whole rectangles of one size an image, within the limits; a context of as many patches as asked
 * for, without targets where there is room; sizes of the predictor; what is refused. Loss and gradients are compared with PyTorch
 * in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/model.h"
#include "train/multi_block.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 14, T = SIDE * SIDE, N = 4, DRAWS = 500 };

static const px_multi_block paper = {
    .targets = N, .target_min = 0.15, .target_max = 0.2, .aspect_min = 0.75, .aspect_max = 1.5, .context_min = 0.85};

typedef struct box {
    int top, left, bottom, right;
} box;

static box around(const int32_t *places, int count, int side)
{
    box b = {side, side, 0, 0};
    for (int i = 0; i < count; i++) {
        int y = places[i] / side, x = places[i] % side;
        assert_in_range(places[i], 0, side * side - 1);
        b = (box){y < b.top ? y : b.top, x < b.left ? x : b.left, y + 1 > b.bottom ? y + 1 : b.bottom,
                  x + 1 > b.right ? x + 1 : b.right};
    }
    return b;
}

/* The rectangle of a target's M places and shares; returns how many patches it has. */
static int check_target(const int32_t *places, const float *share, int M, int side)
{
    int count = 0;
    while (count < M && share[count] > 0)
        count++;
    assert_true(count > 0);
    for (int m = 0; m < M; m++) {
        assert_true(share[m] == (m < count ? 1 / (float)count : 0));
        assert_true(m == 0 || m >= count || places[m] > places[m - 1]);
        assert_true(m < count || places[m] == places[0]);
    }
    box b = around(places, count, side);
    int height = b.bottom - b.top, width = b.right - b.left;
    assert_int_equal(height * width, count); /* ascending, so no place is there twice */
    assert_true(height < side && width < side);
    /* sides are rounded */
    assert_true((height + 0.5) / (width - 0.5) > 0.75 && (height - 0.5) / (width + 0.5) < 1.5);
    return count;
}

static void blocks_are_the_papers(void **state)
{
    (void)state;
    const int sides[] = {3, 6, 8, 14, 16};
    for (size_t k = 0; k < sizeof sides / sizeof sides[0]; k++) {
        int side = sides[k], M = px_multi_block_most(&paper, side), K = side * side / 5, most = 0, least = M;
        int32_t *visible = px_calloc((size_t)K, sizeof *visible),
                *targets = px_calloc((size_t)(N * M), sizeof *targets);
        float *share = px_calloc((size_t)(N * M), sizeof *share);
        for (uint64_t i = 0; i < DRAWS; i++) {
            px_rng rng = px_rng_make(1, PX_RNG_TEST, i, 0);
            px_multi_block_draw(&paper, &rng, side, K, visible, targets, share);
            int count = check_target(targets, share, M, side);
            for (int t = 1; t < N; t++)
                assert_int_equal(check_target(targets + t * M, share + t * M, M, side), count);
            most = count > most ? count : most;
            least = count < least ? count : least;
        }
        assert_int_equal(most, M); /* no larger than it must be */
        /* half a patch more or less on each side */
        double small = sqrt(0.15) * side, large = sqrt(0.2) * side;
        assert_true(M < pow(large + 1, 2) && (least > pow(small - 1, 2) || least == 1));
        free(visible);
        free(targets);
        free(share);
    }
}

/* How many of the K places, which ascend, are targets. */
static int touched(const int32_t *visible, int K, const int32_t *targets, int count)
{
    int found = 0;
    for (int k = 0; k < K; k++) {
        bool hit = false;
        assert_true(k == 0 || visible[k] > visible[k - 1]);
        for (int m = 0; m < count; m++)
            hit = hit || targets[m] == visible[k];
        found += hit;
    }
    return found;
}

static void contexts_are_apart_from_targets(void **state)
{
    (void)state;
    int M = px_multi_block_most(&paper, SIDE), K = T / 5, seen[T] = {0}, mixed = 0;
    int32_t visible[T], *targets = px_calloc((size_t)(N * M), sizeof *targets);
    float *share = px_calloc((size_t)(N * M), sizeof *share);
    for (uint64_t i = 0; i < DRAWS; i++) {
        px_rng rng = px_rng_make(2, PX_RNG_TEST, i, 0);
        px_multi_block_draw(&paper, &rng, SIDE, K, visible, targets, share);
        mixed += touched(visible, K, targets, N * M) > 0;
        for (int k = 0; k < K; k++)
            seen[visible[k]]++;
    }
    assert_int_equal(mixed, 0);
    for (int t = 0; t < T; t++) /* each can be seen or not */
        assert_in_range(seen[t], 1, DRAWS - 1);
    free(targets);
    free(share);
}

/* As many as the smallest square has: then the context has targets in it. */
static void a_context_without_room(void **state)
{
    (void)state;
    enum { ROWS = 8, MOST = 49 };
    int M = px_multi_block_most(&paper, ROWS);
    int32_t visible[MOST], *targets = px_calloc((size_t)(N * M), sizeof *targets);
    float *share = px_calloc((size_t)(N * M), sizeof *share);
    assert_null(px_multi_block_check(&paper, ROWS, MOST));
    assert_non_null(px_multi_block_check(&paper, ROWS, MOST + 1));
    for (uint64_t i = 0; i < 50; i++) {
        px_rng rng = px_rng_make(3, PX_RNG_TEST, i, 0);
        px_multi_block_draw(&paper, &rng, ROWS, MOST, visible, targets, share);
        assert_true(touched(visible, MOST, targets, N * M) > 0);
        box b = around(visible, MOST, ROWS);
        assert_true(b.bottom - b.top == 7 && b.right - b.left == 7);
    }
    free(targets);
    free(share);
}

static const char *refusal(int image_size, int patch, const char *setting)
{
    px_settings s;
    px_task task = {.image_size = image_size, .channels = 3, .patch = patch, .batch = 2, .ranks = 1};
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=ijepa", setting}, 2), 0);
    px_task_take_backbone(&task, s.backbone, s.backbone_cfg);
    task.patch = patch;
    const char *why = s.method->check(s.method_cfg, &task, s.backbone);
    px_settings_finish(&s);
    return why;
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    assert_null(refusal(32, 4, "seed=1"));
    assert_null(refusal(24, 8, "seed=1"));
    assert_non_null(strstr(refusal(32, 16, "seed=1"), "at least 3 x 3 patches"));
    assert_string_equal(refusal(32, 4, "ijepa.target_min=0.3"), "target_min is larger than target_max");
    assert_string_equal(refusal(32, 4, "ijepa.aspect_max=0.5"), "aspect_min is larger than aspect_max");
    assert_non_null(strstr(refusal(32, 4, "ijepa.context=50"), "context=0 would fit"));
    assert_null(refusal(32, 4, "ijepa.context=49"));
    assert_non_null(strstr(refusal(32, 4, "ijepa.predictor_width=98"), "a multiple of 4 and of"));
    assert_non_null(strstr(refusal(32, 4, "ijepa.predictor_heads=5"), "a multiple of 4 and of"));
}

/* Of the configuration that a run would record. */
static void expect_predictor(const char *backbone, const char *sizes)
{
    char *set_backbone = px_format("backbone=%s", backbone);
    px_settings s;
    px_task task;
    const px_dataset_info info = {.height = 224, .width = 224, .channels = 3, .std = {1, 1, 1}};
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=ijepa", set_backbone}, 2), 0);
    assert_int_equal(px_task_of(&task, &s, &info, false, 8, 1), 0);
    char *text = px_config_text(s.config);
    int width, depth, heads, context;
    assert_int_equal(sscanf(sizes, "%d %d %d %d", &width, &depth, &heads, &context), 4);
    char *keys[] = {px_format("predictor_width = %d;", width), px_format("predictor_depth = %d;", depth),
                    px_format("predictor_heads = %d;", heads), px_format("context = %d;", context)};
    for (int i = 0; i < 4; i++) {
        if (!strstr(text, keys[i]))
            fail_msg("%s: not '%s' in %s", backbone, keys[i], text);
        free(keys[i]);
    }
    free(text);
    free(set_backbone);
    px_settings_finish(&s);
}

static void the_predictor_fits_the_encoder(void **state)
{
    (void)state;
    expect_predictor("vit_tiny_16", "96 6 3 39");
    expect_predictor("vit_small_16", "192 6 6 39");
    expect_predictor("vit_base_16", "384 6 12 39"); /* the paper's */
    expect_predictor("vit_large_16", "384 12 12 39");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_the_papers), cmocka_unit_test(contexts_are_apart_from_targets),
        cmocka_unit_test(a_context_without_room), cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(the_predictor_fits_the_encoder)};
    return cmocka_run_group_tests_name("ijepa", tests, NULL, NULL);
}
