/* cmd_column.c - pretext column: prints series as text columns, for gnuplot and other tools that read from a pipe. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "figures/plot.h"
#include "results/results.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A small file can be made of zeros that unpack to millions of rows. So only --all prints more than a screen or a plot
 * needs: 4 million numbers are 500,000 steps of eight series, printed within a second. 40 million take 320 MB. */
enum { MOST_NUMBERS = 4000000, MOST_OF_ALL = 40000000 };

typedef struct column_flags {
    bool all;
} column_flags;

static const px_flag flags[] = {PX_FLAG(column_flags, all, 0, NULL, "also tables of more than 4 million numbers"), {0}};

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

/* The path of a series, or with `group` that of a group; without a folder it may also be in /train. NULL: not found. */
static char *resolve(px_results *r, const char *name, bool group)
{
    for (int i = 0; i < 2; i++) {
        char *path = px_format(i ? "/train/%s" : "/%s", name + (*name == '/')), *what = px_results_describe(r, path);
        bool found = px_results_has(r, path) && (strcmp(what, "group") == 0) == group;
        free(what);
        if (found)
            return path;
        free(path);
    }
    return NULL;
}

/* Names what is in it, as far as a line has room. Takes `path` over. */
static int is_group(px_results *r, const char *file, char *path)
{
    enum { SHOWN = 8 };
    char **names, *text = NULL;
    int count, status = px_results_list(r, path, &names, &count);
    for (int i = 0; status == 0 && i < count; i++) {
        if (i <= SHOWN) {
            char *longer = px_format("%s%s%s", text ? text : "", i ? ", " : "", i < SHOWN ? names[i] : "...");
            free(text);
            text = longer;
        }
        free(names[i]);
    }
    if (status == 0) {
        free(names);
        status = px_fail(PX_USAGE, "%s: '%s' is a group, not a series; %s%s", file, path + 1,
                         count ? "it contains " : "it is empty", text ? text : "");
    }
    free(text);
    free(path);
    return status;
}

static int no_such_series(px_results *r, const char *file, const char *name)
{
    enum { NEAREST_OF = 2000 }; /* names: more are not compared */
    char *group = resolve(r, name, true);
    if (group)
        return is_group(r, file, group);
    px_results_objects all;
    if (px_results_all(r, NEAREST_OF, &all) != 0)
        return -1;
    const char **candidates = px_calloc((size_t)all.count * 2 + 1, sizeof *candidates);
    int n = 0;
    for (int i = 0; i < all.count; i++) {
        candidates[n++] = all.path[i] + 1;
        if (strncmp(all.path[i], "/train/", 7) == 0)
            candidates[n++] = all.path[i] + 7;
    }
    const char *nearest = px_nearest(name + (*name == '/'), candidates);
    if (nearest)
        px_fail(PX_USAGE, "%s: contains no series '%s', nearest is '%s'", file, name, nearest);
    else
        px_fail(PX_USAGE, "%s: contains no series '%s'; pretext show lists them", file, name);
    free(candidates);
    px_results_objects_finish(&all);
    return -1;
}

static int load(px_results *r, const char *file, const char *name, column *c)
{
    c->path = resolve(r, name, false);
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

/* `c` is the last column that was read, and brought the numbers of all to `numbers`. */
static int too_many(const char *file, const column *c, int64_t numbers, bool all)
{
    if (numbers > MOST_OF_ALL)
        return px_fail(PX_USAGE, "%s: too many numbers for one table, of which up to %d fit: print fewer series", file,
                       MOST_OF_ALL);
    if (numbers > MOST_NUMBERS && !all)
        return px_fail(PX_USAGE, "%s: %s has %lld rows of %lld, so the table has more than %d numbers; --all prints it",
                       file, c->path, (long long)c->rows, (long long)c->width, MOST_NUMBERS);
    return 0;
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
    column_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_column, argc, argv, &given) != 0)
        return -1;
    int count = args.words.count - 1;
    char *file = px_run_file(args.words.word[0]);
    column *columns = px_calloc((size_t)count, sizeof *columns);
    px_results *r = NULL;
    int bad = px_run_open(&r, args.words.word[0]);
    int64_t numbers = 0;
    for (int i = 0; bad == 0 && i < count; i++) {
        bad = load(r, file, args.words.word[i + 1], &columns[i]);
        numbers += bad ? 0 : columns[i].rows * columns[i].width + columns[i].steps;
        bad = bad ? bad : too_many(file, &columns[i], numbers, given.all);
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
            "left out; a table with two axes gives several columns. More than 4 million\n"
            "numbers are printed only with --all.\n"
            "\nExamples\n"
            "  pretext column runs/a train/loss train/lr\n"
            "  pretext column runs/a eval/linear/pretrained/test_top1\n"
            "  gnuplot -p -e \"plot '< pretext column runs/a train/loss' with lines\"\n",
    .run = run,
    .flags = flags,
    .min_words = 2,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
};
