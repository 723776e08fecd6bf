#!/usr/bin/env bash
# Runs fuzz targets, two at a time: run.sh BUILD_FOLDER SECONDS [TARGET...]
#
#   CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
#   tests/fuzz/run.sh build-fuzz 60                 a minute each
#   tests/fuzz/run.sh build-fuzz 600 image          ten minutes for one target
#
# Begins with the corpus beside this file and what earlier runs added in BUILD_FOLDER/fuzz/TARGET. An input that fails is
# kept as BUILD_FOLDER/fuzz/TARGET-crash-*: mend the program, and add the input to the corpus.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(realpath "${1:?usage: run.sh BUILD_FOLDER SECONDS [TARGET...]}")
seconds=${2:?usage: run.sh BUILD_FOLDER SECONDS [TARGET...]}
shift 2
[ $# -gt 0 ] || set -- config idx npy cifar image labels safetensors pytorch checkpoint dataset results

# Beyond 3 GB an allocation fails. libarchive tries such sizes if a damaged archive demands them, and reports the failure; our
# own code must not, since px_realloc ends the program.
# Libraries that keep memory to the end of the process are named in leaks.supp.
export LSAN_OPTIONS=suppressions=$here/leaks.supp:print_suppressions=0
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=3072:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export OMP_NUM_THREADS=1
# A target that dies leaves its temporary file behind.
TMPDIR=$(mktemp -d /dev/shm/pretext-fuzz-XXXXXX) || exit
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# run_target NAME: 0 if nothing was found.
run_target()
{
    local name=$1 own=$build/fuzz/$1 status=0 dictionary=()
    mkdir -p "$own"
    [ ! -e "$here/dict/$name.dict" ] || dictionary=("-dict=$here/dict/$name.dict")
    nice -n 19 "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=4096 -timeout=60 -rss_limit_mb=2048 \
        -malloc_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$build/fuzz/$name-" "${dictionary[@]}" \
        "$own" "$here/corpus/$name" >"$own.log" 2>&1 || status=$?
    awk -v name="$name" '
        /^#[0-9]+.*cov:/ { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) }
                           if (first == "") first = cov "/" ft }
        /stat::number_of_executed_units/ { runs = $2 }
        END { printf "%-12s %9d executions, branches/features %s at first, %s/%s at last\n", name, runs, first, cov, ft }' \
        "$own.log"
    if [ "$status" != 0 ]; then
        echo "$name: found something (status $status):"
        grep -v '^#' "$own.log" | tail -60
    fi
    return "$status"
}

failed=0
while [ $# -gt 0 ]; do
    run_target "$1" &
    first=$!
    if [ $# -gt 1 ]; then
        run_target "$2" || failed=1
        shift
    fi
    wait "$first" || failed=1
    shift
done
exit "$failed"
