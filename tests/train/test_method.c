/* test_method.c - what a method's build may not do is refused when the model is made, in one line that names the method. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "ops/ops.h"
#include "train/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 16, BATCH = 2 };

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, SIDE, SIDE});
}

typedef px_value *build_fn(const px_method_cfg *, px_build *);

/* The model of a method that has only this build. 0 or -1. */
static int make(build_fn *build, px_model *m)
{
    const px_method method = {.name = "try", .views = views, .build = build};
    px_settings s;
    px_comm self = px_comm_self();
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"backbone=resnet18", "resnet.width=0.125"}, 2), 0);
    px_task t = {.image_size = SIDE, .channels = 3, .batch = BATCH, .ranks = 1};
    const px_method *usual = s.method;
    s.method = &method;
    int status = px_model_pretrain(m, &s, &t, &self);
    s.method = usual;
    px_settings_finish(&s);
    return status;
}

static void refused(build_fn *build, const char *why)
{
    px_model m;
    char expected[400];
    snprintf(expected, sizeof expected, "method try on resnet18, images of 16 px: %s", why);
    assert_int_equal(make(build, &m), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_string_equal(px_error(), expected);
}

static px_value *loss(px_build *b, px_value *x)
{
    return px_reduce(b->g, PX_MEAN, px_reshape(b->g, x, PX_SHAPE(px_shape_count(x->shape))), (px_axes){1, {0}, false});
}

/* A student and its teacher, with this momentum. */
static px_value *taught(px_build *b, px_value *momentum)
{
    px_value *x = px_view_input(b, "image"), *h = px_encode(b, x).pooled;
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    return loss(b, px_add(b->g, h, px_stop_gradient(b->g, px_encode_by(b, teacher, x).pooled)));
}

/* ---- scheduled numbers ---- */

static struct {
    double from, to;
    px_course course;
    px_range range;
} number;

static px_value *with_number(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_schedule(b, "temperature", number.from, number.to, number.course, number.range);
    return loss(b, px_encode(b, px_view_input(b, "image")).pooled);
}

/* The whole training's course, or one of so many epochs. */
static void courses(void **state)
{
    (void)state;
    px_scheduled s = {.from = 2, .to = 4, .course = PX_LINEAR};
    assert_float_equal(px_scheduled_at(&s, 0.25, 7), 2.5, 1e-12);
    s.epochs = 5;
    assert_float_equal(px_scheduled_at(&s, 0.25, 0), 2, 1e-12);
    assert_float_equal(px_scheduled_at(&s, 0.25, 2), 2.8, 1e-12);
    assert_float_equal(px_scheduled_at(&s, 0.25, 7), 4, 1e-12);
    s.course = PX_AFTER;
    assert_float_equal(px_scheduled_at(&s, 0.9, 4.99), 2, 1e-12);
    assert_float_equal(px_scheduled_at(&s, 0.1, 5), 4, 1e-12);
    s.course = PX_COSINE;
    assert_float_equal(px_scheduled_at(&s, 0.9, 1.25), 2 + (1 - sqrt(0.5)), 1e-12);
}

static px_value *warmed_up(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_schedule_within(b, "temperature", 0, 0.5, 0.7, PX_LINEAR, PX_POSITIVE);
    px_schedule_within(b, "other", 3, 0.5, 0.7, PX_LINEAR, PX_POSITIVE);
    return loss(b, px_encode(b, px_view_input(b, "image")).pooled);
}

static void a_warm_up_of_no_epochs_is_over(void **state)
{
    (void)state;
    px_model m;
    assert_int_equal(make(warmed_up, &m), 0);
    assert_float_equal(px_scheduled_at(&m.scheduled[0], 0, 0), 0.7, 1e-12);
    assert_float_equal(px_scheduled_at(&m.scheduled[1], 0, 0), 0.5, 1e-12);
    px_model_finish(&m);
}

static void numbers_stay_in_their_range(void **state)
{
    (void)state;
    static const struct {
        double from, to;
        px_course course;
        px_range range;
        const char *why;
    } cases[] = {
        {0, 1, PX_COSINE, PX_SHARE, NULL},
        {1.25, 1, PX_COSINE, PX_SHARE, "must be between 0 and 1, not 1.25"},
        {0.5, -0.5, PX_LINEAR, PX_SHARE, "must be between 0 and 1, but would be -0.5 after the last step"},
        {0.5, -0.5, PX_STEADY, PX_SHARE, NULL}, /* its end is not used */
        {0.04, 0.07, PX_LINEAR, PX_POSITIVE, NULL},
        {0, 0.07, PX_LINEAR, PX_POSITIVE, "must be above 0, not 0"},
        {0.04, 0, PX_COSINE, PX_POSITIVE, "must be above 0, but would be 0 after the last step"},
        {0, 3, PX_LINEAR, PX_NOT_NEGATIVE, NULL},
        {-1, 3, PX_LINEAR, PX_NOT_NEGATIVE, "must be at least 0, not -1"},
        {-1, 3, PX_LINEAR, PX_FINITE, NULL},
        {NAN, 3, PX_LINEAR, PX_FINITE, "must be finite, not nan"},
        {1, INFINITY, PX_LINEAR, PX_FINITE, "must be finite, but would be inf after the last step"},
        {NAN, 0, PX_STEADY, PX_SHARE, "must be between 0 and 1, not nan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_model m;
        number.from = cases[i].from;
        number.to = cases[i].to;
        number.course = cases[i].course;
        number.range = cases[i].range;
        if (cases[i].why) {
            char *why = px_format("temperature %s", cases[i].why);
            refused(with_number, why);
            free(why);
        } else {
            assert_int_equal(make(with_number, &m), 0);
            px_model_finish(&m);
        }
    }
}

static px_value *momentum_of_any_size(const px_method_cfg *c, px_build *b)
{
    (void)c;
    return taught(b, px_schedule(b, "speed", 0.5, 2, PX_LINEAR, PX_POSITIVE));
}

static px_value *momentum_of_nowhere(const px_method_cfg *c, px_build *b)
{
    (void)c;
    return taught(b, px_input(b->g, "speed", PX_F32, (px_shape){0}));
}

static px_value *momentum_as_it_should(const px_method_cfg *c, px_build *b)
{
    (void)c;
    return taught(b, px_schedule(b, "speed", 0.5, 1, PX_LINEAR, PX_SHARE));
}

static void a_momentum_is_a_scheduled_share(void **state)
{
    (void)state;
    px_model m;
    refused(momentum_of_any_size, "the momentum of teacher must come from px_schedule, with the range PX_SHARE");
    refused(momentum_of_nowhere, "the momentum of teacher must come from px_schedule, with the range PX_SHARE");
    assert_int_equal(make(momentum_as_it_should, &m), 0);
    assert_int_equal(m.scheduled_count, 1);
    px_model_finish(&m);
}

/* ---- networks ---- */

static px_value *other_channels(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_value *x = px_view_input(b, "image"), *h = px_encode(b, x).pooled;
    return loss(b, px_add(b->g, h, px_encode(b, px_slice(b->g, x, 1, 0, 2)).pooled));
}

static px_value *of_one_axis(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_value *x = px_view_input(b, "image");
    return loss(b, px_encode(b, px_reshape(b->g, x, PX_SHAPE(px_shape_count(x->shape)))).pooled);
}

static px_value *other_head(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_mlp layers = {.layers = 1, .out = 8}, wider = {.layers = 1, .out = 9};
    px_value *h = px_encode(b, px_view_input(b, "image")).pooled;
    px_net *head = px_net_create(b->g, "head");
    px_value *z = px_head(head, &layers, h);
    px_net *teacher = px_net_follow(head, "teacher", px_schedule(b, "speed", 1, 1, PX_STEADY, PX_SHARE));
    return loss(b, px_add(b->g, z, px_head(teacher, &wider, h)));
}

static px_value *teacher_first(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_value *speed = px_schedule(b, "speed", 1, 1, PX_STEADY, PX_SHARE);
    return loss(b,
                px_encode_by(b, px_net_follow(px_backbone_net(b), "teacher", speed), px_view_input(b, "image")).pooled);
}

static px_value *no_such_view(const px_method_cfg *c, px_build *b)
{
    (void)c;
    return loss(b, px_encode(b, px_view_input(b, "images")).pooled);
}

static void networks_that_do_not_fit(void **state)
{
    (void)state;
    refused(other_channels,
            "conv1: conv1.weight would be (8, 2, 3, 3) for this input, but is (8, 3, 3, 3): the network "
            "cannot be applied to inputs of both sizes");
    refused(of_one_axis, "conv1: needs images (N, C, H, W)");
    refused(other_head, "teacher.head.linear1: teacher.head.linear1.weight is (9, 64), but the one that it follows is "
                        "(8, 64)");
    refused(teacher_first, "teacher must follow a network that was applied before and is trained");
    refused(no_such_view, "the method has no view 'images'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(courses), cmocka_unit_test(a_warm_up_of_no_epochs_is_over),
                                       cmocka_unit_test(numbers_stay_in_their_range),
                                       cmocka_unit_test(a_momentum_is_a_scheduled_share),
                                       cmocka_unit_test(networks_that_do_not_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
