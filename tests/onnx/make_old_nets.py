#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small nets that exporters of some years ago would have written, one
for each operator set from 7 to 12 with what has changed since, and nets whose
pads lie in front of what can take them in, or must not.

    make_old_nets.py FOLDER

Files are NAME.onnx; all take a picture "image" [1,3,20,28]. Needs numpy and onnx.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 20, 28


class Net:
    """A graph of one operator set; methods return an output's name."""

    def __init__(self, opset, seed):
        self.opset, self.rng = opset, np.random.default_rng(seed)
        self.nodes, self.weights, self.outputs = [], [], []

    def const(self, values, kind=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, c_in, c_out, kernel=3, pad=1, stride=1):
        w = self.rng.normal(0, np.sqrt(2 / c_in) / kernel, (c_out, c_in, kernel, kernel))
        return self.node("Conv", x, self.const(w), self.const(self.rng.normal(0, .3, c_out)), kernel_shape=[kernel] * 2,
                         pads=[pad] * 4, strides=[stride] * 2)

    def end(self, x, kind=TensorProto.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(x, kind, None))

    # -- what moved from attributes to inputs, and when

    def clip(self, x, low, high):
        if self.opset < 11:
            return self.node("Clip", x, min=low, max=high)
        return self.node("Clip", x, self.const(low), self.const(high))

    def pad(self, x, pads, value=0., mode="constant"):
        if self.opset < 11:
            return self.node("Pad", x, pads=pads, value=value, mode=mode)
        return self.node("Pad", x, self.const(pads, np.int64), self.const(value), mode=mode)

    def cut(self, x, starts, ends, axes):
        if self.opset < 10:
            return self.node("Slice", x, starts=starts, ends=ends, axes=axes)
        return self.node("Slice", x, *(self.const(v, np.int64) for v in (starts, ends, axes)))

    def double(self, x, mode="nearest"):
        scales = [1., 1., 2., 2.]
        if self.opset < 9:
            return self.node("Upsample", x, scales=scales, mode=mode)
        if self.opset < 10:
            return self.node("Upsample", x, self.const(scales), mode=mode)
        if self.opset < 11:
            return self.node("Resize", x, self.const(scales), mode=mode)
        return self.node("Resize", x, self.const([], np.float32), self.const(scales), mode=mode, nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric")

    def norm(self, x, channels):
        parts = [self.rng.normal(1, .1, channels), self.rng.normal(0, .1, channels), self.rng.normal(0, .1, channels),
                 self.rng.uniform(.8, 1.2, channels)]
        return self.node("BatchNormalization", x, *(self.const(p) for p in parts), epsilon=1e-3)

    def drop(self, x):
        return self.node("Dropout", x) if self.opset >= 12 else self.node("Dropout", x, ratio=.3)

    def save(self, folder, name):
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info(
            "image", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])], self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 3 if self.opset < 9 else 6
        if self.opset < 9:  # weights had to be inputs as well
            for weight in self.weights:
                model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
        onnx.save(model, os.path.join(folder, name + ".onnx"))


def maps(net):
    """Whatever works on pixels."""
    x = net.clip(net.norm(net.conv("image", 3, 8), 8), -.5, 2.)
    a, b = net.node("Split", x, outputs=2, axis=1, split=[3, 5])
    x = net.node("Concat", b, a, net.cut(x, [2], [6], [1]), axis=1)  # 12 channels
    x = net.conv(net.pad(x, [0, 0, 1, 2, 0, 0, 3, 0]), 12, 8, pad=0)
    y = net.double(net.conv(net.drop(x), 8, 8, stride=2))
    x = net.cut(x, [0, 0], [20, 28], [2, 3])
    last = net.const(net.rng.normal(0, 1, (8, 1, 1)))
    x = net.node("Sum", x, net.cut(y, [0, 0], [20, 28], [2, 3]), x if net.opset < 8 else last)
    net.end(net.node("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1))
    net.end(net.pad(net.node("LeakyRelu", x, alpha=.2), [0, 0, 2, 0, 0, 0, 0, 3], -1.5))
    net.end(net.pad(x, [0, 0, 2, 1, 0, 0, 1, 2], mode="reflect"))


def heads(net):
    """Whatever ends in rows: reductions, shapes, and the softmax of those days, which made rows of all that follows the
    axis."""
    x = net.node("Relu", net.conv("image", 3, 6))
    for axis in (1, 2, 3):
        net.end(net.node("Softmax", x, axis=axis))
    net.end(net.node("LogSoftmax", x))
    net.end(net.node("Hardmax", x, axis=3))
    net.end(net.node("ReduceSum", x, axes=[1], keepdims=0))
    net.end(net.node("ReduceMean", x, axes=[2, 3], keepdims=1))
    net.end(net.node("ReduceL2", x, axes=[-1] if net.opset >= 11 else [3], keepdims=1))
    v = net.node("Squeeze", net.node("GlobalAveragePool", x), axes=[2, 3])
    net.end(net.node("Unsqueeze", v, axes=[0, 3]))
    net.end(net.node("ArgMax", x, axis=1, keepdims=0), TensorProto.INT64)
    net.end(net.node("ArgMax", net.node("Squeeze", v, axes=[0]), axis=0), TensorProto.INT64)
    w, c = net.const(net.rng.normal(0, 1, (6, 5))), net.const(net.rng.normal(0, 1, (5,)))
    net.end(net.node("Gemm", net.node("Flatten", v), w, c, alpha=.5, beta=2.))
    if net.opset < 10:
        values, indices = net.node("TopK", v, outputs=2, k=3)
    else:
        values, indices = net.node("TopK", v, net.const([3], np.int64), outputs=2)
    net.end(values)
    net.end(indices, TensorProto.INT64)
    if net.opset >= 11:
        net.end(net.node("CumSum", v, net.const(1, np.int64)))
    if net.opset >= 12:
        net.end(net.node("ArgMax", net.node("Floor", net.node("Mul", x, net.const(3.))), axis=1, select_last_index=1),
                TensorProto.INT64)


POOLS = (("conv", {}), ("AveragePool", {"count_include_pad": 1}), ("AveragePool", {"count_include_pad": 0}),
         ("AveragePool", {"count_include_pad": 1, "ceil_mode": 1}), ("MaxPool", {}), ("MaxPool", {"pads": [1, 0, 1, 1]}),
         ("AveragePool", {"count_include_pad": 1, "pads": [0, 1, 2, 1]}))
PADS = (([0, 0, 1, 1, 0, 0, 1, 1], 0., "constant"), ([0, 0, 2, 0, 0, 0, 1, 3], 0., "constant"),
        ([0, 0, 1, 1, 0, 0, 1, 1], .7, "constant"), ([0, 1, 1, 0, 0, 2, 0, 1], 0., "constant"),
        ([0, 0, -1, 2, 0, 0, 1, -2], 0., "constant"), ([0, 0, 1, 2, 0, 0, 2, 1], 0., "edge"))


def pads(folder):
    """Pads in front of windows: of values below 0, so that it shows whether a maximum takes a pad for a value."""
    for p, (amounts, value, mode) in enumerate(PADS):
        net = Net(13, p)
        channels = 5 + amounts[1] + amounts[5]
        for op, attributes in POOLS:
            for stride in (1, 2):
                x = net.node("Sub", net.conv("image", 3, 5), net.const(2.))
                x = net.pad(x, amounts, value, mode)
                if op == "conv":
                    net.end(net.conv(net.conv(x, channels, 6, pad=stride - 1, stride=stride), 6, 4))
                else:
                    x = net.node(op, x, kernel_shape=[3, 3], strides=[stride] * 2, **attributes)
                    net.end(net.conv(x, channels, 4))
        net.save(folder, f"pads{p}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for opset in range(7, 13):
        for build in (maps, heads):
            net = Net(opset, opset)
            build(net)
            net.save(sys.argv[1], f"opset{opset}_{build.__name__}")
    pads(sys.argv[1])


main()
