/* plot.h - the figures of one run, or of several runs compared.
 *
 *     px_plot_outcome done;
 *     if (px_plot_runs((const char *[]){"results/a", "results/b"}, 2, "figures", &done) != 0) return -1;
 *     for (int i = 0; i < done.drawn; i++) puts(done.file[i]);
 *     px_plot_outcome_finish(&done);
 *
 * A run is a folder that contains run.h5, or an .h5 file; it may be live. A figure for which no run has data is left
 * out, and `missing` says so. px_charts lists the figures.
 * Data, besides /train (results.h):
 *     /eval/<protocol>/class_names                              texts (C)
 *     /eval/<protocol>/<subject>/{top1,top5,per_class,confusion,test_top1}
 *         subject: pretrained, untrained, pixels, hog, ...; confusion (C, C): row true, column predicted; test_top1 (epochs)
 *     /eval/<protocol>/<subject>/layers/{names (L), top1 (L)}   from the first stage on
 *     /eval/embedding/{xy (N, 2), label (N), class_names (C)}
 *     /bench/...                                                what `pretext bench out=` writes (train/bench.h)
 *     /candidates/...                                           what `pretext search` writes (docs/files.md)
 */
#ifndef PX_FIGURES_PLOT_H
#define PX_FIGURES_PLOT_H

#include "figures/gnuplot.h"

#include <stdbool.h>

/* A figure: its file, plot_NAME.c, and a word in meson.build. */
struct plot_job;
typedef struct px_chart {
    /* Of its pictures: NAME.png, or RUN_NAME.png with several runs; or they have names of their own. */
    const char *name;
    const char *summary;            /* for help */
    const char *group;              /* what it draws is below this group of run.h5 */
    bool image;                     /* its pictures are made of pixels, not of lines */
    bool colours;                   /* many, chosen for white: it stays so in a dark report */
    int (*draw)(struct plot_job *); /* 0: drawn, or left out; -1 on failure */
} px_chart;
extern const px_chart *const px_charts[]; /* in the order in which they are drawn; NULL-terminated */

/* A picture that was drawn. */
typedef struct px_plot_picture {
    const px_chart *chart;
    int run; /* whose it is, of several; -1: all of them are in it */
    int width, height;
    char *content; /* if it is not in a file: the picture, as SVG or characters */
} px_plot_picture;

typedef struct px_plot_outcome {
    int drawn, left_out;
    char **file;              /* (drawn) paths of the pictures, or only their names */
    px_plot_picture *picture; /* (drawn) */
    char **missing;           /* (left_out) "embedding: no /eval/embedding/xy" */
} px_plot_outcome;

/* Creates `folder` if needed. 0, or -1: nothing to draw (PX_DATA), a run cannot be read, or there is no gnuplot. */
int px_plot_runs(const char *const runs[], int count, const char *folder, px_plot_outcome *);

/* The same in another form. Those for a page and for a terminal are not written to files (`folder` is NULL), and charts that are
 * images are not among them. */
int px_plot_as(px_picture_form, const char *const runs[], int count, const char *folder, px_plot_outcome *);
void px_plot_outcome_finish(px_plot_outcome *);

/* Opens a run's results to read them. 0 or -1: there are none in this folder, or they cannot be read. */
struct px_results;
int px_run_open(struct px_results **, const char *run);

/* Whether what was opened is of a run: 0, or -1: it is another file of results. */
int px_run_check(struct px_results *, const char *run);

/* The results file of a run: DIR/run.h5 if `run` is a folder, or DIR/search.h5 where that alone is there; else `run` itself. A new
 * string. */
char *px_run_file(const char *run);

/* Names for runs: as few components at the end of their paths as tell them apart. A new string each, in a new array. */
char **px_run_names(const char *const paths[], int count);

/* The folder of a run: `run` itself, or the folder that the file is in. A new string. */
char *px_run_folder(const char *run);

#endif
