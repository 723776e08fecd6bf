/* test_relative_location.c - the patches of a picture whose pixels encode their places, the changes of colours, and the
 * loss, written out in double with a backbone that passes pixels through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/plan_params.h"
#include "ops/ops.h"
#include "scene.h"

#include <math.h>

/* The picture is wider than high: its middle 96 x 96 is cut into cells of 32, which contain patches of 24. */
enum { HEIGHT = 96, WIDTH = 120, LEFT = 12, CELL = 32, SIDE = 24, N = SIDE * SIDE, NEIGHBOURS = 8, PATCHES = 9 };

#define PLAIN "relative_location.standardise=false", "relative_location.gray=0", "relative_location.flip=0"

static uint8_t bytes[HEIGHT * WIDTH * 3];
static const px_image picture = {.pixels = bytes, .height = HEIGHT, .width = WIDTH, .channels = 3};

/* Red is twice the row, green twice the column, blue neither. */
static void paint_places(void)
{
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        bytes[3 * i] = (uint8_t)(2 * (i / WIDTH));
        bytes[3 * i + 1] = (uint8_t)(2 * (i % WIDTH));
        bytes[3 * i + 2] = 100;
    }
}

static void paint_noise(void)
{
    px_rng rng = px_rng_make(5, PX_RNG_TEST, 0, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)px_rng_below(&rng, 256);
}

static scene look(bool augment, const char *const options[])
{
    const char *given[12] = {"method=relative_location"};
    for (int i = 0; options[i]; i++)
        given[1 + i] = options[i];
    scene c;
    scene_start(&c, (px_task){.image_size = 96, .channels = 3, .augment = augment}, given);
    return c;
}

/* Copy k < 8 is the k-th of the grid without its centre, copy 8 the centre. */
static const float *patch_at(const scene *c, int place)
{
    int copy = place < 4 ? place : place == 4 ? NEIGHBOURS : place - 1;
    assert_int_equal(scene_elements(c, "patches"), 3 * N);
    return (const float *)scene_view(c, "patches") + copy * 3 * N;
}

/* ---- places of patches ---- */

/* The source pixel behind a pixel of a patch of paint_places, in the square's coordinates. */
static double row_of(const float *patch, int i)
{
    return patch[i] * 255.0 / 2;
}

static double column_of(const float *patch, int i)
{
    return patch[N + i] * 255.0 / 2 - LEFT;
}

/* Corners of a patch: the centres of its first and last pixel are half a pixel inside. */
static void extent(const float *patch, double *top, double *left, bool mirrored)
{
    int first = mirrored ? SIDE - 1 : 0, last = mirrored ? 0 : SIDE - 1;
    *top = row_of(patch, SIDE) - 1;
    *left = column_of(patch, SIDE + (mirrored ? SIDE - 2 : 1)) - 1;
    assert_true(fabs(row_of(patch, N - SIDE - 1) - *top - SIDE + 2) < 0.1);
    double width = column_of(patch, N / 2 + last) - column_of(patch, N / 2 + first);
    assert_true(width > SIDE - 2 && width < SIDE);
}

static void check_cells(const scene *c, bool mirrored, bool centred)
{
    for (int place = 0; place < PATCHES; place++) {
        double top, left, row = CELL * (double)(place / 3),
                          column = CELL * (double)(mirrored ? 2 - place % 3 : place % 3);
        extent(patch_at(c, place), &top, &left, mirrored);
        double down = top - row, right = left - column, gap = CELL - SIDE;
        if (down < -0.1 || down > gap + 0.1 || right < -0.1 || right > gap + 0.1)
            fail_msg("place %d lies %g below and %g right of its cell's corner", place, down, right);
        if (centred)
            assert_true(fabs(down - gap / 2) < 0.1 && fabs(right - gap / 2) < 0.1);
    }
}

/* Each patch is in its own cell, so that none touch; without augmentation, in the middle: gaps of a quarter cell. */
static void patches_keep_to_their_cells(void **state)
{
    (void)state;
    paint_places();
    scene c = look(false, (const char *[]){PLAIN, NULL});
    scene_make(&c, &picture, 1, 0);
    check_cells(&c, false, true);
    scene_stop(&c);
    c = look(true, (const char *[]){PLAIN, NULL});
    for (uint64_t sample = 0; sample < 100; sample++) {
        scene_make(&c, &picture, 1, sample);
        check_cells(&c, false, false);
    }
    scene_stop(&c);
}

static void the_image_is_mirrored_as_a_whole(void **state)
{
    (void)state;
    paint_places();
    scene c = look(true, (const char *[]){PLAIN, "relative_location.flip=1", NULL});
    for (uint64_t sample = 0; sample < 100; sample++) {
        scene_make(&c, &picture, 1, sample);
        check_cells(&c, true, false);
    }
    scene_stop(&c);
}

/* Each patch's place in its cell is drawn uniformly: mean and deviation of 2 x 9 x 400 draws. */
static void jitter(void **state)
{
    enum { SAMPLES = 400, DRAWS = SAMPLES * PATCHES };
    (void)state;
    paint_places();
    scene c = look(true, (const char *[]){PLAIN, NULL});
    double sum[2] = {0}, square[2] = {0}, product = 0, neighbours = 0, before = 0;
    const double gap = CELL - SIDE, variance = gap * gap / 12;
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        scene_make(&c, &picture, 1, sample);
        for (int place = 0; place < PATCHES; place++) {
            double d[2];
            extent(patch_at(&c, place), &d[0], &d[1], false);
            d[0] -= CELL * (double)(place / 3) + gap / 2;
            d[1] -= CELL * (double)(place % 3) + gap / 2;
            for (int k = 0; k < 2; k++) {
                sum[k] += d[k] / DRAWS;
                square[k] += d[k] * d[k] / DRAWS;
            }
            product += d[0] * d[1] / DRAWS;
            neighbours += place ? d[0] * before / DRAWS : 0;
            before = d[0];
        }
    }
    for (int k = 0; k < 2; k++) {
        assert_true(fabs(sum[k]) < 5 * sqrt(variance / DRAWS));
        assert_true(fabs(square[k] / variance - 1) < 0.1);
    }
    assert_true(fabs(product / variance) < 0.1 && fabs(neighbours / variance) < 0.1);
    scene_stop(&c);
}

static void sizes(void **state)
{
    (void)state;
    const struct {
        int image, backbone_patch;
        const char *option;
        int side;
    } cases[] = {{96, 0, "relative_location.share=0.75", 24},   {32, 0, "relative_location.share=0.75", 16},
                 {255, 0, "relative_location.share=0.75", 63},  {96, 0, "relative_location.patch=40", 40},
                 {224, 16, "relative_location.share=0.75", 48}, {64, 32, "relative_location.share=0.75", 32},
                 {96, 8, "relative_location.share=1", 32}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, (px_task){.image_size = cases[i].image, .channels = 3, .patch = cases[i].backbone_patch},
                    (const char *[]){"method=relative_location", cases[i].option, NULL});
        assert_int_equal(scene_elements(&c, "patches"), 3 * cases[i].side * cases[i].side);
        scene_stop(&c);
    }
}

/* ---- changes of patches ---- */

static void moments(const float *x, int count, double *mean, double *deviation)
{
    double sum = 0, square = 0;
    for (int i = 0; i < count; i++)
        sum += x[i];
    *mean = sum / count;
    for (int i = 0; i < count; i++)
        square += (x[i] - *mean) * (x[i] - *mean);
    *deviation = sqrt(square / count);
}

static void each_patch_is_standardised(void **state)
{
    (void)state;
    paint_places();
    scene c = look(true, (const char *[]){NULL});
    for (uint64_t sample = 0; sample < 20; sample++) {
        scene_make(&c, &picture, 1, sample);
        for (int place = 0; place < PATCHES; place++) {
            double mean, deviation;
            moments(patch_at(&c, place), 3 * N, &mean, &deviation);
            assert_true(fabs(mean) < 1e-4 && fabs(deviation - 1) < 1e-2);
        }
    }
    scene_stop(&c);
}

/* If patches are not standardised, the data set's moments are used. */
static void or_normalised(void **state)
{
    (void)state;
    const float mean[3] = {0.5f, 0.4f, 0.3f}, std[3] = {0.2f, 0.25f, 0.5f};
    paint_places();
    scene plain = look(false, (const char *[]){PLAIN, NULL}), c = look(false, (const char *[]){PLAIN, NULL});
    c.task.mean = mean;
    c.task.std = std;
    scene_make(&plain, &picture, 1, 0);
    scene_make(&c, &picture, 1, 0);
    for (int place = 0; place < PATCHES; place++)
        for (int i = 0; i < 3 * N; i++) {
            float expected = (patch_at(&plain, place)[i] - mean[i / N]) / std[i / N];
            assert_true(fabsf(patch_at(&c, place)[i] - expected) < 1e-5f);
        }
    scene_stop(&plain);
    scene_stop(&c);
}

/* One channel of each patch, minus its mean, is unchanged; the others are noise with a hundredth of its deviation. */
static void colours_are_dropped(void **state)
{
    (void)state;
    paint_noise();
    scene plain = look(false, (const char *[]){PLAIN, NULL}),
          c = look(false, (const char *[]){PLAIN, "relative_location.colour=drop", NULL});
    int kept_how_often[3] = {0};
    for (uint64_t sample = 0; sample < 10; sample++) {
        scene_make(&plain, &picture, 1, 0);
        scene_make(&c, &picture, 1, sample);
        for (int place = 0; place < PATCHES; place++) {
            const float *whole = patch_at(&plain, place), *x = patch_at(&c, place);
            double mean[3], deviation[3], before[3], unused;
            int kept = 0;
            for (int ch = 0; ch < 3; ch++) {
                moments(x + ch * N, N, &mean[ch], &deviation[ch]);
                moments(whole + ch * N, N, &before[ch], &unused);
                kept = deviation[ch] > deviation[kept] ? ch : kept;
            }
            kept_how_often[kept]++;
            for (int i = 0; i < N; i++)
                assert_true(fabs(x[kept * N + i] - whole[kept * N + i] + before[kept]) < 1e-5);
            for (int ch = 0; ch < 3; ch++)
                if (ch != kept) {
                    assert_true(fabs(deviation[ch] / deviation[kept] * 100 - 1) < 0.2);
                    assert_true(fabs(mean[ch]) < 5 * deviation[ch] / SIDE);
                }
        }
    }
    for (int ch = 0; ch < 3; ch++)
        assert_in_range(kept_how_often[ch], 12, 48); /* of 90 */
    scene_stop(&plain);
    scene_stop(&c);
}

/* Nothing is left along (-1, 2, -1), everything else is unchanged. */
static void colours_are_projected(void **state)
{
    (void)state;
    paint_noise();
    scene plain = look(false, (const char *[]){PLAIN, NULL}),
          c = look(false, (const char *[]){PLAIN, "relative_location.colour=project", NULL});
    scene_make(&plain, &picture, 1, 0);
    scene_make(&c, &picture, 1, 0);
    for (int place = 0; place < PATCHES; place++) {
        const float *a = patch_at(&plain, place), *b = patch_at(&c, place);
        for (int i = 0; i < N; i++) {
            assert_true(fabsf(-b[i] + 2 * b[N + i] - b[2 * N + i]) < 1e-5f);
            assert_true(fabsf(b[i] - b[2 * N + i] - a[i] + a[2 * N + i]) < 1e-5f);
            assert_true(fabsf(b[i] + b[N + i] + b[2 * N + i] - a[i] - a[N + i] - a[2 * N + i]) < 1e-5f);
        }
    }
    scene_stop(&plain);
    scene_stop(&c);
}

static void gray(void **state)
{
    (void)state;
    paint_noise();
    scene c = look(true, (const char *[]){PLAIN, "relative_location.gray=1", NULL});
    scene_make(&c, &picture, 1, 0);
    for (int place = 0; place < PATCHES; place++) {
        assert_memory_equal(patch_at(&c, place), patch_at(&c, place) + N, N * sizeof(float));
        assert_memory_equal(patch_at(&c, place), patch_at(&c, place) + 2 * N, N * sizeof(float));
    }
    scene_stop(&c);
}

/* As if seen from further away, a patch has the same mean and less detail. */
static void downsampling(void **state)
{
    (void)state;
    paint_noise();
    scene plain = look(true, (const char *[]){PLAIN, NULL}),
          c = look(true, (const char *[]){PLAIN, "relative_location.downsample=1", NULL});
    scene_make(&plain, &picture, 1, 0);
    scene_make(&c, &picture, 1, 0);
    double finest = 0, coarsest = 1;
    for (int place = 0; place < PATCHES; place++) {
        double mean[2], deviation[2];
        moments(patch_at(&plain, place), 3 * N, &mean[0], &deviation[0]);
        moments(patch_at(&c, place), 3 * N, &mean[1], &deviation[1]);
        assert_true(fabs(mean[0] - mean[1]) < 0.02);
        finest = fmax(finest, deviation[1] / deviation[0]);
        coarsest = fmin(coarsest, deviation[1] / deviation[0]);
    }
    assert_true(finest < 0.95 && coarsest < 0.6 && finest - coarsest > 0.1); /* by different amounts */
    scene_stop(&plain);
    scene_stop(&c);
}

/* ---- the loss ---- */

enum { B = 5, S = 8, F = 3 * S * S, HIDDEN = 6 };

static px_encoding pixels(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    (void)c;
    return (px_encoding){.pooled = px_reshape(g, x, PX_SHAPE(x->shape.dim[0], F))};
}

static const px_backbone_family pixels_family = {.name = "pixels", .build = pixels};
static const px_backbone pixels_backbone = {.name = "pixels", .family = &pixels_family};

/* A parameter filled with noise; the caller frees it. */
static double *draw(px_graph *g, px_plan *plan, const char *name)
{
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        if (strcmp(p->name, name) != 0)
            continue;
        px_rng rng = px_rng_make(7, PX_RNG_TEST, (uint64_t)i, 0);
        int64_t count = px_shape_count(p->value->shape);
        double *x = px_aligned_calloc((size_t)count * sizeof x[0]);
        for (int64_t k = 0; k < count; k++)
            x[k] = px_rng_uniform(&rng) - 0.5;
        px_plan_set_param(plan, i, x);
        return x;
    }
    fail_msg("there is no %s", name);
    return NULL;
}

typedef struct head {
    double *neighbour, *centre, *gamma, *beta, *fc2, *bias;
} head;

/* The hidden layer of pair (neighbour k, centre) of image i before batch norm: the features beside each other. */
static void hidden_of(const head *w, const double *x, int k, int i, double *out)
{
    for (int j = 0; j < HIDDEN; j++) {
        out[j] = 0;
        for (int f = 0; f < F; f++)
            out[j] += w->neighbour[j * F + f] * x[(k * B + i) * F + f] +
                      w->centre[j * F + f] * x[(NEIGHBOURS * B + i) * F + f];
    }
}

/* Batch norm over all pairs, relu, 8 logits, cross-entropy with the neighbour's place; *right: fraction correct. */
static double loss_of(const head *w, const double *x, double *right)
{
    static double h[NEIGHBOURS * B][HIDDEN];
    double loss = 0;
    for (int p = 0; p < NEIGHBOURS * B; p++)
        hidden_of(w, x, p / B, p % B, h[p]);
    for (int j = 0; j < HIDDEN; j++) {
        double mean = 0, variance = 0;
        for (int p = 0; p < NEIGHBOURS * B; p++)
            mean += h[p][j] / (NEIGHBOURS * B);
        for (int p = 0; p < NEIGHBOURS * B; p++)
            variance += (h[p][j] - mean) * (h[p][j] - mean) / (NEIGHBOURS * B);
        for (int p = 0; p < NEIGHBOURS * B; p++)
            h[p][j] = fmax(0, (h[p][j] - mean) / sqrt(variance + 1e-5) * w->gamma[j] + w->beta[j]);
    }
    *right = 0;
    for (int p = 0; p < NEIGHBOURS * B; p++) {
        double logit[NEIGHBOURS], sum = 0;
        int best = 0;
        for (int k = 0; k < NEIGHBOURS; k++) {
            logit[k] = w->bias[k];
            for (int j = 0; j < HIDDEN; j++)
                logit[k] += w->fc2[k * HIDDEN + j] * h[p][j];
            sum += exp(logit[k]);
            best = logit[k] > logit[best] ? k : best;
        }
        loss -= (logit[p / B] - log(sum)) / (NEIGHBOURS * B);
        *right += (double)(best == p / B) / (NEIGHBOURS * B);
    }
    return loss;
}

static void loss_is_that_of_the_pairs(void **state)
{
    (void)state;
    const char *given[] = {"method=relative_location", "relative_location.hidden=6", "relative_location.dropout=0"};
    px_settings s;
    px_task task = {.image_size = 24, .channels = 3, .batch = B, .ranks = 1};
    assert_int_equal(px_settings_load(&s, NULL, given, 3), 0);
    px_graph *g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1});
    px_value *x = px_input(g, "patches", PX_F64, PX_SHAPE(PATCHES * B, 3, S, S));
    px_value *loss = s.method->build(
        s.method_cfg, &(px_build){.g = g, .task = &task, .backbone = &pixels_backbone, .backbone_cfg = NULL});
    px_graph_output(g, "loss", loss);
    px_graph_fuse(g);
    px_plan *plan = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas});
    if (!plan)
        fail_msg("%s", px_error());
    px_plan_init_params(plan, 1);
    head w = {draw(g, plan, "head.fc1.neighbour.weight"), draw(g, plan, "head.fc1.centre.weight"),
              draw(g, plan, "head.bn1.weight"),           draw(g, plan, "head.bn1.bias"),
              draw(g, plan, "head.fc2.weight"),           draw(g, plan, "head.fc2.bias")};
    double *data = px_aligned_calloc(PATCHES * B * F * sizeof data[0]), right;
    px_rng rng = px_rng_make(9, PX_RNG_TEST, 0, 0);
    for (int i = 0; i < PATCHES * B * F; i++)
        data[i] = px_rng_uniform(&rng);
    px_plan_bind(plan, x, data);
    px_plan_run(plan, NULL);
    double expected = loss_of(&w, data, &right), got = px_plan_scalar(plan, loss);
    if (!(fabs(got - expected) < 1e-10))
        fail_msg("%.12f, expected %.12f", got, expected);
    assert_true(fabs(px_plan_scalar(plan, px_graph_find_output(g, "accuracy")) - right) < 1e-10);
    double *const all[] = {w.neighbour, w.centre, w.gamma, w.beta, w.fc2, w.bias, data};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    px_plan_destroy(plan);
    px_graph_destroy(g);
    px_settings_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(patches_keep_to_their_cells),
                                       cmocka_unit_test(the_image_is_mirrored_as_a_whole),
                                       cmocka_unit_test(jitter),
                                       cmocka_unit_test(sizes),
                                       cmocka_unit_test(each_patch_is_standardised),
                                       cmocka_unit_test(or_normalised),
                                       cmocka_unit_test(colours_are_dropped),
                                       cmocka_unit_test(colours_are_projected),
                                       cmocka_unit_test(gray),
                                       cmocka_unit_test(downsampling),
                                       cmocka_unit_test(loss_is_that_of_the_pairs)};
    return cmocka_run_group_tests_name("relative location", tests, NULL, NULL);
}
