#!/usr/bin/env bash
# Three shares of smoothing, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . supervised.smoothing=0,0.1,0.4 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "none" "smoothing-0_*" "0.1" "smoothing-0.1_*" "0.4" "smoothing-0.4_*"
