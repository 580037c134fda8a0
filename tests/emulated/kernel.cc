/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kernel.cc - one of the GPU's kernels' files, compiled for the processor in
 * place of nvcc's object: EMULATED_... says which. Its kernels are found by the
 * addresses that they are launched by (runtime.cc).
 */
#include "instructions.h"
#include "kernels.h"

#if defined (EMULATED_INPUT)
#include "cuda/dcnn_cuda_input.cu"
static const EmulatedKernel kernels[] = { stage_convert, stage_source,
  stage_sample, stage_store };
#elif defined (EMULATED_LIST)
#include "cuda/dcnn_cuda_list.cu"
static const EmulatedKernel kernels[] = { lists_kernel, count_kernel,
  dense_lists_kernel, take_kernel };
#elif defined (EMULATED_LONG)
#include "cuda/dcnn_cuda_long.cu"
static const EmulatedKernel kernels[] = {
  long_kernel<__half, 64, 64, false>, long_kernel<__half, 64, 128, false>,
  long_kernel<__half, 32, 64, false>, long_kernel<__half, 32, 128, false>,
  long_kernel<__half, 64, 64, true>, long_kernel<__half, 64, 128, true>,
  long_kernel<__half, 32, 64, true>, long_kernel<__half, 32, 128, true>,
  long_kernel<__nv_bfloat16, 64, 64, false>,
  long_kernel<__nv_bfloat16, 64, 128, false>,
  long_kernel<__nv_bfloat16, 32, 64, false>,
  long_kernel<__nv_bfloat16, 32, 128, false>,
  long_kernel<__nv_bfloat16, 64, 64, true>,
  long_kernel<__nv_bfloat16, 64, 128, true>,
  long_kernel<__nv_bfloat16, 32, 64, true>,
  long_kernel<__nv_bfloat16, 32, 128, true> };
#elif defined (EMULATED_LOOK)
#include "cuda/dcnn_cuda_look.cu"
static const EmulatedKernel kernels[] = { look_kernel };
#elif defined (EMULATED_CONV)
#include "cuda/dcnn_cuda_conv.cu"
static const EmulatedKernel kernels[] = {
  conv_kernel<__half, 32, SMALL_POOL, true>,
  conv_kernel<__half, 64, SMALL_POOL, true>,
  conv_kernel<__half, 32, SMALL_POOL, false>,
  conv_kernel<__half, 64, SMALL_POOL, false>,
  conv_kernel<__half, 32, LARGE_POOL, false>,
  conv_kernel<__half, 64, LARGE_POOL, false>,
  conv_kernel<__nv_bfloat16, 32, SMALL_POOL, true>,
  conv_kernel<__nv_bfloat16, 64, SMALL_POOL, true>,
  conv_kernel<__nv_bfloat16, 32, SMALL_POOL, false>,
  conv_kernel<__nv_bfloat16, 64, SMALL_POOL, false>,
  conv_kernel<__nv_bfloat16, 32, LARGE_POOL, false>,
  conv_kernel<__nv_bfloat16, 64, LARGE_POOL, false> };
#elif defined (EMULATED_FLOATS)
#include "cuda/dcnn_cuda_floats.cu"
static const EmulatedKernel kernels[] = { floats_kernel<false>,
  floats_kernel<true> };
#elif defined (EMULATED_ROWS)
#include "cuda/dcnn_cuda_rows.cu"
static const EmulatedKernel kernels[] = {
  rows_kernel<__half, DEPTHWISE>, rows_kernel<__half, POOL>,
  rows_kernel<__half, RESIZE>, rows_kernel<__half, COPY>,
  rows_kernel<__half, GROUPED>, rows_kernel<__half, CHANNELS>,
  rows_kernel<__nv_bfloat16, DEPTHWISE>, rows_kernel<__nv_bfloat16, POOL>,
  rows_kernel<__nv_bfloat16, RESIZE>, rows_kernel<__nv_bfloat16, COPY>,
  rows_kernel<__nv_bfloat16, GROUPED>, rows_kernel<__nv_bfloat16, CHANNELS>,
  input_kernel };
#elif defined (EMULATED_DENSE_FEW)
#include "cuda/dcnn_cuda_dense_few.cu"
static const EmulatedKernel kernels[] = { few_kernel<__half, 32>,
  few_kernel<__half, 64>, few_kernel<__nv_bfloat16, 32>,
  few_kernel<__nv_bfloat16, 64> };
#elif defined (EMULATED_DENSE_ROWS)
#include "cuda/dcnn_cuda_dense_rows.cu"
static const EmulatedKernel kernels[] = {
  dense_rows_kernel<__half, DEPTHWISE>, dense_rows_kernel<__half, POOL>,
  dense_rows_kernel<__half, RESIZE>, dense_rows_kernel<__half, COPY>,
  dense_rows_kernel<__half, GROUPED>, dense_rows_kernel<__half, CHANNELS>,
  dense_rows_kernel<__nv_bfloat16, DEPTHWISE>,
  dense_rows_kernel<__nv_bfloat16, POOL>,
  dense_rows_kernel<__nv_bfloat16, RESIZE>,
  dense_rows_kernel<__nv_bfloat16, COPY>,
  dense_rows_kernel<__nv_bfloat16, GROUPED>,
  dense_rows_kernel<__nv_bfloat16, CHANNELS>,
  dense_depthwise_kernel<__half, 1>, dense_depthwise_kernel<__half, 2>,
  dense_depthwise_kernel<__nv_bfloat16, 1>,
  dense_depthwise_kernel<__nv_bfloat16, 2> };
#elif defined (EMULATED_SLIM)
#include "cuda/dcnn_cuda_slim.cu"
static const EmulatedKernel kernels[] = { slim_kernel<__half, 1>,
  slim_kernel<__half, 2>, slim_kernel<__half, 3>, slim_kernel<__half, 4>,
  slim_kernel<__nv_bfloat16, 1>, slim_kernel<__nv_bfloat16, 2>,
  slim_kernel<__nv_bfloat16, 3>, slim_kernel<__nv_bfloat16, 4> };
#elif defined (EMULATED_SQUARES)
#include "cuda/dcnn_cuda_squares.cu"
#define WAYS(T, BN, KB, NORM)                                                  \
  squares_kernel<T, BN, KB, false, PASSES, NORM>,                              \
  squares_kernel<T, BN, KB, false, JUDGES, NORM>,                              \
  squares_kernel<T, BN, KB, true, PASSES, NORM>,                               \
  squares_kernel<T, BN, KB, true, JUDGES, NORM>
#define SIZES(T)                                                               \
  WAYS (T, 32, 32, false), WAYS (T, 32, 64, false), WAYS (T, 64, 32, false),   \
  WAYS (T, 64, 64, false), WAYS (T, 128, 32, false), WAYS (T, 128, 64, false), \
  WAYS (T, 64, 64, true), WAYS (T, 128, 64, true),                             \
  squares_kernel<T, 128, 32, true, MANY, false>,                               \
  squares_kernel<T, 128, 64, true, MANY, false>,                               \
  squares_kernel<T, 128, 64, true, MANY, true>
static const EmulatedKernel kernels[] = { SIZES (__half), SIZES (__nv_bfloat16) };
#elif defined (EMULATED_WHOLE)
#include "cuda/dcnn_cuda_whole.cu"
static const EmulatedKernel kernels[] = { pool_kernel, global_kernel,
  gather_kernel };
#elif defined (EMULATED_BESIDE)
#include "cuda/dcnn_cuda_beside.cu"
static const EmulatedKernel kernels[] = {
  beside_kernel<32, SMALL_POOL, true>, beside_kernel<64, SMALL_POOL, true>,
  beside_kernel<32, SMALL_POOL, false>, beside_kernel<64, SMALL_POOL, false>,
  beside_kernel<32, LARGE_POOL, false>, beside_kernel<64, LARGE_POOL, false> };
#elif defined (EMULATED_DENSE)
#include "cuda/dcnn_cuda_dense.cu"
#define WAYS(T, BN, KB, NORM)                                                  \
  dense_kernel<T, BN, KB, ONE, NORM>, dense_kernel<T, BN, KB, IN_TURN, NORM>,  \
  dense_kernel<T, BN, KB, TOGETHER, NORM>
#define SIZES(T)                                                               \
  WAYS (T, 32, 32, false), WAYS (T, 32, 64, false), WAYS (T, 64, 32, false),   \
  WAYS (T, 64, 64, false), WAYS (T, 128, 32, false), WAYS (T, 128, 64, false), \
  WAYS (T, 64, 64, true), WAYS (T, 128, 64, true)
static const EmulatedKernel kernels[] = { SIZES (__half), SIZES (__nv_bfloat16) };
#elif defined (EMULATED_SHIFT)
#include "cuda/dcnn_cuda_shift.cu"
static const EmulatedKernel kernels[] = { shift_kernel };
#endif

static const bool taken = [] {
  for (const EmulatedKernel &k : kernels)
    emulated_kernels ()[k.address] = k.bind;
  return true;
} ();
