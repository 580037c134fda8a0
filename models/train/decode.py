# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain decoding of the networks' outputs; the reference for any other implementation.

Boxes: see yolox_rows.
Segmentation: `mask` [1,1,h,w] is the person probability of each 4x4 block of input pixels.
Pose: see decode_pose; its steps are the contract that the model card states.
"""
import numpy as np

STRIDE = 4
PEAK, CENTRE, SNAP, LEAST, SCORE = 0.25, 0.25, 0.5, 3, 0.1


def peaks(heat, threshold):
    """Local maxima of one map [h,w] above threshold: list of (x, y, score), x and y in input pixels.

    A cell is a peak if no cell of its 3x3 neighbourhood is larger (of equal ones the first in row order).
    The position is refined by the parabola through the neighbours, at most half a cell each way.
    """
    h, w = heat.shape
    padded = np.pad(heat, 1, constant_values=-1)
    around = [padded[1 + dy:1 + dy + h, 1 + dx:1 + dx + w] for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dx or dy]
    top = heat > threshold
    for i, other in enumerate(around):
        top &= (heat > other) if i < 4 else (heat >= other)
    found = []
    for y, x in zip(*np.nonzero(top)):
        c, move = heat[y, x], []
        for low, high in ((padded[y + 1, x], padded[y + 1, x + 2]), (padded[y, x + 1], padded[y + 2, x + 1])):
            bend = max(low, 0) + max(high, 0) - 2 * c
            move.append(float(np.clip((max(low, 0) - max(high, 0)) / (2 * bend), -0.5, 0.5)) if bend < -1e-6 else 0.0)
        found.append(((x + 0.5 + move[0]) * STRIDE, (y + 0.5 + move[1]) * STRIDE, float(c)))
    return found


def merge_close(found, radius):
    """Drops peaks within `radius` pixels of a stronger one."""
    kept = []
    for p in sorted(found, key=lambda q: -q[2]):
        if all((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 > radius * radius for q in kept):
            kept.append(p)
    return kept


def decode_pose(heatmaps, center, offsets, peak=PEAK, centre=CENTRE, snap=SNAP):
    """heatmaps [17,h,w], center [1,h,w] (both 0..1), offsets [34,h,w] (input pixels; 2k = x, 2k+1 = y of key point k)
    -> list of persons: {score, center (x, y), points [17,3] x, y, score; score 0 = not found}, input pixels.

    1. Centres: peaks of `center` above `centre`, weaker ones within 8 px of a stronger dropped.
    2. Every peak p of heatmap k above `peak` votes for the centre p + offset, offset read at the peak's cell.
    3. Candidates (peak, centre) with distance d(vote, centre) <= max(12 px, snap * |offset|) are taken in the
       order of score / (1 + d / 16 px), each peak once and each key point of a person once.
    4. A person with fewer than LEAST = 3 key points, or with a score under SCORE, is dropped; its score is centre score *
       mean key point score.
    """
    people = [{"center": c, "points": np.zeros((17, 3), np.float32)} for c in merge_close(peaks(center[0], centre), 8)]
    pairs = []
    for k in range(17):
        for i, (x, y, s) in enumerate(peaks(heatmaps[k], peak)):
            cy, cx = min(int(y / STRIDE), heatmaps.shape[1] - 1), min(int(x / STRIDE), heatmaps.shape[2] - 1)
            ox, oy = float(offsets[2 * k, cy, cx]), float(offsets[2 * k + 1, cy, cx])
            reach = max(12.0, snap * float(np.hypot(ox, oy)))
            for j, person in enumerate(people):
                d = float(np.hypot(x + ox - person["center"][0], y + oy - person["center"][1]))
                if d <= reach:
                    pairs.append((s / (1 + d / 16), k, i, j, (x, y, s)))
    used = set()
    for _, k, i, j, point in sorted(pairs, key=lambda p: -p[0]):
        if (k, i) not in used and people[j]["points"][k, 2] == 0:
            used.add((k, i))
            people[j]["points"][k] = point
    out = []
    for person in people:
        found = person["points"][:, 2] > 0
        if found.sum() >= LEAST:
            person["score"] = person["center"][2] * float(person["points"][found, 2].mean())
            if person["score"] >= SCORE:
                out.append(person)
    return sorted(out, key=lambda p: -p["score"])


def mask_boxes(mask, threshold=0.5, least=12):
    """Boxes (x0,y0,x1,y1 px) of the 8-connected parts of mask [h,w] > threshold with at least `least` cells."""
    import cv2
    count, _, stats, _ = cv2.connectedComponentsWithStats((mask > threshold).astype(np.uint8), connectivity=8)
    return [tuple(STRIDE * v for v in (x, y, x + w, y + h)) for x, y, w, h, area in stats[1:count] if area >= least]


def suppress(boxes, limit):
    """Rows of boxes [n,6] (x0,y0,x1,y1,class,score) kept by greedy suppression within a class at IoU `limit`, best first."""
    order, keep = np.argsort(-boxes[:, 5], kind="stable"), []
    while len(order):
        i = order[0]
        keep.append(int(i))
        a, b = boxes[i], boxes[order[1:]]
        w = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0])
        h = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1])
        inter = np.clip(w, 0, None) * np.clip(h, 0, None)
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) - inter
        order = order[1:][(inter / np.maximum(union, 1e-6) < limit) | (b[:, 4] != a[4])]
    return keep


def yolox_rows(rows, width, height, score=0.3, classes=None, limit=0.45, strides=(8, 16, 32)):
    """rows [N,5+C] (x, y, log w, log h, object, classes; undecoded) of a width x height input -> [n,6], best first:
    x0,y0,x1,y1 in its pixels, class, score = object * class. classes: those of the C to keep, in the order to number them."""
    grid = np.concatenate([np.stack(np.meshgrid(np.arange(width // s), np.arange(height // s)), -1).reshape(-1, 2) for s in strides])
    stride = np.concatenate([np.full((width // s) * (height // s), s, np.float32) for s in strides])[:, None]
    picked = rows[:, 5:] if classes is None else rows[:, [5 + c for c in classes]]
    best = picked.argmax(1)
    value = rows[:, 4] * picked[np.arange(len(rows)), best]
    centre, half = (rows[:, :2] + grid) * stride, np.exp(rows[:, 2:4].clip(-20, 20)) * stride / 2
    boxes = np.column_stack([centre - half, centre + half, best, value]).astype(np.float32)[value > score]
    return boxes[suppress(boxes, limit)]
