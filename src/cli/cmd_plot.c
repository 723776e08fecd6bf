/* cmd_plot.c - pretext plot: draws figures of runs. */
#include "cli/args.h"
#include "figures/plot.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct plot_flags {
    bool list, svg, text;
} plot_flags;

static const px_flag flags[] = {
    PX_FLAG(plot_flags, list, 0, NULL, "name the figures instead, and what they are made of"),
    PX_FLAG(plot_flags, svg, 0, NULL, "as SVG, for documents and pages"),
    PX_FLAG(plot_flags, text, 0, NULL, "draw in the terminal instead, by characters"),
    PX_FLAG_BEFORE("output", 'o', "out"),
    {0}};

/* A line per figure; `groups`: with the group of run.h5 that it is made of. */
static void write_figures(FILE *out, bool groups)
{
    for (int i = 0; px_charts[i]; i++) {
        const px_chart *f = px_charts[i];
        fprintf(out, "  %-13s %s", f->name, f->summary);
        fprintf(out, groups ? "; from %s\n" : "\n", f->group);
    }
}

static char *list_figures(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("\nFigures\n", out);
    write_figures(out, false);
    fclose(out);
    return text;
}

static int check_flags(const plot_flags *given, const px_args *args)
{
    if (given->svg && given->text)
        return px_fail(PX_USAGE, "--svg and --text are different forms of the same: choose one");
    if (given->text && args->out)
        return px_fail(PX_USAGE, "--text draws in the terminal: there is nothing for out=%s", args->out);
    return 0;
}

static int run(int argc, char **argv)
{
    px_args args;
    plot_flags given = {0};
    if (px_args_read(&args, &px_cmd_plot, argc, argv, &given) != 0)
        return -1;
    if (given.list) {
        write_figures(stdout, true);
        px_args_finish(&args);
        return 0;
    }
    if (args.words.count == 0) {
        px_args_finish(&args);
        return px_fail(PX_USAGE, "an argument is missing; usage: pretext plot %s", px_cmd_plot.arguments);
    }
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    char *first = px_run_folder(args.words.word[0]);
    char *folder = args.out ? px_strdup(args.out) : px_format("%s/figures", first);
    px_plot_outcome done;
    int bad = check_flags(&given, &args);
    if (bad == 0)
        bad = px_plot_as(given.svg    ? PX_PICTURE_SVG
                         : given.text ? PX_PICTURE_TEXT
                                      : PX_PICTURE_PNG,
                         args.words.word, args.words.count, given.text ? NULL : folder, &done);
    if (bad == 0) {
        for (int i = 0; i < done.drawn; i++)
            printf("%s\n", given.text ? done.picture[i].content : px_one_line(done.file[i]));
        for (int i = 0; i < done.left_out; i++)
            fprintf(stderr, "left out %s\n", done.missing[i]);
        px_plot_outcome_finish(&done);
    }
    free(folder);
    free(first);
    px_args_finish(&args);
    return bad;
}

const px_command px_cmd_plot = {
    .name = "plot",
    .arguments = "RUN...|--list [out=FOLDER] [--svg|--text]",
    .summary = "draw curves, accuracies, confusion matrices and maps of embeddings with gnuplot",
    .help = "RUN is a folder that contains run.h5, or an .h5 file of results; it may be a\n"
            "live run. Several runs are compared in the same pictures. Standard output lists\n"
            "the pictures; a figure for which no run has data is left out, and standard error\n"
            "says so.\n"
            "\n"
            "A line above the axes says where an axis does not begin at zero, or where values\n"
            "are cut off. Series that are zero throughout are named, not drawn. With more than\n"
            "six runs each has a mark beside its colour.\n"
            "--text draws without colours, so that more than a few lines look alike, and leaves\n"
            "out what consists of pixels.\n"
            "\nExamples\n"
            "  pretext plot runs/simclr_cifar10\n"
            "  pretext plot runs/simclr_cifar10 --text\n"
            "  pretext plot runs/simclr runs/mae out=comparison\n"
            "To draw a series your own way: pretext column --help\n",
    .list = list_figures,
    .run = run,
    .flags = flags,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
    .out = {.value = "FOLDER", .help = "where the figures go (default: figures/ in the first run)"},
};
