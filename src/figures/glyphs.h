/* glyphs.h - which characters the installed fonts can draw.
 *
 *     char *shown = px_glyphs_drawable("cat 猫");      // "cat □" without a font for Chinese; free it
 *
 * Cairo draws a character that no font has as a box with its number in it, in some fonts as large as the figure. */
#ifndef PX_FIGURES_GLYPHS_H
#define PX_FIGURES_GLYPHS_H

/* `text` (UTF-8) with a box or '?' for each character that no font has. The first time that this happens, a line says so.
 * What is not UTF-8 stays. A new string. */
char *px_glyphs_drawable(const char *text);

#endif
