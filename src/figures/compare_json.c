/* compare_json.c - a comparison as JSON: all runs with all that is known of them, then the rows. */
#include "base/error.h"
#include "base/student.h"
#include "figures/compare_private.h"
#include "figures/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *settings_of(const cmp_run *r)
{
    json_t *all = json_object();
    for (int i = 0; i < r->settings; i++)
        json_object_set_new(all, r->setting[i].key, px_json_text(r->setting[i].value));
    return all;
}

static json_t *eval_of(const cmp_eval *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "protocol", px_json_text(e->protocol));
    json_object_set_new(o, "subject", px_json_text(e->subject));
    if (e->k)
        json_object_set_new(o, "k", json_integer(e->k));
    json_object_set_new(o, "number", px_json_text(e->number));
    json_object_set_new(o, "share", px_json_number(e->share));
    json_object_set_new(o, "half_interval_95_of_probe", px_json_number(e->half));
    json_object_set_new(o, "holdout_share", px_json_number(e->holdout));
    json_object_set_new(o, "measured", e->measured ? px_json_text(e->measured) : json_null());
    json_object_set_new(o, "column", json_integer(e->measure));
    return o;
}

json_t *px_compare_json_run(const cmp_run *r)
{
    json_t *o = json_object(), *evals = json_array();
    json_object_set_new(o, "name", px_json_text(r->name));
    json_object_set_new(o, "epochs_done", px_json_number(r->epochs));
    json_object_set_new(o, "settings", settings_of(r));
    json_object_set_new(o, "cost", px_json_cost(&r->cost));
    for (int i = 0; i < r->evals; i++)
        json_array_append_new(evals, eval_of(&r->eval[i]));
    json_object_set_new(o, "evaluations", evals);
    return o;
}

/* A row's mean in a column; NULL: it has none. */
static json_t *mean_of(const px_comparison *c, int group, int measure)
{
    cmp_numbers all = px_compare_shares(c, group, measure, false);
    double half, mean = px_mean_95(all.x, all.n, &half);
    free(all.x);
    if (all.n == 0)
        return NULL;
    json_t *o = json_object();
    json_object_set_new(o, "column", json_integer(measure));
    json_object_set_new(o, "seeds", json_integer(all.n));
    json_object_set_new(o, "mean_share", px_json_number(mean));
    json_object_set_new(o, "half_interval_95", px_json_number(half));
    return o;
}

void px_comparison_json(const px_comparison *c, FILE *out)
{
    json_t *root = json_object(), *runs = json_array(), *rows = json_array();
    for (int i = 0; i < c->runs; i++) {
        json_t *run = px_compare_json_run(&c->run[i]);
        json_object_set_new(run, "row", json_integer(c->run[i].group));
        json_array_append_new(runs, run);
    }
    for (int g = 0; g < c->groups; g++) {
        json_t *means = json_array();
        for (int m = 0; m < c->measures; m++) {
            json_t *mean = mean_of(c, g, m);
            if (mean)
                json_array_append_new(means, mean);
        }
        json_array_append_new(rows, means);
    }
    json_object_set_new(root, "runs", runs);
    json_object_set_new(root, "rows", rows);
    px_json_print(root, out);
}
