/* online.c - see online.h. */
#include "train/online.h"
#include "base/error.h"
#include "nn/losses.h"
#include "ops/ops.h"

#include <string.h>

int px_online_check(const px_task *task, double rate)
{
    if (task->classes < 2)
        return px_fail(PX_USAGE, "online_linear = %g: the data set has %s to probe for; online_linear=0 turns it off",
                       rate, task->classes == 0 ? "no classes" : "only one class");
    if (!task->labelled)
        return px_fail(
            PX_USAGE, "online_linear = %g: some images of the split have no label; online_linear=0 turns it off", rate);
    return 0;
}

void px_online_views(px_views *views, const px_task *task)
{
    px_views_add(views, "online_target", PX_F32, 1, 1, (int[]){task->classes});
}

void px_online_target(const px_views *views, const px_task *task, const px_image *image, px_sample *out)
{
    float *target = px_sample_f32(out, views->count - 1, 0);
    memset(target, 0, (size_t)task->classes * sizeof target[0]);
    if (image->label >= 0 && image->label < task->classes)
        target[image->label] = 1;
}

/* (x - mean) / deviation of the global batch, per feature, as a batch norm without scale and shift (MAE's linear probe). */
static px_value *standardise(px_graph *g, px_value *x)
{
    px_value *centred = px_binary(g, PX_SUB, x, px_batch_mean(g, x));
    px_value *variance = px_batch_mean(g, px_unary(g, PX_FN_SQUARE, centred, 0, 0));
    px_value *deviation = px_unary(g, PX_FN_SQRT, px_unary(g, PX_FN_AFFINE, variance, 1, 1e-6), 0, 0);
    return px_binary(g, PX_DIV, centred, deviation);
}

/* velocity = momentum velocity + gradient; weight -= rate (gradient + momentum velocity), as torch.optim.SGD(nesterov=True). */
static void descend(px_graph *g, px_value *weight, px_value *velocity, px_value *gradient, px_value *rate)
{
    const double momentum = 0.9;
    px_value *faster = px_add(g, px_scale(g, velocity, momentum), gradient);
    px_value *step = px_add(g, gradient, px_scale(g, faster, momentum));
    px_assign(g, weight, px_binary(g, PX_SUB, weight, px_binary(g, PX_MUL, step, rate)));
    px_assign(g, velocity, faster);
}

void px_online_build(px_build *b, double rate)
{
    px_graph *g = b->g;
    const px_task *task = b->task;
    if (px_graph_error(g))
        return;
    if (!b->pooled) {
        px_graph_fail(g,
                      "online_linear = %g learns from the features of a backbone that runs by px_encode, and this "
                      "method has none; online_linear=0 turns it off",
                      rate);
        return;
    }
    int64_t B = task->batch, F = b->pooled->shape.dim[1], C = task->classes;
    double share = 1.0 / (double)(B * task->ranks);
    px_value *target = px_view_input(b, "online_target"); /* [B, C] */
    px_value *lr = px_schedule(b, "online_lr", rate * (double)B * task->ranks / 256, 0, PX_COSINE, PX_NOT_NEGATIVE);
    px_scope_push(g, "online");
    px_value *weight = px_state(g, "weight", PX_SHAPE(C, F), px_init_constant(0)),
             *bias = px_state(g, "bias", PX_SHAPE(C), px_init_constant(0)),
             *weight_speed = px_state(g, "weight_momentum", PX_SHAPE(C, F), px_init_constant(0)),
             *bias_speed = px_state(g, "bias_momentum", PX_SHAPE(C), px_init_constant(0));
    px_scope_pop(g);
    px_after_begin(g);
    px_value *x = standardise(g, px_slice(g, px_stop_gradient(g, b->pooled), 0, 0, B)); /* [B, F] */
    px_value *logits = px_linear(g, x, weight, bias);                                   /* [B, C] */
    px_value *wrong = px_scale(g, px_binary(g, PX_SUB, px_softmax(g, logits, 1), target), share);
    px_metric(b, "online_accuracy", px_accuracy(g, logits, px_argmax(g, target, 1)));
    px_metric(b, "online_loss", px_cross_entropy(g, logits, target));
    descend(g, weight, weight_speed, px_all_reduce(g, px_matmul(g, wrong, x, true, false, 1)), lr);
    descend(g, bias, bias_speed, px_all_reduce(g, px_reduce(g, PX_SUM, wrong, (px_axes){1, {0}, false})), lr);
    px_after_end(g);
}
