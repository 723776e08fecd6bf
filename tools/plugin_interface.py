#!/usr/bin/env python3
"""The version of the interface that plug-ins are built for, from the text of its headers.

    plugin_interface.py src/pretext.h px_interface.h [HEADER...]

A digest of pretext.h and of all headers of ours that it includes, without comments and layout: whatever changes in a
struct, a function or a macro, changes it. It is written as PX_INTERFACE into a header, unless that says the same already.
HEADERs are those that are installed: the program fails unless they are the headers that it found.
"""
import hashlib
import os
import re
import sys

GENERATED = 'px_interface.h'
# Strings are matched first, so that what looks like a comment in one stays.
STRING_OR_COMMENT = re.compile(r'''("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|/\*.*?\*/|//[^\n]*''', re.S)


def essence(text):
    """The header without comments, blanks at the ends of lines, and empty lines."""
    text = STRING_OR_COMMENT.sub(lambda m: m.group(1) or ' ', text.replace('\\\n', ' '))
    return '\n'.join(filter(None, (' '.join(line.split()) for line in text.split('\n'))))


def collect(folder, name, found):
    """found[name] = essence, and the same for what it includes."""
    with open(os.path.join(folder, name), encoding='utf-8') as file:
        found[name] = essence(file.read())
    for other in re.findall(r'^# *include "([^"]+)"', found[name], re.M):
        if other not in found and other != GENERATED:
            collect(folder, other, found)


def main():
    root, output = sys.argv[1:3]
    folder = os.path.dirname(root)
    found = {}
    collect(folder, os.path.basename(root), found)
    installed = {os.path.relpath(path, folder) for path in sys.argv[3:]}
    if installed and installed != set(found):
        sys.exit(f'plugin_interface.py: {root} includes {sorted(found)}, but installed are {sorted(installed)}')
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f'{name}\n{found[name]}\n'.encode())
    text = ('/* Made from the headers that pretext.h includes: a plug-in runs in the programs whose digest is the same. */\n'
            f'#define PX_INTERFACE "{digest.hexdigest()[:12]}"\n')
    if not os.path.exists(output) or open(output, encoding='utf-8').read() != text:
        with open(output, 'w', encoding='utf-8') as file:
            file.write(text)


main()
