#!/bin/bash
# Drives the completion function of tools/completion.bash as readline does: with the words that COMP_WORDBREAKS makes of a
# line. completion.sh PRETEXT COMPLETION
set -eu
pretext=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# shellcheck source=/dev/null
. "$2"
# compopt works within a completion only; here it tells what was asked for.
# shellcheck disable=SC2317 # _pretext calls it
compopt() { asked+=" $2"; }

# complete LINE: what it could become, sorted, in $got; what readline is asked for in $asked. The cursor is at the end of LINE.
complete_line()
{
    local line=$1 rest word
    COMP_WORDS=() COMP_LINE=$line COMP_POINT=${#line} asked=''
    rest=$line
    while [[ -n $rest ]]; do
        rest=${rest#"${rest%%[![:blank:]]*}"}
        if [[ $rest == =* ]]; then
            word='='
        else
            word=${rest%%[[:blank:]=]*}
        fi
        COMP_WORDS+=("$word")
        rest=${rest#"$word"}
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    COMP_WORDS[0]=$pretext COMP_LINE="$pretext${line#pretext}" COMP_POINT=$((COMP_POINT + ${#pretext} - 7))
    _pretext
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' ')
}

# becomes LINE CANDIDATE...: exactly these. holds LINE CANDIDATE...: these, and others.
becomes()
{
    complete_line "$1"
    local expected
    expected=$(printf '%s\n' "${@:2}" | sort | paste -sd ' ')
    [ "$got" = "$expected" ] || { echo "completion.sh: '$1' becomes '$got', not '$expected'" >&2; failed=1; }
}
holds()
{
    local candidate
    complete_line "$1"
    for candidate in "${@:2}"; do
        [[ " $got " == *" $candidate "* ]] || { echo "completion.sh: '$1' becomes '$got', without '$candidate'" >&2; failed=1; }
    done
}
lacks()
{
    local candidate
    complete_line "$1"
    for candidate in "${@:2}"; do
        [[ " $got " != *" $candidate "* ]] || { echo "completion.sh: '$1' becomes '$candidate' among others" >&2; failed=1; }
    done
}
asks()
{
    [[ "$asked " == *" $1 "* ]] || { echo "completion.sh: '$COMP_LINE' does not ask for $1, but for '$asked'" >&2; failed=1; }
}

cd "$work"
mkdir -p runs/first data
touch data/d.h5 data/d.txt data/w.safetensors a.cfg

becomes 'pretext pre' pretrain
becomes 'pretext help pro' probe
# shellcheck disable=SC2046 # the commands, a word each
holds 'pretext ' --version $("$pretext" --help | sed '/^pretext COMMAND/,$d' | sed -n 's/^  \([a-z]*\) .*/\1/p')

becomes 'pretext pretrain --res' --resume
becomes 'pretext show --' --all --csv --help --json           # not the flags of before
becomes 'pretext report --' --help --live
becomes 'pretext report report.sec' report.seconds=
holds 'pretext pretrain op' optim.
asks nospace
holds 'pretext pretrain optim.' optim.lr= optim.optimizer=
becomes 'pretext pretrain epo' epochs=
asks nospace
becomes 'pretext pretrain optim.optimizer=' sgd adamw lars adam lamb
becomes 'pretext pretrain optim.optimizer=ad' adam adamw
becomes 'pretext pretrain recompute=' true false
becomes 'pretext pretrain method=simc' simclr
holds 'pretext pretrain method=' barlow_twins byol colorization data2vec2 deepcluster dino dinov2 emp_ssl ibot ijepa jigsaw lejepa \
    mae maskfeat moco mocov3 msn nnclr relative_location rotation simclr simmim simsiam supervised swav tico vicreg wmse
holds 'pretext pretrain backbone=vit_tiny' vit_tiny_16
becomes 'pretext pretrain method=mae epochs=3 mae.mask' mae.mask_ratio=
holds 'pretext pretrain method=mae ' mae. resnet. vit.
lacks 'pretext pretrain method=mae ' simclr.
lacks 'pretext pretrain method=simclr backbone=resnet18 ' vit. mae.
becomes 'pretext bench bench.sec' bench.seconds=
holds 'pretext probe linear.' linear.epochs=
lacks 'pretext probe runs/first ' simclr. optim.

becomes 'pretext pretrain data.path=data/' data/d.h5
asks filenames
becomes 'pretext pretrain data.path=da' data
becomes 'pretext pretrain init=data/' data/w.safetensors
becomes 'pretext pretrain a' accumulate= alexnet. augment= a.cfg
becomes 'pretext pretrain out=ru' runs
becomes 'pretext pack data/ out=data/' data/d.h5
becomes 'pretext pack data/d.' data/d.h5 data/d.txt
becomes 'pretext pretrain --plugin data/' # no shared object there
becomes 'pretext probe runs/' runs/first
becomes 'pretext summary resnet10' resnet101
becomes 'pretext options ma' mae maskfeat
becomes 'pretext man feat' features
becomes 'pretext nothing ' # no such command
exit "$failed"
