/* cmd_views.c - pretext views: a picture of what the networks will see. */
#include "base/error.h"
#include "cli/job.h"
#include "data/png_write.h"
#include "train/view_sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct views_flags {
    px_words plugin;
} views_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(views_flags), PX_FLAG_BEFORE("output", 'o', "out"), {0}};

typedef struct views_cfg {
    int images;
} views_cfg;

static const px_option options[] = {
    PX_OPTION(views_cfg, images, "8", 1, 64, "how many images, a row each: the run's first ones"), {0}};

static const px_keys keys[] = {
    {"", px_train_options, NULL}, {"data", px_data_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

static int run(int argc, char **argv)
{
    views_flags given = {0};
    views_cfg own;
    px_args args;
    px_settings s;
    px_view_sheet sheet;
    if (px_args_read(&args, &px_cmd_views, argc, argv, &given) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    int status = px_job_plugins(&given.plugin);
    if (status == 0)
        status = px_job_settings(&s, &own, &args, &log);
    if (status == 0) {
        status = px_view_sheet_make(&sheet, &s, own.images);
        if (status == 0)
            status = px_png_write(args.out, sheet.pixels, sheet.height, sheet.width, 3);
        if (status == 0) {
            char *file = px_one_line(px_strdup(args.out));
            printf("%s: %d images\n%s", file, sheet.rows, sheet.legend);
            free(file);
        }
        px_view_sheet_finish(&sheet);
        px_settings_finish(&s);
    }
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_views = {
    .name = "views",
    .arguments = "[CONFIG] out=VIEWS.png [key=value...]",
    .summary = "draw what the networks will see of some images, before a run is paid for",
    .help = "A row per image, a column per view. They are those that the run begins with, so\n"
            "another seed= shows others. Patches that a method hides are gray; small crops\n"
            "are drawn as small as they are. Standard output tells what each column is, and\n"
            "the numbers that belong to an image (labels, permutations).\n"
            "\n"
            "Examples:\n"
            "  pretext views experiments/simclr_cifar10.cfg out=views.png\n"
            "  pretext views method=mae data.path=cifar10.h5 out=views.png views.images=4\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .options_group = "views",
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_CONFIG,
    .out = {.value = "VIEWS.png",
            .help = "the picture to write",
            .required = true,
            .example = "pretext views experiments/simclr_cifar10.cfg out=views.png"},
};
