#!/usr/bin/env bash
# No warm-up, a half epoch of it, and two epochs, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . optim.warmup_epochs=0,0.5,2 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "no warm-up" "warmup_epochs-0_*" "half an epoch" "warmup_epochs-0.5_*" "two epochs" "warmup_epochs-2_*"
