#!/usr/bin/env bash
# Batches of 32, 128 and 512 images, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . batch=32,128,512 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "batch 32" "batch-32_*" "batch 128" "batch-128_*" "batch 512" "batch-512_*"
