/* report.c - see report.h: the page as a whole. */
#include "base/error.h"
#include "base/save.h"
#include "base/version.h"
#include "figures/compare.h"
#include "figures/html.h"
#include "figures/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char doctype[] = "<!DOCTYPE html>";

int px_report_check(const char *path)
{
    return px_save_replaceable(path, doctype, sizeof doctype - 1, "a page (HTML)");
}

bool px_report_is_live(const char *const runs[], int count)
{
    bool live = false;
    for (int i = 0; i < count && !live; i++) {
        char *file = px_run_file(runs[i]);
        live = px_results_is_written(file);
        free(file);
    }
    return live;
}

/* ---- figures ---- */

/* A figure's texts are of 14 px where it is as wide as it was drawn: below 10 px they cannot be read, so it scrolls. */
enum { DRAWN_TEXT = 14, LEAST_TEXT = 10 };

static void write_picture(report_page *p, const px_plot_picture *picture)
{
    char *prefix = px_format("p%d-", ++p->pictures);
    fprintf(p->out, "<figure class=\"drawn%s\"><div class=\"wide\"><div style=\"min-width:%dpx;max-width:%dpx\">",
            picture->chart->colours ? " light" : "", picture->width * LEAST_TEXT / DRAWN_TEXT, picture->width);
    if (px_html_svg(p->out, picture->content, prefix, picture->chart->summary) != 0 && !p->refused)
        p->refused = px_strdup(px_error());
    fputs("</div></div><figcaption>", p->out);
    px_html_text(p->out, picture->chart->name);
    fputs(": ", p->out);
    px_html_text(p->out, picture->chart->summary);
    fputs("</figcaption></figure>\n", p->out);
    free(prefix);
}

static bool belongs(const report_page *p, const px_plot_picture *picture, int run, const char *group)
{
    int own = p->count == 1 ? 0 : picture->run; /* of a single run, all are its own */
    return own == run && (!group || strcmp(picture->chart->group, group) == 0);
}

void px_report_figures(report_page *p, int run, const char *group, const char *heading)
{
    for (int i = 0; i < p->figures.drawn; i++)
        if (belongs(p, &p->figures.picture[i], run, group)) {
            if (heading)
                fprintf(p->out, "<h3>%s</h3>\n", heading);
            heading = NULL;
            write_picture(p, &p->figures.picture[i]);
        }
}

/* ---- the page ---- */

void px_report_fact(FILE *out, const char *name, char *text)
{
    fputs("<div><dt>", out);
    px_html_text(out, name);
    fputs("</dt><dd>", out);
    px_html_text(out, text);
    fputs("</dd></div>\n", out);
    free(text);
}

/* "pretext 0.2.0 ..." */
static char *program(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    px_version_print(out);
    fclose(out);
    text[strcspn(text, "\n,")] = '\0';
    return text;
}

static void write_head(report_page *p, const px_report_form *form)
{
    FILE *out = p->out;
    char *title = p->count == 1 ? px_strdup(p->runs[0].name) : px_format("%d runs", p->count), *by = program(),
         when[64];
    time_t now = time(NULL);
    struct tm local;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S %z", localtime_r(&now, &local));
    fprintf(out, "%s\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", doctype);
    fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
          "'unsafe-inline'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
          out);
    if (form->refresh > 0)
        fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", form->refresh);
    fputs("<title>Pretext: ", out);
    px_html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", px_report_style);
    px_html_text(out, title);
    fprintf(out, "</h1>\n<p class=\"soft\">Written %s by ", when);
    px_html_text(out, by);
    fputs("</p>\n", out);
    if (form->refresh > 0)
        fprintf(out, "<p class=\"live\">Live: written again, and loaded again, every %d s</p>\n", form->refresh);
    fputs("</header>\n", out);
    free(by);
    free(title);
}

static void write_contents(report_page *p)
{
    if (p->count == 1)
        return;
    fputs("<nav><a href=\"#comparison\">Comparison</a>", p->out);
    for (int i = 0; i < p->count; i++) {
        fprintf(p->out, " <a href=\"#run-%d\">", i + 1);
        px_html_text(p->out, p->runs[i].name);
        fputs("</a>", p->out);
    }
    fputs("</nav>\n", p->out);
}

/* The table, and every figure that shows several runs. 0 or -1. */
static int write_comparison(report_page *p)
{
    px_comparison *c;
    if (p->count == 1)
        return 0;
    if (px_comparison_read(&c, p->paths, p->count) != 0)
        return -1;
    fputs("<section id=\"comparison\">\n<h2>Comparison</h2>\n", p->out);
    px_comparison_print(c, PX_TABLE_HTML, p->out);
    px_report_figures(p, -1, NULL, NULL);
    fputs("</section>\n", p->out);
    px_comparison_destroy(c);
    return 0;
}

/* Why no figure is on the page, on it and in the log. The runs themselves could be read. */
static void tell_no_figures(report_page *p, px_log *log)
{
    fputs("<p class=\"notes\">No figures: ", p->out);
    px_html_text(p->out, px_error());
    fputs("</p>\n", p->out);
    if (log)
        px_log_line(log, "left out the figures: %s", px_error());
}

static int write_page(report_page *p, const px_report_form *form, px_log *log)
{
    int drawn = px_plot_as(PX_PICTURE_PAGE, p->paths, p->count, NULL, &p->figures);
    write_head(p, form);
    if (drawn != 0)
        tell_no_figures(p, log);
    write_contents(p);
    fputs("<main>\n", p->out);
    if (write_comparison(p) != 0)
        return -1;
    for (int i = 0; i < p->count; i++)
        px_report_run(p, i);
    fputs("</main>\n</body>\n</html>\n", p->out);
    return p->refused ? px_fail(PX_DATA, "%s", p->refused) : 0;
}

/* ---- runs ---- */

/* Opens all; those that follow one that fails stay closed. */
static int open_runs(report_page *p)
{
    char **names = px_run_names(p->paths, p->count);
    int status = 0;
    for (int i = 0; i < p->count; i++) {
        p->runs[i].name = px_one_line(names[i]);
        p->runs[i].label = names[i];
        if (status == 0)
            status = px_run_open(&p->runs[i].results, p->paths[i]);
        if (status == 0)
            status = px_run_check(p->runs[i].results, p->paths[i]);
        p->runs[i].method = px_strdup("");
        p->runs[i].folder = px_plot_own_folder(p->paths[i]);
    }
    free(names);
    return status;
}

static void close_runs(report_page *p)
{
    for (int i = 0; i < p->count; i++) {
        px_results_close(p->runs[i].results);
        free(p->runs[i].name);
        free(p->runs[i].method);
        free(p->runs[i].folder);
    }
    free(p->runs);
}

int px_report_save(const char *path, const char *const runs[], int count, const px_report_form *form, px_log *log)
{
    char *text;
    size_t size;
    report_page p = {.paths = runs, .count = count, .runs = px_calloc((size_t)count + 1, sizeof *p.runs)};
    p.out = open_memstream(&text, &size);
    PX_CHECK(p.out);
    int status = open_runs(&p);
    if (status == 0)
        status = write_page(&p, form, log);
    fclose(p.out);
    if (status == 0)
        status = px_save(path, text, size);
    px_plot_outcome_finish(&p.figures);
    close_runs(&p);
    free(p.refused);
    free(text);
    return status;
}
