/* method.c - the registry of methods, plug-ins, and what method.h offers to build. */
#include "train/method.h"
#include "base/config.h"
#include "base/error.h"
#include "px_interface.h"

#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void px_task_take_backbone(px_task *t, const px_backbone *backbone, const px_backbone_cfg *cfg)
{
    const px_backbone_family *family = backbone->family;
    t->patch = family->patch ? family->patch(backbone) : 0;
    t->width = t->depth = 0;
    if (family->size)
        family->size(backbone, cfg, &t->width, &t->depth);
}

px_value *px_view_input(px_build *b, const char *name)
{
    px_value *v = px_graph_find_input(b->g, name);
    return v ? v : px_graph_fail(b->g, "the method has no view '%s'", name);
}

px_value *px_copy_numbers(px_build *b, int copies)
{
    int64_t batch = b->task->batch, rows = copies * batch;
    int32_t *number = px_calloc((size_t)rows + 1, sizeof number[0]);
    for (int64_t i = 0; i < rows; i++)
        number[i] = (int32_t)(i / batch);
    px_value *v = px_constant_i32(b->g, PX_SHAPE(rows), number);
    free(number);
    return v;
}

px_net *px_backbone_net(px_build *b)
{
    if (!b->backbone_net)
        b->backbone_net = px_net_create(b->g, "");
    return b->backbone_net;
}

px_encoding px_encode_by(px_build *b, px_net *net, px_value *x)
{
    px_net_enter(net);
    px_encoding e = b->backbone->family->build(b->g, b->backbone, b->backbone_cfg, x);
    px_net_leave(net);
    return e;
}

static px_encoding watched(px_build *b, px_encoding e)
{
    if (!b->embedding[PX_WATCHED_STUDENT])
        b->embedding[PX_WATCHED_STUDENT] = e.pooled;
    if (!b->pooled)
        b->pooled = e.pooled;
    return e;
}

px_encoding px_encode(px_build *b, px_value *x)
{
    return watched(b, px_encode_by(b, px_backbone_net(b), x));
}

px_encoding px_encode_masked(px_build *b, px_net *net, px_value *x, px_value *places, px_hiding hiding)
{
    const px_backbone_family *family = b->backbone->family;
    px_net_enter(net);
    px_encoding e = {0};
    if (family->build_masked)
        e = family->build_masked(b->g, b->backbone, b->backbone_cfg, x, places, hiding);
    else
        e.pooled = e.tokens = px_graph_fail(b->g, "the family %s cannot hide patches", family->name);
    px_net_leave(net);
    return net == px_backbone_net(b) ? watched(b, e) : e;
}

px_value *px_head(px_net *net, const px_mlp *layers, px_value *x)
{
    px_graph *g = px_net_enter(net);
    x = px_mlp_layers(g, layers, x);
    px_net_leave(net);
    return x;
}

/* A course lies between its ends, so that these are enough. */
static bool within(px_range range, double x)
{
    return isfinite(x) && (range == PX_FINITE || (range == PX_POSITIVE ? x > 0 : x >= 0)) &&
           (range != PX_SHARE || x <= 1);
}

px_value *px_schedule(px_build *b, const char *name, double from, double to, px_course course, px_range range)
{
    static const char *const must[] = {[PX_FINITE] = "must be finite",
                                       [PX_SHARE] = "must be between 0 and 1",
                                       [PX_POSITIVE] = "must be above 0",
                                       [PX_NOT_NEGATIVE] = "must be at least 0"};
    if (b->scheduled_count == PX_SCHEDULED_MAX)
        return px_graph_fail(b->g, "px_schedule: more than %d numbers", PX_SCHEDULED_MAX);
    if (!within(range, from))
        return px_graph_fail(b->g, "%s %s, not %g", name, must[range], from);
    if (course != PX_STEADY && !within(range, to))
        return px_graph_fail(b->g, "%s %s, but would be %g after the last step", name, must[range], to);
    px_value *v = px_input(b->g, name, PX_F32, (px_shape){0});
    b->scheduled[b->scheduled_count++] = (px_scheduled){v->name, from, to, course, range, v, 0};
    return v;
}

px_value *px_schedule_within(px_build *b, const char *name, double epochs, double from, double to, px_course course,
                             px_range range)
{
    if (epochs <= 0)
        return px_schedule(b, name, to, to, PX_STEADY, range);
    px_value *v = px_schedule(b, name, from, to, course, range);
    if (!px_graph_error(b->g))
        b->scheduled[b->scheduled_count - 1].epochs = epochs;
    return v;
}

double px_scheduled_at(const px_scheduled *s, double progress, double epoch)
{
    if (s->epochs > 0)
        progress = fmin(1, epoch / s->epochs);
    double part = s->course == PX_STEADY   ? 0
                  : s->course == PX_AFTER  ? progress >= 1
                  : s->course == PX_LINEAR ? progress
                                           : (1 - cos(acos(-1) * progress)) / 2;
    return s->from + (s->to - s->from) * part;
}

void px_treat(px_build *b, const char *scope, px_rule_kind kind, double value)
{
    if (b->rules == PX_OWN_RULES_MAX)
        px_graph_fail(b->g, "px_treat: more than %d rules", PX_OWN_RULES_MAX);
    else
        b->rule[b->rules++] = (px_rule){scope, kind, value};
}

static void watch(px_build *b, int which, const char *caller, px_value *x)
{
    char shape[64];
    if (x && (x->shape.rank != 2 || x->shape.dim[0] < b->task->batch))
        px_graph_fail(b->g, "%s needs a row for each of the batch's %d images, not %s", caller, b->task->batch,
                      px_shape_text(x->shape, shape));
    else
        b->embedding[which] = x;
}

void px_embedding(px_build *b, px_value *x)
{
    watch(b, PX_WATCHED_STUDENT, "px_embedding", x);
}

void px_second_views(px_build *b, px_value *x)
{
    const px_value *first = b->embedding[PX_WATCHED_STUDENT];
    if (!x || !first || px_graph_error(b->g))
        return;
    int64_t needed = x == first ? 2 * (int64_t)b->task->batch : b->task->batch;
    if (x->shape.rank != 2 || x->shape.dim[1] != first->shape.dim[1] || (x != first && x->shape.dim[0] < needed))
        px_graph_fail(b->g, "px_second_views needs rows like those of px_embedding");
    else if (x->shape.dim[0] >= needed)
        b->second = x;
}

void px_teacher_embedding(px_build *b, px_value *x)
{
    watch(b, PX_WATCHED_TEACHER, "px_teacher_embedding", x);
}

void px_metric(px_build *b, const char *name, px_value *v)
{
    bool taken = strcmp(name, "loss") == 0 || px_graph_find_output(b->g, name) != NULL;
    for (int i = 0; i < b->scheduled_count; i++)
        taken = taken || strcmp(b->scheduled[i].name, name) == 0;
    if (taken)
        px_graph_fail(b->g, "px_metric: there is a series '%s' already", name);
    else if (v && px_shape_count(v->shape) != 1)
        px_graph_fail(b->g, "px_metric: '%s' is not a single number", name);
    else
        px_graph_output(b->g, name, v);
}

/* ---- registry ---- */

/* Plug-ins stay loaded until the program ends, since their code is in use. A global, like px_methods. */
enum { PLUGINS_MAX = 32 };
static const px_method *plugin[PLUGINS_MAX];
static char *plugin_file[PLUGINS_MAX];
static int plugins;

const px_method *px_method_at(int i)
{
    int built_in = 0;
    while (px_methods[built_in])
        built_in++;
    if (i < built_in)
        return px_methods[i];
    return i - built_in < plugins ? plugin[i - built_in] : NULL;
}

const px_method *px_method_find(const char *name)
{
    const char *names[128];
    int n = 0;
    for (const px_method *m; (m = px_method_at(n)); n++) {
        PX_CHECK(n < 127);
        if (strcmp(m->name, name) == 0)
            return m;
        names[n] = m->name;
    }
    names[n] = NULL;
    const char *near = px_nearest(name, names);
    return px_fail_null(PX_USAGE,
                        "there is no method '%s'%s%s%s ('pretext methods' lists them; one from outside needs --plugin "
                        "FILE.so)",
                        name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* dlopen maps what the program headers promise, and dies of SIGBUS if the file ends before. */
static bool is_cut_off(FILE *file)
{
    struct stat about;
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    if (fstat(fileno(file), &about) != 0 || fread(&head, sizeof head, 1, file) != 1 ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return false; /* dlopen says what is wrong */
    for (int i = 0; i < head.e_phnum; i++) {
        bool read = fseek(file, (long)head.e_phoff + i * (long)sizeof part, SEEK_SET) == 0 &&
                    fread(&part, sizeof part, 1, file) == 1;
        if (!read || part.p_filesz > (size_t)about.st_size || part.p_offset > (size_t)about.st_size - part.p_filesz)
            return true;
    }
    return false;
}

static int check_file(const char *path, const char *where)
{
    if (px_plain_file(where, PX_USAGE) != 0)
        return px_fail(PX_USAGE, "plug-in %s", px_error());
    FILE *file = fopen(where, "rb");
    bool cut = file && is_cut_off(file);
    if (file)
        fclose(file);
    return cut ? px_fail(PX_USAGE, "plug-in %s cannot be loaded: it is cut off", path) : 0;
}

int px_method_load(const char *path)
{
    /* Without a slash, dlopen would search the system's folders. */
    char *where = strchr(path, '/') ? px_strdup(path) : px_format("./%s", path);
    if (check_file(path, where) != 0) {
        free(where);
        return -1;
    }
    void *object = dlopen(where, RTLD_NOW | RTLD_LOCAL);
    const px_method *m = object ? dlsym(object, "px_plugin") : NULL;
    const char *interface = object ? dlsym(object, "px_plugin_interface") : NULL;
    free(where);
    if (!object)
        return px_fail(PX_USAGE, "plug-in %s cannot be loaded: %s", path, dlerror());
    if (!m)
        return px_fail(PX_USAGE, "plug-in %s does not define its method, as PX_PLUGIN = {...} of pretext.h does", path);
    if (!interface)
        return px_fail(PX_USAGE,
                       "plug-in %s does not say for which interface it was built, this program has %s: build it again "
                       "with PX_PLUGIN of pretext.h",
                       path, PX_INTERFACE);
    if (strncmp(interface, PX_INTERFACE, sizeof PX_INTERFACE) != 0)
        return px_fail(PX_USAGE,
                       "plug-in %s was built for interface %.12s, this program has %s: build it again with the headers "
                       "of this program",
                       path, interface, PX_INTERFACE);
    if (!m->name || !m->views || !m->make_views || !m->build)
        return px_fail(PX_USAGE, "plug-in %s: its px_plugin needs a name, views, make_views and build", path);
    for (int i = 0; px_method_at(i); i++)
        if (strcmp(px_method_at(i)->name, m->name) == 0)
            return px_fail(PX_USAGE, "plug-in %s: there is a method '%s' already", path, m->name);
    if (plugins == PLUGINS_MAX)
        return px_fail(PX_USAGE, "plug-in %s: more than %d plug-ins", path, PLUGINS_MAX);
    plugin_file[plugins] = px_strdup(path);
    plugin[plugins++] = m;
    return 0;
}

const char *px_method_file(const px_method *m)
{
    for (int i = 0; i < plugins; i++)
        if (plugin[i] == m)
            return plugin_file[i];
    return NULL;
}
