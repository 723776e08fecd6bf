/* plot_diagnostics.c - all series of the training beside loss and learning rate, in small panels. */
#include "base/error.h"
#include "figures/plot_panel.h"

#include <stdlib.h>
#include <string.h>

/* Names of all series of all runs, except those of the figure `curves`; sorted, without repetition. */
static char **other_series(const plot_job *job, int *count)
{
    char **names = NULL;
    *count = 0;
    for (int run = 0; run < job->count; run++) {
        char **found = NULL;
        int n = 0;
        if (px_results_has(job->runs[run].results, "/train"))
            px_results_list(job->runs[run].results, "/train", &found, &n);
        for (int i = 0; i < n; i++) {
            static const char *const drawn[] = {"step", "epoch", "loss", "lr"};
            bool known = false;
            for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++)
                known |= strcmp(found[i], drawn[k]) == 0;
            for (int k = 0; k < *count; k++)
                known |= strcmp(found[i], names[k]) == 0;
            if (!known && *count >= PLOT_MOST_PANELS) {
                px_results_leave_out(job->runs[run].results, "series of /train after the first %d", PLOT_MOST_PANELS);
                known = true;
            }
            if (known || !px_plot_series_there(job, found[i])) {
                free(found[i]);
                continue;
            }
            names = px_realloc(names, (size_t)(*count + 1) * sizeof *names);
            names[(*count)++] = found[i];
        }
        free(found);
    }
    return names;
}

/* How a series is shown: "contrast_accuracy" as "contrast accuracy", some in other words or with a unit. */
static plot_panel panel_of(const char *name)
{
    static const plot_panel known[] = {
        {.name = "grad_norm", .label = "gradient norm"},
        {.name = "images_per_second", .label = "images per second"},
        {.name = "data_wait", .label = "wait for data (% of the step)", .scale = 100, .least_top = 1},
        {.name = "embedding_deviation", .label = "embedding deviation (1: even)", .held = true},
        {.name = "embedding_rank", .held = true},
        {.name = "collapsed", .label = "collapsed (1: yes)", .least_top = 1, .held = true},
        {.name = "val_accuracy", .label = "validation accuracy", .held = true},
        {.name = "val_accuracy_average", .label = "validation accuracy of the average", .held = true},
        {.name = "val_seconds", .label = "seconds per validation", .held = true},
        {.name = "skipped", .label = "skipped (1: yes)", .least_top = 1, .held = true},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i];
    return (plot_panel){.name = name};
}

/* Takes the series that are zero throughout out of the list; what is said of them, or NULL. A new string. */
static char *leave_out_zeros(const plot_job *job, char **names, int *count)
{
    char *text = NULL;
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        plot_panel p = panel_of(names[i]);
        if (!px_plot_series_zero(job, &p)) {
            names[kept++] = names[i];
            continue;
        }
        char *longer =
            text ? px_format("%s, %s", text, names[i]) : px_format("left out, zero throughout: %s", names[i]);
        free(text);
        free(names[i]);
        text = longer;
    }
    *count = kept;
    for (char *c = text; c && *c; c++)
        if (*c == '_')
            *c = ' ';
    char *shorter = text ? px_plot_shorten(text, 150) : NULL;
    free(text);
    return shorter;
}

/* Characters cannot be turned: beside the axes the name would lie over the panel before it. */
static void write_below(FILE *f, const char *label, bool by_epoch)
{
    char *text = px_format("%s by %s", label, by_epoch ? "epoch" : "step");
    fputs("if (GPVAL_TERM eq 'dumb') {\nunset label 1\nset xlabel ", f);
    px_gnuplot_text(f, text);
    fputs("\n}\n", f);
    free(text);
}

static void write_diagnostic(FILE *f, const plot_job *job, const plot_figure *figure, plot_box b, plot_panel p)
{
    char *label = px_plot_shorten(p.label ? p.label : p.name, PLOT_LABEL);
    for (char *c = label; *c; c++)
        if (*c == '_')
            *c = ' ';
    px_plot_panel_place(f, figure, b, label);
    write_below(f, label, p.by_epoch);
    px_plot_panel_write(f, job, figure, b, &p);
    free(label);
}

static int draw_all(plot_job *job)
{
    enum {
        WIDTH = 700,
        HEIGHT = 390,
        BELOW = 115
    }; /* of a panel with all that is around it; of this, what is below the axes */
    int count;
    char **names = other_series(job, &count), *zeros = leave_out_zeros(job, names, &count);
    if (count == 0) {
        free(names);
        free(zeros);
        return px_plot_left_out(job, "diagnostics: no series in /train beside loss and lr, or all of them zero");
    }
    bool by_epoch = px_plot_axis_is_epoch(job), several = job->count > 1;
    int columns = count > 1 ? 2 : 1, rows = (count + columns - 1) / columns, width = columns * WIDTH,
        legend = several ? px_plot_legend_rows(job, width - 50, "") : 0,
        top = 48 + PLOT_NOTE + PLOT_ROW * legend + (zeros ? 22 : 0);
    plot_figure *figure = px_plot_begin(job, "diagnostics", -1, width, top + rows * HEIGHT);
    FILE *f = figure->script;
    fprintf(f, "set multiplot\nset label 2 'Training series' at screen 0.5, screen %g center font ',16'\n",
            1 - 24.0 / figure->height);
    if (zeros) {
        fputs("set label 4 ", f);
        px_gnuplot_text(f, zeros);
        fprintf(f, " at screen 0.5, screen %g center font ',11' tc rgb '#666666'\n", 1 - 48.0 / figure->height);
        free(zeros);
    }
    fprintf(f, "set key off\nset xlabel '%s'\n", by_epoch ? "epoch" : "step");
    px_plot_x_range(f, job, by_epoch);
    for (int i = 0; i < count; i++) {
        plot_panel p = panel_of(names[i]);
        int x = i % columns * WIDTH, y = top + i / columns * HEIGHT;
        plot_box b = {x + PLOT_LEFT, x + WIDTH - 30, y, y + HEIGHT - BELOW};
        p.by_epoch = by_epoch;
        p.smooth = !p.held;
        if (i == 0 && several) {
            p.legend = PLOT_RUNS;
            px_plot_legend_place(f, figure, (plot_box){b.left, figure->width - 30, b.top, b.bottom}, legend);
        }
        write_diagnostic(f, job, figure, b, p);
        fputs("unset label 2\nunset label 4\nset key off\n", f);
        free(names[i]);
    }
    free(names);
    fputs("unset multiplot\n", f);
    return px_plot_end(job, figure);
}

const px_chart px_chart_diagnostics = {
    .name = "diagnostics",
    .summary = "all other series of the training: gradient norm, images per second, ...",
    .group = "/train",
    .draw = draw_all,
};
