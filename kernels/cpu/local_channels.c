/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_channels.c - primaries over the channels of one pixel: softmax, arg
 * max, reductions, layer normalisation. Cost: two or three passes over the
 * pixel's channels, which stay in the first cache.
 */
#include "local_kernel.h"
#include "vmath.h"

/* Largest of the lanes; NaN lanes are passed over unless all are. */
DCNN_INLINE float
lanes_max (v_t v)
{
  float lane[V_LANES];
  v_store (lane, v);
  float most = lane[0];
  for (unsigned i = 1; i < V_LANES; i++)
    most = lane[i] > most ? lane[i] : most;
  return most;
}

/* Added to a vector whose lanes past n are 0, makes them minus infinity. */
#if V_LANES > 1
static const float minus_infinity_after[2 * V_LANES] = {
#if V_LANES == 16
  [16] = -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF,
  -HUGE_VALF, -HUGE_VALF, -HUGE_VALF,
  [24] = -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF,
  -HUGE_VALF, -HUGE_VALF, -HUGE_VALF
#else
  [8] = -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF,
  -HUGE_VALF, -HUGE_VALF, -HUGE_VALF
#endif
};
#endif

/* Channels c .. c + V_LANES - 1 with zeros, or minus infinity, past the last. */
DCNN_INLINE v_t
load_zero (const float *in, uint32_t c, uint32_t channels)
{
  v_t v = v_load (in + c);
  return c + V_LANES <= channels ? v : v_keep (v, channels - c);
}

DCNN_INLINE v_t
load_low (const float *in, uint32_t c, uint32_t channels)
{
#if V_LANES > 1
  if (c + V_LANES > channels)
    return v_add (v_keep (v_load (in + c), channels - c),
        v_load (minus_infinity_after + V_LANES - (channels - c)));
#endif
  return v_load (in + c);
}

DCNN_INLINE float
channels_max (const float *in, uint32_t channels)
{
  v_t most = v_set (-HUGE_VALF);
  for (uint32_t c = 0; c < channels; c += V_LANES)
    most = v_max (load_low (in, c, channels), most);
  return lanes_max (most);
}

DCNN_INLINE float
channels_sum (const float *in, uint32_t channels)
{
  v_t sum = v_zero ();
  for (uint32_t c = 0; c < channels; c += V_LANES)
    sum = v_add (sum, load_zero (in, c, channels));
  return v_sum (sum);
}

DCNN_INLINE const float *
input_pixel (const DcnnJob *job, uint32_t p)
{
  return dcnn_map_pixel (&job->in, DCNN_PIXEL_Y (p), DCNN_PIXEL_X (p));
}

/* Softmax: e^(x - max) / sum; log form: x - max - log (sum). */
DCNN_INLINE void
softmax_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const float *in = input_pixel (job, p);
  uint32_t channels = l->channels;
  v_t most = v_set (channels_max (in, channels)), sum = v_zero ();
  (void) spare;
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t d = v_sub (load_low (in, c, channels), most);
    v_t e = v_exp (d);
    if (c + V_LANES > channels)
      e = v_keep (e, channels - c);
    sum = v_add (sum, e);
    v_store (row + c, l->flag ? d : e);
  }
  v_t total = v_set (v_sum (sum));
  v_t shift = v_set (l->flag ? logf (v_sum (sum)) : 0.0f);
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t r = v_load (row + c);
    v_store (row + c, l->flag ? v_sub (r, shift) : v_div (r, total));
  }
}

#if V_LANES > 1
/* The same for a few channels, which would fill no vector: one holds a channel
 * of as many pixels. The tile is turned as a whole, so that what is stored in
 * small pieces has reached the cache when vectors read it. */
#define FEW_CHANNELS 8

DCNN_INLINE void
softmax_few (const DcnnJob *job, const DcnnLocal *l, const DcnnTile *tile)
{
  float lanes[FEW_CHANNELS][DCNN_TILE_ROWS];
  const uint32_t channels = l->channels;

  for (uint32_t i = 0; i < DCNN_TILE_ROWS; i++) {
    const float *in = input_pixel (job, tile->pixels[i < tile->n ? i : 0]);
    for (uint32_t c = 0; c < channels; c++)
      lanes[c][i] = in[c];
  }
  for (uint32_t i = 0; i < tile->n; i += V_LANES) {
    v_t most = v_set (-HUGE_VALF), sum = v_zero ();
    for (uint32_t c = 0; c < channels; c++)
      most = v_max (v_load (lanes[c] + i), most);
    for (uint32_t c = 0; c < channels; c++) {
      v_t d = v_sub (v_load (lanes[c] + i), most), e = v_exp (d);
      sum = v_add (sum, e);
      v_store (lanes[c] + i, l->flag ? d : e);
    }
    v_t shift = l->flag ? v_log (sum) : v_zero ();
    for (uint32_t c = 0; c < channels; c++) {
      v_t r = v_load (lanes[c] + i);
      v_store (lanes[c] + i, l->flag ? v_sub (r, shift) : v_div (r, sum));
    }
  }
  for (uint32_t i = 0; i < tile->n; i++)
    for (uint32_t c = 0; c < channels; c++)
      tile->rows[i][c] = lanes[c][i];
}
#else
#define FEW_CHANNELS 0
#define softmax_few(job, l, tile) ((void) 0)
#endif

DCNN_INLINE void
softmax_tile (const DcnnJob *job, const DcnnLocal *l, const DcnnTile *tile,
    void *spare)
{
  if (l->channels <= FEW_CHANNELS) {
    softmax_few (job, l, tile);
    return;
  }
  for (uint32_t i = 0; i < tile->n; i++)
    softmax_row (job, l, tile->pixels[i], tile->rows[i], spare);
}

DCNN_LOCAL_TILES (softmax, softmax_tile, 0)

/* Arg max: the number of the first (last) largest channel. */
DCNN_INLINE void
arg_max_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const float *in = input_pixel (job, p);
  float most = channels_max (in, l->channels);
  uint32_t at = 0;
  (void) spare;
  if (l->flag) {
    at = l->channels - 1;
    while (at > 0 && !(in[at] == most))
      at--;
  } else {
    while (at < l->channels - 1 && !(in[at] == most))
      at++;
  }
  row[0] = (float) at;
}

/* Mean, maximum or sum of the channels, to one float. */
DCNN_INLINE void
channel_reduce_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    float *row, void *spare)
{
  const float *in = input_pixel (job, p);
  (void) spare;
  if (l->kind == DCNN_CHANNEL_MAX)
    row[0] = channels_max (in, l->channels);
  else
    row[0] = channels_sum (in, l->channels)
        / (l->kind == DCNN_CHANNEL_MEAN ? (float) l->channels : 1.0f);
}

/* Layer norm: (x - mean) / sqrt (variance + epsilon) * scale + bias. */
DCNN_INLINE void
layer_norm_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const float *in = input_pixel (job, p);
  uint32_t channels = l->channels;
  float mean = channels_sum (in, channels) / (float) channels;
  v_t m = v_set (mean), sum = v_zero ();
  (void) spare;
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t d = v_sub (v_load (in + c), m);
    if (c + V_LANES > channels)
      d = v_keep (d, channels - c);
    sum = v_fma (d, d, sum);
    v_store (row + c, d);
  }
  v_t inverse = v_set (1.0f / sqrtf (v_sum (sum) / (float) channels
          + l->epsilon));
  for (uint32_t c = 0; c < channels; c += V_LANES)
    v_store (row + c, v_fma (v_mul (v_load (row + c), inverse),
            v_load (l->scale + c), v_load (l->bias + c)));
}

DCNN_LOCAL_KERNEL (arg_max, arg_max_row, 0)
DCNN_LOCAL_KERNEL (channel_reduce, channel_reduce_row, 0)
DCNN_LOCAL_KERNEL (layer_norm, layer_norm_row, 0)
