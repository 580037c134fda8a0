#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small wrong changes, one at a time: do the tests see them?

  mutate.py [--sample N] [--seed S] [--only REGEX] [--tests REGEX] [--again] [--jobs N]
            [--build OPTION]...
  mutate.py --check               which of the list still apply, and verdicts of
                                  no mutant; no build
  mutate.py --report              what is known so far
  mutate.py --write               puts that into tests/mutants_verdicts.txt
  mutate.py --propose N FILE...   N changes to these files, for the list

Every mutant of tests/mutants.txt is put into a copy of the tree, built there,
and given to the suites that matter to its file (AREAS) until one fails: first
the tests that saw most of that folder's so far, for the time that they take; a
test's program is linked when its turn comes. Twenty mutants meet the short tests
first; those that get through stay open until they have met the long ones.

A failure counts when the test fails a second time too. A test hangs when it has
used ten times the processor time that it needs, or none any more: a slow or a
busy machine alone makes no kill. What no test sees is a survivor; one that the
list argues for (a line that begins with ~) changes nothing that can be seen.
Results are kept: a run that is stopped goes on where it was, and begins with
the verdicts that are written down. These belong to a mutant's text: a mutant
that is changed is judged again. The copy is made anew from what git knows each
time; DELTACNN_MUTATE_DIR is where (default: /var/tmp/deltacnn-mutate).

  --sample N      N of the list, the same ones each time; a larger N only adds
  --seed S        others (default 1)
  --short N       what short tests are: at most N seconds here (default 6)
  --longest N     without tests that take more than N seconds here; what only
                  they could see stays open
  --jobs N        compilers at a time (default 1; one test at a time always)
  --only REGEX    mutants whose "file: old -> new" matches
  --tests REGEX   only tests whose "suite/name" matches: those that should see
                  them; a mutant that passes these stays as it was
  --again         forget what is known of these
  --fresh         forget all results and how long tests take

Exit status: 0 fewer than 5 in a hundred survived; 1 more did, or, of --check, one
of the list no longer applies or a verdict belongs to no mutant; 2 wrong usage or
no build.
"""
import argparse
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.txt"
VERDICTS = ROOT / "tests" / "mutants_verdicts.txt"
PLACE = pathlib.Path(os.environ.get("DELTACNN_MUTATE_DIR", "/var/tmp/deltacnn-mutate"))
SOURCE, STATE = PLACE / "tree", PLACE / "state.json"
BUILD = SOURCE / "build"  # where it is in a checkout: a compiler cache then has its objects

TOPS = ("kernels", "engine", "models", "stabilizer", "gst", "tools")

# Beginnings of paths, first match counts, and the tests that matter.
AREAS = (
    (r"kernels/cpu/dcnn_input|kernels/cpu/.*input|kernels/.*resize", r"kernels/|engine/|gst/results"),
    (r"kernels/", r"kernels/|engine/|onnx/(node|session|wild|random|user|quantised)"),
    (r"engine/", r"engine/|tools/figures|kernels/mask|onnx/(golden|why|session|node|wild|random|hostile|chains|user|quantised)"),
    (r"models/(onnx/|dcnn_onnx)", r"onnx/|models/modelinfo|e2e/inspect"),
    (r"models/decoders", r"models/|gst/results"),
    (r"models/", r"models/|gst/(results|state)"),
    (r"stabilizer/", r"stabilizer/"),
    (r"gst/", r"gst/"),
    (r"tools/deltacnn-models", r"models/models_tool"),
    (r"tools/(annotate|sheet)", r"tools/|e2e/(demo|camera-errors|moving-camera|options)"),
    (r"tools/", r"tools/|e2e/(inspect|bench|tune|version|options)"),
)
EVERY = 1e9  # seconds: no test is longer
GROUP = 20
# Minutes long, and what they look at others look at too.
NEVER = re.compile(r"lint/|engine/(alloc_count|drift|sim/heads)|models/models_clips|onnx/real_models|e2e/bench-peer")


# ---- the list ---------------------------------------------------------------

class Mutant:
    def __init__(self, path, old, new, argued):
        self.path, self.old, self.new, self.argued = path, old, new, argued
        parts = (pathlib.Path(path).name, *tokens(old), "->", *tokens(new))
        self.key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def __str__(self):
        return f"{self.path}: {' '.join(tokens(self.old))} -> {' '.join(tokens(self.new)) or 'nothing'}"

    def apply(self, text):
        """The text with the change in it; None where it does not fit exactly
        once. Blanks and line breaks do not count: code may be moved."""
        pattern = r"\s+".join(re.escape(t) for t in tokens(self.old))
        found = list(re.finditer(r"(?<![^\s])" + pattern + r"(?![^\s])", text))
        if len(found) != 1:
            return None
        return text[:found[0].start()] + self.new + text[found[0].end():]


def tokens(text):
    return text.split()


def read_list(path=LIST):
    """A file's path on a line of its own, then "- old", "+ new", "~ why it
    cannot be seen"; an empty line ends each."""
    mutants, path_now, old, new, argued = [], None, [], [], []
    for line in path.read_text(encoding="utf-8").splitlines() + [""]:
        mark, rest = line[:1], line[2:]
        if mark == "-":
            old.append(rest)
        elif mark == "+":
            new.append(rest)
        elif mark == "~":
            argued.append(rest)
        elif not line.strip():
            if old:
                mutants.append(Mutant(path_now, "\n".join(old), "\n".join(new), " ".join(argued)))
            old, new, argued = [], [], []
        elif mark != "#":
            path_now = line.strip()
    return mutants


def known_files(root=ROOT):
    """Text of the product's code, by path."""
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for top in TOPS for path in sorted((root / top).rglob("*"))
            if path.suffix in (".c", ".h", ".cpp") and path.is_file()}


def locate(mutants, files):
    """Sets each one's path to where its text is now: the file that the list
    names, one of that name elsewhere, or the only one that has the text.
    Returns those that are nowhere."""
    gone = []
    for mutant in mutants:
        name = pathlib.PurePath(mutant.path).name
        same = sorted(p for p in files if pathlib.PurePath(p).name == name and p != mutant.path)
        fits = [p for p in (mutant.path, *same) if p in files and mutant.apply(files[p]) is not None]
        if not fits:
            fits = [p for p in files if mutant.apply(files[p]) is not None]
            fits = fits if len(fits) == 1 else []
        if fits:
            mutant.path = fits[0]
        else:
            gone.append(mutant)
    return gone


def check(mutants):
    gone = locate(mutants, known_files())
    for mutant in gone:
        print(f"no longer applies: {mutant}")
    verdicts, keys = read_verdicts(), {m.key for m in mutants}
    lost = [key for key in verdicts if key not in keys]
    for key in lost:
        print(f"{VERDICTS.name}: {key} belongs to no mutant of the list ({verdicts[key]}); --write takes it out")
    print(f"{len(mutants)} mutants, {len(gone)} no longer apply; {len(verdicts) - len(lost)} verdicts, {len(lost)} of no mutant")
    return 1 if lost or gone else 0


# ---- what is written down ------------------------------------------------------

def read_verdicts():
    """By key. A line: key, the file's name, what was seen."""
    if not VERDICTS.exists():
        return {}
    lines = VERDICTS.read_text(encoding="utf-8").splitlines()
    fields = [line.split(maxsplit=2) for line in lines if line and line[0] != "#"]
    return {key: verdict for key, _name, verdict in fields}


def write_verdicts(mutants, results):
    """In the order of the list. What another build might yet judge (no library,
    a warning that is an error) is left out."""
    out = ["# What the tests said of the mutants of mutants.txt: key of its text, file, verdict. mutate.py --write makes it."]
    for mutant in mutants:
        result = results.get(mutant.key)
        if result and not (undecided(result) and passed_to(result) < 0):
            out.append(f"{mutant.key} {pathlib.PurePath(mutant.path).name} {result}")
    VERDICTS.write_text("\n".join(out) + "\n", encoding="utf-8")


# ---- the copy ----------------------------------------------------------------

def run(command, **more):
    return subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, **more)


def copy_tree():
    """What git knows of, as it lies here; unchanged files keep their times, so
    that little is rebuilt."""
    names = run(["git", "-C", ROOT, "ls-files", "-z"]).stdout.split("\0")
    wanted = {n for n in names if n and (ROOT / n).is_file()}
    for name in wanted:
        source, target = ROOT / name, SOURCE / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for file in SOURCE.rglob("*"):
        if file.is_relative_to(BUILD) or "__pycache__" in file.parts:
            continue
        if file.is_file() and str(file.relative_to(SOURCE)) not in wanted:
            file.unlink()


def ninja(jobs, targets=()):
    return run(["ninja", "-C", BUILD, "-j", jobs, *targets])


def prepare(options):
    """The copy, configured: without debug information and CUDA, and so that a
    mutant that the compiler only warns of compiles."""
    copy_tree()
    exists = (BUILD / "build.ninja").exists()
    done = run(["meson", *(("configure", BUILD) if exists else ("setup", BUILD, SOURCE)), "-Dwerror=false",
                "-Dintrospection=disabled", "-Dcuda=disabled", *options])
    if done.returncode:
        sys.exit(f"mutate.py: {done.stdout[-2000:]}{done.stderr}")
    ninja(1, ["build.ninja"])  # so that tests which came since are known


def build(jobs, tests):
    done = ninja(jobs, programs_of(tests))
    if done.returncode:
        print(done.stdout[-3000:], done.stderr, file=sys.stderr)
        sys.exit(2)


# ---- tests --------------------------------------------------------------------

class Test:
    def __init__(self, raw, files):
        suite, name = raw["suite"][0].split(":")[-1], raw["name"]
        self.name = name if "/" in name else f"{suite}/{name}"
        self.command, self.env = raw["cmd"], raw["env"]
        self.depends = [f for target in raw.get("depends", ()) for f in files.get(target, ())]
        self.seconds = -1.0


def read_tests():
    targets = json.loads(run(["meson", "introspect", "--targets", BUILD]).stdout)
    files = {t["id"]: t["filename"] for t in targets}
    raw = json.loads(run(["meson", "introspect", "--tests", BUILD]).stdout)
    tests = [Test(t, files) for t in raw]
    return [t for t in tests if not NEVER.match(t.name)]


def processor_seconds(session):
    """What the processes of a session have used, with those that they waited for."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def hangs(child, budget):
    """Waits for its end; True when it has used up its processor seconds, or
    next to none in two minutes."""
    looked, used = time.monotonic(), 0.0
    while True:
        try:
            child.wait(2)
            return False
        except subprocess.TimeoutExpired:
            now = processor_seconds(child.pid)
            if now > budget:
                return True
            if time.monotonic() - looked > 120:
                if now - used < 0.5:
                    return True
                looked, used = time.monotonic(), now


def run_test(test, budget=1e9):
    """"": passed, or was skipped; else how it failed."""
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="scratch-", ignore_cleanup_errors=True) as scratch, \
            subprocess.Popen(test.command, env=dict(os.environ, DELTACNN_TEST_QUICK="1", TMPDIR=scratch, **test.env),
                             cwd=BUILD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             stdin=subprocess.DEVNULL, start_new_session=True) as child:
        if hangs(child, budget):
            os.killpg(child.pid, signal.SIGKILL)
            return "hangs"
        return "" if child.returncode in (0, 77) else "fails"


def sees(test):
    """How it fails with the mutant; twice, unless it hangs."""
    budget = 60 + 10 * test.seconds
    how = run_test(test, budget)
    return run_test(test, budget) if how == "fails" else how


def measure(tests, state):
    """How long each takes without a mutant; one that fails as it is cannot
    tell anything."""
    for test in tests:
        if test.name not in state["seconds"]:
            started = time.monotonic()
            bad = run_test(test)
            state["seconds"][test.name] = -1 if bad else time.monotonic() - started
            print(f"{test.name}: {'fails without a mutant, not used' if bad else '%.1f s' % state['seconds'][test.name]}",
                  flush=True)
            save(state)
        test.seconds = state["seconds"][test.name]
    return [t for t in tests if t.seconds >= 0]


def tests_for(path, tests):
    for begins, names in AREAS:
        if re.match(begins, path):
            return [t for t in tests if re.match(names, t.name)]
    return []


def programs_of(tests):
    """What ninja has to make for them: programs of the build, and what they
    load or start."""
    made = {pathlib.Path(os.path.normpath(p)) for t in tests for p in (*t.command, *t.depends)}
    return sorted({str(p.relative_to(BUILD)) for p in made if p.is_relative_to(BUILD) and p != BUILD})


# ---- one mutant ----------------------------------------------------------------

def words(name):
    return {w.rstrip("s") for w in re.split(r"[^a-z]+", pathlib.PurePath(name).stem.lower()) if len(w) > 3}


def in_order(tests, path, state):
    """Most likely to fail for their time first, those named after the file
    before others; state["seen"] has, by folder and test, how many mutants it was
    given and how many of them it saw."""
    folder = pathlib.PurePath(path).parent

    def worth(test):
        given, seen = state["seen"].get(f"{folder} {test.name}", (0, 0))
        about = any(w in v or v in w for w in words(test.name) for v in words(path))
        return (4 if about else 1) * (seen + 0.5) / (given + 1) / (test.seconds + 0.5)
    return sorted(tests, key=worth, reverse=True)


def batches(tests):
    """A few, then more, then all."""
    for size in (2, 4, 8, len(tests)):
        if tests:
            yield tests[:size]
        tests = tests[size:]


@functools.cache
def compiled():
    """What this build compiles, by path: not what it lacks a library for."""
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    return {os.path.relpath(pathlib.Path(c["directory"]) / c["file"], SOURCE) for c in commands}


def passed_to(result):
    """Tests of up to how many seconds an open mutant has passed."""
    return float(result.partition(":")[2]) if result and result.startswith("open:") else -1.0


def judge(mutant, tests, state, jobs):
    """"killed: TEST", "does not compile", "stale", "not built", or "" when all
    passed."""
    file = SOURCE / mutant.path
    before = file.read_text(encoding="utf-8")
    after = mutant.apply(before)
    if after is None:
        return "stale"
    if not mutant.path.endswith(".h") and mutant.path not in compiled():
        return "not built"
    folder = str(pathlib.PurePath(mutant.path).parent)
    file.write_text(after, encoding="utf-8")
    try:
        for batch in batches(in_order(tests_for(mutant.path, tests), mutant.path, state)):
            if ninja(jobs, programs_of(batch)).returncode:
                return "does not compile"
            for test in batch:
                how = sees(test)
                given, seen = state["seen"].get(f"{folder} {test.name}", (0, 0))
                state["seen"][f"{folder} {test.name}"] = (given + 1, seen + bool(how))
                if how:
                    return f"killed: {test.name}" + (" (hangs)" if how == "hangs" else "")
        return ""
    finally:
        file.write_text(before, encoding="utf-8")


def judge_by(todo, tests, state, arguments):
    """By the tests that were named alone: a kill counts, nothing else is known
    afterwards that was not before."""
    for mutant in todo:
        result = judge(mutant, tests, state, arguments.jobs)
        if result.startswith("killed"):
            state["results"][mutant.key] = result
        save(state)
        print(f"{result or 'passed these':28s} {mutant}", flush=True)


def judge_group(todo, done, tests, state, arguments):
    """The short tests for all of them, then the long ones for those left."""
    for upto in sorted({min(arguments.short, arguments.longest), arguments.longest}):
        for mutant in todo:
            known = state["results"].get(mutant.key)
            if not undecided(known) or passed_to(known) >= upto:
                continue
            started, before = time.monotonic(), passed_to(known)
            result = judge(mutant, [t for t in tests if before < t.seconds <= upto], state, arguments.jobs)
            result = result or ("survived" if upto >= EVERY else f"open: {upto:g}")
            state["results"][mutant.key] = result
            save(state)
            print(f"[{done}] {result:28s} {time.monotonic() - started:5.1f} s  {mutant}", flush=True)


def judge_all(todo, tests, state, arguments):
    """Those that were begun first, then a few at a time, so that wherever it is
    stopped next to all that was drawn has been judged."""
    begun = [m for m in todo if passed_to(state["results"].get(m.key)) >= 0]
    rest = [m for m in todo if m not in begun]
    groups = [begun] if begun else []
    groups += [rest[i:i + GROUP] for i in range(0, len(rest), GROUP)]
    for count, group in enumerate(groups, 1):
        judge_group(group, f"{count}/{len(groups)}", tests, state, arguments)


def undecided(result):
    return result in (None, "stale", "does not compile", "not built") or result.startswith("open:")


def save(state):
    part = STATE.with_suffix(".part")
    part.write_text(json.dumps(state, indent=1), encoding="utf-8")
    part.replace(STATE)


def report(mutants, state):
    results = {m: state["results"].get(m.key) for m in mutants}
    known = {m: r for m, r in results.items() if not undecided(r)}
    survivors = [m for m, r in known.items() if r == "survived"]
    odd = [m for m in survivors if not m.argued]
    for mutant in survivors:
        print(f"{'argued  ' if mutant.argued else 'SURVIVED'} {mutant}" + (f"\n         {mutant.argued}" if mutant.argued else ""))
    for mutant, result in results.items():
        if result and result != "stale" and undecided(result):
            print(f"{result}: {mutant}")
    share = 100 * len(survivors) / max(1, len(known))
    print(f"{len(known)} of {len(mutants)} mutants judged: {len(known) - len(survivors)} killed, {len(survivors)} survived "
          f"({share:.1f} %), {len(odd)} of them not argued")
    return 1 if len(survivors) * 20 > len(known) else 0


def choose(mutants, state, arguments):
    """What was asked for, and what of it is to be run. Each one's place comes
    from the seed and itself, so that a sample does not depend on the list's order
    and hardly on what else is in it."""
    chosen = sorted((m for m in mutants if re.search(arguments.only, str(m))),
                    key=lambda m: hashlib.sha256(f"{arguments.seed} {m.key}".encode()).digest())
    chosen = chosen[:arguments.sample or None]
    if arguments.again:
        for mutant in chosen:
            state["results"].pop(mutant.key, None)
    return chosen, [m for m in chosen if undecided(state["results"].get(m.key))]


def main_run(mutants, arguments):
    PLACE.mkdir(parents=True, exist_ok=True)
    os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))
    state = {"results": {}, "seconds": {}, "seen": {}}
    if STATE.exists() and not arguments.fresh:
        state.update(json.loads(STATE.read_text(encoding="utf-8")))
    if not arguments.fresh:
        state["results"] = {**read_verdicts(), **state["results"]}
    if arguments.write:
        write_verdicts(mutants, state["results"])
    gone = locate(mutants, known_files())
    chosen, todo = choose([m for m in mutants if m not in gone], state, arguments)
    if not (arguments.report or arguments.write) and todo:
        prepare(arguments.build)
        tests = read_tests()
        wanted = {t.name for m in todo for t in tests_for(m.path, tests)}
        tests = [t for t in tests if t.name in wanted and re.search(arguments.tests, t.name)]
        build(arguments.jobs, tests)
        tests = measure(tests, state)
        if arguments.tests:
            judge_by(todo, tests, state, arguments)
        else:
            judge_all(todo, tests, state, arguments)
    return report(chosen, state)


# ---- proposals ------------------------------------------------------------------

CHANGES = (
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r" \+ 1\b", ""), (r" - 1\b", ""), (r" \+ ", " - "), (r" - ", " + "),
    (r" \* ", " + "), (r"\bMIN \(", "MAX ("), (r"\bMAX \(", "MIN ("), (r" \+= ", " = "), (r" -= ", " += "),
    (r"return TRUE;", "return FALSE;"), (r"return FALSE;", "return TRUE;"), (r"\bcontinue;", "break;"),
    (r"= TRUE;", "= FALSE;"), (r"= FALSE;", "= TRUE;"), (r"(?<=[ (])!(?=[a-z])", ""), (r" / 2\b", ""), (r" \|= ", " = "),
    (r" & ", " | "), (r"\b0\.5f?\b", "0.4f"), (r"^\s+[a-z]\w+ \(.*\);$", ""), (r" % ", " / "), (r" = 0;", " = 1;"),
)
SKIP = re.compile(r"^\s*(/?\*|#|//|g_return|g_assert|fprintf|printf|g_print|g_set_error|g_warning|static const|typedef|const char"
                  r"|g_free|g_clear|g_object_unref|gst_object_unref|G_|for \()|\bg_set_error|g_autoptr|g_autofree"
                  r"|/\*|\*/|\w+_unref|\w+_free|^\s*\w[\w ]* \* ?\w+,|\b(Gst|g|Dcnn)\w+ \* \w+[,)]")


def propose(path, count, seed):
    """Changes to lines that occur once in the file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    options, before = [], ""
    for line in text.splitlines():
        # a call is left out whole or not at all
        part = re.search(r"[^;{})]$", before)
        before = line.rstrip() or before
        if SKIP.search(line) or '"' in line:
            continue
        for pattern, replacement in CHANGES:
            if part and not replacement and pattern.startswith("^"):
                continue
            for found in re.finditer(pattern, line):
                new = line[:found.start()] + replacement + line[found.end():]
                mutant = Mutant(path, line.strip(), new.strip() or ";", "")
                if mutant.apply(text) is not None:
                    options.append(mutant)
    random.Random(f"{seed}{path}").shuffle(options)
    seen, out = set(), []
    for mutant in options:
        if mutant.old not in seen and len(out) < count:
            seen.add(mutant.old)
            out.append(mutant)
    return out


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--short", type=float, default=6)
    parser.add_argument("--longest", type=float, default=EVERY)
    parser.add_argument("--only", default="")
    parser.add_argument("--tests", default="")
    parser.add_argument("--build", action="append", default=[])
    for name in ("--again", "--fresh", "--check", "--report", "--write"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--propose", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    if arguments.propose:
        for path in arguments.files:
            print(path)
            for mutant in propose(path, arguments.propose, arguments.seed):
                print(f"- {mutant.old}\n+ {mutant.new}\n")
        return 0
    mutants = read_list()
    return check(mutants) if arguments.check else main_run(mutants, arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
