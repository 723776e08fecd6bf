/* test_supervised.c - a small network learns to distinguish colours, on pictures that it never sees twice; the method's
 * views; the data sets that it refuses. Ten steps are compared with PyTorch in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "train/model.h"

#include <math.h>

enum { SIDE = 8, CLASSES = 4, BATCH = 32, STEPS = 60, PIXELS = SIDE * SIDE };

static uint8_t bytes[PIXELS * 3];

/* Noise with a tint: class 0 none, 1 red, 2 green, 3 blue. */
static px_image paint(px_rng *rng, int label)
{
    for (int i = 0; i < PIXELS * 3; i++)
        bytes[i] = (uint8_t)(px_rng_below(rng, 150) + (i % 3 == label - 1 ? 100 : 0));
    return (px_image){.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3, .label = label};
}

/* ---- learning ---- */

/* Fills the batch as the loader does. */
static void fill(const px_settings *s, const px_task *task, const px_views *views, void *const tensor[], int step)
{
    px_scratch scratch = {0};
    for (int i = 0; i < BATCH; i++) {
        px_rng rng = px_rng_make(1, PX_RNG_VIEWS, (uint64_t)step, (uint64_t)i);
        px_image image = paint(&rng, (int)px_rng_below(&rng, CLASSES));
        px_sample out = {
            .views = views, .base = {tensor[0], tensor[1]}, .batch = BATCH, .place = i, .scratch = &scratch};
        s->method->make_views(s->method_cfg, task, &rng, &image, &out);
    }
    px_scratch_finish(&scratch);
}

static void learns_colours(void **state)
{
    (void)state;
    const char *given[] = {"method=supervised", "backbone=resnet18", "resnet.width=0.125", "optim.weight_decay=0"};
    px_settings s;
    px_model m;
    px_task task = {.image_size = SIDE,
                    .channels = 3,
                    .classes = CLASSES,
                    .labelled = true,
                    .batch = BATCH,
                    .ranks = 1,
                    .augment = true};
    px_comm self = px_comm_self();
    assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
    if (px_model_pretrain(&m, &s, &task, &self) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(m.plan, 1);
    int spans;
    const px_param_span *span = px_plan_spans(m.plan, &spans);
    px_optimizer *o;
    assert_int_equal(px_optimizer_create(&o, &s.optim, span, spans, px_plan_update(m.plan)), 0);
    float *images = px_aligned_calloc(BATCH * 3 * PIXELS * sizeof images[0]);
    int32_t label[BATCH];
    void *const tensor[] = {images, label};
    for (int i = 0; i < 2; i++)
        px_plan_bind(m.plan, m.input[i], tensor[i]);
    double first_loss = 0, last_loss = 0, right = 0;
    for (int step = 0; step < STEPS; step++) {
        fill(&s, &task, &m.views, tensor, step);
        px_plan_run(m.plan, NULL);
        double loss = px_plan_scalar(m.plan, m.loss);
        first_loss = step ? first_loss : loss;
        last_loss += step >= STEPS - 5 ? loss / 5 : 0;
        right += step >= STEPS - 5 ? px_plan_scalar(m.plan, px_graph_find_output(m.graph, "accuracy")) / 5 : 0;
        px_optimizer_step(o, px_plan_weights(m.plan), px_plan_grads(m.plan), 1, 0.02);
    }
    print_message("loss %.3f to %.3f, %.0f%% of the last 160 pictures are right\n", first_loss, last_loss, 100 * right);
    assert_true(fabs(first_loss - log(CLASSES)) < 0.7); /* it begins by guessing */
    assert_true(last_loss < 0.5 && right > 0.85);
    free(images);
    px_optimizer_destroy(o);
    px_model_finish(&m);
    px_settings_finish(&s);
}

/* ---- views ---- */

static bool shows(const float *x, bool mirrored)
{
    for (int i = 0; i < 3 * PIXELS; i++) {
        int ch = i / PIXELS, row = i % PIXELS / SIDE, column = i % SIDE;
        int from = row * SIDE + (mirrored ? SIDE - 1 - column : column);
        if (fabsf(x[i] - (float)bytes[from * 3 + ch] / 255) > 1e-5f)
            return false;
    }
    return true;
}

static void views_follow_options(void **state)
{
    (void)state;
    const struct {
        bool augment;
        const char *area, *flip;
        bool whole, mirrored;
    } cases[] = {{false, "supervised.area_min=0.2", "supervised.flip=1", true, false},
                 {true, "supervised.area_min=1", "supervised.flip=0", true, false},
                 {true, "supervised.area_min=1", "supervised.flip=1", true, true},
                 {true, "supervised.area_min=0.2", "supervised.flip=0", false, false}};
    px_rng rng = px_rng_make(2, PX_RNG_TEST, 0, 0);
    px_image image = paint(&rng, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, (px_task){.image_size = SIDE, .channels = 3, .augment = cases[i].augment},
                    (const char *[]){"method=supervised", cases[i].area, cases[i].flip, NULL});
        scene_make(&c, &image, 1, 0);
        assert_int_equal(shows(scene_view(&c, "image"), cases[i].mirrored), cases[i].whole);
        assert_int_equal(*(int32_t *)scene_view(&c, "label"), 3);
        scene_stop(&c);
    }
}

static void what_cannot_work(void **state)
{
    (void)state;
    px_settings s;
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=supervised"}, 1), 0);
    const px_task none = {.classes = 0}, some = {.classes = 3}, all = {.classes = 3, .labelled = true};
    assert_non_null(strstr(s.method->check(s.method_cfg, &none, s.backbone), "no classes"));
    assert_non_null(strstr(s.method->check(s.method_cfg, &some, s.backbone), "have no label"));
    assert_null(s.method->check(s.method_cfg, &all, s.backbone));
    px_settings_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns_colours), cmocka_unit_test(views_follow_options),
                                       cmocka_unit_test(what_cannot_work)};
    return cmocka_run_group_tests_name("supervised", tests, NULL, NULL);
}
