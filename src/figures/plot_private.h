/* plot_private.h - what the files of the figures share. show.c also uses the list of evaluations. */
#ifndef PX_FIGURES_PLOT_PRIVATE_H
#define PX_FIGURES_PLOT_PRIVATE_H

#include "figures/gnuplot.h"
#include "figures/plot.h"
#include "results/results.h"

#include <stdbool.h>

typedef struct plot_run {
    px_results *results;
    char *name;   /* as few parts of its path as tell it from the other runs: for file names */
    char *label;  /* the same for legends: shortened in the middle where it is long, unique among the runs */
    char *method; /* of the run's configuration, or "" */
    char *folder; /* px_plot_own_folder */
} plot_run;

typedef struct plot_job {
    px_gnuplot gnuplot;
    plot_run *runs;
    int count;
    const char *folder;    /* NULL: for a page, without files */
    const px_chart *chart; /* that is being drawn */
    char *refused;         /* what gnuplot said of a figure that it could not draw; NULL: it drew all */
    px_plot_outcome *outcome;
} plot_job;

/* A figure in progress: fill the script; px_plot_end closes it and draws NAME.png (RUN_NAME.png for run >= 0 of several
 * runs). */
typedef struct plot_figure {
    FILE *script;
    char *body, *path;
    size_t size;
    int run, width, height;
} plot_figure;
plot_figure *px_plot_begin(const plot_job *, const char *name, int run, int width, int height);
int px_plot_end(plot_job *, plot_figure *); /* 0, drawn or left out, or -1; frees the figure in any case */

/* Records that a figure is left out. Always returns 0. */
int px_plot_left_out(plot_job *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Draws an image, pixels (height, width, 1 or 3 channels) from 0 to 255, enlarged by a whole number, under its caption, which
 * may be NULL. As px_plot_end. */
int px_plot_image(plot_job *, int run, const char *name, const char *caption, const double *pixels,
                  const int64_t dim[]);

/* Pixels of `size` (height, width, channels) from 0 to 255 as bytes, (*height, *width, channels): every n-th of a picture of more
 * than `most` pixels on a side. A new array. */
uint8_t *px_plot_bytes(const double *pixels, const int64_t size[3], int64_t most, int *height, int *width);

/* What draws bytes (height, width, 1 or 3 channels), each pixel as a square of scale x scale; without axes, whose coordinates are
 * drawn pixels, y from the top. Labels and objects come before. */
void px_plot_canvas(FILE *, const uint8_t *pixels, int height, int width, int channels, int scale);

/* A picture that a method kept, (height, width, 1 or 3 channels); caption: NULL: none. Borrowed. */
typedef struct plot_picture {
    const char *name, *caption;
    const double *pixels;
    int64_t size[3];
} plot_picture;
/* Hands over each picture of a run's /figures until `use` fails: its status, or 0. What is none, and those beyond a limit, are
 * left out (px_results_leave_out). */
typedef int plot_use_picture(void *context, const plot_picture *);
int px_plot_each_picture(const plot_run *, plot_use_picture *use, void *context);

/* Some test images of an evaluation, each with the training images nearest to it, or with what it retrieves first. */
typedef struct plot_neighbours {
    int queries, k, side, channels;
    /* (queries, 1 + k, side, side, channels), from 0 to 255: each query, and behind it its neighbours */
    double *pixels;
    double *label; /* (queries, 1 + k) */
    char **name;   /* (classes) */
    int classes;   /* 0: without names */
    int right;     /* neighbours of their query's class */
    bool retrieved;
} plot_neighbours;
struct plot_eval;
/* False: this evaluation has none that can be drawn, and there is nothing to finish. */
bool px_plot_neighbours_read(plot_neighbours *, const plot_run *, const struct plot_eval *);
void px_plot_neighbours_finish(plot_neighbours *);
/* Picture j of a query's row, from 1 on: whether it is of the query's class. New strings: its class, with a cross before another
 * one than the query's; how many are right, and how that is shown. */
bool px_plot_neighbour_right(const plot_neighbours *, int query, int j);
char *px_plot_neighbour_caption(const plot_neighbours *, int query, int j);
char *px_plot_neighbours_summary(const plot_neighbours *);
/* "Nearest training images", "training images, the nearest first"; of retrieval "Retrieved first", ... Static. */
const char *px_plot_neighbours_title(const plot_neighbours *);
const char *px_plot_neighbours_row(const plot_neighbours *);

/* Images of an evaluation beside where its heads look, as a sheet of size[0] x size[1] pixels with 3 channels, and its caption.
 * NULL: there are none. The caller frees both. */
double *px_plot_attention_maps(const plot_run *, const struct plot_eval *, int64_t size[3], char **caption);

/* The filters of the first layer as a sheet of size[0] x size[1] pixels with size[2] channels, and its caption, of the checkpoint
 * in a run's folder. NULL: there is no folder or checkpoint, or the first layer is of another kind. The caller frees both. */
double *px_plot_filters(const char *folder, int64_t size[3], char **caption);

/* Limits: a page cannot show more, and gnuplot would take minutes. */
enum {
    PLOT_MOST_ROWS = 1 << 22, /* of a series */
    PLOT_MOST_PANELS = 60,
    PLOT_MOST_EVALS = 100, /* of a run */
    PLOT_MOST_PICTURES = 50,
    PLOT_MOST_LAYERS = 64,
    PLOT_MOST_OPS = 60,
    PLOT_MOST_POINTS = 200000,
    PLOT_MOST_CLASSES = 100000, /* of a map */
    PLOT_LABEL = 40             /* characters of a name that other people have given */
};

/* Whether gnuplot can draw a value: sums and differences of such ones are finite. */
static inline bool px_plot_drawable(double x)
{
    return x > -1e100 && x < 1e100;
}

/* The folder that a run has for itself, with its checkpoint; NULL: its file is not called run.h5, so that none beside it is its
 * own. A new string. */
char *px_plot_own_folder(const char *path);

/* A run's numeric data set of this rank, by its path; a new array, or NULL if there is none. A single number may be stored
 * as an array of one. Of another rank, it is left out (px_results_leave_out). */
double *px_plot_data(const plot_run *, int rank, int64_t dim[4], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How far a run was trained. */
typedef struct plot_progress {
    double epochs; /* done; NaN: it was not trained here */
    double step;   /* the part of an epoch that the last step was */
} plot_progress;
plot_progress px_plot_progress(const plot_run *);
/* Whether it was trained for so many epochs: no further step fits in. */
bool px_plot_is_whole(const plot_progress *, double wanted);

/* One evaluation of a run. */
typedef struct plot_eval {
    int run;
    char *protocol, *subject;
    int k, place; /* nearest neighbours, which are tried with several k: the one that is shown, and its index; else 0 */
    char *measured, *note; /* px_measured_get; what tells it from the others, "" if nothing does. NULL: not known */
} plot_eval;
/* Fills the notes. */
void px_plot_eval_notes(plot_eval *, int count);
/* All evaluations, sorted by protocol (linear first), subject (pretrained, untrained, pixels, hog, others) and run. */
plot_eval *px_plot_evals(const plot_job *, int *count);
void px_plot_evals_free(plot_eval *, int count);
/* Leaves out those that learn nothing, whose numbers are no accuracies (LiDAR, how far heads look). Returns how many are left. */
int px_plot_evals_of_labels(plot_eval *, int count);
/* Whether nothing was trained for a subject: an untrained twin, initial weights, pixels, HOG; also on held-out images. */
bool px_plot_is_baseline(const char *subject);
/* Whether it is what a run has reached: the last measurement (no SUBJECT@N) of what was trained, on the images that it is tested
 * on (no SUBJECT_holdout). */
bool px_plot_eval_counts(const plot_eval *);
/* The evaluation of a run by this protocol that a figure of one subject shows: of those that have such a part ("layers/cka", "" for
 * any), the first that counts, or the first if only baselines were measured. NULL: none has it. Borrowed from the list. */
typedef struct plot_wanted {
    int run;
    const char *protocol, *part;
} plot_wanted;
const plot_eval *px_plot_eval_of(const plot_job *, const plot_eval *, int count, plot_wanted);
/* The run's configuration; false if it has none that can be read. config_destroy() it in any case. */
struct config_t;
bool px_plot_config(px_results *, struct config_t *);

typedef struct plot_setting_form {
    int digits;        /* of real numbers */
    const char *empty; /* what an empty text is written as */
    int most;          /* characters of a text, whose middle is left out; 0: all */
} plot_setting_form;
/* Writes a setting's value on one line: a number, a text without control characters, a list in brackets. */
struct config_setting_t;
void px_plot_setting(FILE *, const struct config_setting_t *, const plot_setting_form *);

/* New strings: "linear probe", "k-NN (k = 20)"; "simclr, pretrained", with the note behind it. */
char *px_plot_protocol_name(const plot_eval *);
char *px_plot_subject_name(const plot_job *, const plot_eval *);
/* The same after the protocol, if that is asked for: "linear probe: simclr, pretrained". */
char *px_plot_eval_label(const plot_job *, const plot_eval *, bool with_protocol);
/* Trained subjects have the runs' colours; baselines are grey. */
const char *px_plot_eval_colour(const plot_eval *);
/* The same for a line, which would be too pale in the bars' grey, and its dashes; 1: solid, for trained subjects. */
const char *px_plot_eval_line(const plot_eval *, int *dashes);
double px_plot_eval_number(const plot_run *, const plot_eval *,
                           const char *name); /* of "top1", ...; NAN if there is none */

/* The path of an evaluation's class names; versions before 0.3 kept one list per protocol. A new string. */
char *px_plot_class_path(px_results *, const plot_eval *);

/* The name of a protocol's best known number: "top1". Static. */
const char *px_plot_main_number(const char *protocol);

/* Chance in percent, where all of these evaluations have as many classes; else 0. */
double px_plot_chance(const plot_job *, const plot_eval *, int count);

/* Up to this many runs are told apart by their colour alone. With more, gnuplot's point type is part of a run's style; 0:
 * none. */
enum { PLOT_FEW_RUNS = 6 };
int px_plot_mark(const plot_job *, int run);

/* Texts that must fit. Widths are in characters of UTF-8. */
int px_plot_width(const char *text);
char *px_plot_shorten(const char *text, int most);           /* "simclr_r…_lr0.3"; a new string */
int px_plot_shorten_all(char **texts, int count, int most);  /* in place; unique ones stay so: they get numbers.
                                                               Returns the width of the widest. */
char **px_plot_wrap(const char *text, int most, int *count); /* lines; each part between semicolons begins one */
void px_plot_texts_free(char **texts, int count);
enum { PLOT_CLASS_NAME = 22 }; /* characters of a class's name */

void px_plot_title(FILE *, char *title); /* frees the title */

/* Sets a figure's size and its margins, in pixels: gnuplot does not keep a square square beside turned labels, nor a
 * legend off the axis. */
void px_plot_frame(FILE *, plot_figure *, int width, int height, int left, int right, int top, int bottom);

/* Axes of a matrix (count, count), row 0 on top, in a frame of side x side pixels with 150 to its right: for a bar of colours,
 * from white to dark blue. Tics with the names of rows and columns. */
void px_plot_square(FILE *, const plot_figure *, int count, int side, int bottom);
void px_plot_square_tics(FILE *, char *const *names, int count);

/* How many columns of these texts a legend has room for in this many pixels; three at most. */
int px_plot_legend_columns(char *const *texts, int count, int width);

/* Class names, or numbers where there are none; free each, then the array. */
char **px_plot_class_names(const plot_run *, const char *path, int classes);

#endif
