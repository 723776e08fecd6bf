#!/usr/bin/env bash
# Evaluates any number of runs and files of weights, one after the other, and ends with a table of all:
#
#   experiments/probe.sh runs/*/
#   LAUNCH="mpirun -n 4 --bind-to none" experiments/probe.sh runs/rates/*/ protocol=knn
#   experiments/probe.sh resnet50.pth dino.safetensors data.path=flowers.h5
#
# Words with = are settings of `pretext probe`; the others are what is evaluated. What was evaluated with the same settings is
# skipped, unless its checkpoint or weights are newer. What fails is reported, and the others go on; the status is then that
# of the first failure. From the environment:
#   PRETEXT   the program (default: pretext in PATH, else build/pretext)
#   LAUNCH    what starts the ranks (default: nothing, one rank)
#   OUT       where results of weights go (default: results/probe), a folder for each file: its name, if that is another's with a
#             checksum of its path. The file `weights` there has the path.
set -eu

program=${PRETEXT:-$(command -v pretext || echo build/pretext)}
out=${OUT:-results/probe}
subjects=() settings=()
for word in "$@"; do
    case $word in
    [a-z]*=*) settings+=("$word") ;;
    *) subjects+=("${word%/}") ;;
    esac
done
if [ ${#subjects[@]} = 0 ]; then
    echo "usage: $0 RUN|WEIGHTS... [key=value...]" >&2
    exit 2
fi
key=$(printf '%s\n' "${settings[@]-}" | LC_ALL=C sort | cksum | cut -d ' ' -f 1)

status=0 failed=0 runs=()
for subject in "${subjects[@]}"; do
    own=()
    if [ -f "$subject" ]; then # weights
        path=$(realpath "$subject") name=${subject##*/}
        run=$out/${name%.*} newest=$subject
        if [ -e "$run" ] && [ "$(cat "$run/weights" 2>/dev/null)" != "$path" ]; then # another file's
            run=$run-$(printf %s "$path" | cksum | cut -d ' ' -f 1)
        fi
        mkdir -p "$run"
        printf '%s\n' "$path" >"$run/weights"
        own=("out=$run")
    else
        run=$subject newest=$subject/checkpoint.h5
    fi
    mark=$run/probed-$key
    if [ -e "$mark" ] && ! [ "$newest" -nt "$mark" ]; then
        echo "$subject: is already evaluated" >&2
        runs+=("$run")
        continue
    fi
    echo "$subject: is evaluated" >&2
    code=0
    # shellcheck disable=SC2086 # LAUNCH is several words
    ${LAUNCH-} "$program" probe "$subject" "${settings[@]+"${settings[@]}"}" "${own[@]+"${own[@]}"}" || code=$?
    if [ $code = 0 ]; then
        printf '%s\n' "${settings[@]-}" >"$mark"
        runs+=("$run")
    else
        echo "$subject: the evaluation has failed with status $code; the others go on" >&2
        failed=$((failed + 1))
        [ $status != 0 ] || status=$code
        [ $code != 130 ] || exit 130 # Ctrl-C ends all
    fi
done
[ ${#runs[@]} = 0 ] || "$program" compare "${runs[@]}"
[ $failed = 0 ] || echo "$failed of ${#subjects[@]} have failed" >&2
exit $status
