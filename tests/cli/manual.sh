#!/bin/bash
# The manual pages: one for each command, without a complaint of man or mandoc, and they name all that --help and
# `pretext options` name. manual.sh PRETEXT
set -eu
pretext=$1
for tool in man groff; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
    echo "manual.sh: $*" >&2
    exit 1
}

# page COMMAND: as a reader sees it, on one line.
page()
{
    MANWIDTH=100 MAN_KEEP_FORMATTING='' man --no-hyphenation --no-justification -l "$work/pretext-$1.1" 2>/dev/null | col -bx | tr -s '[:space:]' ' '
}

"$pretext" man out="$work"
commands=$("$pretext" --help | sed '/^pretext COMMAND/,$d' | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ "$(wc -w <<<"$commands")" -ge 14 ] || fail "commands: $commands"
for command in $commands; do
    file=$work/pretext-$command.1
    [ -s "$file" ] || fail "there is no page for $command"
    [ "$("$pretext" man "$command")" = "$(cat "$file")" ] || fail "$command: two different pages"
    "$pretext" --help | sed -n "s/^  $command *//p" >"$work/summary"
    page "$command" >"$work/text"
    grep -qF -- "pretext-$command - $(cat "$work/summary")" "$work/text" || fail "$command: no summary: $(head -c 300 "$work/text")"
    # Flags and keys are the first word of their line in --help.
    for word in $("$pretext" "$command" --help | sed -n 's/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p; s/^  \([a-z._]*\)  .*\(int\|real\|text\|list\||\).*/\1/p'); do
        grep -qF -- "$word" "$work/text" || fail "$command: the page does not name $word"
    done
    example=$("$pretext" "$command" --help | sed -n '/^Example/,$p' | sed -n '2s/^  //p')
    [ -n "$example" ] || fail "$command: --help has no example"
    sed 's/\\-/-/g' "$file" | grep -qF -- "  $example" || fail "$command: the page has no '$example'"
done
page pretrain >"$work/text"
keys=$("$pretext" options | sed '/^Evaluation/,$d' | sed -n 's/^  \([a-z_.]*\)  .*/\1/p')
[ "$(wc -w <<<"$keys")" -gt 40 ] || fail "keys: $keys"
for key in $keys; do
    grep -qF -- " $key=" "$work/text" || fail "pretrain: the page does not name $key"
done
for file in "$work"/*.1; do
    said=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$file" 2>&1 >/dev/null)
    [ -z "$said" ] || fail "$file: $said"
    if command -v mandoc >/dev/null; then
        # No date: the same sources make the same pages on any day.
        said=$(mandoc -Tlint -Wwarning "$file" | grep -v 'missing date' || true)
        [ -z "$said" ] || fail "$said"
    fi
done
