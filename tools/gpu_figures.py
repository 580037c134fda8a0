#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our milliseconds a batch beside PyTorch's, on the same networks, in one run;
and the pictures of them.

  gpu_figures.py run --nets FOLDER --json FILE [--bench PROGRAM]
                 [--device D] [--batches 1,16,64] [--shares 0%,1%,...]
                 [--only REGEX] [--frames N] [--minutes M] [--no-peers]
                 [--size WIDTHxHEIGHT] [--variant NAME:VARIABLE=VALUE]...
                 [MODEL.onnx@WIDTHxHEIGHT...]
  gpu_figures.py streams --json FILE [--bench PROGRAM] [--device D]
                 [--rate FPS] [--set KEY=VALUE]... [--energy] [--most N]
                 [--minutes M] --clip FILE... MODEL[@WIDTHxHEIGHT]...
  gpu_figures.py plot FILE.json FOLDER

run measures FOLDER's networks (peer_torch.py export) and the ONNX files given,
for each batch: first ours with deltacnn-bench --streams (squares that move over
noise), with every variant (an environment variable) beside it, then the peers
of peer_torch.py. Networks with random weights get thresholds by which they do
the work that trained ones do. FILE is written after every measurement, and what
it holds already is not measured again, so a run that was stopped goes on; what
was skipped is tried again. --minutes: begins nothing after that, and ends what
runs then. --size: of FOLDER's networks, for a try. --energy: joules a frame
beside them, ours (NVML).

streams measures how many streams of each clip a device takes at a rate with
each model, sparse and dense (deltacnn-bench --rate), into the same FILE.

plot writes FOLDER/NET.svg for each network, FOLDER/streams.svg and
FOLDER/table.md. Standard library only; the peers need
PyTorch.
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

HERE = pathlib.Path(__file__).resolve().parent
SHARES = "0%,1%,2%,5%,10%,25%,50%,100%"
PEERS = ("eager", "graph", "compile", "autotune")
THRESHOLDS = {"mobilenet_v2": "0.02"}  # of random weights; others 0.3
COLOURS = {1: "#1f6fb4", 16: "#d1701d", 64: "#3a9440"}


def save(path, results):
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(path)


def last_json(text):
    """The object that a text is, or its last line; None: neither."""
    for part in (text, text.splitlines()[-1] if text else ""):
        try:
            return json.loads(part)
        except ValueError:
            pass
    return None


def run_json(command, seconds, environment=None):
    """What a program prints as JSON, once or a line each time that it knows
    more, or {"skipped": why}."""
    try:
        done = subprocess.run([str(c) for c in command], text=True,
                              capture_output=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as late:
        text = late.stdout or ""
        text = text if isinstance(text, str) else text.decode()
        return last_json(text.strip()) or \
            {"skipped": f"took longer than {seconds:.0f} s"}
    except OSError as error:
        return {"skipped": str(error)}
    found = last_json(done.stdout.strip())
    if found is not None:
        return found
    text = " ".join((done.stderr or done.stdout).split())[-300:]
    return {"skipped": f"exit status {done.returncode}: {text}"}


def ours(chosen, net, batch, seconds, variant=None):
    path, size = net["path"], net["size"]
    tuning = ["--set", f"threshold={net['threshold']}"] if net["threshold"] \
        else []
    out = run_json([chosen.bench, "--model", path, "--size", size, "--device",
                    chosen.device, "--streams", batch, "--synthetic",
                    chosen.shares, "--frames", chosen.frames, "--set",
                    "dilation=0", "--set", "settle=0", *tuning, "--mode",
                    "sparse", *(["--energy"] if chosen.energy else []),
                    "--json", "-"], seconds, variant)
    for point in out.get("points", []):
        point["slowest"] = sorted(point.pop("nodes"), reverse=True,
                                  key=lambda n: n["mac_share"] * n["macs"])[:8]
    return out


def peers(chosen, net, batch, seconds):
    return run_json([sys.executable, HERE / "peer_torch.py", "bench",
                     net["peer"], net["size"], batch, "--device",
                     chosen.device if chosen.device != "auto" else "cuda"],
                    seconds)


def networks(chosen):
    import peer_torch
    found = []
    for name, (width, height) in peer_torch.NETS.items():
        path = chosen.nets / f"{name}.onnx"
        if path.exists():
            found.append({"name": name, "path": path, "peer": name,
                          "size": chosen.size or f"{width}x{height}",
                          "threshold": THRESHOLDS.get(name, "0.3")})
    for text in chosen.models:
        path, _, size = text.partition("@")
        if not re.fullmatch(r"\d+x\d+", size):
            sys.exit(f"gpu_figures.py: {text}: MODEL.onnx@WIDTHxHEIGHT")
        found.append({"name": pathlib.Path(path).stem, "path": path,
                      "peer": path, "size": size, "threshold": ""})
    return [n for n in found if re.search(chosen.only, n["name"])]


def run(chosen):
    results = json.loads(chosen.json.read_text()) if chosen.json.exists() \
        else {"note": "TensorRT could not be had", "nets": {}}
    until = time.monotonic() + chosen.minutes * 60
    for kind, measure, variant in measures(chosen):
        for net in networks(chosen):
            entry = results["nets"].setdefault(net["name"],
                                               {"size": net["size"]})
            for batch in chosen.batches.split(","):
                place = entry.setdefault(batch, {})
                if "skipped" not in place.get(kind, {"skipped": ""}):
                    continue
                left = until - time.monotonic()
                if left < 0:
                    print("gpu_figures.py: the time is over; run again to go "
                          "on")
                    return 0
                place[kind] = measure(chosen, net, int(batch),
                                      min(600, max(left, 1)), *variant)
                save(chosen.json, results)
                print(line_of(net["name"], batch, kind, place[kind]),
                      flush=True)
    return 0


def measures(chosen):
    """What is measured, all of one kind before the next: ours comes first,
    since that is what may have changed."""
    found = [("ours", ours, ())]
    for text in chosen.variant:
        match = re.fullmatch(r"([\w-]+):(\w+)=(.*)", text)
        if not match:
            sys.exit(f"gpu_figures.py: --variant {text}: NAME:VARIABLE=VALUE")
        found.append((f"ours {match[1]}", ours, ({match[2]: match[3]},)))
    return found if chosen.no_peers else [*found, ("peers", peers, ())]


def line_of(name, batch, kind, result):
    if "skipped" in result:
        text = f"skipped: {result['skipped']}"
    elif kind != "peers":
        text = "  ".join(f"{100 * p['synthetic']:g} % {p['device_ms']:.3f} "
                         f"({p['batch_ms']:.3f})" for p in result["points"])
    else:
        text = "  ".join(f"{p} {result[p]:.3f}" for p in PEERS if p in result)
    return f"{name} batch {batch} {kind}: {text}"


# ---- streams at a rate -----------------------------------------------------------

def streams(chosen):
    results = json.loads(chosen.json.read_text()) if chosen.json.exists() \
        else {"nets": {}}
    places = results.setdefault("streams", {})
    until = time.monotonic() + chosen.minutes * 60
    settings = [a for s in chosen.set for a in ("--set", s)]
    for text in chosen.models:
        model, _, size = text.partition("@")
        entry = places.setdefault(pathlib.Path(model).stem, {})
        for clip in chosen.clip:
            name = clip.rstrip("/").split("/")[-1].partition(".")[0]
            if "skipped" not in entry.get(name, {"skipped": ""}):
                continue
            left = until - time.monotonic()
            if left < 0:
                print("gpu_figures.py: the time is over; run again to go on")
                return 0
            entry[name] = run_json(
                [chosen.bench, "--model", model,
                 *(["--size", size] if size else []), "--device",
                 chosen.device, "--rate", chosen.rate, "--streams",
                 chosen.most, "--clip", clip, *settings,
                 *(["--energy"] if chosen.energy else []), "--json", "-",
                 "--quiet"], min(600, max(left, 1)))
            save(chosen.json, results)
            print(f"{text} {name}: {streams_line(entry[name])}", flush=True)
    return 0


def streams_line(result):
    if "skipped" in result:
        return f"skipped: {result['skipped']}"
    return "; ".join(
        f"{p['mode']} {p['streams']} streams" +
        (f", {p['batch_ms']:.1f} ms" if "batch_ms" in p else "") +
        (f", {p['joules_per_frame']:.4f} J a frame"
         if "joules_per_frame" in p else "") for p in result["points"])


def stream_points(results):
    """(model at size on clip, its result) of those that were measured."""
    return [(f"{model} {place['width']}x{place['height']}, {clip}", place)
            for model, entry in results.get("streams", {}).items()
            for clip, place in entry.items() if "points" in place]


def streams_picture(results):
    """Bars: streams taken, sparse above dense, for each net and clip."""
    bars = stream_points(results)
    if not bars:
        return None
    most = max(max(p["streams"] for _, b in bars for p in b["points"]), 1)
    rate, device = bars[0][1]["rate"], bars[0][1]["device"]
    height = 70 + 62 * len(bars)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" '
             f'height="{height}" font-family="sans-serif" font-size="13">',
             f'<rect width="720" height="{height}" fill="white"/>',
             svg_text(360, 22, f"Streams at {rate:g} frames a second on one "
                      f"device ({device})", "middle")]
    for i, (name, place) in enumerate(bars):
        y = 50 + 62 * i
        parts.append(svg_text(20, y + 8, name))
        for k, p in enumerate(place["points"]):
            width = 560 * p["streams"] / most
            colour = COLOURS[1] if p["mode"] == "sparse" else "#9aa4ad"
            text = f"{p['streams']} {p['mode']}" + (
                f", {p['joules_per_frame']:.3f} J a frame"
                if "joules_per_frame" in p else "")
            parts += [f'<rect x="20" y="{y + 13 + 18 * k}" '
                      f'width="{width:.1f}" height="15" fill="{colour}"/>',
                      svg_text(26 + width, y + 25 + 18 * k, text)]
    return "\n".join([*parts, "</svg>", ""])


def streams_table(results):
    bars = stream_points(results)
    if not bars:
        return ""
    head = ["net and clip", "mode", "streams", "ms a batch", "19 of 20 under",
            "after submission", "work", "MiB a stream", "J a frame", "W"]
    lines = ["", f"Streams that are taken at {bars[0][1]['rate']:g} frames a "
             "second each, all results waited for.", "",
             "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, place in bars:
        for p in place["points"]:
            cells = [name, p["mode"], str(p["streams"])]
            cells += [f"{p[k]:.2f}" if k in p else "" for k in (
                "batch_ms", "batch_p95_ms", "device_ms")]
            cells += [f"{100 * p['mac_share']:.1f} %",
                      f"{p['session_bytes'] / max(p['streams'], 1) / 2**20:.1f}"]
            cells += [f"{p[k]:.4g}" if k in p else ""
                      for k in ("joules_per_frame", "watts")]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


# ---- pictures and a table ----------------------------------------------------

def best_peer(place):
    times = [place["peers"][p] for p in PEERS if p in place.get("peers", {})]
    return min(times) if times else None


def svg_line(points, colour, dashes=""):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f'<polyline points="{path}" fill="none" stroke="{colour}" '
            f'stroke-width="2"{dashes}/>')


def svg_text(x, y, text, anchor="start", colour="#333"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" '
            f'fill="{colour}">{text}</text>')


def picture(name, entry):
    """Speed-up over the best dense peer by the share that changed; the
    horizontal axis is a root, so that small shares have room."""
    curves = []
    for batch, place in entry.items():
        dense = best_peer(place) if isinstance(place, dict) else None
        points = place.get("ours", {}).get("points") if dense else None
        if points:
            curves.append((int(batch), sorted(
                (p["synthetic"], dense / max(p["device_ms"], 1e-6))
                for p in points)))
    if not curves:
        return None
    top = max(2.0, max(v for _, c in curves for _, v in c))
    low = min(0.5, min(v for _, c in curves for _, v in c))

    def at(share, value):
        return (70 + 500 * math.sqrt(share), 330 - 290 *
                math.log(value / low) / math.log(top / low))

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="620" '
             'height="400" font-family="sans-serif" font-size="13">',
             '<rect width="620" height="400" fill="white"/>',
             svg_text(320, 20, f"{name}, {entry['size']}: speed-up over the "
                      "best dense PyTorch run", "middle")]
    for share in (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1):
        x, _ = at(share, low)
        parts += [svg_line([(x, 330), (x, 335)], "#888"),
                  svg_text(x, 350, f"{100 * share:g}", "middle")]
    parts.append(svg_text(320, 375, "% of the input changed (root scale)",
                          "middle"))
    for value in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100):
        if low <= value <= top:
            _, y = at(0, value)
            parts += [svg_line([(70, y), (570, y)], "#ddd" if value != 1
                               else "#888"),
                      svg_text(62, y + 4, f"{value:g}x", "end")]
    for i, (batch, points) in enumerate(curves):
        colour = COLOURS.get(batch, "#7a4fa0")
        parts += [svg_line([at(*p) for p in points], colour),
                  svg_text(480, 50 + 18 * i, f"batch {batch}", "start",
                           colour)]
    return "\n".join([*parts, "</svg>", ""])


def table(results):
    lines = ["Milliseconds a batch after submission, medians; peers: PyTorch "
             "dense, half precision, channels last. TensorRT could not be "
             "had.", ""]
    shares = sorted({p["synthetic"] for entry in results["nets"].values()
                     for place in entry.values() if isinstance(place, dict)
                     for p in place.get("ours", {}).get("points", [])})
    head = ["net", "batch", "work at 5 %", *(f"{100 * s:g} %" for s in shares),
            "host at 5 %", "J a frame at 5 %", *PEERS]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, entry in results["nets"].items():
        for batch, place in entry.items():
            if not isinstance(place, dict):
                continue
            for kind in place:
                if kind.startswith("ours"):
                    lines.append(row_of(f"{name} {entry['size']}", batch, kind,
                                        place, shares))
            lines += [f"| {name} | {batch} | {kind} skipped: "
                      f"{result['skipped'].replace('|', '/')} |"
                      for kind, result in place.items()
                      if "skipped" in result]
    return "\n".join(lines) + "\n"


def row_of(name, batch, kind, place, shares):
    """Of ours, or of a variant, which has no peers beside it."""
    points = {p["synthetic"]: p for p in place[kind].get("points", [])}
    at5 = points.get(0.05)
    peer = place.get("peers", {}) if kind == "ours" else {}
    return "| " + " | ".join([
        name + kind.removeprefix("ours"), batch,
        f"{100 * at5['mac_share']:.1f} %" if at5 else "",
        *(f"{points[s]['device_ms']:.3f}" if s in points else ""
          for s in shares),
        f"{at5['batch_ms'] - at5['device_ms']:.3f}" if at5 else "",
        f"{at5['joules_per_frame']:.4f}"
        if at5 and "joules_per_frame" in at5 else "",
        *(f"{peer[p]:.3f}" if p in peer else "" for p in PEERS)]) + " |"


def plot(chosen):
    results = json.loads(chosen.json.read_text())
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name, entry in results["nets"].items():
        text = picture(name, entry)
        if text:
            (chosen.folder / f"{name}.svg").write_text(text)
    bars = streams_picture(results)
    if bars:
        (chosen.folder / "streams.svg").write_text(bars)
    text = table(results) + streams_table(results)
    (chosen.folder / "table.md").write_text(text)
    print(text)
    return 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sub = parser.add_subparsers(dest="command", required=True)
    way = sub.add_parser("run")
    way.add_argument("--nets", type=pathlib.Path, required=True)
    way.add_argument("--json", type=pathlib.Path, required=True)
    way.add_argument("--bench", default=shutil.which("deltacnn-bench") or
                     str(HERE.parent / "build/tools/deltacnn-bench"))
    way.add_argument("--device", default="cuda")
    way.add_argument("--batches", default="1,16,64")
    way.add_argument("--shares", default=SHARES)
    way.add_argument("--only", default="")
    way.add_argument("--frames", default="40")
    way.add_argument("--minutes", type=float, default=600)
    way.add_argument("--no-peers", action="store_true")
    way.add_argument("--size", default="")
    way.add_argument("--variant", action="append", default=[])
    way.add_argument("--energy", action="store_true")
    way.add_argument("models", nargs="*")
    way = sub.add_parser("streams")
    way.add_argument("--json", type=pathlib.Path, required=True)
    way.add_argument("--bench", default=shutil.which("deltacnn-bench") or
                     str(HERE.parent / "build/tools/deltacnn-bench"))
    way.add_argument("--device", default="cuda")
    way.add_argument("--rate", default="25")
    way.add_argument("--set", action="append", default=[])
    way.add_argument("--energy", action="store_true")
    way.add_argument("--most", default="1024")
    way.add_argument("--minutes", type=float, default=600)
    way.add_argument("--clip", action="append", required=True)
    way.add_argument("models", nargs="+")
    way = sub.add_parser("plot")
    way.add_argument("json", type=pathlib.Path)
    way.add_argument("folder", type=pathlib.Path)
    chosen = parser.parse_args()
    return {"run": run, "streams": streams, "plot": plot}[chosen.command](
        chosen)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
