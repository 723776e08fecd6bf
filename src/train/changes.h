/* changes.h - what is different in a run's configuration when it is resumed: what may change is told, what makes it another run
 * is refused. */
#ifndef PX_TRAIN_CHANGES_H
#define PX_TRAIN_CHANGES_H

#include "base/log.h"

/* Configurations as px_config_text writes them. */
typedef struct px_changes {
    const char *before; /* the run's, from its checkpoint */
    const char *now;    /* the one that it goes on with, as it was resolved for these images */
    const char *asked;  /* the same before it was resolved */
    const char *usual;  /* defaults for this method and backbone: a new key with such a value is not a change */
    bool to_read;       /* it is only read, for features: then another pooling of the backbone is allowed */
} px_changes;

/* Refuses settings that the run's parameters or the optimizer's state do not fit, or with which they would mean something else.
 * `run` is its name in the message. 0 or -1 (PX_USAGE). */
int px_changes_check(const px_changes *, const char *run);

/* Refuses every setting that differs but those of `allowed`, "key" or "group.key", NULL-terminated, and those that change no
 * result (where the data set lies, threads, limits of time, ...): scores of one search, or of one grid, are of runs that are alike
 * but for what they vary. 0 or -1 (PX_USAGE). */
int px_changes_refuse(const char *before, const char *now, const char *const allowed[], const char *run);

/* Says which settings differ, one warning each. */
void px_changes_tell(px_log *, const px_changes *);

/* The value of the key `batch` and the like in such a text, as a number; 0: it is not there. */
double px_changes_number(const char *text, const char *key);

#endif
