"""Checks that the folders of src/ are layers: layers.py SOURCE

docs/design.md lists the folders ("## Layers"), and each may use only those above it. So no two of them can need each other.

- The list has every folder of src/, and nothing else.
- A file includes headers of its own folder and of those above it. src/ includes nothing of methods/.
- A file declares `extern` nothing that a folder below defines: that would be such an include without its name.
- Nothing says target_clones: these copies are chosen before main, whatever isa= says (base/simd.h has others).
- A method includes what pretext.h gives to methods from outside the tree, and no more.
- No line of a .c or .h file has more than 132 characters: the formatter breaks code at 120, but leaves comments alone.
- Each exception below has its reason. One that is no longer needed is a mistake, too.

layers.py --self-test: a tree with one mistake of each kind, which must all be found.
"""
import os
import re
import sys
import tempfile

# (folder, what it uses): why
EXCEPTIONS = {
    ("ops", "backends"): "an op's row names its kernels, until kernels are rows that name their op",
    ("graph", "px_backend_fast"): "declared where plans are made; the backend is handed in",
    ("graph", "px_backend_openblas"): "the backend of a plan that names none",
    ("graph", "px_op_add"): "the contributions to a gradient are summed by an op; the derivative cannot do without this one",
    ("tests/ops/map_fixtures.h", "long lines"): "numbers, which map_fixtures.py writes",
}

WIDEST = 132

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
EXTERN = re.compile(r"^\s*extern\s+(const\s+\w+\s[^;({]*);", re.M)
DEFINED = re.compile(r"^const\s+\w+\s+(px_\w+)(?:\[\])?\s*=", re.M)


class Tree:
    def __init__(self, source):
        self.source, self.problems, self.used = source, [], set()
        self.others = self.read_files("tests", "experiments")
        self.files = {path.removeprefix("src/"): text for path, text in self.read_files("src", "methods").items()}
        self.order = self.read_order()

    def read_files(self, *tops):
        """Path -> text of the files in C."""
        found = {}
        for top in tops:
            for folder, _, names in os.walk(os.path.join(self.source, top)):
                for name in sorted(names):
                    if name.endswith((".c", ".h")):
                        path = os.path.join(folder, name)
                        with open(path, encoding="utf-8") as f:
                            found[os.path.relpath(path, self.source)] = f.read()
        return found

    def read_order(self):
        with open(os.path.join(self.source, "docs/design.md"), encoding="utf-8") as f:
            section = re.search(r"^## Layers\n(.*?)^## ", f.read() + "\n## ", re.M | re.S)
        return re.findall(r"^\| `(\w+)` \|", section[1] if section else "", re.M)

    def complain(self, where, what):
        self.problems.append(f"{where}: {what}")

    def excepted(self, folder, what):
        if (folder, what) not in EXCEPTIONS:
            return False
        self.used.add((folder, what))
        return True

    def allowed(self, folder, other):
        """Whether `folder` may use `other`. Files in src/ itself (pretext.h) may use all."""
        if folder in ("", other):
            return True
        return other in self.order and folder in self.order and self.order.index(other) < self.order.index(folder)

    def check_list(self):
        there = {path.split("/")[0] for path in self.files if "/" in path} - {"methods"}
        for folder in sorted(there.symmetric_difference(self.order)):
            self.complain("docs/design.md", f"the layers and src/ differ in {folder}")
        for folder in sorted({f for f in self.order if self.order.count(f) > 1}):
            self.complain("docs/design.md", f"{folder} is two layers")

    def check_includes(self):
        for path, text in self.files.items():
            folder = path.split("/")[0] if "/" in path else ""
            for name in INCLUDE.findall(text):
                other = name.split("/")[0]
                if "/" not in name or folder == "methods":
                    continue
                if not self.allowed(folder, other) and not self.excepted(folder, other):
                    self.complain(f"src/{path}", f'includes "{name}", but {other} is not above {folder} (docs/design.md)')

    def check_externs(self):
        home = {name: path.split("/")[0] for path, text in self.files.items() if path.endswith(".c") for name in DEFINED.findall(text)}
        for path, text in self.files.items():
            folder = path.split("/")[0]
            for names in EXTERN.findall(text):
                for name in re.findall(r"\bpx_\w+", names.split(None, 2)[2]):
                    other = home.get(name, folder)
                    if not self.allowed(folder, other) and not self.excepted(folder, name):
                        self.complain(f"src/{path}", f"declares {name}, which {other} defines: {other} is not above {folder}")

    def check_clones(self):
        for path, text in self.files.items():
            if "target_clones" in text:
                self.complain(f"src/{path}", "says target_clones, which ignore isa=; see base/simd.h")

    def given_to_methods(self, name="pretext.h", found=None):
        found = set() if found is None else found
        for other in INCLUDE.findall(self.files.get(name, "")):
            if other not in found:
                found.add(other)
                self.given_to_methods(other, found)
        return found

    def check_methods(self):
        given = self.given_to_methods()
        for path, text in self.files.items():
            for name in INCLUDE.findall(text) if path.startswith("methods/") else ():
                if name not in given:
                    self.complain(path, f'includes "{name}", which pretext.h does not give to methods from outside')

    def check_widths(self):
        ours = {path if path.startswith("methods/") else f"src/{path}": text for path, text in self.files.items()}
        for path, text in (ours | self.others).items():
            for number, line in enumerate(text.split("\n"), 1):
                if len(line) > WIDEST and not self.excepted(path, "long lines"):
                    self.complain(f"{path}:{number}", f"has {len(line)} characters, more than {WIDEST}")

    def check(self):
        self.check_list()
        self.check_includes()
        self.check_externs()
        self.check_clones()
        self.check_methods()
        self.check_widths()
        for folder, what in EXCEPTIONS:
            if (folder, what) not in self.used:
                self.complain("tests/layers.py", f"the exception that {folder} uses {what} is not needed")


MISTAKES = {
    "docs/design.md": "## Layers\n\n| `base` | a | |\n| `graph` | b | |\n| `gone` | c | |\n| `ops` | d | |\n\n## More\n| `new` | |\n",
    "src/pretext.h": '#include "ops/ops.h"\n',
    "src/base/a.h": '#include <stdio.h>\n#include "base/b.h"\n',
    "src/base/b.c": '#include "base/a.h"\n#include "ops/ops.h"\n',
    "src/graph/g.c": '#include "base/a.h"\nextern const px_op px_fine, px_far[];\nconst px_op px_fine = {0};\n  # include "methods/m.h"\n',
    "src/graph/h.h": "extern const px_op px_op_add;\n",
    "src/ops/ops.h": '#include "graph/h.h"\n#include "backends/fast.h"\n',
    "src/ops/o.c": "const px_op px_far[] = {{0}};\nconst px_op px_op_add = {0};\n",
    "src/new/n.c": "__attribute__((target_clones)) int n;\n",
    "src/base/w.c": f"/* {'w' * 126} */\n/* {'w' * 127} */\n",
    "tests/base/t.h": f"/* {'é' * 126} */\n\n// {'t' * 130}\n",
    "tests/ops/map_fixtures.h": "1" * 133 + "\n",
    "methods/m.c": '#include "ops/ops.h"\n#include "graph/h.h"\n#include "base/a.h"\n',
}
EXPECTED = ("differ in gone", "differ in new", 'src/base/b.c: includes "ops/ops.h"', "methods is not above graph", "declares px_far", "src/new/n.c: says target_clones",
            "src/base/w.c:2: has 133 characters", "tests/base/t.h:3: has 133 characters", 'methods/m.c: includes "base/a.h"',
            "graph uses px_backend_fast is not needed", "graph uses px_backend_openblas is not needed")


def self_test():
    with tempfile.TemporaryDirectory() as source:
        for path, text in MISTAKES.items():
            os.makedirs(os.path.join(source, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(source, path), "w", encoding="utf-8") as f:
                f.write(text)
        tree = Tree(source)
        tree.check()
    print(*tree.problems, sep="\n")
    missed = [e for e in EXPECTED if sum(e in p for p in tree.problems) != 1]
    if missed or len(tree.problems) != len(EXPECTED):
        sys.exit(f"not found, or too much of it: {missed}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    tree = Tree(sys.argv[1])
    tree.check()
    print(*tree.problems, sep="\n")
    print(f"{len(tree.files)} files in {len(tree.order)} layers, {len(tree.problems)} problems")
    sys.exit(1 if tree.problems else 0)


main()
