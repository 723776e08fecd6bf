/* cmd_plot.c - pretext plot: draws figures of runs. */
#include "cli/args.h"
#include "figures/plot.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static const px_flag flags[] = {PX_FLAG_BEFORE("output", 'o', "out"), {0}};

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_plot, argc, argv, NULL) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    char *first = px_run_folder(args.words.word[0]);
    char *folder = args.out ? px_strdup(args.out) : px_format("%s/figures", first);
    px_plot_outcome done;
    int bad = px_plot_runs(args.words.word, args.words.count, folder, &done);
    if (bad == 0) {
        for (int i = 0; i < done.drawn; i++)
            printf("%s\n", px_one_line(done.file[i]));
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
    .arguments = "RUN... [out=FOLDER]",
    .summary = "draw curves, accuracies, confusion matrices and maps of embeddings with gnuplot",
    .help = "RUN is a folder that contains run.h5, or an .h5 file of results; it may be a\n"
            "live run. Several runs are compared in the same pictures. Standard output lists\n"
            "the pictures; a figure for which no run has data is left out, and standard error\n"
            "says so.\n"
            "\nFigures\n"
            "  curves        training loss (with a smoothed line) and learning rate\n"
            "  diagnostics   all other series of the training: gradient norm, images per second, ...\n"
            "  accuracy      top-1 of every evaluation beside its baselines and chance\n"
            "  probe_epochs  test accuracy while a probe trains\n"
            "  layers        accuracy of every stage of the backbone beside chance (probe layers=true)\n"
            "  confusion     percentage of each true class, by predicted class\n"
            "  embedding     the test images' embeddings in the plane\n"
            "  ...           the method's pictures: reconstruction (MAE), images masked and rebuilt\n"
            "  bench         parts and most expensive ops of a step, from a file of pretext bench out=\n"
            "A line above the axes says where an axis does not begin at zero, or where values\n"
            "are cut off. Series that are zero throughout are named, not drawn. With more than\n"
            "six runs each has a mark beside its colour.\n"
            "\nExamples\n"
            "  pretext plot runs/simclr_cifar10\n"
            "  pretext plot runs/simclr runs/mae out=comparison\n"
            "To draw a series your own way: pretext column --help\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
    .out = {.value = "FOLDER", .help = "where the figures go (default: figures/ in the first run)"},
};
