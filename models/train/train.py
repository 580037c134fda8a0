# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains one network for a given time on one device.

    train.py --task seg|pose --kind delta|mobile --data DIR --rendered DIR --stills DIR --minutes M --out FILE.pt

Every step draws scenes (scenes.py), shows each twice (a moment apart, with other noise), and adds to the
task's loss a temporal-consistency term. FILE.pt holds the averaged weights and the arguments.
"""
import argparse
import copy
import math
import time

import torch

import losses
import nets
import scenes

CLIP_WEIGHTS = {"static_pets09_s2l1_vtest": 0.26, "static_person_onebyone": 0.10, "static_fullbody_juggle_720p": 0.09,
                "handheld_bedroom_540p": 0.08, "webcam_asl_walk": 0.05, "webcam_asl_book": 0.05,
                "webcam_asl_school": 0.05, "000000000785": 0.02, "astronaut": 0.03, "static_car_topdown": 0.04, "static_bottle_640x360": 0.05, "empty": 0.23}
SIZES = [(288, 512), (384, 384), (320, 448), (256, 576), (416, 352)]


def draw(composer, camera, batch, size):
    """A batch of `batch` frames: the first half of the scenes, then the same scenes a moment later."""
    half = batch // 2
    first, second = composer.compose(half, *size)
    look = camera.look(half)
    frames = torch.cat([camera.shoot(first[0], look), camera.shoot(second[0], look)])
    mask, ignore, points = [torch.cat([a, b]) for a, b in zip(first[1:], second[1:])]
    still = losses.unchanged(first[0], second[0], 10)
    return frames, mask, ignore, points, still


def loss_of(task, net, frames, mask, ignore, points, still, steady):
    """Task loss plus `steady` times the consistency terms; returns the total and its parts."""
    half = len(frames) // 2
    with torch.autocast(frames.device.type, dtype=torch.bfloat16):
        out, features = net(frames.contiguous(memory_format=torch.channels_last))
    out = {k: v.float() for k, v in out.items()}
    if task == "seg":
        main = losses.mask_loss(out["mask"], mask, ignore)
    else:
        main = losses.pose_loss(out, points, ignore, *frames.shape[-2:])
    same, moved = losses.consistency({k: v[:half] for k, v in out.items()}, {k: v[half:] for k, v in out.items()},
                                     [f[:half] for f in features], [f[half:] for f in features], still)
    return main + steady * (4 * same + 0.15 * moved), (main.detach(), same.detach(), moved.detach())


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
    library = scenes.Library(args.data, args.rendered, args.stills, device, CLIP_WEIGHTS, args.limit)
    composer, camera = scenes.Composer(library), scenes.Camera(device)
    print(f"{len(library.frames)} frames, {library.real} real cutouts of {len(library.cut_points)}, "
          f"loaded in {time.time() - start:.0f} s", flush=True)
    net = nets.build(args.task, args.kind).to(device).to(memory_format=torch.channels_last)
    if args.init:
        net.load_state_dict(torch.load(args.init, map_location=device, weights_only=True)["state"])
    mean = copy.deepcopy(net)
    print(f"{args.task} {args.kind}: {nets.macs_per_pixel(net):.0f} MAC/pixel, "
          f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters", flush=True)
    decay = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=args.rate)
    begin, step, told = time.time(), 0, 0.0
    while True:
        done = (time.time() - begin) / (60 * args.minutes)
        if done >= 1 or (args.steps and step >= args.steps):
            break
        rate = args.rate * min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * min(1, done)) + 0.005)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.no_grad():
            batch = draw(composer, camera, args.batch, SIZES[step % len(SIZES)])
        loss, parts = loss_of(args.task, net, *batch, args.steady * min(1, 2 * done))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        average(mean, net, min(0.999, 1 - 1 / (step / 10 + 1)))
        step += 1
        if time.time() - told > 20:
            told = time.time()
            print(f"{100 * done:5.1f} %  step {step}  loss " + " ".join(f"{float(p):.4f}" for p in parts), flush=True)
    torch.save({"task": args.task, "kind": args.kind, "steps": step, "batch": args.batch, "steady": args.steady,
                "state": {k: v.cpu() for k, v in mean.state_dict().items()}}, args.out)
    print(f"{step} steps of {args.batch} frames in {(time.time() - begin) / 60:.1f} min -> {args.out}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", choices=["seg", "pose"], required=True)
    parser.add_argument("--kind", choices=["delta", "mobile"], default="delta")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rendered", nargs="*")
    parser.add_argument("--stills")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps (0: by time only)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--steady", type=float, default=1.0, help="weight of the temporal-consistency term")
    parser.add_argument("--init", help="start from these weights (a .pt of the same task and kind)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="load about this many frames and cutouts (for a dry run)")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    train(args, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


if __name__ == "__main__":
    main()
