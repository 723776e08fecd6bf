/* test_equal_views.c - the views of LeJEPA, W-MSE and EMP-SSL: how many, all by the same recipe, none alike; and what these methods
 * refuse. Their losses and gradients are compared with PyTorch in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

#include <math.h>

enum { SIDE = 16, N = 3 * SIDE * SIDE };

static uint8_t bytes[N];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};

static px_task task_of(bool augment)
{
    for (int i = 0; i < N; i++)
        bytes[i] = (uint8_t)(i * 37 % 256);
    return (px_task){.image_size = SIDE, .channels = 3, .augment = augment};
}

static void views_are_as_many_as_asked(void **state)
{
    (void)state;
    const struct {
        const char *method, *setting;
        int count;
    } cases[] = {{"method=lejepa", "lejepa.flip=0.5", 4},
                 {"method=wmse", "wmse.flip=0.5", 2},
                 {"method=wmse", "wmse.views=3", 3},
                 {"method=emp_ssl", "emp_ssl.flip=0.5", 20}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task_of(true), (const char *[]){cases[i].method, cases[i].setting, NULL});
        assert_int_equal(c.views.view[0].copies, cases[i].count);
        scene_make(&c, &picture, 1, 0);
        const float *x = scene_view(&c, "views");
        for (int v = 1; v < cases[i].count; v++)
            assert_memory_not_equal(x, x + v * N, N * sizeof x[0]);
        scene_stop(&c);
    }
}

/* augment=none leaves the image; solarize=1 and nothing else inverts the bright values of all views, not of the second alone. */
static void all_views_have_one_recipe(void **state)
{
    (void)state;
    for (int solarized = 0; solarized < 2; solarized++) {
        scene c;
        scene_start(&c, task_of(solarized),
                    (const char *[]){"method=lejepa", "lejepa.solarize=1", "lejepa.jitter=0", "lejepa.gray=0",
                                     "lejepa.blur=0", "lejepa.flip=0", "lejepa.area_min=1", "lejepa.ratio=1", NULL});
        scene_make(&c, &picture, 1, 0);
        const float *x = scene_view(&c, "views");
        for (int i = 0; i < 4 * N; i++) {
            int at = i % N, channel = at / (SIDE * SIDE), pixel = at % (SIDE * SIDE);
            float value = (float)bytes[pixel * 3 + channel] / 255;
            value = solarized && value >= 0.5f ? 1 - value : value;
            assert_true(fabsf(x[i] - value) < 1e-5f);
        }
        scene_stop(&c);
    }
}

/* With area_min = area_max = 0.25 and ratio=1 a crop has half of the image's side, so that only small cells of it are in a view:
 * of an image that grows from left to right, a view spans about half of the values. */
static void crops_have_the_area_that_is_asked_for(void **state)
{
    (void)state;
    scene c;
    px_task task = task_of(true);
    for (int i = 0; i < N; i++)
        bytes[i] = (uint8_t)(i / 3 % SIDE * 15);
    scene_start(&c, task,
                (const char *[]){"method=emp_ssl", "emp_ssl.jitter=0", "emp_ssl.gray=0", "emp_ssl.flip=0",
                                 "emp_ssl.blur=0", "emp_ssl.solarize=0", NULL});
    scene_make(&c, &picture, 3, 0);
    const float *x = scene_view(&c, "views");
    for (int v = 0; v < 20; v++) {
        float low = x[v * N], high = x[v * N + SIDE - 1]; /* of the first row */
        assert_true(fabsf((high - low) * 255 / 15 - 7.5f) < 0.76f);
    }
    scene_stop(&c);
}

static void refuses(const char *const settings[], int batch, int ranks, const char *text)
{
    px_settings s;
    px_task task = {.image_size = SIDE, .channels = 3, .batch = batch, .ranks = ranks};
    assert_int_equal(px_settings_load(&s, NULL, settings, 2), 0);
    const char *why = s.method->check(s.method_cfg, &task, s.backbone);
    if (text)
        assert_string_equal(why, text);
    else
        assert_null(why);
    px_settings_finish(&s);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    refuses((const char *[]){"method=lejepa", "lejepa.views=2"}, 1, 1,
            "LeJEPA needs at least batch=2: one image has no distribution");
    refuses((const char *[]){"method=lejepa", "lejepa.views=2"}, 1, 2, NULL);
    refuses((const char *[]){"method=lejepa", "lejepa.area_max=0.05"}, 2, 2, "area_min is larger than area_max");
    refuses((const char *[]){"method=emp_ssl", "emp_ssl.views=2"}, 1, 1,
            "EMP-SSL needs at least batch=2: one image fills no space");
    refuses((const char *[]){"method=emp_ssl", "emp_ssl.area_min=0.5"}, 2, 1, "area_min is larger than area_max");
    refuses((const char *[]){"method=wmse", "wmse.group=64"}, 64, 1,
            "wmse.group must be larger than wmse.dim: so few images have no covariance that can be whitened");
    refuses((const char *[]){"method=wmse", "wmse.group=128"}, 48, 4,
            "W-MSE needs a batch (batch / accumulate) that wmse.group divides");
    refuses((const char *[]){"method=wmse", "wmse.group=128"}, 32, 4, NULL);
    refuses((const char *[]){"method=wmse", "wmse.area_max=0.1"}, 128, 1, "area_min is larger than area_max");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_as_many_as_asked), cmocka_unit_test(all_views_have_one_recipe),
        cmocka_unit_test(crops_have_the_area_that_is_asked_for), cmocka_unit_test(what_cannot_work_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
