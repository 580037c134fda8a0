#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""End to end: what the pages and the programs' own help print can be copied and run.

  documents.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys

import e2e
from e2e import ROOT, Skip

PROGRAM = re.compile(r"(?:(?:build|deltacnn)/)?(?:tools|tests|pipelines|bin)/[\w./-]+|deltacnn-[a-z]+")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
MESSAGES = {"deltacnn-model", "deltacnn-stats"} # on the bus: no programs
PAGES_WITH_OLD_COMMANDS = {"docs/decisions.md"} # as they were when something was decided


def pages():
    """(name, text) of every page."""
    for path in sorted(ROOT.rglob("*.md")):
        name = path.relative_to(ROOT).as_posix()
        if not re.match(r"(build|out|cache|\.)", name) and name not in PAGES_WITH_OLD_COMMANDS:
            yield name, path.read_text(encoding="utf-8")


def code(text):
    """The code of a page or a help text, a command a line: what a backslash goes on with is joined."""
    text = re.sub(r"\\\n\s*", " ", text)
    for block in re.findall(r"```\w*\n(.*?)```", text, re.S):
        yield from block.splitlines()
    for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S)):
        yield " ".join(span.split())


def helps(bench):
    """(name, text) of the examples in the programs' help."""
    for path in sorted((bench.build / "tools").glob("deltacnn-*")):
        if path.is_file() and os.access(path, os.X_OK) and "launch" not in path.name:
            text = help_of(bench, path)
            yield f"{path.name} --help", "\n".join(f"```\n{b}```" for b in re.findall(r"^Examples?:\n((?:  .*\n?)+)", text, re.M))


@functools.lru_cache(maxsize=None)
def help_of(bench, path, *words):
    out = subprocess.run([str(path), *words, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         env=bench.environment, timeout=60, check=False)
    return out.stdout + out.stderr


def find_program(bench, name):
    """Where a program of a page is; None: that is built elsewhere, or not at all here."""
    if name.startswith("deltacnn-"):
        return bench.build / "tools" / name
    first, _, rest = name.partition("/")
    if first == "deltacnn": # in a bundle
        return None
    return bench.build / rest if first == "build" else bench.build / name if not (ROOT / name).exists() else ROOT / name


def check_command(bench, words):
    """What is wrong with a command of ours, or None."""
    at = next((i for i, w in enumerate(words) if PROGRAM.fullmatch(w)), None)
    if at is None or words[at] in MESSAGES or any("=" not in w for w in words[:at]):
        return None
    path = find_program(bench, words[at])
    if path is None or path.suffix in (".c", ".h", ".md") or path.is_dir():
        return None
    if not path.exists():
        return None if path.name == "media-server" else f"there is no {words[at]}" # it needs gst-rtsp-server

    options = {o for w in words[at + 1:] for o in OPTION.findall(w.split("=")[0])}
    if not options or not os.access(path, os.X_OK):
        return None
    known = help_of(bench, path)
    if len(words) > at + 1 and re.fullmatch(r"[a-z]+", words[at + 1]) and words[at + 1] in known:
        known += help_of(bench, path, words[at + 1])
    unknown = sorted(o for o in options if not re.search(re.escape(o) + r"(?![\w-])", known))
    return f"{words[at]} has no {', '.join(unknown)}" if unknown else None


def case_commands(bench):
    """Every program of ours that a page or a help text names is there, and knows the options beside it."""
    wrong, looked_at = [], 0
    for name, text in [*pages(), *helps(bench)]:
        for line in code(text):
            for part in re.split(r"[|;>]|&&", line.split(" #")[0]):
                words = part.split()
                if any(PROGRAM.fullmatch(w) for w in words):
                    looked_at += 1
                    problem = check_command(bench, words)
                    if problem:
                        wrong.append(f"{name}: {' '.join(words)}: {problem}")
    assert looked_at > 100 and not wrong, f"{looked_at} looked at\n" + "\n".join(wrong)


def made_runnable(words, clip, scratch):
    """A printed pipeline with sources that are here, and no screen."""
    place = {"filesrc": f"filesrc location={clip}", "rtspsrc": f"filesrc location={clip}", "v4l2src": "videotestsrc num-buffers=8",
             "autovideosink": "fakesink"}
    out, skipping = [], False
    for word in words:
        if word == "!":
            skipping = False
        if skipping:
            continue
        if word in place:
            out += place[word].split(" ", 1)
            skipping = word != "autovideosink"
        elif word.startswith("model="):
            out.append(f"model={e2e.MODEL}")
        else:
            out.append(re.sub(r"^results-location=(?!/)", f"results-location={scratch}/", word))
    return out


def case_pipelines(bench):
    """Every pipeline that a page prints plays, from a drawn clip to nowhere."""
    e2e.need_elements(bench)
    bench.need_model()
    played, clip = 0, bench.scene(8)
    for name, text in pages():
        for line in code(text):
            words = shlex.split(line, comments=True) if line.startswith("gst-launch-1.0 ") else []
            if "framealign" in words and not list(bench.build.glob("stabilizer/*/dcnn_tracker.cpp.o")):
                words = [w for w in words if not w.startswith("tracks=")]
                words = [w for i, w in enumerate(words) if w != "framealign" and words[i - 1] != "framealign"]
            if len(words) > 2:
                bench.run(*made_runnable(words, clip, bench.scratch))
                played += 1
    assert played > 5, played
    assert (bench.scratch / "results.jsonl").read_text(encoding="utf-8").count("\n") == 8, name


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
