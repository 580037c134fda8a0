/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulated.h - a GPU on the processor: CUDA's runtime (runtime.cc) and the
 * project's kernels (kernel.cc), so that the engine's own backend "cuda" runs
 * without a GPU, bit for bit where numbers are whole. A program that links both
 * before the engine has them instead of the real ones.
 *
 * What was asked for of a stream is not done before somebody waits: what the
 * host changes too early in pinned memory, or reads too early, shows.
 */
#ifndef DCNN_EMULATED_H
#define DCNN_EMULATED_H

#include <functional>

#include <cuda_runtime_api.h>

/* Does it when its turn has come; while a graph is captured, when that is
 * launched: then in any order that the graph's edges allow, another one each
 * time. */
void emulated_submit (cudaStream_t stream, std::function<void ()> work);

#endif
