#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# webcam.sh - you, and not your room: the background of a camera's picture
# blurred or replaced, as a camera that other programs can use, in a window or
# in a file. On a fresh machine it also installs and builds everything.
#
#   pipelines/webcam.sh [--input DEVICE|FILE] [--background KIND]
#                       [--picture FILE] [--colour 0xRRGGBB]
#                       [--output DEVICE|FILE.mp4|window|none] [--model FILE|NAME]
#                       [--frames N] [--no-install]
#
#   --input       a camera, a video file, or test: a moving pattern. Default:
#                 /dev/video0
#   --background  blur (default), colour, picture or keep
#   --picture     what to put there; makes it --background picture
#   --colour      the same with a colour
#   --output      a v4l2loopback device, window, an .mp4 file or none. Default:
#                 such a device where there is one (sudo modprobe v4l2loopback
#                 exclusive_caps=1 makes one), else a window where there is a
#                 screen, else out/webcam.mp4
#   --model       a segmentation model. Default: people-seg
#   --frames      stop after N frames. Default: Ctrl-C, or the file's end
#   --no-install  never call apt-get
#
# At the end it says how long frames took on their way. DELTACNN_BUILD names
# another build folder than build/.

# Called as "sh webcam.sh": bash, by itself.
if [ -z "${BASH_VERSION:-}" ]; then
  command -v bash >/dev/null || { echo "webcam.sh: this needs bash; please install it" >&2; exit 1; }
  exec bash "$0" "$@"
fi
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
build=${DELTACNN_BUILD:-$here/build}

input=/dev/video0 background='' picture='' colour='' output='' model=people-seg
frames='' install=1
bad() { echo "webcam.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '4,28s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --no-install) install=0; shift; continue ;;
    --input | --background | --picture | --colour | --output | --model | --frames)
      [ -n "${2:-}" ] || bad "$1 needs a value; see --help"
      declare "${1#--}=$2"; shift 2 ;;
    *) bad "no option '$1'; see --help" ;;
  esac
done
[ -z "$picture" ] || background=${background:-picture}
[ -z "$colour" ] || background=${background:-colour}
background=${background:-blur}
case $background in
  keep | blur | colour | picture) ;;
  *) bad "--background $background: blur, colour, picture or keep is needed" ;;
esac
[ "$background" != picture ] || [ -n "$picture" ] || bad "--background picture needs --picture FILE"
[ -z "$picture" ] || { [ -f "$picture" ] && [ -r "$picture" ]; } || bad "--picture $picture: there is no such file"
[[ $frames =~ ^[0-9]*$ ]] || bad "--frames $frames: a number is needed"
[[ $colour =~ ^(0x[0-9a-fA-F]{6})?$ ]] || bad "--colour $colour: 0xRRGGBB is needed"
[ ! "$input" -ef "$output" ] || bad "--output $output: this is what --input reads; name another file"
[ -c "$input" ] || [ -f "$input" ] || [ "$input" = test ] || bad "--input $input: there is no such camera or file (cameras: $(echo /dev/video*))"

# ---- build ----------------------------------------------------------------

if ((install)); then "$here"/tools/install-deps.sh build run; fi
if [ ! -e "$build/build.ninja" ]; then
  mapfile -t cuda < <("$here"/tools/cuda-options.sh)
  meson setup "$build" "$here" "${cuda[@]}" >/dev/null
  [[ ${cuda[*]} != *disabled* ]] || touch "$build/.cuda-left-out" # tests/run.sh may switch it on
fi
if [ -z "${DELTACNN_BUILD:-}" ]; then ninja -C "$build" --quiet programs >/dev/null; fi
export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_REGISTRY=$build/gst-registry.bin
export DELTACNN_MODEL_PATH=$here/models/data/zoo${DELTACNN_MODEL_PATH:+:$DELTACNN_MODEL_PATH}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- where from, what, where to ---------------------------------------------

if [ "$input" = test ]; then
  source=(videotestsrc name=camera is-live=true pattern=ball !
    "video/x-raw,width=640,height=480,framerate=25/1" ! queue leaky=downstream max-size-buffers=1)
  sync=false
elif [ -c "$input" ]; then
  # The newest frame only: a picture that lags is worse than one that is left
  # out.
  source=(v4l2src name=camera device="$input" !
    "video/x-raw,width=[1,1280],height=[1,720];image/jpeg,width=[1,1280],height=[1,720]" !
    decodebin ! videoconvert ! queue leaky=downstream max-size-buffers=1)
  sync=false
else
  source=(filesrc location="$input" ! decodebin ! videoconvert ! queue)
  sync=true
fi
[ -z "$frames" ] || source+=(! identity eos-after="$((frames + 1))")

drawing=(background="$background" masks=false stats=false boxes=false)
[ -z "$colour" ] || drawing+=(background-color="$colour")
if [ -n "$picture" ]; then
  case $picture in
    *.png) cp "$picture" "$scratch/picture.png" ;;
    *) gst-launch-1.0 -q filesrc location="$picture" ! decodebin ! videoconvert ! \
         pngenc snapshot=true ! filesink location="$scratch/picture.png" </dev/null >/dev/null 2>&1 ||
         bad "--picture $picture: no picture that GStreamer can read" ;;
  esac
  drawing+=(background-picture="$scratch/picture.png")
fi

# The first device that is made of software and takes pictures.
loopback() {
  local device
  for device in /sys/devices/virtual/video4linux/video*; do
    [ -e "$device" ] || continue
    echo "/dev/${device##*/}"
    return
  done
}
[ -n "$output" ] || output=$(loopback)
if [ -z "$output" ]; then
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then output=window; else output=$here/out/webcam.mp4; fi
fi
case $output in
  none) sink=(fakesink sync=false) ;;
  window) sink=(autovideosink "sync=$sync") ;;
  *.mp4)
    mkdir -p "$(dirname "$output")"
    sink=("video/x-raw,format=I420" ! x264enc tune=zerolatency speed-preset=veryfast !
      h264parse ! mp4mux ! filesink location="$output") ;;
  *)
    [ -c "$output" ] || bad "--output $output: a v4l2loopback device, an .mp4 file, window or none is needed"
    sink=("video/x-raw,format=YUY2" ! v4l2sink device="$output" sync=false) ;;
esac

# ---- run --------------------------------------------------------------------

echo "$input -> $model, background $background -> $output"
status=0
# From 1.26.0 to 1.26.4 the latency tracer hangs any pipeline.
case $(gst-launch-1.0 --version | sed -n 's/^GStreamer //p') in
  1.26.[0-4]) ;;
  *) export GST_TRACERS="latency(flags=pipeline+element)" GST_DEBUG=GST_TRACER:7 \
       GST_DEBUG_FILE=$scratch/trace GST_DEBUG_NO_COLOR=1 ;;
esac
gst-launch-1.0 -q -e "${source[@]}" ! deltacnn name=inference model="$model" \
  results-location="$scratch/lines" ! \
  deltaoverlay name=drawing "${drawing[@]}" ! videoconvert ! "${sink[@]}" </dev/null || status=$?

# report TEXT: mean and worst of the milliseconds that come in, one a line.
report() {
  awk -v text="$1" '{ sum += $1; if ($1 > most) most = $1 }
    END { if (NR) printf "%s: %.1f ms, at most %.1f ms (%d frames)\n", text, sum / NR, most, NR }'
}
# traced PATTERN: milliseconds of what the tracer measured.
traced() {
  sed -n "s/.*$1.* time=(guint64)\([0-9]*\).*/\1/p" "$scratch/trace" | awk '{ print $1 / 1e6 }'
}
if [ -e "$scratch/lines" ]; then
  sed -n 's/.*"total_ms": *\([0-9.]*\).*/\1/p' "$scratch/lines" | report 'finding people'
fi
if [ -e "$scratch/trace" ]; then
  traced ' element-latency, .*element=(string)drawing' | report 'drawing'
  traced ' latency, .*src-element=(string)camera' | report 'from the camera to the output'
else
  echo "drawing, and from the camera to the output: not measured; this GStreamer's latency tracer hangs (mended in 1.26.5)"
fi
exit $status
