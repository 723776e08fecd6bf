/* plot_attention_maps.c - images, and where the heads of a vision transformer's last block look in them (eval/attention.c): beside
 * each image the mean over the heads, then the heads. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 32, MOST_SIDE = 256, MOST_HEADS = 1000, MOST_GRID = 256 }; /* that are read */
enum { MOST_SHOWN = 8, GAP = 2, PAPER = 255 };                                  /* heads that are drawn */

/* What is drawn: (images, side, side, channels), and (images, heads, grid, grid) of which the first `shown` heads. */
typedef struct maps {
    double *pixels, *weights;
    int images, side, channels, heads, shown, grid;
} maps;

static void maps_finish(maps *m)
{
    free(m->pixels);
    free(m->weights);
}

/* False: there are none, and nothing to finish. */
static bool maps_read(maps *m, const plot_run *run, const char *group)
{
    int64_t seen[4] = {0}, of[4] = {0};
    *m = (maps){.pixels = px_plot_data(run, 4, seen, "%s/pictures", group),
                .weights = px_plot_data(run, 4, of, "%s/weights", group)};
    bool there = m->pixels && m->weights && seen[0] == of[0] && seen[0] > 0 && seen[0] <= MOST_IMAGES &&
                 seen[1] == seen[2] && seen[1] > 0 && seen[1] <= MOST_SIDE && (seen[3] == 1 || seen[3] == 3) &&
                 of[1] > 0 && of[1] <= MOST_HEADS && of[2] == of[3] && of[2] > 0 && of[2] <= MOST_GRID;
    if (there) {
        m->images = (int)seen[0];
        m->side = (int)seen[1];
        m->channels = (int)seen[3];
        m->heads = (int)of[1];
        m->shown = m->heads < MOST_SHOWN ? m->heads : MOST_SHOWN;
        m->grid = (int)of[2];
    } else {
        if (m->pixels || m->weights)
            px_results_leave_out(run->results,
                                 "%s: pictures (Q, side, side, 1 or 3) and weights (Q, heads, grid, grid) go together, "
                                 "up to %d images of %d pixels, %d heads, and a grid of %d",
                                 group, MOST_IMAGES, MOST_SIDE, MOST_HEADS, MOST_GRID);
        maps_finish(m);
    }
    return there;
}

/* A cell of the sheet, whose rows are `pitch` numbers apart: an image. */
static void draw_image(double *to, int64_t pitch, const maps *m, int image)
{
    const double *from = m->pixels + (int64_t)image * m->side * m->side * m->channels;
    for (int y = 0; y < m->side; y++)
        for (int x = 0; x < m->side; x++)
            for (int c = 0; c < 3; c++)
                to[y * pitch + (int64_t)x * 3 + c] = from[(y * m->side + x) * m->channels + (m->channels == 3 ? c : 0)];
}

/* A map (grid, grid): white is where it looks most, black nowhere. */
static void draw_map(double *to, int64_t pitch, const maps *m, const double *map)
{
    double most = 0;
    for (int i = 0; i < m->grid * m->grid; i++)
        most = fmax(most, px_plot_drawable(map[i]) ? map[i] : 0);
    for (int y = 0; y < m->side; y++)
        for (int x = 0; x < m->side; x++) {
            double w = map[y * m->grid / m->side * m->grid + x * m->grid / m->side];
            for (int c = 0; c < 3; c++)
                to[y * pitch + (int64_t)x * 3 + c] = most > 0 && px_plot_drawable(w) ? PAPER * fmax(0, w) / most : 0;
        }
}

static double *make_sheet(const maps *m, int64_t size[3])
{
    int cells = m->grid * m->grid, step = m->side + GAP, columns = 2 + (m->heads > 1 ? m->shown : 0);
    size[0] = m->images * step + GAP;
    size[1] = columns * step + 2 * GAP; /* the image stands apart */
    size[2] = 3;
    int64_t pitch = size[1] * 3;
    double *sheet = px_calloc((size_t)(size[0] * pitch), sizeof *sheet), *mean = px_calloc((size_t)cells, sizeof *mean);
    for (int64_t i = 0; i < size[0] * pitch; i++)
        sheet[i] = PAPER;
    for (int i = 0; i < m->images; i++) {
        const double *own = m->weights + (int64_t)i * m->heads * cells;
        double *row = sheet + (GAP + i * step) * pitch + 3 * (int64_t)GAP;
        memset(mean, 0, (size_t)cells * sizeof *mean);
        for (int k = 0; k < m->heads * cells; k++)
            mean[k % cells] += own[k] / m->heads;
        draw_image(row, pitch, m, i);
        row += 3 * (int64_t)(step + GAP);
        draw_map(row, pitch, m, mean);
        for (int h = 0; h < m->shown && m->heads > 1; h++)
            draw_map(row + 3 * (int64_t)(h + 1) * step, pitch, m, own + (int64_t)h * cells);
    }
    free(mean);
    return sheet;
}

double *px_plot_attention_maps(const plot_run *run, const plot_eval *e, int64_t size[3], char **caption)
{
    maps m;
    char *group = px_format("/eval/%s/%s/maps", e->protocol, e->subject);
    if (!px_results_has(run->results, group)) { /* of one that was repeated, the first repeat's */
        free(group);
        group = px_format("/eval/%s/%s/seeds/0/maps", e->protocol, e->subject);
    }
    bool there = maps_read(&m, run, group);
    free(group);
    if (!there)
        return NULL;
    double *sheet = make_sheet(&m, size);
    char *heads = m.heads == 1        ? px_strdup("its only head")
                  : m.shown < m.heads ? px_format("the mean of its %d heads, the first %d of them", m.heads, m.shown)
                                      : px_format("the mean of its %d heads, the heads", m.heads);
    *caption = px_format("where the last block looks in test images; in each row the image, %s; white: most", heads);
    free(heads);
    maps_finish(&m);
    return sheet;
}

/* Nothing is reported as left out where there are none. */
static int draw_all(plot_job *job)
{
    int count, bad = 0, drawn = 0;
    bool named = false;
    plot_eval *evals = px_plot_evals(job, &count);
    for (int i = 0; i < count && bad == 0 && drawn < PLOT_MOST_PICTURES; i++) {
        int64_t size[3];
        char *caption;
        double *sheet = px_plot_attention_maps(&job->runs[evals[i].run], &evals[i], size, &caption);
        if (!sheet)
            continue;
        bool first = px_plot_eval_counts(&evals[i]) && !named;
        char *name = first ? px_strdup("attention_maps") : px_format("attention_maps_%s", evals[i].subject);
        named = named || first;
        bad = px_plot_image(job, evals[i].run, name, caption, sheet, size);
        drawn++;
        free(name);
        free(caption);
        free(sheet);
    }
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_attention_maps = {
    .name = "attention_maps",
    .summary = "where the heads of a vision transformer's last block look (probe protocol=attention)",
    .group = "/eval",
    .image = true,
    .draw = draw_all,
};
