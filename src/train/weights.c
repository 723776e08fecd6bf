/* weights.c - reads weights files: which tensors belong to a model, and what happens to the others. */
#include "train/weights.h"
#include "base/config.h"
#include "base/error.h"
#include "nn/positions.h"
#include "train/advice.h"
#include "train/weights_guess.h"
#include "train/weights_heads.h"
#include "train/weights_kind.h"
#include "train/weights_names.h"
#include "train/weights_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char px_weights_settings_note[] = "pretext.settings";

bool px_weights_named(const char *path)
{
    static const char *const endings[] = {".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pth.tar"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t end = strlen(endings[i]);
        if (length > end && strcmp(path + length - end, endings[i]) == 0)
            return true;
    }
    return false;
}

px_graph *px_weights_bare(const px_settings *s, int channels, int size)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    s->backbone->family->build(g, s->backbone, s->backbone_cfg,
                               px_input(g, "images", PX_F32, PX_SHAPE(1, channels, size, size)));
    if (!px_graph_error(g))
        return g;
    px_fail(PX_USAGE, "backbone %s, images of %d px: %s", s->backbone->name, size, px_graph_error(g));
    px_graph_destroy(g);
    return NULL;
}

bool px_weights_holds(const px_graph *g, const char *name)
{
    for (int i = 0; i < px_graph_params(g); i++)
        if (strcmp(px_graph_param(g, i)->name, name) == 0)
            return true;
    return false;
}

/* ---- tensors ---- */

/* Whether the parts, stacked along their first axis, have this shape. */
static bool stack(const px_stored_tensor *const part[], int count, px_shape shape)
{
    int64_t rows = 0;
    for (int i = 0; i < count; i++) {
        px_shape one = part[i]->shape;
        rows += one.rank > 0 ? one.dim[0] : 0;
        if (one.rank == 0 || one.rank != shape.rank || !px_stored_tensor_is_real(part[i]))
            return false;
        one.dim[0] = shape.dim[0];
        if (!px_shape_equal(one, shape))
            return false;
    }
    return rows == shape.dim[0];
}

/* Positions of another image size, or filters of other channels. 0, or -1 without a message if it is neither. */
static int convert(const char *name, const char *filters, const px_stored_tensor *t, px_shape shape, float *out)
{
    bool positions = strcmp(name, "pos_embed") == 0;
    bool rgb = filters && strcmp(name, filters) == 0 && px_weights_are_rgb(t->shape, shape);
    int status = positions || rgb ? 0 : -1;
    float *whole = status == 0 ? px_calloc((size_t)px_shape_count(t->shape) + 1, sizeof whole[0]) : NULL;
    if (whole)
        px_stored_tensor_read(t, whole);
    if (positions)
        status = px_positions_resample(t->shape, whole, shape, out);
    else if (rgb)
        px_weights_from_rgb(whole, shape, out);
    free(whole);
    return status;
}

/* Whether the shapes are equal but for axes of extent 1: linear layers stored as 1x1 convolutions, factors (C, 1, 1). */
static bool alike(px_shape a, px_shape b)
{
    int i = 0, k = 0;
    for (;; i++, k++) {
        while (i < a.rank && a.dim[i] == 1)
            i++;
        while (k < b.rank && b.dim[k] == 1)
            k++;
        if (i >= a.rank || k >= b.rank)
            return i >= a.rank && k >= b.rank;
        if (a.dim[i] != b.dim[k])
            return false;
    }
}

/* Reads the parameter of this name and shape from its parts. `filters`: the name of the one that sees the images. 0, or -1
 * without a message if they do not fit. */
static int fit(const char *name, const char *filters, const px_stored_tensor *const part[], int count, px_shape shape,
               float *out)
{
    if (!px_stored_tensor_is_real(part[0]))
        return -1;
    if (count == 1 && alike(part[0]->shape, shape)) {
        px_stored_tensor_read(part[0], out);
        return 0;
    }
    if (count == 1)
        return convert(name, filters, part[0], shape, out);
    if (!stack(part, count, shape))
        return -1;
    for (int i = 0; i < count; i++) {
        px_stored_tensor_read(part[i], out);
        out += px_shape_count(part[i]->shape);
    }
    return 0;
}

/* Our own files name their backbone: "; its weights are for NAME" if it is another one. */
static const char *of_another(const px_tensor_file *f, const px_settings *s, char text[96])
{
    const char *note = px_tensor_file_about(f, px_weights_settings_note);
    px_config *c = px_config_create();
    text[0] = '\0';
    if (note && px_config_text_load(c, note, px_weights_settings_note) == 0) {
        const char *name = px_config_peek(c, "backbone", s->backbone->name);
        if (strcmp(name, s->backbone->name) != 0)
            snprintf(text, 96, "; its weights are for %s", name);
    }
    px_config_destroy(c);
    return text;
}

/* What would help where a parameter is missing, or what the file is; "" if neither is known. A new string. */
static char *hint(const px_weights_names *n)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    const char *kind = px_tensor_file_about(n->file, px_weights_settings_note) ? NULL : px_weights_kind(n->file, true);
    if (px_weights_names_parts(n, "fc_norm.weight", part) > 0 && px_weights_names_parts(n, "norm.weight", part) == 0)
        return px_strdup("; vit.pool=mean_norm would fit");
    return kind ? px_format("; it looks like %s", kind) : px_strdup("");
}

/* Names the first parameter of the backbone that is not there. 0 if all are. */
static int check_whole(const px_weights_names *n, const px_graph *bare, const char *path, const px_settings *s)
{
    for (int i = 0; i < px_graph_params(bare); i++) {
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        const char *name = px_graph_param(bare, i)->name;
        char why[96];
        if (px_weights_names_parts(n, name, part) > 0)
            continue;
        if (!*of_another(n->file, s, why))
            snprintf(why, sizeof why, "; it has %d of the %d that are needed", px_weights_names_count(n, bare),
                     px_graph_params(bare));
        char *more = hint(n);
        px_fail(PX_DATA, "%s: has no tensor %s%s, which %s needs%s%s", path, n->prefix, name, s->backbone->name, why,
                more);
        free(more);
        return -1;
    }
    return 0;
}

static int misshapen(const px_tensor_file *f, const px_stored_tensor *t, const char *path, const px_param *p,
                     const px_settings *s)
{
    char there[64], here[64], other[96], advice[128];
    if (!px_stored_tensor_is_real(t))
        return px_fail(PX_DATA, "%s: tensor %s has the type %s, but only F32, F16, BF16 and F64 can be read", path,
                       t->name, t->type);
    return px_fail(PX_DATA, "%s: tensor %s is %s, but %s with these options has %s%s%s", path, t->name,
                   px_shape_text(t->shape, there), s->backbone->name, px_shape_text(p->value->shape, here),
                   of_another(f, s, other), px_advise_shape(s, t->name, t->shape, p->value->shape, advice));
}

/* How many parameters were read, and which tensors of the file were not used. */
typedef struct tally {
    int backbone, heads, unused;
    int channels; /* of the images, where filters of RGB were made to fit them; else 0 */
    bool *used;   /* for each tensor of the file */
    char *names;  /* of some unused ones: "fc.weight, fc.bias, ..." */
} tally;

/* What is not finite would make every feature so, or pass unseen where a ReLU hides it. */
static int check_finite(const px_stored_tensor *const part[], int count, const char *path)
{
    for (int i = 0; i < count; i++) {
        int64_t bad = px_stored_tensor_not_finite(part[i]);
        float *whole = bad < 0 ? NULL : px_calloc((size_t)px_shape_count(part[i]->shape), sizeof whole[0]);
        if (!whole)
            continue;
        px_stored_tensor_read(part[i], whole);
        double value = whole[bad];
        free(whole);
        return px_fail(PX_DATA, "%s: tensor %s is not finite: number %" PRId64 " of %" PRId64 " is %g", path,
                       part[i]->name, bad, px_shape_count(part[i]->shape), value);
    }
    return 0;
}

/* Before anything is read: of what is not the backbone's, nor a head of the model, all must be known. */
static int check_rest(const px_model *m, const px_graph *bare, const px_settings *s, const px_weights_names *names,
                      const char *path)
{
    bool *known = px_calloc((size_t)px_tensor_file_count(names->file) + 1, sizeof known[0]);
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        int parts = px_weights_names_parts(names, p->name, part);
        bool is = parts > 0 && (px_weights_holds(bare, p->name) || px_shape_equal(part[0]->shape, p->value->shape));
        for (int k = 0; k < parts && is; k++)
            known[part[k] - px_tensor_file_at(names->file, 0)] = true;
    }
    int status = px_weights_names_check_rest(names, known, path, s);
    free(known);
    return status;
}

static int load_params(px_model *m, const px_graph *bare, const px_settings *s, const px_weights_names *names,
                       const char *path, tally *n)
{
    int status = 0;
    const char *filters = px_weights_first_filters(bare);
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        int parts = px_weights_names_parts(names, p->name, part);
        bool needed = px_weights_holds(bare, p->name);
        float *plain = px_aligned_calloc((size_t)px_shape_count(p->value->shape) * sizeof(float) + 64);
        if (parts > 0 && fit(p->name, filters, part, parts, p->value->shape, plain) == 0) {
            status = check_finite(part, parts, path);
            if (px_weights_are_rgb(part[0]->shape, p->value->shape))
                n->channels = (int)p->value->shape.dim[1];
            if (status == 0)
                px_plan_set_param(m->plan, i, plain);
            *(needed ? &n->backbone : &n->heads) += 1;
            for (int k = 0; k < parts; k++)
                n->used[part[k] - px_tensor_file_at(names->file, 0)] = true;
        } else if (parts > 0 && needed) {
            status = misshapen(names->file, part[0], path, p, s);
        }
        free(plain);
    }
    return status;
}

/* Integers (num_batches_tracked) are counters of the program that wrote the file: nothing is lost. */
static void count_unused(const px_tensor_file *f, tally *n)
{
    enum { NAMED = 4 };
    size_t size;
    FILE *names = open_memstream(&n->names, &size);
    PX_CHECK(names);
    for (int i = 0; i < px_tensor_file_count(f); i++) {
        const px_stored_tensor *t = px_tensor_file_at(f, i);
        if (n->used[i] || !px_stored_tensor_is_real(t))
            continue;
        if (n->unused < NAMED)
            fprintf(names, "%s%s", n->unused ? ", " : "", t->name);
        n->unused++;
    }
    if (n->unused > NAMED)
        fprintf(names, ", ...");
    fclose(names);
}

/* The first of a file's tensors that is not used though it stands in a part of the backbone, as "blocks.3.norm1.weight" beside
 * "blocks.0"; NULL: there is none. */
static const char *beyond(const px_tensor_file *f, const tally *n, const px_graph *bare)
{
    for (int i = 0; i < px_tensor_file_count(f); i++) {
        const px_stored_tensor *t = px_tensor_file_at(f, i);
        const char *name = t->name;
        size_t part = strcspn(name, ".") + 1;
        bool unused = !n->used[i] && px_stored_tensor_is_real(t);
        for (int k = 0; unused && k < px_graph_params(bare); k++)
            if (strncmp(px_graph_param(bare, k)->name, name, part) == 0)
                return name;
    }
    return NULL;
}

/* Our own files: what else is there are heads, not more of the backbone. */
static int check_beyond(const px_tensor_file *f, const tally *n, const px_graph *bare, const char *path,
                        const px_settings *s)
{
    const char *name = beyond(f, n, bare);
    return name ? px_fail(PX_DATA,
                          "%s: has %s, which %s as it is set does not have; without options of the backbone the file's "
                          "own hold",
                          path, name, s->backbone->name)
                : 0;
}

static void tell(px_log *log, const char *path, const px_weights_names *names, const tally *n)
{
    char heads[48] = "", unused[48] = "", spelled[128];
    if (n->heads)
        snprintf(heads, sizeof heads, " and %d of heads", n->heads);
    if (n->unused)
        snprintf(unused, sizeof unused, "; %d not used: ", n->unused);
    px_weights_names_text(names, spelled, sizeof spelled);
    px_log_line(log, "%s: %d tensors of the backbone%s%s%s%s%s%s", path, n->backbone, heads, spelled[0] ? " (" : "",
                spelled, spelled[0] ? ")" : "", unused, n->unused ? n->names : "");
    if (n->channels == 1)
        px_log_line(log,
                    "note: the images are gray and the weights for RGB: the three channels of the first filters were "
                    "summed");
    else if (n->channels)
        px_log_line(
            log,
            "note: the images have %d channels and the weights are for RGB: the first filters were repeated for "
            "them and scaled by 3/%d",
            n->channels, n->channels);
}

/* A file of another program says nothing of its images. */
static void warn_of_pixels(const px_settings *s, const char *path, px_log *log)
{
    bool vit = strcmp(s->backbone->family->name, "vit") == 0;
    if (s->data.normalize == PX_NORMALIZE_AUTO)
        px_log_warning(
            log, "%s does not say how its images were normalized, so pixels stay in [0,1] (data.normalize=none): %s",
            path,
            vit ? "probably data.normalize=imagenet is right (torchvision, DeiT, DINO, MAE), or half (timm's "
                  "augreg, Google's)"
                : "probably data.normalize=imagenet is right");
}

/* Heads of our own files have the names that their methods give them. */
static int load(px_model *m, const px_graph *bare, const px_settings *s, const px_tensor_file *f, const char *path,
                px_log *log)
{
    px_weights_names names;
    if (px_weights_names_find(&names, f, path, s, bare) != 0)
        return -1;
    tally n = {.used = px_calloc((size_t)px_tensor_file_count(f) + 1, sizeof n.used[0])};
    int status = check_whole(&names, bare, path, s);
    bool ours = px_tensor_file_about(f, px_weights_settings_note), lenient = s->weights.other == PX_OTHER_IGNORE;
    if (status == 0 && !ours && !lenient)
        status = check_rest(m, bare, s, &names, path);
    if (status == 0)
        status = load_params(m, bare, s, &names, path, &n);
    if (status == 0 && !ours)
        status = px_weights_heads_check(&names, s, path, log);
    if (status == 0 && ours && !lenient)
        status = check_beyond(f, &n, bare, path, s);
    for (int i = 0; i < px_graph_followers(m->graph) && status == 0; i++)
        px_plan_follow(m->plan, i, 0); /* they begin as their leaders do */
    if (status == 0) {
        count_unused(f, &n);
        tell(log, path, &names, &n);
        if (!ours)
            warn_of_pixels(s, path, log);
    }
    px_weights_names_finish(&names);
    free(n.used);
    free(n.names);
    return status;
}

int px_weights_load(px_model *m, const px_settings *s, const px_task *task, const char *path, px_log *log)
{
    px_tensor_file *f;
    px_graph *bare = px_weights_bare(s, task->channels, task->image_size);
    if (!bare)
        return -1;
    int status = px_tensor_file_open(&f, path);
    if (status == 0) {
        status = load(m, bare, s, f, path, log);
        px_tensor_file_close(f);
    }
    px_graph_destroy(bare);
    return status;
}

/* Refuses a backbone of a family other than that of the weights, whose options would be unknown keys. */
static int check_backbone(const char *text, const char *path, const char *const assignments[], int count)
{
    px_config *c = px_config_create();
    int status = px_config_text_load(c, text, path);
    char *own = status == 0 ? px_strdup(px_config_peek(c, "backbone", "")) : NULL;
    for (int i = 0; i < count && status == 0; i++)
        if (strncmp(assignments[i], "backbone=", 9) == 0)
            status = px_config_set(c, assignments[i]);
    const px_backbone *of = status == 0 && own[0] ? px_backbone_find(own) : NULL;
    const px_backbone *wanted = of ? px_backbone_find(px_config_peek(c, "backbone", own)) : NULL;
    if (status == 0 && of && !wanted)
        status = -1;
    if (wanted && wanted->family != of->family)
        status = px_fail(PX_DATA, "%s: its weights are for %s, not for %s; backbone= can be left out", path, of->name,
                         wanted->name);
    free(own);
    px_config_destroy(c);
    return status;
}

/* A file of another program: what its tensors tell, or if they tell nothing, the assignments alone. */
static int guess_settings(px_settings *s, const px_tensor_file *f, const char *path, const char *const assignments[],
                          int count)
{
    char *text = px_weights_guess(f, path, assignments, count);
    if (!text)
        return -1;
    int status = px_settings_load_text(s, text, path, assignments, count);
    free(text);
    return status;
}

int px_weights_settings(px_settings *s, const char *path, const char *const assignments[], int count)
{
    px_tensor_file *f;
    if (px_tensor_file_open(&f, path) != 0)
        return -1;
    const char *text = px_tensor_file_about(f, px_weights_settings_note);
    int status;
    if (!text)
        status = guess_settings(s, f, path, assignments, count);
    else if (check_backbone(text, path, assignments, count) == 0)
        status = px_settings_load_text(s, text, path, assignments, count);
    else
        status = -1;
    px_tensor_file_close(f);
    return status;
}
