/* bench.c - see bench.h. */
#include "train/bench.h"
#include "base/error.h"
#include "base/rng.h"
#include "ops/ops.h"
#include "train/session.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STEPS_MIN = 3, STEPS_MAX = 1000, WARM_UP = 2 };

/* So small that weights stay finite however long the same batch is learned. */
static const double learning_rate = 1e-4;

typedef struct bench {
    px_session session;
    px_batch random;     /* used instead of the loader */
    px_loader_work made; /* if images are random */
    int64_t taken;       /* training steps, including those for warming up */
    int steps;           /* measured steps */
    /* for each step the seconds of its parts, then of the plan's steps */
    double *sample[STEPS_MAX];
    int columns;
} bench;

/* ---- the machine ---- */

/* GF/s of the best of several large matrix products, as the fast backend computes them (with oneDNN, or with OpenBLAS
 * in a build without), in this precision and with these threads: two products, and more while there is time. */
static double machine_rate(px_dtype precision, double seconds)
{
    enum { N = 4096, TRIES = 8 };
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *a = px_input(g, "a", PX_F32, PX_SHAPE(N, N));
    px_value *b = px_parameter(g, "b", PX_SHAPE(N, N), px_init_uniform(1), PX_DECAYS);
    px_graph_output(g, "y", px_matmul(g, a, b, false, false, 1));
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast, .precision = precision});
    float *data = px_aligned_calloc(sizeof(float) * N * N);
    for (int i = 0; i < N * N; i++)
        data[i] = (float)(i % 7) - 3;
    px_plan_init_params(p, 1);
    px_plan_bind(p, a, data);
    double best = INFINITY, start = px_now();
    for (int i = 0; i < 2 || (i < TRIES && px_now() - start < seconds); i++) {
        px_plan_profile(p, true);
        px_plan_run(p, NULL);
        for (int k = 0; k < px_plan_steps(p); k++) {
            px_step_info step = px_plan_step_info(p, k);
            if (step.multiply_adds > 0)
                best = fmin(best, step.seconds);
        }
    }
    free(data);
    px_plan_destroy(p);
    px_graph_destroy(g);
    return 2.0 * N * N * N / best / 1e9;
}

/* GB/s of memory: a = b + 3c on arrays four times as large as the last cache (the triad of McCalpin's STREAM), the best of
 * several. Bytes are those that the loop reads and writes. */
static double memory_rate(double seconds)
{
    enum { LEAST = 1 << 24, MOST = 1 << 28, TRIES = 20 };
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE), wished = cache / (long)sizeof(float) * 4 / 3;
    int N = wished > MOST ? MOST : wished > LEAST ? (int)wished : LEAST;
    float *a = px_aligned_calloc(sizeof(float) * (size_t)N), *b = px_aligned_calloc(sizeof(float) * (size_t)N),
          *c = px_aligned_calloc(sizeof(float) * (size_t)N);
    double best = INFINITY, start = px_now();
    for (int i = 0; i < 3 || (i < TRIES && px_now() - start < seconds); i++) {
        double begin = px_now();
#pragma omp parallel for schedule(static)
        for (int k = 0; k < N; k++)
            a[k] = b[k] + 3 * c[k];
        best = i > 0 ? fmin(best, px_now() - begin) : best; /* the first one is for warming up */
        b[i] = a[i];
    }
    free(a);
    free(b);
    free(c);
    return 3.0 * sizeof(float) * N / best / 1e9;
}

/* ---- random images ---- */

static void fill_random(uint8_t *pixels, int count, px_rng *rng)
{
    for (int i = 0; i < count; i++)
        pixels[i] = (uint8_t)px_rng_below(rng, 256);
}

/* What an image is mixed with costs as much if it is the image itself. */
static const px_image *same_image(void *image, px_rng *rng)
{
    *rng = px_rng_make(2, PX_RNG_VIEWS, 0, 0);
    return image;
}

/* The method's views of random images, so that labels and masks are valid. The second pass is measured, after memory
 * has been touched. */
static void make_views(bench *b, void *const tensor[PX_VIEWS_MAX])
{
    const px_session *s = &b->session;
    int size = s->task.image_size, classes = s->task.classes, bytes = size * size * s->task.channels;
    uint8_t *pixels = px_calloc((size_t)bytes, 1);
    px_scratch scratch = {0}, spare = {0};
    px_image image = {.pixels = pixels, .height = size, .width = size, .channels = s->task.channels};
    px_sample out = {.views = &s->model->views,
                     .batch = s->task.batch,
                     .scratch = &scratch,
                     .spare = &spare,
                     .partner = same_image,
                     .partners = &image};
    int images = s->parts * out.batch;
    for (int i = 0; i < 2 * images; i++) {
        int at = i % images;
        for (int v = 0; v < out.views->count; v++)
            out.base[v] = (char *)tensor[v] + (size_t)(at / out.batch) * px_view_bytes(&out.views->view[v], out.batch);
        out.place = at % out.batch;
        px_rng rng = px_rng_make(1, PX_RNG_VIEWS, 0, (uint64_t)at);
        out.batch_rng = px_rng_make(1, PX_RNG_BATCH, (uint64_t)i, 0);
        fill_random(pixels, bytes, &rng);
        image.index = at;
        image.label = classes ? at % classes : -1;
        double start = px_thread_seconds();
        px_session_views(s, &rng, &image, &out);
        b->made.seconds += i >= images ? px_thread_seconds() - start : 0;
    }
    b->made.images = images;
    px_scratch_finish(&scratch);
    px_scratch_finish(&spare);
    free(pixels);
}

static void make_random(bench *b)
{
    px_session *s = &b->session;
    void *tensor[PX_VIEWS_MAX] = {NULL};
    int images = s->parts * s->task.batch;
    for (int i = 0; i < s->model->views.count; i++)
        b->random.tensor[i] = tensor[i] = px_aligned_calloc(px_view_bytes(&s->model->views.view[i], images));
    make_views(b, tensor);
    b->random.batch = b->random.valid = images;
    s->batch = &b->random;
}

/* ---- measuring ---- */

static int set_up(bench *b, px_settings *s, const px_bench_options *o, const px_comm *comm)
{
    const px_dataset_info info = {.height = o->image_size,
                                  .width = o->image_size,
                                  .channels = o->channels,
                                  .classes = o->classes,
                                  .std = {1, 1, 1}};
    if (!s->data.path[0])
        s->data.normalize = PX_NORMALIZE_NONE; /* there are no moments to normalise by */
    if (px_session_create(&b->session, s, comm, &(px_session_spec){.instead = &info}) != 0)
        return -1;
    b->columns = PX_BENCH_PARTS + px_plan_steps(b->session.model->plan);
    if (b->session.data)
        return px_session_load(&b->session, 0);
    make_random(b);
    return 0;
}

static double waited_for_data(const px_session *s)
{
    return s->loader ? px_loader_waited(s->loader) : 0;
}

/* How many threads execute this rank's plans at the same time. */
static int walkers(const px_session *s)
{
    int threads = omp_get_max_threads();
    return s->parts < threads ? s->parts : threads;
}

static void add_plan(const px_session *s, const px_plan *plan, double *part)
{
    for (int i = 0; i < px_plan_steps(plan); i++) {
        px_step_info step = px_plan_step_info(plan, i);
        double seconds = step.seconds / walkers(s);
        part[step.backward ? PX_BENCH_BACKWARD : PX_BENCH_FORWARD] += seconds;
        part[PX_BENCH_PARTS + i] += seconds;
    }
}

/* Takes one step; part[columns] gets its seconds. */
static int one_step(bench *b, double *part, double votes[PX_VOTES])
{
    px_session *s = &b->session;
    for (int k = 0; k < s->parts; k++)
        px_plan_profile(s->plan[k], true);
    double start = px_now(), waited = waited_for_data(s), reduced = px_reducer_waited(s->reducer);
    if (px_session_gradients(s, b->taken++, votes) != 0)
        return -1;
    double ready = px_now();
    px_session_update(s, learning_rate);
    double end = px_now();
    for (int k = 0; k < s->parts; k++)
        add_plan(s, s->plan[k], part);
    part[PX_BENCH_WAIT] = waited_for_data(s) - waited;
    part[PX_BENCH_REDUCE] = px_reducer_waited(s->reducer) - reduced;
    part[PX_BENCH_OPTIMIZER] = end - ready;
    part[PX_BENCH_STEP] = part[PX_BENCH_OTHER] = end - start;
    for (int i = PX_BENCH_WAIT; i < PX_BENCH_OTHER; i++)
        part[PX_BENCH_OTHER] -= part[i];
    return 0;
}

/* If one rank alone fails (an image cannot be decoded), the others wait in a collective: main.c names the rank and ends
 * the job. */
static int measure(bench *b, double seconds, px_log *log)
{
    double votes[PX_VOTES] = {0}, start = 0;
    while (b->steps < STEPS_MIN || (b->steps < STEPS_MAX && votes[PX_VOTE_STOP] == 0)) {
        double *part = px_calloc((size_t)b->columns, sizeof part[0]);
        free(b->sample[b->steps]); /* it was a step for warming up */
        b->sample[b->steps] = part;
        if (b->taken == WARM_UP)
            start = px_now();
        votes[PX_VOTE_STOP] = b->taken >= WARM_UP && px_now() - start > seconds;
        if (one_step(b, part, votes) != 0) /* sums over ranks, so that all take the same number of steps */
            return -1;
        b->steps += b->taken > WARM_UP;
        if (b->steps > 0)
            px_log_progress(log, "step %d: %.1f ms", b->steps, 1e3 * part[PX_BENCH_STEP]);
    }
    px_log_progress_end(log);
    return 0;
}

/* ---- the report ---- */

static int by_length(const void *a, const void *b)
{
    double x = (*(double *const *)a)[PX_BENCH_STEP], y = (*(double *const *)b)[PX_BENCH_STEP];
    return (x > y) - (x < y);
}

/* Means over the middle half of the steps, sorted by duration; a new array (columns). */
static double *middle_half(bench *b)
{
    int first = b->steps / 4, end = b->steps - first;
    double *mean = px_calloc((size_t)b->columns, sizeof mean[0]);
    qsort(b->sample, (size_t)b->steps, sizeof b->sample[0], by_length);
    for (int k = first; k < end; k++)
        for (int i = 0; i < b->columns; i++)
            mean[i] += b->sample[k][i] / (end - first);
    return mean;
}

/* What the plan's steps with the same op and kernel cost in a training step, and the least that they could. */
typedef struct op_cost {
    px_bench_op op;
    double operations, bytes;  /* in units of 1e9 */
    double by_rate, by_memory; /* seconds that R and memory's rate leave the steps that each of them binds */
} op_cost;

static int more_expensive(const void *a, const void *b)
{
    double x = ((const op_cost *)a)->op.seconds, y = ((const op_cost *)b)->op.seconds;
    return (x < y) - (x > y);
}

static void add_step(op_cost *c, const px_step_info *s, double seconds, int plans, const px_bench_report *r)
{
    double operations = 2e-9 * s->multiply_adds * plans, bytes = 1e-9 * s->bytes * plans;
    double by_rate = operations / r->machine_gflops, by_memory = bytes / r->machine_gbytes;
    c->op.seconds += seconds;
    c->operations += operations;
    c->bytes += bytes;
    if (by_memory > by_rate)
        c->by_memory += by_memory;
    else
        c->by_rate += by_rate;
}

static px_bench_op finished(const op_cost *c)
{
    px_bench_op op = c->op;
    op.by_memory = c->by_memory > c->by_rate;
    if (op.seconds > 0) {
        op.gflops = c->operations / op.seconds;
        op.gbytes = c->bytes / op.seconds;
        op.reached = (c->by_rate + c->by_memory) / op.seconds;
    }
    return op;
}

/* Adds up the plan's steps with the same op and kernel, and keeps the most expensive ones. */
static void find_top(const bench *b, const double *seconds, px_bench_report *r)
{
    px_plan *plan = b->session.model->plan;
    int n = px_plan_steps(plan), count = 0, plans = b->session.parts * b->session.settings->train.accumulate;
    op_cost *ops = px_calloc((size_t)n + 1, sizeof ops[0]);
    for (int i = 0; i < n; i++) {
        px_step_info s = px_plan_step_info(plan, i);
        char name[sizeof ops[0].op.name];
        snprintf(name, sizeof name, "%s (%s)", s.op, s.kernel);
        int k = 0;
        while (k < count && strcmp(ops[k].op.name, name) != 0)
            k++;
        count += k == count;
        memcpy(ops[k].op.name, name, sizeof name);
        add_step(&ops[k], &s, seconds[i], plans, r);
    }
    qsort(ops, (size_t)count, sizeof ops[0], more_expensive);
    r->ops = count < PX_BENCH_TOP ? count : PX_BENCH_TOP;
    for (int k = 0; k < r->ops; k++)
        r->op[k] = finished(&ops[k]);
    free(ops);
}

/* The number of views per image: the copies of the tensor that has most. */
static int views_of(const px_views *v)
{
    int most = 1;
    for (int i = 0; i < v->count; i++)
        most = v->view[i].copies > most ? v->view[i].copies : most;
    return most;
}

static void report_loader(const bench *b, px_bench_report *r)
{
    const px_session *s = &b->session;
    px_loader_work made = s->loader ? px_loader_worked(s->loader) : b->made;
    int images = s->parts * s->task.batch * s->settings->train.accumulate;
    r->seconds[PX_BENCH_LOADER] = made.seconds / (double)made.images * images;
    r->views_per_second = (double)made.images * views_of(&s->model->views) / made.seconds;
}

static void report(bench *b, double seconds, px_bench_report *r)
{
    const px_session *s = &b->session;
    const px_train_cfg *c = &s->settings->train;
    struct rusage usage;
    size_t size;
    getrusage(RUSAGE_SELF, &usage);
    FILE *text = open_memstream(&r->plan, &size);
    PX_CHECK(text);
    px_plan_print(s->model->plan, text);
    fclose(text);
    r->machine_gflops = machine_rate(c->precision == PX_PRECISION_BF16 ? PX_BF16 : PX_F32, seconds);
    r->machine_gbytes = memory_rate(seconds);
    double *mean = middle_half(b);
    memcpy(r->seconds, mean, sizeof r->seconds);
    find_top(b, mean + PX_BENCH_PARTS, r);
    free(mean);
    report_loader(b, r);
    double step = r->seconds[PX_BENCH_STEP];
    r->steps = b->steps;
    r->ranks = s->comm->size;
    r->threads = omp_get_max_threads();
    r->images_per_second = c->batch / step;
    r->gflops = 2e-9 * px_graph_multiply_adds(s->model->graph) * s->parts * c->accumulate / step;
    r->peak_bytes = (double)usage.ru_maxrss * 1024;
    r->arena_bytes = (double)px_plan_arena_bytes(s->model->plan);
    r->reorders = px_plan_activation_reorders(s->model->plan);
}

int px_bench(px_settings *s, const px_bench_options *o, const px_comm *comm, px_log *log, px_bench_report *r)
{
    bench *b = px_calloc(1, sizeof *b);
    *r = (px_bench_report){0};
    int status = set_up(b, s, o, comm);
    if (status == 0)
        status = measure(b, o->seconds, log);
    if (status == 0)
        report(b, o->seconds, r);
    px_session_finish(&b->session);
    for (int i = 0; i < PX_VIEWS_MAX; i++)
        free((void *)(uintptr_t)b->random.tensor[i]);
    for (int i = 0; i < STEPS_MAX; i++)
        free(b->sample[i]);
    free(b);
    return status;
}

void px_bench_report_finish(px_bench_report *r)
{
    free(r->plan);
    *r = (px_bench_report){0};
}
