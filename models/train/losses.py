# SPDX-License-Identifier: LGPL-2.1-or-later
"""Targets and losses. All maps are at a quarter of the picture (STRIDE 4), pixel centres at (i + 0.5) * 4."""
import torch
import torch.nn.functional as F

import nets

STRIDE = 4


def quarter(x):
    """Mean over 4x4 pixels: [B,C,H,W] -> [B,C,H/4,W/4]."""
    return F.avg_pool2d(x, STRIDE)


def mask_loss(logits, mask, ignore):
    """Cross entropy plus soft Dice of the person mask, ignored pixels left out."""
    target, weight = quarter(mask), (quarter(ignore) < 0.1).float()
    edge = 1 + 2 * (F.max_pool2d(target, 5, 1, 2) - (-F.max_pool2d(-target, 5, 1, 2)))
    ce = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight * edge
    p = torch.sigmoid(logits) * weight
    t = target * weight
    dice = 1 - (2 * (p * t).sum((1, 2, 3)) + 20) / ((p + t).sum((1, 2, 3)) + 20)
    return ce.mean() + 0.5 * dice.mean()


def person_centres(points):
    """Centre of each person [B,P,2] and whether it has one [B,P] bool.

    The mean of the labelled shoulders and hips; of all labelled points where there are none of those.
    """
    seen = (points[..., 2] > 0).float()
    trunk = torch.zeros_like(seen)
    trunk[..., [5, 6, 11, 12]] = seen[..., [5, 6, 11, 12]]
    weight = torch.where(trunk.sum(-1, keepdim=True) > 0, trunk, seen)
    total = weight.sum(-1, keepdim=True)
    return (points[..., :2] * weight[..., None]).sum(-2) / total.clamp(min=1), total[..., 0] > 0


def person_sizes(points):
    """Longer side of the box of the labelled points, pixels [B,P]."""
    seen = points[..., 2:] > 0
    low = torch.where(seen, points[..., :2], 1e6).amin(-2)
    high = torch.where(seen, points[..., :2], -1e6).amax(-2)
    return (high - low).amax(-1).clamp(min=8, max=4000)


def pose_targets(points, ignore, height, width):
    """points [B,P,17,3] px, ignore [B,1,H,W] -> heatmaps [B,18,h,w] (17 and the centre), weights alike, offsets
    [B,34,h,w] in nets.OFFSET_UNIT pixels (x then y of each key point) and their weight [B,17,h,w]."""
    h, w, b, device = height // STRIDE, width // STRIDE, points.shape[0], points.device
    y, x = torch.meshgrid((torch.arange(h, device=device) + 0.5) * STRIDE, (torch.arange(w, device=device) + 0.5) * STRIDE, indexing="ij")
    inside = (points[..., 0] >= 0) & (points[..., 0] < width) & (points[..., 1] >= 0) & (points[..., 1] < height)
    points = torch.cat([points[..., :2], (points[..., 2] * inside)[..., None]], -1)
    centres, has = person_centres(points)
    sizes = person_sizes(points)
    heat = torch.zeros(b, 18, h, w, device=device)
    weight = (1 - (quarter(ignore) > 0.1).float()).repeat(1, 18, 1, 1)
    offsets, near = torch.zeros(b, 17, 2, h, w, device=device), torch.full((b, 17, h, w), 1e9, device=device)
    for p in range(points.shape[1]):
        sigma = (sizes[:, p] * 0.022).clamp(4.5, 11)[:, None, None, None]
        at = torch.cat([points[:, p, :, :2], centres[:, p, None]], 1)
        state = torch.cat([points[:, p, :, 2], has[:, p, None].float()], 1)[..., None, None]
        dx, dy = x - at[..., 0, None, None], y - at[..., 1, None, None]
        d2 = dx * dx + dy * dy
        bump = torch.exp(-d2 / (2 * sigma * sigma))
        cell = (dx.abs() <= STRIDE / 2) & (dy.abs() <= STRIDE / 2)
        heat = torch.maximum(heat, torch.where(cell, torch.ones_like(bump), bump) * (state > 0))
        weight = torch.where((state < 0) & (d2 < (3 * sigma) ** 2), torch.zeros_like(weight), weight)
        closer = (d2[:, :17] < near) & (state[:, :17] > 0) & (d2[:, :17] < (2 * sigma) ** 2)
        near = torch.where(closer, d2[:, :17], near)
        to = centres[:, p, :, None, None] - torch.stack([x, y])[None]
        offsets = torch.where(closer[:, :, None], to[:, None] / nets.OFFSET_UNIT, offsets)
    return heat, torch.where(heat > 0.3, torch.ones_like(weight), weight), offsets.reshape(b, 34, h, w), (near < 1e8).float()


def focal(logits, target, weight):
    """Heatmap focal loss (CenterNet's form): 1 at peaks, bumps around them count less as negatives."""
    p = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    peak = (target > 0.97).float()
    gain = peak * (1 - p) ** 2 * torch.log(p) + (1 - peak) * (1 - target) ** 4 * p ** 2 * torch.log(1 - p)
    shape = (p - target) ** 2 * (target > 0.05).float()
    return -(gain * weight).sum() / (peak.sum() + 10) + 2 * (shape * weight).sum() / ((target > 0.05).sum() + 10)


def pose_loss(out, points, ignore, height, width):
    heat, weight, offsets, near = pose_targets(points, ignore, height, width)
    logits = torch.cat([out["heatmaps"], out["center"]], 1)
    near2 = near.repeat_interleave(2, 1)
    off = F.smooth_l1_loss(out["offsets"], offsets, reduction="none", beta=0.1) * near2
    return focal(logits, heat, weight) + 0.6 * off.sum() / (near2.sum() + 10)


def unchanged(first, second, reach):
    """[B,1,H,W] 1 where the two clean scenes are equal within `reach` pixels."""
    change = ((first - second).abs().amax(1, keepdim=True) > 0.02).float()
    return 1 - F.max_pool2d(change, 2 * reach + 1, 1, reach)


def consistency(out_a, out_b, features_a, features_b, still):
    """How much outputs and features of two frames differ where the scene did not change.

    Feature differences are measured in each channel's own spread, as the engine's `nrms` criterion does, so
    what is punished is what would make a pixel be recomputed. Returns (outputs, features).
    """
    total, parts = 0, 0
    for name in out_a:
        if name == "offsets" or name.startswith("box"):
            continue
        same = F.interpolate(still, out_a[name].shape[-2:], mode="area")
        total = total + ((torch.sigmoid(out_a[name]) - torch.sigmoid(out_b[name])) ** 2 * same).mean()
    for a, b in zip(features_a, features_b):
        same = (F.interpolate(still, a.shape[-2:], mode="area") > 0.99).float()
        spread = a.detach().float().std((0, 2, 3), keepdim=True) + 1e-3
        change = (((a.float() - b.float()) / spread) ** 2).mean(1, keepdim=True)
        parts = parts + ((change + 1e-4).sqrt() * same).sum() / (same.sum() + 1)
    return total, parts / len(features_a)


def kept(features, known):
    """Mean squared distance of features to those of the frozen net, in each channel's spread (as `nrms` measures)."""
    total = 0
    for a, b in zip(features, known):
        b = b.float()
        spread = b.std((0, 2, 3), keepdim=True) + 0.02
        total = total + (((a.float() - b) / spread) ** 2).mean()
    return total / len(features)
