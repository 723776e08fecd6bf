/* ledger.h - what a run has cost, in run.h5: the group /ledger, one row every now and then.
 *
 *     px_ledger_series(results);                                 // before px_results_live
 *     int session = px_ledger_sessions(results) + 1;
 *     px_ledger_row(results, session, step, &so_far);            // of this start of the program, from its beginning
 *
 *     px_ledger_total t;
 *     px_ledger_read(results, &t);                               // the sum over all starts
 *
 * A session is a start of `pretrain`, or of `probe`, on the run. Rows are never dropped: what a run repeats after it was killed
 * was paid twice. Core-seconds are processor time, summed over ranks and their threads. The loader's threads work beside the
 * other parts, so the loader has no wall time; what a step waits for images is `waiting`.
 */
#ifndef PX_RESULTS_LEDGER_H
#define PX_RESULTS_LEDGER_H

#include "results/results.h"

typedef enum px_part {
    PX_PART_LOADER,        /* reading, decoding and augmenting images, ahead of the step */
    PX_PART_WAITING,       /* for images */
    PX_PART_FORWARD,       /* with the copies between kernels */
    PX_PART_BACKWARD,      /* with what changes states after a step: queues, centres */
    PX_PART_COMMUNICATION, /* waiting for other ranks, or sending to them while nothing else is done */
    PX_PART_OPTIMIZER,     /* with followers */
    PX_PART_EVALUATION,    /* `probe`; of training, validation and online k-NN */
    PX_PART_OTHER,         /* set-up, series, checkpoints */
    PX_PARTS,
} px_part;
extern const char *const px_part_names[PX_PARTS];

typedef struct px_ledger {
    double wall[PX_PARTS]; /* seconds, of rank 0 */
    double core[PX_PARTS]; /* core-seconds, of all ranks */
    double images;         /* that were trained on */
    double multiply_adds;  /* of their forward and backward passes */
    double bytes_sent;     /* by all ranks, to others */
    double peak_bytes;     /* of resident memory, on the rank with most */
    double joules;         /* of all hosts; NaN: not known */
    double ranks;
} px_ledger;

/* Creates the columns. 0 or -1. */
int px_ledger_series(px_results *);
int px_ledger_row(px_results *, int session, int64_t step, const px_ledger *);
int px_ledger_sessions(px_results *); /* how many there are */

typedef struct px_ledger_total {
    px_ledger sum; /* peak_bytes, ranks: the largest; joules: of the sessions that know it */
    int sessions;
    int without_energy; /* sessions that do not know their joules */
} px_ledger_total;

/* All zero if the run has no ledger, as those of earlier versions. 0, or -1: the ledger is there, but cannot be read. */
int px_ledger_read(px_results *, px_ledger_total *);

double px_ledger_wall(const px_ledger *);         /* seconds of all parts */
double px_ledger_core_seconds(const px_ledger *); /* likewise */

#endif
