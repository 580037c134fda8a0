#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# moving-camera.sh - finds people in the picture of a camera that pans,
# recomputing only what changed: framealign ! deltacnn ! deltaoverlay. On a
# fresh machine it also installs and builds everything.
#
#   pipelines/moving-camera.sh [--input FILE|DEVICE|rtsp://...]
#                              [--model FILE|NAME] [--frames N] [--out DIR]
#                              [--size WxH] [--device D] [--no-install]
#
#   --input   a video file, a folder of numbered .jpg, a camera (/dev/video0)
#             or an address. Default: a camera that pans over the clip of
#             demo.sh, made here; where that cannot be had, over a drawn street
#   --model   an ONNX file or the name of a model. Default: people-seg
#   --frames  stop after N frames. Default: the whole clip; of cameras, 300
#   --out     where to write annotated.mp4, contact-sheet.png and report.json.
#             Default: out/moving-camera
#   --size    of the network's input. Default: what the model's descriptor says
#   --device  auto (default) or cpu
#   --no-install  never call apt-get
#
# The sheet shows moments of the clip: the picture, what was found, what was
# recomputed, and the view window with the points that were followed. The
# report has the work done, aligned and not.
# DELTACNN_BUILD names another build folder than build/.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
called_from=$PWD
build=${DELTACNN_BUILD:-$here/build}

input='' model='' frames='' size='' device=auto out=$here/out/moving-camera install=1
bad() { echo "moving-camera.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '4,28s/^# \{0,1\}//p' "$0"; exit 0 ;;
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
  if [[ $1 != /* && $1 != *://* && -e $called_from/$1 ]]; then echo "$called_from/$1"; else echo "$1"; fi
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

if ((install)); then tools/install-deps.sh build run; fi
if [ ! -e "$build/build.ninja" ]; then meson setup "$build" "$here" >/dev/null; fi
if [ -z "${DELTACNN_BUILD:-}" ]; then ninja -C "$build" --quiet >/dev/null; fi
export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_REGISTRY=$build/gst-registry.bin
export DELTACNN_MODEL_PATH=$here/models/data/zoo${DELTACNN_MODEL_PATH:+:$DELTACNN_MODEL_PATH}
model=${model:-people-seg}

if [ -z "$input" ]; then
  # People are small in it: the network sees the camera's picture at full size.
  found=''
  if find_clip; then
    input=cache/moving-camera.avi size=${size:-480x352}
    over=(--over "$found")
  else
    step "No clip could be fetched: panning over a drawn street instead."
    input=cache/moving-street.avi size=${size:-400x288}
    over=(--pan 4)
  fi
  if [ ! -e $input ]; then
    step "Making the clip: a camera that pans"
    "$build"/tools/deltacnn-scene --frames 300 "${over[@]}" cache/moving.part
    mv cache/moving.part $input
  fi
fi

limit=()
[ -z "$frames" ] || limit=(--frames "$frames")
[ -z "$size" ] || limit+=(--size "$size")
name=$(basename "$model" .onnx)
step "Measuring $name on $(basename "$input"): aligned, not aligned, dense, frame by frame"
"$build"/tools/deltacnn-bench --align --model "$model" --clip "$input" --device "$device" \
  "${limit[@]}" --json "$out/report.json" >"$out/report.txt" </dev/null
step "Drawing what $name finds on $(basename "$input")"
"$build"/tools/deltacnn-annotate --align --input "$input" --model "$model" --device "$device" \
  "${limit[@]}" --video "$out/annotated.mp4" --sheet "$out/contact-sheet.png" \
  --set-overlay mask-alpha=0.6 --report "$out/report.json" --title "$name on $(basename "$input")" </dev/null

echo
sed -n '/^  /{/^  memory/d;p}' "$out/report.txt"
echo
step "Look at:"
for file in contact-sheet.png annotated.mp4 report.json; do echo "  $out/$file"; done
