# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clips and stills -> labelled frames.

Writes DIR/frames/NNNNN.jpg, DIR/masks/NNNNN.png (0 background, 255 person, 128 ignore) and
DIR/labels.json (clips that are not made again keep their records): a list of {id, clip, frame, width, height, persons: [{box, score, points}]},
boxes x0,y0,x1,y1 and points [17][x, y, score] in pixels of the written frame.

    prepare.py --clips CLIPS.json --videos DIR --teachers DIR --out DIR [--only NAME ...]

Key points are voted by MoveNet Thunder, MoveNet Lightning and BlazePose (teachers.vote_pose). CLIPS.json says which clips, which frames of each, and how each is labelled (see clips.json).
"""
import argparse
import json
import pathlib

import cv2
import numpy as np

import decode
import teachers

MASK_WEIGHTS = {"blazepose": 0.5, "selfie": 0.3, "voc": 0.2}


def read_frames(path, start, stop, step):
    """Yields (index, BGR frame) for frames start, start+step, ... < stop (None: to the end) of a clip, a still, or a folder
    of numbered .jpg."""
    if path.is_dir():
        for index, file in list(enumerate(sorted(path.glob("*.jpg"))))[start:stop:step]:
            yield index, cv2.imread(str(file))
        return
    if path.suffix in (".jpg", ".png"):
        yield 0, cv2.imread(str(path))
        return
    capture, index = cv2.VideoCapture(str(path)), 0
    while stop is None or index < stop:
        if not capture.grab():
            break
        if index >= start and (index - start) % step == 0:
            yield index, capture.retrieve()[1]
        index += 1


def fit(image, width, height):
    """Shrinks to fit inside width x height; never enlarges."""
    scale = min(1.0, width / image.shape[1], height / image.shape[0])
    if scale == 1.0:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def median_background(frames, limit=61):
    """Per-pixel median of at most `limit` frames: the empty scene of a static camera."""
    step = max(1, len(frames) // limit)
    return np.median(np.stack(frames[::step]), 0).astype(np.uint8)


def foreground(frame, background, threshold=20):
    """Mask [H,W] bool of what differs from the background, shadows taken out, holes filled."""
    a = cv2.GaussianBlur(frame, (3, 3), 0).astype(np.float32)
    b = cv2.GaussianBlur(background, (3, 3), 0).astype(np.float32)
    ratio = (a + 4) / (b + 4)
    shadow = (ratio.max(2) < 0.98) & (ratio.min(2) > 0.55) & (ratio.max(2) - ratio.min(2) < 0.08)
    mask = ((np.abs(a - b).max(2) > threshold) & ~shadow).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    holes = cv2.drawContours(np.zeros_like(mask), contours, -1, 1, -1)
    small_holes = cv2.morphologyEx(holes - mask, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)) == 0
    return (mask > 0) | ((holes > 0) & small_holes)


class Labeller:
    """All teachers together."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.detector = teachers.PersonBoxes(folder / "det_yolox_nano_416.onnx")
        self.poses = [teachers.MoveNetPose(folder / "pose_movenet_thunder_256.onnx", 256),
                      teachers.MoveNetPose(folder / "pose_movenet_lightning_192.onnx", 192),
                      teachers.BlazePosePoints(folder / "pose_blazepose_lite_256.onnx")]
        self.masks = {
            "blazepose": teachers.PersonMask(folder / "pose_blazepose_lite_256.onnx", "blazepose", 256),
            "selfie": teachers.PersonMask(folder / "seg_selfie_mediapipe_256.onnx", "alpha", 256),
            "voc": teachers.PersonMask(folder / "seg_voc_deeplabv3_mnv2_257.onnx", "voc", 257)}

    def boxes(self, frame, scales):
        """Boxes [n,4] and scores [n] >= 0.12, several scales merged."""
        found = [self.detector(frame, s, 0.12) for s in scales]
        boxes = np.concatenate([f[0] for f in found])
        scores = np.concatenate([f[1] for f in found])
        keep = decode.suppress(np.column_stack([boxes, np.zeros(len(boxes)), scores]), 0.55)
        return boxes[keep], scores[keep]

    def probability(self, frame, boxes, weights):
        """Fused person probability [H,W], 0 outside the (grown) boxes."""
        out = np.zeros(frame.shape[:2], np.float32)
        h, w = out.shape
        for box in boxes:
            total = 0
            for grow in (1.15, 1.4):
                crop, ox, oy, side = teachers.square_crop(frame, box, grow)
                p = sum(weight * self.masks[k](crop) for k, weight in weights.items())
                full = np.zeros_like(out)
                sx, sy, ex, ey = max(ox, 0), max(oy, 0), min(ox + side, w), min(oy + side, h)
                full[sy:ey, sx:ex] = p[sy - oy:ey - oy, sx - ox:ex - ox]
                total = total + full / 2
            bw, bh = box[2] - box[0], box[3] - box[1]
            x0, y0 = int(max(0, box[0] - 0.12 * bw)), int(max(0, box[1] - 0.08 * bh))
            x1, y1 = int(box[2] + 0.12 * bw) + 1, int(box[3] + 0.08 * bh) + 1
            out[y0:y1, x0:x1] = np.maximum(out[y0:y1, x0:x1], total[y0:y1, x0:x1])
        return out

    def label(self, frame, spec, background):
        """One frame -> mask uint8 [H,W] of 0/128/255 and the list of persons."""
        mask = np.zeros(frame.shape[:2], np.uint8)
        moved = None if background is None else foreground(frame, background)
        if spec["kind"] == "empty":
            return mask, []
        if spec["kind"] == "hands":
            mask[cv2.dilate(moved.astype(np.uint8), np.ones((15, 15))) > 0] = 128
            return mask, []
        boxes, scores = self.boxes(frame, spec["scales"])
        sure = scores >= spec.get("score", 0.4)
        if moved is not None:
            share = np.array([moved[int(b[1]):int(b[3]) + 1, int(b[0]):int(b[2]) + 1].mean() for b in boxes])
            sure = (share > 0.2) if len(boxes) else sure
        weights = spec.get("weights", MASK_WEIGHTS)
        p = self.probability(frame, boxes[sure], weights)
        if moved is None:
            mask[p > 0.3] = 128
            mask[p > 0.55] = 255
            self.second_look(mask, frame, weights)
        else:
            self.mask_from_motion(mask, moved, p, boxes[sure])
        for box in boxes[~sure] if moved is None else []:
            x0, y0, x1, y1 = box.astype(int)
            part = mask[y0:y1, x0:x1]
            part[part == 0] = 128
        persons = [{"box": [round(float(v), 1) for v in b], "score": round(float(s), 3),
                    "points": [[round(float(v), 2) for v in q] for q in teachers.vote_pose(self.poses, frame, b)]}
                   for b, s in zip(boxes[sure], scores[sure])]
        return mask, persons

    def second_look(self, mask, frame, weights):
        """What the whole frame shows as a person and no box covers is ignored, not background."""
        h, w = mask.shape
        for x in (0.0, w / 2 - h / 2, w - float(h)) if w > 1.2 * h else (0.0,):
            p = self.probability(frame, [np.array([x, 0, x + h, h])], {k: v for k, v in weights.items() if k != "blazepose"})
            p /= sum(v for k, v in weights.items() if k != "blazepose")
            mask[(p > 0.4) & (mask == 0)] = 128

    @staticmethod
    def mask_from_motion(mask, moved, p, boxes):
        """Static camera: the foreground decides, the teachers say which part of it is people."""
        near = np.zeros_like(moved)
        for box in boxes:
            w, h = box[2] - box[0], box[3] - box[1]
            near[int(max(0, box[1] - 0.1 * h)):int(box[3] + 0.1 * h) + 1,
                 int(max(0, box[0] - 0.2 * w)):int(box[2] + 0.2 * w) + 1] = True
        count, parts, stats, _ = cv2.connectedComponentsWithStats((moved & ~near).astype(np.uint8))
        for i in range(1, count):
            if stats[i, cv2.CC_STAT_AREA] > 80:
                mask[parts == i] = 128
        mask[near & (moved | (p > 0.6))] = 128
        mask[near & moved & (p > 0.2)] = 255


def run_clip(labeller, spec, videos, out, first_id, every=1):
    """Labels every `every`th of the frames that spec names of one clip; returns their records."""
    path = next(v / spec["file"] for v in videos if (v / spec["file"]).exists())
    frames = [(i, fit(f, 768, 576)) for i, f in read_frames(
        path, spec.get("start", 0), spec.get("stop"), every * spec.get("step", 1))]
    background = None
    if spec.get("background"):
        stills = [fit(f, 768, 576) for _, f in read_frames(path, 0, None, spec["background"])]
        background = median_background(stills)
        cv2.imwrite(str(out / "backgrounds" / (path.stem + ".png")), background)
    records = []
    for index, frame in frames:
        mask, persons = labeller.label(frame, spec, background)
        number = first_id + len(records)
        cv2.imwrite(str(out / "frames" / f"{number:05d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 88])
        cv2.imwrite(str(out / "masks" / f"{number:05d}.png"), mask)
        records.append({"id": number, "clip": path.stem, "frame": index, "width": frame.shape[1],
                        "height": frame.shape[0], "kind": spec["kind"], "persons": persons})
    print(path.stem, len(records), "frames,", sum(len(r["persons"]) for r in records), "persons", flush=True)
    return records


def clip_arguments(text, usual_set, sets):
    """The parser of a program that labels clips, whose description is text; sets: what --set may name."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--videos", required=True, nargs="+", type=pathlib.Path, help="folders searched for the clips")
    parser.add_argument("--teachers", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--set", default=usual_set, help=sets)
    parser.add_argument("--only", nargs="*")
    return parser


def main():
    parser = clip_arguments(__doc__, "train", "train or test")
    parser.add_argument("--every", type=int, default=1, help="take every Nth of the frames that the clips' steps give")
    args = parser.parse_args()
    for name in ("frames", "masks", "backgrounds"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    labeller, path = Labeller(args.teachers), args.out / "labels.json"
    specs = [s for s in json.load(open(args.clips))[args.set]
             if not args.only or any(o in s["file"] for o in args.only)]
    again = {pathlib.Path(s["file"]).stem for s in specs}
    records = [r for r in json.load(open(path)) if r["clip"] not in again] if path.exists() else []
    for spec in specs:
        first = 1 + max([r["id"] for r in records], default=-1)
        records += run_clip(labeller, spec, args.videos, args.out, first, args.every)
        json.dump(records, open(path, "w"))


if __name__ == "__main__":
    main()
