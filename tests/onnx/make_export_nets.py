#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small nets of the kinds that exporters write, in the spellings that they use.

    make_export_nets.py FOLDER [NAME]

make_user_nets.py says what is written. A net is a function here, its docstring what it shows.
"""
import numpy as np
from onnx import TensorProto

import make_user_nets
from make_user_nets import HEIGHT, NETS, NHWC_IN, PLAIN, WIDTH, Graph, Net, nchw, net, nhwc, value, y_of

NETS.clear()  # its own are not written here
INPUT = [value("x", [1, 3, HEIGHT, WIDTH])]


def of_picture(g, opset=13, outputs=None, descriptor=PLAIN, oracle=None, tails=0):
    """A net on "x", channels first, that gives "y"; all of it but so many operators runs on changed pixels."""
    model = g.model(INPUT, outputs or y_of(), opset=opset)
    return Net(model, nchw(), descriptor, oracle=oracle and g.model(INPUT, oracle, opset=opset), tails=tails)


def begun(channels, seed=1):
    """A graph and its first layer."""
    g = Graph(seed)
    return g, g.node("Relu", g.conv(g.scaled("x"), 3, channels))


def strided(g, x, c_in, c_out, kernel=3, stride=2, **attributes):
    return g.node("Conv", x, g.random(c_out, c_in, kernel, kernel), strides=[stride] * 2, **attributes)


# ---- TensorFlow ------------------------------------------------------------------

@net
def tf_nhwc():
    """tf2onnx: NHWC at both ends, SAME windows with strides, squeezes and strided slices between."""
    g = Graph()
    x = g.node("Transpose", g.node("Sub", g.scaled("x"), g.const([.4, .5, .6])), perm=[0, 3, 1, 2])
    x = g.node("Clip", strided(g, x, 3, 8, auto_pad="SAME_UPPER"), g.const(0.), g.const(6.))
    x = g.node("Relu", strided(g, x, 8, 12, kernel=5, stride=1, auto_pad="SAME_LOWER"))
    x = g.node("Transpose", x, perm=[0, 2, 3, 1])
    part = g.node("Slice", x, g.ints(0, 1, 2), g.ints(2**31 - 1, 2**31 - 1, 10), g.ints(0, 1, 3), g.ints(1, 2, 3))
    one = g.node("Squeeze", g.node("Slice", x, g.ints(5), g.ints(6), g.ints(3)), g.ints(3))
    one = g.node("Slice", g.node("Unsqueeze", one, g.ints(3)), g.ints(1), g.ints(2**31 - 1), g.ints(1), g.ints(2))
    x = g.node("Transpose", g.node("Mul", part, one), perm=[0, 3, 1, 2])
    x = g.node("Transpose", g.conv(x, 3, 6), perm=[0, 2, 3, 1])
    g.node("Sigmoid", g.node("Squeeze", x, g.ints(0)), out="y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def tf_batch_space():
    """Atrous convolutions as TensorFlow spells them, made one dilated by its exporter; FusedBatchNorm as Mul and Add with the channels last."""
    g = Graph()
    x = g.node("Transpose", g.scaled("x"), perm=[0, 3, 1, 2])
    x = g.node("Conv", x, g.random(8, 3, 3, 3), dilations=[2, 2], pads=[2] * 4)
    x = g.node("Transpose", x, perm=[0, 2, 3, 1])
    x = g.node("Add", g.node("Mul", x, g.random(8)), g.random(8))
    x = g.node("Mul", x, g.node("Clip", g.node("Add", x, g.const(3.)), g.const(0.), g.const(6.)))
    x = g.node("Mul", x, g.const(1 / 6))
    x = g.node("PRelu", x, g.random(1, 1, 8))
    mean = g.node("ReduceMean", x, axes=[1, 2], keepdims=1)
    x = g.node("Concat", x, g.node("Tile", mean, g.ints(1, HEIGHT, WIDTH, 1)), axis=3)
    g.node("MatMul", x, g.random(16, 4), out="y")
    return Net(g.model([value("x", NHWC_IN)], y_of()), nhwc())


@net
def keras_untouched():
    """Keras where tf2onnx's own passes gave up: Transposes around every convolution, the rest with the channels last; a gate over means, windows by Pad, classes at the end (whole: only their Cast)."""
    def first(x):
        return g.node("Transpose", x, perm=[0, 3, 1, 2])

    def conv(x, *shape, **attributes):
        return g.node("Transpose", g.node("Conv", first(x), g.random(*shape), **attributes), perm=[0, 2, 3, 1])

    def swish(x):
        gate = g.node("Mul", g.node("Clip", g.node("Add", x, g.const(3.)), g.const(0.), g.const(6.)), g.const(1 / 6))
        return g.node("Mul", gate, x)

    g = Graph()
    x = g.node("Add", g.node("Mul", g.scaled("x"), g.const(2.)), g.const(-1.))
    x = swish(g.node("Add", g.node("Mul", conv(x, 8, 3, 3, 3, strides=[2, 2], pads=[0, 0, 1, 1]), g.random(8)), g.random(8)))
    y = conv(g.node("Pad", x, g.ints(0, 0, 1, 0, 0, 1, 1, 0)), 8, 1, 3, 3, group=8, pads=[1, 0, 0, 0])
    y = g.node("Relu", g.node("Add", g.node("Mul", y, g.random(8)), g.random(8)))
    gate = conv(g.node("ReduceMean", y, axes=[1, 2], keepdims=1), 4, 8, 1, 1)
    gate = conv(g.node("Relu", gate), 8, 4, 1, 1)
    gate = g.node("Clip", g.node("Add", g.node("Mul", gate, g.const(.2)), g.const(.5)), g.const(0.), g.const(1.))
    x = g.node("Concat", g.node("Mul", y, gate), x, axis=3)
    x = g.node("Softmax", conv(x, 5, 16, 1, 1), axis=3)
    g.node("Cast", g.node("ArgMax", x, axis=3, keepdims=0), to=TensorProto.FLOAT, out="y")
    g.node("MatMul", g.node("ReduceMean", x, axes=[1, 2], keepdims=0), g.random(5, 3), out="z")
    return Net(g.model([value("x", NHWC_IN)], [value("y", None), value("z", None)]), nhwc(), tails=1)


# ---- activations and norms, spelled out ------------------------------------------------

def gelu_erf(g, x):
    half = g.node("Add", g.node("Erf", g.node("Div", x, g.const(2 ** .5))), g.const(1.))
    return g.node("Mul", g.node("Mul", x, half), g.const(.5))


def gelu_spelled(where):
    """Its half before the product or on the gate; the inner polynomial factored."""
    def make(g, x):
        square = g.node("Mul", x, x)
        inner = g.node("Add", g.node("Mul", square, g.const(.044715)), g.const(1.))
        inner = g.node("Tanh", g.node("Mul", g.node("Mul", g.const((2 / np.pi) ** .5), x), inner))
        gate = g.node("Add", inner, g.const(1.))
        if where == "gate":
            return g.node("Mul", x, g.node("Div", gate, g.const(2.)))
        return g.node("Mul", g.node("Mul", x, g.const(.5)), gate)
    return make


def gelu_tanh(g, x):
    cube = g.node("Mul", g.node("Pow", x, g.const(3.)), g.const(.044715))
    inner = g.node("Tanh", g.node("Mul", g.node("Add", x, cube), g.const((2 / np.pi) ** .5)))
    return g.node("Mul", g.node("Mul", g.const(.5), x), g.node("Add", inner, g.const(1.)))


def hard_swish(g, x):
    return g.node("Div", g.node("Mul", x, g.node("Clip", g.node("Add", x, g.const(3.)), g.const(0.), g.const(6.))),
                  g.const(6.))


def mish(g, x):
    soft = g.node("Log", g.node("Add", g.node("Exp", x), g.const(1.)))
    return g.node("Mul", x, g.node("Tanh", soft))


@net
def activations():
    """Each activation after a convolution of its own: spelled out, and as the operator that has the name."""
    g = Graph()
    x = g.node("Mul", g.scaled("x"), g.const(2.))
    makers = [gelu_erf, gelu_tanh, gelu_spelled("gate"), gelu_spelled("x"), hard_swish, mish]
    makers += [lambda g, x, op=op: g.node(op, x) for op in ("HardSwish", "Mish", "Softplus", "Softsign", "Elu", "Selu",
                                                            "Celu")]
    makers += [lambda g, x: g.node("HardSigmoid", x, alpha=1 / 6, beta=.5), lambda g, x: g.node("Gelu", x),
               lambda g, x: g.node("Gelu", x, approximate="tanh"), lambda g, x: g.node("ThresholdedRelu", x, alpha=.3)]
    for make in makers:
        x = g.node("Add", g.conv(make(g, g.conv(x, 3, 4)), 4, 3), x)
    g.conv(x, 3, 2, "y")
    return of_picture(g, opset=20)


def layer_norm(g, x, channels, axis):
    """As PyTorch wrote it before operator set 17, over the channels."""
    shape = (channels,) if axis == -1 else (channels, 1, 1)
    off = g.node("Sub", x, g.node("ReduceMean", x, axes=[axis], keepdims=1))
    var = g.node("ReduceMean", g.node("Pow", off, g.const(2.)), axes=[axis], keepdims=1)
    x = g.node("Div", off, g.node("Sqrt", g.node("Add", var, g.const(1e-6))))
    return g.node("Add", g.node("Mul", x, g.random(*shape)), g.random(*shape))


def factored_norm(g, x, axes, scale=None, shift=None, negated=True):
    """As TensorFlow's batch_normalization spells norms: one factor for the value and for its mean."""
    mean = g.node("ReduceMean", x, axes=axes, keepdims=1)
    off = g.node("Sub", x, mean)
    var = g.node("ReduceMean", g.node("Mul", off, off), axes=axes, keepdims=1)
    a = g.node("Reciprocal", g.node("Sqrt", g.node("Add", var, g.const(1e-3))))
    a = a if scale is None else g.node("Mul", a, g.const(scale))
    if negated:
        return g.node("Add", g.node("Mul", x, a), g.node("Mul", g.node("Neg", mean), a))
    rest = g.node("Sub", g.const(shift), g.node("Mul", mean, a))
    return g.node("Add", g.node("Mul", x, a), rest)


@net
def keras_norms():
    """LayerNormalization and GroupNormalization of Keras, with and without scale and shift, one read by others, too."""
    g, x = begun(8)
    x = g.node("Transpose", x, perm=[0, 2, 3, 1])
    x = factored_norm(g, x, [3])
    x = factored_norm(g, g.node("Sigmoid", x), [3], g.rng.normal(1, .2, 8), g.rng.normal(0, .2, 8), False)
    for scaled in (False, True):
        y = g.node("Transpose", g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 8, 8), perm=[0, 2, 3, 1])
        y = g.node("Reshape", y, g.ints(1, HEIGHT, WIDTH, 4, 2))
        scale, shift = (g.rng.normal(1, .2, (1, 1, 1, 4, 2)) for _ in range(2))
        y = factored_norm(g, y, [1, 2, 4], *((scale, shift, False) if scaled else ()))
        x = g.node("Relu", g.node("Reshape", y, g.ints(1, HEIGHT, WIDTH, 8)))
    x = g.node("Transpose", x, perm=[0, 3, 1, 2])
    y = factored_norm(g, g.conv(x, 8, 6), [2, 3], g.rng.normal(1, .2, (6, 1, 1)), np.float32(.3), False)
    g.conv(g.node("Relu", y), 6, 3, "y")
    return of_picture(g, tails=0)


@net
def repeats():
    """Pixels repeated: Tile of rows and columns with channels last, the same turned on the way (Keras), Expand (PyTorch), columns alone by 3, one that is read between."""
    g, x = begun(4)
    a = g.node("Transpose", x, perm=[0, 2, 3, 1])
    a = g.node("Tile", g.node("Reshape", a, g.ints(1, HEIGHT, 1, WIDTH, 4)), g.ints(1, 1, 2, 1, 1))
    a = g.node("Reshape", g.node("Reshape", a, g.ints(1, 2 * HEIGHT, WIDTH, 4)), g.ints(1, 2 * HEIGHT, WIDTH, 1, 4))
    a = g.node("Reshape", g.node("Tile", a, g.ints(1, 1, 1, 2, 1)), g.ints(1, 2 * HEIGHT, 2 * WIDTH, 4))
    a = g.conv(g.node("Transpose", a, perm=[0, 3, 1, 2]), 4, 4)
    b = g.node("Tile", g.node("Reshape", x, g.ints(1, 4, HEIGHT, 1, WIDTH)), g.ints(1, 1, 1, 2, 1))
    b = g.node("Reshape", g.node("Transpose", b, perm=[0, 2, 3, 4, 1]), g.ints(1, 2 * HEIGHT, WIDTH, 4))
    b = g.node("Tile", g.node("Reshape", b, g.ints(1, 2 * HEIGHT, WIDTH, 1, 4)), g.ints(1, 1, 1, 2, 1))
    b = g.node("Transpose", g.node("Reshape", b, g.ints(1, 2 * HEIGHT, 2 * WIDTH, 4)), perm=[0, 3, 1, 2])
    c = g.node("Expand", g.node("Reshape", x, g.ints(1, 4, HEIGHT, 1, WIDTH, 1)), g.ints(1, 4, HEIGHT, 2, WIDTH, 2))
    c = g.node("Reshape", c, g.ints(1, 4, 2 * HEIGHT, 2 * WIDTH))
    y = g.conv(g.node("Concat", a, b, c, axis=1), 12, 4)
    d = g.node("Reshape", g.node("Tile", g.node("Reshape", y, g.ints(1, 4, 2 * HEIGHT, 2 * WIDTH, 1)), g.ints(1, 1, 1, 1, 3)),
               g.ints(1, 4, 2 * HEIGHT, 6 * WIDTH))
    g.node("Relu", g.conv(d, 4, 3), out="y")
    return of_picture(g, tails=0)


@net
def norm_between_turns():
    """A layer norm of which only changed rows are computed, between operators that run whole and may lie where others lay."""
    g, x = begun(6)
    g.node("CumSum", g.node("Pad", x, g.ints(0, 0, 1, 0, 0, 0, 2, 0), mode="reflect"), g.const(2, np.int64), out="z")
    x = g.node("LayerNormalization", x, g.random(WIDTH), g.random(WIDTH), axis=-1)
    g.node("Transpose", x, perm=[0, 1, 3, 2], out="y")
    return of_picture(g, opset=17, outputs=y_of() + [value("z", None)], tails=4)


@net
def convnext():
    """ConvNeXt: a wide depthwise window, a norm with the channels last, MatMul, GELU, MatMul, a scale, a shortcut; a norm with the channels first."""
    g, x = begun(12)
    for erf in (True, False):
        y = g.node("Conv", x, g.random(12, 1, 7, 7), g.random(12), group=12, pads=[3] * 4)
        y = layer_norm(g, g.node("Transpose", y, perm=[0, 2, 3, 1]), 12, -1)
        y = g.node("Add", g.node("MatMul", y, g.random(12, 24)), g.random(24))
        y = gelu_erf(g, y) if erf else gelu_tanh(g, y)
        y = g.node("Add", g.random(12), g.node("MatMul", y, g.random(24, 12)))
        y = g.node("Transpose", g.node("Mul", g.random(12), y), perm=[0, 3, 1, 2])
        x = g.node("Add", x, y)
    x = layer_norm(g, x, 12, 1)
    g.node("Conv", x, g.random(5, 12, 2, 2), strides=[2, 2], out="y")
    return of_picture(g)


@net
def group_norm():
    """GroupNorm as Reshape, InstanceNormalization, Reshape; sizes written down, taken from Shape, and 0 for "as it is"."""
    g, x = begun(8)
    for batch, groups in ((1, 4), (0, 2)):
        y = g.node("InstanceNormalization", g.node("Reshape", x, g.ints(batch, groups, -1)), g.const(np.ones(groups)),
                   g.const(np.zeros(groups)), epsilon=1e-3)
        y = g.node("Reshape", y, g.node("Shape", x))
        x = g.node("Relu", g.node("Add", g.node("Mul", y, g.random(8, 1, 1)), g.random(8, 1, 1)))
        x = g.conv(x, 8, 8)
    g.node("InstanceNormalization", x, g.random(8), g.random(8), out="y")
    return of_picture(g)


@net
def some_channels_norm():
    """IBN: some channels are normalised by the picture, the others by numbers; between Reshapes, behind a Split and a Slice."""
    g, x = begun(12)
    for begin, groups in ((0, 5), (7, 1)):
        if begin == 0:
            some, rest = g.node("Split", x, g.ints(5, 7), outputs=2, axis=1)
        else:
            some, rest = [g.node("Slice", x, g.ints(b), g.ints(e), g.ints(1)) for b, e in ((7, 12), (0, 7))]
        y = g.node("InstanceNormalization", g.node("Reshape", some, g.ints(1, groups, -1)), g.random(groups),
                   g.random(groups), epsilon=1e-3)
        y = g.node("Add", g.node("Mul", g.node("Reshape", y, g.node("Shape", some)), g.random(5, 1, 1)), g.random(5, 1, 1))
        z = g.node("BatchNormalization", rest, g.random(7), g.random(7), g.random(7), g.const(g.rng.uniform(.5, 2, 7)))
        x = g.conv(g.node("Relu", g.node("Concat", y, z, axis=1)), 12, 12)
    g.node("Relu", x, out="y")
    return of_picture(g)


@net
def norm_after_concat():
    """DenseNet: BatchNormalization and Relu of a join, which nothing can take in; pieces are read again."""
    g, x = begun(6)
    parts = [x]
    for _ in range(3):
        joined = g.node("Concat", *parts, axis=1) if len(parts) > 1 else x
        c = 6 + 5 * (len(parts) - 1)
        y = g.node("BatchNormalization", joined, g.random(c), g.random(c), g.random(c),
                   g.const(g.rng.uniform(.5, 2, c)))
        parts.append(g.conv(g.node("Relu", y), c, 5))
    x = g.node("BatchNormalization", g.node("Concat", *parts, axis=1), g.random(21), g.random(21), g.random(21),
               g.const(g.rng.uniform(.5, 2, 21)))
    x = g.conv(g.node("Relu", x), 21, 8, kernel=1)
    g.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], out="y")
    return of_picture(g)


@net
def prelu():
    """Slopes of every shape: one a channel with and without a batch, one in all, one a channel and row."""
    g, x = begun(8)
    for shape in ((8, 1, 1), (1, 8, 1, 1), (1,), (1, 1, 1), (8, HEIGHT, 1)):
        x = g.node("PRelu", g.conv(x, 8, 8), g.random(*shape))
    g.conv(x, 8, 3, "y")
    return of_picture(g)


@net
def clips():
    """Clip with a bound left out, bounds from Constant nodes, and spelled as Min and Max, on either side."""
    g, x = begun(8)
    x = g.node("Clip", g.conv(x, 8, 8), g.const(-.2))
    x = g.node("Clip", g.conv(x, 8, 8), "", g.const(.3))
    low = g.node("Constant", value_float=-.1)
    x = g.node("Clip", g.conv(x, 8, 8), g.node("Identity", low), g.const(.4))
    x = g.node("Min", g.const(1.), g.node("Max", g.conv(x, 8, 8), g.const([0.])))
    x = g.node("Clip", g.conv(x, 8, 8))
    x = g.node("Max", g.conv(x, 8, 8), g.random(8, 1, 1))
    g.conv(x, 8, 3, "y")
    return of_picture(g)


# ---- attention and gates ----------------------------------------------------------

@net
def squeeze_excite():
    """MobileNetV3: pooled by GlobalAveragePool or by ReduceMean with its axes as an input; HardSigmoid, as an operator and spelled out."""
    g, x = begun(8)
    for spelled in (False, True):
        if spelled:
            p = g.node("ReduceMean", x, g.ints(-1, -2), keepdims=1)
        else:
            p = g.node("GlobalAveragePool", x)
        p = g.node("Relu", g.conv(p, 8, 2, kernel=1))
        p = g.conv(p, 2, 8, kernel=1)
        if spelled:
            p = g.node("Div", g.node("Clip", g.node("Add", p, g.const(3.)), g.const(0.), g.const(6.)), g.const(6.))
        else:
            p = g.node("HardSigmoid", p, alpha=.2, beta=.5)
        x = hard_swish(g, g.conv(g.node("Mul", p, x), 8, 8))
    p = g.node("ReduceMean", x, g.ints(2, 3), keepdims=0)
    p = g.node("Gemm", p, g.random(8, 8), g.random(8), transB=1)
    p = g.node("Unsqueeze", g.node("Sigmoid", p), g.ints(2, 3))
    g.conv(g.node("Mul", x, p), 8, 3, "y")
    return of_picture(g, opset=18)


@net
def spatial_attention():
    """CBAM: a gate of each pixel from the largest and the mean of its channels, after one of each channel from both pools."""
    g, x = begun(8)
    first, second = g.random(2, 8, 1, 1), g.random(8, 2, 1, 1)

    def shared(p):
        return g.node("Conv", g.node("Relu", g.node("Conv", p, first)), second)
    both = g.node("Add", shared(g.node("GlobalAveragePool", x)), shared(g.node("GlobalMaxPool", x)))
    x = g.node("Mul", x, g.node("Sigmoid", both))
    maps = g.node("Concat", g.node("ReduceMax", x, axes=[1], keepdims=1), g.node("ReduceMean", x, axes=[1], keepdims=1),
                  axis=1)
    x = g.node("Mul", x, g.node("Sigmoid", g.conv(maps, 2, 1, kernel=7)))
    g.conv(x, 8, 3, "y")
    return of_picture(g)


@net
def sums():
    """Shortcuts as Sum and Mean of two and three maps; a quotient as Mul and Reciprocal."""
    g, x = begun(8)
    x = g.node("Relu", g.node("Sum", g.conv(x, 8, 8), x))
    a, b = g.conv(x, 8, 8), g.conv(x, 8, 8)
    x = g.node("Sum", a, x, g.node("Tanh", b))
    x = g.node("Mean", x, a, b)
    part = g.node("Reciprocal", g.node("Add", g.node("Abs", g.conv(x, 8, 8)), g.const(.5)))
    g.conv(g.node("Mul", x, part), 8, 3, "y")
    return of_picture(g)


@net
def channel_sums():
    """Sums, largest and smallest over channels, kept and not; a map scaled to length 1 at each pixel."""
    g, x = begun(8)
    s = g.node("ReduceSum", x, g.ints(1), keepdims=1)
    low = g.node("Unsqueeze", g.node("ReduceMin", x, axes=[1], keepdims=0), g.ints(1))
    length = g.node("ReduceL2", x, axes=[1], keepdims=1)
    unit = g.node("Div", x, g.node("Expand", g.node("Clip", length, g.const(1e-2)), g.node("Shape", x)))
    signed = g.conv(x, 8, 4)
    one = g.node("Unsqueeze", g.node("ReduceL1", signed, axes=[1], keepdims=0), g.ints(1))
    two = g.node("Tile", g.node("ReduceSumSquare", signed, axes=[-3], keepdims=1), g.ints(1, 4, 1, 1))
    most = g.node("Unsqueeze", g.node("ReduceMax", signed, axes=[1], keepdims=0), g.ints(1))
    x = g.node("Concat", unit, s, low, g.node("Sub", signed, two), one, most, axis=1)
    g.conv(x, 16, 3, "y")
    return of_picture(g)


@net
def response_norm():
    """ConvNeXt V2: each channel by its length over all pixels, over the mean of those; sums over all pixels, in both layouts, with and without their axes."""
    g, x = begun(8)
    length = g.node("ReduceL2", x, axes=[2, 3], keepdims=1)
    mean = g.node("Add", g.node("ReduceMean", length, axes=[1], keepdims=1), g.const(1e-6))
    y = g.node("Mul", g.node("Mul", x, g.node("Div", length, mean)), g.random(1, 8, 1, 1))
    x = g.conv(g.node("Add", x, y), 8, 8)
    for op in ("ReduceL1", "ReduceSumSquare", "ReduceMin"):
        x = g.node("Add", x, g.node("Tanh", g.node(op, x, axes=[-1, -2], keepdims=1)))
    total = g.node("Unsqueeze", g.node("ReduceSum", x, g.ints(2, 3), keepdims=0), g.ints(2, 3))
    x = g.conv(g.node("Mul", x, g.node("Sigmoid", total)), 8, 8)
    y = g.node("Transpose", x, perm=[0, 2, 3, 1])
    y = g.node("MatMul", y, g.random(8, 8))
    length = g.node("ReduceL2", y, axes=[1, 2], keepdims=1)
    mean = g.node("Add", g.node("ReduceMean", length, axes=[-1], keepdims=1), g.const(1e-6))
    y = g.node("Mul", y, g.node("Div", length, mean))
    g.conv(g.node("Transpose", y, perm=[0, 3, 1, 2]), 8, 3, "y")
    return of_picture(g)


def path_weights(g, x, channels, paths):
    """A gate for each channel of each path; those of a channel add up to 1."""
    p = g.node("ReduceMean", x, axes=[2, 3], keepdims=1)
    return g.conv(g.node("Relu", g.conv(p, channels, 4, kernel=1)), 4, paths * channels, kernel=1)


@net
def split_attention():
    """ResNeSt: channels reshaped to paths, added up for the gates, weighed, added up."""
    g, x = begun(8)
    x = g.node("Relu", g.node("Conv", x, g.random(16, 4, 3, 3), g.random(16), pads=[1] * 4, group=2))
    paths = g.node("Reshape", x, g.ints(1, 2, 8, HEIGHT, WIDTH))
    p = path_weights(g, g.node("ReduceSum", paths, g.ints(1), keepdims=0), 8, 2)
    p = g.node("Transpose", g.node("Reshape", p, g.ints(1, 1, 2, -1)), perm=[0, 2, 1, 3])
    p = g.node("Reshape", g.node("Reshape", g.node("Softmax", p, axis=1), g.ints(1, -1)), g.ints(1, 2, 8, 1, 1))
    x = g.node("ReduceSum", g.node("Mul", paths, p), g.ints(1), keepdims=0)
    g.conv(x, 8, 3, "y")
    return of_picture(g)


@net
def selective_kernels():
    """SKNet: three windows stacked on an axis of their own; the largest, the mean, what stays stacked; a stack that is one map again."""
    g, x = begun(8)
    maps = [g.node("Relu", strided(g, x, 8, 8, kernel=k, stride=1, pads=[k // 2] * 4)) for k in (3, 5, 1)]
    stack = g.node("Concat", *[g.node("Unsqueeze", m, g.ints(1)) for m in maps], axis=1)
    p = path_weights(g, g.node("ReduceSum", stack, g.ints(1), keepdims=0), 8, 3)
    p = g.node("Softmax", g.node("Reshape", p, g.ints(1, 3, 8, 1, 1)), axis=1)
    stack = g.node("Sigmoid", g.node("Mul", g.node("Mul", stack, p), g.random(1, 3, 8, 1, 1)))
    most = g.node("ReduceMax", stack, axes=[1], keepdims=1)
    mean = g.node("Squeeze", g.node("ReduceMean", g.node("Mul", stack, g.const(2.)), axes=[1], keepdims=1), g.ints(1))
    flat = g.node("Reshape", stack, g.ints(1, 24, HEIGHT, WIDTH))
    x = g.node("Concat", flat, mean, g.node("Squeeze", most, g.ints(1)), axis=1)
    g.conv(x, 40, 3, "y")
    return of_picture(g)


@net
def standardised_weights():
    """NFNet, BiT: weights less their mean over their deviation, by a BatchNormalization in training mode, and spelled out by the newer exporter."""
    g, x = begun(8)
    w = g.node("Reshape", g.random(8, 8, 3, 3), g.ints(1, 8, -1))
    w, _, _ = g.node("BatchNormalization", w, g.random(8), g.const(np.zeros(8)), g.const(np.zeros(8)),
                     g.const(np.ones(8)), outputs=3, training_mode=1, epsilon=1e-6)
    x = g.node("Relu", g.node("Conv", x, g.node("Reshape", w, g.ints(8, 8, 3, 3)), g.random(8), pads=[1] * 4))
    w = g.node("Reshape", g.random(8, 8, 3, 3), g.ints(1, 8, -1))
    off = g.node("Sub", w, g.node("ReduceMean", w, axes=[0, 2], keepdims=1))
    var = g.node("ReduceMean", g.node("Mul", off, off), axes=[0, 2], keepdims=0)
    mean = g.node("ReduceMean", w, axes=[0, 2], keepdims=0)
    w = g.node("BatchNormalization", w, g.random(8), g.const(np.zeros(8)), mean, var, epsilon=1e-6)
    w = g.node("Reshape", w, g.ints(8, 8, 3, 3))
    g.conv(g.node("Conv", x, w, pads=[1] * 4), 8, 3, "y")
    return of_picture(g, opset=15)


@net
def tokens():
    """ViT: patches as rows; LayerNormalization of rows, with a bias and without; products by weights, shared by two batches of rows."""
    g, x = begun(8)
    t = g.node("Transpose", g.node("Reshape", strided(g, x, 8, 20, kernel=2), g.ints(2, 10, -1)), perm=[0, 2, 1])
    for bias in (True, False):
        n = g.node("LayerNormalization", t, g.random(10), *([g.random(10)] if bias else []), axis=-1, epsilon=1e-6)
        q, k, v = (g.node("Add", g.node("MatMul", n, g.random(10, 35)), g.random(35)) for _ in range(3))
        a = g.node("Softmax", g.node("MatMul", q, g.node("Transpose", k, perm=[0, 2, 1])), axis=-1)
        t = g.node("Add", t, g.node("MatMul", g.node("MatMul", a, v), g.random(35, 10)))
    g.node("MatMul", t, g.random(10, 3), out="y")
    return of_picture(g, opset=17, tails=-1)


@net
def atrous_pyramid():
    """DeepLab on a small picture: dilations that reach past the map on one axis, on both, on one side; with strides."""
    g, x = begun(8)
    maps = [strided(g, x, 8, 4, stride=1, dilations=[d, d], pads=[d] * 4) for d in (2, 12, 18, 36)]
    maps.append(strided(g, x, 8, 4, stride=1, dilations=[18, 9], pads=[3, 2, 33, 16]))
    x = g.node("Relu", g.node("Concat", *maps, axis=1))
    x = strided(g, x, 20, 6, dilations=[30, 15], pads=[30, 15, 30, 15])
    x = g.node("Conv", x, g.random(6, 1, 5, 5), pads=[18] * 4, dilations=[9, 9], group=6)
    g.conv(x, 6, 3, "y")
    return of_picture(g)


@net
def clamped_shuffle():
    """ESPCN: a pixel shuffle, then a scale and bounds, and once more with its result read twice."""
    g, x = begun(8)
    y = g.node("DepthToSpace", g.conv(x, 8, 12), blocksize=2, mode="CRD")
    y = g.node("Clip", g.node("Mul", y, g.const(.5)), g.const(0.), g.const(.8))
    x = g.node("Conv", g.node("Tanh", y), g.random(8, 3, 2, 2), strides=[2, 2])
    y = g.node("Reshape", g.conv(x, 8, 9), g.ints(1, 1, 3, 3, HEIGHT, WIDTH))
    y = g.node("Reshape", g.node("Transpose", y, perm=[0, 1, 4, 2, 5, 3]), g.ints(1, 1, 3 * HEIGHT, 3 * WIDTH))
    y = g.node("Sub", g.node("Relu", y), g.const(.1))
    g.node("Add", g.node("Clip", y, g.const(-.05), g.const(1.)), y, out="y")
    return of_picture(g)


@net
def self_attention():
    """As YOLO's later heads: queries, keys and values of all pixels of a small map by Split, MatMul and Softmax; then distances as expectations (DFL)."""
    g, x = begun(8)
    x = g.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
    h, w = HEIGHT // 4, WIDTH // 4
    qkv = g.node("Reshape", g.conv(x, 8, 32, kernel=1), g.ints(1, 2, 16, h * w))
    q, k, v = g.node("Split", qkv, g.ints(4, 4, 8), outputs=3, axis=2)
    a = g.node("Softmax", g.node("Mul", g.node("MatMul", g.node("Transpose", q, perm=[0, 1, 3, 2]), k), g.const(.5)),
               axis=-1)
    y = g.node("MatMul", v, g.node("Transpose", a, perm=[0, 1, 3, 2]))
    y = g.node("Add", g.node("Reshape", y, g.ints(1, 16, h, w)),
               g.node("Conv", g.node("Reshape", v, g.ints(1, 16, h, w)), g.random(16, 1, 3, 3), group=16, pads=[1] * 4))
    y = g.conv(y, 16, 32)
    d = g.node("Transpose", g.node("Reshape", g.node("Reshape", y, g.ints(1, 32, -1)), g.ints(1, 4, 8, h * w)),
               perm=[0, 2, 1, 3])
    bins = g.const(np.arange(8).reshape(1, 8, 1, 1))
    g.node("Reshape", g.node("Conv", g.node("Softmax", d, axis=1), bins), g.ints(1, 4, h * w), out="y")
    return of_picture(g, tails=10)


@net
def fused():
    """What ONNX Runtime saves after its own fusions: convolutions and matrices with what follows them, the GELUs of com.microsoft."""
    g, x = begun(8)
    own = {"domain": "com.microsoft"}
    pads = {"pads": [1] * 4, **own}
    y = g.node("FusedConv", x, g.random(8, 8, 3, 3), g.random(8), activation="LeakyRelu", activation_params=[.2], **pads)
    y = g.node("FusedConv", y, g.random(8, 1, 3, 3), activation="Clip", activation_params=[-.5, 1.5], group=8, **pads)
    y = g.node("FusedConv", y, g.random(8, 8, 3, 3), g.random(8), x, activation="Relu", **pads)
    y = g.node("FusedConv", y, g.random(8, 8, 3, 3), g.random(8), activation="HardSigmoid", activation_params=[.3, .4], **pads)
    gate = g.node("Flatten", g.node("GlobalAveragePool", y))
    gate = g.node("FusedGemm", gate, g.random(6, 8), g.random(6), transB=1, activation="LeakyRelu", activation_alpha=.3, **own)
    gate = g.node("FusedGemm", gate, g.random(6, 8), g.random(8), activation="Tanh", **own)
    y = g.node("Mul", y, g.node("Unsqueeze", gate, g.ints(2, 3)))
    y = g.node("Transpose", y, perm=[0, 2, 3, 1])
    y = g.node("FusedMatMul", y, g.random(10, 8), transB=1, alpha=.5, **own)
    y = g.node("BiasGelu", y, g.random(10), **own)
    y = g.node("FusedMatMul", y, g.random(10, 12), **own)
    y = g.node("FastGelu", y, g.random(12), **own)
    y = g.node("FastGelu", g.node("Gelu", g.node("QuickGelu", y, alpha=1.5, **own), **own), **own)
    g.conv(g.node("Transpose", y, perm=[0, 3, 1, 2]), 12, 3, "y")
    return Net(g.model(INPUT, y_of(), imports=["com.microsoft"]), nchw(), tails=0)


@net
def einsums():
    """Products of matrices by letters: weights a pixel, attention with heads, masks of queries, an outer product."""
    g, x = begun(8)
    x = g.node("Einsum", x, g.random(12, 8), equation="bchw,kc->bkhw")
    x = g.node("Relu", g.node("Einsum", g.random(8, 12), x, equation="k c, n c y x -> n k y x"))
    small = g.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
    n = HEIGHT // 4 * (WIDTH // 4)
    q, k = (g.node("Reshape", g.conv(small, 8, 8, kernel=1), g.ints(1, 2, 4, n)) for _ in range(2))
    a = g.node("Softmax", g.node("Einsum", q, k, equation="bhdi,bhdj->bhij"), axis=-1)
    v = g.node("Einsum", a, k, equation="bhij,bhdj->bihd")
    v = g.node("Reshape", g.node("ReduceMean", v, axes=[1], keepdims=0), g.ints(1, 1, 8))
    y = g.node("Einsum", g.node("Add", v, g.random(1, 3, 8)), x, equation="bqc,bchw->bqhw")
    row = g.node("Reshape", g.node("ReduceMean", v, axes=[2], keepdims=0), g.ints(1))
    y = g.node("Add", y, g.node("Unsqueeze", g.node("Einsum", row, g.random(WIDTH), equation="i,j"), g.ints(0, 1)))
    g.node("Identity", y, out="y")
    return of_picture(g, tails=-1)


# ---- grids ------------------------------------------------------------------------

@net
def grid_samples():
    """A map read at computed places, half of them outside, in every way; and at fixed ones, as undistortion does it."""
    g, x = begun(4)
    grid = g.node("Transpose", g.node("Mul", g.node("Tanh", g.conv(x, 4, 2)), g.const(2.)), perm=[0, 2, 3, 1])
    grid = g.node("Slice", grid, g.ints(0, 0), g.ints(9, 11), g.ints(1, 2))
    parts = [g.node("GridSample", x, grid, mode=mode, padding_mode=padding, align_corners=corners)
             for mode, padding, corners in (("bilinear", "zeros", 0), ("bilinear", "border", 1), ("nearest", "zeros", 1),
                                            ("bilinear", "reflection", 0), ("bicubic", "reflection", 1),
                                            ("bicubic", "zeros", 0), ("nearest", "border", 0))]
    fixed = g.const(g.rng.uniform(-1.2, 1.2, (1, 9, 11, 2)))
    g.node("Concat", *parts, g.node("GridSample", x, fixed), axis=1, out="y")
    return of_picture(g, opset=16, tails=-1)


@net
def dynamo_grid():
    """PyTorch 2: a grid from Range, Expand and Where at run time, which is a constant; boxes are decoded with it."""
    g, x = begun(8)
    x = strided(g, x, 8, 5, pads=[1] * 4)
    h, w = HEIGHT // 2, WIDTH // 2

    def along(n, axis):
        r = g.node("Range", g.const(0, np.int64), g.const(n, np.int64), g.const(1, np.int64))
        r = g.node("Add", g.node("Cast", r, to=TensorProto.FLOAT), g.const(.5))
        return g.node("Expand", g.node("Unsqueeze", r, g.ints(axis)), g.ints(h, w))
    grid = g.node("Concat", *(g.node("Unsqueeze", v, g.ints(0)) for v in (along(w, 0), along(h, 1))), axis=0)
    grid = g.node("Reshape", grid, g.ints(1, 2, h * w))
    cells = g.node("Reshape", x, g.ints(1, 5, h * w))
    xy, size, score = g.node("Split", cells, g.ints(2, 2, 1), outputs=3, axis=1)
    ones = g.node("ConstantOfShape", g.node("Shape", grid))
    inside = g.node("Where", g.node("GreaterOrEqual", grid, g.const(0.)), grid, ones)
    xy = g.node("Mul", g.node("Add", xy, inside), g.const(2.))
    both = g.node("Concat", xy, g.node("Mul", g.node("Exp", size), g.const(2.)), g.node("Sigmoid", score), axis=1)
    g.node("Transpose", both, perm=[0, 2, 1], out="y")
    return of_picture(g, opset=18, tails=8)


@net
def coord_conv():
    """Coordinates as channels: a constant map joined to a feature, and one added to it."""
    g, x = begun(6)
    rows = g.node("Range", g.const(0.), g.const(float(HEIGHT)), g.const(1.))
    rows = g.node("Expand", g.node("Reshape", rows, g.ints(1, 1, HEIGHT, 1)), g.ints(1, 1, HEIGHT, WIDTH))
    columns = g.const(np.tile(np.linspace(-1, 1, WIDTH, dtype=np.float32), (1, 1, HEIGHT, 1)))
    x = g.node("Concat", x, g.node("Mul", rows, g.const(1 / HEIGHT)), columns, axis=1)
    x = g.node("Add", g.node("Relu", g.conv(x, 8, 6)), g.random(1, 6, HEIGHT, WIDTH))
    g.conv(x, 6, 3, "y")
    return of_picture(g)


# ---- sizes ------------------------------------------------------------------------

RESIZES = [("nearest", "asymmetric", "floor"), ("nearest", "half_pixel", "round_prefer_floor"),
           ("nearest", "half_pixel", "round_prefer_ceil"), ("nearest", "align_corners", "round_prefer_floor"),
           ("nearest", "pytorch_half_pixel", "ceil"), ("nearest", "half_pixel_symmetric", "floor"),
           ("linear", "half_pixel", None), ("linear", "pytorch_half_pixel", None), ("linear", "align_corners", None),
           ("linear", "asymmetric", None), ("linear", "half_pixel_symmetric", None),
           ("cubic", "half_pixel", None), ("cubic", "align_corners", None)]


def resizes(ratio):
    g, x = begun(4)
    made = []
    for mode, coordinates, nearest in RESIZES:
        more = {"nearest_mode": nearest} if nearest else {}
        if mode == "cubic":
            more["cubic_coeff_a"] = -.75
        small = g.conv(x, 4, 3)
        size = g.ints(1, 3, *(int(n * ratio) for n in (HEIGHT, WIDTH)))
        y = g.node("Resize", small, "", "", size, mode=mode, coordinate_transformation_mode=coordinates, **more)
        made.append(g.node("Relu", y))
    g.conv(g.node("Concat", *made, axis=1), 3 * len(made), 3, "y")
    return of_picture(g, opset=19)


@net
def resize_double():
    """Every way to take coordinates that exporters use, to twice the size."""
    return resizes(2)


@net
def resize_odd():
    """The same by a ratio that is no whole number."""
    return resizes(1.5)


@net
def resize_down():
    """The same to less."""
    return resizes(.5)


@net
def resize_like():
    """FPN: to the size of another map, taken from Shape by Slice and Concat; PSP: averages over bins, resized back."""
    g, x = begun(6)
    deep = strided(g, strided(g, x, 6, 8, pads=[1] * 4), 8, 8, pads=[1] * 4)
    middle = strided(g, x, 6, 8, pads=[1] * 4)

    def size_of(m, channels):
        hw = g.node("Slice", g.node("Shape", m), g.ints(2), g.ints(4), g.ints(0))
        return g.node("Concat", g.ints(1, channels), g.node("Cast", hw, to=TensorProto.INT64), axis=0)
    up = g.node("Resize", deep, "", "", size_of(middle, 8), mode="nearest", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor")
    x = g.node("Add", middle, up)
    bins = [x]
    for n in (1, 2, 4):
        k = [HEIGHT // 2 // n, WIDTH // 2 // n]
        p = g.conv(g.node("AveragePool", x, kernel_shape=k, strides=k), 8, 3, kernel=1)
        bins.append(g.node("Resize", p, "", "", size_of(x, 3), mode="linear",
                           coordinate_transformation_mode="align_corners" if n > 1 else "half_pixel"))
    g.conv(g.node("Concat", *bins, axis=1), 17, 3, "y")
    return of_picture(g)


@net
def conv_transposes():
    """Transposed convolutions: output padding, pads that differ, an output shape, SAME, groups, depthwise, dilated."""
    g, x = begun(4)
    made = []

    def up(c_out, group=1, kernel=3, **attributes):
        w = g.random(4, c_out // group, kernel, kernel)
        y = g.node("ConvTranspose", x, w, g.random(c_out), group=group, **attributes)
        made.append(g.node("Relu", y))
    up(3, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
    up(5, kernel=4, strides=[2, 2], pads=[1] * 4)
    up(3, strides=[2, 2], pads=[0, 0, 1, 1])
    up(2, strides=[2, 2], output_shape=[2 * HEIGHT, 2 * WIDTH])
    up(3, kernel=5, strides=[2, 2], auto_pad="SAME_UPPER")
    up(3, strides=[2, 2], auto_pad="SAME_LOWER")
    up(4, group=2, kernel=2, strides=[2, 2])
    up(4, group=4, kernel=4, strides=[2, 2], pads=[1] * 4)
    up(3, strides=[2, 2], dilations=[2, 2], pads=[2, 2, 1, 1])
    cut = [g.node("Slice", m, g.ints(0, 0), g.ints(2 * HEIGHT, 2 * WIDTH), g.ints(2, 3)) for m in made]
    g.conv(g.node("Concat", *cut, axis=1), 30, 3, "y")
    return of_picture(g)


@net
def depth_space():
    """Depth to space in both orders, and back."""
    g, x = begun(8)
    x = g.node("DepthToSpace", g.conv(x, 8, 12), blocksize=2, mode="CRD")
    x = g.node("DepthToSpace", g.conv(x, 3, 8), blocksize=2)
    x = g.conv(g.node("SpaceToDepth", x, blocksize=4), 32, 8)
    g.conv(x, 8, 3, "y")
    return of_picture(g)


# ---- windows ----------------------------------------------------------------------

@net
def pads():
    """Pad before a convolution: uneven, by a value, reflected, by the edge; windows that pad by themselves on the other side."""
    g, x = begun(6)
    bounds = g.ints(0, 0, 0, 1, 0, 0, 2, 2)
    x = strided(g, g.node("Pad", x, bounds), 6, 6, stride=1)
    x = g.conv(g.node("Pad", x, g.ints(0, 0, 1, 0, 0, 0, 0, 1), g.const(.7)), 6, 6)
    x = strided(g, g.node("Pad", x, g.ints(0, 0, 2, 2, 0, 0, 2, 2), mode="reflect"), 6, 6, kernel=5, stride=1)
    x = strided(g, g.node("Pad", x, g.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge"), 6, 6, stride=1)
    x = g.node("Relu", strided(g, x, 6, 6, auto_pad="SAME_LOWER"))
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_LOWER")
    x = g.node("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_UPPER")
    g.node("Conv", x, g.random(3, 6, 3, 3), auto_pad="VALID", out="y")
    return of_picture(g)


@net
def pools():
    """Pools with dilation, rounded up, with pads counted and not; LRN, as AlexNet and GoogLeNet have it."""
    g, x = begun(8)
    x = g.node("LRN", x, size=5, alpha=.1, beta=.75, bias=1.)
    a = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    b = g.node("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1], strides=[2, 2])
    c = g.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=0)
    d = g.node("AveragePool", x, kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    cut = [g.node("Slice", m, g.ints(0, 0), g.ints(HEIGHT // 2, WIDTH // 2), g.ints(2, 3)) for m in (a, b, c, d)]
    x = g.node("MaxPool", g.node("Concat", *cut, axis=1), kernel_shape=[5, 5], pads=[2] * 4)
    g.conv(x, 32, 3, "y")
    return of_picture(g)


# ---- channels and results ------------------------------------------------------------

@net
def channels():
    """Uneven Split, channels gathered, one channel without its axis, a shuffle."""
    g, x = begun(11)
    a, b, c = g.node("Split", x, g.ints(2, 5, 4), outputs=3, axis=1)
    b = g.node("Gather", g.conv(b, 5, 6), g.ints(5, 0, 0, -2), axis=1)
    one = g.node("Gather", x, g.const(7, np.int64), axis=1)
    one = g.node("Unsqueeze", one, g.ints(1))
    joined = g.node("Concat", c, g.node("Mul", b, one), a, axis=1)
    x = g.node("Reshape", joined, g.ints(0, 2, 5, HEIGHT, WIDTH))
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 2, 1, 3, 4]), g.ints(0, -1, HEIGHT, WIDTH))
    halves = g.node("Split", x, outputs=2, axis=1)
    g.conv(g.node("Mul", halves[0], g.node("Sigmoid", halves[1])), 5, 3, "y")
    return of_picture(g)


@net
def class_map():
    """Segmentation: Softmax over the channels, its largest and which."""
    g, x = begun(6)
    x = g.node("Softmax", g.conv(x, 6, 5), axis=1)
    g.node("ReduceMax", x, axes=[1], keepdims=0, out="y")
    which = g.node("ArgMax", x, axis=1, keepdims=0)
    g.node("Cast", which, to=TensorProto.FLOAT, out="which")
    return of_picture(g, outputs=[value("y", None), value("which", None)], tails=1)


@net
def top_k():
    """Ends in the best cells of a score map; and, by the descriptor, before it."""
    g, x = begun(6)
    score = g.node("Reshape", g.node("Sigmoid", g.conv(x, 6, 1)), g.ints(1, -1), out="scores")
    g.nodes.append(make_user_nets.helper.make_node("TopK", [score, g.ints(7)], ["best", "where"]))
    outputs = [value("best", None), value("where", None, TensorProto.INT64)]
    return of_picture(g, outputs=outputs, descriptor=PLAIN + "[deltacnn]\noutputs=scores; best\n",
                      oracle=[value("scores", None), value("best", None)], tails=1)


if __name__ == "__main__":
    make_user_nets.main()
