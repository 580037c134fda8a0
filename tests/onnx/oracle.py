#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ONNX Runtime as an oracle for the C tests.

    oracle.py MODEL FOLDER [--size WxH] [--image FILE]

Writes into FOLDER the inputs made for the model and what ONNX Runtime gives,
float32, little endian, in file order:

    input_0.bin ... output_0.bin ... noise_0.bin

An output of whole numbers (or flags) is also written as output_0.i64, int64.
noise holds, for each output, how far ONNX Runtime with and without its own
graph optimizations differ, relative to the largest value: no test can ask for
less from a net that is badly conditioned.

Inputs are a real picture (--image, or a frame with people and texture drawn
here when there is none) in the range and channel order the model wants, so far
as its name tells. Exit status 77: ONNX Runtime or numpy is absent.
"""
import argparse
import os
import sys

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as problem:
    print(f"SKIP: {problem}")
    sys.exit(77)

# Part of a file's name -> (scale, mean) applied to 0..255, RGB or BGR.
RANGES = [
    ("cpm", 1, 0), ("hourglass", 1, 0), ("adas", 1, 0), ("yolox", 1, 0),
    ("centernet", 1, 0), ("posenet", 1 / 127.5, 127.5), ("movenet", 1 / 127.5, 127.5),
    ("deeplabv3", 1 / 127.5, 127.5), ("squeezenet", 1, 115),
]


def draw(height, width):
    """A picture with gradients, edges, texture and a figure; 0..255, HWC."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack([x / width * 200, y / height * 180, 120 + 60 * np.sin(x / 9) * np.cos(y / 13)], -1)
    body = (np.abs(x - width * .5) < width * .12) & (y > height * .35) & (y < height * .9)
    head = (x - width * .5) ** 2 + (y - height * .22) ** 2 < (height * .1) ** 2
    image[body] = (40, 60, 150)
    image[head] = (220, 170, 140)
    noise = np.random.default_rng(7).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.float32)


def picture(path, height, width):
    if not path:
        return draw(height, width)
    try:
        import cv2
        image = cv2.imread(path)
        return cv2.resize(image, (width, height))[..., ::-1].astype(np.float32)
    except ImportError:
        pass
    try:
        from PIL import Image
        return np.asarray(Image.open(path).convert("RGB").resize((width, height)), np.float32)
    except ImportError:
        return draw(height, width)


def make_input(model_name, shape, size, path):
    shape = [d if isinstance(d, int) and d > 0 else 1 for d in shape]
    if len(shape) != 4:
        return np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    nhwc = shape[1] not in (1, 3, 4) and shape[3] in (1, 3, 4)
    h, w = (shape[1:3] if nhwc else shape[2:4])
    if size:
        w, h = size
    channels = shape[3] if nhwc else shape[1]
    scale, mean = 1 / 255, 0
    for part, part_scale, part_mean in RANGES:
        if part in model_name:
            scale, mean = part_scale, part_mean
    image = (picture(path, h, w) - mean) * scale
    image = np.resize(image, (h, w, channels)) if channels != 3 else image
    image = image[None] if nhwc else image.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(image, np.float32)


def with_size(path, size):
    """The model's bytes with another input size, which ONNX Runtime has no
    option for. The shapes of everything else are dropped; it infers them."""
    import onnx
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    nhwc = dims[1].dim_value not in (0, 1, 3, 4) and dims[3].dim_value in (1, 3, 4)
    for dim, value in zip(dims[1:3] if nhwc else dims[2:4], size[::-1]):
        dim.dim_value = value
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model.SerializeToString()


def open_session(model, level):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    options.graph_optimization_level = level
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--size")
    parser.add_argument("--image")
    args = parser.parse_args()
    size = tuple(int(n) for n in args.size.split("x")) if args.size else None
    model = with_size(args.model, size) if size else args.model
    session = open_session(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    plain = open_session(model, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    feeds = {}
    for i, value in enumerate(session.get_inputs()):
        data = make_input(os.path.basename(args.model), value.shape, size, args.image)
        data.tofile(os.path.join(args.folder, f"input_{i}.bin"))
        feeds[value.name] = data.astype(np.float16) if value.type == "tensor(float16)" else data
    noise = []
    for i, (data, other) in enumerate(zip(session.run(None, feeds), plain.run(None, feeds))):
        data.astype(np.float32).tofile(os.path.join(args.folder, f"output_{i}.bin"))
        if data.dtype.kind in "iub":
            data.astype(np.int64).tofile(os.path.join(args.folder, f"output_{i}.i64"))
            noise.append(np.mean(data != other) if data.size else 0)
            continue
        difference = np.abs(data.astype(np.float64) - other)
        noise.append(difference.max(initial=0) / max(np.abs(data).max(initial=0), 1e-30))
    np.array(noise, np.float32).tofile(os.path.join(args.folder, "noise_0.bin"))


main()
