/* cmd_backbones.c - pretext backbones: lists the encoders. */
#include "backbones/backbone.h"
#include "cli/args.h"

#include <stdio.h>

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_backbones, argc, argv, NULL) != 0)
        return -1;
    for (int f = 0; px_backbone_families[f]; f++) {
        const px_backbone_family *family = px_backbone_families[f];
        printf("%s%s: %s (%s)\n", f ? "\n" : "", family->name, family->summary, family->paper);
        for (const px_backbone *b = family->variants; b->name; b++)
            printf("  %s\n", b->name);
    }
    px_args_finish(&args);
    return 0;
}

const px_command px_cmd_backbones = {
    .name = "backbones",
    .arguments = "",
    .summary = "list the encoders",
    .help = "pretext summary BACKBONE prints the layers and sizes of one.\n\nExample:\n  pretext backbones\n",
    .run = run,
};
