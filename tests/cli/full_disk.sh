#!/usr/bin/env bash
# Fills the disk of a run on two ranks at random moments: full_disk.sh [MOMENTS]
#
# Each run must end with one line that says so, without a crash and without partial files; its last checkpoint must be
# readable, and the run, resumed from it on a disk with room, must end with the parameters and the series of a run that
# was never interrupted, bit for bit. The disk is a file system in memory of DISK_MB, in a mount namespace that ends with
# this script, however it ends. Without the right to make one, or without a program, the test is skipped (77).
#
# Finds the program in $PRETEXT. Takes minutes: suite `long`.
set -u

DISK_MB=12
moments=${1:-30}
spaces=(--mount)
[ "$(id -u)" = 0 ] || spaces=(--user --map-root-user --mount)

skip()
{
    echo "skipped: $*"
    exit 77
}

if [ "${FULL_DISK_INSIDE-}" != 1 ]; then
    for command in unshare mpirun h5dump h5diff; do
        command -v "$command" >/dev/null || skip "there is no $command (apt install util-linux openmpi-bin hdf5-tools)"
    done
    why=$(unshare "${spaces[@]}" mount -t tmpfs -o size=1m none /mnt 2>&1) || skip "no file system can be mounted: $why"
    FULL_DISK_INSIDE=1 exec unshare "${spaces[@]}" "$0" "$moments"
fi

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
folder=$(mktemp -d) || exit
trap 'kill $(jobs -p) 2>/dev/null; umount "$folder/disk" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit
ulimit -c 0
mkdir disk
mount -t tmpfs -o "size=${DISK_MB}m" none disk || exit

# 384 images of 16 x 16: noise.
{
    printf '\0\0\10\3\0\0\1\200\0\0\0\20\0\0\0\20'
    head -c $((384 * 256)) /dev/urandom
} >train-images-idx3-ubyte
"$PRETEXT" pack train-images-idx3-ubyte out=d.h5 >pack.log 2>&1 || { cat pack.log; exit 1; }

# train KEY=VALUE...: to the end, or until something stops it.
train()
{
    timeout -s KILL 600 mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n 2 "$PRETEXT" pretrain \
        data.path=d.h5 resnet.width=0.125 batch=8 threads=1 epochs=6 data.workers=1 optim.warmup_epochs=0 "$@"
}

mistakes=0
wrong()
{
    echo "moment $moment: $*"
    mistakes=$((mistakes + 1))
}

# same WHAT FILE OBJECT: whether it is what the undisturbed run has.
same()
{
    h5diff "whole/$2" "disk/r/$2" "$3" >diff.log 2>&1 || wrong "$1 differ: $(head -1 diff.log)"
}

began=$SECONDS
train out=whole >whole.log 2>&1 || { cat whole.log; exit 1; }
echo "an undisturbed run takes $((SECONDS - began)) s"
stopped=0
for ((moment = 1; moment <= moments; moment++)); do
    rm -rf disk/*
    train out=disk/r checkpoint_minutes=0.002 >full.log 2>&1 &
    run=$!
    while [ ! -e disk/r/checkpoint.h5 ] && kill -0 "$run" 2>/dev/null; do sleep 0.01; done
    sleep "0.$(printf %03d $((RANDOM % 1000)))"
    dd if=/dev/zero of=disk/rest bs=4k 2>/dev/null
    wait "$run"
    status=$?
    if [ "$status" != 0 ]; then # 0: it had ended before
        stopped=$((stopped + 1))
        [ "$(grep -c '^pretext pretrain: .*No space' full.log)" = 1 ] || wrong "not one line, status $status: $(grep pretext full.log)"
    fi
    ! grep -q 'received signal\|ended by' full.log || wrong "crashed: $(grep 'received signal\|ended by' full.log)"
    [ -z "$(find disk/r -name '*.partial' -o -name '*.new')" ] || wrong "left $(ls disk/r)"
    h5dump -d /parameters/conv1.weight disk/r/checkpoint.h5 >dump.log 2>&1 || wrong "the checkpoint cannot be read"
    rm disk/rest
    train out=disk/r --resume checkpoint_minutes=10 >resumed.log 2>&1 || wrong "cannot be resumed: $(tail -1 resumed.log)"
    same parameters checkpoint.h5 /parameters
    same losses run.h5 /train/loss
done
echo "$moments moments, $stopped of them during the run; $mistakes mistakes"
[ "$mistakes" = 0 ] && [ "$stopped" -gt 0 ]
