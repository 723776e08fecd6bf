#!/usr/bin/env bash
# Evaluates any number of runs and files of weights, one after the other, and ends with a table of all:
#
#   experiments/probe.sh runs/*/
#   LAUNCH="mpirun -n 4 --bind-to none" experiments/probe.sh runs/rates/*/ protocol=knn
#   experiments/probe.sh resnet50.pth dino.safetensors data.path=flowers.h5
#   experiments/probe.sh runs/first data.path=flowers.h5 data.path=pets.h5
#   experiments/probe.sh --slurm runs/*/ protocol=knn
#
# Words with = are settings of `pretext probe`; the others are what is evaluated, on each data set if data.path= stands several
# times. What was evaluated with the same settings is skipped, unless its checkpoint or weights are newer. What fails is reported,
# and the others go on; the status is then that of the first failure.
# --slurm writes OUT/probe.sbatch in place of that: an array of jobs, one for each run or file of weights of which something is to be
# done. The same command without --slurm then prints the table. From the environment:
#   PRETEXT   the program (default: pretext in PATH, else build/pretext)
#   LAUNCH    what starts the ranks (default: nothing, one rank; of an array srun)
#   OUT       where results of weights go (default: results/probe), a folder for each file: its name, if that is another's with a
#             checksum of its path. The file `weights` there has the path.
set -eu

program=${PRETEXT:-$(command -v pretext || echo build/pretext)}
out=${OUT:-results/probe}
subjects=() settings=() data=() slurm=false
for word in "$@"; do
    case $word in
    --slurm) slurm=true ;;
    data.path=*) data+=("$word") ;;
    [a-z]*=*) settings+=("$word") ;;
    *) subjects+=("${word%/}") ;;
    esac
done
if [ ${#subjects[@]} = 0 ]; then
    echo "usage: $0 [--slurm] RUN|WEIGHTS... [key=value...]" >&2
    exit 2
fi
[ ${#data[@]} != 0 ] || data=("")

# The settings of an evaluation on a data set, a line each.
lines()
{
    printf '%s\n' "${settings[@]+"${settings[@]}"}" ${1:+"$1"}
}

# Sets where the results of a run or of weights go, and the file that tells how new they are.
locate()
{
    run=$1 newest=$1/checkpoint.h5 own=()
    [ -f "$1" ] || return 0
    local path name=${1##*/}
    path=$(realpath "$1") run=$out/${name%.*} newest=$1
    if [ -e "$run" ] && [ "$(cat "$run/weights" 2>/dev/null)" != "$path" ]; then # another file's
        run=$run-$(printf %s "$path" | cksum | cut -d ' ' -f 1)
    fi
    mkdir -p "$run"
    printf '%s\n' "$path" >"$run/weights"
    own=("out=$run")
}

# Whether the run was evaluated on this data set with these settings; sets the file that says so.
is_done()
{
    mark=$run/probed-$(lines "$1" | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
    [ -e "$mark" ] && ! [ "$newest" -nt "$mark" ]
}

# What is to be done of all subjects: the array `tasks`.
find_tasks()
{
    tasks=()
    for subject in "${subjects[@]}"; do
        locate "$subject"
        for set in "${data[@]}"; do
            is_done "$set" && continue
            tasks+=("$subject")
            break
        done
    done
}

# Prints the array's script; resources are those that slurm.sh beside this file asks for.
print_array()
{
    local here words=() i
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    for set in "${settings[@]+"${settings[@]}"}" "${data[@]}"; do
        [ -z "$set" ] || words+=("$(printf %q "$set")")
    done
    cat <<EOF
#!/usr/bin/env bash
# Evaluations as an array of SLURM jobs, one for each run or file of weights. Written by probe.sh --slurm.
#SBATCH --job-name=pretext-probe
#SBATCH --output=%x-%A_%a.log
#SBATCH --array=0-$((${#tasks[@]} - 1))
$(grep '^#SBATCH --' "$here/slurm.sh" | grep -v -e --job-name -e --output -e --signal)
set -eu
program=$(printf %q "$(realpath "$(command -v "$program" || echo "$program")")")
export OUT=$(printf %q "$out")
EOF
    cat <<'EOF'
export PRETEXT=${PRETEXT:-$program} LAUNCH=${LAUNCH:-srun}
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
export SRUN_CPUS_PER_TASK=$OMP_NUM_THREADS
if [ "$LAUNCH" = srun ] && [ -z "${SLURM_MPI_TYPE-}" ] && srun --mpi=list 2>&1 | grep -qw pmix; then
    export SLURM_MPI_TYPE=pmix
fi
case $SLURM_ARRAY_TASK_ID in
EOF
    for i in "${!tasks[@]}"; do
        printf '%d) subject=%q ;;\n' "$i" "${tasks[i]}"
    done
    cat <<EOF
*) echo "there is no evaluation \$SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;
esac
exec $(printf %q "$here/probe.sh") "\$subject" ${words[*]-}
EOF
}

if $slurm; then
    find_tasks
    if [ ${#tasks[@]} = 0 ]; then
        echo "all ${#subjects[@]} are evaluated"
        exit
    fi
    mkdir -p "$out"
    print_array >"$out/probe.sbatch"
    chmod +x "$out/probe.sbatch"
    echo "${#tasks[@]} of ${#subjects[@]} are to be evaluated: sbatch $(printf %q "$out/probe.sbatch")"
    exit
fi

status=0 failed=0 all=0 runs=()
for subject in "${subjects[@]}"; do
    locate "$subject"
    evaluated=0
    for set in "${data[@]}"; do
        all=$((all + 1)) what=$subject${set:+ on ${set#data.path=}}
        if is_done "$set"; then
            echo "$what: is already evaluated" >&2
            evaluated=1
            continue
        fi
        echo "$what: is evaluated" >&2
        code=0
        # shellcheck disable=SC2086 # LAUNCH is several words
        ${LAUNCH-} "$program" probe "$subject" "${settings[@]+"${settings[@]}"}" ${set:+"$set"} "${own[@]+"${own[@]}"}" || code=$?
        if [ $code = 0 ]; then
            lines "$set" >"$mark"
            evaluated=1
        else
            echo "$what: the evaluation has failed with status $code; the others go on" >&2
            failed=$((failed + 1))
            [ $status != 0 ] || status=$code
            [ $code != 130 ] || exit 130 # Ctrl-C ends all
        fi
    done
    [ $evaluated = 0 ] || runs+=("$run")
done
[ ${#runs[@]} = 0 ] || "$program" compare "${runs[@]}"
[ $failed = 0 ] || echo "$failed of $all have failed" >&2
exit $status
