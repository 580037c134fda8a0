#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bare-debian.sh - the README's two commands on a Debian that has nothing
# installed: a chroot by debootstrap, what is committed unpacked into it, and
# in it pipelines/demo.sh, then tests/run.sh. Run by hand, as root; takes
# gigabytes and, without --quick, most of an hour for each suite.
#
#   tests/bare-debian.sh [--quick] [--command LINE] [SUITE...]
#
#   --quick         tests/run.sh --quick instead of the full run
#   --command LINE  run this shell line in the unpacked tree, nothing else
#   SUITE           bookworm, trixie, testing (default: all three)
#
# DELTACNN_CHROOTS is where chroots and logs go (default: /var/tmp/deltacnn);
# they stay there, so that a second run starts from packages that are
# installed. DELTACNN_MIRROR is Debian's mirror.
#
# Exit status: 0 all passed, 1 something failed, 2 wrong usage.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${DELTACNN_CHROOTS:-/var/tmp/deltacnn}
mirror=${DELTACNN_MIRROR:-http://deb.debian.org/debian}

quick='' line='' suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick ;;
    --command) line=${2:?--command needs a line}; shift ;;
    -h | --help) sed -n '4,20s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "bare-debian.sh: no option '$1'; see --help" >&2; exit 2 ;;
    *) suites+=("$1") ;;
  esac
  shift
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie testing)
[ "$(id -u)" -eq 0 ] || { echo "bare-debian.sh: debootstrap and chroot need root" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "bare-debian.sh: apt-get install debootstrap" >&2; exit 2; }

# A fresh system, once.
bootstrap() {
  local suite=$1 dir=$root/$1
  [ ! -e "$dir/.complete" ] || return 0
  mkdir -p "$root"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" "$mirror" \
    >"$root/$suite-debootstrap.log" 2>&1 || { tail -n 20 "$root/$suite-debootstrap.log" >&2; return 1; }
  touch "$dir/.complete"
}

# What is committed and nothing else, beside what an earlier run has built.
unpack() {
  mkdir -p "$1/home/project"
  find "$1/home/project" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name cache ! -name out -exec rm -rf {} +
  git archive HEAD | tar -x -C "$1/home/project"
  cp /etc/resolv.conf "$1/etc/resolv.conf"
  [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$1/etc/pip.conf"
}

# inside SUITE LINE: in a mount namespace, so that nothing stays mounted.
inside() {
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount --fork bash -c '
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp" &&
    exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      bash -c "cd /home/project && $2"' bare "$root/$1" "$2"
}

status=0
for suite in "${suites[@]}"; do
  bootstrap "$suite" || { echo "$suite: no chroot"; status=1; continue; }
  unpack "$root/$suite"
  commands=("pipelines/demo.sh --frames 60" "tests/run.sh${quick:+ $quick}")
  [ -z "$line" ] || commands=("$line")
  for command in "${commands[@]}"; do
    log=$root/$suite-$(basename "${command%% *}").log
    started=$SECONDS
    if inside "$suite" "$command" >"$log" 2>&1; then result=passed; else result=FAILED status=1; fi
    printf '%-9s %-40s %s after %d s; last line: %s\n' "$suite" "$command" "$result" \
      $((SECONDS - started)) "$(tail -n 1 "$log")"
  done
done
exit $status
