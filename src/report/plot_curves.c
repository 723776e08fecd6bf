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
    bool by_epoch, smooth, legend;
} panel;

static const char *last_label(const plot_run *run, const series *s, char *buffer, size_t size)
{
    double last = NAN;
    for (int64_t i = s->count; i-- > 0 && !isfinite(last);)
        last = s->count >= SMOOTH_FROM ? smooth_at(s, (double)i, (double)s->count / 100, INFINITY) : s->y[i];
    snprintf(buffer, size, "%s: last %.4g", run->label, last);
    return buffer;
}

/* Leaves out the highest half percent: a spike in the first steps would flatten the rest. */
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
            high = fmax(high, sorted[n > SMOOTH_FROM ? (n - 1) * 995 / 1000 : n - 1]);
        }
        free(sorted);
    }
    double margin = high > low ? 0.05 * (high - low) : fmax(fabs(high) * 0.1, 1e-6);
    *bottom = low >= 0 && low < 0.25 * high ? 0 : low - margin; /* near zero: show how near */
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
        px_gnuplot_text(f, last_label(run, s, label, sizeof label));
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
        }
    double bottom, top;
    find_range(present, found, &bottom, &top);
    for (int k = 0; k < found; k++) {
        write_raw(f, run[k], present[k]);
        if (p->smooth && present[k]->count >= SMOOTH_FROM)
            write_smooth(f, run[k], present[k], top);
    }
    if (found) {
        fprintf(f, "set yrange [%.9g:%.9g]\nset ylabel ", bottom, top);
        px_gnuplot_text(f, p->label);
        fputs("\nplot ", f);
    }
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
    bool rate = any_has(job, "lr"), by_epoch = axis_is_epoch(job);
    if (!any_has(job, "loss"))
        return plot_left_out(job, "curves: no /train/loss");
    plot_figure *figure = plot_begin(job, "curves", -1, 1200, rate ? 900 : 700);
    FILE *f = figure->script;
    fputs("set multiplot\nset lmargin at screen 0.1\nset rmargin at screen 0.97\nset tmargin at screen 0.93\n", f);
    fprintf(f, "set bmargin at screen %s\nset key top right\n", rate ? "0.37" : "0.11");
    write_x_range(f, job, by_epoch);
    fputs("set title ", f);
    char *title = job->count == 1 && *job->runs[0].method ? px_format("Pretraining with %s", job->runs[0].method)
                                                          : px_strdup("Pretraining");
    px_gnuplot_text(f, title);
    free(title);
    const char *x_label =
        by_epoch ? "\nset format x '%g'\nset xlabel 'epoch'\n" : "\nset format x '%g'\nset xlabel 'step'\n";
    fputs(rate ? "\nset format x ''\n" : x_label, f);
    write_panel(f, job, &(panel){"loss", "training loss", by_epoch, true, true});
    if (rate) {
        fputs("unset title\nset tmargin at screen 0.33\nset bmargin at screen 0.09\nset key off\nset ytics autofreq\n",
              f);
        fputs(x_label, f);
        write_panel(f, job, &(panel){"lr", "learning rate", by_epoch, false, false});
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

/* "grad_norm" reads "grad norm", "images_per_second" "images/s". */
static char *readable(const char *name)
{
    char *text = px_strdup(strcmp(name, "images_per_second") == 0 ? "images/s" : name);
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = ' ';
    return text;
}

int plot_diagnostics(plot_job *job)
{
    int count;
    char **names = other_series(job, &count);
    if (count == 0) {
        free(names);
        return plot_left_out(job, "diagnostics: no series in /train beside loss and lr");
    }
    bool by_epoch = axis_is_epoch(job);
    int columns = count > 1 ? 2 : 1, rows = (count + columns - 1) / columns, width = columns * 700,
        height = 100 + rows * 360;
    plot_figure *figure = plot_begin(job, "diagnostics", -1, width, height);
    FILE *f = figure->script;
    fprintf(f,
            "set multiplot layout %d,%d title 'Training series' font ',16' margins screen %g,%g,%g,%g spacing screen "
            "%g,%g\n",
            rows, columns, 110.0 / width, 1 - 30.0 / width, 70.0 / height, 1 - 60.0 / height, 120.0 / width,
            85.0 / height);
    fprintf(f, "set key top right font ',12'\nset xlabel '%s'\n", by_epoch ? "epoch" : "step");
    write_x_range(f, job, by_epoch);
    for (int i = 0; i < count; i++) {
        char *label = readable(names[i]);
        write_panel(f, job, &(panel){names[i], label, by_epoch, true, i == 0 && job->count > 1});
        free(label);
        free(names[i]);
    }
    free(names);
    fputs("unset multiplot\n", f);
    return plot_end(job, figure);
}
