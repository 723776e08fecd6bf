/* plot_curves.c - training loss and learning rate. */
#include "base/error.h"
#include "figures/plot_panel.h"

#include <stdlib.h>

static int draw_all(plot_job *job)
{
    enum { WIDTH = 1200, LOSS = 480, GAP = 40, RATE = 210, BOTTOM = 80 };
    bool rate = px_plot_series_there(job, "lr") && !px_plot_series_zero(job, &(plot_panel){.name = "lr"}),
         by_epoch = px_plot_axis_is_epoch(job);
    if (!px_plot_series_there(job, "loss"))
        return px_plot_left_out(job, "curves: no /train/loss");
    int rows = px_plot_legend_rows(job, WIDTH - 60, ": ends near 1.2345"), top = 52 + PLOT_NOTE + PLOT_ROW * rows;
    plot_box loss = {PLOT_LEFT, WIDTH - 40, top, top + LOSS},
             below = {PLOT_LEFT, WIDTH - 40, top + LOSS + GAP, top + LOSS + GAP + RATE};
    plot_figure *figure = px_plot_begin(job, "curves", -1, WIDTH, (rate ? below.bottom : loss.bottom) + BOTTOM);
    FILE *f = figure->script;
    char *title = job->count == 1 && *job->runs[0].method ? px_format("Pretraining with %s", job->runs[0].method)
                                                          : px_strdup("Pretraining");
    fputs("set multiplot\nset label 2 ", f);
    px_gnuplot_text(f, title);
    fprintf(f, " at screen 0.5, screen %g center font ',16' tc rgb '#222222'\n", 1 - 28.0 / figure->height);
    free(title);
    px_plot_x_range(f, job, by_epoch);
    const char *x_label =
        by_epoch ? "set format x '%g'\nset xlabel 'epoch'\n" : "set format x '%g'\nset xlabel 'step'\n";
    fputs(rate ? "set format x ''\n" : x_label, f);
    px_plot_panel_place(f, figure, loss, "training loss");
    px_plot_legend_place(f, figure, loss, rows);
    px_plot_panel_write(
        f, job, figure, loss,
        &(plot_panel){.name = "loss", .by_epoch = by_epoch, .smooth = true, .legend = PLOT_LAST_VALUES});
    if (rate) {
        fprintf(f, "unset label 2\nset key off\nset ytics autofreq\n%s", x_label);
        px_plot_panel_place(f, figure, below, "learning rate");
        px_plot_panel_write(f, job, figure, below, &(plot_panel){.name = "lr", .by_epoch = by_epoch});
    }
    fputs("unset multiplot\n", f);
    return px_plot_end(job, figure);
}

const px_chart px_chart_curves = {
    .name = "curves",
    .summary = "training loss (with a smoothed line where it is long enough) and learning rate",
    .group = "/train",
    .draw = draw_all,
};
