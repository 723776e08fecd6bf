/* test_masked_distil.c - masks of iBOT and DINOv2: blocks, as many patches as asked for, in half of the crops; the three
 * tensors agree; what is refused and what is watched. Losses and gradients are compared with PyTorch in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "small_nets.h"
#include "train/mask_blocks.h"

#include <math.h>

enum { SIDE = 56, PATCH = 4, ROWS = SIDE / PATCH, T = ROWS * ROWS };

static uint8_t bytes[SIDE * SIDE * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};
static const px_task task = {.image_size = SIDE, .channels = 3, .patch = PATCH, .augment = true};

/* Hidden patches without a hidden neighbour on any side: there are none if the smallest block has more than one patch; blocks that
 * overlap others, and the last ones, may leave a few. */
static int lonely(const float *mask)
{
    int count = 0;
    for (int t = 0; t < T; t++) {
        int y = t / ROWS, x = t % ROWS;
        bool beside = (x > 0 && mask[t - 1] > 0) || (x + 1 < ROWS && mask[t + 1] > 0);
        bool above = (y > 0 && mask[t - ROWS] > 0) || (y + 1 < ROWS && mask[t + ROWS] > 0);
        count += mask[t] > 0 && !beside && !above;
    }
    return count;
}

static void blocks_hide_as_many_as_asked(void **state)
{
    enum { MOST = 78, DRAWN = 500 };
    (void)state;
    int all = 0, alone = 0, seen[T] = {0};
    for (uint64_t i = 0; i < DRAWN; i++) {
        float mask[T] = {0};
        px_rng rng = px_rng_make(1, PX_RNG_TEST, i, 0);
        int count = px_mask_blocks(&rng, ROWS, ROWS, 16, MOST, mask), found = 0;
        for (int t = 0; t < T; t++) {
            assert_true(mask[t] == 0 || mask[t] == 1);
            found += mask[t] == 1;
            seen[t] += mask[t] == 1;
        }
        assert_int_equal(found, count);
        assert_in_range(count, 1, MOST);
        all += count;
        alone += lonely(mask);
    }
    assert_true(all > 0.95 * MOST * DRAWN); /* few masks find no place for the rest */
    assert_true(alone < 0.01 * all);
    for (int t = 0; t < T; t++) /* each can be hidden and seen */
        assert_in_range(seen[t], 1, DRAWN - 1);
}

static void of_one_patch_nothing_can_be_a_block(void **state)
{
    (void)state;
    float mask[1] = {0};
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 0, 0);
    assert_int_equal(px_mask_blocks(&rng, 1, 1, 1, 1, mask), 0);
}

/* The three tensors of a crop; returns how many patches are hidden. */
static int check_crop(const float *mask, const int32_t *hidden, const float *share, int M)
{
    int count = 0;
    for (int t = 0; t < T; t++)
        if (mask[t] > 0) {
            assert_true(count < M);
            assert_int_equal(hidden[count++], t);
        }
    for (int m = 0; m < M; m++)
        assert_true(share[m] == (m < count ? 1 / (float)count : 0));
    return count;
}

static void half_of_the_crops_are_masked(void **state)
{
    enum { SAMPLES = 400 };
    (void)state;
    static const char *const methods[] = {"ibot", "dinov2"};
    for (int i = 0; i < 2; i++) {
        scene c;
        int masked = 0, hidden = 0;
        char *method = px_format("method=%s", methods[i]), *small = px_format("%s.small_crops=%d", methods[i], i * 2);
        scene_start(&c, task, (const char *[]){method, small, NULL});
        int M = scene_elements(&c, "hidden");
        assert_int_equal(M, T / 2);
        for (uint64_t sample = 0; sample < SAMPLES; sample++) {
            scene_make(&c, &picture, 1, sample);
            for (int v = 0; v < 2; v++) {
                int count = check_crop((const float *)scene_view(&c, "mask") + v * T,
                                       (const int32_t *)scene_view(&c, "hidden") + v * M,
                                       (const float *)scene_view(&c, "share") + v * M, M);
                masked += count > 0;
                hidden += count;
                assert_in_range(count, 0, M);
            }
        }
        /* within five standard deviations of a half; the mean fraction is 0.3 at most, since some masks stop early */
        assert_true(fabs((double)masked - SAMPLES) < 5 * sqrt(SAMPLES / 2.0));
        double mean = (double)hidden / masked / T;
        if (!(mean > 0.27 && mean < 0.31))
            fail_msg("%s hides %g of a masked crop", methods[i], mean);
        scene_stop(&c);
        free(small);
        free(method);
    }
}

static void refuses(const char *method, const char *setting, int batch, const char *text)
{
    px_settings s;
    px_task small = task;
    small.batch = batch;
    small.ranks = 1;
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){method, setting}, 2), 0);
    const char *why = s.method->check(s.method_cfg, &small, s.backbone);
    assert_true(why ? text && strcmp(why, text) == 0 : !text);
    px_settings_finish(&s);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    refuses("method=ibot", "ibot.mask_spread=0.4", 2, "mask_spread is larger than mask_ratio");
    refuses("method=dinov2", "dinov2.mask_ratio=0.1", 2, "mask_spread is larger than mask_ratio");
    refuses("method=dinov2", "dinov2.koleo=0.1", 1, "DINOv2 needs at least batch=2: one image has no neighbour");
    refuses("method=dinov2", "dinov2.koleo=0", 1, NULL);
    refuses("method=ibot", "ibot.mask_ratio=0.5", 1, NULL);
}

/* Whose z stay apart where all images have one prototype. */
static void the_teacher_is_watched_by_what_it_assigns(void **state)
{
    (void)state;
    static const char *const given[][3] = {{"method=ibot", "ibot.prototypes=9", "ibot.dim=7"},
                                           {"method=dinov2", "dinov2.prototypes=9", "dinov2.dim=7"}};
    for (int i = 0; i < 2; i++) {
        px_settings s;
        px_views views = {0};
        px_task four = task;
        four.batch = 4;
        four.ranks = 1;
        assert_int_equal(px_settings_load(&s, NULL, given[i], 3), 0);
        s.method->views(s.method_cfg, &four, &views);
        px_graph *g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1});
        view_inputs(g, &views, four.batch);
        px_build b = {.g = g, .task = &four, .backbone = &small_vit, .backbone_cfg = s.backbone_cfg};
        s.method->build(s.method_cfg, &b);
        assert_null(px_graph_error(g));
        assert_true(px_shape_equal(b.embedding[PX_WATCHED_TEACHER]->shape, PX_SHAPE(8, 9)));
        px_graph_destroy(g);
        px_settings_finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hide_as_many_as_asked), cmocka_unit_test(of_one_patch_nothing_can_be_a_block),
        cmocka_unit_test(half_of_the_crops_are_masked), cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(the_teacher_is_watched_by_what_it_assigns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
