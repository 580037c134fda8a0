# SPDX-License-Identifier: LGPL-2.1-or-later
"""A box net that can also run as delta inference does, a few frames in a row, node by node, with gradients.

A node is what the engine fuses: convolution, SiLU, residual add. In a row of frames a node's stored value S is its value of the
first frame, then where (sum_c (w_c (v - S)_c)^2 > t^2) v else S. Weights w: influence by price (docs/decisions.md).
"""
import torch
import torch.nn.functional as F
from torch import nn

from graphnet import STRIDES

BLOCKED = ("691", "711", "745", "758", "771", "947")   # of YOLOX-nano's file: inside the engine's blocks, neither stored nor compared


class Truncated(nn.Module):
    """net: graphnet.BoxNet, whose weights it shares."""

    def __init__(self, net):
        super().__init__()
        self.net, self.outputs, self.input, self.weights = net, net.outputs, net.input, net.weights
        self.nodes = self.fuse()
        self.names = [n["out"] for n in self.nodes if n["kind"] != "cat" and not n["head"]]

    def fuse(self):
        """Slices and their Concat -> one space-to-depth; Conv (Silu) (Add) -> one node."""
        readers, heads, nodes, done = {}, set(self.outputs.values()), [], set()
        for step in self.net.steps:
            for name in step[1]:
                readers.setdefault(name, []).append(step)
        for op, inputs, out, attributes in self.net.steps:
            if op == "Slice" or out in done:
                continue
            node = {"kind": op, "in": [n for n in inputs if n not in self.net.constants], "out": out, "head": False, "add": None}
            if op == "Conv":
                node.update(self.convolution(inputs, attributes), act=False)
                for after in ("Silu", "Add"):
                    reading = readers.get(node["out"], [])
                    if len(reading) == 1 and reading[0][0] == after and node["out"] not in heads:
                        if after == "Silu":
                            node["act"] = True
                        else:
                            node["add"] = [n for n in reading[0][1] if n != node["out"]][0]
                        node["out"] = reading[0][2]
                        done.add(node["out"])
                    elif after == "Silu":
                        break
                node["head"] = node["out"] in heads
            elif op == "Concat":
                node.update({"kind": "cat"} if nodes else {"kind": "s2d", "in": [self.input]})
            elif op == "MaxPool":
                node.update(kernel=attributes["kernel_shape"][0], pad=attributes["pads"][0])
            elif op != "Resize":
                raise ValueError(f"operator {op} is not one that truncation.py runs")
            nodes.append(node)
        return nodes

    def convolution(self, inputs, attributes):
        pads, stride = attributes.get("pads", [0] * 4), attributes.get("strides", [1, 1])
        assert len(set(pads)) == 1 and stride[0] == stride[1]
        return {"in": inputs[:1], "w": [self.net.key(n) for n in inputs[1:]], "pad": pads[0], "stride": stride[0],
                "group": attributes.get("group", 1)}

    def price(self, height, width):
        """As engine/plan/plan_price.c: price by node (share of a dense frame's work that a joined pixel makes), the node's
        limit (price * sqrt(area of its pixel)), and what its readers alone cost a pixel; {out: (price, limit, direct)}."""
        area, macs, cin = {self.input: height * width}, {}, {}
        for n in self.nodes:
            a = area[n["in"][0]]
            if n["kind"] == "s2d":
                a, c = a // 4, 12
            elif n["kind"] == "Conv":
                a, c = a // n["stride"] ** 2, self.weights[n["w"][0]].shape[0]
                macs[n["out"]] = self.weights[n["w"][0]][0].numel() * c
            elif n["kind"] == "Resize":
                a, c = a * 4, cin[n["in"][0]]
            else:
                c = sum(cin[i] for i in n["in"])
            area[n["out"]], cin[n["out"]] = a, c
        total = sum(m * area[o] for o, m in macs.items())
        price, direct, parts = {n["out"]: 0.0 for n in self.nodes}, {n["out"]: 0.0 for n in self.nodes}, {n["out"]: n["in"] for n in self.nodes if n["kind"] == "cat"}
        flat = lambda i: [x for j in parts[i] for x in flat(j)] if i in parts else [i]
        for n in self.nodes[::-1]:
            if n["kind"] == "cat":
                continue
            o = n["out"]
            price[o] = max(price[o], cin[o] / total)
            own = max(macs.get(o, 0), 4 * cin[o]) / total * area[o]
            sources = [n["in"][0]] if n["kind"] != "s2d" else []
            for i in {x for s in sources + ([n["add"]] if n.get("add") else []) for x in flat(s)}:
                price[i] += (own + 0.7 * price[o] * area[o]) / area[i]
                direct[i] += macs.get(o, 0) / total * area[o] / area[i]
        for n in self.nodes[::-1]:
            if n["out"] in BLOCKED:
                direct[n["in"][0]] += direct[n["out"]] * area[n["out"]] / area[n["in"][0]]
        return {o: (price[o], price[o] * (height * width / area[o]) ** 0.5, direct[o]) for o in price if o in self.names}

    def forward(self, x, state=None, keep=()):
        """x [row*n,3,H,W] 0..1 RGB, frame after frame. state: None (dense) or Truncation. keep: outs whose values are wanted.
        -> outputs {name: [row*n,..]}, kept values {out: [row*n,..]} before truncation."""
        x = self.net.picture(x)
        if state is not None:
            x = state.input(x)
        values, kept = {self.input: x}, {}
        for n in self.nodes:
            v = values[n["in"][0]]
            if n["kind"] == "s2d":
                y = torch.cat([v[..., ::2, ::2], v[..., 1::2, ::2], v[..., ::2, 1::2], v[..., 1::2, 1::2]], 1)
            elif n["kind"] == "cat":
                values[n["out"]] = torch.cat([values[i] for i in n["in"]], 1)
                continue
            elif n["kind"] == "MaxPool":
                y = F.max_pool2d(v, n["kernel"], 1, n["pad"])
            elif n["kind"] == "Resize":
                y = F.interpolate(v, scale_factor=2, mode="nearest")
            else:
                y = F.conv2d(v, self.weights[n["w"][0]], self.weights[n["w"][1]], n["stride"], n["pad"], groups=n["group"])
                if n["act"]:
                    y = F.silu(y)
                if n["add"]:
                    y = y + values[n["add"]]
            if n["out"] in keep:
                kept[n["out"]] = y
            values[n["out"]] = state.cut(n["out"], y) if state is not None and not n["head"] and n["out"] not in BLOCKED else y
        return {name: values[t] for name, t in self.outputs.items()}, kept


class Cut(torch.autograd.Function):
    """y [row*n,C,H,W] -> stored values alike, the soft count of joined pixels, the count. w [1,C,1,1]: weights over the threshold."""

    @staticmethod
    def forward(ctx, y, w, row):
        parts, saved, soft, hard, w = list(y.chunk(row)), [], 0.0, 0.0, w.to(y.dtype)
        for k in range(1, row):
            x = ((parts[k] - parts[k - 1]) * w).clamp_(-100, 100)
            r = (x * x).sum(1, keepdim=True, dtype=torch.float32)
            join = r > 1
            soft, hard = soft + (r / (1 + r)).sum(), hard + join.sum()
            parts[k] = torch.where(join, parts[k], parts[k - 1])
            saved += [x, r]
        ctx.save_for_backward(w, *saved)
        ctx.row = row
        return torch.cat(parts), soft, hard.float()

    @staticmethod
    def backward(ctx, g, g_soft, _):
        w, *saved = ctx.saved_tensors
        g, out = list(g.chunk(ctx.row)), [None] * ctx.row
        for k in range(ctx.row - 1, 0, -1):
            x, r = saved[2 * k - 2:2 * k]
            d = x * (w * (2 * g_soft / (1 + r) ** 2).to(x.dtype))
            join = r > 1
            joined = g[k] * join
            out[k] = joined + d
            g[k - 1] = g[k - 1] + (g[k] - out[k])
        out[0] = g[0]
        return torch.cat(out), None, None


class Truncation:
    """Stored values of a row of frames. weights {out: [1,C,1,1]} (influence / sqrt(limit)), direct {out: share a pixel},
    t: threshold (a number or a tensor), t0: input threshold in 0..255."""

    def __init__(self, row, weights, direct, t, t0=0.035 * 255, reach=3):
        self.row, self.weights, self.direct, self.t, self.t0, self.reach = row, weights, direct, t, t0, reach
        self.soft, self.hard = 0.0, 0.0

    def input(self, x):
        parts = list(x.chunk(self.row))
        for k in range(1, self.row):
            change = ((parts[k] - parts[k - 1]).abs().amax(1, keepdim=True) > self.t0).float()
            change = F.max_pool2d(change, 2 * self.reach + 1, 1, self.reach)
            parts[k] = torch.where(change > 0, parts[k], parts[k - 1])
        return torch.cat(parts)

    def cut(self, out, y):
        y, soft, hard = Cut.apply(y, self.weights[out] / self.t, self.row)
        share = self.direct[out] / (len(y) // self.row * (self.row - 1))
        self.soft, self.hard = self.soft + soft * share, self.hard + hard * share
        return y


def score(out, s):
    return torch.sigmoid(out[f"object{s}"].float()) * torch.sigmoid(out[f"class{s}"].float()).amax(1, keepdim=True)


def measure(net, images, chunk=8):
    """Influence of every node's channels: rms of gradients of random signs, from outputs weighted as the decoder weighs them.
    {out: [1,C,1,1]}"""
    total, parts = {}, 0
    for x in images.detach().requires_grad_().split(chunk):
        out, kept = net(x, keep=net.names)
        loss = 0.0
        for s in STRIDES:
            obj, cls = torch.sigmoid(out[f"object{s}"].float()), torch.sigmoid(out[f"class{s}"].float())
            best = cls.amax(1, keepdim=True).detach()
            for value, weight in ((out[f"box{s}"].float(), (obj * best).detach()), (obj, best), (cls, obj.detach())):
                sign = torch.randint(0, 2, value.shape, device=value.device).float() * 2 - 1
                loss = loss + (sign * weight * value).sum()
        names = [n for n in net.names if kept[n].requires_grad]
        for n, g in zip(names, torch.autograd.grad(loss, [kept[n] for n in names], allow_unused=True)):
            if g is not None:
                total[n] = total.get(n, 0) + (g.float() ** 2).mean((0, 2, 3), keepdim=True)
        parts += 1
    return {n: (v / parts).sqrt() for n, v in total.items()}
