/* mpi_optimizer.c - an optimizer divided among ranks: the same weights, norms and state as undivided, bit for bit, also handed over
 * in the middle. Run it with mpirun; a failed check ends the job and names the rank. */
#include "backends/rows.h"
#include "base/error.h"
#include "dist/reducer.h"
#include "optim/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parameters that are smaller than a grain, that end in one, and that every rank has a part of; of the buckets one is smaller than
 * a grain. Gaps are what a layout leaves. */
static const px_param_span spans[] = {
    {"a", 0, 100003, false}, {"b", 100016, 17, true}, {"c", 100048, 262144, false}, {"d", 362192, 5000, false}};
static const int64_t bounds[] = {0, 100048, 362192, 367200};
enum { SPANS = 4, BUCKETS = 3, LENGTH = 367200, STEPS = 4, HANDED_OVER = 2 };

static const px_optim_cfg cfgs[] = {
    {.optimizer = PX_SGD, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
    {.optimizer = PX_SGD, .momentum = 0.9, .clip = 0.5},
    {.optimizer = PX_LARS, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.001},
    {.optimizer = PX_ADAM, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01},
    {.optimizer = PX_ADAMW, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01, .clip = 0.5},
    {.optimizer = PX_LAMB, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.01}};

static float *some(int seed)
{
    float *x = px_aligned_calloc(LENGTH * sizeof *x);
    for (int i = 0; i < SPANS; i++)
        for (int64_t k = spans[i].offset; k < spans[i].offset + spans[i].count; k++)
            x[k] = (float)((k * 31 + seed * 17) % 1009 - 504) / 1009;
    return x;
}

/* Four optimizer's steps; `handed`: a fresh optimizer takes over in the middle. The parameter "d" is frozen at first. */
typedef struct training {
    float *weights;
    double norm[STEPS];
    px_optimizer *optimizer;
    px_division *division;
} training;

static px_optimizer *make(const px_optim_cfg *cfg, px_division *d)
{
    px_optimizer *o;
    px_treatment how[SPANS] = {{1, 1, false, 0}, {1, 1, false, 0}, {0.5, 1, false, 0}, {1, 1, false, 1}};
    PX_CHECK(px_optimizer_create(&o, cfg, spans, SPANS, &px_update_fast) == 0);
    px_optimizer_treat(o, how);
    if (d)
        px_optimizer_divide(o, d);
    return o;
}

/* As a checkpoint does it: rank 0 writes, all read. */
static void hand_over(const px_comm *comm, px_optimizer **from, const px_optim_cfg *cfg, px_division *d)
{
    const char *names[2];
    px_optimizer *to = make(cfg, d);
    for (int s = 0; s < px_optimizer_slots(*from, names); s++)
        for (int i = 0; i < SPANS; i++) {
            float *values = px_calloc((size_t)spans[i].count, sizeof *values);
            px_optimizer_read(*from, s, spans[i].offset, spans[i].count, values);
            px_broadcast(comm, values, spans[i].count * (int64_t)sizeof *values, 0);
            px_optimizer_write(to, s, spans[i].offset, spans[i].count, values);
            free(values);
        }
    *px_optimizer_steps(to) = *px_optimizer_steps(*from);
    px_optimizer_destroy(*from);
    *from = to;
}

static training train(const px_comm *comm, const px_optim_cfg *cfg, bool divided, bool handed)
{
    training t = {.weights = some(-1), .division = divided ? px_division_create(comm, bounds, BUCKETS) : NULL};
    t.optimizer = make(cfg, t.division);
    for (int step = 0; step < STEPS; step++) {
        float *grads = some(1 + step * comm->size + comm->rank);
        px_reducer *r = px_reducer_ring(comm, (px_gradients){&grads, 1, bounds, BUCKETS}, divided);
        for (int b = BUCKETS - 1; b >= 0; b--)
            px_reducer_ready(r, b);
        px_reducer_finish(r);
        if (handed && step == HANDED_OVER)
            hand_over(comm, &t.optimizer, cfg, t.division);
        t.norm[step] = px_optimizer_step(t.optimizer, t.weights, grads, 1.0 / comm->size, 0.1);
        PX_CHECK(isfinite(t.norm[step]) && t.norm[step] > 0);
        px_reducer_destroy(r);
        free(grads);
    }
    return t;
}

static void finish(training *t)
{
    px_optimizer_destroy(t->optimizer);
    px_division_destroy(t->division);
    free(t->weights);
}

/* The state of the divided one on rank 0, in one piece. */
static void same_state(const px_comm *comm, const training *whole, const training *divided)
{
    const char *names[2];
    for (int s = 0; s < px_optimizer_slots(whole->optimizer, names); s++)
        for (int i = 0; i < SPANS; i++) {
            size_t bytes = (size_t)spans[i].count * sizeof(float);
            float *x = px_aligned_calloc(bytes), *y = px_aligned_calloc(bytes);
            px_optimizer_read(whole->optimizer, s, spans[i].offset, spans[i].count, x);
            px_optimizer_read(divided->optimizer, s, spans[i].offset, spans[i].count, y);
            PX_CHECK(comm->rank > 0 || memcmp(x, y, bytes) == 0);
            free(x);
            free(y);
        }
}

static void check_parts(const px_comm *comm)
{
    px_division *d = px_division_create(comm, bounds, BUCKETS);
    int64_t all = 0, own = 0;
    for (int r = 0; r < comm->size; r++)
        all += px_division_count(bounds, BUCKETS, r, comm->size);
    PX_CHECK(all == LENGTH);
    for (int b = 0; b < px_division_buckets(d); b++) {
        int64_t from, to;
        px_division_part(d, b, &from, &to);
        PX_CHECK(bounds[b] <= from && from <= to && to <= px_division_end(d, b));
        own += to - from;
    }
    PX_CHECK(own == px_division_count(bounds, BUCKETS, comm->rank, comm->size) && own < all);
    px_division_destroy(d);
}

static void check_not_finite(const px_comm *comm)
{
    training t = {.weights = some(-1), .division = px_division_create(comm, bounds, BUCKETS)};
    float *grads = some(1), *before = some(-1);
    int64_t from, to;
    t.optimizer = make(&cfgs[0], t.division);
    px_division_part(t.division, 1, &from, &to);
    if (comm->rank == comm->size - 1)
        grads[from] = NAN;
    PX_CHECK(!isfinite(px_optimizer_step(t.optimizer, t.weights, grads, 1, 0.1)));
    PX_CHECK(memcmp(t.weights, before, LENGTH * sizeof *before) == 0 && *px_optimizer_steps(t.optimizer) == 0);
    free(grads);
    free(before);
    finish(&t);
}

int main(int argc, char **argv)
{
    px_comm comm;
    PX_CHECK(px_comm_init(&comm, &argc, &argv) == 0 && comm.size > 1);
    check_parts(&comm);
    for (size_t k = 0; k < sizeof cfgs / sizeof cfgs[0]; k++) {
        training whole = train(&comm, &cfgs[k], false, false), divided = train(&comm, &cfgs[k], true, false),
                 handed = train(&comm, &cfgs[k], true, true);
        PX_CHECK(memcmp(whole.weights, divided.weights, LENGTH * sizeof(float)) == 0);
        PX_CHECK(memcmp(whole.weights, handed.weights, LENGTH * sizeof(float)) == 0);
        PX_CHECK(memcmp(whole.norm, divided.norm, sizeof whole.norm) == 0);
        same_state(&comm, &whole, &divided);
        same_state(&comm, &whole, &handed);
        finish(&whole);
        finish(&divided);
        finish(&handed);
    }
    check_not_finite(&comm);
    if (comm.rank == 0)
        puts("ok");
    px_comm_finish(&comm);
    return 0;
}
