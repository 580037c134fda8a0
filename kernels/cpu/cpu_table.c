/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_table.c - the table of one instruction set level, compiled once for
 * each. Every primary operator brings dcnn_k_<suffix> and
 * dcnn_k_<suffix>_scratch under the level's names (isa.h); a missing one is a
 * link error.
 */
#include "cpu_table.h"

#define DCNN_X(e, f, n)                                                        \
  DcnnKernelFnType DCNN_FN (dcnn_k_##f);                                       \
  DcnnScratchFnType DCNN_FN (dcnn_k_##f##_scratch);
DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
DcnnKernelFnType DCNN_FN (dcnn_k_bytes);
DcnnScratchFnType DCNN_FN (dcnn_k_bytes_scratch);
DcnnBlockReduceFnType DCNN_FN (dcnn_k_block_reduce);
DcnnBlockMomentsFnType DCNN_FN (dcnn_k_block_moments);
DcnnMatmulFnType DCNN_FN (dcnn_k_matmul);
DcnnTensorConvFnType DCNN_FN (dcnn_k_tensor_conv);
DcnnGridFnType DCNN_FN (dcnn_k_grid);
DcnnRecurrentFnType DCNN_FN (dcnn_k_recurrent);
DcnnSoftmaxRowFnType DCNN_FN (dcnn_k_softmax_row);
DcnnSoftmaxLinesFnType DCNN_FN (dcnn_k_softmax_lines);
DcnnLayerNormRowFnType DCNN_FN (dcnn_k_layer_norm_row);
DcnnStepRowFnType DCNN_FN (dcnn_k_step_row);

static size_t
scratch_bytes (const DcnnJob *job)
{
  if (dcnn_job_on_bytes (job))
    return DCNN_FN (dcnn_k_bytes_scratch) (job);
  switch (job->primary) {
#define DCNN_X(e, f, n)                                                        \
    case DCNN_PRIMARY_##e:                                                     \
      return DCNN_FN (dcnn_k_##f##_scratch) (job);
    DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
    case DCNN_PRIMARY_COUNT:
      break;
  }
  return 0;
}

const DcnnCpuKernels DCNN_FN (dcnn_cpu_table) = {
  .isa = DCNN_ISA_NAME,
  .run = {
#define DCNN_X(e, f, n) [DCNN_PRIMARY_##e] = DCNN_FN (dcnn_k_##f),
    DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
  },
  .run_bytes = DCNN_FN (dcnn_k_bytes),
  .block_reduce = DCNN_FN (dcnn_k_block_reduce),
  .block_moments = DCNN_FN (dcnn_k_block_moments),
  .matmul = DCNN_FN (dcnn_k_matmul),
  .tensor_conv = DCNN_FN (dcnn_k_tensor_conv),
  .grid = DCNN_FN (dcnn_k_grid),
  .recurrent = DCNN_FN (dcnn_k_recurrent),
  .softmax_row = DCNN_FN (dcnn_k_softmax_row),
  .softmax_lines = DCNN_FN (dcnn_k_softmax_lines),
  .layer_norm_row = DCNN_FN (dcnn_k_layer_norm_row),
  .step_row = DCNN_FN (dcnn_k_step_row),
  .scratch_bytes = scratch_bytes,
};
