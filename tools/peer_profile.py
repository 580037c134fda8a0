#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where ONNX Runtime spends a model's time, by kind of layer.

  peer_profile.py MODEL WIDTHxHEIGHT THREADS

Prints one JSON object: milliseconds an inference (median of 30) of
"depthwise" convolutions, of the other "convolutions" and of the "rest". Needs
packages numpy, onnx and onnxruntime.
"""
import collections
import json
import os
import signal
import statistics
import sys
import tempfile

from peer_bench import resized_model

RUNS, WARM = 30, 5


def kind_of(event):
    """depthwise, convolutions or rest, by the shape of the weights."""
    name = event["args"]["op_name"]
    if "Conv" not in name:
        return "rest"
    shapes = event["args"].get("input_type_shape", [])
    weights = next(iter(shapes[1].values())) if len(shapes) > 1 else []
    return "depthwise" if len(weights) == 4 and weights[1] == 1 \
        and weights[0] > 1 else "convolutions"


def profile(path, size, threads):
    import numpy
    import onnxruntime
    width, height = (int(v) for v in size.split("x"))
    data, problem = resized_model(path, width, height)
    if problem:
        raise RuntimeError(problem)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = os.path.join(folder, "profile")
        session = onnxruntime.InferenceSession(
            data or path, options, providers=["CPUExecutionProvider"])
        first = session.get_inputs()[0]
        shape = [d if isinstance(d, int) else 1 for d in first.shape]
        tensor = numpy.random.default_rng(1).random(shape,
                                                    dtype=numpy.float32)
        for _ in range(RUNS + WARM):
            session.run(None, {first.name: tensor})
        with open(session.end_profiling(), encoding="utf-8") as text:
            events = json.load(text)
    times = collections.defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and \
                event["name"].endswith("_kernel_time"):
            times[event["name"], kind_of(event)].append(event["dur"] / 1000)
    total = {"convolutions": 0.0, "depthwise": 0.0, "rest": 0.0}
    for (_, kind), each in times.items():
        runs = max(1, round(len(each) / (RUNS + WARM)))
        total[kind] += statistics.median(each[WARM * runs:]) * runs
    return total


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(json.dumps(profile(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
