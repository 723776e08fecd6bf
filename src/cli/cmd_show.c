/* cmd_show.c - pretext show: prints a summary. */
#include "base/error.h"
#include "cli/args.h"
#include "figures/show.h"

#include <stdbool.h>

typedef struct show_flags {
    bool all, json, csv;
} show_flags;

static const px_flag flags[] = {
    PX_FLAG(show_flags, all, 0, NULL, "every line, where a page would have more than a thousand of a kind"),
    PX_FLAG(show_flags, json, 0, NULL, "runs as JSON: settings, provenance, series, evaluations, cost"),
    PX_FLAG(show_flags, csv, 0, NULL, "evaluations of runs as comma-separated values"),
    {0}};

static int run(int argc, char **argv)
{
    px_args args;
    show_flags given = {0};
    if (px_args_read(&args, &px_cmd_show, argc, argv, &given) != 0)
        return -1;
    int bad =
        given.json && given.csv ? px_fail(PX_USAGE, "--json and --csv are different forms of the same: choose one") : 0;
    bool forms = given.json || given.csv;
    if (bad == 0 && forms)
        bad = (given.json ? px_show_json : px_show_csv)(stdout, args.words.word, args.words.count);
    for (int i = 0; bad == 0 && !forms && i < args.words.count; i++) {
        if (i > 0)
            putchar('\n');
        bad = px_show(stdout, args.words.word[i], given.all);
    }
    px_args_finish(&args);
    return bad;
}

const px_command px_cmd_show = {
    .name = "show",
    .arguments = "RUN|FILE.h5...",
    .summary = "print the contents of a run, a data set or any other HDF5 file",
    .help = "Of a run (a folder that contains run.h5, or the file itself; it may be live):\n"
            "configuration, versions and hosts, each training series, a table of all\n"
            "evaluations. Of a data set: source, sizes, mean and standard deviation, images\n"
            "per class and split. Of any other HDF5 file, such as a checkpoint: every object\n"
            "with type, shape and attributes.\n"
            "\nExamples\n"
            "  pretext show runs/simclr_cifar10\n"
            "  pretext show runs/simclr_cifar10 --json\n"
            "  pretext show cifar10.h5\n"
            "  pretext show runs/simclr_cifar10/checkpoint.h5\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
};
