/* test_simclr.c - SimCLR's loss against equation 1 of the paper, written out in double, and its views against the
 * options. The backbone is replaced by one that passes pixels through, so that the features are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "ops/ops.h"
#include "train/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, N = 2 * B, SIDE = 8, F = 3 * SIDE * SIDE, D = 128 };

/* ---- the graph ---- */

static px_encoding pixels(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    (void)c;
    return (px_encoding){.pooled = px_reshape(g, x, PX_SHAPE(x->shape.dim[0], F))};
}

static const px_backbone_family pixels_family = {.name = "pixels", .build = pixels};
static const px_backbone pixels_backbone = {.name = "pixels", .family = &pixels_family};

typedef struct subject {
    px_settings s;
    px_task task;
    px_graph *g;
    px_plan *plan;
    px_value *loss, *accuracy;
} subject;

static void start(subject *t, px_dtype real, const px_backend *backend, const char *temperature, const char *scaling)
{
    const char *given[] = {"method=simclr", "simclr.projection_layers=1", temperature, scaling};
    *t = (subject){.task = {.image_size = SIDE, .channels = 3, .batch = B, .ranks = 1}};
    assert_int_equal(px_settings_load(&t->s, NULL, given, 4), 0);
    t->g = px_graph_create((px_mode){.real = real, .ranks = 1});
    px_input(t->g, "views", real, PX_SHAPE(N, 3, SIDE, SIDE));
    px_build b = {.g = t->g, .task = &t->task, .backbone = &pixels_backbone};
    t->loss = t->s.method->build(t->s.method_cfg, &b);
    px_graph_output(t->g, "loss", t->loss);
    px_graph_fuse(t->g);
    t->plan = px_plan_create(t->g, &(px_plan_spec){.backend = backend});
    if (!t->plan)
        fail_msg("%s", px_error());
    px_plan_init_params(t->plan, 4);
    t->accuracy = px_graph_find_output(t->g, "contrast_accuracy");
}

static void stop(subject *t)
{
    px_plan_destroy(t->plan);
    px_graph_destroy(t->g);
    px_settings_finish(&t->s);
}

/* The weight of the only linear layer (D, F), in double for any graph type. */
static double *projection(subject *t)
{
    double *w = px_calloc(D * F, sizeof *w);
    for (int i = 0; i < px_graph_params(t->g); i++) {
        const px_param *p = px_graph_param(t->g, i);
        if (strcmp(p->name, "projector.linear1.weight") != 0)
            continue;
        assert_int_equal(px_shape_count(p->value->shape), D * F);
        if (p->value->dtype == PX_F64) {
            px_plan_get_param(t->plan, i, w);
            return w;
        }
        float *single = px_calloc(D * F, sizeof *single);
        px_plan_get_param(t->plan, i, single);
        for (int k = 0; k < D * F; k++)
            w[k] = single[k];
        free(single);
        return w;
    }
    fail_msg("there is no projector.linear1.weight");
    return w;
}

/* ---- the paper ---- */

/* Linear, batch norm (scale 1), unit length: z (N, D). */
static void project(const double *x, const double *w, double *z)
{
    for (int d = 0; d < D; d++) {
        double mean = 0, square = 0;
        for (int i = 0; i < N; i++) {
            double y = 0;
            for (int k = 0; k < F; k++)
                y += w[d * F + k] * x[i * F + k];
            z[i * D + d] = y;
            mean += y / N;
        }
        for (int i = 0; i < N; i++)
            square += (z[i * D + d] - mean) * (z[i * D + d] - mean) / N;
        for (int i = 0; i < N; i++)
            z[i * D + d] = (z[i * D + d] - mean) / sqrt(square + 1e-5);
    }
    for (int i = 0; i < N; i++) {
        double length = 0;
        for (int d = 0; d < D; d++)
            length += z[i * D + d] * z[i * D + d];
        for (int d = 0; d < D; d++)
            z[i * D + d] /= sqrt(length);
    }
}

/* Equation 1, averaged over all 2B rows; *accuracy: how often the other view is the most similar row. */
static double nt_xent(const double *z, double temperature, double *accuracy)
{
    double loss = 0;
    *accuracy = 0;
    for (int i = 0; i < N; i++) {
        int positive = (i + B) % N, nearest = -1;
        double sum = 0, best = -2, other = 0;
        for (int k = 0; k < N; k++) {
            double similarity = 0;
            for (int d = 0; d < D; d++)
                similarity += z[i * D + d] * z[k * D + d];
            if (k == i)
                continue;
            sum += exp(similarity / temperature);
            other = k == positive ? similarity : other;
            nearest = similarity > best ? k : nearest;
            best = fmax(best, similarity);
        }
        loss -= log(exp(other / temperature) / sum) / N;
        *accuracy += (double)(nearest == positive) / N;
    }
    return loss;
}

/* Noise; the second view contains the fraction `share` of the first one. */
static void draw(double *x, double share)
{
    px_rng rng = px_rng_make(3, PX_RNG_VIEWS, 0, 0);
    for (int i = 0; i < N * F; i++)
        x[i] = px_rng_uniform(&rng);
    for (int i = 0; i < B * F; i++)
        x[B * F + i] = share * x[i] + (1 - share) * x[B * F + i];
}

static void compare(px_dtype real, const px_backend *backend, double temperature, bool sum, double tolerance)
{
    char *set_temperature = px_format("simclr.temperature=%g", temperature);
    subject t;
    double *x = px_aligned_calloc(N * F * sizeof *x), *z = px_calloc(N * D, sizeof *z), accuracy;
    float *single = px_aligned_calloc(N * F * sizeof *single);
    start(&t, real, backend, set_temperature, sum ? "simclr.loss=sum" : "simclr.loss=mean");
    draw(x, 0.4);
    for (int i = 0; i < N * F; i++)
        single[i] = (float)x[i];
    px_plan_bind(t.plan, px_graph_find_input(t.g, "views"), real == PX_F64 ? (void *)x : single);
    px_plan_run(t.plan, NULL);
    double *w = projection(&t);
    project(x, w, z);
    double expected = nt_xent(z, temperature, &accuracy) * (sum ? 2 : 1), got = px_plan_scalar(t.plan, t.loss);
    if (!(fabs(got - expected) < tolerance * expected))
        fail_msg("temperature %g: %.9f, expected %.9f", temperature, got, expected);
    assert_true(fabs(px_plan_scalar(t.plan, t.accuracy) - accuracy) < 1e-6);
    stop(&t);
    free(set_temperature);
    free(single);
    free(x);
    free(z);
    free(w);
}

static void loss_is_equation_1(void **state)
{
    (void)state;
    for (int sum = 0; sum < 2; sum++)
        for (double temperature = 0.1; temperature < 2; temperature *= 3) {
            compare(PX_F64, &px_backend_openblas, temperature, sum, 1e-12);
            compare(PX_F32, &px_backend_openblas, temperature, sum, 1e-5);
            compare(PX_F32, &px_backend_fast, temperature, sum, 1e-5);
        }
}

/* Random directions in many dimensions are all equally similar: a uniform choice among the other 2B - 1. */
static void loss_of_noise(void **state)
{
    (void)state;
    subject t;
    double *x = px_aligned_calloc(N * F * sizeof *x);
    start(&t, PX_F64, &px_backend_openblas, "simclr.temperature=1", "simclr.loss=mean");
    draw(x, 0);
    px_plan_bind(t.plan, px_graph_find_input(t.g, "views"), x);
    px_plan_run(t.plan, NULL);
    assert_true(fabs(px_plan_scalar(t.plan, t.loss) - log(N - 1)) < 0.05);
    stop(&t);
    free(x);
}

/* ---- views ---- */

typedef struct scene {
    px_settings s;
    uint8_t bytes[F]; /* (SIDE, SIDE, 3) */
    float view[2][3][SIDE][SIDE];
} scene;

/* The two views of one picture under these options. */
static void look(scene *c, bool augment, const char *const options[], int count, uint64_t seed)
{
    const char *given[8] = {"method=simclr"};
    for (int i = 0; i < count; i++)
        given[1 + i] = options[i];
    assert_int_equal(px_settings_load(&c->s, NULL, given, 1 + count), 0);
    px_rng paint = px_rng_make(8, PX_RNG_VIEWS, 0, 0), rng = px_rng_make(seed, PX_RNG_VIEWS, 0, 1);
    for (int i = 0; i < F; i++)
        c->bytes[i] = (uint8_t)(256 * px_rng_uniform(&paint));
    px_image image = {.pixels = c->bytes, .height = SIDE, .width = SIDE, .channels = 3};
    px_task task = {.image_size = SIDE, .channels = 3, .batch = 1, .ranks = 1, .augment = augment};
    px_views views = {0};
    px_scratch scratch = {0};
    c->s.method->views(c->s.method_cfg, &task, &views);
    assert_int_equal(views.count, 1);
    assert_int_equal(views.view[0].copies, 2);
    assert_int_equal(px_view_elements(&views.view[0]), F);
    px_sample sample = {.views = &views, .base = {c->view}, .batch = 1, .scratch = &scratch};
    c->s.method->make_views(c->s.method_cfg, &task, &rng, &image, &sample);
    px_scratch_finish(&scratch);
    px_settings_finish(&c->s);
}

/* Whether a view is the picture, mirrored or not. */
static bool shows_picture(const scene *c, int view, bool mirrored)
{
    for (int ch = 0; ch < 3; ch++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int from = mirrored ? SIDE - 1 - x : x;
                float expected = (float)c->bytes[(y * SIDE + from) * 3 + ch] / 255;
                if (fabsf(c->view[view][ch][y][x] - expected) > 1e-5f)
                    return false;
            }
    return true;
}

static void views_follow_options(void **state)
{
    (void)state;
    static const char *const plain[] = {"simclr.area_min=1", "simclr.flip=0", "simclr.jitter=0", "simclr.gray=0",
                                        "simclr.blur=0"};
    static const char *const mirror[] = {"simclr.area_min=1", "simclr.flip=1", "simclr.jitter=0", "simclr.gray=0"};
    static const char *const gray[] = {"simclr.gray=1"};
    scene a, b;
    look(&a, false, NULL, 0, 1);
    assert_true(shows_picture(&a, 0, false) && shows_picture(&a, 1, false));
    look(&a, true, plain, 5, 1);
    assert_true(shows_picture(&a, 0, false) && shows_picture(&a, 1, false));
    look(&a, true, mirror, 4, 1);
    assert_true(shows_picture(&a, 0, true) && shows_picture(&a, 1, true));
    look(&a, true, gray, 1, 1);
    assert_memory_equal(a.view[0][0], a.view[0][1], sizeof a.view[0][0]);
    assert_memory_equal(a.view[1][0], a.view[1][2], sizeof a.view[1][0]);
    look(&a, true, NULL, 0, 1);
    look(&b, true, NULL, 0, 1);
    assert_memory_equal(a.view, b.view, sizeof a.view); /* it depends on the stream only */
    assert_memory_not_equal(a.view[0], a.view[1], sizeof a.view[0]);
    look(&b, true, NULL, 0, 2);
    assert_memory_not_equal(a.view, b.view, sizeof a.view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loss_is_equation_1), cmocka_unit_test(loss_of_noise),
                                       cmocka_unit_test(views_follow_options)};
    return cmocka_run_group_tests_name("simclr", tests, NULL, NULL);
}
