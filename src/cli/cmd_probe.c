/* cmd_probe.c - pretext probe: measures how good a run's representation is. */
#include "base/error.h"
#include "cli/job.h"
#include "eval/evaluation.h"

#include <stdio.h>

typedef struct probe_flags {
    px_words plugin;
} probe_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(probe_flags), {0}};

static const char *const run_keys[] = {"backbone", "backend", "isa", "out", "rank_timeout", "seed", "threads", NULL};
static const px_keys keys[] = {
    {"", px_train_options, run_keys}, {"data", px_data_options, NULL}, {"weights", px_weights_options, NULL}, {0}};

static char *list_protocols(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("\nProtocols\n", out);
    for (int i = 0; px_protocols[i]; i++)
        fprintf(out, "  %-10s %s\n", px_protocols[i]->name, px_protocols[i]->summary);
    fclose(out);
    return text;
}

static int probe(px_job *job, const px_args *args)
{
    const probe_flags *given = args->flags;
    px_evaluation e = {0};
    int status = px_job_plugins(&given->plugin);
    if (status == 0)
        status =
            px_evaluation_load(&e, args->words.word[0], args->assignments.word, args->assignments.count, &job->log);
    if (px_agree(&job->comm, status) != 0) {
        if (status == 0)
            px_evaluation_finish(&e);
        return -1;
    }
    px_job_threads(job, e.run.train.threads);
    px_job_watch(job, e.run.train.rank_timeout);
    status = px_job_isa(job, e.run.train.isa);
    if (status == 0)
        status = px_evaluate(&e, &job->comm, job->command, &job->log);
    px_evaluation_finish(&e);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_probe, argc, argv, &(probe_flags){0}, probe);
}

const px_command px_cmd_probe = {
    .name = "probe",
    .arguments = "RUN|W.safetensors [key=value...]",
    .summary = "evaluate the representation of a run: linear probe, nearest neighbours, ...",
    .help = "The frozen backbone encodes the training split and the test split once; ranks\n"
            "share the work. protocol=linear trains a grid of learning rates (linear.rates)\n"
            "at once and chooses one on held-out rows of the training split, never on the\n"
            "test split. baselines=true also probes the same backbone untrained, the raw\n"
            "pixels, and histograms of oriented gradients (HOG); baselines=untrained leaves\n"
            "these two out.\n"
            "layers=true also probes every stage of the backbone. Each rank then needs\n"
            "memory for the features of its images at all stages (N / ranks x the sum of\n"
            "their widths x 4 bytes; features=bf16 takes 2).\n"
            "labels=0.01 learns from a hundredth of each class, labels=10 from ten images per\n"
            "class; seeds=3 repeats what is drawn, and tells mean and 95 % interval.\n"
            "patches=9 is the protocol of methods that pretrain on patches.\n"
            "precision=bf16 has the network compute in bf16, whatever it was trained in.\n"
            "If there is not enough memory, a message names settings that would fit.\n"
            "data.*, threads, backend and isa override the run's settings (data.limit limits\n"
            "the probe's training split); 'pretext options' lists the protocols' keys. Results go\n"
            "to /eval in the run's run.h5, and a table to standard output. Results of a\n"
            "weights file (safetensors, or of torch.save: .pth) go to out=DIR; one that was\n"
            "not written by pretext export also needs data.path=.\n"
            "protocol=finetune trains the whole network further, at the cost of such a training.\n"
            "\nExamples:\n"
            "  pretext probe runs/first baselines=true\n"
            "  mpirun -n 2 --bind-to none pretext probe runs/first linear.epochs=50\n"
            "  pretext probe runs/first protocol=knn\n"
            "  pretext probe runs/first protocol=logistic labels=0.1 seeds=3\n"
            "  pretext probe runs/relative_location layers=true baselines=true patches=9\n"
            "  pretext probe resnet50.pth data.path=flowers.h5 data.normalize=imagenet "
            "out=results/flowers\n",
    .list = list_protocols,
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = 1,
    .assignments = true,
    .options = px_eval_options,
    .keys = keys,
    .backbone_keys = true,
    .protocol_keys = true,
    .word = PX_WORD_SUBJECT,
};
