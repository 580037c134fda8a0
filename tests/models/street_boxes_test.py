#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file form and descriptor of street-boxes, as training starts from it and writes it.

  DELTACNN_TEST_DATA=DIR DELTACNN_PYTHON=PYTHON street_boxes_test.py DECODE_CLIP

models/train/graph_file.py cuts DIR/models/det_yolox_nano_416.onnx to eight classes in another order, with float16 weights
and free sizes, and writes a descriptor. Through descriptor, import, session and decoder the cut file must find what the
whole one finds of those classes, at a size that neither states. PYTHON has numpy and onnx; without it or DIR: exit 77.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import models_clips_test

PYTHON = os.environ.get("DELTACNN_PYTHON", "")
ROOT = models_clips_test.ROOT
WHOLE = os.path.join(models_clips_test.DATA, "models", "det_yolox_nano_416.onnx")
# of COCO's 80 classes: person, bicycle, car, motorcycle, bus, truck, dog, cat
COCO = [0, 1, 2, 3, 5, 7, 16, 15]
DOG = ("static_fullbody_dog_720p.mp4", 1280, 720)
SIZE, SCORE = "512x288", 0.35


def overlap(a, b):
    """IoU of two boxes x, y, w, h."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(0, w) * max(0, h)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


class StreetBoxesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="deltacnn-street-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.frames = os.path.join(self.folder, "frames.rgb")
        with open(self.frames, "wb") as file:
            file.write(models_clips_test.read_frames(DOG, 40, 2))

    def found(self, model):
        """Detections [x, y, w, h, score, class] of the second frame."""
        env = dict(os.environ, DELTACNN_MODEL_PATH=os.path.join(ROOT, "models", "data", "descriptors"))
        done = subprocess.run([TOOL, model, self.frames, "1280x720", SIZE], env=env, timeout=60, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[1])["detections"]

    def test_cut_file_finds_what_the_whole_one_finds(self):
        cut = os.path.join(self.folder, "street-boxes.onnx")
        subprocess.run([PYTHON, os.path.join(ROOT, "models", "train", "graph_file.py"), WHOLE, cut], check=True, timeout=60)
        self.assertLess(os.path.getsize(cut), 0.55 * os.path.getsize(WHOLE))
        got = self.found(cut)
        want = [d[:5] + [COCO.index(d[5])] for d in self.found(WHOLE) if d[5] in COCO and d[4] > SCORE]
        self.assertEqual({0, 6}, {d[5] for d in want}, "a woman and her dog are in the picture")
        for one in want:
            near = [d for d in got if d[5] == one[5] and overlap(d, one) > 0.97 and abs(d[4] - one[4]) < 0.01]
            self.assertEqual(1, len(near), f"{one} in {got}")
        self.assertTrue(all(d[5] < 8 for d in got), got)


if __name__ == "__main__":
    if not (PYTHON and os.path.isfile(WHOLE)):
        print("skip: wants DELTACNN_PYTHON (numpy, onnx) and DELTACNN_TEST_DATA")
        sys.exit(77)
    TOOL = sys.argv.pop(1)
    done = unittest.main(exit=False).result
    sys.exit(77 if done.wasSuccessful() and len(done.skipped) == done.testsRun else not done.wasSuccessful())
