#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which of the CUDA backend's switches make frames faster: all of them beside
none, in one run, there and back again, so that what the device does meanwhile
falls on all alike.

  gpu_switches.py --nets FOLDER --json FILE [--bench PROGRAM] [--device D]
                  [--batches 1,16] [--shares 5%,25%,100%] [--only REGEX]
                  [--rounds N] [--frames N] [--minutes M] [--size WxH]
                  [--switch NAME:VARIABLE=VALUE[,VARIABLE=VALUE...]]...
                  [MODEL.onnx@WIDTHxHEIGHT...]

For each network and batch a round measures no switch, every switch, and no
switch again; the next round goes backwards. A figure is the least of its
rounds, in milliseconds a batch after submission; the spread is how far those of
no switch are apart. A switch wins where it is faster by more than 2 % and the
spread. FILE is written after every network and batch, and what it holds already
is not measured again. The bits do not depend on switches (engine/cuda_levels).
The exit status is 1 where something could not be measured. Standard library
only.
"""
import argparse
import json
import math
import pathlib
import re
import signal
import sys
import time

import gpu_figures

SWITCHES = [
    "no-exits:DELTACNN_CUDA_EXITS=0",
    "no-squares:DELTACNN_CUDA_SQUARES=0",
    "no-long:DELTACNN_CUDA_LONG=0",
    "lists-first:DELTACNN_CUDA_EARLY=0",
    "no-whole:DELTACNN_CUDA_WHOLE=0",
]
LEAST = 0.02


def parse_switch(text):
    name, _, values = text.partition(":")
    pairs = [v.partition("=") for v in values.split(",")]
    if not name or not all(re.fullmatch(r"\w+", k) and e for k, e, _ in pairs):
        sys.exit(f"gpu_switches.py: --switch {text}: NAME:VARIABLE=VALUE,...")
    return name, {k: v for k, _, v in pairs}


def measure(chosen, net, batch, until):
    """{name: {share: [ms, ...]}}, or {"skipped": why}."""
    switches = [("none", {}), *map(parse_switch, chosen.switch), ("none", {})]
    found = {}
    for turn in range(chosen.rounds):
        for name, values in switches if turn % 2 == 0 else switches[::-1]:
            left = until - time.monotonic()
            if left < 0:
                return {"skipped": "the time is over"}
            out = gpu_figures.ours(chosen, net, batch, min(120, max(left, 1)),
                                   values)
            if "skipped" in out:
                return {"skipped": f"{name}: {out['skipped']}"}
            for point in out["points"]:
                found.setdefault(name, {}).setdefault(
                    f"{100 * point['synthetic']:g}", []).append(
                        point["device_ms"])
    return found


def ratio(place, name, share):
    """Time with the switch by time without, and the spread without."""
    base = place["none"][share]
    least = max(min(base), 1e-6)
    return max(min(place[name][share]), 1e-6) / least, \
        max(max(base), 1e-6) / least - 1


def verdict(value, spread):
    noise = max(LEAST, spread)
    return "wins" if value < 1 - noise else "loses" if value > 1 + noise \
        else "even"


def table(results):
    """Lines of Markdown, and a summary by switch."""
    lines, sums = [], {}
    for net, batches in results.items():
        for batch, place in batches.items():
            if "skipped" in place:
                lines.append(f"{net} batch {batch}: skipped: "
                             f"{place['skipped']}")
                continue
            shares = list(place["none"])
            lines += [f"\n{net}, batch {batch}\n",
                      "| switch | " + " | ".join(f"{s} %" for s in shares) +
                      " |", "|" + " --- |" * (len(shares) + 1)]
            lines.append("| none, ms | " + " | ".join(
                f"{min(place['none'][s]):.3f} (spread "
                f"{100 * ratio(place, 'none', s)[1]:.0f} %)"
                for s in shares) + " |")
            for name in place:
                if name == "none":
                    continue
                cells = []
                for share in shares:
                    value, spread = ratio(place, name, share)
                    cells.append(f"{value:.3f} {verdict(value, spread)}")
                    sums.setdefault(name, {}).setdefault(
                        (int(batch), share), []).append(value)
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if sums:
        places = sorted({k for of in sums.values() for k in of})
        lines += ["\nGeometric means over the networks\n",
                  "| switch | " + " | ".join(f"batch {b}, {s} %"
                                             for b, s in places) + " |",
                  "|" + " --- |" * (len(places) + 1)]
        for name, of in sums.items():
            cells = [f"{math.exp(sum(map(math.log, of[p])) / len(of[p])):.3f}"
                     if p in of else "" for p in places]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(chosen):
    results = json.loads(chosen.json.read_text()) if chosen.json.exists() \
        else {}
    until = time.monotonic() + 60 * chosen.minutes
    for batch in chosen.batches.split(","):
        for net in gpu_figures.networks(chosen):
            entry = results.setdefault(net["name"], {})
            if "skipped" not in entry.get(batch, {"skipped": ""}):
                continue
            if time.monotonic() > until:
                entry[batch] = {"skipped": "the time is over"}
                continue
            entry[batch] = measure(chosen, net, int(batch), until)
            gpu_figures.save(chosen.json, results)
    gpu_figures.save(chosen.json, results)
    print(table(results))
    return int(not results or any("skipped" in place for of in results.values()
                                  for place in of.values()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--bench", default="deltacnn-bench")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--shares", default="5%,25%,100%")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--frames", default="60")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--size", default="")
    parser.add_argument("--switch", action="append", default=[])
    parser.add_argument("--energy", action="store_true",
                        help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="*")
    chosen = parser.parse_args()
    chosen.switch = chosen.switch or SWITCHES
    return run(chosen)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
