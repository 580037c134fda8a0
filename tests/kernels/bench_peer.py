#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times ONNX Runtime on the shapes that `check_kernels --bench --csv` prints.

    bench_peer.py path/to/check_kernels [--filter TEXT]

Each shape becomes a model of one convolution and a relu, run on one thread.
Columns: microseconds of the kernel (dense), of ONNX Runtime, and their ratio
(above 1: the kernel is faster); the two are measured in turns, best of three.
Needs the packages onnx, onnxruntime and numpy.
"""
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def make_model(kind, h, w, i, o, k, s, d):
    pads = [(k - 1) * d // 2] * 4
    groups = i if kind == "depthwise" else 1
    shape = [i, o, k, k] if kind == "transpose" else [o, i // groups, k, k]
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    attributes = dict(kernel_shape=[k, k], strides=[s, s], dilations=[d, d],
                      pads=pads, group=groups)
    op = "Conv"
    if kind == "transpose":
        op = "ConvTranspose"
        attributes["pads"] = [(k - 1) // 2] * 4
        extra = h * s - ((h - 1) * s + k - 2 * ((k - 1) // 2))
        attributes["output_padding"] = [max(extra, 0)] * 2
    nodes = [helper.make_node(op, ["x", "w", "b"], ["c"], **attributes),
             helper.make_node("Relu", ["c"], ["y"])]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, i, h, w])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w"),
         numpy_helper.from_array(np.zeros(o, np.float32), "b")])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)])


def time_peer(session, x):
    best = 1e9
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.15:
        start = time.perf_counter()
        session.run(None, {"x": x})
        best = min(best, time.perf_counter() - start)
    return best * 1e6


def kernel_lines(program, text):
    out = subprocess.run([program, "--bench", "--csv", "--filter", text],
                         check=True, capture_output=True, text=True).stdout
    return [line.split(",") for line in out.splitlines() if "," in line]


def main():
    program = sys.argv[1]
    text = sys.argv[3] if len(sys.argv) > 3 else ""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    best = {}
    for _ in range(3):
        for line in kernel_lines(program, text):
            shape = (line[1],) + tuple(int(v) for v in line[2:9])
            kind, h, w, i = shape[:4]
            if shape not in best:
                model = make_model(*shape).SerializeToString()
                best[shape] = [1e9, 1e9, onnxruntime.InferenceSession(
                    model, options, providers=["CPUExecutionProvider"])]
            entry = best[shape]
            x = np.random.default_rng(1).normal(size=(1, i, h, w))
            entry[0] = min(entry[0], float(line[9]))
            entry[1] = min(entry[1], time_peer(entry[2],
                                               x.astype(np.float32)))
    for (kind, h, w, i, o, k, s, d), (ours, peer, _) in best.items():
        print(f"{kind:9} {h:3}x{w:<3} {i:3}->{o:<3} k{k} s{s} d{d} "
              f"{ours:9.1f} us {peer:9.1f} us  {peer / ours:5.2f}")


if __name__ == "__main__":
    main()
