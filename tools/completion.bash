# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# completion.bash - options of the deltacnn programs, as their own --help lists
# them, and file names; for deltacnn-models its commands and models as well.
_deltacnn() {
  local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
  if [[ $word == -* ]]; then
    words=$("$program" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)
  elif [[ $program == *deltacnn-models && $COMP_CWORD -eq 1 ]]; then
    words='list info get verify'
  elif [[ $program == *deltacnn-models && $before != --from && $before != --to ]] || [[ $before == --model ]]; then
    words=$(deltacnn-models list 2>/dev/null | grep -oE '^[a-z][a-z0-9-]+')
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [[ $word == -* ]] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _deltacnn deltacnn-inspect deltacnn-bench deltacnn-tune deltacnn-annotate deltacnn-models
