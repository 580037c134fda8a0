#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Breaks the backend sim on purpose, one way after another, and says whether
engine-conformance sees it: what the oracle is worth. Run by hand:

    tests/engine/break_sim.py build

Every break must be seen. The sources are put back. With --check: only whether
each still has its place in them."""
import os
import signal
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# What is broken, where, the text, and what takes its place.
BREAKS = [
    ('a candidate lost at a border',
     'engine/sim/sim_rows.c',
     '      if (iy >= 0 && ix >= 0 &&\n          sim_marked (maps, marks, node->in',
     '      if (iy > 0 && ix >= 0 &&\n          sim_marked (maps, marks, node->in'),
    ("a stale gate: a step's map makes no candidates",
     'engine/sim/sim_rows.c',
     '    if (map >= 0 && sim_marked (maps, marks, map, same',
     '    if (same && sim_marked (maps, marks, map, same'),
    ('a mask bit too many',
     'engine/sim/sim_nodes.c',
     '      maps->changed[out][p] = maps->exact[out][p] = FALSE;',
     '      maps->exact[out][p] = FALSE;\n      maps->changed[out][p] = p == 0;'),
    ('a global that is not taken anew',
     'engine/sim/sim_nodes.c',
     '  if (!sim->all && !sim->moving && !settling && !regular &&',
     '  if (!sim->all && !sim->moving && !settling && regular &&'),
    ('a change that is stored and not told',
     'engine/sim/sim_nodes.c',
     '      joined += maps->changed[out][p];',
     '      joined += maps->changed[out][p];\n      maps->changed[out][p] &= y > 0;'),
    ('a concatenation whose last piece is never changed',
     'engine/sim/sim_maps.c',
     'for (guint i = 0; m->pieces && i < m->pieces->len; i++)\n    if (sim_marked',
     'for (guint i = 0; m->pieces && i + 1 < MAX (2, m->pieces->len); i++)\n    if (sim_marked'),
    ('two channels of a concatenation swapped',
     'engine/sim/sim_maps.c',
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
     '  sim->all = stream->first ||',
     '  sim->all = stream->stats.frames < 2 ||'),
    ("a picture's column off by one",
     'engine/sim/sim_input.c',
     '    gsize column = plane->x.begin +',
     '    gsize column = (i > 0) + plane->x.begin +'),
    ('U and V swapped',
     'engine/sim/sim_input.c',
     '    u = sample (sim, 1, y, x, 0);\n    v = sample (sim, 1, y, x, 1);',
     '    v = sample (sim, 1, y, x, 0);\n    u = sample (sim, 1, y, x, 1);'),
    ("a difference of just the input's limit counts",
     'engine/sim/sim_input.c',
     '          by > limit_at (&sim->params',
     '          by >= limit_at (&sim->params'),
    ('a cell of noise that is always kept',
     'engine/sim/sim_input.c',
     '    if (4 * ABS (sum) >',
     '    if (5 * ABS (sum) >'),
    ('a dilation that leaves out the corner',
     'engine/sim/sim_input.c',
     '  for (gint dy = -radius; dy <= radius; dy++)',
     '  for (gint dy = -radius; dy < radius; dy++)'),
    ('what was kept back is not left for settling',
     'engine/sim/sim_nodes.c',
     '      run->pending[p] = sim->tuning.settle &&',
     '      run->pending[p] = FALSE && sim->tuning.settle &&'),
    ('a correction that is told as a change',
     'engine/sim/sim_nodes.c',
     '      sim->maps.exact[run->node->out][p] = run_pixel',
     '      sim->maps.changed[run->node->out][p] |= run_pixel'),
    ('a band that is a row too short',
     'engine/sim/sim_nodes.c',
     '  return ((y >= first[0] && y < end[0])',
     '  return ((y >= first[0] && y + 1 < end[0])'),
    ('what has come into view is not computed',
     'engine/sim/sim_nodes.c',
     '  return (gint) y < y0 ||',
     '  return (gint) y + 1 < y0 ||'),
    ("what waits does not move with the window",
     'engine/sim/sim.c',
     '    if (out && out->stride_y > 0)',
     '    if (out && out->stride_y > 4)'),
    ('a torus that begins a row too late',
     'engine/sim/sim_maps.c',
     '  gsize row = (y + maps->origin[index][0])',
     '  gsize row = (y + maps->origin[index][0] * 2)'),
    ('a region that keeps nothing back',
     'engine/sim/sim_input.c',
     '      marks->changed[p] &= inside || sim_is_new (sim, map, y, x);',
     '      marks->changed[p] &= inside || map >= 0;'),
    ('settling outside of the regions',
     'engine/sim/sim_input.c',
     '      sim->differs[p] &= inside;',
     '      sim->differs[p] &= inside || map >= 0;'),
    ('a region that loses what came into view',
     'engine/sim/sim_input.c',
     'inside || sim_is_new (sim, map, y, x);',
     'inside;'),
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


def check():
    lost = 0
    for name, file, old, _ in BREAKS:
        with open(os.path.join(ROOT, file), encoding="utf-8") as f:
            if f.read().count(old) != 1:
                print(f"{file} has not exactly once what is to be broken ({name}): {old}")
                lost += 1
    print(f"breaks: {len(BREAKS)} looked at, {lost} wrong")
    return 1 if lost else 0


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    build = sys.argv[1]
    missed = 0
    path = os.path.join(ROOT, "engine", "sim", "sim.c")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if seen(build, text, path, "typedef struct SimState {",
            "typedef struct SimState {"):
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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
