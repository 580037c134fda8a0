/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_util.h - what shape functions share: failing, copying shapes,
 * broadcasting. Thread-safe.
 */
#ifndef DCNN_INFER_UTIL_H
#define DCNN_INFER_UTIL_H

#include "infer.h"

/* The head of every shape function. */
#define DCNN_INFER(name)                                                       \
  gboolean                                                                     \
  dcnn_infer_##name (DcnnOp op, DcnnParams *params, int n_inputs,              \
      const DcnnTensor *const *inputs, int n_outputs, DcnnTensor *outputs,     \
      GError **error)

/* Sets error (DCNN_ERROR_INVALID) and returns FALSE. */
gboolean dcnn_infer_fail (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Checks that there are min .. max inputs, the first `required` of them not
 * absent, and at most max_outputs outputs. */
gboolean dcnn_infer_count (int n_inputs, const DcnnTensor *const *inputs,
    int required, int max_inputs, int n_outputs, int max_outputs,
    GError **error);

gboolean dcnn_dtype_is_float (DcnnDtype dtype);
gboolean dcnn_dtype_is_index (DcnnDtype dtype); /* int32, int64 */

/* Checks that an operand is of the given type. what names the operand. */
gboolean dcnn_infer_same_type (const DcnnTensor *a, DcnnDtype dtype,
    const char *what, GError **error);

/* Checks for a vector of n elements of x's float type. */
gboolean dcnn_infer_vector (const DcnnTensor *vector, const DcnnTensor *x,
    gint64 n, const char *what, GError **error);

/* Gives out the shape of in. */
void dcnn_infer_copy_shape (const DcnnTensor *in, DcnnTensor *out);

/* Broadcasts out's shape with in's; a first call needs rank 0. */
gboolean dcnn_infer_broadcast (const DcnnTensor *in, DcnnTensor *out,
    GError **error);

/* Whether small broadcasts to large without changing it. */
gboolean dcnn_infer_broadcasts_to (const DcnnTensor *small,
    const DcnnTensor *large);

/* Checks constant indices: -n <= index < n; none may be there when n is 0. */
gboolean dcnn_infer_indices (const DcnnTensor *indices, gint64 n,
    GError **error);

#endif
