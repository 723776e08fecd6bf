#!/usr/bin/env bash
# One method of each family; k-nearest neighbours of the features of 2,000 images tell 2,000 others.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

# family NAME METHOD key=value...: trains and probes, beside the untrained twin.
family()
{
    local name=$1 run=$runs/$1
    shift
    if ! [ -e "$run/probed" ]; then
        one "$name" "method=$1" "${@:2}"
        "$program" probe "$run" protocol=knn "knn.k=[20]" labels=200 baselines=true test_split=val embed=0 knn.neighbours=0 >&2
        touch "$run/probed"
    fi
}

small=(resnet.width=0.125 resnet.stem=3x3 resnet.max_pool=yes)
family "relative location" relative_location "${small[@]}" relative_location.hidden=512 relative_location.dropout=0.2 \
    relative_location.gray=0.3
family "rotation" rotation "${small[@]}" epochs=2
family "SimCLR" simclr "${small[@]}" simclr.temperature=0.2 simclr.area_min=0.2 simclr.blur=0
family "BYOL" byol "${small[@]}" byol.hidden=512 byol.dim=128 byol.momentum=0.98 byol.area_min=0.2
family "Barlow Twins" barlow_twins "${small[@]}" barlow_twins.dim=512 barlow_twins.area_min=0.2
family "DINO" dino "${small[@]}" dino.prototypes=512 dino.hidden=512 dino.dim=128 dino.head_norm=true dino.momentum=0.98 \
    dino.freeze_epochs=0 dino.teacher_temperature_start=0.02 dino.teacher_temperature=0.04 dino.warmup_epochs=1 dino.area_min=0.2 \
    optim.clip=3
family "SwAV" swav "${small[@]}" swav.prototypes=64 swav.temperature=0.2 swav.area_min=0.2 swav.jitter_strength=0.5 swav.blur=0
family "MAE" mae backbone=vit_tiny_8 epochs=3 mae.decoder_width=128 mae.decoder_depth=2 mae.decoder_heads=4 optim.warmup_epochs=0.2

for name in "relative location" "rotation" "SimCLR" "BYOL" "Barlow Twins" "DINO" "SwAV" "MAE"; do
    "$program" show --csv "$runs/$name" | awk -F , -v name="$name" '
        $2 == "knn" && $5 == "top1" { share[$3] = 100 * $6 }
        END { print name "|" share["pretrained"] "|" share["untrained"] }'
done | draw_bars "k-nearest neighbours: accuracy on 2,000 other images, %"
