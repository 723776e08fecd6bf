/* test_bad_run.c - wrong use, wrong configuration, bad data: pretrain, probe and features say one clear line, exit with
 * the right status on all ranks, and leave earlier results as they were, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bad_cases.h"
#include "base/log.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <signal.h>
#include <sys/stat.h>

/* The tests work on files in the current folder. ANY: on any backbone. */
#define ANY "data.path=d.h5", "batch=16", "epochs=1", "optim.warmup_epochs=0", "threads=1"
#define SMALL ANY, "resnet.width=0.125"

/* Exactly one line on standard error is the program's final message, and it has the expected text. */
static void check_failure(run_result *r, const char *what, int status, const char *says)
{
    int messages = 0;
    const char *message = "";
    for (char *line = r->err; *line; line += strcspn(line, "\n") + 1)
        if (strncmp(line, "pretext ", 8) == 0) {
            message = line;
            messages++;
        }
    if (r->status != status || messages != 1 || !strstr(message, says))
        fail_msg("%s: status %d, expected %d and '%s':\n%s", what, r->status, status, says, r->err);
    assert_null(strstr(r->out, "pretext"));
}

/* For failures before any work: no other line. */
static void check_only(const run_result *r, const char *what)
{
    if (strchr(r->err, '\n') != r->err + strlen(r->err) - 1)
        fail_msg("%s: more than one line:\n%s", what, r->err);
}

static void expect_same(const content *before, const char *folder, const char *name)
{
    content now = read_content(folder, name);
    assert_int_equal(now.size, before->size);
    assert_memory_equal(now.bytes, before->bytes, (size_t)now.size);
    free(now.bytes);
}

/* ---- before any work ---- */

enum { AT_ONCE = 6 };

/* The commands of `table` use ResNets, which are made narrow; other backbones do not know that option. */
static run_child start(const bad_case *c, bool narrow)
{
    const char *const small[] = {SMALL}, *words[WORDS + 8] = {NULL};
    int n = 0, smalls = strcmp(c->words[0], "pretrain") != 0 ? 0 : narrow ? 6 : 5;
    words[n++] = c->words[0];
    for (int k = 0; k < smalls; k++)
        words[n++] = small[k];
    for (int k = 1; k < WORDS && c->words[k]; k++)
        words[n++] = c->words[k];
    return run_start(0, words);
}

/* Two programs at the same time would find the folder in use. */
static bool uses_results(const bad_case *c)
{
    for (int k = 1; k < WORDS && c->words[k]; k++)
        if (strcmp(c->words[k], "ok") == 0 || strcmp(c->words[k], "out=ok") == 0)
            return true;
    return false;
}

static void refuse(const bad_case *cases, int total, bool narrow)
{
    content run = read_content("ok", "run.h5"), saved = read_content("ok", "checkpoint.h5");
    for (int first = 0, count; first < total; first += count) {
        run_child child[AT_ONCE];
        for (count = 0;
             count < AT_ONCE && first + count < total && (count == 0 || !uses_results(&cases[first + count])); count++)
            child[count] = start(&cases[first + count], narrow);
        for (int i = 0; i < count; i++) {
            const bad_case *c = &cases[first + i];
            run_result r = run_wait(&child[i]);
            check_failure(&r, c->says, c->status, c->says);
            check_only(&r, c->says);
            assert_string_equal(r.out, "");
            run_finish(&r);
        }
        expect_same(&run, "ok", "run.h5");
        expect_same(&saved, "ok", "checkpoint.h5");
        assert_int_equal(access("o/run.h5", F_OK), -1);
    }
    free(run.bytes);
    free(saved.bytes);
}

static void refused(void **state)
{
    (void)state;
    refuse(table, sizeof table / sizeof *table, true);
    refuse(vit_table, sizeof vit_table / sizeof *vit_table, false);
}

/* All ranks find the same mistake; rank 0 reports it once, and the status is the same as on one rank. */
static void refused_on_all_ranks(void **state)
{
    (void)state;
    static const struct {
        const char *backbone, *set, *more;
        int status;
        const char *says;
    } cases[] = {
        {"backbone=resnet18", "batch=15", "resnet.width=0.125", 2,
         "batch = 15 cannot be divided among 2 ranks x 1 micro-batch (accumulate); batch=14 or 16 would work"},
        {"backbone=resnet18", "epoch=3", "resnet.width=0.125", 2, "unknown key 'epoch', nearest is 'epochs'"},
        {"backbone=resnet18", "method=mae", "resnet.width=0.125", 2,
         "method mae works only with backbones of the family vit"},
        {"backbone=vit_tiny_14", "method=mae", "mae.mask_ratio=0.5", 2, "images of 16 px: not divisible into its pat"},
        {"backbone=vit_tiny_8", "method=mae", "mae.mask_ratio=0.8", 2, "mae.mask_ratio leaves no patch visible"},
        {"backbone=resnet34", "init=w.safetensors", "resnet.width=0.125", 3,
         "w.safetensors: has no tensor layer1.2.conv1.weight, which resnet34 needs; its weights are for resnet18\n"},
        {"backbone=resnet18", "init=w.safetensors", "resnet.width=0.25", 3, "tensor conv1.weight is (8, 3, 3, 3), "},
        {"backbone=resnet18", "--plugin", "old.so", 2,
         "plug-in old.so was built for interface 0123456789ab, this program"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN_RANKS(2, "pretrain", ANY, "out=o", cases[i].backbone, cases[i].set, cases[i].more);
        check_failure(&r, cases[i].says, cases[i].status, cases[i].says);
        run_finish(&r);
    }
    run_result r = RUN_RANKS(2, "pretrain", SMALL, "out=ok");
    check_failure(&r, "a folder that holds a run", 2, "ok already contains a run");
    run_finish(&r);
}

/* ---- while it works ---- */

static void put(const char *name, const char *text)
{
    write_content(".", name, text, (long)strlen(text));
}

static void folder_in_use(void **state)
{
    (void)state;
    run_child first = run_start(0, (const char *const[]){"pretrain", SMALL, "epochs=100000", "out=long", NULL});
    for (int i = 0; i < 2000 && access("long/run.h5", R_OK) != 0; i++)
        usleep(10000);
    run_result r = RUN("pretrain", SMALL, "out=long", "--resume");
    check_failure(&r, "a second run", 2, "long/run.h5: the results folder is in use by process ");
    check_only(&r, "a second run");
    run_finish(&r);
    kill(first.process, SIGTERM);
    r = run_wait(&first);
    check_failure(&r, "the first run", 75, "with a checkpoint; to continue: ");
    run_finish(&r);
}

static void broken_image(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", SMALL, "data.path=broken.h5", "data.shuffle=false", "out=broken-1");
    check_failure(&r, "an image that cannot be decoded", 3, "broken.h5: image 41: ");
    run_finish(&r);
}

/* A run or probe that fails before its first step or result removes what it made, and nothing else. */
static void failures_leave_nothing(void **state)
{
    (void)state;
    for (int ranks = 0; ranks < 3; ranks += 2) {
        run_result r =
            run_program(ranks, (const char *const[]){"pretrain", SMALL, "data.path=broken.h5", "data.shuffle=false",
                                                     "batch=48", "out=new/below/run", NULL});
        check_failure(&r, "a first batch that cannot be read", 3, "broken.h5: image 41: ");
        assert_int_equal(access("new", F_OK), -1);
        run_finish(&r);
        r = run_program(ranks, (const char *const[]){"probe", "w.safetensors", "data.path=broken.h5", "threads=1",
                                                     "data.image_size=16", "out=new/below//probe/", NULL});
        check_failure(&r, "a probe of a broken image", 3, "broken.h5: image 41: ");
        assert_int_equal(access("new", F_OK), -1);
        run_finish(&r);
    }
    assert_int_equal(mkdir("kept", 0777), 0);
    put("kept/notes", "mine");
    run_result r = RUN("pretrain", SMALL, "data.path=broken.h5", "data.shuffle=false", "batch=48", "out=kept/run");
    check_failure(&r, "a first batch that cannot be read", 3, "broken.h5: image 41: ");
    run_finish(&r);
    assert_int_equal(rmdir("kept"), -1);
    assert_int_equal(unlink("kept/notes"), 0);
    assert_int_equal(rmdir("kept"), 0); /* there was nothing else */
    r = RUN("pretrain", SMALL, "out=fresh/key.cfg/../../key.cfg/sub");
    check_failure(&r, "a folder that cannot be made", 2, "the folder cannot be created: ");
    assert_int_equal(access("fresh", F_OK), -1);
    run_finish(&r);
}

static void path_too_long(void **state)
{
    (void)state;
    char *out = px_calloc(6100, 1);
    strcpy(out, "out=long-path");
    while (strlen(out) < 6000)
        strcat(out, "/below");
    run_result r = RUN("pretrain", SMALL, out);
    check_failure(&r, "6,000 characters", 2, "a path of 59");
    assert_int_equal(access("long-path", F_OK), -1);
    run_finish(&r);
    free(out);
}

/* Rank 1 meets it in the third step, while rank 0 waits for the sums. */
static void broken_image_on_one_rank(void **state)
{
    (void)state;
    double start = px_now();
    run_result r = RUN_RANKS(2, "pretrain", SMALL, "data.path=broken.h5", "data.shuffle=false", "out=broken-2");
    check_failure(&r, "an image that cannot be decoded", 3, "rank 1: broken.h5: image 41: ");
    assert_true(px_now() - start < 60); /* five seconds, and more on a busy machine */
    run_finish(&r);
}

/* The weight decay makes weights a thousand times larger in each step. */
static void diverging(void **state)
{
    (void)state;
    run_result r = RUN("pretrain", SMALL, "epochs=10", "out=diverged", "checkpoint_minutes=0", "optim.optimizer=sgd",
                       "optim.lr=1000", "optim.lr_scaling=none", "optim.weight_decay=1");
    check_failure(&r, "a loss that is not finite", PX_DIVERGED, " is not finite; a smaller optim.lr, ");
    assert_non_null(strstr(r.err, "pretext pretrain: step "));
    run_finish(&r);
    array steps = read_array("diverged", "run.h5", "/train/step"),
          weight = read_array("diverged", "checkpoint.h5", "/parameters/conv1.weight");
    assert_in_range(steps.count, 1, 39);
    assert_int_equal(weight.count, 8 * 27);
    for (int i = 0; i < weight.count; i++)
        assert_true(isfinite(weight.data[i]));
    free(steps.data);
    free(weight.data);
}

/* A probe that fails half way leaves earlier results alone. */
static void probe_keeps_results(void **state)
{
    (void)state;
    run_result r = RUN("probe", "ok", "linear.epochs=1", "embed=0", "threads=1");
    assert_int_equal(r.status, 0);
    run_finish(&r);
    content before = read_content("ok", "run.h5");
    r = RUN("probe", "ok", "linear.epochs=1", "embed=0", "threads=1", "data.path=broken.h5", "data.image_size=16");
    check_failure(&r, "a probe of a broken image", 3, "broken.h5: image 41: ");
    run_finish(&r);
    expect_same(&before, "ok", "run.h5");
    free(before.bytes);
}

/* ---- the folder ---- */

static void link_plugins(void)
{
    static const char *const names[] = {"old.so", "ancient.so", "empty.so", "unnamed.so"};
    const char *from = getenv("PRETEXT_PLUGINS");
    if (!from)
        fail_msg("PRETEXT_PLUGINS is not set: the folder of old.so and others");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = px_format("%s/%s", from, names[i]);
        assert_int_equal(symlink(path, names[i]), 0);
        free(path);
    }
}

static void make_pipes(void)
{
    static const char *const folders[] = {"piped", "logged", "saved"}, *const pipes[] = {
                                                                           "piped/run.h5", "logged/log.txt",
                                                                           "saved/checkpoint.h5", "pipe.safetensors"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        assert_int_equal(mkdir(folders[i], 0777), 0);
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0]; i++)
        assert_int_equal(mkfifo(pipes[i], 0666), 0);
}

static int set_up(void **state)
{
    char *folder = run_folder_create();
    assert_int_equal(chdir(folder), 0);
    make_pipes();
    set_spec s = {.count = 96, .side = 16, .channels = 3, .classes = 5};
    free(make_set(".", "d.h5", &s));
    free(make_set(".", "gray.h5", &(set_spec){.count = 40, .side = 16, .channels = 1, .classes = 5}));
    free(make_set(".", "plain.h5", &(set_spec){.count = 40, .side = 16, .channels = 3}));
    free(make_set(".", "one.h5", &(set_spec){.count = 40, .side = 16, .channels = 3, .classes = 1}));
    s.encoded = s.broken = true;
    s.broken_row = 41;
    free(make_set(".", "broken.h5", &s));
    content whole = read_content(".", "d.h5");
    write_content(".", "cut.h5", whole.bytes, whole.size / 2);
    free(whole.bytes);
    put("syntax.cfg", "epochs = 3;\nbatch = = 4;\n");
    put("type.cfg", "epochs = 3;\noptim = { lr = \"fast\"; };\n");
    put("key.cfg", "seeds = 3;\n");
    put("fake.safetensors", "these are no weights");
    assert_int_equal(mkdir("empty", 0777), 0);
    run_result r = RUN("pretrain", SMALL, "out=ok");
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
    r = RUN("export", "ok", "out=w.safetensors");
    assert_int_equal(r.status, 0);
    run_finish(&r);
    link_plugins();
    *state = folder;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(refused_on_all_ranks),
        cmocka_unit_test(folder_in_use),
        cmocka_unit_test(broken_image),
        cmocka_unit_test(failures_leave_nothing),
        cmocka_unit_test(path_too_long),
        cmocka_unit_test(broken_image_on_one_rank),
        cmocka_unit_test(diverging),
        cmocka_unit_test(probe_keeps_results),
    };
    return cmocka_run_group_tests_name("bad run", tests, set_up, run_folder_leave);
}
