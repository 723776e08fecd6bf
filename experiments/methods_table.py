#!/usr/bin/env python3
"""Prints results/methods/README.md: all methods, how each is proven, and what its short recipe reached.

    experiments/short.sh                                                     # trains and probes: results/methods/METHOD.json
    meson test -C BUILD 'cli/methods on families'                            # an hour
    grep -oE '^[a-z0-9_]+, [a-z0-9_]+: data.image_size=[0-9]+' BUILD/meson-logs/testlog.txt \\
        > results/methods/families.txt
    experiments/methods_table.py BUILD > results/methods/README.md           # BUILD: a folder with `ninja all all-tests`

Every number is from a file that `pretext show --json` wrote, or from a test that this script runs.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

top = Path(__file__).resolve().parent.parent
K = 20

HEAD = """\
# All methods: how each is proven, and a short run

Made by `experiments/methods_table.py`.

**Proven three ways**, by tests that walk the table of methods; one without its row fails:

- *PyTorch*: loss and all gradients of one step, the losses of ten, and all parameters and states after them (teacher, queue,
  prototypes, centre, running statistics), in double, beside a second formulation in PyTorch; the largest relative difference
  on one rank and on four (`tests/methods/mpi_fixtures.c`; at most 2e-9, with `recompute=true`, too).
- *ranks*: with `reproducible=true` the same bits of all parameters, states and series on 1, 2 and 4 ranks, also moved from two
  ranks to one after a kill -9 (`cli/methods on ranks`).
- *death*: killed by kill -9 in the middle and resumed, bit for bit what an undisturbed run has (`cli/methods`).

**The short runs**: CIFAR-10, `experiments/cifar10/METHOD_short.cfg`, seed 1, by `experiments/short.sh`: minutes, where the
papers train for days; so what they show is that a method learns here, not which is best. Top-1 %% on the 10,000 test images:
k-nearest neighbours with k = %d, and a linear probe (10 epochs, rates chosen on a held-out part of the training images). The
untrained twin is the same backbone with the same initial values. Recipes say `precision = "auto"`: bf16 where the processor has
it, in probes too unless it is said below. Core-seconds are processor time of the training alone.
""" % K


def proofs(build, ranks):
    """What mpi_fixtures prints: the largest relative difference of each method."""
    program = [str(Path(build) / "tests/methods/mpi_fixtures")]
    environment = dict(os.environ, OMP_NUM_THREADS="1", FIXTURES=str(top / "tests/methods/fixtures"),
                       OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    launch = ["mpirun", "-n", str(ranks), "--oversubscribe"] if ranks > 1 else []
    out = subprocess.run(launch + program, env=environment, check=True, capture_output=True, text=True).stdout
    worst = {}
    for method, difference in re.findall(r"^ok +(\w+)(?:, recomputed)?: largest relative difference (\S+)", out, re.M):
        worst[method] = max(worst.get(method, difference), difference, key=float)
    return worst


def top1(run, protocol, subjects):
    """Of one of these subjects; of k-NN for K neighbours. "": it was not measured."""
    for e in run["evaluations"]:
        if e["protocol"] == protocol and e["subject"] in subjects and e["number"] == "top1" and e.get("k", K) == K:
            return "%.2f" % (100 * e["share"])
    return ""


FAMILIES = """
**Every method on every family** of backbones, each a small network, by the test `cli/methods on families`: with
`reproducible=true` the same bits of all parameters, states and series on 1, 2 and 4 ranks, and when moved from two ranks to one
after a kill -9. The numbers are the side of the images, the least of 32, 64 and 128 px that both take; -: the method hides patches,
needs a vision transformer, and says so.
"""


def families():
    """The table of what the test printed: "METHOD, FAMILY: data.image_size=SIDE"."""
    file = top / "results/methods/families.txt"
    if not file.exists():
        return
    told = re.findall(r"^(\w+), (\w+): (?:data.image_size=)?(.+)$", file.read_text(), re.M)
    side = {(method, family): at for method, family, at in told}
    columns = list(dict.fromkeys(family for _, family, _ in told))
    print(FAMILIES)
    print("| method | " + " | ".join(columns) + " |")
    print("|" + "---|" * (1 + len(columns)))
    for file in sorted((top / "methods").glob("*.c")):
        masks = '.family = "vit"' in file.read_text()
        print("| " + " | ".join([file.stem] + [side.get((file.stem, family), "-" if masks else "?") for family in columns]) + " |")


TRAINED = ("pretrained", "teacher")


def row(build, method, alone, four):
    lines = len((top / "methods" / (method + ".c")).read_text().splitlines())
    told = subprocess.run([str(Path(build) / "pretext"), "methods", method], check=True, capture_output=True, text=True).stdout
    title = told.split(" - ")[0]
    published = re.search(r"^Published\n((?:  .*\n)+)", told, re.M)
    published = "; ".join(l.strip() for l in published.group(1).splitlines()) if published else "none known"
    file = top / "results/methods" / (method + ".json")
    cells = [title, str(lines), alone.get(method, "-"), four.get(method, "-")]
    if file.exists():
        run = json.loads(file.read_text())[0]
        s, cost = run["settings"], run["cost"]
        width = s.get("resnet.width")
        network = s["backbone"] + (", width " + width if width else "")
        cells += [network, s["precision"], "%g" % run["epochs_done"], "%.0f" % (cost["core_seconds"] - cost["core_seconds_by_part"]["evaluation"]), top1(run, "knn", TRAINED),
                  top1(run, "knn", ["untrained"]), top1(run, "linear", TRAINED), top1(run, "linear", ["untrained"])]
    else:
        cells += ["not run yet"] + [""] * 7
    return cells + [published]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    alone, four = proofs(build, 1), proofs(build, 4)
    columns = ["method", "lines", "PyTorch", "on 4 ranks", "backbone", "precision", "epochs", "core-seconds", "k-NN", "untrained", "linear",
               "untrained", "published"]
    print(HEAD)
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for file in sorted((top / "methods").glob("*.c")):
        print("| " + " | ".join(row(build, file.stem, alone, four)) + " |")
    runs = [json.loads(f.read_text())[0] for f in sorted((top / "results/methods").glob("*.json"))]
    if runs:
        for name, subject in (("Raw pixels", "pixels"), ("HOG", "hog")):
            print("\n%s, without any learning: k-NN %s, linear %s." % (name, *(
                next(filter(None, (top1(r, protocol, [subject]) for r in runs)), "-") for protocol in ("knn", "linear"))), end="")
        measured = {r["settings"]["method"]: r["evaluations"][0]["measured"] for r in runs}
        print("\nProbed in fp32: " + (", ".join(m for m in measured if "precision = bf16" not in measured[m]) or "none") + ".", end="")
        of_teacher = [r["settings"]["method"] for r in runs if any(e["subject"] == "teacher" for e in r["evaluations"])]
        if of_teacher:
            print("\nThe teacher is probed, as in their papers: " + ", ".join(of_teacher) + ".", end="")
        print("\nProbed on the mean features of nine patches: " + (", ".join(m for m in measured if "patches = 9" in measured[m]) or "none")
              + ".", end="")
        versions = sorted({re.search(r"processor +(.*)", r["provenance"]["versions"]).group(1) for r in runs})
        print("\nProcessors: " + "; ".join(versions) + ".")
    families()


main()
