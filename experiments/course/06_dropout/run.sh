#!/usr/bin/env bash
# With and without dropout before the linear layer, two seeds each.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid . supervised.dropout=0,0.5 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" "none" "dropout-0_*" "0.5" "dropout-0.5_*"
