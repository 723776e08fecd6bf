/* test_bad_run.c - wrong use, wrong configuration, bad data: pretrain, probe and features say one clear line, exit with
 * the right status on all ranks, and leave earlier results as they were, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "make_set.h"
#include "px_interface.h"
#include "run.h"
#include "run_files.h"

#include <signal.h>
#include <sys/stat.h>

enum { WORDS = 6 };

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

typedef struct bad_case {
    const char *words[WORDS];
    int status;
    const char *says;
} bad_case;

static const bad_case table[] = {
    {{"pretrain", "out=o", "epoch=3"}, 2, "on the command line: unknown key 'epoch', nearest is 'epochs'"},
    {{"pretrain", "out=o", "optim.warmup=1"}, 2, "unknown key 'optim.warmup', nearest is 'optim.warmup_epochs'"},
    {{"pretrain", "out=o", "resnet.widht=1"}, 2, "unknown key 'resnet.widht', nearest is 'resnet.width'"},
    {{"pretrain", "out=o", "batch=many"}, 2, "batch must be an integer, not \"many\""},
    {{"pretrain", "out=o", "batch=0"}, 2, "batch must be between 1 and 10000000, not 0"},
    {{"pretrain", "out=o", "isa=neon"}, 2, "isa = \"neon\" is unknown; choose one of: "},
    {{"pretrain", "out=o", "backend=cuda"}, 2, "backend = \"cuda\" is unknown; choose one of: "},
    {{"pretrain", "out=o", "method=simclear"}, 2, "there is no method 'simclear', did you mean 'simclr'?"},
    {{"pretrain", "out=o", "backbone=resnet19"}, 2, "there is no backbone 'resnet19', did you mean 'resnet18'?"},
    {{"pretrain", "missing.cfg"}, 2, "missing.cfg: No such file or directory"},
    {{"pretrain", "syntax.cfg"}, 2, "syntax.cfg:2: syntax error"},
    {{"pretrain", "type.cfg"}, 2, "type.cfg:2: optim.lr must be a number, not \"fast\""},
    {{"pretrain", "key.cfg"}, 2, "key.cfg:1: unknown key 'seeds', nearest is 'seed'"},
    {{"pretrain", "epochs=1"}, 2, "out is not set"},
    {{"pretrain", "out=o", "data.path="},
     2,
     "data.path is not set: give a data set made by 'pretext pack', as in data.path=d.h5"},
    {{"pretrain", "out=o", "data.path=no.h5"}, 3, "no.h5: cannot be opened: No such file or directory"},
    {{"pretrain", "out=o", "data.path=key.cfg"},
     3,
     "key.cfg: is not an HDF5 file; `pretext pack SOURCE out=DATA.h5` makes a data set"},
    {{"pretrain", "out=o", "data.path=cut.h5"}, 3, "cut.h5: cannot be opened: truncated file"},
    {{"pretrain", "out=o", "data.path=ok/run.h5"}, 3, "ok/run.h5: has neither /images nor /encoded"},
    {{"pretrain", "out=o", "data.split=val"}, 3, "d.h5: has no split \"val\" for data.split; it has: train, test"},
    {{"pretrain", "out=o", "data.path=empty"},
     3,
     "empty: is a folder; `pretext pack empty out=DATA.h5` makes a data set of images"},
    {{"pretrain", "out=o", "batch=500"},
     2,
     "batch = 500 is larger than the split 'train' of d.h5, which has 72 images; batch=72 or less would work"},
    {{"pretrain", "out=o", "batch=50", "data.limit=40"}, 2, "which has 40 images with this data.limit"},
    {{"show", "nowhere"}, 3, "nowhere: cannot be read: No such file or directory"},
    {{"plot", "nowhere"}, 3, "nowhere: cannot be read: No such file or directory"},
    {{"pretrain", "out=o", "accumulate=3"},
     2,
     "batch = 16 cannot be divided among 1 rank x 3 micro-batches (accumulate); batch=15 or 18 would work"},
    {{"pretrain", "out=o", "batch=1"}, 2, "method simclr on resnet18, images of 16 px: SimCLR needs at least batch=2"},
    {{"pretrain", "out=o", "optim.warmup_epochs=7"},
     2,
     "optim.warmup_epochs = 7 does not fit into epochs = 1; optim.warmup_epochs=0.1 would"},
    {{"pretrain", "out=o", "data.image_size=4"},
     2,
     "backbone resnet18, images of 4 px: a ResNet needs images of at least 8 px; data.image_size=8 would work"},
    {{"pretrain", "out=o", "method=mae", "backbone=resnet18"},
     2,
     "method mae works only with backbones of the family vit, not with resnet18; backbone=vit_tiny_4 would work"},
    {{"pretrain", "out=o", "method=supervised", "data.path=plain.h5"},
     2,
     "method supervised on resnet18, images of 16 px: the data set has no classes to learn; 'pretext pack' makes one "
     "of each folder, and method=simclr needs none"},
    {{"pretrain", "out=o", "method=supervised", "data.path=one.h5"},
     2,
     "the data set has only one class, which leaves nothing to learn; method=simclr needs none"},
    {{"pretrain", "out=o", "method=relative_location", "relative_location.patch=4", "data.image_size=24"},
     2,
     "relative_location.patch must be at least 8 px; relative_location.patch=0 chooses one"},
    {{"pretrain", "out=o", "method=relative_location"},
     2,
     "images of less than 24 px leave no patches of 8 px; data.image_size=24 or more enlarges them"},
    {{"pretrain", "out=o", "init=ok"},
     2,
     "init = \"ok\" is not a weights file, W.safetensors or W.pth; 'pretext export "},
    {{"pretrain", "out=o", "init=no.safetensors"}, 3, "no.safetensors: No such file or directory"},
    {{"pretrain", "out=o", "init=fake.safetensors"}, 3, "fake.safetensors: is not a safetensors file, or is cut off"},
    {{"pretrain", "out=o", "init=w.safetensors", "resnet.width=0.25"},
     3,
     "w.safetensors: tensor conv1.weight is (8, 3, 3, 3), but resnet18 with these options has (16, 3, 3, 3); "
     "resnet.width=0.125 would fit\n"},
    {{"pretrain", "out=o", "init=w.safetensors", "resnet.stem=7x7"},
     3,
     "resnet18 with these options has (8, 3, 7, 7); resnet.stem=3x3 would fit\n"},
    {{"pretrain", "out=o", "vit.pool=mean"},
     2,
     "on the command line: vit.pool is for backbones of the family vit; this one is backbone=resnet18"},
    {{"pretrain", "out=o", "mae.mask_ratio=0.5"},
     2,
     "on the command line: mae.mask_ratio is for method=mae; this one is method=simclr"},
    {{"pretrain", "out=o", "optim.schedule=step"},
     2,
     "optim.schedule = step needs the epochs of its steps, as in optim.steps=[15,25]"},
    {{"pretrain", "out=o", "init=w.safetensors", "backbone=resnet34"},
     3,
     "w.safetensors: has no tensor layer1.2.conv1.weight, which resnet34 needs; its weights are for resnet18\n"},
    {{"pretrain", "out=o", "init=w.safetensors", "backbone=resnet50"},
     3,
     "w.safetensors: has no tensor layer1.0.conv3.weight, which resnet50 needs; its weights are for resnet18\n"},
    {{"pretrain", "out=o", "--plugin", "old.so"},
     2,
     "plug-in old.so was built for interface 0123456789ab, this program has " PX_INTERFACE
     ": build it again with the "},
    {{"pretrain", "out=o", "--plugin", "ancient.so"},
     2,
     "plug-in ancient.so does not say for which interface it was built, this program has " PX_INTERFACE ": build it "},
    {{"pretrain", "out=o", "--plugin", "empty.so"},
     2,
     "plug-in empty.so: its px_plugin needs a name, views, make_views and build"},
    {{"pretrain", "out=o", "--plugin", "unnamed.so"}, 2, "plug-in unnamed.so does not define its method, as PX_PLUGIN"},
    {{"pretrain", "out=o", "--plugin", "key.cfg"}, 2, "plug-in key.cfg cannot be loaded: "},
    {{"methods", "--plugin", "old.so"}, 2, "plug-in old.so was built for interface 0123456789ab, this"},
    {{"pretrain", "out=key.cfg"}, 2, "key.cfg: is not a folder"},
    {{"pretrain", "out=piped"}, 2, "piped/run.h5: is a pipe, not a file"},
    {{"pretrain", "out=piped", "--resume"}, 2, "piped/run.h5: is a pipe, not a file"},
    {{"pretrain", "out=logged"}, 2, "logged/log.txt: is a pipe, not a file"},
    {{"pretrain", "out=o", "init=pipe.safetensors"}, 3, "pipe.safetensors: is not a file"},
    {{"probe", "pipe.safetensors", "out=o", "data.path=d.h5"}, 3, "pipe.safetensors: is not a file"},
    {{"probe", "saved"}, 3, "saved/checkpoint.h5: is a pipe, not a file"},
    {{"show", "piped"}, 3, "piped/run.h5: is a pipe, not a file"},
    {{"export", "ok", "out=written.safetensors"}, 1, "written.safetensors.partial: is a pipe, not a file"},
    {{"features", "ok", "out=pipe.safetensors"}, 1, "pipe.safetensors: is not a file, so it is not replaced"},
    {{"pretrain", "out=key.cfg/sub"}, 2, "key.cfg/sub: the folder cannot be created: Not a directory"},
    {{"pretrain", "out=/proc/sub/sub"}, 2, "/proc/sub: the folder cannot be created: "},
    {{"pretrain", "out=ok"}, 2, "ok already contains a run: continue it with --resume, or give another out="},
    {{"pretrain", "out=ok", "--resume", "resnet.width=0.25"},
     2,
     "ok: is a run with resnet.width = 0.125 and cannot go on with 0.25; pretext export ok out=w.safetensors"},
    {{"pretrain", "out=ok", "--resume", "simclr.projection_dim=12"},
     2,
     "parameters/projector.linear2.weight is (128, 64)"},
    {{"pretrain", "out=ok", "--resume", "optim.optimizer=adamw"}, 2, "ok: is a run with optim.optimizer = "},
    {{"pretrain", "out=ok", "--resume", "backbone=resnet34"},
     2,
     "ok: is a run with backbone=resnet18 and cannot go on with backbone=resnet34"},
    {{"pretrain", "out=ok", "--resume", "method=supervised"},
     2,
     "ok: is a run with method=simclr and cannot go on with method=supervised"},
    {{"pretrain", "a.cfg", "b.cfg"}, 2, "unexpected 'b.cfg'"},
    {{"probe", "nowhere"}, 3, "nowhere: there is no such run"},
    {{"probe", "empty"}, 3, "empty: holds no checkpoint.h5; a run has one after checkpoint_minutes and at its end"},
    {{"probe", "d.h5"}, 3, "d.h5: is not a checkpoint"},
    {{"probe", "key.cfg"}, 3, "key.cfg: is not a complete HDF5 file"},
    {{"probe", "ok", "lin.epochs=3"}, 2, "unknown group 'lin', nearest is 'linear'"},
    {{"probe", "ok", "protocol=kn"}, 2, "protocol = \"kn\" is unknown; choose one of: knn, linear"},
    {{"probe", "ok", "data.path=no.h5"}, 3, "no.h5: cannot be opened: No such file or directory"},
    {{"probe", "ok", "test_split=val"}, 3, "d.h5: has no split \"val\" for test_split; it has: train, test"},
    {{"probe", "ok", "data.path=gray.h5"},
     2,
     "(8, 3, 3, 3), but the model has (8, 1, 3, 3); the images are gray, but the weights are for RGB: pack them with "
     "channels=3"},
    {{"probe", "ok", "protocol=knn", "layers=true"}, 2, "layers=true needs protocol=linear, not knn"},
    {{"probe", "ok", "patches=6"}, 2, "patches = 6 is not a square grid, as patches=4, 9 or 16 are"},
    {{"probe", "ok", "patches=9", "patch_size=4"},
     2,
     "patches of 4 px: a ResNet needs images of at least 8 px; patch_size=8 would work"},
    {{"features", "ok", "out=f.h5", "patch_size=9"},
     2,
     "patch_size = 9, but patches = 0 is the whole image; patches=9 would use it"},
    {{"features", "ok", "out=f.h5", "patchs=9"}, 2, "unknown key 'patchs'"},
    {{"probe", "ok", "data.path=plain.h5"},
     3,
     "plain.h5: has no classes to probe for; data.path= takes another data set"},
    {{"probe", "w.safetensors", "out=o"},
     2,
     "data.path is not set: give a data set made by 'pretext pack', as in data.path=d.h5"},
    {{"probe", "w.safetensors", "out=o", "data.path=d.h5", "backbone=resnet34"},
     3,
     "w.safetensors: has no tensor layer1.2.conv1.weight, which resnet34 needs; its weights are for resnet18\n"},
    {{"features", "ok"}, 2, "out=F.h5 is missing; for example: pretext features runs/first out=features.h5"},
    {{"features", "nowhere", "out=f.h5"}, 3, "nowhere: there is no such run"},
    {{"export", "nowhere", "out=x.safetensors"}, 3, "nowhere: there is no such run"},
    {{"features", "ok", "out=key.cfg/f.h5"}, 1, "key.cfg/f.h5: cannot be written: key.cfg is not a folder"},
    {{"features", "ok", "out=empty"}, 1, "empty: is not a file, so it is not replaced"},
};

/* ViTs of 16 px images: four patches of 8 x 8. */
static const bad_case vit_table[] = {
    {{"pretrain", "out=o", "backbone=vit_tiny_14"},
     2,
     "images of 16 px: not divisible into its patches (the number in the backbone's name is the side of one); "
     "data.image_size=14 or 28 would work"},
    {{"pretrain", "out=o", "method=mae", "backbone=vit_tiny_8", "mae.mask_ratio=0.8"},
     2,
     "method mae on vit_tiny_8, images of 16 px: mae.mask_ratio leaves no patch visible; mae.mask_ratio=0.75, larger "},
    {{"pretrain", "out=o", "method=mae", "backbone=vit_tiny_8", "mae.mask_ratio=1"},
     2,
     "mae.mask_ratio must be between 0.01 and 0.99, not 1"},
    {{"pretrain", "out=o", "method=mae", "backbone=vit_tiny_8", "mae.decoder_heads=5"},
     2,
     "mae.decoder_width must be a multiple of 4 and of mae.decoder_heads"},
    {{"pretrain", "out=o", "method=relative_location", "backbone=vit_tiny_16", "relative_location.patch=20",
      "data.image_size=32"},
     2,
     "relative_location.patch must be a multiple of the backbone's patches (the number in its name); "
     "relative_location.patch=0 chooses one"},
    {{"pretrain", "out=o", "backbone=vit_tiny_8", "init=w.safetensors"},
     3,
     "w.safetensors: has no tensor pos_embed, which vit_tiny_8 needs; its weights are for resnet18\n"},
};

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
    check_failure(&r, "a loss that is not finite", 1, " is not finite; a smaller optim.lr, ");
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
                                                                           "saved/checkpoint.h5", "pipe.safetensors",
                                                                           "written.safetensors.partial"};
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
