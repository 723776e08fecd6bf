/* show_forms.c - the summary of a run for other programs: JSON, and its evaluations as CSV. */
#include "base/error.h"
#include "figures/compare_private.h"
#include "figures/json.h"
#include "figures/plot_private.h"
#include "figures/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *series_of(const plot_run *run, const char *name, int64_t *rows)
{
    int64_t dim[4];
    double *y = px_plot_data(run, 1, dim, "/train/%s", name), low = INFINITY, high = -INFINITY;
    if (!y || dim[0] == 0) {
        free(y);
        return NULL;
    }
    for (int64_t i = 0; i < dim[0]; i++) {
        low = isfinite(y[i]) ? fmin(low, y[i]) : low;
        high = isfinite(y[i]) ? fmax(high, y[i]) : high;
    }
    json_t *o = json_object();
    json_object_set_new(o, "first", px_json_number(y[0]));
    json_object_set_new(o, "last", px_json_number(y[dim[0] - 1]));
    json_object_set_new(o, "least", px_json_number(low));
    json_object_set_new(o, "most", px_json_number(high));
    *rows = dim[0];
    free(y);
    return o;
}

static json_t *training_of(const plot_run *run)
{
    char **names = NULL;
    int count = 0;
    int64_t rows = 0;
    if (!px_results_has(run->results, "/train/step") || px_results_list(run->results, "/train", &names, &count) != 0)
        return json_null();
    json_t *o = json_object(), *all = json_object();
    for (int i = 0; i < count; i++) {
        json_t *series = series_of(run, names[i], &rows);
        if (series)
            json_object_set_new(all, names[i], series);
    }
    px_plot_texts_free(names, count);
    json_object_set_new(o, "rows", json_integer(rows));
    json_object_set_new(o, "series", all);
    return o;
}

static json_t *provenance_of(px_results *r)
{
    char **names;
    int count;
    if (!px_results_has(r, "/provenance") || px_results_attributes(r, "/provenance", &names, &count) != 0)
        return json_null();
    json_t *o = json_object();
    for (int i = 0; i < count; i++) {
        char *value = px_results_attribute_shown(r, "/provenance", names[i]);
        json_object_set_new(o, names[i], px_json_text(value));
        free(value);
    }
    px_plot_texts_free(names, count);
    return o;
}

int px_show_json(FILE *out, const char *const runs[], int count)
{
    json_t *all = json_array();
    int status = 0;
    for (int i = 0; i < count && status == 0; i++) {
        cmp_run r;
        char *file = px_run_file(runs[i]);
        plot_run from = {.name = file, .label = file, .method = file};
        status = px_compare_read_run(&r, px_strdup(runs[i]), runs[i]);
        if (status == 0)
            status = px_run_open(&from.results, runs[i]);
        if (status == 0) {
            json_t *o = px_compare_json_run(&r);
            json_object_set_new(o, "file", px_json_text(file));
            json_object_set_new(o, "training", training_of(&from));
            json_object_set_new(o, "provenance", provenance_of(from.results));
            json_array_append_new(all, o);
            px_results_close(from.results);
        }
        px_compare_run_finish(&r);
        free(file);
    }
    if (status == 0)
        px_json_print(all, out);
    else
        json_decref(all);
    return status;
}

/* "data = a.h5; train = train, 100 images": what the number was measured with, without line breaks. */
static char *one_cell(const char *measured)
{
    char *text = NULL, *lines = px_strdup(measured ? measured : ""), *rest = lines, *line;
    while ((line = strsep(&rest, "\n")))
        if (*line) {
            char *longer = px_format("%s%s%s", text ? text : "", text ? "; " : "", line);
            free(text);
            text = longer;
        }
    free(lines);
    return text ? px_one_line(text) : px_strdup("");
}

int px_show_csv(FILE *out, const char *const runs[], int count)
{
    static const char *const heads[] = {"run",    "protocol", "subject",       "k",
                                        "number", "share",    "holdout_share", "measured"};
    px_table t = {.columns = sizeof heads / sizeof *heads};
    int status = 0;
    for (int i = 0; i < t.columns; i++)
        px_table_add(&t, px_strdup(heads[i]));
    for (int i = 0; i < count && status == 0; i++) {
        cmp_run r;
        status = px_compare_read_run(&r, px_strdup(runs[i]), runs[i]);
        for (int k = 0; k < r.evals && status == 0; k++) {
            const cmp_eval *e = &r.eval[k];
            px_table_add(&t, px_strdup(r.name));
            px_table_add(&t, px_strdup(e->protocol));
            px_table_add(&t, px_strdup(e->subject));
            px_table_add(&t, e->k ? px_format("%d", e->k) : px_strdup(""));
            px_table_add(&t, px_strdup(e->number));
            px_table_add(&t, px_format("%.6f", e->share));
            px_table_add(&t, isfinite(e->holdout) ? px_format("%.6f", e->holdout) : px_strdup(""));
            px_table_add(&t, one_cell(e->measured));
        }
        px_compare_run_finish(&r);
    }
    if (status == 0)
        px_table_print(&t, PX_TABLE_CSV, out);
    px_table_finish(&t);
    return status;
}
