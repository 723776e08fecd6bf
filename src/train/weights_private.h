/* weights_private.h - what reading and writing weights files share. */
#ifndef PX_TRAIN_WEIGHTS_PRIVATE_H
#define PX_TRAIN_WEIGHTS_PRIVATE_H

#include "graph/graph.h"
#include "train/settings.h"

/* The entry of a file's description with settings in libconfig's syntax. */
extern const char px_weights_settings_note[];

/* The graph of the backbone alone, in evaluation, for the names and shapes of its parameters: images of `channels` and `size`
 * pixels. The caller destroys it. NULL (PX_USAGE): it cannot be built. */
px_graph *px_weights_bare(const px_settings *, int channels, int size);

/* Whether the graph has a parameter or state of this name. */
bool px_weights_holds(const px_graph *, const char *name);

#endif
