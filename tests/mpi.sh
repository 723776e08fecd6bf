#!/bin/sh
# Runs a test on several ranks of this machine: mpi.sh RANKS PROGRAM [ARGUMENT...]
# Exits with the program's status, or with 77 (skipped) if there is no mpirun.
set -eu
ranks=$1
shift
if ! command -v mpirun >/dev/null; then
    echo "skipped: there is no mpirun (apt install openmpi-bin)"
    exit 77
fi

# Open MPI refuses to run as root unless told twice; in a container there may be no other user.
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# Waiting ranks spin; with more ranks than cores they must yield to those that work.
if [ "$ranks" -gt "$(nproc)" ]; then
    export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1
fi
# Open MPI keeps memory until the end, which leaks.supp leaves out; it needs complete stacks for that.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}fast_unwind_on_malloc=0"
export LSAN_OPTIONS="${LSAN_OPTIONS-suppressions=$(dirname "$0")/leaks.supp:print_suppressions=0}"
# Tests run in parallel: binding would put rank 0 of all of them on the first core. Both settings have to be options: in the
# environment Open MPI 4 and 5 call them by different names.
exec mpirun --oversubscribe --bind-to none -n "$ranks" "$@"
