#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that must be asked of a GPU, in one call on a machine where
nothing is installed but the driver.

  gpu_check.py pack --build DIR [--output FILE]
  gpu_check.py run (--bundle FILE | --build DIR) --out FOLDER [--device D]
               [--minutes M] [--only REGEX] [--again] [--seeds 1,2,...]
               [--jobs N]
               [--sanitizer PROGRAM] [--nets FOLDER] [--net-size WxH]
               [--clip FILE]... [--decode FILE.mp4]... [--rate FPS]
               [--switches TEXT]
               [MODEL.onnx@WIDTHxHEIGHT...]
  gpu_check.py clip FROM TO.mp4

pack makes a bundle (bundle.py) with the tests in it. run then takes, in this
order and each with a time limit of its own: what the device is, conformance
(as it is, with wide tiles, as on small GPUs, with each switch), the engine's
other tests of a device (two sessions on two devices where there are two: those
on one alone are skipped, with the reason), which switches make frames faster
(gpu_switches.py), compute-sanitizer's four tools on short nets of each kind, pipelines
(gpu_pipelines.py: an element whose calls fail, framealign on pictures in the
GPU's memory, one frame ahead, memory beside its prediction, each --decode
through NVDEC without the host, framealign between or not, and how many such
chains reach the rate), how many streams of each --clip the models take
(gpu_figures.py streams, with joules a frame on a GPU), and the figures beside
PyTorch (gpu_figures.py run), whose networks peer_torch.py exports to --nets
when they are not there yet.

FOLDER/check.json says what came of each step, FOLDER/logs.tar.gz holds what
each printed, FOLDER/figures.json the figures. A step that passed is not run
again by the next call unless --again is given; no step is begun when --minutes
are over. --jobs lets so many of the engine's tests and compute-sanitizer's runs
go side by side: nothing of theirs is timed. clip makes an H.264 clip for --decode of any that this machine can
read (x264enc or openh264enc). --device cpu or sim tries all of it without a GPU. The exit status is
1 when a step failed. Standard library only.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

import gpu_pipelines

HERE = pathlib.Path(__file__).resolve().parent
# The engine's tests that ask DELTACNN_TEST_DEVICE; dense_rule's others put
# load on the processor.
TESTS = {"camera": [], "conformance": [], "pictures": [], "passing": [],
         "regions": [],
         "tails": ["-p", "/engine/tails/attention",
                   "-p", "/engine/tails/between",
                   "-p", "/engine/tails/between-streams"],
         "dense_rule": ["-p", "/engine/dense-rule/busy-video"],
         "sparse_dense": ["-p", "/engine/sparse-dense/integer"], "clamps": [],
         "heads": [], "inputs": [], "norms": [], "devices": [],
         "pieces": [], "cuda_levels": [], "cuda_exits": [], "cuda_fail": [],
         "cuda_memory": [], "drift": [], "gates": [],
         "influence": [], "range": [], "sequences": [], "states": [], "torus": [], "wants": []}
# Of the GPU's memory, which others change: one at a time.
ALONE = {"cuda_fail", "cuda_memory"}
# sim takes no pictures and runs no frame dense; on the cpu nothing passes on.
OF_CUDA = {"cuda_levels", "cuda_exits", "cuda_fail", "cuda_memory"}
NOT_ON = {"sim": {"pictures", "regions", "dense_rule", "drift", *OF_CUDA},
          "cpu": {"passing", *OF_CUDA}}
KINDS = {"": {}, "-wide": {"DELTACNN_CUDA_WIDE": "1"},
         "-small": {"DELTACNN_CUDA_SMALL": "1"},
         "-lists": {"DELTACNN_CUDA_WHOLE": "0", "DELTACNN_CUDA_EARLY": "0"},
         "-squares": {"DELTACNN_CUDA_SQUARES": "1"},
         "-long": {"DELTACNN_CUDA_LONG": "1"},
         "-bf16": {"DELTACNN_TEST_PRECISION": "bf16"}}
# dense_rule: lists and whole frames then go to different kernels, whose bits
# are compared.
MORE_KINDS = {"conformance": {**KINDS, "-tf32": {"DELTACNN_CUDA_TF32": "1"},
                              "-tiny": {"DELTACNN_CUDA_SMALL": "64"},
                              "-exits": {"DELTACNN_CUDA_EXITS": "1"},
                              **{"-bf16" + kind: {**KINDS["-bf16"],
                                                  **KINDS[kind]}
                                 for kind in ("-wide", "-small", "-lists")}},
              "heads": {"": {}, "-exits": {"DELTACNN_CUDA_EXITS": "1"}},
              "dense_rule": {"": {},
                             "-lists": KINDS["-lists"],
                             "-squares": KINDS["-squares"],
                             "-long": KINDS["-long"]},
              "sequences": {"": {}, "-exits": {"DELTACNN_CUDA_EXITS": "1"}}}
# What else runs with maps of bfloat16s, from compute capability 8.0 on.
BF16 = {"camera", "pictures", "regions", "tails", "dense_rule", "sparse_dense",
        "heads", "norms", "cuda_levels", "cuda_exits", "cuda_memory", "drift",
        "sequences", "torus", "wants"}
LONG = {"sequences": {"DELTACNN_TEST_FRAMES": "10000"}}
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# Norms that convolutions compute have a test of their own: the others store all maps.
# Not for racecheck, which does not see that a lane arrives for all of its warp where a
# ring of copies goes round.
FOLDS_SEEDS = ("1", "2")
NO_HOST = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|"
                     r"nss_\w+|BrokenLocale|thread_db))\.so.*")


class Programs:
    """The tests' and tools' programs, of a bundle or a build tree."""

    def __init__(self, chosen):
        self.root = chosen.build
        self.bundle = chosen.bundle is not None
        if self.bundle:
            self.root = chosen.out / "bundle/deltacnn"
            if chosen.bundle.is_dir():
                self.root = chosen.bundle
            elif not self.root.exists():
                with tarfile.open(chosen.bundle) as archive:
                    # Python 3.11.2 (Debian 12) has no filters
                    archive.extraction_filter = getattr(tarfile, "tar_filter",
                                                        None)
                    archive.extractall(chosen.out / "bundle")
        self.root = self.root.resolve()

    def path(self, name):
        if self.bundle:
            return self.root / "bin" / name
        folder = "tests/engine" if name.startswith("engine-") else \
            "tests/gst" if name.startswith("gst-cuda") else "tools"
        return self.root / folder / name

    def ways(self, name):
        """How another program may start this one: command and environment.
        A launcher that is linked statically, or a loader of its own, may keep
        a checker out, so the host's loader comes first."""
        if not self.bundle:
            return [([self.path(name)], {})]
        libraries, program = self.root / "lib", self.root / "libexec" / name
        mixed = self.root / "lib-but-c"
        if not mixed.exists():
            mixed.mkdir()
            for file in libraries.iterdir():
                if file.is_file() and not NO_HOST.fullmatch(file.name):
                    (mixed / file.name).symlink_to(file)
        return [([program], {"LD_LIBRARY_PATH": str(mixed)}),
                ([libraries / "ld-linux-x86-64.so.2", "--library-path",
                  libraries, program], {}),
                ([self.path(name)], {})]


class Check:
    """The steps, their logs and what came of them."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.logs = chosen.out / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.file = chosen.out / "check.json"
        self.results = json.loads(self.file.read_text()) \
            if self.file.exists() else {}
        self.until = time.monotonic() + 60 * chosen.minutes
        self.failed = 0
        self.lock = threading.Lock()

    def note(self, name, status, seconds=0.0, why=""):
        with self.lock:
            self.results[name] = {"status": status,
                                  "seconds": round(seconds, 1),
                                  **({"why": why} if why else {})}
            self.failed += status == "FAILED"
            self.file.write_text(json.dumps(self.results, indent=1) + "\n")
        print(f"{status:8} {seconds:6.1f} s  {name}  {why}".rstrip(),
              flush=True)

    def wanted(self, name):
        """Whether a step is to be run now."""
        if not re.search(self.chosen.only, name):
            return False
        before = self.results.get(name, {}).get("status")
        if before == "passed" and not self.chosen.again:
            return False
        if time.monotonic() < self.until:
            return True
        if before is None:
            self.note(name, "left", why="the time is over")
        return False

    @staticmethod
    def environment():
        return dict(os.environ)

    def command(self, command, environment, limit, log):
        """Exit status (124: too long; 125: --minutes are over) and output."""
        left = self.until - time.monotonic()
        over = 124 if limit <= left else 125
        limit = max(1, min(limit, left))
        with log.open("w", encoding="utf-8", errors="replace") as file:
            file.write(f"$ {environment} {' '.join(map(str, command))}\n")
            file.flush()
            try:
                with subprocess.Popen(
                        [str(c) for c in command], stdout=file,
                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                        env={**os.environ, **environment},
                        start_new_session=True) as program:
                    try:
                        status = program.wait(limit)
                    except subprocess.TimeoutExpired:
                        status = over
                    finally:
                        # with what it started, which would go on on the GPU
                        if program.poll() is None:
                            os.killpg(program.pid, signal.SIGKILL)
            except OSError as error:
                file.write(f"{error}\n")
                status = 127
        return status, log.read_text(encoding="utf-8", errors="replace")

    def together(self, steps):
        """Steps whose times say nothing, --jobs at a time."""
        with concurrent.futures.ThreadPoolExecutor(self.chosen.jobs) as pool:
            list(pool.map(lambda step: self.step(*step), steps))

    def step(self, name, command, limit, environment=None, judge=None):
        """One program, which passes when it ends with 0 (and judge, of what it
        printed, finds nothing)."""
        if not self.wanted(name):
            return
        start = time.monotonic()
        status, text = self.command(command, environment or {}, limit,
                                    self.logs / f"{name}.log")
        why = ""
        if status == 124:
            why = f"longer than {limit} s"
        elif status == 125:
            why = "not done when --minutes were over"
        elif status:
            why = f"exit status {status}: {last_words(text)}"
        elif judge:
            why = judge(text)
        skipped = all_skipped(text) if not why else ""
        self.note(name, "FAILED" if why else "skipped" if skipped else
                  "passed", time.monotonic() - start, why or skipped)


def all_skipped(text):
    """Why a test program's tests were skipped; "": some ran."""
    ran = re.findall(r"^ok \d+ (.*)$", text, re.M)
    why = [re.search(r"# SKIP ?(.*)", line) for line in ran]
    return why[0][1] or "skipped" if why and all(why) else ""


def last_words(text):
    """The line that says why, or the last one."""
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    for line in lines:
        if re.search(r"not ok |ERROR:|Error:|rerun", line):
            return line.strip()[:200]
    return lines[-1].strip()[:200] if lines else ""


def run_tests(check, programs):
    device, steps = check.chosen.device, []
    for test, arguments in TESTS.items():
        if test in NOT_ON.get(device, ()):
            continue
        kinds = dict(MORE_KINDS.get(test, {"": {}}))
        if test in BF16:
            kinds["-bf16"] = KINDS["-bf16"]
        for kind, environment in kinds.items():
            if kind and device in ("cpu", "sim"):
                continue
            steps.append((test + kind, [programs.path(f"engine-{test}"),
                                        *arguments], 240,
                          {**environment, **LONG.get(test, {}),
                           "DELTACNN_TEST_DEVICE": device}))
    alone = [s for s in steps if s[0].split("-")[0] in ALONE]
    check.together([s for s in steps if s not in alone])
    for step in alone:
        check.step(*step)


def clean(text):
    """Why what compute-sanitizer printed is no clean bill."""
    if "terminated before first instrumented" in text:
        return "the program was not looked at"
    found = re.findall(r"SUMMARY: (\d+) (?:error|hazard)", text)
    if not found:
        return "no summary"
    return next((f"{n} found" for n in found if int(n)), "")


def sanitizer_way(check, programs, sanitizer, seed):
    """The first of the ways that let compute-sanitizer look at a test; None: none."""
    for i, (command, environment) in enumerate(
            programs.ways("engine-conformance")):
        status, text = check.command(
            [sanitizer, "--tool", "memcheck", "--target-processes", "all",
             *command, "-p", "/engine/conformance/integer", seed],
            {**environment, "DELTACNN_TEST_DEVICE": check.chosen.device}, 120,
            check.logs / f"sanitizer-way-{i}.log")
        if "SUMMARY" in text and "terminated before first" not in text:
            return i
        print(f"         way {i}: exit status {status}: {last_words(text)}",
              flush=True)
    return None


def run_sanitizer(check, programs):
    names = [(seed, kind, tool) for seed in check.chosen.seeds.split(",")
             for kind in (*KINDS, "-folds") for tool in TOOLS]
    names = [(n, f"{n[2]}{n[1]}-{n[0]}") for n in names
             if n[1] != "-folds" or (n[0] in FOLDS_SEEDS and
                                     n[2] != "racecheck")]
    names = [(n, text) for n, text in names if check.wanted(text)]
    if not names:
        return
    sanitizer = check.chosen.sanitizer or shutil.which("compute-sanitizer") \
        or "/usr/local/cuda/bin/compute-sanitizer"
    if not pathlib.Path(sanitizer).exists():
        check.note("sanitizer", "skipped", why=f"no {sanitizer}")
        return
    way = sanitizer_way(check, programs, sanitizer, names[0][0][0])
    if way is None:
        check.note("sanitizer", "FAILED",
                   why="it looks at the program in no way; see the logs")
        return
    steps = []
    for (seed, kind, tool), name in names:
        test, case = ("cuda_levels", "cuda-levels/folds") \
            if kind == "-folds" else ("conformance", "conformance/integer")
        command, environment = programs.ways(f"engine-{test}")[way]
        steps.append((name, [
            sanitizer, "--tool", tool, "--target-processes", "all",
            "--print-limit", "20", *(["--num-cuda-barriers", "65536"]
                                     if tool == "synccheck" else []),
            *command, "-p", f"/engine/{case}", seed], 240,
            {**environment, **KINDS.get(kind, {}),
             "DELTACNN_TEST_DEVICE": check.chosen.device}, clean))
    check.together(steps)


def small_enough(text):
    """Why a network's memory a stream is not within its goal."""
    found = re.search(r'"gpu_stream_bytes" : (\d+)', text)
    if not found:
        return "no prediction"
    mib = int(found[1]) / 2**20
    print(f"         {mib:.1f} MiB a stream", flush=True)
    return "" if mib < 150 else f"{mib:.1f} MiB a stream, 150 at most"


def run_streams(check, programs):
    """How many streams at a rate; joules where NVML is known to count them."""
    chosen, bench = check.chosen, programs.path("deltacnn-bench")
    if not chosen.clip or not chosen.models:
        return
    if chosen.device.startswith("cuda"):
        model, _, size = chosen.models[0].partition("@")
        check.step("energy", [
            bench, "--model", model, *(["--size", size] if size else []),
            "--device", chosen.device, "--streams", "4", "--frames", "20",
            "--synthetic", "5%", "--energy"], 60,
            judge=lambda text: "" if "J a frame" in text else "no figure")
    energy = check.results.get("energy", {}).get("status") == "passed"
    minutes = (check.until - time.monotonic()) / 60 - 0.1
    check.step("streams", [
        sys.executable, HERE / "gpu_figures.py", "streams", "--json",
        chosen.out / "figures.json", "--bench", bench, "--device",
        chosen.device, "--rate", chosen.rate, "--minutes", f"{minutes:.2f}",
        *(["--energy"] if energy else []),
        *(a for clip in chosen.clip for a in ("--clip", clip)),
        *chosen.streams.split(), *chosen.models], 60 * chosen.minutes,
        judge=lambda text: "not finished: call again"
        if "the time is over" in text else next(
            (line for line in text.splitlines() if ": skipped: " in line), ""))


def run_precisions(check, programs):
    """The same frames by each kind of maps: bf16 takes f16's bytes and rate."""
    chosen = check.chosen
    if not chosen.device.startswith("cuda") or not chosen.models:
        return
    model, _, size = chosen.models[0].partition("@")
    for precision in ("f16", "bf16", "f32"):
        check.step(f"precision-{precision}", [
            programs.path("deltacnn-bench"), "--model", model,
            *(["--size", size] if size else []), "--device", chosen.device,
            "--precision", precision, "--streams", "16", "--frames", "40",
            "--synthetic", "0%,5%,100%", "--set", "dilation=0", "--set",
            "settle=0"], 120)


def find_nets(check):
    """The folder of networks to measure; exported where they are missing."""
    chosen = check.chosen
    nets = chosen.nets or chosen.out / "nets"
    size = ["--size", chosen.net_size] if chosen.net_size else []
    for net in chosen.export.split(",") if chosen.export else []:
        if not (nets / f"{net}.onnx").exists():
            check.step(f"export-{net}", [sys.executable, HERE /
                                         "peer_torch.py", "export", nets, net,
                                         *size], 200)
    return nets, size


def run_switches(check, programs):
    chosen = check.chosen
    if not chosen.device.startswith("cuda"):
        return
    nets, size = find_nets(check)
    minutes = (check.until - time.monotonic()) / 60 - 0.2
    check.step("switches", [
        sys.executable, HERE / "gpu_switches.py", "--nets", nets, "--json",
        chosen.out / "switches.json", "--bench",
        programs.path("deltacnn-bench"), "--device", chosen.device,
        "--minutes", f"{minutes:.2f}", *size, *chosen.switches.split(),
        *chosen.models], 60 * chosen.minutes)
    log = check.logs / "switches.log"
    if log.exists() and "switches" in check.results:
        print(log.read_text()[-6000:], flush=True)


def run_figures(check, programs):
    chosen = check.chosen
    nets, size = find_nets(check)
    if (nets / "hrnet_w32.onnx").exists():
        check.step("memory-hrnet", [
            programs.path("deltacnn-inspect"), nets / "hrnet_w32.onnx",
            "--size", "384x384", "--json"], 60, judge=small_enough)
    minutes = (check.until - time.monotonic()) / 60 - 0.2
    check.step("figures", [
        sys.executable, HERE / "gpu_figures.py", "run", "--nets", nets,
        "--json", chosen.out / "figures.json", "--bench",
        programs.path("deltacnn-bench"), "--device", chosen.device,
        "--minutes", f"{minutes:.2f}", *size, *chosen.figures.split(),
        *chosen.models], 60 * chosen.minutes,
        judge=lambda text: "not finished: call again"
        if "the time is over" in text else "")
    if (chosen.out / "figures.json").exists():
        check.step("table", [sys.executable, HERE / "gpu_figures.py", "plot",
                             chosen.out / "figures.json",
                             chosen.out / "plots"], 60)


def run(chosen):
    chosen.out.mkdir(parents=True, exist_ok=True)
    if not chosen.bundle and not chosen.build:
        sys.exit("gpu_check.py: --bundle FILE or --build DIR")
    programs, check = Programs(chosen), Check(chosen)
    if chosen.device.startswith("cuda"):
        check.step("device", ["nvidia-smi"], 60)
    run_tests(check, programs)
    run_switches(check, programs)
    if chosen.device.startswith("cuda") or chosen.sanitizer:
        run_sanitizer(check, programs)
    gpu_pipelines.run_pipelines(check, programs)
    run_streams(check, programs)
    run_precisions(check, programs)
    run_figures(check, programs)
    with tarfile.open(chosen.out / "logs.tar.gz", "w:gz") as archive:
        archive.add(check.logs, arcname="logs")
    left = sum(r["status"] == "left" for r in check.results.values())
    print(f"{len(check.results)} steps, {check.failed} failed now, {left} "
          f"left; logs: {chosen.out}/logs.tar.gz")
    return 1 if check.failed else 0


def clip(chosen):
    """The first encoder that is there; a picture every two seconds is whole."""
    encoders = {"x264enc": ["x264enc", "quantizer=20", "pass=quant",
                            "key-int-max=50", "bframes=0"],
                "openh264enc": ["openh264enc", "bitrate=4000000",
                                "gop-size=50"]}
    for name, encoder in encoders.items():
        if subprocess.run(["gst-inspect-1.0", "--exists", name],
                          check=False).returncode == 0:
            return subprocess.run([
                "gst-launch-1.0", "-q", "filesrc", f"location={chosen.source}",
                "!", "decodebin", "!", "videoconvert", "!",
                "video/x-raw,format=I420", "!", *encoder, "!", "h264parse",
                "!", "mp4mux", "!", "filesink", f"location={chosen.to}"],
                check=False).returncode
    sys.exit(f"gpu_check.py: none of {', '.join(encoders)} is here")


def pack(chosen):
    tests = [chosen.build / f"tests/engine/engine-{test}" for test in TESTS]
    tests += [chosen.build / f"tests/gst/{name}"
              for name in gpu_pipelines.IN_ONE.values()]
    programs = [a for test in tests if test.exists()
                for a in ("--program", str(test))]
    return subprocess.run([sys.executable, str(HERE / "bundle.py"), "--build",
                           str(chosen.build), "--output", chosen.output,
                           *programs], check=False).returncode


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sub = parser.add_subparsers(dest="command", required=True)
    way = sub.add_parser("pack")
    way.add_argument("--build", type=pathlib.Path, required=True)
    way.add_argument("--output", default="out/deltacnn-gpu.tar.xz")
    way = sub.add_parser("clip")
    way.add_argument("source")
    way.add_argument("to")
    way = sub.add_parser("run")
    way.add_argument("--bundle", type=pathlib.Path)
    way.add_argument("--build", type=pathlib.Path)
    way.add_argument("--out", type=pathlib.Path, required=True)
    way.add_argument("--device", default="cuda")
    way.add_argument("--minutes", type=float, default=9)
    way.add_argument("--only", default="")
    way.add_argument("--again", action="store_true")
    way.add_argument("--jobs", type=int, default=1)
    way.add_argument("--seeds", default="1",
                     help="of the nets that compute-sanitizer looks at")
    way.add_argument("--sanitizer")
    way.add_argument("--nets", type=pathlib.Path)
    way.add_argument("--net-size", default="",
                     help="of every network: for a try")
    way.add_argument("--export", default="hrnet_w32,resnet50,mobilenet_v2,"
                     "densenet121", help="networks of peer_torch.py; '': none")
    way.add_argument("--figures", default="",
                     help="more arguments of gpu_figures.py run, in one text")
    way.add_argument("--switches", default="",
                     help="more arguments of gpu_switches.py, in one text")
    way.add_argument("--clip", action="append", default=[],
                     help="for streams: a video, or a folder of pictures")
    way.add_argument("--decode", action="append", default=[],
                     help="an .mp4 of H.264 or H.265, for NVDEC")
    way.add_argument("--rate", default="25")
    way.add_argument("--streams", default="",
                     help="more arguments of gpu_figures.py streams, likewise")
    way.add_argument("models", nargs="*")
    chosen = parser.parse_args()
    return {"run": run, "pack": pack, "clip": clip}[chosen.command](chosen)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
