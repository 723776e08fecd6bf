/* settings.c - see settings.h; the tables of the run's options. */
#include "train/settings.h"
#include "base/built_with.h"
#include "base/cpu.h"
#include "base/error.h"
#include "dist/shards.h"

#include <stdlib.h>
#include <string.h>

const px_option px_train_options[] = {
    PX_OPTION_TEXT(px_train_cfg, method, "simclr", "pretext task ('pretext methods' lists them)"),
    PX_OPTION_TEXT(px_train_cfg, backbone, "resnet18", "encoder ('pretext backbones' lists them)"),
    PX_OPTION_TEXT(px_train_cfg, out, "", "the run's folder: run.h5, checkpoint.h5, figures/"),
    PX_OPTION_TEXT(px_train_cfg, init, "",
                   "initial weights of the backbone, a file .safetensors or .pth; empty: random"),
    PX_OPTION(px_train_cfg, seed, "1", 0, 1e18, "seed of all random numbers: initial values, order, views"),
    PX_OPTION(px_train_cfg, epochs, "100", 0.001, 1e6, "passes over the training split"),
    PX_OPTION(px_train_cfg, batch, "256", 1, 1e7, "images per step, over all ranks and micro-batches"),
    PX_OPTION(
        px_train_cfg, accumulate, "1", 1, 100000,
        "micro-batches per step, whose gradients are added up; batch norms, negatives and queues change with each "
        "of them, teachers and weights once per step"),
    PX_OPTION_FLAG(
        px_train_cfg, recompute, "false",
        "compute activations within each block again in backward instead of storing them: less memory, about "
        "a third more time, the same bits"),
    PX_OPTION_FLAG(px_train_cfg, reproducible, "false",
                   "the same bits on any number of ranks and threads (with the same kind of processor and build)"),
    PX_OPTION(px_train_cfg, shards, "4", 1, PX_SHARDS_MAX,
              "if reproducible: parts of the batch, each computed by one thread; a power of two, at least ranks x "
              "threads to use all threads; results depend on it"),
    PX_OPTION_CHOICE(
        px_train_cfg, divide_optimizer, "auto", "auto|yes|no",
        "each rank keeps and updates its part of the optimizer's state, and then gets the others' weights (ZeRO, "
        "Rajbhandari 2020, stage 1): less memory per rank, the same bits; auto: if all ranks are on one host, and not "
        "with reproducible=true"),
    PX_OPTION_CHOICE(px_train_cfg, augment, "recipe", "recipe|none", "the method's random views, or plain images"),
#ifdef PX_ONEDNN
    PX_OPTION_CHOICE(px_train_cfg, backend, "auto", "auto|onednn|openblas",
                     "kernels: oneDNN's and our own (auto, onednn), or the portable ones with OpenBLAS"),
#else
    PX_OPTION_CHOICE(
        px_train_cfg, backend, "auto", "auto|onednn|openblas",
        "kernels: our own and, where there is none, the portable ones with OpenBLAS (auto), or the portable "
        "ones alone; this build has no oneDNN"),
#endif
    PX_OPTION_CHOICE(
        px_train_cfg, isa, "auto", PX_ISA_CHOICES,
        "the most that the choice of kernels and oneDNN may ask of an x86 processor, to test and time what a smaller "
        "one would run; auto: all that it has. Our own vector loops do not follow, nor does OpenBLAS, which has "
        "OPENBLAS_CORETYPE=Haswell for that"),
    PX_OPTION_CHOICE(
        px_train_cfg, precision, "fp32", "fp32|bf16|auto",
        "precision of layers and activations; auto: bf16 if every rank's processor supports it. Parameters, "
        "statistics and losses stay in fp32; validation and online k-NN follow it"),
    PX_OPTION_CHOICE(px_train_cfg, nonfinite, "stop", "stop|skip",
                     "a step whose loss or gradient is not finite ends the run (stop) or is left out (skip); more than "
                     "ten in a row end it in any case"),
    PX_OPTION(px_train_cfg, validate_epochs, "0", 0, 1e6,
              "method=supervised: epochs from one accuracy on validate_split to the next (/train/val_accuracy); one is "
              "always "
              "at the end. Each costs a pass over that split; log and /train/val_seconds say how long. 0: none"),
    PX_OPTION_TEXT(
        px_train_cfg, validate_split, "val",
        "the split for validate_epochs and online_knn_epochs, of the same data set; not the one that is trained on"),
    PX_OPTION(
        px_train_cfg, online_linear, "0", 0, 100,
        "learning rate, for a batch of 256, of a linear probe that is trained beside the backbone without changing it "
        "(/train/online_accuracy: of augmented training images; not comparable with `pretext probe`); MAE's probe: "
        "0.1; "
        "0: none"),
    PX_OPTION(
        px_train_cfg, online_knn_epochs, "0", 0, 1e6,
        "epochs from one k-NN test of the backbone (k 20, as DINO's) to the next: images of validate_split among those "
        "of data.split, without augmentation (/train/online_knn); one is always at the end. Log and "
        "/train/online_knn_seconds say what it costs. 0: none"),
    PX_OPTION(px_train_cfg, online_images, "5000", 2, 1e8,
              "at most so many images of each split for online_knn_epochs, evenly spaced"),
    PX_OPTION(px_train_cfg, checkpoint_minutes, "10", 0, 1e5,
              "minutes between checkpoints; one is always written at the end"),
    PX_OPTION(px_train_cfg, time_limit, "0", 0, 1e6,
              "minutes after which the run stops with a checkpoint (status 75); 0: none"),
    PX_OPTION(px_train_cfg, threads, "0", 0, 4096,
              "compute threads per rank; 0: OMP_NUM_THREADS, or this host's cores / its ranks"),
    PX_OPTION(px_train_cfg, rank_timeout, "6", 0, 1e6,
              "the job ends if a rank's process shows no sign of life for this many seconds; 0: ranks are not watched"),
    {0}};

const px_option px_data_options[] = {
    PX_OPTION_TEXT(px_data_cfg, path, "", "data set made by 'pretext pack'"),
    PX_OPTION_TEXT(px_data_cfg, split, "train", "the split to train on"),
    PX_OPTION_FLAG(px_data_cfg, links, "false",
                   "also read parts of the data set that lie in other files: external links, external storage, virtual "
                   "data sets"),
    PX_OPTION(
        px_data_cfg, image_size, "0", 0, 4096,
        "side of a view in pixels; 0: that of the data set's images, or if they vary in size their median shorter "
        "side (a multiple of 8 and of the backbone's patches), at most 224"),
    PX_OPTION_CHOICE(
        px_data_cfg, normalize, "auto", "auto|none|dataset|imagenet|half|given|false|true",
        "each channel minus a mean, divided by a deviation: those of the data set (dataset, true), of ImageNet "
        "(imagenet: for weights of torchvision and most of timm), 0.5 and 0.5 (half), data.mean and data.std "
        "(given); none, false: pixels stay in [0,1]; auto: the same, but weights that do not say what they "
        "need give a warning"),
    PX_OPTION(px_data_cfg, mean, "[]", -1000, 1000,
              "with data.normalize=given: per channel, of pixels in [0,1]; one number is for all channels"),
    PX_OPTION(px_data_cfg, std, "[]", 1e-6, 1000, "with data.normalize=given: the deviations"),
    PX_OPTION(
        px_data_cfg, shown, "[]", 0, PX_CHANNELS_MAX - 1,
        "the channels that a method's pictures show as red, green and blue, or one as gray, counted from 0; []: the "
        "first three"),
    PX_OPTION_FLAG(px_data_cfg, shuffle, "true", "a new random order in each epoch"),
    PX_OPTION(
        px_data_cfg, repeats, "1", 1, 64,
        "repeated augmentation: an image stands so often in a batch, with other views, and an epoch has so many times "
        "fewer images (arXiv:1901.09335; DeiT: 3, torchvision's V2: 4)"),
    PX_OPTION(px_data_cfg, workers, "0", 0, 1024, "threads per rank that make views; 0: as many as compute threads"),
    PX_OPTION(px_data_cfg, limit, "0", 0, 1e15,
              "use only this many images, evenly spaced in the split; 0: all; probes of the run do not inherit it"),
    PX_OPTION(px_data_cfg, timeout, "60", 0, 1000000,
              "the job ends if a rank's workers finish no image for this many seconds; 0: wait forever"),
    {0}};

const px_option px_weights_options[] = {
    PX_OPTION_TEXT(px_weights_cfg, prefix, "auto",
                   "what stands before all names of the backbone in a file of weights, such as module.encoder_q; auto: "
                   "what fits, of teacher and student the teacher"),
    PX_OPTION_CHOICE(px_weights_cfg, other, "refuse", "refuse|ignore",
                     "tensors of the backbone that it does not have here (LayerScale, registers, ...) and that are not "
                     "known as heads"),
    {0}};

/* 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225: torchvision's, timm's IMAGENET_DEFAULT_MEAN and _STD. */
static const px_moments imagenet = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

static int fill(float out[], const px_list *from, int channels, const char *key)
{
    if (from->count != channels && from->count != 1)
        return px_fail(PX_USAGE,
                       "data.normalize = given needs %s = [...] with a number for each of the images' %d channels, or "
                       "one for all; it has %d; data.normalize=dataset takes the data set's own",
                       key, channels, from->count);
    for (int c = 0; c < channels; c++)
        out[c] = (float)from->value[from->count == 1 ? 0 : c];
    return 0;
}

int px_settings_moments(px_settings *s, const float mean[], const float std[], int channels, bool *normalized)
{
    unsigned by = s->data.normalize;
    PX_CHECK(channels <= PX_MOMENTS_MAX);
    *normalized = by != PX_NORMALIZE_NONE && by != PX_NORMALIZE_FALSE && by != PX_NORMALIZE_AUTO;
    if (by == PX_NORMALIZE_GIVEN)
        return fill(s->moments.mean, &s->data.mean, channels, "data.mean") != 0 ||
                       fill(s->moments.std, &s->data.std, channels, "data.std") != 0
                   ? -1
                   : 0;
    if (by == PX_NORMALIZE_IMAGENET && channels != 3)
        return px_fail(PX_USAGE, "data.normalize = imagenet is for images of 3 channels, but these have %d", channels);
    if (by == PX_NORMALIZE_IMAGENET) {
        s->moments = imagenet;
        return 0;
    }
    bool half = by == PX_NORMALIZE_HALF, own = s->own_channels == channels;
    for (int c = 0; c < channels && *normalized; c++) {
        s->moments.mean[c] = half ? 0.5f : own ? s->own.mean[c] : mean[c];
        s->moments.std[c] = half ? 0.5f : own ? s->own.std[c] : std[c];
    }
    return 0;
}

static void register_groups(px_settings *s)
{
    px_config_group(s->config, "", px_train_options, &s->train);
    px_config_group(s->config, "data", px_data_options, &s->data);
    px_config_group(s->config, "weights", px_weights_options, &s->weights);
    px_config_group(s->config, "optim", px_optim_options, &s->optim);
    if (s->method->options)
        px_config_group(s->config, s->method->name, s->method->options, s->method_cfg);
    if (s->backbone->family->options)
        px_config_group(s->config, s->backbone->family->name, s->backbone->family->options, s->backbone_cfg);
}

/* Where the user's settings come from: a file, or text. */
typedef struct source {
    const char *path, *text, *origin;
    const char *const *assignments;
    int count;
} source;

static int read_source(px_config *c, const source *from)
{
    if (from->text && px_config_text_load(c, from->text, from->origin) != 0)
        return -1;
    if (from->path && px_config_file(c, from->path) != 0)
        return -1;
    for (int i = 0; i < from->count; i++)
        if (px_config_set(c, from->assignments[i]) != 0)
            return -1;
    return 0;
}

/* `usual` is the backbone of the method's defaults, or "". */
static int wrong_family(const px_settings *s, const char *usual)
{
    const px_backbone *other = px_backbone_find(usual);
    for (int i = 0; px_backbone_families[i] && !(other && strcmp(other->family->name, s->method->family) == 0); i++)
        other = px_backbone_families[i]->variants;
    return px_fail(
        PX_USAGE,
        "method %s works only with backbones of the family %s, not with %s; backbone=%s would work ('pretext "
        "backbones' lists them)",
        s->method->name, s->method->family, s->backbone->name, other->name);
}

/* The name of a group that is there with another choice of method or backbone only. */
static bool is_other_group(const char *assignment, const char *name, const char *chosen)
{
    size_t length = strlen(name);
    return strcmp(name, chosen) != 0 && strncmp(assignment, name, length) == 0 && assignment[length] == '.';
}

/* A key of a backbone or method that was not chosen: says what it belongs to. */
static int check_groups(const px_settings *s, const source *from)
{
    for (int i = 0; i < from->count; i++) {
        const char *given = from->assignments[i];
        int key = (int)strcspn(given, "=");
        for (int f = 0; px_backbone_families[f]; f++)
            if (is_other_group(given, px_backbone_families[f]->name, s->backbone->family->name))
                return px_fail(PX_USAGE,
                               "on the command line: %.*s is for backbones of the family %s; this one is backbone=%s",
                               key, given, px_backbone_families[f]->name, s->backbone->name);
        for (int m = 0; px_method_at(m); m++)
            if (is_other_group(given, px_method_at(m)->name, s->method->name))
                return px_fail(PX_USAGE, "on the command line: %.*s is for method=%s; this one is method=%s", key,
                               given, px_method_at(m)->name, s->method->name);
    }
    return 0;
}

/* First reads the keys that decide which groups exist; then reads everything again on top of the method's defaults. */
static int choose(px_settings *s, const source *from)
{
    px_config *users = px_config_create(), *methods = px_config_create();
    int status = read_source(users, from);
    if (status == 0) {
        s->method = px_method_find(px_config_peek(users, "method", "simclr"));
        status = !s->method            ? -1
                 : s->method->defaults ? px_config_text_load(methods, s->method->defaults, s->method->name)
                                       : 0;
    }
    if (status == 0) {
        s->backbone =
            px_backbone_find(px_config_peek(users, "backbone", px_config_peek(methods, "backbone", "resnet18")));
        status = s->backbone ? 0 : -1;
    }
    if (status == 0 && s->method->family && strcmp(s->method->family, s->backbone->family->name) != 0)
        status = wrong_family(s, px_config_peek(methods, "backbone", ""));
    if (status == 0)
        status = check_groups(s, from);
    px_config_destroy(users);
    px_config_destroy(methods);
    return status;
}

static int load(px_settings *s, const source *from)
{
    *s = (px_settings){0};
    if (choose(s, from) != 0)
        return -1;
    s->method_cfg = px_calloc(1, s->method->cfg_size + 1);
    s->backbone_cfg = px_calloc(1, s->backbone->family->cfg_size + 1);
    s->config = px_config_create();
    register_groups(s);
    if ((s->method->defaults && px_config_text_load(s->config, s->method->defaults, s->method->name) != 0) ||
        read_source(s->config, from) != 0 || px_config_finish(s->config) != 0) {
        px_settings_finish(s);
        return -1;
    }
    return 0;
}

int px_settings_load(px_settings *s, const char *path, const char *const assignments[], int count)
{
    return load(s, &(source){.path = path, .assignments = assignments, .count = count});
}

int px_settings_load_text(px_settings *s, const char *text, const char *origin, const char *const assignments[],
                          int count)
{
    return load(s, &(source){.text = text, .origin = origin, .assignments = assignments, .count = count});
}

const char *px_settings_net(const px_settings *s, const char *net)
{
    if (strcmp(net, "trained") == 0)
        return "";
    return *net || !s->method->probed ? net : s->method->probed(s->method_cfg);
}

void px_settings_finish(px_settings *s)
{
    px_config_destroy(s->config);
    free(s->method_cfg);
    free(s->backbone_cfg);
    *s = (px_settings){0};
}
