# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that read the source text alone."""
import ast
import pathlib
import re

from common import C_SUFFIXES, CODE_SUFFIXES, ROOT, check, project_files, \
    text_of

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 100
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def glob_regex(glob):
    """A glob on paths: * stays inside a folder, ** does not."""
    out = re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(out + r"\Z")


def read_edges(path):
    """Lists of (source, targets): allowed, forbidden, out of reach."""
    allowed, forbidden, out_of_reach = [], [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        source, targets = line.split(":", 1)
        entry = (glob_regex(source.rstrip("! ")),
                 [glob_regex(t) for t in targets.split()])
        (out_of_reach if source.endswith("!!") else
         forbidden if source.endswith("!") else allowed).append(entry)
    return allowed, forbidden, out_of_reach


def resolve(path, name, known):
    """Files of the project that an include may mean."""
    direct = (ROOT / path.parent / name).resolve()
    if direct.is_relative_to(ROOT):
        relative = direct.relative_to(ROOT)
        if relative in known:
            return [relative]
    tail = "/" + name.lstrip("./")
    near = path.parts[0]  # a name of the same room comes first
    return sorted((k for k in known if ("/" + k.as_posix()).endswith(tail)),
                  key=lambda k: (k.parts[0] != near, k))


def reached(path, known):
    """What a file includes, and what that includes, and so on."""
    found, todo = set(), [path]
    while todo:
        at = todo.pop()
        for kind, include in INCLUDE.findall(text_of(at) or ""):
            goals = resolve(at, include, known) if kind == '"' else []
            todo += [g for g in goals[:1] if g not in found]
            found.update(goals[:1])
    return found


@check
def edges(context):
    """Includes follow the arrows of tests/lint/edges.txt"""
    allowed, forbidden, out_of_reach = read_edges(ROOT / "tests/lint/edges.txt")
    known = {p for p in project_files() if p.suffix in C_SUFFIXES}
    for path in context.files(C_SUFFIXES):
        text = text_of(path) or ""
        name = path.as_posix()
        targets = next((t for s, t in allowed if s.match(name)), [])
        for found in INCLUDE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            kind, include = found.groups()
            for source, systems in forbidden:
                if kind == "<" and source.match(name) and \
                        any(s.match(include) for s in systems):
                    context.wrong(name, line, f"this layer may not include "
                                  f"<{include}> (tests/lint/edges.txt)")
            goals = resolve(path, include, known) if kind == '"' else []
            if goals and not any(t.match(g.as_posix())
                                 for g in goals for t in targets):
                context.wrong(name, line, f"an include of {goals[0]} is no "
                              "allowed edge (tests/lint/edges.txt)")
        far = [t for s, targets in out_of_reach if s.match(name)
               for t in targets]
        for goal in sorted(reached(path, known)) if far else []:
            if any(t.match(goal.as_posix()) for t in far):
                context.wrong(name, 1, f"reaches {goal}, which is out of its "
                              "reach (tests/lint/edges.txt)")


def include_graph(context):
    """Which files of the project each header includes: names."""
    known = {p for p in project_files() if p.suffix in C_SUFFIXES}
    graph = {}
    for path in context.files({".h", ".def", ".cuh"}):
        found = [name for _, name in INCLUDE.findall(text_of(path) or "")]
        graph[path.as_posix()] = {
            g.as_posix() for name in found
            for g in resolve(path, name, known) if g != path}
    return graph


@check
def version(context):
    """deltacnn/version.h has the version of meson.build"""
    text = (ROOT / "include/deltacnn/version.h").read_text(encoding="utf-8")
    numbers = re.findall(r"#define DCNN_VERSION_M\w+ (\d+)", text)
    wanted = re.search(r"version: '([\d.]+)'",
                       (ROOT / "meson.build").read_text(encoding="utf-8"))
    context.looked_at = 1
    if ".".join(numbers) != wanted.group(1) or \
            f'#define DCNN_VERSION "{wanted.group(1)}"' not in text:
        context.wrong("include/deltacnn/version.h", 1, "is not version "
                      f"{wanted.group(1)} of meson.build")


def c_functions(text):
    """(name, first line, lines) of functions: GNU-like style has the opening
    and the closing brace of a function in column 0."""
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 8):start])
            names = re.findall(r"(\w+)\s*\(", head)
            yield (names[-1] if names else "?"), start + 1, number - start + 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


@check
def size(context):
    """Files under 800 lines, functions of at most 100"""
    for path in context.files(CODE_SUFFIXES | {"", ".md"}):
        text = text_of(path)
        if text is None:
            continue
        lines = text.count("\n")
        if lines >= MAX_FILE_LINES and path.suffix != ".md":
            context.wrong(path, 1, f"{lines} lines, {MAX_FILE_LINES - 1} are "
                          "allowed: split it by concept")
        functions = []
        if path.suffix in C_SUFFIXES:
            functions = c_functions(text)
        elif path.suffix == ".py":
            functions = python_functions(text)
        for name, line, length in functions:
            if length > MAX_FUNCTION_LINES:
                context.wrong(path, line, f"{name}: {length} lines, "
                              f"{MAX_FUNCTION_LINES} are allowed")


@check
def licence(context):
    """An SPDX line in the first lines of every file of code"""
    for path in context.files(CODE_SUFFIXES | {""}):
        head = "\n".join((text_of(path) or "").splitlines()[:5])
        if "SPDX-License-Identifier: LGPL-2.1-or-later" not in head:
            context.wrong(path, 1, "no line 'SPDX-License-Identifier: "
                          "LGPL-2.1-or-later' in the first five")


@check
def whitespace(context):
    """No trailing blanks, no tabs in C and Python, a newline at the end"""
    for path in project_files():
        text = text_of(path)
        if text is None or not text or path.name == "LICENSE" \
                or path.suffix in {".patch", ".golden", ".txt", ".csv"}:
            continue
        context.looked_at += 1
        if not text.endswith("\n"):
            context.wrong(path, text.count("\n") + 1, "no newline at the end")
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                context.wrong(path, number, "blanks at the end of the line")
            if "\t" in line and path.suffix in C_SUFFIXES | {".py"}:
                context.wrong(path, number, "a tab; blanks are used here")


@check
def leftovers(context):
    """No TODO without an issue number, no conflict markers, no aborts"""
    todo = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\s*\(?#\d+)")
    aborts = re.compile(r"(?<![\w.])(?:abort|exit|g_error|g_assert_not_reached"
                        r"|g_abort)\s*\(")
    for path in context.files(CODE_SUFFIXES):
        if path.parts[:2] == ("tests", "lint"):
            continue
        product = path.parts[0] in {"engine", "kernels", "models", "gst",
                                    "stabilizer"}
        in_comment = False
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if todo.search(line):
                context.wrong(path, number, "name an issue: TODO (#12)")
            if re.match(r"(<{7}|>{7}) ", line):
                context.wrong(path, number, "a conflict marker")
            code = re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/|//.*', "", line)
            if in_comment or "/*" in code:
                in_comment = "*/" not in code
                continue
            if product and path.suffix in {".c", ".h"} and aborts.search(code):
                context.wrong(path, number, "a library does not abort or exit:"
                              " return an error")


@check
def sources(context):
    """Product code and installed headers cite nothing outside the repository"""
    outside = re.compile(r"\bDESIGN\b|\.\./shared")
    for path in context.files(C_SUFFIXES | {".cpp"}):
        if path.parts[0] == "tests":
            continue
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if outside.search(line):
                context.wrong(path, number, "cites what is not in the "
                              "repository: say it here")


@check
def devices(context):
    """Every test of the engine names its device, every backend its layout"""
    options = re.compile(r"\bdcnn_session_options_init\s*\(")
    layout = re.compile(r"\bplan_layout_cpu\b")
    for path in context.files(C_SUFFIXES):
        text = text_of(path) or ""
        tested = path.parts[:2] in {("tests", "engine"), ("tests", "oracle")} \
            and path.name != "nets.c" and "dcnn_session_new (" in text
        borrows = path.parts[0] == "engine" and path.suffix == ".c" and \
            path.parts[1] not in {"plan", "cpu"}
        for number, line in enumerate(text.splitlines(), 1):
            if tested and options.search(line):
                context.wrong(path, number, "names no device: "
                              "test_options_init() (tests/engine/nets.h)")
            if borrows and layout.search(line):
                context.wrong(path, number, "is the cpu's layout: a backend "
                              "has its own (DcnnBackend.layout)")
    backend = re.compile(r"^const DcnnBackend dcnn_backend_(\w+) = \{(.*?)^\};",
                         re.M | re.S)
    for path in context.files({".c"}):
        for table in backend.finditer(text_of(path) or ""):
            if ".session_new" in table[2] and ".layout" not in table[2]:
                context.wrong(path, 1, f"device={table[1]} has no .layout")


# Where a kind of GPU may be named by code: its own rooms, what talks to its
# driver or to GStreamer's library for its memory, and where frames may lie.
KIND_ROOMS = {"engine", "gst", "include", "models", "stabilizer", "tools"}
KIND_GLUE = glob_regex("tools/bench_gpu.c"), glob_regex("tools/bundle_launch.c")
KIND_WORDS = re.compile(  # of GStreamer's or ours, no device's name
    r'gst_(delta_cnn|frame_align)_@_\w+|"gst(deltacnn|framealign)@\.h"'
    r'|memory:@Memory|DCNN_MEMORY_@'
    r'|PROP_@_DEVICE_ID|"@-device-id", "@ device ID"')
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def without_comments(text):
    return COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text)


@check
def kinds(context):
    """No kind of GPU is named outside its own folders and backends.def"""
    table = re.compile(r"^const DcnnBackend dcnn_backend_(\w+) = \{(.*?)^\};",
                       re.M | re.S)
    gpus = {t[1] for path in context.files({".c"})
            if path.parts[0] == "engine"
            for t in table.finditer(text_of(path) or "") if ".present" in t[2]}
    if not gpus:
        context.wrong("engine/backends.def", 1, "no backend has .present: this "
                      "check finds nothing")
    for path in context.files({".c", ".h"}):
        name = path.as_posix()
        if path.parts[0] not in KIND_ROOMS:
            continue
        for gpu in gpus - {path.parts[1]}:
            glue = name.startswith((f"gst/deltacnn/gstdeltacnn{gpu}",
                                    f"gst/framealign/gstframealign{gpu}")) or \
                any(g.match(name) for g in KIND_GLUE)
            word = re.compile(f'"{gpu}[":]' if glue else gpu, re.I)
            ours = re.compile(KIND_WORDS.pattern.replace("@", gpu), re.I)
            text = without_comments(text_of(path) or "")
            for number, line in enumerate(text.splitlines(), 1):
                if word.search(line if glue else ours.sub("", line)):
                    context.wrong(path, number, f"names {gpu}: ask "
                                  "dcnn_device_kind(), _named() or _which() "
                                  "for what it needs (deltacnn/session.h)")


@check
def folders(context):
    """Every folder has a README, or the one above speaks of it"""
    exempt = re.compile(r"^(\.|docs)|(^|/)(corpus|corpora|data|golden|pictures)"
                        r"(/|$)")
    files = project_files()
    tops = {p.parts[0] for p in files if len(p.parts) > 1}
    seconds = {"/".join(p.parts[:2]) for p in files if len(p.parts) > 2}
    for folder in sorted(tops | seconds):
        if exempt.search(folder):
            continue
        context.looked_at += 1
        inside = pathlib.Path(folder)
        above = inside.parent / "README.md"
        told = len(inside.parts) == 2 and above in files \
            and inside.name + "/" in text_of(above)
        if inside / "README.md" not in files and not told:
            context.wrong(folder, 1, "no README.md here, and the one of the "
                          "folder above does not speak of it")


@check
def readme(context):
    """README names the two commands, and CI runs the second"""
    text = text_of(pathlib.Path("README.md")) or ""
    context.looked_at = 2
    for command in ("pipelines/demo.sh", "tests/run.sh"):
        if not re.search(rf"^\s*{re.escape(command)}\s*(#.*)?$", text, re.M):
            context.wrong("README.md", 1, f"the command {command} is not on a "
                          "line of its own")
        if not (ROOT / command).stat().st_mode & 0o100:
            context.wrong(command, 1, "not executable")
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    commands = [l for l in ci.splitlines() if l and not l.startswith("#")]
    if not any(re.match(r"exec tests/run\.sh\b", l) for l in commands):
        context.wrong(".ci/run", 1, "does not run tests/run.sh, the README's "
                      "second command")


def anchors_of(text):
    """What a page's headings are linked by."""
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in heads}


@check
def links(context):
    """Links of every page, and sections of decisions.md that others name, are there"""
    pages = {p: text_of(p) for p in project_files() if p.suffix == ".md"}
    decisions = re.findall(r"^##+ (.*)$", pages[pathlib.Path("docs/decisions.md")], re.M)
    for page, text in pages.items():
        text = re.sub(r"```.*?```", lambda code: re.sub(r"[^\n]", "", code[0]), text, flags=re.S)
        named = re.finditer(r'decisions(?:\.md\]?(?:\([^)]*\))?,?| ?\()? "([A-Z][^"]+)"', text)
        for found in named:
            context.looked_at += 1
            if not any(d.startswith(found[1]) for d in decisions):
                context.wrong(page, text.count("\n", 0, found.start()) + 1, f'decisions.md has no section "{found[1]}"')
        for found in re.finditer(r"\]\(([^)\s:]+)\)", text):
            context.looked_at += 1
            line = text.count("\n", 0, found.start()) + 1
            name, _, anchor = found[1].partition("#")
            goal = ROOT / page.parent / name if name else ROOT / page
            if not goal.exists():
                context.wrong(page, line, f"links to {found[1]}, which is not there")
            elif anchor and goal.suffix == ".md" and anchor not in anchors_of(goal.read_text(encoding="utf-8")):
                context.wrong(page, line, f"links to {found[1]}: no such heading")
