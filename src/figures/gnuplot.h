/* gnuplot.h - pictures by gnuplot, which runs as a child process.
 *
 *     px_gnuplot g;
 *     if (px_gnuplot_find(&g, PX_PICTURE_PNG) != 0) return -1;        // not installed: the message names the package
 *     char *body; size_t size;
 *     FILE *script = open_memstream(&body, &size);
 *     fprintf(script, "set title "); px_gnuplot_text(script, title); fprintf(script, "\nplot ...\n");
 *     fclose(script);
 *     char *path = px_format("%s/loss.%s", folder, g.extension);
 *     px_gnuplot_draw(&g, path, 1200, 800, body);                     // the old picture stays if this fails
 *
 * Before a body the style is set: fonts, light grid, line types 1 to 8 in colours that colour-blind readers can
 * distinguish. The body contains its data, as `$name << EOD` blocks. Texts (names of classes, runs) are never
 * interpreted, neither as markup nor as commands.
 */
#ifndef PX_FIGURES_GNUPLOT_H
#define PX_FIGURES_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

typedef struct px_gnuplot {
    const char *terminal;  /* "pngcairo", or the next best one of this gnuplot */
    const char *extension; /* of its files: "png" or "svg" */
    bool bare;             /* without a background and a font of its own: within a page */
    int columns;           /* of a picture of characters, whatever its width in pixels is; else 0 */
} px_gnuplot;

/* What pictures are made as: PNG, or where this gnuplot has none SVG; SVG alone; SVG for a page; characters, for a terminal. */
typedef enum px_picture_form { PX_PICTURE_PNG, PX_PICTURE_SVG, PX_PICTURE_PAGE, PX_PICTURE_TEXT } px_picture_form;

/* 0, or -1: not installed (PX_FAIL), or without a terminal for such pictures. */
int px_gnuplot_find(px_gnuplot *, px_picture_form);

/* Runs `body`; width and height in pixels. The picture appears at `path` only when it is complete. 0, or -1: with
 * gnuplot's message and PX_DATA if it cannot draw this. */
int px_gnuplot_draw(const px_gnuplot *, const char *path, int width, int height, const char *body);

/* The same as a text (SVG, characters) instead of a file; `name` is for messages. A new string, or NULL. */
char *px_gnuplot_picture(const px_gnuplot *, const char *name, int width, int height, const char *body);

/* Writes `text` as a quoted string for a command. A tic's label is also a format, in which % is special; if it has one
 * and is longer than 49 bytes, it is cut. Control characters become '?' (px_one_line), and
 * characters that no font has a box (glyphs.h). */
void px_gnuplot_text(FILE *script, const char *text);
void px_gnuplot_tic(FILE *script, const char *text);

/* The colour of line type `index` (from 0, wraps around) as RRGGBB. */
const char *px_gnuplot_colour(int index);

#endif
