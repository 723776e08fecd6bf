/* report_evals.c - a run's evaluations on the page: what was reached, what was measured, figures; the method's pictures. */
#include "base/error.h"
#include "data/png_write.h"
#include "eval/protocol.h"
#include "figures/html.h"
#include "figures/report_private.h"
#include "figures/table.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- evaluations ---- */

/* "71.23", or with an interval "71.23 ± 0.41": percent. A new string. */
static char *percent_of(const plot_run *run, const plot_eval *e, const char *number)
{
    char *name = px_format("%s_interval", number);
    double share = px_plot_eval_number(run, e, number), half = px_plot_eval_number(run, e, name);
    free(name);
    if (!isfinite(share))
        return px_strdup("-");
    return isfinite(half) ? px_format("%.2f ± %.2f", 100 * share, 100 * half) : px_format("%.2f", 100 * share);
}

/* The protocol's other numbers: "top5 97.31". */
static char *others_of(const plot_run *run, const plot_eval *e)
{
    const px_protocol *protocol = px_protocols[px_protocol_index(e->protocol)];
    const char *const *names = px_protocol_numbers(protocol);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    for (int i = 1; names[0] && names[i]; i++) {
        if (protocol && protocol->axis && !e->k) /* of an array over something else there is no single number */
            break;
        char *percent = percent_of(run, e, names[i]);
        if (strcmp(percent, "-") != 0)
            fprintf(out, "%s%s %s", ftell(out) > 0 ? ", " : "", names[i], percent);
        free(percent);
    }
    fclose(out);
    return text;
}

/* A line of what was measured, "-" if it is not there. A new string. */
static char *line_of(const plot_eval *e, const char *key)
{
    char *value = e->measured ? px_measured_value(e->measured, key) : NULL;
    return value ? value : px_strdup("-");
}

static void write_table(FILE *out, const plot_run *run, const plot_eval *evals, int count)
{
    static const char *const heads[] = {"protocol", "subject",      "percent",   "number", "others",
                                        "data",     "learned from", "tested on", "step"};
    static const char *const keys[] = {"data", "train", "test", "weights_step"};
    px_table t = {.columns = sizeof heads / sizeof *heads};
    plot_job job = {.runs = (plot_run *)(uintptr_t)run, .count = 1};
    for (int i = 0; i < t.columns; i++)
        px_table_add(&t, px_strdup(heads[i]));
    for (int i = 0; i < count; i++) {
        const char *number = px_plot_main_number(evals[i].protocol);
        px_table_add(&t, px_plot_protocol_name(&evals[i]));
        px_table_add(&t, px_plot_subject_name(&job, &evals[i]));
        px_table_add(&t, percent_of(run, &evals[i], number));
        px_table_add(&t, px_strdup(number));
        px_table_add(&t, others_of(run, &evals[i]));
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            px_table_add(&t, line_of(&evals[i], keys[k]));
    }
    px_table_print(&t, PX_TABLE_HTML, out);
    px_table_finish(&t);
}

static void write_measured(FILE *out, const plot_eval *evals, int count)
{
    bool any = false;
    for (int i = 0; i < count; i++)
        any |= evals[i].measured != NULL;
    if (!any)
        return;
    fputs("<details><summary>What each number was measured with</summary>\n", out);
    for (int i = 0; i < count; i++) {
        fputs("<h4>", out);
        px_html_text(out, evals[i].protocol);
        fputs(", ", out);
        px_html_text(out, evals[i].subject);
        fputs("</h4>\n<pre>", out);
        px_html_lines(out, evals[i].measured ? evals[i].measured : "not known: it is of a version before 0.3");
        fputs("</pre>\n", out);
    }
    fputs("</details>\n", out);
}

/* ---- pictures ---- */

/* Of a picture's sides in pixels; and what small ones are enlarged to by a whole number. */
enum { MOST_PIXELS = 1000, SEEN = 600, CAPTION = 1000 /* characters */ };

static void write_picture(FILE *out, const char *name, const char *caption, const double *pixels, const int64_t dim[])
{
    int height, width, channels = (int)dim[2];
    uint8_t *bytes = px_plot_bytes(pixels, dim, MOST_PIXELS, &height, &width);
    size_t size = 0;
    void *png = px_png_encode(bytes, height, width, channels, &size);
    int scale = width < SEEN ? SEEN / width : 1;
    if (png) {
        char *shorter = px_plot_shorten(caption, CAPTION);
        fputs("<figure><img alt=\"", out);
        px_html_text(out, name);
        fprintf(out, "\" width=\"%d\" height=\"%d\" src=\"", width * scale, height * scale);
        px_html_png(out, png, size);
        fputs("\">\n<figcaption>", out);
        px_html_text(out, name);
        fputs(*shorter ? ": " : "", out);
        px_html_text(out, shorter);
        fputs("</figcaption></figure>\n", out);
        free(shorter);
    }
    free(png);
    free(bytes);
}

/* Where the method's pictures go, and how many have. */
typedef struct samples {
    FILE *out;
    int written;
} samples;

static int write_sample(void *context, const plot_picture *p)
{
    samples *to = context;
    fputs(to->written++ == 0 ? "<h3>Samples</h3>\n" : "", to->out);
    write_picture(to->out, p->name, p->caption ? p->caption : "", p->pixels, p->size);
    return 0;
}

static void write_filters(report_page *p, int run)
{
    int64_t size[3];
    char *caption;
    double *sheet = px_plot_filters(p->runs[run].folder, size, &caption);
    if (!sheet)
        return;
    fputs("<h3>First layer</h3>\n", p->out);
    write_picture(p->out, "filters", caption, sheet, size);
    free(caption);
    free(sheet);
}

void px_report_samples(report_page *p, int run)
{
    px_plot_each_picture(&p->runs[run], write_sample, &(samples){.out = p->out});
    write_filters(p, run);
}

/* ---- all of it ---- */

/* Where heads look in some images. */
static void write_maps(report_page *p, int run, const plot_eval *e)
{
    int64_t size[3];
    char *caption;
    double *sheet = px_plot_attention_maps(&p->runs[run], e, size, &caption);
    if (!sheet)
        return;
    char *name = px_format("attention maps, %s", e->subject);
    write_picture(p->out, name, caption, sheet, size);
    free(name);
    free(caption);
    free(sheet);
}

void px_report_evals(report_page *p, int run)
{
    const plot_run *r = &p->runs[run];
    int count;
    plot_eval *evals = px_plot_evals(&(plot_job){.runs = &p->runs[run], .count = 1}, &count);
    if (count) {
        fputs("<h3>Evaluations</h3>\n", p->out);
        write_table(p->out, r, evals, count);
        write_measured(p->out, evals, count);
    }
    px_report_figures(p, run, "/eval", NULL);
    for (int i = 0; i < count; i++)
        px_report_neighbours(p, run, &evals[i]);
    for (int i = 0; i < count; i++)
        write_maps(p, run, &evals[i]);
    px_plot_evals_free(evals, count);
}
