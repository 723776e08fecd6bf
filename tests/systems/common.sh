# shellcheck shell=bash
# What the scripts of this folder share; they source it.

say()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Where a system cannot be made: 77 is "skipped" for .ci/run and meson.
leave_out()
{
    say "left out: $*"
    exit 77
}

# need COMMAND PACKAGE: leaves out what cannot do without.
need()
{
    command -v "$1" >/dev/null || leave_out "there is no $1 (tools/install --systems, or apt install $2)"
}

# claim FOLDER DONE: makes it, or takes one that was made here before, of which the file DONE tells as well. What is in it will be
# replaced, so one that holds anything else is refused.
claim()
{
    mkdir -p "$1"
    if [ ! -e "$1/.pretext-system" ] && [ ! -e "$1/$2" ] && [ -n "$(ls -A "$1")" ]; then
        say "$1 holds other things: give a new or an empty folder"
        exit 2
    fi
    touch "$1/.pretext-system"
}

# The mirror that this host's own apt uses for Debian's main archive, whichever form its sources are written in, and the
# name of the release: "URI NAME".
find_mirror()
{
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI) $(CODENAME)' 'Created-By: Packages' \
        2>/dev/null | awk -F '|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}

# sources_tree FROM: git's name for the content of the files that it tracks, as they are now, also where they differ from the
# last commit.
sources_tree()
{
    local state
    state=$(git -C "$1" stash create) || return
    git -C "$1" rev-parse "${state:-HEAD}^{tree}"
}

# copy_sources FROM TO: these files.
copy_sources()
{
    local tree
    tree=$(sources_tree "$1") || return
    rm -rf "$2"
    mkdir -p "$2"
    git -C "$1" archive "$tree" | tar -x -C "$2"
}
