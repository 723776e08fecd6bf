/* cmd_options.c - pretext options: lists every key that a configuration may have. */
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "eval/evaluation.h"
#include "train/settings.h"

#include <stdio.h>
#include <stdlib.h>

static void print(const char *title, const char *group, const px_option *options)
{
    char *text = px_options_help(group, options);
    printf("%s\n%s\n", title, text);
    free(text);
}

static int print_method(const char *name)
{
    const px_method *m = px_method_find(name);
    if (!m)
        return -1;
    printf("%s - %s (%s)\n\n", m->name, m->summary, m->paper);
    if (m->options)
        print("Its options", m->name, m->options);
    if (m->defaults)
        printf("Its defaults for other options\n%s", m->defaults);
    return 0;
}

static void print_all(void)
{
    print("Run", "", px_train_options);
    print("Data", "data", px_data_options);
    print("Files of weights (init=, probe, features)", "weights", px_weights_options);
    print("Optimizer and schedule", "optim", px_optim_options);
    const px_method *m;
    for (int i = 0; (m = px_method_at(i)); i++)
        if (m->options)
            print(m->summary, m->name, m->options);
    for (int i = 0; px_backbone_families[i]; i++)
        if (px_backbone_families[i]->options)
            print(px_backbone_families[i]->summary, px_backbone_families[i]->name, px_backbone_families[i]->options);
    print("Evaluation (pretext probe)", "", px_eval_options);
    for (int i = 0; px_protocols[i]; i++) {
        char *title = px_format("%s (pretext probe protocol=%s)", px_protocols[i]->title, px_protocols[i]->name);
        print(title, px_protocols[i]->name, px_protocols[i]->options);
        free(title);
    }
}

typedef struct options_flags {
    px_words plugin;
} options_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(options_flags), {0}};

static int run(int argc, char **argv)
{
    options_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_options, argc, argv, &given) != 0)
        return -1;
    int status = px_job_plugins(&given.plugin);
    if (status == 0 && args.words.count)
        status = print_method(args.words.word[0]);
    else if (status == 0)
        print_all();
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_options = {
    .name = "options",
    .arguments = "[METHOD]",
    .summary = "list every key of a configuration, or those of one method",
    .help = "Prints each key with its default, the allowed values, and the source of the default.\n"
            "\n"
            "Examples:\n"
            "  pretext options\n"
            "  pretext options simclr\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .word = PX_WORD_METHOD,
};
