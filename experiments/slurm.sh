#!/usr/bin/env bash
# A pretraining run as a SLURM job that outlives its time limit: some minutes before the end a signal makes the run write a
# checkpoint, and the job goes back into the queue until the training is done. The same happens when the run stops by its
# own time_limit=.
#
#   sbatch experiments/slurm.sh experiments/simclr_cifar10.cfg data.path=/scratch/cifar10.h5
#   sbatch --nodes=4 --time=1-0 experiments/slurm.sh CONFIG [key=value...]
#
# One rank per socket, with threads on its cores. From the environment (sbatch exports it):
#   PRETEXT   the program (default: pretext in PATH, else build/pretext in the folder where sbatch was called)
#   LAUNCH    what starts the ranks (default: srun; for an Open MPI without SLURM's support: "mpirun --bind-to none")
#   SLURM_MPI_TYPE  how srun tells the ranks of each other (default: pmix where SLURM has it, which Open MPI 4 and 5 know; 5
#             knows nothing else)
#
#SBATCH --job-name=pretext
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -eu

if [ $# -lt 1 ]; then
    echo "usage: sbatch $0 CONFIG [key=value...]" >&2
    exit 2
fi
program=${PRETEXT:-$(command -v pretext || echo "$PWD/build/pretext")}
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# srun has not taken over sbatch's --cpus-per-task since SLURM 22.05.
export SRUN_CPUS_PER_TASK=$OMP_NUM_THREADS

# With another plug-in than Open MPI knows each rank would take itself for the only one.
if [ -z "${LAUNCH-}${SLURM_MPI_TYPE-}" ] && srun --mpi=list 2>&1 | grep -qw pmix; then
    export SLURM_MPI_TYPE=pmix
fi

# srun and mpirun pass USR1 on to all ranks, which finish their step, write a checkpoint and exit with 75. TERM, from scancel
# or a preemption, is also passed on as USR1: on TERM mpirun would kill the ranks.
signals=0 cancelled=false
trap tell_ranks USR1
trap 'cancelled=true; tell_ranks' TERM
# shellcheck disable=SC2317 # it is called by the traps
tell_ranks()
{
    signals=$((signals + 1))
    kill -USR1 "$ranks" || true
}
${LAUNCH:-srun} "$program" pretrain "$@" --resume &
ranks=$!

# wait returns early when a signal arrives: only without a signal is its status that of the ranks.
seen=-1
while [ "$seen" != "$signals" ]; do
    seen=$signals status=0
    wait "$ranks" || status=$?
done

# A cancelled job must not come back; SLURM itself puts a preempted one back.
if [ "$status" = 75 ] && ! $cancelled; then
    echo "stopped with a checkpoint: the run goes on when the queue lets it"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
