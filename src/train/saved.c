/* saved.c - see saved.h. */
#include "train/saved.h"

#include "base/error.h"
#include "train/changes.h"
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool gives(const char *key, const char *const assignments[], int count)
{
    size_t length = strlen(key);
    for (int i = 0; i < count; i++)
        if (strncmp(assignments[i], key, length) == 0 && assignments[i][length] == '=')
            return true;
    return false;
}

/* A network that learned with these numbers needs them for other images, too. */
static void take_moments(px_settings *s, const px_checkpoint *saved, bool other_data, px_log *log)
{
    if (!px_normalizes_by_dataset(&s->data) || saved->channels == 0)
        return;
    s->own = saved->moments;
    s->own_channels = saved->channels;
    if (other_data)
        px_log_line(log,
                    "pixels are normalized by the numbers that the run was trained with; data.normalize=dataset takes "
                    "those of this data set");
}

/* The data set's path from the run's folder, a new string, or NULL: it is where its path says, or nowhere. */
static char *elsewhere(const px_settings *s, const px_checkpoint *saved)
{
    const char *path = s->data.path;
    if (!saved->folder || !path[0] || path[0] == '/' || access(path, F_OK) == 0)
        return NULL;
    char *there = px_format("%s/%s", saved->folder, path);
    if (access(there, F_OK) == 0)
        return there;
    free(there);
    return NULL;
}

/* A run stays what it is: its parameters are those of one method on one backbone. `own`: its settings as they are. */
static int check_unchanged(const px_settings *own, const char *run, const char *const assignments[], int count)
{
    const struct {
        const char *key, *value;
    } fixed[] = {{"method=", own->method->name}, {"backbone=", own->backbone->name}};
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) {
            size_t length = strlen(fixed[k].key);
            if (strncmp(assignments[i], fixed[k].key, length) != 0)
                continue;
            const char *other = assignments[i] + length;
            if (strcmp(other, fixed[k].value) == 0)
                continue;
            if (k == 0 ? px_method_find(other) != NULL : px_backbone_find(other) != NULL) /* else that is the mistake */
                return px_fail(PX_USAGE,
                               "%s: is a run with %s%s and cannot go on with %s; pretext export %s out=w.safetensors "
                               "and init=w.safetensors give its weights to another run",
                               run, fixed[k].key, fixed[k].value, assignments[i], run);
        }
    return 0;
}

/* The same for settings that only change what its parameters mean, as the number of heads does. */
static int check_meaning(const px_settings *s, const px_checkpoint *saved, const char *run)
{
    char *now = px_config_text(s->config);
    int status = px_changes_check(&(px_changes){.before = saved->config, .now = now, .to_read = true}, run);
    free(now);
    return status;
}

int px_saved_settings(px_settings *s, const char *run, const char *const assignments[], int count, px_log *log)
{
    px_checkpoint saved;
    if (px_checkpoint_peek(run, &saved, log) != 0)
        return -1;
    px_settings own;
    int status = px_settings_load_text(&own, saved.config, run, NULL, 0);
    if (status == 0) {
        status = check_unchanged(&own, run, assignments, count);
        px_settings_finish(&own);
    }
    if (status == 0)
        status = px_settings_load_text(s, saved.config, run, assignments, count);
    /* An assignment's path starts from the current folder. */
    bool other = gives("data.path", assignments, count), chosen = gives("data.normalize", assignments, count);
    char *there = status == 0 && !other ? elsewhere(s, &saved) : NULL;
    if (there) {
        px_log_line(log, "data.path=%s is taken from %s, where the run was started", s->data.path, saved.folder);
        char *found = px_format("data.path=%s", there);
        const char **all = px_calloc((size_t)count + 1, sizeof *all);
        all[0] = found;
        if (count > 0)
            memcpy(all + 1, assignments, (size_t)count * sizeof *all);
        px_settings_finish(s);
        status = px_settings_load_text(s, saved.config, run, all, count + 1);
        free(all);
        free(found);
    }
    free(there);
    if (status == 0 && check_meaning(s, &saved, run) != 0) {
        px_settings_finish(s);
        status = -1;
    }
    if (status == 0 && !chosen)
        take_moments(s, &saved, other, log);
    px_checkpoint_finish(&saved);
    return status;
}

void px_saved_moments(px_settings *s, const char *const assignments[], int count, px_log *log)
{
    px_log quiet = px_log_make(stderr, true);
    px_checkpoint saved;
    if (gives("data.normalize", assignments, count) || !px_checkpoint_exists(s->train.out) ||
        px_checkpoint_peek(s->train.out, &saved, &quiet) != 0)
        return;
    px_config *before = px_config_create();
    bool known = px_config_text_load(before, saved.config, s->train.out) == 0;
    bool other = known && strcmp(px_config_peek(before, "data.path", s->data.path), s->data.path) != 0;
    take_moments(s, &saved, other, log);
    px_config_destroy(before);
    px_checkpoint_finish(&saved);
}
