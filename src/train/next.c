/* next.c - looks at what a probe of the run would need (eval/evaluation.c): labels, a split to learn from and another to
 * be tested on. */
#include "train/next.h"
#include "base/error.h"
#include "base/shell.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The labels of a split. */
typedef struct labels {
    int64_t images; /* that have one */
    int64_t most;   /* images of the most frequent class */
    int classes;    /* that have an image */
    int64_t *count; /* (classes of the data set) images of each; free() it */
} labels;

static labels count_labels(const px_dataset *data, const char *split)
{
    int classes = px_dataset_about(data)->classes;
    const px_split *of = px_dataset_split(data, split);
    int64_t *count = px_calloc((size_t)classes + 1, sizeof count[0]);
    labels l = {.count = count};
    for (int64_t i = 0; i < of->count; i++) {
        int label = px_dataset_label(data, of->index[i]);
        if (label >= 0)
            count[label]++;
    }
    for (int c = 0; c < classes; c++) {
        l.images += count[c];
        l.most = count[c] > l.most ? count[c] : l.most;
        l.classes += count[c] > 0;
    }
    return l;
}

static int64_t images_with_labels(const px_dataset *data, const char *split)
{
    labels l = count_labels(data, split);
    free(l.count);
    return l.images;
}

/* Whether each class that is tested has an image to learn from. */
static bool all_are_learned(const px_dataset *data, const labels *learned, const char *test)
{
    labels tested = count_labels(data, test);
    bool all = true;
    for (int c = 0; c < px_dataset_about(data)->classes; c++)
        all &= tested.count[c] == 0 || learned->count[c] > 0;
    free(tested.count);
    return all;
}

static bool has_split(const px_dataset_info *d, const char *name)
{
    for (int i = 0; i < d->splits; i++)
        if (strcmp(d->split_names[i], name) == 0)
            return true;
    return false;
}

/* The split to test on: one with labels that is not `train`, rather "test" or "val" than another. NULL: none. */
static const char *find_test(const px_dataset *data, const char *train)
{
    const px_dataset_info *d = px_dataset_about(data);
    static const char *const usual[] = {"test", "val"};
    for (int i = 0; i < 2; i++)
        if (has_split(d, usual[i]) && strcmp(usual[i], train) != 0 && images_with_labels(data, usual[i]) > 0)
            return usual[i];
    for (int i = 0; i < d->splits; i++)
        if (strcmp(d->split_names[i], train) != 0 && images_with_labels(data, d->split_names[i]) > 0)
            return d->split_names[i];
    return NULL;
}

/* Whether the method shows the backbone only parts of an image. Then its features are probed on such parts. */
static bool works_on_patches(const px_settings *s, const px_task *task)
{
    px_views views = {0};
    s->method->views(s->method_cfg, task, &views);
    for (int i = 0; i < views.count; i++) {
        const px_view *v = &views.view[i];
        if (v->dtype == PX_F32 && v->rank == 3)
            return v->dim[1] < task->image_size;
    }
    return false;
}

static void write_word(FILE *out, const char *before, const char *text)
{
    char *word = px_shell_word(text);
    fprintf(out, "%s%s", before, word);
    free(word);
}

static void write_assignment(FILE *out, const char *key, const char *value)
{
    char *text = px_format("%s=%s", key, value);
    write_word(out, " ", text);
    free(text);
}

/* "pretext probe runs/first --plugin quarter_turns.so" */
static void write_command(FILE *out, const char *program, const char *command, const px_settings *s, bool needs_method)
{
    const char *plugin = needs_method ? px_method_file(s->method) : NULL;
    write_word(out, "", program);
    write_word(out, " ", command);
    write_word(out, " ", s->train.out);
    if (plugin)
        write_word(out, " --plugin ", plugin);
}

/* Writes the command of a probe, or returns the reason why there can be none, a new string. */
static char *write_probe(FILE *out, const char *program, const px_settings *s, const px_task *task,
                         const px_dataset *data)
{
    const px_dataset_info *d = px_dataset_about(data);
    const char *train = has_split(d, "train") ? "train" : s->data.split;
    if (d->classes < 2)
        return px_format("%s has %s", d->path, d->classes == 0 ? "no labels" : "only one class");
    const char *test = find_test(data, train);
    labels learned = count_labels(data, train);
    bool linear = test && learned.most > 1 && learned.classes > 1 && all_are_learned(data, &learned, test);
    free(learned.count);
    if (learned.images == 0)
        return px_format("no image of the split %s of %s has a label", train, d->path);
    if (!test)
        return px_format("no other split than %s of %s has labels to test on; probe with holdout=0.1 holds some of its "
                         "images out for that",
                         train, d->path);
    write_command(out, program, "probe", s, true);
    if (strcmp(train, "train") != 0)
        write_assignment(out, "train_split", train);
    if (strcmp(test, has_split(d, "test") ? "test" : "val") != 0)
        write_assignment(out, "test_split", test);
    if (!linear)
        fputs(" protocol=knn",
              out); /* a linear probe learns what it is tested on, and holds out images of some classes */
    if (works_on_patches(s, task))
        fputs(" patches=9", out);
    return NULL;
}

static void write_features(FILE *out, const char *program, const px_settings *s, const px_task *task)
{
    char *file = px_format("%s/features.h5", s->train.out);
    write_command(out, program, "features", s, true);
    write_assignment(out, "out", file);
    if (works_on_patches(s, task))
        fputs(" patches=9", out);
    free(file);
}

static bool on_path(const char *name)
{
    char *folders = px_strdup(getenv("PATH") ? getenv("PATH") : ""), *rest = folders, *folder;
    bool found = false;
    while (!found && (folder = strsep(&rest, ":"))) {
        char *file = px_format("%s/%s", *folder ? folder : ".", name);
        found = access(file, X_OK) == 0;
        free(file);
    }
    free(folders);
    return found;
}

/* Without the settings that the run was started with: its checkpoint has them. The same number of ranks goes on with the
 * same bits; only on one host is it known how they are to be started. */
char *px_next_resume(const char *program, const px_settings *s, const px_comm *comm)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    const char *plugin = px_method_file(s->method);
    if (comm->size > 1 && comm->local_size == comm->size)
        fprintf(out, "mpirun -n %d --bind-to none ", comm->size);
    write_word(out, "", program);
    fputs(" pretrain --resume", out);
    if (plugin)
        write_word(out, " --plugin ", plugin);
    write_assignment(out, "out", s->train.out);
    fclose(out);
    return text;
}

char *px_next_commands(const char *program, const px_settings *s, const px_task *task, const px_dataset *data,
                       char **why)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    *why = write_probe(out, program, s, task, data);
    if (*why)
        write_features(out, program, s, task);
    fputs("; ", out);
    write_command(out, program, on_path("gnuplot") ? "plot" : "show", s, false);
    fclose(out);
    return text;
}
