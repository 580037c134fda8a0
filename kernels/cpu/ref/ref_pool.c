/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_pool.c - pooling over windows of 1, 2 or 3 spatial dimensions, and over
 * whole maps. Reads input 0, writes every element of the outputs.
 *
 * AveragePool's divisor is the number of taps inside the map, or
 * with count_include_pad inside the map and its pads: what ceil_mode adds past
 * the pads never counts. MaxPool takes no tap outside the map.
 */
#include "ref.h"
#include "ref_util.h"

/* A pooling with everything expanded to three spatial dimensions. */
typedef struct Geometry {
  int64_t planes, in_size[3], out_size[3], kernel[3];
  int64_t stride[3], dilation[3], pad_begin[3], pad_end[3];
} Geometry;

/* What a window found. */
typedef struct Found {
  double sum, top;
  int64_t inside, with_pads; /* taps in the map; in map and pads */
  int64_t top_at;            /* number in the plane, row-major; -1 */
} Found;

static void
geometry_init (Geometry *g, const DcnnWindow *w, const DcnnTensor *in,
    const DcnnTensor *out)
{
  g->planes = in->dims[0] * in->dims[1];
  for (int i = 0; i < 3; i++) {
    int j = i - (3 - w->rank);
    g->in_size[i] = j < 0 ? 1 : in->dims[2 + j];
    g->out_size[i] = j < 0 ? 1 : out->dims[2 + j];
    g->kernel[i] = j < 0 ? 1 : w->kernel[j];
    g->stride[i] = j < 0 ? 1 : w->stride[j];
    g->dilation[i] = j < 0 ? 1 : w->dilation[j];
    g->pad_begin[i] = j < 0 ? 0 : w->pad_begin[j];
    g->pad_end[i] = j < 0 ? 0 : w->pad_end[j];
  }
}

static Found
look (const Geometry *g, const DcnnTensor *in, int64_t base,
    const int64_t *zyx)
{
  Found f = { 0, -INFINITY, 0, 0, -1 };
  int64_t k[3] = { 0, 0, 0 };
  do {
    bool inside = true, with_pads = true;
    int64_t at = 0;
    double x;
    for (int i = 0; i < 3; i++) {
      int64_t p = zyx[i] * g->stride[i] + k[i] * g->dilation[i]
          - g->pad_begin[i];
      inside = inside && p >= 0 && p < g->in_size[i];
      with_pads = with_pads && p < g->in_size[i] + g->pad_end[i];
      at = at * g->in_size[i] + p;
    }
    f.with_pads += with_pads;
    if (!inside)
      continue;
    x = in->dtype == DCNN_DTYPE_F32
        ? (double) ((const float *) in->data)[base + at]
        : dcnn_ref_get (in, base + at);
    f.inside++;
    f.sum += x;
    if (x > f.top || x != x || f.top_at < 0) {
      f.top = x;
      f.top_at = at;
    }
  } while (ref_next (3, g->kernel, k));
  return f;
}

DCNN_REF (average_pool)
{
  Geometry g;
  int64_t plane_size, at = 0;
  if (!outputs[0] || dcnn_tensor_count (outputs[0]) == 0)
    return;
  geometry_init (&g, &params->pool.window, inputs[0], outputs[0]);
  plane_size = g.in_size[0] * g.in_size[1] * g.in_size[2];
  for (int64_t plane = 0; plane < g.planes; plane++) {
    int64_t zyx[3] = { 0, 0, 0 };
    do {
      Found f = look (&g, inputs[0], plane * plane_size, zyx);
      int64_t n = params->pool.count_include_pad ? f.with_pads : f.inside;
      dcnn_ref_set (outputs[0], at++, n ? f.sum / (double) n : 0);
    } while (ref_next (3, g.out_size, zyx));
  }
}

DCNN_REF (max_pool)
{
  const DcnnTensor *out = outputs[0], *indices = NULL;
  Geometry g;
  int64_t plane_size, at = 0;
  if (n_outputs > 1)
    indices = outputs[1];
  if (!out)
    out = indices;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  geometry_init (&g, &params->pool.window, inputs[0], out);
  plane_size = g.in_size[0] * g.in_size[1] * g.in_size[2];
  for (int64_t plane = 0; plane < g.planes; plane++) {
    int64_t zyx[3] = { 0, 0, 0 };
    do {
      Found f = look (&g, inputs[0], plane * plane_size, zyx);
      int64_t index = f.top_at;
      if (params->pool.column_major && index >= 0) {
        int64_t x = index % g.in_size[2];
        int64_t y = index / g.in_size[2] % g.in_size[1];
        int64_t z = index / (g.in_size[2] * g.in_size[1]);
        index = (x * g.in_size[1] + y) * g.in_size[0] + z;
      }
      if (outputs[0])
        dcnn_ref_set (outputs[0], at, f.top);
      if (indices)
        dcnn_ref_set_int (indices, at, index < 0 ? 0
            : plane * plane_size + index);
      at++;
    } while (ref_next (3, g.out_size, zyx));
  }
}

/* Over everything but batch and channels. */
static void
global_pool (const DcnnTensor *in, const DcnnTensor *out, bool max)
{
  int64_t planes, n;
  if (!out)
    return;
  planes = in->dims[0] * in->dims[1];
  n = ref_product (in, 2, in->rank);
  for (int64_t plane = 0; plane < planes; plane++) {
    double sum = 0, top = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      double x = dcnn_ref_get (in, plane * n + i);
      sum += x;
      top = x > top || x != x ? x : top;
    }
    dcnn_ref_set (out, plane, max ? top : sum / (double) n);
  }
}

DCNN_REF (global_average_pool)
{
  global_pool (inputs[0], outputs[0], false);
}

DCNN_REF (global_max_pool)
{
  global_pool (inputs[0], outputs[0], true);
}
