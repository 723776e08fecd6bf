/* test_extract.c - features of a split: of each layer, of whole images and of patches; the geometry of patches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cli/make_set.h"
#include "../data/make_data.h"
#include "data/hog.h"
#include "eval/extract.h"

enum { IMAGES = 13, SIDE = 32, BATCH = 4 };

/* A data set, and an encoder with random weights. */
typedef struct fixture {
    char *folder;
    px_dataset *data;
    px_settings s;
    px_task task;
    px_comm self;
    px_log quiet;
    px_model m;
    px_extract_spec from;
} fixture;

static void start(fixture *f, const char *backbone, const char *method, px_patches patches, bool layers)
{
    *f = (fixture){.folder = make_folder(), .self = px_comm_self(), .quiet = px_log_make(stderr, true)};
    char *path = make_set(f->folder, "d.h5", &(set_spec){.count = IMAGES, .side = SIDE, .channels = 3, .classes = 3});
    const char *given[] = {backbone, method, "resnet.width=0.125"};
    assert_int_equal(px_dataset_open(&f->data, path, PX_LINKS_REFUSED), 0);
    assert_int_equal(px_settings_load(&f->s, NULL, given, strstr(backbone, "resnet") ? 3 : 2), 0);
    assert_int_equal(px_task_make(&f->task, &f->s, f->data, NULL, BATCH, 1), 0);
    if (px_patches_settle(&patches, &f->s, &f->task, true) != 0)
        fail_msg("%s", px_error());
    px_encoder_spec spec = px_patches_encoder(&patches, &f->task, BATCH * px_patches_views(&patches));
    spec.layers = layers;
    if (px_model_encoder(&f->m, &f->s, &f->task, &spec) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(f->m.plan, 3);
    f->from = (px_extract_spec){
        .task = &f->task, .data = f->data, .patches = patches, .workers = 1, .comm = &f->self, .log = &f->quiet};
    free(path);
}

static void stop(fixture *f)
{
    px_model_finish(&f->m);
    px_settings_finish(&f->s);
    px_dataset_close(f->data);
    remove_folder(f->folder);
}

static px_extraction extract(fixture *f)
{
    px_extraction e;
    if (px_extract(&e, &f->from, &f->m, px_dataset_split(f->data, "train")) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(e.count, IMAGES - IMAGES / 4);
    assert_int_equal(e.rows, e.count);
    assert_int_equal(e.label[4], 1);
    return e;
}

/* The largest one; NaN counts as larger than all. (With fmax gcc 12 for aarch64 ends in an internal error here.) */
static double difference(const float *a, const float *b, int64_t count)
{
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - b[i]);
        worst = d <= worst ? worst : d;
    }
    return worst;
}

/* The last layer equals the features of an encoder without layers; the ones before it are the stages in order. */
static void check_layers(const char *backbone, int layers, const char *first, const char *last, const int *width)
{
    fixture plain, deep;
    start(&plain, backbone, "method=simclr", (px_patches){0}, false);
    start(&deep, backbone, "method=simclr", (px_patches){0}, true);
    px_extraction a = extract(&plain), b = extract(&deep);
    assert_int_equal(a.layers, 1);
    assert_int_equal(b.layers, layers);
    assert_string_equal(a.layer[0].name, last);
    assert_string_equal(b.layer[0].name, first);
    assert_string_equal(b.layer[layers - 1].name, last);
    for (int l = 0; l < layers; l++)
        assert_int_equal(b.layer[l].width, width[l < 4 ? l : 3]);
    px_features of_a = px_extraction_features(&a, 0, 3), of_b = px_extraction_features(&b, layers - 1, 3);
    assert_memory_equal(of_a.x, of_b.x, (size_t)(of_a.count * of_a.width) * sizeof(float));
    assert_true(difference(b.layer[0].x, b.layer[layers - 1].x, b.layer[0].width) > 1e-3);
    px_extraction_finish(&a);
    px_extraction_finish(&b);
    stop(&plain);
    stop(&deep);
}

static void every_stage_is_a_layer(void **state)
{
    (void)state;
    check_layers("backbone=resnet18", 4, "layer1", "layer4", (int[]){8, 16, 32, 64});
    check_layers("backbone=vit_tiny_8", 13, "blocks.0", "features", (int[]){192, 192, 192, 192});
}

/* A stage's features: the mean over its map; of a ViT, the class token or the mean over the others. */
static void check_pooling(const char *backbone, const char *pool, int first, int count)
{
    px_settings s;
    const char *given[] = {backbone, pool};
    assert_int_equal(px_settings_load(&s, NULL, given, pool ? 2 : 1), 0);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    bool tokens = pool != NULL;
    px_shape shape =
        tokens ? PX_SHAPE(1, 5, 2) : PX_SHAPE(1, 2, 1, 4); /* distance of a channel's elements: 2 k, or k */
    px_value *map = px_input(g, "map", PX_F32, shape), *y = s.backbone->family->pool(g, s.backbone_cfg, map);
    px_graph_output(g, "y", y);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas});
    assert_non_null(p);
    float x[10], expected[2] = {0};
    for (int i = 0; i < 10; i++)
        x[i] = (float)(i * i);
    for (int k = 0; k < count; k++)
        for (int c = 0; c < 2; c++)
            expected[c] += (tokens ? x[2 * (first + k) + c] : x[4 * c + k]) / (float)count;
    px_plan_bind(p, map, x);
    px_plan_run(p, NULL);
    assert_true(px_shape_equal(y->shape, PX_SHAPE(1, 2)));
    assert_true(difference(px_plan_read(p, y), expected, 2) < 1e-5);
    px_plan_destroy(p);
    px_graph_destroy(g);
    px_settings_finish(&s);
}

static void maps_are_pooled(void **state)
{
    (void)state;
    check_pooling("backbone=resnet18", NULL, 0, 4);
    check_pooling("backbone=vit_tiny_8", "vit.pool=cls", 0, 1);
    check_pooling("backbone=vit_tiny_8", "vit.pool=mean", 1, 4);
}

/* Features of an image by hand: each patch is cut out and encoded in a separate batch, then the mean is taken. */
static void mean_by_hand(fixture *f, px_model *single, int64_t row, float *sum)
{
    const px_patches *p = &f->from.patches;
    int F = (int)f->m.features->shape.dim[1], side = p->size;
    float *x = px_aligned_calloc((size_t)(BATCH * 3 * side * side) * sizeof x[0]);
    px_image image = {0};
    px_scratch scratch = {0};
    assert_int_equal(px_dataset_read(f->data, row, &image), 0);
    for (int v = 0; v < p->count; v++) {
        px_plane plane = {x, 3, side};
        px_resize(&plane, &image, px_patches_crop(p, &image, side, v), false, PX_BICUBIC, &scratch);
        if (f->task.mean)
            px_normalize(&plane, f->task.mean, f->task.std);
        px_plan_bind(single->plan, single->input[0], x);
        px_plan_run(single->plan, NULL);
        const float *features = px_plan_read(single->plan, single->features);
        for (int k = 0; k < F; k++)
            sum[k] += features[k] / (float)p->count;
    }
    px_image_finish(&image);
    px_scratch_finish(&scratch);
    free(x);
}

static void check_patches(const char *backbone, const char *method, px_patches patches, int side)
{
    fixture f;
    px_model single;
    start(&f, backbone, method, patches, false);
    assert_int_equal(f.from.patches.size, side);
    assert_true(px_shape_equal(f.m.input[0]->shape, PX_SHAPE(patches.count * BATCH, 3, side, side)));
    px_extraction e = extract(&f);
    px_encoder_spec spec = {.batch = BATCH, .views = 1, .size = side};
    assert_int_equal(px_model_encoder(&single, &f.s, &f.task, &spec), 0);
    px_plan_init_params(single.plan, 3);
    const px_split *train = px_dataset_split(f.data, "train");
    for (int64_t i = 0; i < e.count; i += 7) {
        float sum[192] = {0};
        mean_by_hand(&f, &single, train->index[i], sum);
        assert_true(difference(e.layer[0].x + i * e.layer[0].width, sum, e.layer[0].width) < 1e-4);
    }
    px_model_finish(&single);
    px_extraction_finish(&e);
    stop(&f);
}

/* By default the side is that of the method's views. */
static void features_of_patches_are_their_mean(void **state)
{
    (void)state;
    px_patches nine = {.count = 9, .cover = 0.75};
    check_patches("backbone=resnet18", "method=relative_location", nine, 16);
    check_patches("backbone=resnet18", "method=simclr", nine, SIDE);
    check_patches("backbone=vit_tiny_8", "method=relative_location", nine, 16);
    check_patches("backbone=vit_tiny_8", "method=mae", (px_patches){.count = 4, .size = 24, .cover = 1}, 24);
}

/* Patches are side by side in the middle of an oblong image, row by row; without patches there is the usual frame. */
static void a_grid_of_patches(void **state)
{
    (void)state;
    px_image image = {.height = 256, .width = 400, .channels = 3};
    px_patches p = {.count = 9, .cover = 0.75};
    assert_int_equal(px_patches_views(&p), 9);
    for (int v = 0; v < 9; v++) {
        px_crop c = px_patches_crop(&p, &image, 64, v);
        assert_float_equal(c.height, 64, 1e-4);
        assert_float_equal(c.width, 64, 1e-4);
        assert_float_equal(c.top, 32 + 64 * (v / 3), 1e-4);
        assert_float_equal(c.left, 104 + 64 * (v % 3), 1e-4);
    }
    p = (px_patches){.cover = 0.75};
    px_crop whole = px_patches_crop(&p, &image, 224, 0), frame = px_recipe_frame(&image, 224);
    assert_int_equal(px_patches_views(&p), 1);
    assert_memory_equal(&whole, &frame, sizeof frame);
}

static void refuse(const char *backbone, px_patches p, const char *why)
{
    px_settings s;
    px_task task = {.image_size = SIDE, .channels = 3, .batch = 8, .ranks = 1};
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){backbone}, 1), 0);
    assert_int_equal(px_patches_settle(&p, &s, &task, false), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    if (!strstr(px_error(), why))
        fail_msg("'%s' instead of '%s'", px_error(), why);
    px_settings_finish(&s);
}

static void what_cannot_be_cut(void **state)
{
    (void)state;
    refuse("backbone=resnet18", (px_patches){.count = 8}, "patches = 8 is not a square grid");
    refuse("backbone=resnet18", (px_patches){.size = 16}, "patch_size = 16, but patches = 0");
    refuse("backbone=resnet18", (px_patches){.count = 16, .size = 7}, "patches of 7 px: a ResNet needs images of at");
    refuse("backbone=vit_tiny_4", (px_patches){.count = 9}, /* a weights file: a third of 32 px */
           "patches of 10 px: not divisible into its patches (the number in the backbone's name is the side of one); "
           "patch_size=8 or 12 would work");
}

/* Pixels are always those of the whole image. */
static void pixels(void **state)
{
    (void)state;
    fixture f;
    px_extraction e;
    start(&f, "backbone=resnet18", "method=simclr", (px_patches){.count = 4, .size = 16, .cover = 1}, false);
    assert_int_equal(px_extract_baseline(&e, &f.from, PX_PIXELS, px_dataset_split(f.data, "test")), 0);
    assert_int_equal(e.count, IMAGES / 4);
    px_features x = px_extraction_features(&e, 0, 3);
    assert_int_equal(x.width, 3 * SIDE * SIDE);
    px_image image = {0};
    assert_int_equal(px_dataset_read(f.data, IMAGES - 1, &image), 0);
    for (int i = 0; i < SIDE * SIDE; i++)
        assert_float_equal(x.x[(x.count - 1) * x.width + i], image.pixels[3 * i] / 255.0f, 1e-5);
    px_image_finish(&image);
    px_extraction_finish(&e);
    stop(&f);
}

/* Of pixels in [0,1], whatever the run's views are normalised by; also where the run has patches. */
static void hog(void **state)
{
    (void)state;
    fixture f;
    px_extraction e;
    float data[3 * SIDE * SIDE], expected[7 * 7 * 36];
    start(&f, "backbone=resnet18", "method=simclr", (px_patches){.count = 4, .size = 16, .cover = 1}, false);
    f.from.hog_cell = 4;
    assert_int_equal(px_extract_baseline(&e, &f.from, PX_HOG, px_dataset_split(f.data, "test")), 0);
    px_features x = px_extraction_features(&e, 0, 3);
    px_image image = {0};
    px_scratch scratch = {0};
    assert_int_equal(px_dataset_read(f.data, IMAGES - 1, &image), 0);
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        data[i] = (float)image.pixels[i % (SIDE * SIDE) * 3 + i / (SIDE * SIDE)] / 255;
    px_hog_describe(&(px_hog){.cell = 4, .orientations = 9}, &(px_plane){data, 3, SIDE}, expected, &scratch);
    assert_int_equal(x.width, 7 * 7 * 36);
    assert_true(difference(x.x + (x.count - 1) * x.width, expected, x.width) < 1e-5);
    assert_int_equal(px_baseline_check(&f.task, 17), -1);
    px_image_finish(&image);
    px_scratch_finish(&scratch);
    px_extraction_finish(&e);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_stage_is_a_layer),
                                       cmocka_unit_test(maps_are_pooled),
                                       cmocka_unit_test(features_of_patches_are_their_mean),
                                       cmocka_unit_test(a_grid_of_patches),
                                       cmocka_unit_test(what_cannot_be_cut),
                                       cmocka_unit_test(pixels),
                                       cmocka_unit_test(hog)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
