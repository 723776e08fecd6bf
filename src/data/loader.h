/* loader.h - worker threads that turn a split of a data set into batches of views, ahead of the compute.
 *
 *     px_loader_spec spec = {.data = d, .split = train, .views = &views, .make = make, .context = &cfg, .seed = seed,
 *                            .global_batch = 512, .first = rank * 256, .batch = 256, .shuffle = true, .workers = 1};
 *     px_loader *l;
 *     if (px_loader_create(&l, &spec, start_step) != 0) ...
 *     for (...) {
 *         const px_batch *b = px_loader_next(l);     // NULL: an image could not be read; px_error() says which
 *         ... b->tensor[0] ...                       // valid until the next px_loader_next
 *     }
 *
 * Step s is batch s % steps_per_epoch of epoch s / steps_per_epoch; within an epoch the samples are permuted by a
 * Fisher-Yates shuffle keyed by (seed, epoch), and the rest of count % global_batch is left out (drop_last) unless
 * `keep_last`. Sample i's views come from the stream (seed, PX_RNG_VIEWS, epoch, row): a batch is a pure function of
 * (seed, step), the same bits whatever the workers, ranks, or the step at which the loader was started.
 */
#ifndef PX_DATA_LOADER_H
#define PX_DATA_LOADER_H

#include "data/dataset.h"
#include "data/views.h"

typedef struct px_loader px_loader;

typedef struct px_loader_spec {
    const px_dataset *data;
    const px_split *split;
    const px_views *views;
    px_make_views *make;
    const void *context;
    uint64_t seed;
    int64_t global_batch; /* samples a step over all ranks */
    int64_t first;        /* where this rank's samples start within the global batch */
    int batch;            /* this rank's samples a step */
    int parts;            /* the batch lies as so many smaller ones, one after another; 0 means 1 */
    bool shuffle;
    int whole;      /* an epoch holds a multiple of this many batches: micro-batches of a step; 0 means 1 */
    bool keep_last; /* evaluation: one pass of steps_per_epoch batches, asking for more is a mistake; the last batch is
                           * padded by repeating the last sample, px_batch.valid says how many count */
    int workers;    /* threads, at least 1 */
    int ahead;      /* batches made ahead, at least 1 (default 0 means 2) */
    int timeout;    /* seconds without one image made after which px_loader_next ends the job; 0: it waits for ever */
} px_loader_spec;

typedef struct px_batch {
    int64_t step;
    int batch, valid;                 /* valid < batch only with keep_last */
    const void *tensor[PX_VIEWS_MAX]; /* 64-byte aligned, one a view: parts of (copies * batch / parts, ...) */
    const int64_t *row;               /* (batch) rows of the data set */
} px_batch;

/* PX_USAGE if the split holds fewer samples than a global batch (unless keep_last). Copies the spec; borrows what it
 * points to. */
int px_loader_create(px_loader **out, const px_loader_spec *, int64_t start_step);
/* The memory that a loader of such batches takes with the default `ahead`. */
double px_loader_bytes(const px_views *, int batch, int64_t split_count);
void px_loader_destroy(px_loader *); /* stops and joins the workers at any moment */
int64_t px_loader_steps_per_epoch(const px_loader *);

/* The next batch. It may be long in coming as long as images are made: a rank whose workers hang in a read or a view
 * (one line tells of it after a few seconds) ends the job after `timeout`, since such workers cannot be stopped. NULL,
 * and the same again at every later call: an image of that batch could not be read; px_error() is that of the batch's
 * first such image, and batches before it were handed out. */
const px_batch *px_loader_next(px_loader *);

/* Seconds that px_loader_next has waited for data since creation. */
double px_loader_waited(const px_loader *);

/* What the workers have done since creation: on how many images, and in how many processor seconds, all workers
 * together. */
typedef struct px_loader_work {
    int64_t images;
    double seconds;
} px_loader_work;
px_loader_work px_loader_worked(px_loader *);

#endif
