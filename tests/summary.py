#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Selects tests of a Meson build by name, and sums up what a run gave.

  summary.py --names DIR PATTERN LABEL   names for `meson test`, one a line
  summary.py --programs DIR PATTERN      what ninja has to make for those of
                                         "threads", one a line
  summary.py --pattern PATTERN DIR...    counts, skips by reason, failures with
                                         the line that reruns each

Standard library only. The last line of a summary is "N passed, N failed,
N skipped"; the exit status is 1 when a test failed or none ran.
"""
import collections
import json
import pathlib
import re
import signal
import subprocess
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
# The sanitizers' build has nothing to say about text, and programs that were
# built without (gst-launch-1.0, GStreamer's plugin scanner, a user's own)
# cannot load what was built with.
NOT_SANITIZED = re.compile(r"lint/|e2e/(pipeline|install|pages|documents-pipelines|options-reports|typelib|demo$|demo-full-disk|spaces|bench|tune|rtsp|camera|media-server|webcam|moving-camera|pan-tilt|overlays)")

# Where threads meet: these are run with ThreadSanitizer too.
THREADED = re.compile(r"engine/(pool|streams|api/tuning)$|gst/(batch|live|lines|pipeline|state|align)$")


def short_name(test):
    """Of a test as it is introspected, or of its name in the log.

    >>> short_name({"suite": ["deltacnn:kernels"], "name": "mask"})
    'kernels/mask'
    >>> short_name("deltacnn:kernels / mask")
    'kernels/mask'
    >>> short_name("deltacnn / mask"), short_name("deltacnn:onnx+slow / onnx/why")
    ('deltacnn/mask', 'onnx/why')

    Meson 1.12 writes it another way:

    >>> short_name("kernels - deltacnn:mask")
    'kernels/mask'
    >>> short_name("deltacnn:mask"), short_name("onnx+slow - deltacnn:onnx/why")
    ('deltacnn/mask', 'onnx/why')
    """
    if isinstance(test, dict):
        suites = [s.split(":")[-1] for s in test["suite"]]
        return join(suites[0], test["name"])
    suite, apart, name = test.partition(" / ")
    if not apart:
        suite, _, name = test.rpartition(" - ")
        project, _, name = name.partition(":")
        suite = suite or project
    return join(suite.split(":")[-1].split("+")[0], name.strip() or suite)


def join(suite, name):
    return name if name.startswith(suite + "/") else f"{suite}/{name}"


def introspect(folder, what):
    return json.loads(subprocess.run(["meson", "introspect", what, folder],
                                     check=True, capture_output=True, text=True).stdout)


def chosen(folder, pattern, label):
    for test in introspect(folder, "--tests"):
        name = short_name(test)
        if label == "sanitizers" and NOT_SANITIZED.match(name) or label == "threads" and not THREADED.match(name):
            continue
        if re.search(pattern or ".", name):
            yield test


def names(folder, pattern, label):
    for test in chosen(folder, pattern, label):
        print(short_name(test) if label == "all" else test["name"])


def programs(folder, pattern):
    targets = introspect(folder, "--targets")
    files = {target["id"]: target["filename"] for target in targets}
    root = pathlib.Path(folder).resolve()
    needed = {file for target in targets if target["name"] == "glib_order" for file in target["filename"]}
    for test in chosen(folder, pattern, "threads"):
        needed.update([test["cmd"][0]], *(files.get(d, ()) for d in test.get("depends", ())))
    for file in sorted(needed):
        print(pathlib.Path(file).relative_to(root))


def skip_reason(entry):
    text = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
    lines = [l.strip() for l in text.splitlines() if l.strip()]
    for line in reversed(lines):
        found = re.search(r"(?:# *SKIP|\bskip(?:ped)?:?)\s*(.*)", line, re.I)
        if found and found.group(1):
            return found.group(1)
    return lines[-1] if lines else "no reason given"


def read_log(folder):
    log = pathlib.Path(folder) / "meson-logs" / "testlog.json"
    if not log.exists():
        return []
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def left_behind(folder):
    """What tests that passed have not removed; libraries' own begins with a dot."""
    return sorted(f"scratch/{path.name}" for path in pathlib.Path(folder).glob("scratch/[!.]*"))


def summary(folders, pattern):
    counts = collections.Counter()
    skips = collections.defaultdict(list)
    failures, left = [], []
    slow = []
    for folder in folders:
        before = len(failures)
        for entry in read_log(folder):
            name = short_name(entry["name"])
            slow.append((entry.get("duration", 0), f"{name} ({folder})"))
            if entry["result"] in PASSED:
                counts["passed"] += 1
            elif entry["result"] == "SKIP":
                counts["skipped"] += 1
                skips[skip_reason(entry)].append(name)
            else:
                counts["failed"] += 1
                failures.append((folder, name, entry["result"]))
        if len(failures) == before:
            left += [f"{folder}/{name}" for name in left_behind(folder)]
    print()
    for seconds, name in sorted(slow, reverse=True)[:5]:
        if seconds >= 5:
            print(f"  {seconds:6.1f} s  {name}")
    for reason, tests in sorted(skips.items()):
        print(f"  skipped: {', '.join(sorted(set(tests)))}: {reason}")
    for folder, name, result in failures:
        sanitized = "" if "san" in folder else "--quick "
        print(f"  FAILED ({result.lower()}, {folder}): {name}\n"
              f"    rerun: tests/run.sh {sanitized}'^{re.escape(name)}$'")
    if left:
        counts["failed"] += 1
        print(f"  FAILED (left behind by tests that passed): {', '.join(left)}\n"
              f"    tests/run.sh PATTERN finds out which")
    if not counts:
        print(f"  no test matches '{pattern}'; tests/run.sh --list shows all")
    print(f"{counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if failures or left or not counts["passed"] else 0


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "--names":
        names(arguments[1], arguments[2], arguments[3])
        return 0
    if len(arguments) == 3 and arguments[0] == "--programs":
        programs(arguments[1], arguments[2])
        return 0
    if len(arguments) >= 3 and arguments[0] == "--pattern":
        return summary(arguments[2:], arguments[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main(sys.argv[1:]))
