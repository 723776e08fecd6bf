/* cmd_features.c - pretext features: the representation itself, for use elsewhere. */
#include "base/error.h"
#include "cli/job.h"
#include "eval/extract.h"
#include "eval/features_file.h"
#include "train/checkpoint.h"
#include "train/weights.h"

#include <omp.h>
#include <stdlib.h>

typedef struct features_flags {
    const char *data, *output, *split;
    px_words plugin;
} features_flags;

static const px_flag flags[] = {PX_FLAG(features_flags, data, 0, "D.h5", "data set to encode (default: the run's own)"),
                                PX_FLAG_REQUIRED(features_flags, output, 'o', "F.h5", "file to write"),
                                PX_FLAG(features_flags, split, 0, "NAME", "which split (default: all images)"),
                                PX_PLUGIN_FLAG(features_flags),
                                {0}};

/* All rows of a data set, where no split is asked for. */
static px_split everything(const px_dataset *data)
{
    int64_t n = px_dataset_about(data)->count, *index = px_calloc((size_t)n + 1, sizeof index[0]);
    for (int64_t i = 0; i < n; i++)
        index[i] = i;
    return (px_split){"all", index, n};
}

static int encode(px_settings *s, const char *run, const features_flags *given, const px_dataset *data,
                  const px_split *split, px_job *job)
{
    px_task task;
    px_model model = {0};
    px_checkpoint saved = {0};
    px_extraction e;
    enum { BATCH = 256 };
    int status = px_task_make(&task, s, data, NULL, BATCH, job->comm.size);
    if (status == 0)
        status = px_model_encoder(&model, s, &task, BATCH);
    if (status == 0 && px_weights_named(run))
        status = px_weights_load(&model, s, &task, run, &job->log);
    else if (status == 0)
        status = px_checkpoint_load(run, &model, NULL, &saved, &job->log);
    status = px_agree(&job->comm, status);
    int workers = s->data.workers ? s->data.workers : omp_get_max_threads();
    if (status == 0)
        status = px_extract(&e, &model, &task, data, split, workers, &job->comm, &job->log, split->name);
    if (status == 0) {
        px_features_source source = {.run = run,
                                     .data = px_dataset_about(data)->path,
                                     .split = split->name,
                                     .backbone = s->backbone->name,
                                     .step = saved.step};
        status = px_features_write(given->output, &e, split, &source, &job->comm);
        px_extraction_finish(&e);
    }
    px_checkpoint_finish(&saved);
    px_model_finish(&model);
    return status;
}

static int load_settings(px_settings *s, const px_args *args, const features_flags *given, px_job *job)
{
    const char *subject = args->words.word[0], *const *assignment = args->assignments.word;
    int count = args->assignments.count, status = px_job_plugins(&given->plugin);
    px_checkpoint saved;
    if (status == 0 && px_weights_named(subject)) {
        status = px_weights_settings(s, subject, assignment, count);
    } else if (status == 0 && (status = px_checkpoint_peek(subject, &saved, &job->log)) == 0) {
        status = px_settings_load_text(s, saved.config, subject, assignment, count);
        px_checkpoint_finish(&saved);
    }
    if (status == 0 && given->data)
        s->data.path = given->data;
    return status;
}

static int features(px_job *job, const px_args *args)
{
    const features_flags *given = args->flags;
    px_settings s = {0};
    px_dataset *data = NULL;
    int status = load_settings(&s, args, given, job);
    if (status == 0 && job->comm.rank == 0 && px_features_writable(given->output) != 0) {
        px_settings_finish(&s);
        status = -1;
    }
    if (px_agree(&job->comm, status) != 0) {
        if (status == 0)
            px_settings_finish(&s);
        return -1;
    }
    px_job_threads(job, s.train.threads);
    status = px_dataset_open(&data, s.data.path);
    const px_split *named = status == 0 && given->split ? px_dataset_split(data, given->split) : NULL;
    if (status == 0 && given->split && !named)
        status = -1;
    status = px_agree(&job->comm, status);
    if (status == 0) {
        px_split all = named ? (px_split){0} : everything(data);
        status = encode(&s, args->words.word[0], given, data, named ? named : &all, job);
        free((void *)(uintptr_t)all.index);
    }
    px_dataset_close(data);
    px_settings_finish(&s);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_features, argc, argv, &(features_flags){0}, features);
}

const px_command px_cmd_features = {
    .name = "features",
    .arguments = "RUN|W.safetensors -o F.h5 [--data D.h5] [key=value...]",
    .summary = "write the features of a data set to HDF5",
    .help = "/features (N, D) float32, /labels (N) int32, /rows (N) int64: the images' rows in the data set; "
            "attributes name the sources.\n"
            "Ranks encode and write their shares of the rows (parallel HDF5). A weights file from elsewhere needs "
            "backbone=, --data, and what\n"
            "differs from the defaults, as data.image_size and data.normalize.\n"
            "\n"
            "Examples:\n"
            "  pretext features runs/first -o features.h5\n"
            "  mpirun -n 2 --bind-to none pretext features runs/first --data other.h5 --split test -o features.h5\n"
            "  pretext features resnet50.safetensors backbone=resnet50 data.normalize=true --data other.h5 -o "
            "features.h5\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = 1,
    .assignments = true,
};
