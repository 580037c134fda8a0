# SPDX-License-Identifier: LGPL-2.1-or-later
"""ONNX files that training starts from and ends in: cut, changed, made smaller. Needs onnx and numpy only.

    graph_file.py YOLOX.onnx OUT.onnx    cuts a COCO YOLOX file to the classes of street-boxes (what its training starts from)

street-boxes: input `images` [1,3,height,width], BGR, 0..255, multiples of 32; output `output` [1,cells,5+classes]: rows of
x, y, log w, log h (undecoded), object, classes (both after the sigmoid) of the cells of strides 8, 16, 32.
people-pose from MoveNet: input `input` [1,3,height,width], RGB, -1..1, multiples of 32; outputs as the card says.
Beside OUT.onnx lies a first descriptor, OUT.onnx.modelinfo.
"""
import hashlib
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat"]
COCO = [0, 1, 2, 3, 5, 7, 16, 15]
HEAD = "[modelinfo]\nversion=1.0\ngroup-id=%(name)s\n\n[deltacnn]\nname=%(name)s\ntask=%(task)s\nlicence=%(licence)s\n" \
       "source=models/train of this project, %(source)s\nsha256=%(sha256)s\ndecoder=%(decoder)s\ninput-size=512x288\ninput-multiple=32\n\n"
DESCRIPTORS = {
    "street-boxes": ("detection, " + ", ".join(CLASSES), "from YOLOX-nano (Megvii, Apache-2.0)", "yolox", """\
[input]
tensor=images
channel-order=bgr
mean=0
scale=1
resize=letterbox-topleft
fill=114

[output:output]
semantics=boxes

[decoder]
score-threshold=0.3
nms-threshold=0.45
strides=8;16;32

[labels]
list=""" + ";".join(CLASSES) + "\n"),
    "people-pose": ("pose, many people, 17 COCO key points", "from MoveNet (Google, Apache-2.0)", "people-pose", """\
[input]
tensor=input
channel-order=rgb
mean=127.5
scale=0.00784313725490196
resize=letterbox

[output:heatmaps]
semantics=heatmaps
activation=none

[output:center]
semantics=center
activation=none

[output:offsets]
semantics=offsets
activation=none

[decoder]
skeleton=coco-17

[labels]
file=coco-keypoints-17.txt
"""),
}


def initializers(model):
    return {t.name: t for t in model.graph.initializer}


def convolution_tensors(model):
    """Names of the weights and biases of all convolutions, in the graph's order."""
    return [name for n in model.graph.node if n.op_type == "Conv" for name in n.input[1:]]


def copy_of(model):
    out = onnx.ModelProto()
    out.CopyFrom(model)
    return out


def put(model, name, array):
    """Another value for an initialiser."""
    initializers(model)[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))


def yolox_heads(model):
    """One (box, object, classes) a stride, finest first: names of the tensors before their sigmoids."""
    made, found = {o: n for n in model.graph.node for o in n.output}, []
    for node in model.graph.node:
        if node.op_type == "Concat" and len(node.input) == 3 and all(i in made for i in node.input):
            parts = [made[i] for i in node.input]
            if [p.op_type for p in parts] == ["Conv", "Sigmoid", "Sigmoid"]:
                found.append((node.input[0], parts[1].input[0], parts[2].input[0]))
    if not found:
        raise ValueError("no YOLOX heads (Concat of a convolution and two sigmoids) in this file")
    return found


def cut_classes(model, classes):
    """A copy of a YOLOX file with only those classes of its output, in that order."""
    out = copy_of(model)
    made, held, before = {o: n for n in out.graph.node for o in n.output}, initializers(out), None
    for _, _, scores in yolox_heads(out):
        for name in made[scores].input[1:]:
            array = numpy_helper.to_array(held[name])
            before = len(array)
            put(out, name, array[classes])
    for node in out.graph.node:
        if node.op_type == "Reshape":
            shape = numpy_helper.to_array(held[node.input[1]]).copy()
            shape[shape == 5 + before] = 5 + len(classes)
            put(out, node.input[1], shape)
    return out


def many_poses(model):
    """A copy of MoveNet (heads heatmap, center, regress, offset) with the outputs of people-pose: `heatmaps`, `center` and
    `offsets`, which is `regress` with its last layer emptied; what only `offset` needed is gone."""
    out = copy_of(model)
    graph = out.graph
    for node in graph.node:
        node.output[0] = {"heatmap": "heatmaps", "regress": "offsets"}.get(node.output[0], node.output[0])
        if node.output[0] == "offsets":
            for name in node.input[1:]:
                put(out, name, 0 * numpy_helper.to_array(initializers(out)[name]))
    wanted, nodes = {"heatmaps", "center", "offsets"}, []
    for node in reversed(graph.node):
        if node.output[0] in wanted:
            wanted.update(node.input)
            nodes.append(node)
    nodes, held = nodes[::-1], [t for t in graph.initializer if t.name in wanted]
    del graph.node[:], graph.initializer[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(held)
    graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, "height_4", "width_4"])
                        for n, c in (("heatmaps", 17), ("center", 1), ("offsets", 34)))
    return out


def scale_output(model, output, factor):
    """A copy whose last convolution before `output` has its weights and bias times factor."""
    out = copy_of(model)
    node = next(n for n in out.graph.node if n.output[0] == output)
    for name in node.input[1:]:
        put(out, name, numpy_helper.to_array(initializers(out)[name]) * np.float32(factor))
    return out


def replace(model, arrays):
    """A copy with other values for the initialisers that `arrays` names (same shapes)."""
    out = copy_of(model)
    held = initializers(out)
    for name, array in arrays.items():
        if tuple(held[name].dims) != array.shape:
            raise ValueError(f"{name} is {tuple(held[name].dims)} in the file, not {array.shape}")
        put(out, name, array.astype(np.float32))
    return out


def finish(model, half=True):
    """A copy to ship: free sizes; the weights of convolutions in float16 (cast in the graph) if half."""
    out, casts = copy_of(model), []
    graph, held = out.graph, initializers(out)
    for name in dict.fromkeys(convolution_tensors(out)) if half else ():
        array = numpy_helper.to_array(held[name]).astype(np.float16)
        held[name].CopyFrom(numpy_helper.from_array(array, name + "_f16"))
        casts.append(helper.make_node("Cast", [name + "_f16"], [name], name=name + "_cast", to=TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph.input[0].CopyFrom(value(graph.input[0].name, [1, 3, "height", "width"]))
    if len(graph.output) == 1:
        shape = next(n for n in nodes if n.op_type == "Reshape").input[1]
        graph.output[0].CopyFrom(value(graph.output[0].name, [1, "cells", int(numpy_helper.to_array(initializers(out)[shape])[1])]))
    out.producer_name = "models/train/graph_file.py"
    onnx.checker.check_model(out, full_check=True)
    return out


def describe(path, name):
    """Writes PATH.modelinfo for the file at path; name: street-boxes or people-pose."""
    task, source, decoder, rest = DESCRIPTORS[name]
    head = HEAD % {"name": name, "task": task, "source": source, "decoder": decoder, "licence": "LGPL-2.1-or-later AND Apache-2.0",
                   "sha256": hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()}
    pathlib.Path(f"{path}.modelinfo").write_text(head + rest, encoding="utf-8")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    onnx.save(finish(cut_classes(onnx.load(sys.argv[1]), COCO)), sys.argv[2])
    describe(sys.argv[2], "street-boxes")


if __name__ == "__main__":
    main()
