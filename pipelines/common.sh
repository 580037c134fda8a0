#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# common.sh - what demo.sh and moving-camera.sh share: their options, building,
# and the clip that they show when none is given. Sourced by a script that has
# set $here (the repository's root).
: "${here:?}"
me=${0##*/} called_from=$PWD build=${DELTACNN_BUILD:-$here/build}
export DEBIAN_FRONTEND=noninteractive

bad() { echo "$me: $*" >&2; exit 2; }

bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
step() { printf '%s%s%s\n' "$bold" "$*" "$plain"; }

# ---- options --------------------------------------------------------------

# Paths count from where the user is, not from the repository.
from_caller() {
  case $1 in
    /* | *://* | test:*) echo "$1" ;;
    *) if [ -e "$called_from/$1" ]; then echo "$called_from/$1"; else echo "$1"; fi ;;
  esac
}

# take_options DEFAULT-OUT ARGUMENTS...: sets $input, $model, $frames, $size,
# $device, $out, $install; goes to the repository.
# shellcheck disable=SC2034 # the scripts read them
take_options() {
  input='' model='' frames='' size='' device=auto out=$1 install=1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) sed -n -e '1,3d' -e '/^$/q' -e 's/^# \{0,1\}//p' "$0"; exit 0 ;;
      --no-install) install=0; shift; continue ;;
      --input | --model | --frames | --device | --out | --size)
        [ -n "${2:-}" ] || bad "$1 needs a value; see --help"
        declare -g "${1#--}=$2"; shift 2 ;;
      *) bad "no option '$1'; see --help" ;;
    esac
  done
  [[ $frames =~ ^[0-9]*$ ]] || bad "--frames $frames: a number is needed"
  [ -z "$input" ] || input=$(from_caller "$input")
  [ -z "$model" ] || model=$(from_caller "$model")
  case $out in /*) ;; *) out=$called_from/$out ;; esac
  cd "$here" || exit 1
  writable cache "copy the project to where you may write"
  writable "$out" "give another folder with --out"
}

# writable FOLDER REMEDY: makes it, where it is not there.
writable() {
  if ! mkdir -p "$1" 2>/dev/null || [ ! -w "$1" ]; then
    echo "$me: the folder $(realpath -m "$1") cannot be written to; $2" >&2
    exit 1
  fi
}

# ---- build ----------------------------------------------------------------

build() {
  local program log=cache/build.log cuda
  for program in meson ninja cc; do
    command -v $program >/dev/null || { echo "$me: there is no $program here to build with;" \
      "run tools/install-deps.sh build run as root, or this without --no-install" >&2; exit 1; }
  done
  if [ ! -e "$build/build.ninja" ]; then
    mapfile -t cuda < <(tools/cuda-options.sh)
    meson setup "$build" "${cuda[@]}" >cache/setup.log 2>&1 || { cat cache/setup.log >&2; return 1; }
    # so that tests/run.sh, which wants it compiled, knows that nobody asked for this
    [[ ${cuda[*]} != *disabled* ]] || touch "$build/.cuda-left-out"
  fi
  if ninja -C "$build" -n programs 2>/dev/null | grep -q 'no work to do'; then return 0; fi
  step "Building into build/ (some minutes on the first run)"
  if [ -t 1 ]; then
    NINJA_STATUS='  [%f of %t] ' ninja -C "$build" programs || return 1
  else
    ninja -C "$build" programs >$log 2>&1 || { tail -n 40 $log >&2; return 1; }
  fi
}

# Packages where they may be installed, the build, and where it is found.
prepare() {
  if ((install)); then
    tools/install-deps.sh build run || { echo "$me: packages could not be installed (why: above); is there a network?" \
      "Where they are installed already, --no-install goes on without" >&2; exit 1; }
  fi
  build
  export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
  export GST_REGISTRY=$build/gst-registry.bin
  export DELTACNN_MODEL_PATH=$here/models/data/zoo${DELTACNN_MODEL_PATH:+:$DELTACNN_MODEL_PATH}
}

say_results() {
  local file
  step "Look at:"
  for file in contact-sheet.png annotated.mp4 report.json; do echo "  $out/$file"; done
}

# ---- clip -----------------------------------------------------------------

clip_sum=45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf

good_clip() { [ -e "$1" ] && sha256sum "$1" | grep -q "^$clip_sum"; }

# Debian's package of OpenCV's documentation, of which one file is kept.
fetch_clip() (
  work=$(mktemp -d "$here"/cache/fetch.XXXXXX) || exit 1 # what is removed below is this and nothing else
  trap 'rm -rf "$work"' EXIT
  cd "$work" || exit 1
  step "Fetching the clip: vtest.avi out of Debian's package opencv-doc (96 MB, once)"
  if [ "$(id -u)" -eq 0 ]; then chown _apt . 2>/dev/null || true; fi
  apt-get download -q opencv-doc -o Acquire::Retries=3 >apt.log 2>&1 &
  local_pid=$!
  while kill -0 $local_pid 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r  %s MB of 96 ' "$(du -sm . | cut -f1)"
    fi
    sleep 0.5
  done
  [ ! -t 1 ] || printf '\r\033[K'
  wait $local_pid || { { grep -m 1 '^E: ' apt.log || tail -n 3 apt.log; } | sed 's/^/  /' >&2; exit 1; }
  path=$(dpkg-deb --fsys-tarfile ./*.deb | tar -t 2>/dev/null |
    grep 'vtest\.avi\(\.gz\)\?$' | tail -n 1) || exit 1
  dpkg-deb --fsys-tarfile ./*.deb | tar -xO "$path" >vtest.part
  [ -s vtest.part ] || exit 1
  case $path in *.gz) gzip -dc <vtest.part >vtest.avi ;; *) mv vtest.part vtest.avi ;; esac
  mv vtest.avi "$here/cache/vtest.avi"
)

# find_clip: sets $found to the clip, fetched if it must be; 1: there is none.
find_clip() {
  local beside="${DELTACNN_TEST_DATA:-}/videos/static_pets09_s2l1_vtest.avi"
  found=cache/vtest.avi
  if good_clip $found; then return; fi
  if good_clip "$beside"; then found=$beside; return; fi
  if ! ((install)) || ! command -v apt-get >/dev/null || ! fetch_clip; then return 1; fi
  good_clip $found || echo "  (another edition of the clip than the one this was made with)"
}
