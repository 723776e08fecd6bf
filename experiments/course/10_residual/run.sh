#!/usr/bin/env bash
# Two depths, with and without shortcuts, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . backbone=resnet20,resnet56 resnet.shortcuts=true,false seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "20 layers, residual" "backbone-resnet20_shortcuts-true_*" "20 layers, plain" "backbone-resnet20_shortcuts-false_*" \
    "56 layers, residual" "backbone-resnet56_shortcuts-true_*" "56 layers, plain" "backbone-resnet56_shortcuts-false_*"
