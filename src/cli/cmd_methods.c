/* cmd_methods.c - pretext methods: the pretext tasks there are. */
#include "cli/args.h"
#include "train/method.h"

#include <stdio.h>

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_methods, argc, argv, NULL) != 0)
        return -1;
    for (int i = 0; px_methods[i]; i++)
        printf("%-20s %s (%s)\n", px_methods[i]->name, px_methods[i]->summary, px_methods[i]->paper);
    px_args_finish(&args);
    return 0;
}

const px_command px_cmd_methods = {
    .name = "methods",
    .arguments = "",
    .summary = "list the pretext tasks",
    .help = "Their options: pretext options METHOD.\n\nExample:\n  pretext methods\n",
    .run = run,
};
