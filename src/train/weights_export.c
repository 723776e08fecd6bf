/* weights_export.c - writes a run's parameters as a weights file that describes itself. */
#include "base/error.h"
#include "base/setting.h"
#include "data/safetensors.h"
#include "train/checkpoint.h"
#include "train/weights.h"
#include "train/weights_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file's description of itself ---- */

static void write_list(FILE *out, const char *name, const px_list *list)
{
    for (int i = 0; i < list->count; i++) {
        fprintf(out, i == 0 ? " %s = [" : ", ", name);
        px_real_write(out, list->value[i]);
    }
    fprintf(out, "];");
}

static void write_moments(FILE *out, const char *name, const float *number, int count)
{
    px_list list = {.count = count};
    for (int i = 0; i < count; i++)
        list.value[i] = (double)number[i];
    write_list(out, name, &list);
}

/* How pixels are normalized, without the data set: by the numbers that the checkpoint keeps. */
static void write_normalize(FILE *out, const px_settings *s, const px_checkpoint *saved)
{
    px_data_cfg how = s->data;
    if (how.normalize == PX_NORMALIZE_AUTO)
        how.normalize = PX_NORMALIZE_NONE;
    if (px_normalizes_by_dataset(&how) && saved->channels > 0) {
        fprintf(out, " normalize = \"given\";");
        write_moments(out, "mean", saved->moments.mean, saved->channels);
        write_moments(out, "std", saved->moments.std, saved->channels);
        return;
    }
    const px_option *o = px_data_options;
    while (strcmp(o->name, "normalize") != 0)
        o++;
    fprintf(out, " normalize = ");
    px_option_write(out, o, &how);
    fprintf(out, ";");
    if (how.normalize == PX_NORMALIZE_GIVEN) {
        write_list(out, "mean", &how.mean);
        write_list(out, "std", &how.std);
    }
}

/* A file's description of itself, as a configuration. A new string. */
static char *settings_text(const px_settings *s, const px_checkpoint *saved)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fprintf(out, "backbone = \"%s\"; data = { image_size = %d;", s->backbone->name, s->data.image_size);
    write_normalize(out, s, saved);
    fprintf(out, " };");
    const px_option *o = s->backbone->family->options;
    if (o && o->name)
        fprintf(out, " %s = {", s->backbone->family->name);
    for (; o && o->name; o++) {
        fprintf(out, " %s = ", o->name);
        px_option_write(out, o, s->backbone_cfg);
        fprintf(out, o[1].name ? ";" : "; };");
    }
    fclose(out);
    return text;
}

/* ---- its tensors ---- */

/* The name that an array of the checkpoint gets, or NULL if it is not wanted: of a follower, its leader's. */
static const char *exported(const char *name, const px_graph *bare, const char *net, bool heads)
{
    size_t length = strlen(net);
    if (length > 0 && (strncmp(name, net, length) != 0 || name[length] != '.'))
        return NULL;
    name += length > 0 ? length + 1 : 0;
    return heads || px_weights_holds(bare, name) ? name : NULL;
}

/* The tensors to write, and for each batch norm the counter that torch expects. */
static px_stored_tensor *choose(const px_checkpoint *saved, const px_graph *bare, const char *net, bool heads,
                                const int64_t *batches, int *count)
{
    static const char variance[] = "running_var";
    px_stored_tensor *list = px_calloc(2 * (size_t)saved->count + 1, sizeof list[0]);
    *count = 0;
    for (int i = 0; i < saved->count; i++) {
        const px_checkpoint_array *a = &saved->array[i];
        const char *name = exported(a->name, bare, net, heads);
        if (!name)
            continue;
        list[(*count)++] = (px_stored_tensor){.name = name, .type = "F32", .shape = a->shape, .data = a->data};
        const char *last = strrchr(name, '.');
        if (last && strcmp(last + 1, variance) == 0)
            list[(*count)++] =
                (px_stored_tensor){.name = px_format("%.*s.num_batches_tracked", (int)(last - name), name),
                                   .type = "I64",
                                   .data = batches};
    }
    return list;
}

static int write_chosen(const px_checkpoint *saved, const px_settings *s, const px_graph *bare, const char *net,
                        bool heads, const char *path, px_log *log)
{
    int count;
    int64_t batches = saved->step * s->train.accumulate;
    px_stored_tensor *list = choose(saved, bare, net, heads, &batches, &count);
    char step[32], *settings = settings_text(s, saved);
    snprintf(step, sizeof step, "%" PRId64, saved->step);
    const px_safetensors_note notes[] = {{"format", "pt"},
                                         {"pretext.version", PX_VERSION},
                                         {"pretext.method", s->method->name},
                                         {"pretext.step", step},
                                         {px_weights_settings_note, settings}};
    int status =
        count
            ? 0
            : px_fail(PX_USAGE, "net = %s, but the run has no such network; only a method with a teacher has one", net);
    if (status == 0)
        status = px_safetensors_write(path, list, count, notes, sizeof notes / sizeof notes[0]);
    if (status == 0)
        px_log_line(log, "%s: %d tensors of %s, %s after %s steps", path, count, s->backbone->name, s->method->name,
                    step);
    for (int i = 0; i < count; i++)
        if (list[i].data == &batches)
            free((void *)(uintptr_t)list[i].name);
    free(list);
    free(settings);
    return status;
}

int px_weights_export(const char *run, const char *path, const char *net, bool heads, px_log *log)
{
    enum { ANY_SIZE = 224 }; /* names do not depend on it */
    px_checkpoint saved;
    px_settings s;
    if (px_checkpoint_arrays(run, &saved, log) != 0)
        return -1;
    int status = px_settings_load_text(&s, saved.config, run, NULL, 0);
    if (status == 0) {
        px_graph *bare = px_weights_bare(&s, 3, s.data.image_size ? s.data.image_size : ANY_SIZE);
        status = bare ? write_chosen(&saved, &s, bare, px_settings_net(&s, net), heads, path, log) : -1;
        px_graph_destroy(bare);
        px_settings_finish(&s);
    }
    px_checkpoint_finish(&saved);
    return status;
}
