"""Checks what the documents say against the tree and the program: documents.py SOURCE PRETEXT

- Relative links lead to files, their #anchors to headings.
- A file named in `code` is there.
- Commands in code blocks: the program knows the command, its flags and keys, and the values of choices; configurations and tools are there.
- tests/README.md names each source file; meson.build, CITATION.cff and CHANGELOG.md have one version.

documents.py --self-test: a folder with one mistake of each kind, which must all be found.
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

FOLDERS = ("src", "methods", "tests", "tools", "docs", "experiments", "results", ".ci")
SUFFIXES = (".c", ".h", ".cfg", ".sh", ".py", ".md", ".build", ".cff")


class Program:
    """What --help and `pretext options` tell."""

    def __init__(self, path):
        self.path = path
        self.commands = {}
        for line in self.ask("--help").splitlines():
            found = re.match(r"  ([a-z]+)  +\S", line)
            if found:
                self.commands[found[1]] = None
        self.keys = self.table(self.ask("options"))

    def ask(self, *words):
        return subprocess.run([self.path, *words], capture_output=True, text=True, check=True).stdout

    @staticmethod
    def table(text):
        """key -> its choices, or None"""
        keys = {}
        for line in text.splitlines():
            found = re.match(r"  ([a-z_0-9]+(?:\.[a-z_0-9]+)?)  +(\[.*?\]|\".*?\"|\S+)  +(\S+)", line)
            if found:
                keys[found[1]] = found[3].split("|") if "|" in found[3] else None
        return keys

    def about(self, command):
        """(flags, keys) of a command"""
        if self.commands[command] is None:
            text = self.ask(command, "--help")
            flags = set(re.findall(r"(?<![\w-])(--[a-z-]+|-[a-z])(?![\w-])", text)) | {"--help"}
            self.commands[command] = (flags, self.table(text))
        return self.commands[command]


class Checker:
    def __init__(self, source, program):
        self.source, self.program, self.problems = source, program, []
        self.names = {os.path.basename(f) for folder in FOLDERS for f in self.files(folder)} | set(os.listdir(source))

    def files(self, folder):
        return [os.path.join(top, f) for top, _, files in os.walk(os.path.join(self.source, folder)) for f in files]

    def read(self, path):
        with open(os.path.join(self.source, path), encoding="utf-8") as f:
            return f.read()

    def complain(self, where, what):
        self.problems.append(f"{where}: {what}")

    def there(self, path):
        return bool(glob.glob(os.path.join(self.source, path)))

    # ---- text ----

    @staticmethod
    def split(text):
        """(prose, [(line, command line)]): code blocks are indented by four or fenced, outside of lists."""
        prose, code, fenced, before = [], [], False, ""
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("```"):
                fenced = not fenced
            elif fenced or (line.startswith("    ") and (before == "" or before.startswith("    "))):
                code.append((number, line.strip()))
                line = "    " + line if fenced else line
            else:
                prose.append((number, line))
            before = line
        return prose, code

    @staticmethod
    def slug(heading):
        heading = re.sub(r"[`*]|\]\(.*?\)|\[", "", heading).strip().lower()
        return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")

    def anchors(self, path):
        return {self.slug(line.lstrip("#")) for line in self.read(path).splitlines() if line.startswith("#")}

    def check_links(self, path, number, line):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            whole = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not self.there(whole):
                self.complain(f"{path}:{number}", f"the link {target} leads nowhere")
            elif anchor and anchor not in self.anchors(whole):
                self.complain(f"{path}:{number}", f"the link {target} names a heading that is not there")

    def check_names(self, path, number, line):
        for text in re.findall(r"`([^`]+)`", line):
            if text.startswith("pretext "):
                self.check_command(path, number, text, inline=True)
            if not re.fullmatch(r"[\w./*-]+", text) or re.search(r"[A-Z]{2,}", os.path.splitext(text)[0]):
                continue
            known = text.split("/")[0] in FOLDERS and "/" in text
            beside = os.path.join(os.path.dirname(path), text)
            if known and not self.there(text) and not self.there(beside):
                self.complain(f"{path}:{number}", f"there is no {text}")
            elif not known and text.endswith(SUFFIXES) and os.path.basename(text) not in self.names and "*" not in text:
                self.complain(f"{path}:{number}", f"there is no file {text}")

    # ---- commands ----

    def check_command(self, path, number, line, inline=False):
        where = f"{path}:{number}"
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            return
        for i, word in enumerate(words):
            if re.fullmatch(r"(\./)?tools/\w+|\.ci/run", word):
                self.check_tool(where, word.removeprefix("./"), words[i + 1 :])
            if os.path.basename(word) != "pretext" or i + 1 == len(words) or (inline and i):
                continue
            command, rest = words[i + 1], words[i + 2 :]
            if re.fullmatch(r"[A-Z]+|--version|--help", command):
                continue
            if command not in self.program.commands:
                if not inline or re.fullmatch(r"[a-z]+", command):
                    self.complain(where, f"there is no command pretext {command}")
                continue
            end = next((k for k, w in enumerate(rest) if w in ("&&", "|", ";", ">", "&")), len(rest))
            self.check_words(where, command, rest[:end])

    def check_words(self, where, command, words):
        flags, own = self.program.about(command)
        for word in words:
            if word.startswith("-"):
                if word.split("=")[0] not in flags:
                    self.complain(where, f"pretext {command} has no flag {word}")
            elif re.match(r"[a-z_0-9.]+=", word):
                key, _, value = word.partition("=")
                choices = own.get(key, self.program.keys.get(key))
                if key not in own and key not in self.program.keys and "--plugin" not in words and key not in ("out", "data.path"):
                    self.complain(where, f"there is no key {key}")
                elif choices and value not in choices and not re.search(r"[A-Z$]", value):
                    self.complain(where, f"{key} is one of {'|'.join(choices)}, not {value}")
            elif word.startswith("experiments/") and not re.search(r"[A-Z]{2,}", word) and not self.there(word):
                self.complain(where, f"there is no {word}")

    def check_tool(self, where, tool, words):
        if not self.there(tool):
            self.complain(where, f"there is no {tool}")
            return
        text = self.read(tool)
        for word in words:
            if word in ("&&", "#") or not word.startswith("-"):
                break
            if word not in text:
                self.complain(where, f"{tool} knows no {word}")

    def check_document(self, path):
        prose, code = self.split(self.read(path))
        for number, line in prose:
            self.check_links(path, number, line)
            self.check_names(path, number, line)
        whole, start = "", 0
        for number, line in code:
            start = start if whole else number
            whole += line
            if whole.endswith("\\"):
                whole = whole[:-1] + " "
                continue
            self.check_command(path, start, whole)
            whole = ""

    # ---- what several files must agree on ----

    def check_map(self):
        """Each .c file of src/ and methods/ stands in tests/README.md, below its folder, unless it has a test of its own name."""
        words = {}
        for line in self.read("tests/README.md").splitlines():
            cells = [c.strip() for c in line.split("|")]
            if len(cells) > 3 and cells[1].startswith("`"):
                words.setdefault(cells[1].strip("`"), set()).update(re.findall(r"[\w]+", cells[2]))
        for folder in ("src", "methods"):
            for file in self.files(folder):
                path = os.path.relpath(file, self.source)
                name, suffix = os.path.splitext(os.path.basename(path))
                home = os.path.dirname(path)
                own = f"tests/{home.removeprefix('src/')}/test_{name}.c"
                if suffix == ".c" and not self.there(own) and name not in words.get(home, ()):
                    self.complain("tests/README.md", f"does not say where {path} is tested, and there is no {own}")

    def check_methods(self):
        """Each method has a row in docs/methods.md."""
        for file in self.files("methods"):
            path = os.path.relpath(file, self.source)
            if path.endswith(".c") and f"](../{path}) |" not in self.read("docs/methods.md"):
                self.complain("docs/methods.md", f"has no row for {path}")

    def check_versions(self):
        found = {}
        for path, pattern in (("meson.build", r"^  version: '(.*?)'"), ("CITATION.cff", r"^version: (\S+)")):
            match = re.search(pattern, self.read(path), re.M)
            found[path] = match[1] if match else "none"
        if len(set(found.values())) > 1:
            self.complain("version", ", ".join(f"{k}: {v}" for k, v in found.items()))
        if not re.search(rf"^## {re.escape(found['meson.build'])} - \d{{4}}-\d\d-\d\d$", self.read("CHANGELOG.md"), re.M):
            self.complain("CHANGELOG.md", f"has no section '## {found['meson.build']} - DATE'")

    def check(self):
        documents = [f for f in os.listdir(self.source) if f.endswith(".md")]
        for folder in ("docs", "experiments", "results", "tests"):
            documents += [os.path.relpath(f, self.source) for f in self.files(folder) if f.endswith(".md")]
        for path in sorted(documents):
            self.check_document(path)
        self.check_map()
        self.check_methods()
        self.check_versions()
        return len(documents)


MISTAKES = """# A title

[nowhere](docs/missing.md) and [a heading](#not-there) and `src/nothing.c` and `gone.c` and `pretext fly`.
Right: [here](#a-title), `src/base/a.c`, `meson.build`, `methods/NAME.c`.

    pretext pack a.tar out=a.h5
    build/pretext pretrain experiments/none.cfg epoch=3 \\
        backend=cuda
    mpirun -n 2 pretext show --loud runs/a && tools/none
    pretext fold
"""
EXPECTED = ("leads nowhere", "heading that is not there", "no src/nothing.c", "no file gone.c", "no command pretext fly", "no experiments/none.cfg",
            "no key epoch", "backend is one of", "no flag --loud", "no tools/none", "no command pretext fold", "where src/base/b.c is tested",
            "no row for methods/n.c", "version: meson.build", "no section")


def self_test():
    class Pretended(Program):
        def ask(self, *words):
            return {("--help",): "  pack  packs\n  pretrain  trains\n  show  shows\n",
                    ("options",): "  epochs   100  real 0..1  passes\n  backend  auto  auto|onednn  kernels\n  out  \"\"  text  folder\n",
                    }.get(words, "Flags\n  -o, --output FILE  a file\n")

    with tempfile.TemporaryDirectory() as folder:
        for path, text in {"README.md": MISTAKES, "src/base/a.c": "", "src/base/b.c": "", "tests/README.md": "| `src/base` | a | x |\n| `methods` | m, n | x |\n",
                           "methods/m.c": "", "methods/n.c": "", "docs/methods.md": "| [m](../methods/m.c) | |\n",
                           "meson.build": "project('a', 'c',\n  version: '1.0')\n", "CITATION.cff": "version: 1.1\n", "CHANGELOG.md": ""}.items():
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        checker = Checker(folder, Pretended(""))
        checker.check()
    print(*checker.problems, sep="\n")
    missed = [e for e in EXPECTED if sum(e in p for p in checker.problems) != 1]
    if missed or len(checker.problems) != len(EXPECTED):
        sys.exit(f"not found, or too much of it: {missed}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    checker = Checker(sys.argv[1], Program(sys.argv[2]))
    count = checker.check()
    print(*checker.problems, sep="\n")
    print(f"{count} documents, {len(checker.problems)} problems")
    sys.exit(1 if checker.problems else 0)


main()
