# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains street-boxes without labels: its start is the teacher, truncation is in the loop.

    distil.py YOLOX.onnx --videos DIR --stills DIR --minutes M --out boxes.pt

A row is three frames of a scene: the first runs dense, the other two as delta inference would. Dense and truncated outputs are to
be the teacher's (which sees the scene without noise, dense); what joins costs its readers' multiplications.
"""
import argparse
import copy
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

import clip_rows
import graphnet
import truncation

# height, width, part of --rows
SIZES = [(288, 512, 1.0), (384, 512, 0.75), (288, 512, 1.0), (448, 608, 0.5)]
LOW, HIGH = 0.0025, 0.015   # thresholds that are drawn, in deltacnn-tune's scale
UNIT = 16                   # truncation.measure()'s influences are so many times deltacnn-tune's


def divergence(logit, want):
    """Of two-way choices, from that of the logits `want`."""
    loss = lambda x: F.binary_cross_entropy_with_logits(x, torch.sigmoid(want), reduction="none")
    return loss(logit) - loss(want)


def against(out, want):
    """Distance of outputs to the teacher's, over the number of frames and of the teacher's sure objects."""
    far, total = 0.0, len(want["object8"])
    for s in graphnet.STRIDES:
        sure = truncation.score(want, s)
        total = total + sure.sum()
        p_object, p_class = torch.sigmoid(want[f"object{s}"]), torch.sigmoid(want[f"class{s}"])
        far = far + (divergence(out[f"object{s}"], want[f"object{s}"]) * (1 + 2 * p_class.amax(1, keepdim=True))).sum()
        far = far + (divergence(out[f"class{s}"], want[f"class{s}"]) * (p_object + 0.01)).sum()
        off = F.smooth_l1_loss(out[f"box{s}"], want[f"box{s}"], reduction="none", beta=0.05)
        scores = torch.sigmoid(out[f"object{s}"]) * torch.sigmoid(out[f"class{s}"])
        marks = F.smooth_l1_loss(scores, p_object * p_class, reduction="none", beta=0.05)
        far = far + 2 * (off * (sure + 0.002)).sum() + 2 * marks.sum()
    return far / total


class Trainer:
    def __init__(self, args, device):
        self.args, self.device = args, device
        self.net = truncation.Truncated(graphnet.BoxNet.start(args.start)).to(device)
        self.teacher = copy.deepcopy(self.net).requires_grad_(False)
        self.mean = copy.deepcopy(self.net).requires_grad_(False)
        groups = {}
        for p in self.net.net.parameters():
            groups.setdefault(round(graphnet.size(p), 4), []).append(p)
        self.scales = torch.tensor(list(groups), device=device)
        self.rates = torch.zeros(len(groups), device=device)
        cuda = device.type == "cuda"
        self.optimiser = torch.optim.AdamW([{"params": g} for g in groups.values()], lr=torch.zeros((), device=device),
                                           weight_decay=0.0, fused=cuda, betas=(0.9, 0.99), capturable=cuda)
        for rate, group in zip(self.rates, self.optimiser.param_groups):
            group["lr"] = rate      # a view: one copy sets all
        self.kept = [n for n in self.net.names if n not in truncation.BLOCKED][::4]
        self.influence, self.plans, self.graphs, self.pool = None, {}, {}, None
        self.t = torch.ones((), device=device)
        self.norms = [torch.full((), 1e9, device=device) for _ in self.net.net.parameters()]

    def measure(self, rows):
        """Influence anew (mean with the one before), and the weights of Truncation for every size."""
        with torch.no_grad():
            _, seen = rows.draw(self.args.rows, 288, 512)
        now = truncation.measure(self.net, seen[:self.args.rows])
        old = self.influence or now
        self.influence = {n: 0.5 * old[n] + 0.5 * now[n] for n in now}
        for height, width, _ in SIZES:
            price = self.net.price(height, width)
            held = self.plans.setdefault((height, width), ({}, {n: p[2] for n, p in price.items()}))[0]
            for n, v in self.influence.items():
                held.setdefault(n, v.clone()).copy_(v / price[n][1] ** 0.5)     # in place: graphs have its address

    def loss(self, clean, seen, size):
        """The loss, and its parts: dense, truncated, work (soft), joined, features."""
        n, args = len(seen) // clip_rows.ROW, self.args
        with torch.no_grad():
            want, known = self.teacher(clean, keep=self.kept)
        state = truncation.Truncation(clip_rows.ROW, *self.plans[size], self.t)
        out, got = self.net(seen, state, self.kept)
        dense = against({k: v[:n] for k, v in out.items()}, {k: v[:n] for k, v in want.items()})
        cut = against({k: v[n:] for k, v in out.items()}, {k: v[n:] for k, v in want.items()})
        moved = [(((got[k] - known[k])[:n] / (known[k][:n].std((0, 2, 3), keepdim=True) + 0.02)) ** 2).mean() for k in self.kept]
        far = sum(moved) / len(moved)
        return 2 * dense + cut + args.work * state.soft + args.keep * far, (dense, cut, state.soft, state.hard, far)

    def work(self, rows, n, size):
        """One whole step but for rates, threshold and running mean; returns the parts of the loss."""
        with torch.no_grad():
            clean, seen = rows.draw(n, *size)
        self.optimiser.zero_grad(set_to_none=True)
        total, parts = self.loss(clean, seen, size)
        total.backward()
        grads = [p.grad for p in self.net.net.parameters()]
        with torch.no_grad():
            # each tensor's gradient is cut at three times its usual norm: tensors differ a thousandfold in size
            for g, usual in zip(grads, self.norms):
                norm = g.nan_to_num_(0.0, 0.0, 0.0).norm()
                g.mul_((3 * usual / (norm + 1e-20)).clamp(max=1.0))
                usual.copy_(torch.where(usual > 1e8, norm, usual + 0.02 * (torch.minimum(norm, 5 * usual) - usual)))
        self.optimiser.step()
        return torch.stack([p.detach() for p in parts])

    def capture(self, rows, n, size):
        """The step as a CUDA graph, after some that warm up (those train too)."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.work(rows, n, size)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.optimiser.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            parts = self.work(rows, n, size)
        self.pool = self.pool or graph.pool()
        # graphs write into their own gradients: those have to live
        self.graphs[size] = graph, parts, [p.grad for p in self.net.net.parameters()]

    def step(self, number, rate, rows, n, size, t):
        self.rates.copy_(self.scales * rate)
        self.t.fill_(t)
        if self.device.type == "cuda":
            if size not in self.graphs:
                self.capture(rows, n, size)
            self.graphs[size][0].replay()
            parts = self.graphs[size][1].clone()
        else:
            parts = self.work(rows, n, size)
        if number % 10 == 0:
            with torch.no_grad():
                torch._foreach_lerp_(list(self.mean.net.parameters()), list(self.net.net.parameters()), max(0.02, 1 / (number / 100 + 1)))
        return parts

    def save(self, path, steps):
        torch.save({"task": "boxes", "kind": "distil", "steps": steps, "graph": graphnet.record_graph(self.mean.net),
                    "state": {k: v.cpu().contiguous() for k, v in self.mean.net.state_dict().items()}}, path)


def train(args, device):
    torch.manual_seed(args.seed)
    rows = clip_rows.Rows(args.videos, args.stills, device, args.limit)
    trainer, step, told = Trainer(args, device), 0, 0.0
    print(f"{len(rows.frames)} frames", flush=True)
    generator, begin, sums = np.random.default_rng(args.seed), time.time(), []
    while True:
        done = step / args.steps if args.steps else (time.time() - begin) / (60 * args.minutes)
        if done >= 1:
            break
        if step % 300 == 0:
            trainer.measure(rows)
        rate = args.rate * min(1, (step + 1) / args.warm) * (0.5 + 0.5 * math.cos(math.pi * done) + 0.01)
        height, width, part = SIZES[step % len(SIZES)]
        t = UNIT * math.exp(generator.uniform(math.log(LOW), math.log(HIGH)))
        sums.append(trainer.step(step, rate, rows, max(4, int(args.rows * part) // 4 * 4), (height, width), t))
        step += 1
        if step % 25 == 0 and device.type == "cuda":
            torch.cuda.synchronize()        # the host would run a queue ahead of the clock
        if time.time() - told > 10:
            told = time.time()
            print(f"{100 * done:5.1f} %  step {step}  dense, truncated, work, joined, features: "
                  + " ".join(f"{float(v):.4f}" for v in torch.stack(sums).mean(0)), flush=True)
            sums = []
    trainer.save(args.out, step)
    print(f"{step} steps in {(time.time() - begin) / 60:.1f} min -> {args.out}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("start", help="a COCO YOLOX file: YOLOX-nano's")
    parser.add_argument("--videos", required=True, help="folder with the clips that clip_rows.py names")
    parser.add_argument("--stills", required=True, help="folder with pictures that stand still")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps, not by time")
    parser.add_argument("--rows", type=int, default=32, help="rows of three frames a step, at 512x288")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--work", type=float, default=5.0, help="weight of the work")
    parser.add_argument("--keep", type=float, default=0.15, help="weight of the distance to the features that the start has")
    parser.add_argument("--warm", type=int, default=100, help="steps over which the rate grows")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--limit", type=int, help="load this many frames a clip (for a dry run)")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    train(args, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


if __name__ == "__main__":
    main()
