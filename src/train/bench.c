#include "train/bench.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/loader.h"
#include "dist/allreduce.h"
#include "ops/ops.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

const char *const px_bench_part_names[PX_BENCH_PARTS] = {"loader",     "wait for data", "forward", "backward",
                                                         "all-reduce", "optimizer",     "step"};

enum { STEPS_MAX = 1000, WARM_UP = 2 };

typedef struct bench {
    px_settings *s;
    const px_comm *comm;
    px_dataset *data;
    const px_split *split;
    px_task task;
    px_model model;
    px_optimizer *optimizer;
    px_allreduce *reduce;
    px_loader *loader;
    void *random[PX_VIEWS_MAX]; /* instead of the loader */
    double *sample[PX_BENCH_PARTS];
    int steps;
} bench;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof x[0], by_value);
    return n ? x[n / 2] : 0;
}

/* The machine's rate with these threads: the best of several large products in this precision, as oneDNN does them.
 * GF/s */
static double machine_rate(px_dtype precision)
{
    enum { N = 4096, TRIES = 5 };
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *a = px_input(g, "a", PX_F32, PX_SHAPE(N, N));
    px_value *b = px_parameter(g, "b", PX_SHAPE(N, N), px_init_uniform(1), PX_DECAYS);
    px_graph_output(g, "y", px_matmul(g, a, b, false, false, 1));
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_onednn, .precision = precision});
    float *data = px_aligned_calloc(sizeof(float) * N * N);
    for (int i = 0; i < N * N; i++)
        data[i] = (float)(i % 7) - 3;
    px_plan_init_params(p, 1);
    px_plan_bind(p, a, data);
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        px_plan_profile(p, true);
        px_plan_run(p, NULL);
        for (int k = 0; k < px_plan_steps(p); k++) {
            px_step_info step = px_plan_step_info(p, k);
            if (step.multiply_adds > 0 && step.seconds < best)
                best = step.seconds;
        }
    }
    free(data);
    px_plan_destroy(p);
    px_graph_destroy(g);
    return 2.0 * N * N * N / best / 1e9;
}

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const bench *b = context;
    b->s->method->make_views(b->s->method_cfg, &b->task, rng, image, out);
}

/* Views as the method makes them, of random images: labels and masks come out valid. */
static void make_random(bench *b)
{
    int size = b->task.image_size, channels = b->task.channels;
    uint8_t *pixels = px_calloc((size_t)(size * size), (size_t)channels);
    px_scratch scratch = {0};
    px_sample out = {.views = &b->model.views, .batch = b->task.batch, .scratch = &scratch};
    for (int i = 0; i < b->model.views.count; i++) {
        const px_view *v = &b->model.views.view[i];
        size_t bytes = (size_t)v->copies * (size_t)b->task.batch * px_view_elements(v) * px_dtype_size(v->dtype);
        out.base[i] = b->random[i] = px_aligned_calloc(bytes);
    }
    for (out.place = 0; out.place < out.batch; out.place++) {
        px_rng rng = px_rng_make(1, PX_RNG_VIEWS, 0, (uint64_t)out.place);
        for (int i = 0; i < size * size * channels; i++)
            pixels[i] = (uint8_t)px_rng_below(&rng, 256);
        px_image image = {.pixels = pixels,
                          .height = size,
                          .width = size,
                          .channels = channels,
                          .label = b->task.classes ? out.place % b->task.classes : -1,
                          .index = out.place};
        make_views(b, &rng, &image, &out);
    }
    px_scratch_finish(&scratch);
    free(pixels);
}

static int open_loader(bench *b)
{
    const px_train_cfg *c = &b->s->train;
    px_loader_spec spec = {.data = b->data,
                           .split = b->split,
                           .views = &b->model.views,
                           .make = make_views,
                           .context = b,
                           .seed = (uint64_t)c->seed,
                           .global_batch = (int64_t)b->task.batch * b->comm->size,
                           .first = (int64_t)b->comm->rank * b->task.batch,
                           .batch = b->task.batch,
                           .shuffle = true,
                           .workers = b->s->data.workers ? b->s->data.workers : omp_get_max_threads()};
    return px_loader_create(&b->loader, &spec, 0);
}

/* Random images are described as a data set would be. */
static int find_task(bench *b, const px_bench_options *o)
{
    int batch;
    if (px_local_batch(b->s, b->comm, &batch) != 0)
        return -1;
    if (!b->s->data.path[0]) {
        px_dataset_info info = {.height = o->image_size,
                                .width = o->image_size,
                                .channels = o->channels,
                                .classes = o->classes,
                                .std = {1, 1, 1}};
        b->s->data.normalize = false; /* there is nothing to normalise by */
        return px_task_of(&b->task, b->s, &info, o->classes > 0, batch, b->comm->size);
    }
    if (px_dataset_open(&b->data, b->s->data.path) != 0)
        return -1;
    b->split = px_dataset_split(b->data, b->s->data.split);
    return b->split ? px_task_make(&b->task, b->s, b->data, b->split, batch, b->comm->size) : -1;
}

static int set_up(bench *b, const px_bench_options *o)
{
    int spans, buckets;
    if (find_task(b, o) != 0)
        return -1;
    if (px_model_pretrain(&b->model, b->s, &b->task, b->comm) != 0)
        return -1;
    const px_param_span *span = px_plan_spans(b->model.plan, &spans);
    if (px_optimizer_create(&b->optimizer, &b->s->optim, span, spans) != 0)
        return -1;
    const int64_t *bound = px_plan_buckets(b->model.plan, &buckets);
    px_plan_init_params(b->model.plan, (uint64_t)b->s->train.seed);
    b->reduce = px_allreduce_create(b->comm, px_plan_grads(b->model.plan), bound, buckets);
    if (b->data)
        return open_loader(b);
    make_random(b);
    return 0;
}

static void send_bucket(void *context, int bucket)
{
    px_allreduce_start(((bench *)context)->reduce, bucket);
}

static void move_messages(void *context)
{
    px_allreduce_progress(((bench *)context)->reduce);
}

/* One step; its parts go to sample[...][at]. */
static int one_step(bench *b, int at)
{
    const px_plan_hooks hooks = {b, send_bucket, move_messages};
    double t[5], forward = 0, backward = 0;
    px_plan_profile(b->model.plan, true);
    t[0] = px_now();
    const px_batch *batch = b->loader ? px_loader_next(b->loader) : NULL;
    if (b->loader && !batch)
        return -1;
    t[1] = px_now();
    for (int i = 0; i < b->model.views.count; i++)
        px_plan_bind(b->model.plan, b->model.input[i], batch ? batch->tensor[i] : b->random[i]);
    px_plan_run(b->model.plan, &hooks);
    t[2] = px_now();
    px_allreduce_finish(b->reduce);
    t[3] = px_now();
    px_optimizer_step(b->optimizer, px_plan_weights(b->model.plan), px_plan_grads(b->model.plan), 1.0 / b->comm->size,
                      1e-4);
    t[4] = px_now();
    for (int i = 0; i < px_plan_steps(b->model.plan); i++) {
        px_step_info s = px_plan_step_info(b->model.plan, i);
        *(s.backward ? &backward : &forward) += s.seconds;
    }
    const double part[PX_BENCH_PARTS] = {0, t[1] - t[0], forward, backward, t[3] - t[2], t[4] - t[3], t[4] - t[0]};
    for (int i = 0; i < PX_BENCH_PARTS; i++)
        b->sample[i][at] = part[i];
    return 0;
}

static int more_expensive(const void *a, const void *b)
{
    double x = ((const px_bench_op *)a)->seconds, y = ((const px_bench_op *)b)->seconds;
    return (x < y) - (x > y);
}

/* Adds up the steps of the same op and kernel, and keeps the most expensive. */
static void find_top(const bench *b, px_bench_report *r)
{
    int n = px_plan_steps(b->model.plan), count = 0;
    px_bench_op *ops = px_calloc((size_t)n + 1, sizeof ops[0]);
    double *work = px_calloc((size_t)n + 1, sizeof work[0]);
    for (int i = 0; i < n; i++) {
        px_step_info s = px_plan_step_info(b->model.plan, i);
        char name[sizeof ops[0].name];
        snprintf(name, sizeof name, "%s (%s)", s.op, s.kernel);
        int k = 0;
        while (k < count && strcmp(ops[k].name, name) != 0)
            k++;
        count += k == count;
        strcpy(ops[k].name, name);
        ops[k].seconds += s.seconds;
        work[k] += s.multiply_adds;
    }
    for (int k = 0; k < count; k++)
        ops[k].gflops = ops[k].seconds > 0 ? 2 * work[k] / ops[k].seconds / 1e9 : 0;
    qsort(ops, (size_t)count, sizeof ops[0], more_expensive);
    r->top = count < PX_BENCH_TOP ? count : PX_BENCH_TOP;
    memcpy(r->op, ops, (size_t)r->top * sizeof ops[0]);
    free(ops);
    free(work);
}

static void report(bench *b, px_bench_report *r)
{
    struct rusage usage;
    size_t size;
    getrusage(RUSAGE_SELF, &usage);
    find_top(b, r); /* of the last step, before medians sort */
    FILE *text = open_memstream(&r->plan, &size);
    PX_CHECK(text);
    px_plan_print(b->model.plan, text);
    fclose(text);
    r->steps = b->steps;
    for (int i = 0; i < PX_BENCH_PARTS; i++)
        r->seconds[i] = median(b->sample[i], b->steps);
    double step = r->seconds[PX_BENCH_STEP];
    r->images_per_second = (double)b->task.batch * b->comm->size / step;
    r->gflops = 2 * px_graph_multiply_adds(b->model.graph) / step / 1e9;
    r->peak_bytes = (double)usage.ru_maxrss * 1024;
    r->arena_bytes = (double)px_plan_arena_bytes(b->model.plan);
    r->reorders = px_plan_activation_reorders(b->model.plan);
}

static void finish(bench *b)
{
    px_loader_destroy(b->loader);
    px_allreduce_destroy(b->reduce);
    px_optimizer_destroy(b->optimizer);
    px_model_finish(&b->model);
    px_dataset_close(b->data);
    for (int i = 0; i < PX_VIEWS_MAX; i++)
        free(b->random[i]);
    for (int i = 0; i < PX_BENCH_PARTS; i++)
        free(b->sample[i]);
}

int px_bench(px_settings *s, const px_bench_options *o, const px_comm *comm, px_log *log, px_bench_report *r)
{
    bench b = {.s = s, .comm = comm};
    *r = (px_bench_report){0};
    for (int i = 0; i < PX_BENCH_PARTS; i++)
        b.sample[i] = px_calloc(STEPS_MAX, sizeof b.sample[i][0]);
    int status = px_agree(comm, px_precision_settle(s, comm));
    if (status == 0)
        status = px_agree(comm, set_up(&b, o));
    for (int i = 0; i < WARM_UP && status == 0; i++)
        status = one_step(&b, 0);
    double start = px_now(), go_on = 1;
    while (status == 0 && b.steps < STEPS_MAX && (b.steps < 3 || go_on > 0)) {
        status = one_step(&b, b.steps++);
        if (status != 0) /* alone, perhaps: the other ranks are in a collective, which main ends by name */
            break;
        px_log_progress(log, "step %d: %.1f ms", b.steps, 1e3 * b.sample[PX_BENCH_STEP][b.steps - 1]);
        go_on = px_now() - start < o->seconds;
        px_all_reduce_f64(comm, &go_on, 1); /* all ranks take the same number of steps */
        go_on = go_on >= comm->size;
    }
    px_log_progress_end(log);
    if (status == 0) {
        report(&b, r);
        r->machine_gflops = machine_rate(strcmp(s->train.precision, "bf16") == 0 ? PX_BF16 : PX_F32);
    }
    finish(&b);
    return status;
}

void px_bench_print(const px_bench_report *r, FILE *out)
{
    for (int i = PX_BENCH_WAIT; i < PX_BENCH_PARTS; i++)
        fprintf(out, "%-16s %10.2f ms %6.1f%%\n", px_bench_part_names[i], 1e3 * r->seconds[i],
                100 * r->seconds[i] / r->seconds[PX_BENCH_STEP]);
    fprintf(out, "%-16s %10.1f a second (median of %d steps)\n", "images", r->images_per_second, r->steps);
    fprintf(out, "%-16s %10.1f GF/s = %.1f%% of this machine's matmul rate, %.1f GF/s\n", "work", r->gflops,
            100 * r->gflops / r->machine_gflops, r->machine_gflops);
    fprintf(out, "%-16s %10.1f MiB peak, %.1f MiB of it the arena; %d reorders of activations\n", "memory",
            r->peak_bytes / (1 << 20), r->arena_bytes / (1 << 20), r->reorders);
    fprintf(out, "\n%-60s %10s %8s\n", "most expensive", "ms", "GF/s");
    for (int i = 0; i < r->top; i++)
        fprintf(out, "%-60s %10.2f %8.1f\n", r->op[i].name, 1e3 * r->op[i].seconds, r->op[i].gflops);
}

void px_bench_report_finish(px_bench_report *r)
{
    free(r->plan);
    *r = (px_bench_report){0};
}
