# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loss of street-boxes: which cells answer for which object, and how far they are off.

Cells are those of strides 8, 16 and 32, one after the other. Assignment after Ge et al., YOLOX, 2021, section 2 (SimOTA):
an object takes the cells near its centre that are cheapest by class and overlap, as many as the overlaps of its best ten sum to.
"""
import torch
import torch.nn.functional as F

import graphnet

NEAR, MOST = 2.5, 10


def cells(out):
    """Outputs of BoxNet -> boxes [B,N,4] (x0,y0,x1,y1 px), object logits [B,N], class logits [B,N,C], cell corners
    [N,2] px and strides [N]."""
    boxes, objects, classes, corners, strides = [], [], [], [], []
    for s in graphnet.STRIDES:
        raw = out[f"box{s}"].flatten(2).transpose(1, 2)
        h, w = out[f"box{s}"].shape[-2:]
        y, x = torch.meshgrid(torch.arange(h, device=raw.device), torch.arange(w, device=raw.device), indexing="ij")
        corner = torch.stack([x, y], -1).reshape(-1, 2) * float(s)
        centre, half = raw[..., :2] * s + corner, torch.exp(raw[..., 2:].clamp(-10, 8)) * (s / 2)
        boxes.append(torch.cat([centre - half, centre + half], -1))
        objects.append(out[f"object{s}"].flatten(1))
        classes.append(out[f"class{s}"].flatten(2).transpose(1, 2))
        corners.append(corner)
        strides.append(torch.full((h * w,), float(s), device=raw.device))
    return torch.cat(boxes, 1), torch.cat(objects, 1), torch.cat(classes, 1), torch.cat(corners), torch.cat(strides)


def iou(a, b):
    """IoU of boxes a [...,4] and b [...,4], broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    area = lambda x: (x[..., 2:] - x[..., :2]).clamp(min=0).prod(-1)
    return inter / (area(a) + area(b) - inter).clamp(min=1e-6)


@torch.no_grad()
def assign(truth, boxes, objects, classes, corners, strides):
    """truth [B,P,6] (x0,y0,x1,y1,class,state: 1 object, -1 ignore, 0 none) -> owner [B,N] (index of the object that a cell
    answers for, -1 none), its overlap [B,N], and ignored [B,N] bool."""
    real, centre = truth[..., 5] > 0, (truth[..., :2] + truth[..., 2:4]) / 2
    middle = corners + strides[:, None] / 2
    near = ((middle[None, None] - centre[:, :, None]).abs() < NEAR * strides[None, None, :, None]).all(-1) & real[..., None]
    inside = ((middle > truth[:, :, None, :2]) & (middle < truth[:, :, None, 2:4])).all(-1)
    overlap = iou(truth[:, :, None, :4], boxes[:, None]) * near
    p = (torch.sigmoid(classes) * torch.sigmoid(objects)[..., None]).sqrt().clamp(1e-5, 1 - 1e-5)
    none = -torch.log1p(-p)
    index = truth[..., 4].long()[:, :, None].expand(-1, -1, p.shape[1])
    own = p.transpose(1, 2).gather(1, index)
    price = none.sum(-1)[:, None] + torch.log1p(-own) - torch.log(own) - 3 * torch.log(overlap.clamp(min=1e-6))
    price = torch.where(near, price + 100.0 * ~inside, torch.full_like(price, 1e9))
    most = min(MOST, price.shape[-1])
    take = overlap.topk(most, -1)[0].sum(-1).round().clamp(min=1)
    cheap, where = price.topk(most, -1, largest=False)
    chosen = (torch.arange(most, device=price.device) < take[..., None]) & (cheap < 1e8)
    mine = torch.zeros_like(price, dtype=torch.bool).scatter(-1, where, chosen)
    best, owner = torch.where(mine, price, torch.full_like(price, 1e9)).min(1)
    owner = torch.where(best < 1e8, owner, torch.full_like(owner, -1))
    shared = overlap.gather(1, owner.clamp(min=0)[:, None])[:, 0]
    ignored = (inside & (truth[..., 5] < 0)[..., None]).any(1) & (owner < 0)
    return owner, shared, ignored


def box_loss(out, truth):
    """Objects' cells: 1 - IoU^2 of the box and cross entropy of the class towards the overlap; all cells but ignored ones:
    cross entropy of the object."""
    boxes, objects, classes, corners, strides = cells(out)
    owner, shared, ignored = assign(truth, boxes.detach(), objects.detach(), classes.detach(), corners, strides)
    has = (owner >= 0).float()
    mine = truth.gather(1, owner.clamp(min=0)[..., None].expand(-1, -1, 6))
    count = has.sum().clamp(min=8)
    place = ((1 - iou(boxes, mine[..., :4]) ** 2) * has).sum() / count
    wanted = F.one_hot(mine[..., 4].long(), classes.shape[-1]).float() * shared[..., None]
    kind = (F.binary_cross_entropy_with_logits(classes, wanted, reduction="none").sum(-1) * has).sum() / count
    there = (F.binary_cross_entropy_with_logits(objects, has, reduction="none") * ~ignored).sum() / count
    return 5 * place + kind + there
