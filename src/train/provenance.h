/* provenance.h - where and how a run came about, in run.h5; and folders.
 *
 * Each start of a run has a group of its own, /provenance/1, /provenance/2, ..., with attributes: started, hosts
 * (with the ranks on each), ranks, ranks_on_host (of rank 0), threads (of a rank), command, commit, versions (of the
 * program and its libraries, and the processor of rank 0). The attributes of /provenance itself are those of the last
 * start, with host (of rank 0) for hosts. */
#ifndef PX_TRAIN_PROVENANCE_H
#define PX_TRAIN_PROVENANCE_H

#include "dist/comm.h"
#include "report/results.h"

/* "node01 x 2, node02 x 2": the hosts of the job in the order of ranks. Collective; yours. */
char *px_provenance_hosts(const px_comm *);

/* Adds this start. What an older version of the program wrote, of one start only, becomes the first. `hosts`: px_provenance_hosts,
 * or NULL: not told. One rank. 0 or -1. */
int px_provenance_write(px_results *, const px_comm *, const char *hosts, const char *command, int threads);

/* Makes a folder and those above it. 0, or -1 (PX_USAGE) if it cannot be made or written to. */
int px_folder_make(const char *path);

#endif
