/* report_run.c - a run's part of a report: its state, its figures, its cost; what could not be read. */
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "figures/html.h"
#include "figures/report_private.h"
#include "figures/table.h"
#include "results/ledger.h"
#include "results/measured.h"
#include "train/checkpoint.h"

#include <libconfig.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- state ---- */

/* A setting of the top level as text, "" if there is none. A new string. */
static char *setting_of(const config_t *config, const char *name)
{
    const config_setting_t *s = config_lookup(config, name);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    if (s)
        px_plot_setting(out, s, &(plot_setting_form){.digits = 6, .empty = "", .most = 200});
    fclose(out);
    return text;
}

/* Rounded down to hundredths, and below 1 to four digits: epochs may be 0.2. */
static double rounded_down(double epochs)
{
    double unit = epochs > 1e-9 && epochs < 1 ? pow(10, 3 - floor(log10(epochs))) : 100;
    return floor(unit * epochs + 1e-6) / unit;
}

/* A run that has all its epochs is finished also while an evaluation is written to it. What is not whole is not rounded up to what
 * was wanted. */
static char *state_of(const report_page *p, int run, double wanted)
{
    char *file = px_run_file(p->paths[run]);
    bool live = px_results_is_written(file);
    plot_progress done = px_plot_progress(&p->runs[run]);
    double shown = rounded_down(done.epochs);
    free(file);
    if (!isfinite(done.epochs))
        return px_strdup(live ? "being written" : "was not trained here");
    if (!(wanted > 0))
        return px_format("%s: %.10g epochs", live ? "goes on" : "finished", shown);
    if (px_plot_is_whole(&done, wanted))
        return px_format("finished: %.6g epochs", done.epochs);
    return px_format("%s %.10g of %g epochs", live ? "goes on:" : "stopped at", shown, wanted);
}

static char *checkpoint_of(const char *path)
{
    char *folder = px_run_folder(path);
    bool there = px_checkpoint_exists(folder);
    free(folder);
    return px_strdup(there ? "there is one" : "none: the run cannot be resumed, probed or exported");
}

/* Whether the split that was tested is the one that was learned from. */
static bool is_of_training(const char *measured)
{
    char *learned = measured ? px_measured_value(measured, "train") : NULL,
         *tested = measured ? px_measured_value(measured, "test") : NULL; /* "NAME, N images" */
    bool same = learned && tested && strcmp(learned, tested) == 0;
    free(learned);
    free(tested);
    return same;
}

/* What each protocol says of the trained network on a split that it did not learn from: "46.43 % (linear), 44.52 % (k-NN)". */
static char *probes_of(const plot_run *run)
{
    int count;
    plot_eval *evals = px_plot_evals(&(plot_job){.runs = (plot_run *)(uintptr_t)run, .count = 1}, &count);
    char *all = NULL;
    for (int i = 0; i < count; i++) {
        const plot_eval *e = &evals[i];
        double top1 = px_plot_eval_number(run, e, "top1");
        if (!px_plot_eval_counts(e) || !isfinite(top1) || is_of_training(e->measured))
            continue;
        char *protocol = px_plot_protocol_name(e), *before = all;
        all = px_format("%s%s%.2f %% (%s)", before ? before : "", before ? ", " : "", 100 * top1, protocol);
        free(before);
        free(protocol);
    }
    px_plot_evals_free(evals, count);
    return all ? all : px_strdup("not evaluated");
}

static void write_state(const report_page *p, int run)
{
    static const char *const names[] = {"method", "backbone", "batch", "seed", "precision"};
    const plot_run *r = &p->runs[run];
    config_t config;
    px_ledger_total cost;
    double wanted = NAN;
    fputs("<dl class=\"facts\">\n", p->out);
    if (px_plot_config(r->results, &config)) {
        const char *data;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char *text = setting_of(&config, names[i]);
            if (*text)
                px_report_fact(p->out, names[i], px_strdup(text));
            free(text);
        }
        if (config_lookup_string(&config, "data.path", &data) == CONFIG_TRUE)
            px_report_fact(p->out, "data", px_strdup(strrchr(data, '/') ? strrchr(data, '/') + 1 : data));
        const config_setting_t *epochs = config_lookup(&config, "epochs");
        wanted = epochs ? config_setting_type(epochs) == CONFIG_TYPE_FLOAT ? config_setting_get_float(epochs)
                                                                           : (double)config_setting_get_int64(epochs)
                        : NAN;
    }
    config_destroy(&config);
    px_report_fact(p->out, "state", state_of(p, run, wanted));
    px_report_fact(p->out, "checkpoint", checkpoint_of(p->paths[run]));
    px_report_fact(p->out, "top-1", probes_of(r));
    if (px_ledger_read(r->results, &cost) == 0 && cost.sessions > 0)
        px_report_fact(p->out, "cost", px_format("%.4g core-hours", px_ledger_core_seconds(&cost.sum) / 3600));
    fputs("</dl>\n", p->out);
}

/* ---- cost ---- */

static void write_parts(FILE *out, const px_ledger *l)
{
    static const char *const heads[] = {"part", "wall s", "% of wall", "core-seconds", "% of core-seconds"};
    px_table t = {.columns = sizeof heads / sizeof *heads};
    double wall = px_ledger_wall(l), core = px_ledger_core_seconds(l);
    for (int i = 0; i < t.columns; i++)
        px_table_add(&t, px_strdup(heads[i]));
    for (int i = 0; i < PX_PARTS; i++) {
        bool beside = i == PX_PART_LOADER; /* its threads work during the other parts */
        if (!(l->wall[i] > 0 || l->core[i] > 0))
            continue;
        px_table_add(&t, px_strdup(px_part_names[i]));
        px_table_add(&t, beside ? px_strdup("-") : px_format("%.2f", l->wall[i]));
        px_table_add(&t, beside ? px_strdup("-") : px_format("%.1f", 100 * l->wall[i] / wall));
        px_table_add(&t, px_format("%.2f", l->core[i]));
        px_table_add(&t, px_format("%.1f", 100 * l->core[i] / core));
    }
    px_table_add(&t, px_strdup("all"));
    px_table_add(&t, px_format("%.2f", wall));
    px_table_add(&t, px_strdup("100.0"));
    px_table_add(&t, px_format("%.2f", core));
    px_table_add(&t, px_strdup("100.0"));
    px_table_print(&t, PX_TABLE_HTML, out);
    px_table_finish(&t);
}

static char *energy_text(const px_ledger_total *t)
{
    if (t->without_energy == t->sessions)
        return px_strdup("not reported by this machine");
    if (t->without_energy)
        return px_format("%.4g kJ, without %d of %d sessions", t->sum.joules / 1e3, t->without_energy, t->sessions);
    return px_format("%.4g kJ", t->sum.joules / 1e3);
}

static void write_cost(const report_page *p, int run)
{
    px_ledger_total t;
    char words[32];
    if (px_ledger_read(p->runs[run].results, &t) != 0 || t.sessions == 0)
        return;
    const px_ledger *l = &t.sum;
    double core = px_ledger_core_seconds(l);
    fputs("<h3>Cost</h3>\n<dl class=\"facts\">\n", p->out);
    px_report_fact(p->out, "sessions",
                   px_format("%d, of %g rank%s at most", t.sessions, l->ranks, l->ranks > 1 ? "s" : ""));
    px_report_fact(p->out, "wall time", px_strdup(px_duration(px_ledger_wall(l), words)));
    px_report_fact(p->out, "core-hours", px_format("%.4g", core / 3600));
    if (l->images > 0) {
        px_report_fact(p->out, "images", px_format("%.0f", l->images));
        px_report_fact(p->out, "multiply-adds",
                       px_format("%.4g, %.4g per core-second", l->multiply_adds, l->multiply_adds / core));
    }
    px_report_fact(p->out, "sent to other ranks", px_strdup(px_bytes_text(l->bytes_sent, words)));
    px_report_fact(p->out, "peak memory of a rank", px_strdup(px_bytes_text(l->peak_bytes, words)));
    px_report_fact(p->out, "energy", energy_text(&t));
    fputs("</dl>\n", p->out);
    write_parts(p->out, l);
    fputs("<p class=\"notes\">Of all starts and evaluations, with what was repeated after a kill. The loader works "
          "beside the "
          "other parts.</p>\n",
          p->out);
}

/* ---- all of it ---- */

static void write_left_out(const report_page *p, int run)
{
    enum { FEW = 20 };
    const char *const *lines;
    int count = px_results_left_out(p->runs[run].results, &lines);
    if (count == 0)
        return;
    fputs("<h3>Left out</h3>\n<ul class=\"notes\">\n", p->out);
    for (int i = 0; i < count && i < FEW; i++)
        fputs("<li>", p->out), px_html_text(p->out, lines[i]), fputs("</li>\n", p->out);
    if (count > FEW)
        fprintf(p->out, "<li>... and %d more</li>\n", count - FEW);
    fputs("</ul>\n", p->out);
}

void px_report_run(report_page *p, int run)
{
    fprintf(p->out, "<section id=\"run-%d\">\n", run + 1);
    if (p->count > 1) /* a single one is the page's title */
        fputs("<h2>", p->out), px_html_text(p->out, p->runs[run].name), fputs("</h2>\n", p->out);
    write_state(p, run);
    px_report_figures(p, run, "/train", "Training");
    px_report_evals(p, run);
    px_report_samples(p, run);
    px_report_figures(p, run, "/bench", "A measured step");
    write_cost(p, run);
    px_report_origin(p, run);
    write_left_out(p, run);
    fputs("</section>\n", p->out);
}
