# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trained weights (.pt) -> ONNX with float16 initialisers, checked against torch, and its .modelinfo draft.

    export.py FILE.pt OUT.onnx [--float32]

Graph input `image` [1,3,height,width], RGB, 0..1; height and width are multiples of the net's stride.
Outputs after their last step: seg `mask` (sigmoid); pose `heatmaps`, `center` (sigmoid), `offsets` (pixels).
Boxes, and poses from MoveNet: the graph of the file that training started from (graph_file.py says its input and outputs).
"""
import argparse
import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

import graph_file
import graphnet
import nets

OPSET = 13


class Graph:
    """A small ONNX writer: nodes in order, initialisers in float16 cast to float32."""

    def __init__(self, half):
        self.half, self.nodes, self.inits, self.count = half, [], [], 0

    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, array, stem):
        name = self.name(stem)
        if not self.half:
            self.inits.append(numpy_helper.from_array(array.astype(np.float32), name))
            return name
        self.inits.append(numpy_helper.from_array(array.astype(np.float16), name + "_f16"))
        self.nodes.append(helper.make_node("Cast", [name + "_f16"], [name], name=name + "_cast", to=TensorProto.FLOAT))
        return name

    def add(self, op, inputs, stem, **attributes):
        out = self.name(stem)
        self.nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        return out

    def conv(self, conv, x, stem, weight=None, bias=None):
        weight = conv.weight.detach().numpy() if weight is None else weight
        bias = conv.bias.detach().numpy() if bias is None else bias
        k, p = conv.kernel_size[0], conv.padding[0]
        return self.add("Conv", [x, self.constant(weight, stem + ".weight"), self.constant(bias, stem + ".bias")], stem,
                        kernel_shape=[k, k], strides=list(conv.stride), pads=[p] * 4, group=conv.groups)

    def node(self, node, x, stem, residual=None):
        x = self.conv(node.conv, x, stem)
        if residual is not None:
            x = self.add("Add", [x, residual], stem + ".add")
        return self.add("Relu", [x], stem + ".relu") if node.relu else x

    def clipped(self, conv, x, stem, low=0.0, high=6.0):
        """Convolution and Clip (ReLU6)."""
        for v in (low, high):
            if not any(t.name == f"limit_{v:g}" for t in self.inits):
                self.inits.append(numpy_helper.from_array(np.array(v, np.float32), f"limit_{v:g}"))
        return self.add("Clip", [self.conv(conv, x, stem), f"limit_{low:g}", f"limit_{high:g}"], stem + ".clip")

    def residual(self, block, x, stem):
        return self.node(block.second, self.node(block.first, x, stem + ".first"), stem + ".second", x)

    def up(self, x, stem, factor=2):
        scales = self.name("scales")
        self.inits.append(numpy_helper.from_array(np.array([1, 1, factor, factor], np.float32), scales))
        return self.add("Resize", [x, "", scales], stem, mode="nearest", nearest_mode="floor",
                        coordinate_transformation_mode="asymmetric")

    def rows(self, blocks, x, stem):
        for i, block in enumerate(blocks):
            x = self.residual(block, x, f"{stem}.{i}")
        return x

    def act(self, act, x, stem):
        if isinstance(act, torch.nn.ReLU):
            return self.add("Relu", [x], stem)
        gate = self.add("HardSigmoid", [x], stem + ".gate", alpha=1 / 6, beta=0.5)
        return self.add("Mul", [x, gate], stem)

    def squeeze(self, se, x, stem):
        pooled = self.add("GlobalAveragePool", [x], stem + ".pool")
        inner = self.add("Relu", [self.conv(se.reduce, pooled, stem + ".reduce")], stem + ".relu")
        gate = self.add("HardSigmoid", [self.conv(se.expand, inner, stem + ".expand")], stem + ".gate", alpha=1 / 6, beta=0.5)
        return self.add("Mul", [x, gate], stem + ".mul")

    def inverted(self, row, x, stem):
        y = x
        for i, layer in enumerate(row.body):
            if isinstance(layer, torch.nn.Conv2d):
                y = self.conv(layer, y, f"{stem}.{i}")
            elif isinstance(layer, nets.SqueezeExcite):
                y = self.squeeze(layer, y, f"{stem}.{i}")
            elif isinstance(layer, (torch.nn.ReLU, torch.nn.Hardswish)):
                y = self.act(layer, y, f"{stem}.{i}")
        return self.add("Add", [y, x], stem + ".add") if row.skip else y


def decode_part(graph, decoder, x4, x8, x16, added={}):
    """added: tensors to add to an output before its sigmoid, by the output's name."""
    up = lambda x, stem: graph.up(x, stem)
    y8 = graph.node(decoder.skip8, x8, "decoder.skip8", up(graph.node(decoder.down16, x16, "decoder.down16"), "decoder.up16"))
    y8 = graph.rows(decoder.block8, y8, "decoder.block8")
    y4 = graph.node(decoder.skip4, x4, "decoder.skip4", up(graph.node(decoder.down8, y8, "decoder.down8"), "decoder.up8"))
    y4 = graph.node(decoder.block4, y4, "decoder.block4")
    outputs = []
    for name, head in decoder.heads.items():
        unit = nets.OFFSET_UNIT if name == "offsets" else 1.0
        y = graph.conv(head, y4, "head." + name, head.weight.detach().numpy() * unit, head.bias.detach().numpy() * unit)
        if name in added:
            y = graph.add("Add", [y, added[name]], "head." + name + ".add")
        graph.nodes.append(helper.make_node("Identity" if name == "offsets" else "Sigmoid", [y], [name], name=name))
        outputs.append((name, head.out_channels))
    return outputs


def to_graph(net, half):
    """A folded net in eval mode -> onnx.ModelProto."""
    graph = Graph(half)
    if isinstance(net, nets.MobileNet):
        x, taps = graph.act(net.stem[2], graph.conv(net.stem[0], "image", "stem"), "stem.act"), {}
        for i, row in enumerate(net.rows):
            taps[i] = x = graph.inverted(row, x, f"row{i}")
        x16 = graph.node(net.skip16, taps[11], "skip16", graph.up(graph.node(net.down32, x, "down32"), "up32"))
        outputs = decode_part(graph, net.decoder, taps[2], taps[5], x16)
    elif isinstance(net, nets.TransferNet):
        x, taps = graph.clipped(net.trunk.stem, "image", "stem"), []
        for i, row in enumerate(net.trunk.rows):
            x = graph.clipped(row.depth, x, f"row{i}.depth")
            x = graph.clipped(row.point, x, f"row{i}.point")
            taps += [x] if i in nets.Trunk.TAPS else []
        added = {}
        if net.prior is not None:
            added["heatmaps"] = graph.up(graph.clipped(net.prior, x, "prior", *net.PRIOR), "prior.up", 4)
        outputs = decode_part(graph, net.decoder, *taps, x, added)
    else:
        x = graph.node(net.stem, "image", "stem")
        x4 = graph.rows(net.stage4, graph.node(net.enter4, x, "enter4"), "stage4")
        x8 = graph.rows(net.stage8, graph.node(net.enter8, x4, "enter8"), "stage8")
        x16 = graph.rows(net.stage16, graph.node(net.enter16, x8, "enter16"), "stage16")
        outputs = decode_part(graph, net.decoder, x4, x8, x16)
    value = helper.make_tensor_value_info
    made = helper.make_graph(graph.nodes, "people", [value("image", TensorProto.FLOAT, [1, 3, "height", "width"])],
                             [value(n, TensorProto.FLOAT, [1, c, "height_4", "width_4"]) for n, c in outputs], graph.inits)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="models/train/export.py")
    model.ir_version = 7
    onnx.checker.check_model(model, full_check=True)
    return model


def load(path):
    """A trained net in eval mode, and its record."""
    record = torch.load(path, map_location="cpu", weights_only=True)
    if "graph" in record:
        return graphnet.from_record(record).eval(), record
    net = nets.build(record["task"], record["kind"])
    if "prior.weight" in record["state"]:
        net.prior = torch.nn.Conv2d(nets.Trunk.CHANNELS[2], nets.HEADS["pose"]["heatmaps"], 1)
    net.load_state_dict(record["state"])
    return net.eval(), record


def check(net, model):
    """Largest difference between torch and onnxruntime over two sizes, outputs as the graph gives them."""
    session, worst = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), 0.0
    for height, width in ((192, 256), (288, 512)):
        x = torch.rand(1, 3, height, width)
        with torch.no_grad():
            out, _ = net(x)
        if isinstance(net, graphnet.GraphNet):
            want, image = {k: v.numpy() for k, v in net.given(out).items()}, net.picture(x)
        else:
            want, image = {k: (v * nets.OFFSET_UNIT if k == "offsets" else torch.sigmoid(v)).numpy() for k, v in out.items()}, x
        got = session.run(list(want), {session.get_inputs()[0].name: image.numpy()})
        worst = max([worst] + [float(np.abs(g - w).max()) for g, w in zip(got, want.values())])
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--float32", action="store_true", help="keep float32 initialisers")
    args = parser.parse_args()
    net, record = load(args.weights)
    make = (lambda net, half: net.finish(half)) if "graph" in record else to_graph
    net = nets.fold(net)
    exact = check(net, make(net, False))
    model = make(net, not args.float32)
    rounded = check(net, model)
    onnx.save(model, args.out)
    if "graph" in record:
        graph_file.describe(args.out, {"boxes": "street-boxes", "pose": "people-pose"}[record["task"]])
    data = args.out.read_bytes()
    print(f"{args.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"largest difference to torch: {exact:.2e} (float32 weights), {rounded:.2e} (as written)")


if __name__ == "__main__":
    main()
