/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Row functions of the input stage in portable C: the specification. What
 * each reads and writes is said in input_stage.h.
 */
#include "input_stage.h"

#include <stdlib.h>
#include <string.h>

static void
vertical_c (int16_t *v, const uint8_t *const *rows, const int16_t *weight,
    uint32_t taps, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    int32_t sum = 64;
    for (uint32_t k = 0; k < taps; k++)
      sum += weight[k] * rows[k][i];
    v[i] = (int16_t) (sum >> 7);
  }
}

/* Channel c of output x. */
static inline uint8_t
horizontal_one (const int16_t *v, const DcnnInputAxis *axis, size_t x,
    uint32_t channels, uint32_t c)
{
  const int16_t *at = v + (size_t) axis->first[x] * channels + c;
  const int16_t *weight = axis->weight + x * axis->taps;
  int32_t sum = 1 << 20;
  for (uint32_t k = 0; k < axis->taps; k++)
    sum += weight[k] * at[k * channels];
  return (uint8_t) (sum >> 21);
}

static void
horizontal_c (uint8_t *out, const int16_t *v, const DcnnInputAxis *axis)
{
  for (size_t x = 0; x < axis->n; x++)
    out[x] = horizontal_one (v, axis, x, 1, 0);
}

static void
horizontal_pair_c (uint8_t *out0, uint8_t *out1, const int16_t *v,
    const DcnnInputAxis *axis)
{
  for (size_t x = 0; x < axis->n; x++) {
    out0[x] = horizontal_one (v, axis, x, 2, 0);
    out1[x] = horizontal_one (v, axis, x, 2, 1);
  }
}

static void
horizontal_rgb_c (uint8_t *rgb, const int16_t *v, const DcnnInputAxis *axis,
    uint32_t channels, bool bgr)
{
  for (size_t x = 0; x < axis->n; x++)
    for (uint32_t c = 0; c < 3; c++)
      rgb[3 * x + c] = horizontal_one (v, axis, x, channels, bgr ? 2 - c : c);
}

static void
chroma_nv12_c (uint8_t *u, uint8_t *v, const uint8_t *uv, size_t x, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    u[i] = uv[(x + i) / 2 * 2];
    v[i] = uv[(x + i) / 2 * 2 + 1];
  }
}

static void
chroma_i420_c (uint8_t *out, const uint8_t *chroma, size_t x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    out[i] = chroma[(x + i) / 2];
}

static void
yuv_c (uint8_t *rgb, const uint8_t *y, const uint8_t *u, const uint8_t *v,
    const DcnnInputMatrix *m, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    int l = dcnn_input_mulhrs ((y[i] - m->offset) * 128, m->y) + 32;
    int cu = (u[i] - 128) * 256, cv = (v[i] - 128) * 256;
    rgb[3 * i] = dcnn_input_clamp ((l + dcnn_input_mulhrs (cv, m->rv)) >> 6);
    rgb[3 * i + 1] = dcnn_input_clamp ((l - dcnn_input_mulhrs (cu, m->gu)
            - dcnn_input_mulhrs (cv, m->gv)) >> 6);
    rgb[3 * i + 2] = dcnn_input_clamp (
        (l + dcnn_input_mulhrs (cu, m->bu)) >> 6);
  }
}

static void
swizzle_c (uint8_t *rgb, const uint8_t *src, uint32_t bytes, bool bgr, size_t n)
{
  if (bytes == 3 && !bgr) {
    memcpy (rgb, src, 3 * n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    rgb[3 * i] = src[i * bytes + (bgr ? 2 : 0)];
    rgb[3 * i + 1] = src[i * bytes + 1];
    rgb[3 * i + 2] = src[i * bytes + (bgr ? 0 : 2)];
  }
}

static void
compare_c (uint64_t *changed, uint64_t *differs, unsigned y,
    const uint8_t *picture, const uint8_t *reference, const uint8_t *limits,
    size_t width)
{
  for (size_t x = 0; x < width; x++) {
    int most = 0;
    for (int c = 0; c < 3; c++) {
      int d = abs (picture[3 * x + c] - reference[3 * x + c]);
      most = d > most ? d : most;
    }
    unsigned bit = 8 * y + (x & 7);
    changed[x / 8] |= (uint64_t) (most > limits[x / 8]) << bit;
    if (differs)
      differs[x / 8] |= (uint64_t) (most > 0) << bit;
  }
}

static void
compare_band_c (uint64_t *changed, uint64_t *differs, unsigned y,
    const uint8_t *picture, const uint8_t *reference, const uint8_t *low,
    const uint8_t *high, const uint8_t *limits, size_t width)
{
  for (size_t x = 0; x < width; x++) {
    int most = 0;
    bool any = false;
    for (size_t i = 3 * x; i < 3 * x + 3; i++) {
      int d = picture[i] > high[i] ? picture[i] - high[i]
          : picture[i] < low[i] ? low[i] - picture[i] : 0;
      most = d > most ? d : most;
      any |= picture[i] != reference[i];
    }
    unsigned bit = 8 * y + (x & 7);
    changed[x / 8] |= (uint64_t) (most > limits[x / 8]) << bit;
    if (differs)
      differs[x / 8] |= (uint64_t) any << bit;
  }
}

static void
sample_c (uint8_t *rgb, const uint8_t *picture, size_t stride,
    const int32_t *xs, const int32_t *ys, const int16_t (*weights)[4],
    size_t n)
{
  for (size_t i = 0; i < n; i++) {
    const int16_t *wx = weights[xs[i] & (DCNN_LOOK_PHASES - 1)];
    const int16_t *wy = weights[ys[i] & (DCNN_LOOK_PHASES - 1)];
    const uint8_t *from = picture + (size_t) ((ys[i] >> 8) - 1) * stride
        + 3 * (size_t) ((xs[i] >> 8) - 1);
    for (int c = 0; c < 3; c++) {
      int32_t sum = 1 << 19;
      for (int j = 0; j < 4; j++) {
        const uint8_t *at = from + (size_t) j * stride + c;
        int32_t h = (1 << 7) + wx[0] * at[0] + wx[1] * at[3] + wx[2] * at[6]
            + wx[3] * at[9];
        sum += wy[j] * (h >> 8);
      }
      rgb[3 * i + c] = dcnn_input_clamp (sum >> 20);
    }
  }
}

static void
store_c (uint8_t *reference, const uint8_t *picture, float *s0,
    const uint32_t *columns, unsigned bits, const DcnnInputStore *how)
{
  for (unsigned x = 0; x < 8; x++) {
    if (!(bits >> x & 1))
      continue;
    const uint8_t *from = picture + 3 * x;
    float *to = s0 + columns[x];
    memcpy (reference + 3 * x, from, 3);
    if (how->gray) {
      to[0] = (float) dcnn_input_luma (from) * how->scale[0] + how->bias[0];
      to[1] = to[2] = 0.0f;
    } else {
      for (int c = 0; c < 3; c++)
        to[c] = (float) from[how->bgr ? 2 - c : c] * how->scale[c]
            + how->bias[c];
    }
    to[3] = 0.0f;
  }
}

const DcnnInputRows dcnn_input_rows__c = {
  vertical_c,
  horizontal_c,
  horizontal_pair_c,
  horizontal_rgb_c,
  chroma_nv12_c,
  chroma_i420_c,
  yuv_c,
  swizzle_c,
  compare_c,
  compare_band_c,
  sample_c,
  store_c,
};
