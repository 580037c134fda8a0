/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_sampled.c - operators that say where each pixel goes or comes
 * from, by others: deformable convolutions and grids of transforms, unpooling,
 * columns of windows, cuts around the centre.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include "ref_util.h"

/* ---- deformable convolution -------------------------------------------------- */

typedef struct Deform {
  OnnxNode *node;
  DcnnWindow window;
  gint64 groups;             /* of offsets */
  gint64 taps, height, width; /* of a kernel; of the output */
  DcnnTensor x, w;
} Deform;

/* Where each tap of each output pixel lies without its offset, [taps * height,
 * width, 2]: column and row as a grid's numbers, which are -1 and 1 at the
 * edges of the outer pixels. */
static DcnnValueId
places_of_taps (const Deform *d)
{
  const DcnnWindow *w = &d->window;
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 3,
    .dims = { d->taps * d->height, d->width, 2 } };
  gint64 at = 0;

  if (!onnx_node_alloc (d->node, &t))
    return -1;
  for (gint64 tap = 0; tap < d->taps; tap++)
    for (gint64 i = 0; i < d->height * d->width; i++) {
      gint64 row = i / d->width * w->stride[0] - w->pad_begin[0]
          + tap / w->kernel[1] * w->dilation[0];
      gint64 column = i % d->width * w->stride[1] - w->pad_begin[1]
          + tap % w->kernel[1] * w->dilation[1];
      dcnn_ref_set (&t, at++, ((double) column * 2 + 1)
          / (double) d->x.dims[3] - 1);
      dcnn_ref_set (&t, at++, ((double) row * 2 + 1) / (double) d->x.dims[2]
          - 1);
    }
  return onnx_whole_constant (d->node, &t);
}

/* Group g's grid: offsets [n, groups * taps * 2, height, width], row before
 * column, in pixels. */
static DcnnValueId
grid_of (const Deform *d, gint64 g, DcnnValueId places)
{
  static const int perm[5] = { 0, 1, 3, 4, 2 };
  OnnxNode *node = d->node;
  gint64 n = d->x.dims[0];
  DcnnTensor steps = { .dtype = DCNN_DTYPE_F32, .rank = 1, .dims = { 2 } };
  DcnnValueId x = onnx_emit_slice (node, node->inputs[2], 1,
      g * d->taps * 2, d->taps * 2, 1);

  if (!onnx_node_alloc (node, &steps))
    return -1;
  for (int i = 0; i < 2; i++)
    dcnn_ref_set (&steps, i, 2 / (double) d->x.dims[3 - i]);
  x = onnx_emit_reshape (node, x, 5, (const gint64[]) { n, d->taps, 2,
          d->height, d->width });
  x = onnx_emit_transpose (node, x, 5, perm);
  x = onnx_emit_slice (node, x, 4, 1, 2, -1);
  x = onnx_emit_reshape (node, x, 4, (const gint64[]) { n,
          d->taps * d->height, d->width, 2 });
  x = onnx_whole_binary (node, DCNN_OP_MUL, x, onnx_whole_constant (node,
          &steps));
  return onnx_whole_binary (node, DCNN_OP_ADD, x, places);
}

/* Group g's channels at the taps, times the mask: [n, channels, taps, height,
 * width]. */
static DcnnValueId
taps_of (const Deform *d, gint64 g, DcnnValueId places)
{
  OnnxNode *node = d->node;
  const DcnnParams grid = { .grid = { .mode = DCNN_GRID_LINEAR,
      .padding = DCNN_GRID_ZEROS } };
  gint64 channels = d->x.dims[1] / d->groups, n = d->x.dims[0];
  DcnnValueId mask, pair[2];

  pair[0] = d->groups == 1 ? node->inputs[0] : onnx_emit_slice (node,
      node->inputs[0], 1, g * channels, channels, 1);
  pair[1] = grid_of (d, g, places);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_GRID_SAMPLE, &grid, 2, pair,
      NULL);
  pair[0] = onnx_emit_reshape (node, pair[0], 5, (const gint64[]) { n,
          channels, d->taps, d->height, d->width });
  if (!onnx_node_input (node, 4))
    return pair[0];
  mask = onnx_emit_slice (node, node->inputs[4], 1, g * d->taps, d->taps, 1);
  mask = onnx_emit_reshape (node, mask, 5, (const gint64[]) { n, 1, d->taps,
          d->height, d->width });
  return onnx_whole_binary (node, DCNN_OP_MUL, pair[0], mask);
}

/* Whether offsets or mask have a number for each picture and pixel of the
 * output. */
static void
check_fits (const Deform *d, const char *name, const DcnnTensor *t)
{
  const DcnnWindow *w = &d->window;
  gint64 size[2];

  for (int i = 0; i < 2; i++) {
    gint64 room = d->x.dims[2 + i] + w->pad_begin[i] + w->pad_end[i]
        - (gint64) w->dilation[i] * (w->kernel[i] - 1) - 1;
    size[i] = room < 0 ? 0 : room / w->stride[i] + 1;
  }
  if (!d->node->error && (t->dims[0] != d->x.dims[0] || t->dims[2] != size[0]
          || t->dims[3] != size[1]))
    onnx_node_fail (d->node, DCNN_ERROR_INVALID, "its %s is for %"
        G_GINT64_FORMAT " pictures of %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
        ", but its output is %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT "x%"
        G_GINT64_FORMAT " (height x width)", name, t->dims[0], t->dims[2],
        t->dims[3], d->x.dims[0], size[0], size[1]);
}

static gboolean
read_deform (Deform *d)
{
  OnnxNode *node = d->node;
  const DcnnTensor *x = onnx_node_input (node, 0);
  const DcnnTensor *w = onnx_node_input (node, 1);
  const DcnnTensor *offsets = onnx_node_input (node, 2);
  const DcnnTensor *mask = onnx_node_input (node, 4);

  onnx_node_window (node, &d->window);
  d->groups = onnx_node_int (node, "offset_group", 1);
  if (!node->error && (!w || !offsets || x->rank != 4 || w->rank != 4
          || offsets->rank != 4 || d->groups < 1 || x->dims[1] % d->groups
          || (mask && mask->rank != 4)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its inputs are missing or of a "
        "wrong rank, or offset_group does not divide its channels");
  if (node->error)
    return FALSE;
  d->x = *x;
  d->w = *w;
  d->taps = d->window.kernel[0] * d->window.kernel[1];
  d->height = offsets->dims[2];
  d->width = offsets->dims[3];
  if (offsets->dims[1] != d->groups * d->taps * 2
      || (mask && mask->dims[1] != d->groups * d->taps))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its offsets have %"
        G_GINT64_FORMAT " channels, not two a tap and group",
        offsets->dims[1]);
  check_fits (d, "offset", offsets);
  if (mask)
    check_fits (d, "mask", mask);
  return node->error == NULL;
}

/* The taps are read by a GridSample and lie side by side as channels: what is
 * left is a convolution of one pixel. */
void
onnx_map_deform_conv (OnnxNode *node)
{
  Deform d = { .node = node };
  DcnnParams conv = { .conv = { .window = { .rank = 2, .kernel = { 1, 1 },
        .stride = { 1, 1 }, .dilation = { 1, 1 } } } };
  g_autofree DcnnValueId *parts = NULL;
  DcnnValueId places, all[3];

  conv.conv.groups = onnx_node_int (node, "group", 1);
  if (!read_deform (&d))
    return;
  if (d.groups > DCNN_MAX_NODE_INPUTS) {
    onnx_node_fail (node, DCNN_ERROR_LIMIT, "it has over %d groups of offsets",
        DCNN_MAX_NODE_INPUTS);
    return;
  }
  places = places_of_taps (&d);
  parts = g_new0 (DcnnValueId, d.groups);
  for (gint64 g = 0; g < d.groups; g++)
    parts[g] = taps_of (&d, g, places);
  all[0] = d.groups == 1 ? parts[0] : onnx_emit_join (node, (int) d.groups,
      parts, 1);
  all[0] = onnx_emit_reshape (node, all[0], 4, (const gint64[]) { d.x.dims[0],
          d.x.dims[1] * d.taps, d.height, d.width });
  all[1] = onnx_emit_reshape (node, node->inputs[1], 4, (const gint64[]) {
          d.w.dims[0], d.w.dims[1] * d.taps, 1, 1 });
  all[2] = onnx_node_input (node, 3) ? node->inputs[3] : -1;
  onnx_emit_output (node, 0, onnx_node_emit_inner (node, DCNN_OP_CONV, &conv,
          all[2] >= 0 ? 3 : 2, all, NULL));
}

/* ---- grids ------------------------------------------------------------------- */

/* The places of all pixels of the given sizes (slowest first), with a 1
 * behind: [pixels, n + 1], the fastest dimension first. */
static DcnnValueId
places_of_pixels (OnnxNode *node, int n, const gint64 *sizes, gboolean corners)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 2, .dims = { 1, n + 1 } };
  gint64 pixels = 1, index[3] = { 0 };

  for (int i = 0; i < n; i++) {
    if (sizes[i] < 1 || sizes[i] > DCNN_MAX_DIM || pixels > DCNN_MAX_DIM) {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its size is out of range");
      return -1;
    }
    pixels *= sizes[i];
  }
  t.dims[0] = pixels;
  if (!onnx_node_alloc (node, &t))
    return -1;
  for (gint64 at = 0; at < pixels; at++) {
    gint64 left = at;
    for (int i = n - 1; i >= 0; i--) {
      double size = (double) sizes[i];
      index[i] = left % sizes[i];
      left /= sizes[i];
      dcnn_ref_set (&t, at * (n + 1) + n - 1 - i, corners
          ? size > 1 ? (double) index[i] * 2 / (size - 1) - 1 : -1
          : ((double) index[i] * 2 + 1) / size - 1);
    }
    dcnn_ref_set (&t, at * (n + 1) + n, 1);
  }
  return onnx_whole_constant (node, &t);
}

/* theta [images, n, n + 1] of every pixel's place. */
void
onnx_map_affine_grid (OnnxNode *node)
{
  static const int perm[3] = { 0, 2, 1 };
  const DcnnTensor *theta = onnx_node_input (node, 0);
  gint64 sizes[ONNX_MAX_NUMBERS], dims[5], images = theta ? theta->dims[0] : 0;
  int rank = onnx_node_input_ints (node, 1, sizes), n = rank - 2;
  gboolean corners = onnx_node_int (node, "align_corners", 0) != 0;
  DcnnValueId grid;

  if (!theta || theta->rank != 3 || n < 2 || n > 3 || theta->dims[1] != n
      || theta->dims[2] != n + 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its theta does not fit a size "
        "of %d numbers", rank);
  if (node->error)
    return;
  grid = onnx_whole_binary (node, DCNN_OP_MATMUL, places_of_pixels (node, n,
          sizes + 2, corners), onnx_emit_transpose (node, node->inputs[0], 3,
          perm));
  dims[0] = images;
  for (int i = 0; i < n; i++)
    dims[1 + i] = sizes[2 + i];
  dims[1 + n] = n;
  onnx_emit_output (node, 0, onnx_emit_reshape (node, grid, n + 2, dims));
}

/* ---- unpooling ---------------------------------------------------------------- */

/* Every number goes to the place that MaxPool took it from, in a map of
 * zeros. */
void
onnx_map_max_unpool (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  const DcnnTensor *indices = onnx_node_input (node, 1);
  DcnnParams scatter = { 0 }, pad = { 0 };
  gint64 wanted[ONNX_MAX_NUMBERS], dims[2 + DCNN_MAX_SPATIAL];
  gint64 count = x.rank ? dcnn_tensor_count (&x) : 0, pixels;
  int n = onnx_node_input_ints (node, 2, wanted);
  DcnnWindow window;
  DcnnValueId all[3], out;

  onnx_node_window (node, &window);
  if (!node->error && (!indices || dcnn_tensor_count (indices) != count
          || (n >= 0 && n != x.rank)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its indices or output_shape do "
        "not fit its input");
  if (node->error)
    return;
  dims[0] = x.dims[0];
  dims[1] = x.dims[1];
  pixels = dims[0] * dims[1];
  for (int i = 0; i < window.rank; i++) {
    dims[2 + i] = (x.dims[2 + i] - 1) * window.stride[i] + window.kernel[i]
        - window.pad_begin[i] - window.pad_end[i];
    if (dims[2 + i] < 1 || dims[2 + i] > DCNN_MAX_DIM
        || pixels > DCNN_MAX_TENSOR_BYTES / dims[2 + i]) {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its output is empty or too "
          "large");
      return;
    }
    pixels *= dims[2 + i];
  }
  all[0] = onnx_emit_filled (node, 1, &pixels, 0);
  all[1] = onnx_emit_reshape (node, node->inputs[1], 1, &count);
  all[2] = onnx_emit_reshape (node, node->inputs[0], 1, &count);
  out = onnx_node_emit_inner (node, DCNN_OP_SCATTER_ELEMENTS, &scatter, 3, all,
      NULL);
  out = onnx_emit_reshape (node, out, x.rank, dims);
  for (int i = 0; n > 0 && i < x.rank; i++) {
    if (wanted[i] < 1 || wanted[i] > DCNN_MAX_DIM)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its output_shape is out of "
          "range");
    pad.pad.end[i] = CLAMP (wanted[i], 1, DCNN_MAX_DIM) - dims[i];
  }
  if (n > 0)
    out = onnx_node_emit_inner (node, DCNN_OP_PAD, &pad, 1, &out, NULL);
  onnx_emit_output (node, 0, out);
}

/* ---- columns of windows --------------------------------------------------------- */

/* Windows that lie side by side as columns are summed into a picture: a
 * transposed convolution that puts each number where it belongs. */
void
onnx_map_col2im (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  gint64 image[ONNX_MAX_NUMBERS], block[ONNX_MAX_NUMBERS];
  int n = onnx_node_input_ints (node, 1, image);
  gint64 taps = 1, places = 1, dims[2 + DCNN_MAX_SPATIAL] = { x.dims[0] };
  DcnnTensor weights = { .dtype = DCNN_DTYPE_F32, .rank = n + 2 };
  DcnnParams params = { 0 };
  DcnnConvParams *conv = &params.conv;
  DcnnValueId pair[2];

  if (onnx_node_input_ints (node, 2, block) != n || n < 1
      || n > DCNN_MAX_SPATIAL || x.rank != 3) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its shapes do not fit");
    return;
  }
  onnx_node_window_of (node, n, block, &conv->window);
  for (int i = 0; i < n && !node->error; i++) {
    const DcnnWindow *w = &conv->window;
    gint64 room = CLAMP (image[i], 0, DCNN_MAX_DIM) + w->pad_begin[i]
        + w->pad_end[i] - (w->kernel[i] - 1) * w->dilation[i] - 1;
    if (image[i] < 1 || image[i] > DCNN_MAX_DIM || room < 0
        || block[i] != w->kernel[i])
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its image_shape or "
          "block_shape is out of range");
    dims[2 + i] = room / w->stride[i] + 1;
    conv->output_padding[i] = room % w->stride[i];
    weights.dims[2 + i] = block[i];
    taps *= block[i];
    places *= dims[2 + i];
  }
  if (!node->error && (taps < 1 || x.dims[1] % taps || places != x.dims[2]))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its columns are not those of "
        "the windows of image_shape");
  if (node->error)
    return;
  dims[1] = weights.dims[0] = x.dims[1];
  weights.dims[1] = 1;
  conv->groups = x.dims[1] / taps;
  if (!onnx_node_alloc (node, &weights))
    return;
  for (gint64 i = 0, all = dcnn_tensor_count (&weights); i < all; i++)
    dcnn_ref_set (&weights, i, i / taps % taps == i % taps);
  pair[0] = onnx_emit_reshape (node, node->inputs[0], n + 2, dims);
  pair[1] = onnx_whole_constant (node, &weights);
  onnx_emit_output (node, 0, onnx_node_emit_inner (node,
          DCNN_OP_CONV_TRANSPOSE, &params, 2, pair, NULL));
}

/* ---- around the centre -------------------------------------------------------------- */

/* What is too long loses, what is too short gets as much at both ends. */
void
onnx_map_center_crop_pad (OnnxNode *node)
{
  gint64 sizes[ONNX_MAX_NUMBERS], axes[ONNX_MAX_NUMBERS];
  int n = onnx_node_input_ints (node, 1, sizes);
  int n_axes = onnx_node_ints (node, "axes", axes);
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  DcnnParams pad = { 0 };
  DcnnValueId out = node->inputs[0];

  if (!in || n < 0 || n > x.rank || (n_axes >= 0 && n_axes != n)
      || (n_axes < 0 && n != x.rank))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is missing or not one "
        "number an axis");
  for (int i = 0; i < n && !node->error; i++) {
    int axis = (int) onnx_node_axis (node, n_axes < 0 ? i : axes[i], x.rank);
    gint64 more = CLAMP (sizes[i], 0, DCNN_MAX_DIM) - x.dims[axis];
    if (sizes[i] < 0 || sizes[i] > DCNN_MAX_DIM)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is out of range");
    else if (more < 0)
      out = onnx_emit_slice (node, out, axis, -more / 2, sizes[i], 1);
    pad.pad.begin[axis] = MAX (more, 0) / 2;
    pad.pad.end[axis] = MAX (more, 0) - MAX (more, 0) / 2;
  }
  out = onnx_node_emit_inner (node, DCNN_OP_PAD, &pad, 1, &out, NULL);
  onnx_emit_output (node, 0, out);
}
