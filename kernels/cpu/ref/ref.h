/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref.h - the dense reference of every operator: plain loops over plain
 * tensors, the specification that faster kernels are tested against, also
 * what folds constants and runs dense tails.
 *
 * Contract: reads inputs (NULL: absent), writes every element of outputs
 * (NULL: unused) and nothing else; shapes and types were checked by the shape
 * functions, so there is no way to fail. Sums accumulate in double where the
 * element is a float. Thread-safe. A kernel knows its op from its own name.
 */
#ifndef DCNN_REF_H
#define DCNN_REF_H

#include "../../dcnn_params.h"

typedef void (*DcnnRefFn) (const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs,
    DcnnTensor *const *outputs);

/* The head of every reference operator. */
#define DCNN_REF(name)                                                         \
  void                                                                         \
  dcnn_ref_##name (const DcnnParams *params, int n_inputs,                     \
      const DcnnTensor *const *inputs, int n_outputs,                          \
      DcnnTensor *const *outputs)

#define DCNN_OP(ENUM, name, infer, ref, lowering) DCNN_REF (ref);
#include "../../ops.def"
#undef DCNN_OP

#endif
