/* test_finetune.c - protocol=finetune: it learns, beside its untrained twin; the same bits on one rank and two; few labels and
 * repeats; that it begins at the run's weights and is the training of `pretrain method=supervised init=`; what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "same_run.h"
#include "small_run.h"

#include <signal.h>

enum { IMAGES = SMALL_RUN_IMAGES, EPOCHS = 9 };

#define SHORT                                                                                                          \
    "protocol=finetune", "finetune.batch=48", "finetune.lr=0.03", "finetune.shards=2", "data.workers=1",               \
        "rank_timeout=0"

static int setup(void **state)
{
    return small_run_create(state, "epochs=1");
}

static void learns_and_does_not_depend_on_ranks(void **state)
{
    (void)state;
    run_result r = RUN("probe", "run", SHORT, "finetune.epochs=9", "baselines=true", "threads=2");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "pretrained"));
    assert_non_null(strstr(r.out, "untrained"));
    assert_null(strstr(r.out, "pixels")); /* they have no network */
    run_finish(&r);
    double top1 = number("/eval/finetune/pretrained/top1");
    array one = read_array("run", "run.h5", "/eval/finetune/pretrained/train_loss"),
          twin = read_array("run", "run.h5", "/eval/finetune/untrained/train_loss"),
          confusion = read_array("run", "run.h5", "/eval/finetune/pretrained/confusion");
    double all = 0, right = 0;
    for (int i = 0; i < 16; i++) {
        all += confusion.data[i];
        right += i % 5 == 0 ? confusion.data[i] : 0;
    }
    assert_int_equal(all, IMAGES / 4);
    assert_true(right / all == top1);
    print_message("top-1 %.1f %%, loss %.4f to %.4f\n", 100 * top1, one.data[0], one.data[EPOCHS - 1]);
    assert_true(one.data[EPOCHS - 1] < 0.8 * one.data[0] && top1 > 0.35); /* chance: 0.25 */
    assert_true(twin.data[0] != one.data[0]);                             /* it began at other weights */
    succeeds(RUN_RANKS(2, "probe", "run", SHORT, "finetune.epochs=9", "threads=1"));
    array two = read_array("run", "run.h5", "/eval/finetune/pretrained/train_loss");
    assert_memory_equal(one.data, two.data, EPOCHS * sizeof one.data[0]);
    assert_true(number("/eval/finetune/pretrained/top1") == top1);
    free(one.data);
    free(two.data);
    free(twin.data);
    free(confusion.data);
    r = RUN("compare", "run");
    assert_non_null(strstr(r.out, "finetune"));
    run_finish(&r);
}

/* The same training by `pretrain`, from exported weights: the same losses. */
static void is_supervised_training(void **state)
{
    (void)state;
    succeeds(RUN("export", "run", "out=w.safetensors"));
    succeeds(RUN("pretrain", "method=supervised", "resnet.width=0.125", "data.path=d.h5", "init=w.safetensors",
                 "batch=48", "epochs=9", "seed=0", "reproducible=true", "shards=2", "data.workers=1",
                 "data.normalize=auto", "optim.optimizer=adamw", "optim.lr=0.03", "optim.weight_decay=0.05",
                 "optim.layer_decay=0.75", "optim.warmup_epochs=0.9", "supervised.smoothing=0.1", "threads=1",
                 "out=same"));
    succeeds(RUN("probe", "run", SHORT, "finetune.epochs=9", "finetune.with=supervised.smoothing=0.1",
                 "data.normalize=auto", "threads=1"));
    array loss = read_array("same", "run.h5", "/train/loss"),
          mean = read_array("run", "run.h5", "/eval/finetune/pretrained/train_loss");
    int steps = (int)loss.count / EPOCHS;
    for (int e = 0; e < EPOCHS; e++) {
        double sum = 0;
        for (int k = 0; k < steps; k++)
            sum += loss.data[e * steps + k] / steps;
        assert_true(fabs(sum - mean.data[e]) < 1e-12);
    }
    free(loss.data);
    free(mean.data);
}

/* Killed in the middle, it goes on, on other ranks, and nothing of it is left; one with other settings begins anew. */
static void goes_on_after_a_kill(void **state)
{
    (void)state;
    const char *const all[] = {"probe", "run", SHORT, "finetune.epochs=12", "threads=1", "checkpoint_minutes=0", NULL};
    succeeds(RUN("probe", "run", SHORT, "finetune.epochs=12", "threads=1"));
    array whole = read_array("run", "run.h5", "/eval/finetune/pretrained/train_loss");
    double top1 = number("/eval/finetune/pretrained/top1");
    run_child c = run_start(0, all);
    while (access("run/finetune/pretrained/checkpoint.previous.h5", F_OK) != 0 && run_is_alive(c.process))
        run_pause_ms(1);
    kill(c.process, SIGKILL);
    run_result r = run_wait(&c);
    assert_true(r.status != 0); /* it had not ended */
    run_finish(&r);
    r = RUN("probe", "run", SHORT, "finetune.epochs=11", "threads=1");
    assert_null(strstr(r.err, "goes on at step"));
    assert_int_equal(r.status, 0);
    run_finish(&r);
    c = run_start(0, all);
    while (access("run/finetune/pretrained/checkpoint.previous.h5", F_OK) != 0 && run_is_alive(c.process))
        run_pause_ms(1);
    kill(c.process, SIGKILL);
    r = run_wait(&c);
    assert_true(r.status != 0);
    run_finish(&r);
    r = RUN_RANKS(2, "probe", "run", SHORT, "finetune.epochs=12", "threads=1");
    assert_non_null(strstr(r.err, "fine-tuning goes on at step "));
    assert_int_equal(r.status, 0);
    run_finish(&r);
    array again = read_array("run", "run.h5", "/eval/finetune/pretrained/train_loss");
    assert_memory_equal(whole.data, again.data, (size_t)whole.count * sizeof whole.data[0]);
    assert_true(number("/eval/finetune/pretrained/top1") == top1 && access("run/finetune", F_OK) != 0);
    free(whole.data);
    free(again.data);
}

static void few_labels_and_repeats(void **state)
{
    (void)state;
    run_result r = RUN("probe", "run", SHORT, "finetune.epochs=2", "labels=5", "seeds=2", "threads=1");
    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_non_null(strstr(r.out, "mean of 2"));
    run_finish(&r);
    assert_true(number("/eval/finetune/pretrained/seeds/0/steps") == 2); /* 20 images are one batch */
    assert_true(number("/eval/finetune/pretrained/top1_interval") >= 0);
    r = RUN("compare", "run");
    assert_non_null(strstr(r.out, "(± "));
    assert_non_null(strstr(r.out, "over its own seeds"));
    run_finish(&r);
}

/* Of both splits every third image has no label: it is neither learned from nor tested. */
static void images_without_labels_do_not_count(void **state)
{
    (void)state;
    succeeds(RUN("probe", "run", SHORT, "finetune.epochs=2", "data.path=bare.h5", "threads=1"));
    succeeds(RUN("show", "run"));
    array confusion = read_array("run", "run.h5", "/eval/finetune/pretrained/confusion"),
          top1 = read_array("run", "run.h5", "/eval/finetune/pretrained/top1"),
          steps = read_array("run", "run.h5", "/eval/finetune/pretrained/steps");
    double all = 0, right = 0;
    for (int i = 0; i < 16; i++) {
        all += confusion.data[i];
        right += i % 5 == 0 ? confusion.data[i] : 0;
    }
    assert_int_equal(all, IMAGES / 4 - 26); /* rows 242, 245, ..., 317 */
    assert_true(top1.data[0] == right / all);
    assert_int_equal(steps.data[0], 2 * (160 / 48));
    free(confusion.data);
    free(top1.data);
    free(steps.data);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"finetune.batch=50", "finetune.batch = 50 cannot be divided by finetune.shards = 4"},
        {"finetune.shards=3", "finetune.shards = 3 is not a power of two, as finetune.shards=8 is"},
        {"finetune.with=optim.lr=1", "finetune.with: optim.lr=1 has a key of its own, finetune.lr"},
        {"finetune.with=epochs=1", "finetune.with: epochs=1 is neither of the optimizer nor of method=supervised"},
        {"finetune.with=supervised.mixx=cutmix", "unknown key 'supervised.mixx', nearest is 'supervised.mix'"},
        {"store=features", "store = features does not go together with protocol=finetune"},
        {"features=bf16", "features = bf16 does not go together with protocol=finetune"},
        {"patches=4", "patches = 4 does not go together with protocol=finetune"},
        {"layers=true", "layers=true needs protocol=linear, not finetune"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("probe", "run", "protocol=finetune", "threads=1", "finetune.epochs=1", cases[i][0]);

        if (r.status != 2 || !strstr(r.err, cases[i][1]))
            fail_msg("status %d, or not '%s': %s", r.status, cases[i][1], r.err);
        run_finish(&r);
    }
    run_result r = RUN_RANKS(2, "probe", "run", "protocol=finetune", "threads=1", "finetune.shards=1");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "2 ranks cannot share finetune.shards = 1"));
    run_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns_and_does_not_depend_on_ranks),
                                       cmocka_unit_test(is_supervised_training),
                                       cmocka_unit_test(goes_on_after_a_kill),
                                       cmocka_unit_test(few_labels_and_repeats),
                                       cmocka_unit_test(images_without_labels_do_not_count),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests_name("finetune", tests, setup, run_folder_leave);
}
