# SPDX-License-Identifier: LGPL-2.1-or-later
"""Teachers: public ONNX models run with onnxruntime, one small class each.

Every teacher takes BGR uint8 images [H,W,3] as OpenCV reads them and returns float32
arrays in the pixels of that image. The paths come from the caller; nothing is downloaded.
"""
import cv2
import numpy as np
import onnx
import onnxruntime as ort

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


def nms(boxes, scores, limit=0.5):
    """Indices kept by greedy non-maximum suppression at IoU `limit`, best first."""
    order, keep = np.argsort(-scores), []
    while len(order):
        i = order[0]
        keep.append(int(i))
        a, b = boxes[i], boxes[order[1:]]
        iw = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0])
        ih = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1])
        inter = np.clip(iw, 0, None) * np.clip(ih, 0, None)
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) - inter
        order = order[1:][inter / np.maximum(union, 1e-6) < limit]
    return keep


class PersonBoxes:
    """YOLOX (COCO 80 classes, or one class person), undecoded output [1,N,5+classes]."""

    def __init__(self, path, threads=1):
        self.session = open_model(path, threads, resizable=True)
        self.name = self.session.get_inputs()[0].name

    def __call__(self, image, scale=1.0, score=0.3):
        """Boxes [n,4] (x0,y0,x1,y1 px) and scores [n]; the image is first scaled by `scale`."""
        h, w = image.shape[:2]
        sh, sw = int(round(h * scale)), int(round(w * scale))
        canvas = np.full(((sh + 31) // 32 * 32, (sw + 31) // 32 * 32, 3), 114, np.uint8)
        canvas[:sh, :sw] = cv2.resize(image, (sw, sh), interpolation=cv2.INTER_LINEAR)
        out = self.session.run(None, {self.name: to_nchw(canvas)})[0][0]
        grids, strides = [], []
        for s in (8, 16, 32):
            gy, gx = np.mgrid[:canvas.shape[0] // s, :canvas.shape[1] // s]
            grids.append(np.stack([gx, gy], -1).reshape(-1, 2))
            strides.append(np.full(grids[-1].shape[0], s))
        grid, stride = np.concatenate(grids), np.concatenate(strides)[:, None]
        centre = (out[:, :2] + grid) * stride
        size = np.exp(out[:, 2:4]) * stride
        scores = out[:, 4] * out[:, 5]
        boxes = np.concatenate([centre - size / 2, centre + size / 2], 1) / scale
        pick = scores > score
        boxes, scores = boxes[pick], scores[pick]
        keep = nms(boxes, scores)
        return boxes[keep].clip(0, [w, h, w, h]), scores[keep]


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

    def __call__(self, image, box, grows=(1.15, 1.4)):
        """17 key points of the person in `box`, image pixels.

        Several crops and their mirror images vote: the position is the median, the score is
        the mean score, lowered by exp(-(spread / 4 % of the box)^2).
        """
        votes = []
        for grow in grows:
            crop, ox, oy, side = square_crop(image, box, grow)
            for flip in (False, True):
                p = self.on_crop(crop[:, ::-1] if flip else crop)
                if flip:
                    p[:, 0] = side - 1 - p[:, 0]
                    for a, b in FLIP_PAIRS:
                        p[[a, b]] = p[[b, a]]
                p[:, :2] += (ox, oy)
                votes.append(p)
        votes = np.stack(votes)
        at = np.median(votes[..., :2], 0)
        spread = np.linalg.norm(votes[..., :2] - at, axis=-1).mean(0)
        extent = max(box[2] - box[0], box[3] - box[1])
        score = votes[..., 2].mean(0) * np.exp(-(spread / (0.04 * extent)) ** 2)
        return np.concatenate([at, score[:, None]], 1).astype(np.float32)
