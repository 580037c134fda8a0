#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fuzz-long.sh - runs every libFuzzer target for a while, with the address and
# undefined-behaviour sanitizers; the ordinary suite only replays the corpora.
#
#   tests/fuzz-long.sh [--minutes N] [--keep] [TARGET...]
#
#   --minutes N  for each target (default 10)
#   --keep       copy what was newly found into the corpora of the source tree
#
# Needs clang. A crash stops its target and leaves the input in
# build-fuzz/crashes/; put it into the target's corpus so that it stays a test.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=10 keep=0 wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '4,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    --keep) keep=1; shift ;;
    -*) echo "fuzz-long.sh: no option '$1'; see --help" >&2; exit 2 ;;
    *) wanted+=("$1"); shift ;;
  esac
done

[[ $minutes =~ ^[1-9][0-9]*$ ]] || {
  echo "fuzz-long.sh: --minutes $minutes: a number is needed" >&2
  exit 2
}
tools/install-deps.sh build test clang
if [ ! -e build-fuzz/build.ninja ]; then
  CC=clang meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized \
    -Db_sanitize=address,undefined -Db_lundef=false -Dgst=disabled -Dtools=disabled \
    -Dc_args=-fsanitize=fuzzer-no-link
fi
ninja -C build-fuzz
mkdir -p build-fuzz/crashes
failed=0 ran=0
while read -r target; do
  name=$(basename "$target")
  if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then continue; fi
  # tests/models/fuzz_modelinfo replays tests/models/corpus and so on.
  folder=tests/$(basename "$(dirname "$target")")
  corpus=$folder/corpus
  for candidate in "$folder/corpus/${name#fuzz_}" "$folder/corpus/$name"; do
    if [ -d "$candidate" ]; then corpus=$candidate; fi
  done
  ran=1 work=build-fuzz/corpus-$name
  mkdir -p "$work"
  echo "$name: $minutes minutes, corpus $corpus"
  "$target" -max_total_time=$((minutes * 60)) -rss_limit_mb=4096 -timeout=20 \
    -print_final_stats=1 -artifact_prefix="build-fuzz/crashes/$name-" \
    "$work" "$corpus" 2>"build-fuzz/$name.log" || {
      failed=1
      echo "  found something: build-fuzz/crashes/, log in build-fuzz/$name.log"
    }
  grep -E 'number_of_executed_units|new_units_added' "build-fuzz/$name.log" || true
  if ((keep)); then
    "$target" -merge=1 "$corpus" "$work" 2>/dev/null || true
  fi
done < <(find build-fuzz/tests -type f -executable -name 'fuzz_*' ! -name '*replay*' | sort)
((ran)) || { echo "fuzz-long.sh: no target ${wanted[*]}" >&2; exit 2; }
exit $failed
