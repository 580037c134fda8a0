#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""deltacnn-tune --quantize, and deltacnn-inspect --suggest on nets of many
kinds, as their user meets them.

  quantize.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only;
what needs onnx and onnxruntime is asked of the Python that DELTACNN_PYTHON
names.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import e2e
from e2e import says

HERE = pathlib.Path(__file__).resolve().parent


def ask_python(bench, script, *arguments):
    """Runs a script beside this one; skips where its modules are missing."""
    python = os.environ.get("DELTACNN_PYTHON", "python3")
    if subprocess.run([python, "-c", "import onnx, onnxruntime"], capture_output=True, check=False).returncode:
        raise e2e.Skip(f"{python} has no onnx or onnxruntime: set DELTACNN_PYTHON")
    return bench.run(python, HERE / script, *arguments)


def quantise(bench, model, *arguments, **more):
    return bench.run("deltacnn-tune", "--model", model, "--clip", bench.scene(40), "--quantize", "--frames", 16,
                     "--check-frames", 16, "--threads", 1, *arguments, **more)


def case_quantize_loss(bench):
    """The shipped model: a quarter of the file, the loss printed and small, a
    descriptor with which it decodes; files that are written whole or not."""
    source, model = bench.need_model(), bench.scratch / "net.onnx"
    shutil.copy(source, model)
    shutil.copy(f"{source}.modelinfo", f"{model}.modelinfo")
    made = bench.scratch / "net-int8.onnx"
    report = bench.scratch / "r.json"
    size = ("--size", "192x112")
    out = quantise(bench, model, "--report", report, *size)
    says(out.stdout, "layers work on bytes", "frames held back", "mask IoU", "written: ", "% of the work")
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["written"] == str(made) and found["layers"] > 20 and found["metric"] == "iou", found
    assert found["loss"]["iou"] > .85, found
    assert 0 < found["mac_share"] <= found["mac_share_before"] <= 1 and 0 < found["float_mac_share"] <= 1, found
    assert found["bytes_after"] == made.stat().st_size < .6 * model.stat().st_size, found
    info = pathlib.Path(f"{made}.modelinfo").read_text(encoding="utf-8")
    says(info, "decoder=segmentation", "-int8")
    assert "sha256" not in info and "[influence]" not in info, info
    assert float(re.search(r"(?m)^threshold=(.*)$", info)[1]) >= .05, info
    shown = bench.run("deltacnn-bench", "--model", made, "--clip", bench.scene(40), "--frames", 40, "--json", "-", *size)
    assert json.loads(shown.stdout)["agreement"]["iou"] > .7, shown.stdout # of 8 frames it goes by three pixels
    made.unlink()
    refused = quantise(bench, model, "--budget", "1e-6", *size, good=False)
    says(refused.stderr, "over the budget", "mask IoU", "--keep")
    assert not made.exists()
    quantise(bench, model, "--dry-run", *size)
    assert not made.exists()


def case_quantize_nets(bench):
    """Nets of every kind of layer: the file's form, ONNX Runtime's results
    within a step, in sessions on every level of the instruction set."""
    ask_python(bench, "quantise_nets.py", "make", bench.scratch)
    for model in sorted(bench.scratch.glob("*.onnx")):
        out = quantise(bench, model).stdout
        says(out, "loss, on 13 frames held back")
        if model.name == "uneven.onnx":
            says(out, "2 values have their channels brought nearer")
    ask_python(bench, "quantise_nets.py", "check", bench.scratch)
    test = bench.build / "tests" / "onnx" / "onnx-quantised_nets"
    if not test.exists():
        raise e2e.Skip("tests/onnx/onnx-quantised_nets is not built")
    for level in ("c", "sse2", "avx2"):
        bench.environment["DELTACNN_ISA"] = level
        out = bench.run(test, "--level", bench.scratch)
        assert out.stdout.count("ok  ") == 4, out.stdout


def case_quantize_errors(bench):
    """What it cannot do it refuses, with the reason; nothing is written."""
    source, model = bench.need_model(), bench.scratch / "net.onnx"
    shutil.copy(source, model)
    shutil.copy(f"{source}.modelinfo", f"{model}.modelinfo")
    base = ["deltacnn-tune", "--model", model, "--clip", bench.scene(40), "--size", "96x64"]
    for extra, *words in (
            (["--keep", "x"], "--quantize"), (["--quantize", "--weight-bits", "9"], "7 or 8"),
            (["--quantize", "--keep", "nowhere"], "--keep nowhere", "no convolution"),
            (["--quantize", "--out", model], "--model reads"), (["--quantize", "--clip", "/no/clip.mp4"], "/no/clip.mp4")):
        before = sorted(bench.scratch.iterdir())
        says(bench.run(*base, *extra, good=False).stderr, *words)
        assert sorted(bench.scratch.iterdir()) == before
    quantise(bench, model, "--size", "96x64")
    says(quantise(bench, bench.scratch / "net-int8.onnx", good=False).stderr, "quantised already", "float32")


def case_suggest_heads(bench):
    """The decoder of well-known heads by their shapes; each descriptor is one
    with which the model loads."""
    ask_python(bench, "suggest_nets.py", bench.scratch)
    clip = bench.scene(4)
    for model in sorted(bench.scratch.glob("*.onnx")):
        decoder = model.name.split("-")[0].replace("_", "-")
        text = bench.run("deltacnn-inspect", model, "--suggest", "--frame", clip).stdout
        says(text, f"decoder={decoder}\n")
        if "pair" in model.name: # its other input is the picture before
            says(text, "[input:before]\n# its shape is the picture's; is it the frame before?\nstate=x\n")
        pathlib.Path(f"{model}.modelinfo").write_text(text, encoding="utf-8")
        says(bench.run("deltacnn-inspect", model).stdout, f"decoder {decoder}")


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
