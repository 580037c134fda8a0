#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run.sh - builds everything and runs every test.
#
#   tests/run.sh [--quick] [--no-install] [--list] [PATTERN]
#
#   --quick       one build, no sanitizers, no long tests, no CUDA in a new
#                 build/ without a GPU; some minutes, once built
#   --no-install  never call apt-get or pip; what then lacks is skipped
#   --list        names of the tests, without running them
#   PATTERN       only tests whose "suite/name" matches this regular expression
#
# A full run builds three times: gcc into build/, clang with the address and
# undefined-behaviour sanitizers into build-asan/, which both run the whole suite,
# and gcc with ThreadSanitizer into build-tsan/: only the tests where threads
# meet (summary.py has the list), in their short form. Where there is nvcc and no
# GPU, build/ compiles CUDA for one kind of GPU and runs it emulated. A folder with the project's
# larger test data is taken from DELTACNN_TEST_DATA or, when it is there, from ../shared/data;
# tests that need it are skipped without it. Longer fuzzing: tests/fuzz-long.sh
#
# Exit status: 0 all passed, 1 something failed, 2 wrong usage.

# Called as "sh run.sh": bash, by itself.
if [ -z "${BASH_VERSION:-}" ]; then
  command -v bash >/dev/null || { echo "run.sh: this needs bash; please install it" >&2; exit 1; }
  exec bash "$0" "$@"
fi
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1

quick=0 install=1 list=0 pattern=''
for argument in "$@"; do
  case $argument in
    --quick) quick=1 ;;
    --no-install) install=0 ;;
    --list) list=1 ;;
    -h | --help) sed -n '4,23s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "run.sh: no option '$argument'; see --help" >&2; exit 2 ;;
    *) pattern=$argument ;;
  esac
done

[ -w . ] || { echo "run.sh: $PWD cannot be written to, and builds and logs go there; copy it to where you may write" >&2; exit 1; }

if command -v python3 >/dev/null && ! python3 -c 'import re, sys; re.compile(sys.argv[1])' "$pattern" 2>/dev/null; then
  echo "run.sh: '$pattern' is no regular expression; --list shows the names" >&2
  exit 2
fi

jobs=$(nproc)
log_dir=build/test-logs
started=$SECONDS
say() { printf '[%4d s] %s\n' $((SECONDS - started)) "$*"; }

# A virtual environment with what compares us with other engines. Its absence
# skips tests and fails none.
prepare_python() {
  local python=cache/venv/bin/python stamp=cache/venv/.complete-1
  if [ ! -e $stamp ] && ((install)); then
    say "Python packages numpy, onnx, onnxruntime into cache/venv"
    mkdir -p cache
    { python3 -m venv cache/venv &&
      $python -m pip install -q --retries 5 numpy onnx onnxruntime &&
      touch $stamp; } </dev/null ||
      echo "  no Python packages: tests that compare with ONNX Runtime are skipped"
  fi
  if [ -e $stamp ]; then export DELTACNN_PYTHON=$PWD/$python; fi
}

# Warnings are errors with the compilers that the project is kept clean with;
# newer ones warn of more.
strict() {
  case $("$1" -dumpversion) in 12 | 12.* | 14.0.*) echo --werror ;; esac
}

# Whether a compiler has the sanitizers' runtime; clang's is a package apart.
sanitizes() {
  command -v "$1" >/dev/null && echo 'int main (void) { return 0; }' |
    "$1" -x c -fsanitize="$2" -o "$log_dir/sanitizes" - 2>/dev/null
}

# cuda_options DIR: one kind of GPU shows that the code compiles; the quick run
# leaves that to the whole one, and marks the folder that it configures so.
cuda_options() {
  if ((quick)); then
    [ -e "$1/build.ninja" ] || tools/cuda-options.sh
  elif [ ! -e "$1/build.ninja" ] || [ -e "$1/.cuda-left-out" ]; then
    tools/cuda-options.sh --compile
  fi
}

# build DIR COMPILER MESON-OPTIONS...: configures once, again when packages have
# changed, and builds always.
build() {
  local dir=$1 compiler=$2 werror=()
  shift 2
  mapfile -t werror < <(strict "$compiler")
  mkdir -p $log_dir
  if [ -e "$dir/.cuda-left-out" ] && [ $# -gt 0 ]; then
    meson configure "$dir" -Dcuda=auto "$@" && rm "$dir/.cuda-left-out" || return 1
  fi
  if [ ! -e "$dir/build.ninja" ]; then
    CC=$compiler meson setup "$dir" "${werror[@]}" "$@" >"$log_dir/setup-${dir}.log" 2>&1 ||
      { cat "$log_dir/setup-${dir}.log"; return 1; }
    [ "$*" != -Dcuda=disabled ] || touch "$dir/.cuda-left-out"
  elif [ /var/lib/dpkg/status -nt "$dir/build.ninja" ]; then
    # what it lacked may have been installed since: the demo's build is one without bindings
    meson setup --reconfigure "$dir" >"$log_dir/setup-${dir}.log" 2>&1 ||
      { cat "$log_dir/setup-${dir}.log"; return 1; }
    touch "$dir/build.ninja"
  fi
  local targets=()
  [ "$dir" != build-tsan ] || mapfile -t targets < <(python3 tests/summary.py --programs "$dir" "$pattern")
  if [ -t 1 ]; then
    ninja -C "$dir" "${targets[@]}" || return 1
  else
    ninja -C "$dir" "${targets[@]}" >"$log_dir/build-${dir}.log" 2>&1 ||
      { tail -n 60 "$log_dir/build-${dir}.log"; return 1; }
  fi
}

# Names of the tests of a build that match the pattern, one a line.
names() {
  python3 tests/summary.py --names "$1" "$pattern" "$2"
}

# run_suite DIR LABEL: runs the selected tests, leaves DIR/meson-logs/.
run_suite() {
  local dir=$1 label=$2 selected=() multiplier=4 # other work on the machine fails no test
  mapfile -t selected < <(names "$dir" "$label")
  rm -rf "$dir/meson-logs/testlog.json" "$dir/scratch"
  mkdir "$dir/scratch"
  [ ${#selected[@]} -gt 0 ] || return 0
  [ "$label" = tests ] || multiplier=8
  say "$label: ${#selected[@]} tests in $dir"
  meson test -C "$dir" --no-rebuild --num-processes "$jobs" \
    --timeout-multiplier $multiplier --print-errorlogs "${selected[@]}" \
    </dev/null | grep -vE '^(ninja: |Ok:|Expected Fail:|Unexpected Pass:|Fail:|Skipped:|Timeout:|Full log|$)' || true
}

if [ -z "${DELTACNN_TEST_DATA:-}" ] && [ -d ../shared/data/models ]; then
  DELTACNN_TEST_DATA=$(cd ../shared/data && pwd)
fi
export DELTACNN_TEST_DATA=${DELTACNN_TEST_DATA:-}
export DELTACNN_TEST_QUICK=$quick

if ((install)); then
  groups=(build run test peer bindings)
  ((quick)) || groups+=(clang)
  tools/install-deps.sh "${groups[@]}"
fi
prepare_python

say "building with gcc into build/"
mapfile -t cuda < <(cuda_options build)
build build gcc "${cuda[@]}" || { say "the build with gcc failed"; echo "0 passed, 1 failed"; exit 1; }
if ((list)); then names build all; exit 0; fi
run_suite build tests
builds=(build)

if ((!quick)); then
  compiler=clang
  sanitizes clang address,undefined || compiler=gcc
  say "building with $compiler, address and undefined-behaviour sanitizers, into build-asan/"
  build build-asan "$compiler" -Db_sanitize=address,undefined -Db_lundef=false \
    -Ddebug=true -Doptimization=1 -Dintrospection=disabled -Dcuda=disabled ||
    { say "the build with sanitizers failed"; echo "0 passed, 1 failed"; exit 1; }
  # whole stacks: what libraries keep is known by name (lsan.supp), and GLib has no frame pointers
  export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:allocator_may_return_null=1:fast_unwind_on_malloc=0
  export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  run_suite build-asan sanitizers
  builds+=(build-asan)

  if sanitizes gcc thread; then
    say "building with gcc, ThreadSanitizer, into build-tsan/: what the tests of threads need"
    build build-tsan gcc -Db_sanitize=thread -Db_lundef=false \
      -Ddebug=true -Doptimization=1 -Dintrospection=disabled -Dcuda=disabled ||
      { say "the build with ThreadSanitizer failed"; echo "0 passed, 1 failed"; exit 1; }
    # Reports count against the program that made them. What is not compiled with it is told of locks by
    # glib_order.c, and its blocks must come from malloc to be known as new.
    export TSAN_OPTIONS=suppressions=$PWD/tests/threads/tsan.supp:ignore_noninstrumented_modules=1:exitcode=66:print_suppressions=0
    G_SLICE=always-malloc DELTACNN_TEST_QUICK=1 LD_PRELOAD=$PWD/build-tsan/tests/threads/glib_order.so \
      run_suite build-tsan threads
    builds+=(build-tsan)
  else
    say "no ThreadSanitizer for gcc (libtsan): threads are not looked at"
  fi
fi

say "done"
python3 tests/summary.py --pattern "$pattern" "${builds[@]}"
