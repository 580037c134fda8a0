#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every operator of the ONNX standard is imported or refused by name.

    standard.py

Reads dcnn_onnx_ops.def and dcnn_onnx_refused.def against the schemas of the
onnx package of DELTACNN_PYTHON. Exit status 77 without one.
"""
import os
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "models" / "onnx"
SCHEMAS = """import onnx
print(*sorted({s.name for s in onnx.defs.get_all_schemas() if s.domain == "" and not s.deprecated}))"""


def names(file, macro):
    return re.findall(rf'^{macro} \("([^"]+)"', (FOLDER / file).read_text(encoding="utf-8"), re.M)


def main():
    python = os.environ.get("DELTACNN_PYTHON", "python3")
    asked = subprocess.run([python, "-c", SCHEMAS], capture_output=True, text=True, check=False)
    if asked.returncode:
        print(f"SKIP: {python} has no onnx: set DELTACNN_PYTHON")
        return 77
    taken, refused = names("dcnn_onnx_ops.def", "ONNX_OP"), names("dcnn_onnx_refused.def", "ONNX_REFUSED")
    standard = asked.stdout.split()
    open_ones = [s for s in standard if s not in taken and not any(
        s == r or r.endswith("*") and s.startswith(r[:-1]) for r in refused)]
    both = [r for r in refused if r in taken]
    idle = [r for r in refused if not any(s == r or r.endswith("*") and s.startswith(r[:-1]) for s in standard)]
    for name in open_ones:
        print(f"FAIL {name}: in neither list")
    for name in both:
        print(f"FAIL {name}: in both lists")
    for name in idle:
        print(f"note: {name} is refused, but not in this version of the standard")
    print(f"{len(standard)} operators, {len(standard) - len(open_ones)} decided")
    return bool(open_ones or both or len(standard) < 150)


if __name__ == "__main__":
    sys.exit(main())
