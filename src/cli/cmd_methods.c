/* cmd_methods.c - pretext methods: lists the pretext tasks. */
#include "cli/args.h"
#include "cli/job.h"
#include "train/method.h"

#include <stdio.h>

typedef struct methods_flags {
    px_words plugin;
} methods_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(methods_flags), {0}};

static int run(int argc, char **argv)
{
    methods_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_methods, argc, argv, &given) != 0)
        return -1;
    int status = px_job_plugins(&given.plugin);
    const px_method *m;
    for (int i = 0; status == 0 && (m = px_method_at(i)); i++)
        printf("%-20s %s (%s)\n", m->name, m->summary, m->paper);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_methods = {
    .name = "methods",
    .arguments = "",
    .summary = "list the pretext tasks",
    .help = "pretext options METHOD prints the options of one.\n\nExample:\n  pretext methods\n",
    .run = run,
    .flags = flags,
};
