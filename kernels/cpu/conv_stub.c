/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_stub.c - as local_stub.c, for the convolutions. */
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
DCNN_STUB (conv)
DCNN_STUB (group_conv)
DCNN_STUB (depthwise)
DCNN_STUB (conv_transpose)
