/* test_methods.c - every method of the table as a run, with the small settings of its fixture (tests/methods/fixtures): the
 * same bits on 1, 2 and 4 ranks with reproducible=true, also after SIGKILL in the middle and a move to another number of
 * ranks; and after SIGKILL in the usual mode. What is compared is all that a checkpoint holds (parameters, teacher, queue,
 * prototypes, running statistics, optimizer) and all series. The same of methods on all families of backbones. The environment
 * variables METHOD and FAMILY name one to look at alone, METHODS_EVERY=N takes every N-th method. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/backbone.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"
#include "train/method.h"

#include <signal.h>

enum { STEPS = 16, PAIR_STEPS = 8, GIVEN_MAX = 40 };

typedef struct subject {
    const px_method *method;
    char *folder, *data, **settings;
    int settings_count;
    const char *const *backbone; /* its settings; NULL-terminated */
    const char *epochs, *image_size;
    bool own_sizes; /* without the settings of a fixture that are for its small images */
} subject;

typedef struct layout {
    int ranks, threads;
    bool reproducible;
} layout;

typedef enum about { WHOLE, TO_BE_KILLED, RESUMED } about;

/* The one to be killed makes a checkpoint after each step. */
static run_child start(const subject *t, const char *out, layout on, about run)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", t->data),
         *set_threads = px_format("threads=%d", on.threads);
    const char *given[GIVEN_MAX] = {"pretrain",
                                    set_out,
                                    set_data,
                                    set_threads,
                                    t->epochs,
                                    t->image_size,
                                    "batch=16",
                                    "accumulate=2",
                                    "precision=fp32",
                                    "optim.optimizer=adamw",
                                    "optim.lr=1e-3",
                                    "optim.lr_scaling=none",
                                    "optim.warmup_epochs=1",
                                    "data.workers=1"};
    int n = 14;
    for (int i = 0; t->backbone[i]; i++)
        given[n++] = t->backbone[i];
    if (on.reproducible) {
        given[n++] = "reproducible=true";
        given[n++] = "shards=4";
    }
    if (run != WHOLE)
        given[n++] = run == RESUMED ? "--resume" : "checkpoint_minutes=0";
    assert_true(n + t->settings_count < GIVEN_MAX);
    for (int i = 0; i < t->settings_count; i++)
        if (!t->own_sizes || !(strstr(t->settings[i], ".patch=") || strstr(t->settings[i], ".mask_size=") ||
                               strstr(t->settings[i], ".small_size=")))
            given[n++] = t->settings[i];
    run_child c = run_start(on.ranks > 1 ? on.ranks : 0, given);
    free(set_out);
    free(set_data);
    free(set_threads);
    return c;
}

static char *train(const subject *t, const char *name, layout on, about run)
{
    char *out = px_format("%s/%s-%s", t->folder, t->method->name, name);
    run_child c = start(t, out, on, run);
    run_result r = run_wait(&c);
    if (r.status != 0)
        fail_msg("%s, %s: status %d, %s", t->method->name, name, r.status, r.err);
    run_finish(&r);
    return out;
}

/* Kills the program, or its last rank, after the first checkpoint, and waits until no process is left. */
static void kill_midway(const subject *t, const char *name, layout on)
{
    char *out = px_format("%s/%s-%s", t->folder, t->method->name, name),
         *checkpoint = px_format("%s/checkpoint.h5", out);
    pid_t rank[4];
    run_child c = start(t, out, on, TO_BE_KILLED);
    run_wait_for_progress(&c);
    while (access(checkpoint, F_OK) != 0 && run_is_alive(c.process))
        run_pause_ms(1);
    int count = on.ranks > 1 ? run_ranks(&c, rank, 4) : 0;
    kill(count ? rank[count - 1] : c.process, SIGKILL);
    run_result r = run_wait(&c);
    if (r.status == 0)
        fail_msg("%s, %s had ended before it was killed", t->method->name, name);
    for (int i = 0; i < count; i++)
        while (run_is_alive(rank[i]))
            run_pause_ms(10);
    run_finish(&r);
    free(checkpoint);
    free(out);
}

/* The i-th method with the small settings of its fixture; false if it is not asked for. */
static bool take_method(subject *t, int i)
{
    const char *fixtures = getenv("FIXTURES"), *some = getenv("METHODS_EVERY"), *alone = getenv("METHOD");
    int every = some && atoi(some) > 0 ? atoi(some) : 1;
    t->method = px_methods[i];
    if (alone ? strcmp(alone, t->method->name) != 0 : i % every != 0)
        return false;
    char *file = px_format("%s.h5", t->method->name);
    px_results *r = open_h5(fixtures ? fixtures : "tests/methods/fixtures", file);
    if (px_results_get_texts(r, "/settings", &t->settings, &t->settings_count) != 0)
        fail_msg("%s", px_error());
    px_results_close(r);
    free(file);
    return true;
}

static void drop_method(subject *t)
{
    for (int k = 0; k < t->settings_count; k++)
        free(t->settings[k]);
    free(t->settings);
}

static void walk(void (*check)(const subject *, int steps))
{
    static const char *const vit[] = {"backbone=vit_tiny_8", "vit.embed_dim=48", "vit.depth=2", NULL},
                             *const resnet[] = {"backbone=resnet18", "resnet.width=0.125", NULL};
    subject t = {.folder = run_folder_create(), .epochs = "epochs=4", .image_size = "data.image_size=24"};
    t.data = make_set(t.folder, "d.h5", &(set_spec){.count = 96, .side = 24, .channels = 3, .classes = 5});
    for (int i = 0; px_methods[i]; i++)
        if (take_method(&t, i)) {
            t.backbone = t.method->family ? vit : resnet;
            check(&t, STEPS);
            drop_method(&t);
        }
    free(t.data);
    run_folder_remove(t.folder);
}

/* ---- the tests ---- */

static void check_killed(const subject *t, int steps)
{
    const layout one = {1, 2, false};
    char *whole = train(t, "whole", one, WHOLE);
    kill_midway(t, "killed", one);
    char *killed = train(t, "killed", one, RESUMED);
    same_run(whole, killed, steps);
    free(whole);
    free(killed);
}

/* `first`: the run on one rank. */
static void check_against(const char *first, const subject *t, int steps)
{
    const layout one = {1, 2, true}, two = {2, 1, true}, four = {4, 1, true};
    char *other = train(t, "on 2", two, WHOLE);
    same_run(first, other, steps);
    free(other);
    other = train(t, "on 4", four, WHOLE);
    same_run(first, other, steps);
    free(other);
    kill_midway(t, "moved", two);
    other = train(t, "moved", one, RESUMED);
    same_run(first, other, steps);
    free(other);
}

static void check_reproducible(const subject *t, int steps)
{
    char *first = train(t, "on 1", (layout){1, 2, true}, WHOLE);
    check_against(first, t, steps);
    free(first);
}

static void same_after_a_kill(void **state)
{
    (void)state;
    walk(check_killed);
}

static void same_on_any_ranks_and_moved_after_a_kill(void **state)
{
    (void)state;
    walk(check_reproducible);
}

/* ---- methods on families ---- */

/* A small network of each family. */
static const char *const families[][6] = {
    {"alexnet", "backbone=alexnet", "alexnet.head=mean"},
    {"vgg", "backbone=vgg11_bn", "vgg.head=mean"},
    {"googlenet", "backbone=googlenet", "googlenet.stem=7x7"},
    {"resnet", "backbone=resnet18", "resnet.width=0.125"},
    {"mobilenet_v1", "backbone=mobilenet_v1", "mobilenet_v1.width=0.25"},
    {"mobilenet_v2", "backbone=mobilenet_v2", "mobilenet_v2.width=0.25"},
    {"mobilenet_v3", "backbone=mobilenet_v3_small", "mobilenet_v3.width=0.5"},
    {"nasnet", "backbone=nasnet_mobile", "nasnet.cells=1", "nasnet.channels=4"},
    {"convnext", "backbone=convnext_atto", "convnext.drop_path=0.1"},
    {"swin", "backbone=swin_tiny", "swin.patch=2", "swin.window=2", "swin.embed_dim=32"},
    {"vit", "backbone=vit_tiny_8", "vit.embed_dim=48", "vit.depth=2"},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

static const char *const *settings_of(const char *family)
{
    for (int f = 0; f < FAMILIES; f++)
        if (strcmp(families[f][0], family) == 0)
            return families[f];
    fail_msg("no small network of the family %s: add it to the table", family);
    return NULL;
}

/* Small crops of 16 px and tiles of a third of 32 px are too small for these. */
static const struct {
    const char *method, *family, *image_size;
} larger[] = {
    {"jigsaw", "alexnet", "data.image_size=64"},
    {"relative_location", "alexnet", "data.image_size=64"},
    {"jigsaw", "convnext", "data.image_size=64"},
    {"relative_location", "convnext", "data.image_size=64"},
    {"jigsaw", "googlenet", "data.image_size=128"},
    {"relative_location", "googlenet", "data.image_size=128"},
    {"deepcluster", "googlenet", "data.image_size=64"},
    {"dino", "googlenet", "data.image_size=64"},
    {"swav", "googlenet", "data.image_size=64"},
    {"deepcluster", "swin", "data.image_size=64"},
    {"dino", "swin", "data.image_size=64"},
    {"jigsaw", "swin", "data.image_size=64"},
    {"relative_location", "swin", "data.image_size=64"},
    {"swav", "swin", "data.image_size=64"},
    {"jigsaw", "vgg", "data.image_size=128"},
    {"relative_location", "vgg", "data.image_size=128"},
    {"deepcluster", "vgg", "data.image_size=64"},
    {"dino", "vgg", "data.image_size=64"},
    {"swav", "vgg", "data.image_size=64"},
};

static const char *size_of(const char *method, const char *family)
{
    for (size_t i = 0; i < sizeof larger / sizeof larger[0]; i++)
        if (strcmp(larger[i].method, method) == 0 && strcmp(larger[i].family, family) == 0)
            return larger[i].image_size;
    return "data.image_size=32";
}

/* The same bits on any ranks, also after a move. */
static void check_pair(subject *t, const char *family)
{
    t->folder = run_folder_create();
    t->backbone = settings_of(family) + 1;
    t->image_size = size_of(t->method->name, family);
    t->own_sizes = strcmp(t->image_size, "data.image_size=32") != 0;
    check_reproducible(t, PAIR_STEPS);
    print_message("%s, %s: %s\n", t->method->name, family, t->image_size);
    run_folder_remove(t->folder);
}

/* A method of vision transformers says so. */
static void check_refused(subject *t, const char *family)
{
    t->folder = run_folder_create();
    t->backbone = settings_of(family) + 1;
    t->image_size = "data.image_size=32";
    t->own_sizes = false;
    char *out = px_format("%s/refused", t->folder),
         *says = px_format("method %s works only with backbones of the family vit", t->method->name);
    run_child c = start(t, out, (layout){1, 2, true}, WHOLE);
    run_result r = run_wait(&c);
    if (r.status != 2 || !strstr(r.err, says))
        fail_msg("%s, %s: status %d, %s", t->method->name, family, r.status, r.err);
    run_finish(&r);
    run_folder_remove(t->folder);
    free(says);
    free(out);
}

/* Every method with every family, or `few`: each family with one method, another one each. */
static void walk_pairs(bool few)
{
    const char *alone = getenv("FAMILY");
    subject t = {.epochs = "epochs=2"};
    char *folder = run_folder_create();
    int methods = 0, pairs = 0, refused = 0;
    t.data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 32, .channels = 3, .classes = 5});
    while (px_methods[methods])
        methods++;
    for (int f = 0; px_backbone_families[f]; f++) {
        const char *family = px_backbone_families[f]->name;
        bool done = alone && strcmp(alone, family) != 0;
        for (int i = 0; i < methods && !done; i++) {
            if (!take_method(&t, few ? (i + 5 * f) % methods : i))
                continue;
            if (!t.method->family || strcmp(t.method->family, family) == 0) {
                check_pair(&t, family);
                pairs++;
                done = few;
            } else if (!few) {
                check_refused(&t, family);
                refused++;
            }
            drop_method(&t);
        }
    }
    print_message("%d pairs, %d refused\n", pairs, refused);
    assert_true(pairs + refused > 0);
    free(t.data);
    run_folder_remove(folder);
}

/* Each method of one family with one other family, another one each. */
static void methods_of_one_family_refuse_others(void **state)
{
    (void)state;
    subject t = {.epochs = "epochs=2"};
    char *folder = run_folder_create();
    int families_there = 0;
    t.data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 32, .channels = 3, .classes = 5});
    while (px_backbone_families[families_there])
        families_there++;
    for (int i = 0; px_methods[i]; i++)
        if (take_method(&t, i)) {
            const char *other = px_backbone_families[i % families_there]->name;
            if (t.method->family && strcmp(t.method->family, other) != 0)
                check_refused(&t, other);
            drop_method(&t);
        }
    free(t.data);
    run_folder_remove(folder);
}

static void all_pairs_are_the_same_on_any_ranks(void **state)
{
    (void)state;
    walk_pairs(false);
}

static void a_method_of_each_family_is_the_same_on_any_ranks(void **state)
{
    (void)state;
    walk_pairs(true);
}

/* With an argument: those on several ranks, or pairs of methods and families, which take minutes; some of these pairs. */
int main(int argc, char **argv)
{
    const struct CMUnitTest brief[] = {cmocka_unit_test(same_after_a_kill),
                                       cmocka_unit_test(methods_of_one_family_refuse_others)},
                            ranks[] = {cmocka_unit_test(same_on_any_ranks_and_moved_after_a_kill)},
                            pairs[] = {cmocka_unit_test(all_pairs_are_the_same_on_any_ranks)},
                            some[] = {cmocka_unit_test(a_method_of_each_family_is_the_same_on_any_ranks)};
    if (argc < 2)
        return cmocka_run_group_tests_name("methods", brief, NULL, NULL);
    if (strcmp(argv[1], "ranks") == 0)
        return cmocka_run_group_tests_name("methods on ranks", ranks, NULL, NULL);
    return strcmp(argv[1], "pairs") == 0 ? cmocka_run_group_tests_name("methods on families", pairs, NULL, NULL)
                                         : cmocka_run_group_tests_name("some on each family", some, NULL, NULL);
}
