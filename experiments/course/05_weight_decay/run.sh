#!/usr/bin/env bash
# Four strengths of weight decay, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . optim.weight_decay=0,1e-3,1e-2,1e-1 seed=1,2
draw_curves "accuracy=accuracy on the training images, %" "val_accuracy=accuracy on 2,000 other images, %" \
    "none" "weight_decay-0_*" "0.001" "weight_decay-1e-3_*" "0.01" "weight_decay-1e-2_*" "0.1" "weight_decay-1e-1_*"
