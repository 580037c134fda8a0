# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clips and stills -> frames with boxes of the classes of street-boxes, by voting teachers.

Writes DIR/frames/NNNNN.jpg and DIR/labels.json: a list of {id, clip, frame, width, height, objects: [[x0, y0, x1, y1,
class, score]]}, boxes in pixels of the written frame, class an index into CLASSES, score what the voters think together
(vote()). What lies between DOUBT and SURE is neither an object nor background: training ignores it.

    objects.py --clips CLIPS.json --videos DIR [DIR ...] --teachers DIR --out DIR [--set objects] [--only NAME ...]

A file name of CLIPS.json may be a pattern ("*.jpg"). Voters: YOLOX-nano at two scales and mirrored, CenterNet at the first.
`classes`: what there is in the clip (a person looked); what the voters call otherwise is background, which is worth most.
`motion`: the class of all that moves before a still camera, found by the difference to the median of every `background`th frame.
"""
import json
import pathlib

import cv2
import numpy as np

import prepare
import teachers
from graph_file import CLASSES, COCO

DOUBT, SURE = 0.12, 0.4
FLOOR = 0.06


def overlaps(box, boxes):
    """IoU of one box with boxes [n,4+]."""
    w = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    h = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    inter = np.clip(w, 0, None) * np.clip(h, 0, None)
    return inter / np.maximum((box[2] - box[0]) * (box[3] - box[1])
                              + (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) - inter, 1e-6)


def vote(found, agree=0.55):
    """found: one [n,6] (x0,y0,x1,y1,class,score) a voter -> [m,6], best first.

    Boxes of a class that overlap by `agree` are one object: its box is their mean by score, its score the mean of the
    better half of the voters' (one that has nothing there counts as 0). Of two classes at one place the better stays.
    """
    every = np.concatenate([np.column_stack([f, np.full(len(f), i)]) for i, f in enumerate(found)])
    every = every[np.argsort(-every[:, 5], kind="stable")]
    half, out = (len(found) + 1) // 2, []
    while len(every):
        near = (overlaps(every[0], every) >= agree) & (every[:, 4] == every[0, 4])
        group, every = every[near], every[~near]
        best = sorted((group[group[:, 6] == v, 5].max() for v in np.unique(group[:, 6])), reverse=True)
        box = (group[:, :4] * group[:, 5:6]).sum(0) / group[:, 5].sum()
        out.append(np.array([*box, group[0, 4], sum(best[:half]) / half]))
    out.sort(key=lambda o: -o[5])
    kept = []
    for one in out:
        if all(k[4] == one[4] or overlaps(one, k[None])[0] < 0.7 for k in kept):
            kept.append(one)
    return np.array(kept).reshape(-1, 6)


class Voters:
    """All detectors together."""

    def __init__(self, folder, threads=1):
        folder = pathlib.Path(folder)
        self.yolox = teachers.YoloxBoxes(folder / "det_yolox_nano_416.onnx", COCO, threads)
        self.centernet = teachers.CenterNetBoxes(folder / "det_centernet_mnv3_512.onnx", COCO, threads)

    def __call__(self, image, scales):
        """Objects [n,6] of a BGR image, score >= DOUBT."""
        mirrored = self.yolox(np.ascontiguousarray(image[:, ::-1]), scales[-1], FLOOR)
        mirrored[:, [0, 2]] = image.shape[1] - mirrored[:, [2, 0]]
        found = [self.yolox(image, s, FLOOR) for s in scales] + [mirrored, self.centernet(image, scales[0], FLOOR)]
        out = vote(found)
        return out[out[:, 5] >= DOUBT]


def moving(frame, background, kind, least=0.004):
    """Boxes [n,6] of class `kind`, score 1, of what differs from the background by more than a shadow does and covers `least` of the frame."""
    close = np.ones((15, 15), np.uint8)
    mask = cv2.morphologyEx(prepare.foreground(frame, background, 60).astype(np.uint8), cv2.MORPH_CLOSE, close)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(mask, cv2.MORPH_OPEN, close))
    return np.array([(x, y, x + w, y + h, kind, 1.0) for x, y, w, h, area in stats[1:count] if area > least * mask.size]).reshape(-1, 6)


def label(voters, frame, spec, background):
    """Objects [n,6] of one frame."""
    kinds = [CLASSES.index(c) for c in spec.get("classes", CLASSES)]
    found = voters(frame, spec["scales"]) if kinds else np.zeros((0, 6))
    found = found[np.isin(found[:, 4], kinds)]
    if background is None:
        return found
    moved = moving(frame, background, CLASSES.index(spec["motion"]))
    apart = [all(overlaps(o, moved) < 0.3) for o in found]
    return np.concatenate([moved, found[np.array(apart, bool)]])


def main():
    args = prepare.clip_arguments(__doc__, "objects", "objects, objects-test, or objects-local (clips that may be tested on, not "
                                  "given away)").parse_args()
    (args.out / "frames").mkdir(parents=True, exist_ok=True)
    voters, path = Voters(args.teachers), args.out / "labels.json"
    specs = [s for s in json.load(open(args.clips))[args.set] if not args.only or any(o in s["file"] for o in args.only)]
    files = [(f, s) for s in specs for v in args.videos for f in sorted(v.glob(s["file"]))]
    again = {f.stem for f, _ in files}
    records = [r for r in json.load(open(path)) if r["clip"] not in again] if path.exists() else []
    for file, spec in files:
        first, count, background = 1 + max([r["id"] for r in records], default=-1), 0, None
        if "motion" in spec:
            background = prepare.median_background([prepare.fit(f, 768, 576) for _, f in prepare.read_frames(file, 0, None, spec["background"])])
        for index, frame in prepare.read_frames(file, spec.get("start", 0), spec.get("stop"), spec.get("step", 1)):
            frame = prepare.fit(frame, 768, 576)
            found = label(voters, frame, spec, background)
            cv2.imwrite(str(args.out / "frames" / f"{first + count:05d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 88])
            records.append({"id": first + count, "clip": file.stem, "frame": index, "width": frame.shape[1],
                            "height": frame.shape[0], "objects": [[round(float(v), 2) for v in o] for o in found]})
            count += 1
        json.dump(records, open(path, "w"))
        sure = [int(o[4]) for r in records[-count:] for o in r["objects"] if o[5] >= SURE] if count else []
        print(file.stem, count, "frames:", ", ".join(f"{sure.count(c)} {n}" for c, n in enumerate(CLASSES) if c in sure)
              or "nothing", flush=True)


if __name__ == "__main__":
    main()
