#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""End to end: what nobody means is refused with a sentence, and costs nothing.

  options.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import e2e
from e2e import Skip, says

PROGRAMS = ("inspect", "bench", "tune", "annotate", "scene")
# What a program is given beside an absurd value; nothing of it is there, so that
# a value that passes costs nothing either.
BESIDE = {"inspect": ["/no/net.onnx"], "bench": ["--model", "/no/net.onnx", "--synthetic", "0.1"],
          "tune": ["--model", "/no/net.onnx", "--clip", "/no/clip.avi"],
          "annotate": ["--model", "/no/net.onnx", "--input", "/no/clip.avi", "--video", "/no/a.mp4"],
          "scene": ["--over", "/no/clip.avi", "a.avi"]}
NUMBERS = ("", "-1", "nan", "-inf", "1e400", "99999999999999999999", "abc") # for an option of =N and the like
TEXTS = ("", "abc", b"\xff\xfe", "a%s%n")
NAMES = ('a "name"', "back\\slash", "new\nline", b"\xff\xfe", "100%d%s%n", "\u00fc")


def program(bench, name):
    path = bench.build / "tools" / f"deltacnn-{name}"
    return path if path.exists() else None


def annotates(bench):
    """Whether there is what draws, and what looks for its elements can load them."""
    return program(bench, "annotate") and not bench.sanitized()


def case_absurd(bench):
    """Every option of every program with absurd values: one line that begins with the program's name, status 1 or 2."""
    wrong, tried = [], 0
    for name in filter(lambda n: program(bench, n), PROGRAMS):
        shown = bench.run(f"deltacnn-{name}", "--help").stdout
        says(shown, "Exit status: 0 done, 1 failed, 2 wrong use.")
        for option, kind in re.findall(r"^  (?:-\w, )?(--[a-z-]+)=(\S+)", shown, re.M):
            for value in NUMBERS if kind in ("N", "S", "PX", "FPS", "ERR", "SHARE") else TEXTS:
                text = os.fsencode(f"{option}=") + os.fsencode(value)
                out = subprocess.run([program(bench, name), *BESIDE[name], text], capture_output=True, stdin=subprocess.DEVNULL,
                                     env=bench.environment, cwd=bench.scratch, check=False, timeout=60)
                tried += 1
                lines = out.stderr.decode(errors="replace").splitlines()
                if out.returncode not in (1, 2) or len(lines) != 1 or not lines[0].startswith(f"deltacnn-{name}: "):
                    wrong.append(f"{name} {text}: status {out.returncode}, {lines[:3]}")
    assert tried > 200 and not wrong, "\n".join(wrong)
    assert not list(bench.scratch.iterdir()), list(bench.scratch.iterdir())


def case_contradictions(bench):
    """Two options that cannot both hold, or one that does nothing without another."""
    for name, words, *said in (
            ("inspect", ["--json", "--dump"], "--json", "standard output"), ("inspect", ["--json", "--dot", "-"], "--dot -"),
            ("inspect", ["--frame", "clip.avi"], "--suggest"), ("inspect", ["net.onnx"], "only one MODEL"),
            ("bench", ["--clip", "clip.avi"], "--synthetic", "not both"), ("bench", ["--score", "nan"], "--score: 0 to 1"),
            ("bench", ["--set", "dilation=1.5"], "whole number"), ("bench", ["--size", "64"], "--size"),
            ("scene", ["--truth", "t.txt", "--over="], "no clip"), ("scene", ["--pan", "nan"], "--pan"),
            ("annotate", ["--skip", "-1"], "--skip"), ("annotate", ["--moments", "99"], "--moments: 1 to 32"),
            ("tune", ["--apart"], "--quantize")):
        if program(bench, name):
            out = bench.run(f"deltacnn-{name}", *BESIDE[name], *words, good=False)
            says(out.stderr, *said)
            assert out.returncode == 2 or said[0] == "no clip", out.returncode


def commands(bench, model, clip):
    """(command, option, whether it has the name of a picture) of everything that writes a file."""
    bench_run = ["deltacnn-bench", "--model", model, "--clip", clip, "--size", "64x64", "--frames", "3", "--quiet"]
    drawn = ["deltacnn-annotate", "--model", model, "--input", clip, "--size", "64x64", "--frames", "6", "--quiet"]
    yield bench_run, "--json", ".json"
    yield bench_run, "--plot", ".png"
    yield bench_run, "--plot", ".svg"
    yield ["deltacnn-inspect", model], "--dot", ".dot"
    if annotates(bench):
        yield drawn, "--sheet", ".png"
        yield drawn, "--video", ".mp4"
    yield ["deltacnn-tune", "--model", model, "--clip", clip, "--size", "64x64", "--quantize", "--frames", "16", "--check-frames", "16",
           "--quiet"], "--out", ".onnx"
    yield ["deltacnn-scene", "--frames", "3", "--pan", "1"], "--truth", ".txt"


def prepare(bench):
    model, clip = bench.scratch / "net.onnx", bench.scene(30)
    shutil.copy(bench.need_model(), model)
    shutil.copy(f"{e2e.MODEL}.modelinfo", f"{model}.modelinfo")
    return model, clip


def check_pipe(bench, command):
    """A named pipe gets the report, and a device of our own, like /dev/full, is not replaced by a file."""
    pipe, device = bench.scratch / "pipe", bench.scratch / "full"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        bench.run(*command, "--json", pipe)
        was_pipe = pipe.is_fifo()
        if not was_pipe:
            reader.kill()
        assert was_pipe and json.loads(reader.communicate()[0])["frames"] == 2
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        with open(device, "wb"):
            pass
    except OSError: # for root only, and not on every file system
        return
    says(bench.run(*command, "--json", device, good=False).stderr, str(device), "No space left")
    assert device.is_char_device()


def case_outputs(bench):
    """No input is written over, no device replaced, no folder asked for in vain; what is written is whole."""
    model, clip = prepare(bench)
    before = {p: p.read_bytes() for p in (model, clip)}
    folder = bench.scratch / "a folder"
    for number, (command, option, suffix) in enumerate(commands(bench, model, clip)):
        rest = [bench.scratch / "made.avi"] if command[0] == "deltacnn-scene" else []
        named = folder / f"it{suffix}"
        for path, *words in ((bench.scratch / "none" / f"a{suffix}", "there is no folder"), (named, "this is a folder"),
                             ("", '""' if suffix not in (".png", ".svg") or option != "--plot" else "--plot"),
                             *((p, "reads") for p in (model, clip) if p in command and option != "--plot")):
            named.mkdir(parents=True, exist_ok=True)
            out = bench.run(*command, option, path, *rest, good=False)
            says(out.stderr, option, *words)
            assert out.returncode == 2 and out.stderr.count("\n") == 1, out
            assert not any(p.read_bytes() != was for p, was in before.items())
        named.rmdir()
        link, target = bench.scratch / f"link{number}{suffix}", bench.scratch / f"target{number}"
        target.touch()
        link.symlink_to(target)
        bench.run(*command, option, link, *rest)
        assert link.is_symlink() and target.stat().st_size > 20, command
        left = [p.name for p in bench.scratch.iterdir() if p.name.endswith(".part") or re.search(r"\.[A-Z0-9]{6}$", p.name)]
        assert not left, left
    check_pipe(bench, next(commands(bench, model, clip))[0])
    same = bench.scratch / "both.svg"
    says(bench.run(*next(commands(bench, model, clip))[0], "--json", same, "--plot", same, good=False).stderr, "--json writes to this file")


def case_full_disk(bench):
    """Standard output that takes nothing, or is closed, is a failure; so is standard input that is closed none."""
    model, clip = prepare(bench)
    measured = next(commands(bench, model, clip))[0]
    for name, *words in (("inspect", model), ("inspect", "--json", model), ("inspect", "--dot", "-", model), ("inspect", "--help"),
                         ("inspect", "--version"), ("bench", *measured[1:]), ("bench", *measured[1:], "--json", "-")):
        line = [str(program(bench, name)), *map(str, words)]
        with open("/dev/full", "w", encoding="utf-8") as full:
            out = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=bench.environment, timeout=120)
        assert out.returncode == 1 and out.stderr.count("\n") == 1, (line, out)
        says(out.stderr, "not all of standard output could be written")
    shell = 'exec "$@" '
    for closed, status in (("<&-", 0), ("2>&-", 0), (">&-", 1), ("<&- >&- 2>&-", 1)):
        kept = [p.read_bytes() for p in (model, clip)]
        out = subprocess.run(["sh", "-c", shell + closed, "sh", str(program(bench, "bench")), *map(str, measured[1:])], check=False,
                             capture_output=True, env=bench.environment, timeout=120)
        assert out.returncode == status, (closed, out)
        assert kept == [p.read_bytes() for p in (model, clip)]


def case_names(bench):
    """Files and folders of any name are read and written, and reports stay JSON."""
    source, clip = prepare(bench)
    frames = bench.scratch / "frames"
    frames.mkdir()
    subprocess.run(["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=4", "pattern=ball", "!", "pngenc", "!", "multifilesink",
                    f"location={frames}/%05d.png"], check=True, env=bench.environment, stdin=subprocess.DEVNULL)
    for name in NAMES:
        place = os.path.join(os.fsencode(bench.scratch), os.fsencode(name))
        shutil.copytree(frames, os.fsdecode(place))
        model, video, report = (place + b"/" + os.fsencode(name) + suffix for suffix in (b".onnx", b".avi", b".json"))
        shutil.copy(source, model)
        shutil.copy(f"{source}.modelinfo", model + b".modelinfo")
        shutil.copy(clip, video)

        def run(tool, *words, locale="C"):
            line = [os.fsencode(program(bench, tool)), *words]
            out = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120,
                                 env={**bench.environment, "LC_ALL": locale})
            assert out.returncode == 0, (line, out.stderr)
            return out.stdout

        for locale in ("C", "C.UTF-8"):
            told = json.loads(run("inspect", "--json", model, locale=locale).decode())
            assert told["model"].endswith(".onnx") and (name == b"\xff\xfe" or name in told["model"]), told["model"]
        for seen in (video, place):
            run("bench", "--model", model, "--clip", seen, "--size", "64x64", "--frames", "3", "--quiet", "--json", report)
            with open(report, encoding="utf-8") as file:
                json.load(file)
        guess = run("inspect", "--suggest", model).decode("ascii")
        assert re.search(r"^name=[ -~]+$", guess, re.M), guess
        if annotates(bench):
            run("annotate", "--model", model, "--input", video, "--size", "64x64", "--frames", "6", "--quiet", "--report", report,
                "--title", name, "--video", place + b"/out.mp4", "--sheet", place + b"/out.png")


def case_interrupt(bench):
    """Ctrl-C leaves what was there, and nothing that looks whole."""
    model, clip = prepare(bench)
    lines = [("scene", ["--frames", "100000", bench.scratch / "out.avi"], "out.avi.part")]
    if annotates(bench):
        lines.append(("annotate", ["--model", model, "--input", clip, "--size", "640x480", "--set", "threads=1", "--video", bench.scratch / "out.mp4"],
                      "out.mp4.part"))
    for name, words, part in lines:
        target = bench.scratch / part[:-5]
        target.write_text("of yesterday", encoding="utf-8")
        with subprocess.Popen([str(program(bench, name)), *map(str, words)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=bench.environment) as process:
            while process.poll() is None and not (bench.scratch / part).exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
        assert process.returncode == -signal.SIGINT, (name, process.returncode)
        assert not (bench.scratch / part).exists() and target.read_text(encoding="utf-8") == "of yesterday"


def case_reports(bench):
    """A property or report that annotate cannot take is named; nothing is drawn without it."""
    if not annotates(bench):
        raise Skip("the elements are not built")
    model, clip = prepare(bench)
    junk, sheet = bench.scratch / "junk.json", bench.scratch / "s.png"
    junk.write_text('{"agreement": 3}', encoding="utf-8")
    base = ["deltacnn-annotate", "--model", model, "--input", clip, "--size", "64x64", "--frames", "6", "--sheet", sheet, "--quiet"]
    for option, value, *words in (
            ("--report", "/no/r.json", "--report /no/r.json", "deltacnn-bench"), ("--report", junk, "no report of one clip"),
            ("--report", model, "--report"), ("--set", "threshold=-1", "threshold=-1", "deltacnn"), ("--set", "threshold=abc", "threshold=abc"),
            ("--set", "stats=1", "stats=1"), ("--set-overlay", "updates=perhaps", "deltaoverlay"), ("--set-overlay", "mask-alpha=2", "mask-alpha=2")):
        out = bench.run(*base, option, value, good=False)
        says(out.stderr, *words)
        assert out.stderr.count("\n") == 1 and not sheet.exists(), out.stderr


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
