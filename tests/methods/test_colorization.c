/* test_colorization.c - the lightness and the colours of a picture of two colours, and of a gray one; which colours count as seen
 * after batches that are gray in part or as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/lab.h"
#include "graph/plan_params.h"
#include "scene.h"
#include "small_nets.h"

#include <math.h>

enum { S = 16, N = S * S, CELLS = 16, NEAREST = PX_COLOUR_NEAREST };

static uint8_t bytes[3 * N];
static const px_image picture = {.pixels = bytes, .height = S, .width = S, .channels = 3};
static const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.25f, 0.2f};

/* The left half has the first colour, the right one the second. */
static scene look(const uint8_t left[3], const uint8_t right[3])
{
    scene c;
    for (int i = 0; i < 3 * N; i++)
        bytes[i] = (i / 3 % S < S / 2 ? left : right)[i % 3];
    scene_start(&c, (px_task){.image_size = S, .channels = 3, .mean = mean, .std = std},
                (const char *[]){"method=colorization", NULL});
    scene_make(&c, &picture, 1, 0);
    return c;
}

static px_lab lab_of(const uint8_t c[3])
{
    return px_lab_of((float)c[0] / 255, (float)c[1] / 255, (float)c[2] / 255);
}

static void two_colours(void **state)
{
    (void)state;
    const uint8_t half[2][3] = {{200, 40, 40}, {30, 60, 220}};
    scene c = look(half[0], half[1]);
    const float *lightness = scene_view(&c, "lightness"), *shares = scene_view(&c, "shares"),
                *colours = scene_view(&c, "colours");
    const int32_t *bins = scene_view(&c, "bins"), *nearest = scene_view(&c, "nearest");
    float expected_colours[PX_COLOUR_BINS] = {0};
    for (int i = 0; i < 3 * N; i++) {
        float expected = (lab_of(half[i % S >= S / 2]).l / 100 - mean[i / N]) / std[i / N];
        assert_true(fabsf(lightness[i] - expected) < 1e-3f);
    }
    for (int cell = 0; cell < CELLS; cell++) {
        int32_t bin[NEAREST];
        float share[NEAREST];
        px_colour_encode(lab_of(half[cell % 4 >= 2]), bin, share);
        assert_int_equal(nearest[cell], bin[0]);
        assert_memory_equal(bins + (size_t)cell * NEAREST, bin, sizeof bin);
        for (int k = 0; k < NEAREST; k++) {
            assert_true(fabsf(shares[cell * NEAREST + k] - share[k]) < 1e-3f);
            expected_colours[bin[k]] += share[k] / CELLS;
        }
    }
    for (int q = 0; q < PX_COLOUR_BINS; q++)
        assert_true(fabsf(colours[q] - expected_colours[q]) < 1e-3f);
    scene_stop(&c);
}

/* Neither its loss nor its colours count. */
static void gray(void **state)
{
    (void)state;
    scene c = look((const uint8_t[]){90, 90, 90}, (const uint8_t[]){210, 208, 210});
    const float *shares = scene_view(&c, "shares"), *colours = scene_view(&c, "colours");
    for (int i = 0; i < CELLS * NEAREST; i++)
        assert_true(shares[i] == 0);
    for (int q = 0; q < PX_COLOUR_BINS; q++)
        assert_true(colours[q] == 0);
    scene_stop(&c);
}

/* ---- training ---- */

enum { B = 4, BINS = PX_COLOUR_BINS };

typedef struct training {
    px_settings s;
    px_task task;
    px_views views;
    px_graph *g;
    px_plan *plan;
    px_value *loss;
    void *input[PX_VIEWS_MAX]; /* 0, as gray images have them */
    double *colours;           /* (B,BINS), one of the inputs */
} training;

static void start(training *t, const char *memory)
{
    *t = (training){.task = {.image_size = S, .channels = 3, .batch = B, .ranks = 1}};
    const char *given[] = {"method=colorization", "colorization.hidden=4", memory};
    assert_int_equal(px_settings_load(&t->s, NULL, given, 3), 0);
    t->s.method->views(t->s.method_cfg, &t->task, &t->views);
    t->g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1});
    view_inputs(t->g, &t->views, B);
    px_build b = {.g = t->g, .task = &t->task, .backbone = &small_cnn};
    t->loss = t->s.method->build(t->s.method_cfg, &b);
    px_graph_output(t->g, "loss", t->loss);
    px_graph_differentiate(t->g, t->loss);
    t->plan = px_plan_create(t->g, &(px_plan_spec){.backend = &px_backend_openblas});
    if (!t->plan)
        fail_msg("%s", px_error());
    px_plan_init_params(t->plan, 1);
    for (int i = 0; i < t->views.count; i++) {
        px_value *view = px_graph_find_input(t->g, t->views.view[i].name);
        t->input[i] = px_aligned_calloc((size_t)px_shape_count(view->shape) * sizeof(double));
        px_plan_bind(t->plan, view, t->input[i]);
        if (strcmp(t->views.view[i].name, "colours") == 0)
            t->colours = t->input[i];
    }
}

static void stop(training *t)
{
    px_plan_destroy(t->plan);
    px_graph_destroy(t->g);
    px_settings_finish(&t->s);
    for (int i = 0; i < t->views.count; i++)
        free(t->input[i]);
}

/* A step, after which the share of colour 7 among those seen is `seventh`, and of each other one as much as of any. */
static void step(training *t, double seventh)
{
    double seen[BINS] = {0};
    px_plan_run(t->plan, NULL);
    assert_true(isfinite(px_plan_scalar(t->plan, t->loss)));
    for (int i = 0; i < px_graph_params(t->g); i++)
        if (strcmp(px_graph_param(t->g, i)->name, "colours") == 0)
            px_plan_get_param(t->plan, i, seen);
    for (int q = 0; q < BINS; q++)
        assert_true(fabs(seen[q] - (q == 7 ? seventh : (1 - seventh) / (BINS - 1))) < 1e-9);
}

static void gray_images_count_as_seen_before(void **state)
{
    (void)state;
    const struct {
        const char *memory;
        double share;
    } cases[] = {{"colorization.memory=0", 0}, {"colorization.memory=0.8", 0.8}};
    for (int i = 0; i < 2; i++) {
        const double kept = cases[i].share, first = 1.0 / BINS;
        training t;
        start(&t, cases[i].memory);
        for (int k = 0; k < 3; k++)
            step(&t, first);
        t.colours[7] = t.colours[BINS + 7] = 1; /* two of four have colour 7 alone */
        double mixed = kept * first + (1 - kept) * (0.5 + 0.5 * first);
        step(&t, mixed);
        memset(t.colours, 0, (size_t)B * BINS * sizeof t.colours[0]);
        step(&t, mixed);
        stop(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_colours), cmocka_unit_test(gray),
                                       cmocka_unit_test(gray_images_count_as_seen_before)};
    return cmocka_run_group_tests_name("colorization", tests, NULL, NULL);
}
