/* test_need.c - the memory that a probe will need, by part, from an encoder that has not taken any; that it is what the
 * extraction then takes. That probe and features refuse what does not fit is shown by tests/cli/test_need.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "eval/clustering.h"
#include "eval/knn.h"
#include "eval/linear.h"
#include "eval/need.h"
#include "eval/online_knn.h"

#include <omp.h>

enum { TRAIN = 5000, TEST = 1000, BATCH = 64, SIDE = 32 };

static px_settings settings;
static px_task task;
static px_comm comm;
static const px_patches whole_image;
struct px_protocol_cfg {
    px_probe_cfg linear;
};
static px_protocol_cfg linear = {{.epochs = 1, .batch = 256, .rates = {.count = 14}}};

static int setup(void **state)
{
    (void)state;
    const char *given[] = {"method=simclr", "resnet.width=0.25"};
    const px_dataset_info info = {.height = SIDE, .width = SIDE, .channels = 3, .classes = 10, .std = {1, 1, 1}};
    comm = px_comm_self();
    return px_settings_load(&settings, NULL, given, 2) || px_task_of(&task, &settings, &info, true, BATCH, 1);
}

static int teardown(void **state)
{
    (void)state;
    px_settings_finish(&settings);
    return 0;
}

static px_eval_need_case usual(void)
{
    return (px_eval_need_case){.settings = &settings,
                               .task = &task,
                               .comm = &comm,
                               .patches = &whole_image,
                               .batch = BATCH,
                               .train = TRAIN,
                               .test = TEST,
                               .classes = 10,
                               .protocol = px_protocols[px_protocol_index("linear")],
                               .protocol_cfg = &linear};
}

/* `widths`: the sum over the encoder's layers; `last`: the width of the last. */
static px_need need_of(const px_eval_need_case *c, double *widths, double *last)
{
    px_model m;
    px_encoder_spec spec = px_patches_encoder(c->patches, c->task, c->batch);
    spec.layers = c->layers;
    if (px_model_plan_encoder(&m, c->settings, c->task, &spec) != 0)
        fail_msg("%s", px_error());
    px_need n = px_eval_need_of(c, &m);
    *widths = 0;
    for (int i = 0; i < m.layers; i++)
        *widths += *last = (double)m.layer[i].features->shape.dim[1];
    px_plan_bytes plan = px_plan_memory(m.plan);
    assert_true(n.part[PX_EVAL_NEED_ENCODER] == (double)(plan.arena + plan.weights + plan.states));
    assert_true(plan.arena > 0 && plan.weights > 0 && plan.states > 0);
    px_plan_allocate(m.plan); /* and what was planned is there */
    px_plan_init_params(m.plan, 1);
    px_model_finish(&m);
    return n;
}

static void features(void **state)
{
    (void)state;
    double widths, last;
    px_eval_need_case c = usual();
    px_need n = need_of(&c, &widths, &last);
    assert_true(last == 128 && n.part[PX_EVAL_NEED_FEATURES] == 4 * last * (TRAIN + TEST));
    c.bf16 = true;
    n = need_of(&c, &widths, &last);
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 2 * last * (TRAIN + TEST));
    c.bf16 = false;
    c.layers = true;
    n = need_of(&c, &widths, &last);
    assert_true(widths > last && n.part[PX_EVAL_NEED_FEATURES] == 4 * widths * (TRAIN + TEST));
    c = (px_eval_need_case){
        .settings = &settings, .task = &task, .comm = &comm, .patches = &whole_image, .batch = BATCH, .train = TRAIN};
    n = need_of(&c, &widths, &last); /* they are only written: batches of images are there at the same time */
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4 * last * TRAIN && n.part[PX_EVAL_NEED_PROBE] == 0);
    assert_true(n.part[PX_EVAL_NEED_VIEWS] == 3 * 4.0 * BATCH * 3 * SIDE * SIDE);
    assert_string_equal(n.of, "encoding");
}

/* Whole batches of images: 40 of 79 in the training split, 8 of 16 in the other. */
static void ranks_have_a_part_each_or_all_rows_of_the_test(void **state)
{
    (void)state;
    double widths, last, own_train = 40 * BATCH, own_test = 8 * BATCH;
    px_comm two = px_comm_self();
    two.size = 2;
    px_eval_need_case c = usual();
    c.comm = &two;
    const px_clustering_cfg clustering = {.starts = 1, .steps = 1};
    c.protocol = px_protocols[px_protocol_index("clustering")];
    c.protocol_cfg = (const px_protocol_cfg *)&clustering;
    c.train = 0;
    px_need n = need_of(&c, &widths, &last);
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4 * last * (TEST + own_test)); /* while they are gathered */
    c.train = TRAIN;
    c.protocol = NULL;
    n = need_of(&c, &widths, &last);
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4 * last * (own_train + own_test));
    c.protocol = usual().protocol; /* the linear probe's rows stay on their ranks */
    c.protocol_cfg = usual().protocol_cfg;
    n = need_of(&c, &widths, &last);
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4 * last * (own_train + own_test));
}

static void pixels(void **state)
{
    (void)state;
    double widths, last, wide = 3 * SIDE * SIDE;
    px_eval_need_case c = usual();
    assert_string_equal(need_of(&c, &widths, &last).of, "probing");
    c.baselines = true;
    c.classes = 100;
    px_need n = need_of(&c, &widths, &last);
    assert_string_equal(n.of, "probing the raw pixels");
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4 * wide * (TRAIN + TEST));
    double weights = 4 * wide * 14 * 100; /* and their momentum and gradient */
    assert_true(n.part[PX_EVAL_NEED_PROBE] > 3 * weights && n.part[PX_EVAL_NEED_PROBE] < 3.5 * weights);
}

static void a_baseline_alone_has_no_encoder(void **state)
{
    (void)state;
    px_eval_need_case c = usual();
    px_baseline hog = PX_HOG;
    c.alone = &hog;
    px_need n = px_eval_need_of(&c, NULL);
    double width = 3 * 3 * 36; /* blocks of 2 x 2 cells of 8 px */
    assert_string_equal(n.of, "probing HOG");
    assert_true(n.part[PX_EVAL_NEED_ENCODER] == 0 && n.part[PX_EVAL_NEED_FEATURES] == 4 * width * (TRAIN + TEST));
    c.hog_cell = 4;
    n = px_eval_need_of(&c, NULL);
    assert_true(n.part[PX_EVAL_NEED_FEATURES] == 4.0 * 7 * 7 * 36 * (TRAIN + TEST));
}

/* 20 neighbours of 300 images of either split, beside the same encoder: on one rank, on two, and of a data set of 400 images. */
static void online_knn(void **state)
{
    (void)state;
    double widths, last;
    px_eval_need_case c = usual();
    px_settings s = settings;
    px_task t = task;
    s.train.online_knn_epochs = 1;
    s.train.online_images = 300;
    c.batch = 128;
    px_need n = need_of(&c, &widths, &last);
    double encoder = n.part[PX_EVAL_NEED_ENCODER] + 3 * 4.0 * 128 * 3 * SIDE * SIDE;
    const px_knn_cfg cfg = {.k = {1, {20}}};
    for (int ranks = 1; ranks <= 2; ranks++) {
        px_knn_size size = {.train = 300,
                            .train_here = ranks == 1 ? 300 : 256,
                            .test = 300,
                            .width = (int)last,
                            .classes = t.classes,
                            .threads = omp_get_max_threads(),
                            .ranks = ranks};
        double search = px_knn_bytes(&cfg, &size);
        t.ranks = ranks;
        t.images = 0;
        assert_true(px_online_test_bytes(&px_online_knn, &s, &t) == encoder + 2 * 4 * last * size.train_here + search);
        t.images = 400;
        assert_true(px_online_test_bytes(&px_online_knn, &s, &t) == encoder + 4 * last * 400 + search);
        /* the bytes of a search of few rows are not those of the most that a round can have */
        assert_true(search < 4 * last * 64 * 128);
    }
    assert_true(px_online_test_bytes(NULL, &s, &t) == 0);
    s.train.online_knn_epochs = 0;
    assert_true(px_online_test_bytes(&px_online_knn, &s, &t) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features), cmocka_unit_test(ranks_have_a_part_each_or_all_rows_of_the_test),
        cmocka_unit_test(pixels), cmocka_unit_test(a_baseline_alone_has_no_encoder), cmocka_unit_test(online_knn)};
    return cmocka_run_group_tests_name("need", tests, setup, teardown);
}
