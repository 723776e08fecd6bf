#!/usr/bin/env bash
# Trains methods by their short recipes (cifar10/METHOD_short.cfg), probes each beside its untrained twin, and keeps what
# `pretext show --json` tells of it in results/methods, which experiments/methods_table.py makes a table of:
#
#   experiments/short.sh                 all, minutes each on two cores
#   experiments/short.sh simclr byol
#
# What is done is skipped; what was interrupted goes on. What fails is reported, and the others go on. From the environment:
#   PRETEXT   the program (default: pretext in PATH, else build/pretext)
#   LAUNCH    what starts the ranks (default: nothing, one rank)
#   DATA      CIFAR-10 as `pretext pack` made it (default: cifar10.h5)
#   RUNS      where the runs go (default: runs/short)
#   RESULTS   where the .json files go (default: results/methods beside this folder)
set -u

here=$(dirname "$0") # as it is called: the results name the recipes by it
program=${PRETEXT:-$(command -v pretext || echo build/pretext)}
data=${DATA:-cifar10.h5}
runs=${RUNS:-runs/short}
results=${RESULTS:-$here/../results/methods}
methods=("$@")
if [ $# = 0 ]; then
    for recipe in "$here"/cifar10/*_short.cfg; do
        recipe=${recipe##*/}
        methods+=("${recipe%_short.cfg}")
    done
fi

# What is probed, where it is not the network that is trained, on whole images: the papers of these evaluate the teacher; relative
# location and jigsaw see patches.
probed()
{
    case $1 in
    dino | ibot | dinov2 | msn | ijepa) echo net=teacher ;;
    relative_location | jigsaw) echo patches=9 ;;
    esac
}

# shellcheck disable=SC2046,SC2086 # LAUNCH is several words; `probed` none or one
one()
{
    local method=$1 run=$runs/$1 protocol baselines=untrained
    if [ -e "$run/probed" ] && ! [ "$run/checkpoint.h5" -nt "$run/probed" ]; then
        echo "$method: is done" >&2
        return
    fi
    # Pixels and HOG are the same for all methods: the results of one have them.
    find "$results" -name '*.json' ! -name "$method.json" -exec grep -q '"subject": "hog"' {} \; -print 2>/dev/null | grep -q . || baselines=true
    ${LAUNCH-} "$program" pretrain "$here/cifar10/${method}_short.cfg" --resume "data.path=$data" "out=$run" || return
    for protocol in knn linear; do
        ${LAUNCH-} "$program" probe "$run" protocol=$protocol $(probed "$method") baselines=$baselines embed=0 linear.epochs=10 \
            precision=auto store="$run/features" || return
    done
    rm -r "$run/features"
    "$program" show --json "$run" >"$run/shown.json" && mkdir -p "$results" && cp "$run/shown.json" "$results/$method.json" &&
        touch "$run/probed"
}

failed=0
for method in "${methods[@]}"; do
    one "$method" || {
        [ $? != 75 ] || exit 75 # stopped
        echo "$method: failed" >&2
        failed=1
    }
done
exit $failed
