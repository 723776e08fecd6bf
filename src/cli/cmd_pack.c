/* cmd_pack.c - pretext pack: packs published data sets into the file format that all other commands read. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "data/pack.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct pack_flags {
    bool dry_run;
} pack_flags;

static const px_flag flags[] = {PX_FLAG(pack_flags, dry_run, 0, NULL, "only tell how the sources are understood"),
                                PX_FLAG_BEFORE("output", 'o', "out"),
                                {0}};

static char *partial; /* a global, since a signal handler can reach nothing else */

static void remove_partial(int number)
{
    unlink(partial);
    raise(number); /* ends the program, since the handler was installed for one signal only */
}

/* Packing takes long; an interrupted one must not leave gigabytes of an incomplete file. */
static void remove_on_signals(const char *output)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = remove_partial, .sa_flags = (int)SA_RESETHAND};
    partial = px_partial_name(output);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

static int understand(const px_args *args, const px_pack_options *options, px_log *log)
{
    char *text = px_pack_understand(args->words.word, args->words.count, options, log);
    if (!text)
        return -1;
    fputs(text, stdout);
    free(text);
    return 0;
}

static int pack(const px_args *args)
{
    const pack_flags *given = args->flags;
    px_pack_options options;
    px_pack_summary summary;
    px_config *config = px_config_create();
    px_config_group(config, "", px_pack_option_table, &options);
    int status = 0;
    for (int i = 0; i < args->assignments.count && status == 0; i++)
        status = px_config_set(config, args->assignments.word[i]);
    if (status == 0)
        status = px_config_finish(config);
    if (status == 0 && !given->dry_run && !args->out)
        status =
            px_fail(PX_USAGE, "out=%s is missing; for example: %s", px_cmd_pack.out.value, px_cmd_pack.out.example);
    px_log log = px_log_make(stderr, false);
    if (status == 0)
        px_args_note(args, &log);
    if (status == 0 && given->dry_run)
        status = understand(args, &options, &log);
    if (status == 0 && !given->dry_run) {
        remove_on_signals(args->out);
        status = px_pack(args->words.word, args->words.count, args->out, &options, &log, &summary);
    }
    if (status == 0 && !given->dry_run) {
        fputs(summary.text, stdout);
        free(summary.text);
    }
    px_config_destroy(config);
    return status;
}

static int run(int argc, char **argv)
{
    pack_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_pack, argc, argv, &given) != 0)
        return -1;
    int status = pack(&args);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_pack = {
    .name = "pack",
    .arguments = "SOURCE... out=DATA.h5 [key=value...]",
    .summary = "make a data set from image folders, IDX, CIFAR, STL-10, NumPy, HDF5, or archives",
    .help = "A SOURCE is a file, a folder, or an archive (tar, zip, 7z; gz, bz2, xz, zst,\n"
            "lz4, lzma), which is read without unpacking it, of:\n"
            "  images    JPEG, PNG, WebP, TIFF, BMP, PNM, GIF: [.../][SPLIT/]CLASS/NAME.jpg;\n"
            "            SPLIT is train, val, test or unlabeled, in any usual spelling\n"
            "            (seg_train, VAL2017)\n"
            "  IDX       train-images-idx3-ubyte and train-labels-idx1-ubyte;\n"
            "            t10k-*: the test split\n"
            "  CIFAR     binary version of CIFAR-10 and CIFAR-100 (fine labels)\n"
            "  STL-10    binary version\n"
            "  NumPy     .npy and .npz: arrays of images (x_train, images, ...) and of labels (y_train, labels, ...)\n"
            "  HDF5      of others: x, images or data; y, labels or target (N, H, W, C)\n"
            "How folders are understood is told first, with counts; --dry-run stops there.\n"
            "What is not clear is refused with the option that decides. docs/files.md has the\n"
            "rule.\n"
            "\n"
            "All sources go into one data set, sorted by split and class. Every image is\n"
            "decoded once, to check it and to compute mean and standard deviation of the\n"
            "train split, which are stored as well.\n"
            "\n"
            "Examples:\n"
            "  pretext pack cifar-10-binary.tar.gz out=cifar10.h5\n"
            "  pretext pack *-ubyte.gz out=fashion.h5 "
            "class_names=top,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,boot\n"
            "  pretext pack imagenette2/ out=imagenette.h5 store=encoded\n"
            "  pretext pack photos/ --dry-run\n"
            "  pretext pack photos/ out=photos.h5 split=train:0.9,val:0.1 bad=skip\n",
    .run = run,
    .flags = flags,
    .options = px_pack_option_table,
    .word = PX_WORD_SOURCE,
    .out = {"DATA.h5", "the data set to write; an existing one is replaced at the end", false,
            "pretext pack photos/ out=photos.h5"},
    .min_words = 1,
    .max_words = PX_ANY,
    .assignments = true,
};
