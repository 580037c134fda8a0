#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tries every model of a folder and prints one table, in Markdown.

    wild.py FOLDER... [--videos DIR] [--frames N] [--size WxH] [--build DIR]
            [--sheet FILE.png [--only-sheet]]

Columns: accepted, or refused and why; dense against ONNX Runtime (largest
difference of the largest value); sparse at threshold 0 against dense (largest
difference, thresholds of single nodes left out); the clip, one that suits the
model (SHOWN), the share of the work and the agreement on it with default
settings; result: what the descriptor's decoder gives, or "tensors". --size is
for models that leave theirs open.

--sheet writes a contact sheet of all models, in the table's order, row by row:
what deltaimage and deltaoverlay show of each on frame 40 of its clip. A model
that gives nothing to look at is named. --only-sheet: no table.

DELTACNN_PYTHON is the Python that has onnxruntime. The exit
status is 1 when a model was refused.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

# Part of a model's name; the clip, or folder of JPEGs, on which there is
# something to see; for the sheet alone, what to do with its frames first, where
# a net wants a crop or the dark.
TALKING = "webcam_talkinghead_512x480.mp4"
SHOWN = [
    ("road", "davis/JPEGImages/480p/car-roundabout", ""),
    ("squeezenet", "static_bottle_640x360.mp4", "videocrop left=180 right=180 top=70"),
    ("cpm", "static_fullbody_juggle_720p.mp4", ""), ("hourglass", "webcam_asl_school.mkv", ""),
    ("simplepose", "static_fullbody_juggle_720p.mp4", ""), ("blazepose", "static_fullbody_juggle_720p.mp4", ""),
    ("det_", "static_fullbody_dog_720p.mp4", ""), ("pose_", "static_fullbody_dog_720p.mp4", ""),
    ("hand", "webcam_asl_book.mkv", "videocrop left=190 right=250 top=120 bottom=160"),
    ("reid", "static_fullbody_juggle_720p.mp4", "videocrop left=560 right=420 top=100"),
    ("textangle", "static_retail_1080p.mp4", "videocrop left=1300 right=50 top=36 bottom=975"),
    ("lowlight", TALKING, "gamma gamma=0.4"), ("", TALKING, ""),
]
CELL_WIDTH, CELL_HEIGHT, COLUMNS = 320, 240, 6
SHOWN_FRAME = 40


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


def against_runtime(args, model, size):
    """The largest difference, relative, as the test program prints it, at that size or the model's own."""
    env = dict(os.environ, DELTACNN_TEST_DATA=str(model.parent), DELTACNN_TEST_QUICK="0")
    command = [str(args.build / "tests/onnx/onnx-real_models"), model.name] + ([size] if size else [])
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    found = re.search(r"^(ok|FAIL).*max difference (\S+)", done.stdout, re.M)
    if found:
        return found.group(2) + (" (!)" if found.group(1) == "FAIL" else "")
    return "skipped" if done.returncode == 77 else last_line(done.stdout + done.stderr)


def shown(args, model):
    """(clip, elements before) on which there is something to see."""
    return next((args.videos / clip, first.split()) for part, clip, first in SHOWN if part in model.name)


def without_thresholds(folder, model, described):
    """The model in a folder of its own, with a descriptor that has no
    thresholds of single nodes."""
    copy = pathlib.Path(folder) / model.name
    copy.symlink_to(model)
    if described.get("descriptor"):
        text = pathlib.Path(described["descriptor"]).read_text(encoding="utf-8")
        text = re.sub(r"(?ms)^\[(thresholds|influence)\]\n.*?(?=^\[|\Z)", "", text)
        (copy.parent / (copy.name + ".modelinfo")).write_text(text, encoding="utf-8")
    return copy


def bench(args, model, size, settings):
    """The figures of deltacnn-bench, or its complaint."""
    command = [args.build / "tools/deltacnn-bench", "--model", model, "--clip", shown(args, model)[0], "-n", args.frames,
               "-q", "--json", "-"] + (["--size", size] if size else [])
    for setting in settings:
        command += ["--set", setting]
    status, out, err = run(command)
    return (json.loads(out), None) if status == 0 else (None, last_line(err))


def agreement(figures):
    """The most telling figure of agreement that the decoder has."""
    for key in ("iou", "keypoint_px", "f1_near", "top1", "relative_rms", "max_abs"):
        if figures["agreement"].get(key) is not None:
            return f"{key} {figures['agreement'][key]:.3g}"
    return "-"


def row(args, model):
    described, size, reason = inspect(args, model)
    if reason:
        return [model.name, "refused: " + reason[:160], "-", "-", "-", "-", "-", "-"]
    with tempfile.TemporaryDirectory(prefix="deltacnn-") as folder:
        exact, wrong = bench(args, without_thresholds(folder, model, described), size,
                             ["threshold=0", "input-threshold=0", "gate-threshold=0", "dilation=0", "settle=0"])
    usual, complaint = bench(args, model, size, [])
    decoder = described.get("decoder") or "tensors"
    largest = exact["agreement"].get("max_abs") if exact else None
    sparse = wrong if exact is None else "not compared" if largest is None else f"{largest:.1e}"
    return [model.name, "accepted" + (f" at {size}" if size else ""), against_runtime(args, model, size), sparse,
            shown(args, model)[0].name, f"{usual['mac_share']:.2f}" if usual else "-", agreement(usual) if usual else complaint,
            decoder if usual else "none"]


def launch(args, *elements):
    """A pipeline of the build's elements; its error output when it failed."""
    env = dict(os.environ, GST_PLUGIN_PATH=str(args.build / "gst"), DELTACNN_BUILD=str(args.build),
               GST_REGISTRY=str(args.build / "wild-registry.bin"))
    done = subprocess.run(["gst-launch-1.0", "-q", *elements], env=env, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else last_line(done.stderr) or "failed"


def cell(args, model, size, path):
    """Draws a model's results on a frame of its clip. The frame is not the last:
    behind an end that comes early decoders give half-made ones."""
    clip, first = shown(args, model)
    sizes = [f"input-{n}={v}" for n, v in zip(("width", "height"), size.split("x"))] if size else []
    source = ["filesrc", f"location={clip}", "!", "decodebin"]
    if clip.is_dir():
        source = ["multifilesrc", f"location={clip}/%05d.jpg", "caps=image/jpeg,framerate=25/1", "!", "jpegdec"]
    problem = launch(args, *source, "!", "videoconvert", "!", *(first + ["!"] if first else []), "identity",
                     f"eos-after={SHOWN_FRAME + 2}", "!", "deltacnn", f"model={model}", "qos=false", *sizes, "!",
                     "deltaimage", "!", "deltaoverlay", "!", "videoconvert", "!", "videoscale", "add-borders=true",
                     "!", f"video/x-raw,width={CELL_WIDTH},height={CELL_HEIGHT},pixel-aspect-ratio=1/1", "!",
                     "pngenc", "!", "multifilesink", f"location={path}.%d")
    if not problem:
        pathlib.Path(f"{path}.{SHOWN_FRAME}").rename(path)
    return problem


def sheet(args, models):
    """Writes the contact sheet; the names of models that drew nothing."""
    missing = []
    with tempfile.TemporaryDirectory(prefix="deltacnn-") as folder:
        mixer, sources = ["compositor", "name=c", "background=black"], []
        for i, model in enumerate(models):
            path = pathlib.Path(folder) / f"{i}.png"
            described, size, _ = inspect(args, model)
            problem = cell(args, model, size, path) if described else "refused"
            print(f"{i // COLUMNS + 1}.{i % COLUMNS + 1} {model.name}: {problem or described.get('decoder')}",
                  flush=True)
            if problem or not path.exists() or not described.get("decoder"):
                missing.append(model.name)
            if not path.exists():
                continue
            pad = len(sources)
            mixer += [f"sink_{pad}::xpos={i % COLUMNS * CELL_WIDTH}", f"sink_{pad}::ypos={i // COLUMNS * CELL_HEIGHT}"]
            sources.append(["filesrc", f"location={path}", "!", "pngdec", "!", "videoconvert", "!", "imagefreeze",
                            "num-buffers=1", "!", "c."])
        problem = launch(args, *mixer, "!", "videoconvert", "!", "pngenc", "!", "filesink", f"location={args.sheet}",
                         *[word for source in sources for word in source])
    if problem:
        sys.exit(f"{args.sheet}: {problem}")
    return missing


def table(args, models):
    """Prints the table; how many models were refused."""
    print("| model | loads | dense, ONNX Runtime | sparse at 0, dense | clip | share | agreement | result |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    refused = 0
    for model in models:
        cells = row(args, model)
        refused += cells[1].startswith("refused")
        print("| " + " | ".join(text.replace("|", "/") for text in cells) + " |", flush=True)
    print(f"\n{len(models) - refused} of {len(models)} accepted")
    return refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    root = pathlib.Path(__file__).resolve().parent.parent
    data = pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", root.parent / "shared" / "data"))
    parser.add_argument("--videos", type=pathlib.Path, default=data / "videos")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--size", default="192x48")
    parser.add_argument("--build", type=pathlib.Path, default=root / "build")
    parser.add_argument("--sheet")
    parser.add_argument("--only-sheet", action="store_true")
    args = parser.parse_args()
    models = [m for folder in args.folders for m in sorted(folder.glob("*.onnx"))]
    missing = sheet(args, models) if args.sheet else []
    for name in missing:
        print(f"nothing to look at: {name}")
    refused = 0 if args.only_sheet else table(args, models)
    return 1 if refused or missing else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
