/* plot_style.c - how the runs of a figure are told apart, and texts that must fit into a place. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- marks ---- */

int px_plot_mark(const plot_job *job, int run)
{
    /* Circle, square, triangle, diamond, triangle upside down. There are eight colours: it takes 40 runs until both are
     * the same. */
    static const int marks[] = {7, 5, 9, 13, 11};
    return job->count > PLOT_FEW_RUNS ? marks[run % 5] : 0;
}

/* ---- texts ---- */

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80; /* other bytes continue a character of UTF-8 */
}

int px_plot_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += begins_character(*text);
    return width;
}

/* The byte where character number `index` begins. */
static size_t byte_of(const char *text, int index)
{
    const char *at = text;
    for (; *at; at++)
        if (begins_character(*at) && index-- == 0)
            break;
    return (size_t)(at - text);
}

char *px_plot_shorten(const char *text, int most)
{
    int width = px_plot_width(text), head = (most - 1) / 2, tail = most - 1 - head;
    if (width <= most)
        return px_strdup(text);
    return px_format("%.*s…%s", (int)byte_of(text, head), text, text + byte_of(text, width - tail));
}

int px_plot_shorten_all(char **texts, int count, int most)
{
    bool same = false;
    int widest = 0;
    char **shorter = px_calloc((size_t)count + 1, sizeof *shorter);
    for (int i = 0; i < count; i++) {
        shorter[i] = px_plot_shorten(texts[i], most);
        for (int j = 0; j < i; j++)
            same |= strcmp(shorter[i], shorter[j]) == 0;
    }
    for (int i = 0; i < count; i++) {
        if (same) { /* what they differ in was cut out: their order tells them apart */
            free(shorter[i]);
            char *text = px_format("%d: %s", i + 1, texts[i]);
            shorter[i] = px_plot_shorten(text, most);
            free(text);
        }
        free(texts[i]);
        texts[i] = shorter[i];
        int width = px_plot_width(texts[i]);
        widest = width > widest ? width : widest;
    }
    free(shorter);
    return widest;
}

char **px_plot_wrap(const char *text, int most, int *count)
{
    char **lines = NULL, *rest = px_strdup(text), *at = rest, *part;
    *count = 0;
    while ((part = strsep(&at, ";")))
        for (part += strspn(part, " "); *part;) {
            size_t length = byte_of(part, most);
            if (part[length]) {
                size_t space = length;
                while (space > 0 && part[space] != ' ')
                    space--;
                length = space ? space : length; /* a word that is longer than a line is cut */
            }
            lines = px_realloc(lines, (size_t)(*count + 1) * sizeof *lines);
            lines[(*count)++] = px_format("%.*s", (int)length, part);
            part += length;
            part += strspn(part, " ");
        }
    free(rest);
    return lines;
}

void px_plot_texts_free(char **texts, int count)
{
    for (int i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

/* gnuplot joins the lines by "\n", which px_gnuplot_text cannot write within a text. */
void px_plot_title(FILE *f, char *title)
{
    enum { SHORT = 62, LINE = 90 }; /* characters: of a title in the usual size, and of a line of a longer one */
    bool is_long = px_plot_width(title) > SHORT;
    int count = 0;
    char **lines = is_long ? px_plot_wrap(title, LINE, &count) : NULL;
    fputs("set title ", f);
    px_gnuplot_text(f, is_long ? lines[0] : title);
    for (int i = 1; i < count; i++) {
        fputs(".\"\\n\".", f);
        px_gnuplot_text(f, lines[i]);
    }
    fputs(is_long ? " font ',12'\n" : "\n", f);
    px_plot_texts_free(lines, count);
    free(title);
}

/* ---- places ---- */

void px_plot_frame(FILE *f, plot_figure *figure, int width, int height, int left, int right, int top, int bottom)
{
    figure->width = left + width + right;
    figure->height = top + height + bottom;
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            (double)left / figure->width, 1 - (double)right / figure->width, 1 - (double)top / figure->height,
            (double)bottom / figure->height);
}

void px_plot_square(FILE *f, const plot_figure *figure, int count, int side, int bottom)
{
    fprintf(f, "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\nunset grid\nset border 15\nset key off\n", count - 1,
            count - 1);
    fprintf(f, "set colorbox user origin screen %g, screen %g size screen %g, screen %g\n", 1 - 130.0 / figure->width,
            (double)bottom / figure->height, 28.0 / figure->width, (double)side / figure->height);
    fputs("set palette defined (0 '#FFFFFF', 10 '#D6E6F4', 30 '#9ECAE1', 60 '#3787C0', 85 '#0A539E', 100 '#08306B')\n",
          f);
}

void px_plot_square_tics(FILE *f, char *const *names, int count)
{
    for (int axis = 0; axis < 2; axis++) {
        fprintf(f, "set %s scale 0 (", axis ? "ytics" : "xtics rotate by 40 right");
        for (int i = 0; i < count; i++) {
            fputs(i ? ", " : "", f);
            px_gnuplot_tic(f, names[i]);
            fprintf(f, " %d", i);
        }
        fputs(")\n", f);
    }
}

int px_plot_legend_columns(char *const *texts, int count, int width)
{
    /* Pixels, as gnuplot reckons them: halves of a character's, and a line's sample with what is around it. */
    enum { CHARACTER = 23, SAMPLE = 95 };
    int longest = 0;
    for (int i = 0; i < count; i++) {
        int here = px_plot_width(texts[i]);
        longest = here > longest ? here : longest;
    }
    int columns = width / (SAMPLE + CHARACTER * longest / 2);
    return columns < 1 ? 1 : columns > 3 ? 3 : columns;
}

/* ---- chance ---- */

double px_plot_chance(const plot_job *job, const plot_eval *evals, int count)
{
    int classes = 0;
    for (int i = 0; i < count; i++) {
        int here = 0;
        px_results *r = job->runs[evals[i].run].results;
        char *path = px_plot_class_path(r, &evals[i]), **names = NULL;
        if (px_results_has(r, path))
            px_results_get_texts(r, path, &names, &here);
        px_plot_texts_free(names, here);
        free(path);
        if (here == 0 || (classes && classes != here))
            return 0;
        classes = here;
    }
    return classes > 1 ? 100.0 / classes : 0;
}
