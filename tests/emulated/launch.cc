/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * launch.cc - how every kernel is launched, compiled for the processor: the
 * source itself, on runtime.cc.
 */
#include "threads.h"

#include "cuda/dcnn_cuda_launch.cu"
