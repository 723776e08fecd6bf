/* show_cost.c - what a run has cost, over all its starts and evaluations, as `pretext show` prints it. */
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "figures/plot_private.h"
#include "figures/show_private.h"
#include "results/ledger.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_part(FILE *out, const px_ledger *l, int part)
{
    double wall = px_ledger_wall(l), core = px_ledger_core_seconds(l);
    if (l->wall[part] <= 0 && l->core[part] <= 0)
        return;
    fprintf(out, "  %-20s", px_part_names[part]);
    if (part == PX_PART_LOADER)
        fprintf(out, " %11s %7s", "beside", "");
    else
        fprintf(out, " %11.2f %6.1f%%", l->wall[part], 100 * l->wall[part] / wall);
    fprintf(out, " %13.2f %6.1f%%\n", l->core[part], 100 * l->core[part] / core);
}

static void print_energy(FILE *out, const px_ledger_total *t)
{
    if (t->without_energy == t->sessions)
        fputs("  energy               this machine does not report it\n", out);
    else if (t->without_energy)
        fprintf(out, "  energy               %.4g kJ, without %d of %d sessions on machines that do not report it\n",
                t->sum.joules / 1e3, t->without_energy, t->sessions);
    else
        fprintf(out, "  energy               %.4g kJ of processors and their memory\n", t->sum.joules / 1e3);
}

/* Accuracy, beside what it took. */
static void print_accuracies(FILE *out, px_results *r, const px_ledger_total *t)
{
    plot_run run = {.results = r};
    int count;
    plot_eval *evals = px_plot_evals(&(plot_job){.runs = &run, .count = 1}, &count);
    for (int i = 0; i < count; i++) {
        double top1 = 100 * px_plot_eval_number(&run, &evals[i], "top1"),
               hours = px_ledger_core_seconds(&t->sum) / 3600;
        const char *subject = evals[i].subject;
        if (!isfinite(top1) || !px_plot_eval_counts(&evals[i]) || hours <= 0)
            continue;
        char *protocol = px_plot_protocol_name(&evals[i]);
        char *name = strcmp(subject, "pretrained") == 0 ? px_strdup(protocol) : px_format("%s, %s", protocol, subject);
        fputs("  ", out);
        px_show_name(out, name, 20);
        fprintf(out, " %.2f %% top-1: %.4g points per core-hour", top1, top1 / hours);
        if (t->without_energy == 0 && t->sum.joules > 0)
            fprintf(out, ", %.4g per kJ", 1e3 * top1 / t->sum.joules);
        if (evals[i].note && *evals[i].note) { /* what tells it from others */
            fputs("; ", out);
            px_show_name(out, evals[i].note, 0);
        }
        fputc('\n', out);
        free(protocol);
        free(name);
    }
    px_plot_evals_free(evals, count);
}

void px_show_cost(FILE *out, px_results *r)
{
    px_ledger_total t;
    char bytes[32], wall[32];
    if (px_ledger_read(r, &t) != 0 || t.sessions == 0)
        return;
    const px_ledger *l = &t.sum;
    double core = px_ledger_core_seconds(l);
    fprintf(out, "\nCost of %d session%s, %g rank%s at most\n", t.sessions, t.sessions > 1 ? "s" : "", l->ranks,
            l->ranks > 1 ? "s" : "");
    fprintf(out, "  %-20s %11s %7s %13s %7s\n", "part", "wall s", "", "core-seconds", "");
    for (int i = 0; i < PX_PARTS; i++)
        print_part(out, l, i);
    fprintf(out, "  %-20s %11.2f %7s %13.2f\n", "all", px_ledger_wall(l), "", core);
    fprintf(out, "  time                 %s, %.4g core-hours\n", px_duration(px_ledger_wall(l), wall), core / 3600);
    if (l->images > 0)
        fprintf(out, "  work                 %.0f images, %.4g multiply-adds, %.4g per core-second\n", l->images,
                l->multiply_adds, l->multiply_adds / core);
    fprintf(out, "  sent to other ranks  %s\n", px_bytes_text(l->bytes_sent, bytes));
    fprintf(out, "  peak memory          %s on the rank with most\n", px_bytes_text(l->peak_bytes, bytes));
    print_energy(out, &t);
    print_accuracies(out, r, &t);
}
