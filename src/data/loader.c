/* loader.c - worker threads fill a ring of batches; the training loop takes them in order.
 *
 * All shared state is under one lock. Steps are opened in order: the worker that opens a step writes the rows that the
 * step takes. Only this needs the epoch's permutation, so one permutation is enough. Then workers claim CHUNK samples
 * at a time. A step may be opened when its slot is free: the ring has one slot for the batch that the caller holds, and
 * `ahead` more. */
#include "data/loader.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "data/order.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHUNK = 4, /* samples per claim: about 100 us of work on the smallest images, so the lock is mostly idle */
    DEFAULT_AHEAD = 2,
    WORRY = 5, /* seconds without an image after which the user is told */
};

typedef struct slot {
    px_batch batch;
    void *memory[PX_VIEWS_MAX]; /* that of batch.tensor */
    int64_t *row;               /* that of batch.row */
    int64_t *partner;           /* (batch) rows of their partners (px_sample_partner) */
    int done;                   /* samples made */
    int failed_place;           /* the first sample that could not be read; -1: none */
    px_status failed_status;
    char *failed_message;
} slot;

struct px_loader {
    px_loader_spec spec;
    int64_t steps_per_epoch;
    int slots;
    slot *slot; /* step s has number s % slots */

    pthread_mutex_t lock;
    pthread_cond_t work;  /* tells workers that a slot is free, a step is open, or to stop */
    pthread_cond_t ready; /* tells the caller that a batch is complete */
    bool stop;
    bool opening;   /* a worker is opening step `open` (without the lock) */
    bool holding;   /* the caller holds the batch of step `oldest` */
    int64_t oldest; /* the first step whose slot is not free */
    int64_t open;   /* the last step that was opened, ... */
    int claimed;    /* ... and how many of its samples are claimed */
    px_order order; /* only the opening worker touches it */

    pthread_t *thread;
    int threads;
    _Atomic int named;    /* workers that have taken a number */
    _Atomic int64_t *row; /* the row that each worker is working on; -1: none */
    _Atomic int64_t made; /* samples since creation: while it grows, the loader is alive */
    double waited;
    px_loader_work worked;
};

typedef struct claim {
    slot *slot;
    int begin, end; /* samples of the batch */
} claim;

/* A worker's private data. */
typedef struct desk {
    int number;
    px_image image, partner;
    px_scratch scratch, spare;
} desk;

static slot *slot_of(px_loader *l, int64_t step)
{
    return &l->slot[step % l->slots];
}

/* Writes the rows of the data set that the step takes. Called without the lock, only by the worker that opens the
 * step. */
static void choose_rows(px_loader *l, int64_t step, slot *s)
{
    const px_loader_spec *spec = &l->spec;
    int64_t valid = 0, begin = step % l->steps_per_epoch * spec->global_batch;
    px_order_begin(&l->order, step / l->steps_per_epoch);
    for (int i = 0; i < spec->batch; i++) {
        int64_t place = spec->first + i;
        valid += begin + place < spec->split->count;
        s->row[i] = px_order_row(&l->order, begin + place);
        s->partner[i] = px_order_row(&l->order, begin + px_order_partner(place, spec->repeats, spec->global_batch));
    }
    s->batch.step = step;
    s->batch.valid = (int)valid;
}

/* Whether there is a next step and its slot is free. */
static bool can_open(const px_loader *l)
{
    return l->open + 1 < l->oldest + l->slots && (!l->spec.keep_last || l->open + 1 < l->steps_per_epoch);
}

/* Opens the next step. Called with the lock held; releases it meanwhile. */
static void open_step(px_loader *l)
{
    int64_t step = l->open + 1;
    slot *s = slot_of(l, step);
    l->opening = true;
    pthread_mutex_unlock(&l->lock);
    choose_rows(l, step, s);
    pthread_mutex_lock(&l->lock);
    s->done = 0;
    l->open = step;
    l->claimed = 0;
    l->opening = false;
    pthread_cond_broadcast(&l->work);
}

/* Waits for samples to make. Returns false if the loader stops. Called with the lock held. */
static bool claim_samples(px_loader *l, claim *c)
{
    while (!l->stop) {
        if (!l->opening && l->claimed < l->spec.batch) {
            int left = l->spec.batch - l->claimed;
            *c = (claim){slot_of(l, l->open), l->claimed, l->claimed + (left < CHUNK ? left : CHUNK)};
            l->claimed = c->end;
            return true;
        }
        if (!l->opening && can_open(l))
            open_step(l);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    return false;
}

/* One sample to make. */
typedef struct errand {
    px_loader *loader;
    const slot *slot;
    int place;
    desk *desk;
    int status;
} errand;

/* The stream of the views of a place of the global batch. */
static px_rng views_rng(const px_loader *l, int64_t step, int64_t place, int64_t row)
{
    const px_loader_spec *spec = &l->spec;
    uint64_t epoch = (uint64_t)(step / l->steps_per_epoch);
    uint64_t repeat = (uint64_t)((step % l->steps_per_epoch * spec->global_batch + place) % spec->repeats);
    return px_rng_make(spec->seed, PX_RNG_VIEWS, epoch + (repeat << 32), (uint64_t)row);
}

/* px_sample_partner's; the context is the errand. */
static const px_image *read_partner(void *context, px_rng *rng)
{
    errand *e = context;
    px_loader *l = e->loader;
    int64_t row = e->slot->partner[e->place], own = l->row[e->desk->number];
    int64_t place = px_order_partner(l->spec.first + e->place, l->spec.repeats, l->spec.global_batch);
    *rng = views_rng(l, e->slot->batch.step, place, row);
    l->row[e->desk->number] = row;
    e->status = px_dataset_read(l->spec.data, row, &e->desk->partner);
    l->row[e->desk->number] = own;
    return e->status == 0 ? &e->desk->partner : NULL;
}

/* Makes one sample of the slot's batch: 0, or -1 with px_error(), in its status. */
static void make_sample(void *context)
{
    errand *e = context;
    px_loader *l = e->loader;
    const slot *s = e->slot;
    desk *d = e->desk;
    const px_loader_spec *spec = &l->spec;
    int64_t row = s->row[e->place];
    l->row[d->number] = row;
    e->status = px_dataset_read(spec->data, row, &d->image);
    int batch = spec->batch / spec->parts, part = e->place / batch;
    px_sample sample = {.views = spec->views,
                        .batch = batch,
                        .place = e->place % batch,
                        .scratch = &d->scratch,
                        .spare = &d->spare,
                        .batch_rng = px_rng_make(spec->seed, PX_RNG_BATCH, (uint64_t)s->batch.step, 0),
                        .partner = read_partner,
                        .partners = e};
    for (int v = 0; v < spec->views->count; v++)
        sample.base[v] = (char *)s->memory[v] + (size_t)part * px_view_bytes(&spec->views->view[v], batch);
    px_rng rng = views_rng(l, s->batch.step, spec->first + e->place, row);
    if (e->status == 0)
        spec->make(spec->context, &rng, &d->image, &sample);
    l->row[d->number] = -1;
    l->made += e->status == 0;
}

/* The same, also if the data set's file has become shorter. */
static int make_sample_guarded(px_loader *l, const slot *s, int place, desk *d)
{
    errand e = {l, s, place, d, 0};
    int lost = px_crash_guard(make_sample, &e);
    if (lost != 0)
        l->row[d->number] = -1;
    return lost != 0 ? -1 : e.status;
}

/* Keeps this thread's message if no earlier sample of the batch has failed. Called with the lock held. */
static void note_failure(slot *s, int place)
{
    if (s->failed_place >= 0 && s->failed_place < place)
        return;
    free(s->failed_message);
    s->failed_place = place;
    s->failed_status = px_error_status();
    s->failed_message = px_strdup(px_error());
}

static void *worker(void *argument)
{
    px_loader *l = argument;
    desk d = {.number = l->named++};
    claim c;
    px_crash_thread_doing("loading images");
    pthread_mutex_lock(&l->lock);
    while (claim_samples(l, &c)) {
        pthread_mutex_unlock(&l->lock);
        int failed = -1;
        double start = px_thread_seconds();
        for (int i = c.begin; i < c.end && failed < 0; i++)
            if (make_sample_guarded(l, c.slot, i, &d) != 0)
                failed = i;
        double seconds = px_thread_seconds() - start;
        pthread_mutex_lock(&l->lock);
        l->worked.images += c.end - c.begin;
        l->worked.seconds += seconds;
        if (failed >= 0)
            note_failure(c.slot, failed);
        c.slot->done += c.end - c.begin;
        if (c.slot->done == l->spec.batch)
            pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    px_image_finish(&d.image);
    px_image_finish(&d.partner);
    px_scratch_finish(&d.scratch);
    px_scratch_finish(&d.spare);
    return NULL;
}

/* With OMP_PROC_BIND the OpenMP runtime has bound the calling thread to one core. New threads inherit that, so the
 * workers would share this core with the computation. They may run on all cores of the runtime. */
static void allow_all_cores(pthread_attr_t *attributes)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (int place = 0; place < omp_get_num_places(); place++) {
        int count = omp_get_place_num_procs(place), *id = px_calloc((size_t)count + 1, sizeof *id);
        omp_get_place_proc_ids(place, id);
        for (int i = 0; i < count; i++)
            CPU_SET((size_t)id[i], &cores);
        free(id);
    }
    if (CPU_COUNT(&cores) > 0) /* without places nothing was bound */
        pthread_attr_setaffinity_np(attributes, sizeof cores, &cores);
}

/* Starts the workers with all signals blocked except those that a thread's own fault raises; the main thread handles
 * the others. */
static int start_workers(px_loader *l)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    allow_all_cores(&attributes);
    sigset_t blocked, old;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    int error = 0;
    while (error == 0 && l->threads < l->spec.workers) {
        error = pthread_create(&l->thread[l->threads], &attributes, worker, l);
        l->threads += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        return px_fail(PX_FAIL, "loader: cannot start worker thread %d of %d: %s", l->threads + 1, l->spec.workers,
                       strerror(error));
    return 0;
}

static int check_spec(const px_loader_spec *spec)
{
    PX_CHECK(spec->data && spec->split && spec->views && spec->make);
    const char *path = px_dataset_about(spec->data)->path;
    if (spec->split->count == 0) /* then a caller may have no batch, either */
        return px_fail(PX_USAGE, "%s: split \"%s\" has no images", path, spec->split->name);
    PX_CHECK(spec->batch >= 1 && spec->first >= 0 && spec->first + spec->batch <= spec->global_batch);
    PX_CHECK(spec->split->count <= UINT32_MAX);
    PX_CHECK(spec->workers >= 1 && spec->ahead >= 0);
    PX_CHECK(spec->parts <= 1 || spec->batch % spec->parts == 0);
    PX_CHECK((spec->whole <= 1 && spec->repeats <= 1) || !spec->keep_last);
    if (spec->split->count < spec->global_batch * (spec->whole > 1 ? spec->whole : 1) && !spec->keep_last)
        return px_fail(PX_USAGE,
                       "%s: split \"%s\" has %lld images, fewer than one batch of %lld: batch can be at most %lld",
                       path, spec->split->name, (long long)spec->split->count, (long long)spec->global_batch,
                       (long long)spec->split->count);
    return 0;
}

static void slot_make(slot *s, const px_loader_spec *spec)
{
    s->failed_place = -1;
    s->row = px_calloc((size_t)spec->batch, sizeof *s->row);
    s->partner = px_calloc((size_t)spec->batch, sizeof *s->partner);
    s->batch = (px_batch){.step = -1, .batch = spec->batch, .row = s->row};
    for (int i = 0; i < spec->views->count; i++) {
        s->memory[i] = px_aligned_calloc(px_view_bytes(&spec->views->view[i], spec->batch));
        s->batch.tensor[i] = s->memory[i];
    }
}

double px_loader_bytes(const px_views *views, int batch, int64_t split_count)
{
    double bytes = 0;
    for (int i = 0; i < views->count; i++)
        bytes += (double)px_view_bytes(&views->view[i], batch);
    return (1 + DEFAULT_AHEAD) * bytes + (double)split_count * sizeof(uint32_t);
}

int px_loader_create(px_loader **out, const px_loader_spec *spec, int64_t start_step)
{
    PX_CHECK(start_step >= 0);
    if (check_spec(spec) != 0)
        return -1;
    px_loader *l = px_calloc(1, sizeof *l);
    int64_t count = spec->split->count, rest = spec->keep_last ? spec->global_batch - 1 : 0;
    l->spec = *spec;
    l->spec.parts = spec->parts > 0 ? spec->parts : 1;
    l->spec.repeats = spec->repeats > 0 ? spec->repeats : 1;
    l->steps_per_epoch = (count + rest) / spec->global_batch;
    if (spec->whole > 1)
        l->steps_per_epoch -= l->steps_per_epoch % spec->whole;
    l->slots = 1 + (spec->ahead > 0 ? spec->ahead : DEFAULT_AHEAD);
    l->slot = px_calloc((size_t)l->slots, sizeof *l->slot);
    for (int i = 0; i < l->slots; i++)
        slot_make(&l->slot[i], spec);
    l->oldest = start_step;
    l->open = start_step - 1;
    l->claimed = spec->batch;
    px_order_init(&l->order, spec->split, spec->seed, l->spec.repeats, spec->shuffle);
    l->thread = px_calloc((size_t)spec->workers, sizeof *l->thread);
    l->row = px_calloc((size_t)spec->workers, sizeof *l->row);
    for (int i = 0; i < spec->workers; i++)
        l->row[i] = -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start_workers(l) != 0) {
        px_loader_destroy(l);
        return -1;
    }
    *out = l;
    return 0;
}

void px_loader_destroy(px_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->threads; i++)
        pthread_join(l->thread[i], NULL);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < l->slots; i++) {
        for (int v = 0; v < PX_VIEWS_MAX; v++)
            free(l->slot[i].memory[v]);
        free(l->slot[i].row);
        free(l->slot[i].partner);
        free(l->slot[i].failed_message);
    }
    free(l->slot);
    px_order_finish(&l->order);
    free(l->row);
    free(l->thread);
    free(l);
}

int64_t px_loader_steps_per_epoch(const px_loader *l)
{
    return l->steps_per_epoch;
}

/* The row that the loader is waiting for. */
static int64_t row_at_work(const px_loader *l)
{
    for (int i = 0; i < l->threads; i++)
        if (l->row[i] >= 0)
            return l->row[i];
    return -1;
}

/* Waits for the batch; called with the lock held. Seconds are counted, not measured: while the whole process was
 * stopped, the workers could not work. */
static void wait_for(px_loader *l, const slot *s)
{
    int64_t made = l->made;
    for (int quiet = 0; l->open < l->oldest || s->done < l->spec.batch;) {
        struct timespec second;
        clock_gettime(CLOCK_MONOTONIC, &second);
        second.tv_sec++;
        if (pthread_cond_timedwait(&l->ready, &l->lock, &second) == 0)
            continue;
        quiet = l->made == made ? quiet + 1 : 0;
        made = l->made;
        const char *path = px_dataset_about(l->spec.data)->path;
        if (l->spec.timeout > 0 && quiet >= l->spec.timeout)
            px_die("%s: image %lld was not ready after %d seconds (data.timeout): the job ends", path,
                   (long long)row_at_work(l), quiet);
        if (quiet == WORRY)
            px_tell("%s: still waiting for image %lld after %d seconds", path, (long long)row_at_work(l), quiet);
    }
}

const px_batch *px_loader_next(px_loader *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->holding) {
        l->holding = false;
        l->oldest++;
        pthread_cond_broadcast(&l->work);
    }
    PX_CHECK(!l->spec.keep_last || l->oldest < l->steps_per_epoch);
    slot *s = slot_of(l, l->oldest);
    double start = px_now();
    wait_for(l, s);
    l->waited += px_now() - start;
    l->holding = s->failed_place < 0;
    pthread_mutex_unlock(&l->lock);
    if (s->failed_place >= 0)
        return px_fail_null(s->failed_status, "%s", s->failed_message);
    return px_dataset_check(l->spec.data) == 0 ? &s->batch : NULL;
}

double px_loader_waited(const px_loader *l)
{
    return l->waited;
}

px_loader_work px_loader_worked(px_loader *l)
{
    pthread_mutex_lock(&l->lock);
    px_loader_work worked = l->worked;
    pthread_mutex_unlock(&l->lock);
    return worked;
}
