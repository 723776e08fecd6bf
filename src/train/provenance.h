/* provenance.h - where and how a run was made, in run.h5; and making folders.
 *
 * Each start of a run has its own group, /provenance/1, /provenance/2, ..., with attributes: started, hosts (with the
 * ranks on each), ranks, ranks_on_host (of rank 0), threads (per rank), command, commit, versions (of the program and
 * its libraries, and the processor of rank 0). /provenance itself has the attributes of the last start, with host (of
 * rank 0) instead of hosts. */
#ifndef PX_TRAIN_PROVENANCE_H
#define PX_TRAIN_PROVENANCE_H

#include "dist/comm.h"
#include "results/results.h"

/* "node01 x 2, node02 x 2": the hosts of the job in the order of ranks. Collective; the caller frees it. */
char *px_provenance_hosts(const px_comm *);

/* Adds this start. The single start that an older version of the program recorded becomes the first. `hosts`: the text
 * of px_provenance_hosts, or NULL if it is unknown. For one rank. 0 or -1. */
int px_provenance_write(px_results *, const px_comm *, const char *hosts, const char *command, int threads);

#endif
