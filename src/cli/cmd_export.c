/* cmd_export.c - pretext export: writes the weights of a run, or its backbone as a graph, for use elsewhere. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "train/weights.h"

#include <string.h>

typedef struct export_flags {
    bool all;
    px_words plugin;
} export_flags;

typedef struct export_cfg {
    const char *net;
} export_cfg;

static const px_option options[] = {PX_OPTION_TEXT(export_cfg, net, "",
                                                   "the network to write, where a method has several: teacher, "
                                                   "trained; empty: the average of weights if the run keeps one "
                                                   "(supervised.ema), else the one that is trained"),
                                    {0}};

static const px_flag flags[] = {PX_FLAG(export_flags, all, 0, NULL, "also the method's heads, not only the backbone"),
                                PX_FLAG_BEFORE("output", 'o', "out"),
                                PX_PLUGIN_FLAG(export_flags),
                                {0}};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), last = strlen(end);
    return length > last && strcmp(text + length - last, end) == 0;
}

static int write(const px_args *args, const export_flags *given, px_log *log)
{
    export_cfg own;
    px_config *config = px_config_create();
    px_config_group(config, "", options, &own);
    int status = px_job_plugins(&given->plugin);
    bool onnx = ends_with(args->out, ".onnx");
    if (status == 0 && !onnx && !ends_with(args->out, ".safetensors"))
        status =
            px_fail(PX_USAGE, "%s: the file's name must end with .safetensors or .onnx, by which the format is chosen",
                    args->out);
    if (status == 0 && onnx && given->all)
        status = px_fail(PX_USAGE, "%s: --all is for .safetensors; in ONNX the backbone is written, without heads",
                         args->out);
    if (status == 0)
        status = px_replaceable(args->out); /* before the run is read */
    for (int i = 0; i < args->assignments.count && status == 0; i++)
        status = px_config_set(config, args->assignments.word[i]);
    if (status == 0)
        status = px_config_finish(config);
    if (status == 0)
        status = onnx ? px_weights_export_onnx(args->words.word[0], args->out, own.net, log)
                      : px_weights_export(args->words.word[0], args->out, own.net, given->all, log);
    px_config_destroy(config);
    return status;
}

static int run(int argc, char **argv)
{
    export_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_export, argc, argv, &given) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    int status = write(&args, &given, &log);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_export = {
    .name = "export",
    .arguments = "RUN out=W.safetensors|W.onnx [net=NAME]",
    .summary = "write the weights of a run for PyTorch (safetensors), or its backbone as ONNX",
    .help = "Writes float32 parameters and running statistics from the last checkpoint, with\n"
            "timm's names (ViT) or torchvision's (others). The file also names its backbone:\n"
            "features, probe and pretrain init= can read it. In Python:\n"
            "  model.load_state_dict(safetensors.torch.load_file(\"W.safetensors\"), strict=False)     # without fc\n"
            "The model must have the same shapes. torchvision's ResNets begin with 7x7\n"
            "filters and have width 1: if the run's differ (resnet.stem, resnet.width in\n"
            "'pretext show RUN'), change the model's conv1 and width accordingly.\n"
            "\n"
            "out=W.onnx writes the backbone itself, for inference by onnxruntime and others:\n"
            "operator set 17; images (N, C, S, S) with pixels from 0 to 1 -> features (N, F).\n"
            "The graph normalizes as the run did; S is the run's data.image_size.\n"
            "\n"
            "Examples:\n"
            "  pretext export runs/first out=first.safetensors\n"
            "  pretext export runs/first out=first.onnx\n"
            "  pretext export runs/first --all out=with_heads.safetensors\n"
            "  pretext export runs/byol net=teacher out=teacher.safetensors\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .word = PX_WORD_RUN,
    .out = {"W.safetensors|onnx", "the file to write", true, "pretext export runs/first out=first.safetensors"},
};
