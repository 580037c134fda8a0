/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_test.h - one random case of a primary that is no convolution, and the
 * benchmark.
 */
#ifndef LOCAL_TEST_H
#define LOCAL_TEST_H

#include "check.h"

typedef struct LocalCase {
  DcnnPrimary primary;
  DcnnPrepared *prepared;
  GuardedMap in, out, residual;
  bool integer, relu, add;
  /* what the prepared operator was made from, as far as it applies */
  DcnnPoolParams pool;
  DcnnChannelReduce reduce;
  bool flag;  /* log form, select last, crd */
  uint32_t block, taps;
  float value;
  uint32_t *source, *index_y, *index_x;
  float *weight_y, *weight_x, *scale, *bias;
  DcnnStep steps[2];       /* of the job, once it is made */
} LocalCase;

/* Times every primary on common shapes, dense and sparse, on every level. */
int local_bench (void);

#endif
