/* changes.h - which settings of a resumed run differ. */
#ifndef PX_TRAIN_CHANGES_H
#define PX_TRAIN_CHANGES_H

#include "base/log.h"

/* Warns of each key whose value differs between two texts of px_config_text, or that is in only one of them. */
void px_changes_tell(px_log *, const char *before, const char *now);

#endif
