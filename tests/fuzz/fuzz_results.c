/* fuzz_results.c - run.h5, and data sets, as show, column and plot read them. Input: a recipe (fuzz_h5.h). gnuplot is not
 * run; the scripts that it would get are checked instead (the linker redirects px_gnuplot_find and px_gnuplot_draw). */
#include "fuzz_h5.h"

#include "cli/command.h"
#include "figures/gnuplot.h"
#include "figures/plot.h"
#include "figures/show.h"

#include <sys/stat.h>

static const char *const members[] = {"train/step",
                                      "train/loss",
                                      "train/lr",
                                      "config",
                                      "provenance@hosts",
                                      "provenance",
                                      "provenance/1@command",
                                      "provenance/2@threads",
                                      "eval/linear/class_names",
                                      "eval/linear/pretrained/top1",
                                      "eval/linear/pretrained/per_class",
                                      "eval/linear/pretrained/confusion",
                                      "eval/linear/pretrained/test_top1",
                                      "eval/linear/pretrained/layers/names",
                                      "eval/linear/pretrained/layers/top1",
                                      "eval/embedding/xy",
                                      "eval/embedding/label",
                                      "eval/embedding/class_names",
                                      "bench/parts/name",
                                      "bench/parts/seconds",
                                      "bench/ops/gflops",
                                      "bench/ops/limit",
                                      "bench/ops/reached",
                                      "bench/images_per_second",
                                      "bench@host",
                                      "figures/a",
                                      "figures/a@caption",
                                      "images",
                                      "labels",
                                      "split",
                                      "@class_names",
                                      "@split_names",
                                      "@mean",
                                      "train@note",
                                      "train/step@note",
                                      "eval/linear",
                                      "eval/spectrum/pretrained/eigenvalues",
                                      NULL};

int __wrap_px_gnuplot_find(px_gnuplot *, px_picture_form);
int __wrap_px_gnuplot_draw(const px_gnuplot *, const char *path, int width, int height, const char *body);

static void check_text(const char *text, size_t size)
{
    PX_CHECK(strlen(text) == size);
    char *shown = px_printable(px_strdup(text), "\n\t");
    PX_CHECK(strcmp(shown, text) == 0);
    free(shown);
}

int __wrap_px_gnuplot_find(px_gnuplot *g, px_picture_form form)
{
    (void)form;
    *g = (px_gnuplot){.terminal = "pngcairo", .extension = "png"};
    return 0;
}

int __wrap_px_gnuplot_draw(const px_gnuplot *g, const char *path, int width, int height, const char *body)
{
    (void)g;
    PX_CHECK(*path && width > 0 && height > 0 && width < 20000 && height < 20000);
    check_text(body, strlen(body));
    return 0;
}

/* Programs of ours print to stdout. */
static FILE *nowhere(void)
{
    static FILE *out;
    if (!out)
        stdout = out = fopen("/dev/null", "w");
    PX_CHECK(out);
    return out;
}

static void show(const char *path)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (px_show(out, path, false) != 0)
        fuzz_check_message();
    fclose(out);
    check_text(text, size);
    free(text);
}

static void print_column(const char *path, const char *series)
{
    char *words[] = {"column", (char *)path, (char *)series, NULL};
    if (px_cmd_column.run(3, words) != 0)
        fuzz_check_message();
}

static char folder[128];

static void remove_folder(void)
{
    rmdir(folder);
}

static void plot(const char *path)
{
    px_plot_outcome done;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/pretext-fuzz-figures-%ld", fuzz_folder(), (long)getpid());
        atexit(remove_folder);
    }
    if (px_plot_runs((const char *[]){path}, 1, folder, &done) != 0)
        fuzz_check_message();
    else
        px_plot_outcome_finish(&done);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size, 0};
    const char *path = fuzz_h5_cook(&in, members);
    nowhere();
    show(path);
    print_column(path, "train/loss");
    print_column(path, "eval/linear/pretrained/confusion");
    plot(path);
    return 0;
}
