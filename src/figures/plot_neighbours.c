/* plot_neighbours.c - test images and the training images that are nearest to each (eval/neighbours.h), or what each retrieves:
 * what a representation takes to be alike. A frame says whether an image is of the query's class: solid, or dashed with a cross
 * before its name. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is drawn ---- */

/* Where the pictures of an evaluation are; of one that was repeated, the first repeat's. A new string. */
static char *group_of(const plot_run *run, const plot_eval *e)
{
    char *group = px_format("/eval/%s/%s/neighbours", e->protocol, e->subject);
    if (px_results_has(run->results, group))
        return group;
    free(group);
    return px_format("/eval/%s/%s/seeds/0/neighbours", e->protocol, e->subject);
}

enum { MOST = 400 /* pictures */, LARGEST = 64 /* pixels: eval/pictures.h */ };

/* Whether there are pictures that may be read: told by their shape, since a damaged file may have any. */
static bool has_pictures(const plot_run *run, const char *group)
{
    int count, height, width, channels;
    char *path = px_format("%s/pictures", group), *what = px_results_describe(run->results, path);
    bool good = sscanf(what, "%*s (%d, %d, %d, %d)", &count, &height, &width, &channels) == 4 && count > 0 &&
                count <= MOST && height > 0 && height <= LARGEST && height == width && (channels == 1 || channels == 3);
    free(what);
    free(path);
    return good;
}

bool px_plot_neighbours_read(plot_neighbours *n, const plot_run *run, const plot_eval *e)
{
    int64_t dim[4] = {0}, labels[4] = {0};
    char *group = group_of(run, e), *names = px_plot_class_path(run->results, e);
    *n = (plot_neighbours){.label = px_plot_data(run, 2, labels, "%s/labels", group),
                           .retrieved = strcmp(e->protocol, "retrieval") == 0};
    if (has_pictures(run, group))
        n->pixels = px_plot_data(run, 4, dim, "%s/pictures", group);
    bool good = n->pixels && n->label && labels[0] > 0 && labels[1] > 1 && labels[0] <= MOST && labels[1] <= MOST &&
                labels[0] * labels[1] == dim[0];
    if (good) {
        n->queries = (int)labels[0];
        n->k = (int)labels[1] - 1;
        n->side = (int)dim[1];
        n->channels = (int)dim[3];
        if (px_results_has(run->results, names) &&
            px_results_get_texts(run->results, names, &n->name, &n->classes) != 0)
            n->classes = 0;
        for (int q = 0; q < n->queries; q++)
            for (int j = 1; j <= n->k; j++)
                n->right += px_plot_neighbour_right(n, q, j);
    } else if (n->label || px_results_has(run->results, group)) {
        px_results_leave_out(run->results,
                             "%s: pictures (Q (1 + K), side, side, 1 or 3) and labels (Q, 1 + K) go together, up to %d "
                             "pictures of %d pixels",
                             group, MOST, LARGEST);
    }
    free(names);
    free(group);
    if (!good)
        px_plot_neighbours_finish(n);
    return good;
}

void px_plot_neighbours_finish(plot_neighbours *n)
{
    px_plot_texts_free(n->name, n->classes);
    free(n->pixels);
    free(n->label);
    *n = (plot_neighbours){0};
}

bool px_plot_neighbour_right(const plot_neighbours *n, int query, int j)
{
    const double *label = n->label + (int64_t)query * (n->k + 1);
    return label[0] >= 0 && label[j] == label[0];
}

char *px_plot_neighbour_caption(const plot_neighbours *n, int query, int j)
{
    double label = n->label[query * (n->k + 1) + j];
    const char *cross = j == 0 || px_plot_neighbour_right(n, query, j) ? "" : "× ";
    if (label >= 0 && label < n->classes)
        return px_format("%s%s", cross, n->name[(int)label]);
    return px_format("%s%.9g", cross, px_plot_drawable(label) ? label : -1);
}

char *px_plot_neighbours_summary(const plot_neighbours *n)
{
    return px_format("%d of %d %s are of the query's class: solid frame; dashed frame and ×: of another", n->right,
                     n->queries * n->k, n->retrieved ? "retrieved images" : "neighbours");
}

const char *px_plot_neighbours_title(const plot_neighbours *n)
{
    return n->retrieved ? "Retrieved first" : "Nearest training images";
}

const char *px_plot_neighbours_row(const plot_neighbours *n)
{
    return n->retrieved ? "images of the gallery, the most similar first" : "training images, the nearest first";
}

/* ---- the sheet ---- */

/* Lengths in the pictures' pixels, of which each is drawn as scale x scale: of a picture with its gap, and of a gap. */
typedef struct layout {
    int scale, across, down, after_query, margin;
    int64_t height, width;
} layout;

static layout lay_out(const plot_neighbours *n)
{
    enum { SHOWN = 96, ACROSS = 14, DOWN = 32, MARGIN = 6 /* drawn pixels */ };
    int scale = SHOWN / n->side < 1 ? 1 : (SHOWN + n->side / 2) / n->side;
    layout l = {.scale = scale,
                .across = n->side + (ACROSS + scale - 1) / scale,
                .down = n->side + (DOWN + scale - 1) / scale,
                .after_query = 2 * ((ACROSS + scale - 1) / scale),
                .margin = (MARGIN + scale - 1) / scale};
    l.height = (int64_t)n->queries * l.down + l.margin;
    l.width = (int64_t)(n->k + 1) * l.across + l.after_query + l.margin;
    return l;
}

static int left_of(const layout *l, int j)
{
    return l->margin + j * l->across + (j > 0 ? l->after_query : 0);
}

static int top_of(const layout *l, int query)
{
    return l->margin + query * l->down;
}

/* The pictures in their places on white paper: (height, width, channels). */
static double *make_sheet(const plot_neighbours *n, const layout *l)
{
    int64_t row = (int64_t)n->side * n->channels, pitch = l->width * n->channels;
    double *sheet = px_calloc((size_t)(l->height * pitch), sizeof *sheet);
    for (int64_t i = 0; i < l->height * pitch; i++)
        sheet[i] = 255;
    for (int q = 0; q < n->queries; q++)
        for (int j = 0; j <= n->k; j++)
            for (int y = 0; y < n->side; y++)
                memcpy(sheet + (top_of(l, q) + y) * pitch + (int64_t)left_of(l, j) * n->channels,
                       n->pixels + ((int64_t)(q * (n->k + 1) + j) * n->side + y) * row, (size_t)row * sizeof *sheet);
    return sheet;
}

/* Around each neighbour; below all, what they are. */
static void write_frames(FILE *f, const plot_neighbours *n, const layout *l)
{
    enum { OUTSIDE = 3, CHARACTER = 7 };
    for (int q = 0; q < n->queries; q++)
        for (int j = 0; j <= n->k; j++) {
            int left = left_of(l, j) * l->scale, top = top_of(l, q) * l->scale, side = n->side * l->scale;
            bool right = j > 0 && px_plot_neighbour_right(n, q, j);
            char *caption = px_plot_neighbour_caption(n, q, j),
                 *shown = px_plot_shorten(caption, l->across * l->scale / CHARACTER);
            if (j > 0)
                fprintf(f,
                        "set object rect from first %d, first %d to first %d, first %d front fs empty border lc rgb "
                        "'#%s' lw 2 dt %d\n",
                        left - OUTSIDE, top - OUTSIDE, left + side + OUTSIDE - 1, top + side + OUTSIDE - 1,
                        right ? "0072B2" : "D55E00", right ? 1 : 2);
            fputs("set label ", f);
            px_gnuplot_text(f, shown);
            fprintf(f, " at first %d, first %d center front font ',%d' tc rgb '#222222'\n", left + side / 2,
                    top + side + 14, j == 0 ? 11 : 10);
            free(shown);
            free(caption);
        }
}

static void write_heads(FILE *f, const plot_figure *figure, const plot_neighbours *n, const char *subject, int left)
{
    char *summary = px_plot_neighbours_summary(n), *title = px_format("%s: %s", px_plot_neighbours_title(n), subject);
    const char *const lines[] = {title, summary};
    for (int i = 0; i < 2; i++) {
        fputs("set label ", f);
        px_gnuplot_text(f, lines[i]);
        fprintf(f, " at screen %g, screen %g left font ',%d' tc rgb '#222222'\n", (double)left / figure->width,
                1 - (22.0 + 26 * i) / figure->height, i == 0 ? 15 : 11);
    }
    free(title);
    free(summary);
}

static int draw(plot_job *job, const plot_eval *e, const char *name, const plot_neighbours *n)
{
    enum { SIDE = 24, TOP = 96, LEAST_WIDTH = 700 };
    layout l = lay_out(n);
    int wide = (int)l.width * l.scale, right = wide + 2 * SIDE < LEAST_WIDTH ? LEAST_WIDTH - wide - SIDE : SIDE;
    double *sheet = make_sheet(n, &l);
    char *subject = px_plot_subject_name(job, e);
    plot_figure *figure = px_plot_begin(job, name, e->run, 0, 0);
    FILE *f = figure->script;
    px_plot_frame(f, figure, wide, (int)l.height * l.scale, SIDE, right, TOP, SIDE);
    write_heads(f, figure, n, subject, SIDE + l.margin * l.scale);
    fprintf(f, "set label 'query' at first %d, first -16 center font ',11'\n", (l.margin + n->side / 2) * l.scale);
    fprintf(f, "set label '%s' at first %d, first -16 left font ',11'\n", px_plot_neighbours_row(n),
            left_of(&l, 1) * l.scale);
    write_frames(f, n, &l);
    int height, width;
    uint8_t *bytes = px_plot_bytes(sheet, (int64_t[]){l.height, l.width, n->channels}, INT_MAX, &height, &width);
    px_plot_canvas(f, bytes, height, width, n->channels, l.scale);
    free(bytes);
    free(subject);
    free(sheet);
    return px_plot_end(job, figure);
}

/* Where none are kept (knn.neighbours=0, versions before 0.3), nothing is reported as left out. */
static int draw_all(plot_job *job)
{
    int count, bad = 0, drawn = 0;
    plot_eval *evals = px_plot_evals(job, &count);
    bool *named = px_calloc(2 * (size_t)job->count + 1, sizeof *named); /* of each run: both kinds of sheets */
    for (int i = 0; bad == 0 && i < count && drawn < PLOT_MOST_PICTURES; i++) {
        plot_neighbours n;
        if (!px_plot_neighbours_read(&n, &job->runs[evals[i].run], &evals[i]))
            continue;
        bool *before = &named[2 * evals[i].run + n.retrieved], first = px_plot_eval_counts(&evals[i]) && !*before;
        *before = *before || first;
        const char *of = n.retrieved ? "retrieved" : "neighbours";
        char *name = first ? px_strdup(of) : px_format("%s_%s", of, evals[i].subject);
        bad = draw(job, &evals[i], name, &n);
        drawn++;
        free(name);
        px_plot_neighbours_finish(&n);
    }
    free(named);
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_neighbours = {
    .name = "neighbours",
    .summary = "test images, and those that are nearest to each (probe protocol=knn, retrieval)",
    .group = "/eval",
    .image = true,
    .draw = draw_all,
};
