#!/usr/bin/env bash
# With and without channel attention, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . backbone=resnet18,seresnet18 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "ResNet-18" "backbone-resnet18_*" "with channel attention" "backbone-seresnet18_*"
