/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_move.c - operators that move data: they copy elements, whatever the
 * type, and compute nothing. Each reads its inputs and writes every element
 * of its outputs.
 */
#include "ref.h"
#include "ref_util.h"

DCNN_REF (identity)
{
  if (outputs[0])
    memcpy (outputs[0]->data, inputs[0]->data,
        (size_t) dcnn_tensor_count (outputs[0])
        * dcnn_dtype_bytes (outputs[0]->dtype));
}

/* The elements in order, in another shape. */
DCNN_REF (reshape)
{
  dcnn_ref_identity (params, n_inputs, inputs, n_outputs, outputs);
}

/* Floats to integers truncate; to bool: not 0. */
DCNN_REF (cast)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  if (!out)
    return;
  for (int64_t i = 0, n = dcnn_tensor_count (out); i < n; i++) {
    if (ref_is_float (in->dtype) || ref_is_float (out->dtype))
      dcnn_ref_set (out, i, dcnn_ref_get (in, i));
    else
      dcnn_ref_set_int (out, i, dcnn_ref_get_int (in, i));
  }
}

/* The blocks of one axis: rows of `inner` bytes each, `outer` of them. */
static void
copy_blocks (int64_t outer, char *dst, size_t dst_step, const char *src,
    size_t src_step, size_t bytes)
{
  for (int64_t i = 0; i < outer; i++)
    memcpy (dst + (size_t) i * dst_step, src + (size_t) i * src_step, bytes);
}

DCNN_REF (concat)
{
  const DcnnTensor *out = outputs[0];
  int axis = (int) params->axis.axis;
  size_t unit, step, offset = 0;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  unit = dcnn_dtype_bytes (out->dtype)
      * (size_t) ref_product (out, axis + 1, out->rank);
  step = unit * (size_t) out->dims[axis];
  for (int k = 0; k < n_inputs; k++) {
    size_t bytes = unit * (size_t) inputs[k]->dims[axis];
    copy_blocks (ref_product (out, 0, axis), (char *) out->data + offset, step,
        inputs[k]->data, bytes, bytes);
    offset += bytes;
  }
}

/* Sizes along the axis are those of the outputs; an unused output's share is
 * what is left, so at most one output may be unused here: infer gives every
 * output a value. */
DCNN_REF (split)
{
  const DcnnTensor *in = inputs[0];
  int axis = (int) params->axis.axis;
  size_t unit = dcnn_dtype_bytes (in->dtype)
      * (size_t) ref_product (in, axis + 1, in->rank);
  size_t step = unit * (size_t) in->dims[axis], offset = 0;
  for (int k = 0; k < n_outputs; k++) {
    size_t bytes = unit * (size_t) outputs[k]->dims[axis];
    copy_blocks (ref_product (in, 0, axis), outputs[k]->data, bytes,
        (const char *) in->data + offset, step, bytes);
    offset += bytes;
  }
}

DCNN_REF (slice)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  const DcnnSliceParams *p = &params->slice;
  int64_t from[DCNN_MAX_RANK], to[DCNN_MAX_RANK], offset = 0;
  size_t bytes;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  bytes = dcnn_dtype_bytes (out->dtype);
  ref_strides (in, from);
  ref_strides (out, to);
  for (int i = 0; i < in->rank; i++) {
    offset += p->start[i] * from[i];
    /* one element takes no step, whose product might not fit */
    from[i] = out->dims[i] == 1 ? 0 : from[i] * p->step[i];
  }
  dcnn_ref_copy_strided (bytes, out->rank, out->dims,
      (const char *) in->data + offset * (int64_t) bytes, from, out->data, to);
}

/* Where element i of a padded line of n comes from; -1: the constant. */
static int64_t
pad_source (DcnnPadMode mode, int64_t i, int64_t n)
{
  if (i >= 0 && i < n)
    return i;
  if (mode == DCNN_PAD_EDGE)
    return i < 0 ? 0 : n - 1;
  if (mode == DCNN_PAD_REFLECT)
    return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode == DCNN_PAD_WRAP)
    return (i % n + n) % n;
  return -1;
}

DCNN_REF (pad)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  const DcnnPadParams *p = &params->pad;
  int64_t strides[DCNN_MAX_RANK], index[DCNN_MAX_RANK] = { 0 }, at = 0;
  size_t bytes;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  bytes = dcnn_dtype_bytes (out->dtype);
  ref_strides (in, strides);
  do {
    int64_t from = 0;
    for (int i = 0; i < out->rank && from >= 0; i++) {
      int64_t source = pad_source (p->mode, index[i] - p->begin[i],
          in->dims[i]);
      from = source < 0 ? -1 : from + source * strides[i];
    }
    if (from < 0)
      dcnn_ref_set (out, at, p->value);
    else
      memcpy ((char *) out->data + at * (int64_t) bytes,
          (const char *) in->data + from * (int64_t) bytes, bytes);
    at++;
  } while (ref_next (out->rank, out->dims, index));
}

DCNN_REF (transpose)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  int64_t strides[DCNN_MAX_RANK], from[DCNN_MAX_RANK], to[DCNN_MAX_RANK];
  if (!out)
    return;
  ref_strides (in, strides);
  ref_strides (out, to);
  for (int i = 0; i < out->rank; i++)
    from[i] = strides[params->transpose.perm[i]];
  dcnn_ref_copy_strided (dcnn_dtype_bytes (out->dtype), out->rank, out->dims,
      in->data, from, out->data, to);
}

DCNN_REF (expand)
{
  if (outputs[0])
    dcnn_ref_broadcast (inputs[0], outputs[0]);
}

/* Each dimension as (repeats, size), the repeats read with stride 0. */
DCNN_REF (tile)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  int64_t dims[2 * DCNN_MAX_RANK], from[2 * DCNN_MAX_RANK];
  int64_t to[2 * DCNN_MAX_RANK], in_stride[DCNN_MAX_RANK];
  int64_t out_stride[DCNN_MAX_RANK];
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  ref_strides (in, in_stride);
  ref_strides (out, out_stride);
  for (int i = 0; i < out->rank; i++) {
    dims[2 * i] = out->dims[i] / in->dims[i];
    from[2 * i] = 0;
    to[2 * i] = out_stride[i] * in->dims[i];
    dims[2 * i + 1] = in->dims[i];
    from[2 * i + 1] = in_stride[i];
    to[2 * i + 1] = out_stride[i];
  }
  dcnn_ref_copy_strided (dcnn_dtype_bytes (out->dtype), 2 * out->rank, dims,
      in->data, from, out->data, to);
}

/* Both depth moves are a transposition of six dimensions of the map with the
 * channels in depth: (n, block, block, c, h, w) or, crd, (n, c, block, block,
 * h, w). deep is that map's view, wide the (n, c, h, block, w, block) one. */
static void
depth_move (const DcnnDepthParams *p, const DcnnTensor *wide,
    const DcnnTensor *deep, const void *src, void *dst, bool to_wide)
{
  int64_t b = p->block, c = wide->dims[1], h = deep->dims[2];
  int64_t w = deep->dims[3], plane = h * w;
  int64_t dims[6] = { wide->dims[0], c, h, b, w, b };
  int64_t wide_stride[6] = { c * h * b * w * b, h * b * w * b, b * w * b,
    w * b, b, 1 };
  int64_t channel = p->crd ? b * b * plane : plane;
  int64_t block_y = p->crd ? b * plane : b * c * plane;
  int64_t block_x = p->crd ? plane : c * plane;
  int64_t deep_stride[6] = { c * b * b * plane, channel, w, block_y, 1,
    block_x };
  dcnn_ref_copy_strided (dcnn_dtype_bytes (wide->dtype), 6, dims, src,
      to_wide ? deep_stride : wide_stride, dst,
      to_wide ? wide_stride : deep_stride);
}

DCNN_REF (depth_to_space)
{
  if (outputs[0])
    depth_move (&params->depth, outputs[0], inputs[0], inputs[0]->data,
        outputs[0]->data, true);
}

DCNN_REF (space_to_depth)
{
  if (outputs[0])
    depth_move (&params->depth, inputs[0], outputs[0], inputs[0]->data,
        outputs[0]->data, false);
}

/* Keeps the lower or upper triangle of each matrix, zeros elsewhere. */
DCNN_REF (trilu)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  int64_t rows, cols, n;
  size_t bytes;
  if (!out)
    return;
  rows = out->dims[out->rank - 2];
  cols = out->dims[out->rank - 1];
  n = dcnn_tensor_count (out);
  bytes = dcnn_dtype_bytes (out->dtype);
  for (int64_t i = 0; i < n; i++) {
    int64_t diagonal = i % cols - i / cols % rows;
    bool keep = params->trilu.upper ? diagonal >= params->trilu.k
        : diagonal <= params->trilu.k;
    char *to = (char *) out->data + i * (int64_t) bytes;
    if (keep)
      memcpy (to, (const char *) in->data + i * (int64_t) bytes, bytes);
    else
      memset (to, 0, bytes);
  }
}
