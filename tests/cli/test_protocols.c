/* test_protocols.c - robustness, diagnostics, clustering, attention as protocols of `probe`: what they write, that it is the same
 * on one rank and two, beside baselines and by layer, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "results/measured.h"
#include "small_run.h"

enum { IMAGES = SMALL_RUN_IMAGES, STRENGTHS = 5 };

static int setup(void **state)
{
    int status = small_run_create(state, "epochs=2");
    const set_spec two = {.count = IMAGES, .side = 16, .channels = 2, .classes = 4},
                   none = {.count = IMAGES, .side = 16, .channels = 3};
    if (status != 0)
        return status;
    free(make_set(".", "two.h5", &two));
    free(make_set(".", "none.h5", &none));
    return 0;
}

static void robustness_falls_with_the_strength(void **state)
{
    (void)state;
    static const char *const kinds[] = {"noise", "blur", "jpeg", "brightness"};
    double mean = 0, most = 0, least = 1;
    run_result r = RUN("probe", "run", "protocol=robustness", "robustness.rates=0.1", "robustness.epochs=10",
                       "robustness.amounts=imagenet", "baselines=true", "threads=2");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "hog"));
    run_finish(&r);
    double clean = number("/eval/robustness/pretrained/clean");
    for (int k = 0; k < 4; k++) {
        char *path = px_format("/eval/robustness/pretrained/%s", kinds[k]);
        array a = read_array("run", "run.h5", path);
        assert_int_equal(a.count, STRENGTHS);
        for (int s = 0; s < STRENGTHS; s++) {
            mean += a.data[s] / (4 * STRENGTHS);
            most = fmax(most, a.data[s]);
            least = fmin(least, a.data[s]);
        }
        print_message("%s: %.3f to %.3f\n", kinds[k], a.data[0], a.data[STRENGTHS - 1]);
        free(a.data);
        free(path);
    }
    print_message("clean %.3f, mean %.3f\n", clean, mean);
    assert_true(fabs(mean - number("/eval/robustness/pretrained/mean")) < 1e-12);
    assert_true(mean < clean && least < most && most <= clean + 0.1);
}

/* Strength 1 of CIFAR's brightness on images that are hardly changed: the classifier is that of the linear probe. */
static void robustness_begins_at_the_linear_probe(void **state)
{
    (void)state;
    succeeds(RUN("probe", "run", "linear.rates=0.1", "linear.epochs=10", "threads=1"));
    succeeds(RUN_RANKS(2, "probe", "run", "protocol=robustness", "robustness.rates=0.1", "robustness.epochs=10",
                       "threads=1"));
    assert_true(number("/eval/robustness/pretrained/clean") == number("/eval/linear/pretrained/top1"));
    array blur = read_array("run", "run.h5", "/eval/robustness/pretrained/blur");
    succeeds(RUN("probe", "run", "protocol=robustness", "robustness.rates=0.1", "robustness.epochs=10", "threads=2"));
    array again = read_array("run", "run.h5", "/eval/robustness/pretrained/blur");
    assert_memory_equal(blur.data, again.data, STRENGTHS * sizeof blur.data[0]);
    free(blur.data);
    free(again.data);
}

/* Rows that are bf16 give what rows with such numbers give: the same on one rank and on two. */
static void rounded_features_are_the_same_on_ranks(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"protocol=robustness", "robustness.rates=0.1", "/eval/robustness/pretrained/blur"},
        {"protocol=clustering", "clustering.starts=2", "/eval/clustering/pretrained/inertia"},
        {"protocol=knn", "knn.k=3", "/eval/knn/pretrained/neighbours/similarity"}};
    for (int i = 0; i < 3; i++) {
        array found[2];
        for (int ranks = 1; ranks <= 2; ranks++) {
            succeeds(RUN_RANKS(ranks, "probe", "run", "features=bf16", cases[i][0], cases[i][1], "threads=1"));
            found[ranks - 1] = read_array("run", "run.h5", cases[i][2]);
        }
        assert_true(found[0].count > 0 && found[0].count == found[1].count);
        assert_memory_equal(found[0].data, found[1].data, (size_t)found[0].count * sizeof(double));
        free(found[0].data);
        free(found[1].data);
    }
}

static void an_untrained_twin_alone(void **state)
{
    (void)state;
    run_result r = RUN("probe", "run", "protocol=knn", "knn.k=4", "baselines=untrained", "threads=1");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "untrained"));
    assert_null(strstr(r.out, "pixels"));
    assert_null(strstr(r.out, "hog"));
    run_finish(&r);
}

/* How many pictures are kept is no part of what is measured; the key that it had before is told. */
static void fewer_pictures_measure_the_same(void **state)
{
    (void)state;
    succeeds(RUN("probe", "run", "protocol=knn", "knn.k=5", "threads=1"));
    run_result r = RUN("probe", "run", "protocol=knn", "knn.k=5", "neighbours=3", "threads=1");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "note: neighbours=3 is now written knn.neighbours=3"));
    run_finish(&r);
    array similarity = read_array("run", "run.h5", "/eval/knn/pretrained/neighbours/similarity");
    assert_int_equal(similarity.count, 3 * 8);
    free(similarity.data);
    px_results *h5 = open_h5("run", "run.h5");
    char *measured = px_measured_get(h5, "/eval/knn/pretrained");
    assert_non_null(strstr(measured, "\nknn.temperature = "));
    assert_null(strstr(measured, "neighbours"));
    free(measured);
    assert_int_equal(px_results_close(h5), 0);
}

/* Of both splits every third image has no label: accuracies are shares of the other test images, clean or not. */
static void robustness_is_of_images_with_labels(void **state)
{
    (void)state;
    const int labelled = IMAGES / 4 - 26; /* rows 242, 245, ..., 317 have none */
    succeeds(RUN("probe", "run", "protocol=robustness", "robustness.rates=0.1", "robustness.epochs=5",
                 "robustness.amounts=cifar", "data.path=bare.h5", "threads=1"));
    double clean = number("/eval/robustness/pretrained/clean") * labelled;
    array bright = read_array("run", "run.h5", "/eval/robustness/pretrained/brightness");
    assert_true(clean > 0 && fabs(clean - round(clean)) < 1e-9);
    for (int s = 0; s < STRENGTHS; s++) {
        double right = bright.data[s] * labelled;
        assert_true(right > 0 && fabs(right - round(right)) < 1e-9);
    }
    free(bright.data);
}

static void robustness_needs_the_channels_of_jpeg(void **state)
{
    (void)state;
    succeeds(RUN("pretrain", "method=rotation", "resnet.width=0.125", "data.path=two.h5", "batch=48", "epochs=1",
                 "data.limit=48", "optim.warmup_epochs=0", "threads=1", "out=two"));
    run_result r = RUN("probe", "two", "protocol=robustness", "threads=1");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "protocol=robustness is for images of 1 or 3 channels"));
    assert_null(strstr(r.err, "features of"));
    assert_null(strstr(r.out, "clean")); /* not even a heading */
    run_finish(&r);
}

static void diagnostics_by_layer_and_against_a_file(void **state)
{
    (void)state;
    succeeds(RUN("features", "run", "data.split=test", "out=f.h5", "threads=1"));
    run_result r = RUN("probe", "run", "protocol=diagnostics", "diagnostics.images=40", "diagnostics.views=4",
                       "diagnostics.with=f.h5", "layers=true", "threads=1");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "layer1"));
    assert_null(strstr(r.err, "features of train")); /* nothing is learned */
    run_finish(&r);
    assert_true(fabs(number("/eval/diagnostics/pretrained/cka_with") - 1) < 1e-5); /* its own features */
    array cka = read_array("run", "run.h5", "/eval/diagnostics/pretrained/layers/cka"),
          lidar = read_array("run", "run.h5", "/eval/diagnostics/pretrained/layers/lidar");
    int layers = (int)lidar.count;
    assert_int_equal(cka.count, layers * layers);
    for (int i = 0; i < layers; i++)
        for (int k = 0; k < layers; k++) {
            assert_true(cka.data[i * layers + k] == cka.data[k * layers + i]);
            assert_true(cka.data[i * layers + k] > 0 && cka.data[i * layers + k] <= 1 + 1e-9);
        }
    assert_true(cka.data[layers - 2] < cka.data[layers * layers - 2]); /* neighbours are more alike than the first */
    double one = number("/eval/diagnostics/pretrained/lidar"),
           share = number("/eval/diagnostics/pretrained/lidar_share");
    print_message("LiDAR %.2f, share %.3f, alignment %.4f, uniformity %.4f\n", one, share,
                  number("/eval/diagnostics/pretrained/alignment"), number("/eval/diagnostics/pretrained/uniformity"));
    assert_true(one > 1 && share > 0 && share < 1 && lidar.data[layers - 1] == one);
    assert_true(number("/eval/diagnostics/pretrained/uniformity") < 0);
    succeeds(RUN_RANKS(2, "probe", "run", "protocol=diagnostics", "diagnostics.images=40", "diagnostics.views=4",
                       "diagnostics.with=f.h5", "layers=true", "threads=1"));
    assert_true(number("/eval/diagnostics/pretrained/lidar") == one);
    free(cka.data);
    free(lidar.data);
    r = RUN("show", "run");
    assert_non_null(strstr(r.out, "diagnostics"));
    assert_non_null(strstr(r.out, "robustness"));
    run_finish(&r);
}

/* It learns nothing: the split to learn from may be without labels, and its features are not made. */
static void clustering_takes_the_test_images_alone(void **state)
{
    (void)state;
    run_result r = RUN("probe", "run", "protocol=clustering", "clustering.starts=2", "labels=0.5", "baselines=true",
                       "store=kept", "threads=1");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "hog"));
    run_finish(&r);
    double nmi = number("/eval/clustering/pretrained/nmi"), inertia = number("/eval/clustering/pretrained/inertia");
    assert_true(nmi > 0 && nmi <= 1);
    r = RUN_RANKS(2, "probe", "run", "protocol=clustering", "clustering.starts=2", "train_split=test", "threads=1");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_null(strstr(r.err, "what the probe learns from"));
    run_finish(&r);
    assert_true(number("/eval/clustering/pretrained/nmi") == nmi);
    assert_true(number("/eval/clustering/pretrained/inertia") == inertia);
    r = RUN("probe", "run", "protocol=knn", "store=kept", "threads=1"); /* what clustering has left there */
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.err, "features of test: taken from kept"));
    assert_null(strstr(r.err, "features of train: taken from kept"));
    run_finish(&r);
}

static void attention_of_a_transformer(void **state)
{
    (void)state;
    succeeds(RUN("pretrain", "method=simclr", "backbone=vit_tiny_8", "data.path=d.h5", "batch=48", "epochs=1",
                 "data.limit=48", "optim.warmup_epochs=0", "threads=1", "out=vit"));
    succeeds(RUN("probe", "vit", "protocol=attention", "attention.images=20", "threads=1"));
    array one = read_array("vit", "run.h5", "/eval/attention/pretrained/distance"),
          entropy = read_array("vit", "run.h5", "/eval/attention/pretrained/entropy"),
          maps = read_array("vit", "run.h5", "/eval/attention/pretrained/maps/weights"); /* (6, 3, 2, 2) */
    assert_int_equal(one.count, 12 * 3);
    for (int i = 0; i < one.count; i++) { /* four patches of 8 px and a class token */
        assert_true(one.data[i] > 0 && one.data[i] < 8 * sqrt(2));
        assert_true(entropy.data[i] > 0 && entropy.data[i] <= log(5) + 1e-9);
    }
    succeeds(RUN_RANKS(2, "probe", "vit", "protocol=attention", "attention.images=20", "threads=1"));
    array two = read_array("vit", "run.h5", "/eval/attention/pretrained/distance"),
          again = read_array("vit", "run.h5", "/eval/attention/pretrained/maps/weights");
    assert_int_equal(maps.count, 6 * 3 * 4);
    for (int i = 0; i < maps.count; i += 4)
        assert_true(fabs(maps.data[i] + maps.data[i + 1] + maps.data[i + 2] + maps.data[i + 3] - 1) < 1e-12);
    assert_memory_equal(maps.data, again.data, (size_t)maps.count * sizeof *maps.data);
    free(maps.data);
    free(again.data);
    for (int i = 0; i < one.count; i++)
        assert_true(fabs(one.data[i] / two.data[i] - 1) < 1e-12);
    free(one.data);
    free(two.data);
    free(entropy.data);
}

/* A data set without classes is enough for protocols that learn nothing. Pixels and HOG have no views to be encoded. */
static void no_labels_are_needed(void **state)
{
    (void)state;
    run_result r = RUN("probe", "run", "protocol=diagnostics", "data.path=none.h5", "diagnostics.images=40",
                       "diagnostics.views=2", "baselines=true", "threads=2");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "untrained"));
    assert_null(strstr(r.out, "pixels"));
    run_finish(&r);
    succeeds(RUN("probe", "vit", "protocol=attention", "data.path=none.h5", "attention.images=20", "labels=0.1",
                 "threads=1"));
    r = RUN("probe", "run", "protocol=diagnostics", "test_split=train", "diagnostics.images=40", "diagnostics.views=2",
            "threads=1");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "the backbone was pretrained on the split train"));
    assert_null(strstr(r.err, "learns from")); /* nothing does */
    run_finish(&r);
    succeeds(RUN("show", "vit"));
    succeeds(RUN("plot", "run", "out=figures"));
    r = RUN("probe", "vit", "protocol=attention", "attention.images=20", "labels=0.1", "seeds=2", "threads=1");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "protocol=attention draws nothing and learns nothing"));
    run_finish(&r);
}

static void refuses(void **state)
{
    (void)state;
    succeeds(RUN("features", "run", "data.split=train", "out=t.h5", "threads=1"));
    succeeds(RUN("features", "run", "data.path=bare.h5", "data.split=test", "out=other.h5", "threads=1"));
    static const struct {
        int status;
        const char *protocol, *key, *error;
    } cases[] = {
        {2, "protocol=diagnostics", "diagnostics.with=t.h5",
         "diagnostics.with = t.h5 has no features of the split test of this data set"},
        {0, "protocol=diagnostics", "diagnostics.with=missing.h5", "missing.h5"},
        {2, "protocol=diagnostics", "diagnostics.with=d.h5", "diagnostics.with = d.h5 has no features: "},
        {2, "protocol=diagnostics", "diagnostics.with=other.h5",
         "diagnostics.with = other.h5 has features of another data set than d.h5"},
        {2, "protocol=diagnostics", "patches=4", "patches = 4 does not go together with protocol=diagnostics"},
        {2, "protocol=attention", "attention.images=9",
         "protocol=attention is for vision transformers of the family vit"},
        {2, "protocol=diagnostics", "diagnostics.views=1", "diagnostics.views"},
        {2, "protocol=robustness", "robustness.amounts=mnist", "robustness.amounts"},
        {2, "protocol=robustness", "layers=true", "layers=true needs protocol=linear, not robustness"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("probe", "run", cases[i].protocol, cases[i].key, "threads=1");
        if (r.status == 0 || (cases[i].status && r.status != cases[i].status) || !strstr(r.err, cases[i].error))
            fail_msg("status %d, or not '%s': %s", r.status, cases[i].error, r.err);
        run_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(robustness_falls_with_the_strength),
                                       cmocka_unit_test(robustness_begins_at_the_linear_probe),
                                       cmocka_unit_test(rounded_features_are_the_same_on_ranks),
                                       cmocka_unit_test(an_untrained_twin_alone),
                                       cmocka_unit_test(fewer_pictures_measure_the_same),
                                       cmocka_unit_test(robustness_is_of_images_with_labels),
                                       cmocka_unit_test(robustness_needs_the_channels_of_jpeg),
                                       cmocka_unit_test(diagnostics_by_layer_and_against_a_file),
                                       cmocka_unit_test(clustering_takes_the_test_images_alone),
                                       cmocka_unit_test(attention_of_a_transformer),
                                       cmocka_unit_test(no_labels_are_needed),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests_name("protocols", tests, setup, run_folder_leave);
}
