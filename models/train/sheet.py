# SPDX-License-Identifier: LGPL-2.1-or-later
"""Contact sheet: one network drawn on frames of a clip, to look at.

    sheet.py MODEL.onnx CLIP OUT.png [--frames 12] [--size 512x288] [--start N --stop N]
"""
import argparse
import pathlib

import cv2
import numpy as np

import decode
import prepare
import teachers
import graph_file

BONES = [(5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (0, 5), (0, 6)]


def run(session, frame, size):
    """frame BGR [h,w,3] -> outputs by name (batch dimension dropped) and the resized frame.

    A YOLOX file (input `images`) sees the frame in its corner, and gives `objects` [n,6] (decode.yolox_rows) in its pixels; one from
    MoveNet (input `input`) wants -1..1.
    """
    if session.get_inputs()[0].name == "images":
        small = teachers.letterbox_topleft(frame, min(size[0] / frame.shape[1], size[1] / frame.shape[0]))
        small = cv2.copyMakeBorder(small, 0, size[1] - small.shape[0], 0, size[0] - small.shape[1], cv2.BORDER_CONSTANT, value=(114,) * 3)
        out = session.run(None, {"images": teachers.to_nchw(small)})[0][0]
        return {"objects": decode.yolox_rows(out, *size, score=0.05)}, small
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if frame.shape[1] > size[0] else cv2.INTER_LINEAR)
    image = teachers.to_nchw(small[..., ::-1]) / 255
    if session.get_inputs()[0].name == "input":
        image = image * 2 - 1
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, [o[0] for o in session.run(names, {session.get_inputs()[0].name: image})])), small


def draw(small, out):
    """Mask in green with its boxes, skeletons, or objects, over a copy of the picture."""
    view = small.copy()
    if "objects" in out:
        for x0, y0, x1, y1, kind, score in out["objects"][out["objects"][:, 5] > 0.3]:
            at = (int(x0), int(y0))
            cv2.rectangle(view, at, (int(x1), int(y1)), (0, 255, 255), 1)
            cv2.putText(view, f"{graph_file.CLASSES[int(kind)]} {score:.2f}", (at[0], max(8, at[1] - 2)), cv2.FONT_HERSHEY_PLAIN, 0.7, (0, 255, 255))
        return view
    if "mask" in out:
        p = cv2.resize(out["mask"][0], small.shape[1::-1])[..., None]
        view = (view * (1 - 0.55 * p) + p * 0.55 * np.array([60, 255, 60])).astype(np.uint8)
        for x0, y0, x1, y1 in decode.mask_boxes(out["mask"][0]):
            cv2.rectangle(view, (x0, y0), (x1, y1), (0, 255, 255), 1)
        return view
    for i, person in enumerate(decode.decode_pose(out["heatmaps"], out["center"], out["offsets"])):
        colour = [(0, 0, 255), (0, 255, 0), (255, 128, 0), (0, 255, 255), (255, 0, 255), (255, 255, 0)][i % 6]
        at = lambda q: (int(round(q[0])), int(round(q[1])))
        for a, b in BONES:
            if person["points"][a, 2] and person["points"][b, 2]:
                cv2.line(view, at(person["points"][a]), at(person["points"][b]), colour, 1, cv2.LINE_AA)
        for q in person["points"]:
            if q[2]:
                cv2.circle(view, at(q), 2, colour, -1)
        cv2.drawMarker(view, at(person["center"]), (255, 255, 255), cv2.MARKER_CROSS, 7)
    return view


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("clip", type=pathlib.Path)
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stop", type=int)
    args = parser.parse_args()
    size = tuple(int(v) for v in args.size.split("x"))
    session = teachers.open_model(args.model)
    frames = [f for _, f in prepare.read_frames(args.clip, args.start, args.stop, 5)]
    picks = [frames[int((i + 0.5) * len(frames) / args.frames)] for i in range(args.frames)]
    views = []
    for frame in picks:
        out, small = run(session, frame, size)
        views.append(draw(small, out))
    rows = [np.hstack(views[i:i + args.columns]) for i in range(0, len(views) - args.columns + 1, args.columns)]
    cv2.imwrite(args.out, np.vstack(rows))


if __name__ == "__main__":
    main()
