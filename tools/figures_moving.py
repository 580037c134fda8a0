#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures moving cameras, aligned and not, and writes docs/figures-moving.md.

  tools/figures_moving.py [--build DIR] [--frames N] [--threads N]
                          [--only REGEX] [--page-only]

Clips come from the folder in DELTACNN_TEST_DATA: every sequence of
videos/davis, videos/handheld_bedroom_540p.mp4; and a camera that pans, made
here by deltacnn-scene over the demo's clip. Each runs twice through
deltacnn-bench: with --align (which also measures the same clip without) and
without, for its agreement. Raw reports are kept in cache/figures-moving/, so
that a run that is stopped goes on where it was. Standard library only.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = ROOT / "cache" / "figures-moving"
DATA = pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", "."))
PANNED = "static_pets09_s2l1_vtest.avi"

# (model, size or None, clips that it runs on: a regex)
MODELS = [
    ("people-seg", None, "."),
    ("det_yolox_nano_416", None, "."),
]
COLUMNS = ["model", "clip", "input", "frames", "work aligned",
           "work not aligned", "agreement aligned", "agreement not aligned",
           "re-anchored", "lost", "resets", "stood aside"]


def run(options, *command):
    return subprocess.run(
        [str(options.build / "tools" / command[0]), *map(str, command[1:])],
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def pan_clip(options, speed):
    """A camera that pans over a fixed one's clip, made once."""
    source, path = DATA / "videos" / PANNED, CACHE / f"pan_{speed}px.avi"
    if source.exists() and not path.exists():
        made = run(options, "deltacnn-scene", "--frames", 150, "--pan", speed,
                   "--over", source, path)
        if made.returncode:
            sys.exit(made.stderr)
    return path


def clips(options):
    """(name, path) of all that is there."""
    found = [(f"davis {p.name}", p)
             for p in sorted((DATA / "videos/davis/JPEGImages/480p").glob("*"))]
    found += [("handheld_bedroom", DATA / "videos/handheld_bedroom_540p.mp4")]
    found += [(f"pan, {speed} px a frame", pan_clip(options, speed))
              for speed in (2, 5, 10)]
    return [(name, path) for name, path in found if path.exists()]


def model_path(name):
    for folder in (ROOT / "models/data/zoo", DATA / "models"):
        if (folder / f"{name}.onnx").exists():
            return folder / f"{name}.onnx"
    return None


def bench(options, name, arguments):
    """A report, from the cache where it has one; None: it failed."""
    path = CACHE / (re.sub(r"[^\w.]+", "_", name) + ".json")
    if not path.exists() and not options.page_only:
        done = run(options, "deltacnn-bench", "--quiet", "--json", path,
                   "--threads", options.threads, *arguments)
        if done.returncode:
            print(f"{name}: {done.stderr.strip()}", file=sys.stderr)
    return json.loads(path.read_text()) if path.exists() else None


def agreement(report):
    a = report["agreement"]
    if "iou" in a:
        return f"IoU {a['iou']:.3f}"
    if "f1_near" in a:
        return f"boxes {a['f1']:.3f}, near {a['f1_near']:.3f}"
    return f"{100 * a.get('relative_rms', 0):.1f} % rms"


def row(options, model, size, name, clip):
    arguments = ["--model", model_path(model), "--clip", clip]
    if size:
        arguments += ["--size", size]
    if options.frames:
        arguments += ["--frames", options.frames]
    aligned = bench(options, f"{model} {name} aligned",
                    arguments + ["--align"])
    plain = bench(options, f"{model} {name}", arguments)
    if not aligned or not plain:
        return None
    return [model, name, f"{aligned['width']}x{aligned['height']}",
            aligned["frames"], f"{100 * aligned['mac_share']:.0f} %",
            f"{100 * aligned['unaligned_mac_share']:.0f} %",
            agreement(aligned), agreement(plain), aligned["reanchors"],
            aligned["lost_frames"], aligned["resets"],
            aligned["aside_frames"]]


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    level = [f for f in ("avx512f", "avx2") if flags and f in flags.group(1)]
    return (f"{name.group(1) if name else 'unknown processor'}"
            f"{', ' + level[0] if level else ''}")


def page(options, rows):
    lines = ["| " + " | ".join(COLUMNS) + " |",
             "| " + " | ".join("---" for _ in COLUMNS) + " |"]
    lines += ["| " + " | ".join(map(str, r)) + " |" for r in rows]
    frames = f" --frames {options.frames}" if options.frames else ""
    (ROOT / "docs" / "figures-moving.md").write_text(f"""# Moving cameras

<!-- Written by tools/figures_moving.py. -->

Made by `DELTACNN_TEST_DATA=<folder> tools/figures_moving.py --threads {options.threads}{frames}` on
{machine()}, a shared machine. Work is the share of a dense run's
multiply-accumulates, the first frame left out; aligned: `deltacnn-bench --align`, which finds motion as
`framealign` does; not aligned: the same clip and settings. Agreement is with dense runs, aligned ones of the same
window. Resets are restarts of the canvas after the first; "stood aside" counts frames on which alignment was left off
because it did not pay. Pans are rendered over a fixed camera's clip with people, with hands' trembling and JPEG in
them; DAVIS sequences are real cameras that follow something.

""" + "\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default=".")
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    rows = []
    for model, size, wanted in MODELS:
        for name, clip in clips(options) if model_path(model) else []:
            if not re.search(options.only, f"{model} {name}") \
                    or not re.search(wanted, name):
                continue
            found = row(options, model, size, name, clip)
            if found:
                rows.append(found)
                print(*found, sep="  ", flush=True)
    if not rows:
        print("nothing to measure: DELTACNN_TEST_DATA names a folder with "
              "videos/davis or videos/handheld_bedroom_540p.mp4",
              file=sys.stderr)
        return 1
    page(options, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
