/* loader.h - worker threads that turn a split of a data set into batches of views, ahead of the computation.
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
 * Step s is batch s % steps_per_epoch of epoch s / steps_per_epoch. Within an epoch, samples are permuted by a
 * Fisher-Yates shuffle keyed by (seed, epoch), and the last count % global_batch of them are left out (drop_last)
 * unless `keep_last`. A sample's views come from the stream (seed, PX_RNG_VIEWS, epoch + 2^32 repeat, row). So a batch is a pure
 * function of (seed, step), with the same bits for any number of workers and ranks and any starting step.
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
    int64_t global_batch; /* samples per step over all ranks */
    int64_t first;        /* where this rank's samples start within the global batch */
    int batch;            /* this rank's samples per step */
    int parts;            /* the batch is stored as this many smaller ones, one after another; 0 means 1 */
    int repeats; /* an epoch's batches have each image so often, with other views, and so many times fewer images; 0 means 1 */
    bool shuffle;
    int whole; /* the number of batches per epoch is a multiple of this: micro-batches per step; 0 means 1 */
    bool
        keep_last; /* evaluation: a single pass of steps_per_epoch batches; asking for more is a mistake. The last batch
                           * is padded by repeating the last sample; px_batch.valid tells how many samples count */
    int workers;   /* threads, at least 1 */
    int ahead;     /* batches made in advance, at least 1; 0 means 2 */
    int timeout;   /* seconds without a finished image after which px_loader_next ends the job; 0: waits forever */
} px_loader_spec;

typedef struct px_batch {
    int64_t step;
    int batch, valid;                 /* valid < batch only with keep_last */
    const void *tensor[PX_VIEWS_MAX]; /* 64-byte aligned, one per view: parts of (copies * batch / parts, ...) */
    const int64_t *row;               /* (batch) rows of the data set */
} px_batch;

/* PX_USAGE if the split has fewer samples than a global batch (unless keep_last). Copies the spec; borrows what it
 * points to. */
int px_loader_create(px_loader **out, const px_loader_spec *, int64_t start_step);
/* Bytes of memory that a loader with such batches takes, with the default `ahead`. */
double px_loader_bytes(const px_views *, int batch, int64_t split_count);
void px_loader_destroy(px_loader *); /* may be called at any time; stops and joins the workers */
int64_t px_loader_steps_per_epoch(const px_loader *);

/* The next batch. It may take any time while images are being finished. If the workers hang in a read or a view, a line
 * says so after a few seconds, and after `timeout` the job ends, since such workers cannot be stopped. NULL, now and at
 * every later call: an image of that batch could not be read; px_error() is about the batch's first such image. All
 * batches before it were returned. */
const px_batch *px_loader_next(px_loader *);

/* Seconds that px_loader_next has waited for data since creation. */
double px_loader_waited(const px_loader *);

/* How many images the workers have made since creation, and in how many processor seconds, all workers together. */
typedef struct px_loader_work {
    int64_t images;
    double seconds;
} px_loader_work;
px_loader_work px_loader_worked(px_loader *);

#endif
