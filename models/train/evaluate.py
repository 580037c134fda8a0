# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of one network on labelled frames (prepare.py's output) and on ground-truth boxes.

    evaluate.py MODEL.onnx --data DIR [--clip NAME ...] [--sizes CLIP=WxH ...]
    evaluate.py MODEL.onnx --boxes CLIP.avi BOXES.csv [--size 768x576]

Segmentation: IoU of the mask at 0.5 against the teachers' mask over all frames of a clip, ignored pixels left out,
with precision and recall of pixels. Pose: persons matched one to one with the teachers' persons by the mean distance of
common key points (at most 0.25 of the box's height); recall of persons, persons found that match none, and the
mean and median distance of common key points in pixels of the network's input and in parts of the box's height.
Objects (a folder of objects.py): against what the voting teachers are sure of, same class, IoU 0.5; found ones on what they
doubt do not count. At score 0.3 recall and precision; mean over the classes of the average precision.
Boxes: connected parts of the mask, or persons, against the csv (frame,id,x,y,w,h; frames count from 1), greedy by IoU.
"""
import argparse
import csv
import json
import pathlib

import cv2
import numpy as np

import decode
import objects
import prepare
import sheet
import teachers

SCORE = 0.3


def mask_counts(probability, label):
    """True positives, false positives, false negatives of pixels (label 128 ignored)."""
    label = cv2.resize(label, probability.shape[::-1], interpolation=cv2.INTER_NEAREST)
    found, person, background = probability > 0.5, label > 200, label < 60
    return np.array([(found & person).sum(), (found & background).sum(), (~found & person).sum()])


def match_poses(people, persons, scale_x, scale_y):
    """Pairs decoded people with labelled persons; returns distances [n,2] (px, share of height), matched, wrong."""
    table = []
    for j, person in enumerate(persons):
        want = np.array(person["points"]) * (scale_x, scale_y, 1)
        height = (person["box"][3] - person["box"][1]) * scale_y
        for i, one in enumerate(people):
            both = (one["points"][:, 2] > 0) & (want[:, 2] > SCORE)
            if both.sum() >= 3:
                d = np.linalg.norm(one["points"][both, :2] - want[both, :2], axis=1)
                table.append((d.mean() / height, i, j, d, height))
    used_i, used_j, far = set(), set(), []
    for mean, i, j, d, height in sorted(table, key=lambda t: t[0]):
        if mean < 0.25 and i not in used_i and j not in used_j:
            used_i.add(i), used_j.add(j)
            far += [(v, v / height) for v in d]
    return far, len(used_j), len(people) - len(used_i)


def on_labels(session, data, records, size):
    """One line of figures for the frames of one clip."""
    total, far, matched, wrong, persons = np.zeros(3), [], 0, 0, 0
    for r in records:
        frame = cv2.imread(str(data / "frames" / f"{r['id']:05d}.jpg"))
        out, _ = sheet.run(session, frame, size)
        if "mask" in out:
            total += mask_counts(out["mask"][0], cv2.imread(str(data / "masks" / f"{r['id']:05d}.png"), 0))
            continue
        people = decode.decode_pose(out["heatmaps"], out["center"], out["offsets"])
        f, m, w = match_poses(people, r["persons"], size[0] / frame.shape[1], size[1] / frame.shape[0])
        far, matched, wrong, persons = far + f, matched + m, wrong + w, persons + len(r["persons"])
    if not persons:
        tp, fp, fn = total
        return (f"{len(records)} frames, IoU {tp / max(1, total.sum()):.3f}, precision {tp / max(1, tp + fp):.3f}, "
                f"recall {tp / max(1, tp + fn):.3f}")
    far = np.array(far).reshape(-1, 2)
    middle = np.median(far, 0) if len(far) else (np.nan, np.nan)
    mean = far.mean(0) if len(far) else (np.nan, np.nan)
    return (f"{len(records)} frames, {persons} persons: found {matched} ({matched / persons:.2f}), others {wrong}; "
            f"{len(far)} key points, distance mean {mean[0]:.2f} px median {middle[0]:.2f} px "
            f"({mean[1]:.3f}, {middle[1]:.3f} of the height)")


def average_precision(scores, hits, total):
    """Area under precision over recall, precision made falling."""
    order = np.argsort(-np.array(scores), kind="stable")
    true = np.cumsum(np.array(hits, np.float64)[order])
    precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
    return float((precision * np.diff(true, prepend=0)).sum() / total)


def on_objects(session, data, records, size):
    """One line of figures against the teachers' objects for the frames of one clip."""
    scores, hits, kinds, total = [], [], [], np.zeros(len(objects.CLASSES), int)
    for r in records:
        frame = cv2.imread(str(data / "frames" / f"{r['id']:05d}.jpg"))
        out, _ = sheet.run(session, frame, size)
        found, truth = out["objects"], np.array(r["objects"]).reshape(-1, 6)
        found[:, :4] /= min(size[0] / frame.shape[1], size[1] / frame.shape[0])
        sure, used = truth[truth[:, 5] >= objects.SURE], set()
        np.add.at(total, sure[:, 4].astype(int), 1)
        for one in found:
            near = [(o, j) for j, o in enumerate(objects.overlaps(one, sure)) if o >= 0.5 and sure[j, 4] == one[4] and j not in used]
            doubted = truth[truth[:, 5] < objects.SURE]
            if not near and len(doubted) and objects.overlaps(one, doubted).max() >= 0.4:
                continue
            used.update([max(near)[1]] if near else [])
            scores.append(one[5]), hits.append(bool(near)), kinds.append(int(one[4]))
    scores, hits, kinds = np.array(scores), np.array(hits, bool), np.array(kinds)
    shown, right = (scores > 0.3).sum(), (hits & (scores > 0.3)).sum()
    ap = {c: average_precision(scores[kinds == c], hits[kinds == c], n) if (kinds == c).any() else 0.0 for c, n in enumerate(total) if n}
    return (f"{len(records)} frames, {total.sum()} objects: found {right} (recall {right / max(1, total.sum()):.3f}, precision "
            f"{right / max(1, shown):.3f}), AP50 {np.mean(list(ap.values()) or [0]):.3f} ("
            + ", ".join(f"{objects.CLASSES[c]} {a:.2f} of {total[c]}" for c, a in ap.items()) + ")")


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(0, w) * max(0, h)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def on_boxes(session, clip, path, size):
    """Boxes of the mask's parts against a csv of ground truth; all frames that the csv names."""
    truth = {}
    for row in csv.DictReader(open(path)):
        x, y, w, h = (float(row[k]) for k in "xywh")
        truth.setdefault(int(row["frame"]), []).append((x, y, x + w, y + h))
    hits, boxes, found, overlaps, covered = 0, 0, 0, [], 0
    for index, frame in prepare.read_frames(clip, 0, max(truth), 1):
        if index + 1 not in truth:
            continue
        out, _ = sheet.run(session, frame, size)
        sx, sy = frame.shape[1] / size[0], frame.shape[0] / size[1]
        if "objects" in out:
            sx = sy = max(sx, sy)
            persons = out["objects"][(out["objects"][:, 4] == 0) & (out["objects"][:, 5] > 0.3)]
        parts = [(a * sx, b * sy, c * sx, d * sy) for a, b, c, d in (persons[:, :4] if "objects" in out else decode.mask_boxes(out["mask"][0]))]
        table = sorted(((iou(p, t), i, j) for i, p in enumerate(parts) for j, t in enumerate(truth[index + 1])), reverse=True)
        used_i, used_j = set(), set()
        for value, i, j in table:
            if value >= 0.3 and i not in used_i and j not in used_j:
                used_i.add(i), used_j.add(j)
                overlaps.append(value)
        if "mask" in out:
            mask = cv2.resize(out["mask"][0], frame.shape[1::-1])
            covered += sum(mask[int(t[1]):int(t[3]), int(t[0]):int(t[2])].max() > 0.5 for t in truth[index + 1])
        hits, boxes, found = hits + len(used_j), boxes + len(truth[index + 1]), found + len(parts)
    return (f"{len(truth)} frames: {boxes} true boxes, {found} found, {hits} matched at IoU 0.3 "
            f"(recall {hits / boxes:.2f}, precision {hits / max(1, found):.2f}, mean IoU {np.mean(overlaps):.2f}, "
            f"{sum(o >= 0.5 for o in overlaps)} at IoU 0.5)" + (f"; mask reaches into {covered} of the true boxes" if covered else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--clip", nargs="*")
    parser.add_argument("--sizes", nargs="*", default=[], help="CLIP=WxH, default 512x288")
    parser.add_argument("--boxes", nargs=2, type=pathlib.Path)
    parser.add_argument("--size", default="768x576", help="for --boxes")
    args = parser.parse_args()
    session, parse = teachers.open_model(args.model), lambda s: tuple(int(v) for v in s.split("x"))
    if args.boxes:
        print(args.boxes[0].stem, on_boxes(session, *args.boxes, parse(args.size)))
    if not args.data:
        return
    records, sizes = json.load(open(args.data / "labels.json")), dict(s.split("=") for s in args.sizes)
    for clip in args.clip or sorted({r["clip"] for r in records}):
        size = parse(sizes.get(clip, "512x288"))
        figures = on_objects if "objects" in records[0] else on_labels
        print(f"{clip} at {size[0]}x{size[1]}:", figures(session, args.data, [r for r in records if r["clip"] == clip], size), flush=True)


if __name__ == "__main__":
    main()
