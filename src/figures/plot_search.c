/* plot_search.c - the figure of a search for cells (search.h5): accuracy against multiply-adds, and the best so far by the number
 * of tries; random search beside evolution, with the band in which random search is by chance. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <libconfig.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels, from the left and the top: two panels side by side, below them the legend and two lines. */
enum { LEFT = 95, WIDTH = 520, BETWEEN = 95, RIGHT = 45, TOP = 70, HEIGHT = 440, AXIS = 90, ROW = 26, ROWS = 3 };
/* ... and those lines, from the bottom, as far apart as lines of characters are (--text). */
enum { FIRST_LINE = 54, SECOND_LINE = 20, LINES = 96 };
enum { LINE_TEXT = 180 /* characters of such a line */ };
enum { FEW = 10 /* random candidates below which the band has all of them */ };

#define RANDOM_COLOUR "6E6E6E"
#define BAND_COLOUR "E2E2E2"
static const double LOW = 0.1, HIGH = 0.9; /* quantiles: the band has 80 % */

typedef struct search {
    int count, population;
    double *percent, *millions; /* k-NN accuracy, NaN: it has none; multiply-adds */
    char **strategy, **normal, **reduction;
    int best[2];         /* of random search, of evolution; -1: none */
    double *sorted;      /* percents of random candidates, ascending */
    int failed;          /* candidates without a score */
    int random, unlucky; /* random ones with a score, and without one */
} search;

static bool is_evolved(const search *s, int candidate)
{
    return strcmp(s->strategy[candidate], "evolution") == 0;
}

/* The first candidates are random, and are what evolution begins with. */
static bool is_a_try(const search *s, int candidate, bool of_evolution)
{
    return is_evolved(s, candidate) ? of_evolution : !of_evolution || candidate < s->population;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The quantile q of the best of so many tries, each drawn from the random candidates, also those without a score, which are below
 * all others: their distribution to the power of tries. */
static double best_of(const search *s, int tries, double q)
{
    int at = (int)ceil(pow(q, 1.0 / tries) * (s->random + s->unlucky)) - 1 - s->unlucky;
    return s->sorted[at < 0 ? 0 : at < s->random ? at : s->random - 1];
}

static int best_of_both(const search *s)
{
    return s->best[1] >= 0 && s->percent[s->best[1]] > s->percent[s->best[0]] ? s->best[1] : s->best[0];
}

/* ---- reading ---- */

static void search_finish(search *s)
{
    px_plot_texts_free(s->strategy, s->strategy ? s->count : 0);
    px_plot_texts_free(s->normal, s->normal ? s->count : 0);
    px_plot_texts_free(s->reduction, s->reduction ? s->count : 0);
    free(s->percent);
    free(s->millions);
    free(s->sorted);
}

/* As many texts as there are candidates, or NULL. */
static char **read_texts(const plot_run *run, const char *path, int wanted)
{
    char **texts = NULL;
    int count = 0;
    if (!px_results_has(run->results, path) || px_results_get_texts(run->results, path, &texts, &count) != 0)
        return NULL;
    if (count == wanted)
        return texts;
    px_results_leave_out(run->results, "%s: %d texts for %d candidates", path, count, wanted);
    px_plot_texts_free(texts, count);
    return NULL;
}

static void count_all(search *s)
{
    s->best[0] = s->best[1] = -1;
    s->sorted = px_calloc((size_t)s->count, sizeof *s->sorted);
    for (int i = 0; i < s->count; i++) {
        double percent = 100 * s->percent[i], millions = s->millions[i] / 1e6;
        bool there = percent >= 0 && percent <= 100 && millions > 0 && px_plot_drawable(millions);
        s->percent[i] = there ? percent : NAN;
        s->millions[i] = there ? millions : NAN;
        if (!there) {
            s->failed++;
            s->unlucky += !is_evolved(s, i);
            continue;
        }
        int *best = &s->best[is_evolved(s, i)];
        if (*best < 0 || percent > s->percent[*best])
            *best = i;
        if (!is_evolved(s, i))
            s->sorted[s->random++] = percent;
    }
    qsort(s->sorted, (size_t)s->random, sizeof *s->sorted, ascending);
}

/* False: the run is not a search, or has too little to be drawn; there is nothing to finish. */
static bool search_read(search *s, const plot_run *run)
{
    int64_t scores[4] = {0}, costs[4] = {0};
    double population = 0;
    *s = (search){.percent = px_plot_data(run, 1, scores, "/candidates/score")};
    if (!s->percent)
        return false;
    s->millions = px_plot_data(run, 1, costs, "/candidates/multiply_adds");
    bool good = s->millions && costs[0] == scores[0] && scores[0] > 0 && scores[0] <= PLOT_MOST_POINTS;
    s->count = good ? (int)scores[0] : 0;
    if (!good)
        px_results_leave_out(run->results,
                             "/candidates: %lld scores and %lld costs; as many of both are drawn, up to %d",
                             (long long)scores[0], (long long)costs[0], PLOT_MOST_POINTS);
    good = good && (s->strategy = read_texts(run, "/candidates/strategy", s->count)) &&
           (s->normal = read_texts(run, "/candidates/normal", s->count)) &&
           (s->reduction = read_texts(run, "/candidates/reduction", s->count));
    if (good && px_results_get_attribute_real(run->results, "/candidates", "population", &population) == 0)
        s->population = population > 0 && population < s->count ? (int)population : s->count;
    if (good)
        count_all(s);
    if (good && s->random > 0)
        return true;
    if (good)
        px_results_leave_out(run->results, "/candidates/score: no random candidate has one");
    search_finish(s);
    return false;
}

/* ---- drawing ---- */

static void write_label(FILE *f, const plot_figure *figure, int number, double y, int size, char *text)
{
    fprintf(f, "set label %d ", number);
    px_gnuplot_text(f, text);
    fprintf(f, " at screen 0.5, screen %g center font ',%d' tc rgb '#222222'\n", 1 - y / figure->height, size);
    free(text);
}

static void write_place(FILE *f, const plot_figure *figure, int left)
{
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            (double)left / figure->width, (double)(left + WIDTH) / figure->width, 1 - (double)TOP / figure->height,
            1 - (double)(TOP + HEIGHT) / figure->height);
}

static void write_points(FILE *f, const search *s)
{
    for (int evolved = 0; evolved < 2; evolved++) {
        fprintf(f, "$points%d << EOD\n", evolved);
        for (int i = 0; i < s->count; i++)
            if (is_evolved(s, i) == (evolved == 1) && isfinite(s->percent[i]))
                fprintf(f, "%.6g %.6g\n", s->millions[i], s->percent[i]);
        fputs("EOD\n", f);
    }
}

/* A row per try: how many, and the best so far. Returns the number of tries. */
static int write_best(FILE *f, const search *s, bool of_evolution)
{
    int tries = 0;
    double best = -1;
    fprintf(f, "$best%d << EOD\n", of_evolution);
    for (int i = 0; i < s->count; i++) {
        if (!is_a_try(s, i, of_evolution))
            continue;
        tries++;
        best = fmax(best, s->percent[i]); /* passes a NaN over */
        if (best >= 0)
            fprintf(f, "%d %.6g\n", tries, best);
    }
    fputs("EOD\n", f);
    return tries;
}

/* Rows of x, low and high: $band of one candidate, for all multiply-adds, $chance of the best of so many tries. */
static void write_bands(FILE *f, const search *s, double from, double to, int tries)
{
    enum { ROWS_OF_BAND = 128 }; /* more than characters of a panel */
    fputs("$band << EOD\n", f);
    for (int i = 0; i <= ROWS_OF_BAND; i++)
        fprintf(f, "%.6g %.6g %.6g\n", from + (to - from) * i / ROWS_OF_BAND, best_of(s, 1, LOW), best_of(s, 1, HIGH));
    fputs("EOD\n$chance << EOD\n", f);
    for (int n = 1; n <= tries; n++)
        fprintf(f, "%d %.6g %.6g\n", n, best_of(s, n, LOW), best_of(s, n, HIGH));
    fputs("EOD\n", f);
}

/* "random search: best 20.70 % (candidate 3, 1.6 M)" */
static void write_legend(FILE *f, const search *s, bool evolved)
{
    static const char *const names[] = {"random search", "evolution after the shared ones"};
    int best = s->best[evolved];
    char *text =
        px_format("%s: best %.2f %% (candidate %d, %.3g M)", names[evolved], s->percent[best], best, s->millions[best]);
    fputs(" title ", f);
    px_gnuplot_text(f, text);
    free(text);
}

/* The range of the multiply-adds, in millions; *logarithmic: it spans more than a factor of five. */
static void find_range(const search *s, double *from, double *to, bool *logarithmic)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < s->count; i++) {
        low = fmin(low, s->millions[i]);
        high = fmax(high, s->millions[i]);
    }
    *logarithmic = high > 5 * low;
    *from = *logarithmic ? low / 1.2 : fmax(0, low - 0.06 * high);
    *to = *logarithmic ? high * 1.2 : 1.06 * high;
}

/* Of both panels' axes of accuracy. */
static void find_accuracies(const search *s, double *from, double *to)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < s->count; i++) {
        low = fmin(low, s->percent[i]);
        high = fmax(high, s->percent[i]);
    }
    double margin = fmax(0.5, 0.06 * (high - low));
    *from = fmax(0, low - margin);
    *to = high + margin;
}

static const char *above_zero(const search *s)
{
    double from, to;
    find_accuracies(s, &from, &to);
    return from > 0 ? ", axis begins above 0" : "";
}

/* How things are drawn, of random search and of evolution. */
typedef struct look {
    const char *band, *chance, *points[2], *best[2], *ring, *ringed, *axis;
} look;

static const look picture = {
    .band = "$band using 1:2:3 with filledcurves fc rgb '#" BAND_COLOUR "'",
    .chance = "$chance using 1:2:3 with filledcurves fc rgb '#" BAND_COLOUR "'",
    .points = {"$points0 using 1:2 with points pt 6 ps 1.4 lw 1.5 lc rgb '#" RANDOM_COLOUR "'",
               "$points1 using 1:2 with points ls 1 pt 9 ps 1.4"},
    .best = {"$best0 using 1:2 with steps lw 2.4 dt 2 lc rgb '#" RANDOM_COLOUR "'",
             "$best1 using 1:2 with steps ls 1 lw 3"},
    .ring = "$ring using 1:2 with points pt 6 ps 3.2 lw 2 lc rgb '#222222'",
    .ringed = "ringed",
    .axis = "ylabel",
};

/* Areas hide what they are full of, labels of an axis lie across, and of two points in one place one is seen. */
static const look characters = {
    .band = "$band using 1:2 with points pt '.' notitle, $band using 1:3 with points pt '.'",
    .chance = "$chance using 1:2 with points pt '.', $chance using 1:3 with points pt '.'",
    .points = {"$points0 using 1:2 with points pt 'o'", "$points1 using 1:2 with points pt '^'"},
    .best = {"$best0 using 1:2 with points pt 'o'", "$best1 using ($1+0.4):2 with points pt '^'"},
    .ring = "$ring using 1:2 with points pt '@'",
    .ringed = "@",
    .axis = "title",
};

static void write_clouds(FILE *f, const search *s, const look *l, const char *cost)
{
    int best = best_of_both(s);
    fprintf(f, "$ring << EOD\n%.6g %.6g\nEOD\nset style line 1 lc rgb '#%s'\n", s->millions[best], s->percent[best],
            px_gnuplot_colour(0));
    fprintf(f, "set xlabel '%s'\nset %s 'k-NN accuracy (%%)%s'\n", cost, l->axis, above_zero(s));
    if (s->random + s->unlucky < FEW)
        fprintf(f, "plot %s title 'all %d random candidates; right: 80 %% of the best of as many', \\\n  %s", l->band,
                s->random, l->points[0]);
    else
        fprintf(f, "plot %s title '80 %% of random candidates; right: of the best of as many', \\\n  %s", l->band,
                l->points[0]);
    write_legend(f, s, false);
    if (s->best[1] >= 0) {
        fprintf(f, ", \\\n  %s", l->points[1]);
        write_legend(f, s, true);
    }
    fprintf(f, ", \\\n  %s notitle\n", l->ring);
}

static void write_progress(FILE *f, const search *s, const look *l, int tries)
{
    fprintf(
        f,
        "set key off\nset xrange [1:%d]\nset xlabel 'tries (the first %d are shared)'\nset %s 'best so far (%%)%s'\n",
        tries > 1 ? tries : 2, s->population, l->axis, above_zero(s));
    fprintf(f, "plot %s, \\\n  ", l->chance);
    if (s->best[1] >= 0)
        fprintf(f, "%s, \\\n  ", l->best[1]);
    fprintf(f, "%s\n", l->best[0]);
}

/* "Search for cells: 64 candidates, simclr, 2 epochs each" */
static char *title_of(const plot_run *run, const search *s)
{
    config_t config;
    double epochs;
    char *title = px_plot_config(run->results, &config) && config_lookup_float(&config, "epochs", &epochs)
                      ? px_format("Search for cells: %d candidates, %s, %g epoch%s each", s->count, run->method, epochs,
                                  epochs == 1 ? "" : "s")
                      : px_format("Search for cells: %d candidates", s->count);
    config_destroy(&config);
    return title;
}

/* `most`: characters that a line has room for. */
static void write_cells(FILE *f, const plot_figure *figure, const search *s, const look *l, int most)
{
    enum { PREFIX = 36 };
    int best = best_of_both(s);
    char *normal = px_plot_shorten(s->normal[best], most - PREFIX),
         *reduction = px_plot_shorten(s->reduction[best], most - PREFIX);
    write_label(f, figure, 2, figure->height - FIRST_LINE, 11,
                px_format("candidate %d (%s), normal cell: %s", best, l->ringed, normal));
    write_label(f, figure, 3, figure->height - SECOND_LINE, 11, px_format("reduction cell: %s", reduction));
    free(normal);
    free(reduction);
}

static int draw(plot_job *job, int index, const search *s)
{
    const int below = AXIS + ROW * ROWS + LINES;
    const look *l = job->gnuplot.columns ? &characters : &picture;
    double from, to;
    bool logarithmic;
    plot_figure *figure = px_plot_begin(job, "search", index, LEFT + 2 * WIDTH + BETWEEN + RIGHT, TOP + HEIGHT + below);
    FILE *f = figure->script;
    find_range(s, &from, &to, &logarithmic);
    write_points(f, s);
    int random = write_best(f, s, false), evolved = write_best(f, s, true), tries = random > evolved ? random : evolved;
    write_bands(f, s, from, to, tries);
    fputs("set multiplot\n", f);
    write_label(f, figure, 1, 30, 16, title_of(&job->runs[index], s));
    write_cells(f, figure, s, l, job->gnuplot.columns ? job->gnuplot.columns : LINE_TEXT);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 2\n",
            (double)LINES / figure->height, ROWS);
    double low, high;
    find_accuracies(s, &low, &high);
    fprintf(f, "set yrange [%.6g:%.6g]\n", low, high);
    write_place(f, figure, LEFT);
    fprintf(f, "%sset xrange [%.6g:%.6g]\nset format x '%%g'\n", logarithmic ? "set logscale x\n" : "", from, to);
    write_clouds(f, s, l, logarithmic ? "million multiply-adds, logarithmic" : "million multiply-adds");
    fputs("unset label 1\nunset label 2\nunset label 3\nunset logscale x\n", f);
    write_place(f, figure, LEFT + WIDTH + BETWEEN);
    write_progress(f, s, l, tries);
    fputs("unset multiplot\n", f);
    return px_plot_end(job, figure);
}

/* Most files are of no search, which is not reported as left out. */
static int draw_all(plot_job *job)
{
    int bad = 0;
    for (int run = 0; bad == 0 && run < job->count; run++) {
        search s;
        if (!search_read(&s, &job->runs[run]))
            continue;
        bad = draw(job, run, &s);
        if (bad == 0 && s.failed)
            px_plot_left_out(job, "search: %d candidate%s without a score", s.failed, s.failed > 1 ? "s" : "");
        search_finish(&s);
    }
    return bad;
}

const px_chart px_chart_search = {
    .name = "search",
    .summary = "accuracy of cells by their multiply-adds, and the best so far (pretext search)",
    .group = "/candidates",
    .draw = draw_all,
};
