# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lint checks share: the list of checks, the project's files."""
import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKS = {}
C_SUFFIXES = {".c", ".h", ".def", ".cu", ".cuh"}
CODE_SUFFIXES = C_SUFFIXES | {".py", ".sh", ".cpp"}


def check(function):
    """Registers a check under its function's name, dashes for underscores."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


@functools.lru_cache(maxsize=None)
def project_files():
    """Files of the project (known to git, or a walk), as relative paths."""
    try:
        out = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z"],
            check=True, capture_output=True).stdout
        names = [pathlib.Path(n.decode()) for n in out.split(b"\0") if n]
        if names:
            return sorted(n for n in set(names) if (ROOT / n).is_file())
    except (OSError, subprocess.CalledProcessError):
        pass
    skipped = re.compile(r"^(build|out|cache|\.git|\.venv|__pycache__)")
    return sorted(
        p.relative_to(ROOT) for p in ROOT.rglob("*")
        if p.is_file()
        and not any(skipped.match(part) for part in p.relative_to(ROOT).parts))


@functools.lru_cache(maxsize=None)
def text_of(path):
    """The text of a file; None for binary ones."""
    data = (ROOT / path).read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_script(path):
    """A file without a suffix that starts with #!."""
    return not path.suffix and (text_of(path) or "").startswith("#!")


class Context:
    """What a check is given and what it leaves."""

    def __init__(self, build):
        self.build = build
        self.problems = []
        self.looked_at = 0

    def wrong(self, path, line, what):
        self.problems.append(f"{path}:{line}: {what}")

    def files(self, suffixes):
        """Paths of the project with one of the suffixes; counted."""
        for path in project_files():
            if path.suffix in suffixes - {""} or (
                    "" in suffixes and is_script(path)):
                self.looked_at += 1
                yield path
