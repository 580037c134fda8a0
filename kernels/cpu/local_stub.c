/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_stub.c - stands in for primary operators that are not written yet:
 * they compute nothing. Each goes away when its kernel arrives.
 */
#include "cpu_table.h"

#define DCNN_STUB(f)                                                           \
  DcnnKernelFnType DCNN_FN (dcnn_k_##f);                                       \
  DcnnScratchFnType DCNN_FN (dcnn_k_##f##_scratch);                            \
  void DCNN_FN (dcnn_k_##f) (const DcnnJob *job, size_t begin, size_t end,     \
      void *scratch)                                                           \
  {                                                                            \
    (void) job;                                                                \
    (void) begin;                                                              \
    (void) end;                                                                \
    (void) scratch;                                                            \
  }                                                                            \
  size_t DCNN_FN (dcnn_k_##f##_scratch) (const DcnnJob *job)                   \
  {                                                                            \
    (void) job;                                                                \
    return 0;                                                                  \
  }

DCNN_STUB (max_pool)
DCNN_STUB (average_pool)
DCNN_STUB (copy)
DCNN_STUB (resample)
DCNN_STUB (resize)
DCNN_STUB (space_to_depth)
DCNN_STUB (depth_to_space)
DCNN_STUB (softmax)
DCNN_STUB (arg_max)
DCNN_STUB (channel_reduce)
DCNN_STUB (layer_norm)

DcnnBlockReduceFnType DCNN_FN (dcnn_k_block_reduce);
void
DCNN_FN (dcnn_k_block_reduce) (const DcnnMap *map, bool maximum,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, float *sums)
{
  (void) map;
  (void) maximum;
  (void) blocks;
  (void) n;
  (void) blocks_x;
  (void) sums;
}
