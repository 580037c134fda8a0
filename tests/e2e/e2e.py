#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""End to end: the programs as a user meets them.

  e2e.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import configparser
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "data" / "zoo" / "people-seg.onnx"


class Skip(Exception):
    pass


def model_missing():
    """The name of what of the shipped model is not there; None: all is."""
    for path in (MODEL, MODEL.with_name(MODEL.name + ".modelinfo")):
        if not path.exists():
            return path.name
    return None


class Bench:
    """A build folder and a scratch folder."""

    def __init__(self, build, scratch):
        self.build, self.scratch = build, scratch
        self.environment = {
            **os.environ, "LC_ALL": "C.UTF-8", "DELTACNN_BUILD": str(build),
            "GST_PLUGIN_PATH": str(build / "gst"),
            "GST_REGISTRY": str(build / "e2e-registry.bin"),
            "DELTACNN_MODEL_PATH": str(MODEL.parent)}

    def run(self, *command, good=True, **more):
        tool = self.build / "tools" / command[0]
        if tool.exists():
            command = (str(tool), *command[1:])
        out = subprocess.run([str(c) for c in command], text=True,
                             capture_output=True, stdin=subprocess.DEVNULL,
                             env=self.environment, timeout=500, **more)
        line = " ".join(str(c) for c in command)
        if good and out.returncode:
            raise AssertionError(f"{line}\nexit status {out.returncode}\n"
                                 f"{out.stdout[-2000:]}{out.stderr[-3000:]}")
        if not good and not (0 < out.returncode < 100
                             or out.returncode == 255):
            raise AssertionError(f"{line}\nshould be refused, gave exit status"
                                 f" {out.returncode}\n{out.stderr[-3000:]}")
        return out

    def sanitized(self):
        """Whether the programs have sanitizers, which others that load the plugin have not."""
        options = json.loads((self.build / "meson-info/intro-buildoptions.json").read_text(encoding="utf-8"))
        return any(o["name"] == "b_sanitize" and o["value"] not in ("none", []) for o in options)

    def need_model(self):
        if model_missing():
            raise Skip(f"models/data/zoo/{model_missing()} is not there")
        return MODEL

    def scene(self, frames=40):
        path = self.scratch / "scene.avi"
        self.run("deltacnn-scene", "--frames", frames, path)
        return path


def says(text, *words):
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text[-3000:]}"


def case_inspect(bench):
    model = bench.need_model()
    out = bench.run("deltacnn-inspect", model, "--why")
    says(out.stdout, "input", "output", "fused nodes", "predicted peak")
    report = json.loads(bench.run("deltacnn-inspect", model, "--json").stdout)
    reasons = [n["why"] for n in report["nodes"] if n["why"]]
    assert out.stdout.count("why: ") == len(reasons)
    says(out.stdout, *reasons)
    assert report["macs"] == sum(n["macs"] for n in report["nodes"])
    assert report["state_bytes"] > 0 and report["predicted_peak_bytes"] > 0
    for tensor in report["inputs"] + report["outputs"]:
        assert len(tensor["shape"]) == 4 and min(tensor["shape"]) >= 1, tensor
    dot = bench.scratch / "net.dot"
    bench.run("deltacnn-inspect", model, "--dot", dot)
    text = dot.read_text(encoding="utf-8")
    assert text.count(" -> ") >= len(report["nodes"]) - 1
    for index, node in enumerate(report["nodes"]): # its operators, unquoted
        says(text, f"label=<<b>{index}</b> {node['ops']}<br/>")
    says(bench.run("deltacnn-inspect", model, "--dump").stdout, "# plan")
    if "gpu_session_bytes" in report: # what a GPU would hold
        held = {p: json.loads(bench.run(
            "deltacnn-inspect", model, "--json", "--precision",
            p).stdout)["gpu_session_bytes"] for p in ("f32", "f16", "bf16")}
        assert held["f32"] > held["f16"] == held["bf16"] == \
            report["gpu_session_bytes"], held
    else:
        says(bench.run("deltacnn-inspect", model, "--precision", "bf16",
                       good=False).stderr, "no device has memory of its own")


def case_inspect_suggest(bench):
    """What is suggested is a descriptor that loads, with the right decoder."""
    clip = bench.scene()
    for name, decoder in (("people-seg", "segmentation"), ("people-pose", "people-pose")):
        source = MODEL.with_name(name + ".onnx")
        if not source.exists():
            raise Skip(f"models/data/zoo/{source.name} is not there")
        model = bench.scratch / f"{name}-copy.onnx"
        shutil.copy(source, model)
        text = bench.run("deltacnn-inspect", model, "--suggest", "--frame", clip).stdout
        says(text, "[modelinfo]", f"name={name}-copy", "sha256=", "on the frame", "[input]", "scale=0.00392")
        model.with_name(model.name + ".modelinfo").write_text(text, encoding="utf-8")
        says(text, f"decoder={decoder}", "semantics=")
        says(bench.run("deltacnn-inspect", model).stdout, f"{name}-copy, decoder {decoder}")
    says(bench.run("deltacnn-inspect", MODEL, "--suggest").stdout, "decoder=segmentation")
    says(bench.run("deltacnn-inspect", MODEL, "--suggest", "--frame", "/no/clip.mp4", good=False).stderr, "clip.mp4")


def case_inspect_errors(bench):
    missing = bench.run("deltacnn-inspect", "/no/such.onnx", good=False)
    says(missing.stderr, "/no/such.onnx")
    junk = bench.scratch / "junk.onnx"
    junk.write_bytes(b"this is no model at all" * 10)
    says(bench.run("deltacnn-inspect", junk, good=False).stderr, "junk.onnx")
    empty = bench.scratch / "empty.onnx"
    empty.write_bytes(b"")
    says(bench.run("deltacnn-inspect", empty, good=False).stderr, "empty.onnx")
    bench.run("deltacnn-inspect", good=False)
    bench.run("deltacnn-inspect", "a", "b", good=False)
    if not model_missing():
        size = bench.run("deltacnn-inspect", MODEL, "--size", "0x7",
                         good=False)
        says(size.stderr, "0x7", "WIDTHxHEIGHT")
        half = bench.scratch / "half.onnx"
        half.write_bytes(MODEL.read_bytes()[:MODEL.stat().st_size // 2])
        says(bench.run("deltacnn-inspect", half, good=False).stderr,
             "half.onnx")


def check_report(report):
    for key in ("frames", "changed_share", "mac_share", "sparse_ms",
                "dense_ms", "peer_ms", "agreement", "state_bytes",
                "peak_rss_bytes", "nodes"):
        assert key in report, key
    for key in ("changed_share", "mac_share"):
        assert 0 <= report[key] <= 1.01, (key, report[key])
    assert report["sparse_ms"] > 0 and report["peak_rss_bytes"] > 0
    assert report["nodes"]


def node_rows(shown):
    """Numbers of the nodes in a report's table, in its order."""
    return [int(n) for n in re.findall(r"^ *(\d+)  \S.* \d+x\d+x\d+ ", shown, re.MULTILINE)]


def case_bench(bench):
    model = bench.need_model()
    path, plot = bench.scratch / "r.json", bench.scratch / "r.png"
    out = bench.run("deltacnn-bench", "--model", model, "--synthetic", "0.05",
                    "--size", "192x128", "--frames", 12, "--json", path,
                    "--plot", plot)
    says(out.stdout, "speed-up", "agreement", "changed")
    report = json.loads(path.read_text(encoding="utf-8"))
    check_report(report)
    assert report["frames"] == 11 and report["dense_ms"] > 0
    assert 0.01 < report["changed_share"] < 0.5, report["changed_share"]
    assert "max_abs" in report["agreement"]
    assert plot.read_bytes()[:4] == b"\x89PNG"
    says(out.stdout, f"The 12 slowest of {len(report['nodes'])} nodes")
    assert len(set(node_rows(out.stdout))) == 12


def case_bench_streams(bench):
    """Streams as a batch: figures a share and a mode, and clips."""
    model = bench.need_model()
    tool = ["deltacnn-bench", "--model", model, "--size", "96x64",
            "--frames", "2", "--streams", "3", "--set", "dilation=0", "--set",
            "settle=0"]
    out = bench.run(*tool, "--device", "cpu", "--synthetic", "0,10%,1",
                    "--json", "-").stdout
    report = json.loads(out)
    assert report["device"] == "cpu" and report["streams"] == 3
    points = report["points"]
    assert [(p["synthetic"], p["mode"]) for p in points] == [
        (s, m) for s in (0, 0.1, 1) for m in ("sparse", "dense")]
    for point in points:
        assert point["frames"] == 6 and len(point["nodes"]) > 10
        assert 0 <= point["device_ms"] <= point["batch_ms"]
        if point["mode"] == "dense":
            assert point["mac_share"] == 1 and point["dense_frames"] == 6
    still, some, all_new = points[::2]
    assert still["mac_share"] == 0 and still["changed_share"] == 0
    assert 0 < some["mac_share"] < 1 and some["dense_frames"] == 0
    assert 0.03 < some["changed_share"] < 0.15
    assert all_new["changed_share"] > 0.95
    shown = bench.run(*tool, "--threads", "1", "--mode", "sparse",
                      "--synthetic", "10%").stdout
    says(shown, "on cpu, 3 streams", "10.0 %")
    # the same frames: the same changes and work
    says(shown, f"{100 * some['changed_share']:.2f} %",
         f"{100 * some['mac_share']:.1f} %")
    clip = bench.scene(8)
    report = json.loads(bench.run(*tool, "--clip", clip, "--clip", clip,
                                  "--json", "-").stdout)
    assert len(report["points"]) == 2 and "synthetic" not in \
        report["points"][0]
    # how many are taken: no more than there may be, and none at a rate that no
    # processor reaches (a picture each microsecond)
    tool = ["deltacnn-bench", "--model", model, "--size", "96x64", "--clip",
            clip, "--device", "cpu", "--mode", "sparse", "--json", "-"]
    for rate, streams in (("0.1", 2), ("1000000", 0)):
        report = json.loads(bench.run(*tool, "--rate", rate, "--streams", "2",
                                      "--set", "settle=0").stdout)
        point, = report["points"]
        assert point["streams"] == streams and report["pictures"] == "host"
        assert point["probes"][-1]["taken"] == bool(streams)
    assert "--rate goes by clips" in bench.run(
        "deltacnn-bench", "--model", model, "--rate", "25", "--synthetic",
        "5%", good=False).stderr
    assert "NVIDIA GPU" in bench.run(*tool, "--rate", "25", "--energy",
                                     good=False).stderr
    # the figures beside peers, and their pictures
    figures, script = bench.scratch / "figures.json", ROOT / "tools" / \
        "gpu_figures.py"
    bench.run(sys.executable, script, "run", "--nets", bench.scratch, "--json",
              figures, "--bench", bench.build / "tools/deltacnn-bench",
              "--device", "cpu", "--batches", "1", "--shares",
              "5%,0%,10%", "--frames", "2", "--no-peers", f"{model}@96x64")
    bench.run(sys.executable, script, "streams", "--json", figures, "--bench",
              bench.build / "tools/deltacnn-bench", "--device", "cpu",
              "--rate", "0.1", "--most", "1", "--clip", clip, f"{model}@96x64")
    results = json.loads(figures.read_text(encoding="utf-8"))
    results["nets"]["people-seg"]["1"]["peers"] = {"graph": 5.0}
    figures.write_text(json.dumps(results), encoding="utf-8")
    table = bench.run(sys.executable, script, "plot", figures,
                      bench.scratch / "plots").stdout
    says(table, "| people-seg 96x64 | 1 |", "5.000 |")
    says(table, "| people-seg 96x64, scene | sparse | 1 |")
    plot = (bench.scratch / "plots/people-seg.svg").read_text()
    says(plot, "speed-up")
    line = max((points.split() for points in
                re.findall(r'polyline points="([^"]*)"', plot)), key=len)
    across = [float(point.split(",")[0]) for point in line]
    assert len(across) == 3 and across == sorted(across), line
    says((bench.scratch / "plots/streams.svg").read_text(), "1 dense")
    # switches beside none, there and back
    tool = [sys.executable, ROOT / "tools/gpu_switches.py", "--nets",
            bench.scratch, "--json", bench.scratch / "switches.json",
            "--bench", bench.build / "tools/deltacnn-bench", "--device",
            "cpu", "--batches", "1", "--shares", "5%", "--frames", "2",
            "--switch", "other:SOME=1,MORE=2", f"{model}@96x64"]
    table = bench.run(*tool).stdout
    says(table, "people-seg, batch 1", "| other | ", "| none, ms | ")
    results = json.loads((bench.scratch / "switches.json").read_text())
    assert len(results["people-seg"]["1"]["none"]["5"]) == 4, results
    assert len(results["people-seg"]["1"]["other"]["5"]) == 2, results
    says(bench.run(*tool[:3], bench.scratch / "none", *tool[4:5],
                   bench.scratch / "other.json", *tool[6:7], "nowhere",
                   *tool[8:], good=False).stdout, "skipped: none: ")


# Stands in for compute-sanitizer: says what it is told to of racecheck.
SANITIZER = """#!/bin/sh
tool=$2
shift 4
while [ "${1#--}" != "$1" ]; do shift 2; done
"$@" || exit 1
[ "$tool" != racecheck ] || echo "RACECHECK SUMMARY: 3 hazards displayed"
echo "========= ERROR SUMMARY: 0 errors"
"""


def case_gpu_check(bench):
    """What is asked of a GPU, tried on the cpu: a step of each kind passes, one
    fails, and the next call runs what has not passed."""
    model = bench.need_model()
    sanitizer = bench.scratch / "sanitizer"
    sanitizer.write_text(SANITIZER, encoding="utf-8")
    sanitizer.chmod(0o755)
    tool = [sys.executable, ROOT / "tools/gpu_check.py", "run", "--build",
            bench.build, "--out", bench.scratch / "check", "--export", "",
            "--sanitizer", sanitizer, "--only",
            "^(tails|memcheck-1|racecheck-small-1|figures|table)",
            "--figures", "--batches 1 --shares 5% --frames 2 --no-peers "
            "--variant other:DELTACNN_CUDA_WIDE=1"]
    out = bench.run(*tool, "--device", "cpu", f"{model}@96x64",
                    good=False).stdout
    says(out, "FAILED", "3 found", "5 steps, 1 failed now, 0 left")
    table = (bench.scratch / "check/plots/table.md").read_text()
    says(table, "| people-seg 96x64 | 1 |", "| people-seg 96x64 other | 1 |")
    assert (bench.scratch / "check/logs.tar.gz").exists()
    sanitizer.write_text(SANITIZER.replace("3 hazards", "0 hazards"),
                         encoding="utf-8")
    out = bench.run(*tool, "--device", "cpu", f"{model}@96x64").stdout
    says(out, "racecheck-small-1", "5 steps, 0 failed now, 0 left")
    assert "tails" not in out, out
    out = bench.run(*tool, "--device", "none", "--again", good=False).stdout
    says(out, "FAILED", "device=none")
    with tarfile.open(bench.scratch / "bundle.tar.xz", "w:xz") as archive:
        archive.add(bench.build / "tests/engine/engine-tails",
                    arcname="deltacnn/bin/engine-tails")
    says(bench.run(sys.executable, ROOT / "tools/gpu_check.py", "run",
                   "--bundle", bench.scratch / "bundle.tar.xz", "--out",
                   bench.scratch / "unpacked", "--export", "", "--only",
                   "^tails", "--device", "cpu").stdout,
         "passed", "1 steps, 0 failed now, 0 left")


def case_bench_exact(bench):
    """At threshold 0 the sparse outputs are the dense ones."""
    model = bench.need_model()
    out = bench.run("deltacnn-bench", "--model", model, "--synthetic", "0.03",
                    "--size", "192x128", "--frames", 10, "--json", "-",
                    "--set", "threshold=0", "--set", "input-threshold=0",
                    "--set", "gate-threshold=0")
    report = json.loads(out.stdout)
    check_report(report)
    assert report["agreement"]["max_abs"] <= 1e-4, report["agreement"]


def case_bench_still(bench):
    """A still picture costs next to nothing."""
    model = bench.need_model()
    out = bench.run("deltacnn-bench", "--model", model, "--synthetic", "0",
                    "--size", "192x128", "--frames", 20, "--json", "-",
                    "--mode", "sparse")
    report = json.loads(out.stdout)
    check_report(report)
    assert report["dense_ms"] is None
    assert report["changed_share"] == 0 and report["mac_share"] < 0.01
    shown = bench.run("deltacnn-bench", "--model", model, "--synthetic", "0", "--size", "192x128", "--frames", 3, "--nodes").stdout
    assert node_rows(shown) == list(range(len(report["nodes"]))), shown


def case_bench_clip(bench):
    model = bench.need_model()
    svg = bench.scratch / "r.svg"
    out = bench.run("deltacnn-bench", "--model", model, "--clip",
                    bench.scene(), "--size", "192x128", "--frames", 20,
                    "--mode", "both", "--json", "-", "--plot", svg)
    report = json.loads(out.stdout)
    check_report(report)
    assert report["frame_width"] == 640 and report["frames"] == 19
    drawn = svg.read_text(encoding="utf-8")
    says(drawn[:300], "<svg")
    rows = [float(y) for y in re.findall(r'<use [^>]*\by="([0-9.]+)"', drawn)]
    frames = sum(y == 588 for y in rows)  # their numbers, below the panels
    assert max(rows) == 588 and frames > 8, rows


def case_bench_peer(bench):
    model = bench.need_model()
    python = os.environ.get("DELTACNN_PYTHON")
    if not python:
        raise Skip("no Python with onnxruntime (DELTACNN_PYTHON)")
    out = bench.run("deltacnn-bench", "--model", model, "--synthetic", "0.05",
                    "--size", "192x128", "--frames", 6, "--json", "-",
                    "--peer", "onnxruntime", "--threads", 1)
    report = json.loads(out.stdout)
    check_report(report)
    assert report["peer_ms"] > 0
    says(report["peer"], "onnxruntime")


def case_bench_errors(bench):
    says(bench.run("deltacnn-bench", good=False).stderr, "--model")
    base = ["deltacnn-bench", "--model", "x.onnx"]
    says(bench.run(*base, good=False).stderr, "--clip")
    says(bench.run(*base, "--synthetic", "2", good=False).stderr, "0 to 1")
    says(bench.run(*base, "--synthetic", "0.1", "--mode", "fast",
                   good=False).stderr, "fast", "sparse")
    says(bench.run(*base, "--synthetic", "0.1", "--peer", "torch",
                   good=False).stderr, "torch", "openvino")
    says(bench.run(*base, "--synthetic", "0.1", "--plot", "a.bmp",
                   good=False).stderr, ".svg")
    says(bench.run(*base, "--synthetic", "0.1", good=False).stderr, "x.onnx")
    if not model_missing():
        with_model = ["deltacnn-bench", "--model", MODEL]
        says(bench.run(*with_model, "--clip", "/no/clip.mp4",
                       good=False).stderr, "/no/clip.mp4")
        says(bench.run(*with_model, "--synthetic", "0.1", "--set",
                       "treshold=1", good=False).stderr, "treshold",
             "input-threshold")
        says(bench.run(*with_model, "--synthetic", "0.1", "--device", "cpu",
                       "--precision", "bf16", good=False).stderr,
             "float32 only")
        junk = bench.scratch / "junk.mp4"
        junk.write_bytes(b"no clip" * 100)
        bench.run(*with_model, "--clip", junk, good=False)
        folder = bench.scratch / "photos"
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(b"no number")
        says(bench.run(*with_model, "--clip", folder, good=False).stderr,
             "photos", "no numbered")
    for wrong in (["--synthetic", "0,1"], ["--clip", "a", "--clip", "b"],
                  ["--synthetic", "7%x"], ["--synthetic", "1.5"],
                  ["--streams", "2", "--synthetic", "0", "--plot", "a.png"],
                  ["--streams", "-1", "--synthetic", "0"]):
        refused = bench.run("deltacnn-bench", "--model", "x", *wrong,
                            good=False).stderr
        says(refused, "--synthetic" if wrong[0] == "--synthetic" and
             len(wrong[1]) > 3 else "--streams")


def tuned_copy(bench):
    """A copy of the model that a descriptor may be written beside, and the
    command that tunes it."""
    model = bench.need_model()
    copy = bench.scratch / "net.onnx"
    shutil.copy(model, copy)
    shutil.copy(f"{model}.modelinfo", f"{copy}.modelinfo")
    return copy, ["deltacnn-tune", "--model", copy, "--clip",
                  bench.scene(90), "--size", "192x112", "--frames", 32,
                  "--check-frames", 16, "--threads", 1]


def check_influence(text, wanted):
    """Criterion and group of a descriptor go together; one node's key."""
    keys = configparser.ConfigParser(interpolation=None, delimiters="=")
    keys.optionxform = str
    keys.read_string(text)
    assert (keys["tuning"]["criterion"] == "influence") == wanted
    assert ("influence" in keys) == wanted
    for value in keys["influence"].values() if wanted else []:
        assert re.fullmatch(r"[0-9.]+(e[-+][0-9]+)?;[0-9A-Za-z_-]+", value)
    return "%s=%s" % next(iter(keys["influence"].items())) if wanted else ""


def case_tune(bench):
    """Less work within the budget, on frames held back too; a descriptor
    that other programs take; the same again starting from that."""
    model, command = tuned_copy(bench)
    path, info = bench.scratch / "r.json", bench.scratch / "net.onnx.modelinfo"
    before = info.read_text(encoding="utf-8")
    for budget in (0.25, 0.12):
        out = bench.run(*command, "--budget", budget, "--report", path)
        says(out.stdout, "chosen", "IoU", "written")
        report = json.loads(path.read_text(encoding="utf-8"))
        chosen = report[{"defaults": "before", "one threshold": "global",
                         "groups": "groups"}[report["chosen"]]]
        assert report["metric"] == "iou" and chosen["holds"]
        assert report["evaluations"] > 5 and report["nodes"]
        assert any("alone" in step for step in report["steps"])
        for found in chosen["sets"]:
            assert found["error"] <= budget, found
            assert found["mac_share"] < 0.9, found
        assert [found["held_back"] for found in chosen["sets"]] == [False, True]
        after = info.read_text(encoding="utf-8")
        assert after != before and "[tuning]" in after and "mean=0" in after
        line = check_influence(after, report["chosen"] != "defaults")
        before = after
    bench.run("deltacnn-inspect", model)
    shown = bench.run("deltacnn-bench", "--model", model, "--synthetic",
                      "0.05", "--size", "192x112", "--frames", 4, "--json",
                      "-")
    threshold = json.loads(shown.stdout)["threshold"]
    says(after, f"threshold={threshold:.3g}\n")
    assert line, "the tests' scene is one where the defaults are not best"
    info.write_text(after.replace(line, line[:-1]), encoding="utf-8")
    shown = bench.run("deltacnn-bench", "--model", model, "--synthetic",
                      "0.05", "--size", "192x112", "--frames", 4, good=False)
    says(shown.stderr, line.split("=")[0], "channels")


def case_tune_kinds(bench):
    """Outputs that nobody knows the meaning of; nothing written when dry."""
    _, command = tuned_copy(bench)
    info = bench.scratch / "net.onnx.modelinfo"
    before = info.read_text(encoding="utf-8")
    out = bench.run(*command, "--metric", "relative", "--budget", "0.3",
                    "--effort", "one", "--dry-run", "--report", "-")
    report = json.loads(out.stdout)
    assert report["metric"] == "relative" and report["written"] is None
    assert report["chosen"] == "one threshold"
    assert info.read_text(encoding="utf-8") == before


def case_tune_groups(bench):
    """Thresholds of groups of nodes are searched, and some are better: which, is
    a matter of what nodes take on this machine."""
    _, command = tuned_copy(bench)
    out = bench.run(*command, "--budget", "0.2", "--effort", "groups",
                    "--dry-run", "--report", "-")
    steps = [step for step in json.loads(out.stdout)["steps"]
             if step.startswith("group ") and "% better" in step]
    assert steps, out.stdout
    assert all(re.search(r"\) (x \d\.\d\d|passes), ", step) for step in steps), steps


def case_tune_errors(bench):
    base = ["deltacnn-tune", "--model", "x.onnx"]
    says(bench.run("deltacnn-tune", good=False).stderr, "--model")
    says(bench.run(*base, good=False).stderr, "--clip")
    base += ["--clip", "/no/clip.mp4"]
    says(bench.run(*base, good=False).stderr, "x.onnx")
    for option, value, *words in (
            ("--metric", "mse", "keypoint_px", "relative"),
            ("--budget", "0", "above 0"), ("--budget", "nan", "above 0"),
            ("--effort", "more", "groups", "nodes"), ("--frames", "3", "16"),
            ("--threads", "-1", "256"), ("--check-frames", "0", "16")):
        says(bench.run(*base, option, value, good=False).stderr, *words)
    model, command = tuned_copy(bench)
    info = bench.scratch / "net.onnx.modelinfo"
    before = info.read_text(encoding="utf-8")
    says(bench.run("deltacnn-tune", "--model", model, "--clip",
                   "/no/clip.mp4", good=False).stderr, "/no/clip.mp4")
    says(bench.run(*command, "--metric", "f1", good=False).stderr, "iou")
    says(bench.run(*command, "--clip", "/no/other.mp4", good=False).stderr,
         "/no/other.mp4")
    says(bench.run("deltacnn-tune", "--model", model, "--clip",
                   bench.scene(10), good=False).stderr, "10 frames", "24")
    command[4] = bench.scene(90)
    says(bench.run(*command, "--metric", "relative", "--budget", "1e-9",
                   good=False).stderr, "cannot be met", "--budget")
    assert info.read_text(encoding="utf-8") == before


def case_tune_stop(bench):
    """Ctrl-C: an error status, and the descriptor as it was."""
    _, command = tuned_copy(bench)
    info = bench.scratch / "net.onnx.modelinfo"
    before = info.read_text(encoding="utf-8")
    command[0] = bench.build / "tools" / command[0]
    with subprocess.Popen([str(c) for c in command], text=True,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=bench.environment) as process:
        for line in process.stderr:
            if "alone" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    says(rest, "stopped", "nothing was written")
    assert process.returncode == 1, process.returncode
    assert info.read_text(encoding="utf-8") == before
    assert sorted(p.name for p in bench.scratch.iterdir()) == [
        "net.onnx", "net.onnx.modelinfo", "scene.avi"]


def need_elements(bench):
    if not shutil.which("gst-inspect-1.0"):
        raise Skip("no gst-inspect-1.0")
    if not list(bench.build.glob("gst/libgstdeltacnn.so")):
        raise Skip("the elements are not built")


def case_pipeline(bench):
    """The pipelines that the README shows, on a test picture."""
    need_elements(bench)
    model = bench.need_model()
    for picture in ("NV12", "I420", "BGRx", "RGB"):
        bench.run("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=5",
                  "pattern=ball", "!",
                  f"video/x-raw,format={picture},width=320,height=240", "!",
                  "deltacnn", f"model={model}", "!", "deltaoverlay", "!",
                  "fakesink")
    out = bench.run("gst-launch-1.0", "videotestsrc", "num-buffers=5", "!",
                    "deltacnn", "model=/no/such.onnx", "!", "fakesink",
                    good=False)
    says(out.stdout + out.stderr, "/no/such.onnx")


def case_demo(bench):
    need_elements(bench)
    bench.need_model()
    out = bench.scratch / "out"
    shown = bench.run(ROOT / "pipelines" / "demo.sh", "--no-install",
                      "--input", bench.scene(), "--frames", 24, "--out", out)
    says(shown.stdout, "pixels changed", "work done", "speed-up",
         "agreement with dense", "contact-sheet.png")
    assert (out / "contact-sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "annotated.mp4").stat().st_size > 5000
    check_report(json.loads((out / "report.json").read_text()))


class Camera:
    """rtsp_server.py as a context; raises Skip where it cannot run."""

    def __init__(self, bench):
        # Debian's packages are for Debian's Python.
        python = "/usr/bin/python3"
        self.process = subprocess.Popen(
            [python if os.path.exists(python) else sys.executable,
             str(ROOT / "tests" / "e2e" / "rtsp_server.py"),
             "1200"], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env=bench.environment)

    def __enter__(self):
        line = self.process.stdout.readline().strip()
        if not line.isdigit():
            self.__exit__()
            raise Skip(line.replace("skip: ", "") or "no RTSP server")
        self.address = f"rtsp://127.0.0.1:{line}/x"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def case_rtsp(bench):
    """A camera by address: the demo, the README's pipeline until the camera
    goes away, and what is measured until then is not lost."""
    need_elements(bench)
    model = bench.need_model()
    out, lines = bench.scratch / "out", bench.scratch / "results.jsonl"
    with Camera(bench) as camera:
        command = [bench.build / "tools" / "deltacnn-bench", "--model", model,
                   "--clip", camera.address, "--frames", 100000, "--size",
                   "192x128", "--json", bench.scratch / "r.json"]
        pipeline = [*"gst-launch-1.0 -q rtspsrc latency=100".split(),
                    f"location={camera.address}",
                    *"! decodebin ! videoconvert ! deltacnn".split(),
                    f"model={model}", f"results-location={lines}",
                    *"! deltaoverlay ! videoconvert ! fakesink".split()]
        common = {"text": True, "stdin": subprocess.DEVNULL,
                  "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                  "env": bench.environment}
        with subprocess.Popen([str(c) for c in command], **common) as bencher, \
                subprocess.Popen(pipeline, **common) as player:
            shown = bench.run(
                ROOT / "pipelines" / "demo.sh", "--no-install", "--input",
                camera.address, "--frames", 15, "--size", "192x128", "--out",
                out)
            camera.process.kill()
            measured = bencher.communicate(timeout=500)[0]
            says(player.communicate(timeout=500)[0], "server", "rtspsrc")
    says(shown.stdout, "15\n", "agreement with dense")
    assert (out / "annotated.mp4").stat().st_size > 2000
    assert bencher.returncode == 0, measured
    says(measured, "going on with", camera.address)
    check_report(json.loads((bench.scratch / "r.json").read_text()))
    for line in lines.read_text().splitlines():
        assert "segmentation" in json.loads(line), line
    away = bench.run("deltacnn-annotate", "--model", model, "--input",
                     camera.address, "--video", out / "b.mp4", good=False)
    says(away.stderr, camera.address, "connect")


def case_camera_errors(bench):
    """What is no camera is said to be none; a clip in /dev/shm is a clip."""
    need_elements(bench)
    model = bench.need_model()
    for program, option in (("deltacnn-bench", "--clip"),
                            ("deltacnn-annotate", "--input")):
        out = bench.run(program, "--model", model, option, "/dev/video99",
                        *(["--video", bench.scratch / "a.mp4"]
                          if option == "--input" else []), good=False)
        says(out.stderr, "/dev/video99")
    for wrong in ("mask-alpha", "mask-alfa=1"):
        says(bench.run("deltacnn-annotate", "--model", model, "--input", bench.scene(8), "--video",
                       bench.scratch / "a.mp4", "--set-overlay", wrong, good=False).stderr, f'"{wrong}" is no KEY=VALUE')
    if not os.access("/dev/shm", os.W_OK):
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        clip = pathlib.Path(folder) / "clip.avi"
        shutil.copy(bench.scene(8), clip)
        bench.run("deltacnn-bench", "--model", model, "--clip", clip,
                  "--size", "192x128", "--mode", "sparse")


def case_demo_errors(bench):
    demo = ROOT / "pipelines" / "demo.sh"
    link = bench.scratch / "a link"
    link.symlink_to(demo)
    says(bench.run("sh", link, "--help").stdout, "--input")
    says(bench.run("sh", link, "--speed", good=False).stderr, "--speed")
    for script in (*sorted((ROOT / "pipelines").glob("*[!n].sh")), ROOT / "tests" / "run.sh"):
        says(bench.run("sh", script, "--help").stdout, f"{script.name} - ", "--no-install")
    # nothing to build with
    bare = bench.scratch / "bin"
    bare.mkdir()
    for name in ("bash", "dirname", "readlink", "mkdir", "sed", "env"):
        (bare / name).symlink_to(shutil.which(name))
    lone = bench.scratch / "new build"
    environment = {**bench.environment, "PATH": str(bare),
                   "DELTACNN_BUILD": str(lone)}
    out = subprocess.run([str(bare / "bash"), str(demo), "--no-install",
                          "--out", str(bench.scratch / "out")], text=True,
                         capture_output=True, env=environment, check=False)
    assert out.returncode == 1, out
    says(out.stderr, "there is no meson", "install-deps.sh")
    assert out.stderr.count("\n") == 1, out.stderr
    says(bench.run(demo, "--speed", good=False).stderr, "--speed", "--help")
    says(bench.run(demo, "--out", "", good=False).stderr, "--out needs a value")
    says(bench.run(ROOT / "tests" / "run.sh", "--list", "(", good=False).stderr, "'(' is no regular expression")
    says(bench.run(demo, "--frames", "x", good=False).stderr, "--frames x")
    says(bench.run(demo, "--help").stdout, "--input", "--model", "--out")
    nowhere = bench.run(demo, "--no-install", "--out", "/proc/nowhere", good=False).stderr
    says(nowhere, "/proc/nowhere cannot be written to", "--out")
    assert nowhere.count("\n") == 1, nowhere


def case_demo_full_disk(bench):
    """Where no scratch folder can be made there is no clip, and nothing is removed."""
    need_elements(bench)
    tree, tools = bench.scratch / "tree", bench.scratch / "bin"
    shutil.copytree(ROOT / "pipelines", tree / "pipelines")
    for folder, name, text in ((tree / "tools", "install-deps.sh", "exit 0"), (tools, "mktemp", "echo no space >&2; exit 1"),
                               (tools, "apt-get", "exit 1"), (tools, "ninja", "echo no work to do")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    bench.environment["PATH"] = f"{tools}:{bench.environment['PATH']}"
    bench.environment.pop("DELTACNN_TEST_DATA", None)
    shown = bench.run(tree / "pipelines" / "demo.sh", "--frames", 4, "--size", "64x64", "--model", bench.need_model()).stdout
    says(shown, "No clip could be fetched", "agreement with dense")
    assert (tree / "pipelines" / "demo.sh").exists() and (tree / "out" / "report.json").exists()


def case_version(bench):
    """Every program says the version that Meson knows, and what it is for."""
    aims = {"inspect": "Shows what a model becomes", "bench": "Runs a model on every frame",
            "tune": "Finds the thresholds", "annotate": "Runs a model on a clip",
            "scene": "Renders a street", "models": "public models"}
    version = re.search(r"version: '([^']+)'",
                        (ROOT / "meson.build").read_text()).group(1)
    for name, aim in aims.items():
        if (bench.build / "tools" / f"deltacnn-{name}").exists():
            out = bench.run(f"deltacnn-{name}", "--version").stdout
            assert out == f"deltacnn-{name} {version}\n", out
            says(bench.run(f"deltacnn-{name}", "--help").stdout, aim)
    assert (bench.build / "tools" / "deltacnn-models").exists()


def case_peer_folder(bench):
    """A folder called onnx on Python's path is not the package onnx."""
    (bench.scratch / "onnx").mkdir()
    out = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path[:0] = sys.argv[1:3]\n"
         "import peer_bench\nprint(peer_bench.resized_model('x', 8, 8))",
         str(ROOT / "tools"), str(bench.scratch)], text=True, check=False,
        capture_output=True, env={**bench.environment, "PYTHONNOUSERSITE": "1",
                                  "PYTHONDONTWRITEBYTECODE": "1"})
    if "x'" in out.stderr:
        raise Skip("this Python has the package onnx itself")
    says(out.stdout, "None", "pip")


def case_typelib(bench):
    """Python reads the metas; no field of theirs makes it crash."""
    if not list(bench.build.glob("gst/GstDeltaCnn-1.0.typelib")):
        raise Skip("introspection is not built")
    python = "/usr/bin/python3"  # Debian's packages are for Debian's Python
    if not os.path.exists(python) or subprocess.run(
            [python, "-c", "import gi"], capture_output=True,
            check=False).returncode:
        raise Skip("no python3-gi")
    bench.environment["GI_TYPELIB_PATH"] = str(bench.build / "gst")
    bench.environment["LD_LIBRARY_PATH"] = str(bench.build / "gst")
    out = bench.run(python, pathlib.Path(__file__).with_name("read_metas.py"))
    says(out.stdout, "1 0.75 2", *(f"\n{kind} one one two - one two -\n" for kind in (
        "class", "detection", "picture", "pose", "segmentation", "stats", "tensor", "update", "value")))
    assert "CRITICAL" not in out.stderr, out.stderr


def main(arguments, names):
    """names: a module's; what begins with case_ is a case."""
    cases = {n[5:].replace("_", "-"): f for n, f in names.items()
             if n.startswith("case_")}
    if len(arguments) != 3 or arguments[0] not in cases:
        print(names["__doc__"] + "  " + " ".join(cases))
        return 2
    with tempfile.TemporaryDirectory(prefix="deltacnn-") as scratch:
        bench = Bench(pathlib.Path(arguments[2]).absolute(),
                      pathlib.Path(scratch))
        try:
            cases[arguments[0]](bench)
        except Skip as reason:
            print(f"skip: {reason}")
            return 77
        except AssertionError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], globals()))
