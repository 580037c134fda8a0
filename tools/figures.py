#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures models on clips with deltacnn-bench and writes docs/figures.md, and
what it found into models/data/catalogue. On a processor with AVX-512 the page
is docs/figures-avx512.md, and the catalogue is left as it is.

  tools/figures.py [--build DIR] [--frames N] [--threads N] [--only REGEX]
                   [--peers onnxruntime,openvino] [--page-only]

Models and clips come from the folder in DELTACNN_TEST_DATA (models/, videos/);
the peers from the Python in DELTACNN_PYTHON (packages numpy, onnx, onnxruntime,
openvino). Raw reports are kept in cache/figures/, so that a run that is
stopped goes on where it was with --page-only for the page alone. Standard
library only.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = ROOT / "cache" / "figures"
DATA = pathlib.Path(os.environ.get("DELTACNN_TEST_DATA", "."))

# (model, clip, size or None, goal against ONNX Runtime). The last words may be
# "all", for every frame of the clip beside ONNX Runtime, and KEY=VALUE for deltacnn-bench --set.
PAIRS = [
    ("people-seg", "static_pets09_s2l1_vtest.avi", None, None),
    ("det_yolox_nano_416", "static_pets09_s2l1_vtest.avi", "768x576", 4,
     "all"),
    ("det_yolox_nano_416", "static_pets09_s2l1_vtest.avi", "768x576", None,
     "threshold=0.2", "refresh=0.5"),
    ("pose_posenet_mnv1_385", "static_fullbody_juggle_720p.mp4", None, 3),
    ("pose_hourglass_mnv2_192", "webcam_asl_walk.mkv", None, 3),
    ("pose_movenet_lightning_192", "static_fullbody_juggle_720p.mp4", None, 3),
    ("pose_movenet_thunder_256", "static_fullbody_juggle_720p.mp4", None, 3),
    ("seg_selfie_mediapipe_256", "webcam_asl_book.mkv", None, 2),
    ("seg_selfie_mediapipe_256", "webcam_talkinghead_512x480.mp4", None, 2),
    ("seg_portrait_prismanet_256", "webcam_talkinghead_512x480.mp4", None, 2),
    ("seg_portrait_deeplabv3_mnv2_513", "webcam_talkinghead_512x480.mp4",
     None, 2),
    ("seg_portrait_deeplabv3_mnv2_513", "webcam_asl_walk.mkv", None, 2),
    ("det_centernet_mnv3_512", "static_retail_1080p.mp4", None, None),
    ("det_yolox_nano_416", "static_person_onebyone.mp4", None, 6),
    ("pose_posenet_mnv1_385", "static_person_onebyone.mp4", None, 6, "all"),
    ("det_yolox_nano_416", "static_bottle_640x360.mp4", None, 20, "all"),
    ("pose_posenet_mnv1_385", "static_bottle_640x360.mp4", None, 20, "all"),
    ("people-seg", "static_fullbody_juggle_720p.mp4", None, None),
    ("people-pose", "static_pets09_s2l1_vtest.avi", None, None),
    ("people-pose", "static_fullbody_juggle_720p.mp4", None, None),
    ("det_person_yolox_192", "static_pets09_s2l1_vtest.avi", None, None),
    ("det_fastestdet_352", "static_retail_1080p.mp4", None, None),
    ("pose_blazepose_lite_256", "static_fullbody_juggle_720p.mp4", None, None),
    ("pose_simplepose_mnv2_256x192", "static_fullbody_juggle_720p.mp4", None,
     None),
    ("pose_cpm_mnv2_192", "webcam_asl_walk.mkv", None, None),
    ("seg_voc_deeplabv3_mnv2_257", "static_fullbody_dog_720p.mp4", None, None),
    ("seg_road_adas0001_512x896", "static_car_topdown.mp4", None, None),
    ("cls_squeezenet_v1.1_227", "static_retail_1080p.mp4", None, None),
]
# Dense mode beside ONNX Runtime: every model, a picture that is new each frame.
DENSE_MODELS = [
    "pose_simplepose_mnv2_256x192", "pose_cpm_mnv2_192",
    "pose_hourglass_mnv2_192", "pose_posenet_mnv1_385",
    "pose_movenet_lightning_192", "pose_movenet_thunder_256",
    "pose_blazepose_lite_256", "seg_portrait_prismanet_256",
    "seg_portrait_deeplabv3_mnv2_513", "seg_selfie_mediapipe_256",
    "seg_voc_deeplabv3_mnv2_257", "seg_road_adas0001_512x896",
    "det_fastestdet_352", "det_yolox_nano_416", "det_person_yolox_192",
    "det_centernet_mnv3_512", "cls_squeezenet_v1.1_227", "people-seg",
    "people-pose",
]


def model_path(name):
    for folder in (ROOT / "models" / "data" / "zoo", DATA / "models"):
        path = folder / f"{name}.onnx"
        if path.exists():
            return path
    return None


def bench(options, name, arguments):
    """Runs one measurement; its report, or None with the reason shown."""
    report = CACHE / f"{name}.json"
    if options.page_only:
        return json.loads(report.read_text()) if report.exists() else None
    command = [str(options.build / "tools" / "deltacnn-bench"), *arguments,
               "--json", str(report), "--quiet",
               "--threads", str(options.threads)]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode:
        print(f"  {name}: {out.stderr.strip()[:400]}", flush=True)
        return None
    result = json.loads(report.read_text())
    print(f"  {name}: sparse {result['sparse_ms']:.2f} ms, dense "
          f"{result['dense_ms'] or 0:.2f}, peer {result['peer_ms'] or 0:.2f}, "
          f"work {result['mac_share']:.2f}", flush=True)
    return result


def measure_pairs(options, peer):
    rows = []
    for model, clip, size, goal, *words in PAIRS:
        settings = [w for w in words if "=" in w]
        name = "-".join([model, pathlib.Path(clip).stem, size or "", peer,
                         *settings])
        path, video = model_path(model), DATA / "videos" / clip
        if not path or not video.exists() or not re.search(options.only, name):
            continue
        arguments = ["--model", str(path), "--clip", str(video),
                     "--peer", peer]
        arguments += ["--size", size] if size else []
        arguments += ["--frames", str(options.frames)] \
            if options.frames and not (
                "all" in words and peer == "onnxruntime") else []
        for setting in settings:
            arguments += ["--set", setting]
        report = bench(options, name, arguments)
        if report:
            rows.append((" ".join([model, *settings]), clip, goal, report))
    return rows


def measure_dense(options, peer):
    rows = []
    for model in DENSE_MODELS:
        path, name = model_path(model), f"dense-{model}-{peer}"
        if not path or not re.search(options.only, name):
            continue
        report = bench(options, name, [
            "--model", str(path), "--synthetic", "1", "--frames", "40",
            "--peer", peer])
        if report:
            rows.append((model, report))
    return rows


def measure_memory(options):
    """(model, report of one session, bytes that deltacnn-inspect predicts)."""
    rows = []
    for model in DENSE_MODELS:
        path, name = model_path(model), f"memory-{model}"
        if not path or not re.search(options.only, name):
            continue
        report = bench(options, name, ["--model", str(path), "--synthetic",
                                       "0.1", "--frames", "4", "--mode",
                                       "sparse"])
        out = subprocess.run(
            [str(options.build / "tools" / "deltacnn-inspect"), str(path),
             "--json", "--size", f"{report['width']}x{report['height']}"],
            capture_output=True, text=True) if report else None
        if out and out.returncode == 0:
            rows.append((model, report,
                         json.loads(out.stdout)["predicted_peak_bytes"]))
    return rows


def memory_table(rows):
    mib = 2 ** 20
    return table(
        ["model", "input", "predicted MiB", "peak MiB", "peak / predicted"],
        [[model, f"{r['width']}x{r['height']}", f"{predicted / mib:.1f}",
          f"{r['peak_growth_bytes'] / mib:.1f}",
          f"{r['peak_growth_bytes'] / predicted:.2f}"]
         for model, r, predicted in rows])


def agreement(report):
    a = report["agreement"]
    words = [("iou", "IoU {:.4f}"), ("keypoint_px", "{:.2f} px"),
             ("pose_f1", "poses {:.3f}"), ("f1", "boxes {:.3f}"),
             ("f1_near", "near {:.3f}")]
    out = [text.format(a[key]) for key, text in words if key in a]
    return ", ".join(out) or f"{100 * a.get('relative_rms', 0):.2g} % rms"


def table(columns, rows):
    out = ["| " + " | ".join(columns) + " |",
           "|" + " --- |" * len(columns)]
    return "\n".join(out + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def pair_table(rows, peer):
    columns = ["model", "clip", "input", "frames", "pixels changed",
               "work done", "sparse ms", "dense ms", f"{peer} ms",
               f"against {peer}", "by means", "against dense",
               "agreement with dense"]
    out = []
    for model, clip, goal, r in rows:
        times = r["peer_ms"] / r["sparse_ms"]
        means = r["peer_ms"] / r["sparse_mean_ms"]
        wanted = f" (goal {goal})" if goal and peer == "onnxruntime" else ""
        out.append([
            model, pathlib.Path(clip).stem, f"{r['width']}x{r['height']}",
            str(r["frames"]), f"{100 * r['changed_share']:.1f} %",
            f"{100 * r['mac_share']:.0f} %", f"{r['sparse_ms']:.2f}",
            f"{r['dense_ms']:.2f}", f"{r['peer_ms']:.2f}",
            f"{times:.1f} x{wanted}", f"{means:.1f} x",
            f"{r['dense_ms'] / r['sparse_ms']:.1f} x", agreement(r)])
    return table(columns, out)


def dense_table(rows, peer):
    columns = ["model", "input", "dense ms", "sparse ms, all new",
               f"{peer} ms", f"{peer} / dense", f"{peer} / sparse, all new"]
    return table(columns, [
        [model, f"{r['width']}x{r['height']}", f"{r['dense_ms']:.2f}",
         f"{r['sparse_ms']:.2f}", f"{r['peer_ms']:.2f}",
         f"{r['peer_ms'] / r['dense_ms']:.2f} x",
         f"{r['peer_ms'] / r['sparse_ms']:.2f} x"] for model, r in rows])


KINDS = ("convolutions", "depthwise", "rest")


def our_kinds(report):
    """Dense milliseconds by kind of layer, and the three slowest nodes."""
    total = dict.fromkeys(KINDS, 0.0)
    for node in report["nodes"]:
        kind = "depthwise" if node["kernel"] == "depthwise" else \
            "convolutions" if "Conv" in node["ops"] else "rest"
        total[kind] += node["dense_ms"]
    slowest = sorted(report["nodes"], key=lambda n: -n["dense_ms"])[:3]
    return total, slowest


def measure_kinds(options, rows):
    """(model, our times, ONNX Runtime's) of what is slower than 0.95 times."""
    found = []
    python = os.environ.get("DELTACNN_PYTHON", "python3")
    for model, r in rows:
        if r["peer_ms"] >= 0.95 * r["dense_ms"]:
            continue
        kept = CACHE / f"kinds-{model}.json"
        if not options.page_only:
            out = subprocess.run(
                [python, str(ROOT / "tools" / "peer_profile.py"),
                 str(model_path(model)), f"{r['width']}x{r['height']}",
                 str(options.threads)], capture_output=True, text=True)
            if out.returncode:
                print(f"  {model}: {out.stderr.strip()[-300:]}", flush=True)
                continue
            kept.write_text(out.stdout)
        if kept.exists():
            found.append((model, r, json.loads(kept.read_text())))
    return found


def kinds_table(found):
    columns = ["model", "convolutions", "depthwise", "rest",
               "our slowest nodes"]
    out = []
    for model, r, theirs in found:
        ours, slowest = our_kinds(r)
        out.append([model, *(f"{ours[k]:.2f} / {theirs[k]:.2f}"
                             for k in KINDS),
                    ", ".join(f"{n['name']} ({n['ops']}) {n['dense_ms']:.2f}"
                              for n in slowest)])
    return table(columns, out)


def write_catalogue(options, rows):
    """What was measured, with the descriptors' settings, into the catalogue."""
    path = ROOT / "models" / "data" / "catalogue" / "catalogue.json"
    catalogue = json.loads(path.read_text(encoding="utf-8"))
    for entry in catalogue["models"]:
        measured = [{
            "clip": pathlib.Path(clip).stem,
            "size": f"{r['width']}x{r['height']}", "threads": r["threads"],
            "cpu": machine(), "mac_share": round(r["mac_share"], 3),
            "sparse_ms": round(r["sparse_ms"], 2),
            "dense_ms": round(r["dense_ms"], 2),
            "onnxruntime_ms": round(r["peer_ms"], 2)}
            for model, clip, _, r in rows
            if f"{model}.onnx" == entry["file"]]
        if measured:
            entry["measured"] = measured
    path.write_text(json.dumps(catalogue, indent=2, ensure_ascii=False) +
                    "\n", encoding="utf-8")


def on_avx512():
    """Whether the engine runs its AVX-512 kernels here."""
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "avx512f" in flags and \
        os.environ.get("DELTACNN_ISA", "avx512") == "avx512"


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.search(r"model name\s*: (.*)", text)
    flags = "AVX-512" if on_avx512() else \
        "AVX2" if "avx2" in text else "no AVX2"
    return f"{name.group(1).strip() if name else 'unknown processor'}, {flags}"


def page(options, sections):
    command = "DELTACNN_TEST_DATA=<folder> tools/figures.py"
    command += f" --threads {options.threads}"
    command += f" --frames {options.frames}" if options.frames else ""
    pages = ["figures.md", "figures-avx512.md"]
    name, other = reversed(pages) if on_avx512() else pages
    text = (
        "# Figures\n\n<!-- Written by tools/figures.py. -->\n\n"
        f"Made by `{command}`\non {machine()}, {datetime.date.today()}, "
        f"{options.threads} thread{'s' * (options.threads != 1)} of a shared machine; on the other kind of "
        f"processor: [{other}]({other}).\nCompare within a row only: all "
        "engines of a row ran in turn, frame by frame, in one run.\n\n"
        "Times are medians of whole frames in milliseconds. Ours hold colour "
        "conversion, scaling and\nnormalisation of the picture; the peers' "
        "are one inference on an input prepared beforehand. Settings\n"
        "are those of the descriptors (tuning.md), else defaults. \"Work done\" "
        "is the share of multiply-accumulates\nof a dense run. Agreement: "
        "IoU of masks, mean distance of key points in pixels of the "
        "network's input,\nF1 of boxes (near: with scores within 0.05 of "
        "each other at the limit). \"By means\" is the peer's\nmedian over "
        "the mean of our frames, which clips that are still for a while "
        "need.\n\"Goal\" is what was set out for "
        "([figures-goals.md](figures-goals.md): why, where it is not met); "
        "\"all new\"\nis sparse mode where every pixel changes.\n")
    versions = sorted({r["peer"] for _, rows in sections["all"]
                       for r in rows if r.get("peer")})
    text += f"Peers: {', '.join(versions)}.\n\n" if versions else "\n"
    for title, body in sections["text"]:
        text += f"## {title}\n\n{body}\n"
    (ROOT / "docs" / name).write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", default=".")
    parser.add_argument("--peers", default="onnxruntime")
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    sections = {"text": [], "all": []}
    for peer in options.peers.split(","):
        print(f"clips, {peer}", flush=True)
        rows = measure_pairs(options, peer)
        sections["all"].append((peer, [r[3] for r in rows]))
        if rows and peer == "onnxruntime" and not on_avx512():
            write_catalogue(options, rows)
        if rows:
            sections["text"].append((f"Clips, beside {peer}",
                                     pair_table(rows, peer)))
        print(f"every pixel changing, {peer}", flush=True)
        dense = measure_dense(options, peer)
        sections["all"].append((peer, [r[1] for r in dense]))
        if dense:
            sections["text"].append(
                (f"Every pixel changing, beside {peer}",
                 dense_table(dense, peer)))
        found = measure_kinds(options, dense) if peer == "onnxruntime" else []
        if found:
            sections["text"].append(
                ("Where dense is slower than 0.95 times onnxruntime",
                 "Milliseconds, ours / onnxruntime's by its own profile. "
                 "decisions.md says why.\n\n" + kinds_table(found)))
    print("memory", flush=True)
    memory = measure_memory(options)
    if memory:
        sections["text"].append(
            ("Memory", "What a process grows by, at its peak, when it loads "
             "the model and runs one session,\nbeside what deltacnn-inspect "
             "predicts (goal: within 1.2).\n\n" + memory_table(memory)))
    page(options, sections)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main())
