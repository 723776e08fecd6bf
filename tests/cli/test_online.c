/* test_online.c - probes while training: they change no bit of the run, whatever the method; are the same on one rank and two and
 * after an interruption; k-NN is that of `probe` on the last checkpoint; what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <unistd.h>

enum { IMAGES = 256, STEPS = 8 };

#define TINY "data.path=d.h5", "batch=48", "epochs=2", "optim.lr=0.02", "optim.warmup_epochs=0", "data.workers=1"
#define ONLINE "online_linear=0.5", "online_knn_epochs=1", "validate_split=test"

static int setup(void **state)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0)
        return -1;
    const set_spec spec = {.count = IMAGES, .side = 16, .channels = 3, .classes = 4};
    const set_spec bare = {.count = IMAGES, .side = 16, .channels = 3};
    free(make_set(".", "d.h5", &spec));
    free(make_set(".", "n.h5", &bare));
    return 0;
}

static void succeeds(run_result r)
{
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

/* One method of each kind: two views and clipping, a teacher with a centre, hidden patches. */
static void change_no_bit_of_any_method(void **state)
{
    (void)state;
    static const char *const methods[][4] = {
        {"method=simclr", "backbone=resnet18", "resnet.width=0.125", "optim.clip=0.5"},
        {"method=dino", "backbone=resnet18", "resnet.width=0.125", "dino.prototypes=32"},
        {"method=mae", "backbone=vit_tiny_8", "vit.depth=3", "accumulate=2"},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const char *const *m = methods[i];
        char *plain = px_format("out=plain%zu", i), *online = px_format("out=online%zu", i);
        succeeds(RUN("pretrain", TINY, "threads=1", m[0], m[1], m[2], m[3], plain));
        succeeds(RUN("pretrain", TINY, "threads=1", m[0], m[1], m[2], m[3], online, ONLINE,
                     "online_images=100000000")); /* the forecast counts those that there are */
        same_group(plain + 4, online + 4, "run.h5", "/train");
        same_group(plain + 4, online + 4, "checkpoint.h5", "/parameters");
        same_group(plain + 4, online + 4, "checkpoint.h5", "/optimizer");
        array accuracy = read_array(online + 4, "run.h5", "/train/online_accuracy"),
              knn = read_array(online + 4, "run.h5", "/train/online_knn");
        assert_true(isfinite(accuracy.data[STEPS - 1]) && knn.data[STEPS - 1] > 0);
        assert_true(isnan(knn.data[0]));
        print_message("%s: linear %.2f to %.2f, k-NN %.2f\n", m[0], accuracy.data[0], accuracy.data[STEPS - 1],
                      knn.data[STEPS - 1]);
        free(accuracy.data);
        free(knn.data);
        free(plain);
        free(online);
    }
}

static void knn_is_that_of_probe(void **state)
{
    (void)state;
    succeeds(RUN("probe", "online0", "protocol=knn", "knn.k=20", "test_split=test", "threads=1"));
    array online = read_array("online0", "run.h5", "/train/online_knn"),
          offline = read_array("online0", "run.h5", "/eval/knn/pretrained/top1");
    print_message("%.4f online, %.4f offline\n", online.data[STEPS - 1], offline.data[0]);
    assert_true(fabs(online.data[STEPS - 1] - offline.data[0]) <= 1.01 / (IMAGES / 4.0)); /* another batch: rounding */
    free(online.data);
    free(offline.data);
}

static run_result again(int ranks, const char *out, const char *threads, const char *more)
{
    return RUN_RANKS(ranks, "pretrain", TINY, ONLINE, "method=simclr", "resnet.width=0.125", "reproducible=true",
                     "shards=2", "time_limit=0", threads, out, more);
}

static void the_same_on_two_ranks_and_in_pieces(void **state)
{
    (void)state;
    succeeds(again(0, "out=one", "threads=2", NULL));
    succeeds(again(2, "out=two", "threads=1", NULL));
    same_run("one", "two", STEPS);
    run_result r = again(0, "out=pieces", "threads=1", "time_limit=0.00001");
    assert_int_equal(r.status, 75);
    run_finish(&r);
    succeeds(again(0, "out=pieces", "threads=1", "--resume"));
    same_run("one", "pieces", STEPS);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *data, *key, *split, *error;
    } cases[] = {{"data.path=n.h5", "online_linear=0.1", "validate_split=test",
                  "online_linear = 0.1: the data set has no classes"},
                 {"data.path=n.h5", "online_knn_epochs=1", "validate_split=test",
                  "online_knn_epochs: the data set has no classes to vote for"},
                 {"data.path=d.h5", "online_knn_epochs=1", "validate_split=train",
                  "online_knn_epochs: validate_split = train is the split that is trained on"},
                 {"data.path=d.h5", "online_knn_epochs=1", "validate_split=val",
                  "has no split \"val\" for validate_split; it has: train, test"},
                 {"data.path=d.h5", "online_linear=-1", "validate_split=test", "online_linear"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("pretrain", "method=simclr", "resnet.width=0.125", "batch=48", "threads=1", "out=bad",
                           cases[i].data, cases[i].key, cases[i].split);
        if ((r.status != 2 && r.status != 3) || !strstr(r.err, cases[i].error))
            fail_msg("status %d, or not '%s': %s", r.status, cases[i].error, r.err);
        run_finish(&r);
        assert_int_not_equal(access("bad", F_OK), 0);
    }
}

/* A method that never calls px_encode has no features to learn from. */
static void refuses_a_method_without_a_backbone(void **state)
{
    (void)state;
    assert_non_null(getenv("PRETEXT_PLUGINS"));
    char *plugin = px_format("%s/faulty.so", getenv("PRETEXT_PLUGINS"));
    setenv("PRETEXT_FAULT", "blind", 1);
    run_result r = RUN("pretrain", "--plugin", plugin, "method=faulty", "data.path=d.h5", "batch=48", "threads=1",
                       "resnet.width=0.125", "out=blind", "online_linear=0.1");
    unsetenv("PRETEXT_FAULT");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "method faulty on resnet18, images of 16 px: online_linear = 0.1 learns from the "
                                  "features of a backbone that runs by px_encode, and this method has none; "
                                  "online_linear=0 turns it off"));
    run_finish(&r);
    free(plugin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(change_no_bit_of_any_method),
                                       cmocka_unit_test(knn_is_that_of_probe),
                                       cmocka_unit_test(the_same_on_two_ranks_and_in_pieces), cmocka_unit_test(refuses),
                                       cmocka_unit_test(refuses_a_method_without_a_backbone)};
    return cmocka_run_group_tests_name("online", tests, setup, run_folder_leave);
}
