/* provenance.h - where and how a run came about, as attributes of /provenance in run.h5; and folders. */
#ifndef PX_TRAIN_PROVENANCE_H
#define PX_TRAIN_PROVENANCE_H

#include "dist/comm.h"
#include "report/results.h"

/* Host, ranks, threads, command, versions, commit, start. One rank. 0 or -1. */
int px_provenance_write(px_results *, const px_comm *, const char *command, int threads);

/* Makes a folder and those above it. 0, or -1 (PX_USAGE) if it cannot be made or written to. */
int px_folder_make(const char *path);

#endif
