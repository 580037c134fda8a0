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


for seed, arguments in SEEDS.items():
    with open(os.path.join(sys.argv[1], f"seed_{seed}.onnx"), "wb") as file:
        file.write(model(*arguments).SerializeToString())
