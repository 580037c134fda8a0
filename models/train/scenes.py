# SPDX-License-Identifier: LGPL-2.1-or-later
"""Training scenes, composed on the device: frames, pasted people, clutter, light, blur, noise, compression.

Library loads what prepare.py and render_people.py wrote into uint8 tensors. Composer draws batches from it.
All coordinates are pixels of the composed picture; points are [.., x, y, score] with score > 0 labelled,
0 absent, < 0 ignore.
"""
import json
import math
import pathlib

import cv2
import numpy as np
import torch
import torch.nn.functional as F

CANVAS_H, CANVAS_W, CUT = 576, 768, 256
SURE = 0.2
PEOPLE = 10


def read_rgb(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def pad_canvas(image, fill_edge):
    """[h,w,(3)] -> [576,768,(3)], the edge repeated or zero."""
    h, w = image.shape[:2]
    kind = cv2.BORDER_REPLICATE if fill_edge else cv2.BORDER_CONSTANT
    return cv2.copyMakeBorder(image, 0, CANVAS_H - h, 0, CANVAS_W - w, kind)


def frame_points(record):
    """Teacher points of one frame -> [PEOPLE,17,3] with scores 1, -1 (ignore) or 0 (no person)."""
    out = np.zeros((PEOPLE, 17, 3), np.float32)
    for i, person in enumerate(sorted(record["persons"], key=lambda p: -p["score"])[:PEOPLE]):
        points = np.array(person["points"], np.float32)
        points[:, 2] = np.where(points[:, 2] > SURE, 1, -1)
        out[i] = points
    return out


def real_cutouts(image, mask, record):
    """Lone, fully labelled persons of a frame -> list of (rgba [256,256,4], points [17,3], height px)."""
    cuts, persons = [], record["persons"]
    h, w = mask.shape
    for i, person in enumerate(persons):
        x0, y0, x1, y1 = person["box"]
        lone = all(min(x1, q["box"][2]) - max(x0, q["box"][0]) < 2 or min(y1, q["box"][3]) - max(y0, q["box"][1]) < 2
                   for j, q in enumerate(persons) if j != i)
        if not lone or x0 < 3 or x1 > w - 3 or y0 < 3 or person["score"] < 0.3:
            continue
        side = max(x1 - x0, y1 - y0) * 1.12
        ox, oy = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
        near = np.zeros_like(mask)
        near[int(max(0, y0 - 0.05 * side)):int(y1 + 0.05 * side), int(max(0, x0 - 0.08 * side)):int(x1 + 0.08 * side)] = 1
        if (mask[near > 0] == 128).sum() > 0.25 * (mask[near > 0] == 255).sum():
            continue
        to = np.array([[CUT / side, 0, -ox * CUT / side], [0, CUT / side, -oy * CUT / side]])
        alpha = ((mask == 255) & (near > 0)).astype(np.float32)
        alpha = cv2.warpAffine(cv2.GaussianBlur(alpha, (3, 3), 0), to, (CUT, CUT))
        colour = cv2.warpAffine(image, to, (CUT, CUT), borderMode=cv2.BORDER_REPLICATE)
        points = np.array(person["points"], np.float32)
        points[:, :2] = (points[:, :2] - (ox, oy)) * CUT / side
        points[:, 2] = np.where(points[:, 2] > SURE, 1, -1)
        cuts.append((np.dstack([colour, (alpha * 255).astype(np.uint8)]), points, side, y1 > h - 4))
    return cuts


class Library:
    """Everything scenes are made of, on the device.

    frames uint8 [N,3,576,768], masks uint8 [N,1,576,768], sizes [N,2] (w,h), points [N,10,17,3], weight [N];
    cutouts by mip level: list of uint8 [M,4,S,S] for S = 256, 128, 64, 32; cut_points [M,17,3] in 0..1 of the
    picture; cut_limit [M] largest sensible height px; cut_close [M] bool.
    """

    def __init__(self, data, rendered, stills, device, clip_weights, limit=None):
        """data: folder of prepare.py; rendered: folders of render_people.py; stills: folder of pictures without
        people; clip_weights: share of each clip by name (and of `empty`) among the scenes' frames."""
        data = pathlib.Path(data)
        self.device, frames, masks, sizes, points, weight, cuts = device, [], [], [], [], [], []
        records = json.load(open(data / "labels.json"))
        if limit:
            records = records[::max(1, len(records) // limit)]
        count = {}
        for r in records:
            count[r["clip"]] = count.get(r["clip"], 0) + 1
        for r in records:
            image = read_rgb(data / "frames" / f"{r['id']:05d}.jpg")
            mask = cv2.imread(str(data / "masks" / f"{r['id']:05d}.png"), 0)
            frames.append(pad_canvas(image, True))
            masks.append(pad_canvas(mask, False))
            sizes.append((r["width"], r["height"]))
            points.append(frame_points(r))
            weight.append(clip_weights.get(r["clip"], 1.0) / count[r["clip"]])
            if r["clip"] not in clip_weights or r["kind"] == "people":
                cuts += real_cutouts(image, mask, r)
        empty = sorted((data / "backgrounds").glob("*.png")) + sorted(pathlib.Path(stills).glob("*.*")) if stills else []
        empty = [e for e in empty if "juggle" not in e.name]
        for path in empty:
            image = read_rgb(path)
            scale = max(CANVAS_W / image.shape[1], CANVAS_H / image.shape[0])
            image = cv2.resize(image, None, fx=scale, fy=scale)[:CANVAS_H, :CANVAS_W]
            frames.append(pad_canvas(image, True))
            masks.append(np.zeros((CANVAS_H, CANVAS_W), np.uint8))
            sizes.append(image.shape[1::-1])
            points.append(np.zeros((PEOPLE, 17, 3), np.float32))
            weight.append(clip_weights.get("empty", 0.15) / len(empty))
        put = lambda a: torch.from_numpy(np.stack(a)).to(device)
        self.frames, self.masks = put(frames).permute(0, 3, 1, 2).contiguous(), put(masks)[:, None]
        self.sizes, self.points = put([np.array(s, np.float32) for s in sizes]), put(points)
        self.weight = torch.tensor(weight, device=device)
        self.small = [F.avg_pool2d(f[None].float(), 2)[0].round().to(torch.uint8) for f in self.frames]
        self.small = torch.stack(self.small)
        self.small_people = F.max_pool2d((self.masks > 60).half(), 2)
        self.empty = torch.tensor([i for i, m in enumerate(masks) if not (m == 255).any()], device=device)
        self.load_cutouts(cuts, rendered, limit)

    def load_cutouts(self, real, rendered, limit):
        rgba, points, largest, close = [], [], [], []
        for picture, p, side, cut_off in real:
            rgba.append(picture), points.append(p), largest.append(1.4 * side), close.append(cut_off)
        self.real = len(rgba)
        records = [(pathlib.Path(folder), r) for folder in rendered or []
                   for r in json.load(open(pathlib.Path(folder) / "cutouts.json"))[:limit]]
        for folder, r in records:
            path = folder / f"{r['id']:05d}"
            rgba.append(np.dstack([read_rgb(f"{path}.jpg"), cv2.imread(f"{path}.png", 0)]))
            p = np.array(r["points"], np.float32)
            p[:, 2] = np.where(p[:, 2] > 0, 1, 0)
            points.append(p), largest.append(1e4), close.append(r["close"])
        levels = torch.from_numpy(np.stack(rgba)).permute(0, 3, 1, 2)
        self.cutouts = []
        for step in range(4):
            self.cutouts.append(levels.to(self.device))
            parts = [F.avg_pool2d(part.float(), 2).round().to(torch.uint8) for part in levels.split(256)]
            levels = torch.cat(parts)
        points = np.stack(points)
        points[..., :2] /= CUT
        self.cut_points = torch.from_numpy(points).to(self.device)
        self.cut_limit = torch.tensor(largest, device=self.device)
        self.cut_close = torch.tensor(close, device=self.device)


def affine(batch, device, scale_x, scale_y, angle, from_xy, to_xy):
    """Matrices [B,2,3] taking output pixels to source pixels: source = R S (out - to) + from."""
    c, s = torch.cos(angle), torch.sin(angle)
    m = torch.zeros(batch, 2, 3, device=device)
    m[:, 0, 0], m[:, 0, 1], m[:, 1, 0], m[:, 1, 1] = c * scale_x, -s * scale_x, s * scale_y, c * scale_y
    m[:, :, 2] = from_xy - torch.einsum("bij,bj->bi", m[:, :, :2], to_xy)
    return m


def warp(images, m, height, width, padding="zeros"):
    """Samples float images [B,C,h,w] through m (output px -> source px) to [B,C,height,width]."""
    h, w = images.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height, device=m.device) + 0.5, torch.arange(width, device=m.device) + 0.5,
                          indexing="ij")
    out = torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3)
    source = torch.einsum("bij,nj->bni", m, out).reshape(-1, height, width, 2)
    grid = source / torch.tensor([w / 2, h / 2], device=m.device) - 1
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def carry_points(points, m):
    """Points [B,...,3] of the source -> output pixels, through the inverse of m."""
    inverse = torch.linalg.inv(m[:, :, :2])
    flat = points.reshape(points.shape[0], -1, 3).clone()
    flat[..., :2] = torch.einsum("bij,bnj->bni", inverse, flat[..., :2] - m[:, None, :, 2])
    return flat.reshape(points.shape)


class Composer:
    """Draws batches of composed scenes. All random numbers come from torch's generator of the device."""

    LAYERS = [(0, 110, 1.6), (0, 85, 200), (1, 56, 120), (1, 50, 120), (2, 26, 60), (3, 16, 30)]   # level, lowest, highest height px

    def __init__(self, library):
        self.lib, self.device = library, library.device

    def uniform(self, n, low, high):
        return torch.rand(n, device=self.device) * (high - low) + low

    def chance(self, n, p):
        return torch.rand(n, device=self.device) < p

    def base(self, batch, height, width):
        """A random crop of a random frame: image 0..1, mask 0..1, ignore 0..1, points."""
        lib = self.lib
        pick = torch.multinomial(lib.weight, batch, replacement=True)
        size = lib.sizes[pick]
        fit = torch.minimum(size[:, 0] / width, size[:, 1] / height)
        scale = fit / torch.exp(self.uniform(batch, 0, math.log(2.4)))
        scale = torch.where(self.chance(batch, 0.35), fit, scale)
        scale = torch.where(self.chance(batch, 0.1), scale / 1.7, scale)
        scale_x = scale * torch.exp(self.uniform(batch, -0.1, 0.1))
        angle = torch.randn(batch, device=self.device) * torch.where(self.chance(batch, 0.15), 0.3, 0.03)
        head = lib.points[pick][:, 0, [0, 5, 6]]
        wide = (head[:, 1, 0] - head[:, 2, 0]).abs()
        near = (head[..., 2] > 0).all(1) & (wide > 50) & self.chance(batch, 0.35)
        scale = torch.where(near, wide * self.uniform(batch, 0.9, 2.5) / width, scale)
        scale_x = torch.where(near, scale, scale_x)
        room_x, room_y = (size[:, 0] - scale * width).clamp(min=0), (size[:, 1] - scale * height).clamp(min=0)
        centre = torch.stack([scale * width / 2 + room_x * torch.rand_like(scale),
                              scale * height / 2 + room_y * torch.rand_like(scale)], 1)
        face = head[..., :2].mean(1) + torch.randn(batch, 2, device=self.device) * wide[:, None] * 0.25
        centre = torch.where(near[:, None], face, centre)
        flip = torch.where(self.chance(batch, 0.5), -1.0, 1.0)
        middle = torch.tensor([width / 2, height / 2], device=self.device).expand(batch, 2)
        m = affine(batch, self.device, scale_x, scale, angle, centre, middle)
        m[:, :, 0] *= flip[:, None]
        m[:, :, 2] = centre - torch.einsum("bij,bj->bi", m[:, :, :2], middle)
        image = warp(lib.frames[pick].float() / 255, m, height, width, "border")
        label = lib.masks[pick].float()
        both = torch.cat([(label > 200).float(), ((label > 60) & (label < 200)).float()], 1)
        both = warp(both, m, height, width)
        points = self.flip_names(carry_points(lib.points[pick], m), flip < 0)
        return image, both[:, :1], both[:, 1:], points

    @staticmethod
    def flip_names(points, flip):
        """Swaps left and right key points [B,P,17,3] where flip [B]."""
        order = torch.tensor([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15], device=points.device)
        return torch.where(flip[:, None, None, None], points[:, :, order], points)

    def clutter(self, image, share=0.1):
        """Replaces some pictures by random boards, boxes and stripes: scenes with nobody in them."""
        batch, _, h, w = image.shape
        vivid, level = torch.rand(batch, 1, 1, 1, device=self.device) ** 2, torch.rand(batch, 1, 1, 1, device=self.device)

        def boards(rows, columns):
            grey = torch.rand(batch, 1, rows, columns, device=self.device)
            colour = torch.rand(batch, 3, rows, columns, device=self.device)
            return (0.6 * (grey * (1 - vivid) + colour * vivid) + 0.4 * level).clamp(0, 1)

        out = F.interpolate(boards(5, 7), (h, w), mode="nearest" if torch.rand(1) < 0.5 else "bilinear")
        for n in torch.randint(4, 40, (3,)).tolist():
            rows = boards(n, 1 + int(n * 1.6))
            on = (torch.rand(batch, 1, n, 1 + int(n * 1.6), device=self.device) < 0.3).float()
            rows, on = F.interpolate(rows, (h, w)), F.interpolate(on, (h, w))
            out = out * (1 - on) + rows * on
        chosen = self.chance(batch, share)
        return torch.where(chosen[:, None, None, None], out, image), chosen

    def layer(self, batch, height, width, level, low, high):
        """One pasted person a picture: colour [B,3,H,W], alpha [B,1,H,W], points [B,17,3], matrix."""
        lib = self.lib
        pool = len(lib.cut_points)
        real = self.chance(batch, 0.4) & (lib.real > 0)
        pick = torch.where(real, torch.randint(0, max(1, lib.real), (batch,), device=self.device),
                           torch.randint(min(lib.real, pool - 1), pool, (batch,), device=self.device))
        high = high if high > 4 else high * height
        tall = torch.exp(self.uniform(batch, math.log(low), math.log(high)))
        tall = torch.minimum(tall, lib.cut_limit[pick].clamp(min=20))
        close = lib.cut_close[pick]
        if level:
            pick = torch.where(close, torch.roll(pick, 1), pick)
            close = lib.cut_close[pick] & False
        top = self.uniform(batch, -0.15, 0.5) * height
        tall = torch.where(close, (height - top) * self.uniform(batch, 1.0, 1.7), tall)
        size = lib.cutouts[level].shape[-1]
        scale = size / tall
        x = self.uniform(batch, -0.02 * width, 1.02 * width)
        y = self.uniform(batch, 0.05 * height, 1.0 * height)
        y = torch.where(close, top + tall / 2, y)
        angle = torch.randn(batch, device=self.device) * torch.where(close, 0.05, 0.2)
        flip = torch.where(self.chance(batch, 0.5), -1.0, 1.0)
        half = torch.full((batch, 2), size / 2.0, device=self.device)
        m = affine(batch, self.device, scale * torch.exp(self.uniform(batch, -0.12, 0.12)), scale, angle, half,
                   torch.stack([x, y], 1))
        m[:, :, 0] *= flip[:, None]
        m[:, :, 2] = half - torch.einsum("bij,bj->bi", m[:, :, :2], torch.stack([x, y], 1))
        source = lib.cutouts[level][pick].float() / 255
        source = torch.cat([self.tint(source[:, :3]), source[:, 3:]], 1)
        points = lib.cut_points[pick].clone()
        points[..., :2] *= size
        return source, m, points, flip < 0

    def tint(self, colour):
        """Random gain a channel and gamma for a pasted person."""
        n = len(colour)
        gain = torch.exp(torch.randn(n, 3, 1, 1, device=self.device) * 0.08 + torch.randn(n, 1, 1, 1, device=self.device) * 0.25)
        return (colour * gain).clamp(0, 1) ** torch.exp(self.uniform(n, -0.3, 0.3))[:, None, None, None]

    @staticmethod
    def hide(points, alpha):
        """Points [B,P,17,3] under alpha [B,1,H,W] become `ignore`."""
        b, p = points.shape[:2]
        h, w = alpha.shape[-2:]
        grid = points[..., :2].reshape(b, 1, -1, 2) / torch.tensor([w / 2, h / 2], device=alpha.device) - 1
        under = F.grid_sample(alpha, grid, align_corners=False).reshape(b, p, 17) > 0.5
        return torch.cat([points[..., :2], torch.where(under & (points[..., 2:3][..., 0] > 0), -1.0, points[..., 2])[..., None]], -1)

    def recolour(self, image):
        """Strong colour changes for things that are not people: other channels' order, gains, gamma, inversion."""
        n = len(image)
        order = torch.stack([torch.randperm(3, device=self.device) for _ in range(n)])
        order = torch.where(self.chance(n, 0.4)[:, None], order, torch.arange(3, device=self.device))
        image = torch.gather(image, 1, order[:, :, None, None].expand_as(image))
        image = torch.where(self.chance(n, 0.08)[:, None, None, None], 1 - image, image)
        gain = torch.exp(0.15 * torch.randn(n, 3, 1, 1, device=self.device) + 0.2 * torch.randn(n, 1, 1, 1, device=self.device))
        return (image * gain).clamp(0, 1) ** torch.exp(self.uniform(n, -0.5, 0.5))[:, None, None, None]

    def piece(self, batch, height, width):
        """A piece of any picture at any zoom: image [B,3,H,W] and where it may show people [B,1,H,W]."""
        lib = self.lib
        pick = torch.randint(0, len(lib.frames), (batch,), device=self.device)
        none = lib.empty[torch.randint(0, len(lib.empty), (batch,), device=self.device)]
        pick = torch.where(self.chance(batch, 0.65), none, pick)
        scale = torch.exp(self.uniform(batch, math.log(0.5), math.log(3.5)))
        angle = torch.where(self.chance(batch, 0.3), self.uniform(batch, -3.1, 3.1), 0.1 * torch.randn(batch, device=self.device))
        scale, size = scale / 2, lib.sizes[pick] / 2
        middle = torch.tensor([width / 2, height / 2], device=self.device).expand(batch, 2)
        m = affine(batch, self.device, scale * torch.exp(self.uniform(batch, -0.4, 0.4)), scale, angle,
                   size * torch.rand(batch, 2, device=self.device), middle)
        both = torch.cat([lib.small[pick].float() / 255, lib.small_people[pick].float()], 1)
        both = warp(both, m, height, width, "reflection")
        return self.recolour(both[:, :3]), both[:, 3:]

    def shape(self, batch, height, width, low, high):
        """Alpha [B,1,H,W] of the union of two random turned boxes or ellipses, half sizes low..high px."""
        y, x = torch.meshgrid(torch.arange(height, device=self.device), torch.arange(width, device=self.device), indexing="ij")
        cx, cy = self.uniform(batch, 0, width), self.uniform(batch, 0, height)
        total = torch.zeros(batch, height, width, device=self.device)
        for _ in range(2):
            a = torch.exp(self.uniform(batch, math.log(low), math.log(high)))[:, None, None]
            b = a * torch.exp(self.uniform(batch, -1.8, 0.3))[:, None, None]
            t = self.uniform(batch, -3.1, 3.1)[:, None, None]
            u = ((x - cx[:, None, None]) * torch.cos(t) + (y - cy[:, None, None]) * torch.sin(t)) / a
            v = ((y - cy[:, None, None]) * torch.cos(t) - (x - cx[:, None, None]) * torch.sin(t)) / b
            far = torch.where(self.chance(batch, 0.5)[:, None, None], torch.maximum(u.abs(), v.abs()), (u * u + v * v).sqrt())
            total = torch.maximum(total, torch.sigmoid((1 - far) * torch.minimum(a, b) / 0.6))
            cx, cy = cx + torch.randn_like(cx) * a[:, 0, 0], cy + torch.randn_like(cy) * a[:, 0, 0]
        return total[:, None]

    def collage(self, batch, height, width):
        """A scene of several pieces: image, ignore (people in a piece have no key points, so they are ignored)."""
        image, ignore = self.piece(batch, height, width)
        for size in (0.9, 0.5, 0.3):
            other, people = self.piece(batch, height, width)
            on = self.shape(batch, height, width, 0.3 * size * height, size * width) * self.chance(batch, 0.6)[:, None, None, None]
            image, ignore = image * (1 - on) + other * on, ignore * (1 - on) + people * on
        return image, ignore

    def distract(self, scene, share):
        """Pastes a thing that is no person over everything: any texture, clothes' too, in any simple shape."""
        image, mask, ignore, points = scene
        batch, _, h, w = image.shape
        other, people = self.piece(batch, h, w)
        pick = torch.randint(0, len(self.lib.cut_points), (batch,), device=self.device)
        half = torch.full((batch, 2), CUT / 2.0, device=self.device)
        scale = torch.exp(self.uniform(batch, math.log(0.1), math.log(0.5)))
        m = affine(batch, self.device, scale, scale, self.uniform(batch, -3.1, 3.1), half + 20 * torch.randn_like(half),
                   torch.stack([self.uniform(batch, 0, w), self.uniform(batch, 0, h)], 1))
        cloth = warp(self.lib.cutouts[0][pick][:, :3].float() / 255, m, h, w, "reflection")
        own = self.chance(batch, 0.35)[:, None, None, None]
        other, people = torch.where(own, self.tint(cloth), other), torch.where(own, torch.zeros_like(people), people)
        on = self.shape(batch, h, w, 4, h / 3) * self.chance(batch, share)[:, None, None, None]
        return (image * (1 - on) + other * on, mask * (1 - on), (ignore * (1 - on) + people * on), self.hide(points, on))

    def compose(self, batch, height, width, move=True):
        """A scene and the same scene a moment later (pasted people moved a little).

        Returns two tuples (image [B,3,H,W], mask, ignore [B,1,H,W], points [B,P,17,3]).
        """
        image, mask, ignore, points = self.base(batch, height, width)
        image, gone = self.clutter(image)
        keep = (~gone).float()[:, None, None, None]
        mixed, hidden = self.collage(batch, height, width)
        swap = self.chance(batch, 0.5)[:, None, None, None]
        image, keep = torch.where(swap, mixed, image), torch.where(swap, torch.zeros_like(keep), keep)
        ignore = torch.where(swap, hidden, ignore * keep)
        first = second = self.distract(self.distract((image, mask * keep, ignore, points * keep), 0.6), 0.6)
        last = torch.randint(0, len(self.LAYERS), (1,)).item()
        crowd = torch.rand(batch, device=self.device)
        for turn, (level, low, high) in enumerate(self.LAYERS):
            if turn == last:
                first = second = self.distract(first, 0.5) if first is second else first
            source, m, own, flipped = self.layer(batch, height, width, level, low, high)
            on = self.chance(batch, 0.36) & (crowd > 0.2)
            step = torch.randn(batch, 2, device=self.device) * 3 * self.chance(batch, 0.6)[:, None]
            later = m.clone()
            later[:, :, 2] -= torch.einsum("bij,bj->bi", m[:, :, :2], step)
            first = self.paste(first, source, m, own, flipped, on)
            second = self.paste(second, source, later, own, flipped, on) if move else first
        return first, second

    def paste(self, scene, source, m, own, flipped, on):
        image, mask, ignore, points = scene
        h, w = image.shape[-2:]
        drawn = warp(source, m, h, w)
        alpha = drawn[:, 3:] * on[:, None, None, None]
        colour = drawn[:, :3]
        placed = self.flip_names(carry_points(own, m)[:, None], flipped)
        placed = placed * on[:, None, None, None]
        return (image * (1 - alpha) + colour * alpha, mask * (1 - alpha) + alpha, ignore * (1 - alpha),
                torch.cat([self.hide(points, alpha), placed], 1))


def dct_matrix(device):
    n = torch.arange(8, device=device, dtype=torch.float32)
    d = torch.cos((2 * n[None] + 1) * n[:, None] * math.pi / 16) * 0.5
    d[0] /= math.sqrt(2)
    return d


def compress(image, strength):
    """Block transform quantisation of [B,3,H,W] (H, W multiples of 8), strength [B] 0 = none, 1 = coarse."""
    b, c, h, w = image.shape
    d = dct_matrix(image.device)
    blocks = image.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    freq = d @ blocks @ d.T
    n = torch.arange(8, device=image.device, dtype=torch.float32)
    table = (1 + n[:, None] + n[None]) * 0.02
    q = (table * strength[:, None, None, None, None, None]).clamp(min=1e-4)
    back = d.T @ (torch.round(freq / q) * q) @ d
    return back.permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)


class Camera:
    """What a camera does to a clean scene. look() draws the fixed part, noise() the part of each frame."""

    def __init__(self, device):
        self.device = device

    def look(self, batch):
        r = lambda: torch.randn(batch, 1, 1, 1, device=self.device)
        rc = torch.randn(batch, 3, 1, 1, device=self.device)
        return {"gamma": torch.exp(0.25 * r()), "gain": torch.exp(0.15 * r() + 0.06 * rc), "lift": 0.04 * r(),
                "grey": (torch.rand(batch, 1, 1, 1, device=self.device) < 0.06).float(),
                "colour": torch.exp(0.25 * r()), "blur": torch.rand(batch, 1, 1, 1, device=self.device),
                "soft": torch.rand(batch, 1, 1, 1, device=self.device) < 0.3,
                "noise": (0.035 * torch.rand(batch, 1, 1, 1, device=self.device) ** 2),
                "strength": torch.rand(batch, device=self.device) ** 3 * 2.0}

    def shoot(self, image, look):
        """Clean scene 0..1 -> what the network sees."""
        grey = image.mean(1, keepdim=True)
        colour = look["colour"] * (1 - look["grey"])
        x = grey + (image - grey) * colour
        x = x.clamp(1e-4, 1) ** look["gamma"] * look["gain"] + look["lift"]
        small = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear", align_corners=False)
        x = torch.where(look["soft"], x * (1 - look["blur"]) + small * look["blur"], x)
        x = x + torch.randn_like(x) * look["noise"]
        return compress(x.clamp(0, 1), look["strength"]).clamp(0, 1)
