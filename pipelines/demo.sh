#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# demo.sh - finds people in a clip, recomputing only what changed, and shows
# what that saved. On a fresh machine it also installs and builds everything.
#
#   pipelines/demo.sh [--input FILE|DEVICE|rtsp://...] [--model FILE|NAME]
#                     [--frames N] [--device D] [--out DIR] [--size WxH]
#                     [--no-install]
#
#   --input   a video file, a folder of numbered .jpg, a camera (/dev/video0)
#             or an address. Default: a surveillance clip from Debian's
#             package opencv-doc (a 96 MB download, once; 8 MB are kept)
#   --model   an ONNX file or the name of a model. Default: people-seg
#   --frames  stop after N frames. Default: the whole clip; of cameras, 300
#   --device  auto (default), cuda or cpu
#   --out     where to write annotated.mp4, contact-sheet.png and report.json.
#             Default: out/
#   --size    of the network's input. Default: what the model's descriptor says
#   --no-install  never call apt-get
#
# A second run builds and downloads nothing. DELTACNN_BUILD names another build
# folder than build/.

# Called as "sh demo.sh": bash, by itself.
if [ -z "${BASH_VERSION:-}" ]; then
  command -v bash >/dev/null || { echo "demo.sh: this needs bash; please install it" >&2; exit 1; }
  exec bash "$0" "$@"
fi
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
# shellcheck source=pipelines/common.sh
. "$here"/pipelines/common.sh
take_options "$here/out" "$@"

default_clip() {
  if find_clip; then input=$found; return; fi
  step "No clip could be fetched: rendering a street scene instead."
  echo "  It is drawn, so what is found in it says little; give a clip with --input."
  [ -e cache/scene.avi ] || "$build"/tools/deltacnn-scene --frames 300 cache/scene.avi
  input=cache/scene.avi size=512x384
}

# ---- model ----------------------------------------------------------------

default_model() {
  local candidate
  for candidate in models/data/zoo/people-seg.onnx "${DELTACNN_TEST_DATA:-}/models/people-seg.onnx"; do
    if [ -e "$candidate" ]; then model=$candidate; return; fi
  done
  echo "demo.sh: the model people-seg is not in models/data/zoo. Give one: --model FILE.onnx" >&2
  exit 1
}

# ---- results --------------------------------------------------------------

show_report() {
  python3 - "$1" <<'PYTHON'
import json, sys
r = json.load(open(sys.argv[1], encoding="utf-8"))
def row(name, text):
    print(f"  {name:<22} {text}")
a = r["agreement"]
words = {"iou": ("mask IoU {:.4f}", 1), "f1": ("boxes F1 {:.3f}", 1),
         "keypoint_px": ("key points within {:.2f} px", 1),
         "pose_f1": ("poses F1 {:.3f}", 1)}
agreement = [t.format(a[k] * s) for k, (t, s) in words.items() if k in a]
agreement = agreement or [f"outputs differ by {100 * a.get('relative_rms', 0):.2g} % rms"]
row("frames", f"{r['frames'] + 1}")
row("pixels changed", f"{100 * r['changed_share']:.1f} %")
row("work done", f"{100 * r['mac_share']:.1f} % of dense ({r['macs'] / 1e9:.2f} GMAC a frame)")
row("time a frame, sparse", f"{r['sparse_ms']:.1f} ms")
row("time a frame, dense", f"{r['dense_ms']:.1f} ms")
row("speed-up", f"{r['dense_ms'] / max(r['sparse_ms'], 1e-6):.1f} x")
row("agreement with dense", ", ".join(agreement))
PYTHON
}

# ---- all ------------------------------------------------------------------

prepare
# People are small in the default clip: the network sees it at full size.
[ -n "$input$model$size" ] || size=768x576
[ -n "$input" ] || default_clip
[ -n "$model" ] || default_model

limit=()
[ -z "$frames" ] || limit=(--frames "$frames")
[ -z "$size" ] || limit+=(--size "$size")
step "Measuring $(basename "$model") on $(basename "$input"): sparse and dense, frame by frame"
"$build"/tools/deltacnn-bench --model "$model" --clip "$input" --device "$device" \
  "${limit[@]}" --json "$out/report.json" >"$out/report.txt" </dev/null
step "Drawing the results"
"$build"/tools/deltacnn-annotate --input "$input" --model "$model" --device "$device" \
  "${limit[@]}" --video "$out/annotated.mp4" --sheet "$out/contact-sheet.png" \
  --set-overlay mask-alpha=0.6 --report "$out/report.json" --title "$(basename "$model" .onnx) on $(basename "$input")" </dev/null

echo
show_report "$out/report.json"
echo
say_results
