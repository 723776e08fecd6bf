#!/usr/bin/env bash
# From images as they are to several changes at once.
# shellcheck source=/dev/null
. "$(dirname "$0")/../study.sh"

grid plain seed=1,2
grid flip supervised.flip=0.5 seed=1,2
grid crop supervised.flip=0.5 supervised.area_min=0.4 seed=1,2
grid policy supervised.flip=0.5 supervised.area_min=0.4 supervised.policy=trivialaugment seed=1,2
draw_curves "accuracy=accuracy on the training images, %" "val_accuracy=accuracy on 2,000 other images, %" \
    "as they are" "plain/seed-*" "mirrored" "flip/seed-*" "... and cropped" "crop/seed-*" "... TrivialAugment" "policy/seed-*"
