# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of frames (a scene, and the same scene a little later, twice) from clips, drawn on the device without work of the host."""
import math
import pathlib

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import prepare
import scenes

# clip: first frame, frames (None: all), every so many, share of the rows, largest distance of a row's frames
CLIPS = {"static_pets09_s2l1_vtest.avi": (110, None, 1, 0.27, (3, 2)), "static_person_onebyone.mp4": (0, None, 1, 0.13, (7, 3)),
         "static_car_topdown.mp4": (0, 260, 1, 0.11, (4, 2)), "static_bottle_640x360.mp4": (0, None, 2, 0.03, (7, 3)),
         "static_fullbody_juggle_720p.mp4": (0, None, 1, 0.14, (7, 3)), "handheld_bedroom_540p.mp4": (0, None, 1, 0.09, (7, 3)),
         "webcam_asl_walk.mkv": (0, None, 1, 0.04, (7, 3)), "webcam_asl_book.mkv": (0, None, 1, 0.03, (7, 3)),
         "webcam_asl_school.mkv": (0, None, 1, 0.03, (7, 3))}
STILLS = 0.13
HEIGHT, WIDTH, ROW = 576, 768, 3


def shrunk(image):
    """uint8 RGB [3,h,w] that lies within WIDTH x HEIGHT."""
    scale = min(1.0, WIDTH / image.shape[1], HEIGHT / image.shape[0])
    image = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


def load(videos, stills, device, limit):
    """Frames uint8 [N,3,HEIGHT,WIDTH] (top left), sizes [N,2] (w, h), clips (first, count, share, distances)."""
    pictures, clips = [], []
    for name, (start, stop, step, share, gaps) in CLIPS.items():
        stop = min(stop or 1 << 30, start + step * limit if limit else 1 << 30)
        at = len(pictures)
        pictures += [shrunk(image) for _, image in prepare.read_frames(pathlib.Path(videos) / name, start, stop, step)]
        clips.append((at, len(pictures) - at, share, gaps))
    still = sorted(pathlib.Path(stills).glob("*"))
    for path in still:
        clips.append((len(pictures), 1, STILLS / len(still), (7, 3)))
        pictures.append(shrunk(cv2.imread(str(path))))
    frames = torch.zeros(len(pictures), 3, HEIGHT, WIDTH, dtype=torch.uint8, device=device)
    for k, x in enumerate(pictures):
        frames[k, :, :x.shape[1], :x.shape[2]] = x.to(device)
    return frames, torch.tensor([x.shape[:0:-1] for x in pictures], dtype=torch.float32, device=device), clips


class Rows:
    def __init__(self, videos, stills, device, limit=None):
        self.device = device
        self.frames, self.sizes, clips = load(videos, stills, device, limit)
        generator = torch.Generator().manual_seed(5)
        tables = [self.table(first, count, generator) for first, count, _, _ in clips]
        start, last, gaps = [], [], []
        for c in torch.multinomial(torch.tensor([share for _, _, share, _ in clips]), 8192, replacement=True).tolist():
            first, count, _, most = clips[c]
            start.append(int(tables[c][int(torch.randint(0, 512, (1,), generator=generator))]))
            last.append(first + count - 1)
            gaps.append(most)
        self.start, self.last, self.gaps = (torch.tensor(v, device=device) for v in (start, last, gaps))

    def table(self, first, count, generator):
        """512 first frames of a clip, drawn so that three in four are followed by change."""
        if count < 12:
            return torch.full((512,), first)
        at = torch.arange(first, first + count - 4)
        small = [F.avg_pool2d(x.float(), 16) for x in self.frames[first:first + count].split(64)]
        small = torch.cat(small).cpu()
        moved = ((small[4:] - small[:-4]).abs().amax(1) > 10).float().mean((1, 2)) + 1e-5
        live = torch.multinomial(moved.clamp(max=0.03), 384, replacement=True, generator=generator)
        even = torch.randint(0, len(at), (128,), generator=generator)
        return at[torch.cat([live, even])]

    def uniform(self, n, low, high):
        return torch.rand(n, device=self.device) * (high - low) + low

    def chance(self, n, p):
        return torch.rand(n, device=self.device) < p

    def base(self, n, height, width):
        """Crops of n rows of frames: [ROW, n, 3, H, W] 0..1."""
        k = torch.randint(0, len(self.start), (n,), device=self.device)
        step = lambda most: 1 + (torch.rand(n, device=self.device) ** 1.5 * most).long()
        a = self.start[k]
        b = torch.minimum(a + step(self.gaps[k, 0]), self.last[k])
        c = torch.minimum(b + step(self.gaps[k, 1]), self.last[k])
        pick, size = torch.stack([a, b, c]), self.sizes[a]
        fit = torch.minimum(size[:, 0] / width, size[:, 1] / height)
        fill = torch.maximum(size[:, 0] / width, size[:, 1] / height)
        scale = torch.where(self.chance(n, 0.5), fill, fit / torch.exp(self.uniform(n, -0.2, math.log(2.4))))
        scale_x = scale * torch.exp(self.uniform(n, -0.08, 0.08)) * torch.where(self.chance(n, 0.5), -1.0, 1.0)
        room = size - torch.stack([scale_x.abs() * width, scale * height], 1)
        centre = (size - room) / 2 + room * torch.rand(n, 2, device=self.device)
        y, x = (torch.arange(v, device=self.device) + 0.5 - v / 2 for v in (height, width))
        gx = (centre[:, :1] + scale_x[:, None] * x)[:, None, :].expand(n, height, width)
        gy = (centre[:, 1:] + scale[:, None] * y)[:, :, None].expand(n, height, width)
        inside = ((gx > 0) & (gx < size[:, 0, None, None]) & (gy > 0) & (gy < size[:, 1, None, None]))[:, None].float()
        gx, gy = torch.minimum(gx, size[:, 0, None, None] - 0.5), torch.minimum(gy, size[:, 1, None, None] - 0.5)
        grid = torch.stack([gx / (WIDTH / 2) - 1, gy / (HEIGHT / 2) - 1], -1)
        image = torch.stack([F.grid_sample(self.frames[p].float() / 255, grid, padding_mode="border", align_corners=False) for p in pick])
        return image * inside + 114 / 255 * (1 - inside)

    def mosaic(self, n, height, width):
        x = self.base(4 * n, height // 2, width // 2)
        return x.reshape(ROW, n, 2, 2, 3, height // 2, width // 2).permute(0, 1, 4, 2, 5, 3, 6).reshape(ROW, n, 3, height, width)

    def passing(self, x, share):
        """A piece of another scene moves across: x [ROW,n,3,H,W]."""
        row, n, _, h, w = x.shape
        other, on = x[0].roll(1, 0), self.chance(n, share).float()[:, None, None, None]
        centre = torch.rand(n, 2, device=self.device)
        centre = torch.stack([centre[:, 0] * w, centre[:, 1] * h], 1)
        speed = torch.randn(n, 2, device=self.device) * torch.exp(self.uniform(n, math.log(0.7), math.log(9)))[:, None]
        radius = torch.exp(self.uniform(n, math.log(8), math.log(80)))[:, None] * torch.exp(0.3 * torch.randn(n, 2, device=self.device))
        y, gx = torch.meshgrid(torch.arange(h, device=self.device) + 0.5, torch.arange(w, device=self.device) + 0.5, indexing="ij")
        out = []
        for k in range(row):
            move = speed * k
            dx, dy = gx[None] - (centre[:, 0] + move[:, 0])[:, None, None], y[None] - (centre[:, 1] + move[:, 1])[:, None, None]
            alpha = ((1.15 - (dx / radius[:, 0, None, None]) ** 2 - (dy / radius[:, 1, None, None]) ** 2) * 4).clamp(0, 1)[:, None] * on
            grid = torch.stack([(gx[None] - move[:, 0, None, None]) / (w / 2) - 1, (y[None] - move[:, 1, None, None]) / (h / 2) - 1], -1)
            out.append(x[k] * (1 - alpha) + F.grid_sample(other, grid, padding_mode="reflection", align_corners=False) * alpha)
        return torch.stack(out)

    def draw(self, n, height, width):
        """-> what the camera would see without noise, and with it: [ROW*n,3,H,W] both, frame after frame."""
        quarter = n // 4
        x = torch.cat([self.base(n - quarter, height, width), self.mosaic(quarter, height, width)], 1)
        x = self.passing(x, 0.5)
        r = lambda *s: torch.randn(*s, 1, 1, 1, device=self.device)
        on = self.chance(n, 0.7).float()[:, None, None, None]
        grey = x.mean(2, keepdim=True)
        colour = torch.exp(0.2 * r(n) * on) * (1 - (torch.rand(n, 1, 1, 1, device=self.device) < 0.05).float())
        x = grey + (x - grey) * colour
        drift = 1 + 0.01 * r(ROW, n) * self.chance(n, 0.3).float()[:, None, None, None]
        x = x.clamp(1e-4, 1) ** torch.exp(0.2 * r(n) * on) * torch.exp(0.12 * r(n) * on + 0.04 * torch.randn(n, 3, 1, 1, device=self.device) * on) + 0.03 * r(n) * on
        clean = x.clamp(0, 1).reshape(ROW * n, 3, height, width)
        seen = (x * drift + torch.randn_like(x) * (0.02 * torch.rand(n, 1, 1, 1, device=self.device) ** 2)).reshape(ROW * n, 3, height, width)
        strength = (torch.rand(n, device=self.device) ** 3 * 1.2 * self.chance(n, 0.6)).repeat(ROW)
        return clean, scenes.compress(seen.clamp(0, 1), strength).clamp(0, 1)
