# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains one network, or two on the same scenes, for a given time on one device.

    train.py --task seg pose --trunk POSENET.onnx --data DIR --rendered DIR --stills DIR --minutes M --out seg.pt pose.pt
    train.py --task boxes --trunk YOLOX.onnx --data DIR [DIR ...] --rendered DIR --minutes M --out boxes.pt

Every step draws scenes (scenes.py), shows each twice (a moment apart, with other noise), and adds to the
task's loss a temporal-consistency term. A trunk that comes from elsewhere learns slowly and pays for every feature that
moves away from its own before (losses.kept), so that it goes on knowing what our few clips do not show.
Each .pt holds the averaged weights and the arguments.
"""
import argparse
import copy
import math
import time

import torch

import box_losses
import box_scenes
import graphnet
import losses
import nets
import scenes
import transfer

CLIP_WEIGHTS = {"static_pets09_s2l1_vtest": 0.26, "static_person_onebyone": 0.10, "static_fullbody_juggle_720p": 0.09,
                "handheld_bedroom_540p": 0.08, "webcam_asl_walk": 0.05, "webcam_asl_book": 0.05,
                "webcam_asl_school": 0.05, "000000000785": 0.02, "astronaut": 0.03, "static_car_topdown": 0.04, "static_bottle_640x360": 0.05, "empty": 0.23}
BOX_WEIGHTS = {"static_pets09_s2l1_vtest": 0.2, "static_car_topdown": 0.12, "static_person_onebyone": 0.1,
               "static_fullbody_juggle_720p": 0.08, "handheld_bedroom_540p": 0.08, "webcam_asl_walk": 0.03,
               "webcam_asl_book": 0.03, "webcam_asl_school": 0.03, "static_bottle_640x360": 0.03, "others": 0.2}
SIZES = [(288, 512), (384, 384), (320, 448), (256, 576), (416, 352)]


def draw(composer, camera, batch, size):
    """A batch of `batch` frames, the first half of the scenes, then the same scenes a moment later: frames, where nothing
    changed, and the labels (mask, ignore, points; or boxes alone)."""
    half, boxes = batch // 2, isinstance(composer, box_scenes.BoxComposer)
    first, second = (composer.compose_boxes if boxes else composer.compose)(half, *size)
    look = camera.look(half)
    frames = torch.cat([camera.shoot(first[0], look), camera.shoot(second[0], look)])
    return frames, losses.unchanged(first[0], second[0], 10), [torch.cat([a, b]) for a, b in zip(first[1:], second[1:])]


class Run:
    """One network in training: weights, their running mean, optimiser, and the frozen trunk that it must not forget."""

    def __init__(self, args, task, init, device):
        self.task, self.args, self.teacher, slow = task, args, None, lambda name: False
        if task == "boxes" or args.kind == "movenet":
            self.net = graphnet.KINDS[task].start(args.trunk)
            self.teacher, slow = copy.deepcopy(self.net), self.net.slow
        else:
            self.net = nets.build(task, args.kind)
            if args.kind == "transfer":
                known = transfer.start(self.net, args.trunk)
                self.teacher, slow = copy.deepcopy(self.net.trunk), lambda name: name.startswith(known)
        if self.teacher is not None:
            self.teacher = self.teacher.to(device, memory_format=self.layout()).eval().requires_grad_(False)
        if init and init != "none":
            self.net.load_state_dict(torch.load(init, map_location="cpu", weights_only=True)["state"])
        self.net = self.net.to(device, memory_format=self.layout())
        self.mean = copy.deepcopy(self.net)
        groups, whole = {}, isinstance(self.net, graphnet.GraphNet)
        for name, p in self.net.named_parameters():
            groups.setdefault((slow(name), p.dim() > 1, graphnet.size(p) if whole else 1.0), []).append(p)
        self.optimiser = torch.optim.AdamW(
            [{"params": g, "weight_decay": 0.02 if wide and not slow else 0.0, "scale": size * (args.trunk_rate if slow else 1.0)}
             for (slow, wide, size), g in groups.items()], lr=args.rate, fused=device.type == "cuda")
        print(f"{task} {args.kind}: {nets.macs_per_pixel(self.net):.0f} MAC/pixel, "
              f"{sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters", flush=True)

    def layout(self):
        return torch.contiguous_format if self.args.nchw else torch.channels_last

    def loss(self, frames, still, labels, steady):
        """Task loss, `steady` times the consistency terms, `keep` times the distance to what the trunk was; the total and
        its parts."""
        half, frames = len(frames) // 2, frames.contiguous(memory_format=self.layout())
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=frames.is_cuda):
            out, features = self.net(frames)
            kept = frames.new_zeros(())
            if self.teacher is not None:
                with torch.no_grad():
                    known = getattr(self.teacher, "known", self.teacher)(frames[:half])
                kept = losses.kept([f[:half] for f in features[:len(known)]], known)
        out = {k: v.float() for k, v in out.items()}
        if self.task == "seg":
            main = losses.mask_loss(out["mask"], *labels[:2])
        elif self.task == "boxes":
            main = box_losses.box_loss(out, *labels)
        else:
            main = losses.pose_loss(out, labels[2], labels[1], *frames.shape[-2:])
        same, moved = losses.consistency({k: v[:half] for k, v in out.items()}, {k: v[half:] for k, v in out.items()},
                                         [f[:half] for f in features], [f[half:] for f in features], still)
        total = main + steady * (4 * same + 0.15 * moved) + self.args.keep * kept
        return total, (main.detach(), same.detach(), moved.detach(), kept.detach())

    def step(self, number, rate, batch, steady):
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        total, parts = self.loss(*batch, steady)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        average(self.mean, self.net, min(0.999, 1 - 1 / (number / 10 + 1)))
        return parts

    def save(self, path, steps):
        graph = {"graph": graphnet.record_graph(self.net)} if isinstance(self.net, graphnet.GraphNet) else {}
        torch.save({"task": self.task, "kind": self.args.kind, "steps": steps, "batch": self.args.batch, "steady": self.args.steady, **graph,
                    "state": {k: v.cpu().contiguous() for k, v in self.mean.state_dict().items()}}, path)


@torch.no_grad()
def average(mean, net, keep):
    for a, b in zip(mean.state_dict().values(), net.state_dict().values()):
        if a.dtype.is_floating_point:
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def train(args, device):
    torch.manual_seed(args.seed)
    start = time.time()
    if args.task == ["boxes"]:
        library = box_scenes.BoxLibrary(args.data, args.rendered, device, BOX_WEIGHTS, args.limit)
        composer, told = box_scenes.BoxComposer(library), f"{len(library.cut_class)} cutouts"
    else:
        library = scenes.Library(args.data[0], args.rendered, args.stills, device, CLIP_WEIGHTS, args.limit)
        composer, told = scenes.Composer(library), f"{library.real} real cutouts of {len(library.cut_points)}"
    camera = scenes.Camera(device)
    print(f"{len(library.frames)} frames, {told}, loaded in {time.time() - start:.0f} s", flush=True)
    runs = [Run(args, task, init, device) for task, init in zip(args.task, args.init or [None] * len(args.task))]
    begin, step, told = time.time(), 0, 0.0
    while True:
        done = (time.time() - begin) / (60 * args.minutes)
        if done >= 1 or (args.steps and step >= args.steps):
            break
        rate = args.rate * min(1, (step + 1) / args.warm) * (0.5 + 0.5 * math.cos(math.pi * min(1, done)) + 0.005)
        with torch.no_grad():
            batch = draw(composer, camera, args.batch, SIZES[step % len(SIZES)])
        steady = args.steady * (min(1, done / args.steady_ramp) if args.steady_ramp else 1)
        parts = [run.step(step, rate, batch, steady) for run in runs]
        step += 1
        if time.time() - told > 20:
            told = time.time()
            print(f"{100 * done:5.1f} %  step {step}  " + "  ".join(
                run.task + " " + " ".join(f"{float(p):.4f}" for p in part) for run, part in zip(runs, parts)), flush=True)
    for run, path in zip(runs, args.out):
        run.save(path, step)
    print(f"{step} steps of {args.batch} frames in {(time.time() - begin) / 60:.1f} min -> {' '.join(args.out)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=["seg", "pose", "boxes"], required=True)
    parser.add_argument("--kind", choices=["transfer", "delta", "mobile", "movenet"], default="transfer")
    parser.add_argument("--trunk", help="PoseNet's ONNX (kind transfer), MoveNet's (movenet), a COCO YOLOX file (boxes)")
    parser.add_argument("--trunk-rate", type=float, default=0.05, help="learning rate of the trunk as a part of --rate")
    parser.add_argument("--keep", type=float, default=1.0, help="weight of the distance to the features that the trunk had before")
    parser.add_argument("--data", required=True, nargs="+", help="folder of prepare.py; for boxes folders of objects.py")
    parser.add_argument("--rendered", nargs="*")
    parser.add_argument("--stills")
    parser.add_argument("--out", nargs="+", required=True, help="one .pt a task")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps (0: by time only)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--steady", type=float, default=1.0, help="weight of the temporal-consistency term")
    parser.add_argument("--steady-ramp", type=float, default=0.0, help="share of the run over which that term grows (0: whole from the first step)")
    parser.add_argument("--warm", type=int, default=200, help="steps over which the rate grows")
    parser.add_argument("--init", nargs="*", help="start from these weights (a .pt or none a task, same kind)")
    parser.add_argument("--nchw", action="store_true", help="channels first in memory (faster on some devices)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="load about this many frames and cutouts (for a dry run)")
    args = parser.parse_args()
    if len(args.out) != len(args.task) or (args.init and len(args.init) != len(args.task)):
        parser.error("--out and --init want one file a task")
    if "boxes" in args.task and len(args.task) > 1:
        parser.error("boxes have scenes of their own: --task boxes alone")
    if args.kind in ("transfer", "movenet") and not args.trunk:
        parser.error(f"kind {args.kind} wants --trunk")
    if args.kind == "movenet" and "seg" in args.task:
        parser.error("kind movenet is for poses")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark, torch.backends.cudnn.benchmark_limit = True, 3
    train(args, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


if __name__ == "__main__":
    main()
