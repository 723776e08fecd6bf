/* compare_print.c - a comparison as a table with notes. */
#include "base/error.h"
#include "base/student.h"
#include "figures/compare_private.h"
#include "figures/html.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 3 /* settings that a row's name tells */ };

/* ---- numbers of a group ---- */

void px_compare_take(cmp_numbers *to, double x)
{
    to->x = px_realloc(to->x, (size_t)(to->n + 1) * sizeof *to->x);
    to->x[to->n++] = x;
}

/* The last measurement comes first. */
const cmp_eval *px_compare_eval(const cmp_run *r, int measure)
{
    for (int i = 0; i < r->evals; i++)
        if (r->eval[i].measure == measure)
            return &r->eval[i];
    return NULL;
}

cmp_numbers px_compare_shares(const px_comparison *c, int group, int measure, bool holdout)
{
    cmp_numbers all = {NULL, 0};
    for (int i = 0; i < c->runs; i++) {
        const cmp_eval *e = c->run[i].group == group ? px_compare_eval(&c->run[i], measure) : NULL;
        if (e && isfinite(holdout ? e->holdout : e->share))
            px_compare_take(&all, holdout ? e->holdout : e->share);
    }
    return all;
}

/* Which row is best, and by how much rows differ, is a question of what was trained. */
bool px_compare_is_trained(const px_comparison *c, int measure)
{
    return !px_plot_is_baseline(c->measure[measure].first->subject);
}

int px_compare_members(const px_comparison *c, int group)
{
    int n = 0;
    for (int i = 0; i < c->runs; i++)
        n += c->run[i].group == group;
    return n;
}

/* The group that is best by images held out of the training split, which no test has seen; -1: fewer than two have such a
 * number. */
int px_compare_best_by_holdout(const px_comparison *c, int measure)
{
    int best = -1, have = 0;
    double most = -1;
    for (int g = 0; g < c->groups; g++) {
        cmp_numbers x = px_compare_shares(c, g, measure, true);
        double mean = px_mean_95(x.x, x.n, NULL);
        have += x.n > 0;
        if (x.n > 0 && mean > most) {
            most = mean;
            best = g;
        }
        free(x.x);
    }
    return have > 1 ? best : -1;
}

/* "71.23 ± 0.41", "71.23", "-": percent. `of`: how many seeds the row has; if these are fewer, that is said. */
static char *percent(cmp_numbers x, int of)
{
    double half, mean = px_mean_95(x.x, x.n, &half);
    if (x.n == 0)
        return px_strdup("-");
    char *fewer = x.n < of ? px_format(" (of %d)", x.n) : px_strdup("");
    char *text =
        x.n > 1 ? px_format("%.2f ± %.2f%s", 100 * mean, 100 * half, fewer) : px_format("%.2f%s", 100 * mean, fewer);
    free(fewer);
    return text;
}

/* Half the interval over an evaluation's own repeats, of a row of one run; NaN: there is none. */
double px_compare_half_of_probe(const px_comparison *c, int group, int measure)
{
    const cmp_run *r = &c->run[c->leader[group]];
    for (int i = 0; i < r->evals && px_compare_members(c, group) == 1; i++)
        if (r->eval[i].measure == measure)
            return r->eval[i].half;
    return NAN;
}

/* The cell of a table: a mean over runs, or one run's with the interval of its probe's repeats, in brackets. */
static char *cell(const px_comparison *c, int group, int measure)
{
    cmp_numbers x = px_compare_shares(c, group, measure, false);
    double half = px_compare_half_of_probe(c, group, measure);
    char *text = percent(x, px_compare_members(c, group));
    if (x.n == 1 && isfinite(half)) {
        char *longer = px_format("%s (± %.2f)", text, 100 * half);
        free(text);
        text = longer;
    }
    free(x.x);
    return text;
}

/* ---- names ---- */

/* Keys whose values differ between groups, in their order; a new array of borrowed strings. */
static const char **differing(const px_comparison *c, int *count)
{
    const char **keys = NULL;
    *count = 0;
    for (int g = 0; g < c->groups; g++) {
        const cmp_run *r = &c->run[c->leader[g]];
        for (int i = 0; i < r->settings; i++) {
            const char *key = r->setting[i].key;
            bool known = !px_compare_matters(key), differs = false;
            for (int k = 0; k < *count && !known; k++)
                known = strcmp(keys[k], key) == 0;
            const char *value = px_compare_setting(r, key);
            for (int h = 0; h < c->groups && !known; h++) {
                const cmp_run *other = &c->run[c->leader[h]];
                const char *its = px_compare_setting(other, key);
                bool told = (*value || !r->weights) && (*its || !other->weights);
                differs |= told && strcmp(its, value) != 0;
            }
            if (!known && differs) {
                keys = px_realloc(keys, (size_t)(*count + 1) * sizeof *keys);
                keys[(*count)++] = key;
            }
        }
    }
    return keys;
}

bool px_compare_has_column(const char *key)
{
    return strcmp(key, "method") == 0 || strcmp(key, "backbone") == 0 || strcmp(key, "epochs") == 0;
}

/* A run's name; of several, what they have in common and what differs: "optim.lr=0.1". */
char *px_compare_row_name(const px_comparison *c, int group, const char *const *keys, int count)
{
    const cmp_run *r = &c->run[c->leader[group]];
    char *name = px_strdup("");
    int own = 0;
    for (int k = 0; k < count; k++)
        own += !px_compare_has_column(keys[k]);
    for (int k = 0, told = 0; k < count && own <= NAMED && px_compare_members(c, group) > 1; k++) {
        if (px_compare_has_column(keys[k]))
            continue;
        char *longer = px_format("%s%s%s=%s", name, told++ ? " " : "", keys[k], px_compare_setting(r, keys[k]));
        free(name);
        name = longer;
    }
    if (*name)
        return name;
    free(name);
    return px_compare_members(c, group) > 1 ? px_format("%s and %d more", r->name, px_compare_members(c, group) - 1)
                                            : px_strdup(r->name);
}

/* "linear", "linear untrained", "knn k=20 [b]". */
char *px_compare_measure_name(const cmp_measure *m)
{
    const cmp_eval *e = m->first;
    char k[24] = "", letter[16] = "";
    if (e->k)
        snprintf(k, sizeof k, " k=%d", e->k);
    if (m->same > 1)
        snprintf(letter, sizeof letter, " [%c]", m->number < 26 ? 'a' + m->number : '?');
    bool trained = strcmp(e->subject, "pretrained") == 0;
    const char *number = strcmp(e->number, "top1") == 0 ? "" : e->number;
    return px_format("%s%s%s%s%s%s%s", e->protocol, k, *number ? " " : "", number, trained ? "" : " ",
                     trained ? "" : e->subject, letter);
}

static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- the table ---- */

static char *epochs_text(const cmp_run *r)
{
    double wanted = strtod(px_compare_setting(r, "epochs"), NULL);
    if (!isfinite(r->epochs))
        return px_strdup("-");
    if (wanted - r->epochs > 1e-3 * wanted)
        return px_format("%.4g of %g", r->epochs, wanted);
    return px_format("%.4g", r->epochs);
}

/* The mean cost of a group's runs; "-": not known. */
static char *cost_text(const px_comparison *c, int group, bool joules)
{
    cmp_numbers x = {NULL, 0};
    for (int i = 0; i < c->runs; i++) {
        const px_ledger_total *t = &c->run[i].cost;
        if (c->run[i].group != group || t->sessions == 0 || (joules && t->without_energy))
            continue;
        px_compare_take(&x, joules ? t->sum.joules / 3.6e6 : px_ledger_core_seconds(&t->sum) / 3600);
    }
    double mean = px_mean_95(x.x, x.n, NULL);
    free(x.x);
    return isfinite(mean) ? px_format("%.4g", mean) : px_strdup("-");
}

static bool knows_energy(const px_comparison *c)
{
    for (int i = 0; i < c->runs; i++)
        if (c->run[i].cost.sessions > 0 && c->run[i].cost.without_energy == 0)
            return true;
    return false;
}

/* `csv`: mean, half width and number of seeds are columns of their own. */
static void add_heads(const px_comparison *c, px_table *t, bool csv)
{
    static const char *const heads[] = {"run", "method", "backbone", "data", "epochs", "seeds", "core-hours"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        px_table_add(t, px_strdup(heads[i]));
    if (knows_energy(c))
        px_table_add(t, px_strdup("kWh"));
    for (int m = 0; m < c->measures; m++) {
        char *name = px_compare_measure_name(&c->measure[m]);
        px_table_add(t, px_strdup(name));
        if (csv) {
            px_table_add(t, px_format("%s half_interval", name));
            px_table_add(t, px_format("%s seeds", name));
        }
        free(name);
    }
    t->columns = t->cells;
}

/* Percent; an empty text: there is none. */
static char *plain(double share)
{
    return isfinite(share) ? px_format("%.4f", 100 * share) : px_strdup("");
}

static void add_plain(px_table *t, cmp_numbers x)
{
    double half, mean = px_mean_95(x.x, x.n, &half);
    px_table_add(t, plain(mean));
    px_table_add(t, plain(half));
    px_table_add(t, px_format("%d", x.n));
}

static void add_row(const px_comparison *c, px_table *t, int g, const char *const *keys, int count, bool csv)
{
    const cmp_run *r = &c->run[c->leader[g]];
    int n = px_compare_members(c, g);
    px_table_add(t, px_compare_row_name(c, g, keys, count));
    px_table_add(t, px_strdup(px_compare_setting(r, "method")));
    px_table_add(t, px_strdup(px_compare_setting(r, "backbone")));
    px_table_add(t, px_strdup(file_of(px_compare_setting(r, "data.path"))));
    px_table_add(t, epochs_text(r));
    px_table_add(t, px_format("%d", n));
    px_table_add(t, cost_text(c, g, false));
    if (knows_energy(c))
        px_table_add(t, cost_text(c, g, true));
    for (int m = 0; m < c->measures; m++) {
        if (csv) {
            cmp_numbers x = px_compare_shares(c, g, m, false);
            add_plain(t, x);
            free(x.x);
            continue;
        }
        char *text = cell(c, g, m);
        px_table_add(t, px_compare_is_trained(c, m) && px_compare_best_by_holdout(c, m) == g ? px_format("%s *", text)
                                                                                             : px_strdup(text));
        free(text);
    }
}

/* A page has room: notes are a list, and settings that differ are a table of their own. */
static void print_page_notes(const px_comparison *c, FILE *out, const char *const *keys, int count)
{
    char *text, *rest, *line;
    size_t size;
    FILE *lines = open_memstream(&text, &size);
    PX_CHECK(lines);
    px_compare_print_notes(c, &(cmp_notes){.out = lines, .before = "", .apart = true}, keys, count);
    fclose(lines);
    fputs("<ul class=\"notes\">\n", out);
    for (rest = text; (line = strsep(&rest, "\n"));)
        if (*line)
            fputs("<li>", out), px_html_text(out, line), fputs("</li>\n", out);
    fputs("</ul>\n", out);
    free(text);
}

static void print_page_settings(const px_comparison *c, FILE *out, const char *const *keys, int count)
{
    px_table t = {.columns = c->groups + 1};
    px_table_add(&t, px_strdup("setting"));
    for (int g = 0; g < c->groups; g++)
        px_table_add(&t, px_compare_row_name(c, g, keys, count));
    for (int i = 0; i < 2 * count; i++) { /* first those that rows have differently, then those that some do not have */
        int k = i % count;
        if ((px_compare_own_part(c, keys[k]) > 0) != (i >= count))
            continue;
        px_table_add(&t, px_strdup(keys[k]));
        for (int g = 0; g < c->groups; g++) {
            const char *value = px_compare_setting(&c->run[c->leader[g]], keys[k]);
            px_table_add(&t, px_strdup(*value ? value : "-"));
        }
    }
    fputs("<h3>What differs in configuration</h3>\n", out);
    if (count)
        px_table_print(&t, PX_TABLE_HTML, out);
    else
        fputs("<p>Nothing that changes what is computed.</p>\n", out);
    px_table_finish(&t);
}

void px_comparison_print(const px_comparison *c, px_table_format format, FILE *out)
{
    int count;
    const char **keys = differing(c, &count);
    px_table t = {.columns = 0};
    bool csv = format == PX_TABLE_CSV;
    add_heads(c, &t, csv);
    for (int g = 0; g < c->groups; g++)
        add_row(c, &t, g, keys, count, csv);
    px_table_print(&t, format, out);
    if (format == PX_TABLE_TEXT || format == PX_TABLE_MARKDOWN || format == PX_TABLE_LATEX) {
        const char *before = format == PX_TABLE_MARKDOWN ? "- " : format == PX_TABLE_LATEX ? "% " : "";
        fputs(format == PX_TABLE_LATEX ? "" : "\n", out);
        px_compare_print_notes(c, &(cmp_notes){.out = out, .before = before}, keys, count);
    }
    if (format == PX_TABLE_HTML) {
        print_page_notes(c, out, keys, count);
        print_page_settings(c, out, keys, count);
    }
    px_table_finish(&t);
    free(keys);
}
