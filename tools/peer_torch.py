#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""PyTorch as a dense peer: exports networks to ONNX, and times them in half
precision, channels last.

  peer_torch.py export FOLDER [NET...] [--size WIDTHxHEIGHT]
  peer_torch.py bench MODEL WIDTHxHEIGHT BATCH [--seconds S] [--device D]

export writes FOLDER/NET.onnx with random weights; NET is hrnet_w32, resnet50,
mobilenet_v2 (384x384) or densenet121 (864x480). It needs packages torch,
torchvision, timm and onnx.

bench times MODEL, one of these names or an ONNX file of ours (run by a small
interpreter), and prints one JSON object a line, each with what is known so far:
milliseconds a batch, medians, of "eager", "graph" (a CUDA graph of it),
"compile" (torch.compile, in a CUDA graph) and "autotune" (the same, mode
max-autotune-no-cudagraphs, which takes minutes to begin); or "skipped" with the
reason. Without CUDA only "eager" is timed, in float32: to try the script.
TensorRT is not among the peers.
"""
import argparse
import json
import pathlib
import signal
import statistics
import sys
import time

NETS = {"hrnet_w32": (384, 384), "resnet50": (384, 384),
        "mobilenet_v2": (384, 384), "densenet121": (864, 480)}


def build(name):
    """A network of the list, random weights, ready to infer."""
    import torch
    torch.manual_seed(1)
    if name == "hrnet_w32":
        import timm
        model = timm.create_model("hrnet_w32", pretrained=False,
                                  features_only=True, feature_location="")
    else:
        import torchvision
        model = getattr(torchvision.models, name)(weights=None)
    # as trained networks have them: statistics that differ by channel
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def size_of(text):
    return tuple(int(v) for v in text.split("x"))


def export(folder, names, size):
    import torch
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NETS:
        if name not in NETS:
            sys.exit(f"peer_torch.py: no net {name}; {', '.join(NETS)}")
        width, height = size_of(size) if size else NETS[name]
        path = folder / f"{name}.onnx"
        torch.onnx.export(build(name), torch.zeros(1, 3, height, width),
                          str(path), dynamo=False, opset_version=17,
                          input_names=["image"])
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


# ---- ONNX files, as PyTorch calls -----------------------------------------

class Unsupported(Exception):
    pass


def pads_of(attributes, rank=2):
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise Unsupported("auto_pad")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    return pads[:rank], pads[rank:]


def padded(functional, x, attributes, value=0.0):
    """x with its padding, and what the operator itself is to pad."""
    begin, end = pads_of(attributes)
    if begin == end:
        return x, begin
    flat = [begin[1], end[1], begin[0], end[0]]
    return functional.pad(x, flat, value=value), [0, 0]


def run_window(torch, node, x, values):
    """Convolutions and poolings."""
    f, a = torch.nn.functional, node["attributes"]
    stride = list(a.get("strides", [1, 1]))
    if node["op"] == "Conv":
        x, pad = padded(f, x, a)
        return f.conv2d(x, values[1], values[2] if len(values) > 2 else None,
                        stride, pad, list(a.get("dilations", [1, 1])),
                        a.get("group", 1))
    if node["op"] == "MaxPool":
        x, pad = padded(f, x, a, float("-inf"))
        return f.max_pool2d(x, list(a["kernel_shape"]), stride, pad,
                            list(a.get("dilations", [1, 1])),
                            bool(a.get("ceil_mode", 0)))
    x, pad = padded(f, x, a)
    return f.avg_pool2d(x, list(a["kernel_shape"]), stride, pad,
                        bool(a.get("ceil_mode", 0)),
                        bool(a.get("count_include_pad", 0)))


def run_resize(torch, node, x, values):
    a, f = node["attributes"], torch.nn.functional
    mode = a.get("mode", b"nearest")
    size = None
    if len(values) > 3 and values[3] is not None:
        size = [int(v) for v in values[3].flatten()[2:]]
    else:
        scales = values[2] if len(values) > 2 else values[1]
        size = [int(x.shape[2] * float(scales[2])),
                int(x.shape[3] * float(scales[3]))]
    if mode == b"nearest":
        return f.interpolate(x, size)
    aligned = a.get("coordinate_transformation_mode") == b"align_corners"
    return f.interpolate(x, size, mode="bilinear", align_corners=aligned)


def run_shape(torch, node, x, values):
    a, op = node["attributes"], node["op"]
    if op == "Reshape":
        shape = [int(v) for v in values[1]]
        shape = [x.shape[i] if v == 0 else v for i, v in enumerate(shape)]
        if shape[0] == 1:
            shape[0] = x.shape[0]  # the file's batch is 1
        return x.reshape(shape)
    if op == "Transpose":
        return x.permute(*a["perm"])
    if op == "Flatten":
        return x.flatten(a.get("axis", 1))
    if op == "Concat":
        return torch.cat(values, a["axis"])
    axes = values[3] if len(values) > 3 else range(len(values[1]))
    steps = values[4] if len(values) > 4 else [1] * len(values[1])
    index = [slice(None)] * x.dim()
    for axis, begin, end, step in zip(axes, values[1], values[2], steps):
        index[int(axis)] = slice(int(begin), min(int(end), 2**31), int(step))
    return x[tuple(index)]


def run_pointwise(torch, node, x, values):
    a, op, f = node["attributes"], node["op"], torch.nn.functional
    if op == "Clip":
        low, high = ([*values[1:], None, None])[:2]
        low = a.get("min") if low is None else float(low)
        high = a.get("max") if high is None else float(high)
        return torch.clamp(x, low, high)
    plain = {"Relu": torch.relu, "Sigmoid": torch.sigmoid,
             "HardSwish": f.hardswish, "HardSigmoid": f.hardsigmoid,
             "Tanh": torch.tanh, "Exp": torch.exp, "Identity": lambda v: v}
    if op in plain:
        return plain[op](x)
    two = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul,
           "Div": torch.div}
    if op in two:
        return two[op](x, values[1])
    if op == "LeakyRelu":
        return f.leaky_relu(x, a.get("alpha", 0.01))
    if op == "GlobalAveragePool":
        return x.mean((2, 3), keepdim=True)
    if op == "Softmax":
        return torch.softmax(x, a.get("axis", -1))
    if op == "Gemm":
        y = x @ (values[1].t() if a.get("transB") else values[1])
        return y + values[2] if len(values) > 2 else y
    raise Unsupported(op)


GROUPS = {"Conv": run_window, "MaxPool": run_window,
          "AveragePool": run_window, "Resize": run_resize,
          "Reshape": run_shape, "Transpose": run_shape,
          "Flatten": run_shape, "Concat": run_shape, "Slice": run_shape}


def interpreter(path):
    """An ONNX file as a module; constants are folded or become buffers."""
    import onnx
    import torch
    from onnx import helper, numpy_helper
    graph = onnx.load(str(path)).graph
    constant = {t.name: torch.tensor(numpy_helper.to_array(t))
                for t in graph.initializer}
    nodes = []
    for node in graph.node:
        a = {i.name: helper.get_attribute_value(i) for i in node.attribute}
        if node.op_type == "Constant":
            constant[node.output[0]] = torch.tensor(
                numpy_helper.to_array(a["value"]))
        elif node.op_type in ("Cast", "Identity") and \
                node.input[0] in constant:
            value = constant[node.input[0]]
            constant[node.output[0]] = value.float() \
                if value.is_floating_point() else value
        else:
            op = "Identity" if node.op_type == "Cast" else node.op_type
            nodes.append({"op": op, "attributes": a, "in": list(node.input),
                          "out": node.output[0]})

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.static = {"": None}
            self.buffer_of = {}
            for i, (name, value) in enumerate(constant.items()):
                if value.is_floating_point() and value.numel() > 8:
                    self.register_buffer(f"c{i}", value)
                    self.buffer_of[name] = f"c{i}"
                elif value.dim():
                    self.static[name] = value.tolist()
                else:
                    self.static[name] = value.item()
            # lists that arithmetic reads are tensors after all
            for node in nodes:
                if node["op"] in ("Add", "Sub", "Mul", "Div", "Conv", "Gemm"):
                    for name in node["in"]:
                        if isinstance(self.static.get(name), list):
                            key = f"s{len(self.buffer_of)}"
                            self.register_buffer(key, constant[name].float())
                            self.buffer_of[name] = key

        def value(self, seen, name):
            if name in seen:
                return seen[name]
            if name in self.buffer_of:
                return getattr(self, self.buffer_of[name])
            value = self.static[name]
            return value

        def forward(self, x):
            seen = {graph.input[0].name: x}
            for node in nodes:
                values = [self.value(seen, n) for n in node["in"]]
                run = GROUPS.get(node["op"], run_pointwise)
                seen[node["out"]] = run(torch, node, values[0], values)
            return [seen[o.name] for o in graph.output]

    return Net().eval()


# ---- timing ------------------------------------------------------------------

def time_calls(call, seconds, synchronize):
    """Median milliseconds of a call that has run before."""
    times, until = [], time.perf_counter() + seconds
    while len(times) < 10 or time.perf_counter() < until:
        synchronize()
        start = time.perf_counter()
        call()
        synchronize()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def in_graph(torch, call):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def one_line(error):
    return f"{type(error).__name__}: " + " ".join(str(error).split())[:160]


def say(result):
    print(json.dumps(result), flush=True)


def compiled(torch, net, x, mode, seconds):
    """Milliseconds of the net as torch.compile makes it, in a graph."""
    torch._dynamo.reset()
    fast = torch.compile(net, mode=mode, dynamic=False)
    with torch.inference_mode():
        for _ in range(3):
            fast(x)
        return time_calls(in_graph(torch, lambda: fast(x)), seconds,
                          torch.cuda.synchronize)


def bench(model, width, height, batch, seconds=1.0, device="cuda"):
    """Says {"eager": ms, "graph": ms, ...} or {"skipped": why}."""
    import torch
    cuda = device.startswith("cuda")
    out = {"model": str(model), "batch": batch, "width": width,
           "height": height, "torch": torch.__version__,
           "device": torch.cuda.get_device_name() if cuda else "cpu"}
    try:
        net = build(model) if model in NETS else interpreter(model)
        dtype = torch.float16 if cuda else torch.float32
        net = net.to(device=device, dtype=dtype,
                     memory_format=torch.channels_last)
        x = torch.rand(batch, 3, height, width, device=device, dtype=dtype)
        x = x.to(memory_format=torch.channels_last)
        wait = torch.cuda.synchronize if cuda else (lambda: None)
        with torch.inference_mode():
            for _ in range(3):
                net(x)
            out["eager"] = time_calls(lambda: net(x), seconds, wait)
            say(out)
            if cuda:
                out["graph"] = time_calls(in_graph(torch, lambda: net(x)),
                                          seconds, wait)
    except Exception as error:  # whatever a file or a driver throws
        out["skipped"] = one_line(error)
        say(out)
        return
    for name, mode in (("compile", None), ("autotune",
                                           "max-autotune-no-cudagraphs")):
        if not cuda:
            break
        say(out)
        try:
            out[name] = compiled(torch, net, x, mode, seconds)
        except Exception as error:
            out[f"{name}_skipped"] = one_line(error)
        say(out)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sub = parser.add_subparsers(dest="command", required=True)
    way = sub.add_parser("export")
    way.add_argument("folder", type=pathlib.Path)
    way.add_argument("nets", nargs="*")
    way.add_argument("--size", default="")
    way = sub.add_parser("bench")
    way.add_argument("model")
    way.add_argument("size")
    way.add_argument("batch", type=int)
    way.add_argument("--seconds", type=float, default=1.0)
    way.add_argument("--device", default="cuda")
    chosen = parser.parse_args()
    if chosen.command == "export":
        export(chosen.folder, chosen.nets, chosen.size)
        return 0
    bench(chosen.model, *size_of(chosen.size), chosen.batch, chosen.seconds,
          chosen.device)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
