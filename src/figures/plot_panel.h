/* plot_panel.h - panels of figures: one training series of all runs each. Lengths are pixels of the figure, counted from
 * its left and its top. */
#ifndef PX_FIGURES_PLOT_PANEL_H
#define PX_FIGURES_PLOT_PANEL_H

#include "figures/plot_private.h"

typedef struct plot_panel {
    const char *name, *label; /* of the series, and what stands beside the axis */
    bool by_epoch, smooth;
    enum { PLOT_NO_LEGEND, PLOT_RUNS, PLOT_LAST_VALUES } legend;
    double scale;     /* of the values; 0: 1 */
    double least_top; /* the picture reaches at least up to here */
    bool held;        /* a flag, or a value that stands until the next is measured: not to be smoothed */
} plot_panel;

/* The axes of a panel. */
typedef struct plot_box {
    int left, right, top, bottom;
} plot_box;

/* Room left of the axes, for wide labels of tics and the panel's own; above them, for the note; a row of a legend. */
enum { PLOT_LEFT = 145, PLOT_NOTE = 26, PLOT_ROW = 26 };

/* Whether a run has the series, with a finite value in it; whether all its values are zero, or too small to be seen. */
bool px_plot_series_there(const plot_job *, const char *name);
bool px_plot_series_zero(const plot_job *, const plot_panel *);

/* Horizontal axis: epochs if every run that has training series can count in them; from zero to the longest run's end. */
bool px_plot_axis_is_epoch(const plot_job *);
void px_plot_x_range(FILE *, const plot_job *, bool by_epoch);

/* How many rows a legend of all runs takes in this many pixels, where `more` follows each name. It stands
 * above the axes and the note: within them it would cover the curves and cut the grid. */
int px_plot_legend_rows(const plot_job *, int width, const char *more);
void px_plot_legend_place(FILE *, const plot_figure *, plot_box, int rows);

/* Axes and label; then the lines, and a note of what the axis does not show. Nothing is written where no run has the
 * series. */
void px_plot_panel_place(FILE *, const plot_figure *, plot_box, const char *label);
void px_plot_panel_write(FILE *, const plot_job *, const plot_figure *, plot_box, const plot_panel *);

#endif
