/* faulty_plugin.c - a method that trains in an instant and fails as the tests want. Environment variables:
 * PRETEXT_FAULT names what happens, PRETEXT_FAULT_RANK on which rank, PRETEXT_FAULT_AFTER after how many images;
 * PRETEXT_FAULT_MARK is a file that is created at that moment. PRETEXT_NAN_IMAGE is the row of an image with a NaN
 * pixel, or "all". */
#include "pretext.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct px_method_cfg {
    double unused;
};

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
}

static void hang(void)
{
    for (;;)
        pause();
}

static void die(void)
{
    kill(getpid(), SIGKILL);
}

static void crash(void)
{
    kill(getpid(), SIGSEGV);
}

static void stand_still(void)
{
    kill(getpid(), SIGSTOP);
}

static void ask_for_memory(void)
{
    free(px_calloc((size_t)1 << 50, 1));
}

static void be_slow(void)
{
    sleep(7);
}

static const struct {
    const char *name;
    void (*happen)(void);
} faults[] = {{"hang", hang},        {"die", die},      {"crash", crash},
              {"stop", stand_still}, {"slow", be_slow}, {"memory", ask_for_memory}};

static bool is_bad(const px_image *image)
{
    const char *bad = getenv("PRETEXT_NAN_IMAGE");
    return bad && *bad && (strcmp(bad, "all") == 0 || atoll(bad) == image->index);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    (void)c;
    static _Atomic int made;
    const char *fault = getenv("PRETEXT_FAULT"), *rank = getenv("PRETEXT_FAULT_RANK"),
               *after = getenv("PRETEXT_FAULT_AFTER"), *own = getenv("OMPI_COMM_WORLD_RANK");
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    if (is_bad(image))
        px_sample_plane(out, 0, 0).data[5] = NAN;
    if (!fault || !after || made++ != atoi(after) || (own && rank && strcmp(own, rank) != 0))
        return;
    const char *mark = getenv("PRETEXT_FAULT_MARK");
    if (mark)
        close(open(mark, O_CREAT | O_WRONLY, 0666));
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (strcmp(fault, faults[i].name) == 0)
            faults[i].happen();
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    (void)c;
    int32_t *zeros = px_calloc((size_t)b->task->batch, sizeof zeros[0]);
    px_value *label = px_constant_i32(b->g, PX_SHAPE(b->task->batch), zeros);
    free(zeros);
    const char *fault = getenv("PRETEXT_FAULT");
    if (fault && strcmp(fault, "blind") == 0) { /* no backbone */
        px_value *image = px_view_input(b, "image");
        int64_t n = image->shape.dim[1] * image->shape.dim[2] * image->shape.dim[3];
        px_value *z = px_linear_layer(b->g, "head", px_reshape(b->g, image, PX_SHAPE(b->task->batch, n)), 8, true);
        return px_mean_squared_error(b->g, z, px_constant_fill(b->g, PX_SHAPE(b->task->batch, 8), 1));
    }
    px_encoding h = px_encode(b, px_view_input(b, "image"));
    if (fault && strcmp(fault, "collapse") == 0) { /* all images to the same place */
        px_value *z = px_linear_layer(b->g, "head", h.pooled, 8, true);
        px_embedding(b, z);
        return px_mean_squared_error(b->g, z, px_constant_fill(b->g, PX_SHAPE(b->task->batch, 8), 1));
    }
    if (fault && strcmp(fault, "teacher") == 0) { /* the same, and a teacher follows there */
        px_mlp layers = {.layers = 1, .out = 8, .last_bias = true};
        px_net *head = px_net_create(b->g, "head");
        px_value *z = px_head(head, &layers, h.pooled),
                 *momentum = px_schedule(b, "speed", 0.5, 0, PX_STEADY, PX_SHARE);
        px_embedding(b, NULL); /* only the teacher's is watched */
        px_value *seen =
            px_encode_by(b, px_net_follow(px_backbone_net(b), "teacher", momentum), px_view_input(b, "image")).pooled;
        px_teacher_embedding(b, px_head(px_net_follow(head, "teacher", momentum), &layers, seen));
        return px_mean_squared_error(b->g, z, px_constant_fill(b->g, PX_SHAPE(b->task->batch, 8), 1));
    }
    if (fault && strcmp(fault, "misfit") == 0)
        px_embedding(b, px_view_input(b, "image")); /* no rows */
    if (fault && strcmp(fault, "views") == 0) {     /* the features, and as second views the same plus a half */
        px_value *both =
            px_concat(b->g, 0, (px_value *[]){h.pooled, px_unary(b->g, PX_FN_AFFINE, h.pooled, 1, 0.5)}, 2);
        px_embedding(b, both);
        px_second_views(b, both);
    }
    return px_cross_entropy(b->g, px_linear_layer(b->g, "head", h.pooled, 2, true), label);
}

PX_PLUGIN = {.name = "faulty",
             .paper = "none",
             .summary = "goes wrong on request",
             .cfg_size = sizeof(px_method_cfg),
             .views = views,
             .make_views = make_views,
             .build = build};
