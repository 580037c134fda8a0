# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenes with boxes, composed on the device: crops and mosaics of labelled frames, pasted objects, things in front.

Boxes are [.., x0, y0, x1, y1, class, state], pixels of the composed picture; state 1 an object, -1 ignore, 0 none.
"""
import concurrent.futures
import json
import math
import pathlib

import cv2
import numpy as np
import torch

import objects
import scenes

MOST = 24


def states(record):
    """Teachers' objects of a frame -> [MOST,6] with states."""
    out = np.zeros((MOST, 6), np.float32)
    for i, o in enumerate(record["objects"][:MOST]):
        out[i] = (*o[:5], 1 if o[5] >= objects.SURE else -1)
    return out


class BoxLibrary:
    """What box scenes are made of, on the device.

    frames uint8 [N,3,576,768], sizes [N,2] (w,h), objects [N,MOST,6], weight [N]; cutouts by mip level: list of uint8
    [M,4,S,S] for S = 256, 128, 64, 32; cut_box [M,4] (0..1 of the picture), cut_class [M].
    """

    def __init__(self, data, cutouts, device, clip_weights, limit=None):
        """data: folders of objects.py; cutouts: folders of render_people.py and render_vehicles.py; clip_weights: share
        of each clip by name, of all others together by `others`."""
        self.device, jobs = device, []
        for folder in map(pathlib.Path, data):
            records = json.load(open(folder / "labels.json"))
            jobs += [(folder, r) for r in records[::max(1, len(records) // limit) if limit else 1]]
        count, other = {}, len({r["clip"] for _, r in jobs if r["clip"] not in clip_weights})
        for _, r in jobs:
            count[r["clip"]] = count.get(r["clip"], 0) + 1
        read = lambda job: scenes.pad_canvas(scenes.read_rgb(job[0] / "frames" / f"{job[1]['id']:05d}.jpg"), True)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            frames = torch.from_numpy(np.stack(list(pool.map(read, jobs))))
            self.frames = frames.to(device).permute(0, 3, 1, 2).contiguous()
            self.load_cutouts(pool, cutouts or [], limit)
        put = lambda a: torch.tensor(np.array(a, np.float32), device=device)
        self.sizes, self.objects = put([(r["width"], r["height"]) for _, r in jobs]), put([states(r) for _, r in jobs])
        self.weight = put([clip_weights.get(r["clip"], clip_weights["others"] / max(1, other)) / count[r["clip"]] for _, r in jobs])

    def load_cutouts(self, pool, folders, limit):
        jobs = [(pathlib.Path(f), r) for f in folders for r in json.load(open(pathlib.Path(f) / "cutouts.json"))[:limit]]
        self.cutouts, self.cut_class, self.cut_box = [], torch.tensor([r.get("class", 0) for _, r in jobs], device=self.device), None
        if not jobs:
            return

        def read(job):
            path = job[0] / f"{job[1]['id']:05d}"
            return np.dstack([scenes.read_rgb(f"{path}.jpg"), cv2.imread(f"{path}.png", 0)])

        level = torch.from_numpy(np.stack(list(pool.map(read, jobs)))).permute(0, 3, 1, 2)
        rows, columns = (level[:, 3] > 100).any(2), (level[:, 3] > 100).any(1)
        first = lambda m: m.int().argmax(1)
        size = level.shape[-1]
        self.cut_box = torch.stack([first(columns), first(rows), size - first(columns.flip(1)), size - first(rows.flip(1))], 1).to(self.device) / size
        for _ in range(4):
            self.cutouts.append(level.to(self.device))
            level = torch.cat([torch.nn.functional.avg_pool2d(part.float(), 2).round().to(torch.uint8) for part in level.split(256)])


def carry_boxes(boxes, m, width, height):
    """Boxes [B,P,6] of the source through the inverse of m [B,2,3], cut at the picture's edges.

    Of an object whose box is mostly outside nothing is asked: under 0.35 of it inside it is ignored, under 0.05 gone;
    what is too small to see (under 4 px high or 3 wide) is ignored too.
    """
    x0, y0, x1, y1 = boxes[..., :4].unbind(-1)
    corners = torch.stack([torch.stack([x0, y0], -1), torch.stack([x1, y0], -1), torch.stack([x0, y1], -1), torch.stack([x1, y1], -1)], 2)
    corners = scenes.carry_points(torch.cat([corners, torch.zeros_like(corners[..., :1])], -1), m)[..., :2]
    low, high = corners.amin(2), corners.amax(2)
    limit = torch.tensor([width, height], device=boxes.device, dtype=low.dtype)
    cut_low, cut_high = torch.minimum(low.clamp(min=0), limit), torch.minimum(high.clamp(min=0), limit)
    share = (cut_high - cut_low).prod(-1) / (high - low).prod(-1).clamp(min=1e-3)
    side, state = cut_high - cut_low, boxes[..., 5]
    state = torch.where((share < 0.35) | (side[..., 0] < 3) | (side[..., 1] < 4), -state.abs(), state)
    state = torch.where((share < 0.05) | (side.amin(-1) < 0.5), torch.zeros_like(state), state)
    return torch.cat([cut_low, cut_high, boxes[..., 4:5], state[..., None]], -1)


def covered(boxes, alpha):
    """Share [B,P] of each box that alpha [B,1,H,W] covers, by 7x7 points."""
    b, p = boxes.shape[:2]
    h, w = alpha.shape[-2:]
    t = (torch.arange(7, device=alpha.device) + 0.5) / 7
    x = boxes[..., 0:1] + (boxes[..., 2:3] - boxes[..., 0:1]) * t
    y = boxes[..., 1:2] + (boxes[..., 3:4] - boxes[..., 1:2]) * t
    grid = torch.stack([x[:, :, None, :].expand(b, p, 7, 7), y[..., None].expand(b, p, 7, 7)], -1).reshape(b, p * 7, 7, 2)
    grid = grid / torch.tensor([w / 2, h / 2], device=alpha.device) - 1
    return torch.nn.functional.grid_sample(alpha, grid, align_corners=False).reshape(b, p, 49).mean(-1)


class BoxComposer(scenes.Composer):
    """Draws batches of scenes with boxes."""

    LAYERS = [(0, 90, 300), (1, 45, 120), (2, 22, 60)]   # mip level, lowest, highest longer side px

    def base(self, batch, height, width):
        """A random crop of random frames: image [B,3,H,W] 0..1 and boxes [B,MOST,6]."""
        lib = self.lib
        pick = torch.multinomial(lib.weight, batch, replacement=True)
        size = lib.sizes[pick]
        fit = torch.minimum(size[:, 0] / width, size[:, 1] / height)
        fill = torch.maximum(size[:, 0] / width, size[:, 1] / height)
        scale = torch.where(self.chance(batch, 0.4), fill, fit / torch.exp(self.uniform(batch, -0.2, math.log(2.6))))
        scale_x = scale * torch.exp(self.uniform(batch, -0.12, 0.12))
        angle = torch.randn(batch, device=self.device) * 0.02
        room_x, room_y = size[:, 0] - scale_x * width, size[:, 1] - scale * height
        centre = torch.stack([scale_x * width / 2 + room_x * torch.rand_like(scale), scale * height / 2 + room_y * torch.rand_like(scale)], 1)
        flip = torch.where(self.chance(batch, 0.5), -1.0, 1.0)
        middle = torch.tensor([width / 2, height / 2], device=self.device).expand(batch, 2)
        m = scenes.affine(batch, self.device, scale_x, scale, angle, centre, middle)
        m[:, :, 0] *= flip[:, None]
        m[:, :, 2] = centre - torch.einsum("bij,bj->bi", m[:, :, :2], middle)
        image = scenes.warp(lib.frames[pick].float() / 255, m, height, width, "zeros")
        inside = scenes.warp((torch.arange(scenes.CANVAS_W, device=self.device) < size[:, 0, None])[:, None, None].float().expand(-1, 1, scenes.CANVAS_H, -1)
                             * (torch.arange(scenes.CANVAS_H, device=self.device) < size[:, 1, None])[:, None, :, None], m, height, width)
        return image * inside + 114 / 255 * (1 - inside), carry_boxes(lib.objects[pick], m, width, height)

    def mosaic(self, batch, height, width):
        """Four crops in one picture."""
        image, boxes = self.base(4 * batch, height // 2, width // 2)
        image = image.reshape(batch, 2, 2, 3, height // 2, width // 2).permute(0, 3, 1, 4, 2, 5).reshape(batch, 3, height, width)
        shift = torch.tensor([[0, 0], [width // 2, 0], [0, height // 2], [width // 2, height // 2]], device=self.device)
        boxes = boxes.reshape(batch, 4, MOST, 6)
        boxes = torch.cat([boxes[..., :4] + shift.repeat(1, 2)[None, :, None], boxes[..., 4:]], -1)
        return image, boxes.reshape(batch, 4 * MOST, 6)

    def cover(self, scene, share):
        """Puts a thing of no class over everything: a piece of a scene in strange colours."""
        image, boxes = scene
        batch, _, h, w = image.shape
        other = self.recolour(torch.roll(image, 1, 0).flip(2))
        on = self.shape(batch, h, w, 4, h / 4) * self.chance(batch, share)[:, None, None, None]
        return image * (1 - on) + other * on, self.hide_boxes(boxes, on)

    @staticmethod
    def hide_boxes(boxes, alpha):
        """Boxes more than 0.45 under alpha are ignored, more than 0.9 gone."""
        hidden, state = covered(boxes, alpha), boxes[..., 5]
        state = torch.where(hidden > 0.45, -state.abs(), state)
        return torch.cat([boxes[..., :5], torch.where(hidden > 0.9, torch.zeros_like(state), state)[..., None]], -1)

    def cutout(self, batch, height, width, level, low, high):
        """One object to paste a picture: source [B,4,S,S], matrix [B,2,3], its box [B,1,6] in the source."""
        lib = self.lib
        kinds = lib.cut_class.bincount(minlength=1).float()
        pick = torch.multinomial(1 / kinds[lib.cut_class], batch, replacement=True)
        size = lib.cutouts[level].shape[-1]
        scale = size / torch.exp(self.uniform(batch, math.log(low), math.log(min(high, 1.2 * height))))
        at = torch.stack([self.uniform(batch, 0, width), self.uniform(batch, 0.1 * height, height)], 1)
        half = torch.full((batch, 2), size / 2.0, device=self.device)
        m = scenes.affine(batch, self.device, scale * torch.exp(self.uniform(batch, -0.12, 0.12)), scale,
                          torch.randn(batch, device=self.device) * 0.03, half, at)
        m[:, :, 0] *= torch.where(self.chance(batch, 0.5), -1.0, 1.0)[:, None]
        m[:, :, 2] = half - torch.einsum("bij,bj->bi", m[:, :, :2], at)
        source = lib.cutouts[level][pick].float() / 255
        box = torch.cat([lib.cut_box[pick] * size, lib.cut_class[pick, None].float(), torch.ones(batch, 1, device=self.device)], 1)
        return torch.cat([self.tint(source[:, :3]), source[:, 3:]], 1), m, box[:, None]

    def put(self, scene, source, m, box, on):
        image, boxes = scene
        h, w = image.shape[-2:]
        drawn = scenes.warp(source, m, h, w)
        alpha = drawn[:, 3:] * on[:, None, None, None]
        placed = carry_boxes(box, m, w, h)
        placed = torch.cat([placed[..., :5], placed[..., 5:] * on[:, None, None]], -1)
        return image * (1 - alpha) + drawn[:, :3] * alpha, torch.cat([self.hide_boxes(boxes, alpha), placed], 1)

    def compose_boxes(self, batch, height, width):
        """A scene and the same scene a moment later (pasted objects moved a little): two tuples (image, boxes)."""
        image, boxes = self.base(batch, height, width)
        boxes = torch.cat([boxes, boxes.new_zeros(batch, 3 * MOST, 6)], 1)
        four = self.chance(batch, 0.35)
        if four.any():
            image[four], boxes[four] = self.mosaic(int(four.sum()), height, width)
        order = boxes[..., 5].abs().argsort(dim=1, descending=True, stable=True)[:, :2 * MOST]
        first = second = self.cover((image, boxes.gather(1, order[..., None].expand(-1, -1, 6))), 0.3)
        for level, low, high in self.LAYERS if self.lib.cutouts else []:
            source, m, box = self.cutout(batch, height, width, level, low, high)
            on = self.chance(batch, 0.25)
            step, later = torch.randn(batch, 2, device=self.device) * 3, m.clone()
            later[:, :, 2] -= torch.einsum("bij,bj->bi", m[:, :, :2], step)
            first, second = self.put(first, source, m, box, on), self.put(second, source, later, box, on)
        return first, second
