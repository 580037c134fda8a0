#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small nets of operators that the import spells by others: young ones, rare ones, and those of ONNX Runtime alone.

    make_operator_nets.py FOLDER [NAME]

make_user_nets.py says what is written. A net is a function here, its docstring what it shows.
"""
import numpy as np
from onnx import TensorProto

import make_user_nets
from make_export_nets import INPUT, begun, of_picture
from make_user_nets import HEIGHT, NETS, WIDTH, Graph, Net, nchw, net, value, y_of

NETS.clear()  # those of the other files are not written here


@net
def stacked_otherwise():
    """Maps on an axis of their own that are no maps of the one they come from: its rows and columns change places."""
    g, x = begun(6)
    stack = g.node("Mul", g.node("Reshape", x, g.ints(1, 2, 3, WIDTH, HEIGHT)), g.random(1, 2, 3, 1, 1))
    x = g.node("Reshape", g.node("ReduceSum", stack, g.ints(1), keepdims=0), g.ints(1, 3, HEIGHT, WIDTH))
    g.conv(x, 3, 2, "y")
    return of_picture(g, tails=4)


@net
def handed_on():
    """Identity, Dropout and a Cast to the same type in the middle of what passes look for: a GELU and pixels that are repeated."""
    g, x = begun(4)
    erf = g.node("Identity", g.node("Erf", g.node("Div", x, g.const(np.sqrt(2)))))
    x = g.node("Mul", g.node("Mul", x, g.node("Cast", g.node("Add", erf, g.const(1.)), to=TensorProto.FLOAT)), g.const(.5))
    x = g.node("Dropout", g.node("Reshape", x, g.ints(1, 4, HEIGHT, 1, WIDTH)))
    x = g.node("Identity", g.node("Tile", x, g.ints(1, 1, 1, 2, 1)))
    g.conv(g.node("Reshape", x, g.ints(1, 4, 2 * HEIGHT, WIDTH)), 4, 3, "y")
    return of_picture(g, tails=0)


@net
def log_shares():
    """LogSoftmax over channels, which come first or last, as segmentation nets end that were trained with it."""
    g, x = begun(6)
    y = g.node("Transpose", g.node("LogSoftmax", g.node("Transpose", x, perm=[0, 2, 3, 1]), axis=-1), perm=[0, 3, 1, 2])
    g.node("LogSoftmax", g.conv(g.node("Add", g.node("LogSoftmax", x, axis=1), y), 6, 4), axis=1, out="y")
    return of_picture(g, tails=0)


@net
def lp_lengths():
    """LpNormalization over channels, by lengths and sums, also of nothing but zeros."""
    g, x = begun(6)
    x = g.node("LpNormalization", x, axis=1, p=2)
    x = g.node("Relu", g.conv(x, 6, 5))
    x = g.node("LpNormalization", g.node("Mul", x, g.const([[[0.]]])), axis=1, p=1)
    y = g.node("LpNormalization", g.conv(g.scaled("x"), 3, 5), axis=-3, p=1)
    g.conv(g.node("Add", x, y), 5, 3, "y")
    return of_picture(g)


@net
def lp_pools():
    """LpPool: the length of what a window sees; with pads, strides, dilation, rounded up; of other powers; of the whole map."""
    g, x = begun(6)
    a = g.node("LpPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], p=2)
    b = g.node("LpPool", x, kernel_shape=[2, 3], strides=[1, 1], auto_pad="SAME_UPPER", p=1)
    x = g.conv(g.node("Concat", a, b, axis=1), 12, 6)
    c = g.node("LpPool", x, kernel_shape=[3, 2], strides=[2, 2], dilations=[2, 1], pads=[2, 0, 2, 0], p=3)
    d = g.node("LpPool", x, kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1, p=2)
    d = g.node("Resize", d, "", "", g.ints(1, 6, 7, 12), mode="nearest")  # all of it, so a place too many is seen
    c = g.node("Slice", c, g.ints(0, 0), g.ints(7, 12), g.ints(2, 3))
    x = g.conv(g.node("Add", c, d), 6, 4)
    g.node("Mul", x, g.node("GlobalLpPool", x, p=2), out="y")
    return of_picture(g, opset=18)


@net
def root_mean_square():
    """RMSNormalization over channels that lie last."""
    g, x = begun(8)
    x = g.node("Transpose", x, perm=[0, 2, 3, 1])
    x = g.node("RMSNormalization", x, g.random(8), epsilon=1e-4)
    g.conv(g.node("Transpose", x, perm=[0, 3, 1, 2]), 8, 3, "y")
    return of_picture(g, opset=23)


@net
def wrapped_pads():
    """Pad that goes on at the other side, of rows, of columns and of channels, over a whole map and more."""
    g, x = begun(4)
    x = g.node("Pad", x, g.ints(0, 0, 1, 2, 0, 0, 2, 1), mode="wrap")
    x = g.node("Conv", x, g.random(5, 4, 3, 3))
    x = g.node("Pad", x, g.ints(2, HEIGHT + 3, 1, WIDTH), "", g.ints(1, 2), mode="wrap")
    g.node("Conv", x, g.random(3, 8, 5, 5), strides=[3, 2], out="y")
    return of_picture(g, opset=19)


def as_tokens(g, x, channels, heads):
    """[1, heads, pixels, channels / heads]"""
    x = g.node("Reshape", x, g.ints(1, heads, channels // heads, -1))
    return g.node("Transpose", x, perm=[0, 1, 3, 2])


@net
def attention():
    """Attention of all pixels: heads as a dimension, fewer of keys than of queries, a mask in front of scores that are kept small."""
    g, x = begun(8)
    x = g.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
    q, k, v = (as_tokens(g, g.conv(x, 8, c, kernel=1), c, h) for c, h in ((16, 4), (8, 2), (8, 2)))
    mask = g.const(g.rng.random((24, 24)) < .6, bool)
    x = g.node("Attention", q, k, v, mask, softcap=2., scale=.7)
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 1, 3, 2]), g.ints(1, 16, HEIGHT // 4, WIDTH // 4))
    g.conv(x, 16, 3, "y")
    return of_picture(g, opset=24, tails=19)


@net
def attention_flat():
    """The same operator on [1, pixels, channels], each pixel seeing those before it; places turned into the channels."""
    g, x = begun(8)
    x = g.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
    x = g.node("Transpose", g.node("Reshape", x, g.ints(1, 8, -1)), perm=[0, 2, 1])
    places = np.arange(24)[:, None] * np.array([1, .1])
    tables = [g.const(f(places)) for f in (np.cos, np.sin)]
    rows = g.const([np.arange(24)[::-1]], np.int64)
    q = g.node("RotaryEmbedding", g.node("MatMul", x, g.random(8, 8)), *tables, rows, num_heads=2)
    k = g.node("RotaryEmbedding", g.node("MatMul", x, g.random(8, 8)), *tables, rows, num_heads=2, interleaved=1)
    v = g.node("MatMul", x, g.random(8, 12))
    x = g.node("Attention", q, k, v, q_num_heads=2, kv_num_heads=2, is_causal=1)
    x = g.node("Reshape", g.node("Transpose", x, perm=[0, 2, 1]), g.ints(1, 12, HEIGHT // 4, WIDTH // 4))
    g.conv(x, 12, 3, "y")
    return of_picture(g, opset=24, tails=46)


def gated(newest):
    """Swish, and SwiGLU as the operator or as what it stands for."""
    g, x = begun(6)
    x = g.node("Swish", g.node("Swish", g.conv(x, 6, 6), alpha=1.5))
    gate, x = g.conv(x, 6, 4), g.conv(x, 6, 4)
    x = g.node("SwiGLU", gate, x, alpha=.8) if newest else g.node("Mul", g.node("Swish", gate, alpha=.8), x)
    g.conv(x, 4, 3, "y")
    return of_picture(g, opset=28 if newest else 24)


@net
def gated_units():
    """Swish and SwiGLU, which is younger than ONNX Runtime."""
    made = gated(True)
    made.oracle = gated(False).model
    return made


@net
def deformed():
    """Deformable convolutions: two groups of offsets, with a mask; one, with strides and dilation."""
    g, x = begun(8)
    offsets = g.conv(x, 8, 2 * 2 * 9)
    mask = g.node("Sigmoid", g.conv(x, 8, 2 * 9))
    x = g.node("DeformConv", x, g.random(6, 4, 3, 3), offsets, g.random(6), mask, pads=[1] * 4, group=2, offset_group=2)
    offsets = g.node("Conv", x, g.random(2 * 6, 6, 1, 1), strides=[2, 2])
    offsets = g.node("Slice", offsets, g.ints(0), g.ints(11), g.ints(3))
    x = g.node("DeformConv", x, g.random(4, 6, 2, 3), offsets, strides=[2, 2], dilations=[2, 1], pads=[1, 0, 1, 0],
               kernel_shape=[2, 3])
    g.conv(x, 4, 3, "y")
    return of_picture(g, opset=19, tails=33)


@net
def transformed():
    """A spatial transformer: the transform is computed, the grid follows."""
    g, x = begun(4)
    theta = g.node("Flatten", g.node("GlobalAveragePool", g.conv(x, 4, 6)))
    theta = g.node("Add", g.node("Mul", theta, g.const(.2)), g.const([1., 0, .1, 0, 1, -.1]))
    grid = g.node("AffineGrid", g.node("Reshape", theta, g.ints(1, 2, 3)), g.ints(1, 4, 12, 20), align_corners=1)
    g.conv(g.node("GridSample", x, grid, mode="linear"), 4, 3, "y")
    return of_picture(g, opset=20, tails=7)


@net
def unpooled():
    """SegNet: what was the largest goes back to where it was, also into a larger map."""
    g, x = begun(6)
    x, where = g.node("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    y, deep = g.node("MaxPool", g.conv(x, 6, 6), outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    y = g.node("MaxUnpool", y, deep, kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("MaxUnpool", g.node("Add", x, y), where, kernel_shape=[2, 2], strides=[2, 2])
    g.conv(x, 6, 3, "y")
    return of_picture(g, tails=9)


@net
def folded():
    """Windows taken apart and summed up again: Col2Im, with pads and strides."""
    g, x = begun(4)
    x = g.node("Reshape", g.node("Conv", x, g.random(3 * 9, 4, 3, 3), strides=[2, 2], pads=[1] * 4),
               g.ints(1, 27, -1))
    x = g.node("Col2Im", x, g.ints(HEIGHT, WIDTH), g.ints(3, 3), strides=[2, 2], pads=[1] * 4)
    g.conv(x, 3, 3, "y")
    return of_picture(g, opset=18)


@net
def cut_around_centre():
    """CenterCropPad: rows lost, columns got."""
    g, x = begun(4)
    x = g.node("CenterCropPad", x, g.ints(HEIGHT - 3, WIDTH + 5), axes=[2, 3])
    g.conv(x, 4, 3, "y")
    return of_picture(g, opset=18)


@net
def fused_tokens():
    """What its optimisers write of transformers: norms of sums (their third operand, their sum), attention by one matrix or by three, products of turned matrices."""
    g, x = begun(8)
    own = {"domain": "com.microsoft"}
    x = g.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
    n = HEIGHT // 4 * (WIDTH // 4)
    x = g.node("Transpose", g.node("Reshape", x, g.ints(1, 8, n)), perm=[0, 2, 1])
    y = g.node("MatMul", x, g.random(8, 8))
    x, _, _, s = g.node("SkipLayerNormalization", x, y, g.random(8), g.random(8), g.random(8), outputs=4, epsilon=1e-5, **own)
    y = g.node("Attention", x, g.random(8, 24), g.random(24), num_heads=2, **own)
    x = g.node("SkipLayerNormalization", g.node("Add", y, s), x, g.random(8), epsilon=1e-6, **own)
    y = g.node("Attention", x, g.random(8, 20), g.random(20), "", "", g.random(1, 4, n, n), num_heads=4, qkv_hidden_sizes=[8, 8, 4], scale=.3, **own)
    x = g.node("Concat", x, y, axis=2)
    qkv = [g.node("MatMul", x, g.random(12, 12)) for _ in range(3)]
    y = g.node("MultiHeadAttention", *qkv, g.random(36), num_heads=3, **own)
    x, _, _, s = g.node("SkipSimplifiedLayerNormalization", x, y, g.random(12), g.random(12), outputs=4, epsilon=1e-5, **own)
    x = g.node("SimplifiedLayerNormalization", g.node("Add", x, s), g.random(12), axis=-1, epsilon=1e-5)
    # [n,1,2,6] in place of [1,2,n,6], both alone and with its rows turned, too
    a = g.node("Reshape", g.node("Transpose", x, perm=[1, 0, 2]), g.ints(n, 1, 2, 6))
    b = g.node("Reshape", g.node("MatMul", x, g.random(12, 12)), g.ints(n, 1, 2, 6))
    a = g.node("FusedMatMul", a, b, transBatchA=1, transBatchB=1, transB=1, alpha=.4, **own)
    g.node("FusedMatMul", a, b, transA=1, transBatchB=1, out="y", **own)
    return Net(g.model(INPUT, y_of(), imports=["com.microsoft"]), nchw(), tails=-1)


@net
def channels_last_conv():
    """Convolution and norm of ONNX Runtime's nets for other devices: channels last in the map and in the weights."""
    def weights(spelled, *shape):
        w = np.random.default_rng(5).normal(0, .3, shape)
        return g.const(w if spelled else w.transpose(0, 2, 3, 1))

    models = []
    for spelled in (False, True):
        g, x = begun(8)
        x = g.node("Transpose", x, perm=[0, 2, 3, 1])
        for groups in (1, 4):
            w, b = weights(spelled, 8, 8 // groups, 3, 3), g.random(8)
            if spelled:
                x = g.node("Conv", g.node("Transpose", x, perm=[0, 3, 1, 2]), w, b, group=groups, pads=[1] * 4)
                x = g.node("Relu", g.node("Transpose", x, perm=[0, 2, 3, 1]))
            else:
                x = g.node("NhwcConv" if groups == 1 else "NhwcFusedConv", x, w, b, group=groups, pads=[1] * 4,
                           domain="com.microsoft", **({} if groups == 1 else {"activation": "Relu"}))
                x = g.node("Relu", x) if groups == 1 else x
            scale, shift = g.const(np.linspace(.5, 1.5, 8)), g.const(np.linspace(-.3, .4, 8))
            if spelled:
                y = g.node("Reshape", g.node("Transpose", x, perm=[0, 3, 1, 2]), g.ints(1, 4, -1))
                y = g.node("InstanceNormalization", y, g.const(np.ones(4)), g.const(np.zeros(4)), epsilon=1e-4)
                y = g.node("Transpose", g.node("Reshape", y, g.ints(1, 8, HEIGHT, WIDTH)), perm=[0, 2, 3, 1])
                x = g.node("Add", g.node("Mul", y, scale), shift)
                x = x if groups == 1 else g.node("Mul", x, g.node("Sigmoid", x))
            else:
                x = g.node("GroupNorm", x, scale, shift, groups=4, epsilon=1e-4, activation=int(groups > 1), domain="com.microsoft")
        g.node("Transpose", x, perm=[0, 3, 1, 2], out="y")
        models.append(g.model(INPUT, y_of(), imports=["com.microsoft"]))
    return Net(models[0], nchw(), oracle=models[1], tails=0)


@net
def on_trial():
    """Operators that ONNX once had on trial, as Core ML's converter wrote them (tiny YOLO v2): a scaler of pictures, lines, bounds, a crop."""
    g = Graph()
    x = g.node("ImageScaler", g.scaled("x"), scale=2., bias=[-.4, -.5, -.6])
    x = g.node("ScaledTanh", g.conv(x, 3, 6), alpha=1.7, beta=.6)
    x = g.node("Affine", g.conv(x, 6, 6), alpha=.5, beta=.25)
    x = g.node("ParametricSoftplus", g.conv(x, 6, 4), alpha=.7, beta=1.5)
    y = g.node("Crop", x, border=[2, 1, 3, 4])
    x = g.node("Crop", x, border=[1, 3, 0, 0], scale=[HEIGHT - 5, WIDTH - 5])
    g.node("Concat", g.node("ImageScaler", x, bias=[0., 0., 0., 0.]), y, axis=1, out="y")
    return of_picture(g, opset=8, tails=0)


@net
def token_rows():
    """What is done to rows of tokens beside products: their means, sums and lengths, along them and across; operands of one number or one row, for each row or for several."""
    g, x = begun(8)
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    n = HEIGHT // 2 * (WIDTH // 2)
    x = g.node("Transpose", g.node("Reshape", x, g.ints(1, 8, n)), perm=[0, 2, 1])
    off = g.node("Sub", x, g.node("ReduceMean", x, axes=[2], keepdims=1))
    unit = g.node("Div", g.node("Add", off, g.const(.1)), g.node("ReduceL2", g.node("Add", x, g.const(.2)), axes=[-1], keepdims=1))
    x = g.node("Add", g.node("MatMul", unit, g.random(8, 8)), g.node("ReduceSum", off, g.ints(1), keepdims=1))
    heads = g.node("Transpose", g.node("Reshape", x, g.ints(1, n, 2, 4)), perm=[0, 2, 1, 3])
    y = g.node("MatMul", heads, g.random(2, 4, 24))
    y = g.node("Sub", g.random(2, 1, 24), g.node("Add", g.node("Mul", y, g.random(1, 2, n, 1)), g.random(n, 24)))
    y = g.node("Mul", g.node("Div", y, g.random(2, 1, 1)), g.node("ReduceMean", heads, axes=[3], keepdims=1))
    g.node("Transpose", g.node("ReduceMean", y, axes=[3], keepdims=1), perm=[0, 2, 1, 3], out="y")
    g.node("ReduceL2", y, axes=[1, 2], keepdims=0, out="z")
    return of_picture(g, outputs=y_of() + [value("z", None)], tails=-1)


if __name__ == "__main__":
    make_user_nets.main()
