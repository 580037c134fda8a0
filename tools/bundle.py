#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs the plugin, the programs, the parts of GStreamer that they need and
every library of these, the C library too, into one archive that runs where
nothing is installed.

  bundle.py --build DIR [--output FILE] [--libav] [--plugin NAME]...
            [--program FILE]...

  --build DIR     a built tree (meson setup DIR && ninja -C DIR)
  --output FILE   deltacnn-bundle.tar.xz (default), .tar.gz or .tar; a folder
                  when it ends in /
  --libav         FFmpeg's decoders too; larger by several times, and with them
                  come libraries under the GPL
  --plugin NAME   one more of GStreamer's plugins, as in libgstNAME.so
  --program FILE  one more program, a test of the build, say

Unpacked anywhere, deltacnn/bin/NAME runs a program: bin/ holds links to a
static launcher (bundle_launch.c), which starts it with the bundle's own
loader. Only the NVIDIA driver's libraries are the host's; DELTACNN_DRIVER_PATH
names their folder where it is an unusual one. share/MANIFEST lists what is
inside and from which package, share/licences their terms.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

# What a pipeline around deltacnn is built from; nothing under the GPL.
PLUGINS = """app avi compositor coreelements debug imagefreeze isomp4 jpeg
matroska mpegtsdemux multifile nvcodec openh264 pbtypes playback png rawparse
rtp rtpmanager rtsp tcp typefindfunctions udp videoconvertscale videocrop
videofilter videoparsersbad videorate videotestsrc y4mdec y4menc""".split()
# Names of before 1.22, and plugins that a distribution may leave out.
OTHER_NAMES = {"videoconvertscale": ["videoconvert", "videoscale"]}
OPTIONAL = {"nvcodec", "openh264", "videoparsersbad", "y4mdec", "y4menc"}
PROGRAMS = ["gst-launch-1.0", "gst-inspect-1.0"]
LOADER = "ld-linux-x86-64.so.2"
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">.</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True).stdout


def stop(text):
    sys.exit(f"bundle.py: {text}")


def plugin_folder():
    try:
        return pathlib.Path(output_of(
            "pkg-config", "--variable=pluginsdir", "gstreamer-1.0").strip())
    except (OSError, subprocess.CalledProcessError):
        return stop("pkg-config does not know gstreamer-1.0; "
                    "tools/install-deps.sh build")


def plugin_files(wanted, optional):
    folder, files = plugin_folder(), []
    for name in wanted:
        names = [name] if (folder / f"libgst{name}.so").exists() \
            else OTHER_NAMES.get(name, [name])
        for each in names:
            file = folder / f"libgst{each}.so"
            if file.exists():
                files.append(file)
            elif name in optional:
                print(f"bundle.py: without {each}: no {file}")
            else:
                stop(f"no {file}; tools/install-deps.sh run")
    return files


def libraries_of(file, path):
    """What the loader would load for a file: {name it is asked for: file}."""
    found = {}
    environment = dict(os.environ, LD_LIBRARY_PATH=str(path))
    text = subprocess.run(["ldd", str(file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          env=environment).stdout
    for line in text.splitlines():
        if "not found" in line:
            stop(f"{file} needs {line.split()[0]}, which is not installed")
        match = re.match(r"\s*(\S+) => (/\S+)", line)
        if match:
            found[match[1]] = pathlib.Path(match[2])
        match = re.match(r"\s*(/\S*/ld-linux\S+) ", line)
        if match:
            found[LOADER] = pathlib.Path(match[1])
    return found


def packages_of(files):
    """Debian's package of each file; none where that cannot be known."""
    names = {}
    for file in files:
        real = str(file.resolve())
        for name in (str(file), real, real.removeprefix("/usr")):
            names[name] = file
    try:
        text = subprocess.run(["dpkg", "-S", *names], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True,
                              check=False).stdout
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        package, _, name = line.partition(": ")
        if name in names:
            found[names[name]] = package.split(":")[0].split(",")[0]
    return found


class Bundle:
    """A folder that is being filled."""

    def __init__(self, root, build):
        self.root, self.build = root, build
        self.origin = {}  # file in the bundle: where it came from
        for folder in ("bin", "lib/gio", "libexec", "plugins", "share/models",
                       "share/fonts", "share/licences"):
            (root / folder).mkdir(parents=True)

    def add(self, file, where, strip=True):
        target = self.root / where
        shutil.copyfile(file, target)
        target.chmod(0o755)
        self.origin[where] = file
        if strip:
            subprocess.run(["strip", "--strip-unneeded", str(target)],
                           check=False, stderr=subprocess.DEVNULL)

    def program(self, file):
        self.add(file, f"libexec/{file.name}")
        (self.root / "bin" / file.name).symlink_to("../libexec/launch")

    def install(self, folder):
        """The build's own parts, as meson would install them."""
        subprocess.run(["meson", "install", "-C", str(self.build), "--quiet",
                        "--no-rebuild", "--destdir", folder], check=True,
                       stdout=subprocess.DEVNULL)
        found = {"plugin": 0, "program": 0}
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if not file.is_file():
                continue
            if "gstreamer-1.0" in file.parts and file.suffix == ".so":
                self.add(file, f"plugins/{file.name}")
                found["plugin"] += 1
            elif ".so." in file.name and not file.is_symlink():
                soname = re.search(r"SONAME.*\[(.*)\]", output_of(
                    "readelf", "-d", str(file)))
                self.add(file, f"lib/{soname[1]}")
            elif file.parent.name == "bin" and \
                    file.read_bytes()[:4] == b"\x7fELF":
                self.program(file)
                found["program"] += 1
            elif "models" in file.parts:
                at = file.parts.index("models") + 1
                to = self.root.joinpath("share/models", *file.parts[at:])
                to.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, to)
        if not all(found.values()):
            stop(f"{self.build} has no {'plugin' if not found['plugin'] else 'programs'}:"
                 " build with GStreamer and tools")

    def fonts(self):
        (self.root / "share/fonts/fonts.conf").write_text(FONTS)
        dejavu = pathlib.Path(
            "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
        if dejavu.exists():
            shutil.copyfile(dejavu, self.root / "share/fonts" / dejavu.name)
            self.origin[f"share/fonts/{dejavu.name}"] = dejavu

    def libraries(self):
        """Whatever the files inside need, until nothing is missing."""
        asked = [f for folder in ("libexec", "plugins", "lib")
                 for f in (self.root / folder).iterdir()
                 if f.is_file() and f.name != "launch"]
        for file in asked:
            for name, source in libraries_of(
                    file, self.root / "lib").items():
                if not (self.root / "lib" / name).exists():
                    self.add(source, f"lib/{name}", strip=name != LOADER)

    def manifest(self):
        """What is inside, and the terms of each package it came from."""
        packages = packages_of([f for f in self.origin.values() if
                                not f.is_relative_to(self.build)])
        lines = [f"{where} {packages.get(source, 'deltacnn')}"
                 for where, source in sorted(self.origin.items())]
        for package in set(packages.values()):
            terms = pathlib.Path("/usr/share/doc") / package / "copyright"
            if terms.exists():
                shutil.copyfile(terms, self.root / "share/licences" / package)
        licence = pathlib.Path(__file__).resolve().parent.parent / "LICENSE"
        shutil.copyfile(licence, self.root / "share/licences/deltacnn")
        (self.root / "share/MANIFEST").write_text("\n".join(lines) + "\n")


def pack(folder, output):
    kind = {".xz": "w:xz", ".gz": "w:gz", ".tar": "w"}.get(output.suffix)
    if kind is None:
        stop(f"--output {output}: a name that ends in .tar.xz, .tar.gz or "
             ".tar, or a folder that ends in /")

    def plain(item):
        item.uid = item.gid = 0
        item.uname = item.gname = ""
        return item

    output.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(output, kind) as archive:
        archive.add(folder, arcname="deltacnn", filter=plain)
    print(f"{output}: {output.stat().st_size / 2**20:.1f} MiB")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--output", default="deltacnn-bundle.tar.xz")
    parser.add_argument("--libav", action="store_true")
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--program", action="append", default=[],
                        type=pathlib.Path)
    return parser.parse_args()


def main():
    chosen = arguments()
    build = chosen.build.resolve()
    launcher = build / "tools/deltacnn-bundle-launch"
    if not launcher.exists():
        stop(f"no {launcher}: build first; it needs a static C library and "
             "an x86-64 system")
    with tempfile.TemporaryDirectory() as work:
        bundle = Bundle(pathlib.Path(work) / "deltacnn", build)
        bundle.add(launcher, "libexec/launch")
        bundle.install(str(pathlib.Path(work) / "installed"))
        for file in plugin_files(PLUGINS + chosen.plugin +
                                 ["libav"] * chosen.libav, OPTIONAL):
            bundle.add(file, f"plugins/{file.name}")
        for name in PROGRAMS:
            found = shutil.which(name)
            bundle.program(pathlib.Path(
                found or stop(f"no {name}; tools/install-deps.sh run")))
        for file in chosen.program:
            bundle.program(file)
        bundle.fonts()
        bundle.libraries()
        bundle.manifest()
        if chosen.output.endswith("/"):
            shutil.copytree(bundle.root, chosen.output, symlinks=True)
        else:
            pack(bundle.root, pathlib.Path(chosen.output))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
