/* show_evals.c - the evaluations of a run as a table for the terminal: what was reached, and on what it was measured. */
#include "base/error.h"
#include "eval/protocol.h"
#include "figures/plot_private.h"
#include "figures/show_private.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_WIDTH = 7 /* of a column: "100.00%" */ };

/* The two columns of a protocol's numbers. An empty name: it has one only. */
typedef struct columns {
    const char *name[2];
    int width[2];
} columns;

static bool is_one_number(px_results *r, const plot_eval *e, const char *name)
{
    char *path = px_format("/eval/%s/%s/%s", e->protocol, e->subject, name);
    double *value = NULL;
    int rank = -1;
    int64_t dim[4];
    bool one = px_results_has(r, path) && px_results_get(r, path, &value, &rank, dim) == 0 && rank == 0;
    free(value);
    free(path);
    return one;
}

/* The protocol's first two numbers. An array over something else than k has no single number. */
static columns columns_of(px_results *r, const plot_eval *e)
{
    const px_protocol *p = px_protocols[px_protocol_index(e->protocol)];
    const char *const *names = px_protocol_numbers(p);
    bool second = names[1] && (!p || !p->axis || e->k || is_one_number(r, e, names[1]));
    columns c = {.name = {names[0], second ? names[1] : ""}};
    for (int i = 0; i < 2; i++) {
        if (strcmp(c.name[i], "top1") == 0 || strcmp(c.name[i], "top5") == 0)
            c.name[i] = i == 0 ? "top-1" : "top-5";
        int length = (int)strlen(c.name[i]);
        c.width[i] = length > LEAST_WIDTH ? length : LEAST_WIDTH;
    }
    return c;
}

static void print_heads(FILE *out, const columns *c)
{
    bool right = strcmp(c->name[0], "top-1") == 0; /* shares of right answers, of which classes have their own */
    fprintf(out, "  %-14s %-18s  %*s", "protocol", "subject", c->width[0], c->name[0]);
    if (*c->name[1])
        fprintf(out, "  %*s", c->width[1], c->name[1]);
    fputs(right ? "  worst class\n" : "\n", out);
}

static void print_percent(FILE *out, double share, int width)
{
    if (isfinite(share))
        fprintf(out, "  %*.2f%%", width - 1, 100 * share);
    else
        fprintf(out, "  %*s", width, "-");
}

/* Prints the name of the class with the lowest recall. */
static void print_worst(FILE *out, px_results *r, const plot_eval *e, const char *group)
{
    char *path = px_format("%s/per_class", group), *names_path = px_plot_class_path(r, e), **names = NULL;
    double *recall;
    int rank, count = 0;
    int64_t dim[4], worst = 0;
    if (px_results_has(r, path) && px_results_get(r, path, &recall, &rank, dim) == 0) {
        if (px_results_has(r, names_path))
            px_results_get_texts(r, names_path, &names, &count);
        for (int64_t i = 0; rank == 1 && i < dim[0]; i++)
            if (recall[i] < recall[worst])
                worst = i;
        if (rank == 1 && dim[0] > 0 && worst < count)
            fputs("  ", out), px_show_name(out, names[worst], 0), fprintf(out, " %.1f%%", 100 * recall[worst]);
        else if (rank == 1 && dim[0] > 0)
            fprintf(out, "  class %lld %.1f%%", (long long)worst, 100 * recall[worst]);
        px_plot_texts_free(names, count);
        free(recall);
    }
    free(names_path);
    free(path);
}

/* Prints the probes of all stages below the row of the whole backbone; most evaluations have none. */
static void print_layers(FILE *out, px_results *r, const char *group, int most)
{
    char *path = px_format("%s/layers/top1", group), *names_path = px_format("%s/layers/names", group), **names = NULL;
    double *top1;
    int rank, count = 0;
    int64_t dim[4];
    if (px_results_has(r, path) && px_results_has(r, names_path) && px_results_get(r, path, &top1, &rank, dim) == 0) {
        px_results_get_texts(r, names_path, &names, &count);
        for (int64_t i = 0; rank == 1 && i < dim[0] && i < (count < most ? count : most); i++) {
            fprintf(out, "  %-14s   ", "");
            px_show_name(out, names[i], 12);
            print_percent(out, top1[i], LEAST_WIDTH);
            fputc('\n', out);
        }
        px_show_more(out, "  ", count - most, "stages");
        px_plot_texts_free(names, count);
        free(top1);
    }
    free(names_path);
    free(path);
}

/* Prints what all evaluations have in common; where they differ, it stands in their rows. */
static void print_measured(FILE *out, const plot_eval *evals, int count)
{
    static const struct {
        const char *key, *said;
    } parts[] = {{"data", ""},
                 {"data_crc", "CRC "},
                 {"train", "learned from "},
                 {"test", "tested on "},
                 {"weights_step", "step "}};
    int printed = 0;
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        char *value = NULL;
        bool same = true;
        for (int i = 0; i < count; i++) {
            char *own = evals[i].measured ? px_measured_value(evals[i].measured, parts[k].key) : NULL;
            same &= !own || !value || strcmp(own, value) == 0;
            if (value)
                free(own);
            else
                value = own;
        }
        if (value && same) {
            fputs(printed++ ? "; " : "  measured on ", out);
            fputs(parts[k].said, out);
            px_show_name(out, value, 0);
        }
        free(value);
    }
    if (printed)
        fputc('\n', out);
}

/* Prints the numbers, and after them the interval in which the mean of the first lies, if it is known. */
static void print_numbers(FILE *out, const plot_run *run, const plot_eval *e, const columns *c)
{
    const char *const *names = px_protocol_numbers(px_protocols[px_protocol_index(e->protocol)]);
    print_percent(out, px_plot_eval_number(run, e, names[0]), c->width[0]);
    if (*c->name[1])
        print_percent(out, px_plot_eval_number(run, e, names[1]), c->width[1]);
    char *name = px_format("%s_interval", names[0]);
    double half = px_plot_eval_number(run, e, name);
    if (isfinite(half))
        fprintf(out, "  +- %.2f", 100 * half);
    free(name);
}

void px_show_evaluations(FILE *out, px_results *r, int most)
{
    plot_run run = {.results = r};
    int count;
    plot_eval *evals = px_plot_evals(&(plot_job){.runs = &run, .count = 1}, &count);
    columns heads = {.name = {"", ""}};
    if (count)
        fputs("\nEvaluations\n", out);
    for (int i = 0; i < count; i++) {
        columns c = columns_of(r, &evals[i]);
        if (strcmp(c.name[0], heads.name[0]) != 0 || strcmp(c.name[1], heads.name[1]) != 0)
            print_heads(out, &c);
        heads = c;
        char *group = px_format("/eval/%s/%s", evals[i].protocol, evals[i].subject);
        char *protocol = evals[i].k ? px_format("%s, k = %d", evals[i].protocol, evals[i].k) : NULL;
        fputs("  ", out);
        px_show_name(out, protocol ? protocol : evals[i].protocol, 14);
        fputc(' ', out);
        px_show_name(out, evals[i].subject, 18);
        free(protocol);
        print_numbers(out, &run, &evals[i], &c);
        print_worst(out, r, &evals[i], group);
        fputc('\n', out);
        if (evals[i].note && *evals[i].note)
            fprintf(out, "  %-14s   ", ""), px_show_name(out, evals[i].note, 0), fputc('\n', out);
        print_layers(out, r, group, most);
        free(group);
    }
    print_measured(out, evals, count);
    px_plot_evals_free(evals, count);
}
