#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Are the bits what they were?

  golden.py compare OLD NEW [MODEL...]       two commits, by hand, minutes
  golden.py trace OLD NEW [MODEL...]         the same in mode "auto", by frames
  golden.py check FINGERPRINT MODEL...       this build, against golden.txt

Both run tests/models/fingerprint.c, whose lines are model, mode, threshold and
checksums of outputs, masks, and work with what is said of the frame, over 24
frames of a drawn video.

compare: builds libdeltacnn of both commits in a temporary folder, runs each on
the models (the shipped nets and all of $DELTACNN_TEST_DATA/models otherwise) and
says of each line what differs. Exits with 1 where outputs or masks do.

trace: where the two first differ, frame by frame in mode "auto": what each of them
ran that frame as, dense or sparse. Exits with 1 where outputs or masks differ in a
frame before one of the two has run dense what the other has not: that is no
difference of when frames turn dense.

check: a test. Dense and sparse on the instruction set avx2, whose bits depend on
no processor, compiler nor library: exponentials are the project's own there.
DELTACNN_UPDATE_GOLDEN=1 writes tests/models/golden.txt anew; say why in
docs/decisions.md. Skipped (77) where there is no avx2."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/models/golden.txt"
COLUMNS = ("outputs", "masks", "work")


def run(command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True,
                          **options)


# ---- two commits ------------------------------------------------------------

def forward(tree, folder):
    """Headers as they are called today, for trees that had them elsewhere: the
    folders to include from."""
    (folder / "deltacnn").mkdir(parents=True)
    for name in ("session", "modelinfo", "frame", "decode"):
        (folder / "deltacnn" / f"{name}.h").write_text(
            f'#include "dcnn_{name}.h"\n', encoding="utf-8")
    return [folder, *(tree / f for f in ("engine", "models", "kernels",
                                         "kernels/mask", "kernels/cpu"))]


def build(commit, folder):
    """The fingerprint of a commit: the program, the folder of its library."""
    tree = folder / "tree"
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit],
                             check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", tree], check=True, input=archive)
    known = (tree / "meson_options.txt").read_text(encoding="utf-8")
    off = [f"-D{name}=disabled" for name in
           ("gst", "tools", "tests", "introspection", "cuda")
           if f"option('{name}'" in known]
    run(["meson", "setup", tree / "build", tree, *off],
        stdout=subprocess.DEVNULL)
    run(["ninja", "-C", tree / "build"],
        stdout=subprocess.DEVNULL)
    own = tree / "include"
    includes = [own] if own.is_dir() else forward(tree, folder / "include")
    flags = run(["pkg-config", "--cflags", "--libs", "glib-2.0"],
                stdout=subprocess.PIPE).stdout.split()
    run(["cc", "-O1", "-o", folder / "fingerprint",
         ROOT / "tests/models/fingerprint.c", *(f"-I{i}" for i in includes),
         f"-L{tree / 'build/lib'}", "-ldeltacnn", *flags])
    return folder / "fingerprint", tree / "build/lib"


def fingerprint(program, models, extra=None, options=()):
    """{(model, mode, threshold): checksums}; a model that fails: its error."""
    lines = {}
    for model in models:
        done = subprocess.run([str(program), *options, str(model)], text=True,
                              capture_output=True, check=False,
                              env={**os.environ, **(extra or {})})
        for line in done.stdout.splitlines():
            *way, outputs, masks, work = line.split()
            lines[tuple(way)] = (outputs, masks, work)
        if done.returncode:
            lines[model.name, "fails", ""] = (done.stderr.strip(),) * 3
    return lines


def run_both(commits, models, options=()):
    """What fingerprint() gives of each commit."""
    models = [pathlib.Path(m).resolve() for m in models] or [
        *sorted((ROOT / "models/data/zoo").glob("*.onnx")),
        *sorted(pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", ""),
                             "models").glob("*.onnx"))]
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for commit in commits:
            folder = pathlib.Path(temporary) / str(len(found))
            program, library = build(commit, folder)
            found.append(fingerprint(program, models,
                                     {"LD_LIBRARY_PATH": str(library)},
                                     options))
    return found


def compare(old, new, models):
    before, after = run_both((old, new), models)
    worst, same = 0, 0
    for way in sorted(before.keys() | after.keys()):
        a, b = before.get(way), after.get(way)
        if a is None or b is None:
            differ = ["there is none in " + (old if a is None else new)]
        else:
            differ = [c for c, x, y in zip(COLUMNS, a, b) if x != y]
        if differ:
            print(" ".join(way) + ": " + ", ".join(differ))
        same += not differ
        worst |= bool(differ) and differ != ["work"]
    print(f"{same} of {len(before.keys() | after.keys())} lines are the same, "
          f"{old} and {new}")
    return int(worst)


def by_frames(lines):
    """{model: [(how, outputs, masks)]} of a fingerprint by frames."""
    frames = {}
    for (model, number, how), sums in lines.items():
        if number == "fails":
            print(sums[0])
        else:
            frames.setdefault(model, []).append((how, *sums[:2]))
    return frames


def first(a, b, *columns):
    """The first frame in which one of the columns differs, or None."""
    return next((i for i, (x, y) in enumerate(zip(a, b))
                 if any(x[c] != y[c] for c in columns)), None)


def trace(old, new, models):
    before, after = map(by_frames, run_both((old, new), models, ["--frames"]))
    other = 0
    for model in sorted(before.keys() & after.keys()):
        a, b = before[model], after[model]
        at, turns = first(a, b, 1, 2), first(a, b, 0)
        if at is None:
            print(f"{model}: no difference")
            continue
        print(f"{model}: the first difference is in frame {at}, which ran "
              f"{a[at][0]} in {old} and {b[at][0]} in {new}; the first that ran "
              f"differently is {'none' if turns is None else turns}")
        other |= turns is None or at < turns
    return int(other)


# ---- this build -------------------------------------------------------------

def has_avx2():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return " avx2" in text and " fma" in text


def check(program, models):
    if not has_avx2():
        print("skip: the processor has no avx2")
        return 77
    found = fingerprint(program, [pathlib.Path(m) for m in models],
                        {"DELTACNN_ISA": "avx2"}, ["--fixed"])
    text = "".join(" ".join((*way, *sums[:2])) + "\n"
                   for way, sums in found.items())
    if os.environ.get("DELTACNN_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    was = GOLDEN.read_text(encoding="utf-8")
    for a, b in zip(was.splitlines(), text.splitlines()):
        if a != b:
            print(f"was '{a}'\nis  '{b}'")
    if was != text:
        print("if that is meant, say why in docs/decisions.md and run this with "
              "DELTACNN_UPDATE_GOLDEN=1")
    return int(was != text)


def main(arguments):
    if len(arguments) >= 3 and arguments[0] == "compare":
        return compare(arguments[1], arguments[2], arguments[3:])
    if len(arguments) >= 3 and arguments[0] == "trace":
        return trace(arguments[1], arguments[2], arguments[3:])
    if len(arguments) >= 3 and arguments[0] == "check":
        return check(arguments[1], arguments[2:])
    print(__doc__)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main(sys.argv[1:]))
