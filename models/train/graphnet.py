# SPDX-License-Identifier: LGPL-2.1-or-later
"""ONNX files as torch nets: the graph is run as the file has it, its convolutions are the parameters.

So trunk, neck and heads all come by transfer, things that our few clips never show among them, and what is written back is
the same graph with other weights. BoxNet: street-boxes from a YOLOX file; PoseNet: people-pose from MoveNet.
"""
import zlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import nn

import graph_file
import nets

STRIDES = (8, 16, 32)


class GraphNet(nn.Module):
    """model: onnx.ModelProto; outputs: {name: tensor of the graph}; acts: the activations whose outputs are features.

    forward(x), x float [N,3,H,W] RGB 0..1, H and W multiples of 32 -> outputs by name, and the features that consistency
    looks at. known(x): the features that training should not move far.
    """

    def __init__(self, model, outputs):
        super().__init__()
        self.model, self.outputs, graph = model, outputs, model.graph
        held = graph_file.initializers(model)
        self.names = list(dict.fromkeys(graph_file.convolution_tensors(model)))
        self.weights = nn.ParameterDict({self.key(n): nn.Parameter(torch.from_numpy(numpy_helper.to_array(held[n]).copy()))
                                         for n in self.names})
        self.constants = {n: numpy_helper.to_array(t) for n, t in held.items() if n not in self.names}
        self.input, self.steps = graph.input[0].name, self.read(graph)

    def read(self, graph):
        """The steps that the outputs need: (operator, inputs, output, attributes) in order; x * sigmoid(x) is one."""
        sigmoids = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Sigmoid"}
        wanted, steps = set(self.outputs.values()), []
        for node in reversed(graph.node):
            if node.output[0] in wanted:
                silu = node.op_type == "Mul" and sigmoids.get(node.input[1]) == node.input[0]
                inputs = list(node.input[:1] if silu else node.input)
                wanted.update(inputs)
                steps.append(("Silu" if silu else node.op_type, inputs, node.output[0],
                              {a.name: helper.get_attribute_value(a) for a in node.attribute}))
        return steps[::-1]

    @staticmethod
    def key(name):
        return "w" + "".join(c if c.isalnum() else "_" for c in name)

    def convolve(self, x, inputs, attributes):
        weight, bias = self.weights[self.key(inputs[1])], self.weights[self.key(inputs[2])] if len(inputs) > 2 else None
        top, left, bottom, right = attributes.get("pads", [0] * 4)
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, weight, bias, attributes.get("strides", 1), (top, left), groups=attributes.get("group", 1))

    def run(self, op, x, inputs, attributes):
        """One node; x: its inputs that are no constants."""
        if op == "Conv":
            return self.convolve(x[0], inputs, attributes)
        if op in ("Silu", "Relu", "Clip"):
            return F.silu(x[0]) if op == "Silu" else F.relu(x[0]) if op == "Relu" else F.relu6(x[0])
        if op == "Concat":
            return torch.cat(x, 1)
        if op == "Add":
            return x[0] + x[1]
        if op == "MaxPool":
            return F.max_pool2d(x[0], attributes["kernel_shape"], attributes["strides"], attributes["pads"][:2])
        if op == "Resize":
            return F.interpolate(x[0], scale_factor=2, mode="bilinear", align_corners=False) if attributes["mode"] == b"linear" \
                else F.interpolate(x[0], scale_factor=2, mode="nearest")
        if op == "Slice":
            start, end, axis, step = (int(self.constants[n][0]) for n in inputs[1:5])
            part = [slice(None)] * 4
            part[axis] = slice(start, None if end >= 1 << 31 else end, step)
            return x[0][tuple(part)]
        raise ValueError(f"operator {op} is not one that graphnet.py runs")

    def forward(self, x):
        values, features = {self.input: self.picture(x)}, []
        for op, inputs, output, attributes in self.steps:
            values[output] = self.run(op, [values[n] for n in inputs if n in values], inputs, attributes)
            if op in ("Silu", "Relu", "Clip"):
                features.append(values[output])
        return {name: values[tensor] for name, tensor in self.outputs.items()}, features

    def known(self, x):
        return self(x)[1][:sum(op in self.KEPT for op, *_ in self.steps)]

    def file(self):
        """The graph with the weights as they are now (onnx.ModelProto)."""
        return graph_file.replace(self.model, {n: self.weights[self.key(n)].detach().float().cpu().numpy() for n in self.names})


class BoxNet(GraphNet):
    """Outputs box8 [N,4,H/8,W/8], object8 [N,1,..], class8 [N,C,..], before their sigmoids; 16 and 32 alike."""

    KEPT = ("Silu",)

    def __init__(self, model):
        parts = zip(STRIDES, graph_file.yolox_heads(model))
        super().__init__(model, {f"{part}{s}": n for s, names in parts for part, n in zip(("box", "object", "class"), names)})

    @staticmethod
    def start(path):
        """The weights of a COCO YOLOX file, cut to the classes of street-boxes."""
        return BoxNet(graph_file.cut_classes(onnx.load(path), graph_file.COCO))

    @staticmethod
    def picture(x):
        return x.flip(1) * 255

    @staticmethod
    def slow(name):
        """Whether a parameter (by its name) comes before the last convolutions of the heads."""
        return "preds" not in name

    @staticmethod
    def given(out):
        """Outputs as the file gives them: {name: float tensor}."""
        rows = [torch.cat([out[f"box{s}"], torch.sigmoid(out[f"object{s}"]), torch.sigmoid(out[f"class{s}"])], 1).flatten(2) for s in STRIDES]
        return {"output": torch.cat(rows, 2).transpose(1, 2).float()}

    def finish(self, half):
        return graph_file.finish(self.file(), half)


class PoseNet(GraphNet):
    """Outputs heatmaps, center, offsets [N,17 | 1 | 34,H/4,W/4] as nets.DeltaNet's, from a file of graph_file.many_poses()."""

    KEPT = ("Clip",)

    def __init__(self, model):
        made = {o: n for n in model.graph.node for o in n.output}
        super().__init__(model, {"heatmaps": made["heatmaps"].input[0], "center": made["center"].input[0], "offsets": "offsets"})

    @staticmethod
    def start(path):
        """MoveNet's weights (one person); its branch from the centre to the key points, the last layer emptied, becomes
        the one from each key point to the centre."""
        return PoseNet(graph_file.many_poses(onnx.load(path)))

    @staticmethod
    def picture(x):
        return x * 2 - 1

    @staticmethod
    def slow(name):
        """Whether a parameter (by its name) lies in MoveNet's trunk, before its feature pyramid."""
        return "_model_1_model_" in name

    @staticmethod
    def given(out):
        return {"heatmaps": torch.sigmoid(out["heatmaps"]), "center": torch.sigmoid(out["center"]), "offsets": out["offsets"] * nets.OFFSET_UNIT}

    def finish(self, half):
        return graph_file.finish(graph_file.scale_output(self.file(), "offsets", nets.OFFSET_UNIT), half)


KINDS = {"boxes": BoxNet, "pose": PoseNet}


def size(parameter):
    """What the rate of a parameter is relative to: its root mean square, 0.05 where it is all zeros.

    Folded normalisations leave tensors of very different sizes, and YOLOX's first one meets 0..255: steps of one absolute
    size tore the features apart in three steps (tried).
    """
    return float(parameter.detach().pow(2).mean().sqrt()) or 0.05


def record_graph(net):
    """The net's graph without its weights, compressed: a tensor of bytes for a .pt, which holds the weights as its state."""
    bare = graph_file.replace(net.model, {n: 0 * net.weights[net.key(n)].detach().float().cpu().numpy() for n in net.names})
    return torch.from_numpy(np.frombuffer(zlib.compress(bare.SerializeToString()), np.uint8).copy())


def from_record(record):
    """The net of a .pt (train.py)."""
    net = KINDS[record["task"]](onnx.load_from_string(zlib.decompress(record["graph"].numpy().tobytes())))
    net.load_state_dict(record["state"])
    return net
