#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes ONNX nets of well-known shapes with random weights.

    make_nets.py NET FILE [--size WxH] [--seed N] [--tiny] [--float16]
                 [--no-classifier] [--symbolic] [--opset N]

NET is one of: hrnet-w32 (pose, 17 heat maps), resnet50, densenet121,
mobilenetv2, or norms (instance, group and layer normalisations, whole and
spelled out; opset 17). Layers, channels, strides and order are those of the papers; the
weights are He-initialised and the batch norms near identity, so that every
activation stays of order one. --tiny keeps the shape of the net but takes a
quarter of the channels and few blocks. --float16 stores and computes in
float16. --symbolic leaves batch, height and width open. The same arguments
give the same file.

Needs numpy and onnx. As a module: build(name, ...) returns the ModelProto.
"""
import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZES = {"quantised": (64, 64), "norms": (96, 64), "hrnet-w32": (384, 384), "resnet50": (224, 224), "densenet121": (224, 224),
         "mobilenetv2": (224, 224)}


class Net:
    """A graph under construction; every method returns an output's name."""

    def __init__(self, seed, half, tiny):
        self.rng = np.random.default_rng(seed)
        self.dtype = np.float16 if half else np.float32
        self.tiny = tiny
        self.nodes, self.weights = [], []

    def width(self, channels):
        """Channels, a quarter of them in a tiny net, a multiple of 4."""
        return max(4, channels // 4 // 4 * 4) if self.tiny else channels

    def weight(self, values, name):
        name = f"{name}.{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values).astype(self.dtype), name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, c_in, c_out, kernel=3, stride=1, groups=1, bias=False):
        fan_in = c_in // groups * kernel * kernel
        w = self.rng.normal(0, np.sqrt(2 / fan_in), (c_out, c_in // groups, kernel, kernel))
        inputs = [x, self.weight(w, "w")]
        if bias:
            inputs.append(self.weight(self.rng.normal(0, .01, c_out), "b"))
        pad = kernel // 2
        return self.node("Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
                         group=groups)

    def norm(self, x, channels, gain=1.0):
        parts = [self.rng.normal(gain, .05 * gain, channels), self.rng.normal(0, .1, channels),
                 self.rng.normal(0, .1, channels), self.rng.uniform(.8, 1.25, channels)]
        names = [self.weight(v, n) for v, n in zip(parts, ("scale", "shift", "mean", "var"))]
        return self.node("BatchNormalization", [x] + names, epsilon=1e-5)

    def relu(self, x):
        return self.node("Relu", [x])

    def relu6(self, x):
        return self.node("Clip", [x, self.weight(0., "lo"), self.weight(6., "hi")])

    def conv_norm(self, x, c_in, c_out, kernel=3, stride=1, groups=1, gain=1.0):
        return self.norm(self.conv(x, c_in, c_out, kernel, stride, groups), c_out, gain)

    def add(self, a, b):
        return self.node("Add", [a, b])

    def classifier(self, x, channels, classes):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])], axis=1)
        w = self.rng.normal(0, np.sqrt(1 / channels), (classes, channels))
        return self.node("Gemm", [x, self.weight(w, "fc"), self.weight(np.zeros(classes), "fc_bias")], transB=1)


def basic_block(net, x, channels):
    y = net.relu(net.conv_norm(x, channels, channels))
    return net.relu(net.add(net.conv_norm(y, channels, channels, gain=.3), x))


def bottleneck(net, x, c_in, middle, stride=1):
    c_out = middle * 4
    y = net.relu(net.conv_norm(x, c_in, middle, 1))
    y = net.relu(net.conv_norm(y, middle, middle, 3, stride))
    y = net.conv_norm(y, middle, c_out, 1, gain=.3)
    if stride != 1 or c_in != c_out:
        x = net.conv_norm(x, c_in, c_out, 1, stride)
    return net.relu(net.add(y, x)), c_out


def hrnet_fuse(net, branches, widths, outputs):
    """Every output is the sum of all branches at its resolution."""
    fused = []
    for i in range(outputs):
        total = None
        for j, x in enumerate(branches):
            if j > i:
                x = net.conv_norm(x, widths[j], widths[i], 1, gain=.2)
                scales = np.array([1, 1, 2 ** (j - i), 2 ** (j - i)], np.float32)
                name = f"scales.{len(net.weights)}"
                net.weights.append(numpy_helper.from_array(scales, name))
                x = net.node("Resize", [x, "", name], mode="nearest", nearest_mode="floor",
                             coordinate_transformation_mode="asymmetric")
            for k in range(i - j):
                last = k == i - j - 1
                x = net.conv_norm(x, widths[j], widths[i] if last else widths[j], 3, 2, gain=.2 if last else 1)
                x = x if last else net.relu(x)
            total = x if total is None else net.add(total, x)
        fused.append(net.relu(total))
    return fused


def hrnet_w32(net, x, classifier):
    """Deep High-Resolution Representation Learning (CVPR 2019), pose, W32."""
    stem = net.width(64)
    x = net.relu(net.conv_norm(x, 3, stem, 3, 2))
    x = net.relu(net.conv_norm(x, stem, stem, 3, 2))
    channels = stem
    for _ in range(1 if net.tiny else 4):
        x, channels = bottleneck(net, x, channels, stem)
    widths = [net.width(32 << i) for i in range(4)]
    modules = [1, 1, 1] if net.tiny else [1, 4, 3]
    blocks = 1 if net.tiny else 4
    branches = [net.relu(net.conv_norm(x, channels, widths[0])),
                net.relu(net.conv_norm(x, channels, widths[1], 3, 2))]
    for stage in range(3):
        count = stage + 2
        if stage > 0:
            branches.append(net.relu(net.conv_norm(branches[-1], widths[count - 2], widths[count - 1], 3, 2)))
        for module in range(modules[stage]):
            for i in range(count):
                for _ in range(blocks):
                    branches[i] = basic_block(net, branches[i], widths[i])
            final = stage == 2 and module == modules[stage] - 1
            branches = hrnet_fuse(net, branches, widths, 1 if final else count)
    return net.conv(branches[0], widths[0], 17, 1, bias=True)


def resnet50(net, x, classifier):
    """Deep Residual Learning (CVPR 2016), stride in the 3x3 convolution."""
    stem = net.width(64)
    x = net.relu(net.conv_norm(x, 3, stem, 7, 2))
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = stem
    for stage, blocks in enumerate([1, 1, 1, 1] if net.tiny else [3, 4, 6, 3]):
        for block in range(blocks):
            x, channels = bottleneck(net, x, channels, stem << stage, 2 if block == 0 and stage > 0 else 1)
    return net.classifier(x, channels, 1000) if classifier else x


def densenet121(net, x, classifier):
    """Densely Connected Convolutional Networks (CVPR 2017), growth 32."""
    growth, channels = net.width(32), net.width(64)
    x = net.relu(net.conv_norm(x, 3, channels, 7, 2))
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    blocks = [2, 2, 2, 2] if net.tiny else [6, 12, 24, 16]
    for i, layers in enumerate(blocks):
        for _ in range(layers):
            y = net.conv(net.relu(net.norm(x, channels)), channels, 4 * growth, 1)
            y = net.conv(net.relu(net.norm(y, 4 * growth)), 4 * growth, growth)
            x = net.node("Concat", [x, y], axis=1)
            channels += growth
        if i < 3:
            x = net.conv(net.relu(net.norm(x, channels)), channels, channels // 2, 1)
            x = net.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            channels //= 2
    x = net.relu(net.norm(x, channels))
    return net.classifier(x, channels, 1000) if classifier else x


def mobilenetv2(net, x, classifier):
    """MobileNetV2 (CVPR 2018), width 1."""
    settings = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                (6, 320, 1, 1)]
    channels = net.width(32)
    x = net.relu6(net.conv_norm(x, 3, channels, 3, 2))
    for expand, c, repeats, stride in settings:
        c_out = net.width(c)
        for i in range(1 if net.tiny else repeats):
            y, middle = x, channels * expand
            if expand != 1:
                y = net.relu6(net.conv_norm(y, channels, middle, 1))
            y = net.relu6(net.conv_norm(y, middle, middle, 3, stride if i == 0 else 1, groups=middle))
            y = net.conv_norm(y, middle, c_out, 1)
            if (stride == 1 or i > 0) and channels == c_out:
                y = net.add(y, x)
            x, channels = y, c_out
    last = net.width(1280)
    x = net.relu6(net.conv_norm(x, channels, last, 1))
    return net.classifier(x, last, 1000) if classifier else x


def norms(net, x, classifier):
    """Every normalisation that is no batch norm, as exporters spell them."""
    channels = 16

    def vector(*shape):
        return net.weight(net.rng.normal(1, .2, shape), "v")

    def layer_spelled(x, axis, shape):
        mean = net.node("ReduceMean", [x], axes=[axis], keepdims=1)
        d = net.node("Sub", [x, mean])
        v = net.node("ReduceMean", [net.node("Pow", [d, net.weight(2., "two")])], axes=[axis], keepdims=1)
        s = net.node("Sqrt", [net.node("Add", [v, net.weight(1e-3, "epsilon")])])
        x = net.node("Mul", [net.node("Div", [d, s]), vector(*shape)])
        return net.node("Add", [x, vector(*shape)])

    def shape(*dims):
        name = f"shape.{len(net.weights)}"
        net.weights.append(numpy_helper.from_array(np.asarray(dims, np.int64), name))
        return name

    x = net.conv(x, 3, channels, bias=True)
    x = net.relu(net.node("InstanceNormalization", [x, vector(channels), vector(channels)]))
    flat = net.node("Reshape", [net.conv(x, channels, channels), shape(1, 4, -1)])
    y = net.node("InstanceNormalization", [flat, net.weight(np.ones(4), "one"), net.weight(np.zeros(4), "zero")])
    y = net.node("Reshape", [y, shape(1, channels, net.height, net.width_px)])
    x = net.add(x, net.node("Add", [net.node("Mul", [y, vector(channels, 1, 1)]), vector(channels, 1, 1)]))
    y = net.node("Transpose", [net.conv(x, channels, channels), ], perm=[0, 2, 3, 1])
    y = net.node("LayerNormalization", [y, vector(channels), vector(channels)], epsilon=1e-3)
    x = net.add(x, net.relu(net.node("Transpose", [y], perm=[0, 3, 1, 2])))
    y = net.node("Transpose", [net.conv(x, channels, channels)], perm=[0, 2, 3, 1])
    y = net.node("Transpose", [layer_spelled(y, 3, (channels,))], perm=[0, 3, 1, 2])
    x = net.add(x, y)
    x = net.add(x, layer_spelled(net.conv(x, channels, channels), 1, (channels, 1, 1)))
    return net.conv(x, channels, 5, kernel=1)


def quantised(net, x, classifier):
    """QDQ as exporters write it: no Relu, its clamp is the quantiser's; one scale a channel, weights of 7 bits (without VNNI
    ONNX Runtime saturates on 8)."""
    def step(x, scale):
        zero = f"zero.{len(net.weights)}"
        net.weights.append(numpy_helper.from_array(np.asarray(0, np.uint8), zero))
        pair = [net.weight(scale, "scale"), zero]
        return net.node("DequantizeLinear", [net.node("QuantizeLinear", [x] + pair)] + pair)

    x, channels = step(x, 1 / 255), 3
    for width in (16, 24, 8):
        values = net.rng.integers(-63, 64, (width, channels, 3, 3))
        name = f"w8.{len(net.weights)}"
        net.weights.append(numpy_helper.from_array(values.astype(np.int8), name))
        scale = net.weight(net.rng.uniform(.5, 1, width) / 63 * np.sqrt(2 / channels / 9), "scale")
        w = net.node("DequantizeLinear", [name, scale], axis=0)
        x = net.node("Conv", [x, w, net.weight(net.rng.normal(0, .1, width), "b")], pads=[1] * 4)
        x, channels = step(x, 1 / 64), width
    return x


NETS = {"quantised": quantised, "norms": norms, "hrnet-w32": hrnet_w32, "resnet50": resnet50, "densenet121": densenet121,
        "mobilenetv2": mobilenetv2}


def build(name, size=None, seed=1, tiny=False, half=False, classifier=True, symbolic=False, opset=13):
    """The model as an onnx.ModelProto. size: (width, height)."""
    width, height = size or SIZES[name]
    net = Net(seed, half, tiny)
    net.width_px, net.height = width, height
    output = NETS[name](net, "image", classifier)
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    shape = ["batch", 3, "height", "width"] if symbolic else [1, 3, height, width]
    graph = helper.make_graph(
        net.nodes, name, [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info(output, kind, None)], net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              producer_name="deltacnn make_nets.py")
    model.ir_version = 8
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=sorted(NETS))
    parser.add_argument("file")
    parser.add_argument("--size", help="WIDTHxHEIGHT of the input")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--float16", action="store_true")
    parser.add_argument("--no-classifier", action="store_true", help="end at the last feature map")
    parser.add_argument("--symbolic", action="store_true")
    parser.add_argument("--opset", type=int, default=13)
    args = parser.parse_args()
    size = tuple(int(n) for n in args.size.split("x")) if args.size else None
    onnx.save(build(args.net, size, args.seed, args.tiny, args.float16, not args.no_classifier, args.symbolic,
                    args.opset), args.file)


if __name__ == "__main__":
    main()
