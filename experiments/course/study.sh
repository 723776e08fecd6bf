# shellcheck shell=bash
# study.sh - what the studies of the course share. A study's run.sh reads it, calls `grid` for its runs, and then draws
# figure.png by `draw_curves` or `draw_points`. From the environment:
#   PRETEXT   the program (default: pretext in PATH, else build/pretext)
#   DATA      the images, as run.sh of the course packs them (default: runs/course/cifar10.h5)
#   RUNS      where the runs go (default: runs/course)
#   FIGURES   where the figures go (default: beside each study)
set -euo pipefail

program=${PRETEXT:-$(command -v pretext || echo build/pretext)}
here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
study=${here##*/}
runs=${RUNS:-runs/course}
data=${DATA:-$runs/cifar10.h5}
runs=$runs/$study
figure=$here/figure.png
if [ -n "${FIGURES-}" ]; then
    mkdir -p "$FIGURES"
    figure=$FIGURES/$study.png
fi

# grid FOLDER key=A,B...: a run for each combination of at least two, in $runs/FOLDER. What is done is skipped, what was interrupted
# goes on.
grid()
{
    local folder=$1
    shift
    "$program" grid "$here/study.cfg" "data.path=$data" "out=$runs/$folder" "$@" >&2
}

# one FOLDER key=value...: one run, in $runs/FOLDER.
one()
{
    local folder=$1
    shift
    "$program" pretrain "$here/study.cfg" --resume "data.path=$data" "out=$runs/$folder" "$@" >&2
}

# curve RUN SERIES: lines "epoch value". What is measured now and then stays in the series until the next time, and is one line each
# time; a series that has another number in each step is averaged over fortieths of the training.
curve()
{
    local measured=0 when=()
    case $2 in
    val_accuracy) measured=1 when=(train/val_seconds) ;; # two accuracies may be equal, what measuring took is not
    train* | online_knn) measured=1 ;;
    esac
    "$program" column "$1" "train/$2" "${when[@]}" | awk -v epochs="$(epochs_of "$1")" -v measured=$measured '
        BEGIN { n = 0 }
        /^#/ || $2 == "NaN" { next }
        { step[n] = $1 + 1; mark[n] = $2 " " $3; value[n++] = $2 }
        END {
            parts = n < 40 ? n : 40
            for (i = 0; measured && i < n; i++)
                if (i == 0 || i == n - 1 || mark[i] != mark[i - 1])
                    print step[i] / step[n - 1] * epochs, value[i]
            for (p = 0; !measured && p < parts; p++) {
                first = int(p * n / parts); last = int((p + 1) * n / parts); sum = 0
                for (i = first; i < last; i++)
                    sum += value[i]
                print (step[last - 1] + step[first]) / 2 / step[n - 1] * epochs, sum / (last - first)
            }
        }'
}

# epochs_of RUN
epochs_of()
{
    "$program" show --json "$1" | sed -n 's/^ *"epochs_done": \([0-9.]*\),.*/\1/p'
}

# last RUN SERIES: the last value of a curve.
last()
{
    curve "$1" "$2" | tail -n 1 | cut -d ' ' -f 2
}

# mean_of SERIES RUN...: the mean of the runs' last values.
mean_of()
{
    local series=$1 run
    shift
    for run in "$@"; do
        last "$run" "$series"
    done | awk '{ sum += $1 } END { printf "%.6g\n", sum / NR }'
}

style="set encoding utf8
set terminal png notruecolor size 960,400 font 'Sans,11' linewidth 1.5 noenhanced background rgb 'white'
set border 3 lc rgb '#555555'
set tics nomirror out scale 0.6 tc rgb '#333333'
set grid xtics ytics back lt 1 lw 0.6 lc rgb '#DDDDDD'
set key tc rgb '#333333' spacing 1.2
$(i=0 && for colour in 0072B2 D55E00 009E73 CC79A7 E69F00 56B4E9 000000 882255; do
    i=$((i + 1)) && echo "set linetype $i lw 2 lc rgb '#$colour' pt $((i + 3))"
done)"

# gnuplot's script on standard input, after the style; a figure that cannot be drawn leaves the old one.
draw()
{
    { printf '%s\n' "$style" "set output '$figure.new'" && cat; } | gnuplot && mv "$figure.new" "$figure" && echo "$figure"
}

# draw_curves "SERIES=its name" "SERIES=its name" LABEL RUNS LABEL RUNS...: two panels, a line per run over its epochs. RUNS is
# a pattern below $runs; runs that it matches (other seeds) have one colour, and the key says the mean of their last values of
# the second series.
draw_curves()
{
    local panels=("$1" "$2") folder panel plot colour label run match title scale
    folder=$(mktemp -d)
    shift 2
    for panel in 0 1; do
        plot='' colour=0
        scale=$([[ ${panels[panel]} == *accuracy* || ${panels[panel]} == *knn* ]] && echo 100 || echo 1)
        for ((match = 2; match <= $#; match += 2)); do
            label=${*:match-1:1} colour=$((colour + 1))
            # shellcheck disable=SC2206 # a pattern of folders
            local found=($runs/${*:match:1})
            [ $panel = 0 ] || label="$label: $(mean_of "${panels[1]%%=*}" "${found[@]}" |
                awk -v s="$scale" '{ printf((s > 1) ? "%.1f %%" : "%.3f", s * $1) }')"
            title="title '$label'"
            for run in "${found[@]}"; do
                curve "$run" "${panels[panel]%%=*}" >"$folder/$panel.${match}.${run##*/}"
                plot+="${plot:+, }'$folder/$panel.${match}.${run##*/}' using 1:(\$2*$scale) with lines lt $colour $title"
                title=notitle
            done
        done
        printf 'set ylabel "%s"\n%s\nplot %s\n' "${panels[panel]#*=}" \
            "$([ $panel = 0 ] && echo 'unset key' || echo 'set key outside right center Left reverse samplen 2 font ",10"')" \
            "$plot" >"$folder/$panel"
    done
    draw <<END
set xlabel 'epoch'
set xrange [0:*]
set multiplot
set origin 0,0
set size 0.38,1
$(cat "$folder/0")
set origin 0.38,0
set size 0.62,1
$(cat "$folder/1")
unset multiplot
END
    rm -r "$folder"
}

# draw_points "NAME OF X" "NAME OF Y" "COMMANDS" <"LINE|X|Y" per run: a point per run, a line through the means of those that
# have the same X. COMMANDS go to gnuplot before (`set logscale x`).
draw_points()
{
    local folder lines plot='' colour=0 line
    folder=$(mktemp -d)
    cat >"$folder/all"
    lines=$(cut -d '|' -f 1 "$folder/all" | awk '!seen[$0]++')
    while read -r line; do
        colour=$((colour + 1))
        awk -F '|' -v line="$line" '$1 == line { print $2, $3 }' "$folder/all" >"$folder/$colour"
        plot+="${plot:+, }'$folder/$colour' with points lt $colour ps 1.3 notitle, "
        plot+="'' smooth unique with lines lt $colour title '$line'"
    done <<<"$lines"
    draw <<END
set terminal png notruecolor size 720,420 font 'Sans,11' linewidth 1.5 noenhanced background rgb 'white'
set xlabel "$1"
set ylabel "$2"
set key outside right center Left reverse samplen 2
$3
plot $plot
END
    rm -r "$folder"
}

# draw_named "NAME OF X" "NAME OF Y" "NAME OF THE SECOND Y" <"NAME|X|Y|SECOND Y" per line: two panels of points, each with its name.
draw_named()
{
    local folder points=('' '') name rest number=0
    folder=$(mktemp -d)
    while IFS='|' read -r name rest; do
        number=$((number + 1))
        tr '|' ' ' <<<"$rest" >"$folder/$number"
        points[0]+="${points[0]:+, }'$folder/$number' using 1:2 with points lt $number ps 1.8"
        points[1]+="${points[1]:+, }'$folder/$number' using 1:3 with points lt $number ps 1.8 title '$name'"
    done
    draw <<END
set xlabel "$1"
set offsets graph 0, graph 0.1, graph 0.1, graph 0
set yrange [0:*]
set xrange [0:*]
unset key
set multiplot
set origin 0,0
set size 0.38,1
set ylabel "$2"
plot ${points[0]}
set origin 0.38,0
set size 0.62,1
set key outside right center Left reverse samplen 1 font ',10'
set ylabel "$3"
plot ${points[1]}
unset multiplot
END
    rm -r "$folder"
}

# draw_bars "NAME OF X" <"NAME|VALUE|VALUE OF THE UNTRAINED TWIN" per line: a bar and a mark per name.
draw_bars()
{
    local folder
    folder=$(mktemp -d)
    tr '|' '\t' >"$folder/all"
    draw <<END
set terminal png notruecolor size 720,360 font 'Sans,11' linewidth 1.5 noenhanced background rgb 'white'
set datafile separator '\t'
set xlabel "$1"
set xrange [0:*]
set yrange [$(wc -l <"$folder/all")-0.4:-0.6]
set ytics scale 0
set rmargin 6
set key outside top center horizontal samplen 2 width 2
set style fill solid 1.0 noborder
plot '$folder/all' using (\$2/2):0:(\$2/2):(0.3):ytic(1) with boxxyerror lt 6 title 'trained without labels', \
    '' using 2:0:(sprintf('%.1f', \$2)) with labels left offset 0.6,0 notitle, \
    '' using 3:0:(0.12):(0.4) with boxxyerror lt 2 title 'untrained'
END
    rm -r "$folder"
}
