# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rendered vehicles: simple models in random colours, light and cameras, with exact masks, for street-boxes.

The models are those of SMARTS (PyPI package `smarts`, MIT; its wheel is unpacked, not installed): smarts/assets/vehicles/
visual_model/*.glb, read with `trimesh`. A vehicle is drawn by splatting surface points into a depth buffer at twice the size.

    render_vehicles.py --models DIR --out DIR --count N [--seed S]

Writes DIR/NNNNN.jpg (colour, 256x256), DIR/NNNNN.png (alpha 0..255) and DIR/cutouts.json: a list of {id, class}, class an
index into graph_file.CLASSES.
"""
import argparse
import json
import pathlib

import cv2
import numpy as np
import trimesh

import graph_file

SIZE, SUPER, POINTS = 256, 2, 260_000
FILES = {"simple_car": "car", "muscle_car": "car", "truck": "truck"}   # the others look like none of our classes
PAINT = np.array([[235, 235, 235], [190, 192, 196], [120, 122, 126], [45, 46, 50], [18, 18, 20], [150, 25, 28], [30, 55, 120],
                  [70, 110, 160], [35, 80, 50], [200, 170, 60], [225, 120, 40], [130, 105, 80], [90, 40, 60], [210, 200, 175]], np.float32)


def parts(path):
    """[(triangles [n,3,3] with y up, colour [3] RGB 0..255, whether it is the body's paint)] of a .glb."""
    scene, out = trimesh.load(path), []
    for node in scene.graph.nodes_geometry:
        at, name = scene.graph[node]
        mesh = scene.geometry[name].copy()
        mesh.apply_transform(at)
        colour = np.array(mesh.visual.material.baseColorFactor[:3], np.float32)
        out.append((np.asarray(mesh.triangles, np.float32), colour, len(scene.geometry) == 1 or colour.min() > 240))
    return out


def surface(rng, shape):
    """Random points on a vehicle: where [n,3], normal [n,3], colour [n,3], and whether they lie on the paint [n]."""
    triangles, paint = np.concatenate([p[0] for p in shape]), PAINT[rng.integers(len(PAINT))] * rng.uniform(0.85, 1.1)
    colour = np.concatenate([np.tile(paint if body else c, (len(t), 1)) for t, c, body in shape])
    body = np.concatenate([np.full(len(t), b) for t, _, b in shape])
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(cross, axis=1)
    pick = rng.choice(len(triangles), POINTS, p=area / area.sum())
    u = rng.random((POINTS, 2), np.float32)
    u[u.sum(1) > 1] = 1 - u[u.sum(1) > 1]
    a, b, c = triangles[pick].transpose(1, 0, 2)
    return a + (b - a) * u[:, :1] + (c - a) * u[:, 1:], cross[pick] / np.maximum(area[pick, None], 1e-9), colour[pick], body[pick]


def render(rng, shape):
    """One cutout: colour uint8 [256,256,3] RGB, alpha uint8 [256,256]."""
    where, normal, colour, body = surface(rng, shape)
    where -= (where.min(0) + where.max(0)) / 2
    light = rng.normal(0, 1, 3)
    light[1] = abs(light[1]) + 0.5
    ambient = rng.uniform(0.45, 0.8)
    colour = colour * (ambient + (1.1 - ambient) * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)[:, None])
    yaw, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.choice([rng.uniform(2, 20), rng.uniform(10, 50)]))
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    seen = where @ (tilt @ turn).T
    far = np.ptp(where, 0).max() * rng.uniform(1.8, 6)
    front = (((np.array([0, 0, far]) - seen) * (normal @ (tilt @ turn).T)).sum(1)) > 0   # lamps lie on the paint: a little nearer
    seen, colour, depth = seen[front], colour[front], (far - seen[:, 2] - 0.03 * ~body)[front]
    xy = np.stack([seen[:, 0], -seen[:, 1]], 1) / depth[:, None]
    low, high = xy.min(0), xy.max(0)
    side = SIZE * SUPER
    at = ((xy - (low + high) / 2) * (side * 0.94 / (high - low).max()) + side / 2).astype(int)
    order = np.argsort(-depth)
    big, alpha = np.zeros((side, side, 3), np.float32), np.zeros((side, side), np.uint8)
    big[at[order, 1], at[order, 0]], alpha[at[order, 1], at[order, 0]] = colour[order], 1
    filled = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    near = cv2.dilate(big, np.ones((3, 3), np.uint8))
    big = cv2.medianBlur(np.where(alpha[..., None] > 0, big, near).clip(0, 255).astype(np.uint8), 5).astype(np.float32)
    a = cv2.resize(filled.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    small = cv2.resize(big * filled[..., None], (SIZE, SIZE), interpolation=cv2.INTER_AREA) / np.maximum(a[..., None], 1e-3)
    return small.clip(0, 255).astype(np.uint8), (a * 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng, records = np.random.default_rng(args.seed), []
    shapes = [(parts(args.models / f"{name}.glb"), graph_file.CLASSES.index(kind)) for name, kind in FILES.items()]
    for number in range(args.count):
        shape, kind = shapes[number % len(shapes)]
        colour, alpha = render(rng, shape)
        cv2.imwrite(str(args.out / f"{number:05d}.jpg"), colour[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(args.out / f"{number:05d}.png"), alpha)
        records.append({"id": number, "class": kind})
    json.dump(records, open(args.out / "cutouts.json", "w"))


if __name__ == "__main__":
    main()
