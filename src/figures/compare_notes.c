/* compare_notes.c - what stands below a comparison's table: how its numbers came about, and how far they can be compared. */
#include "base/error.h"
#include "base/student.h"
#include "figures/compare_private.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- measures ---- */

/* What is different between columns of the same protocol and subject. */
static void tell_measures(const px_comparison *c, const cmp_notes *n)
{
    for (int m = 0; m < c->measures; m++) {
        const cmp_measure *a = &c->measure[m];
        if (a->same < 2)
            continue;
        char *name = px_compare_measure_name(a);
        const char *texts[64];
        int count = 0, keys = 0;
        for (int i = 0; i < c->measures && count < 64; i++) {
            const cmp_eval *e = c->measure[i].first;
            if (e->measured && strcmp(e->protocol, a->first->protocol) == 0 &&
                strcmp(e->subject, a->first->subject) == 0)
                texts[count++] = e->measured;
        }
        fprintf(n->out, "%s%s was measured differently from its namesakes: do not compare them:", n->before, name);
        char **key = a->first->measured ? px_measured_differences(texts, count, &keys) : NULL;
        for (int i = 0; i < keys; i++) {
            char *value = px_measured_value(a->first->measured, key[i]);
            if (!px_measured_of_weights(key[i]))
                fprintf(n->out, " %s = %s;", key[i],
                        value                              ? value
                        : strcmp(key[i], "precision") == 0 ? "fp32"
                                                           : "none");
            free(value);
        }
        fputs(a->first->measured ? "\n" : " it does not say how (an earlier version)\n", n->out);
        px_plot_texts_free(key, keys);
        free(name);
    }
}

/* ---- settings ---- */

/* Whether a run has any setting of this part: "simclr." of "simclr.temperature". */
static bool has_part(const cmp_run *r, const char *part, int length)
{
    for (int i = 0; i < r->settings; i++)
        if (strncmp(r->setting[i].key, part, (size_t)length) == 0)
            return true;
    return false;
}

int px_compare_own_part(const px_comparison *c, const char *key)
{
    const char *dot = strchr(key, '.');
    bool lacking = false;
    int length = dot ? (int)(dot + 1 - key) : 0;
    for (int g = 0; g < c->groups && dot; g++)
        lacking |= !has_part(&c->run[c->leader[g]], key, length);
    if (!lacking)
        return 0;
    const char *value = NULL;
    for (int g = 0; g < c->groups; g++) { /* those that have it have it alike */
        const cmp_run *r = &c->run[c->leader[g]];
        const char *own = px_compare_setting(r, key);
        if (has_part(r, key, length) && value && strcmp(value, own) != 0)
            return 0;
        value = has_part(r, key, length) ? own : value;
    }
    return length;
}

/* The names of the rows that have a part: "a, b". */
static void write_owners(const px_comparison *c, FILE *out, const char *part, int length, const char *const *keys,
                         int count)
{
    bool any = false;
    for (int g = 0; g < c->groups; g++)
        if (has_part(&c->run[c->leader[g]], part, length)) {
            char *name = px_compare_row_name(c, g, keys, count);
            fprintf(out, "%s%s", any ? ", " : "", name);
            any = true;
            free(name);
        }
}

/* A line per part that some rows do not have: "simclr.* (only a): temperature=0.2, dim=128". */
static void tell_parts(const px_comparison *c, const cmp_notes *n, const char *const *keys, int count)
{
    for (int k = 0; k < count; k++) {
        int length = px_compare_own_part(c, keys[k]), told = 0;
        bool before = false;
        for (int i = 0; i < k; i++)
            before |=
                length > 0 && strncmp(keys[i], keys[k], (size_t)length) == 0 && px_compare_own_part(c, keys[i]) > 0;
        if (length == 0 || before)
            continue;
        fprintf(n->out, "%s%.*s* (only ", n->before, length, keys[k]);
        write_owners(c, n->out, keys[k], length, keys, count);
        fputs("):", n->out);
        for (int i = k; i < count; i++) {
            if (strncmp(keys[i], keys[k], (size_t)length) != 0 || px_compare_own_part(c, keys[i]) == 0)
                continue;
            const char *value = "";
            for (int g = 0; g < c->groups && !*value; g++)
                value = px_compare_setting(&c->run[c->leader[g]], keys[i]);
            char *shown = px_plot_shorten(value, PLOT_LABEL);
            fprintf(n->out, "%s %s=%s", told++ ? "," : "", keys[i] + length, shown);
            free(shown);
        }
        fputc('\n', n->out);
    }
}

/* Settings that differ between rows, other than those that have columns; those of which only some rows have any come last. */
static void tell_settings(const px_comparison *c, const cmp_notes *n, const char *const *keys, int count)
{
    for (int k = 0; k < count; k++) {
        if (px_compare_has_column(keys[k]) || px_compare_own_part(c, keys[k]) > 0)
            continue;
        fprintf(n->out, "%s%s:", n->before, keys[k]);
        for (int g = 0; g < c->groups; g++) {
            const char *value = px_compare_setting(&c->run[c->leader[g]], keys[k]);
            char *shown = px_plot_shorten(value, PLOT_LABEL);
            fprintf(n->out, "%s %s", g ? "," : "", *shown ? shown : "-");
            free(shown);
        }
        fputc('\n', n->out);
    }
    tell_parts(c, n, keys, count);
}

/* ---- how far a run was ---- */

/* The step that a measurement's weights are of; -1: it does not say. */
static int64_t step_of(const cmp_eval *e)
{
    char *text = e->measured ? px_measured_value(e->measured, "weights_step") : NULL;
    int64_t step = text ? strtoll(text, NULL, 10) : -1;
    free(text);
    return step;
}

/* A run that went on after a probe, or between two of them: its numbers are of different networks. */
static void tell_steps(const px_comparison *c, const cmp_notes *n)
{
    for (int i = 0; i < c->runs; i++) {
        const cmp_run *r = &c->run[i];
        int64_t first = r->steps;
        bool differ = false;
        for (int m = 0; m < c->measures; m++) {
            const cmp_eval *e = px_compare_is_trained(c, m) ? px_compare_eval(r, m) : NULL;
            int64_t step = e ? step_of(e) : -1;
            first = first < 0 ? step : first;
            differ |= step >= 0 && step != first;
        }
        if (!differ)
            continue;
        fprintf(n->out, "%s%s went on between its probes, or after them:", n->before, r->name);
        bool any = false;
        for (int m = 0; m < c->measures; m++) {
            const cmp_eval *e = px_compare_is_trained(c, m) ? px_compare_eval(r, m) : NULL;
            if (!e || step_of(e) < 0)
                continue;
            char *name = px_compare_measure_name(&c->measure[m]);
            fprintf(n->out, "%s %s is of step %lld", any ? "," : "", name, (long long)step_of(e));
            any = true;
            free(name);
        }
        if (r->steps >= 0)
            fprintf(n->out, "; it has %lld steps", (long long)r->steps);
        fputc('\n', n->out);
    }
}

/* ---- differences ---- */

/* The differences of a group's shares to those of the first group, by seed. */
static cmp_numbers paired(const px_comparison *c, int group, int measure)
{
    cmp_numbers d = {NULL, 0};
    for (int i = 0; i < c->runs; i++)
        for (int k = 0; k < c->runs && c->run[i].group == group; k++) {
            const cmp_eval *here = px_compare_eval(&c->run[i], measure), *there = px_compare_eval(&c->run[k], measure);
            if (c->run[k].group == 0 && here && there &&
                strcmp(px_compare_setting(&c->run[i], "seed"), px_compare_setting(&c->run[k], "seed")) == 0)
                px_compare_take(&d, here->share - there->share);
        }
    return d;
}

static void tell_differences(const px_comparison *c, const cmp_notes *n, const char *const *keys, int count)
{
    for (int m = 0; m < c->measures; m++)
        for (int g = 1; g < c->groups; g++) {
            cmp_numbers d = paired(c, g, m);
            double half, mean = px_mean_95(d.x, d.n, &half);
            if (d.n > 1 && px_compare_is_trained(c, m)) {
                char *what = px_compare_measure_name(&c->measure[m]), *one = px_compare_row_name(c, g, keys, count),
                     *other = px_compare_row_name(c, 0, keys, count);
                fprintf(n->out, "%s%s, %s minus %s, paired by %d seeds: %+.2f ± %.2f points%s\n", n->before, what, one,
                        other, d.n, 100 * mean, 100 * half, fabs(mean) > half ? "" : " (may be chance)");
                free(what);
                free(one);
                free(other);
            }
            free(d.x);
        }
}

void px_compare_print_notes(const px_comparison *c, const cmp_notes *n, const char *const *keys, int count)
{
    bool several = false, chosen = false, repeated = false;
    for (int g = 0; g < c->groups; g++) {
        several |= px_compare_members(c, g) > 1;
        for (int m = 0; m < c->measures; m++)
            repeated |= isfinite(px_compare_half_of_probe(c, g, m));
    }
    for (int m = 0; m < c->measures; m++)
        chosen |= px_compare_is_trained(c, m) && px_compare_best_by_holdout(c, m) >= 0;
    fprintf(n->out, "%sNumbers of protocols are percent, top-1 accuracy unless their column says another.\n",
            n->before);
    if (several)
        fprintf(n->out, "%s± is half the width of the 95 %% interval of a mean over seeds (Student's t).\n", n->before);
    if (repeated)
        fprintf(n->out,
                "%s(±) is the same of one run's evaluation, over its own seeds: another run of the pretraining varies "
                "more.\n",
                n->before);
    fprintf(n->out, "%sCore-hours are of the mean run, with evaluations.\n", n->before);
    if (chosen)
        fprintf(n->out, "%s* is best by images held out of the training split, which the test has no part in.\n",
                n->before);
    tell_measures(c, n);
    tell_steps(c, n);
    if (!n->apart)
        tell_settings(c, n, keys, count);
    tell_differences(c, n, keys, count);
}
