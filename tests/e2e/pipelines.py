#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The users' examples in pipelines/, against a camera on the loopback interface.

  pipelines.py CASE --build DIR       CASE: a function below without its "case_"

Exit status 77 skips, with the reason as the last line. Standard library only.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import e2e
from e2e import ROOT, Skip, says


class Camera:
    """rtsp_server.py as a context, which can be killed, stopped, restarted."""

    def __init__(self, bench, *options):
        self.bench, self.port, self.process = bench, 0, None
        self.start(*options)

    def start(self, *options):
        # Debian's packages are for Debian's Python.
        python = "/usr/bin/python3"
        self.process = subprocess.Popen(
            [python if os.path.exists(python) else sys.executable,
             str(ROOT / "tests" / "e2e" / "rtsp_server.py"), "1200", "--port",
             str(self.port), *options], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=self.bench.environment)
        line = self.process.stdout.readline().strip()
        if not line.isdigit():
            self.kill()
            raise Skip(line.replace("skip: ", "") or "no RTSP server")
        self.port = int(line)

    def address(self, login=""):
        return f"rtsp://{login}127.0.0.1:{self.port}/x"

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def need_program(bench, name):
    e2e.need_elements(bench)
    program = bench.build / "pipelines" / name
    if not program.exists():
        raise Skip(f"{name} is not built: tools/install-deps.sh media-server "
                   "installs what it needs")
    return str(program)


def start(bench, *command):
    return subprocess.Popen([str(c) for c in command], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=bench.environment)


def read_lines(path):
    """All results in a file, each a whole object."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n"), text[-200:]
    return [json.loads(line) for line in text.splitlines()]


def wait_for(what, condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def wait_for_lines(path, count, what):
    wait_for(what, lambda: path.exists()
             and path.read_bytes().count(b"\n") >= count)


def case_rtsp_camera(bench):
    """A camera that is killed, comes back with another size, and stalls: the
    program goes on, and every frame has its line."""
    program = need_program(bench, "rtsp-camera")
    lines = bench.scratch / "results.jsonl"
    log = bench.scratch / "log"
    with Camera(bench) as camera, log.open("w") as out:
        running = subprocess.Popen(
            [program, "--model", str(bench.need_model()), "--results",
             str(lines), "--sink", "fakesink", "--stall", "1.5",
             camera.address()], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, env=bench.environment)
        try:
            wait_for_lines(lines, 10, "the camera's first frames")
            camera.kill()
            time.sleep(1)
            camera.start("--size", "480x360")
            count = len(read_lines(lines))
            wait_for_lines(lines, count + 10, "frames of another size")
            camera.process.send_signal(signal.SIGSTOP)
            wait_for("the stall is seen",
                     lambda: "no frame arrives" in log.read_text())
            camera.process.send_signal(signal.SIGCONT)
            count = len(read_lines(lines))
            wait_for_lines(lines, count + 10, "frames after the stall")
        finally:
            running.terminate()
            running.wait(timeout=30)
    text = log.read_text()
    assert running.returncode == 0, text
    says(text, "trying again in 1 s", "connected")
    results = read_lines(lines)
    shown = int(text.rpartition(" frames")[0].split()[-1])
    assert 0 <= len(results) - shown <= 1, "the last one's line may come first"
    times = [r["time"] for r in results]
    assert times == sorted(times)
    assert all(r["source"] == "results" for r in results)


def case_rtsp_camera_login(bench):
    """A wrong password is not tried again, and no password is shown."""
    program = need_program(bench, "rtsp-camera")
    model = bench.need_model()
    lines = bench.scratch / "results.jsonl"
    with Camera(bench, "--login", "me:right") as camera:
        common = ("--model", model, "--sink", "fakesink", "--seconds", 600)
        wrong = bench.run(program, *common, camera.address("me:guessed@"),
                          good=False)
        assert wrong.returncode == 2, wrong.stderr
        says(wrong.stderr, "wrong user or password", "127.0.0.1")
        assert "guessed" not in wrong.stderr + wrong.stdout
        right = start(bench, program, *common, "--results", lines,
                      camera.address("me:right@"))
        try:
            wait_for_lines(lines, 3, "frames by the right password")
        finally:
            right.terminate()
            text = right.communicate(timeout=30)[0]
        assert right.returncode == 0 and "right@" not in text, text
    says(bench.run(program, good=False).stderr, "rtsp://", "--stall")


def case_rtsp_camera_headless(bench):
    """As README has it, on a system without a display and with nothing in the environment: the build's element is
    found, and results are on standard output."""
    program = need_program(bench, "rtsp-camera")
    bench.need_model()
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "GST_PLUGIN_PATH", "DELTACNN_MODEL_PATH"):
        bench.environment.pop(name, None)
    bench.environment["GST_REGISTRY"] = str(bench.scratch / "registry.bin")
    shown, log = bench.scratch / "shown", bench.scratch / "log"
    with Camera(bench) as camera, shown.open("w") as out, log.open("w") as messages:
        running = subprocess.Popen([program, camera.address()], stdin=subprocess.DEVNULL, stdout=out, stderr=messages,
                                   env=bench.environment)
        try:
            wait_for_lines(shown, 5, "results on standard output")
        finally:
            running.terminate()
            running.wait(timeout=30)
    assert running.returncode == 0, log.read_text()
    says(log.read_text(), "no display", "results follow", "connected", " frames")
    assert all(r["source"] == "results" for r in read_lines(shown))
    away = shutil.copy(program, bench.scratch) # from the build
    says(bench.run(away, "rtsp://127.0.0.1:1/x", good=False).stderr, "no element deltacnn", "GST_PLUGIN_PATH")


def view(bench, address, frames=15, *rest):
    return start(bench, "gst-launch-1.0", "-q", "rtspsrc",
                 f"location={address}", "latency=100", "!", "decodebin", "!",
                 "videoconvert", "!", "identity", f"eos-after={frames}", "!",
                 *(rest or ("fakesink",)))


def to_file(path):
    """A viewer's end: frames of red, green and blue in a file."""
    return ("video/x-raw,format=RGB", "!", "filesink", "buffer-mode=2",
            f"location={path}")


def coloured(path):
    """Blue pixels in about two frames at the end of such a file: the camera's
    ball is white on black, the panel's bars are blue."""
    data = path.read_bytes()
    end = len(data) // 3 * 3
    data = data[max(0, end - 480000):end]
    assert data
    return sum(blue > red + 60 for red, blue in zip(data[::3], data[2::3]))


def case_media_server(bench):
    """Two viewers and one inference, drawn; another mount untouched; idle when
    they have left."""
    program = need_program(bench, "media-server")
    lines = bench.scratch / "results.jsonl"
    log = bench.scratch / "log"
    with Camera(bench) as camera, log.open("w") as out:
        server = subprocess.Popen(
            [program, "--port", "0", "--address", "127.0.0.1", "--model",
             str(bench.need_model()), "--results", str(lines),
             f"street={camera.address()}"], stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, env=bench.environment)
        try:
            wait_for("the server's address", lambda: "plain)\n" in log.read_text())
            drawn = re.search(r"^rtsp://127\.0\.0\.1:\d+/street(?= \()", log.read_text(), re.MULTILINE)[0]
            time.sleep(1)
            assert not lines.exists(), "inference without a viewer"
            seen = bench.scratch / "seen.rgb"
            plain = view(bench, drawn + "/plain", 15, *to_file(seen))
            assert plain.wait(timeout=300) == 0, plain.communicate()[0]
            assert coloured(seen) == 0, "the untouched mount is drawn into"
            seen.unlink()
            assert not lines.exists(), "inference for the untouched mount"
            # one that watches until the other has come and gone, however long
            # that takes to start
            first = view(bench, drawn, 100000, *to_file(seen))
            wait_for("the first viewer's frames",
                     lambda: seen.exists() and seen.stat().st_size > 0)
            second = view(bench, drawn, 40)
            text = second.communicate(timeout=300)[0]
            assert second.returncode == 0, text
            assert first.poll() is None, first.communicate()[0]
            first.send_signal(signal.SIGINT)
            first.communicate(timeout=300)
            assert coloured(seen) > 20, "nothing is drawn"
            wait_for("idle", lambda: "/street: idle" in log.read_text())
            count = len(read_lines(lines))
            time.sleep(1.5)
            assert len(read_lines(lines)) == count, "it runs on, unwatched"
            assert log.read_text().count("/street: watched") == 1
            # A camera that goes ends its viewers; when it is back, so are
            # they.
            viewer = view(bench, drawn, 10000)
            wait_for_lines(lines, count + 5, "frames for a third viewer")
            camera.kill()
            viewer.communicate(timeout=300)
            camera.start("--size", "480x360")
            viewer = view(bench, drawn, 15)
            text = viewer.communicate(timeout=300)[0]
            assert viewer.returncode == 0, text
        finally:
            server.terminate()
            server.wait(timeout=30)
    assert server.returncode == 0, log.read_text()
    results = read_lines(lines)[:count]
    assert len(results) >= 20
    assert len({r["pts"] for r in results}) == len(results), \
        "a frame was run twice"
    says(bench.run(program, "street", good=False).stderr, "NAME=rtsp://")


def last_picture(bench, clip):
    """A file's last frame, small: rows of pixels of red, green and blue."""
    raw = bench.scratch / "last.rgb"
    bench.run("gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!",
              "decodebin", "!", "videoconvert", "!", "videoscale", "!",
              "video/x-raw,format=RGB,width=160,height=120", "!", "filesink",
              f"location={raw}")
    data = raw.read_bytes()[-160 * 120 * 3:]
    assert len(data) == 160 * 120 * 3, len(data)
    return [[data[3 * i:3 * i + 3] for i in range(160 * y, 160 * y + 160)]
            for y in range(120)]


def colour_share(rows, low, high):
    """Share of the pixels between two colours."""
    return sum(all(a <= v <= b for a, v, b in zip(low, pixel, high))
               for row in rows for pixel in row) / (160 * 120)


def roughness(rows):
    """Mean difference of neighbours in a row."""
    return sum(abs(a[1] - b[1]) for row in rows
               for a, b in zip(row, row[1:])) / (159 * 120)


def case_webcam(bench):
    """The background of a clip in all ways, into a file; latency is told."""
    e2e.need_elements(bench)
    bench.need_model()
    script = ROOT / "pipelines" / "webcam.sh"
    clip = bench.scene(30)
    picture = bench.scratch / "beach.png"
    bench.run("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1",
              "pattern=smpte", "!", "videoconvert", "!", "pngenc", "!",
              "filesink", f"location={picture}")
    seen = {}
    for kind in (["--background", "keep"], ["--background", "blur"],
                 ["--colour", "0x00ff00"], ["--picture", picture]):
        out = bench.scratch / "a b.mp4"
        shown = bench.run(script, "--no-install", "--input", clip, "--output",
                          out, "--frames", 12, *kind)
        says(shown.stdout, "finding people: ", " ms, at most ", "drawing")
        seen[kind[1]] = last_picture(bench, out)
        out.unlink()
    assert roughness(seen["blur"]) < roughness(seen["keep"]) / 2, "not blurred"
    for kind, low, high in (("0x00ff00", (0, 180, 0), (80, 255, 80)),
                            (picture, (150, 150, 0), (255, 255, 90))):
        shares = [colour_share(seen[k], low, high) for k in (kind, "keep")]
        assert 0.05 < shares[0] < 0.995 and shares[1] < 0.01, (kind, shares)
    live = bench.run(script, "--no-install", "--input", "test", "--output",
                     "none", "--frames", 20)
    says(live.stdout, "from the camera to the output: ")
    if "not measured" in live.stdout:
        says(bench.run("gst-launch-1.0", "--version").stdout, " 1.26.")
    says(bench.run(script, "--help").stdout, "--background", "v4l2loopback")
    for wrong in (["--background", "fog"], ["--picture", "/no/such.png"],
                  ["--input", "/dev/video99"], ["--sparkle"]):
        says(bench.run(script, "--no-install", *wrong, good=False).stderr,
             wrong[-1])


def case_moving_camera(bench):
    """A camera that pans over a drawn street: clip, sheet, what is wrong."""
    e2e.need_elements(bench)
    model = bench.need_model()
    script = ROOT / "pipelines" / "moving-camera.sh"
    clip = bench.scratch / "pan.avi"
    truth = bench.scratch / "truth.txt"
    bench.run("deltacnn-scene", "--frames", 30, "--pan", 4, "--truth", truth,
              clip)
    says(bench.run("deltacnn-scene", "--frames", 30, "/nonexistent/pan.avi",
                   good=False).stderr, "/nonexistent/pan.avi")
    rows = [[float(n) for n in line.split()]
            for line in truth.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 30 and all(len(row) == 9 for row in rows)
    assert abs(rows[29][2] / rows[29][8] - rows[0][2] / rows[0][8]) > 40, \
        "the camera does not pan"
    out = bench.scratch / "out"
    if not list((bench.build / "stabilizer").glob("*/dcnn_tracker.cpp.o")):
        raise Skip("built without OpenCV")
    shown = bench.run(script, "--no-install", "--input", clip, "--frames", 24,
                      "--size", "192x144", "--out", out, "--model", model)
    says(shown.stdout, "contact-sheet.png", "annotated.mp4", "without",
         "re-anchored")
    assert "Conv" not in shown.stdout, "nodes without their table's heading"
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["aligned_frames"] >= 20 and report["align_ms"] > 0
    assert report["lost_frames"] + report["reanchors"] <= 4
    assert report["resets"] <= 3 and report["aside_frames"] <= 24
    assert report["mac_share"] < report["unaligned_mac_share"] <= 1, \
        "alignment saves nothing on a pan"
    assert (out / "contact-sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "annotated.mp4").stat().st_size > 3000
    folder = bench.scratch / "pictures"
    folder.mkdir()
    bench.run("gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!",
              "avidemux", "!", "multifilesink",
              f"location={folder}/%05d.jpg")
    heights = []
    for moments in (4, 1): # a folder's moments are spread over all of it
        bench.run("deltacnn-annotate", "--input", folder, "--model", model,
                  "--size", "192x144", "--moments", moments, "--sheet",
                  out / "folder.png")
        heights.append(int.from_bytes((out / "folder.png").read_bytes()
                                      [20:24], "big"))
    assert heights[0] > 2 * heights[1], f"heights of sheets: {heights}"
    drawn = bench.scratch / "drawn"
    drawn.mkdir()
    bench.run("gst-launch-1.0", "-q", "videotestsrc", "pattern=white",
              "num-buffers=6", "!", "video/x-raw,format=GRAY8,width=80,"
              "height=60", "!", "pngenc", "!", "multifilesink",
              f"location={drawn}/%05d.png")
    command = ["deltacnn-bench", "--align", "--model", model, "--clip",
               folder, "--size", "192x144", "--json", "-", "--compare",
               "--annotations", drawn, "--set", "interest=1", "--set",
               "sampling=linear"]
    report = json.loads(bench.run(*command, "--frames", 6).stdout)
    assert report["aligned_frames"] == 5 and report["reanchors"] == 1
    assert 0 <= report["annotation_iou"]["dense"] <= 1
    assert report["agreement_window_camera"]["iou"] <= 1
    counted = {c["method"]: c for c in report["compare"]}
    assert list(counted) == ["RRM", "CBInfer", "Skip-Convolution", "DeltaCNN",
                             "MotionDeltaCNN", "ours"], counted
    assert counted["MotionDeltaCNN"]["aligned"] and \
        not counted["DeltaCNN"]["aligned"]
    assert counted["ours"]["mac_share"] < counted["DeltaCNN"]["mac_share"]
    assert counted["ours"]["state_bytes"] < counted["RRM"]["state_bytes"]
    says(bench.run(*command, "--frames", 9, good=False).stderr, str(drawn))
    says(bench.run("deltacnn-bench", "--model", model, "--clip", folder,
                   "--annotations", drawn, good=False).stderr, "--align")
    says(bench.run("deltacnn-bench", "--model", model, "--clip", folder,
                   "--compare", "--mode", "dense", good=False).stderr,
         "--compare")
    says(bench.run("deltacnn-bench", "--align", "--mode", "dense", "--model",
                   model, "--clip", clip, good=False).stderr, "--align")
    says(bench.run(script, "--help").stdout, "--input", "framealign")
    for wrong in (["--frames", "x"], ["--sparkle"]):
        says(bench.run(script, "--no-install", *wrong, good=False).stderr,
             wrong[-1])
    says(bench.run("deltacnn-annotate", "--input", clip, "--model", model,
                   "--sheet", out / "x.png", "--set-align", "tracks=false",
                   good=False).stderr, "--align")


def case_overlays(bench):
    """GStreamer's own overlays behind both models that ship."""
    e2e.need_elements(bench)
    zoo = bench.need_model().parent
    scene = bench.scene(8)

    def frames(*between):
        """The last frame behind these elements, as RGB bytes."""
        out = bench.scratch / "frames.rgb"
        bench.run("gst-launch-1.0", "-q", "filesrc", f"location={scene}", "!",
                  "avidemux", "!", "jpegdec", "!", "videoconvert", "!",
                  "video/x-raw,format=BGRA", "!", *between, "!", "videoconvert",
                  "!", "video/x-raw,format=RGB", "!", "filesink",
                  f"location={out}")
        data = out.read_bytes()
        assert data and len(data) % 8 == 0
        return data[-len(data) // 8:]

    if os.environ.get("DELTACNN_ANALYTICS") != "true":
        raise Skip("built without GstAnalytics: GStreamer before 1.24, or its "
                   "development package is missing")
    plain = frames("identity")
    there = [(model, overlay) for model, overlay in
             (("people-seg", "segmentationoverlay"),
              ("people-pose", "objectdetectionoverlay"))
             if not subprocess.run(["gst-inspect-1.0", "--exists", overlay],
                                   env=bench.environment).returncode]
    if not there:
        raise Skip("GStreamer's overlays of analytics metas are not installed "
                   "(gst-plugins-bad)")
    for model, overlay in there:
        drawn = frames("deltacnn", f"model={zoo / model}.onnx", "!", overlay)
        assert len(drawn) == len(plain)
        changed = sum(a != b for a, b in zip(drawn, plain))
        assert 0.002 < changed / len(plain) < 0.6, (overlay, changed)
        assert frames("deltacnn", f"model={zoo / model}.onnx",
                      "attach=stats") == plain


def case_pan_tilt(bench):
    """The head that tells its angles."""
    program = need_program(bench, "pan-tilt")
    model = bench.need_model()
    shown = bench.run(program, "--model", model, "--frames", 40, "--size",
                      "240x176")
    words = shown.stdout.split()
    says(shown.stdout, "40 frames", "with the head's angles")
    share = [float(words[i - 1]) for i, w in enumerate(words) if w == "%"]
    assert len(share) == 2 and 0 < share[0] < 0.8 * share[1], shown.stdout
    says(bench.run(program, "--frames", 1, good=False).stderr, "--frames")


if __name__ == "__main__":
    sys.exit(e2e.main(sys.argv[1:], globals()))
