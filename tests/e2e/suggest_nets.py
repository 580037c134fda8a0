#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes nets without training whose outputs have the shapes and names of well-known heads.

    suggest_nets.py FOLDER      writes DECODER-NAME.onnx: what is to be suggested for it

Needs numpy and onnx.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 320


class Net:
    def __init__(self):
        self.rng, self.nodes, self.constants, self.outputs = np.random.default_rng(1), [], [], []
        self.inputs = ["x"]

    def const(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, *inputs, out=None, **attributes):
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        if out:
            self.outputs.append(out)
        return name

    def map(self, channels, stride, out=None):
        w = self.const(self.rng.normal(0, .3, (channels, 3, 3, 3)))
        return self.node("Conv", "x", w, out=out, pads=[1] * 4, strides=[stride] * 2)

    def flat(self, channels, stride):
        return self.node("Reshape", self.map(channels, stride), self.const([1, channels, -1], np.int64))

    def rows(self, channels, stride, out, unit=False):
        x = self.node("Transpose", self.flat(channels, stride), perm=[0, 2, 1])
        return self.node("Sigmoid" if unit else "Identity", x, out=out)

    def all_cells(self, channels, out, strides=(8, 16, 32), last=False):
        x = self.node("Concat", *(self.flat(channels, s) for s in strides), axis=2)
        return self.node("Transpose", x, perm=[0, 2, 1] if last else [0, 1, 2], out=out)

    def vector(self, n, out):
        return self.node("Flatten", self.node("GlobalAveragePool", self.map(n, 32)), out=out)

    def write(self, folder, name):
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info(i, TensorProto.FLOAT, [1, 3, SIDE, SIDE]) for i in self.inputs],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in self.outputs], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        onnx.save(model, os.path.join(folder, name + ".onnx"))


def nets():
    for name, channels in (("yolo-v8", 84), ("yolo-pose", 56), ("yolo-obb", 20)):
        net = Net()
        net.all_cells(channels, "output0")
        yield name, net
    net = Net()
    net.all_cells(116, "output0")
    net.map(32, 4, "output1")
    yield "yolo-seg", net
    net = Net()
    net.all_cells(112, "out", (8, 16, 32, 64), True)
    yield "nanodet-plus", net
    net = Net()
    for stride in (8, 16, 32, 64):
        net.rows(80, stride, f"cls_{stride}", True)
        net.rows(32, stride, f"dis_{stride}")
    yield "picodet-s", net
    net = Net()
    for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            net.rows(channels, stride, f"{kind}_{stride}", channels == 1)
    yield "yunet-2023", net
    net = Net()
    for kind, channels in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            net.rows(channels, stride, f"{kind}_{stride}", channels == 1)
    yield "scrfd-500m", net
    net = Net()
    net.vector(1404, "output")
    yield "landmarks-mesh", net
    net = Net()
    net.node("DepthToSpace", net.map(12, 1), blocksize=2, out="y")
    yield "picture-2x", net
    net = Net()
    net.inputs.append("before")
    x = net.node("Sub", net.map(12, 1), net.node("Conv", "before", net.const(np.full((12, 3, 1, 1), .1))))
    net.node("DepthToSpace", x, blocksize=2, out="y")
    yield "picture-pair", net
    net = Net()
    net.inputs.append("before")
    low = net.node("Sub", net.map(2, 8), net.node("Conv", "before", net.const(np.full((2, 3, 1, 1), .1)), strides=[8] * 2),
                   out="low")
    net.node("Resize", low, "", net.const([1, 1, 8, 8]), mode="linear", out="up")
    yield "flow-pair", net
    for name in "semantic", "aux":
        net = Net()
        net.rows(20, 32, "pred_logits")
        net.map(100, 4, "pred_masks")
        if name == "aux":
            net.map(100, 4, "aux_masks")
        yield f"mask_queries-{name}", net
    net = Net()
    net.vector(512, "out")
    yield "embedding-face", net


for title, written in nets():
    written.write(sys.argv[1], title)
