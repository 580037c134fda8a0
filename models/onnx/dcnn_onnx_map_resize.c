/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_resize.c - Upsample (opset 7 to 9) and Resize (10, 11, 13, 18,
 * 19): one scale and one size a dimension, whatever form they came in.
 */
#include "dcnn_onnx_node.h"

#include <math.h>

static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
/* Upsample of old exporters says "bilinear". */
static const char *const old_modes[] = { "nearest", "linear", "bilinear",
  NULL };
/* In the order of DcnnResizeCoord. */
static const char *const coords[] = { "half_pixel", "half_pixel_symmetric",
  "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn",
  "tf_crop_and_resize", NULL };
static const char *const nearests[] = { "round_prefer_floor",
  "round_prefer_ceil", "floor", "ceil", NULL };
static const char *const policies[] = { "stretch", "not_larger",
  "not_smaller", NULL };

/* Output size by a scale, in float32 as ONNX Runtime computes it. */
static gint64
scaled (gint64 in, double part, double scale)
{
  float size = (float) in * (float) part * (float) scale;
  return size >= 0 && size <= (float) DCNN_MAX_DIM ? (gint64) size : -1;
}

static void
set_scales (OnnxNode *node, DcnnResizeParams *p, const double *scales, int n,
    const int *axes, DcnnTensor *shape)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  for (int i = 0; i < n; i++) {
    int axis = axes[i];
    double part = p->coord == DCNN_COORD_TF_CROP_AND_RESIZE
        ? p->roi_end[axis] - p->roi_begin[axis] : 1;
    p->scale[axis] = scales[i];
    shape->dims[axis] = scaled (x->dims[axis], part, scales[i]);
    if (!(scales[i] > 0) || shape->dims[axis] < 1)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "scale %g of dimension %d is "
          "out of range", scales[i], axis);
  }
}

/* policy: 0 as given, 1 and 2 keep the aspect ratio within or around them. */
static void
set_sizes (OnnxNode *node, DcnnResizeParams *p, const gint64 *sizes, int n,
    const int *axes, int policy, DcnnTensor *shape)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  float common = policy == 1 ? INFINITY : 0;
  for (int i = 0; i < n; i++) {
    float scale = (float) sizes[i] / (float) x->dims[axes[i]];
    if (sizes[i] < 1 || sizes[i] > DCNN_MAX_DIM || x->dims[axes[i]] < 1) {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "size %" G_GINT64_FORMAT
          " of dimension %d is out of range", sizes[i], axes[i]);
      return;
    }
    common = policy == 1 ? MIN (common, scale) : MAX (common, scale);
    p->scale[axes[i]] = (double) scale;
    shape->dims[axes[i]] = sizes[i];
  }
  for (int i = 0; policy > 0 && i < n; i++) {
    float size = floorf (common * (float) x->dims[axes[i]] + 0.5f);
    p->scale[axes[i]] = (double) common;
    shape->dims[axes[i]] = size <= (float) DCNN_MAX_DIM ? (gint64) size : -1;
  }
}

/* The dimensions that scales, sizes and roi are for: their count, which is 0
 * after a failure. */
static int
read_axes (OnnxNode *node, int *axes)
{
  gint64 given[ONNX_MAX_NUMBERS];
  int rank = onnx_node_rank (node, 0);
  int n = onnx_node_ints (node, "axes", given);
  if (n >= 0)
    onnx_node_axes (node, n, given, rank);
  if (node->error)
    return 0;
  for (int i = 0; i < (n < 0 ? rank : n); i++)
    axes[i] = n < 0 ? i : (int) onnx_node_axis (node, given[i], rank);
  return n < 0 ? rank : n;
}

static void
read_roi (OnnxNode *node, DcnnResizeParams *p, int n, const int *axes)
{
  double roi[ONNX_MAX_NUMBERS];
  int have;
  for (int i = 0; i < onnx_node_rank (node, 0); i++) {
    p->roi_begin[i] = 0;
    p->roi_end[i] = 1;
  }
  if (p->coord != DCNN_COORD_TF_CROP_AND_RESIZE)
    return;
  have = onnx_node_input_floats (node, 1, roi);
  if (have != 2 * n) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "tf_crop_and_resize needs a roi "
        "of %d numbers", 2 * n);
    return;
  }
  for (int i = 0; i < n; i++) {
    if (!(fabs (roi[i]) < 1e6) || !(fabs (roi[n + i]) < 1e6))
      onnx_node_fail (node, DCNN_ERROR_INVALID, "the roi is out of range");
    p->roi_begin[axes[i]] = roi[i];
    p->roi_end[axes[i]] = roi[n + i];
  }
}

/* Opset 10 and before: asymmetric; ONNX Runtime, the only definition there is,
 * takes the floor when enlarging and the ceiling when shrinking. */
static void
set_old_rule (OnnxNode *node, DcnnResizeParams *p, int n, const double *scales)
{
  gboolean larger = FALSE, smaller = FALSE;
  for (int i = 0; i < n; i++) {
    larger |= scales[i] > 1;
    smaller |= scales[i] < 1;
  }
  if (larger && smaller && p->mode == DCNN_RESIZE_NEAREST)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "enlarging one dimension and "
        "shrinking another by nearest is not defined in opset %"
        G_GINT64_FORMAT ": export with opset 11 or later", node->opset);
  p->coord = DCNN_COORD_ASYMMETRIC;
  p->nearest = smaller ? DCNN_NEAREST_CEIL : DCNN_NEAREST_FLOOR;
}

static void
init (const DcnnTensor *x, DcnnParams *params, DcnnTensor *shape)
{
  *shape = *x;
  shape->data = NULL;
  for (int i = 0; i < x->rank; i++)
    params->resize.scale[i] = 1;
}

/* Upsample, and Resize of opset 10: scales only. */
static void
map_old (OnnxNode *node, const char *const *names, const double *scales, int n)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  DcnnParams params = { 0 };
  int axes[DCNN_MAX_RANK], mode;
  DcnnTensor shape;

  mode = onnx_node_choice (node, "mode", names, 0);
  if (!x || n != x->rank)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its scales are missing or not "
        "one a dimension");
  if (node->error)
    return;
  init (x, &params, &shape);
  params.resize.mode = mode == 0 ? DCNN_RESIZE_NEAREST : DCNN_RESIZE_LINEAR;
  set_old_rule (node, &params.resize, n, scales);
  for (int i = 0; i < n; i++) {
    axes[i] = i;
    params.resize.roi_end[i] = 1;
  }
  set_scales (node, &params.resize, scales, n, axes, &shape);
  onnx_node_emit (node, DCNN_OP_RESIZE, &params, 1, &shape);
}

/* Scales as an attribute before opset 9, then an input. */
void
onnx_map_upsample (OnnxNode *node)
{
  double scales[ONNX_MAX_NUMBERS];
  int n = onnx_node_floats (node, "scales", scales);
  if (n < 0)
    n = onnx_node_input_floats (node, 1, scales);
  map_old (node, old_modes, scales, n);
}

void
onnx_map_resize (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  double scales[ONNX_MAX_NUMBERS];
  gint64 sizes[ONNX_MAX_NUMBERS];
  int axes[DCNN_MAX_RANK], n_scales, n_sizes, n, policy;
  DcnnParams params = { 0 };
  DcnnResizeParams *p = &params.resize;
  DcnnTensor shape;

  if (node->opset < 11) {
    n = onnx_node_input_floats (node, 1, scales);
    map_old (node, modes, scales, n);
    return;
  }
  p->mode = (DcnnResizeMode) onnx_node_choice (node, "mode", modes, 0);
  p->coord = (DcnnResizeCoord) onnx_node_choice (node,
      "coordinate_transformation_mode", coords, 0);
  p->nearest = (DcnnResizeNearest) onnx_node_choice (node, "nearest_mode",
      nearests, 0);
  p->cubic_a = onnx_node_float (node, "cubic_coeff_a", -0.75);
  p->exclude_outside = onnx_node_int (node, "exclude_outside", 0) != 0;
  p->extrapolation = onnx_node_float (node, "extrapolation_value", 0);
  policy = onnx_node_choice (node, "keep_aspect_ratio_policy", policies, 0);
  n_scales = onnx_node_input_floats (node, 2, scales);
  n_sizes = onnx_node_input_ints (node, 3, sizes);
  n = read_axes (node, axes);
  read_roi (node, p, n, axes);
  if (!x || (n_sizes > 0 ? n_sizes : n_scales) != n)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its scales or sizes are missing "
        "or not one a dimension");
  if (node->error)
    return;
  init (x, &params, &shape);
  if (n_sizes > 0)
    set_sizes (node, p, sizes, n, axes, policy, &shape);
  else
    set_scales (node, p, scales, n, axes, &shape);
  if (onnx_node_int (node, "antialias", 0) != 0
      && p->mode != DCNN_RESIZE_NEAREST)
    onnx_map_antialiased (node, &params, &shape);
  else
    onnx_node_emit (node, DCNN_OP_RESIZE, &params, 1, &shape);
}

/* "bilinear" and "bicubic" before opset 20. */
void
onnx_map_grid_sample (OnnxNode *node)
{
  static const char *const grid_modes[] = { "linear", "nearest", "cubic",
    "bilinear", "bicubic", NULL };
  static const char *const paddings[] = { "zeros", "border", "reflection",
    NULL };
  const int mode = onnx_node_choice (node, "mode", grid_modes, 0);
  DcnnParams params = { .grid = {
      .mode = mode == 3 ? DCNN_GRID_LINEAR : mode == 4 ? DCNN_GRID_CUBIC
          : (DcnnGridMode) mode,
      .padding = (DcnnGridPadding) onnx_node_choice (node, "padding_mode",
          paddings, 0),
      .align_corners = onnx_node_int (node, "align_corners", 0) != 0 } };

  onnx_node_emit (node, DCNN_OP_GRID_SAMPLE, &params, 2, NULL);
}
