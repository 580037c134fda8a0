#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cuda-options.sh - prints the options with which the scripts here configure a
# build folder, so that CUDA kernels, which take minutes, are compiled only
# where somebody runs them or wants to see that they compile.
#
#   tools/cuda-options.sh [--compile]
#
#   a GPU and nvcc    -Dgpu_archs= its compute capability, if nvcc knows it;
#                     nothing (those that are shipped), if not
#   nvcc alone        -Dcuda=disabled; with --compile, the one with most code
#   neither           nothing: Meson finds no nvcc, either
set -euo pipefail

PATH=$PATH:/usr/local/cuda/bin # where Meson looks for it, too
command -v nvcc >/dev/null || exit 0

# "90" and the like, one a line, of each GPU; none without a driver.
here() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | sort -nu; }

mapfile -t archs < <(here)
if [[ ${archs[*]} =~ ^[0-9\ ]+$ ]]; then
  for arch in "${archs[@]}"; do
    nvcc --list-gpu-arch | grep -qx "compute_$arch" || exit 0
  done
  (IFS=,; echo "-Dgpu_archs=${archs[*]}")
elif [ "${1:-}" = --compile ]; then
  echo -Dgpu_archs=90
else
  echo -Dcuda=disabled
fi
