/* meter.h - measures what this start of the program costs, for the ledger (results/ledger.h).
 *
 *     px_meter m;
 *     px_meter_begin(&m, &comm, 0);
 *     ... px_meter_lap(&m, PX_PART_FORWARD, loader_seconds);      // what passed since the last lap belongs to this part
 *     px_meter_sum(&m, &so_far);                                  // collective
 *
 * A lap reads two clocks. Time in which the rank only sent or waited for others (px_traffic) is taken from the lap's part and
 * belongs to communication, with the processor seconds of the one thread that talks to MPI.
 */
#ifndef PX_TRAIN_METER_H
#define PX_TRAIN_METER_H

#include "base/energy.h"
#include "dist/comm.h"
#include "results/ledger.h"

typedef struct px_meter {
    const px_comm *comm;
    px_ledger own; /* of this rank */
    px_energy energy;
    /* At the last lap: px_now, processor seconds of this process and of the loader's threads, the traffic. */
    double wall, core, loader;
    px_traffic traffic;
    double read; /* when joules were read */
} px_meter;

/* Processor seconds of this process belong to it, but for the first `before` of them, which are of other work. */
void px_meter_begin(px_meter *, const px_comm *, double before);

/* `loader`: processor seconds of the loader's threads so far. */
void px_meter_lap(px_meter *, px_part, double loader);

/* The sum over ranks so far, the same on all. Collective. */
void px_meter_sum(px_meter *, px_ledger *);

/* Processor seconds of all threads of this process so far. */
double px_process_seconds(void);

#endif
