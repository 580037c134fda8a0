#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed, as its user meets it.

  installed.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys

import e2e
from e2e import ROOT, says

PROGRAM = """
#include <deltacnn/session.h>
#include <deltacnn/modelinfo.h>
#include <stdio.h>
int main (int argc, char **argv)
{
  GError *error = NULL;
  DcnnModelInfo *info = NULL;
  DcnnModel *model = dcnn_model_load (argv[1], 0, 0, &info, &error);
  if (!model) {
    fprintf (stderr, "%s", error->message);
    return 1;
  }
  DcnnModelSummary summary;
  dcnn_model_get_summary (model, &summary);
  printf ("%u nodes\\n", summary.n_nodes);
  dcnn_model_unref (model);
  dcnn_modelinfo_free (info);
  return 0;
}
"""


HEADER_EXAMPLE = """
#include <deltacnn/session.h>
#include <deltacnn/version.h>
#include <string.h>
static guint8 picture[240][320];
static int left = 2, used;
static gboolean next_frame (DcnnFrame *frame)
{
  *frame = (DcnnFrame) { .format = DCNN_FORMAT_GRAY8, .width = 320,
    .height = 240, .planes = { picture[0] }, .strides = { 320 } };
  return left-- > 0;
}
static void use (const DcnnTensor *tensor) { used += tensor->data != NULL; }
int main (void)
{
%s
  if (error)
    g_printerr ("%%s\\n", error->message);
  g_print ("used %%d of version %%s %%d\\n", used, dcnn_version (),
      DCNN_CHECK_VERSION (0, 1, 0) && !DCNN_CHECK_VERSION (0, 99, 0) &&
      strcmp (dcnn_version (), DCNN_VERSION) == 0);
  return 0;
}
"""


def case_install(bench):
    """An installed prefix serves a program and the elements."""
    model = bench.need_model()
    stage = bench.scratch / "stage"
    bench.run("meson", "install", "-C", bench.build, "--no-rebuild",
              "--destdir", stage)
    configs = [p.parent for p in stage.rglob("deltacnn.pc")]
    assert configs, "no deltacnn.pc was installed"
    source = bench.scratch / "program.c"
    source.write_text(PROGRAM, encoding="utf-8")
    bench.environment["PKG_CONFIG_PATH"] = str(configs[0])
    prefix = bench.run("pkg-config", "--variable=prefix",
                       "deltacnn").stdout.strip()
    flags = [flag.replace(prefix, f"{stage}{prefix}") for flag in shlex.split(
        bench.run("pkg-config", "--cflags", "--libs", "deltacnn").stdout)]
    bench.run("gcc", source, "-o", bench.scratch / "program", *flags)
    # the README's example, as printed
    example = re.search(r"```c\n(.*?)```",
                        (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    source.write_text(example.group(1), encoding="utf-8")
    bench.run("gcc", "-Wall", "-Werror", source, "-o",
              bench.scratch / "example", *flags)
    # the session header's, from the installed header
    header = next(stage.rglob("include/deltacnn/session.h"))
    lines = re.findall(r"^ \*   (.*)$", header.read_text(
        encoding="utf-8").partition("For:")[0], re.M)
    source.write_text(HEADER_EXAMPLE % "\n".join("  " + l for l in lines),
                      encoding="utf-8")
    bench.run("gcc", "-Wall", "-Werror", source, "-o",
              bench.scratch / "header_example", *flags)
    # The programs find their libraries in any prefix, with no environment.
    for name in ("LD_LIBRARY_PATH", "GST_PLUGIN_PATH", "PKG_CONFIG_PATH"):
        bench.environment.pop(name, None)
    installed = next(stage.rglob("bin/deltacnn-inspect"))
    says(subprocess.run([installed, model], text=True, capture_output=True,
                        env=bench.environment, check=True).stdout, "input")
    plugin = next(stage.rglob("libgstdeltacnn.so"))
    needs = bench.run("ldd", plugin).stdout
    assert "not found" not in needs and str(stage) in needs, needs
    for name in ("annotate", "bench", "tune"):
        program = installed.with_name(f"deltacnn-{name}")
        assert "not found" not in bench.run("ldd", program).stdout, name
    models = installed.with_name("deltacnn-models")
    assert "people-seg" in subprocess.run(
        [models, "list"], text=True, capture_output=True,
        env=bench.environment, check=True).stdout
    bench.environment["LD_LIBRARY_PATH"] = str(configs[0].parent)
    says(bench.run(bench.scratch / "program", model).stdout, "nodes")
    os.symlink(model, bench.scratch / "net.onnx")
    says(subprocess.run([bench.scratch / "header_example"], text=True,
                        capture_output=True, env=bench.environment,
                        cwd=bench.scratch, check=True).stdout,
         "used 2 of version", " 1\n")
    bench.environment["DELTACNN_MODEL_PATH"] = str(next(stage.rglob("share/deltacnn/models")))
    shown = bench.run(bench.scratch / "example").stdout
    says(shown, "mask")
    installed_knows_no_build(bench, stage, installed)
    installed_manuals(bench, stage)


def case_moved(bench):
    """A build folder that was copied without its links says once that models
    find no descriptors; with them, or a folder by name, they do."""
    model = bench.scratch / "unnamed.onnx" # found by its SHA-256
    shutil.copy(bench.need_model(), model)
    moved = bench.scratch / "moved"
    for part in ("tools/deltacnn-inspect", "lib/libdeltacnn.so.0"):
        (moved / part).parent.mkdir(parents=True)
        shutil.copy(bench.build / part, moved / part)
    environment = {k: v for k, v in bench.environment.items() if not k.startswith(("DELTACNN", "G_DEBUG", "LD_LIBRARY"))}
    environment.update(XDG_DATA_DIRS=str(bench.scratch), XDG_DATA_HOME=str(bench.scratch))

    def shown(**more):
        return subprocess.run([moved / "tools/deltacnn-inspect", model], text=True, capture_output=True,
                              env={**environment, **more}, check=False)

    silent = shown()
    if "decoder segmentation" in silent.stdout:
        raise e2e.Skip("deltacnn is installed here too")
    says(silent.stderr, "its height 'height' is not fixed in the file") # which its descriptor says
    assert silent.stderr.count("no folder of models and descriptors is there") == 1, silent.stderr
    says(silent.stderr, "DELTACNN_MODEL_PATH", "share/deltacnn/models")
    named = shown(DELTACNN_MODEL_PATH=str(e2e.MODEL.parent))
    says(named.stdout, "decoder segmentation")
    assert "no folder" not in named.stderr, named.stderr
    # the build's link: relative, for a tree that is copied whole
    link = os.readlink(bench.build / "lib/uninstalled-models")
    assert not os.path.isabs(link), link
    os.symlink((bench.build / "lib" / link).resolve(), moved / "lib/uninstalled-models")
    linked = shown()
    says(linked.stdout, "decoder segmentation")
    assert "no folder" not in linked.stderr, linked.stderr
    says(linked.stdout, f"descriptor {e2e.MODEL}.modelinfo") # where it is, not by way of the link


def case_summary(bench):
    """Whatever is off is listed with what would switch it on."""
    text = (ROOT / "meson_options.txt").read_text(encoding="utf-8")
    off = [f"-D{name}=disabled" for name in re.findall(r"option\('(\w+)', *type: *'feature'", text)]
    assert len(off) >= 5, off
    out = subprocess.run(["meson", "setup", bench.scratch / "off", ROOT, *off], text=True, capture_output=True,
                         timeout=280, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    lines = dict(re.findall(r"^ +([\w -]+?) *: (NO: .*)$", out.stdout, flags=re.M))
    for name in ("GStreamer elements", "deltaoverlay", "GstAnalytics metas", "introspection", "camera motion", "CUDA", "tests"):
        says(lines.get(name, f"no line on {name} in\n{out.stdout}"), "NO: ")
    for name, line in lines.items():
        assert "group " in line or "-D" in line, (name, line)


def case_old_nvcc(bench):
    """An nvcc that is too old is no nvcc, and refused by its version where CUDA is asked for."""
    old = bench.scratch / "old"
    old.mkdir()
    nvcc = old / "nvcc"
    nvcc.write_text("#!/bin/sh\necho 'Copyright (c) 2005-2022'\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
                    encoding="utf-8")
    nvcc.chmod(0o755)
    environment = {**os.environ, "PATH": f"{old}:{os.environ['PATH']}"}
    for cuda, status, text in (("auto", 0, "older than 12.0"), ("enabled", 1, "11.8: 12.0 or newer is needed")):
        out = subprocess.run(["meson", "setup", bench.scratch / f"old-{cuda}", ROOT, f"-Dcuda={cuda}", "-Dtests=disabled"],
                             text=True, capture_output=True, timeout=280, check=False, env=environment)
        assert out.returncode == status, out.stdout + out.stderr
        says(out.stdout, text)


def case_devenv(bench):
    """In `meson devenv`, as the README has it: programs, elements and models by name."""
    bench.need_model()
    environment = {k: v for k, v in bench.environment.items()
                   if not k.startswith(("DELTACNN", "GST_", "GI_", "LD_LIBRARY", "MESON"))}

    def inside(*command):
        out = subprocess.run(["meson", "devenv", "-C", bench.build, *command], text=True, capture_output=True,
                             env=environment, cwd=bench.scratch, timeout=280, check=False)
        assert out.returncode == 0, f"{command}\n{out.stdout}{out.stderr}"
        return out.stdout

    says(inside("deltacnn-inspect", "people-seg"), "decoder segmentation")
    if bench.sanitized():
        return  # GStreamer's own programs have no sanitizer to load a plugin with
    if (bench.build / "gst/libgstdeltacnn.so").exists():
        says(inside("gst-inspect-1.0", "deltacnn"), "input-threshold", str(bench.build / "gst"))


def installed_manuals(bench, stage):
    """A page for each program with its options, and completion that offers them."""
    for program in stage.rglob("bin/deltacnn-*"):
        pages = list(stage.rglob(f"man1/{program.name}.1*"))
        assert pages, f"{program.name} has no manual page"
        says(pages[0].read_text(encoding="utf-8"), ".SH NAME", program.name.replace("-", "\\-"),
             "\\-\\-version")
        completion = next(stage.rglob(f"completions/{program.name}"))
        offered = bench.run("bash", "-c", f". '{completion}'; COMP_WORDS=('{program}' --ver) COMP_CWORD=1; _deltacnn; "
                            "printf '%s\\n' \"${COMPREPLY[@]}\"").stdout
        assert offered.strip() == "--version", offered


def installed_knows_no_build(bench, stage, inspect):
    """Neither the tree that it was built from nor the build is in any file, in
    no error, and what lies there is not found."""
    paths = [str(p).encode() for p in (ROOT, bench.build)]
    for file in stage.rglob("*"):
        if file.is_file() and not file.is_symlink():
            found = [p for p in paths if p in file.read_bytes()]
            assert not found, f"{file.relative_to(stage)} holds {found}"
    environment = {k: v for k, v in bench.environment.items() if not k.startswith("DELTACNN")}
    refused = subprocess.run([inspect, "people-seg-of-nowhere"], text=True, capture_output=True, env=environment,
                             check=False)
    assert refused.returncode, refused.stdout
    says(refused.stderr, "no model", "share/deltacnn/models")
    assert str(ROOT) not in refused.stderr and str(bench.build) not in refused.stderr, refused.stderr


def case_pages(bench):
    """Every option of our programs and property of our elements that a page, a script or an element's example gives exists."""
    if not list((bench.build / "gst").glob("*.so")) or not shutil.which("gst-inspect-1.0"):
        raise e2e.Skip("no elements, or no gst-inspect-1.0")
    options, properties, found = {}, {}, 0
    for name in ("inspect", "bench", "tune", "annotate", "scene", "models"):
        helps = [[], *(([c] for c in ("list", "info", "get", "convert", "verify")) if name == "models" else [])]
        options[name] = {o for words in helps for o in re.findall(
            r"--[a-z][a-z0-9-]*", bench.run(f"deltacnn-{name}", *words, "--help").stdout)}
    for name in ("deltacnn", "deltaoverlay", "framealign", "deltaimage"):
        out = bench.run("gst-inspect-1.0", name).stdout
        properties[name] = set(re.findall(r"(?m)^  ([a-z][a-z0-9-]*) *: ", out))
    wrong = []
    pages = [p for folder in (".", "docs", "models", "gst", "gst/*", "tools", "pipelines", "engine", "engine/*") for p in
             ROOT.glob(f"{folder}/*") if p.suffix in (".md", ".sh", ".c") and "build" not in p.relative_to(ROOT).parts[0]]
    for page in pages:
        text = re.sub(r"\\\n\s*|\n \* {3,}", " ", page.read_text(encoding="utf-8"))
        for line in text.splitlines():
            for name, words in re.findall(r"deltacnn-(inspect|bench|tune|annotate|scene|models)\b([^`|;]*)", line):
                given = re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", words)
                found += len(given)
                wrong += [f"{page}: deltacnn-{name} {o}" for o in given if o not in options[name]]
            for name, known in properties.items():
                for words in re.findall(r"(?:!|^|\s)" + name + r"((?: +[a-z][a-z-]*=[^ !\"'`]+)+)", line):
                    given = re.findall(r"([a-z][a-z-]*)=", words)
                    found += len(given)
                    wrong += [f"{page}: {name} {k}=" for k in given if k not in known]
    assert found > 100 and not wrong, (found, wrong)


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
