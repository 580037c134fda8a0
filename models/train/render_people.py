# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rendered people: random bodies, poses, clothes, light and cameras, with exact masks and key points.

The body is Anny (PyPI package `anny`, Apache-2.0; its mesh and shapes are MakeHuman's, CC0). Clothes are
painted and inflated, hair and skirts are added as points. A body is drawn by splatting surface
points into a depth buffer at twice the size, then reduced.

    render_people.py --out DIR --count N [--seed S] [--close SHARE]

Writes DIR/NNNNN.jpg (colour, 256x256), DIR/NNNNN.png (alpha 0..255) and DIR/cutouts.json: a list of
{id, close, points: [17][x, y, score]} in pixels of the 256x256 picture; score 1 = seen, 0.5 = hidden,
0 = outside. `close` cutouts are cut off at the lower edge (a person in front of a webcam).
"""
import argparse
import json
import pathlib

import cv2
import numpy as np
import torch

import anny
from anny.keypoints import KeypointsRegressor

SIZE, SUPER, POINTS = 256, 2, 420_000
PALETTE = np.array([[20, 20, 25], [45, 45, 50], [90, 90, 95], [150, 150, 150], [225, 225, 225], [30, 40, 80],
                    [60, 80, 130], [110, 130, 160], [130, 30, 35], [190, 60, 50], [200, 150, 60], [40, 80, 50],
                    [90, 110, 70], [120, 90, 60], [180, 160, 130], [210, 120, 150], [90, 60, 110], [220, 200, 60],
                    [60, 150, 170], [230, 120, 40]], np.float32)
SKIN = np.array([[240, 205, 180], [225, 180, 150], [200, 150, 115], [160, 110, 80], [110, 75, 55], [75, 50, 40]],
                np.float32)
HAIR = np.array([[20, 16, 14], [45, 30, 22], [90, 60, 35], [170, 130, 75], [120, 115, 110], [120, 50, 25]], np.float32)


def rotation(axis, degrees):
    """4x4 rotation about x, y or z (0, 1, 2)."""
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    m, t = np.eye(4, dtype=np.float32), np.radians(degrees)
    m[a, a] = m[b, b] = np.cos(t)
    m[a, b], m[b, a] = -np.sin(t), np.sin(t)
    return m


def random_pose(rng, index):
    """Bone rotations [bones,4,4] in the rest frame: x to the body's left, -y forward, z up."""
    pose = np.tile(np.eye(4, dtype=np.float32), (len(index), 1, 1))

    def turn(bone, axis, degrees):
        pose[index[bone]] = rotation(axis, degrees) @ pose[index[bone]]

    kind = rng.choice(["walk", "stand", "sit", "wild"], p=[0.35, 0.35, 0.12, 0.18])
    stride = rng.uniform(5, 38) * rng.choice([-1, 1]) if kind == "walk" else 0
    for side, sign in (("L", 1), ("R", -1)):
        swing = sign * stride + rng.normal(0, 5)
        if kind == "sit":
            hip, knee = rng.uniform(70, 95), rng.uniform(60, 100)
        elif kind == "wild":
            hip, knee = rng.uniform(-25, 85), rng.uniform(0, 100)
        else:
            hip, knee = swing, max(0, rng.normal(8, 6)) + (max(0, -swing) * rng.uniform(0.4, 1.3))
        turn(f"upperleg01.{side}", 0, -hip)
        turn(f"upperleg01.{side}", 1, sign * (rng.normal(7, 5) if kind != "wild" else rng.uniform(-25, 10)))
        turn(f"lowerleg01.{side}", 0, knee)
        down = rng.normal(34, 7) if kind != "wild" else rng.uniform(-90, 45)
        raise_, elbow, twist = -0.8 * swing + rng.normal(0, 8), abs(rng.normal(15, 14)), rng.normal(0, 15)
        if rng.random() < 0.4:
            raise_, elbow, twist = rng.uniform(0, 95), rng.uniform(20, 125), rng.uniform(-60, 60)
        turn(f"upperarm01.{side}", 2, sign * twist)
        turn(f"lowerarm01.{side}", 0, -elbow)
        turn(f"upperarm01.{side}", 1, sign * down)
        turn(f"upperarm01.{side}", 0, -raise_)
    bend = rng.normal(3, 8) if kind != "wild" else rng.uniform(-15, 45)
    for bone, share in (("spine05", 0.3), ("spine03", 0.4), ("spine01", 0.3)):
        turn(bone, 0, bend * share)
        turn(bone, 2, rng.normal(0, 6))
        turn(bone, 1, rng.normal(0, 3))
    turn("neck01", 0, rng.normal(0, 10))
    turn("head", 2, rng.normal(0, 25))
    turn("head", 0, rng.normal(8, 14))
    return pose


def smooth_noise(rng, where, scale, terms=12):
    """Random smooth function of 3-D positions [N,3] -> [N], about -1..1."""
    k = rng.normal(0, 1 / scale, (terms, 3)).astype(np.float32)
    return np.sin(where @ k.T + rng.uniform(0, 6.28, terms).astype(np.float32)).mean(1) * 2


def pattern(rng, base, where):
    """Cloth colour [N,3] for rest positions [N,3]."""
    colour = np.tile(base, (len(where), 1))
    kind = rng.choice(["plain", "stripes", "checks", "blotch", "print"], p=[0.5, 0.15, 0.1, 0.15, 0.1])
    other = PALETTE[rng.integers(len(PALETTE))]
    period = rng.uniform(0.03, 0.14)
    if kind == "stripes":
        on = np.sin(where[:, rng.choice([0, 2])] / period * 6.28) > rng.uniform(-0.5, 0.7)
    elif kind == "checks":
        on = (np.sin(where[:, 0] / period * 6.28) > 0) ^ (np.sin(where[:, 2] / period * 6.28) > 0)
    elif kind == "blotch":
        on = smooth_noise(rng, where, period) > 0.2
    elif kind == "print":
        on = (np.abs(where[:, 0]) < 0.09) & (np.abs(where[:, 2] - 0.3) < 0.09) & (where[:, 1] < 0)
    else:
        on = np.zeros(len(where), bool)
    colour[on] = other
    return colour


class Bodies:
    """The body model and what is fixed about it."""

    def __init__(self):
        self.model = anny.Anny().to(dtype=torch.float32)
        self.index = {b: i for i, b in enumerate(self.model.bone_labels)}
        self.regress = KeypointsRegressor.coco(self.model)
        self.faces = np.asarray(self.model.faces)
        out = self.model(pose_parameters=torch.eye(4)[None, None].repeat(1, len(self.index), 1, 1),
                         phenotype_kwargs={k: torch.full((1,), 0.6) for k in self.model.phenotype_labels})
        self.rest = out["vertices"][0].numpy()
        dominant = self.model.vertex_bone_indices.gather(
            1, self.model.vertex_bone_weights.argmax(1, keepdim=True))[:, 0].numpy()
        self.bone = np.array([self.model.bone_labels[i] for i in dominant])
        starts = lambda *names: np.array([b.startswith(names) for b in self.bone])
        self.head, self.eyes = starts("head", "neck02", "neck03", "eye"), starts("eye")
        self.hand, self.foot = starts("wrist", "finger", "metacarpal"), starts("foot", "toe")
        self.arm = starts("upperarm", "lowerarm", "wrist", "finger", "metacarpal")

    def pose(self, rng):
        """Vertices [V,3] and COCO key points [17,3] of a random person, metres."""
        old = rng.random() < 0.15
        look = {"gender": rng.random(), "age": rng.uniform(0.35, 0.6) if old else rng.uniform(0.6, 1.0),
                "muscle": rng.uniform(0.2, 0.8), "weight": rng.uniform(0.15, 0.95), "height": rng.uniform(0.2, 0.8),
                "proportions": rng.random()}
        pose = torch.from_numpy(random_pose(rng, self.index))[None]
        with torch.no_grad():
            out = self.model(pose_parameters=pose, phenotype_kwargs={k: torch.tensor([look[k]], dtype=torch.float32)
                                                                     for k in self.model.phenotype_labels})
            return out["vertices"][0].numpy(), self.regress(out)[0, :17].numpy()


def normals(vertices, faces):
    """Unit vertex normals [V,3]."""
    n = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    out = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(out, faces[:, i], n)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def dress(rng, body, vertices):
    """Inflates clothes and hair; returns vertices [V,3], colour [V,3], skirt points or None."""
    rest, n = body.rest, normals(vertices, body.faces)
    skin = SKIN[rng.integers(len(SKIN))] * rng.uniform(0.85, 1.1)
    colour = np.tile(skin, (len(rest), 1))
    sleeve, hem, leg = rng.choice([0.26, 0.32, 0.43, 0.47], p=[0.25, 0.15, 0.1, 0.5]), rng.uniform(-0.12, 0.08), \
        rng.choice([-0.3, -0.42, -0.72, -0.8], p=[0.12, 0.06, 0.2, 0.62])
    if rng.random() < 0.2:
        hem = rng.uniform(-0.5, -0.2)
    torso = ~body.head & ~body.hand & (rest[:, 2] > hem) & (np.abs(rest[:, 0]) < sleeve) & (rest[:, 2] < rng.uniform(0.46, 0.53))
    upper = torso | (body.arm & ~body.hand & (np.abs(rest[:, 0]) < sleeve))
    lower = ~upper & ~body.arm & ~body.head & ~body.foot & (rest[:, 2] > leg) & (rest[:, 2] < 0.2)
    top, bottom = PALETTE[rng.integers(len(PALETTE))], PALETTE[rng.choice(len(PALETTE), p=np.r_[np.full(8, 0.09), np.full(12, 0.28 / 12)])]
    colour[upper] = pattern(rng, top, rest[upper])
    colour[lower] = pattern(rng, bottom, rest[lower])
    colour[body.foot] = PALETTE[rng.integers(len(PALETTE))] if rng.random() < 0.9 else skin
    grow = np.zeros(len(rest), np.float32)
    for part, most in ((upper, 0.045), (lower, 0.035)):
        grow[part] = rng.uniform(0.004, most) * (1 + 0.6 * smooth_noise(rng, rest[part], 0.08))
    grow[body.foot] = 0.01
    front = body.head & (rest[:, 1] < -0.06)
    colour[front & (np.abs(rest[:, 2] - 0.585) < 0.008) & (np.abs(rest[:, 0]) < 0.028)] = skin * [0.75, 0.5, 0.5]
    colour[body.eyes] = (235, 235, 235) if rng.random() < 0.3 else (40, 30, 25)
    if rng.random() < 0.93:
        long = rng.choice([0.42, 0.5, 0.58, 0.63], p=[0.2, 0.2, 0.2, 0.4])
        line = rng.uniform(0.685, 0.705)
        hair = (body.head | (rest[:, 1] > 0) & (rest[:, 2] > 0.4) & (np.abs(rest[:, 0]) < 0.12)) & ~body.eyes & (
            (rest[:, 2] > line) | ((rest[:, 1] > -0.045) & (rest[:, 2] > long)))
        tint = HAIR[rng.integers(len(HAIR))] if rng.random() < 0.93 else PALETTE[rng.integers(len(PALETTE))]
        colour[hair] = tint * (1 + 0.25 * smooth_noise(rng, rest[hair], 0.02))[:, None]
        grow[hair] = rng.uniform(0.008, 0.045) * (1 + 0.4 * smooth_noise(rng, rest[hair], 0.05))
        colour[front & (np.abs(rest[:, 2] - 0.672) < 0.006) & (np.abs(np.abs(rest[:, 0]) - 0.035) < 0.02)] = tint * 0.8
    return vertices + n * grow[:, None], colour.clip(0, 255), bottom if rng.random() < 0.15 else None


def skirt(rng, points, colour, count=90_000):
    """Points [N,3] on a cone from the hips to the knees, with normals and colours."""
    hips, knees = (points[11] + points[12]) / 2, (points[13] + points[14]) / 2
    t = np.sqrt(rng.random(count)).astype(np.float32)[:, None] * rng.uniform(0.6, 1.5)
    a = rng.uniform(0, 6.28, count).astype(np.float32)
    across = (points[11] - points[12]) / max(1e-6, np.linalg.norm(points[11] - points[12]))
    axis = (knees - hips) / max(1e-6, np.linalg.norm(knees - hips))
    forth = np.cross(across, axis)
    wide = 0.16 + rng.uniform(0.05, 0.22) * t[:, 0] + np.linalg.norm(points[13] - points[14]) * 0.35 * t[:, 0]
    around = np.cos(a)[:, None] * across + 0.75 * np.sin(a)[:, None] * forth
    fold = 1 + 0.06 * np.sin(a * rng.integers(5, 12))[:, None] * t
    where = hips - 0.06 * axis + (knees - hips) * t + around * wide[:, None] * fold
    return where.astype(np.float32), around.astype(np.float32), np.tile(colour, (count, 1))


def splat(xy, depth, colour, size):
    """Nearest point a pixel. xy [N,2] px, depth [N] (smaller is nearer) -> colour [S,S,3], depth [S,S]."""
    x, y = xy[:, 0].astype(np.int64), xy[:, 1].astype(np.int64)
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    cell = torch.from_numpy((y * size + x)[inside])
    d = depth[inside]
    key = torch.from_numpy((d * 1e5).astype(np.int64) << 24) + torch.arange(len(d))
    best = torch.full((size * size,), 2 ** 62, dtype=torch.int64).scatter_reduce_(0, cell, key, "amin").numpy()
    seen = best < 2 ** 62
    out = np.zeros((size * size, 3), np.float32)
    out[seen] = colour[inside][best[seen] & (2 ** 24 - 1)]
    far = np.full(size * size, 1e9, np.float32)
    far[seen] = (best[seen] >> 24) / 1e5
    return out.reshape(size, size, 3), far.reshape(size, size)


def camera(rng, points, vertices, close):
    """Random view: a function from metres [N,3] to pixels [N,2] and depth [N]."""
    azimuth = rng.uniform(0, 360) if not close else rng.normal(0, 25)
    elevation = rng.choice([rng.uniform(-5, 15), rng.uniform(15, 40), rng.uniform(40, 65)], p=[0.45, 0.35, 0.2])
    if close:
        elevation = rng.uniform(-15, 15)
    turn = (rotation(1, rng.normal(0, 4)) @ rotation(0, elevation) @ rotation(2, azimuth))[:3, :3]
    distance = rng.uniform(3, 14) if not close else rng.uniform(0.9, 2.0)
    middle = vertices.mean(0) if not close else points[[0, 5, 6]].mean(0)

    def look(p):
        q = (p - middle) @ turn.T
        z = distance + q[:, 1]
        return np.stack([q[:, 0] / z, -q[:, 2] / z], 1), z

    xy, _ = look(vertices if not close else np.concatenate([vertices[vertices[:, 2] > points[[5, 6], 2].mean() - rng.uniform(0.1, 0.5)]]))
    low, high = xy.min(0), xy.max(0)
    scale = SIZE * SUPER * 0.94 / (high - low).max()
    shift = np.array([SIZE * SUPER / 2 - (low[0] + high[0]) / 2 * scale, SIZE * SUPER * 0.03 - low[1] * scale
                      if close else SIZE * SUPER / 2 - (low[1] + high[1]) / 2 * scale])
    return lambda p: (look(p)[0] * scale + shift, look(p)[1])


def render(rng, body, close):
    """One cutout: colour uint8 [256,256,3] RGB, alpha uint8 [256,256], key points [17,3]."""
    bare, points = body.pose(rng)
    vertices, colour, skirt_colour = dress(rng, body, bare)
    f = body.faces
    area = np.linalg.norm(np.cross(vertices[f[:, 1]] - vertices[f[:, 0]], vertices[f[:, 2]] - vertices[f[:, 0]]), axis=1)
    pick = rng.choice(len(f), POINTS, p=area / area.sum())
    u = rng.random((POINTS, 2)).astype(np.float32)
    u[u.sum(1) > 1] = 1 - u[u.sum(1) > 1]
    bary = np.stack([1 - u.sum(1), u[:, 0], u[:, 1]], 1)[..., None]
    mix = lambda a: (a[f[pick]] * bary).sum(1)
    where, normal, rest = mix(vertices), mix(normals(vertices, f)), mix(body.rest)
    colour = colour[f[pick, 0]] if rng.random() < 0.5 else mix(colour)
    normal = normal + 0.25 * np.stack([smooth_noise(rng, rest, 0.04) for _ in range(3)], 1)
    if skirt_colour is not None:
        extra = skirt(rng, points, skirt_colour)
        where, normal, colour = [np.concatenate(p) for p in zip((where, normal, colour), extra)]
    light = rng.normal(0, 1, 3)
    light[2] = abs(light[2]) + 0.3
    light /= np.linalg.norm(light)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    ambient = rng.uniform(0.35, 0.75)
    shade = ambient + (1.15 - ambient) * np.clip(normal @ light, 0, 1) + 0.12 * normal[:, 2]
    view = camera(rng, points, vertices, close)
    xy, depth = view(where.astype(np.float32))
    big, far = splat(xy, depth, (colour * shade[:, None]).clip(0, 255), SIZE * SUPER)
    alpha = (far < 1e8).astype(np.uint8)
    filled = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    spread = cv2.dilate(big, np.ones((3, 3), np.uint8))
    big = cv2.medianBlur(np.where((alpha > 0)[..., None], big, spread).astype(np.uint8), 3).astype(np.float32)
    at, z = view(points)
    shown = np.zeros((17, 3), np.float32)
    shown[:, :2] = at / SUPER
    limit = SIZE * SUPER
    for k in range(17):
        x, y = int(at[k, 0]), int(at[k, 1])
        if 0 <= x < limit and 0 <= y < limit:
            near = far[max(0, y - 3):y + 4, max(0, x - 3):x + 4].min()
            shown[k, 2] = 1.0 if z[k] - near < 0.16 else 0.5
    small = cv2.resize(big * filled[..., None], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    a = cv2.resize(filled.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    small = small / np.maximum(a[..., None], 1e-3)
    return small.clip(0, 255).astype(np.uint8), (a * 255).astype(np.uint8), shown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    torch.set_num_threads(1)
    parser.add_argument("--close", type=float, default=0.2, help="share of webcam close-ups")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng, body, records = np.random.default_rng(args.seed), Bodies(), []
    for number in range(args.count):
        close = rng.random() < args.close
        colour, alpha, points = render(rng, body, close)
        cv2.imwrite(str(args.out / f"{number:05d}.jpg"), colour[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(args.out / f"{number:05d}.png"), alpha)
        records.append({"id": number, "close": bool(close), "points": [[round(float(v), 2) for v in p] for p in points]})
    json.dump(records, open(args.out / "cutouts.json", "w"))


if __name__ == "__main__":
    main()
