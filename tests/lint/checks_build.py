# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that look at a build: exported symbols, headers, generated text."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

from checks_source import include_graph
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


def declared(folder, prefix):
    """Functions that the public headers of a folder declare: name, header."""
    found = {}
    for header in sorted((ROOT / folder).glob("*.h")):
        if header.stem.endswith("private"):
            continue
        text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"),
                      flags=re.S)
        text = re.sub(r"^[ \t]*#(?:\\\n|.)*", "", text, flags=re.M)
        inline = set(re.findall(r"static inline [^;{]*?(\w+)\s*\([^;{]*\{",
                                text))
        text = re.sub(r"\{[^{}]*\}", "", text)
        for name in re.findall(rf"\b({prefix}\w+)\s*\([^;]*\)[^;()]*;", text):
            if name not in inline:
                found[name] = header.relative_to(ROOT)
    return found


@check
def exports(context):
    """Libraries export what their public headers declare, and only that"""
    if not context.build or not shutil.which("nm"):
        return "needs --build DIR and nm"
    if sanitized(context):
        return "a sanitizers' build exports more"
    rules = {"libdeltacnn.so": r"dcnn_\w+",
             "libgstdeltacnn.so": r"gst_plugin_\w+",
             "libgstdeltacnn-1.0.so":
                 r"gst_(buffer_\w*)?delta_cnn_\w+|gst_buffer_\w*delta_cnn\w*"}
    public = {"libdeltacnn.so": ("include/deltacnn", "dcnn_"),
              "libgstdeltacnn-1.0.so": ("gst/metas", "gst_")}
    targets = {t["name"]: t for t in introspect(context, "targets")}
    for target in targets.values():
        library = pathlib.Path(target["filename"][0])
        base = re.sub(r"\.so(\.\d+)*$", ".so", library.name)
        rule = rules.get(base)
        if rule is None or not library.exists():
            continue
        symbols = exported(library)
        wanted = declared(*public[base]) if base in public else {}
        for name in sorted(set(wanted) - set(symbols)):
            context.wrong(wanted[name], 1, f"declares {name}, which {base} "
                          "does not export: define it, or take it out")
        for symbol in symbols:
            context.looked_at += 1
            if wanted and symbol not in wanted:
                context.wrong(base, 1, f"exports {symbol}, which no header of "
                              f"{public[base][0]} declares: hide it, or "
                              "declare it there")
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


def components(graph):
    """Sets of nodes that reach one another: Tarjan's algorithm."""
    index, low, stack, out = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                out.append(sorted(stack[at:]))
            del stack[at:]
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return out


def object_symbols(paths):
    """(defined, needed) global symbols of each object file."""
    out = subprocess.run(["nm", "-A", *map(str, paths)], capture_output=True,
                         text=True).stdout
    symbols = {path: (set(), set()) for path in paths}
    for line in out.splitlines():
        path, _, rest = line.partition(".o:")
        parts = rest.split()
        defined, needed = symbols[pathlib.Path(path + ".o")]
        if parts[-2:-1] == ["U"]:
            needed.add(parts[-1])
        elif len(parts) == 3 and parts[1] in "TDBRVWC":
            defined.add(parts[2])
    return symbols


@check
def circles(context):
    """No circle of files that include or that call one another"""
    if not context.build or not shutil.which("nm"):
        return "needs --build DIR and nm"
    includes = include_graph(context)
    for circle in components(includes):
        context.wrong(circle[0], 1, "includes go in a circle: "
                      + ", ".join(circle))
    objects, owner = {}, {}
    commands = json.loads((context.build / "compile_commands.json").read_text(
        encoding="utf-8"))
    outputs = sorted({c["output"] for c in commands if "output" in c})
    paths = [context.build / o for o in outputs
             if o.endswith(".o") and not o.startswith("tests/")
             and (context.build / o).exists()]
    for path, symbols in object_symbols(paths).items():
        place = path.relative_to(context.build)
        # what is linked together: a program, the plugin, or libdeltacnn
        unit = str(place.parent) if place.parts[0] in (
            "tools", "pipelines", "gst") else "libdeltacnn"
        objects[str(place)] = (unit, *symbols)
        for symbol in objects[str(place)][1]:
            owner[unit, symbol] = str(place)
    graph, why = {}, {}
    for name, (unit, _, needed) in objects.items():
        context.looked_at += 1
        graph[name] = set()
        for symbol in needed:
            other = owner.get((unit, symbol))
            if other and other != name:
                graph[name].add(other)
                why.setdefault((name, other), symbol)
    for circle in components(graph):
        calls = [f"{pathlib.Path(a).stem} -> {pathlib.Path(b).stem} ({s})"
                 for (a, b), s in sorted(why.items())
                 if a in circle and b in circle]
        context.wrong(circle[0], 1, "calls go in a circle; move what both "
                      "sides need into a file of its own: "
                      + "; ".join(calls[:12]))
    if not objects:
        context.wrong("build", 1, "no object was built")
    return None


ABI = ROOT / "tests/lint/abi.txt"
# Only the library makes these, and programs read them through a pointer.
MADE = {"DcnnDeviceKind", "DcnnModelInfo", "DcnnOutput", "DcnnResults",
        "DcnnTuningInfo"}


def public_layout(context):
    """Lines "enum NAME VALUE = n" and "struct NAME bytes" of the public
    headers, by the compiler."""
    headers = sorted((ROOT / "include/deltacnn").glob("*.h"))
    flags = ["-I" + str(ROOT / "include"), *pkg_flags("glib-2.0")]
    lines = "".join(f"#include <deltacnn/{h.name}>\n" for h in headers)
    text = subprocess.run(["gcc", "-E", "-P", *flags, "-"], input=lines,
                          text=True, capture_output=True, check=True).stdout
    program = [lines, "#include <stdio.h>\nint main (void) {\n"]
    for body, name in re.findall(
            r"typedef enum Dcnn\w*\s*\{([^}]*)\}\s*(\w+);", text):
        for value in re.findall(r"\b([A-Z]\w+)", body):
            context.looked_at += 1
            if not value.endswith("_COUNT"):
                program.append(f'printf ("enum {name} {value} = %d\\n", '
                               f"(int) {value});\n")
    for name in re.findall(r"typedef struct (Dcnn\w+)\s*\{", text):
        kind = "made" if name in MADE else "struct"
        program.append(f'printf ("{kind} {name} %zu\\n", sizeof ({name}));\n')
    program.append("return 0; }\n")
    with tempfile.TemporaryDirectory() as scratch:
        goal = pathlib.Path(scratch) / "layout"
        subprocess.run(["gcc", "-x", "c", *flags, "-", "-o", goal],
                       input="".join(program), text=True, check=True)
        return subprocess.run([goal], text=True, capture_output=True,
                              check=True).stdout.splitlines()


@check
def abi(context):
    """Public enums only grow at the end, public structs keep their size"""
    if not shutil.which("gcc"):
        return "needs gcc"
    if struct.calcsize("P") != 8:
        return "sizes are those of 64-bit machines"
    now = public_layout(context)
    then = [l for l in ABI.read_text(encoding="utf-8").splitlines()
            if l and not l.startswith("#")]
    sizes = {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1])
             for line in now}
    for line in then:
        name, size = line.rsplit(" ", 1)
        if line.startswith("made ") and sizes.get(name, 0) >= int(size):
            continue
        if line not in now:
            context.wrong("tests/lint/abi.txt", 1, f"'{line}' is not so any "
                          "more: programs built before read it so. Add values "
                          "at the end, take members from `reserved`; else it "
                          "is a new soversion, and this list begins anew")
    for line in now:
        known = line if line.startswith("enum") else line.rsplit(" ", 1)[0]
        if not any(t == known or t.startswith(known + " ") for t in then):
            context.wrong("tests/lint/abi.txt", 1, f"lacks '{line}': add it")
    return None
