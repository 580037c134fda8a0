#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a model in another engine, frame by frame, for deltacnn-bench --peer.

  peer_bench.py onnxruntime|openvino MODEL WIDTHxHEIGHT THREADS

The input tensor (float32) is the memory behind file descriptor 3. Protocol on
standard input and output: first "ready VERSION" comes out; each line "run"
in gives the microseconds of one inference out. Copying the input in is not
timed, as the frame's preparation is not either. A wrong start prints one line
"error ..." and exits with 1.
"""
import importlib
import mmap
import os
import signal
import sys
import time

TENSOR_FD = 3


def whole_package(name):
    """Imports a package, or says that a mere folder of its name is in the way:
    Debian's libonnx-testdata has one called onnx, which Python takes for a
    package without anything in it."""
    module = importlib.import_module(name)
    if getattr(module, "__file__", None) is None:
        raise ImportError(f"No module named '{name}' (only the folder "
                          f"{list(module.__path__)[0]} of that name)")
    return module


def resized_model(path, width, height):
    """The model's bytes with the image input's H and W set; None: as it is."""
    try:
        onnx = whole_package("onnx")
    except ImportError:
        return None, ("the Python package onnx is needed where the size is "
                      "not the file's own: install it with pip")
    model = onnx.load(path)
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    dims = inputs[0].type.tensor_type.shape.dim
    nhwc = len(dims) == 4 and dims[3].dim_value in (1, 3)
    at = (1, 2) if nhwc else (2, 3)
    if (dims[at[0]].dim_value, dims[at[1]].dim_value) == (height, width) \
            and dims[0].dim_value == 1:
        return None, None
    dims[0].dim_value = 1
    dims[at[0]].dim_value, dims[at[1]].dim_value = height, width
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return model.SerializeToString(), None


class OnnxRuntime:
    """onnxruntime on the CPU, its threads asleep between two runs."""

    def __init__(self, path, data, threads):
        onnxruntime = whole_package("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that go on spinning would take our time, not give them any.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            data or path, options, providers=["CPUExecutionProvider"])
        first = self.session.get_inputs()[0]
        self.name, self.shape = first.name, first.shape
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self.feed = {}

    def bind(self, tensor):
        self.feed = {self.name: tensor}

    def run(self):
        self.session.run(None, self.feed)


class OpenVino:
    """OpenVINO on the CPU, float32, latency mode."""

    def __init__(self, path, data, threads):
        openvino = whole_package("openvino")
        core = openvino.Core()
        model = core.read_model(data) if data else core.read_model(path)
        compiled = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1})
        self.request = compiled.create_infer_request()
        self.shape = list(compiled.inputs[0].shape)
        self.version = f"openvino {openvino.__version__.split('-')[0]}"
        self.openvino = openvino
        self.tensor = None

    def bind(self, tensor):
        self.tensor = self.openvino.Tensor(tensor, shared_memory=True)
        self.request.set_input_tensor(self.tensor)

    def run(self):
        self.request.infer()


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def start(kind, path, size, threads):
    width, height = (int(v) for v in size.split("x"))
    data, problem = resized_model(path, width, height)
    engine = ENGINES[kind](path, data, int(threads))
    import numpy
    nhwc = engine.shape[3] in (1, 3) and engine.shape[1] not in (1, 3)
    shape = list(engine.shape)
    shape[0] = 1
    wanted = [height, width]
    if (shape[1:3] if nhwc else shape[2:4]) != wanted:
        raise RuntimeError(problem or f"the input is {shape}, not {size}")
    count = int(numpy.prod(shape))
    shared = mmap.mmap(TENSOR_FD, count * 4, access=mmap.ACCESS_READ)
    source = numpy.frombuffer(shared, dtype=numpy.float32).reshape(shape)
    tensor = numpy.zeros(shape, dtype=numpy.float32)
    engine.bind(tensor)
    return engine, source, tensor


def main(arguments):
    if len(arguments) != 4 or arguments[0] not in ENGINES:
        print(__doc__, file=sys.stderr)
        return 2
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever an engine prints must not look like an answer
    try:
        engine, source, tensor = start(*arguments)
    except ImportError as error:
        answers.write(f"error {error}: install it for this interpreter "
                      f"({sys.executable}) with pip, or name another with "
                      "--python or DELTACNN_PYTHON\n")
        return 1
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        answers.write(f"error {text}\n")
        return 1
    answers.write(f"ready {engine.version}\n")
    for line in sys.stdin:
        if line.strip() != "run":
            continue
        tensor[...] = source
        before = time.perf_counter_ns()
        engine.run()
        answers.write(f"{(time.perf_counter_ns() - before) / 1000:.1f}\n")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main(sys.argv[1:]))
