/* bench.h - where the time of a training step goes, measured on the real step, against the machine's own matmul rate.
 *
 *     px_bench_report r;
 *     if (px_bench(&settings, &options, &comm, &log, &r) != 0) ...        // collective
 *     px_bench_print(&r, stdout);
 *     px_bench_report_finish(&r);
 *
 * Data: the run's own through the loader where data.path is set, else random images already in memory. Times are
 * medians over the steps.
 * Work is counted in multiply-adds of the model (forward, and what backward needs), two operations each.
 */
#ifndef PX_TRAIN_BENCH_H
#define PX_TRAIN_BENCH_H

#include "base/log.h"
#include "train/model.h"

#include <stdio.h>

enum { PX_BENCH_TOP = 10 };

typedef struct px_bench_options {
    double seconds;                    /* of measuring */
    int image_size, channels, classes; /* of random images */
} px_bench_options;

typedef enum px_bench_part {
    PX_BENCH_LOADER, /* making views, seconds of one worker a step; 0 with random images */
    PX_BENCH_WAIT,   /* for data */
    PX_BENCH_FORWARD,
    PX_BENCH_BACKWARD,
    PX_BENCH_REDUCE, /* gradients' all-reduce that backward did not hide */
    PX_BENCH_OPTIMIZER,
    PX_BENCH_STEP,
    PX_BENCH_PARTS,
} px_bench_part;
extern const char *const px_bench_part_names[PX_BENCH_PARTS];

/* All steps of the same op and kernel together. */
typedef struct px_bench_op {
    char name[96];
    double seconds, gflops;
} px_bench_op;

typedef struct px_bench_report {
    int steps;
    double seconds[PX_BENCH_PARTS]; /* medians */
    double images_per_second;       /* over all ranks */
    double gflops, machine_gflops;  /* of one rank; the machine's: the best large matmul with the same threads */
    double peak_bytes, arena_bytes; /* of this rank */
    int reorders;                   /* of activations */
    int top;
    px_bench_op op[PX_BENCH_TOP]; /* the most expensive */
    char *plan;                   /* the plan as text, with seconds of one step in ms */
} px_bench_report;

int px_bench(px_settings *, const px_bench_options *, const px_comm *, px_log *, px_bench_report *);
void px_bench_print(const px_bench_report *, FILE *);
void px_bench_report_finish(px_bench_report *);

#endif
