/* changes.h - what a resumed run was told differently. */
#ifndef PX_TRAIN_CHANGES_H
#define PX_TRAIN_CHANGES_H

#include "base/log.h"

/* Warns of each key whose value differs between two texts of px_config_text, or that only one of them has. */
void px_changes_tell(px_log *, const char *before, const char *now);

#endif
