/* scalars.c - see scalars.h. */
#include "train/scalars.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static void add_one(px_scalars *s, const char *name, px_value *value, const float *given)
{
    s->name = px_grow(s->name, s->count, sizeof s->name[0]);
    s->value = px_grow(s->value, s->count, sizeof s->value[0]);
    s->given = px_grow(s->given, s->count, sizeof s->given[0]);
    s->name[s->count] = name;
    s->value[s->count] = value;
    s->given[s->count++] = given;
}

void px_scalars_find(px_scalars *s, const px_model *m, int parts, const float *scheduled)
{
    *s = (px_scalars){.parts = parts};
    add_one(s, "loss", m->loss, NULL);
    for (int i = 0; i < px_graph_outputs(m->graph); i++) {
        const char *name;
        px_value *v = px_graph_output_at(m->graph, i, &name);
        if (name && strcmp(name, "loss") != 0 && px_shape_count(v->shape) == 1)
            add_one(s, name, v, NULL);
    }
    for (int i = 0; i < m->scheduled_count; i++)
        add_one(s, m->scheduled[i].name, NULL, &scheduled[i]);
    s->mean = px_calloc((size_t)s->count, sizeof s->mean[0]);
    s->sum = px_calloc((size_t)parts, sizeof s->sum[0]);
    for (int k = 0; k < parts; k++)
        s->sum[k] = px_calloc((size_t)s->count + PX_VOTES, sizeof s->sum[k][0]);
}

void px_scalars_finish(px_scalars *s)
{
    for (int k = 0; k < s->parts; k++)
        free(s->sum[k]);
    free(s->sum);
    free(s->mean);
    free(s->name);
    free(s->value);
    free(s->given);
    *s = (px_scalars){0};
}

void px_scalars_begin(px_scalars *s)
{
    for (int k = 0; k < s->parts; k++)
        memset(s->sum[k], 0, ((size_t)s->count + PX_VOTES) * sizeof s->sum[k][0]);
}

void px_scalars_add(px_scalars *s, const px_model *m, int terms)
{
    for (int k = 0; k < s->parts; k++)
        for (int i = 0; i < s->count; i++)
            s->sum[k][i] += (s->given[i] ? *s->given[i] : px_plan_scalar(m[k].plan, s->value[i])) / terms;
}

void px_scalars_sum(px_scalars *s, px_reducer *reducer, double votes[PX_VOTES])
{
    memcpy(s->sum[0] + s->count, votes, PX_VOTES * sizeof votes[0]);
    px_reducer_numbers(reducer, s->sum, s->count + PX_VOTES);
    memcpy(votes, s->sum[0] + s->count, PX_VOTES * sizeof votes[0]);
    memcpy(s->mean, s->sum[0], (size_t)s->count * sizeof s->mean[0]);
}
