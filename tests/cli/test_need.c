/* test_need.c - what pretrain says before it starts, and that it refuses what does not fit into memory before it takes
 * any; the run's log and the record of its starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <hdf5.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* In the current folder: d.h5 has 72 raw images of 16 px to train on, e.h5 as many JPEG files of 40 px. */
static int setup(void **state)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0)
        return -1;
    free(make_set(".", "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 4}));
    free(make_set(".", "e.h5", &(set_spec){.count = 96, .side = 40, .channels = 3, .classes = 4, .encoded = true}));
    return 0;
}

static int teardown(void **state)
{
    if (chdir("/") != 0)
        return -1;
    run_folder_remove(*state);
    return 0;
}

static void expect(const run_result *r, int status, const char *const texts[])
{
    for (int i = 0; texts[i]; i++)
        if (r->status != status || !strstr(r->err, texts[i]))
            fail_msg("status %d instead of %d, or not '%s': %s", r->status, status, texts[i], r->err);
}

#define EXPECT(r, status, ...) expect(r, status, (const char *const[]){__VA_ARGS__, NULL})
#define TINY "resnet.width=0.125", "batch=24", "optim.warmup_epochs=0", "threads=1"

/* One line, and nothing was made. */
static void expect_refusal(const run_result *r, const char *out)
{
    struct stat about;
    EXPECT(r, 2, " of memory", "; what would fit: ");
    assert_ptr_equal(strchr(r->err, '\n'), r->err + strlen(r->err) - 1);
    assert_int_not_equal(stat(out, &about), 0);
}

static void photographs_of_40_px_seen_at_1024(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", "data.path=e.h5", "out=o", "backbone=vit_large_4", "data.image_size=1024",
                       "batch=64", "threads=1");
    expect_refusal(&r, "o");
    EXPECT(&r, 2, "activations take ", " for 64 images of 1024 px, which are 65536 tokens each in patches of 4 px",
           "what would fit: data.image_size=40 (the size of its images)");
    run_finish(&r);
}

static void several_ranks_are_counted_together(void **state)
{
    (void)state;
    run_result r = RUN_RANKS(2, "pretrain", "data.path=d.h5", "out=o", "backbone=vit_large_4", "data.image_size=512",
                             "batch=64", "threads=1");
    EXPECT(&r, 2, "training needs ", " for 32 images of 512 px, which are 16384 tokens each",
           " per rank; what would fit: data.image_size=16 (the size of its images)");
    run_finish(&r);
}

/* Sets the limit of the address space, from which programs that are started inherit it; skips the test if it cannot. */
static struct rlimit limit_addresses(rlim_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: the address sanitizer itself takes many TiB of addresses\n");
    skip();
#endif
    struct rlimit before, limit;
    getrlimit(RLIMIT_AS, &before);
    limit = before;
    limit.rlim_cur = bytes;
    if (before.rlim_max < limit.rlim_cur || setrlimit(RLIMIT_AS, &limit) != 0)
        skip();
    return before;
}

/* OpenBLAS asks for its buffers before main, again and again. */
static void too_few_addresses_for_openblas(void **state)
{
    (void)state;
    struct rlimit before = limit_addresses((rlim_t)260 << 20);
    run_result r = RUN("pretrain", "data.path=d.h5", "out=o");
    run_child silent = run_start_command((const char *const[]){"sh", "-c", "exec \"$PRETEXT\" methods 2>&-", NULL});
    setrlimit(RLIMIT_AS, &before);
    EXPECT(&r, 1, "pretext: ulimit -v allows 260 MB, in which OpenBLAS has no room for its ");
    assert_int_equal(access("o", F_OK), -1);
    run_finish(&r);
    r = run_wait(&silent);
    assert_int_equal(r.status, 1);
    run_finish(&r);
}

/* The last of the settings that the message proposes under `key`, "batch=8"; a new string. */
static char *proposed(const run_result *r, const char *key)
{
    const char *from = strstr(r->err, "; what would fit: ");
    const char *at = from ? strstr(from, key) : NULL;
    if (!at)
        fail_msg("proposes no %s: %s", key, r->err);
    return px_format("%.*s", (int)strcspn(at, "; \n"), at);
}

/* Under a limit of the address space: what is proposed then runs. */
static void what_is_proposed_fits(void **state)
{
    (void)state;
    struct rlimit before = limit_addresses((rlim_t)2 << 30);
    /* as large as views may be, so that only the batch is left to change */
    run_result r = RUN("pretrain", "data.path=d.h5", "out=o", "data.image_size=512", "batch=72", "resnet.width=0.25",
                       "optim.warmup_epochs=0", "recompute=true", "threads=1", "data.workers=1");
    expect_refusal(&r, "o");
    char *batch = proposed(&r, "batch=");
    assert_in_range(atoi(batch + 6), 2, 71);
    run_finish(&r);
    r = RUN("pretrain", "data.path=d.h5", "out=o", "data.image_size=512", batch, "resnet.width=0.25",
            "optim.warmup_epochs=0", "recompute=true", "threads=1", "data.workers=1", "data.limit=72", "epochs=0.01");
    setrlimit(RLIMIT_AS, &before);
    EXPECT(&r, 0, "done: 1 steps");
    run_finish(&r);
    free(batch);
}

static void a_run(const char *out)
{
    char *word = px_format("out=%s", out);
    run_result r = RUN("pretrain", "data.path=d.h5", word, TINY, "epochs=1", "resnet.stem=7x7");
    EXPECT(&r, 0, "done: 3 steps");
    run_finish(&r);
    free(word);
}

/* Refused; and what is proposed then runs. */
static void features_are_encoded_with_a_smaller_batch(void **state)
{
    (void)state;
    a_run("seen");
    struct rlimit before = limit_addresses((rlim_t)2 << 30);
    run_result r =
        RUN("features", "seen", "data.image_size=512", "out=encoded", "threads=2", "data.workers=1", "data.limit=8");
    expect_refusal(&r, "encoded");
    EXPECT(&r, 2, "encoding needs ", " for 256 images of 512 px at a time; what would fit: batch=");
    char *batch = proposed(&r, "batch=");
    run_finish(&r);
    r = RUN("features", "seen", "data.image_size=512", "out=encoded", "threads=2", "data.workers=1", "data.limit=8",
            batch);
    setrlimit(RLIMIT_AS, &before);
    EXPECT(&r, 0, "");
    run_finish(&r);
    assert_int_equal(unlink("encoded"), 0);
    free(batch);
}

static void pixels_that_are_too_many(void **state)
{
    (void)state;
    a_run("probed");
    struct rlimit before = limit_addresses((rlim_t)2 << 30);
#define PROBE "probe", "probed", "data.image_size=768", "batch=2", "linear.epochs=1", "threads=1", "data.workers=1"
    run_result r = RUN(PROBE, "baselines=true");
    expect_refusal(&r, "probed/features.h5");
    EXPECT(&r, 2, "probing the raw pixels needs ", "the probe's classifiers and buffers take ",
           " for 4 classes; what would fit: baselines=false"); /* and perhaps a single rate */
    run_finish(&r);
    setrlimit(RLIMIT_AS, &before);
}

/* On two ranks, each of which needs its own part of the features, and all of one layer. */
static void a_probe_of_what_no_host_holds(void **state)
{
    (void)state;
    a_run("vast");
    run_result r = RUN_RANKS(2, "probe", "vast", "data.image_size=4096", "batch=4096", "layers=true", "threads=1");
    EXPECT(&r, 2, "probing needs ", " for 2 ranks, but on ",
           " for 4096 images of 4096 px at a time per rank; what would fit: ");
    run_finish(&r);
}

static void it_says_what_it_will_do(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", "data.path=d.h5", "out=told", TINY, "epochs=4", "accumulate=2");
    EXPECT(&r, 0, "simclr on resnet18: 0.", " M parameters, fp32\n",
           "72 images, used at 16 px: 3 steps per epoch, 4 epochs, 12 steps in all\n",
           "batch 24 = 1 rank x 12 images x 2 micro-batches; 1 rank x 1 thread\n", "memory: ", " = activations ",
           "views of images ", "parameters ", "gradients ", "optimizer's state ", "this will take about ", " s, until ",
           "done: 12 steps");
    run_finish(&r);
    r = RUN("pretrain", "data.path=e.h5", "out=varying", TINY, "epochs=1");
    EXPECT(&r, 0, "72 images, used at 40 px (data.image_size): 3 steps per epoch");
    run_finish(&r);
    r = RUN("pretrain", "data.path=e.h5", "out=patches", "method=mae", "backbone=vit_tiny_16", "batch=72", "threads=1",
            "epochs=1", "optim.warmup_epochs=0");
    EXPECT(&r, 0, "72 images, used at 32 px"); /* a multiple of the patches */
    run_finish(&r);
}

static char *log_of(const char *run)
{
    content c = read_content(run, "log.txt");
    assert_true(c.size > 0);
    char *text = px_calloc((size_t)c.size + 1, 1);
    memcpy(text, c.bytes, (size_t)c.size);
    free(c.bytes);
    return text;
}

static void its_folder_holds_the_log(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", "data.path=d.h5", "out=logged", TINY, "epochs=1");
    EXPECT(&r, 0, "done: 3 steps");
    run_finish(&r);
    r = RUN("pretrain", "--resume", "out=logged", "epochs=2");
    EXPECT(&r, 0, "resumed with a different setting: epochs");
    run_finish(&r);
    r = RUN("probe", "logged", "linear.epochs=1", "threads=1");
    EXPECT(&r, 0, "");
    char *row = strstr(r.out, "pretrained "), *text = log_of("logged");
    assert_non_null(row);
    row[strcspn(row, "\n")] = '\0';
    const char *in_order[] = {"pretext pretrain data.path=d.h5 out=logged",
                              "M parameters",
                              "done: 3 steps",
                              "pretext pretrain --resume out=logged epochs=2",
                              "warning: resumed with a different setting",
                              "resumed at step 3 of 6",
                              "done: 3 steps",
                              "pretext probe logged",
                              row};
    const char *at = text;
    for (size_t i = 0; i < sizeof in_order / sizeof in_order[0]; i++) {
        at = strstr(at, in_order[i]);
        if (!at)
            fail_msg("no '%s', or not in its place, in:\n%s", in_order[i], text);
    }
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        int date[6];
        assert_int_equal(
            sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d  ", &date[0], &date[1], &date[2], &date[3], &date[4], &date[5]), 6);
    }
    assert_null(strchr(text, '\r'));
    run_finish(&r);
    r = RUN("pretrain", "data.path=d.h5", "out=logged", TINY); /* refused: nothing is written */
    assert_int_equal(r.status, 2);
    char *again = log_of("logged");
    assert_string_equal(again, text);
    run_finish(&r);
    free(again);
    free(text);
}

static void every_start_is_recorded(void **state)
{
    (void)state;
    const char *const epochs[] = {"epochs=1", "epochs=2", "epochs=3"};
    for (int i = 0; i < 3; i++) {
        run_result r = RUN("pretrain", "--resume", "data.path=d.h5", "out=started", TINY, epochs[i]);
        assert_int_equal(r.status, 0);
        run_finish(&r);
    }
    px_results *r = open_h5("started", "run.h5");
    for (int i = 0; i < 3; i++) {
        char *path = px_format("/provenance/%d", i + 1), *command, *versions, *hosts;
        double ranks;
        assert_int_equal(px_results_get_attribute_text(r, path, "command", &command), 0);
        assert_int_equal(px_results_get_attribute_text(r, path, "versions", &versions), 0);
        assert_int_equal(px_results_get_attribute_text(r, path, "hosts", &hosts), 0);
        assert_int_equal(px_results_get_attribute_real(r, path, "ranks", &ranks), 0);
        assert_non_null(strstr(command, epochs[i]));
        assert_non_null(strstr(versions, "HDF5"));
        assert_non_null(strstr(hosts, " x 1"));
        assert_true(ranks == 1);
        free(path);
        free(command);
        free(versions);
        free(hosts);
    }
    assert_false(px_results_has(r, "/provenance/4"));
    px_results_close(r);
    run_result shown = RUN("show", "started");
    assert_int_equal(shown.status, 0);
    assert_non_null(strstr(shown.out, "start 1 "));
    assert_non_null(strstr(shown.out, "start 3 "));
    assert_null(strstr(shown.out, "start 4 "));
    run_finish(&shown);
}

/* A run of the version before, which kept the last start only. */
static void older_runs_are_taken_up(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", "data.path=d.h5", "out=older", TINY, "epochs=1");
    assert_int_equal(r.status, 0);
    run_finish(&r);
    hid_t file = H5Fopen("older/run.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    assert_true(H5Ldelete(file, "/provenance/1", H5P_DEFAULT) >= 0);
    assert_true(H5Fclose(file) >= 0);
    r = RUN("pretrain", "--resume", "out=older", "epochs=2");
    assert_int_equal(r.status, 0);
    run_finish(&r);
    px_results *results = open_h5("older", "run.h5");
    char *first, *second;
    assert_int_equal(px_results_get_attribute_text(results, "/provenance/1", "command", &first), 0);
    assert_int_equal(px_results_get_attribute_text(results, "/provenance/2", "command", &second), 0);
    assert_non_null(strstr(first, "epochs=1"));
    assert_non_null(strstr(second, "--resume"));
    free(first);
    free(second);
    px_results_close(results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(photographs_of_40_px_seen_at_1024),
                                       cmocka_unit_test(several_ranks_are_counted_together),
                                       cmocka_unit_test(too_few_addresses_for_openblas),
                                       cmocka_unit_test(what_is_proposed_fits),
                                       cmocka_unit_test(features_are_encoded_with_a_smaller_batch),
                                       cmocka_unit_test(pixels_that_are_too_many),
                                       cmocka_unit_test(a_probe_of_what_no_host_holds),
                                       cmocka_unit_test(it_says_what_it_will_do),
                                       cmocka_unit_test(its_folder_holds_the_log),
                                       cmocka_unit_test(every_start_is_recorded),
                                       cmocka_unit_test(older_runs_are_taken_up)};
    return cmocka_run_group_tests_name("need", tests, setup, teardown);
}
