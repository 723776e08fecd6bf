/* masked_distil.c - see masked_distil.h. */
#include "train/masked_distil.h"
#include "nn/heads.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/mask_blocks.h"

#include <math.h>

/* ---- views ---- */

static int side_of(const px_task *task)
{
    return task->image_size / task->patch;
}

/* At most so many patches of a crop are hidden, and at least one could be. */
static int most_hidden(const px_masked_distil *c, const px_task *task)
{
    int T = px_patch_count(task), most = (int)(fmin(c->mask_ratio + c->mask_spread, 1) * T);
    return most > 1 ? most : 1;
}

static int smallest_block(const px_masked_distil *c, const px_task *task)
{
    int third = side_of(task) / 3;
    return c->block ? c->block : third > 1 ? third * third : 1;
}

const char *px_masked_distil_check(const px_masked_distil *c, const px_task *task, const px_backbone *backbone)
{
    if (c->mask_spread > c->mask_ratio)
        return "mask_spread is larger than mask_ratio";
    return px_small_crops_check(&c->small, task, backbone);
}

void px_masked_distil_views(const px_masked_distil *c, const px_task *task, px_views *out)
{
    int side = side_of(task), M = most_hidden(c, task);
    px_two_views_declare(task, out);
    px_small_crops_declare(&c->small, task, out);
    px_views_add(out, "mask", PX_F32, 2, 2, (int[]){side, side});
    px_views_add(out, "hidden", PX_I32, 2, 1, &M);
    px_views_add(out, "share", PX_F32, 2, 1, &M);
}

/* Of one crop. */
static void hide(const px_masked_distil *c, const px_task *task, px_rng *rng, float *mask, int32_t *hidden,
                 float *share)
{
    int side = side_of(task), T = side * side, M = most_hidden(c, task), count = 0, found = 0;
    bool masked = px_rng_uniform(rng) < (float)c->mask_chance;
    float ratio = px_rng_range(rng, (float)(c->mask_ratio - c->mask_spread), (float)(c->mask_ratio + c->mask_spread));
    int most = (int)(ratio * (float)T);
    for (int t = 0; t < T; t++)
        mask[t] = 0;
    if (masked)
        count = px_mask_blocks(rng, side, side, smallest_block(c, task), most < M ? most : M, mask);
    for (int t = 0; t < T; t++)
        if (mask[t] > 0)
            hidden[found++] = t;
    for (int m = 0; m < M; m++) {
        share[m] = m < count ? 1 / (float)count : 0;
        hidden[m] = m < count ? hidden[m] : 0;
    }
}

void px_masked_distil_make(const px_masked_distil *c, const px_task *task, px_rng *rng, const px_image *image,
                           px_sample *out)
{
    int mask = c->small.count > 0 ? 2 : 1;
    px_two_views_make(&c->views, task, rng, image, out);
    px_small_crops_make(&c->small, &c->views, task, rng, image, out);
    for (int v = 0; v < 2; v++)
        hide(c, task, rng, px_sample_f32(out, mask, v), px_sample_i32(out, mask + 1, v),
             px_sample_f32(out, mask + 2, v));
}

/* ---- loss ---- */

typedef struct networks {
    px_build *b;
    px_prototype_head layers;
    px_net *head, *teacher, *teacher_head;
    px_value *temperature; /* the teacher's */
} networks;

static px_value *as_rows(px_graph *g, px_value *x /* (N,M,D) */)
{
    return px_reshape(g, x, PX_SHAPE(x->shape.dim[0] * x->shape.dim[1], x->shape.dim[2]));
}

/* patches (N,T,D) -> the hidden ones (N M,D) */
static px_value *hidden_of(px_build *b, px_value *patches)
{
    return as_rows(b->g, px_gather_tokens(b->g, patches, px_view_input(b, "hidden")));
}

/* log softmax((scores - centre) / temperature). The centre then moves to the mean of all scores, which is the score of the
 * mean z. */
static px_value *teach(const networks *n, const char *name, double stays, px_value *scores, px_value *all_z)
{
    px_graph *g = n->b->g;
    px_value *mean = px_prototype_score(n->teacher_head, &n->layers, px_batch_mean(g, all_z));
    px_value *center = px_state(g, name, PX_SHAPE(1, n->layers.prototypes), px_init_constant(0));
    px_value *apart = px_binary(g, PX_SUB, px_stop_gradient(g, scores), center);
    px_after_begin(g);
    px_assign(g, center, px_add(g, px_scale(g, center, stays), px_scale(g, mean, 1 - stays)));
    px_after_end(g);
    return px_log_softmax(g, px_binary(g, PX_DIV, apart, n->temperature), 1);
}

/* Logarithms of the teacher's distributions: of the large crops' class tokens (2B,K), and of the hidden patches (2B M,K). */
static void teacher_targets(const px_masked_distil *c, const networks *n, px_value **of_crops, px_value **of_patches)
{
    px_build *b = n->b;
    px_graph *g = b->g;
    px_value *tokens = px_encode_masked(b, n->teacher, px_view_input(b, "views"), NULL, PX_TOKEN).tokens;
    if (px_graph_error(g))
        return;
    int64_t rows = tokens->shape.dim[0], T = tokens->shape.dim[1] - 1;
    px_prototype_scores crop = px_score_prototypes(n->teacher_head, &n->layers, px_select(g, tokens, 1, 0));
    px_value *patches = as_rows(g, px_slice(g, tokens, 1, 1, T));
    px_value *z = px_prototype_project(n->teacher_head, &n->layers, patches); /* [2B T,d] */
    px_value *hidden = hidden_of(b, px_reshape(g, z, PX_SHAPE(rows, T, c->dim)));
    *of_crops = teach(n, "center", c->center, crop.scores, crop.z);
    *of_patches = teach(n, "patch_center", c->center, px_prototype_score(n->teacher_head, &n->layers, hidden), z);
}

static networks make_networks(const px_masked_distil *c, px_build *b)
{
    networks n = {.b = b,
                  .layers = {.mlp = {.layers = 3,
                                     .hidden = c->hidden,
                                     .out = c->dim,
                                     .bias = true,
                                     .last_bias = true,
                                     .gelu = true,
                                     .deviation = 0.02},
                             .prototypes = c->prototypes},
                  .head = px_net_create(b->g, "head")};
    n.temperature = px_schedule_within(b, "teacher_temperature", c->warmup_epochs, c->teacher_temperature_start,
                                       c->teacher_temperature, PX_LINEAR, PX_POSITIVE);
    return n;
}

px_value *px_masked_distil_build(const px_masked_distil *c, px_build *b, px_value **tokens)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, N = c->small.count, M = most_hidden(c, b->task);
    networks n = make_networks(c, b);
    px_net *net = px_backbone_net(b);
    px_value *seen = px_encode_masked(b, net, px_view_input(b, "views"), px_view_input(b, "mask"), PX_TOKEN).tokens;
    px_value *crops = px_select(g, seen, 1, 0), *of_crops = crops, *of_patches = crops; /* [2B,D] */
    if (tokens)
        *tokens = crops;
    px_value *small = N > 0 ? px_encode_masked(b, net, px_view_input(b, "small"), NULL, PX_TOKEN).tokens : NULL;
    if (px_graph_error(g))
        return crops;
    px_value *rows[] = {crops, hidden_of(b, px_slice(g, seen, 1, 1, seen->shape.dim[1] - 1)),
                        small ? px_select(g, small, 1, 0) : NULL};
    px_prototype_scores s = px_score_prototypes(n.head, &n.layers, px_concat(g, 0, rows, small ? 3 : 2));
    px_embedding(b, s.z);
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_COSINE, PX_SHARE);
    n.teacher = px_net_follow(net, "teacher", momentum);
    n.teacher_head = px_net_follow(n.head, "teacher", momentum);
    teacher_targets(c, &n, &of_crops, &of_patches);
    px_treat(b, "head.last_layer", PX_RULE_FROZEN, c->freeze_epochs);
    if (px_graph_error(g))
        return crops;
    px_value *log_p = px_log_softmax(g, px_scale(g, s.scores, 1 / c->temperature), 1);
    px_value *large = px_slice(g, log_p, 0, 0, 2 * B), *patches = px_slice(g, log_p, 0, 2 * B, 2 * B * M);
    px_value *others = N > 0 ? px_slice(g, log_p, 0, 2 * B * (1 + M), N * B) : NULL;
    px_value *q = px_unary(g, PX_FN_EXP, of_crops, 0, 0), *crop_loss = px_distil_crops(g, q, large, others);
    px_teacher_embedding(b, q); /* z may differ where all images have the same prototype */
    px_value *share = px_reshape(g, px_view_input(b, "share"), PX_SHAPE(2 * B * M, 1));
    px_value *target = px_binary(g, PX_MUL, px_unary(g, PX_FN_EXP, of_patches, 0, 0), share);
    px_value *patch_loss = px_scale(g, px_soft_cross_entropy(g, target, patches), (double)M);
    px_value *entropy = px_soft_cross_entropy(g, q, of_crops);
    px_metric(b, "crop_loss", crop_loss);
    px_metric(b, "patch_loss", patch_loss);
    px_metric(b, "teacher_entropy", entropy);
    px_metric(b, "teacher_divergence", px_binary(g, PX_SUB, px_stop_gradient(g, crop_loss), entropy)); /* KL(q || p) */
    px_metric(b, "prototype_entropy", px_mean_entropy(g, of_crops)); /* of the batch's mean q; log K: all used alike */
    return px_add(g, crop_loss, px_scale(g, patch_loss, c->patch_weight));
}
