#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an application in Python does with the metas; e2e/typelib runs it."""
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstDeltaCnn", "1.0")
from gi.repository import GLib, Gst, GstDeltaCnn  # noqa: E402 after the versions

Gst.init(None)
buffer = Gst.Buffer.new()
pose = GstDeltaCnn.buffer_add_delta_cnn_pose_meta(buffer, 1, None)
point = GstDeltaCnn.DeltaCnnKeypoint()
point.x, point.y, point.score = 3, 4, .5
pose.append(.75, [point, point])
print(pose.get_n_poses(), pose.get_score(0), pose.get_n_keypoints(0))
print(pose.poses, pose.keypoints)
boxes = GstDeltaCnn.buffer_add_delta_cnn_detection_meta(buffer, 1)
tensors = GstDeltaCnn.buffer_add_delta_cnn_tensor_meta(buffer, 1)
print(boxes.detections, tensors.tensors)

# Two elements' metas on one buffer: the first, by index, by source.
BITS = GLib.Bytes.new(bytes(8))
KINDS = {"class": (), "detection": (), "picture": (1, 1, 3, BITS), "pose": (None,), "segmentation": (1, 1, 1, BITS),
         "stats": (), "tensor": (), "update": (1, 1, BITS), "value": ()}


def meta_function(verb, kind, by=""):
    return getattr(GstDeltaCnn, f"buffer_{verb}_delta_cnn_{kind}_meta{by}")


for kind, more in KINDS.items():
    buffer = Gst.Buffer.new()
    for name in ("one", "two"):
        meta_function("add", kind)(buffer, GLib.quark_from_string(name), *more)
    found = [meta_function("get", kind)(buffer),
             *(meta_function("get", kind, "_by_index")(buffer, n) for n in range(3)),
             *(meta_function("get", kind, "_by_source")(buffer, name) for name in ("one", "two", "three"))]
    print(kind, *(GLib.quark_to_string(m.source) if m else "-" for m in found))
