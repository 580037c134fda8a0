#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures regions, each on and off, and writes docs/figures-regions.md.

  tools/figures_regions.py [--build DIR] [--frames N] [--repeats N]
                           [--only REGEX]

Clips and models come from the folder in DELTACNN_TEST_DATA (videos/, models/).
Each row is a pipeline of gst-launch-1.0, run with what it is about on, off, and
dense; work and results are those of its JSON lines. Times are processor time of
the thread that the element has behind a queue, so that neither the detector nor
what else the machine does is in them; the least of so many runs. Raw results are
kept in cache/figures-regions/. Linux and the standard library only.
"""
import argparse
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = ROOT / "cache" / "figures-regions"
DATA = pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", "."))
STREET, JUGGLER = "static_pets09_s2l1_vtest.avi", "static_fullbody_juggle_720p.mp4"
SHOP = "static_retail_1080p.mp4"
DETECTOR = "det_yolox_nano_416", "attach=roi+detections"
TOP_DOWN = "windows=8 roi-metas=true roi-type=person"
# Key points under this score are not compared; those within this share of the
# person's height are at the same place.
SURE, NEAR = 0.3, 0.05
THREAD = "q:src"  # GStreamer names a thread by the pad that it drives

# (what, clip, model, behind a detector?, off, on, rectangle or None)
ROWS = [
    ("regions", STREET, "people-seg", False, "", "regions={}",
     (384, 192, 384, 384)),
    ("regions", SHOP, "people-seg", False, "", "regions={}",
     (0, 0, 960, 1080)),
    ("roi-metas", STREET, "people-seg", True, "",
     "roi-metas=true roi-type=person", None),
    ("roi-metas", JUGGLER, "people-seg", True, "",
     "roi-metas=true roi-type=person", None),
    ("windows, with a state each", STREET, "pose_simplepose_mnv2_256x192",
     True, f"{TOP_DOWN} mode=dense", TOP_DOWN, None),
    ("windows, with a state each", JUGGLER, "pose_simplepose_mnv2_256x192",
     True, f"{TOP_DOWN} mode=dense", TOP_DOWN, None),
    ("interest", STREET, "people-seg", False, "", "interest=true", None),
    ("interest", SHOP, "people-seg", False, "", "interest=true", None),
]
COLUMNS = ["what", "model", "clip", "work: off", "on", "ms a frame: off", "on",
           "agreement with dense: off", "on"]


def model_path(name):
    for folder in (ROOT / "models/data/zoo", DATA / "models"):
        if (folder / f"{name}.onnx").exists():
            return folder / f"{name}.onnx"
    return None


def command(options, elements):
    """A pipeline's command line and environment."""
    launch = shutil.which("gst-launch-1.0") or "gst-launch-1.0"
    return [launch, "-q", *map(str, elements)], {
        **os.environ, "GST_PLUGIN_PATH": str(options.build / "gst"),
        "GST_REGISTRY": str(CACHE / "registry")}


def raw_clip(options, clip):
    """So many of its frames, or one or two more, decoded: every run has the same
    ones."""
    path = CACHE / f"{pathlib.Path(clip).stem}-{options.frames}.mkv"
    if not path.exists():
        part = path.with_suffix(".part")
        line, environment = command(options, [
            "filesrc", f"location={DATA / 'videos' / clip}", "!", "decodebin",
            "!", "videoconvert", "!", "video/x-raw,format=I420", "!",
            "identity", f"eos-after={options.frames}", "!", "matroskamux", "!",
            "filesink", f"location={part}"])
        subprocess.run(line, env=environment, check=True,
                       stdin=subprocess.DEVNULL)
        part.rename(path)
    return path


def spent_ns(process):
    """What the thread behind the queue has had of a processor so far."""
    for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*"):
        try:
            if (task / "comm").read_text().strip() == THREAD:
                return int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return None


def play(options, elements, lines):
    """Processor milliseconds a frame of the thread behind the queue, from where
    the first frame is done."""
    line, environment = command(options, elements)
    lines.unlink(missing_ok=True)
    samples = []
    with subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as running:
        while running.poll() is None:
            spent = spent_ns(running)
            done = lines.read_bytes().count(b"\n") if lines.exists() else 0
            if spent is not None and done >= 1:
                samples.append((done, spent))
            time.sleep(0.004)
        text = running.stdout.read()
    if running.returncode or len(samples) < 2:
        sys.exit(f"{' '.join(line)}: {text.strip() or 'no samples'}")
    (first, from_ns), (last, to_ns) = samples[0], samples[-1]
    return (to_ns - from_ns) / 1e6 / max(last - first, 1)


def measure(options, clip, before, net, name):
    """Lines of JSON, and the least milliseconds a frame of so many runs; from
    the cache where it has them."""
    stem = CACHE / re.sub(r"\W+", "_", f"{name} {clip} {options.frames}")
    lines, times = pathlib.Path(f"{stem}.jsonl"), pathlib.Path(f"{stem}.ms")
    if not times.exists():
        chain = ["filesrc", f"location={raw_clip(options, clip)}", "!",
                 "matroskademux", *before, "!", "queue", "name=q",
                 "max-size-buffers=2", "!", *net, f"results-location={lines}",
                 "!", "fakesink", "sync=false"]
        least = min(play(options, chain, lines)
                    for _ in range(options.repeats))
        times.write_text(f"{least}\n")
    return ([json.loads(line) for line in lines.read_text().splitlines()],
            float(times.read_text()))


def pixels(mask):
    """Rows of cells, from runs of value and length."""
    cells, runs = bytearray(), mask["runs"]
    for value, length in zip(runs[::2], runs[1::2]):
        cells += bytes([value != 0]) * length
    return [cells[y * mask["width"]:(y + 1) * mask["width"]]
            for y in range(mask["height"])]


def mask_iou(frames, dense, rectangle):
    """Of people, over all frames; rectangle: only cells whose middle is in it."""
    both = either = 0
    for ours, theirs in zip(frames, dense):
        a, b = ours["segmentation"], theirs["segmentation"]
        x0, y0, w, h = a["rectangle"]
        for y, (p, q) in enumerate(zip(pixels(a), pixels(b))):
            for x, (one, other) in enumerate(zip(p, q)):
                if not one and not other:
                    continue
                px = x0 + (x + 0.5) * w / a["width"]
                py = y0 + (y + 0.5) * h / a["height"]
                if rectangle and not (
                        0 <= px - rectangle[0] < rectangle[2]
                        and 0 <= py - rectangle[1] < rectangle[3]):
                    continue
                both += one and other
                either += 1
    return both / either if either else 1.0


def middle(pose):
    points = pose["keypoints"]
    return (sum(p[0] for p in points) / len(points),
            sum(p[1] for p in points) / len(points))


def points_near(frames, dense):
    """Share of dense runs' key points that lie at the same place; a person of
    theirs is compared with the nearest of ours."""
    near = count = 0
    for ours, theirs in zip(frames, dense):
        for pose in theirs.get("poses", []):
            height = max(p[1] for p in pose["keypoints"]) - min(
                p[1] for p in pose["keypoints"])
            sure = [i for i, p in enumerate(pose["keypoints"])
                    if p[2] >= SURE]
            count += len(sure)
            if not ours.get("poses"):
                continue
            other = min(ours["poses"], key=lambda p: math.dist(
                middle(p), middle(pose)))
            near += sum(math.dist(pose["keypoints"][i][:2],
                                  other["keypoints"][i][:2]) <= NEAR * height
                        for i in sure)
    return near / count if count else 1.0


def agreement(frames, dense, rectangle):
    if len(frames) != len(dense):
        sys.exit(f"{len(frames)} frames beside {len(dense)}")
    if any("segmentation" in f for f in dense):
        return f"IoU {mask_iou(frames, dense, rectangle):.3f}"
    return f"{100 * points_near(frames, dense):.1f} % of key points"


def row(options, what, clip, model, detected, off, on, rectangle):
    net, found, before = model_path(model), model_path(DETECTOR[0]), []
    if not net or not found or not (DATA / "videos" / clip).exists():
        return None
    if detected:
        before = ["!", "deltacnn", f"model={found}", "device=cpu", "threads=1",
                  DETECTOR[1]]
    if rectangle:
        on = on.format(",".join(map(str, rectangle)))
    cells, results = [], {}
    for side, settings in (("dense", off if "mode=" in off else
                            "mode=dense"), ("off", off), ("on", on)):
        results[side] = measure(
            options, clip, before,
            ["deltacnn", "name=net", f"model={net}", "device=cpu",
             "threads=1", *settings.split()], f"{model} {settings}")
    dense = results["dense"][0][1:]
    for side in ("off", "on"):
        lines, ms = results[side][0][1:], results[side][1]
        work = sum(f["mac_share"] for f in lines) / len(lines)
        cells.append((f"{100 * work:.0f} %", f"{ms:.1f}",
                      agreement(lines, dense, rectangle)))
    return [what + (f" {','.join(map(str, rectangle))}" if rectangle else ""),
            model, pathlib.Path(clip).stem,
            *(cell for pair in zip(*cells) for cell in pair)]


def page(options, rows):
    table = "\n".join("| " + " | ".join(map(str, r)) + " |" for r in
                      [COLUMNS, ["---"] * len(COLUMNS), *rows])
    (ROOT / "docs" / "figures-regions.md").write_text(f"""# Regions, each on and off

<!-- Written by tools/figures_regions.py. -->

Made by `DELTACNN_TEST_DATA=<folder> tools/figures_regions.py --frames {options.frames}`. Work: share of a dense run's
multiply-accumulates, the first frame left out. Milliseconds: processor time of the element on one thread, the least of up to {options.repeats} runs. Agreement: with the same pipeline where every frame is dense; IoU of the masks of people over all frames,
or how many of dense's key points (score {SURE} and more) lie within {100 * NEAR:.0f} % of the person's height of it.

* **regions**: only that rectangle is inferred; the agreement is that inside of it.
* **roi-metas**: only where {DETECTOR[0]} sees people in the same frame; the agreement is that of the whole picture, so who it does
  not see is missing. The detector's own time is not counted, on either side.
* **windows**: a pose model of one person, a window on each of up to 8 that {DETECTOR[0]} sees; off: no window keeps a state, so that each
  of them is dense in each frame.
* **interest**: a change counts for less the farther it is from the last results.

{table}
""", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=".")
    options = parser.parse_args()
    options.build = options.build.resolve()
    CACHE.mkdir(parents=True, exist_ok=True)
    rows = []
    for one in ROWS:
        if re.search(options.only, " ".join(map(str, one[:3]))):
            found = row(options, *one)
            if found:
                rows.append(found)
                print(*found, sep="  ", flush=True)
    if not rows:
        print("nothing to measure: DELTACNN_TEST_DATA names a folder with "
              "videos/ and models/", file=sys.stderr)
        return 1
    page(options, rows)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
