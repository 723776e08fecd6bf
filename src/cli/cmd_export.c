/* cmd_export.c - pretext export: the weights of a run, for use elsewhere. */
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "train/weights.h"

typedef struct export_flags {
    bool all;
    px_words plugin;
} export_flags;

static const px_flag flags[] = {PX_FLAG(export_flags, all, 0, NULL, "with the method's heads, not the backbone only"),
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
        status =
            px_fail(PX_USAGE, "%s: name the file something.safetensors: that is how it is known as weights", args.out);
    if (status == 0)
        status = px_weights_export(args.words.word[0], args.out, given.all, &log);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_export = {
    .name = "export",
    .arguments = "RUN out=W.safetensors",
    .summary = "write the weights of a run as PyTorch users have them",
    .help =
        "float32, from the last checkpoint, with the names of timm (ViT) and torchvision (the rest); running "
        "statistics too. The file\n"
        "says which backbone it is of: features, probe and pretrain init= read it back. In Python:\n"
        "  model.load_state_dict(safetensors.torch.load_file(\"W.safetensors\"), strict=False)     # without fc\n"
        "where the model has the same shapes: torchvision's ResNets begin with 7x7 filters and have width 1, so that "
        "their conv1 and\n"
        "width must be made those of the run (resnet.stem, resnet.width; 'pretext show RUN').\n"
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
