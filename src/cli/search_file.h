/* search_file.h - search.h5, the results of `pretext search` (docs/files.md).
 *
 *     px_search_file *f;
 *     if (px_search_file_open(&f, "runs/cells", &cfg, config, all, &done, log) != 0) ...   // reads what is done
 *     ... px_search_file_write(f, all, done) after each generation ...
 *     px_search_file_close(f);
 *
 * What was written survives a kill. While it is open a second search in the folder is refused.
 */
#ifndef PX_CLI_SEARCH_FILE_H
#define PX_CLI_SEARCH_FILE_H

#include "base/log.h"
#include "cli/evolution.h"

typedef struct px_results px_search_file;

/* `config`: of the first candidate, for what the candidates have in common. A search by other numbers than cfg's (but for more
 * candidates), or with settings that make other scores, is refused, PX_USAGE; a line in the log tells what else has changed since
 * it began. The results of all[0 : *done] are read; their cells are not (px_search_file_check). */
int px_search_file_open(px_search_file **, const char *folder, const px_search_cfg *cfg, const char *config,
                        px_candidate *all, int *done, px_log *);

/* Whether the cells of all[first : end] are those in the file. 0 or -1. */
int px_search_file_check(px_search_file *, const px_candidate *all, int first, int end);

int px_search_file_write(px_search_file *, const px_candidate *all, int done); /* 0 or -1 */
int px_search_file_close(px_search_file *);                                    /* 0 or -1; accepts NULL */

#endif
