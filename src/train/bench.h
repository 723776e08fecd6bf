/* bench.h - where the time of a training step goes, measured on real steps, compared with the machine's matmul rate.
 *
 *     px_bench_report r;
 *     if (px_bench(&settings, &options, &comm, &log, &r) != 0) ...               // collective
 *     px_bench_print(&r, &settings, stdout);
 *     px_bench_write("b.h5", &r, &settings, &comm, command);                     // one rank
 *     px_bench_report_finish(&r);
 *
 * Data: the run's data through the loader if data.path is set, else random images in memory. Times are means over the
 * middle half of the steps, sorted by duration, so that outliers do not count and parts add up. Work is the model's
 * multiply-adds (forward, and what backward needs), of two operations each. The most expensive ops stand beside the
 * limit that binds them, R or memory's rate, which are both measured.
 */
#ifndef PX_TRAIN_BENCH_H
#define PX_TRAIN_BENCH_H

#include "base/log.h"
#include "dist/comm.h"
#include "train/settings.h"

#include <stdio.h>

enum { PX_BENCH_TOP = 10 };

typedef struct px_bench_options {
    double seconds;                    /* how long to measure */
    int image_size, channels, classes; /* for random images */
} px_bench_options;

/* The parts from PX_BENCH_WAIT up to PX_BENCH_STEP make up the step; the loader works in parallel. */
typedef enum px_bench_part {
    PX_BENCH_LOADER, /* processor seconds for making a step's views, on this rank */
    PX_BENCH_WAIT,   /* waiting for data */
    PX_BENCH_FORWARD,
    PX_BENCH_BACKWARD,
    PX_BENCH_REDUCE, /* the gradients' all-reduce, as far as it did not overlap with backward */
    PX_BENCH_OPTIMIZER,
    PX_BENCH_OTHER, /* messages between kernels, sums of micro-batches, metrics */
    PX_BENCH_STEP,  /* the whole step */
    PX_BENCH_PARTS,
} px_bench_part;
extern const char *const px_bench_part_names[PX_BENCH_PARTS];

/* The sum over the plan's steps with the same op and kernel. Its limit: no step can take less time than R leaves its
 * multiply-adds and memory's rate its inputs and outputs, each once (Williams, Waterman, Patterson 2009,
 * doi:10.1145/1498765.1498785). More than that is reached by what finds its inputs in the caches, by what mostly reads (a
 * written line is read before, which does not count), and by convolutions that leave out products with the border. */
typedef struct px_bench_op {
    char name[96];                  /* "conv2d (jit:avx512_core)" */
    double seconds, gflops, gbytes; /* per training step; GF/s; GB/s, of 1e9 bytes */
    bool by_memory;                 /* memory binds, in more of the limit's time than R */
    double reached;                 /* the limit's time by its own */
} px_bench_op;

typedef struct px_bench_report {
    int steps; /* measured steps */
    double seconds[PX_BENCH_PARTS];
    double images_per_second; /* over all ranks */
    double views_per_second;  /* made by one core */
    double gflops,
        machine_gflops;    /* of one rank; and of its best large matmul with the same threads and precision, R */
    double machine_gbytes; /* GB/s of memory to one rank's threads, where they read two arrays and write one */
    double peak_bytes, arena_bytes; /* on this rank */
    int reorders;                   /* of activations, per step */
    int ranks, threads;             /* threads per rank */
    int ops;
    px_bench_op op[PX_BENCH_TOP]; /* the most expensive ones */
    char *plan;                   /* the plan as text, with the milliseconds of one step */
} px_bench_report;

/* 0 or -1; finish the report in any case. */
int px_bench(px_settings *, const px_bench_options *, const px_comm *, px_log *, px_bench_report *);
void px_bench_report_finish(px_bench_report *);

void px_bench_print(const px_bench_report *, const px_settings *, FILE *);

/* Adds /bench to an HDF5 file, which is created if it does not exist: parts/{name,seconds},
 * ops/{name,seconds,gflops,gbytes,limit,reached}, the numbers as scalars, method, machine and so on as attributes; also
 * /config and /provenance. 0 or -1. */
int px_bench_write(const char *path, const px_bench_report *, const px_settings *, const px_comm *,
                   const char *command);

#endif
