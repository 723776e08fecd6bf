/* mpi_ranks.c - training on all ranks against the same training on one, in double precision: losses of STEPS steps of
 * gradient descent at a usual learning rate, SimCLR on a ResNet with batch norm and negatives over the global batch.
 * In double, rounding errors stay small, so any mistake in what crosses ranks (a missing term of the gathered
 * negatives, a norm's sums) shows at once. tests/cli/test_ranks.c compares the program itself, in float. */
#include "base/error.h"
#include "base/rng.h"
#include "dist/comm.h"
#include "train/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 24, CHANNELS = 3, SIDE = 8, STEPS = 20, IMAGE = CHANNELS * SIDE * SIDE };

typedef struct replica {
    const px_comm *comm;
    px_graph *graph;
    px_plan *plan;
    px_value *input, *loss;
    double *images; /* (2 batch, C, S, S) */
    int batch;      /* of this rank */
} replica;

static void make(replica *r, const px_settings *s, const px_comm *comm)
{
    *r = (replica){.comm = comm, .batch = BATCH / comm->size};
    px_task task = {.image_size = SIDE, .channels = CHANNELS, .batch = r->batch, .ranks = comm->size};
    r->graph = px_graph_create((px_mode){.real = PX_F64, .rank = comm->rank, .ranks = comm->size});
    r->input = px_input(r->graph, "views", PX_F64, PX_SHAPE(2 * r->batch, CHANNELS, SIDE, SIDE));
    px_build b = {.g = r->graph, .task = &task, .backbone = s->backbone, .backbone_cfg = s->backbone_cfg};
    r->loss = s->method->build(s->method_cfg, &b);
    px_graph_output(r->graph, "loss", r->loss);
    px_graph_fuse(r->graph);
    px_graph_differentiate(r->graph, r->loss);
    PX_CHECK(px_graph_error(r->graph) == NULL);
    r->plan = px_plan_create(r->graph, &(px_plan_spec){.backend = &px_backend_openblas, .comm = comm});
    PX_CHECK(r->plan != NULL);
    px_plan_init_params(r->plan, 3);
    r->images = px_calloc((size_t)(2 * r->batch) * IMAGE, sizeof r->images[0]);
    px_plan_bind(r->plan, r->input, r->images);
}

static void finish(replica *r)
{
    px_plan_destroy(r->plan);
    px_graph_destroy(r->graph);
    free(r->images);
}

/* Both views of this rank's images: a pattern of the image, and noise of the view. */
static void draw(replica *r, int step)
{
    for (int v = 0; v < 2; v++)
        for (int i = 0; i < r->batch; i++) {
            int image = r->comm->rank * r->batch + i;
            px_rng rng = px_rng_make(7, PX_RNG_VIEWS, (uint64_t)step, (uint64_t)(2 * image + v));
            double *x = r->images + (size_t)(v * r->batch + i) * IMAGE;
            for (int k = 0; k < IMAGE; k++)
                x[k] = 0.5 + 0.3 * sin(0.4 * image + 0.05 * (image % 7) * k) + 0.2 * px_rng_uniform(&rng);
        }
}

/* One step of gradient descent; the loss before it, over the global batch. */
static double descend(replica *r, int step, double rate)
{
    draw(r, step);
    px_plan_run(r->plan, NULL);
    double loss = px_plan_scalar(r->plan, r->loss);
    px_all_reduce_f64(r->comm, &loss, 1);
    for (int i = 0; i < px_graph_params(r->graph); i++) {
        const px_param *p = px_graph_param(r->graph, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        int64_t count = px_shape_count(p->value->shape);
        double *weight = px_calloc((size_t)count, sizeof *weight), *grad = px_calloc((size_t)count, sizeof *grad);
        px_plan_get_grad(r->plan, i, grad);
        px_all_reduce_f64(r->comm, grad, count);
        px_plan_get_param(r->plan, i, weight);
        for (int64_t k = 0; k < count; k++)
            weight[k] -= rate / r->comm->size * grad[k];
        px_plan_set_param(r->plan, i, weight);
        free(weight);
        free(grad);
    }
    return loss / r->comm->size;
}

/* The losses of STEPS steps. */
static void train(const px_settings *s, const px_comm *comm, double loss[STEPS])
{
    replica r;
    make(&r, s, comm);
    for (int step = 0; step < STEPS; step++)
        loss[step] = descend(&r, step, 0.03);
    finish(&r);
}

int main(int argc, char **argv)
{
    px_comm comm, self = px_comm_self();
    px_settings s;
    const char *const settings[] = {"method=simclr", "backbone=resnet18", "resnet.width=0.125",
                                    "simclr.projection_dim=32"};
    double alone[STEPS], together[STEPS], worst = 0;
    if (px_comm_init(&comm, &argc, &argv) != 0 || px_settings_load(&s, NULL, settings, 4) != 0)
        PX_CHECK(!"settings");
    train(&s, &comm, together);
    if (comm.rank == 0)
        train(&s, &self, alone);
    px_broadcast(&comm, alone, sizeof alone, 0);
    for (int step = 0; step < STEPS; step++)
        worst = fmax(worst, fabs(together[step] - alone[step]) / alone[step]);
    if (comm.rank == 0)
        printf("%d ranks: loss %.4f ... %.4f, largest relative difference from one rank %.1e\n", comm.size, alone[0],
               alone[STEPS - 1], worst);
    PX_CHECK(alone[STEPS - 1] < alone[0]);
    PX_CHECK(worst < 1e-7);
    px_settings_finish(&s);
    px_comm_finish(&comm);
    return 0;
}
