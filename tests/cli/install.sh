#!/bin/bash
# What `meson install` brings is enough: headers, pretext.pc, the example of a plug-in, configurations and manual pages, staged
# in a folder (DESTDIR) and moved from there, with nothing of the source tree in what is built. install.sh BUILD SOURCE
set -eu
build=$1 source=$2

for tool in meson ninja pkg-config python3; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
    echo "install.sh: $*" >&2
    exit 1
}

# refused STATUS TEXT COMMAND...: ends so, with one line that holds TEXT.
refused()
{
    local expected=$1 text=$2 status=0
    shift 2
    "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$expected" ] || fail "status $status instead of $expected: $* $(cat "$work/err")"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
    grep -qF -- "$text" "$work/err" || fail "'$(cat "$work/err")' does not say '$text'"
}

# make_plugin FOLDER: experiments/plugin, built in FOLDER/build with what pkg-config finds.
make_plugin()
{
    if ! { meson setup "$1/build" "$1" && ninja -C "$1/build"; } >"$work/log" 2>&1; then
        fail "$(cat "$work/log")"
    fi
}

# ---- staged, then moved: neither prefix nor DESTDIR is where it is used ----
meson install -C "$build" --no-rebuild --destdir "$work/stage" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
prefix=$(dirname "$(dirname "$(find "$work/stage" -path '*/bin/pretext')")")
mv "$prefix" "$work/moved"
moved=$work/moved program=$work/moved/bin/pretext
PKG_CONFIG_PATH=$(dirname "$(find "$moved" -name pretext.pc)")
export PKG_CONFIG_PATH
for file in share/man/man1/pretext.1 share/man/man1/pretext-pretrain.1 share/bash-completion/completions/pretext \
    share/pretext/experiments/simclr_cifar10.cfg share/pretext/experiments/ten_minutes/mae.cfg \
    share/pretext/experiments/slurm.sh share/pretext/experiments/plugin/quarter_turns.c include/pretext/px_interface.h; do
    [ -s "$moved/$file" ] || fail "$file is not installed"
done
[ -x "$moved/share/pretext/experiments/slurm.sh" ] || fail "slurm.sh cannot be run"

# ---- headers: each compiles alone, with nothing but what pretext.pc says ----
flags=$(pkg-config --cflags pretext)
[ "$(pkg-config --modversion pretext)" = "$("$program" --version | sed -n 's/^pretext *\([^,]*\),.*/\1/p')" ] ||
    fail "pretext.pc and the program have different versions"
(cd "$moved/include/pretext" && find . -name '*.h') >"$work/headers"
while read -r header; do
    # shellcheck disable=SC2086
    echo "#include \"${header#./}\"" | ${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -fsyntax-only $flags -x c - ||
        fail "$header does not compile alone"
done <"$work/headers"

# ---- the plug-in, from the installed copy of its source ----
cp -r "$moved/share/pretext/experiments/plugin" "$work/plugin"
make_plugin "$work/plugin"
! grep -rqF "$source" "$work/plugin/build/compile_commands.json" "$work/plugin/build/build.ninja" ||
    fail "the plug-in is built with files of the source tree"

cd "$work"
# shellcheck disable=SC2086 # by hand, as docs/methods.md has it
${CC:-cc} -std=gnu17 -O2 -shared -fPIC $flags -o by_hand.so plugin/quarter_turns.c
"$program" methods --plugin by_hand.so | grep -q '^quarter_turns ' || fail "by_hand.so brings no method"
# 64 images of noise, 16 x 16, of two classes, as IDX.
{ printf '\0\0\x08\x03\0\0\0\x40\0\0\0\x10\0\0\0\x10' && head -c 16384 /dev/urandom; } >train-images-idx3-ubyte
{ printf '\0\0\x08\x01\0\0\0\x40' && for ((i = 0; i < 32; i++)); do printf '\0\1'; done; } >train-labels-idx1-ubyte
"$program" pack train-* out=d.h5 >log 2>&1 || fail "$(cat log)"
train=(pretrain --plugin plugin/build/quarter_turns.so method=quarter_turns data.path=d.h5 resnet.width=0.125 batch=16 epochs=0.5
    optim.warmup_epochs=0 threads=1)
"$program" "${train[@]}" out=run >log 2>&1 || fail "$(cat log)"
[ "$("$program" column run accuracy | tail -n 1 | cut -d " " -f 1)" = 1 ] || fail "no two steps: $(cat log)"

# ---- without gnuplot ----
mkdir nothing
refused 1 "gnuplot is not installed" env PATH="$work/nothing" "$program" plot run

# ---- a plug-in of another version: one field of a struct has another place; a comment changes nothing ----
cp -r "$moved/include/pretext" other
sed -i 's/int image_size, channels;/int channels, image_size;/' other/train/method.h
! cmp -s other/train/method.h "$moved/include/pretext/train/method.h" || fail "px_task has changed, and this test not"
python3 "$source/tools/plugin_interface.py" other/pretext.h other/px_interface.h
${CC:-cc} -std=gnu17 -shared -fPIC -I other -o other.so plugin/quarter_turns.c
here=$("$program" --version | sed -n 's/.*interface for plug-ins //p') there=$(sed -n 's/.*INTERFACE "\(.*\)"/\1/p' other/px_interface.h)
if [ -z "$here" ] || [ -z "$there" ] || [ "$here" = "$there" ]; then
    fail "interfaces '$here' and '$there'"
fi
refused 2 "plug-in other.so was built for interface $there, this program has $here: build it again" \
    "$program" methods --plugin other.so
cp -r "$moved/include/pretext" comments
sed -i 's,^typedef struct px_task,/* a comment "more */\n&,; s,/\* of a view \*/,,' comments/train/method.h
python3 "$source/tools/plugin_interface.py" comments/pretext.h comments/px_interface.h
grep -qF "\"$here\"" comments/px_interface.h || fail "a comment changes the interface"

# ---- configurations: found from where the program is, or one line that says where they are not ----
for name in simclr_cifar10.cfg experiments/simclr_cifar10.cfg; do
    status=0
    "$program" pretrain "$name" data.path=missing.h5 out=r >log 2>&1 || status=$?
    [ "$status" = 3 ] || fail "status $status: $(cat log)"
    grep -qF missing.h5 log || fail "$(cat log)"
    grep -qF "configuration $moved/share/pretext/experiments/simclr_cifar10.cfg" log || fail "$(cat log)"
done
mkdir alone && cp "$program" alone/
refused 2 "experiments/simclr_cifar10.cfg: No such file or directory, nor is it in $work/share/pretext, which is not there" \
    alone/pretext pretrain experiments/simclr_cifar10.cfg
