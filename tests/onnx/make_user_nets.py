#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small nets as exporters write them, and what ONNX Runtime gives.

    make_user_nets.py FOLDER [NAME]

For each net: NAME.onnx; NAME.onnx.modelinfo where it needs a descriptor;
NAME.frame0, NAME.frame1 ..., pictures in RGB, one byte a channel; and
NAME.out0.I, NAME.out1.I ..., output I of ONNX Runtime for each, float32,
little endian. nets.txt has a line for each: name, width, height, channels of
its picture, frames, outputs, operators that run whole (-1: not said).

A net is a function here, its docstring what it shows. Needs numpy, onnx and
onnxruntime.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT, FRAMES = 24, 16, 3
NETS = {}
MODELINFO = "[modelinfo]\nversion=1.0\n"
PLAIN = MODELINFO + "[input]\nscale=1\nresize=stretch\n"


def net(function):
    NETS[function.__name__] = function
    return function


class Graph:
    """A graph being written; nodes return the name of their output."""

    def __init__(self, seed=1, prefix="t"):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.count, self.prefix = [], [], 0, prefix

    def name(self):
        self.count += 1
        return f"{self.prefix}{self.count}"

    def const(self, values, dtype=np.float32):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def random(self, *shape):
        return self.const(self.rng.normal(0, .3, shape))

    def node(self, op, *inputs, outputs=1, out=None, **attributes):
        names = [out] if out else [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if len(names) == 1 else names

    def conv(self, x, c_in, c_out, out=None, kernel=3):
        pad = [kernel // 2] * 4
        return self.node("Conv", x, self.random(c_out, c_in, kernel, kernel), self.random(c_out), pads=pad, out=out)

    def scaled(self, x):
        """Pixels to about -1..1."""
        return self.node("Mul", x, self.const(1 / 128))

    def model(self, inputs, outputs, opset=13, functions=(), imports=()):
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in imports]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def y_of(*shape):
    return [value("y", list(shape) or None)]


class Net:
    """What a net function gives. feeds (pictures so far, last outputs by name)
    -> what ONNX Runtime gets; oracle: its model where it is another; tails: operators that do not run on maps."""

    def __init__(self, model, feeds, descriptor=PLAIN, channels=3, oracle=None, keep=None, tails=-1):
        self.model, self.feeds, self.descriptor, self.tails = model, feeds, descriptor, tails
        self.channels, self.oracle, self.keep = channels, oracle or model, keep


def nhwc(dtype=np.float32, name="x"):
    return lambda frames, last: {name: frames[-1][None].astype(dtype)}


def nchw(name="x"):
    return lambda frames, last: {name: frames[-1].transpose(2, 0, 1)[None].astype(np.float32)}


def grey(frame):
    """As the input stage makes one channel of three."""
    return (frame.astype(np.int32) @ [77, 150, 29] + 128 >> 8).astype(np.float32)


NHWC_IN = [1, HEIGHT, WIDTH, 3]


# ---- pictures as exporters write them ---------------------------------------

@net
def split_concat():
    """Channels split, swapped and joined before the Transpose."""
    g = Graph()
    r, green, b = g.node("Split", "x", g.ints(1, 1, 1), outputs=3, axis=3)
    x = g.node("Concat", b, green, r, axis=3)
    g.conv(g.node("Transpose", g.scaled(x), perm=[0, 3, 1, 2]), 3, 5, "y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def pad():
    """Rows and columns padded before the Transpose."""
    g = Graph()
    x = g.node("Pad", g.scaled("x"), g.ints(0, 1, 2, 0, 0, 3, 2, 0), g.const(.5))
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def resize():
    """Halved before the Transpose."""
    g = Graph()
    x = g.node("Resize", g.scaled("x"), "", g.const([1, .5, .5, 1]), mode="linear")
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def gather():
    """RGB to BGR by a Gather on the last axis."""
    g = Graph()
    x = g.node("Gather", g.scaled("x"), g.ints(2, 1, 0), axis=3)
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def two_readers():
    """One reader transposes the picture, another multiplies it first."""
    g = Graph()
    a = g.conv(g.node("Transpose", "x", perm=[0, 3, 1, 2]), 3, 4)
    b = g.conv(g.node("Transpose", g.node("Mul", "x", g.const([.1, .2, .3])), perm=[0, 3, 1, 2]), 3, 4)
    g.node("Add", a, b, out="y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def hwc_unsqueeze():
    """[H,W,3], made [1,H,W,3], then transposed."""
    g = Graph()
    x = g.node("Unsqueeze", g.scaled("x"), g.ints(0))
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN[1:])], y_of()), lambda f, last: {"x": f[-1].astype(np.float32)})


@net
def chw_unsqueeze():
    """A picture without a batch."""
    g = Graph()
    g.conv(g.scaled(g.node("Unsqueeze", "x", g.ints(0))), 3, 5, "y")
    return Net(g.model([value("x", [3, HEIGHT, WIDTH])], y_of()),
               lambda frames, last: {"x": frames[-1].transpose(2, 0, 1).astype(np.float32)})


@net
def chw_bytes():
    """The same in bytes, cast before it gets its batch."""
    g = Graph()
    x = g.node("Unsqueeze", g.scaled(g.node("Cast", "x", to=TensorProto.FLOAT)), g.ints(0))
    g.conv(x, 3, 5, "y")
    return Net(g.model([value("x", [3, HEIGHT, WIDTH], TensorProto.UINT8)], y_of()),
               lambda frames, last: {"x": frames[-1].transpose(2, 0, 1)})


@net
def hwc_transposed():
    """[H,W,3], transposed to [3,H,W], then made [1,3,H,W]."""
    g = Graph()
    x = g.node("Transpose", g.scaled("x"), perm=[2, 0, 1])
    g.conv(g.node("Unsqueeze", x, g.ints(0)), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN[1:])], y_of()), lambda f, last: {"x": f[-1].astype(np.float32)})


@net
def grey_reshape():
    """[1,H,W,1], made [1,1,H,W] by a Reshape."""
    g = Graph()
    g.conv(g.node("Reshape", g.scaled("x"), g.ints(1, 1, HEIGHT, WIDTH)), 1, 4, "y")
    return Net(g.model([value("x", [1, HEIGHT, WIDTH, 1])], y_of()),
               lambda f, last: {"x": grey(f[-1])[None, ..., None]}, channels=1)


@net
def bytes_default():
    """Bytes, cast in the graph; no descriptor: pixels go in as they are."""
    g = Graph()
    x = g.scaled(g.node("Cast", "x", to=TensorProto.FLOAT))
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN, TensorProto.UINT8)], y_of()), nhwc(np.uint8), descriptor=None)


@net
def bytes_nchw():
    """Bytes with the channels first; no descriptor."""
    g = Graph()
    g.conv(g.scaled(g.node("Cast", "x", to=TensorProto.FLOAT)), 3, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH], TensorProto.UINT8)], y_of()),
               lambda f, last: {"x": f[-1].transpose(2, 0, 1)[None]}, descriptor=None)


@net
def int32_mean():
    """Whole numbers of 32 bits, a mean subtracted before the Transpose."""
    g = Graph()
    x = g.node("Sub", g.node("Cast", "x", to=TensorProto.FLOAT), g.const([123, 117, 104]))
    g.conv(g.node("Transpose", g.scaled(x), perm=[0, 3, 1, 2]), 3, 4, "y")
    return Net(g.model([value("x", NHWC_IN, TensorProto.INT32)], y_of()), nhwc(np.int32), descriptor=None)


# ---- what the descriptor says of a graph --------------------------------------

@net
def given_scalar():
    """A second input that is a constant by the descriptor."""
    g = Graph()
    x = g.node("Mul", g.scaled("x"), "gain")
    g.conv(x, 3, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH]), value("gain", [1])], y_of()),
               lambda f, last: {**nchw()(f, last), "gain": np.float32([.25])},
               PLAIN + "[input.gain]\nvalue=0.25\n")


@net
def given_open():
    """A constant of three values whose size the file leaves open."""
    g = Graph()
    x = g.node("Mul", g.scaled("x"), g.node("Reshape", "gain", g.ints(1, 3, 1, 1)))
    g.conv(x, 3, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH]), value("gain", ["n"])], y_of()),
               lambda f, last: {**nchw()(f, last), "gain": np.float32([.5, 1, -2])},
               PLAIN + "[input:gain]\nvalue=0.5;1;-2\n")


@net
def given_shape():
    """A whole number that a Resize takes its size from."""
    g = Graph()
    sizes = g.node("Concat", g.ints(1, 3), "size", axis=0)
    x = g.node("Resize", g.scaled("x"), "", "", sizes, mode="nearest")
    g.conv(x, 3, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH]), value("size", [2], TensorProto.INT64)], y_of()),
               lambda f, last: {**nchw()(f, last), "size": np.int64([8, 12])},
               PLAIN + "[size]\ndir=input\nvalue=8;12\n")


@net
def cut_before_nms():
    """Ends where the descriptor says, before an operator that cannot run."""
    g = Graph()
    boxes = g.conv(g.scaled("x"), 3, 4, "boxes", kernel=1)
    scores = g.conv(g.scaled("x"), 3, 1, "scores", kernel=1)
    flat = g.node("Transpose", g.node("Reshape", boxes, g.ints(1, 4, -1)), perm=[0, 2, 1])
    g.node("NonMaxSuppression", flat, g.node("Reshape", scores, g.ints(1, 1, -1)), g.ints(5), g.const(.5), g.const(.1),
           out="selected")
    inputs = [value("x", [1, 3, HEIGHT, WIDTH])]
    kept = [value("boxes", [1, 4, HEIGHT, WIDTH]), value("scores", [1, 1, HEIGHT, WIDTH])]
    return Net(g.model(inputs, [value("selected", None, TensorProto.INT64)]), nchw(),
               PLAIN + "[deltacnn]\noutputs=boxes; scores\n",
               oracle=g.model(inputs, kept + [value("selected", None, TensorProto.INT64)]), keep=["boxes", "scores"])


def stack(frames, n, newest_first, axis):
    """The last n pictures on the channels; before the first, the first."""
    some = [frames[max(len(frames) - 1 - i, 0)] for i in range(n)]
    return np.concatenate(some if newest_first else some[::-1], axis).astype(np.float32)[None]


@net
def frames_nchw():
    """Three frames on the channels, oldest first."""
    g = Graph()
    g.conv(g.scaled("x"), 9, 4, "y")
    return Net(g.model([value("x", [1, 9, HEIGHT, WIDTH])], y_of()),
               lambda f, last: {"x": stack([i.transpose(2, 0, 1) for i in f], 3, False, 0)}, PLAIN + "frames=3\n")


@net
def frames_newest_first():
    """The same, newest first."""
    g = Graph()
    g.conv(g.scaled("x"), 9, 4, "y")
    return Net(g.model([value("x", [1, 9, HEIGHT, WIDTH])], y_of()),
               lambda f, last: {"x": stack([i.transpose(2, 0, 1) for i in f], 3, True, 0)},
               PLAIN + "frames=3\nframe-order=newest-first\n")


@net
def frames_nhwc():
    """Two frames on the channels, which come last, scaled before the Transpose."""
    g = Graph()
    g.conv(g.node("Transpose", g.scaled("x"), perm=[0, 3, 1, 2]), 6, 4, "y")
    return Net(g.model([value("x", [1, HEIGHT, WIDTH, 6])], y_of()), lambda f, last: {"x": stack(f, 2, False, 2)},
               PLAIN + "frames=2\n")


@net
def frames_grey():
    """Four frames of one channel."""
    g = Graph()
    g.conv(g.scaled("x"), 4, 4, "y")
    return Net(g.model([value("x", [1, 4, HEIGHT, WIDTH])], y_of()),
               lambda f, last: {"x": stack([grey(i)[None] for i in f], 4, False, 0)}, PLAIN + "frames=4\n", channels=1)


def fed_back(first, name="y", state="h"):
    """The last output, at first a value throughout."""
    def feeds(frames, last):
        return {**nchw()(frames, last), state: last[name] if last else first}
    return feeds


@net
def state():
    """A recurrent net: its last output is its second input."""
    g = Graph()
    both = g.node("Concat", g.scaled("x"), "h", axis=1)
    g.node("Tanh", g.conv(both, 7, 4), out="y")
    shape = [1, 4, HEIGHT, WIDTH]
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH]), value("h", shape)], [value("y", shape)]),
               fed_back(np.zeros(shape, np.float32)), PLAIN + "[input:h]\nstate=y\n")


@net
def state_of_three_channels():
    """A state that could be taken for the picture, before it; its first value is given."""
    g = Graph()
    both = g.node("Concat", "h", g.scaled("x"), axis=1)
    g.node("Sigmoid", g.conv(both, 6, 3), out="y")
    shape = [1, 3, HEIGHT, WIDTH]
    return Net(g.model([value("h", shape), value("x", shape)], [value("y", shape)]),
               fed_back(np.full(shape, .5, np.float32)), PLAIN.replace("[input]", "[input:x]")
               + "[input:h]\nstate=y\nvalue=0.5\n")


@net
def state_not_an_output():
    """States from within the graph, of another size, one through a vector."""
    g = Graph()
    small = g.node("AveragePool", g.scaled("x"), kernel_shape=[2, 2], strides=[2, 2])
    h = g.node("Tanh", g.conv(g.node("Concat", small, "h", axis=1), 8, 5), out="h_next")
    mean = g.node("Add", g.node("Mul", g.node("GlobalAveragePool", h), g.const(.5)), g.node("Mul", "m", g.const(.5)))
    flat = g.node("Flatten", mean, out="m_flat")
    g.node("Reshape", flat, g.ints(1, 5, 1, 1), out="m_next")
    g.conv(g.node("Mul", h, "m"), 5, 2, "y")
    shapes = {"h": [1, 5, HEIGHT // 2, WIDTH // 2], "m": [1, 5, 1, 1]}
    inputs = [value("x", [1, 3, HEIGHT, WIDTH])] + [value(n, s) for n, s in shapes.items()]
    more = [value("h_next", shapes["h"]), value("m_next", shapes["m"])]

    def feeds(frames, last):
        return {**nchw()(frames, last), **{n: last[n + "_next"] if last else np.ones(s, np.float32)
                                           for n, s in shapes.items()}}
    return Net(g.model(inputs, y_of()), feeds, PLAIN + "[input:h]\nstate=h_next\nvalue=1\n"
               "[input:m]\nstate=m_next\nvalue=1\n", oracle=g.model(inputs, y_of() + more),
               keep=["y", "h_next", "m_next"])


@net
def state_open():
    """As matting nets are exported: the state's size is open, its first value of size 1 expanded."""
    g = Graph()
    size = g.node("Shape", g.node("Split", g.conv(g.scaled("x"), 3, 8), g.ints(4, 4), outputs=2, axis=1)[0])
    h = g.node("Expand", "h", size)
    both = g.node("Concat", g.scaled("x"), h, axis=1)
    g.node("Tanh", g.conv(both, 7, 4), out="y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH]), value("h", ["b", "c", "r", "s"])], [value("y", None)]),
               fed_back(np.zeros([1, 1, 1, 1], np.float32)), PLAIN + "[input:h]\nstate=y\n")


# ---- graphs as exporters write them ---------------------------------------------

@net
def pixel_shuffle():
    """DepthToSpace as Reshape, Transpose, Reshape: PyTorch's order, then TensorFlow's."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 12))
    x = g.node("Reshape", x, g.ints(1, 3, 2, 2, HEIGHT, WIDTH))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 1, 4, 2, 5, 3]), g.ints(1, 3, 2 * HEIGHT, 2 * WIDTH))
    x = g.node("Relu", g.conv(x, 3, 8))
    x = g.node("Reshape", x, g.ints(1, 2, 2, 2, 2 * HEIGHT, 2 * WIDTH))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 3, 4, 1, 5, 2]), g.ints(1, 2, 4 * HEIGHT, 4 * WIDTH))
    g.conv(x, 2, 2, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


@net
def pixel_shuffle_in_two():
    """Pixels taken from channels first along the rows, then along the columns."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 12))
    x = g.node("Reshape", x, g.ints(1, 3, 2, 2, HEIGHT, WIDTH))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 1, 2, 4, 5, 3]), g.ints(1, 3, 2, HEIGHT, 2 * WIDTH))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 1, 3, 2, 4]), g.ints(1, 3, 2 * HEIGHT, 2 * WIDTH))
    g.conv(x, 3, 2, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw(), tails=0)


@net
def parted():
    """torch.split as the dynamo exporter leaves it: a sequence, by sizes and by one for all, read by SequenceAt."""
    g = Graph()
    x = g.conv(g.scaled("x"), 3, 8)
    sizes = g.node("SplitToSequence", x, g.ints(3, 5), axis=1)
    equal = g.node("SplitToSequence", x, g.const(3, np.int64), axis=-3)
    parts = [g.node("SequenceAt", s, g.const(i, np.int64)) for s, i in ((sizes, -1), (sizes, 0), (equal, 2), (equal, -3))]
    g.conv(g.node("Concat", *parts, axis=1), 13, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw(), tails=0)


@net
def parted_by_ones():
    """Parts of one channel each, with its axis and without; of rows, too."""
    g = Graph()
    x = g.conv(g.scaled("x"), 3, 8)
    ones = g.node("SplitToSequence", x, axis=1)
    flat = g.node("SplitToSequence", x, axis=1, keepdims=0)
    rows = g.node("SplitToSequence", x, g.ints(HEIGHT - 5, 5), axis=2, keepdims=0)
    y = g.node("Unsqueeze", g.node("SequenceAt", flat, g.const(-2, np.int32)), g.ints(1))
    y = g.node("Concat", g.node("SequenceAt", ones, g.const(4, np.int64)), y, axis=1)
    g.node("Concat", *(g.node("SequenceAt", rows, g.const(i, np.int64)) for i in (1, 0)), axis=2, out="z")
    g.conv(y, 2, 4, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], [value("y", None), value("z", None)]), nchw())


@net
def pixel_unshuffle():
    """SpaceToDepth as Reshape, Transpose, Reshape: PyTorch's order."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 4))
    x = g.node("Reshape", x, g.ints(1, 4, HEIGHT // 2, 2, WIDTH // 2, 2))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 1, 3, 5, 2, 4]), g.ints(1, 16, HEIGHT // 2, WIDTH // 2))
    g.conv(x, 16, 3, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


@net
def conv1d_rows():
    """A convolution in one dimension, along the width of a map whose height is 1 (as text nets end)."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 6))
    x = g.node("AveragePool", x, kernel_shape=[HEIGHT, 1])
    x = g.node("Squeeze", x, g.ints(2))
    x = g.node("Conv", x, g.random(8, 6, 3), g.random(8), pads=[2, 2], dilations=[2])
    x = g.node("Relu", x)
    x = g.node("Conv", x, g.random(8, 1, 5), g.random(8), pads=[2, 2], group=8)
    g.node("Transpose", g.node("Conv", x, g.random(5, 8, 1)), perm=[0, 2, 1], out="y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


def recurrent(op, gates, direction, hidden=7, **more):
    """A text net's end: columns of a map as a sequence, a recurrent layer, scores of characters."""
    g, n = Graph(), 2 if direction == "bidirectional" else 1
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 6))
    x = g.node("Squeeze", g.node("AveragePool", x, kernel_shape=[HEIGHT, 1]), g.ints(2))
    x = g.node("Transpose", x, perm=[2, 0, 1])
    x = g.node(op, x, g.random(n, gates * hidden, 6), g.random(n, gates * hidden, hidden),
               g.random(n, 2 * gates * hidden), outputs=2, hidden_size=hidden, direction=direction, **more)[0]
    x = g.node("Transpose", x, perm=[2, 0, 1, 3])
    x = g.node("Reshape", x, g.ints(1, WIDTH, n * hidden))
    g.node("Softmax", g.node("MatMul", x, g.random(n * hidden, 5)), axis=2, out="y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of(), opset=14), nchw())


@net
def text_lstm():
    """Columns read in both directions."""
    return recurrent("LSTM", 4, "bidirectional")


@net
def text_gru():
    """Backward, as PyTorch writes GRU."""
    return recurrent("GRU", 3, "reverse", linear_before_reset=1)


@net
def text_gru_early():
    """The reset before the product, more cells than two panels have."""
    return recurrent("GRU", 3, "bidirectional", hidden=37)


@net
def text_rnn():
    """The plain cell, backward."""
    return recurrent("RNN", 1, "reverse", hidden=19)


@net
def text_lstm_states():
    """First states of its own, and the last ones as what comes out; cells of more than a panel."""
    g, hidden = Graph(), 21
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 6))
    x = g.node("Squeeze", g.node("AveragePool", x, kernel_shape=[HEIGHT, 1]), g.ints(2))
    x = g.node("Transpose", x, perm=[2, 0, 1])
    y, h, c = g.node("LSTM", x, g.random(2, 4 * hidden, 6), g.random(2, 4 * hidden, hidden), g.random(2, 8 * hidden), "",
                     g.random(2, 1, hidden), g.random(2, 1, hidden), outputs=3, hidden_size=hidden,
                     direction="bidirectional")
    x = g.node("Concat", y, g.node("Unsqueeze", h, g.ints(0)), g.node("Unsqueeze", c, g.ints(0)), axis=0)
    g.node("Reshape", x, g.ints(1, WIDTH + 2, 2 * hidden), out="y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of(), opset=14), nchw())


@net
def conv1d_attention():
    """ECA: a convolution over the channels of a pooled map, as a gate."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 8))
    p = g.node("Squeeze", g.node("GlobalAveragePool", x), g.ints(-1))
    p = g.node("Conv", g.node("Transpose", p, perm=[0, 2, 1]), g.random(1, 1, 3), pads=[1, 1])
    p = g.node("Unsqueeze", g.node("Transpose", g.node("Sigmoid", p), perm=[0, 2, 1]), g.ints(-1))
    g.conv(g.node("Mul", x, p), 8, 3, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


def branch(name, build, outputs=1):
    """A subgraph without inputs; build writes it and returns its outputs."""
    g = Graph(sum(map(ord, name)), f"in_{name}_")
    names = build(g)
    names = [names] if isinstance(names, str) else names
    return helper.make_graph(g.nodes, name, [], [value(n, None) for n in names[:outputs]], g.constants)


@net
def if_by_shape():
    """If, on what a shape says: as PyTorch squeezes where a dimension may be 1."""
    g = Graph()
    x = g.node("Relu", g.conv(g.scaled("x"), 3, 4, out="feature"))
    pooled = g.node("GlobalAveragePool", x, out="pooled")
    size = g.node("Gather", g.node("Shape", pooled), g.const(2, np.int64))
    one = g.node("Equal", size, g.const(1, np.int64))
    flat = g.node("If", one, then_branch=branch("then", lambda b: b.node("Squeeze", "pooled", b.ints(2, 3))),
                  else_branch=branch("else", lambda b: b.node("Identity", "pooled")))
    gate = g.node("Reshape", g.node("Sigmoid", flat), g.ints(1, 4, 1, 1))
    g.conv(g.node("Mul", x, gate), 4, 3, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


@net
def if_nested():
    """If within If; weights within branches; a branch that gives an outer value; two outputs; names used twice."""
    g = Graph()
    image = g.node("Identity", g.scaled("x"), out="image")

    def inner(b):
        return b.node("If", "yes", then_branch=branch("p", lambda c: c.conv("image", 3, 4)),
                      else_branch=branch("q", lambda c: c.node("RandomUniformLike", c.conv("image", 3, 4))))

    def outer(b):
        deep = inner(b)
        return [b.node("Add", deep, b.const(.5)), b.node("Identity", "image")]

    g.constants.append(numpy_helper.from_array(np.array(True), "yes"))
    g.constants.append(numpy_helper.from_array(np.array(False), "no"))
    made = [g.name(), g.name()]
    g.nodes.append(helper.make_node("If", ["no"], made, else_branch=branch("e", outer, 2),
                                    then_branch=branch("t", lambda b: [b.node("Neg", image), b.node("Abs", image)], 2)))
    again = g.node("If", "no", then_branch=branch("t", lambda b: b.node("Neg", made[0])), else_branch=branch(
        "e", lambda b: b.conv(made[0], 4, 4)))
    g.conv(g.node("Concat", again, made[1], axis=1), 7, 3, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of()), nchw())


def function(name, inputs, outputs, nodes, attributes=(), opset=13):
    return helper.make_function("local", name, list(inputs), list(outputs), nodes,
                                [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)], list(attributes))


@net
def local_functions():
    """Functions of the file: one within another, called twice, with an attribute that the call gives, one of its own and an input left out."""
    g = Graph()
    slope = onnx.helper.make_node("LeakyRelu", ["v"], ["a"])
    reference = onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    slope.attribute.append(reference)
    block = function("Block", ["v", "w"], ["out"],
                     [helper.make_node("Conv", ["v", "w"], ["c"], pads=[1, 1, 1, 1]),
                      helper.make_node("Leaky", ["c"], ["out"], domain="local", slope=.25)])
    leaky = function("Leaky", ["v"], ["b"], [slope, helper.make_node("Identity", ["a"], ["b"])], ["slope"])
    bounded = function("Bounded", ["v", "low", "high"], ["o"],
                       [helper.make_node("Clip", ["v", "low", "high"], ["o"])])

    def call(name, *inputs, **attributes):
        out = g.name()
        g.nodes.append(helper.make_node(name, list(inputs), [out], domain="local", **attributes))
        return out

    x = call("Block", g.scaled("x"), g.random(6, 3, 3, 3))
    x = call("Block", x, g.random(6, 6, 3, 3))
    x = call("Leaky", x, slope=-.5)
    x = call("Bounded", x, "", g.const(.3))
    g.conv(x, 6, 3, "y")
    return Net(g.model([value("x", [1, 3, HEIGHT, WIDTH])], y_of(), functions=[leaky, block, bounded],
                       imports=["local"]), nchw())


# ---- operators in forms that exporters write --------------------------------

def picture_in():
    return [value("x", [1, 3, HEIGHT, WIDTH])]


@net
def flat_normalised():
    """A channel that is 0 everywhere, normalised: 0, not 0 / 0."""
    g = Graph()
    x = g.node("Mul", g.scaled("x"), g.const(np.reshape([1, 0, 1], (1, 3, 1, 1))))
    g.conv(g.node("MeanVarianceNormalization", x), 3, 4, "y")
    return Net(g.model(picture_in(), y_of()), nchw())


@net
def resized_symmetric():
    """half_pixel_symmetric, where the size is rounded and the middle stays."""
    g = Graph()
    x = g.node("Resize", g.scaled("x"), "", g.const([1, 1, .7, 1.3]), mode="linear",
               coordinate_transformation_mode="half_pixel_symmetric")
    g.conv(x, 3, 4, "y")
    return Net(g.model(picture_in(), y_of(), opset=19), nchw())


@net
def softmax_of_depthwise():
    """What reads a depthwise map pixel by pixel and is no convolution."""
    g = Graph()
    x = g.conv(g.scaled("x"), 3, 8)
    x = g.node("Conv", x, g.random(8, 1, 3, 3), g.random(8), pads=[1, 1, 1, 1], group=8)
    g.conv(g.node("Softmax", x, axis=1), 8, 3, "y")
    return Net(g.model(picture_in(), y_of()), nchw())


@net
def bias_left_out():
    """A third input without a name, then what is folded into the weights."""
    g = Graph()
    x = g.node("Conv", g.scaled("x"), g.random(4, 3, 3, 3), "", pads=[1, 1, 1, 1])
    x = g.node("BatchNormalization", x, *(g.const(v) for v in
               ([1, 2, .5, -1], [.1, 0, -.2, .3], [.2, .1, 0, -.1], [1, .5, 2, 1])))
    g.conv(g.node("Relu", x), 4, 3, "y")
    return Net(g.model(picture_in(), y_of()), nchw())


# ---- writing ------------------------------------------------------------------

def pictures(seed):
    """A still, and the same with a rectangle changed, twice."""
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)]
    for i in range(1, FRAMES):
        frame = frames[-1].copy()
        y, x = rng.integers(0, HEIGHT - 5), rng.integers(0, WIDTH - 6)
        frame[y:y + 4, x:x + 5] = rng.integers(0, 256, (4, 5, 3), np.uint8)
        frames.append(frame)
    return frames


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def write(folder, name):
    made = NETS[name]()
    base = os.path.join(folder, name)
    onnx.save(made.model, base + ".onnx")
    if made.descriptor:
        with open(base + ".onnx.modelinfo", "w", encoding="utf-8") as file:
            file.write(made.descriptor)
    runtime = session(made.oracle)
    names = [o.name for o in runtime.get_outputs()]
    wanted = made.keep or names
    last = None
    frames = pictures(sum(map(ord, name)))
    for t in range(FRAMES):
        frames[t].tofile(f"{base}.frame{t}")
        last = dict(zip(names, runtime.run(None, made.feeds(frames[:t + 1], last))))
        for i, wanted_name in enumerate(wanted):
            np.ascontiguousarray(last[wanted_name], np.float32).tofile(f"{base}.out{t}.{i}")
    return f"{name} {WIDTH} {HEIGHT} {made.channels} {FRAMES} {len(wanted)} {made.tails}\n"


def main():
    folder = sys.argv[1]
    names = [n for n in sys.argv[2:] or list(NETS) if n in NETS]
    with open(os.path.join(folder, "nets.txt"), "a", encoding="utf-8") as file:
        for name in names:
            file.write(write(folder, name))


if __name__ == "__main__":
    main()
