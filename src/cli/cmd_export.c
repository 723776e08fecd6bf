/* cmd_export.c - pretext export: writes the weights of a run, for use elsewhere. */
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "train/weights.h"

typedef struct export_flags {
    bool all;
    px_words plugin;
} export_flags;

static const px_flag flags[] = {PX_FLAG(export_flags, all, 0, NULL, "also the method's heads, not only the backbone"),
                                PX_FLAG_BEFORE("output", 'o', "out"),
                                PX_PLUGIN_FLAG(export_flags),
                                {0}};

static int run(int argc, char **argv)
{
    export_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_export, argc, argv, &given) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    int status = px_job_plugins(&given.plugin);
    if (status == 0 && !px_weights_named(args.out))
        status = px_fail(PX_USAGE, "%s: the file's name must end with .safetensors, by which weights are recognized",
                         args.out);
    if (status == 0)
        status = px_weights_export(args.words.word[0], args.out, given.all, &log);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_export = {
    .name = "export",
    .arguments = "RUN out=W.safetensors",
    .summary = "write the weights of a run in PyTorch's usual format (safetensors)",
    .help = "Writes float32 parameters and running statistics from the last checkpoint, with\n"
            "timm's names (ViT) or torchvision's (others). The file also names its backbone:\n"
            "features, probe and pretrain init= can read it. In Python:\n"
            "  model.load_state_dict(safetensors.torch.load_file(\"W.safetensors\"), strict=False)     # without fc\n"
            "The model must have the same shapes. torchvision's ResNets begin with 7x7\n"
            "filters and have width 1: if the run's differ (resnet.stem, resnet.width in\n"
            "'pretext show RUN'), change the model's conv1 and width accordingly.\n"
            "\n"
            "Examples:\n"
            "  pretext export runs/first out=first.safetensors\n"
            "  pretext export runs/first --all out=with_heads.safetensors\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = 1,
    .word = PX_WORD_RUN,
    .out = {"W.safetensors", "the file to write", true, "pretext export runs/first out=first.safetensors"},
};
