#!/usr/bin/env bash
# One rate for all batches, and a rate in proportion to the batch; both the same at 32 images.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

grid same optim.lr_scaling=none optim.lr=0.02 batch=32,128,512 seed=1,2
grid scaled optim.lr_scaling=linear optim.lr=0.16 batch=128,512 seed=1,2
for run in "$runs"/*/batch-*; do
    batch=${run##*/batch-} batch=${batch%%_*}
    accuracy=$(last "$run" val_accuracy)
    case $run in
    */batch-32_*) printf 'the same rate|%s|%s\nrate in proportion|%s|%s\n' "$batch" "$accuracy" "$batch" "$accuracy" ;;
    */same/*) echo "the same rate|$batch|$accuracy" ;;
    *) echo "rate in proportion|$batch|$accuracy" ;;
    esac
done | awk -F '|' '{ print $1 "|" $2 "|" 100 * $3 }' |
    draw_points "batch" "accuracy on 2,000 other images after 4 epochs, %" "set logscale x 2"
