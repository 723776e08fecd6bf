#!/usr/bin/env bash
# Four rates, constant and annealed.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

grid . optim.lr=0.005,0.05,0.5,2 optim.schedule=constant,cosine
for rate in 0.005 0.05 0.5 2; do
    for schedule in constant cosine; do
        echo "$schedule|$rate|$(last "$runs/lr-${rate}_schedule-$schedule" val_accuracy)"
    done
done | awk -F '|' '{ print $1 "|" $2 "|" 100 * $3 }' |
    draw_points "learning rate" "accuracy on 2,000 other images after 4 epochs, %" "set logscale x"
