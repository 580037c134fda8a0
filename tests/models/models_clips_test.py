#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Public models on real clips: descriptor, import, session and decoder together.

  DELTACNN_TEST_DATA=DIR models_clips_test.py DECODE_CLIP [TestCase.test...]

DIR holds models/ and videos/ (see models/data/catalogue/README.md); a model or clip
that is not there is skipped, and without the folder, or where nothing in it
could be run, the whole test (exit 77).
Frames are decoded with gst-launch-1.0. Boxes are compared with ground truth.
Key points are places read off drawn results that were looked at (the two
noses of test_upper_body_poses: the decoders' own figures from then), so they
hold against change and gross error, not to the pixel. decode_clip itself
compares following a session with decoding each frame anew.
"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

DATA = os.environ.get("DELTACNN_TEST_DATA", "")
ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LIMIT = 300
JUGGLE = ("static_fullbody_juggle_720p.mp4", 1280, 720)
PETS = ("static_pets09_s2l1_vtest.avi", 768, 576)
TALKING = ("webcam_talkinghead_512x480.mp4", 512, 480)
SIGNING = ("webcam_asl_walk.mkv", 640, 480)
ROOM = ("static_person_onebyone.mp4", 768, 432)
# frame 60 of the juggling man: COCO key point -> x, y
MAN = {0: (742, 130), 5: (790, 168), 6: (676, 176), 11: (768, 346), 12: (690, 346), 13: (780, 460), 14: (695, 464), 16: (714, 620)}
# frame 40 of the signing woman, AI Challenger order: neck, right and left shoulder
WOMAN = {1: (318, 190), 2: (252, 212), 5: (372, 215)}


def read_frames(clip, first, count):
    """Raw RGB frames first .. first + count - 1 of a clip."""
    name, width, height = clip
    path, size = os.path.join(DATA, "videos", name), width * height * 3
    if not os.path.isfile(path):
        raise unittest.SkipTest("no clip " + name)
    command = ["gst-launch-1.0", "-q", "filesrc", "location=" + path, "!", "decodebin", "!", "videoconvert", "!",
               "video/x-raw,format=RGB", "!", "fdsink", "fd=1"]
    frames = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        for i in range(first + count):
            frame = child.stdout.read(size)
            if len(frame) < size:
                break
            if i >= first:
                frames += frame
        child.kill()
    if len(frames) < size * count:
        raise unittest.SkipTest("gst-launch-1.0 cannot decode " + name)
    return frames


class ClipsTest(unittest.TestCase):
    ran = 0  # models that ran on a clip

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="deltacnn-clips-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def run_model(self, model, clip, first=0, count=3, size=None):
        """Results of each frame; the last mask as rows of bytes under "pixels"."""
        path = os.path.join(DATA, "models", model + ".onnx")
        if not os.path.isfile(path):
            raise unittest.SkipTest("no model " + model)
        frames, mask = os.path.join(self.folder, "frames.rgb"), os.path.join(self.folder, "mask.pgm")
        with open(frames, "wb") as file:
            file.write(read_frames(clip, first, count))
        command = [TOOL, path, frames, "%dx%d" % clip[1:], "--mask", mask] + ([size] if size else [])
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        ClipsTest.ran += 1
        results = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(results), count)
        if "mask" in results[-1]:
            with open(mask, "rb") as file:
                head, data = file.read().split(b"\n", 1)
            width = int(head.split()[1])
            results[-1]["pixels"] = [data[i:i + width] for i in range(0, len(data), width)]
        return results

    def assert_points(self, pose, expected, tolerance):
        for k, (x, y) in expected.items():
            px, py, score = pose["points"][k]
            self.assertGreater(score, 0.1, "key point %d" % k)
            self.assertLess(max(abs(px - x), abs(py - y)), tolerance, "key point %d at %s" % (k, (px, py)))

    def test_whole_body_poses(self):
        for model, size in (("pose_movenet_lightning_192", None), ("pose_movenet_thunder_256", None),
                            ("pose_posenet_mnv1_385", None), ("pose_posenet_mnv1_385", "641x385")):
            with self.subTest(model, size=size):
                poses = self.run_model(model, JUGGLE, 60, 3, size)[0]["poses"]
                self.assertEqual(len(poses), 1)
                self.assert_points(poses[0], MAN, 32)

    def test_upper_body_poses(self):
        for model in ("pose_cpm_mnv2_192", "pose_hourglass_mnv2_192"):
            with self.subTest(model):
                poses = self.run_model(model, SIGNING, 40)[0]["poses"]
                self.assertEqual(len(poses), 1)
                self.assert_points(poses[0], WOMAN, 40)
        for model, nose in (("pose_simplepose_mnv2_256x192", (298, 138)), ("pose_blazepose_lite_256", (294, 144))):
            with self.subTest(model):
                poses = self.run_model(model, SIGNING, 40)[0]["poses"]
                self.assert_points(poses[0], {0: nose}, 20)

    def test_pets_against_ground_truth(self):
        path = os.path.join(DATA, "videos", "static_pets09_s2l1_vtest.gt_keyframes.csv")
        if not os.path.isfile(path):
            self.skipTest("no ground truth")
        with open(path, encoding="utf-8") as file:
            rows = [r for r in csv.reader(file) if r and r[0].strip().isdigit()]
        truth = [[float(v) for v in r[-4:]] for r in rows if int(r[0]) == 1]
        self.assertGreater(len(truth), 2)
        for model, size, share in (("det_yolox_nano_416", "768x576", 0.7), ("det_person_yolox_192", "768x576", 0.7),
                                   ("det_yolox_nano_416", None, 0.6), ("det_centernet_mnv3_512", None, 0.5),
                                   ("det_fastestdet_352", None, 0.4)):
            with self.subTest(model, size=size):
                found = [d for d in self.run_model(model, PETS, 0, 2, size)[0]["detections"] if d[5] == 0]
                hit = sum(1 for t in truth if any(iou(t, d) > 0.5 for d in found))
                self.assertGreaterEqual(hit / len(truth), share, "%d of %d" % (hit, len(truth)))

    def test_portraits(self):
        for model in ("seg_portrait_prismanet_256", "seg_portrait_deeplabv3_mnv2_513", "seg_selfie_mediapipe_256"):
            with self.subTest(model):
                pixels = self.run_model(model, TALKING, 100)[-1]["pixels"]
                height, width = len(pixels), len(pixels[0])
                self.assertGreater(pixels[height // 2][width // 2], 200)
                self.assertLess(pixels[height // 12][width // 12], 50)

    def test_classes(self):
        pixels = self.run_model("seg_voc_deeplabv3_mnv2_257", SIGNING, 40)[-1]["pixels"]
        self.assertEqual(pixels[160][120], 15)  # person
        self.assertEqual(pixels[10][10], 0)
        for row in self.run_model("seg_road_adas0001_512x896", PETS, 0, 1)[-1]["pixels"]:
            self.assertLess(max(row), 4)

    def test_labels(self):
        """The first class and its score: what ONNX Runtime gives for the same frames, averaged down to 227x227."""
        for clip, frame, label, score in ((PETS, 0, 703, 0.120), (JUGGLE, 60, 522, 0.163)):
            with self.subTest(clip[0]):
                labels = self.run_model("cls_squeezenet_v1.1_227", clip, frame, 1)[0]["labels"]
                self.assertEqual(labels[0][0], label)
                self.assertLess(abs(labels[0][1] - score), 0.03)
                self.assertTrue(all(labels[i][1] >= labels[i + 1][1] for i in range(len(labels) - 1)))

    def test_still_room(self):
        """Long still stretches: results stay, whether decoded anew or kept."""
        for model in ("det_yolox_nano_416", "seg_selfie_mediapipe_256", "pose_movenet_lightning_192"):
            with self.subTest(model):
                self.run_model(model, ROOM, 100, 40)


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return 0 if w <= 0 or h <= 0 else w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


if __name__ == "__main__":
    if not DATA or not os.path.isdir(os.path.join(DATA, "models")) or not shutil.which("gst-launch-1.0"):
        print("skipped: wants DELTACNN_TEST_DATA (a folder with models/ and videos/) and gst-launch-1.0")
        sys.exit(77)
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    TOOL = sys.argv.pop(1)
    outcome = unittest.main(exit=False).result
    if outcome.wasSuccessful() and not ClipsTest.ran:
        print("skipped: %s lacks the models or clips that are wanted: %s" % (
            DATA, ", ".join(sorted({reason for _, reason in outcome.skipped}))))
        sys.exit(77)
    sys.exit(not outcome.wasSuccessful())
