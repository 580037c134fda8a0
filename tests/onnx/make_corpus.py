#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the fuzzer's seeds: one small model for each kind of operator.

    make_corpus.py FOLDER

Needs numpy and onnx. What fuzzing finds is added to the same folder by hand,
under a name that says what it broke.
"""
import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

X = [1, 4, 6, 5]
I64 = np.int64
# name: (opset, op, constants (None: the picture, a shape: a float tensor, an
# array: as it is), number of outputs, attributes)
SEEDS = {
    "conv": (11, "Conv", [None, (4, 2, 3, 3), (4,)], 1, dict(group=2, pads=[1, 0, 2, 1], strides=[2, 1])),
    "conv_same": (11, "Conv", [None, (2, 4, 3, 2)], 1, dict(auto_pad="SAME_UPPER", dilations=[2, 1])),
    "deconv": (11, "ConvTranspose", [None, (4, 1, 3, 3)], 1, dict(group=4, strides=[2, 2], output_padding=[1, 0])),
    "deconv_shape": (11, "ConvTranspose", [None, (4, 2, 2, 2)], 1, dict(strides=[2, 3], output_shape=[13, 15])),
    "batch_norm": (9, "BatchNormalization", [None, (4,), (4,), (4,), (4,)], 1, {}),
    "max_pool": (12, "MaxPool", [None], 2, dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, storage_order=1)),
    "average_pool": (11, "AveragePool", [None], 1, dict(kernel_shape=[2, 3], pads=[1, 1, 0, 1], count_include_pad=1)),
    "global_pool": (11, "GlobalAveragePool", [None], 1, {}),
    "clip": (11, "Clip", [None, np.float32(0), np.float32(6)], 1, {}),
    "gelu": (20, "Gelu", [None], 1, dict(approximate="tanh")),
    "prelu": (9, "PRelu", [None, (4, 1, 1)], 1, {}),
    "add": (13, "Add", [None, (1, 4, 1, 1)], 1, {}),
    "pow": (13, "Pow", [None, np.int64(2)], 1, {}),
    "where": (13, "Where", [np.array([True, False, True, False, True]), None, (4, 1, 5)], 1, {}),
    "concat": (13, "Concat", [None, (1, 2, 6, 5)], 1, dict(axis=1)),
    "split": (13, "Split", [None, np.array([1, 3], I64)], 2, dict(axis=1)),
    "split18": (18, "Split", [None], 3, dict(axis=2, num_outputs=3)),
    "slice": (13, "Slice", [None, np.array([-1, 0], I64), np.array([-9, 5], I64), np.array([2, 3], I64),
                            np.array([-2, 2], I64)], 1, {}),
    "pad": (13, "Pad", [None, np.array([0, 0, 1, 2, 0, 0, 2, -1], I64)], 1, dict(mode="reflect")),
    "transpose": (13, "Transpose", [None], 1, dict(perm=[0, 2, 3, 1])),
    "reshape": (14, "Reshape", [None, np.array([0, -1, 2], I64)], 1, {}),
    "flatten": (13, "Flatten", [None], 1, dict(axis=2)),
    "squeeze": (13, "Squeeze", [None, np.array([0], I64)], 1, {}),
    "unsqueeze": (11, "Unsqueeze", [None], 1, dict(axes=[1, -1])),
    "depth_to_space": (13, "DepthToSpace", [None], 1, dict(blocksize=2, mode="CRD")),
    "gather": (13, "Gather", [None, np.array([[0, -1]], I64)], 1, dict(axis=1)),
    "gather_nd": (13, "GatherND", [None, np.array([[0, 1], [0, 3]], I64)], 1, {}),
    "scatter_nd": (16, "ScatterND", [(4, 3), np.array([[1], [2]], I64), (2, 3)], 1, dict(reduction="add")),
    "scatter": (16, "ScatterElements", [(3, 3), np.array([[0, 2, 1]], I64), (1, 3)], 1, dict(axis=1)),
    "one_hot": (13, "OneHot", [np.array([1, -1], I64), np.int64(3), np.array([0, 1], np.float32)], 1, dict(axis=0)),
    "upsample": (9, "Upsample", [None, np.array([1, 1, 2, 2], np.float32)], 1, dict(mode="linear")),
    "resize_cubic": (13, "Resize", [None, "", np.array([1, 1, 1.5, .7], np.float32)], 1,
                     dict(mode="cubic", exclude_outside=1)),
    "resize_sizes": (19, "Resize", [None, "", "", np.array([12, 7], I64)], 1,
                     dict(axes=[2, 3], keep_aspect_ratio_policy="not_larger", mode="linear")),
    "resize_crop": (13, "Resize", [None, np.array([0, 0, .2, .1, 1, 1, .9, 1.4], np.float32), "",
                                   np.array([1, 4, 3, 4], I64)], 1,
                    dict(mode="linear", coordinate_transformation_mode="tf_crop_and_resize")),
    "softmax_old": (11, "Softmax", [None], 1, dict(axis=1)),
    "arg_max": (13, "ArgMax", [None], 1, dict(axis=1, keepdims=0)),
    "layer_norm": (17, "LayerNormalization", [None, (5,), (5,)], 3, dict(axis=-1)),
    "group_norm": (18, "GroupNormalization", [None, (2,), (2,)], 1, dict(num_groups=2)),
    "reduce": (18, "ReduceLogSumExp", [None, np.array([-1, 1], I64)], 1, {}),
    "gemm": (13, "Gemm", [(3, 4), (5, 4), (5,)], 1, dict(transB=1, alpha=.5)),
    "matmul": (13, "MatMul", [None, (4, 5, 2)], 1, {}),
    "tile": (13, "Tile", [None, np.array([1, 2, 1, 3], I64)], 1, {}),
    "expand": (13, "Expand", [None, np.array([2, 1, 1, 1, 1], I64)], 1, {}),
    "trilu": (14, "Trilu", [None, np.int64(-1)], 1, dict(upper=0)),
    "cum_sum": (14, "CumSum", [None, np.int64(2)], 1, dict(reverse=1)),
    "top_k": (11, "TopK", [None, np.array([2], I64)], 2, dict(axis=3, largest=0)),
    "lrn": (13, "LRN", [None], 1, dict(size=3)),
    "mvn": (13, "MeanVarianceNormalization", [None], 1, {}),
    "range": (13, "Range", [np.int64(0), np.int64(9), np.int64(2)], 1, {}),
    "constant_of_shape": (13, "ConstantOfShape", [np.array([2, 3], I64)], 1, {}),
    "eye_like": (13, "EyeLike", [(3, 4)], 1, dict(k=1)),
    "shape": (15, "Shape", [None], 1, dict(start=1, end=-1)),
    "mod": (13, "Mod", [np.array([-7, 7], I64), np.array([0, -1], I64)], 1, {}),
    "cast": (13, "Cast", [None], 1, dict(to=TensorProto.UINT8)),
    "dropout": (13, "Dropout", [None], 2, {}),
    "loop": (13, "Loop", [None], 1, {}),
}


def model(opset, op, operands, outputs, attributes):
    rng = np.random.default_rng(5)
    names, weights = [], []
    for i, operand in enumerate(operands):
        if operand is None:
            names.append("x")
        elif isinstance(operand, str):
            names.append("")
        else:
            value = rng.normal(1, .3, operand).astype(np.float32) if isinstance(operand, tuple) else operand
            weights.append(numpy_helper.from_array(np.asarray(value), f"c{i}"))
            names.append(f"c{i}")
    made = [f"y{i}" for i in range(outputs)]
    nodes = [helper.make_node(op, names, made, name=op.lower(), **attributes)]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, X)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="")


# ---- nets of several operators: what the list above does not hold -------------

UNARY = ["HardSigmoid", "HardSwish", "Elu", "Selu", "Erf", "Softplus", "Mish", "Exp", "Log", "Sqrt", "Celu", "Swish",
         "Softsign", "ThresholdedRelu", "Shrink", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos", "Tan",
         "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "LogSoftmax", "Hardmax", "Neg"]
REDUCE = ["ReduceMean", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceLogSum",
          "ReduceSumSquare"]
MICROSOFT = "com.microsoft"


class Net:
    """Nodes over the picture "x"; node() gives the name of an output, or a list of them."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def const(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, *inputs, outputs=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def microsoft(self, op, *inputs, outputs=1, **attributes):
        return self.node(op, *inputs, outputs=outputs, domain=MICROSOFT, **attributes)

    def quantiser(self, scale, zero, dtype=np.uint8):
        return self.const(scale), self.const(zero, dtype)

    def write(self, name, *results, opset=18, shape=None, kind=TensorProto.FLOAT):
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", kind, shape or X)],
            [helper.make_tensor_value_info(r, TensorProto.FLOAT, None) for r in results], self.constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
        with open(os.path.join(sys.argv[1], f"seed_{name}.onnx"), "wb") as file:
            file.write(helper.make_model(graph, opset_imports=opsets, producer_name="").SerializeToString())


def functions():
    net, x = Net(), "x"
    for op in UNARY:
        x = net.node(op, x)
    net.write("functions", x, opset=24)
    net, x = Net(), "x"
    for op in ("Sub", "Div"):
        x = net.node(op, x, net.const(np.ones((4, 1, 1))))
    for op in ("Min", "Max", "Sum", "Mean"):
        x = net.node(op, x, net.const(.5))
    x = net.node("InstanceNormalization", x, net.const(np.ones(4)), net.const(np.zeros(4)))
    x = net.node("Add", x, net.node("Constant", value=numpy_helper.from_array(np.float32([2]))))
    y = net.node("SpaceToDepth", net.node("Slice", x, *(net.const(v, I64) for v in ([0], [4], [3]))), blocksize=2)
    net.write("arithmetic", x, y, net.node("GlobalMaxPool", x), net.node("ArgMin", x), net.node("Size", x),
              *(net.node(op, x, net.const([2, 3], I64)) for op in REDUCE))


def flags():
    net = Net()
    half = net.const(.5)
    x = net.node("Greater", "x", half)
    for op in ("GreaterOrEqual", "Less", "LessOrEqual"):
        x = net.node("Xor", x, net.node("And", net.node(op, "x", half), net.node("Or", x, net.node("Not", x))))
    y = net.node("Or", net.node("IsNaN", "x"), net.node("IsInf", "x"))
    bits = net.node("Cast", "x", to=TensorProto.UINT8)
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        bits = net.node(op, bits, net.node("BitwiseNot", bits))
    picked = net.node("GatherElements", "x", net.const(np.zeros((1, 4, 6, 1)), I64), axis=3)
    net.write("flags", x, y, bits, net.node("CastLike", picked, half))
    net = Net()
    x = net.node("Scatter", net.const(np.ones((3, 3))), net.const([[0, 2, 1]], I64), net.const([[1, 2, 3]]), axis=0)
    net.write("scatter_old", x, opset=9)


def layer(net, c_out, c_in, size, per_channel=True):
    """Weights, their scale and zero point, a bias."""
    rng = np.random.default_rng(c_out)
    w = net.const(rng.integers(-60, 60, (c_out, c_in, size, size)), np.int8)
    n = (c_out,) if per_channel else ()
    return w, net.const(np.full(n, .02)), net.const(np.zeros(n), np.int8), net.const(rng.integers(-99, 99, c_out),
                                                                                    np.int32)


def quantised():
    """Every form: QDQ, the integers' own operators, those of com.microsoft, scales of the frame, matrices."""
    net = Net()
    q = net.quantiser(.03, 100)

    def fake(x):
        return net.node("DequantizeLinear", net.node("QuantizeLinear", x, *q), *q)

    w, scale, zero, bias = layer(net, 5, 4, 3)
    x = net.node("Conv", fake("x"), net.node("DequantizeLinear", w, scale, zero, axis=0),
                 net.node("DequantizeLinear", bias, net.const(np.full(5, .0006)), axis=0), pads=[1] * 4)
    x = fake(net.node("Clip", x, net.const(0.), net.const(6.)))
    y = fake(net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4))
    x = fake(net.node("Concat", x, y, fake(net.node("Mul", x, net.node("Sigmoid", x))), axis=1))
    x = fake(net.node("Add", x, fake(net.node("AveragePool", x, kernel_shape=[1, 1]))))
    net.write("qdq", fake(net.node("Transpose", x, perm=[0, 2, 3, 1])))

    net = Net()
    q, r = net.quantiser(.03, 100), net.quantiser(.05, 7)
    x = net.node("QuantizeLinear", "x", *q)
    w, scale, zero, bias = layer(net, 4, 4, 1)
    x = net.node("QLinearConv", x, *q, w, scale, zero, *r, bias)
    x = net.microsoft("QLinearLeakyRelu", x, *r, *r, alpha=.2)
    y = net.microsoft("QLinearSigmoid", x, *r, *q)
    y = net.microsoft("QLinearMul", x, *r, y, *q, *r)
    x = net.microsoft("QLinearAdd", x, *r, y, *r, *q)
    x = net.microsoft("QLinearAveragePool", x, *q, *r, kernel_shape=[2, 2])
    x = net.microsoft("QLinearConcat", *q, x, *r, x, *r, axis=1)
    x = net.microsoft("QLinearWhere", net.const([True, False, True, False], bool), x, *q, x, *q, *r)
    y = net.microsoft("QLinearGlobalAveragePool", x, *r, *q, channels_last=0)
    z = net.microsoft("QLinearReduceMean", x, *r, *q, axes=[1], keepdims=1)
    net.write("qoperator", net.node("DequantizeLinear", x, *r), net.node("DequantizeLinear", y, *q),
              net.node("DequantizeLinear", z, *q), net.microsoft("QLinearSoftmax", x, *r, *q, axis=1, opset=13))

    net = Net()
    w, _, zero, _ = layer(net, 3, 4, 3, False)
    byte, scale, point = net.node("DynamicQuantizeLinear", "x", outputs=3)
    x = net.node("Cast", net.node("ConvInteger", byte, w, point, zero), to=TensorProto.FLOAT)
    x = net.node("Mul", x, net.node("Mul", scale, net.const(.02)))
    net.write("dynamic", net.node("Add", x, net.const(np.ones((1, 3, 1, 1)))))

    net = Net()
    q, r = net.quantiser(.03, 100), net.quantiser(.1, 9)
    x = net.node("QuantizeLinear", net.node("Flatten", net.node("GlobalAveragePool", "x")), *q)
    w, v = (net.const(np.arange(-10, 10).reshape(shape), np.int8) for shape in ((4, 5), (5, 4)))
    s = net.quantiser(.02, 0, np.int8)
    y = net.node("QLinearMatMul", x, *q, w, *s, *r)
    y = net.microsoft("QGemm", y, *r, v, *s, net.const([1, 2, 3, 4], np.int32), *q)
    z = net.node("MatMulInteger", y, w, q[1], s[1])
    a = net.microsoft("MatMulIntegerToFloat", y, w, *(q[0], s[0], q[1], s[1]))
    net.write("matrices", net.node("Cast", z, to=TensorProto.FLOAT),
              net.microsoft("DynamicQuantizeMatMul", a, v, *s))


def pictures():
    """Inputs of the picture's other kinds: bytes with channels last, no batch, sizes of -1."""
    net = Net()
    x = net.node("Cast", "x", to=TensorProto.FLOAT)
    x = net.node("Transpose", net.node("Unsqueeze", x, net.const([0], I64)), perm=[0, 3, 1, 2])
    w = net.const(np.ones((2, 3, 3, 3)))
    net.write("bytes_hwc", net.node("Conv", x, w), shape=[6, 5, 3], kind=TensorProto.UINT8)
    net = Net()
    w = net.const(np.ones((2, 3, 3, 3)))
    net.write("minus_one", net.node("Conv", "x", w), shape=[-1, -1, -1, -1])


def recurrent():
    """A sequence of the picture's rows, through each kind."""
    net, hidden = Net(), 3
    x, features = net.node("Squeeze", net.node("ReduceMean", "x", net.const([1], I64), keepdims=0)), 5
    x = net.node("Reshape", x, net.const([6, 1, 5], I64))
    for op, gates, way, more in (("LSTM", 4, "bidirectional", {}), ("GRU", 3, "reverse", {"linear_before_reset": 1}),
                                 ("RNN", 1, "forward", {})):
        n = 2 if way == "bidirectional" else 1
        w = [net.const(np.full(shape, .1)) for shape in ((n, gates * hidden, features), (n, gates * hidden, hidden),
                                                         (n, 2 * gates * hidden))]
        x = net.node(op, x, *w, outputs=2, hidden_size=hidden, direction=way, **more)[0]
        x, features = net.node("Reshape", x, net.const([6, 1, -1], I64)), n * hidden
    net.write("recurrent", x)


def contributed():
    """What ONNX Runtime's optimisers write of tokens and with channels last; what ONNX had on trial."""
    net = Net()
    x = net.node("Reshape", "x", net.const([1, 4, 30], I64))
    x = net.node("Transpose", net.node("Slice", x, *(net.const(v, I64) for v in ([0], [6], [2]))), perm=[0, 2, 1])
    w = [net.const(np.full(4, .5)) for _ in range(3)]
    x, _, _, y = net.microsoft("SkipLayerNormalization", x, x, *w, outputs=4, epsilon=1e-5)
    x = net.microsoft("Attention", x, net.const(np.full((4, 12), .1)), net.const(np.ones(12)), num_heads=2)
    x = net.microsoft("MultiHeadAttention", x, y, y, net.const(np.ones(12)), num_heads=2, scale=.5)
    x = net.microsoft("SkipSimplifiedLayerNormalization", x, y, w[0], epsilon=1e-5)
    x = net.node("SimplifiedLayerNormalization", x, w[0], axis=-1)
    x = net.node("Reshape", x, net.const([6, 1, 2, 2], I64))
    net.write("contributed", net.microsoft("FusedMatMul", x, x, transBatchA=1, transBatchB=1, transB=1, alpha=.5))
    net = Net()
    s, t = net.quantiser(.05, 128), net.quantiser(.1, 120)
    x = net.node("Transpose", net.node("QuantizeLinear", "x", *s), perm=[0, 2, 3, 1])
    w, ws, wz, b = layer(net, 4, 4, 3)
    x = net.microsoft("QLinearConv", x, *s, w, ws, wz, *t, b, pads=[1] * 4, channels_last=1)
    x = net.microsoft("NhwcMaxPool", x, kernel_shape=[2, 2])
    y = net.microsoft("QLinearGlobalAveragePool", x, *t, *s, channels_last=1)
    z = net.microsoft("NhwcFusedConv", net.node("DequantizeLinear", x, *t), net.const(np.full((2, 3, 3, 4), .1)), pads=[1] * 4,
                      activation="Relu")
    z = net.microsoft("NhwcConv", z, net.const(np.full((2, 1, 1, 2), .1)))
    z = net.microsoft("GroupNorm", z, net.const(np.ones(2)), net.const(np.zeros(2)), groups=1, activation=1)
    net.write("channels_last", net.node("DequantizeLinear", y, *s), z)
    net = Net()
    x = net.node("ImageScaler", "x", scale=2., bias=[.1, .2, .3, .4])
    for op in ("ScaledTanh", "Affine", "ParametricSoftplus"):
        x = net.node(op, x, alpha=.5, beta=1.5)
    net.write("on_trial", net.node("Crop", x, border=[1, 0, 1, 2]), net.node("Crop", x, border=[0, 1, 0, 0], scale=[3, 2]), opset=8)


def contributed_later():
    """Attention with masks, a past and of integers; few bits; sums before norms, softmax and GELU; places turned."""
    net = Net()
    x = net.node("Reshape", "x", net.const([1, 4, 30], I64))
    x = net.node("Transpose", net.node("Slice", x, *(net.const(v, I64) for v in ([0], [6], [2]))), perm=[0, 2, 1])
    mask = net.const([[1, 1, 1, 0, 1, 1, 1]], np.int32)
    x, past = net.microsoft("Attention", x, net.const(np.full((4, 12), .1)), "", mask, net.const(np.full((2, 1, 2, 1, 2), .2)),
                            outputs=2, num_heads=2, unidirectional=1)
    k = net.node("Reshape", net.node("Slice", past, net.const([0], I64), net.const([1], I64), net.const([0], I64)),
                 net.const([1, 2, 7, 2], I64))
    x = net.microsoft("MultiHeadAttention", x, k, k, "", net.const([5], np.int32), num_heads=2, mask_filter_value=-7.)
    x = net.microsoft("RotaryEmbedding", x, net.const([1], I64), *(net.const(np.full((8, 1), v)) for v in (.6, .8)), num_heads=2)
    q = net.node("DynamicQuantizeLinear", x, outputs=3)
    x = net.microsoft("QAttention", q[0], net.const(np.full((4, 12), 9), np.int8), net.const(np.ones(12)), q[1],
                      net.const(.01), "", q[2], num_heads=2)
    x = net.microsoft("MatMulNBits", x, net.const(np.arange(48).reshape(6, 1, 8), np.uint8), net.const(np.full(6, .1)), K=4, N=6,
                      bits=4, block_size=16)
    x = net.microsoft("TransposeMatMul", x, net.const(np.full((8, 6), .1)), transB=1)
    x = net.microsoft("FusedMatMulActivation", x, net.const(np.full((8, 8), .1)), activation="Relu")
    y = net.microsoft("BiasSplitGelu", x, net.const(np.ones(8)))
    y = net.microsoft("BiasAdd", y, net.const(np.ones(4)), y)
    z = net.microsoft("SkipGroupNorm", "x", net.const(np.ones(4)), net.const(np.zeros(4)), "x", groups=2, channels_last=0)
    net.write("contributed_later", net.microsoft("BiasSoftmax", y, net.const(np.ones((1, 6, 4))), axis=2, is_inner_broadcast=0), z)


def parted():
    """Sequences that one tensor is parted into, by sizes, by one for all and by ones."""
    net = Net()
    parts = [net.node("SplitToSequence", "x", net.const([1, 3], I64), axis=1),
             net.node("SplitToSequence", "x", net.const(3, I64), axis=-1),
             net.node("SplitToSequence", "x", axis=2, keepdims=0)]
    net.write("parted", *(net.node("SequenceAt", p, net.const(i, I64)) for p, i in zip(parts, (1, -1, 2))))


for seed, arguments in SEEDS.items():
    with open(os.path.join(sys.argv[1], f"seed_{seed}.onnx"), "wb") as file:
        file.write(model(*arguments).SerializeToString())
for write in (functions, flags, quantised, pictures, recurrent, contributed, contributed_later, parted):
    write()
