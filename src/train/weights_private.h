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

/* The parameter that sees the images: the first one of four axes, (filters, channels, height, width). NULL: there is none. */
const char *px_weights_first_filters(const px_graph *bare);

/* Whether `stored` is (F, 3, h, w), filters of RGB, and `wanted` differs from it only in the number of channels. */
bool px_weights_are_rgb(px_shape stored, px_shape wanted);

/* Makes of such filters those of shape `wanted` in `out`, as timm's adapt_input_conv does it. For one channel the three are
 * summed, so that a gray image gives what its RGB copy gave. For more they are repeated in turn and scaled by 3 over the
 * number of channels, so that sums keep their size. */
void px_weights_from_rgb(const float *rgb, px_shape wanted, float *out);

#endif
