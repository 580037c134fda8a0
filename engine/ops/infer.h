/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer.h - shape functions: one per family of operators, named in ops.def.
 *
 * A shape function checks operands and parameters against each other and says
 * what the outputs are. It reads constants' data where a shape depends on it
 * and writes nothing but its arguments. Every product and sum is checked for
 * overflow: shapes come from hostile files.
 */
#ifndef DCNN_INFER_H
#define DCNN_INFER_H

#include "../dcnn_graph.h"

/* inputs[i]: header and, for constants, data of input i; NULL: absent.
 * params: may be completed (for instance Split's sizes).
 * outputs[0 .. n_outputs-1]: to fill (dtype, rank, dims). On entry they hold
 * the caller's out_shape where one was given, else dtype NONE.
 * Returns FALSE with error set; the message says what is wrong and what would
 * do, without the node's name (the caller prefixes it). */
typedef gboolean (*DcnnInferFn) (DcnnOp op, DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs, DcnnTensor *outputs,
    GError **error);

#define DCNN_OP(ENUM, name, infer, ref, lowering)                              \
  gboolean dcnn_infer_##infer (DcnnOp op, DcnnParams *params, int n_inputs,    \
      const DcnnTensor *const *inputs, int n_outputs, DcnnTensor *outputs,     \
      GError **error);
#include "ops.def"
#undef DCNN_OP

#endif
