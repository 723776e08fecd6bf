/* cmd_summary.c - pretext summary: prints a backbone as a table. */
#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "data/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct summary_cfg {
    int image_size, channels;
} summary_cfg;

static const px_option options[] = {PX_OPTION(summary_cfg, image_size, "224", 1, 4096, "side of the image in pixels"),
                                    PX_OPTION(summary_cfg, channels, "3", 1, PX_CHANNELS_MAX, "of the images"),
                                    {0}};

/* The number of elements of all parameters in the scope `scope`. */
static int64_t parameters_in(const px_graph *g, const char *scope)
{
    int64_t count = 0;
    size_t length = strlen(scope);
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        const char *dot = strrchr(p->name, '.');
        if (p->value->kind == PX_PARAMETER && dot && (size_t)(dot - p->name) == length &&
            strncmp(p->name, scope, length) == 0)
            count += px_shape_count(p->value->shape);
    }
    return count;
}

/* The parameters of a layer with several ops are shown at the first op. */
static void print_node(const px_graph *g, const px_layer_line *line, const char *before)
{
    char shape[64];
    int64_t parameters = line->scope[0] && strcmp(line->scope, before) != 0 ? parameters_in(g, line->scope) : 0;
    printf("%-28s %-16s %-22s %14" PRId64 " %16.0f\n", line->scope, line->op, px_shape_text(line->shape, shape),
           parameters, line->multiply_adds);
}

static int summarise(const px_backbone *b, const px_backbone_cfg *cfg, const summary_cfg *c)
{
    const char *why = b->family->check ? b->family->check(b, cfg, c->image_size, c->channels) : NULL;
    if (why)
        return px_fail(PX_USAGE, "%s, images of %d px: %s", b->name, c->image_size, why);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_encoding e = b->family->build(
        g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, c->channels, c->image_size, c->image_size)));
    if (px_graph_error(g)) {
        px_fail(PX_USAGE, "%s: %s", b->name, px_graph_error(g));
        px_graph_destroy(g);
        return -1;
    }
    px_graph_output(g, "features", e.pooled);
    px_graph_fuse(g);
    printf("%-28s %-16s %-22s %14s %16s\n", "layer", "op", "output", "parameters", "multiply-adds");
    px_layer_line line;
    const char *before = "";
    for (int i = 0; px_graph_line(g, &i, &line); before = line.scope)
        print_node(g, &line, before);
    int64_t all = 0;
    for (int i = 0; i < px_graph_params(g); i++)
        if (px_graph_param(g, i)->value->kind == PX_PARAMETER)
            all += px_shape_count(px_graph_param(g, i)->value->shape);
    printf("%s: %" PRId64 " features, %.3f M parameters, %.3f G multiply-adds for an image of %d px\n", b->name,
           e.pooled->shape.dim[1], (double)all / 1e6, px_graph_multiply_adds(g) / 1e9, c->image_size);
    px_graph_destroy(g);
    return 0;
}

static int run(int argc, char **argv)
{
    px_args args;
    summary_cfg c;
    if (px_args_read(&args, &px_cmd_summary, argc, argv, NULL) != 0)
        return -1;
    const px_backbone *b = px_backbone_find(args.words.word[0]);
    px_backbone_cfg *cfg = px_calloc(1, b ? b->family->cfg_size + 1 : 1);
    px_config *config = px_config_create();
    int status = b ? 0 : -1;
    px_config_group(config, "", options, &c);
    if (b && b->family->options)
        px_config_group(config, b->family->name, b->family->options, cfg);
    for (int i = 0; i < args.assignments.count && status == 0; i++)
        status = px_config_set(config, args.assignments.word[i]);
    if (status == 0)
        status = px_config_finish(config);
    if (status == 0)
        status = summarise(b, cfg, &c);
    px_config_destroy(config);
    free(cfg);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_summary = {
    .name = "summary",
    .arguments = "BACKBONE [key=value...]",
    .summary = "layers of a backbone: shapes, parameters, multiply-adds",
    .help = "Batch norms and activations are shown as they are executed, fused.\n"
            "\n"
            "Examples:\n"
            "  pretext summary resnet50\n"
            "  pretext summary resnet18 image_size=32 resnet.width=0.5\n",
    .run = run,
    .min_words = 1,
    .max_words = 1,
    .word = PX_WORD_BACKBONE,
    .backbone_keys = true,
    .assignments = true,
    .options = options,
};
