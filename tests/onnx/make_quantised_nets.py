#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes quantised nets in every form exporters write, and what ONNX Runtime gives.

    make_quantised_nets.py FOLDER

For each net NAME: NAME.onnx; NAME.in0 and NAME.in1, two frames of which the
second differs from the first in a rectangle; NAME.out0 and NAME.out1, its one
output for each, float32, little endian; and NAME.step, the largest difference
allowed: a step of the output's quantiser, or as far as ONNX Runtime with and
without its integer operators differs from itself where that is more, or what
the text below says.

Nets: a backbone of convolutions (plain, strided, depthwise), a residual sum,
pools, a concatenation, a resize and a head, quantised by
onnxruntime.quantization: both formats, int8 and uint8, a scale a tensor and a
channel. Operators that its quantiser does not write are set by hand.

Activations of the dynamic nets are not quantised here (their scale is that of
the whole frame): they are held against the float32 net with the same weights,
to rounding.

Weights have 7 bits: ONNX Runtime without VNNI saturates sums of 8.
Needs numpy, onnx and onnxruntime.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic,
                                      quantize_static)

SHAPE = (1, 3, 40, 56)
ROUNDING = 1e-4  # of the largest value


class Frames(CalibrationDataReader):
    def __init__(self, frames):
        self.left = [{"image": frame} for frame in frames]

    def get_next(self):
        return self.left.pop() if self.left else None


class Net:
    def __init__(self, seed=1):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, inputs, domain="", outputs=1, **attributes):
        names = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, c_in, c_out, kernel=3, stride=1, groups=1, gain=1):
        fan_in = c_in // groups * kernel * kernel
        w = self.rng.normal(0, gain * np.sqrt(2 / fan_in), (c_out, c_in // groups, kernel, kernel))
        return self.node("Conv", [x, self.constant(w), self.constant(self.rng.normal(0, .1, c_out))],
                         strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups, kernel_shape=[kernel] * 2)

    def conv_transpose(self, x, channels, groups=1, kernel=2, stride=2):
        w = self.rng.normal(0, np.sqrt(groups / channels), (channels, channels // groups, kernel, kernel))
        pads = [(kernel - stride) // 2] * 4
        return self.node("ConvTranspose", [x, self.constant(w), self.constant(self.rng.normal(0, .1, channels))],
                         strides=[stride] * 2, kernel_shape=[kernel] * 2, pads=pads, group=groups)

    def norm(self, x, channels):
        values = [self.rng.uniform(.5, 1.5, channels), self.rng.normal(0, .2, channels),
                  self.rng.normal(0, .2, channels), self.rng.uniform(.5, 1.5, channels)]
        return self.node("BatchNormalization", [x] + [self.constant(v) for v in values])

    def model(self, output, kind=TensorProto.FLOAT, opset=17, in_kind=TensorProto.FLOAT):
        graph = helper.make_graph(self.nodes, "quantised", [helper.make_tensor_value_info("image", in_kind, SHAPE)],
                                  [helper.make_tensor_value_info(output, kind, None)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset),
                                                        helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        return model


def backbone(kind):
    """deep: 24 layers of one kind of block; deep-pools: what moves values, between convolutions; deep-kinds: grouped and
    transposed convolutions, one of them depthwise, depth and space, normalisations that nobody folded, a gate; mixed: everything else; head: ends in a
    classifier."""
    net = Net()
    x = net.node("Relu", [net.conv("image", 3, 16, stride=2)])
    if kind == "deep":
        for i in range(8):
            y = net.node("Clip", [net.conv(x, 16, 32, 1), net.constant(0.), net.constant(6.)])
            y = net.node("Clip", [net.conv(y, 32, 32, groups=32), net.constant(0.), net.constant(6.)])
            x = net.node("Add", [x, net.conv(y, 32, 16, 1, gain=.3)])
        return net.model(net.conv(x, 16, 8, 1))
    if kind == "deep-pools":
        for i in range(2):
            x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
            y = net.node("Relu", [net.conv(x, 16, 12, 1)])
            x = net.node("Concat", [net.node("Relu", [net.conv(y, 12, 8, k)]) for k in (1, 3)], axis=1)
        x = net.node("Resize", [x, "", net.constant([1, 1, 2, 2])], mode="nearest", nearest_mode="floor",
                     coordinate_transformation_mode="asymmetric")
        return net.model(net.conv(net.node("Relu", [net.conv(x, 16, 16)]), 16, 8, 1))
    if kind == "deep-kinds":
        for i in range(2):
            y = net.node("Relu", [net.conv(x, 16, 16, groups=2)])
            y = net.node("Relu", [net.norm(net.conv(y, 16, 16, 1), 16)])
            y = net.node("Relu", [net.conv_transpose(y, 16, *((1, 2), (16, 4))[i])])
            y = net.node("Relu", [net.conv(net.node("SpaceToDepth", [y], blocksize=2), 64, 32, 1)])
            y = net.node("DepthToSpace", [y], blocksize=2, mode=("DCR", "CRD")[i])
            x = net.node("Relu", [net.conv(y, 8, 16, stride=2)])
        gate = net.node("Sigmoid", [net.conv(net.node("GlobalAveragePool", [x]), 16, 16, 1)])
        return net.model(net.conv(net.node("Mul", [x, gate]), 16, 8, 1))
    y = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = net.node("LeakyRelu", [net.conv(y, 16, 24)], alpha=.1)
    gate = net.node("Sigmoid", [net.conv(net.node("GlobalAveragePool", [y]), 24, 24, 1)])
    y = net.node("Mul", [y, gate])
    if kind == "head":
        y = net.node("Flatten", [net.node("GlobalAveragePool", [y])])
        w = net.constant(net.rng.normal(0, .3, (24, 10)))
        return net.model(net.node("Add", [net.node("MatMul", [y, w]), net.constant(net.rng.normal(0, .1, 10))]))
    y = net.node("Resize", [y, "", net.constant([1, 1, 2, 2])], mode="nearest", nearest_mode="floor",
                 coordinate_transformation_mode="asymmetric")
    z = net.node("AveragePool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    x = net.node("Concat", [x, y, z], axis=1)
    return net.model(net.node("Relu", [net.conv(x, 56, 8)]))


def saved(model, folder):
    path = os.path.join(folder, "float.onnx")
    onnx.save(model, path)
    return path


def static(model, frames, folder, quant_format, activation, weight, per_channel):
    path = os.path.join(folder, "q.onnx")
    quantize_static(saved(model, folder), path, Frames(frames), quant_format=quant_format, activation_type=activation,
                    weight_type=weight, per_channel=per_channel, reduce_range=True)
    return onnx.load(path)


def scales(net, scale, zero, dtype):
    return [net.constant(scale), net.constant(zero, dtype)]


def by_hand(zero):
    """Operators of com.microsoft, MaxPool and Transpose on integers; uint8. No scale is a simple multiple of another: on ties
    ONNX Runtime's operators round each in a way of its own."""
    net, domain = Net(3), "com.microsoft"
    s = scales(net, 1 / 40, 128, np.uint8)
    t = scales(net, .015713, zero, np.uint8)
    u = scales(net, .020371, 100, np.uint8)
    x = net.node("QuantizeLinear", ["image"] + s)
    w = net.constant(net.rng.integers(-60, 60, (8, 3, 3, 3)), np.int8)
    ws = [net.constant(net.rng.uniform(.5, 1, 8) / 200), net.constant(np.zeros(8), np.int8)]
    b = net.constant(net.rng.integers(-900, 900, 8), np.int32)
    x = net.node("QLinearConv", [x] + s + [w] + ws + t + [b], pads=[1] * 4)
    x = net.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("QLinearLeakyRelu", [x] + t + t, domain, alpha=.25)
    y = net.node("QLinearSigmoid", [x] + t + scales(net, 1 / 256, 0, np.uint8), domain)
    x = net.node("QLinearMul", [x] + t + [y] + scales(net, 1 / 256, 0, np.uint8) + t, domain)
    v = scales(net, .013339, zero, np.uint8)
    y = net.node("QLinearAveragePool", [x] + t + v, domain, kernel_shape=[3, 3], pads=[1] * 4)
    x = net.node("QLinearAdd", [x] + t + [y] + v + u, domain)
    x = net.node("QLinearConcat", u + [x] + u + [y] + v, domain, axis=1)
    x = net.node("Transpose", [net.node("Transpose", [x], perm=[0, 2, 3, 1])], perm=[0, 3, 1, 2])
    return net, x, u


def channels_last():
    """What ONNX Runtime saves at its highest level: integers with their channels last from one convolution to the next."""
    net, domain = Net(8), "com.microsoft"
    s, t, u = (scales(net, *v, np.uint8) for v in ((1 / 40, 128), (.015713, 77), (.020371, 100)))
    x = net.node("Transpose", [net.node("QuantizeLinear", ["image"] + s)], perm=[0, 2, 3, 1])
    for c_in, groups, a, b in ((3, 1, s, t), (8, 8, t, u), (8, 1, u, t)):
        w = net.constant(net.rng.integers(-60, 60, (8, c_in // groups, 3, 3)), np.int8)
        ws = [net.constant(net.rng.uniform(.5, 1, 8) / 200), net.constant(np.zeros(8), np.int8)]
        bias = net.constant(net.rng.integers(-900, 900, 8), np.int32)
        x = net.node("QLinearConv", [x] + a + [w] + ws + b + [bias], domain, pads=[1] * 4, group=groups, channels_last=1)
    x = net.node("NhwcMaxPool", [x], domain, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("QLinearAveragePool", [x] + t + u, domain, kernel_shape=[3, 3], pads=[1] * 4, channels_last=1)
    y = net.node("QLinearGlobalAveragePool", [x] + u + t, domain, channels_last=1)
    x = net.node("QLinearAdd", [x] + u + [y] + t + u, domain)
    return net.model(net.node("DequantizeLinear", [net.node("Transpose", [x], perm=[0, 3, 1, 2])] + u))


def silu_tie():
    """A SiLU of a YOLOv8 head, and what it exactly is: at -72, 1 / (1 + e^(78 * 0.07990388)) is -127.499994743 in steps of the
    quantiser behind it, so -127. ONNX Runtime's sigmoid, which is approximate, makes it -128."""
    net, domain = Net(5), "com.microsoft"
    (s, zero), t = (np.float32(.07990388), 6), np.float32(.00392131)
    q = net.node("QuantizeLinear", [net.node("Mul", ["image", net.constant(4)])] + scales(net, s, zero, np.int8))
    x = net.node("QLinearSigmoid", [q] + scales(net, s, zero, np.int8) + scales(net, t, -128, np.int8), domain)

    def exact(frame):
        c = np.clip(np.rint(frame * np.float32(4) / s), -128 - zero, 127 - zero).astype(np.float64)
        assert (c + zero == -72).any()
        return np.clip(np.rint(1 / (1 + np.exp(-c * float(s))) / float(t)) - 128, -128, 127).astype(np.float32)

    return net.model(x, TensorProto.INT8), exact


def padded_integers():
    """Integers with a border of their zero point, with one of another number, and a float32 with a border between two quantisers."""
    net = Net(7)
    s = scales(net, 1 / 40, 110, np.uint8)
    pads = net.constant([0, 0, 1, 2, 0, 0, 2, 1], np.int64)
    q = net.node("QuantizeLinear", ["image"] + s)
    parts = [net.node("DequantizeLinear", [net.node("Pad", [q, pads, net.constant(v, np.uint8)])] + s) for v in (110, 37)]
    parts += [net.node("Pad", [net.node("DequantizeLinear", [q] + s), pads] + v) for v in ([], [net.constant(1.5)])]
    x = net.node("QuantizeLinear", [net.node("Concat", parts, axis=1)] + s)
    return net.model(net.node("DequantizeLinear", [x] + s))


def unknown_range():
    """Integers of which nothing is known beside others of a known range, quantised as the latter: what is over it is clamped."""
    net = Net(6)
    s, t = scales(net, .1, 0, np.uint8), scales(net, .1, 128, np.uint8)
    x = net.node("Clip", [net.node("Mul", ["image", net.constant(90)]), net.constant(0), net.constant(250)])
    x = net.node("DequantizeLinear", [net.node("Cast", [net.node("Round", [x])], to=TensorProto.UINT8)] + s)
    y = net.node("DequantizeLinear", [net.node("QuantizeLinear", ["image"] + t)] + t)
    x = net.node("QuantizeLinear", [net.node("Concat", [x, y], axis=1)] + t)
    return net.model(net.node("DequantizeLinear", [x] + t))


def matrices(dynamic):
    """QLinearMatMul and QGemm, or their kin with scales of the frame, behind a global pool."""
    net, domain = Net(4), "com.microsoft"
    s, t = scales(net, 1 / 60, 110, np.uint8), scales(net, 1 / 30, 120, np.uint8)
    x = net.node("Flatten", [net.node("GlobalAveragePool", [net.conv("image", 3, 16)])])
    w = net.constant(net.rng.integers(-60, 60, (16, 12)), np.int8)
    v = net.constant(net.rng.integers(-60, 60, (12, 12)), np.int8)
    if dynamic:
        q = net.node("DynamicQuantizeLinear", [x], outputs=3)
        y = net.node("Cast", [net.node("MatMulInteger", [q[0], w, q[2]])], to=TensorProto.FLOAT)
        x = net.node("Mul", [y, net.node("Mul", [q[1], net.constant(1 / 60)])])
        return net.model(net.node("DynamicQuantizeMatMul", [x, v, net.constant(1 / 90), net.constant(0, np.int8)],
                                  domain))
    x = net.node("QuantizeLinear", [x] + s)
    x = net.node("QLinearMatMul", [x] + s + [w] + scales(net, 1 / 60, 0, np.int8) + t)
    b = net.constant(net.rng.integers(-300, 300, 12), np.int32)
    x = net.node("QGemm", [x] + t + [v] + scales(net, 1 / 90, 0, np.int8) + [b] + t, domain, transB=1)
    return net.model(net.node("DequantizeLinear", [x] + t))


def attention(dynamic):
    """QAttention on the pixels of a pooled map, with a mask: scales a column and of the frame, or one number each."""
    net, domain = Net(7), "com.microsoft"
    x = net.node("AveragePool", [net.node("Relu", [net.conv("image", 3, 8)])], kernel_shape=[8, 8], strides=[8, 8])
    x = net.node("Transpose", [net.node("Reshape", [x, net.constant([1, 8, -1], np.int64)])], perm=[0, 2, 1])
    unsigned = np.int8 if dynamic else np.uint8
    w = net.constant(net.rng.integers(0, 120, (8, 24)), unsigned)
    scale = net.constant(net.rng.uniform(.002, .006, 24) if dynamic else .005)
    zero = net.constant(np.zeros(24) if dynamic else 60, unsigned)
    if dynamic:
        q, s, t = net.node("DynamicQuantizeLinear", [x], outputs=3)
    else:
        s, t = scales(net, 1 / 60, 3, np.uint8)
        q = net.node("QuantizeLinear", [x, s, t])
    bias, mask = net.constant(net.rng.normal(0, .3, 24)), net.constant([5], np.int32)
    return net.model(net.node("QAttention", [q, w, bias, s, scale, mask, t, zero], domain, num_heads=2,
                              unidirectional=int(dynamic)))


def nets(frames, folder):
    """Name, the net, the allowed difference (less than 0: times the largest value), its oracle: None, another net or a function."""
    own = {}
    kinds = {kind: backbone(kind) for kind in ("deep", "deep-pools", "deep-kinds", "mixed", "head")}
    types = {"u8s8": (QuantType.QUInt8, QuantType.QInt8), "u8u8": (QuantType.QUInt8, QuantType.QUInt8),
             "s8s8": (QuantType.QInt8, QuantType.QInt8)}
    for kind, model in kinds.items():
        for form in (QuantFormat.QDQ, QuantFormat.QOperator):
            for name, (activation, weight) in types.items():
                if kind in ("deep-pools", "deep-kinds") and name != "u8s8":
                    continue
                if kind == "deep-kinds" and form != QuantFormat.QDQ:
                    continue  # transposed convolutions have no such operator
                per_channel = name != "u8u8"
                quantised = static(model, frames, folder, form, activation, weight, per_channel)
                step = output_step(quantised)
                if form == QuantFormat.QDQ:
                    own[kind, name] = max(np.abs(run(quantised, f, True) - run(quantised, f)).max() for f in frames)
                yield f"{kind}-{form.name}-{name}", quantised, max(step, own[kind, name]), None
    for zero in (0, 77):
        net, x, u = by_hand(zero)
        yield f"hand-{zero}", net.model(net.node("DequantizeLinear", [x] + u)), .020371, None
    net, x, _ = by_hand(64)
    yield "integers-out", net.model(x, TensorProto.UINT8), 1, None
    yield "channels-last", channels_last(), .020371, None
    model, exact = silu_tie()
    yield "silu-tie", model, 0, exact
    yield "unknown-range", unknown_range(), -1e-6, None
    yield "padded-integers", padded_integers(), -1e-6, None
    yield "matrices", matrices(False), 1 / 30, None
    yield "matrices-dynamic", matrices(True), -.01, None  # the second matrix's input is not quantised here
    yield "attention", attention(False), -ROUNDING, None
    yield "attention-dynamic", attention(True), -ROUNDING, None
    path = os.path.join(folder, "d.onnx")
    quantize_dynamic(saved(kinds["mixed"], folder), path, per_channel=False, weight_type=QuantType.QUInt8)
    model = onnx.load(path)
    yield "dynamic", model, -ROUNDING, without_dynamic(model)


def without_dynamic(model):
    """The net with the stored weights in float32 and no quantised activation."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    stored = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type == "DynamicQuantizeLinear":
            one = [numpy_helper.from_array(np.asarray(1, np.float32), node.output[1]),
                   numpy_helper.from_array(np.asarray(0, np.uint8), node.output[2])]
            model.graph.initializer.extend(one)
            node.op_type = "Identity"
            del node.output[1:]
        elif node.op_type in ("ConvInteger", "MatMulInteger"):
            w, zero = node.input[1], stored[node.input[3]]
            model.graph.initializer.append(numpy_helper.from_array(
                stored[w].astype(np.float32) - zero.astype(np.float32), w + "_float"))
            node.op_type = node.op_type.replace("Integer", "")
            node.input[1] = w + "_float"
            del node.input[2:]
    return model


def run(model, frame, plain=False):
    """plain: quantisers as they stand in the file, not within ONNX Runtime's integer operators."""
    options = ort.SessionOptions()
    if plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": frame})[0].astype(np.float32)


def output_step(model):
    """The scale of the last quantiser."""
    stored = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    last = [n for n in model.graph.node if n.output[0] == model.graph.output[0].name][0]
    assert last.op_type == "DequantizeLinear", last.op_type
    return float(stored[last.input[1]].max())


def main():
    folder = sys.argv[1]
    rng = np.random.default_rng(5)
    frames = [rng.normal(0, 1, SHAPE).astype(np.float32) for _ in range(2)]
    frames[1] = frames[0].copy()
    frames[1][:, :, 10:20, 16:30] += .7
    for name, model, allowed, oracle in nets(frames, folder):
        path = os.path.join(folder, name)
        onnx.save(model, path + ".onnx")
        for i, frame in enumerate(frames):
            out = oracle(frame) if callable(oracle) else run(oracle or model, frame)
            frame.tofile(f"{path}.in{i}")
            out.tofile(f"{path}.out{i}")
            if allowed < 0:
                allowed *= -np.abs(out).max()
        np.array([allowed], np.float32).tofile(path + ".step")
    for name in ("q.onnx", "d.onnx", "float.onnx"):
        os.remove(os.path.join(folder, name))


main()
