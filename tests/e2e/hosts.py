#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""End to end on hosts of other kinds: one with nothing installed, one with a
GPU's driver that is too old.

  hosts.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import e2e
from e2e import ROOT, Skip, says


def case_device(bench):
    """What auto passes over: no news where nothing is, once where a driver is
    too old; and what the environment asks for."""
    model = bench.need_model()
    launch = ["gst-launch-1.0", "-m", "videotestsrc", "num-buffers=3", "!",
              "video/x-raw,width=96,height=64", "!", "deltacnn",
              f"model={model}"]
    report = ["deltacnn-bench", "--model", model, "--synthetic", "0",
              "--frames", "2", "--size", "64x64", "--device"]
    wrong = bench.run(*report, "cuda:7", good=False).stderr
    if "without CUDA" in wrong:
        raise Skip("this build has no CUDA")
    if "no NVIDIA driver is installed" not in wrong:
        raise Skip("there is an NVIDIA driver here")
    assert "insufficient" not in wrong
    quiet = bench.run(*launch, "!", "fakesink")
    assert "WARNING" not in quiet.stdout + quiet.stderr, quiet.stderr
    fake = bench.build / "tests/e2e"
    before = bench.environment.get("LD_LIBRARY_PATH", "")
    bench.environment["LD_LIBRARY_PATH"] = f"{fake}:{before}"
    told = bench.run(*launch, "!", "fakesink")
    text = "the NVIDIA driver is for CUDA 11.0, this build needs"
    assert (told.stdout + told.stderr).count("WARNING: from element") == 1
    says(told.stdout + told.stderr, text, "runs on the cpu", "device=cpu")
    says(bench.run(*report, "cuda", good=False).stderr, text)
    silent = bench.run(*launch, "device=cpu", "!", "fakesink")
    assert "WARNING" not in silent.stdout + silent.stderr, silent.stderr
    bench.environment["DELTACNN_DEVICE"] = "cuda:1"
    says(bench.run(*report, "auto", good=False).stderr,
         "DELTACNN_DEVICE is cuda:1", text)
    bench.run(*report, "cpu")


def empty_root(root):
    """A command that runs what follows with root as the whole system."""
    chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin") \
        or "chroot"
    how = [chroot, root] if os.getuid() == 0 else \
        [shutil.which("unshare") or "unshare", "--user", "--map-root-user",
         chroot, root]
    try:
        tried = subprocess.run([*how, "/opt/deltacnn/bin/deltacnn-inspect",
                                "--version"], capture_output=True, text=True,
                               check=False)
    except OSError as error:
        raise Skip(f"no empty root can be entered: {error}") from error
    if "Operation not permitted" in tried.stderr:
        raise Skip(f"no empty root can be entered: {tried.stderr.strip()}")
    assert tried.returncode == 0, tried.stderr
    return how


def case_bundle(bench):
    """A bundle runs in a root that holds nothing else: no library, no shell."""
    bench.need_model()
    if not (bench.build / "tools/deltacnn-bundle-launch").exists():
        raise Skip("no static C library to link the launcher with")
    if bench.sanitized():
        raise Skip("sanitizers want /proc")
    root = bench.scratch / "root"
    (root / "tmp").mkdir(parents=True)
    (root / "opt").mkdir()
    bench.run(sys.executable, ROOT / "tools/bundle.py", "--build", bench.build,
              "--output", f"{root}/opt/deltacnn/")
    how = empty_root(root)
    bench.environment = {"HOME": "/nowhere"}

    def inside(program, *more, good=True):
        return bench.run(*how, f"/opt/deltacnn/bin/{program}", *more,
                         good=good).stdout

    says(inside("gst-inspect-1.0", "deltacnn"), "/opt/deltacnn/plugins/")
    assert "0 blacklisted" in inside("gst-inspect-1.0", "-b")
    inside("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=5", "!",
           "video/x-raw,width=128,height=96", "!", "deltacnn",
           "model=people-seg", "results-location=/tmp/results.jsonl", "!",
           "videoconvert", "!", "pngenc", "!", "multifilesink",
           "location=/tmp/%d.png")
    assert len(list((root / "tmp").glob("*.png"))) == 5
    assert len((root / "tmp/results.jsonl").read_text().splitlines()) == 5
    says(inside("deltacnn-bench", "--model", "people-seg", "--synthetic",
                "0.05", "--frames", "3", "--quiet"), "sparse")
    inside("deltacnn-inspect", "no-such-model", good=False)
    # what descriptors name lies where they look for it
    for file in (ROOT / "models/data/labels").glob("*.txt"):
        assert (root / "opt/deltacnn/share/models/labels" / file.name).exists()
    manifest = (root / "opt/deltacnn/share/MANIFEST").read_text()
    says(manifest, "lib/libc.so.6", "plugins/libgstdeltacnn.so deltacnn")
    assert not re.search("x264|x265|avcodec", manifest)
    registries = list((root / "opt/deltacnn/.cache").iterdir())
    assert len(registries) == 1, registries


def case_cuda_options(bench):
    """Scripts compile CUDA where somebody runs it, or for one kind of GPU."""
    tools = bench.scratch / "bin"
    tools.mkdir()

    def options(*arguments, gpus=None):
        smi = tools / "nvidia-smi"
        smi.write_text(f"#!/bin/sh\n{'exit 9' if gpus is None else f'printf {gpus}'}\n")
        smi.chmod(0o755)
        environment = {**bench.environment, "PATH": f"{tools}:/usr/bin:/bin"}
        return subprocess.run([ROOT / "tools" / "cuda-options.sh", *arguments], text=True, check=True,
                              capture_output=True, env=environment).stdout

    if not pathlib.Path("/usr/local/cuda/bin/nvcc").exists() and not shutil.which("nvcc", path="/usr/bin:/bin"):
        assert options(gpus="9.0") == ""
        assert options("--compile") == ""
    nvcc = tools / "nvcc"
    nvcc.write_text("#!/bin/sh\nprintf 'compute_75\\ncompute_86\\ncompute_90\\n'\n")
    nvcc.chmod(0o755)
    assert options() == "-Dcuda=disabled\n"
    assert options("--compile") == "-Dgpu_archs=90\n"
    for arguments in ((), ("--compile",)):
        assert options(*arguments, gpus="'7.5\\n'") == "-Dgpu_archs=75\n"
        assert options(*arguments, gpus="'9.0\\n8.6\\n9.0\\n'") == "-Dgpu_archs=86,90\n"
        # newer than this nvcc: what is shipped has code that its driver can compile
        assert options(*arguments, gpus="'12.0\\n'") == ""
        assert options(*arguments, gpus="'No devices were found\\n'") == options(*arguments)


def case_spaces(bench):
    """All of it in folders with blanks and more in their names: sources, build,
    scratch."""
    place = bench.scratch / "a folder's name & more"
    for name in ("tests/e2e", "pipelines", "tools", "models/data"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "meson.build", "tests/run.sh"):
        shutil.copy(ROOT / name, place / name)
    scratch = place / "my scratch"
    scratch.mkdir()
    (place / "a build").symlink_to(bench.build)
    bench.environment["TMPDIR"] = str(scratch)
    bench.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    for script, case in (("e2e", "inspect"), ("e2e", "bench-clip"), ("e2e", "pipeline"),
                         ("e2e", "demo-errors"), ("e2e", "version"), ("pipelines", "webcam"), ("hosts", "cuda-options")):
        out = subprocess.run([sys.executable, place / "tests" / "e2e" / f"{script}.py", case, "--build", place / "a build"],
                             text=True, capture_output=True, env=bench.environment, check=False)
        assert out.returncode in (0, 77), f"{script}.py {case}:\n{out.stdout[-2000:]}{out.stderr[-3000:]}"
        assert out.returncode == 0 or not e2e.model_missing(), out.stdout


def case_closed_pipe(bench):
    """Whoever reads a program's output may go: it ends by the signal or well, and says nothing of pipes."""
    lines = [[str(bench.build / "tools" / f"deltacnn-{name}"), "--help"]
             for name in ("inspect", "bench", "tune", "annotate", "scene", "models")]
    lines += [[str(p), "--help"] for p in (bench.build / "pipelines").glob("*") if p.is_file() and os.access(p, os.X_OK)]
    lines += [[lines[5][0], *words] for words in (["list"], ["list", "--json"], ["info", "people-seg"], ["verify"], ["get", "people-seg"])]
    if not e2e.model_missing():
        lines += [[lines[0][0], *words, str(e2e.MODEL)] for words in ([], ["--json"], ["--dump"])]
        scene = str(bench.scene(3))
        lines += [[lines[1][0], "--model", "people-seg", "--clip", scene, *words] for words in ([], ["--json", "-"])]
    for script in [*ROOT.glob("tools/*.*"), *ROOT.glob("pipelines/*.sh"), *ROOT.glob("tests/*.*"), ROOT / "tests/lint/lint.py"]:
        text = script.read_text(encoding="utf-8") if script.suffix in (".py", ".sh") else ""
        if script.name != "common.sh" and ("import argparse" in text or "--help)" in text):
            lines.append([str(script), "--help"])
    if (ROOT / ".git").exists(): # it asks git for the files
        lines.append([sys.executable, str(ROOT / "tools/layers.py")])
    wrong = []
    for line in lines:
        if not os.path.exists(line[0]):
            continue
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as output:
            out = subprocess.run(line, stdout=output, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                 check=False, timeout=120, env=bench.environment)
        if out.returncode not in (0, -signal.SIGPIPE, 128 + signal.SIGPIPE) or re.search("Traceback|[Bb]roken ?[Pp]ipe", out.stderr):
            wrong.append(f"{' '.join(line)}: exit status {out.returncode}\n{out.stderr[-300:]}")
    assert len(lines) > 30 and not wrong, "\n".join(wrong)


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
