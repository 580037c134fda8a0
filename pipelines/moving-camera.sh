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

# Called as "sh moving-camera.sh": bash, by itself.
if [ -z "${BASH_VERSION:-}" ]; then
  command -v bash >/dev/null || { echo "moving-camera.sh: this needs bash; please install it" >&2; exit 1; }
  exec bash "$0" "$@"
fi
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
# shellcheck source=pipelines/common.sh
. "$here"/pipelines/common.sh
take_options "$here/out/moving-camera" "$@"
prepare
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
    "$build"/tools/deltacnn-scene --frames 300 "${over[@]}" $input
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
sed -n '/slowest of/q; /^  /{/^  memory/d;p}' "$out/report.txt"
echo
say_results
