/* weights_guess.c - the backbone follows from shapes: each family tells which of its variants has such parameters, and the names
 * of one parameter tell where they could be. Only what they tell is built, to see whether all of it is there. */
#include "train/weights_guess.h"
#include "base/error.h"
#include "train/weights_heads.h"
#include "train/weights_kind.h"
#include "train/weights_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sides of images, on which names do not depend. 224 is divisible by all patches; a Swin's windows of 7 and 14 fit it, those of 8
 * and 16 fit 256, those of 6, 12 and 24 fit 384, and 96 those that are as wide as its map. */
static const int sides[] = {224, 256, 384, 96};

/* What is looked for, and the best so far. */
typedef struct search {
    const px_tensor_file *file;
    const char *path, *prefix; /* "auto", or the prefix that is given */
    const px_backbone *given;  /* or NULL */
    const px_backbone_family *family;
    char *text; /* settings of the best; NULL: nothing looks like a backbone */
    bool whole; /* all of its parameters are there */
    int found;  /* parameters */
    int status; /* -1: an error that ends the search */
} search;

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

static px_graph *build(const px_settings *s)
{
    const px_backbone_family *family = s->backbone->family;
    const int count = sizeof sides / sizeof sides[0];
    int i = 0;
    while (i < count - 1 && family->check && family->check(s->backbone, s->backbone_cfg, sides[i], 3))
        i++;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    family->build(g, s->backbone, s->backbone_cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, sides[i], sides[i])));
    if (!px_graph_error(g))
        return g;
    px_fail(PX_DATA, "%s: %s", s->backbone->name, px_graph_error(g));
    px_graph_destroy(g);
    return NULL;
}

static px_shape shape_of(const void *names, const char *name)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    return px_weights_names_parts(names, name, part) == 1 ? part[0]->shape : (px_shape){0};
}

/* The settings of a backbone with the options that the tensors tell. A new string. */
static char *describe(const px_backbone *b, const px_weights_names *names)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fprintf(out, "backbone = \"%s\"; %s = { ", b->name, b->family->name);
    if (b->family->stored)
        b->family->stored(out, shape_of, names);
    int heads = b->family->heads ? px_weights_heads_known(names) : 0;
    if (heads > 0)
        fprintf(out, "heads = %d; ", heads);
    fprintf(out, "};");
    fclose(out);
    return text;
}

/* How many parameters of the described backbone are there, and of how many. -1: an error. */
static int count(const search *s, const char *text, int *all)
{
    px_settings settings;
    px_weights_names names;
    char *prefix = px_format("weights.prefix=%s", s->prefix);
    int found = -1;
    *all = 0;
    if (px_settings_load_text(&settings, text, s->path, (const char *[]){prefix}, 1) == 0) {
        px_graph *g = build(&settings);
        if (g && px_weights_names_find(&names, s->file, s->path, &settings, g) == 0) {
            found = px_weights_names_count(&names, g);
            *all = px_graph_params(g);
            px_weights_names_finish(&names);
        }
        px_graph_destroy(g);
        px_settings_finish(&settings);
    }
    free(prefix);
    return found;
}

/* Takes what these names tell if it fits better than the best so far. */
static void consider(void *context, const px_weights_names *names)
{
    search *s = context;
    const px_backbone *b = s->given ? s->given : s->family->of_shapes(shape_of, names);
    if (!b || s->status != 0)
        return;
    int all = 0;
    char *text = describe(b, names);
    int found = s->text && strcmp(s->text, text) == 0 ? 0 : count(s, text, &all); /* a teacher's is the student's */
    if (found < 0)
        s->status = -1;
    /* of whole ones the one with more: names of another program may hide its parts (register_tokens) */
    bool better =
        found > 0 && (!s->text || (found == all && !s->whole) || (found > s->found && (found == all || !s->whole)));
    if (better) {
        free(s->text);
        s->text = text;
        s->found = found;
        s->whole = found == all;
    } else {
        free(text);
    }
}

char *px_weights_guess(const px_tensor_file *f, const char *path, const char *const assignments[], int count)
{
    const char *given = assigned("backbone", assignments, count),
               *prefix = assigned("weights.prefix", assignments, count);
    search s = {.file = f, .path = path, .prefix = prefix ? prefix : "auto"};
    if (given && !(s.given = px_backbone_find(given)))
        return NULL;
    for (int i = 0; px_backbone_families[i] && s.status == 0; i++) {
        s.family = px_backbone_families[i];
        if (!s.given || s.given->family == s.family)
            px_weights_names_visit(f, s.family, s.prefix, consider, &s);
    }
    if (s.status == 0 && !s.text && !given && px_weights_kind(f, false))
        s.status = px_weights_fit_nothing(f, path);
    if (s.status != 0) {
        free(s.text);
        return NULL;
    }
    return s.text ? s.text : px_strdup("");
}
