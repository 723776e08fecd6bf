/* test_weights_channels.c - weights for RGB on images of other channels, as timm's adapt_input_conv converts them. */
#include "weights_files.h"

#include <math.h>

typedef struct family {
    const char *backbone, *width, *filters;
} family;

static const family families[] = {
    {"backbone=resnet18", "resnet.width=0.125", "conv1.weight"},
    {"backbone=vit_tiny_8", "vit.pool=mean", "patch_embed.proj.weight"},
    {"backbone=mobilenet_v2", "mobilenet_v2.width=0.25", "features.0.0.weight"},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* As start(), for images of so many channels. */
static void start_with(encoder *e, const family *of, int channels)
{
    *e = (encoder){.task = {.image_size = 32, .channels = channels, .batch = 1, .ranks = 1}};
    if (px_settings_load(&e->s, NULL, (const char *[]){of->backbone, of->width}, 2) != 0 ||
        px_model_encoder(&e->m, &e->s, &e->task, &(px_encoder_spec){.batch = 1, .views = 1, .size = 32}) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(e->m.plan, 2);
}

/* A number of the RGB filters in a new model for `channels`. */
static double expected(const float *rgb, px_shape shape, int64_t filter, int64_t channel, int64_t at)
{
    int64_t area = shape.dim[2] * shape.dim[3];
    const float *of = rgb + filter * 3 * area + at;
    if (shape.dim[1] == 1)
        return (double)of[0] + (double)of[area] + (double)of[2 * area];
    return (double)of[channel % 3 * area] * 3 / (double)shape.dim[1];
}

/* Every parameter but the first filters is the file's. */
static void check_model(encoder *rgb, encoder *other, const char *filters)
{
    bool seen = false;
    for (int i = 0; i < px_graph_params(other->m.graph); i++) {
        const px_param *p = px_graph_param(other->m.graph, i);
        px_shape shape = p->value->shape;
        float *from = parameter(rgb, i), *to = parameter(other, i);
        if (strcmp(p->name, filters) != 0) {
            assert_memory_equal(from, to, (size_t)px_shape_count(shape) * sizeof to[0]);
        } else {
            int64_t area = shape.dim[2] * shape.dim[3];
            for (int64_t k = 0; k < px_shape_count(shape); k++) {
                double right = expected(from, shape, k / area / shape.dim[1], k / area % shape.dim[1], k % area);
                assert_true(fabs((double)to[k] - right) <= 1e-6 * fabs(right) + 1e-7);
            }
            seen = true;
        }
        free(from);
        free(to);
    }
    assert_true(seen);
}

static void filters_of_rgb_fit_other_images(void **state)
{
    static const int channels[] = {1, 2, 4, 13};
    fixture *f = *state;
    for (int i = 0; i < FAMILIES; i++) {
        encoder rgb, other;
        foreign file = {0};
        start_with(&rgb, &families[i], 3);
        add_renamed(&file, &rgb, "module.", NULL, 1);
        write_foreign(f, &file);
        for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
            start_with(&other, &families[i], channels[k]);
            px_plan_init_params(other.m.plan, 3);
            if (px_weights_load(&other.m, &other.s, &other.task, f->path, &f->quiet) != 0)
                fail_msg("%s", px_error());
            check_model(&rgb, &other, families[i].filters);
            stop(&other);
        }
        stop(&rgb);
    }
}

/* What filters of other bands see is nobody's guess. */
static void filters_of_other_channels_are_refused(void **state)
{
    fixture *f = *state;
    encoder four, rgb;
    foreign file = {0};
    start_with(&four, &families[0], 4);
    add_renamed(&file, &four, "", NULL, 1);
    write_foreign(f, &file);
    start_with(&rgb, &families[0], 3);
    check_refused(f, &rgb, "tensor conv1.weight is (8, 4, 3, 3), but resnet18 with these options has (8, 3, 3, 3)");
    stop(&rgb);
    stop(&four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters_of_rgb_fit_other_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_of_other_channels_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
