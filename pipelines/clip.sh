#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# clip.sh - the clip that demo.sh and moving-camera.sh show when none is given:
# a fixed camera's, with people. Sourced, in the repository's root, by a script
# that has step(), $here and $install.
: "${here:?}" "${install:?}"

clip_sum=45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf

good_clip() { [ -e "$1" ] && sha256sum "$1" | grep -q "^$clip_sum"; }

# Debian's package of OpenCV's documentation, of which one file is kept.
fetch_clip() (
  work=$(mktemp -d cache/fetch.XXXXXX)
  trap 'rm -rf "$here/$work"' EXIT
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
  wait $local_pid || { sed 's/^/  /' apt.log >&2; exit 1; }
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
