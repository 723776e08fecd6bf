/* plot_panel.c - a panel of a figure: one training series of all runs, its range, lines, legend and note. */
#include "figures/plot_panel.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMOOTH_FROM = 100, SMOOTH_POINTS = 800, RAW_POINTS = 4000, MARKS = 10 /* along a line */ };

typedef struct series {
    int64_t count;
    double *x, *y;
} series;

static void series_finish(series *s)
{
    free(s->x);
    free(s->y);
    *s = (series){0};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* /train/epoch serves as the axis only where it counts fractions; whole numbers would pile points up. */
static bool fractional(const double *epoch, int64_t count)
{
    int64_t grows = 0;
    for (int64_t i = 1; i < count; i++) {
        if (!(epoch[i] >= epoch[i - 1]))
            return false;
        grows += epoch[i] > epoch[i - 1];
    }
    return count > 1 && grows >= (count - 1) * 9 / 10;
}

static double *axis(const plot_run *run, bool by_epoch, int64_t *count)
{
    int64_t dim[4];
    double *x = px_plot_data(run, 1, dim, "/train/%s", by_epoch ? "epoch" : "step");
    *count = x ? dim[0] : 0;
    return x;
}

/* Epochs, if every run that has training series can count in them. */
bool px_plot_axis_is_epoch(const plot_job *job)
{
    bool yes = true;
    for (int i = 0; yes && i < job->count; i++) {
        int64_t count;
        double *x = axis(&job->runs[i], true, &count);
        yes = x ? fractional(x, count) : !px_results_has(job->runs[i].results, "/train/step");
        free(x);
    }
    return yes;
}

/* False if the run has no such series, or no finite value in it. A live run's columns may differ in length. */
static bool series_load(const plot_run *run, const char *name, bool by_epoch, series *s)
{
    int64_t dim[4], count = 0;
    *s = (series){.y = px_plot_data(run, 1, dim, "/train/%s", name)};
    s->x = s->y ? axis(run, by_epoch, &count) : NULL;
    if (s->x && s->y)
        s->count = dim[0] < count ? dim[0] : count;
    if (s->count > PLOT_MOST_ROWS) {
        px_results_leave_out(run->results, "/train/%s: %lld rows, but at most %d are drawn", name, (long long)s->count,
                             PLOT_MOST_ROWS);
        s->count = 0;
    }
    bool any = false;
    for (int64_t i = 0; i < s->count; i++) {
        if (!px_plot_drawable(s->x[i]) || !px_plot_drawable(s->y[i]))
            s->y[i] = NAN;
        if (!px_plot_drawable(s->x[i]))
            s->x[i] = i > 0 ? s->x[i - 1] : 0;
        any |= !isnan(s->y[i]);
    }
    if (!any)
        series_finish(s);
    return any;
}

/* ---- data blocks ---- */

static void write_point(FILE *f, double x, double y)
{
    if (isfinite(y))
        fprintf(f, "%.9g %.7g\n", x, y);
    else
        fprintf(f, "%.9g NaN\n", x); /* a gap in the line: here training had diverged */
}

/* Long series keep each bucket's extremes, so that spikes stay visible. */
static void write_raw(FILE *f, int run, const series *s)
{
    fprintf(f, "$raw%d << EOD\n", run);
    int64_t bucket = s->count > RAW_POINTS ? (s->count * 2 + RAW_POINTS - 1) / RAW_POINTS : 1;
    for (int64_t i = 0; i < s->count; i += bucket) {
        int64_t low = i, high = i;
        for (int64_t j = i; j < i + bucket && j < s->count; j++) {
            low = s->y[j] < s->y[low] ? j : low;
            high = s->y[j] > s->y[high] ? j : high;
        }
        int64_t first = low < high ? low : high, second = low < high ? high : low;
        write_point(f, s->x[first], s->y[first]);
        if (second != first)
            write_point(f, s->x[second], s->y[second]);
    }
    fputs("EOD\n", f);
}

/* A Gaussian window centred on each point, so that the curve does not lag; sigma is one hundredth of the series. What
 * lies above the picture counts as at its upper edge: one spike would bend the line for long. */
static double smooth_at(const series *s, double centre, double sigma, double ceiling)
{
    int64_t from = (int64_t)fmax(0, centre - 3 * sigma), to = (int64_t)fmin((double)s->count - 1, centre + 3 * sigma);
    double sum = 0, weight = 0, w = 0;
    int64_t alike = (int64_t)(sigma / 100) + 1; /* neighbours share a weight, since exp() takes long */
    for (int64_t i = from; i <= to; i++) {
        double away = ((double)i - centre) / sigma;
        if ((i - from) % alike == 0)
            w = exp(-away * away / 2);
        if (isfinite(s->y[i])) {
            sum += w * fmin(s->y[i], ceiling);
            weight += w;
        }
    }
    return weight > 0 ? sum / weight : NAN;
}

static void write_smooth(FILE *f, int run, const series *s, double ceiling)
{
    fprintf(f, "$smooth%d << EOD\n", run);
    int64_t points = s->count < SMOOTH_POINTS ? s->count : SMOOTH_POINTS;
    for (int64_t k = 0; k < points; k++) {
        int64_t i = points > 1 ? k * (s->count - 1) / (points - 1) : 0;
        write_point(f, s->x[i], isfinite(s->y[i]) ? smooth_at(s, (double)i, (double)s->count / 100, ceiling) : NAN);
    }
    fputs("EOD\n", f);
}

/* ---- a panel ---- */

/* One run's series in a panel. */
typedef struct curve {
    int run;
    series s;
    double last; /* as drawn: smoothed where the line is */
    bool smooth;
} curve;

/* The vertical axis of a panel, and the highest value there is, which may lie above it. */
typedef struct extent {
    double bottom, top, most;
} extent;

/* Pixels from the axes to the middle of their label. */
enum { LABEL = 122 };

/* The label has a place of its own: gnuplot's would be pushed out of the figure by wide tics. */
void px_plot_panel_place(FILE *f, const plot_figure *figure, plot_box b, const char *label)
{
    double width = figure->width, height = figure->height;
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            b.left / width, b.right / width, 1 - b.top / height, 1 - b.bottom / height);
    fputs("set label 1 ", f);
    px_gnuplot_text(f, label);
    fprintf(f, " at screen %g, screen %g center rotate by 90 tc rgb '#222222'\n", (b.left - LABEL) / width,
            1 - 0.5 * (b.top + b.bottom) / height);
}

/* How many rows a legend of all runs takes in this many pixels, where `more` characters follow each name. */
int px_plot_legend_rows(const plot_job *job, int width, const char *more)
{
    char **texts = px_calloc((size_t)job->count + 1, sizeof *texts);
    for (int i = 0; i < job->count; i++)
        texts[i] = px_format("%s%s", job->runs[i].label, more);
    int columns = px_plot_legend_columns(texts, job->count, width);
    px_plot_texts_free(texts, job->count);
    return (job->count + columns - 1) / columns;
}

/* The legend stands above the axes: within them it would cover the curves and cut the grid. */
void px_plot_legend_place(FILE *f, const plot_figure *figure, plot_box b, int rows)
{
    fprintf(f, "set key at screen %g, screen %g right bottom vertical maxrows %d samplen 2.5\n",
            (double)b.right / figure->width, 1 - (b.top - (double)PLOT_NOTE) / figure->height, rows);
}

/* What the axis does not show of the values, and what was done to them: between the axes and the legend. */
static void place_note(FILE *f, const plot_figure *figure, plot_box b, const extent *e, bool smoothed)
{
    char cut[64] = "";
    if (e->most > e->top)
        snprintf(cut, sizeof cut, "values up to %.3g are cut", e->most);
    const char *zoomed = e->bottom > 0 ? "vertical axis begins above 0"
                         : e->top < 0  ? "vertical axis ends below 0"
                                       : "";
    const char *const parts[] = {zoomed, cut, smoothed ? "lines are smoothed" : ""};
    fputs("set label 3 '", f);
    for (int i = 0, written = 0; i < 3; i++)
        if (*parts[i])
            fprintf(f, "%s%s", written++ ? ", " : "", parts[i]);
    fprintf(f, "' at screen %g, screen %g left font ',11' tc rgb '#666666'\n", (double)b.left / figure->width,
            1 - (b.top - 11.0) / figure->height);
}

static double last_of(const series *s, bool smooth)
{
    int64_t i = s->count - 1;
    while (i > 0 && !isfinite(s->y[i]))
        i--;
    return smooth ? smooth_at(s, (double)i, (double)s->count / 100, INFINITY) : s->y[i];
}

/* The highest half percent is left out where it would flatten the rest, as spikes of the first steps may. */
static double highest_shown(const double *sorted, int64_t n)
{
    double usual = sorted[n > SMOOTH_FROM ? (n - 1) * 995 / 1000 : n - 1], most = sorted[n - 1];
    return most - sorted[0] > 1.5 * (usual - sorted[0]) ? usual : most;
}

static extent find_range(const curve *all, int count)
{
    double low = INFINITY, high = -INFINITY, most = -INFINITY;
    for (int r = 0; r < count; r++) {
        const series *s = &all[r].s;
        double *sorted = px_calloc((size_t)s->count + 1, sizeof *sorted);
        int64_t n = 0;
        for (int64_t i = 0; i < s->count; i++)
            if (isfinite(s->y[i]))
                sorted[n++] = s->y[i];
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
        if (n > 0) {
            low = fmin(low, sorted[0]);
            high = fmax(high, highest_shown(sorted, n));
            most = fmax(most, sorted[n - 1]);
        }
        free(sorted);
    }
    double margin = high > low ? 0.05 * (high - low) : fmax(fabs(high) * 0.1, 1e-6);
    margin = fmax(margin, 1e-6 * fabs(high));   /* not less than what is left of the digits that are written */
    bool near = low >= 0 && low <= 0.25 * high; /* zero: show how near */
    return (extent){near ? 0 : low - margin, high + margin, most};
}

/* "lines lt 1 lw 2.2 lc rgb '#0072B2' ": how a run's line of this many points looks. */
static void write_style(FILE *f, const plot_job *job, int run, int64_t points)
{
    int mark = px_plot_mark(job, run);
    if (mark)
        fprintf(f, "linespoints pt %d ps 1 pi %d", mark, (int)(points / MARKS) + 1);
    else
        fputs(points < 30 ? "linespoints pt 7 ps 0.7" : "lines", f);
    int line = job->gnuplot.columns ? run + 1 : 1; /* characters have no colours */
    fprintf(f, " lt %d lw 2.2 lc rgb '#%s' ", line, px_gnuplot_colour(run));
}

/* One run's part of a plot command: the series, pale where a smoothed one is drawn over it. Of many runs the pale ones
 * would hide each other. */
static void write_line(FILE *f, const plot_job *job, const curve *c, const plot_panel *p)
{
    int64_t points = c->smooth && c->s.count > SMOOTH_POINTS ? SMOOTH_POINTS : c->s.count;
    if (c->smooth && job->count <= PLOT_FEW_RUNS)
        fprintf(f, "$raw%d using 1:2 with lines lt 1 lw 1 lc rgb '#B0%s' notitle, \\\n  ", c->run,
                px_gnuplot_colour(c->run));
    fprintf(f, "$%s%d using 1:2 with ", c->smooth ? "smooth" : "raw", c->run);
    write_style(f, job, c->run, points);
    if (p->legend != PLOT_LAST_VALUES) {
        fputs("notitle", f);
        return;
    }
    char *text = px_format("%s: ends %s %.4g", job->runs[c->run].label, c->smooth ? "near" : "at", c->last);
    fputs("title ", f);
    px_gnuplot_text(f, text);
    free(text);
}

/* All runs, those that lack the panel's series, too: the legend is that of the whole figure. */
static void write_legend(FILE *f, const plot_job *job)
{
    for (int i = 0; i < job->count; i++) {
        fputs(", \\\n  NaN with ", f);
        write_style(f, job, i, SMOOTH_POINTS);
        fputs("title ", f);
        px_gnuplot_text(f, job->runs[i].label);
    }
}

/* The highest at the end comes first, as at the right end of the picture. */
static int by_last(const void *a, const void *b)
{
    const curve *x = a, *y = b;
    return x->last < y->last ? 1 : x->last > y->last ? -1 : x->run - y->run;
}

/* The series of all runs that have it; their number. Free each, then the array. */
static int load_curves(const plot_job *job, const plot_panel *p, curve **all)
{
    int found = 0;
    *all = px_calloc((size_t)job->count + 1, sizeof **all);
    for (int i = 0; i < job->count; i++) {
        curve *c = &(*all)[found];
        if (!series_load(&job->runs[i], p->name, p->by_epoch, &c->s))
            continue;
        for (int64_t k = 0; k < c->s.count; k++)
            c->s.y[k] *= p->scale > 0 ? p->scale : 1;
        c->run = i;
        c->smooth = p->smooth && c->s.count >= SMOOTH_FROM;
        c->last = last_of(&c->s, c->smooth);
        found++;
    }
    if (p->legend == PLOT_LAST_VALUES)
        qsort(*all, (size_t)found, sizeof **all, by_last);
    return found;
}

static void free_curves(curve *all, int count)
{
    for (int i = 0; i < count; i++)
        series_finish(&all[i].s);
    free(all);
}

/* Nothing is written where no run has the series. */
void px_plot_panel_write(FILE *f, const plot_job *job, const plot_figure *figure, plot_box b, const plot_panel *p)
{
    curve *all;
    int found = load_curves(job, p, &all);
    extent e = find_range(all, found);
    bool smoothed = false;
    e.top = fmax(e.top, p->least_top);
    for (int k = 0; k < found; k++) {
        write_raw(f, all[k].run, &all[k].s);
        if (all[k].smooth)
            write_smooth(f, all[k].run, &all[k].s, e.top);
        smoothed |= all[k].smooth;
    }
    if (found) {
        place_note(f, figure, b, &e, smoothed);
        fprintf(f, "set yrange [%.9g:%.9g]\nplot ", e.bottom, e.top);
    }
    for (int k = 0; k < found; k++) {
        fputs(k ? ", \\\n  " : "", f);
        write_line(f, job, &all[k], p);
    }
    if (found && p->legend == PLOT_RUNS)
        write_legend(f, job);
    fputc('\n', f);
    free_curves(all, found);
}

bool px_plot_series_there(const plot_job *job, const char *name)
{
    for (int i = 0; i < job->count; i++) {
        series s;
        if (series_load(&job->runs[i], name, false, &s)) {
            series_finish(&s);
            return true;
        }
    }
    return false;
}

bool px_plot_series_zero(const plot_job *job, const plot_panel *p)
{
    double least = 0.01 * p->least_top / (p->scale > 0 ? p->scale : 1); /* a hundredth of the axis cannot be seen */
    bool zero = true;
    for (int i = 0; i < job->count && zero; i++) {
        series s;
        if (!series_load(&job->runs[i], p->name, false, &s))
            continue;
        for (int64_t k = 0; k < s.count; k++)
            zero &= !(fabs(s.y[k]) > least);
        series_finish(&s);
    }
    return zero;
}

/* All panels share the longest run's extent, from zero. */
void px_plot_x_range(FILE *f, const plot_job *job, bool by_epoch)
{
    double last = 0;
    for (int i = 0; i < job->count; i++) {
        int64_t count;
        double *x = axis(&job->runs[i], by_epoch, &count);
        for (int64_t k = 0; k < count; k++)
            last = px_plot_drawable(x[k]) ? fmax(last, x[k]) : last;
        free(x);
    }
    if (by_epoch && ceil(last) - last < 0.05 * last)
        last = ceil(last); /* the last step's epoch is a little less than whole */
    fprintf(f, "set xrange [0:%.9g]\n", last > 1e-9 ? last : 1);
}
