/* cmd_features.c - pretext features: writes the representation itself, for use elsewhere. */
#include "base/error.h"
#include "base/folder.h"
#include "cli/job.h"
#include "eval/extract.h"
#include "eval/features_file.h"
#include "eval/need.h"
#include "train/checkpoint.h"
#include "train/saved.h"
#include "train/weights.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

typedef struct features_flags {
    px_words plugin;
} features_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(features_flags),
                                PX_FLAG_BEFORE("output", 'o', "out"),
                                PX_FLAG_BEFORE("data", 0, "data.path"),
                                PX_FLAG_BEFORE("split", 0, "data.split"),
                                {0}};

typedef struct features_cfg {
    px_patches patches;
    int batch, hog_cell;
    px_precision precision;
    const char *net;
} features_cfg;

static const px_option options[] = {
    PX_PATCHES_OPTIONS(features_cfg, patches),
    PX_OPTION(features_cfg, batch, "256", 1, 65536, "images or patches that a rank encodes at a time"),
    PX_OPTION_TEXT(features_cfg, net, "",
                   "the network to use, where a method has several: teacher, trained; empty: the average of weights if "
                   "the run keeps one "
                   "(supervised.ema), else the one that is trained"),
    PX_ENCODER_PRECISION_OPTION(features_cfg, precision),
    PX_HOG_OPTION(features_cfg, hog_cell),
    {0}};

static const char *const run_keys[] = {"backbone", "backend", "isa", "threads", "rank_timeout", "seed", NULL};
static const px_keys keys[] = {
    {"", px_train_options, run_keys}, {"data", px_data_options, NULL}, {"weights", px_weights_options, NULL}, {0}};

/* The command's state. */
typedef struct work {
    const char *subject;  /* a run, a weights file or a baseline */
    px_baseline baseline; /* PX_BASELINES: it is none */
    const px_args *args;
    const char *split_name; /* NULL: all images */
    px_job *job;
    px_settings s; /* the subject's settings, with overrides */
    features_cfg own;
    px_config *config; /* of `own` */
    px_dataset *data;
    px_split split;
    int64_t *everything, *limited; /* indices that split may borrow */
} work;

/* All rows of a data set, if no split is given. */
static px_split whole(work *w)
{
    int64_t n = px_dataset_about(w->data)->count;
    w->everything = px_calloc((size_t)n + 1, sizeof w->everything[0]);
    for (int64_t i = 0; i < n; i++)
        w->everything[i] = i;
    return (px_split){"all", w->everything, n};
}

static int open_data(work *w)
{
    if (px_dataset_open(&w->data, w->s.data.path, w->s.data.links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    const px_split *named = w->split_name ? px_dataset_split_for(w->data, "data.split", w->split_name) : NULL;
    if (w->split_name && !named)
        return -1;
    w->split = named ? *named : whole(w);
    w->limited = px_split_limit(&w->split, w->s.data.limit);
    return 0;
}

static int make_model(work *w, px_task *task, px_model *model, px_checkpoint *saved)
{
    bool weights = px_weights_named(w->subject);
    int batch = w->own.batch;
    if (px_task_make(task, &w->s, w->data, NULL, batch, w->job->comm.size) != 0 ||
        px_patches_settle(&w->own.patches, &w->s, task, !weights) != 0)
        return -1;
    px_encoder_spec spec = px_patches_encoder(&w->own.patches, task, batch);
    px_eval_need_case about = {.settings = &w->s,
                               .task = task,
                               .comm = &w->job->comm,
                               .patches = &w->own.patches,
                               .batch = batch,
                               .train = w->split.count};
    if (px_model_plan_encoder(model, &w->s, task, &spec) != 0 || px_eval_need_check(&about, model) != 0)
        return -1;
    px_plan_allocate(model->plan);
    const char *net = w->own.net;
    model->net = weights ? "" : px_settings_net(&w->s, net);
    if (weights && *net)
        return px_fail(PX_USAGE,
                       "net = %s: a weights file has one network; 'pretext export RUN net=%s' writes that one", net,
                       net);
    return weights ? px_weights_load(model, &w->s, task, w->subject, &w->job->log)
                   : px_checkpoint_load(w->subject, model, NULL, saved, &w->job->log);
}

static int write_features(const work *w, const px_extraction *e, int64_t step)
{
    char *config = px_config_text(w->config);
    px_features_source source = {.dataset = w->data,
                                 .run = w->subject,
                                 .data = px_dataset_about(w->data)->path,
                                 .split = w->split.name,
                                 .backbone = w->baseline == PX_BASELINES ? w->s.backbone->name : "none",
                                 .config = config,
                                 .step = step};
    int status = px_features_write(w->args->out, e, &w->split, &source, &w->job->comm);
    free(config);
    return status;
}

/* A baseline has no encoder, only a task. */
static int prepare_baseline(work *w, px_task *task)
{
    px_eval_need_case about = {.settings = &w->s,
                               .task = task,
                               .comm = &w->job->comm,
                               .patches = &w->own.patches,
                               .train = w->split.count,
                               .hog_cell = w->own.hog_cell,
                               .alone = &w->baseline};
    if (w->own.patches.count || *w->own.net)
        return px_fail(PX_USAGE, "%s: features of %s take the whole image and have no network",
                       *w->own.net ? "net" : "patches", w->subject);
    if (px_task_make(task, &w->s, w->data, NULL, 1, w->job->comm.size) != 0 ||
        px_baseline_check(task, w->own.hog_cell) != 0)
        return -1;
    about.batch = px_baseline_batch(task);
    return px_eval_need_check(&about, NULL);
}

static int encode(work *w)
{
    px_task task;
    px_model model = {0};
    px_checkpoint saved = {0};
    px_extraction e;
    bool network = w->baseline == PX_BASELINES;
    int status = px_agree(&w->job->comm, network ? make_model(w, &task, &model, &saved) : prepare_baseline(w, &task));
    px_extract_spec from = {.task = &task,
                            .data = w->data,
                            .patches = w->own.patches,
                            .workers = w->s.data.workers ? w->s.data.workers : omp_get_max_threads(),
                            .timeout = w->s.data.timeout,
                            .comm = &w->job->comm,
                            .log = &w->job->log,
                            .hog_cell = w->own.hog_cell};
    if (status == 0)
        status =
            network ? px_extract(&e, &from, &model, &w->split) : px_extract_baseline(&e, &from, w->baseline, &w->split);
    if (status == 0) {
        status = write_features(w, &e, saved.step);
        px_extraction_finish(&e);
    }
    px_checkpoint_finish(&saved);
    px_model_finish(&model);
    return status;
}

static bool is_own(const char *assignment)
{
    for (const px_option *o = options; o->name; o++)
        if (strncmp(assignment, o->name, strlen(o->name)) == 0 && assignment[strlen(o->name)] == '=')
            return true;
    return false;
}

static int load_subject(work *w, const char *const assignments[], int count)
{
    while (w->baseline < PX_BASELINES && strcmp(w->subject, px_baseline_names[w->baseline]) != 0)
        w->baseline++;
    if (w->baseline < PX_BASELINES)
        return px_settings_load(&w->s, NULL, assignments, count);
    if (px_weights_named(w->subject))
        return px_weights_settings(&w->s, w->subject, assignments, count);
    return px_saved_settings(&w->s, w->subject, assignments, count, &w->job->log);
}

static int load_settings(work *w)
{
    const px_words *assignments = &w->args->assignments;
    const features_flags *given = w->args->flags;
    const char **subjects = px_calloc((size_t)assignments->count + 2, sizeof subjects[0]);
    int count = 0, status = px_job_plugins(&given->plugin);
    w->config = px_config_create();
    px_config_group(w->config, "", options, &w->own);
    subjects[count++] = "data.limit=0"; /* the run's own limit does not apply here */
    for (int i = 0; i < assignments->count && status == 0; i++) {
        if (is_own(assignments->word[i]))
            status = px_config_set(w->config, assignments->word[i]);
        else
            subjects[count++] = assignments->word[i];
        if (strncmp(assignments->word[i], "data.split=", 11) == 0) /* a run's own split is what it was trained on */
            w->split_name = assignments->word[i][11] ? assignments->word[i] + 11 : NULL;
    }
    if (status == 0)
        status = px_config_finish(w->config);
    if (status == 0)
        status = load_subject(w, subjects, count);
    if (status == 0 && w->baseline < PX_BASELINES && w->own.precision == PX_PRECISION_BF16)
        status = px_fail(PX_USAGE, "precision: features of %s have no network that could compute in bf16", w->subject);
    if (status == 0)
        w->s.train.precision = w->baseline < PX_BASELINES ? PX_PRECISION_FP32 : w->own.precision;
    free(subjects);
    return status;
}

static int features(px_job *job, const px_args *args)
{
    work w = {.subject = args->words.word[0], .args = args, .job = job};
    int status = load_settings(&w);
    if (status == 0 && job->comm.rank == 0)
        status = px_not_input(args->out, w.s.data.path, "the data set whose images are read") != 0
                     ? -1
                     : px_features_writable(args->out);
    status = px_agree(&job->comm, status);
    if (status == 0) {
        px_job_threads(job, w.s.train.threads);
        px_job_watch(job, w.s.train.rank_timeout);
        status = px_job_isa(job, w.s.train.isa);
    }
    if (status == 0)
        status = px_agree(&job->comm, px_precision_settle(&w.s, &job->comm));
    w.own.precision = w.s.train.precision;
    if (status == 0)
        status = px_agree(&job->comm, open_data(&w));
    if (status == 0)
        status = encode(&w);
    px_dataset_close(w.data);
    free(w.everything);
    free(w.limited);
    px_config_destroy(w.config);
    if (w.s.config)
        px_settings_finish(&w.s);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_features, argc, argv, &(features_flags){0}, features);
}

const px_command px_cmd_features = {
    .name = "features",
    .arguments = "RUN|W.safetensors|hog|pixels out=F.h5 [data.path=D.h5] [key=value...]",
    .summary = "write the features of a data set to HDF5",
    .help =
        "Writes /features (N, D) float32, /labels (N) int32, /rows (N) int64, each image's\n"
        "row in the data set, and /split (N) uint8, a number in the attribute split_names;\n"
        "other attributes name the sources. Each rank encodes a\n"
        "part of the rows. data.path= names a data set other than the run's, data.split=\n"
        "one of its splits (default: all images); data.limit takes only that many of the\n"
        "images, evenly spaced.\n"
        "A weights file (safetensors, or of torch.save: .pth) that was not written by\n"
        "pretext export needs data.path=, and settings that differ from the defaults,\n"
        "such as data.image_size and data.normalize.\n"
        "hog and pixels need no network: histograms of oriented gradients, and the images\n"
        "themselves, of data.path=. A run in a folder of that name is ./hog.\n"
        "\n"
        "Examples:\n"
        "  pretext features runs/first out=features.h5\n"
        "  mpirun -n 2 --bind-to none pretext features runs/first data.path=other.h5 data.split=test out=features.h5\n"
        "  pretext features runs/relative_location patches=9 out=features.h5\n"
        "  pretext features hog data.path=other.h5 out=features.h5\n"
        "  pretext features resnet50.pth data.normalize=imagenet data.path=other.h5 "
        "out=features.h5\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .keys = keys,
    .backbone_keys = true,
    .word = PX_WORD_SUBJECT,
    .out = {"F.h5", "the file to write", true, "pretext features runs/first out=features.h5"},
};
