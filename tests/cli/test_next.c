/* test_next.c - the commands that `next:` proposes after a training: a shell runs them as they stand, whatever the data
 * set lacks, and they are the best that it allows. Also where --resume names a run that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"

#include <sys/stat.h>
#include <unistd.h>

enum { SPLITS = 3, MOST = 64 };

/* A data set, an image a letter: of class 'a', 'b', ... or, at '-', of none. */
typedef struct spec {
    const char *split[SPLITS], *labels[SPLITS];
    int classes, side;
} spec;

static char *make(const char *folder, const spec *s)
{
    static const char *const names[] = {"a", "b", "c"};
    char *path = px_format("%s/d.h5", folder);
    int32_t labels[MOST];
    uint8_t split[MOST];
    int count = 0, splits = 0;
    for (; splits < SPLITS && s->split[splits]; splits++)
        for (const char *c = s->labels[splits]; *c; c++) {
            PX_CHECK(count < MOST);
            labels[count] = *c == '-' ? -1 : *c - 'a';
            split[count++] = (uint8_t)splits;
        }
    set_spec all = {.count = count, .side = s->side, .channels = 3};
    uint8_t *pixels = draw_all(&all);
    px_pack_about about = {.labels = labels,
                           .split = split,
                           .class_names = names,
                           .classes = s->classes,
                           .split_names = s->split,
                           .splits = splits,
                           .mean = {0.5f, 0.5f, 0.5f},
                           .std = {0.25f, 0.25f, 0.25f},
                           .source = "a test"};
    px_pack_file f;
    PX_CHECK(px_pack_file_create(&f, &(px_pack_shape){count, s->side, s->side, 3, 8, 0}, path) == 0);
    PX_CHECK(px_pack_file_write(&f, 0, count, pixels) == 0);
    PX_CHECK(px_pack_file_finish(&f, &about) == 0);
    free(pixels);
    return path;
}

/* The commands after "next: ", a new string. */
static char *proposed(const run_result *r)
{
    const char *line = strstr(r->err, "next: ");
    if (r->status != 0 || !line)
        fail_msg("status %d, and no next: in %s", r->status, r->err);
    return px_format("%.*s", (int)strcspn(line + 6, "\n"), line + 6);
}

/* Trains on the set, looks for `expected` in the proposal and for `why` before it, and has a shell follow it. */
static void follow(const spec *s, const char *out_name, const char *const more[], const char *expected, const char *why)
{
    char *folder = run_folder_create(), *data = make(folder, s), *path = px_format("data.path=%s", data),
         *out = px_format("out=%s/%s", folder, out_name);
    const char *words[24] = {"pretrain", path, out, "batch=8", "epochs=1", "optim.warmup_epochs=0"};
    for (int i = 0; more[i]; i++)
        words[6 + i] = more[i];
    run_result r = run_program(0, words);
    char *commands = proposed(&r);
    if (!strstr(commands, expected))
        fail_msg("no '%s' in: %s", expected, commands);
    if (why ? !strstr(r.err, why) : strstr(r.err, "no probe") != NULL)
        fail_msg("no '%s' in: %s", why ? why : "(nothing)", r.err);
    run_finish(&r);
    char *script = px_format("set -e; %s", commands);
    run_child shell = run_start_command((const char *const[]){"/bin/sh", "-c", script, NULL});
    r = run_wait(&shell);
    if (r.status != 0)
        fail_msg("status %d of: %s\n%s", r.status, commands, r.err);
    run_finish(&r);
    free(script);
    free(commands);
    free(out);
    free(path);
    free(data);
    run_folder_remove(folder);
}

#define AB8 "abababab"
#define AB16 AB8 AB8
#define NARROW ((const char *const[]){"resnet.width=0.125", NULL})

static void a_probe(void **state)
{
    (void)state;
    follow(&(spec){{"train", "test"}, {AB16, AB8}, 2, 16}, "run", NARROW, "/run; ", NULL);
    follow(&(spec){{"train", "val"}, {AB16, AB8}, 2, 16}, "it's a run", NARROW, " a run'; ", NULL);
}

static void other_splits(void **state)
{
    (void)state;
    follow(&(spec){{"train", "test", "val"}, {AB16, "--------", AB8}, 2, 16}, "run", NARROW, "/run test_split=val; ",
           NULL);
    follow(&(spec){{"learning", "judging"}, {AB16, AB8}, 2, 16}, "run",
           (const char *const[]){"data.split=learning", "resnet.width=0.125", NULL},
           "/run train_split=learning test_split=judging; ", NULL);
}

static void a_class_without_training_images(void **state)
{
    (void)state;
    follow(&(spec){{"train", "test"}, {AB16, "abcabc"}, 3, 16}, "run", NARROW, "/run protocol=knn; ", NULL);
}

static void nothing_to_probe(void **state)
{
    (void)state;
    follow(&(spec){{"train"}, {"----------------"}, 0, 16}, "run", NARROW, "/run/features.h5; ", "has no labels\n");
    follow(&(spec){{"train", "test"}, {"aaaaaaaaaaaa", "aaaa"}, 1, 16}, "run", NARROW, " features ",
           "has only one class\n");
    follow(&(spec){{"train"}, {AB16}, 2, 16}, "run", NARROW, " features ", "no other split than train of ");
    follow(&(spec){{"train", "test"}, {"----------------", AB8}, 2, 16}, "run", NARROW, " features ",
           "no image of the split train of ");
}

static void a_method_of_patches(void **state)
{
    (void)state;
    const spec s = {{"train", "test"}, {AB16, AB8}, 2, 48};
    follow(
        &s, "run",
        (const char *const[]){"method=relative_location", "backbone=vit_tiny_16", "relative_location.hidden=16", NULL},
        "/run patches=9; ", NULL);
}

static void a_method_from_outside(void **state)
{
    (void)state;
    const char *plugins = getenv("PRETEXT_PLUGINS");
    if (!plugins)
        fail_msg("PRETEXT_PLUGINS is not set: the folder of faulty.so");
    char *plugin = px_format("%s/faulty.so", plugins);
    follow(&(spec){{"train", "test"}, {AB16, AB8}, 2, 16}, "run",
           (const char *const[]){"--plugin", plugin, "method=faulty", "resnet.width=0.125", NULL}, "/faulty.so; ",
           NULL);
    free(plugin);
}

/* A mistyped name is told; with a description of the run, as in a job that is queued again and again, one begins. */
static void resuming_what_is_not_there(void **state)
{
    (void)state;
    char *folder = run_folder_create(), *out = px_format("out=%s/nope", folder), *here = px_format("out=%s", folder);
    run_result r = RUN("pretrain", "--resume", out);
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "/nope: there is no such run"));
    assert_ptr_equal(strchr(r.err, '\n'), r.err + strlen(r.err) - 1); /* one line */
    assert_int_not_equal(access(out + 4, F_OK), 0);
    run_finish(&r);
    r = RUN("pretrain", "--resume", here, "epochs=2");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, ": holds no checkpoint to go on from"));
    run_finish(&r);
    char *data = make(folder, &(spec){{"train"}, {AB16}, 2, 16}), *path = px_format("data.path=%s", data);
    r = RUN("pretrain", "--resume", out, path, "batch=8", "epochs=1", "optim.warmup_epochs=0", "resnet.width=0.125");
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
    free(path);
    free(data);
    free(here);
    free(out);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe),
        cmocka_unit_test(other_splits),
        cmocka_unit_test(a_class_without_training_images),
        cmocka_unit_test(nothing_to_probe),
        cmocka_unit_test(a_method_of_patches),
        cmocka_unit_test(a_method_from_outside),
        cmocka_unit_test(resuming_what_is_not_there),
    };
    return cmocka_run_group_tests_name("next", tests, NULL, NULL);
}
