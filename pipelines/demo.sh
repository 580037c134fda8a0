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
#   --device  auto (default) or cpu
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
called_from=$PWD
export DEBIAN_FRONTEND=noninteractive
build=${DELTACNN_BUILD:-$here/build}

input='' model='' frames='' size='' device=auto out=$here/out install=1
bad() { echo "demo.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '4,27s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --no-install) install=0; shift; continue ;;
    --input | --model | --frames | --device | --out | --size)
      [ $# -ge 2 ] || bad "$1 needs a value; see --help"
      declare "${1#--}=$2"; shift 2 ;;
    *) bad "no option '$1'; see --help" ;;
  esac
done
[[ $frames =~ ^[0-9]*$ ]] || bad "--frames $frames: a number is needed"
# Paths count from where the user is, not from the repository.
from_caller() {
  case $1 in
    /* | *://* | test:*) echo "$1" ;;
    *) if [ -e "$called_from/$1" ]; then echo "$called_from/$1"; else echo "$1"; fi ;;
  esac
}
[ -z "$input" ] || input=$(from_caller "$input")
[ -z "$model" ] || model=$(from_caller "$model")
case $out in /*) ;; *) out=$called_from/$out ;; esac
cd "$here"
mkdir -p cache "$out"

bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
step() { printf '%s%s%s\n' "$bold" "$*" "$plain"; }
# shellcheck source=pipelines/clip.sh
. pipelines/clip.sh

# ---- build ----------------------------------------------------------------

build() {
  local program
  for program in meson ninja cc; do
    command -v $program >/dev/null || { echo "demo.sh: there is no $program here to build with;" \
      "run tools/install-deps.sh build run as root, or this without --no-install" >&2; exit 1; }
  done
  if [ ! -e "$build/build.ninja" ]; then
    mkdir -p cache
    meson setup "$build" >cache/setup.log 2>&1 || { cat cache/setup.log >&2; return 1; }
  fi
  local log=cache/build.log
  if ninja -C "$build" -n 2>/dev/null | grep -q 'no work to do'; then return 0; fi
  step "Building into build/ (some minutes on the first run)"
  if [ -t 1 ]; then
    NINJA_STATUS='  [%f of %t] ' ninja -C "$build" || return 1
  else
    ninja -C "$build" >$log 2>&1 || { tail -n 40 $log >&2; return 1; }
  fi
}

# ---- clip -----------------------------------------------------------------

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

if ((install)); then
  tools/install-deps.sh build run || { echo "demo.sh: packages could not be installed (why: above); is there a network?" \
    "Where they are installed already, --no-install goes on without" >&2; exit 1; }
fi
build
export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_REGISTRY=$build/gst-registry.bin
export DELTACNN_MODEL_PATH=$here/models/data/zoo${DELTACNN_MODEL_PATH:+:$DELTACNN_MODEL_PATH}
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
step "Look at:"
for file in contact-sheet.png annotated.mp4 report.json; do echo "  $out/$file"; done
