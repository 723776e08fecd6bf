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

/* ---- the craft ---- */

static uint8_t partner_bytes[PIXELS * 3];

/* The partner of every image: white, of class 0. */
static const px_image *white(void *context, px_rng *rng)
{
    *rng = px_rng_make(1, PX_RNG_VIEWS, 7, 7);
    memset(partner_bytes, 255, sizeof partner_bytes);
    *(px_image *)context = (px_image){.pixels = partner_bytes, .height = SIDE, .width = SIDE, .channels = 3};
    return context;
}

static void make_mixed(scene *c, const px_image *image, uint64_t batch)
{
    px_image partner;
    px_scratch spare = {0};
    px_rng rng = px_rng_make(1, PX_RNG_VIEWS, 0, 0);
    px_sample out = {.views = &c->views,
                     .batch = 1,
                     .scratch = &c->scratch,
                     .spare = &spare,
                     .batch_rng = px_rng_make(1, PX_RNG_BATCH, batch, 0),
                     .partner = white,
                     .partners = &partner};
    memcpy(out.base, c->tensor, sizeof out.base);
    c->s.method->make_views(c->s.method_cfg, &c->task, &rng, image, &out);
    px_scratch_finish(&spare);
}

/* The share of white in the picture is the share of class 0 in the target, before smoothing. */
static void mixes_images_and_labels(void **state)
{
    (void)state;
    static const char *const kinds[] = {"supervised.mix=mixup", "supervised.mix=cutmix", "supervised.mix=either"};
    memset(bytes, 0, sizeof bytes);
    const px_image black = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3, .label = 3};
    for (int k = 0; k < 3; k++) {
        scene c;
        scene_start(&c,
                    (px_task){.image_size = SIDE, .channels = 3, .classes = CLASSES, .labelled = true, .augment = true},
                    (const char *[]){"method=supervised", kinds[k], "supervised.mixup_alpha=1",
                                     "supervised.smoothing=0.2", NULL});
        int cut = 0, most = 0;
        for (uint64_t batch = 0; batch < 50; batch++) {
            make_mixed(&c, &black, batch);
            const float *x = scene_view(&c, "image"), *target = scene_view(&c, "target");
            double sum = 0, whole = 0;
            bool binary = true;
            for (int i = 0; i < 3 * PIXELS; i++) {
                sum += (double)x[i] / (3 * PIXELS);
                binary = binary && (x[i] == 0 || x[i] == 1);
            }
            for (int i = 0; i < CLASSES; i++)
                whole += (double)target[i];
            assert_true(fabs(whole - 1) < 1e-6 && fabs((double)target[1] - 0.05) < 1e-6);
            assert_true(fabs(((double)target[0] - 0.05) / 0.8 - sum) < 1e-5);
            assert_int_equal(*(int32_t *)scene_view(&c, "label"), sum <= 0.5 + 1e-6 ? 3 : 0);
            cut += binary;
            most += sum > 0.5;
        }
        assert_true(k == 0 ? cut == 0 : k == 1 ? cut == 50 : cut > 10 && cut < 40);
        assert_true(most > 2);
        scene_stop(&c);
    }
}

static void plain_views_are_not_mixed(void **state)
{
    (void)state;
    px_rng rng = px_rng_make(2, PX_RNG_TEST, 0, 0);
    px_image image = paint(&rng, 2);
    for (int smoothed = 0; smoothed < 2; smoothed++) {
        scene c;
        scene_start(&c, (px_task){.image_size = SIDE, .channels = 3, .classes = CLASSES, .labelled = true},
                    (const char *[]){"method=supervised", "supervised.mix=either",
                                     smoothed ? "supervised.smoothing=0.1" : "supervised.smoothing=0", NULL});
        make_mixed(&c, &image, 1);
        assert_true(shows(scene_view(&c, "image"), false));
        assert_int_equal(c.views.count, smoothed ? 3 : 2);
        if (smoothed)
            assert_true(fabsf(((const float *)scene_view(&c, "target"))[2] - 0.925f) < 1e-6f);
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
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=supervised", "supervised.mix=mixup"}, 2), 0);
    const px_task one = {.classes = 3, .labelled = true, .batch = 1, .ranks = 1};
    assert_non_null(strstr(s.method->check(s.method_cfg, &one, s.backbone), "supervised.mix needs at least batch=2"));
    assert_non_null(strstr(s.method->check(s.method_cfg, &none, s.backbone), "no classes"));
    px_settings_finish(&s);
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=supervised", "supervised.cutmix_alpha=0"}, 2),
                     -1);
    assert_non_null(strstr(px_error(), "supervised.cutmix_alpha"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns_colours), cmocka_unit_test(views_follow_options),
                                       cmocka_unit_test(mixes_images_and_labels),
                                       cmocka_unit_test(plain_views_are_not_mixed), cmocka_unit_test(what_cannot_work)};
    return cmocka_run_group_tests_name("supervised", tests, NULL, NULL);
}
