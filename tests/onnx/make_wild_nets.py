#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small random nets that are not tame, and what ONNX Runtime gives.

    make_wild_nets.py FOLDER FIRST COUNT

For each seed from FIRST on (the first few are nets that were once wrong): SEED.onnx; SEED.inF.I, input I in frame F,
three frames each of which differs from the one before in a rectangle; SEED.outF.I, output I of ONNX Runtime, all as
float32, little endian; and SEED.noise, for each frame and output how far the result moves, relative to its largest
value, when the inputs move by a few roundings (those of bytes cannot) and ONNX Runtime fuses what it likes. SEED.txt is
the net as text.

Concatenations of two to six ragged pieces (also of one map twice), Focus,
shuffles, gathers with repeated channels, and after them everything: division,
logarithms, powers, norms, pools, gates. Every second net has the operators of
wild_operators.py, too, also of maps one pixel high or wide, two inputs, and
values of its middle as outputs. Nets that ONNX Runtime refuses, whose
results are not finite, constant, or move too much with their rounding are
drawn again, so a seed always gives a net and always the same one.

Needs numpy, onnx and onnxruntime.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import wild_operators

CHANNELS = [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 20, 24]


class Map:
    """A value [1, c, h, w]; positive: every element is at least about .05."""

    def __init__(self, name, c, h, w, positive=False):
        self.name, self.c, self.h, self.w, self.positive = name, c, h, w, positive

    def size(self):
        return self.h, self.w


class Net:
    def __init__(self, rng):
        self.rng, self.nodes, self.constants, self.maps, self.text = rng, [], [], [], []
        self.inputs, self.extra = [], [] # maps; names of values that may be outputs, too
        self.hands_on = False # now and then an operator that does nothing

    def take(self, name, c, h, w):
        """Another input, a map."""
        self.inputs.append((name, (1, c, h, w), np.float32))
        self.maps.append(Map(name, c, h, w))

    def constant(self, values, dtype=np.float32, called=None):
        name = called or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, inputs, outputs=1, called=None, **attributes):
        names = [called] if called else [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        self.text.append(f"{op} {inputs} -> {names} {attributes}")
        if self.hands_on and outputs == 1 and called is None and self.chance(.05):
            self.hands_on = False
            names = [self.node(self.among(["Identity", "Dropout"]), names)]
            self.hands_on = True
        return names[0] if outputs == 1 else names

    def keep(self, name, c, h, w, positive=False):
        self.text[-1] += f"  # {c}x{h}x{w}"
        self.maps.append(Map(name, c, h, w, positive))
        return self.maps[-1]

    def pick(self, accept=lambda m: True):
        """A map, late ones likelier; None: none fits."""
        fitting = [m for m in self.maps if accept(m)]
        if not fitting:
            return None
        return fitting[-1] if self.rng.random() < .65 else self.rng.choice(fitting)

    def chance(self, p):
        return self.rng.random() < p

    def among(self, values):
        return values[self.rng.integers(len(values))]

    def uniform(self, low, high, shape=()):
        return self.rng.uniform(low, high, shape)


# ---- operators on one map ----------------------------------------------------

def conv(net, m, c_out=None):
    kernel = net.among([1, 1, 3, 3, 5])
    stride, dilation = net.among([1, 1, 1, 2]), net.among([1, 1, 2])
    reach = dilation * (kernel - 1)
    if min(m.size()) <= reach:
        kernel, reach, dilation = 1, 0, 1
    pads = [reach // 2] * 4 if net.chance(.8) else [int(net.rng.integers(0, reach + 1)) for _ in range(4)]
    c_out = c_out or int(net.among(CHANNELS))
    groups = 1
    if net.chance(.25):
        groups = m.c
        c_out = m.c * net.among([1, 1, 1, 2])
    elif m.c % 2 == 0 and net.chance(.1):
        groups, c_out = 2, (c_out + 1) // 2 * 2
    h = (m.h + pads[0] + pads[2] - reach - 1) // stride + 1
    w = (m.w + pads[1] + pads[3] - reach - 1) // stride + 1
    if h < 1 or w < 1:
        return None
    weights = net.rng.normal(0, 1 / np.sqrt(m.c / groups * kernel * kernel), (c_out, m.c // groups, kernel, kernel))
    inputs = [m.name, net.constant(weights)]
    if net.chance(.7):
        inputs.append(net.constant(net.rng.normal(0, .3, c_out)))
    name = net.node("Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads,
                    dilations=[dilation] * 2, group=groups)
    return net.keep(name, c_out, h, w)


def conv_transpose(net, m):
    if max(m.size()) > 24:
        return None
    c_out, kernel = int(net.among(CHANNELS)), net.among([2, 3, 4])
    weights = net.rng.normal(0, 1 / np.sqrt(m.c * kernel), (m.c, c_out, kernel, kernel))
    pad = 1 if kernel > 2 else 0
    name = net.node("ConvTranspose", [m.name, net.constant(weights)], strides=[2, 2], pads=[pad] * 4,
                    kernel_shape=[kernel] * 2)
    return net.keep(name, c_out, (m.h - 1) * 2 + kernel - 2 * pad, (m.w - 1) * 2 + kernel - 2 * pad)


def positive(net, m):
    """A map of positive values; nothing where it is one."""
    if m.positive:
        return m
    name = net.node(net.among(["Sigmoid", "Softplus"]), [m.name])
    name = net.node("Add", [name, net.constant(.1)])
    return net.keep(name, m.c, m.h, m.w, True)


def bounded(net, m):
    return net.keep(net.node("Tanh", [m.name]), m.c, m.h, m.w)


def unary(net, m):
    op = net.among(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Abs", "Neg", "Elu", "Softplus", "Clip", "HardSwish",
                    "HardSigmoid", "Erf", "Selu", "Exp", "Log", "Sqrt", "Log", "SiLU", "Mish"])
    if op in ("Log", "Sqrt"):
        m = positive(net, m)
    if op == "Exp":
        m = bounded(net, m)
    if op == "Clip":
        low = float(net.uniform(-1, .6))
        name = net.node("Clip", [m.name, net.constant(low), net.constant(low + float(net.uniform(.2, 2)))])
    elif op == "SiLU":
        name = net.node("Mul", [m.name, net.node("Sigmoid", [m.name])])
    elif op == "Mish":
        name = net.node("Mul", [m.name, net.node("Tanh", [net.node("Softplus", [m.name])])])
    else:
        name = net.node(op, [m.name])
    return net.keep(name, m.c, m.h, m.w, op == "Exp" or (op == "Sqrt" and m.positive))


def operand(net, m, low, high):
    """A constant that broadcasts over the map."""
    shape = net.among([(), (m.c, 1, 1), (m.c, 1, 1), (1, m.c, 1, 1), (1, m.h, m.w), (m.c, m.h, m.w), (m.h, 1)])
    values = net.uniform(low, high, shape)
    if low < 0:
        values = np.where(np.abs(values) < .3, .5, values)
    return net.constant(values)


def with_constant(net, m):
    op = net.among(["Add", "Sub", "Mul", "Div", "Div", "Min", "Max", "Pow", "PRelu"])
    if op == "PRelu":
        name = net.node(op, [m.name, net.constant(net.uniform(-.5, .5, (m.c, 1, 1)))])
    elif op == "Pow":
        m = positive(net, m)
        inputs = [m.name, net.constant(net.among([-1., .5, 2., -1.5])) if net.chance(.6) else
                  net.constant(net.uniform(-1.5, 1.5, (m.c, 1, 1)))]
        if net.chance(.25):
            m = bounded(net, m)
            inputs = [operand(net, m, .5, 2), m.name]
        name = net.node(op, inputs)
    elif net.chance(.3):
        if op == "Div":
            m = positive(net, m)
        name = net.node(op, [operand(net, m, -2, 2), m.name])
    else:
        name = net.node(op, [m.name, operand(net, m, -2, 2)])
    return net.keep(name, m.c, m.h, m.w)


def with_map(net, m):
    other = net.pick(lambda o: o is not m and o.size() == m.size() and o.c in (m.c, 1))
    if other is None:
        other = conv_like(net, m, net.among([1, m.c]))
    op = net.among(["Add", "Sub", "Mul", "Div", "Div", "Min", "Max"])
    if op == "Div":
        other = positive(net, other)
    inputs = [m.name, other.name]
    if op != "Div" and net.chance(.3):
        inputs.reverse()
    return net.keep(net.node(op, inputs), m.c, m.h, m.w)


def conv_like(net, m, c_out):
    weights = net.rng.normal(0, 1 / np.sqrt(m.c), (c_out, m.c, 1, 1))
    return net.keep(net.node("Conv", [m.name, net.constant(weights)]), c_out, m.h, m.w)


def gate(net, m):
    if net.chance(.5):
        name = net.node(net.among(["GlobalAveragePool", "GlobalMaxPool"]), [m.name])
    else:
        name = net.node("ReduceMean", [m.name], axes=[2, 3], keepdims=1)
    small = net.keep(name, m.c, 1, 1)
    if net.chance(.6):
        small = conv_like(net, small, m.c)
    name = net.node(net.among(["Sigmoid", "HardSigmoid", "Tanh"]), [small.name])
    op = net.among(["Mul", "Mul", "Add", "Div"])
    if op == "Div":
        name = net.node("Add", [net.node("Sigmoid", [name]), net.constant(.2)])
    return net.keep(net.node(op, [m.name, name]), m.c, m.h, m.w)


def pool(net, m):
    kernel, stride = net.among([2, 3, 5]), net.among([1, 2])
    if min(m.size()) < kernel:
        return None
    pad = net.among([0, kernel // 2])
    h, w = ((n + 2 * pad - kernel) // stride + 1 for n in m.size())
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    op = net.among(["MaxPool", "AveragePool"])
    if op == "AveragePool":
        attributes["count_include_pad"] = int(net.rng.integers(2))
    return net.keep(net.node(op, [m.name], **attributes), m.c, h, w)


def norm(net, m):
    kind = net.among(["batch", "instance", "group", "layer", "layer-spelled", "softmax", "mean"])

    def vector(low=.5, high=1.5):
        return net.constant(net.uniform(low, high, m.c))

    if kind == "batch":
        name = net.node("BatchNormalization", [m.name, vector(), vector(-1, 1), vector(-1, 1), vector()])
    elif kind == "instance":
        if m.h * m.w < 16:
            return None
        name = net.node("InstanceNormalization", [m.name, vector(), vector(-1, 1)], epsilon=.01)
    elif kind == "group":
        groups = net.among([g for g in (1, 2, 3, 4, m.c) if m.c % g == 0])
        if m.h * m.w * m.c // groups < 16:
            return None
        flat = net.node("Reshape", [m.name, net.constant([1, groups, -1], np.int64)])
        flat = net.node("InstanceNormalization", [flat, net.constant(np.ones(groups)),
                                                  net.constant(np.zeros(groups))], epsilon=.01)
        name = net.node("Reshape", [flat, net.constant([1, m.c, m.h, m.w], np.int64)])
        name = net.node("Mul", [name, net.constant(net.uniform(.5, 1.5, (m.c, 1, 1)))])
    elif kind == "layer":
        name = net.node("Transpose", [m.name], perm=[0, 2, 3, 1])
        name = net.node("LayerNormalization", [name, vector(), vector(-1, 1)], epsilon=.01)
        name = net.node("Transpose", [name], perm=[0, 3, 1, 2])
    elif kind == "layer-spelled":
        mean = net.node("ReduceMean", [m.name], axes=[1], keepdims=1)
        d = net.node("Sub", [m.name, mean])
        v = net.node("ReduceMean", [net.node("Pow", [d, net.constant(2.)])], axes=[1], keepdims=1)
        name = net.node("Div", [d, net.node("Sqrt", [net.node("Add", [v, net.constant(.05)])])])
    elif kind == "softmax":
        name = net.node("Softmax", [m.name], axis=1)
    else:
        mean = net.node("ReduceMean", [m.name], axes=[1], keepdims=1)
        if net.chance(.5):
            return net.keep(mean, 1, m.h, m.w)
        name = net.node("Sub", [m.name, mean])
    return net.keep(name, m.c, m.h, m.w)


# ---- data movement -------------------------------------------------------------

def concat(net, m):
    pieces = [m]
    for _ in range(int(net.rng.integers(1, 6))):
        other = net.pick(lambda o: o.size() == m.size())
        if net.chance(.6):
            other = conv_like(net, other, int(net.among(CHANNELS)))
        pieces.insert(int(net.rng.integers(len(pieces) + 1)), other)
    if net.chance(.3):
        pieces = [positive(net, p) for p in pieces]
    name = net.node("Concat", [p.name for p in pieces], axis=1)
    return net.keep(name, sum(p.c for p in pieces), m.h, m.w, all(p.positive for p in pieces))


def focus(net, m):
    if m.h % 2 or m.w % 2 or m.c > 16:
        return None
    if net.chance(.3):
        return net.keep(net.node("SpaceToDepth", [m.name], blocksize=2), m.c * 4, m.h // 2, m.w // 2, m.positive)
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    if net.chance(.3):
        net.rng.shuffle(corners)
    pieces = []
    for y, x in corners:
        name = net.node("Slice", [m.name] + [net.constant(v, np.int64) for v in (
            [y], [1 << 30], [2], [2])])
        pieces.append(net.node("Slice", [name] + [net.constant(v, np.int64) for v in ([x], [1 << 30], [3], [2])]))
    return net.keep(net.node("Concat", pieces, axis=1), m.c * 4, m.h // 2, m.w // 2, m.positive)


def depth_to_space(net, m):
    if m.c % 4 or max(m.size()) > 24:
        return None
    name = net.node("DepthToSpace", [m.name], blocksize=2, mode=net.among(["DCR", "CRD"]))
    return net.keep(name, m.c // 4, m.h * 2, m.w * 2, m.positive)


def shuffle(net, m):
    groups = [g for g in (2, 3, 4) if m.c % g == 0 and m.c > g]
    if not groups:
        return None
    g = net.among(groups)
    name = net.node("Reshape", [m.name, net.constant([1, g, m.c // g, m.h, m.w], np.int64)])
    name = net.node("Transpose", [name], perm=[0, 2, 1, 3, 4])
    name = net.node("Reshape", [name, net.constant([1, m.c, m.h, m.w], np.int64)])
    return net.keep(name, m.c, m.h, m.w, m.positive)


def gather(net, m):
    kind = net.among(["permute", "repeat", "slice", "split", "repeat"])
    if kind == "slice":
        begin = int(net.rng.integers(0, m.c))
        end = int(net.rng.integers(begin + 1, m.c + 1))
        step = net.among([1, 1, 2])
        name = net.node("Slice", [m.name] + [net.constant(v, np.int64) for v in ([begin], [end], [1], [step])])
        return net.keep(name, (end - begin + step - 1) // step, m.h, m.w, m.positive)
    if kind == "split":
        if m.c < 2:
            return None
        at = int(net.rng.integers(1, m.c))
        left, right = net.node("Split", [m.name, net.constant([at, m.c - at], np.int64)], 2, axis=1)
        net.keep(left, at, m.h, m.w, m.positive)
        return net.keep(right, m.c - at, m.h, m.w, m.positive)
    index = net.rng.permutation(m.c) if kind == "permute" else net.rng.integers(0, m.c, net.among([m.c, m.c + 2, 4]))
    name = net.node("Gather", [m.name, net.constant(index, np.int64)], axis=1)
    return net.keep(name, len(index), m.h, m.w, m.positive)


def resize(net, m):
    if max(m.size()) > 24:
        return None
    mode = net.among(["nearest", "linear"])
    attributes = {"mode": mode, "coordinate_transformation_mode": "asymmetric" if mode == "nearest" else
                  net.among(["half_pixel", "align_corners", "asymmetric"])}
    if mode == "nearest":
        attributes["nearest_mode"] = "floor"
    name = net.node("Resize", [m.name, "", net.constant([1, 1, 2, 2])], **attributes)
    return net.keep(name, m.c, m.h * 2, m.w * 2, m.positive)


def pad(net, m):
    p = [int(v) for v in net.rng.integers(0, 3, 4)]
    value = float(net.among([0., 0., .7]))
    name = net.node("Pad", [m.name, net.constant([0, 0, p[0], p[1], 0, 0, p[2], p[3]], np.int64),
                            net.constant(value)], mode="constant")
    return net.keep(name, m.c, m.h + p[0] + p[2], m.w + p[1] + p[3], m.positive and value > 0)


OPERATORS = ([conv] * 4 + [concat] * 6 + [unary] * 4 + [with_constant] * 4 + [with_map] * 3 + [gate] * 2 + [pool] * 2 +
             [norm] * 3 + [focus] * 3 + [gather] * 3 + [shuffle] * 2 + [depth_to_space, resize, pad, conv_transpose])


def head(net, m):
    """An output in some form; returns its name."""
    kind = net.among(["map", "conv", "conv", "flat", "rows", "gemm"])
    if kind == "map":
        return net.node("Identity", [m.name]) if m.name in ("image", "side") else m.name
    m = conv_like(net, m, int(net.among([1, 3, 5, 8])))
    if kind == "flat":
        return net.node("Reshape", [m.name, net.constant([1, -1], np.int64)])
    if kind == "rows":
        name = net.node("Transpose", [m.name], perm=[0, 2, 3, 1])
        return net.node("Reshape", [name, net.constant([1, -1, m.c], np.int64)])
    if kind == "gemm" and m.h * m.w <= 256:
        n = m.c * m.h * m.w
        name = net.node("Flatten", [m.name], axis=1)
        return net.node("Gemm", [name, net.constant(net.rng.normal(0, 1 / np.sqrt(n), (n, 5)))])
    return m.name


# ---- nets that were once wrong: the first seeds ---------------------------------

def ragged(net):
    """A concatenation with holes, of positive values."""
    m = net.maps[0]
    pieces = [positive(net, conv_like(net, m, 4)), positive(net, conv_like(net, m, 4))]
    return net.keep(net.node("Concat", [p.name for p in pieces], axis=1), 8, m.h, m.w, True)


def then_conv(net, name, m):
    return conv(net, net.keep(name, m.c, m.h, m.w), 5)


def divided(net):
    m = ragged(net)
    then_conv(net, net.node("Div", [m.name, net.constant(net.uniform(.5, 2, (m.c, 1, 1)))]), m)


def logarithm(net):
    m = ragged(net)
    then_conv(net, net.node("Log", [m.name]), m)


def inverse(net):
    m = ragged(net)
    then_conv(net, net.node("Div", [net.constant(1.), m.name]), m)


def inverse_power(net):
    m = ragged(net)
    then_conv(net, net.node("Pow", [m.name, net.constant(-1.)]), m)


def quotient(net):
    m, other = ragged(net), ragged(net)
    then_conv(net, net.node("Div", [m.name, other.name]), m)


def focus_in_concat(net):
    m = conv_like(net, net.maps[0], 4)
    m = Map(yolox_focus(net, m), 16, m.h // 2, m.w // 2)
    other = conv_like(net, m, 8)
    m = net.keep(net.node("Concat", [m.name, other.name], axis=1), 24, m.h, m.w)
    conv_like(net, m, 5)


def repeat_in_focus(net):
    m = conv_like(net, net.maps[0], 4)
    m = net.keep(net.node("Gather", [m.name, net.constant([0, 2, 2, 1], np.int64)], axis=1), 4, m.h, m.w)
    conv_like(net, Map(yolox_focus(net, m), 16, m.h // 2, m.w // 2), 5)


def yolox_focus(net, m):
    """All of one corner's channels after the other's."""
    pieces = []
    for y, x in ((0, 0), (1, 0), (0, 1), (1, 1)):
        pieces.append(net.node("Slice", [m.name] + [net.constant(v, np.int64) for v in (
            [y, x], [1 << 30, 1 << 30], [2, 3], [2, 2])]))
    return net.node("Concat", pieces, axis=1)


FIXED = [divided, logarithm, inverse, inverse_power, quotient, focus_in_concat, repeat_in_focus] + wild_operators.FIXED


def grow(net, operators):
    wanted = int(net.rng.integers(3, 13))
    for _ in range(4 * wanted):
        made = net.among(operators)(net, net.pick(lambda m: m.c <= 96))
        if made is not None:
            wanted -= 1
        if wanted == 0:
            break


def build(rng, seed):
    net = Net(rng)
    if seed < len(FIXED):
        net.take("image", 3, 16, 24)
        FIXED[seed](net)
        return as_model(net, [net.maps[-1].name])
    sizes = [12, 16, 17, 24] if seed % 2 == 0 or net.chance(.7) else [1, 1, 2, 5, 8, 16]
    c, h, w = int(net.among([1, 3, 3, 4, 6])), int(net.among(sizes)), int(net.among(sizes))
    if seed % 2 == 0:
        net.take("image", c, h, w)
        grow(net, OPERATORS)
    else:
        if net.chance(.7):
            net.take("image", c, h, w)
        else:
            wild_operators.take_picture(net, c, h, w)
        net.hands_on = net.chance(.3)
        if net.chance(.2):
            net.take("side", int(net.among([1, 3, 4])), h, w)
        grow(net, OPERATORS + wild_operators.OPERATORS * 2)
    outputs = [head(net, net.maps[-1])]
    if net.chance(.5):
        outputs.append(head(net, net.pick()))
    outputs += net.extra[:2]
    if seed % 2 and net.chance(.3):
        outputs.append(net.pick().name)
    return as_model(net, list(dict.fromkeys(outputs)))


def infos(values):
    return [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, shape, dtype in values]


def as_model(net, outputs):
    """The model, its inputs' names, shapes and types, and the net as text."""
    graph = helper.make_graph(net.nodes, "wild", infos(net.inputs), infos([(o, None, np.float32) for o in outputs]),
                              net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model, net.inputs, net.text


def values(rng, shape, dtype):
    return rng.integers(0, 256, shape).astype(dtype) if dtype == np.uint8 else rng.normal(0, 1, shape).astype(dtype)


def near(rng, value):
    """A few roundings off; bytes are what they are."""
    return value if value.dtype == np.uint8 else (value * (1 + 1e-6 * rng.normal(0, 1, value.shape))).astype(np.float32)


def frames(rng, inputs):
    """Three frames, each a dictionary of inputs, and the same a few roundings off."""
    now, made = {name: values(rng, shape, dtype) for name, shape, dtype in inputs}, []
    for _ in range(3):
        made.append({name: value.copy() for name, value in now.items()})
        for name, shape, dtype in inputs[:1] if rng.random() < .7 else inputs:
            at = tuple(slice(k, k + 4) for k in (int(rng.integers(max(1, n - 3))) for n in shape))
            now[name][at] = values(rng, now[name][at].shape, dtype)
    return made, [{name: near(rng, value) for name, value in frame.items()} for frame in made]


def open_session(data, level):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def attempt(seed, number):
    """(model bytes, frames, results, noise, text), or None."""
    rng = np.random.default_rng([seed, number])
    model, inputs, text = build(rng, seed)
    data = model.SerializeToString()
    try:
        now, moved = frames(rng, inputs)
        session = open_session(data, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        results = [session.run(None, f) for f in now]
        if any(dtype == np.uint8 for _, _, dtype in inputs):
            session = open_session(data, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        moved = [session.run(None, f) for f in moved]
    except Exception:  # pylint: disable=broad-except
        return None
    noise = []
    for have, other in zip(results, moved):
        for a, b in zip(have, other):
            top = np.abs(a).max(initial=0)
            if a.size == 0 or not np.isfinite(a).all() or not 1e-3 < top < 1e5 or np.ptp(a) < 1e-4 * top:
                return None
            noise.append(np.abs(a.astype(np.float64) - b).max() / top)
    if max(noise) > 1e-4:
        return None
    return data, now, results, noise, text


def main():
    folder, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for seed in range(first, first + count):
        number = 0
        while (made := attempt(seed, number)) is None:
            number += 1
        data, inputs, results, noise, text = made
        path = os.path.join(folder, str(seed))
        with open(path + ".onnx", "wb") as file:
            file.write(data)
        with open(path + ".txt", "w", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n")
        for f, frame in enumerate(inputs):
            for i, value in enumerate(frame.values()):
                value.astype(np.float32).tofile(f"{path}.in{f}.{i}")
            for i, result in enumerate(results[f]):
                result.astype(np.float32).tofile(f"{path}.out{f}.{i}")
        np.array(noise, np.float32).tofile(path + ".noise")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main()
