#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Float32 nets for deltacnn-tune --quantize, and what is to be true of its files.

    quantise_nets.py make FOLDER      writes NAME.onnx
    quantise_nets.py check FOLDER     holds each NAME-int8.onnx to what follows, and
                                      writes what tests/onnx/quantised_nets.c reads:
                                      NAME.in0, NAME.out0, NAME.step and so on

The files are good in the eyes of onnx.checker, all layers that were asked for
have int8 weights with a scale an output channel, a zero point of 0 and no number
beyond 63, biases are int32, values uint8; the net ends in the same names.

NAME.step, the largest difference allowed: what one step of a byte that the last
layer reads changes, and as far as ONNX Runtime differs from itself with and
without its integer operators.

Needs numpy, onnx and onnxruntime.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 48, 80
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


class Net:
    def __init__(self):
        self.rng, self.nodes, self.constants = np.random.default_rng(7), [], []

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(self, x, c_in, c_out, kernel=3, stride=1, groups=1, bias=True):
        w = self.rng.normal(0, np.sqrt(2 / (c_in // groups * kernel ** 2)), (c_out, c_in // groups, kernel, kernel))
        inputs = [x, self.constant(w)] + ([self.constant(self.rng.normal(0, .1, c_out))] if bias else [])
        return self.node("Conv", inputs, strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups,
                         kernel_shape=[kernel] * 2)

    def norm(self, x, c):
        values = [self.rng.uniform(.5, 1.5, c), self.rng.normal(0, .2, c), self.rng.normal(0, .2, c),
                  self.rng.uniform(.5, 1.5, c)]
        return self.node("BatchNormalization", [x] + [self.constant(v) for v in values])

    def clip(self, x, low, high):
        return self.node("Clip", [x, self.constant(low), self.constant(high)])

    def silu(self, x):
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def model(self, output, opset, shape=(1, 3, HEIGHT, WIDTH)):
        self.nodes[-1].output[0] = "result"
        graph = helper.make_graph(self.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
                                  [helper.make_tensor_value_info("result", TensorProto.FLOAT, output)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 7
        onnx.checker.check_model(model, full_check=True)
        return model


def plain():
    """Norms and sums to fold, a depthwise layer, a residual, a join of two scales; an old opset."""
    net = Net()
    x = net.node("Relu", [net.norm(net.conv("image", 3, 16, stride=2, bias=False), 16)])
    y = net.clip(net.norm(net.conv(x, 16, 16, groups=16), 16), 0., 6.)
    y = net.node("Add", [net.conv(y, 16, 16, 1, bias=False), net.constant(net.rng.normal(0, .2, (16, 1, 1)))])
    x = net.node("Relu", [net.node("Add", [x, y])])
    y = net.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("Relu", [net.conv(y, 16, 24, groups=2)])
    y = net.node("Resize", [y, net.constant([]), net.constant([1, 1, 2, 2])], mode="nearest", nearest_mode="floor",
                 coordinate_transformation_mode="asymmetric")
    x = net.node("Concat", [x, y], axis=1)
    x = net.node("Relu", [net.conv(x, 40, 16, 1)])
    net.conv(x, 16, 5, 1)
    return net.model((1, 5, HEIGHT // 2, WIDTH // 2), 11), 6


def functions():
    """Functions of one value, a gate, moves before the first layer, an upsampling layer."""
    net = Net()
    axes, steps = net.constant([2, 3], np.int64), net.constant([2, 2], np.int64)
    parts = [net.node("Slice", ["image", net.constant([i, j], np.int64), net.constant([9999, 9999], np.int64), axes,
                                steps]) for j in (0, 1) for i in (0, 1)]
    x = net.silu(net.conv(net.node("Concat", parts, axis=1), 12, 16))
    x = net.silu(net.conv(x, 16, 16, groups=16))
    y = net.conv(x, 16, 16, 1)
    x = net.node("Mul", [y, net.node("Div", [net.clip(net.node("Add", [y, net.constant(3.)]), 0., 6.),
                                             net.constant(6.)])])
    gate = net.node("Relu", [net.conv(net.node("GlobalAveragePool", [x]), 16, 8, 1)])
    gate = net.node("Sigmoid", [net.conv(gate, 8, 16, 1)])
    x = net.node("Mul", [x, gate])
    x = net.node("LeakyRelu", [net.conv(x, 16, 24, stride=2)], alpha=.1)
    w = net.rng.normal(0, .1, (24, 16, 2, 2))
    x = net.node("Relu", [net.node("ConvTranspose", [x, net.constant(w), net.constant(net.rng.normal(0, .1, 16))],
                                   strides=[2, 2], kernel_shape=[2, 2])])
    net.conv(x, 16, 4)
    return net.model((1, 4, HEIGHT // 2, WIDTH // 2), 13), 8


def vector():
    """A picture with channels last; matrices of both forms; a tail that stays float32."""
    net = Net()
    x = net.node("Transpose", ["image"], perm=[0, 3, 1, 2])
    x = net.node("Relu", [net.conv(x, 3, 12, stride=2)])
    x = net.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Relu", [net.conv(x, 12, 20, stride=2)])
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x])])
    x = net.node("Relu", [net.node("Gemm", [x, net.constant(net.rng.normal(0, .3, (16, 20))),
                                            net.constant(net.rng.normal(0, .1, 16))], transB=1)])
    x = net.node("MatMul", [x, net.constant(net.rng.normal(0, .4, (16, 6)))])
    net.node("Softmax", [x], axis=1)
    return net.model((1, 6), 17, (1, HEIGHT, WIDTH, 3)), 4


def uneven():
    """One channel of each function's value is a hundred times as large as the others, and counts as much as they."""
    net = Net()
    sizes = np.where(np.arange(16) == 5, 100., 1.)
    w = net.rng.normal(0, .3, (16, 3, 3, 3)) * sizes[:, None, None, None]
    x = net.silu(net.node("Conv", ["image", net.constant(w)], pads=[1] * 4, kernel_shape=[3, 3], strides=[2, 2]))
    w = net.rng.normal(0, .3, (16, 1, 3, 3)) / sizes[:, None, None, None]
    x = net.silu(net.node("Conv", [x, net.constant(w)], pads=[1] * 4, kernel_shape=[3, 3], group=16))
    w = net.rng.normal(0, .3, (16, 16, 1, 1)) * sizes[:, None, None, None]
    x = net.silu(net.node("Conv", [x, net.constant(w)], kernel_shape=[1, 1]))
    w = net.rng.normal(0, .3, (4, 16, 1, 1)) / sizes[None, :, None, None]
    net.node("Conv", [x, net.constant(w)], kernel_shape=[1, 1])
    return net.model((1, 4, HEIGHT // 2, WIDTH // 2), 13), 4


NETS = {"plain": plain, "functions": functions, "vector": vector, "uneven": uneven}


def run(model, frame, plain_runtime):
    options = ort.SessionOptions()
    if plain_runtime:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": frame})[0]


def last_step(model, stored):
    """What a step of a byte that the last layer reads changes of what it gives."""
    made = {node.output[0]: node for node in model.graph.node}
    last = [node for node in model.graph.node if node.op_type in LAYERS][-1]
    weights, values = made[last.input[1]], made[last.input[0]]
    largest = np.abs(stored[weights.input[0]].astype(np.float64)).max() * stored[weights.input[1]].max()
    return float(largest * stored[values.input[1]])


def check_layers(name, model, stored, wanted):
    made = {node.output[0]: node for node in model.graph.node}
    layers = [node for node in model.graph.node if node.op_type in LAYERS]
    assert len(layers) == wanted, f"{name}: {len(layers)} layers"
    assert not any(node.op_type in ("BatchNormalization",) for node in model.graph.node), f"{name}: a norm is left"
    for layer in layers:
        read, weights = made[layer.input[0]], made[layer.input[1]]
        assert read.op_type == weights.op_type == "DequantizeLinear", f"{name}: {layer.name} is float32"
        w, scale, zero = (stored[i] for i in weights.input)
        axis = weights.attribute[0].i
        assert w.dtype == zero.dtype == np.int8 and np.abs(w).max() <= 63 and not zero.any(), name
        assert scale.shape == (w.shape[axis],) and (scale > 0).all(), name
        assert axis == {"Conv": 0, "ConvTranspose": 1, "MatMul": 1, "Gemm": 0}[layer.op_type], name
        assert (np.abs(w).max(axis=tuple(i for i in range(w.ndim) if i != axis)) >= 62).all(), f"{name}: range unused"
        assert stored[read.input[2]].dtype == np.uint8, name
        if len(layer.input) > 2:
            bias = made[layer.input[2]]
            assert stored[bias.input[0]].dtype == np.int32, name
            assert np.allclose(stored[bias.input[1]], scale * stored[read.input[1]]), name


def check(folder, name, wanted):
    model = onnx.load(os.path.join(folder, name + "-int8.onnx"))
    onnx.checker.check_model(model, full_check=True)
    stored = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    check_layers(name, model, stored, wanted)
    assert [o.name for o in model.graph.output] == ["result"], name
    plain_net = onnx.load(os.path.join(folder, name + ".onnx"))
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    rng = np.random.default_rng(3)
    frames = [rng.uniform(0, 1, shape).astype(np.float32) for _ in range(2)]
    frames[1] = frames[0].copy()
    frames[1].flat[1000:2000] *= .5
    step = last_step(model, stored)
    base = os.path.join(folder, name + "-int8")
    for i, frame in enumerate(frames):
        out = run(model, frame, False)
        step = max(step, np.abs(out - run(model, frame, True)).max())
        want = run(plain_net, frame, False)
        off = np.sqrt(np.mean((out - want) ** 2) / np.mean(want ** 2))
        # noise leaves the ranges of the scene, which functions() bears and uneven() does not
        assert off < (.3 if name == "uneven" else .15), f"{name}: {off:.3f} off the float32 net"
        frame.tofile(f"{base}.in{i}")
        out.tofile(f"{base}.out{i}")
    np.array([step], np.float32).tofile(base + ".step")


def main():
    command, folder = sys.argv[1:]
    for name, make in NETS.items():
        model, wanted = make()
        if command == "make":
            onnx.save(model, os.path.join(folder, name + ".onnx"))
        else:
            check(folder, name, wanted)
            os.remove(os.path.join(folder, name + ".onnx"))


main()
