/* describe.c - see describe.h. */
#include "train/describe.h"
#include "base/error.h"
#include "train/model.h"

#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 160, LAYERS_MAX = 6 };

/* ---- views ---- */

static void print_views(FILE *out, const px_views *views)
{
    for (int i = 0; i < views->count; i++) {
        const px_view *v = &views->view[i];
        char text[64];
        fprintf(out, "  %-14s %d x %s%s\n", v->name, v->copies,
                v->rank ? px_shape_text(px_view_shape(v), text) : "number",
                v->dtype == PX_I32 && v->rank ? " numbers" : "");
    }
}

/* ---- networks ---- */

/* What stands under one name: a network, or a layer beside all networks. */
typedef struct group {
    char name[64];
    int64_t parameters, last; /* `last`: outputs of the linear layer before */
    int layers;
    char chain[CHAIN_MAX]; /* "512 -> 2048 -> 128" */
} group;

/* "projector" of "projector.linear1.weight". */
static void group_name(const px_model *m, const px_param *p, char name[64])
{
    snprintf(name, 64, "%.*s", (int)strcspn(p->name, "."), p->name);
    if (p->net && p->net == m->backbone)
        snprintf(name, 64, "backbone");
}

static void add_layer(group *s, const px_param *p)
{
    const px_shape shape = p->value->shape;
    s->parameters += px_shape_count(shape);
    const char *end = strrchr(p->name, '.');
    if (shape.rank != 2 || !end || strncmp(end, ".weight", 7) != 0)
        return;
    size_t used = strlen(s->chain);
    if (s->last == shape.dim[1])
        snprintf(s->chain + used, CHAIN_MAX - used, " -> %lld", (long long)shape.dim[0]);
    else
        snprintf(s->chain + used, CHAIN_MAX - used, "%s%lld -> %lld", used ? ", " : "", (long long)shape.dim[1],
                 (long long)shape.dim[0]);
    s->last = shape.dim[0];
    s->layers++;
}

static void print_group(FILE *out, const group *s, const char *about)
{
    bool chain = s->layers > 0 && s->layers <= LAYERS_MAX;
    if (s->parameters > 0)
        fprintf(out, "  %-14s %-36s %12lld parameters\n", s->name,
                *about  ? about
                : chain ? s->chain
                        : "",
                (long long)s->parameters);
}

/* Parameters that are trained, by network, in the order in which they were made. */
static void print_networks(FILE *out, const px_model *m, const px_settings *s)
{
    group now = {.name = ""};
    char name[64];
    for (int i = 0; i <= px_graph_params(m->graph); i++) {
        const px_param *p = i < px_graph_params(m->graph) ? px_graph_param(m->graph, i) : NULL;
        if (p && p->value->kind != PX_PARAMETER)
            continue;
        if (p)
            group_name(m, p, name);
        if (!p || strcmp(name, now.name) != 0) {
            print_group(out, &now, strcmp(now.name, "backbone") == 0 ? s->backbone->name : "");
            now = (group){.name = ""};
            memcpy(now.name, name, sizeof name);
        }
        if (p)
            add_layer(&now, p);
    }
    for (int i = 0; i < px_graph_followers(m->graph); i++) {
        px_value *momentum;
        group follower = {.name = ""};
        snprintf(follower.name, sizeof follower.name, "%s", px_graph_follower(m->graph, i, &momentum));
        for (int k = 0; k < px_graph_params(m->graph); k++) {
            const px_param *p = px_graph_param(m->graph, k);
            if (p->value->kind == PX_FOLLOWER && p->follower == i)
                follower.parameters += px_shape_count(p->value->shape);
        }
        print_group(out, &follower, "follows them, without gradient");
    }
}

/* States besides running statistics and positions: queues, centres. */
static void print_kept(FILE *out, const px_model *m)
{
    int count = 0;
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        char text[64];
        if (p->value->kind != PX_STATE || px_shape_count(p->value->shape) == 1 || p->net ||
            strstr(p->name, "running_") || strstr(p->name, "pos_embed"))
            continue;
        if (count++ == 0)
            fprintf(out, "\nKept between steps\n");
        fprintf(out, "  %-14s %s\n", p->name, px_shape_text(p->value->shape, text));
    }
}

static void print_probed(FILE *out, const px_model *m, const px_settings *s)
{
    char text[64];
    px_value *momentum;
    fputs("\nProbed\n  the backbone", out);
    if (*px_settings_net(s, ""))
        fprintf(out, " of %s; with net=trained the one that is trained", px_settings_net(s, ""));
    else if (px_graph_followers(m->graph) > 0)
        fprintf(out, "; with net=%s that of the network that follows", px_graph_follower(m->graph, 0, &momentum));
    fputs("\n", out);
    for (int i = 0; i < PX_WATCHED; i++)
        if (m->embedding[i])
            fprintf(out, "  watched for collapse: rows %s%s\n", px_shape_text(m->embedding[i]->shape, text),
                    i == PX_WATCHED_TEACHER ? " of the teacher" : "");
}

int px_describe(FILE *out, px_settings *s, int side)
{
    px_dataset_info info = {.classes = 10, .height = side, .width = side, .channels = 3, .bits = 8};
    px_task task;
    px_model m;
    const px_comm alone = {.size = 1};
    if (px_task_of(&task, s, &info, true, s->train.batch, 1) != 0 || px_model_plan(&m, s, &task, &alone, 0, NULL) != 0)
        return -1;
    fprintf(out, "Views of each image, %d px\n", task.image_size);
    print_views(out, &m.views);
    fprintf(out, "\nNetworks\n");
    print_networks(out, &m, s);
    print_kept(out, &m);
    print_probed(out, &m, s);
    px_model_finish(&m);
    return 0;
}
