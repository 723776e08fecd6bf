/* bench.h - where the time of a training step goes, measured on the real step, against the machine's own matmul rate.
 *
 *     px_bench_report r;
 *     if (px_bench(&settings, &options, &comm, &log, &r) != 0) ...               // collective
 *     px_bench_print(&r, &settings, stdout);
 *     px_bench_write("b.h5", &r, &settings, &comm, command);                     // one rank
 *     px_bench_report_finish(&r);
 *
 * Data: the run's own through the loader where data.path is set, else random images already in memory. Times are
 * means over the middle half of the steps, by their length: an outlier does not count, and parts add up. Work is
 * counted in multiply-adds of the model (forward, and what backward needs), two operations each.
 */
#ifndef PX_TRAIN_BENCH_H
#define PX_TRAIN_BENCH_H

#include "base/log.h"
#include "dist/comm.h"
#include "train/settings.h"

#include <stdio.h>

enum { PX_BENCH_TOP = 10 };

typedef struct px_bench_options {
    double seconds;                    /* of measuring */
    int image_size, channels, classes; /* of random images */
} px_bench_options;

/* Those between PX_BENCH_WAIT and PX_BENCH_STEP make up the step; the loader works beside it. */
typedef enum px_bench_part {
    PX_BENCH_LOADER, /* processor seconds that making a step's views takes, on this rank */
    PX_BENCH_WAIT,   /* for data */
    PX_BENCH_FORWARD,
    PX_BENCH_BACKWARD,
    PX_BENCH_REDUCE, /* gradients' all-reduce that backward did not hide */
    PX_BENCH_OPTIMIZER,
    PX_BENCH_OTHER, /* messages between kernels, sums of micro-batches, metrics */
    PX_BENCH_STEP,  /* the whole */
    PX_BENCH_PARTS,
} px_bench_part;
extern const char *const px_bench_part_names[PX_BENCH_PARTS];

/* All steps of the plan with the same op and kernel together. */
typedef struct px_bench_op {
    char name[96];          /* "conv2d (jit:avx512_core)" */
    double seconds, gflops; /* of a training step; GF/s */
} px_bench_op;

typedef struct px_bench_report {
    int steps; /* that were measured */
    double seconds[PX_BENCH_PARTS];
    double images_per_second;       /* over all ranks */
    double views_per_second;        /* that one core makes */
    double gflops, machine_gflops;  /* of one rank; R, its best large matmul with the same threads and precision */
    double peak_bytes, arena_bytes; /* of this rank */
    int reorders;                   /* of activations */
    int ranks, threads;             /* threads a rank */
    int ops;
    px_bench_op op[PX_BENCH_TOP]; /* the most expensive */
    char *plan;                   /* the plan as text, with the ms of one step */
} px_bench_report;

/* 0 or -1; the report is to be finished in any case. */
int px_bench(px_settings *, const px_bench_options *, const px_comm *, px_log *, px_bench_report *);
void px_bench_report_finish(px_bench_report *);

void px_bench_print(const px_bench_report *, const px_settings *, FILE *);

/* Adds /bench to an HDF5 file, made if it is not there: parts/{name,seconds}, ops/{name,seconds,gflops}, the numbers as
 * scalars, what was measured on what as attributes; also /config and /provenance. 0 or -1. */
int px_bench_write(const char *path, const px_bench_report *, const px_settings *, const px_comm *,
                   const char *command);

#endif
