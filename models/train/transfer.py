# SPDX-License-Identifier: LGPL-2.1-or-later
"""PoseNet's weights (MobileNetV1 0.75, ONNX by path) for the trunk of TransferNet.

    transfer.py POSENET.onnx                checks that the copy gives PoseNet's heat maps, and says by how much it differs
    transfer.py POSENET.onnx IN.pt OUT.pt   adds PoseNet's heat map head to a trained pose net (nets.TransferNet.prior)

PoseNet wants RGB in -1..1; ours is 0..1, so x * 2 - 1 goes into the first convolution. That is exact except in the
outermost cells, where the zero padding now means black and not grey. At sizes 16k + 1 PoseNet's own padding is 1 on
each side, as ours is everywhere, so every size that is a multiple of 16 sees the same grid.
"""
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import nets


def read(path):
    """Convolutions of the ONNX in order: list of (output name, weight, bias)."""
    graph = onnx.load(path).graph
    const = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    return [(n.output[0], const[n.input[1]], const[n.input[2]]) for n in graph.node if n.op_type == "Conv"]


def trunk_state(path, rows=13, fold_input=True):
    """State of nets.Trunk(rows) with PoseNet's weights."""
    convs = read(path)
    _, weight, bias = convs[0]
    if fold_input:
        weight, bias = weight * 2, bias - weight.sum((1, 2, 3))
    state = {"stem.weight": weight, "stem.bias": bias}
    for i in range(rows):
        for j, part in enumerate(("depth", "point")):
            _, state[f"rows.{i}.{part}.weight"], state[f"rows.{i}.{part}.bias"] = convs[1 + 2 * i + j]
    return state


def start(net, path):
    """Puts PoseNet's weights into a fresh TransferNet: the trunk; for a pose net also its heat maps and offsets as the first
    51 channels of the decoder's way down from 1/16. Returns the prefixes of the names it set."""
    net.trunk.load_state_dict(trunk_state(path, len(net.trunk.rows)))
    if "heatmaps" not in net.decoder.heads:
        return ("trunk.",)
    heads = torch.cat([weight for name, weight, _ in read(path) if name in ("heatmap", "offset")])
    net.decoder.down16.conv.weight.data[:len(heads)] = heads
    return ("trunk.", "decoder.down16.")


def add_prior(path, source, out):
    record = torch.load(source, map_location="cpu", weights_only=True)
    _, weight, bias = next(c for c in read(path) if c[0] == "heatmap")
    record["state"].update({"prior.weight": weight, "prior.bias": bias + nets.TransferNet.PRIOR_SHIFT})
    torch.save(record, out)


def check(path, size=(289, 513)):
    """Largest difference of the heat map logits to the ONNX: with its own input range, and folded (all cells, inner cells)."""
    import teachers
    session = teachers.open_model(path, resizable=True)
    x = torch.rand(1, 3, *size)
    want = session.run(["heatmap"], {"input": (x * 2 - 1).numpy()})[0]
    _, weight, bias = next(c for c in read(path) if c[0] == "heatmap")
    far = []
    for folded, image in ((False, x * 2 - 1), (True, x)):
        trunk = nets.Trunk()
        trunk.load_state_dict(trunk_state(path, fold_input=folded))
        with torch.no_grad():
            got = torch.nn.functional.conv2d(trunk(image)[-1], weight, bias).numpy()
        far.append(np.abs(got - want)[0].max(0))
    return far[0].max(), far[1].max(), far[1][7:-7, 7:-7].max()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        add_prior(*sys.argv[1:])
    elif len(sys.argv) == 2:
        print("largest difference of heat map logits: %.2e (input -1..1), %.2e (folded, all cells), %.2e (folded, inner cells)"
              % check(sys.argv[1]))
    else:
        sys.exit(__doc__)
