#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# install-deps.sh - installs the distribution's packages that a group of
# commands needs; does nothing, quickly, when all of them are there.
#
#   tools/install-deps.sh [--dry-run] GROUP...
#
# Groups: build (compiler, libraries' headers), run (GStreamer's plugins),
# test (test data, Python), bindings (introspection, GstAnalytics), clang (the
# second compiler), peer (Python's venv), media-server (headers for pipelines/media-server.c).
# The list below is the only one in the project. A package with "?" behind it
# is taken where the distribution has it.
set -euo pipefail

usage() { sed -n '4,14s/^# \{0,1\}//p' "$0"; }

packages_of() {
  case $1 in
    build) echo gcc g++ libc6-dev dpkg-dev meson ninja-build pkg-config \
      libglib2.0-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
      libprotobuf-c-dev protobuf-c-compiler protobuf-compiler \
      libjson-glib-dev libcairo2-dev libopencv-dev ;;
    run) echo gstreamer1.0-tools gstreamer1.0-plugins-base \
      gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
      gstreamer1.0-plugins-ugly gstreamer1.0-libav fonts-dejavu-core ;;
    test) echo libonnx-testdata python3 git binutils python3-gi \
      "gir1.2-gst-rtsp-server-1.0?" "libgstrtspserver-1.0-dev?" ;;
    clang) echo clang llvm 'libclang-rt-dev?' ;; # readable traces; the sanitizers
    peer) echo python3 python3-venv ;;
    bindings) echo gobject-introspection "libgirepository1.0-dev?" \
      libgstreamer-plugins-bad1.0-dev gir1.2-gst-plugins-bad-1.0 ;; # typelib, GstAnalytics
    media-server) echo libgstrtspserver-1.0-dev ;;
    *) echo "install-deps.sh: no group '$1' (build, run, test, bindings, clang, peer, media-server)" >&2
       return 1 ;;
  esac
}

# retry TIMES COMMAND...: mirrors have hiccups.
retry() {
  local times=$1 n
  shift
  for ((n = 1; n <= times; n++)); do
    "$@" && return 0
    ((n < times)) && { echo "  (failed, trying again in $((n * 3)) s)" >&2; sleep $((n * 3)); }
  done
  return 1
}

# briefly COMMAND...: of what apt-get prints in thousands of lines, how much
# there is to fetch and what goes wrong.
briefly() {
  local log status=0
  log=$(mktemp)
  "$@" </dev/null 2>&1 | tee "$log" |
    { grep --line-buffered -E '^(Need to get|After this|Err:|[EW]:)' || true; } |
    sed -u 's/^/  /' || status=$?
  ((status == 0)) || { echo "  apt-get failed; its last lines:" >&2; tail -n 15 "$log" >&2; }
  rm -f "$log"
  return $status
}

# known PACKAGE...: those that apt has heard of; others lose their place.
known() {
  local package
  for package in "$@"; do
    if [[ $package != *\? ]]; then
      echo "$package"
    elif [ -n "$(apt-cache show "${package%\?}" 2>/dev/null)" ]; then
      echo "${package%\?}"
    fi
  done
}

main() {
  local dry_run=0 missing=() package groups=()
  for package in "$@"; do
    case $package in
      --dry-run) dry_run=1 ;;
      -h | --help) usage; return 0 ;;
      *) groups+=("$package") ;;
    esac
  done
  [ ${#groups[@]} -gt 0 ] || { usage; return 2; }

  if ! command -v dpkg-query >/dev/null; then
    echo "This system has no dpkg. Please install what corresponds to:" >&2
    for package in "${groups[@]}"; do packages_of "$package" >&2; done
    return 0
  fi
  local wanted='' installed
  for package in "${groups[@]}"; do wanted+=" $(packages_of "$package")"; done
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' ${wanted//\?/} 2>/dev/null |
    sed -n 's/^installed //p' || true)
  for package in $wanted; do
    grep -qx -- "${package%\?}" <<<"$installed" || missing+=("$package")
  done
  # What this distribution does not have is no reason to ask for it each time.
  [[ " ${missing[*]/%*\?/} " =~ [a-z] ]] || mapfile -t missing < <(known "${missing[@]}")
  [ ${#missing[@]} -gt 0 ] || return 0

  echo "Installing ${#missing[@]} packages with apt-get: ${missing[*]%\?}"
  ((dry_run)) && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "These packages are missing and this is not root. Please run, as root:" >&2
      echo "  apt-get install ${missing[*]%\?}" >&2
      return 1
    }
    sudo=(sudo)
  fi
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  retry 3 briefly "${apt[@]}" -q update || true
  mapfile -t missing < <(known "${missing[@]}")
  retry 3 briefly "${apt[@]}" -q install --no-install-recommends "${missing[@]}"
  echo "  done"
}

main "$@"
