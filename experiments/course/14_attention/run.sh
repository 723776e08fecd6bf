#!/usr/bin/env bash
# Three networks on the same images, and what attention costs as images grow.
# shellcheck source=/dev/null disable=SC2154 # study.sh sets runs and program
. "$(dirname "$0")/../study.sh"

one vit backbone=vit_tiny_8
one swin backbone=swin_tiny swin.patch=4
one resnet backbone=resnet18 resnet.width=0.25 resnet.stem=3x3 resnet.max_pool=yes

# adds NAME BACKBONE key=value...: "NAME|side of the image|billions of multiply-adds"
adds()
{
    local name=$1 side
    shift
    for side in 32 64 128 256 512; do
        printf '%s|%s|%s\n' "$name" "$side" "$("$program" summary "$@" "image_size=$side" | tail -n 1 |
            sed 's/.* \([0-9.]*\) G multiply-adds.*/\1/')"
    done
}

folder=$(mktemp -d)
for network in vit swin resnet; do
    curve "$runs/$network" val_accuracy >"$folder/$network"
done
adds "ViT-T/4, attention among all" vit_tiny_4 >"$folder/all"
adds "Swin-T, within windows" swin_tiny swin.patch=4 swin.window=4 >"$folder/windows"
adds "ResNet-18" resnet18 resnet.stem=7x7 >"$folder/convolution"
draw <<END
set multiplot
set origin 0,0
set size 0.38,1
set key bottom right
set xtics 1
set xlabel 'epoch'
set ylabel 'accuracy on 2,000 other images, %'
plot '$folder/vit' using 1:(\$2*100) with linespoints lt 1 title 'ViT', \
    '$folder/swin' using 1:(\$2*100) with linespoints lt 2 title 'Swin', \
    '$folder/resnet' using 1:(\$2*100) with linespoints lt 3 title 'ResNet'
set origin 0.38,0
set size 0.62,1
set key outside right center Left reverse samplen 2 font ',10'
set datafile separator '|'
set logscale xy
set xtics (32, 64, 128, 256, 512)
set xlabel 'side of the image in pixels'
set ylabel 'billion multiply-adds, forward'
plot '$folder/all' using 2:3 with linespoints lt 1 title 'ViT-T/4: all patches', \
    '$folder/windows' using 2:3 with linespoints lt 2 title 'Swin-T: windows', \
    '$folder/convolution' using 2:3 with linespoints lt 3 title 'ResNet-18'
unset multiplot
END
rm -r "$folder"
