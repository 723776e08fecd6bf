/* pretext.h - everything that is needed to write a method outside of the program, as a plug-in: a shared object that
 * `--plugin` loads.
 *
 *     #include "pretext.h"
 *     struct px_method_cfg { double area_min; };
 *     static const px_option options[] = { PX_OPTION(px_method_cfg, area_min, "0.5", 0.01, 1, "..."), {0}};
 *     ...
 *     PX_PLUGIN = {.name = "quarter_turns", .options = options, .views = views, ...};  // the last line of the file
 *
 * docs/methods.md says how to build it. experiments/plugin/quarter_turns.c is an example.
 */
#ifndef PX_PRETEXT_H
#define PX_PRETEXT_H

#include "backbones/maps.h"
#include "base/error.h"
#include "data/hog.h"
#include "data/lab.h"
#include "data/mix.h"
#include "graph/average.h"
#include "nn/conv_decoder.h"
#include "nn/heads.h"
#include "nn/layers.h"
#include "nn/losses.h"
#include "nn/positions.h"
#include "nn/predictor.h"
#include "nn/transformer.h"
#include "nn/windows.h"
#include "ops/ops.h"
#include "px_interface.h"
#include "train/equal_views.h"
#include "train/kept_squares.h"
#include "train/labels.h"
#include "train/mask_blocks.h"
#include "train/masked_distil.h"
#include "train/method.h"
#include "train/multi_block.h"
#include "train/tiles.h"
#include "train/two_views.h"

/* Defines the plug-in's method, and the version of the headers that it was compiled with. The program compares the
 * version first: if it is another one, the plug-in is refused, and its px_method is not read. */
#define PX_PLUGIN                                                                                                      \
    extern const char px_plugin_interface[];                                                                           \
    const char px_plugin_interface[] = PX_INTERFACE;                                                                   \
    extern const px_method px_plugin;                                                                                  \
    const px_method px_plugin

#endif
