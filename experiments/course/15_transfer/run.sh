#!/usr/bin/env bash
# One pretraining; a linear layer and the whole network learn from 10, 40 and 160 labels per class, beside random weights.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

one simclr
run=$runs/simclr
for labels in 10 40 160; do
    if ! [ -e "$run/probed-$labels" ]; then
        common=("labels=$labels" baselines=true test_split=val embed=0)
        "$program" probe "$run" protocol=linear "${common[@]}" linear.epochs=100 "linear.rates=[0.05]" >&2
        "$program" probe "$run" protocol=finetune "${common[@]}" finetune.epochs=10 finetune.batch=16 finetune.lr=1.6e-2 \
            finetune.layer_decay=1 >&2
        touch "$run/probed-$labels"
    fi
done

# "LINE|labels per class|accuracy" of each evaluation; how many labels it had is told by what it measured.
"$program" show --json "$run" | tr -d '",' | awk '
    $1 == "protocol:" { how = $2 == "linear" ? "linear layer" : "whole network" }
    $1 == "subject:" { who = $2 ~ /^pretrained/ ? "pretrained" : $2 ~ /^untrained/ ? "random weights" : "" }
    $1 == "number:" { number = $2 }
    $1 == "share:" { share = $2 }
    $1 == "measured:" && number == "top1" && who && match($0, /labels = [0-9]+/) {
        print how ", " who "|" substr($0, RSTART + 9, RLENGTH - 9) "|" 100 * share
    }' | sort -t '|' -k 1,1 -k 2,2n |
    draw_points "labels per class" "accuracy on 2,000 other images, %" "set logscale x; set xtics (10, 40, 160); set xrange [8:200]"
