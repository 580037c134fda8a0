/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_conv.c - Conv and ConvTranspose of 1, 2 or 3 spatial dimensions, with
 * groups, strides, dilations and any pads, accumulated in double in the order
 * input channel, kernel tap.
 *
 * Fewer than three spatial dimensions are treated as three with leading ones.
 * Blocks of CHANNELS output channels by PIXELS pixels of a row keep the dense
 * 2-D float32 case tolerable: several hundred million multiplications a
 * second.
 */
#include "ref.h"
#include "ref_util.h"

#define CHANNELS 4
#define PIXELS 8

/* A convolution with everything expanded to three spatial dimensions. */
typedef struct Geometry {
  const DcnnTensor *in, *weights, *bias, *out;
  int64_t groups, in_channels, out_channels; /* channels in one group */
  int64_t in_size[3], out_size[3], kernel[3];
  int64_t stride[3], dilation[3], pad[3];
} Geometry;

static void
geometry_init (Geometry *g, const DcnnConvParams *p, int n_inputs,
    const DcnnTensor *const *inputs, const DcnnTensor *out)
{
  int n = p->window.rank;
  g->in = inputs[0];
  g->weights = inputs[1];
  g->bias = n_inputs > 2 ? inputs[2] : NULL;
  g->out = out;
  g->groups = p->groups;
  g->in_channels = g->in->dims[1] / p->groups;
  g->out_channels = out->dims[1] / p->groups;
  for (int i = 0; i < 3; i++) {
    int j = i - (3 - n);
    g->in_size[i] = j < 0 ? 1 : g->in->dims[2 + j];
    g->out_size[i] = j < 0 ? 1 : out->dims[2 + j];
    g->kernel[i] = j < 0 ? 1 : p->window.kernel[j];
    g->stride[i] = j < 0 ? 1 : p->window.stride[j];
    g->dilation[i] = j < 0 ? 1 : p->window.dilation[j];
    g->pad[i] = j < 0 ? 0 : p->window.pad_begin[j];
  }
}

static double
bias_of (const Geometry *g, int64_t channel)
{
  return g->bias ? dcnn_ref_get (g->bias, channel) : 0;
}

/* PIXELS input elements of a row, for kernel column kx; 0 outside. */
REF_INLINE void
load_pixels (const Geometry *g, const DcnnTensor *in, bool f32, int64_t row,
    int64_t x0, int64_t n, double *px)
{
  int64_t width = g->in_size[2], step = g->stride[2];
  if (f32 && n == PIXELS && x0 >= 0 && x0 + (PIXELS - 1) * step < width) {
    const float *src = (const float *) in->data + row + x0;
    for (int i = 0; i < PIXELS; i++)
      px[i] = (double) src[i * step];
    return;
  }
  for (int i = 0; i < PIXELS; i++) {
    int64_t x = x0 + i * step;
    px[i] = i >= n || x < 0 || x >= width ? 0 : f32
        ? (double) ((const float *) in->data)[row + x]
        : dcnn_ref_get (in, row + x);
  }
}

/* n_channels output channels from `channel` on (of the whole output, all of
 * one group), n pixels of row (z, y) from x on, of image `image`. */
REF_INLINE void
conv_block (const Geometry *g, bool f32, int64_t image, int64_t channel,
    int n_channels, const int64_t *zyx, int64_t n)
{
  double acc[CHANNELS][PIXELS] = { { 0 } };
  int64_t group = channel / g->out_channels;
  int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
  int64_t plane = g->in_size[0] * g->in_size[1] * g->in_size[2];
  int64_t at;

  for (int64_t ic = 0; ic < g->in_channels; ic++) {
    int64_t map = (image * g->groups * g->in_channels
        + group * g->in_channels + ic) * plane;
    for (int64_t t = 0; t < taps; t++) {
      int64_t k[3] = { t / (g->kernel[1] * g->kernel[2]),
        t / g->kernel[2] % g->kernel[1], t % g->kernel[2] };
      int64_t p[3];
      double px[PIXELS];
      for (int i = 0; i < 3; i++)
        p[i] = zyx[i] * g->stride[i] + k[i] * g->dilation[i] - g->pad[i];
      if (p[0] < 0 || p[0] >= g->in_size[0] || p[1] < 0
          || p[1] >= g->in_size[1])
        continue;
      load_pixels (g, g->in, f32,
          map + (p[0] * g->in_size[1] + p[1]) * g->in_size[2], p[2], n, px);
      for (int c = 0; c < n_channels; c++) {
        int64_t w_at = ((channel + c) * g->in_channels + ic) * taps + t;
        double w = f32 ? (double) ((const float *) g->weights->data)[w_at]
            : dcnn_ref_get (g->weights, w_at);
        for (int i = 0; i < PIXELS; i++)
          acc[c][i] += w * px[i];
      }
    }
  }
  at = ((image * g->groups * g->out_channels + channel) * g->out_size[0]
      + zyx[0]) * g->out_size[1] + zyx[1];
  for (int c = 0; c < n_channels; c++)
    for (int64_t i = 0; i < n; i++)
      dcnn_ref_set (g->out, (at + c * g->out_size[0] * g->out_size[1])
          * g->out_size[2] + zyx[2] + i, acc[c][i] + bias_of (g, channel + c));
}

/* All pixels of n_channels output channels. */
REF_INLINE void
conv_channels (const Geometry *g, bool f32, int64_t image, int64_t channel,
    int n_channels)
{
  int64_t zyx[3];
  for (zyx[0] = 0; zyx[0] < g->out_size[0]; zyx[0]++)
    for (zyx[1] = 0; zyx[1] < g->out_size[1]; zyx[1]++)
      for (zyx[2] = 0; zyx[2] < g->out_size[2]; zyx[2] += PIXELS) {
        int64_t left = g->out_size[2] - zyx[2];
        conv_block (g, f32, image, channel, n_channels, zyx,
            left < PIXELS ? left : PIXELS);
      }
}

static void
conv_channels_f32_block (const Geometry *g, int64_t image, int64_t channel)
{
  conv_channels (g, true, image, channel, CHANNELS);
}

static void
conv_channels_f32_one (const Geometry *g, int64_t image, int64_t channel)
{
  conv_channels (g, true, image, channel, 1);
}

static void
conv_channels_any_one (const Geometry *g, int64_t image, int64_t channel)
{
  conv_channels (g, false, image, channel, 1);
}

DCNN_REF (conv)
{
  Geometry g;
  bool f32;
  if (!outputs[0])
    return;
  geometry_init (&g, &params->conv, n_inputs, inputs, outputs[0]);
  f32 = g.in->dtype == DCNN_DTYPE_F32 && g.weights->dtype == DCNN_DTYPE_F32;
  for (int64_t image = 0; image < g.in->dims[0]; image++) {
    int64_t channel = 0;
    while (channel < g.groups * g.out_channels) {
      int64_t left = g.out_channels - channel % g.out_channels;
      if (!f32)
        conv_channels_any_one (&g, image, channel++);
      else if (left < CHANNELS)
        conv_channels_f32_one (&g, image, channel++);
      else {
        conv_channels_f32_block (&g, image, channel);
        channel += CHANNELS;
      }
    }
  }
}

/* Pixels of a row summed at once by the transposed convolution. */
#define ROW 256

/* Adds to sums what input row `row` (offset of its first element) gives to n
 * output pixels from x0 on, with the kernel row's weights from w_at on. */
static void
transpose_row (const Geometry *g, int64_t row, int64_t w_at, int64_t x0,
    int64_t n, double *sums)
{
  bool f32 = g->in->dtype == DCNN_DTYPE_F32;
  int64_t step = g->stride[2];
  for (int64_t kx = 0; kx < g->kernel[2]; kx++) {
    double w = dcnn_ref_get (g->weights, w_at + kx);
    /* output x takes input ix with ix * step + shift == x */
    int64_t shift = kx * g->dilation[2] - g->pad[2];
    int64_t first = x0 - shift <= 0 ? 0 : (x0 - shift + step - 1) / step;
    for (int64_t ix = first; ix < g->in_size[2]; ix++) {
      int64_t x = ix * step + shift - x0;
      if (x >= n)
        break;
      sums[x] += w * (f32 ? (double) ((const float *) g->in->data)[row + ix]
          : dcnn_ref_get (g->in, row + ix));
    }
  }
}

/* n output pixels of row (z, y) from x on, of one channel of one image. */
static void
transpose_pixels (const Geometry *g, int64_t image, int64_t channel,
    const int64_t *zyx, int64_t n, double *sums)
{
  int64_t group = channel / g->out_channels;
  int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
  for (int64_t i = 0; i < n; i++)
    sums[i] = bias_of (g, channel);
  for (int64_t c = 0; c < g->in_channels; c++) {
    int64_t ic = group * g->in_channels + c;
    int64_t map = (image * g->groups * g->in_channels + ic) * g->in_size[0];
    int64_t weights = (ic * g->out_channels + channel % g->out_channels) * taps;
    for (int64_t k = 0; k < g->kernel[0] * g->kernel[1]; k++) {
      int64_t kz = k / g->kernel[1], ky = k % g->kernel[1];
      int64_t z = zyx[0] + g->pad[0] - kz * g->dilation[0];
      int64_t y = zyx[1] + g->pad[1] - ky * g->dilation[1];
      if (z < 0 || y < 0 || z % g->stride[0] || y % g->stride[1])
        continue;
      z /= g->stride[0];
      y /= g->stride[1];
      if (z < g->in_size[0] && y < g->in_size[1])
        transpose_row (g, ((map + z) * g->in_size[1] + y) * g->in_size[2],
            weights + k * g->kernel[2], zyx[2], n, sums);
    }
  }
}

DCNN_REF (conv_transpose)
{
  Geometry g;
  int64_t rows, at = 0;
  double sums[ROW];
  if (!outputs[0])
    return;
  geometry_init (&g, &params->conv, n_inputs, inputs, outputs[0]);
  rows = g.in->dims[0] * g.groups * g.out_channels * g.out_size[0]
      * g.out_size[1];
  for (int64_t row = 0; row < rows; row++) {
    int64_t channel = row / (g.out_size[0] * g.out_size[1]);
    int64_t zyx[3] = { row / g.out_size[1] % g.out_size[0],
      row % g.out_size[1], 0 };
    for (; zyx[2] < g.out_size[2]; zyx[2] += ROW) {
      int64_t left = g.out_size[2] - zyx[2], n = left < ROW ? left : ROW;
      transpose_pixels (&g, channel / (g.groups * g.out_channels),
          channel % (g.groups * g.out_channels), zyx, n, sums);
      for (int64_t i = 0; i < n; i++)
        dcnn_ref_set (g.out, at++, sums[i]);
    }
  }
}
