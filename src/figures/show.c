/* show.c - summaries for the terminal: runs, and the tree of any other HDF5 file. */
#include "figures/show.h"

#include "base/error.h"
#include "figures/plot_private.h"
#include "figures/show_private.h"

#include <langinfo.h>
#include <libconfig.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* MOST_LINES of one kind are on a page, unless all are wanted. */
enum { SPARKS = 32, MOST_LINES = 1000 /* ImageNet has as many classes */ };

void px_show_more(FILE *out, const char *indent, int more, const char *what)
{
    if (more > 0)
        fprintf(out, "%s... and %d more %s; pretext show --all prints them\n", indent, more, what);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* ---- series ---- */

static bool terminal_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool yes = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    if (locale)
        freelocale(locale);
    return yes;
}

/* Draws a series in up to SPARKS characters; buckets are averaged, NaN leaves a gap. */
static void print_spark(FILE *out, const double *y, int64_t n, bool utf8)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
    int width = n < SPARKS ? (int)n : SPARKS;
    double mean[SPARKS], low = INFINITY, high = -INFINITY;
    for (int k = 0; k < width; k++) {
        double sum = 0, count = 0;
        for (int64_t i = n * k / width; i < n * (k + 1) / width; i++)
            if (isfinite(y[i])) {
                sum += y[i];
                count++;
            }
        mean[k] = count > 0 ? sum / count : NAN;
        low = fmin(low, mean[k]);
        high = fmax(high, mean[k]);
    }
    for (int k = 0; k < SPARKS; k++) {
        int level =
            k < width && isfinite(mean[k]) ? (high > low ? (int)((mean[k] - low) / (high - low) * 7.999) : 3) : -1;
        fputs(level < 0 ? " " : (utf8 ? blocks : letters)[level], out);
    }
}

static void print_series(FILE *out, px_results *r, const char *name, int64_t rows, bool utf8)
{
    char *path = px_format("/train/%s", name);
    double *y;
    int rank;
    int64_t dim[4];
    if (px_results_get(r, path, &y, &rank, dim) == 0) {
        int64_t n = dim[0] < rows ? dim[0] : rows; /* of a live run, only complete rows */
        if (rank == 1 && n > 0) {
            double low = INFINITY, high = -INFINITY, first = NAN;
            for (int64_t i = 0; i < n; i++) {
                first = isfinite(first) ? first : y[i]; /* a validation comes only after some steps */
                low = isfinite(y[i]) ? fmin(low, y[i]) : low;
                high = isfinite(y[i]) ? fmax(high, y[i]) : high;
            }
            fputs("  ", out);
            px_show_name(out, name, 20);
            fputc(' ', out);
            print_spark(out, y, n, utf8);
            fprintf(out, " %11.5g %11.5g %11.5g %11.5g\n", first, y[n - 1], low, high);
        } else if (rank != 1) {
            px_results_leave_out(r, "%s: the number of its axes is %d, not 1", path, rank);
        }
        free(y);
    }
    free(path);
}

static void show_training(FILE *out, px_results *r, int most)
{
    char **names;
    int count, rank;
    double *step = NULL;
    int64_t dim[4];
    if (!px_results_has(r, "/train/step") || px_results_get(r, "/train/step", &step, &rank, dim) != 0)
        return;
    while (rank == 1 && dim[0] > 0 && step[dim[0] - 1] < 0) /* an incompletely written row */
        dim[0]--;
    if (rank == 1 && dim[0] > 0) {
        fprintf(out, "\nTraining: %lld rows, last step %.0f\n", (long long)dim[0], step[dim[0] - 1]);
        fprintf(out, "  %-20s %-*s %11s %11s %11s %11s\n", "series", SPARKS, "course", "first", "last", "least",
                "most");
        bool utf8 = terminal_is_utf8();
        if (px_results_list(r, "/train", &names, &count) == 0) {
            for (int i = 0; i < count && i < most; i++)
                if (strcmp(names[i], "step") != 0)
                    print_series(out, r, names[i], dim[0], utf8);
            px_show_more(out, "  ", count - most, "series");
            px_plot_texts_free(names, count);
        }
    }
    free(step);
}

/* ---- configuration and provenance ---- */

/* Prints the settings of one group, several per line. */
static void print_group(FILE *out, const char *title, const config_setting_t *group)
{
    enum { LINE = 100 };
    fprintf(out, "  %-12s", title);
    int column = 14;
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        if (config_setting_is_group(s))
            continue;
        char *text;
        size_t size;
        FILE *item = open_memstream(&text, &size);
        fprintf(item, " %s=", config_setting_name(s));
        px_plot_setting(item, s, &(plot_setting_form){.digits = 6, .empty = "\"\"", .most = 200});
        fclose(item);
        if (column + (int)size > LINE)
            column = fprintf(out, "\n  %-12s", "") - 1;
        column += fprintf(out, "%s", text);
        free(text);
    }
    fputc('\n', out);
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        if (config_setting_is_group(s) && config_setting_length(s) > 0)
            print_group(out, config_setting_name(s), s);
    }
}

static void show_configuration(FILE *out, px_results *r)
{
    config_t config;
    if (px_plot_config(r, &config)) {
        fputs("\nConfiguration\n", out);
        print_group(out, "", config_root_setting(&config));
    }
    config_destroy(&config);
}

/* Ends a very long text with points. */
static void cut(char *text)
{
    enum { LONGEST = 1 << 16 };
    size_t length = strnlen(text, LONGEST);
    if (length < LONGEST)
        return;
    for (length -= 4; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--; /* into no character of UTF-8 */
    memcpy(text + length, "...", 4);
}

static void show_attributes(FILE *out, px_results *r, const char *object, const char *indent, int most)
{
    char **names;
    int count;
    if (px_results_attributes(r, object, &names, &count) != 0)
        return;
    for (int i = 0; i < count && i < most; i++) {
        char *value = px_results_attribute_shown(r, object, names[i]);
        if (most < INT_MAX)
            cut(value);
        char *rest = value, *line = strsep(&rest, "\n");
        fputs(indent, out);
        px_show_name(out, names[i], 20);
        fprintf(out, " %s\n", line);
        while ((line = strsep(&rest, "\n")))
            if (*line)
                fprintf(out, "%s%-20s %s\n", indent, "", line);
        free(value);
    }
    px_show_more(out, indent, count - most, "attributes");
    px_plot_texts_free(names, count);
}

/* " 45% of R" where the file says how much of its limit each of `count` ops reaches. */
typedef struct limits {
    char **name;
    double *reached;
    int count;
} limits;

static limits limits_load(px_results *r, const char *group, int count)
{
    limits l = {0};
    char *name = px_format("%s/limit", group), *reached = px_format("%s/reached", group);
    if (px_results_has(r, name) && px_results_get_texts(r, name, &l.name, &l.count) == 0 && l.count == count &&
        px_show_column(r, reached, &l.reached) != count) {
        free(l.reached);
        l.reached = NULL;
    }
    free(name);
    free(reached);
    return l;
}

static void limits_finish(limits *l)
{
    px_plot_texts_free(l->name, l->count);
    free(l->reached);
}

/* Prints one line per name: milliseconds, and GF/s and what binds it if they are there. */
static void print_costs(FILE *out, px_results *r, const char *group, int most)
{
    char *names_path = px_format("%s/name", group), *seconds_path = px_format("%s/seconds", group),
         *gflops_path = px_format("%s/gflops", group), **names = NULL;
    double *seconds, *gflops;
    int count = 0;
    int64_t timed = px_show_column(r, seconds_path, &seconds), rated = px_show_column(r, gflops_path, &gflops);
    if (px_results_get_texts(r, names_path, &names, &count) == 0 && timed == count) {
        limits l = limits_load(r, group, count);
        for (int i = 0; i < least(count, most); i++) {
            fputs("  ", out);
            px_show_name(out, names[i], 52);
            fprintf(out, " %10.2f ms", 1e3 * seconds[i]);
            if (rated == count && gflops[i] > 0)
                fprintf(out, " %8.1f GF/s", gflops[i]);
            if (l.reached)
                fprintf(out, " %6.0f%% of %s", 100 * l.reached[i],
                        strcmp(l.name[i], "memory") == 0 ? "memory's rate" : "R");
            fputc('\n', out);
        }
        limits_finish(&l);
        px_show_more(out, "  ", count - most, "of them");
    }
    px_plot_texts_free(names, count);
    free(seconds);
    free(gflops);
    free(names_path);
    free(seconds_path);
    free(gflops_path);
}

/* Prints the results of `pretext bench -o`. */
static void show_bench(FILE *out, px_results *r, int most)
{
    char **names;
    int count, rank;
    if (!px_results_has(r, "/bench") || px_results_list(r, "/bench", &names, &count) != 0)
        return;
    fputs("\nMeasured training step\n", out);
    show_attributes(out, r, "/bench", "  ", most);
    for (int i = 0; i < least(count, most); i++) {
        char *path = px_format("/bench/%s", names[i]);
        double *value;
        int64_t dim[4];
        if (px_results_get(r, path, &value, &rank, dim) == 0) { /* fails for groups */
            if (rank == 0)
                fputs("  ", out), px_show_name(out, names[i], 20), fprintf(out, " %.6g\n", value[0]);
            free(value);
        }
        free(path);
    }
    px_show_more(out, "  ", count - most, "of them");
    fputs("\nIts parts\n", out);
    print_costs(out, r, "/bench/parts", most);
    fputs("\nThe plan's most expensive ops\n", out);
    print_costs(out, r, "/bench/ops", most);
    px_plot_texts_free(names, count);
}

static char *text_of(px_results *r, const char *object, const char *name)
{
    char *text;
    return px_results_get_attribute_text(r, object, name, &text) == 0 ? text : px_strdup("?");
}

/* Prints one line per start, if the run was started several times. */
static void show_starts(FILE *out, px_results *r, int most)
{
    for (int i = 1; px_results_has(r, "/provenance/2"); i++) {
        double threads = 0;
        char *path = px_format("/provenance/%d", i);
        bool there = px_results_has(r, path);
        if (there) {
            char *hosts = text_of(r, path, "hosts"), *started = text_of(r, path, "started"),
                 *command = text_of(r, path, "command");
            (void)px_results_get_attribute_real(r, path, "threads", &threads);
            char *line = px_one_line(px_format("%s, %g threads per rank on %s: %s", started, threads, hosts, command));
            fprintf(out, "  start %-14d %s\n", i, line);
            free(line);
            free(hosts);
            free(started);
            free(command);
        }
        free(path);
        if (there && i == most)
            fputs("  ... and perhaps more starts; pretext show --all prints them\n", out);
        if (!there || i == most)
            return;
    }
}

static void show_run(FILE *out, px_results *r, int most)
{
    show_configuration(out, r);
    if (px_results_has(r, "/provenance")) {
        fputs("\nProvenance\n", out);
        show_attributes(out, r, "/provenance", "  ", most);
        show_starts(out, r, most);
    }
    show_training(out, r, most);
    px_show_evaluations(out, r, most);
    px_show_cost(out, r);
    show_bench(out, r, most);
}

/* ---- any other file ---- */

static int show_tree(FILE *out, px_results *r, int most)
{
    px_results_objects all;
    if (px_results_all(r, most, &all) != 0)
        return -1;
    fputc('\n', out);
    show_attributes(out, r, "/", "  @", most);
    for (int i = 0; i < all.count; i++) {
        char *what = px_results_describe(r, all.path[i]);
        fputs("  ", out);
        px_show_name(out, all.path[i], 48);
        fprintf(out, " %s\n", what);
        show_attributes(out, r, all.path[i], "      @", most);
        free(what);
    }
    px_show_more(out, "  ", all.more, all.endless ? "objects, and others" : "objects");
    px_results_objects_finish(&all);
    return 0;
}

/* What is there, but could not be read or shown. */
static void print_left_out(FILE *out, const px_results *r)
{
    enum { FEW = 20 };
    const char *const *lines;
    int count = px_results_left_out(r, &lines);
    if (count)
        fputs("\nLeft out\n", out);
    for (int i = 0; i < count && i < FEW; i++)
        fprintf(out, "  %s\n", lines[i]);
    if (count > FEW)
        fprintf(out, "  ... and %d more\n", count - FEW);
}

int px_show(FILE *out, const char *what, bool all)
{
    char *path = px_run_file(what);
    px_results *r = NULL;
    int most = all ? INT_MAX : MOST_LINES, bad = px_run_open(&r, what);
    if (bad == 0) {
        px_show_name(out, path, 0);
        fputc('\n', out);
        if (px_results_has(r, "/train") || px_results_has(r, "/eval") || px_results_has(r, "/provenance"))
            show_run(out, r, most);
        else if (px_results_has(r, "/images") || px_results_has(r, "/encoded"))
            px_show_dataset(out, r, path, most);
        else
            bad = show_tree(out, r, most);
        print_left_out(out, r);
        px_results_close(r);
    }
    free(path);
    return bad;
}
