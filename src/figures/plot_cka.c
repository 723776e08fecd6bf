/* plot_cka.c - how alike the stages of a backbone are: linear CKA of each with each (eval/diagnostics.c, layers=true). */
#include "base/error.h"
#include "figures/plot_private.h"

#include <stdlib.h>
#include <string.h>

/* Up to this many stages the numbers stand in the cells. */
enum { MOST_CELL_TEXTS = 16 };

/* (count, count) */
typedef struct matrix {
    double *value;
    char **name;
    int count;
} matrix;

static void matrix_finish(matrix *m)
{
    px_plot_texts_free(m->name, m->count);
    free(m->value);
}

/* False: this evaluation has none, and there is nothing to finish. */
static bool matrix_read(matrix *m, const plot_run *run, const plot_eval *e)
{
    int64_t dim[4];
    char *names = px_format("/eval/%s/%s/layers/names", e->protocol, e->subject);
    *m = (matrix){.value = px_plot_data(run, 2, dim, "/eval/%s/%s/layers/cka", e->protocol, e->subject)};
    bool there = m->value && px_results_has(run->results, names) &&
                 px_results_get_texts(run->results, names, &m->name, &m->count) == 0 && m->count == dim[0] &&
                 m->count == dim[1] && m->count > 1 && m->count <= PLOT_MOST_LAYERS;
    if (!there && m->value)
        px_results_leave_out(run->results,
                             "/eval/%s/%s/layers: %d names, and %lld x %lld likenesses (cka); drawn are "
                             "as many names as rows and columns, 2 to %d",
                             e->protocol, e->subject, m->count, (long long)dim[0], (long long)dim[1], PLOT_MOST_LAYERS);
    free(names);
    if (!there)
        matrix_finish(m);
    return there;
}

static void write_cells(FILE *f, const matrix *m)
{
    fputs("$cells << EOD\n", f);
    for (int i = 0; i < m->count; i++)
        for (int k = 0; k < m->count; k++) {
            double v = m->value[i * m->count + k];
            if (v >= 0 && v <= 1.001)
                fprintf(f, "%d %d %.5g %d\n", k, i, v, v > 0.55 ? 0xFFFFFF : 0x222222);
        }
    fputs("EOD\n", f);
}

static int draw(plot_job *job, const plot_eval *e, matrix *m)
{
    enum { CELL = 62, LEAST = 360, MOST = 900 };
    int side = CELL * m->count < LEAST  ? LEAST
               : CELL * m->count > MOST ? MOST
                                        : CELL * m->count,
        widest = px_plot_shorten_all(m->name, m->count, PLOT_CLASS_NAME), bottom = 45 + 7 * widest,
        left = 40 + 10 * widest;
    char *subject = px_plot_subject_name(job, e);
    plot_figure *figure = px_plot_begin(job, "cka", e->run, 0, 0);
    FILE *f = figure->script;
    px_plot_frame(f, figure, side, side, left, 150, 70, bottom);
    px_plot_title(f, px_format("How alike stages are: %s", subject));
    write_cells(f, m);
    px_plot_square_tics(f, m->name, m->count);
    px_plot_square(f, figure, m->count, side, bottom);
    fputs("set cbrange [0:1]\nset cblabel 'linear CKA (1: alike)' tc rgb '#222222'\nset cbtics 0,0.2,1 scale 0.4\n"
          "plot $cells using 1:2:3 with image pixels",
          f);
    if (m->count <= MOST_CELL_TEXTS)
        fputs(", \\\n  '' using 1:2:(sprintf('%.2f', $3)):4 with labels tc rgb variable font ',12'", f);
    fputc('\n', f);
    free(subject);
    return px_plot_end(job, figure);
}

/* A figure per run, of what was trained, or of the first subject if only baselines were measured. Nothing is reported as left out
 * where there is none. */
static int draw_all(plot_job *job)
{
    int count, bad = 0;
    plot_eval *evals = px_plot_evals(job, &count);
    for (int run = 0; run < job->count && bad == 0; run++) {
        matrix m;
        const plot_eval *e = px_plot_eval_of(
            job, evals, count, (plot_wanted){.run = run, .protocol = "diagnostics", .part = "layers/cka"});
        if (!e || !matrix_read(&m, &job->runs[run], e))
            continue;
        bad = draw(job, e, &m);
        matrix_finish(&m);
    }
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_cka = {
    .name = "cka",
    .summary = "how alike the stages of the backbone are (probe protocol=diagnostics layers=true)",
    .group = "/eval",
    .draw = draw_all,
};
