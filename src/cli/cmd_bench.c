/* cmd_bench.c - pretext bench: measures where the time of a training step goes. */
#include "base/error.h"
#include "cli/job.h"
#include "train/bench.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_flags {
    bool plan;
    px_words plugin;
} bench_flags;

static const px_flag flags[] = {
    PX_FLAG(bench_flags, plan, 0, NULL, "also print every step of the plan: kernel, format, milliseconds"),
    PX_PLUGIN_FLAG(bench_flags),
    PX_FLAG_BEFORE("output", 'o', "out"),
    {0}};

static const px_option options[] = {
    PX_OPTION(px_bench_options, seconds, "20", 0.1, 1e5, "how long to measure"),
    PX_OPTION(px_bench_options, image_size, "32", 8, 4096, "side of the random images in pixels (without data.path)"),
    PX_OPTION(px_bench_options, channels, "3", 1, PX_CHANNELS_MAX, "channels of the random images"),
    PX_OPTION(px_bench_options, classes, "10", 0, 1e6, "classes of the random images"),
    {0}};

static const px_keys keys[] = {
    {"", px_train_options, NULL}, {"data", px_data_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

static int bench(px_job *job, const px_args *args)
{
    const bench_flags *given = args->flags;
    px_settings s = {0};
    px_bench_options o;
    px_bench_report r = {0};
    int status = px_job_plugins(&given->plugin);
    if (status == 0)
        status = px_job_settings(&s, &o, args, &job->log);
    if (px_agree(&job->comm, status) != 0) {
        if (status == 0)
            px_settings_finish(&s);
        return -1;
    }
    px_job_threads(job, s.train.threads);
    px_job_watch(job, s.train.rank_timeout);
    status = px_job_isa(job, s.train.isa);
    if (status == 0)
        status = px_bench(&s, &o, &job->comm, &job->log, &r);
    if (status == 0 && job->comm.rank == 0) {
        if (given->plan)
            fputs(r.plan, stdout);
        px_bench_print(&r, &s, stdout);
        if (args->out)
            status = px_bench_write(args->out, &r, &s, &job->comm, job->command);
    }
    px_bench_report_finish(&r);
    px_settings_finish(&s);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_bench, argc, argv, &(bench_flags){0}, bench);
}

const px_command px_cmd_bench = {
    .name = "bench",
    .arguments = "[CONFIG] [out=B.h5] [key=value...]",
    .summary = "measure a training step: its parts, images per second, fraction of the machine's matmul rate",
    .help = "Runs whole training steps of the configuration: on its data set if data.path is\n"
            "set, else on random images in memory (bench.image_size, bench.channels). R, the\n"
            "yardstick for speed, is the best rate of the fast kernels for a large matmul,\n"
            "with the same threads and precision. The most expensive ops stand beside the\n"
            "limit that binds them, R or memory's rate, which is measured too. More than 100%\n"
            "reach ops that find their inputs in the caches, and convolutions on small maps,\n"
            "whose products with the border count but need not be computed. Results are only\n"
            "printed, unless out= names a file for them, which pretext plot can draw.\n"
            "\n"
            "Examples:\n"
            "  pretext bench method=simclr backbone=resnet18 batch=128\n"
            "  mpirun -n 2 --bind-to none pretext bench experiments/simclr_cifar10.cfg data.path=cifar10.h5 "
            "bench.seconds=60\n"
            "  pretext bench backbone=resnet50 batch=8 bench.image_size=224 --plan\n"
            "  pretext bench precision=bf16 out=b.h5 && pretext plot b.h5\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .options_group = "bench",
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_CONFIG,
    .out = {.value = "B.h5", .help = "also write the numbers to /bench of this file"},
};
