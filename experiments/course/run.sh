#!/usr/bin/env bash
# The studies of the course, all or those that are named, as many at a time as there are cores; README.md tells what they show:
#
#   experiments/course/run.sh
#   experiments/course/run.sh 05_weight_decay 06_dropout
#
# SOURCE is CIFAR-10, as `pretext pack` reads it (cifar-10-binary.tar.gz, or folders of images). 8,000 of its training images are
# packed to learn from, 2,000 to test, and the rest as images without labels. What is done is skipped, what was interrupted goes
# on. What fails is reported, and the others go on. JOBS is how many studies run at a time, OMP_NUM_THREADS how many threads each
# has: one, since such small networks gain little from a second. study.sh tells what else the environment says.
set -u

here=$(dirname "$0")
export PRETEXT=${PRETEXT:-$(command -v pretext || echo build/pretext)} RUNS=${RUNS:-runs/course}
export DATA=${DATA:-$RUNS/cifar10.h5}
studies=("$@")
if [ $# = 0 ]; then
    for folder in "$here"/[0-9]*/; do
        studies+=("$(basename "$folder")")
    done
fi

for study in "${studies[@]}"; do
    if ! [ -e "$here/$study/run.sh" ]; then
        echo "$0: there is no study $study; the first one is 01_batch_size" >&2
        exit 2
    fi
done
if ! [ -e "$DATA" ]; then
    mkdir -p "$(dirname "$DATA")"
    "$PRETEXT" pack "${SOURCE:-cifar-10-binary.tar.gz}" "out=$DATA" split=train:0.16,val:0.04,unlabeled:0.8 || exit
fi

at_a_time=${JOBS:-$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)} # nproc would obey them
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
status=0
# Ctrl-C stops the runs, each with a checkpoint; xargs waits for them.
# shellcheck disable=SC2016 # $0 and $1 are the inner shell's: this folder and a study
(
    trap '' INT
    printf '%s\n' "${studies[@]}" | xargs -P "$at_a_time" -n 1 bash -c '
        status=0
        "$0/$1/run.sh" || status=$?
        [ $status != 75 ] || exit 255 # it was stopped: xargs begins no further one
        [ $status = 0 ] || { echo "$1: failed" >&2; exit 1; }' "$here"
) || status=$?
[ $status != 124 ] || exit 75

# What each has cost, its evaluations included.
printf '\n%-24s %5s %13s\n' study runs core-seconds
for study in "${studies[@]}"; do
    find "$RUNS/$study" -name run.h5 -printf '%h\n' | sort | while read -r run; do
        "$PRETEXT" show --json "$run" | sed -n 's/^ *"core_seconds": \([0-9.]*\),$/\1/p'
    done | awk -v study="$study" '{ runs++; sum += $1 } END { printf "%-24s %5d %13.0f\n", study, runs, sum }'
done
exit $((status != 0))
