#!/bin/sh
# Compiles every header alone, with the flags of the build: headers.sh BUILD_FOLDER SOURCE_FOLDER
set -eu
cd "$1"

# The command that compiles main.c, from meson's compile_commands.json, up to the first flag that concerns only that file.
# JSON escapes the shell's quotes and backslashes.
flags=$(sed -n '/"command":.*src\/cli\/main\.c"/ { s/^ *"command": "//; s/ -MD .*//; s/\\\(["\\]\)/\1/g; p; q; }' compile_commands.json)
if [ -z "$flags" ]; then
    echo "headers.sh: no command for src/cli/main.c in $1/compile_commands.json" >&2
    exit 1
fi
eval "set -- \"\$2\" $flags"
source=$1
shift

failed=0
count=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find "$source/src" -name '*.h' | sort >"$list"
while IFS= read -r header; do
    case $header in
    */onednn/version.h) grep -q '^#define PX_ONEDNN' src/base/built_with.h || continue ;;
    esac
    count=$((count + 1))
    # With an empty main file the compiler does not warn of declarations that are only allowed in a header.
    if ! printf '#include "%s"\n' "$header" | "$@" -Werror -fsyntax-only -x c -; then
        echo "headers.sh: $header does not compile alone" >&2
        failed=$((failed + 1))
    fi
done <"$list"
echo "$count headers, $failed do not compile alone"
[ "$count" -gt 0 ] && [ "$failed" = 0 ]
