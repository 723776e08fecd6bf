/* test_changes.c - a run that goes on with other settings: it stays at its place in epochs and schedules follow that; what would
 * make it another run is refused by name and leaves it as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <sys/stat.h>

/* Of the set's images 84 are trained on: with a batch of 12 an epoch has 7 steps, with 21 it has 4. */
#define FEW "batch=12"
#define MANY "batch=21"

typedef struct fixture {
    char *folder, *data, *run; /* data.path=..., and a run of two epochs */
} fixture;

static char *in(const fixture *f, const char *name)
{
    return px_format("%s/%s", f->folder, name);
}

/* A BYOL of f->data, whose momentum has a schedule, in the folder `out`. NULL among the last three ends them. */
static run_result train(const fixture *f, int ranks, const char *out, const char *a, const char *b, const char *c)
{
    char *folder = px_format("out=%s", out);
    const char *words[] = {"pretrain",
                           "--resume",
                           "method=byol",
                           f->data,
                           folder,
                           "resnet.width=0.125",
                           "byol.hidden=16",
                           "byol.dim=8",
                           "threads=1",
                           "optim.lr=0.1",
                           "optim.warmup_epochs=1",
                           "optim.rules=conv1:frozen=3",
                           a,
                           b,
                           c,
                           NULL};
    run_result r = run_program(ranks, words);
    free(folder);
    return r;
}

static void check(run_result r, int status, const char *says)
{
    if (r.status != status || !strstr(r.err, says))
        fail_msg("status %d, expected %d and '%s': %s", r.status, status, says, r.err);
    run_finish(&r);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    char *set = make_set(f->folder, "d.h5", &(set_spec){.count = 112, .side = 16, .channels = 3, .classes = 4});
    f->data = px_format("data.path=%s", set);
    f->run = in(f, "run");
    free(set);
    *state = f;
    check(train(f, 0, f->run, FEW, "epochs=2", NULL), 0, "7 steps per epoch, 2 epochs, 14 steps in all");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->run);
    free(f);
    return 0;
}

/* A copy of the run, whose path the caller frees. */
static char *copy(const fixture *f, const char *name)
{
    static const char *const files[] = {"run.h5", "checkpoint.h5", "log.txt"};
    char *to = in(f, name);
    assert_int_equal(mkdir(to, 0777), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        copy_file(f->run, to, files[i]);
    return to;
}

/* Rows `from` and on of a series of `run` are those of `other` from `at` on. */
static void same_rows(const char *run, int from, const char *other, int at, const char *series)
{
    array a = read_array(run, "run.h5", series), b = read_array(other, "run.h5", series);
    assert_int_equal(a.count - from, b.count - at);
    if (memcmp(a.data + from, b.data + at, (size_t)(b.count - at) * sizeof *a.data) != 0)
        fail_msg("%s differs", series);
    free(a.data);
    free(b.data);
}

static void schedules_go_on_by_epochs(void **state)
{
    const fixture *f = *state;
    char *out = copy(f, "by-epochs"), *reference = in(f, "reference");
    check(train(f, 0, out, MANY, "epochs=4", NULL), 0,
          "an epoch has 4 steps from here on (was: 7); the run goes on at epoch 2\n");
    check(train(f, 0, reference, MANY, "epochs=4", NULL), 0, "16 steps in all");
    static const char *const series[] = {"/train/epoch", "/train/lr", "/train/momentum"};
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        same_rows(out, 14, reference, 8, series[i]);
    array steps = read_array(out, "run.h5", "/train/step"), epochs = read_array(out, "run.h5", "/train/epoch");
    assert_int_equal(steps.count, 22);
    for (int i = 0; i < 22; i++)
        assert_int_equal(steps.data[i], i);
    assert_true(epochs.data[13] == 2 && epochs.data[14] == 2.25 && epochs.data[21] == 4);
    free(steps.data);
    free(epochs.data);
    check(train(f, 0, out, MANY, "epochs=4", NULL), 0, "nothing to do: ");
    free(out);
    free(reference);
}

static void changes_are_told(void **state)
{
    const fixture *f = *state;
    char *out = copy(f, "told");
    run_result r = train(f, 0, out, MANY, "epochs=4", "optim.weight_decay=0.5");
    static const char *const lines[] = {
        "different setting: batch = 21 (was: 12)\n", "different setting: epochs = 4.0 (was: 2.0)\n",
        "different setting: optim.weight_decay = 0.5 (was: ", "resumed at step 14 of 22\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (r.status != 0 || !strstr(r.err, lines[i]))
            fail_msg("status %d, '%s' is not in %s", r.status, lines[i], r.err);
    run_finish(&r);
    free(out);
}

/* A change half-way in an epoch, on two ranks; the changed run, interrupted once more, has the same bits. */
static void a_changed_run_is_interrupted(void **state)
{
    const fixture *f = *state;
    char *out[2];
    for (int i = 0; i < 2; i++) {
        out[i] = in(f, i == 0 ? "undisturbed" : "interrupted");
        check(train(f, 2, out[i], FEW, "epochs=1.5", NULL), 0, "11 steps in all");
        if (i == 1)
            check(train(f, 2, out[i], "batch=42", "epochs=6", "time_limit=0.00001"), 75,
                  "an epoch has 2 steps from here on (was: 7); the run goes on at epoch 1.5\n");
        run_result r = train(f, 2, out[i], "batch=42", "epochs=6", "time_limit=0");
        if (r.status != 0 || (i == 1) == (strstr(r.err, "steps from here on") != NULL))
            fail_msg("status %d: %s", r.status, r.err);
        run_finish(&r);
    }
    same_run(out[0], out[1], 20); /* 11, and 9 that are left of 6 epochs */
    free(out[0]);
    free(out[1]);
}

/* conv1 does not change in the first three epochs. */
static void frozen_parameters_thaw_by_epochs(void **state)
{
    const fixture *f = *state;
    static const char *const epochs[] = {"epochs=3", "epochs=3.5"};
    char *out = copy(f, "frozen");
    array before = read_array(out, "checkpoint.h5", "/parameters/conv1.weight");
    for (int i = 0; i < 2; i++) {
        check(train(f, 0, out, MANY, epochs[i], NULL), 0, "\ndone: ");
        array after = read_array(out, "checkpoint.h5", "/parameters/conv1.weight");
        bool same = memcmp(before.data, after.data, (size_t)before.count * sizeof *before.data) == 0;
        assert_int_equal(same, i == 0);
        free(after.data);
    }
    free(before.data);
    free(out);
}

static void what_makes_another_run_is_refused(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *setting, *says;
    } cases[] = {
        {"optim.optimizer=adamw", "is a run with optim.optimizer = \"lars\" and cannot go on with \"adamw\"; "},
        {"resnet.width=0.25", "is a run with resnet.width = 0.125 and cannot go on with 0.25; pretext export "},
        {"resnet.stem=7x7", "is a run with resnet.stem = \"3x3\" and cannot go on with \"7x7\"; "},
        {"backbone=resnet34", "is a run with backbone=resnet18 and cannot go on with backbone=resnet34; "},
        {"byol.dim=16", "is (8, 16), but the model has (16, 16): was the run made with other options"},
    };
    content run = read_content(f->run, "run.h5"), saved = read_content(f->run, "checkpoint.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(train(f, 0, f->run, FEW, "epochs=3", cases[i].setting), 2, cases[i].says);
        content now = read_content(f->run, "run.h5"), then = read_content(f->run, "checkpoint.h5");
        assert_int_equal(now.size, run.size);
        assert_memory_equal(now.bytes, run.bytes, (size_t)run.size);
        assert_int_equal(then.size, saved.size);
        assert_memory_equal(then.bytes, saved.bytes, (size_t)saved.size);
        free(now.bytes);
        free(then.bytes);
    }
    free(run.bytes);
    free(saved.bytes);
    char *out = px_format("out=%s", f->run);
    check(RUN("pretrain", "--resume", f->data, out, "method=simclr", "resnet.width=0.125"), 2,
          "is a run with method=byol and cannot go on with method=simclr; ");
    free(out);
}

/* With a configuration file, which is taken instead of the run's own. */
static void another_method_in_a_file(void **state)
{
    const fixture *f = *state;
    char *text = px_format("method = \"supervised\"; out = \"%s\"; batch = 12; resnet = { width = 0.125; };", f->run);
    write_content(f->folder, "other.cfg", text, (long)strlen(text));
    char *config = in(f, "other.cfg");
    check(RUN("pretrain", config, "--resume", f->data), 2,
          "is a run with method = \"byol\" and cannot go on with \"supervised\"; ");
    free(text);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_go_on_by_epochs),         cmocka_unit_test(changes_are_told),
        cmocka_unit_test(a_changed_run_is_interrupted),      cmocka_unit_test(frozen_parameters_thaw_by_epochs),
        cmocka_unit_test(what_makes_another_run_is_refused), cmocka_unit_test(another_method_in_a_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
