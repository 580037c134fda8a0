#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tries every model of a folder and prints one table, in Markdown.

    wild.py FOLDER... [--clip CLIP] [--frames N] [--size WxH] [--build DIR]

Columns: accepted, or refused and why; dense against ONNX Runtime (largest
difference of the largest value); sparse at threshold 0 against dense; share of
the work and agreement on the clip with default settings; result: what the
descriptor's decoder gives, or "tensors". --size is for models that leave
theirs open. DELTACNN_PYTHON is the Python that has onnxruntime. The exit
status is 1 when a model was refused.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys


def run(command):
    """A program's exit status, standard output and error."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"


def inspect(args, model):
    """(description, size given or None, reason of refusal or None)."""
    reason = ""
    for size in (None, args.size):
        command = [args.build / "tools/deltacnn-inspect", "--json", model] + (["--size", size] if size else [])
        status, out, err = run(command)
        if status == 0:
            return json.loads(out), size, None
        reason = reason or err.strip().replace("\n", " ")
    return None, None, re.sub(r"^.*\.onnx': ", "", reason)


def against_runtime(args, model):
    """The largest difference, relative, as the test program prints it."""
    env = dict(os.environ, DELTACNN_TEST_DATA=str(model.parent), DELTACNN_TEST_QUICK="0")
    done = subprocess.run([str(args.build / "tests/onnx/onnx-real_models"), model.name], env=env,
                          capture_output=True, text=True, check=False)
    found = re.search(r"^(ok|FAIL).*max difference (\S+)", done.stdout, re.M)
    if found:
        return found.group(2) + (" (!)" if found.group(1) == "FAIL" else "")
    return "skipped" if done.returncode == 77 else last_line(done.stdout + done.stderr)


def bench(args, model, size, settings):
    """The figures of deltacnn-bench, or its complaint."""
    command = [args.build / "tools/deltacnn-bench", "--model", model, "--clip", args.clip, "-n", args.frames,
               "-q", "--json", "-"] + (["--size", size] if size else [])
    for setting in settings:
        command += ["--set", setting]
    status, out, err = run(command)
    return (json.loads(out), None) if status == 0 else (None, last_line(err))


def agreement(figures):
    """The most telling figure of agreement that the decoder has."""
    for key in ("iou", "keypoint_px", "f1", "top1", "relative_rms", "max_abs"):
        if figures["agreement"].get(key) is not None:
            return f"{key} {figures['agreement'][key]:.3g}"
    return "-"


def row(args, model):
    described, size, reason = inspect(args, model)
    if reason:
        return [model.name, "refused: " + reason[:160], "-", "-", "-", "-", "-"]
    exact, wrong = bench(args, model, size, ["threshold=0", "input-threshold=0", "gate-threshold=0",
                                                 "dilation=0", "settle=0"])
    usual, complaint = bench(args, model, size, [])
    decoder = described.get("decoder") or "tensors"
    largest = exact["agreement"].get("max_abs") if exact else None
    sparse = wrong if exact is None else "not compared" if largest is None else f"{largest:.1e}"
    return [model.name, "accepted" + (f" at {size}" if size else ""), against_runtime(args, model), sparse,
            f"{usual['mac_share']:.2f}" if usual else "-", agreement(usual) if usual else complaint,
            decoder if usual else "none"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    root = pathlib.Path(__file__).resolve().parent.parent
    data = pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", root.parent / "shared" / "data"))
    parser.add_argument("--clip", default=data / "videos" / "webcam_talkinghead_512x480.mp4")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--size", default="192x48")
    parser.add_argument("--build", type=pathlib.Path, default=root / "build")
    args = parser.parse_args()
    models = sorted(m for folder in args.folders for m in folder.glob("*.onnx"))
    print("| model | loads | dense, ONNX Runtime | sparse at 0, dense | share | agreement | result |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    refused = 0
    for model in models:
        cells = row(args, model)
        refused += cells[1].startswith("refused")
        print("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |", flush=True)
    print(f"\n{len(models) - refused} of {len(models)} accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
