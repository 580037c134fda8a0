/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_antialias.c - Resize with antialias: a filter as wide as what a
 * smaller pixel covers, one dimension after the other. By a whole number it is
 * a pad and a convolution, which run on changed pixels; else a product with a
 * matrix; what is enlarged is filtered as without antialias.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <math.h>

#include "dcnn_resize.h"
#include "ref_util.h"

/* One dimension of one operator. */
typedef struct Filter {
  const DcnnResizeParams *p;
  int axis;
  gint64 in, out;
  double shrink;    /* input pixels of one of the output; 1 or more */
  gint64 taps;      /* of every output pixel, those outside of the input too */
} Filter;

static double
filter_at (const DcnnResizeParams *p, double x)
{
  const double a = p->cubic_a;

  x = fabs (x);
  if (p->mode == DCNN_RESIZE_LINEAR)
    return x < 1 ? 1 - x : 0;
  return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1
      : x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

static void
filter_init (Filter *f, const DcnnResizeParams *p, int axis, gint64 in,
    gint64 out)
{
  f->p = p;
  f->axis = axis;
  f->in = in;
  f->out = out;
  f->shrink = 1 / p->scale[axis];
  f->taps = (gint64) ceil ((p->mode == DCNN_RESIZE_LINEAR ? 2 : 4) * f->shrink)
      + 1;
}

/* The weights of output pixel i, for input pixels from the returned one on. */
static gint64
filter_row (const Filter *f, gint64 i, double *weights)
{
  const double reach = (f->p->mode == DCNN_RESIZE_LINEAR ? 1 : 2) * f->shrink;
  const double centre = 0.5 + (double) dcnn_resize_coordinate (f->p, f->axis, i,
      f->in, f->out);
  const gint64 first = (gint64) floor (centre - reach + 0.5);
  const gint64 end = (gint64) floor (centre + reach + 0.5);
  double sum = 0;

  for (gint64 k = 0; k < f->taps; k++) {
    const gint64 at = first + k;
    weights[k] = at < end && !(f->p->exclude_outside && (at < 0 || at >= f->in))
        ? filter_at (f->p, ((double) at - centre + 0.5) / f->shrink) : 0;
    sum += weights[k];
  }
  for (gint64 k = 0; k < f->taps && sum != 0; k++)
    weights[k] /= sum;
  return first;
}

/* The filter as a convolution along its dimension: TRUE where every output
 * pixel has the weights of the first one, which are given, and the window of
 * the first begins at or before the input's first pixel. Leaves out taps of 0
 * at the end. */
static gboolean
filter_window (Filter *f, double *weights, gint64 *begin, gint64 *end,
    gint64 *stride)
{
  g_autofree double *row = g_new (double, (gsize) f->taps);
  const gint64 first = filter_row (f, 0, weights);
  gint64 places;

  while (f->taps > 1 && weights[f->taps - 1] == 0)
    f->taps--;
  *stride = (gint64) f->shrink;
  *begin = -first;
  *end = MAX (first + (f->out - 1) * *stride + f->taps - f->in, 0);
  places = (*begin + f->in + *end - f->taps) / *stride + 1;
  if (f->p->exclude_outside || (double) *stride != f->shrink || first > 0
      || places != f->out)
    return FALSE;
  for (gint64 i = 1; i < f->out; i++) {
    if (filter_row (f, i, row) != first + i * *stride)
      return FALSE;
    for (gint64 k = 0; k < f->taps; k++)
      if (fabs (row[k] - weights[k]) > 1e-6)
        return FALSE;
  }
  return TRUE;
}

static DcnnValueId
emit_window (OnnxNode *node, const Filter *f, DcnnValueId x,
    const double *weights, gint64 begin, gint64 end, gint64 stride)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  const int along = f->axis - 2;
  DcnnParams pad = { .pad = { .mode = DCNN_PAD_EDGE } };
  DcnnParams params = { .conv = { .groups = t.dims[1], .window = { .rank = 2,
        .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 } } } };
  DcnnTensor w = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { t.dims[1], 1, 1, 1 } };
  DcnnValueId pair[2];

  w.dims[f->axis] = f->taps;
  params.conv.window.kernel[along] = f->taps;
  params.conv.window.stride[along] = stride;
  pad.pad.begin[f->axis] = begin;
  pad.pad.end[f->axis] = end;
  if (!onnx_node_alloc (node, &w))
    return -1;
  for (gint64 i = 0, n = dcnn_tensor_count (&w); i < n; i++)
    dcnn_ref_set (&w, i, weights[i % f->taps]);
  pair[1] = onnx_whole_constant (node, &w);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_PAD, &pad, 1, &x, NULL);
  return onnx_node_emit_inner (node, DCNN_OP_CONV, &params, 2, pair, NULL);
}

/* x times a matrix [in, out], along the dimension, moved to the end and back. */
static DcnnValueId
emit_matrix (OnnxNode *node, const Filter *f, DcnnValueId x)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  DcnnTensor m = { .dtype = DCNN_DTYPE_F32, .rank = 2,
    .dims = { f->in, f->out } };
  g_autofree double *row = g_new (double, (gsize) f->taps);
  int perm[DCNN_MAX_RANK];

  for (int i = 0; i < t.rank; i++)
    perm[i] = i;
  perm[f->axis] = t.rank - 1;
  perm[t.rank - 1] = f->axis;
  if (!onnx_node_alloc (node, &m))
    return -1;
  for (gint64 i = 0; i < f->out; i++) {
    const gint64 first = filter_row (f, i, row);
    for (gint64 k = 0; k < f->taps; k++) {
      const gint64 at = CLAMP (first + k, 0, f->in - 1) * f->out + i;
      dcnn_ref_set (&m, at, dcnn_ref_get (&m, at) + row[k]);
    }
  }
  if (perm[f->axis] != f->axis)
    x = onnx_emit_transpose (node, x, t.rank, perm);
  x = onnx_whole_binary (node, DCNN_OP_MATMUL, x, onnx_whole_constant (node,
          &m));
  return perm[f->axis] != f->axis ? onnx_emit_transpose (node, x, t.rank, perm)
      : x;
}

/* x made smaller along one dimension. */
static DcnnValueId
emit_smaller (OnnxNode *node, const Filter *f, DcnnValueId x)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  g_autofree double *weights = NULL;
  Filter window = *f;
  gint64 begin, end, stride;

  if (node->error)
    return -1;
  if (f->taps > DCNN_MAX_DIM) {
    onnx_node_fail (node, DCNN_ERROR_LIMIT, "it makes its input smaller than "
        "a filter can be wide");
    return -1;
  }
  weights = g_new (double, (gsize) f->taps);
  return t.rank == 4 && f->axis >= 2
      && filter_window (&window, weights, &begin, &end, &stride)
      ? emit_window (node, &window, x, weights, begin, end, stride)
      : emit_matrix (node, f, x);
}

void
onnx_map_antialiased (OnnxNode *node, const DcnnParams *params,
    const DcnnTensor *shape)
{
  const DcnnResizeParams *p = &params->resize;
  DcnnValueId x = node->inputs[0];
  DcnnParams rest = *params;
  DcnnTensor larger = *shape;
  gboolean some = FALSE;
  Filter f;

  if (p->coord == DCNN_COORD_TF_CROP_AND_RESIZE)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "antialias of a region "
        "(tf_crop_and_resize) is not supported: use Slice, then Resize");
  for (int i = shape->rank - 1; i >= 0 && !node->error; i--) {
    const gint64 in = onnx_emit_shape_of (node, node->inputs[0]).dims[i];
    if (p->scale[i] < 1) {
      filter_init (&f, p, i, in, shape->dims[i]);
      x = emit_smaller (node, &f, x);
      rest.resize.scale[i] = 1;
    } else {
      some |= p->scale[i] > 1 || shape->dims[i] != in;
    }
  }
  if (some && !node->error)
    x = onnx_node_emit_inner (node, DCNN_OP_RESIZE, &rest, 1, &x, &larger);
  onnx_emit_output (node, 0, x);
}
