#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual page of a program, from what its --help prints.

  mangen.py PROGRAM VERSION OUT     PROGRAM: a path; OUT: NAME.1

Standard library only.
"""
import pathlib
import re
import signal
import subprocess
import sys


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def sections(text):
    """(title, lines): "Usage:" and the like stand at the line's beginning."""
    title, lines = "", []
    for line in text.splitlines():
        found = re.match(r"([A-Z][A-Za-z ]*):$", line) or re.match(r"(usage): (.*)$", line)
        if found and (not lines or not lines[-1].strip() or not title):
            yield title, lines
            title, lines = found.group(1), list(found.groups()[1:])
        else:
            lines.append(line)
    yield title, lines


def page(name, version, text):
    parts = []
    for title, lines in sections(text):
        blank = next((i for i, x in enumerate(lines) if not x.strip()), len(lines))
        if title in ("Usage", "usage") and any(x.strip() for x in lines[blank:]):
            parts += [(title, lines[:blank]), ("", lines[blank + 1:])]
        elif any(x.strip() for x in lines):
            parts.append((title, lines))
    about = [x.strip() for t, l in parts for x in l if t == "" and x.strip()]
    named = next((x.split(" - ", 1)[1] for x in about if x.startswith(name + " - ")), None)
    summary = named or re.split(r"[:.]", about[0] if about else name)[0]
    out = [f'.TH {name.upper()} 1 "" "deltacnn {version}" "User commands"', ".SH NAME",
           f"{escape(name)} \\- {escape(summary.rstrip('.'))}"]
    for title, lines in parts:
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            continue
        heading = {"Usage": "SYNOPSIS", "usage": "SYNOPSIS", "": "DESCRIPTION"}.get(title, title.upper())
        out += [f".SH {heading}", ".nf", *(escape(l) for l in lines), ".fi"]
    return "\n".join(out) + "\n"


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    program, version, out = arguments
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    pathlib.Path(out).write_text(page(pathlib.Path(out).stem, version, done.stdout), encoding="utf-8")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main(sys.argv[1:]))
