/* html.h - pieces of a page: text that is only text, pictures that lie in the page itself.
 *
 *     fputs("<td>", out); px_html_text(out, name_from_a_file); fputs("</td>", out);
 *     if (px_html_svg(out, svg, "f1-", "Training loss") != 0) ...
 *     px_html_png(out, png, size, "Reconstruction");
 *
 * Nothing that comes from a file can end an element or an attribute, change the direction of the text around it, or lead
 * anywhere: what is written here has no links but those within the page.
 */
#ifndef PX_FIGURES_HTML_H
#define PX_FIGURES_HTML_H

#include <stddef.h>
#include <stdio.h>

/* `text` on one line, within an element or between double quotes. Control characters, what is not UTF-8, and characters that
 * change the direction of writing become '?'. */
void px_html_text(FILE *, const char *text);

/* The same with its newlines and tabs, for <pre>. */
void px_html_lines(FILE *, const char *text);

/* gnuplot's picture as an element <svg> that fits into what is around it. Names within it get `prefix`, so that several pictures
 * can stand in one page; titles and descriptions are left out, `label` says what the picture is. 0, or -1 with PX_DATA and a
 * part of it written: it has what a picture without scripts and links does not need. */
int px_html_svg(FILE *, const char *svg, const char *prefix, const char *label);

/* What `src` of an image is: a data: URL of a PNG of so many bytes. */
void px_html_png(FILE *, const void *png, size_t size);

#endif
