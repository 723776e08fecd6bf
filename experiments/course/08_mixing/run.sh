#!/usr/bin/env bash
# None, mixup, CutMix, and one of both per batch, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . supervised.mix=none,mixup,cutmix,either seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "none" "mix-none_*" "mixup" "mix-mixup_*" "CutMix" "mix-cutmix_*" "either" "mix-either_*"
