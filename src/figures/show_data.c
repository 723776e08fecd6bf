/* show_data.c - the summary of a data set, and what the pages of `pretext show` share. */
#include "base/error.h"
#include "figures/plot_private.h"
#include "figures/show_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_SPLITS = 255 /* that a data set has */ };

void px_show_name(FILE *out, const char *name, int width)
{
    enum { LONGEST_NAME = 200 };
    char *line = px_one_line(px_strdup(name)), *shorter = px_plot_shorten(line, LONGEST_NAME);
    int missing = width - px_plot_width(shorter);
    fprintf(out, "%s%*s", shorter, missing > 0 ? missing : 0, "");
    free(shorter);
    free(line);
}

int64_t px_show_column(px_results *r, const char *path, double **data)
{
    int rank;
    int64_t dim[4];
    *data = NULL;
    if (!px_results_has(r, path) || px_results_get(r, path, data, &rank, dim) != 0)
        return 0;
    return rank == 1 ? dim[0] : 0;
}

static void print_row(FILE *out, const char *name, const int64_t *images, int columns)
{
    enum { NAME = 28 };
    char *shorter = px_plot_shorten(name, NAME);
    fputs("\n  ", out);
    px_show_name(out, shorter, NAME);
    free(shorter);
    for (int s = 0; s < columns; s++)
        fprintf(out, " %12lld", (long long)images[s]);
}

/* Prints one line per class and one column per split, and one for numbers that name no split if there are any. */
static void print_counts(FILE *out, const double *label, const double *split, int64_t n, char **classes,
                         int class_count, char **splits, int split_count, int most)
{
    size_t width = (size_t)split_count + 1;
    int64_t *table = px_calloc(((size_t)class_count + 2) * width, sizeof *table), strays = 0;
    for (int64_t i = 0; i < n; i++) {
        int s = !split ? 0 : split[i] >= 0 && split[i] < split_count ? (int)split[i] : split_count;
        strays += s == split_count;
        int c = label && label[i] >= 0 && label[i] < class_count ? (int)label[i] : class_count;
        table[(size_t)c * width + (size_t)s]++;
        table[((size_t)class_count + 1) * width + (size_t)s]++;
    }
    fprintf(out, "\n  %-28s", "images");
    int columns = split_count + (strays > 0);
    for (int s = 0; s < columns; s++)
        fprintf(out, " %12s", s < split_count ? px_one_line(splits[s]) : "(no split)");
    print_row(out, "all", &table[((size_t)class_count + 1) * width], columns);
    for (int c = 0; c < class_count && c < most; c++)
        print_row(out, classes[c], &table[(size_t)c * width], columns);
    const int64_t *none = &table[(size_t)class_count * width];
    int64_t unlabelled = 0;
    for (int s = 0; s < columns; s++)
        unlabelled += none[s];
    if (unlabelled > 0)
        print_row(out, "(no label)", none, columns);
    fputc('\n', out);
    px_show_more(out, "  ", class_count - most, "classes");
    free(table);
}

void px_show_dataset(FILE *out, px_results *r, const char *path, int most)
{
    static const char *const attributes[] = {"source", "channels", "mean", "std"};
    bool encoded = px_results_has(r, "/encoded");
    struct stat info = {0};
    stat(path, &info);
    char *shape = px_results_describe(r, encoded ? "/encoded" : "/images");
    fprintf(out, "\nData set: %s %s, %.1f MB\n", encoded ? "compressed images" : "images", shape,
            (double)info.st_size / 1e6);
    free(shape);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        char *value = px_results_attribute_shown(r, "/", attributes[i]);
        if (*value)
            fprintf(out, "  %-10s %s\n", attributes[i], value);
        free(value);
    }
    char **classes = NULL, **splits = NULL;
    int class_count = 0, split_count = 0;
    double *label, *split;
    px_results_get_attribute_texts(r, "/", "class_names", &classes, &class_count);
    px_results_get_attribute_texts(r, "/", "split_names", &splits, &split_count);
    int64_t labels = px_show_column(r, "/labels", &label), in_split = px_show_column(r, "/split", &split);
    int64_t n = in_split > labels ? in_split : labels;
    if ((double)class_count * split_count > 1e6 || split_count > MOST_SPLITS)
        px_results_leave_out(r, "a table of %d classes and %d splits", class_count, split_count);
    else if (split_count > 0)
        print_counts(out, labels == n ? label : NULL, in_split == n ? split : NULL, n, classes, class_count, splits,
                     split_count, most);
    free(label);
    free(split);
    px_plot_texts_free(classes, class_count);
    px_plot_texts_free(splits, split_count);
}
