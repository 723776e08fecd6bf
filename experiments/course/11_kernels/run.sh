#!/usr/bin/env bash
# Two first layers with the same map behind them; two kinds of blocks, as many of them; four seeds of the first, two of the others.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid stem7 resnet.stem=7x7 resnet.max_pool=no seed=1..4
grid stem3 resnet.stem=3x3 resnet.max_pool=yes seed=1..4
grid blocks resnet.stem=3x3 resnet.max_pool=yes backbone=resnet34,resnet50 seed=1,2
draw_curves "loss=training loss" "val_accuracy=accuracy on 2,000 other images, %" \
    "18 layers, 7x7 first" "stem7/seed-*" "18 layers, 3x3 first" "stem3/seed-*" \
    "34 layers, 3x3 blocks" "blocks/backbone-resnet34_*" "50 layers, bottlenecks" "blocks/backbone-resnet50_*"
