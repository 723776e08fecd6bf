/* weights_guess.c - tries every backbone: the one that finds the most of its parameters in the file, all of them, in their
 * shapes. */
#include "train/weights_guess.h"
#include "base/error.h"
#include "train/weights_heads.h"
#include "train/weights_kind.h"
#include "train/weights_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE_SIZE = 224 }; /* divisible by all patches; names do not depend on it */

/* A backbone and how much of it is in the file. */
typedef struct match {
    const px_backbone *backbone;
    int found, shapes; /* parameters; those that also have the shape of the default options */
} match;

static px_graph *build(const px_settings *s)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    s->backbone->family->build(g, s->backbone, s->backbone_cfg,
                               px_input(g, "images", PX_F32, PX_SHAPE(1, 3, IMAGE_SIZE, IMAGE_SIZE)));
    if (!px_graph_error(g))
        return g;
    px_graph_destroy(g);
    return NULL;
}

static int count_shapes(const px_weights_names *n, const px_graph *g)
{
    int count = 0;
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        const px_param *p = px_graph_param(g, i);
        count += px_weights_names_parts(n, p->name, part) == 1 && px_shape_equal(part[0]->shape, p->value->shape);
    }
    return count;
}

/* Takes the settings' backbone if it fits better than the best so far. */
static int try(match *best, const px_settings *s, const px_tensor_file *f, const char *path)
{
    px_graph *g = build(s);
    px_weights_names names;
    if (!g)
        return 0;
    bool given = strcmp(s->weights.prefix, "auto") != 0; /* then nothing may be there under it for this backbone */
    int status = px_weights_names_find(&names, f, path, s, g);
    if (status == 0) {
        match m = {s->backbone, px_weights_names_count(&names, g), count_shapes(&names, g)};
        bool more = m.found > best->found || (m.found == best->found && m.shapes > best->shapes);
        if (m.found == px_graph_params(g) && more)
            *best = m;
        px_weights_names_finish(&names);
    }
    px_graph_destroy(g);
    return given ? 0 : status;
}

/* The value of a key among key=value, or NULL. */
static const char *assigned(const char *key, const char *const assignments[], int count)
{
    size_t length = strlen(key);
    const char *value = NULL;
    for (int i = 0; i < count; i++)
        if (strncmp(assignments[i], key, length) == 0 && assignments[i][length] == '=')
            value = assignments[i] + length + 1;
    return value;
}

static px_settings *settings_for(const char *backbone, const char *prefix)
{
    px_settings *s = px_calloc(1, sizeof *s);
    char *name = px_format("backbone=%s", backbone), *before = px_format("weights.prefix=%s", prefix ? prefix : "auto");
    int status = px_settings_load(s, NULL, (const char *[]){name, before}, 2);
    free(name);
    free(before);
    if (status == 0)
        return s;
    free(s);
    return NULL;
}

static int try_named(match *best, const char *name, const char *prefix, const px_tensor_file *f, const char *path)
{
    px_settings *s = settings_for(name, prefix);
    if (!s)
        return -1;
    int status = try(best, s, f, path);
    px_settings_finish(s);
    free(s);
    return status;
}

static px_shape shape_of(const void *names, const char *name)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    return px_weights_names_parts(names, name, part) == 1 ? part[0]->shape : (px_shape){0};
}

/* The settings of the backbone that fits. */
static char *describe(const px_backbone *b, const char *prefix, const px_tensor_file *f, const char *path)
{
    char *text = NULL;
    size_t size;
    px_weights_names names;
    px_settings *s = settings_for(b->name, prefix);
    px_graph *g = s ? build(s) : NULL;
    FILE *out = g && px_weights_names_find(&names, f, path, s, g) == 0 ? open_memstream(&text, &size) : NULL;
    if (out) {
        fprintf(out, "backbone = \"%s\";", b->name);
        if (b->family->stored) {
            fprintf(out, " %s = { ", b->family->name);
            b->family->stored(out, shape_of, &names);
            fprintf(out, " };");
        }
        int heads = px_weights_heads_known(&names);
        if (b->family->heads && heads > 0)
            fprintf(out, " %s = { heads = %d; };", b->family->name, heads);
        fclose(out);
        px_weights_names_finish(&names);
    }
    if (g)
        px_graph_destroy(g);
    if (s)
        px_settings_finish(s);
    free(s);
    return text;
}

char *px_weights_guess(const px_tensor_file *f, const char *path, const char *const assignments[], int count)
{
    const char *given = assigned("backbone", assignments, count),
               *prefix = assigned("weights.prefix", assignments, count);
    match best = {0};
    int status = given ? try_named(&best, given, prefix, f, path) : 0;
    for (int i = 0; !given && px_backbone_families[i] && status == 0; i++)
        for (const px_backbone *b = px_backbone_families[i]->variants; b->name && status == 0; b++)
            status = try_named(&best, b->name, prefix, f, path);
    if (status == 0 && !best.backbone && !given && px_weights_kind(f))
        status = px_weights_fit_nothing(f, path);
    if (status != 0)
        return NULL;
    return best.backbone ? describe(best.backbone, prefix, f, path) : px_strdup("");
}
