#!/usr/bin/env bash
# Accuracy, multiply-adds and time of five networks.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

resnet=(resnet.width=0.25 resnet.stem=3x3 resnet.max_pool=yes)
grid whole "${resnet[@]}" backbone=resnet18,resnet50
one grouped "${resnet[@]}" backbone=resnext50_32x4d
one depthwise backbone=mobilenet_v1 mobilenet_v1.width=0.25
one shortcuts backbone=mobilenet_v2 mobilenet_v2.width=0.25

# told NAME RUN: "NAME|millions of multiply-adds per image|accuracy|core-milliseconds of training per image"
told()
{
    "$program" show --json "$2" | tr -d ',' | awk -v name="$1" -v accuracy="$(last "$2" val_accuracy)" '
        $1 == "\"images\":" { images = $2 }
        $1 == "\"multiply_adds\":" { adds = $2 }
        $1 == "\"core_seconds_by_part\":" { within = 1 }
        within && ($1 == "\"forward\":" || $1 == "\"backward\":") { seconds += $2 }
        END { printf "%s|%.4g|%.4g|%.4g\n", name, adds / images / 1e6, 100 * accuracy, 1000 * seconds / images }'
}

{
    told "ResNet-18" "$runs/whole/backbone-resnet18"
    told "ResNet-50" "$runs/whole/backbone-resnet50"
    told "ResNeXt-50, grouped" "$runs/grouped"
    told "MobileNet V1, depthwise" "$runs/depthwise"
    told "MobileNet V2, shortcuts" "$runs/shortcuts"
} | draw_named "million multiply-adds per image and step" "accuracy on 2,000 other images, %" "core-milliseconds per image"
