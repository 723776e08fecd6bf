/* cmd_column.c - pretext column: prints series as text columns, for gnuplot and other tools that read from a pipe. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "report/plot.h"
#include "report/results.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 40000000 }; /* 320 MB */

typedef struct column {
    char *path, *name;    /* "/train/loss"; "train/loss", on one line, as it is printed */
    double *value, *step; /* (rows, width), (steps); step is NULL if the group has no steps */
    int64_t rows, width, steps;
} column;

static void column_finish(column *c)
{
    free(c->path);
    free(c->name);
    free(c->value);
    free(c->step);
}

/* The path of a series; one without a folder may also be in /train. NULL: not found. */
static char *resolve(px_results *r, const char *name)
{
    for (int i = 0; i < 2; i++) {
        char *path = px_format(i ? "/train/%s" : "/%s", name + (*name == '/')), *what = px_results_describe(r, path);
        bool found = px_results_has(r, path) && strcmp(what, "group") != 0;
        free(what);
        if (found)
            return path;
        free(path);
    }
    return NULL;
}

static int no_such_series(px_results *r, const char *file, const char *name)
{
    char **paths;
    int count;
    if (px_results_all(r, &paths, &count) != 0)
        return -1;
    const char **candidates = px_calloc((size_t)count * 2 + 1, sizeof *candidates);
    int n = 0;
    for (int i = 0; i < count; i++) {
        candidates[n++] = paths[i] + 1;
        if (strncmp(paths[i], "/train/", 7) == 0)
            candidates[n++] = paths[i] + 7;
    }
    const char *nearest = px_nearest(name + (*name == '/'), candidates);
    if (nearest)
        px_fail(PX_USAGE, "%s: contains no series '%s', nearest is '%s'", file, name, nearest);
    else
        px_fail(PX_USAGE, "%s: contains no series '%s'; pretext show lists them", file, name);
    free(candidates);
    for (int i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return -1;
}

static int load(px_results *r, const char *file, const char *name, column *c)
{
    c->path = resolve(r, name);
    if (!c->path)
        return no_such_series(r, file, name);
    c->name = px_one_line(px_strdup(c->path + 1));
    int rank;
    int64_t dim[4];
    if (px_results_get(r, c->path, &c->value, &rank, dim) != 0)
        return -1;
    if (rank > 2)
        return px_fail(PX_USAGE, "%s: %s has %d axes, so it cannot be printed as columns", file, c->path, rank);
    c->rows = dim[0];
    c->width = dim[1];
    char *step = px_format("%.*s/step", (int)(strrchr(c->path, '/') - c->path), c->path);
    int bad = 0;
    if (px_results_has(r, step)) {
        bad = px_results_get(r, step, &c->step, &rank, dim);
        if (bad == 0 && rank != 1)
            bad = px_fail(PX_DATA, "%s: %s has %d axes, but steps have one", file, step, rank);
        c->steps = bad == 0 ? dim[0] : 0;
        c->rows = c->rows < c->steps ? c->rows : c->steps; /* a row may be half written */
        while (c->rows > 0 && c->step[c->rows - 1] < 0)    /* ... or its disk was full */
            c->rows--;
    }
    free(step);
    return bad;
}

/* All columns must have the same rows; a live run's may differ by rows that were added while they were read. */
static int common_rows(const char *file, const column *c, int count, int64_t *rows)
{
    *rows = c[0].rows;
    for (int i = 1; i < count; i++) {
        int64_t both = c[i].rows < *rows ? c[i].rows : *rows;
        bool same = !c[i].step == !c[0].step && (c[0].step || c[i].rows == c[0].rows);
        for (int64_t k = 0; same && c[0].step && k < both; k++)
            same = c[i].step[k] == c[0].step[k];
        if (!same)
            return px_fail(PX_USAGE, "%s: %s and %s have different rows: print them separately", file, c[0].path,
                           c[i].path);
        *rows = both;
    }
    return 0;
}

static void print_columns(const column *c, int count, int64_t rows)
{
    fputs(c[0].step ? "# step" : "# row", stdout);
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < c[i].width; k++)
            c[i].width > 1 ? printf(" %s[%lld]", c[i].name, (long long)k) : printf(" %s", c[i].name);
    putchar('\n');
    for (int64_t row = 0; row < rows; row++) {
        printf("%.0f", c[0].step ? c[0].step[row] : (double)row);
        for (int i = 0; i < count; i++)
            for (int64_t k = 0; k < c[i].width; k++) {
                double v = c[i].value[row * c[i].width + k];
                isnan(v) ? printf(" NaN") : printf(" %.10g", v); /* gnuplot accepts NaN, not -nan */
            }
        putchar('\n');
    }
}

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_column, argc, argv, NULL) != 0)
        return -1;
    int count = args.words.count - 1;
    char *file = px_run_file(args.words.word[0]);
    column *columns = px_calloc((size_t)count, sizeof *columns);
    px_results *r = NULL;
    int bad = px_results_open(&r, file, PX_RESULTS_READ);
    int64_t numbers = 0;
    for (int i = 0; bad == 0 && i < count; i++) {
        bad = load(r, file, args.words.word[i + 1], &columns[i]);
        numbers += bad ? 0 : columns[i].rows * columns[i].width + columns[i].steps;
        if (bad == 0 && numbers > MOST_NUMBERS)
            bad = px_fail(PX_USAGE, "%s: too many numbers for one table, of which up to %d fit: print fewer series",
                          file, MOST_NUMBERS);
    }
    int64_t rows = 0;
    if (bad == 0)
        bad = common_rows(file, columns, count, &rows);
    if (bad == 0)
        print_columns(columns, count, rows);
    for (int i = 0; i < count; i++)
        column_finish(&columns[i]);
    px_results_close(r);
    free(columns);
    free(file);
    px_args_finish(&args);
    return bad;
}

const px_command px_cmd_column = {
    .name = "column",
    .arguments = "RUN SERIES...",
    .summary = "print series of a run as text columns",
    .help = "The first column is the step (or the row, if a series has no steps); a first\n"
            "line with # names all columns. RUN is a folder that contains run.h5, or an .h5\n"
            "file; it may be a live run. SERIES is a path in the file, where train/ may be\n"
            "left out; a table with two axes gives several columns.\n"
            "\nExamples\n"
            "  pretext column runs/a train/loss train/lr\n"
            "  pretext column runs/a eval/linear/pretrained/test_top1\n"
            "  gnuplot -p -e \"plot '< pretext column runs/a train/loss' with lines\"\n",
    .run = run,
    .min_words = 2,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
};
