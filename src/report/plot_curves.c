/* plot_curves.c - figures of the training series: loss and learning rate; everything else in small panels. */
#include "base/error.h"
#include "report/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMOOTH_FROM = 100, SMOOTH_POINTS = 800, RAW_POINTS = 4000 };

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
    double *x = plot_data(run, 1, dim, "/train/%s", by_epoch ? "epoch" : "step");
    *count = x ? dim[0] : 0;
    return x;
}

/* Epochs, if every run that has training series can count in them. */
static bool axis_is_epoch(const plot_job *job)
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
    int64_t dim[4], count;
    *s = (series){0, axis(run, by_epoch, &count), plot_data(run, 1, dim, "/train/%s", name)};
    if (s->x && s->y)
        s->count = dim[0] < count ? dim[0] : count;
    for (int64_t i = 0; i < s->count; i++)
        if (isfinite(s->y[i]))
            return true;
    series_finish(s);
    return false;
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
    double sum = 0, weight = 0;
    for (int64_t i = from; i <= to; i++) {
        double away = ((double)i - centre) / sigma, w = exp(-away * away / 2);
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

/* ---- a panel: one series of all runs ---- */

typedef struct panel {
    const char *name, *label;
    bool by_epoch, smooth;
    enum { NO_LEGEND, RUNS, LAST_VALUES } legend;
    double scale;     /* of the values; 0: 1 */
    double least_top; /* the picture reaches at least up to here */
    bool held;        /* a flag, or a value that stands until the next is measured: not to be smoothed */
} panel;

/* The axes of a panel, pixels of the figure from its left and its top. */
typedef struct box {
    int left, right, top, bottom;
} box;

/* Room left of the axes: for wide labels of tics, and beyond these the panel's own. */
enum { LEFT = 145, LABEL = 122 };

/* The label has a place of its own: gnuplot's would be pushed out of the figure by wide tics. */
static void place_panel(FILE *f, const plot_figure *figure, box b, const char *label)
{
    double width = figure->width, height = figure->height;
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            b.left / width, b.right / width, 1 - b.top / height, 1 - b.bottom / height);
    fputs("set label 1 ", f);
    px_gnuplot_text(f, label);
    fprintf(f, " at screen %g, screen %g center rotate by 90 tc rgb '#222222'\n", (b.left - LABEL) / width,
            1 - (b.top + b.bottom) / 2 / height);
}

/* How many rows of two columns a legend of all runs takes, and the legend itself, above the axes: within them it would
 * cover the curves and cut the grid. */
static int legend_rows(const plot_job *job)
{
    return (job->count + 1) / 2;
}

static void place_legend(FILE *f, const plot_job *job, const plot_figure *figure, box b)
{
    fprintf(f, "set key at screen %g, screen %g right bottom vertical maxrows %d samplen 2.5\n",
            (double)b.right / figure->width, 1 - (b.top - 10.0) / figure->height, legend_rows(job));
}

static const char *last_label(const plot_run *run, const series *s, char *buffer, size_t size)
{
    double last = NAN;
    for (int64_t i = s->count; i-- > 0 && !isfinite(last);)
        last = s->count >= SMOOTH_FROM ? smooth_at(s, (double)i, (double)s->count / 100, INFINITY) : s->y[i];
    snprintf(buffer, size, "%s: last %.4g", run->label, last);
    return buffer;
}

/* The highest half percent is left out where it would flatten the rest, as spikes of the first steps may. */
static double highest_shown(const double *sorted, int64_t n)
{
    double usual = sorted[n > SMOOTH_FROM ? (n - 1) * 995 / 1000 : n - 1], most = sorted[n - 1];
    return most - sorted[0] > 1.5 * (usual - sorted[0]) ? usual : most;
}

static void find_range(series *const all[], int runs, double *bottom, double *top)
{
    double low = INFINITY, high = -INFINITY;
    for (int r = 0; r < runs; r++) {
        const series *s = all[r];
        double *sorted = px_calloc((size_t)s->count + 1, sizeof *sorted);
        int64_t n = 0;
        for (int64_t i = 0; i < s->count; i++)
            if (isfinite(s->y[i]))
                sorted[n++] = s->y[i];
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
        if (n > 0) {
            low = fmin(low, sorted[0]);
            high = fmax(high, highest_shown(sorted, n));
        }
        free(sorted);
    }
    double margin = high > low ? 0.05 * (high - low) : fmax(fabs(high) * 0.1, 1e-6);
    *bottom = low >= 0 && low <= 0.25 * high ? 0 : low - margin; /* near zero: show how near */
    *top = high + margin;
}

/* One run's part of a plot command: the series, pale where a smoothed one is drawn over it. */
static void write_line(FILE *f, const plot_run *run, int index, const series *s, const panel *p)
{
    bool smooth = p->smooth && s->count >= SMOOTH_FROM;
    const char *style = s->count < 30 ? "linespoints pt 7 ps 0.7" : "lines", *colour = px_gnuplot_colour(index);
    char label[256];
    if (smooth)
        fprintf(f, "$raw%d using 1:2 with lines lt 1 lw 1 lc rgb '#B0%s' notitle, \\\n  $smooth%d", index, colour,
                index);
    else
        fprintf(f, "$raw%d", index);
    fprintf(f, " using 1:2 with %s lt 1 lw 2.2 lc rgb '#%s' ", style, colour);
    fputs(p->legend ? "title " : "notitle", f);
    if (p->legend)
        px_gnuplot_text(f, p->legend == RUNS ? run->label : last_label(run, s, label, sizeof label));
}

/* False, with nothing written, where no run has the series. */
static bool write_panel(FILE *f, const plot_job *job, const panel *p)
{
    series *all = px_calloc((size_t)job->count, sizeof *all),
           **present = px_calloc((size_t)job->count, sizeof *present);
    int *run = px_calloc((size_t)job->count, sizeof *run), found = 0;
    for (int i = 0; i < job->count; i++)
        if (series_load(&job->runs[i], p->name, p->by_epoch, &all[i])) {
            run[found] = i;
            present[found++] = &all[i];
            for (int64_t k = 0; k < all[i].count; k++)
                all[i].y[k] *= p->scale > 0 ? p->scale : 1;
        }
    double bottom, top;
    find_range(present, found, &bottom, &top);
    top = fmax(top, p->least_top);
    for (int k = 0; k < found; k++) {
        write_raw(f, run[k], present[k]);
        if (p->smooth && present[k]->count >= SMOOTH_FROM)
            write_smooth(f, run[k], present[k], top);
    }
    if (found)
        fprintf(f, "set yrange [%.9g:%.9g]\nplot ", bottom, top);
    for (int k = 0; k < found; k++) {
        fputs(k ? ", \\\n  " : "", f);
        write_line(f, &job->runs[run[k]], run[k], present[k], p);
    }
    fputc('\n', f);
    for (int i = 0; i < job->count; i++)
        series_finish(&all[i]);
    free(run);
    free(present);
    free(all);
    return found > 0;
}

/* ---- figures ---- */

static bool any_has(const plot_job *job, const char *name)
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

/* All panels share the longest run's extent, from zero. */
static void write_x_range(FILE *f, const plot_job *job, bool by_epoch)
{
    double last = 0;
    for (int i = 0; i < job->count; i++) {
        int64_t count;
        double *x = axis(&job->runs[i], by_epoch, &count);
        for (int64_t k = 0; k < count; k++)
            last = fmax(last, x[k]);
        free(x);
    }
    if (by_epoch && ceil(last) - last < 0.05 * last)
        last = ceil(last); /* the last step's epoch is a little less than whole */
    fprintf(f, "set xrange [0:%.9g]\n", last > 0 ? last : 1);
}

int plot_curves(plot_job *job)
{
    enum { WIDTH = 1200, LOSS = 480, GAP = 40, RATE = 210, BOTTOM = 80 };
    bool rate = any_has(job, "lr"), by_epoch = axis_is_epoch(job);
    if (!any_has(job, "loss"))
        return plot_left_out(job, "curves: no /train/loss");
    int top = 65 + 24 * legend_rows(job);
    box loss = {LEFT, WIDTH - 40, top, top + LOSS},
        below = {LEFT, WIDTH - 40, top + LOSS + GAP, top + LOSS + GAP + RATE};
    plot_figure *figure = plot_begin(job, "curves", -1, WIDTH, (rate ? below.bottom : loss.bottom) + BOTTOM);
    FILE *f = figure->script;
    char *title = job->count == 1 && *job->runs[0].method ? px_format("Pretraining with %s", job->runs[0].method)
                                                          : px_strdup("Pretraining");
    fputs("set multiplot\nset label 2 ", f);
    px_gnuplot_text(f, title);
    fprintf(f, " at screen 0.5, screen %g center font ',16' tc rgb '#222222'\n", 1 - 28.0 / figure->height);
    free(title);
    write_x_range(f, job, by_epoch);
    const char *x_label =
        by_epoch ? "set format x '%g'\nset xlabel 'epoch'\n" : "set format x '%g'\nset xlabel 'step'\n";
    fputs(rate ? "set format x ''\n" : x_label, f);
    place_panel(f, figure, loss, "training loss");
    place_legend(f, job, figure, loss);
    write_panel(f, job, &(panel){.name = "loss", .by_epoch = by_epoch, .smooth = true, .legend = LAST_VALUES});
    if (rate) {
        fprintf(f, "unset label 2\nset key off\nset ytics autofreq\n%s", x_label);
        place_panel(f, figure, below, "learning rate");
        write_panel(f, job, &(panel){.name = "lr", .by_epoch = by_epoch});
    }
    fputs("unset multiplot\n", f);
    return plot_end(job, figure);
}

/* Names of all series of all runs, except those that curves draws; sorted, each once. */
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
            bool known = !any_has(job, found[i]);
            for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++)
                known |= strcmp(found[i], drawn[k]) == 0;
            for (int k = 0; k < *count; k++)
                known |= strcmp(found[i], names[k]) == 0;
            if (known) {
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

/* How a series is shown: "grad_norm" reads "grad norm"; some have a unit. */
static panel panel_of(const char *name)
{
    static const panel known[] = {
        {.name = "images_per_second", .label = "images/s"},
        {.name = "data_wait", .label = "wait for data (% of the step)", .scale = 100, .least_top = 1},
        {.name = "embedding_deviation", .held = true},
        {.name = "embedding_rank", .held = true},
        {.name = "collapsed", .label = "collapsed (1: yes)", .least_top = 1, .held = true},
        {.name = "skipped", .label = "skipped (1: yes)", .least_top = 1, .held = true},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i];
    return (panel){.name = name};
}

static void write_diagnostic(FILE *f, const plot_job *job, const plot_figure *figure, box b, panel p)
{
    char *label = px_strdup(p.label ? p.label : p.name);
    for (char *c = label; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    place_panel(f, figure, b, label);
    write_panel(f, job, &p);
    free(label);
}

int plot_diagnostics(plot_job *job)
{
    enum { WIDTH = 700, HEIGHT = 360 }; /* of a panel with all that is around it */
    int count;
    char **names = other_series(job, &count);
    if (count == 0) {
        free(names);
        return plot_left_out(job, "diagnostics: no series in /train beside loss and lr");
    }
    bool by_epoch = axis_is_epoch(job), several = job->count > 1;
    int columns = count > 1 ? 2 : 1, rows = (count + columns - 1) / columns,
        top = 60 + (several ? 24 * legend_rows(job) : 0);
    plot_figure *figure = plot_begin(job, "diagnostics", -1, columns * WIDTH, top + rows * HEIGHT);
    FILE *f = figure->script;
    fprintf(f, "set multiplot\nset label 2 'Training series' at screen 0.5, screen %g center font ',16'\n",
            1 - 24.0 / figure->height);
    fprintf(f, "set key off\nset xlabel '%s'\n", by_epoch ? "epoch" : "step");
    write_x_range(f, job, by_epoch);
    for (int i = 0; i < count; i++) {
        panel p = panel_of(names[i]);
        int x = i % columns * WIDTH, y = top + i / columns * HEIGHT;
        box b = {x + LEFT, x + WIDTH - 30, y, y + HEIGHT - 85};
        p.by_epoch = by_epoch;
        p.smooth = !p.held;
        if (i == 0 && several) {
            p.legend = RUNS;
            place_legend(f, job, figure, (box){b.left, figure->width - 30, b.top, b.bottom});
        }
        write_diagnostic(f, job, figure, b, p);
        fputs("unset label 2\nset key off\n", f);
        free(names[i]);
    }
    free(names);
    fputs("unset multiplot\n", f);
    return plot_end(job, figure);
}
