/* report_neighbours.c - test images and their nearest training images on a page: a table of pictures, each with its class below
 * it. */
#include "base/error.h"
#include "data/png_write.h"
#include "figures/html.h"
#include "figures/report_private.h"

#include <stdlib.h>

enum { SHOWN = 96 /* pixels of the page */ };

/* Picture j of a query's row. */
static void write_cell(FILE *out, const plot_neighbours *n, int query, int j)
{
    int values = n->side * n->side * n->channels;
    const double *pixels = n->pixels + (int64_t)(query * (n->k + 1) + j) * values;
    int height, width;
    uint8_t *bytes = px_plot_bytes(pixels, (int64_t[]){n->side, n->side, n->channels}, n->side, &height, &width);
    size_t size = 0;
    void *png = px_png_encode(bytes, height, width, n->channels, &size);
    char *caption = px_plot_neighbour_caption(n, query, j), *shown = px_plot_shorten(caption, PLOT_CLASS_NAME);
    fprintf(out, "<td%s>",
            j == 0                                 ? ""
            : px_plot_neighbour_right(n, query, j) ? " class=\"right\""
                                                   : " class=\"wrong\"");
    if (png) {
        fprintf(out, "<img alt=\"\" width=\"%d\" height=\"%d\" src=\"", SHOWN, SHOWN);
        px_html_png(out, png, size);
        fputs("\">", out);
    }
    fputs("<div>", out);
    px_html_text(out, shown);
    fputs("</div></td>", out);
    free(shown);
    free(caption);
    free(png);
    free(bytes);
}

void px_report_neighbours(report_page *p, int run, const plot_eval *e)
{
    plot_neighbours n;
    if (!px_plot_neighbours_read(&n, &p->runs[run], e))
        return;
    char *subject = px_plot_subject_name(&(plot_job){.runs = &p->runs[run], .count = 1}, e),
         *summary = px_plot_neighbours_summary(&n);
    fprintf(p->out, "<h4>%s: ", px_plot_neighbours_title(&n));
    px_html_text(p->out, subject);
    fprintf(p->out, "</h4>\n<p class=\"notes\">In each row a test image, then %s. ", px_plot_neighbours_row(&n));
    px_html_text(p->out, summary);
    fputs(".</p>\n<div class=\"wide\"><table class=\"sheet\"><tbody>\n", p->out);
    for (int q = 0; q < n.queries; q++) {
        fputs("<tr>", p->out);
        for (int j = 0; j <= n.k; j++)
            write_cell(p->out, &n, q, j);
        fputs("</tr>\n", p->out);
    }
    fputs("</tbody></table></div>\n", p->out);
    free(summary);
    free(subject);
    px_plot_neighbours_finish(&n);
}
