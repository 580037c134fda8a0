# SPDX-License-Identifier: LGPL-2.1-or-later
"""Simulates delta inference of any ONNX net of this repository's kind over a clip, in float32.

    simulate.py MODEL.onnx CLIP [--size 512x288] [--start N] [--frames 60] [--t0 0.05] [--nrms 0.05] [--gate 0.2]
                [--sweep]

Rules (one fused node = convolution + residual add + activation, with stored values S):
  candidates   output pixels with a tap in the update mask of an input
  v            computed from the full stored values of the inputs
  a pixel joins the mask if sqrt(mean_c(((v - S) / s)_c^2)) > nrms, s = the channel's standard deviation on the
  first frame; output nodes always join. The input: largest channel difference > t0 of 0..1, mask dilated by 3 px.
  A global gate (squeeze-excite) is exact; when it moved by more than `gate` of its rms its consumer runs dense.
Prints the share of multiply-accumulates that ran, per stage too, and how well the result agrees with the dense one.
"""
import argparse
import pathlib

import cv2
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

import decode
import prepare


class Net:
    """An ONNX graph as a list of fused nodes: (op, inputs, output, weights and attributes, residual, activation)."""

    ACTS = {"Relu": torch.relu, "Sigmoid": torch.sigmoid}

    def __init__(self, path, device="cpu"):
        model = onnx.load(path)
        graph = model.graph
        self.const = {t.name: torch.from_numpy(numpy_helper.to_array(t).astype(np.float32)).to(device) for t in graph.initializer}
        nodes = []
        for n in graph.node:
            if n.op_type == "Cast" and n.input[0] in self.const:
                self.const[n.output[0]] = self.const[n.input[0]]
            else:
                nodes.append(n)
        self.outputs = [o.name for o in graph.output]
        self.uses = {}
        for n in nodes:
            for i in n.input:
                self.uses.setdefault(i, []).append(n)
        self.steps, done = [], set()
        for n in nodes:
            if n.name not in done:
                self.steps.append(self.fuse(n, done))

    def fuse(self, node, done):
        """Takes in a following Add (of something already computed) and activation."""
        attr = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        step = {"op": node.op_type, "inputs": list(node.input), "attr": attr, "residual": None, "acts": [], "name": node.name}
        made, tail = {node.input[0]} | {i for s in self.steps for i in [s["out"]]}, node
        while len(self.uses.get(tail.output[0], [])) == 1 and node.op_type == "Conv":
            after = self.uses[tail.output[0]][0]
            if after.op_type == "Add" and step["residual"] is None and not step["acts"]:
                other = [i for i in after.input if i != tail.output[0]]
                if len(other) != 1 or other[0] not in made:
                    break
                step["residual"] = other[0]
            elif after.op_type in ("Relu", "Sigmoid", "Clip", "Identity"):
                step["acts"].append(after.op_type if after.op_type != "Clip" else tuple(float(self.const[i]) for i in after.input[1:]))
            else:
                break
            tail = after
            done.add(after.name)
        if node.op_type == "Conv" and len(self.uses.get(tail.output[0], [])) == 2:
            self.hard_swish(step, tail, done)
        step["out"] = step.pop("swish", tail.output[0])
        return step

    def hard_swish(self, step, tail, done):
        """conv -> (HardSigmoid, Mul) is one fused activation."""
        users = self.uses[tail.output[0]]
        gates = [u for u in users if u.op_type == "HardSigmoid"]
        muls = [u for u in users if u.op_type == "Mul" and gates and gates[0].output[0] in u.input]
        if gates and muls:
            step["acts"].append("HardSwish")
            step["swish"] = muls[0].output[0]
            done.update([gates[0].name, muls[0].name])

    def value(self, step, store):
        """The node's value from full stored inputs."""
        x, op, attr = store[step["inputs"][0]], step["op"], step["attr"]
        if op == "Conv":
            y = F.conv2d(x, self.const[step["inputs"][1]], self.const[step["inputs"][2]], attr["strides"], attr["pads"][:2],
                         groups=attr.get("group", 1))
            if step["residual"]:
                y = y + store[step["residual"]]
        elif op == "Resize":
            y = F.interpolate(x, scale_factor=self.factor(step), mode="nearest")
        elif op == "GlobalAveragePool":
            y = x.mean((2, 3), keepdim=True)
        elif op == "HardSigmoid":
            y = (x / 6 + 0.5).clamp(0, 1)
        elif op == "Mul":
            y = x * store[step["inputs"][1]]
        elif op == "Add":
            y = x + store[step["inputs"][1]]
        elif op in ("Relu", "Sigmoid"):
            y = self.ACTS[op](x)
        else:
            raise ValueError(f"node {step['name']}: op {op} is not simulated")
        for act in step["acts"]:
            if isinstance(act, tuple):
                y = y.clamp(*act)
                continue
            y = self.ACTS[act](y) if act in self.ACTS else (y * (y / 6 + 0.5).clamp(0, 1) if act == "HardSwish" else y)
        return y

    def factor(self, step):
        return float(self.const[step["inputs"][2]][-1])

    def macs(self, step, y):
        """Multiply-accumulates of one output pixel (convolutions only, as the dense total counts them)."""
        if step["op"] != "Conv":
            return 0
        w = self.const[step["inputs"][1]]
        return w.shape[1] * w.shape[2] * w.shape[3] * y.shape[1]


def reach(mask, step, net):
    """Output pixels [1,1,h,w] bool with a tap in mask."""
    if step["op"] == "Conv":
        k, attr = step["attr"]["kernel_shape"][0], step["attr"]
        return F.max_pool2d(mask.float(), k, attr["strides"][0], attr["pads"][0]) > 0
    if step["op"] == "Resize":
        return F.interpolate(mask.float(), scale_factor=net.factor(step), mode="nearest") > 0
    return mask


class Delta:
    """Stored values and masks of one stream."""

    def __init__(self, net, t0, nrms, gate):
        self.net, self.t0, self.nrms, self.gate, self.store, self.spread = net, t0, nrms, gate, {}, {}

    def first(self, image):
        self.store = {"image": image}
        for step in self.net.steps:
            y = self.store[step["out"]] = self.net.value(step, self.store)
            self.spread[step["out"]] = y.std((0, 2, 3), keepdim=True, correction=0).clamp(min=1e-4)
        return 1.0, {}

    def push(self, image):
        """One frame; returns (MACs run, MACs of a dense frame, per-node shares)."""
        change = (image - self.store["image"]).abs().amax(1, keepdim=True) > self.t0
        change = F.max_pool2d(change.float(), 7, 1, 3) > 0
        self.store["image"] = torch.where(change, image, self.store["image"])
        masks, ran, dense, shares = {"image": change}, 0.0, 0.0, {}
        for step in self.net.steps:
            old, out = self.store[step["out"]], step["out"]
            sources = [i for i in step["inputs"][:1] + ([step["inputs"][1]] if step["op"] in ("Mul", "Add") else []) if i in self.store]
            candidates = None
            for i in sources:
                part = reach(masks[i], step, self.net)
                candidates = part if candidates is None else candidates | part
            if step["residual"]:
                candidates = candidates | masks[step["residual"]]
            v = self.net.value(step, self.store)
            if old.shape[-1] == 1:
                moved = (v - old).pow(2).mean().sqrt() / old.pow(2).mean().sqrt().clamp(min=1e-6)
                is_gate = step["op"] == "HardSigmoid"
                go = bool(moved > self.gate) if is_gate else True
                self.store[out] = v if go else old
                masks[out] = torch.full((1, 1, 1, 1), go if is_gate else True, dtype=torch.bool, device=v.device)
                continue
            candidates = candidates.expand(1, 1, *v.shape[-2:])
            d = (((v - old) / self.spread[out]) ** 2).mean(1, keepdim=True).sqrt() > (0.0 if out in self.net.outputs else self.nrms)
            join = candidates & d
            if step["op"] == "Resize":
                join = candidates
            self.store[out] = torch.where(join, v, old)
            masks[out] = join
            cost, pixels = self.net.macs(step, v), v.shape[-1] * v.shape[-2]
            ran += cost * float(candidates.sum())
            dense += cost * pixels
            if cost:
                shares[step["name"]] = (cost * pixels, float(candidates.float().mean()))
        return ran, dense, shares


def agreement(delta, dense):
    """Segmentation: IoU at 0.5 (None where nobody is in either). Pose: mean px distance of matched key points."""
    if "mask" in dense:
        a, b = delta["mask"] > 0.5, dense["mask"] > 0.5
        union = float((a | b).sum())
        return float((a & b).sum()) / union if union > 0 else None
    got = decode.decode_pose(*[delta[k][0].cpu().numpy() for k in ("heatmaps", "center", "offsets")])
    want = decode.decode_pose(*[dense[k][0].cpu().numpy() for k in ("heatmaps", "center", "offsets")])
    far = []
    for p in want:
        near = [np.linalg.norm(q["points"][:, :2] - p["points"][:, :2], axis=1)[(q["points"][:, 2] > 0) & (p["points"][:, 2] > 0)]
                for q in got if np.hypot(*np.subtract(q["center"][:2], p["center"][:2])) < 24]
        near = [n for n in near if len(n)]
        far.append(min(float(n.mean()) for n in near) if near else 24.0)
    return float(np.mean(far)) if far else None


def simulate(net, images, t0, nrms, gate):
    """Runs a clip; returns the mean share of MACs after the first frame, the mean agreement and per-node shares."""
    state, share, agree, nodes = Delta(net, t0, nrms, gate), [], [], {}
    state.first(images[0])
    for image in images[1:]:
        ran, dense, shares = state.push(image)
        share.append(ran / dense)
        exact = Delta(net, 0, 0, 0)
        exact.first(image)
        a = agreement({k: state.store[k] for k in net.outputs}, {k: exact.store[k] for k in net.outputs})
        if a is not None:
            agree.append(a)
        for name, (cost, part) in shares.items():
            nodes.setdefault(name, [cost, []])[1].append(part)
    return float(np.mean(share)), float(np.mean(agree)) if agree else float("nan"), nodes


def load_clip(path, size, start, frames, step=1):
    """RGB 0..1 tensors [1,3,H,W] of `frames` frames."""
    images = []
    for _, frame in prepare.read_frames(pathlib.Path(path), start, start + frames * step, step):
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if frame.shape[1] > size[0] else cv2.INTER_LINEAR)
        images.append(torch.from_numpy(np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)[None])).float() / 255)
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--t0", type=float, default=0.05)
    parser.add_argument("--nrms", type=float, default=0.05)
    parser.add_argument("--gate", type=float, default=0.2)
    parser.add_argument("--sweep", action="store_true", help="several thresholds, one line each")
    parser.add_argument("--nodes", action="store_true", help="also the share of every node")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Net(args.model, device)
    images = [i.to(device) for i in load_clip(args.clip, tuple(int(v) for v in args.size.split("x")), args.start, args.frames)]
    with torch.no_grad():
        for nrms in ([0.02, 0.05, 0.1, 0.2, 0.3] if args.sweep else [args.nrms]):
            share, agree, nodes = simulate(net, images, args.t0, nrms, args.gate)
            print(f"{pathlib.Path(args.model).stem:12} {pathlib.Path(args.clip).stem:28} t0 {args.t0} nrms {nrms}: "
                  f"share {share:.3f} agreement {agree:.4f}", flush=True)
    if args.nodes:
        total = sum(c for c, _ in nodes.values())
        for name, (cost, parts) in nodes.items():
            print(f"  {name:40} {100 * cost / total:5.1f} % of MACs, share {np.mean(parts):.3f}")


if __name__ == "__main__":
    main()
