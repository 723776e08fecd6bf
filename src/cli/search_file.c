/* search_file.c - see search_file.h. */
#include "cli/search_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "results/results.h"
#include "train/changes.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The numbers that a candidate has in the file. */
static const struct column {
    const char *path;
    size_t offset;
} columns[] = {{"/candidates/score", offsetof(px_candidate, score)},
               {"/candidates/multiply_adds", offsetof(px_candidate, multiply_adds)},
               {"/candidates/parameters", offsetof(px_candidate, parameters)},
               {"/candidates/core_seconds", offsetof(px_candidate, core_seconds)}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static double *field(px_candidate *c, int column)
{
    return (double *)(void *)((char *)c + columns[column].offset);
}

/* Each candidate's own. */
static const char *const may_change[] = {"nasnet.normal", "nasnet.reduction", NULL};

/* What makes a search by other numbers another one. */
typedef struct rule {
    const char *name;
    double value;
} rule;
enum { RULES = 5 };

static void rules_of(const px_search_cfg *c, rule rules[RULES])
{
    const rule all[RULES] = {{"population", c->population},
                             {"sample", c->sample},
                             {"generation", c->generation},
                             {"blocks", c->blocks},
                             {"seed", (double)c->seed}};
    memcpy(rules, all, sizeof all);
}

static int begin(px_search_file *f, const px_search_cfg *cfg, const char *config)
{
    rule rules[RULES];
    rules_of(cfg, rules);
    int status = px_results_put_text(f, "/config", config);
    for (int i = 0; i < RULES && status == 0; i++)
        status = px_results_attribute_real(f, "/candidates", rules[i].name, rules[i].value);
    return status == 0 ? px_results_flush(f) : status;
}

static int same_rules(px_search_file *f, const char *folder, const px_search_cfg *cfg)
{
    rule rules[RULES];
    rules_of(cfg, rules);
    for (int i = 0; i < RULES; i++) {
        double before;
        if (px_results_get_attribute_real(f, "/candidates", rules[i].name, &before) != 0)
            return -1;
        if (before != rules[i].value)
            return px_fail(PX_USAGE,
                           "%s: its search has search.%s = %.0f, not %.0f; another one takes another out=", folder,
                           rules[i].name, before, rules[i].value);
    }
    return 0;
}

static int read_results(px_search_file *f, const px_search_cfg *cfg, px_candidate *all, int *done)
{
    *done = 0;
    if (!px_results_has(f, columns[0].path))
        return 0;
    for (int k = 0; k < COLUMNS; k++) {
        double *data;
        int rank;
        int64_t dim[4];
        if (px_results_get(f, columns[k].path, &data, &rank, dim) != 0)
            return -1;
        *done = dim[0] < cfg->candidates ? (int)dim[0] : cfg->candidates;
        for (int i = 0; i < *done; i++)
            *field(&all[i], k) = data[i];
        free(data);
    }
    return 0;
}

int px_search_file_open(px_search_file **out, const char *folder, const px_search_cfg *cfg, const char *config,
                        px_candidate *all, int *done, px_log *log)
{
    char *path = px_format("%s/search.h5", folder), *before = NULL;
    int status = px_results_open(out, path, PX_RESULTS_APPEND);
    free(path);
    if (status != 0)
        return -1;
    if (!px_results_has(*out, "/config"))
        status = begin(*out, cfg, config);
    else if ((status = px_results_get_text(*out, "/config", &before)) == 0 &&
             (status = same_rules(*out, folder, cfg)) == 0 &&
             (status = px_changes_refuse(before, config, may_change, folder)) == 0)
        px_changes_tell(log, &(px_changes){.before = before, .now = config, .asked = config, .usual = config});
    free(before);
    if (status == 0)
        status = read_results(*out, cfg, all, done);
    if (status != 0)
        px_results_abandon(*out);
    return status;
}

static int same_cells(px_search_file *f, const char *path, const px_candidate *all, size_t cell, int first, int end)
{
    char **texts;
    int count;
    if (px_results_get_texts(f, path, &texts, &count) != 0)
        return -1;
    int status = 0;
    for (int i = first; i < end && status == 0; i++) {
        char *text = px_cell_text((const px_cell *)(const void *)((const char *)&all[i] + cell));
        if (i >= count || strcmp(text, texts[i]) != 0)
            status = px_fail(PX_DATA, "search.h5: %s of candidate %d is not what this search would try", path, i);
        free(text);
    }
    for (int i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    return status;
}

int px_search_file_check(px_search_file *f, const px_candidate *all, int first, int end)
{
    if (first >= end)
        return 0;
    int status = same_cells(f, "/candidates/normal", all, offsetof(px_candidate, normal), first, end);
    return status == 0 ? same_cells(f, "/candidates/reduction", all, offsetof(px_candidate, reduction), first, end)
                       : status;
}

static int write_texts(px_search_file *f, const px_candidate *all, int done)
{
    char **normal = px_calloc((size_t)done, sizeof *normal), **reduction = px_calloc((size_t)done, sizeof *reduction);
    const char **strategy = px_calloc((size_t)done, sizeof *strategy);
    for (int i = 0; i < done; i++) {
        normal[i] = px_cell_text(&all[i].normal);
        reduction[i] = px_cell_text(&all[i].reduction);
        strategy[i] = all[i].evolved ? "evolution" : "random";
    }
    int status = px_results_put_texts(f, "/candidates/normal", (const char *const *)normal, done);
    if (status == 0)
        status = px_results_put_texts(f, "/candidates/reduction", (const char *const *)reduction, done);
    if (status == 0)
        status = px_results_put_texts(f, "/candidates/strategy", strategy, done);
    for (int i = 0; i < done; i++) {
        free(normal[i]);
        free(reduction[i]);
    }
    free(normal);
    free(reduction);
    free(strategy);
    return status;
}

int px_search_file_write(px_search_file *f, const px_candidate *all, int done)
{
    const int64_t dim[1] = {done};
    double *values = px_calloc((size_t)done, sizeof *values);
    int32_t *parents = px_calloc((size_t)done, sizeof *parents);
    int status = write_texts(f, all, done);
    for (int k = 0; k < COLUMNS && status == 0; k++) {
        for (int i = 0; i < done; i++) {
            px_candidate one = all[i];
            values[i] = *field(&one, k);
        }
        status = px_results_put(f, columns[k].path, PX_F64, 1, dim, values);
    }
    for (int i = 0; i < done; i++)
        parents[i] = all[i].parent;
    if (status == 0)
        status = px_results_put(f, "/candidates/parent", PX_I32, 1, dim, parents);
    free(values);
    free(parents);
    return status == 0 ? px_results_flush(f) : status;
}

int px_search_file_close(px_search_file *f)
{
    return px_results_close(f);
}
