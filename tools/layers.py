#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws docs/pictures/layers.svg: the rooms, and which includes which.

  tools/layers.py > docs/pictures/layers.svg

Rooms are folders, rows are layers, top to bottom; a line from room to room says
that some file of the upper one includes one of the lower. The includes are read
from the source; the rows are below, and a room that is in none is an error.
tools/docgen.py writes the picture, and a test keeps it true. Standard library only.
"""
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROWS = [
    ["pipelines", "tools", "gst", "gst/deltacnn", "gst/deltaimage", "gst/deltaoverlay",
     "gst/framealign"],
    ["gst/common", "gst/metas", "models", "stabilizer"],
    ["models/onnx", "models/descriptor", "models/decoders"],
    ["engine/cpu", "engine/cuda", "engine/sim", "engine/null"],
    ["engine/graph", "engine/plan", "engine/policy", "engine/ops", "engine"],
    ["kernels/cpu", "kernels/cpu/ref", "kernels/cuda", "kernels/mask", "kernels"],
    ["include/deltacnn"],
]
SUFFIXES = {".c", ".h", ".def", ".cu", ".cuh", ".cpp"}
WIDTH, ROW, BOX_W, BOX_H = 1120, 96, 150, 40
COLOURS = ["#dbe9f6", "#e3f1df", "#e3f1df", "#fbeccb", "#fbeccb", "#f6ddd6",
           "#e8e2f2"]


def sources():
    out = subprocess.run(["git", "-C", str(ROOT), "ls-files"], check=True,
                         capture_output=True, text=True).stdout
    return [p for p in map(pathlib.PurePosixPath, out.splitlines())
            if p.suffix in SUFFIXES and p.parts[0] != "tests"
            and (ROOT / p).is_file()]


def room_of(path, rooms):
    """The deepest room that a file is in; None: its folder is in no row."""
    for folder in path.parents:
        if str(folder) in rooms:
            return str(folder)
    return None


def resolve(path, name, known):
    """The file that an include means; None: none of the project."""
    beside = path.parent / name
    if beside in known:
        return beside
    found = [k for k in known if ("/" + str(k)).endswith("/" + name)]
    # of two, that of the same room
    found.sort(key=lambda k: (k.parts[0] != path.parts[0], k))
    return found[0] if found else None


def edges():
    """Pairs of rooms (from, to), and the rooms that have files."""
    rooms = {r for row in ROWS for r in row}
    known = set(sources())
    found, filled = set(), set()
    for path in sorted(known):
        room = room_of(path, rooms)
        if room is None:
            sys.exit(f"layers.py: {path} is in no room of ROWS: add its folder")
        filled.add(room)
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r'^\s*#\s*include\s*["<]([^">]+)[">]', text,
                               re.M):
            goal = resolve(path, name, known)
            other = room_of(goal, rooms) if goal else room
            if other != room:
                found.add((room, other))
    return found, filled


def draw():
    found, filled = edges()
    place = {}
    for y, row in enumerate(ROWS):
        shown = [r for r in row if r in filled]
        gap = WIDTH / len(shown)
        for x, room in enumerate(shown):
            place[room] = (gap * (x + 0.5), 40 + y * ROW, y)
    height = 40 + (len(ROWS) - 1) * ROW + 60
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} '
           f'{height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for a, b in sorted(found):
        (ax, ay, ra), (bx, by, rb) = place[a], place[b]
        if ra == rb:  # neighbours: an arc above them
            line = (f"M{ax:.0f} {ay - BOX_H / 2:.0f} Q{(ax + bx) / 2:.0f} "
                    f"{ay - 46:.0f} {bx:.0f} {by - BOX_H / 2:.0f}")
        else:
            down = 1 if by > ay else -1
            line = (f"M{ax:.0f} {ay + down * BOX_H / 2:.0f} L{bx:.0f} "
                    f"{by - down * BOX_H / 2:.0f}")
        colour = "#c03030" if rb < ra else "#8a9099"
        out.append(f'<path d="{line}" fill="none" stroke="{colour}" '
                   f'stroke-opacity="0.55"><title>{a} includes {b}</title>'
                   '</path>')
    for room, (x, y, row) in place.items():
        out.append(f'<rect x="{x - BOX_W / 2:.0f}" y="{y - BOX_H / 2:.0f}" '
                   f'width="{BOX_W}" height="{BOX_H}" rx="5" '
                   f'fill="{COLOURS[row]}" stroke="#555"/>')
        out.append(f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">'
                   f'{room}</text>')
    return "\n".join(out) + "\n</svg>\n"


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.stdout.write(draw())
