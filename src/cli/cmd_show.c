/* cmd_show.c - `pretext show`: a summary in the terminal. */
#include "cli/args.h"
#include "report/show.h"

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_show, argc, argv, NULL) != 0)
        return -1;
    int bad = 0;
    for (int i = 0; bad == 0 && i < args.words.count; i++) {
        if (i > 0)
            putchar('\n');
        bad = px_show(stdout, args.words.word[i]);
    }
    px_args_finish(&args);
    return bad;
}

const px_command px_cmd_show = {
    .name = "show",
    .arguments = "RUN|FILE.h5...",
    .summary = "print what a run, a data set or any other HDF5 file holds",
    .help = "For a run (a folder that holds run.h5, or the file itself; it may still be going on): configuration, "
            "versions\n"
            "and hosts, the course of each training series, a table of all evaluations.\n"
            "For a data set: source, sizes, mean and standard deviation, images of each class and split.\n"
            "For any other HDF5 file, such as a checkpoint: every object with type, shape and attributes.\n"
            "\nExamples\n"
            "  pretext show runs/simclr_cifar10\n"
            "  pretext show cifar10.h5\n"
            "  pretext show runs/simclr_cifar10/checkpoint.h5\n",
    .run = run,
    .min_words = 1,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
};
