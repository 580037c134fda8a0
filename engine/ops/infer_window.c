/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_window.c - shapes of convolutions, pooling, resizing and the moves
 * between depth and space.
 */
#include "infer_util.h"

/* Checks a window against the spatial dimensions of x and their range. */
static gboolean
check_window (const DcnnWindow *w, const DcnnTensor *x, GError **error)
{
  if (x->rank < 3 || x->rank > 2 + DCNN_MAX_SPATIAL)
    return dcnn_infer_fail (error, "the input has rank %d; 1, 2 or 3 spatial "
        "dimensions (rank 3 to 5) are supported", x->rank);
  if (w->rank != x->rank - 2)
    return dcnn_infer_fail (error, "the window has %d dimensions, the input %d"
        " spatial ones", w->rank, x->rank - 2);
  for (int i = 0; i < w->rank; i++) {
    if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1
        || w->pad_begin[i] < 0 || w->pad_end[i] < 0
        || w->kernel[i] > DCNN_MAX_DIM || w->stride[i] > DCNN_MAX_DIM
        || w->dilation[i] > DCNN_MAX_DIM || w->pad_begin[i] > DCNN_MAX_DIM
        || w->pad_end[i] > DCNN_MAX_DIM)
      return dcnn_infer_fail (error, "kernel, strides, dilations and pads are "
          "out of range: %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %"
          G_GINT64_FORMAT ", %" G_GINT64_FORMAT "+%" G_GINT64_FORMAT,
          w->kernel[i], w->stride[i], w->dilation[i], w->pad_begin[i],
          w->pad_end[i]);
  }
  return TRUE;
}

/* Output size along window dimension i. */
static gboolean
window_size (const DcnnWindow *w, int i, gint64 in, gboolean ceil_mode,
    gint64 *out, GError **error)
{
  gint64 extent = (w->kernel[i] - 1) * w->dilation[i] + 1;
  gint64 room = in + w->pad_begin[i] + w->pad_end[i] - extent;
  if (room < 0)
    return dcnn_infer_fail (error, "a window of %" G_GINT64_FORMAT
        " does not fit into %" G_GINT64_FORMAT " elements with pads",
        extent, in + w->pad_begin[i] + w->pad_end[i]);
  *out = room / w->stride[i] + 1;
  if (ceil_mode && room % w->stride[i] != 0
      && *out * w->stride[i] < in + w->pad_begin[i])
    (*out)++; /* only windows that start inside the map or its first pad */
  return TRUE;
}

/* Channels and groups of a convolution; `out` per group is in weights. */
static gboolean
check_conv (const DcnnConvParams *p, const DcnnTensor *x, const DcnnTensor *w,
    const DcnnTensor *bias, gint64 channels_in_w, gint64 out_channels,
    GError **error)
{
  gint64 channels = x->dims[1];
  if (!dcnn_dtype_is_float (x->dtype))
    return dcnn_infer_fail (error, "the input is %s, needs float",
        dcnn_dtype_name (x->dtype));
  if (!dcnn_infer_same_type (w, x->dtype, "the weight", error))
    return FALSE;
  if (p->groups < 1 || channels % p->groups || out_channels % p->groups)
    return dcnn_infer_fail (error, "%" G_GINT64_FORMAT " groups do not divide %"
        G_GINT64_FORMAT " input and %" G_GINT64_FORMAT " output channels",
        p->groups, channels, out_channels);
  if (channels_in_w != channels)
    return dcnn_infer_fail (error, "the weight is for %" G_GINT64_FORMAT
        " input channels, the input has %" G_GINT64_FORMAT, channels_in_w,
        channels);
  for (int i = 0; i < p->window.rank; i++)
    if (p->window.kernel[i] != w->dims[2 + i])
      return dcnn_infer_fail (error, "kernel_shape and the weight's shape "
          "differ: %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
          p->window.kernel[i], w->dims[2 + i]);
  return !bias || dcnn_infer_vector (bias, x, out_channels, "the bias", error);
}

DCNN_INFER (conv)
{
  const DcnnTensor *x = inputs[0], *w = n_inputs > 1 ? inputs[1] : NULL;
  const DcnnWindow *window = &params->conv.window;
  DcnnTensor *out = &outputs[0];
  gint64 per_group;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 3, n_outputs, 1, error)
      || !check_window (window, x, error))
    return FALSE;
  if (w->rank != x->rank)
    return dcnn_infer_fail (error, "the weight has rank %d, the input %d",
        w->rank, x->rank);
  /* a number of groups out of range is named by check_conv */
  per_group = params->conv.groups < 1 || params->conv.groups > DCNN_MAX_DIM
      ? -1 : w->dims[1] * params->conv.groups;
  if (!check_conv (&params->conv, x, w, n_inputs > 2 ? inputs[2] : NULL,
          per_group, w->dims[0], error))
    return FALSE;
  out->dtype = x->dtype;
  out->rank = x->rank;
  out->dims[0] = x->dims[0];
  out->dims[1] = w->dims[0];
  for (int i = 0; i < window->rank; i++)
    if (!window_size (window, i, x->dims[2 + i], FALSE, &out->dims[2 + i],
            error))
      return FALSE;
  return TRUE;
}

DCNN_INFER (conv_transpose)
{
  const DcnnTensor *x = inputs[0], *w = n_inputs > 1 ? inputs[1] : NULL;
  const DcnnConvParams *p = &params->conv;
  DcnnTensor *out = &outputs[0];
  gint64 channels;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 3, n_outputs, 1, error)
      || !check_window (&p->window, x, error))
    return FALSE;
  if (w->rank != x->rank)
    return dcnn_infer_fail (error, "the weight has rank %d, the input %d",
        w->rank, x->rank);
  channels = p->groups < 1 || p->groups > DCNN_MAX_DIM ? 0
      : w->dims[1] * p->groups;
  if (!check_conv (p, x, w, n_inputs > 2 ? inputs[2] : NULL, w->dims[0],
          channels, error))
    return FALSE;
  out->dtype = x->dtype;
  out->rank = x->rank;
  out->dims[0] = x->dims[0];
  out->dims[1] = channels;
  for (int i = 0; i < p->window.rank; i++) {
    gint64 size = (x->dims[2 + i] - 1) * p->window.stride[i]
        + (p->window.kernel[i] - 1) * p->window.dilation[i] + 1
        - p->window.pad_begin[i] - p->window.pad_end[i];
    if (p->output_padding[i] < 0 || p->output_padding[i] > DCNN_MAX_DIM
        || size + p->output_padding[i] < 1)
      return dcnn_infer_fail (error, "pads and output_padding leave no output:"
          " size %" G_GINT64_FORMAT " + %" G_GINT64_FORMAT, size,
          p->output_padding[i]);
    out->dims[2 + i] = size + p->output_padding[i];
  }
  return TRUE;
}

DCNN_INFER (pool)
{
  const DcnnTensor *x = inputs[0];
  const DcnnPoolParams *p = &params->pool;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs,
          op == DCNN_OP_MAX_POOL ? 2 : 1, error)
      || !check_window (&p->window, x, error))
    return FALSE;
  for (int k = 0; k < n_outputs; k++) {
    outputs[k].dtype = k ? DCNN_DTYPE_I64 : x->dtype;
    outputs[k].rank = x->rank;
    outputs[k].dims[0] = x->dims[0];
    outputs[k].dims[1] = x->dims[1];
    for (int i = 0; i < p->window.rank; i++) {
      gint64 *size = &outputs[k].dims[2 + i];
      if (!window_size (&p->window, i, x->dims[2 + i], p->ceil_mode, size,
              error))
        return FALSE;
      /* a pad as wide as the window would make outputs of nothing */
      if (p->window.pad_begin[i] > (p->window.kernel[i] - 1)
          * p->window.dilation[i])
        return dcnn_infer_fail (error, "a pad of %" G_GINT64_FORMAT
            " is wider than the window", p->window.pad_begin[i]);
    }
  }
  return TRUE;
}

DCNN_INFER (global_pool)
{
  const DcnnTensor *x = inputs[0];
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  if (x->rank < 3)
    return dcnn_infer_fail (error, "the input has rank %d, needs at least 3",
        x->rank);
  dcnn_infer_copy_shape (x, &outputs[0]);
  outputs[0].dtype = x->dtype;
  for (int i = 2; i < x->rank; i++)
    outputs[0].dims[i] = 1;
  return TRUE;
}

static gboolean
depth_space (const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs, DcnnTensor *out,
    gboolean to_space, GError **error)
{
  const DcnnTensor *x = inputs[0];
  gint64 block = params->depth.block;
  gboolean fits;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  if (x->rank != 4 || block < 1 || block > 4096)
    return dcnn_infer_fail (error, "needs rank 4 and a block size of 1 to 4096,"
        " has rank %d and %" G_GINT64_FORMAT, x->rank, block);
  fits = to_space ? x->dims[1] % (block * block) == 0
      : x->dims[2] % block == 0 && x->dims[3] % block == 0;
  if (!fits)
    return dcnn_infer_fail (error, "a block size of %" G_GINT64_FORMAT
        " does not divide the input", block);
  out->dtype = x->dtype;
  out->rank = 4;
  out->dims[0] = x->dims[0];
  out->dims[1] = to_space ? x->dims[1] / (block * block)
      : x->dims[1] * block * block;
  for (int i = 2; i < 4; i++)
    out->dims[i] = to_space ? x->dims[i] * block : x->dims[i] / block;
  return TRUE;
}

DCNN_INFER (depth_to_space)
{
  return depth_space (params, n_inputs, inputs, n_outputs, outputs, TRUE,
      error);
}

DCNN_INFER (space_to_depth)
{
  return depth_space (params, n_inputs, inputs, n_outputs, outputs, FALSE,
      error);
}

/* The output's shape comes from the caller. */
DCNN_INFER (resize)
{
  const DcnnTensor *x = inputs[0];
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].dtype = x->dtype;
  if (outputs[0].rank != x->rank)
    return dcnn_infer_fail (error, "scales or sizes are for rank %d, the input"
        " has %d", outputs[0].rank, x->rank);
  for (int i = 0; i < x->rank; i++) {
    double scale = params->resize.scale[i];
    if (!(scale > 0) || scale > (double) DCNN_MAX_DIM)
      return dcnn_infer_fail (error, "scale %g is out of range", scale);
    if (x->dims[i] < 1 || outputs[0].dims[i] < 1)
      return dcnn_infer_fail (error, "dimension %d goes from %" G_GINT64_FORMAT
          " to %" G_GINT64_FORMAT " elements", i, x->dims[i],
          outputs[0].dims[i]);
  }
  return TRUE;
}

DCNN_INFER (grid_sample)
{
  const DcnnTensor *x = inputs[0], *grid = n_inputs > 1 ? inputs[1] : NULL;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error))
    return FALSE;
  if (x->rank != 4 || grid->rank != 4 || grid->dims[3] != 2 ||
      grid->dims[0] != x->dims[0])
    return dcnn_infer_fail (error, "it needs a map of rank 4 and as many grids "
        "[height, width, 2]");
  if (x->dtype != DCNN_DTYPE_F32 || grid->dtype != DCNN_DTYPE_F32)
    return dcnn_infer_fail (error, "only float32 is supported");
  if (x->dims[2] < 1 || x->dims[3] < 1)
    return dcnn_infer_fail (error, "a map without pixels");
  outputs[0] = (DcnnTensor) { .dtype = x->dtype, .rank = 4, .dims = {
      x->dims[0], x->dims[1], grid->dims[1], grid->dims[2] } };
  return TRUE;
}
