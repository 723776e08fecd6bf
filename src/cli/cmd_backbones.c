/* cmd_backbones.c - pretext backbones: lists the encoders with their sizes. */
#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { USUAL = 224, SMALL = 32 };

static int64_t parameters(const px_graph *g)
{
    int64_t count = 0;
    for (int i = 0; i < px_graph_params(g); i++)
        if (px_graph_param(g, i)->value->kind == PX_PARAMETER)
            count += px_shape_count(px_graph_param(g, i)->value->shape);
    return count;
}

/* With default options, for images of ImageNet's size or, if the backbone is not made for them, of CIFAR's. */
static void list(const px_backbone *b)
{
    const px_backbone_family *family = b->family;
    px_backbone_cfg *cfg = px_calloc(1, family->cfg_size + 1);
    px_config *config = px_config_create();
    px_config_group(config, family->name, family->options, cfg);
    PX_CHECK(px_config_finish(config) == 0);
    int size = family->check && family->check(b, cfg, USUAL, 3) ? SMALL : USUAL;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_encoding e = family->build(g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, size, size)));
    PX_CHECK(!px_graph_error(g));
    printf("  %-20s %5" PRId64 " %10.3f %10.3f %5d px\n", b->name, e.pooled->shape.dim[1], (double)parameters(g) / 1e6,
           px_graph_multiply_adds(g) / 1e9, size);
    px_graph_destroy(g);
    px_config_destroy(config);
    free(cfg);
}

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_backbones, argc, argv, NULL) != 0)
        return -1;
    printf("  %-20s %5s %10s %10s %8s\n", "", "width", "M params", "GMACs", "of");
    for (int f = 0; px_backbone_families[f]; f++) {
        const px_backbone_family *family = px_backbone_families[f];
        printf("%s%s: %s (%s)\n", f ? "\n" : "", family->name, family->summary, family->paper);
        for (const px_backbone *b = family->variants; b->name; b++)
            list(b);
    }
    px_args_finish(&args);
    return 0;
}

const px_command px_cmd_backbones = {
    .name = "backbones",
    .arguments = "",
    .summary = "list the encoders and their sizes",
    .help = "Beside each name: the number of features, millions of parameters, and thousand millions of multiply-adds "
            "for an\n"
            "image of the size that follows, all without a classifier. pretext summary BACKBONE prints the layers of "
            "one.\n\n"
            "Example:\n  pretext backbones\n",
    .run = run,
};
