#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Breaks the backend sim on purpose, one way after another, and says whether
engine-conformance sees it: what the oracle is worth. Run by hand:

    tests/engine/break_sim.py build

Every break must be seen. The sources are put back."""
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# What is broken, where, the text, and what takes its place.
BREAKS = [
    ('a candidate lost at a border',
     'engine/sim/sim_rows.c',
     '      if (iy >= 0 && ix >= 0 && sim_changed (maps, node->in, iy, ix))',
     '      if (iy > 0 && ix >= 0 && sim_changed (maps, node->in, iy, ix))'),
    ("a stale gate: a step's map makes no candidates",
     'engine/sim/sim_rows.c',
     '    if (map >= 0 && sim_changed (maps, map, same',
     '    if (same && sim_changed (maps, map, same'),
    ('a mask bit too many',
     'engine/sim/sim.c',
     '      sim->maps.changed[node->out][p] = FALSE;',
     '      sim->maps.changed[node->out][p] = p == 0;'),
    ('a global that is not taken anew',
     'engine/sim/sim.c',
     '  if (!sim->all && !any_changed (&sim->maps, node->in))\n    return;\n  if (node->norm)',
     '  if (!sim->all)\n    return;\n  if (node->norm)'),
    ('a change that is stored and not told',
     'engine/sim/sim.c',
     '      sim->maps.changed[node->out][p] = TRUE;\n      joined++;',
     '      sim->maps.changed[node->out][p] = y > 0;\n      joined++;'),
    ('a concatenation whose last piece is never changed',
     'engine/sim/sim_maps.c',
     'for (guint i = 0; m->pieces && i < m->pieces->len; i++)\n    if (sim_changed',
     'for (guint i = 0; m->pieces && i + 1 < MAX (2, m->pieces->len); i++)\n    if (sim_changed'),
    ('two channels of a concatenation swapped',
     'engine/sim/sim.c',
     'places[c++] = (SimPlace) { piece, k };',
     'places[c++] = (SimPlace) { piece, k ^ (k == 0 && i == 0 && plan_map (plan, piece)->channels > 1) };'),
    ('dilation forgotten in candidates and rows',
     'engine/sim/sim_rows.c',
     '      k * w->dilation[axis];\n\n  return i < 0 || i >= size',
     '      k;\n\n  return i < 0 || i >= size'),
    ('one channel judged too few',
     'engine/sim/sim_judge.c',
     '  for (guint c = 0; c < out->channels; c++) {\n    gdouble d = (gdouble) after',
     '  for (guint c = 1; c < out->channels; c++) {\n    gdouble d = (gdouble) after'),
    ('a limit a tenth too high',
     'engine/sim/sim_judge.c',
     'limit = rule->limit;',
     'limit = 1.1 * rule->limit;'),
    ('a channel weighed by its neighbour',
     'engine/sim/sim_judge.c',
     'session->influence[n][plan_position (out, c)] : 1;',
     'session->influence[n][plan_position (out, c / 2)] : 1;'),
    ('a transposed window off by one',
     'engine/sim/sim_rows.c',
     'gint64 i = (gint64) at + w->pad_begin[axis] - k',
     'gint64 i = (gint64) at + 1 + w->pad_begin[axis] - k'),
    ('a row of the table that is not looked at',
     'engine/sim/sim_rows.c',
     '  for (guint ky = 0; ky < node->taps_y; ky++)\n    for (guint kx = 0; kx < node->taps_x; kx++) {\n      guint32 iy',
     '  for (guint ky = 0; ky < node->taps_y / 2; ky++)\n    for (guint kx = 0; kx < node->taps_x; kx++) {\n      guint32 iy'),
    ('the second frame of a stream is taken as the first',
     'engine/sim/sim.c',
     '    sim->all = session->streams[frames[i].stream].first ||',
     '    sim->all = session->streams[frames[i].stream].stats.frames < 2 ||'),
]


def seen(build, text, path, old, new):
    """Whether the test fails with new in the place of old."""
    if text.count(old) != 1:
        sys.exit(f"{path} has not exactly once: {old}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    program = os.path.join("tests", "engine", "engine-conformance")
    try:
        subprocess.run(["ninja", "-C", build, program], check=True,
                       stdout=subprocess.DEVNULL)
        run = subprocess.run([os.path.join(build, program)], check=False,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, timeout=300)
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    return run.returncode != 0


def main():
    build = sys.argv[1]
    missed = 0
    path = os.path.join(ROOT, "engine", "sim", "sim.c")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if seen(build, text, path, "static guint8 stop;", "static guint8 stop;"):
        sys.exit("the test fails with nothing broken")
    for name, file, old, new in BREAKS:
        path = os.path.join(ROOT, file)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        found = seen(build, text, path, old, new)
        missed += not found
        print("seen  " if found else "MISSED", name)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
