# shellcheck shell=bash
# Completion of pretext's command line for bash. What there is to complete is asked of the program that is typed
# (`pretext complete WORD...`), so that it is never out of date; a method that --plugin brings is known, too.

# _pretext_files WORD KINDS: names of files that begin with WORD, of kinds as in "/|h5": "/" are folders, "*" all files.
_pretext_files()
{
    local kind
    compgen -d -- "$1" || : # none is no failure
    while read -rd '|' kind; do
        case $kind in
        /) ;;
        '*') compgen -f -- "$1" || : ;;
        *) compgen -f -X "!*.$kind" -- "$1" || : ;;
        esac
    done <<<"$2|"
}

_pretext()
{
    # To readline key=value is three words: those that no blank parts are one to pretext.
    local line=${COMP_LINE:0:COMP_POINT} words=("${COMP_WORDS[0]}") word i
    line=${line#*"${COMP_WORDS[0]}"}
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $line == [[:blank:]]* ]]; then
            words+=("$word")
        else
            words[-1]+=$word
        fi
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line#"$word"}
    done

    # Readline replaces the last of its words, and a '=' stays.
    local last=${words[-1]} own=${COMP_WORDS[COMP_CWORD]} before key='' candidate files=() keys=()
    [[ $own == = ]] && own=
    before=${last%"$own"}
    [[ $own == *=* ]] && key=${own%%=*}=
    while IFS= read -r candidate; do
        if [[ $candidate == $'\t'* ]]; then
            while IFS= read -r candidate; do
                files+=("$key$candidate")
            done < <(_pretext_files "${last#*=}" "${candidate:1}" | sort -u)
        else
            keys+=("${candidate#"$before"}")
        fi
    done < <("${words[0]/#\~/$HOME}" complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${keys[@]}" "${files[@]}")

    # Readline would put a backslash before the '=' of a key if it took it for a file, and a blank after it.
    if [[ ${#keys[@]} == 0 ]]; then
        compopt -o filenames 2>/dev/null
    elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=.] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -F _pretext pretext
