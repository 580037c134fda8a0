#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Decoders that follow a session give what decoding each frame anew gives.

  models_zoo_test.py DECODE_CLIP

On the networks of models/data/zoo and a made-up clip (things that move, stay,
appear and vanish); decode_clip does the comparison. Also names and errors of
dcnn_model_load().
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ZOO = os.path.join(ROOT, "models", "data", "zoo")
WIDTH, HEIGHT, FRAMES = 256, 192, 24
HEAD = "[modelinfo]\nversion=1.0\n[deltacnn]\nname=%s\ndecoder=%s\ninput-size=256x192\ninput-multiple=32\n"
DECODERS = {"people-seg": "segmentation", "people-pose": "people-pose"}


def clip():
    """A textured room, a block that walks, one that comes and goes, and still stretches."""
    chance = random.Random(5)
    noise = bytes(chance.randrange(40, 120) for _ in range(WIDTH * HEIGHT * 3))
    frames = []
    for t in range(FRAMES):
        picture = bytearray(noise)
        step = min(t, 8) if t < 14 else t - 6
        boxes = [(20 + 9 * step, 40, 30, 110, (210, 180, 150))]
        if 10 <= t < 16:
            boxes.append((180, 60, 40, 40, (30, 200, 90)))
        for x, y, w, h, colour in boxes:
            row = bytes(colour) * min(w, WIDTH - x)
            for line in range(y, y + h):
                at = (line * WIDTH + x) * 3
                picture[at:at + len(row)] = row
        frames.append(bytes(picture))
    return b"".join(frames)


class ZooTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="deltacnn-zoo-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.frames = os.path.join(self.folder, "clip.rgb")
        with open(self.frames, "wb") as file:
            file.write(clip())

    def put(self, name, text=None):
        """A copy of a network with a descriptor of our own."""
        source = os.path.join(ZOO, name + ".onnx")
        if not os.path.isfile(source):
            self.skipTest("no models/data/zoo/%s.onnx" % name)
        target = os.path.join(self.folder, "copy-of-%s.onnx" % name)
        shutil.copyfile(source, target)
        with open(target + ".modelinfo", "w", encoding="utf-8") as file:
            file.write(text or HEAD % ("test-" + name, DECODERS[name]))
        return target

    def run_clip(self, model, *more, status=0):
        env = dict(os.environ, DELTACNN_MODEL_PATH=self.folder)
        done = subprocess.run([TOOL, model, self.frames, "%dx%d" % (WIDTH, HEIGHT), *more], env=env, timeout=120,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_following(self):
        for name in DECODERS:
            for size in ((), ("320x224",)):
                with self.subTest(name, size=size):
                    done = self.run_clip(self.put(name), *size)
                    self.assertEqual(len(done.stdout.splitlines()), FRAMES)

    def test_by_name(self):
        self.put("people-seg")
        for name in ("copy-of-people-seg", "test-people-seg"):
            self.run_clip(name)
        self.assertIn("deltacnn-models get", self.run_clip("no-such-model", status=1).stderr)

    def test_wrong_descriptors(self):
        good = HEAD % ("x", "segmentation")
        for text, says in ((good.replace("decoder=s", "sha256=%s\ndecoder=s" % ("0" * 64)), "another file"),
                           (good + "[nothing]\ndir=input\n", "speaks of input \"nothing\", but the model has: image"),
                           (good + "[nothing]\ndir=output\n", "speaks of output \"nothing\", but the model has: mask"),
                           (good.replace("segmentation", "yolox"), "wants rows"),
                           (good + "[oops]\n", "copy-of-people-seg.onnx.modelinfo:8: [oops]")):
            with self.subTest(says):
                self.assertIn(says, self.run_clip(self.put("people-seg", text), status=1).stderr)

    def test_wrong_size(self):
        done = self.run_clip(self.put("people-seg"), "250x192", status=1)
        self.assertIn("width 250", done.stderr)
        self.assertIn("224 and 256", done.stderr)

    def test_no_model(self):
        target = self.put("people-seg")
        with open(target, "rb") as file:
            start = file.read(5000)
        for text in (b"", b"not a model", start):
            with open(target, "wb") as file:
                file.write(text)
            self.assertTrue(self.run_clip(target, status=1).stderr.strip())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    TOOL = sys.argv.pop(1)
    unittest.main()
