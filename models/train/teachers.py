# SPDX-License-Identifier: LGPL-2.1-or-later
"""Teachers: public ONNX models run with onnxruntime, one small class each.

Every teacher takes BGR uint8 images [H,W,3] as OpenCV reads them and returns float32
arrays in the pixels of that image. The paths come from the caller; nothing is downloaded.
"""
import cv2
import numpy as np
import onnx
import onnxruntime as ort

import decode

COCO_KEYPOINTS = 17
FLIP_PAIRS = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]


def open_model(path, threads=1, resizable=False):
    """An onnxruntime session on the CPU that prints errors only.

    resizable: forget the H and W that the file states, for a model whose graph allows any.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    source = str(path)
    if resizable:
        model = onnx.load(source)
        for value in list(model.graph.input) + list(model.graph.output):
            for i, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.dim_param = f"{value.name}_{i}"
        del model.graph.value_info[:]
        source = model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def to_nchw(image):
    """[H,W,3] -> float32 [1,3,H,W]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)


def square_crop(image, box, grow):
    """Cuts a square around box.

    image: [H,W,3]; box: x0,y0,x1,y1 in pixels; grow: side / longer side of the box.
    Returns the crop (black outside the image) and its origin x, y and side in pixels.
    """
    x0, y0, x1, y1 = box
    side = max(8, int(round(max(x1 - x0, y1 - y0) * grow)))
    ox, oy = int(round((x0 + x1 - side) / 2)), int(round((y0 + y1 - side) / 2))
    crop = np.zeros((side, side, 3), np.uint8)
    h, w = image.shape[:2]
    sx, sy, ex, ey = max(ox, 0), max(oy, 0), min(ox + side, w), min(oy + side, h)
    if ex > sx and ey > sy:
        crop[sy - oy:ey - oy, sx - ox:ex - ox] = image[sy:ey, sx:ex]
    return crop, ox, oy, side


def letterbox_topleft(image, scale, fill=114):
    """The image scaled by `scale` on a canvas whose sides are multiples of 32, in its corner."""
    sh, sw = int(round(image.shape[0] * scale)), int(round(image.shape[1] * scale))
    canvas = np.full(((sh + 31) // 32 * 32, (sw + 31) // 32 * 32, 3), fill, np.uint8)
    canvas[:sh, :sw] = cv2.resize(image, (sw, sh), interpolation=cv2.INTER_LINEAR)
    return canvas


class Boxes:
    """A detector of any input size; classes: those of the file to keep, in our order."""

    def __init__(self, path, classes, threads=1):
        self.session, self.classes = open_model(path, threads, resizable=True), list(classes)
        self.name = self.session.get_inputs()[0].name


class YoloxBoxes(Boxes):
    """YOLOX, undecoded output [1,N,5+classes] of strides 8, 16, 32."""

    def __call__(self, image, scale=1.0, score=0.3):
        """[n,6]: x0,y0,x1,y1 (px of image), class, score; the image is first scaled by `scale`."""
        h, w = image.shape[:2]
        canvas = letterbox_topleft(image, scale)
        out = self.session.run(None, {self.name: to_nchw(canvas)})[0][0]
        boxes = decode.yolox_rows(out, canvas.shape[1], canvas.shape[0], score, self.classes)
        boxes[:, :4] = (boxes[:, :4] / scale).clip(0, [w, h, w, h])
        return boxes


class CenterNetBoxes(Boxes):
    """CenterNet with outputs heatmap [1,C,h,w] (after the sigmoid) and ltrb [1,4,h,w] (px of the input)."""

    def __call__(self, image, scale=1.0, score=0.3):
        """[n,6] as YoloxBoxes."""
        h, w = image.shape[:2]
        canvas = letterbox_topleft(image, scale)
        heat, ltrb = self.session.run(["heatmap", "ltrb"], {self.name: to_nchw(canvas[..., ::-1])})
        heat, ltrb = heat[0][self.classes], ltrb[0]
        stride, top = canvas.shape[0] / heat.shape[1], np.stack([cv2.dilate(m, np.ones((3, 3))) for m in heat])
        c, y, x = np.nonzero((heat >= top) & (heat > score))
        side = ltrb[:, y, x]
        boxes = np.stack([x * stride - side[0], y * stride - side[1], x * stride + side[2], y * stride + side[3],
                          c, heat[c, y, x]], 1).astype(np.float32)
        boxes = boxes[decode.suppress(boxes, 0.6)]
        boxes[:, :4] = (boxes[:, :4] / scale).clip(0, [w, h, w, h])
        return boxes


class PersonBoxes:
    """The persons of a YOLOX file: first class."""

    def __init__(self, path, threads=1):
        self.boxes = YoloxBoxes(path, [0], threads)

    def __call__(self, image, scale=1.0, score=0.3):
        """Boxes [n,4] (x0,y0,x1,y1 px) and scores [n]; the image is first scaled by `scale`."""
        found = self.boxes(image, scale, score)
        return found[:, :4], found[:, 5]


class PersonMask:
    """Person probability on a square crop. kind: voc (DeepLab, class 15), alpha or blazepose."""

    def __init__(self, path, kind, size, threads=1):
        self.session = open_model(path, threads)
        self.name = self.session.get_inputs()[0].name
        self.kind, self.size = kind, size

    def __call__(self, crop):
        """crop [S,S,3] BGR -> probability [S,S] in 0..1."""
        rgb = cv2.cvtColor(cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA
                                      if crop.shape[0] > self.size else cv2.INTER_LINEAR),
                           cv2.COLOR_BGR2RGB).astype(np.float32)
        if self.kind == "voc":
            logits = self.session.run(None, {self.name: (rgb / 127.5 - 1)[None]})[0][0]
            e = np.exp(logits - logits.max(-1, keepdims=True))
            out = e[..., 15] / e.sum(-1)
        elif self.kind == "blazepose":
            out = self.session.run(["segmentation"], {self.name: to_nchw(rgb / 255)})[0][0, 0]
            if out.min() < -0.01 or out.max() > 1.01:
                out = 1 / (1 + np.exp(-out))
        else:
            out = self.session.run(None, {self.name: to_nchw(rgb / 255)})[0][0, 0]
        return cv2.resize(out, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR).clip(0, 1)


class MoveNetPose:
    """MoveNet single pose (heads heatmap, center, regress, offset), 17 key points of one person."""

    def __init__(self, path, size, threads=1):
        self.session = open_model(path, threads)
        self.name = self.session.get_inputs()[0].name
        self.size = size

    def on_crop(self, crop):
        """crop [S,S,3] BGR -> [17,3]: x, y in crop pixels and score 0..1."""
        rgb = cv2.cvtColor(cv2.resize(crop, (self.size, self.size)), cv2.COLOR_BGR2RGB)
        names = ["heatmap", "center", "regress", "offset"]
        heat, centre, regress, offset = [
            o[0] for o in self.session.run(names, {self.name: to_nchw(rgb / 127.5 - 1)})]
        n = heat.shape[1]
        gy, gx = np.mgrid[:n, :n]
        weight = 1 / (np.hypot(gy - n / 2, gx - n / 2) + n / 2)
        cy, cx = np.unravel_index((centre[0] * weight).argmax(), (n, n))
        points = np.zeros((COCO_KEYPOINTS, 3), np.float32)
        for k in range(COCO_KEYPOINTS):
            ry, rx = cy + regress[2 * k, cy, cx], cx + regress[2 * k + 1, cy, cx]
            near = heat[k] / (np.hypot(gy - ry, gx - rx) + 1.8)
            y, x = np.unravel_index(near.argmax(), (n, n))
            points[k] = (x + offset[2 * k + 1, y, x], y + offset[2 * k, y, x], heat[k, y, x])
        points[:, :2] *= crop.shape[0] / n
        return points


class BlazePosePoints:
    """BlazePose landmarks [1,195] (39 x: x, y, z, visibility, presence; px of its 256x256 input) as COCO's 17 key points."""

    ORDER = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]

    def __init__(self, path, size=256, threads=1):
        self.session, self.size = open_model(path, threads), size
        self.name = self.session.get_inputs()[0].name

    def on_crop(self, crop):
        """crop [S,S,3] BGR -> [17,3]: x, y in crop pixels and score 0..1."""
        rgb = cv2.cvtColor(cv2.resize(crop, (self.size, self.size)), cv2.COLOR_BGR2RGB)
        marks = self.session.run(["landmarks"], {self.name: to_nchw(rgb / 255)})[0].reshape(-1, 5)[self.ORDER]
        score = 1 / (1 + np.exp(-np.minimum(marks[:, 3], marks[:, 4])))
        return np.column_stack([marks[:, :2] * crop.shape[0] / self.size, score]).astype(np.float32)


def vote_pose(models, image, box, grows=(1.25,), agree=0.05):
    """17 key points [17,3] of the person in `box`, image pixels: every model on every crop and its mirror image votes.

    The vote with most others within `agree` of the box's longer side wins; the position is the mean of those, the score
    the mean of their scores times their share of all votes. So one teacher alone is never sure.
    """
    votes = []
    for grow in grows:
        crop, ox, oy, side = square_crop(image, box, grow)
        for flip in (False, True):
            for model in models:
                p = model.on_crop(np.ascontiguousarray(crop[:, ::-1]) if flip else crop)
                if flip:
                    p[:, 0] = side - 1 - p[:, 0]
                    for a, b in FLIP_PAIRS:
                        p[[a, b]] = p[[b, a]]
                p[:, :2] += (ox, oy)
                votes.append(p)
    votes, out = np.stack(votes), np.zeros((COCO_KEYPOINTS, 3), np.float32)
    extent = max(box[2] - box[0], box[3] - box[1])
    for k in range(COCO_KEYPOINTS):
        v = votes[:, k]
        near = np.linalg.norm(v[:, None, :2] - v[None, :, :2], axis=2) < agree * extent
        group = v[near[(near * v[None, :, 2]).sum(1).argmax()]]
        out[k] = (*group[:, :2].mean(0), group[:, 2].mean() * len(group) / len(v))
    return out
