# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that look at a build: exported symbols, headers, generated text."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from common import ROOT, check


def introspect(context, what):
    out = subprocess.run(["meson", "introspect", f"--{what}", context.build],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
    symbols = [line.split() for line in out.splitlines()]
    return sorted(s[-1].split("@")[0] for s in symbols if s[-2] in "TDBRVWi")


def sanitized(context):
    options = introspect(context, "buildoptions")
    return any(o["name"] == "b_sanitize" and o["value"] not in ("none", [])
               for o in options)


@check
def exports(context):
    """libdeltacnn exports dcnn_*, the plugin its entry points, only"""
    if not context.build or not shutil.which("nm"):
        return "needs --build DIR and nm"
    if sanitized(context):
        return "a sanitizers' build exports more"
    rules = {"libdeltacnn.so": r"dcnn_\w+",
             "libgstdeltacnn.so": r"gst_plugin_\w+",
             "libgstdeltacnn-1.0.so":
                 r"gst_(buffer_\w*)?delta_cnn_\w+|gst_buffer_\w*delta_cnn\w*"}
    targets = {t["name"]: t for t in introspect(context, "targets")}
    for target in targets.values():
        library = pathlib.Path(target["filename"][0])
        base = re.sub(r"\.so(\.\d+)*$", ".so", library.name)
        rule = rules.get(base)
        if rule is None or not library.exists():
            continue
        for symbol in exported(library):
            context.looked_at += 1
            if not re.fullmatch(rule, symbol):
                context.wrong(base, 1, f"exports {symbol}: make it static, or "
                              f"name it {rule}")
    if not context.looked_at:
        context.wrong("lib", 1, "no library was built")
    return None


def public_headers(context):
    for source, goal in introspect(context, "installed").items():
        if source.endswith((".h", ".def")) and "include" in goal:
            yield pathlib.Path(source), pathlib.Path(goal)


def pkg_flags(*packages):
    out = subprocess.run(["pkg-config", "--cflags", *packages],
                         capture_output=True, text=True)
    return out.stdout.split()


@check
def headers(context):
    """Every installed header compiles alone, as C and as C++"""
    if not context.build:
        return "needs --build DIR"
    flags = pkg_flags("glib-2.0", "gstreamer-1.0", "gstreamer-video-1.0")
    languages = [("gcc", "c"), ("g++", "c++")]
    languages = [(c, l) for c, l in languages if shutil.which(c)]
    with tempfile.TemporaryDirectory() as scratch:
        tree = pathlib.Path(scratch)
        goals = []
        for source, goal in public_headers(context):
            if not source.exists():
                continue
            copy = tree / goal.relative_to(goal.anchor)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
            text = source.read_text(encoding="utf-8")
            inner = re.search(r"Included by\s[\s*]*\w+\.h only", text)
            if copy.suffix == ".h" and not inner:
                goals.append(copy)
        roots = sorted({str(p) for p in tree.rglob("include")})
        folders = ["-I" + r for r in roots]
        for goal in goals:
            for compiler, language in languages:
                context.looked_at += 1
                command = [compiler, "-x", language, "-fsyntax-only", "-Wall",
                           "-Wextra", "-Werror", "-Wno-unused-parameter",
                           *folders, *flags, "-"]
                out = subprocess.run(
                    command, input=f'#include "{goal}"\n', text=True,
                    capture_output=True)
                if out.returncode:
                    context.wrong(goal.name, 1, f"does not compile alone as "
                                  f"{language}:\n{out.stderr.strip()[:600]}")
    if not context.looked_at:
        return "no header is installed"
    return None


@check
def docs(context):
    """Generated tables in docs/ are what the code says now"""
    command = ["python3", str(ROOT / "tools/docgen.py"), "--check"]
    if context.build:
        command += ["--build", str(context.build)]
    out = subprocess.run(command, capture_output=True, text=True,
                         env={**os.environ, "LC_ALL": "C.UTF-8"})
    context.looked_at = out.stdout.count("\n")
    if out.returncode == 1:
        context.problems += out.stdout.strip().splitlines()
    elif out.returncode:
        context.problems.append(out.stderr.strip())


@check
def shell(context):
    """Shell scripts pass bash -n, and shellcheck where it is installed"""
    for path in context.files({".sh", ""}):
        first = (ROOT / path).open(encoding="utf-8").readline()
        if "sh" not in first.split("/")[-1]:
            continue
        commands = [["bash", "-n", str(path)]]
        if shutil.which("shellcheck"):
            commands.append(["shellcheck", "-x", str(path)])
        for command in commands:
            out = subprocess.run(command, cwd=ROOT, capture_output=True,
                                 text=True)
            if out.returncode:
                context.wrong(path, 1, (out.stdout + out.stderr).strip())
