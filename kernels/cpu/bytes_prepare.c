/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_prepare.c - packing the weights of convolutions of bytes (bytes.h), and
 * the tables of what is done to each byte alone.
 */
#include "bytes.h"

#include <math.h>
#include <string.h>

/* What is packed, by position in the pixel. */
typedef struct Source {
  const DcnnConvParams *params;
  const DcnnWindowPlan *window;
  uint32_t out_channels, in_channels, in_span;
  const uint32_t *in_position;
  const float *weights, *bias;
  int32_t low;
  bool transposed;
} Source;

static size_t
taps_of (const Source *s)
{
  const DcnnWindow *w = &s->params->window;

  return (size_t) (w->kernel[0] * w->kernel[1]);
}

static uint32_t
groups_of (const Source *s)
{
  return (uint32_t) s->params->groups;
}

static uint32_t
steps_of (const Source *s)
{
  return (s->in_span / groups_of (s) + 3) / 4;
}

/* The weight of output o for a channel of its group's inputs. */
static int32_t
weight_of (const Source *s, uint32_t o, size_t tap, uint32_t channel)
{
  const DcnnTap *t = &s->window->taps[tap];
  const size_t k = (size_t) t->ky * s->window->kernel_x + t->kx;
  const size_t n = taps_of (s);

  return (int32_t) s->weights[s->transposed
      ? ((size_t) channel * s->out_channels + o) * n + k
      : ((size_t) o * (s->in_channels / groups_of (s)) + channel) * n + k];
}

/* The weight of output o at a byte of its group's inputs, 0 where no channel
 * lies. */
static int32_t
weight_at (const Source *s, const uint32_t *channel, uint32_t o, size_t tap,
    uint32_t at)
{
  const uint32_t group_in = s->in_span / groups_of (s);

  if (at >= group_in || channel[at] == UINT32_MAX)
    return 0;
  return weight_of (s, o, tap, channel[at]);
}

/* Whether sums of two products of neighbours stay in int16. */
static bool
fits_narrow (const Source *s, const uint32_t *channel)
{
  for (uint32_t o = 0; o < s->out_channels; o++)
    for (size_t t = 0; t < taps_of (s); t++)
      for (uint32_t at = 0; at < steps_of (s) * 4; at += 2) {
        int32_t a = weight_at (s, channel, o, t, at);
        int32_t b = weight_at (s, channel, o, t, at + 1);
        int32_t most = (a > 0 ? a : 0) + (b > 0 ? b : 0);
        int32_t least = (a < 0 ? a : 0) + (b < 0 ? b : 0);
        if (a != (int8_t) a || b != (int8_t) b || most * 255 > INT16_MAX ||
            least * 255 < INT16_MIN)
          return false;
      }
  return true;
}

/* Whether the sums of four products of a step and the next stay in int16, for
 * all outputs of a panel. */
static bool
pair_fits (const Source *s, const uint32_t *channel, uint32_t begin,
    uint32_t lanes, size_t tap, uint32_t step)
{
  for (uint32_t o = begin; o < begin + lanes && o < s->out_channels; o++)
    for (uint32_t i = 0; i < 4; i += 2) {
      int32_t most = 0, least = 0;
      for (uint32_t k = 0; k < 4; k++) {
        int32_t w = weight_at (s, channel, o, tap,
            (step + k / 2) * 4 + i + k % 2);
        *(w > 0 ? &most : &least) += w;
      }
      if (most * 255 > INT16_MAX || least * 255 < INT16_MIN)
        return false;
    }
  return true;
}

/* Fills what a panel and tap have of conv->order. */
static void
fill_order (const Source *s, const uint32_t *channel, uint32_t begin,
    uint32_t lanes, size_t tap, uint16_t *order)
{
  const uint32_t steps = steps_of (s);
  uint32_t n_pairs = 0, last = steps;

  for (uint32_t step = steps / 2 * 2; step < steps; step++)
    order[last--] = (uint16_t) step;
  for (uint32_t step = 0; step + 1 < steps; step += 2)
    if (pair_fits (s, channel, begin, lanes, tap, step)) {
      order[1 + 2 * n_pairs] = (uint16_t) step;
      order[2 + 2 * n_pairs++] = (uint16_t) (step + 1);
    } else {
      order[last--] = (uint16_t) (step + 1);
      order[last--] = (uint16_t) step;
    }
  order[0] = (uint16_t) n_pairs;
}

static void
pack_order (const Source *s, const DcnnBytesConv *conv,
    const uint32_t *channel, uint16_t *order)
{
  for (uint32_t begin = 0, lanes; begin < s->out_channels; begin += lanes) {
    lanes = dcnn_bytes_lanes (conv, begin);
    for (size_t t = 0; t < taps_of (s); t++, order += 1 + conv->steps)
      fill_order (s, channel, begin, lanes, t, order);
  }
}

static void
pack_plain (const Source *s, const DcnnBytesConv *conv,
    const uint32_t *channel, char *to)
{
  const size_t lane_bytes = dcnn_bytes_lane (conv);
  size_t entry = 0; /* of the order, where there is one */

  for (uint32_t begin = 0, lanes; begin < s->out_channels; begin += lanes) {
    lanes = dcnn_bytes_lanes (conv, begin);
    for (size_t t = 0; t < taps_of (s); t++, entry += 1 + conv->steps)
      for (uint32_t i = 0; i < conv->steps; i++, to += lanes * lane_bytes)
        for (uint32_t n = 0; n < lanes * 4; n++) {
          uint32_t step = conv->order ? conv->order[entry + 1 + i] : i;
          uint32_t o = begin + n / 4, at = step * 4 + n % 4;
          size_t place = dcnn_bytes_place (conv, lanes, n / 4, n % 4);
          int32_t w = o < s->out_channels ? weight_at (s, channel, o, t, at)
              : 0;
          if (conv->narrow)
            to[place] = (char) w;
          else
            ((int16_t *) (void *) to)[place] = (int16_t) w;
        }
  }
}

/* The weight of a channel at a tap. */
static int16_t
tap_weight (const Source *s, uint32_t c, uint32_t tap)
{
  const DcnnTap *t = &s->window->taps[tap];

  return (int16_t) s->weights[c * taps_of (s) +
      t->ky * s->window->kernel_x + t->kx];
}

/* Whether all fit int8. */
static bool
pack_depthwise (const Source *s, int16_t *to)
{
  const uint32_t padded = dcnn_padded (s->in_span);
  bool narrow = true;

  for (uint32_t f = 0; f < s->window->n_phases; f++) {
    const DcnnPhase *phase = &s->window->phases[f];
    for (uint32_t t = 0; t < phase->n_taps; t++)
      for (uint32_t c = 0; c < s->in_span; c++) {
        const int16_t w = tap_weight (s, c, phase->first_tap + t);
        to[((size_t) (t / 2) * padded + c) * 2 + t % 2] = w;
        narrow &= w == (int8_t) w;
      }
    to += (phase->n_taps + 1) / 2 * (size_t) padded * 2;
  }
  return narrow;
}

/* The bias of a phase with what the input's low adds to every sum, modulo 2^32
 * as the kernels' sums: what they come to in the end fits. */
static void
fill_bias (const Source *s, bool depthwise, const DcnnPhase *phase,
    int32_t *bias)
{
  const uint32_t n = depthwise ? 1 : s->in_channels / groups_of (s);
  const uint32_t end = phase->first_tap + phase->n_taps;

  for (uint32_t o = 0; o < s->out_channels; o++) {
    int64_t sum = s->bias ? (int64_t) s->bias[o] : 0;
    for (uint32_t t = phase->first_tap; t < end; t++)
      for (uint32_t i = 0; i < n; i++)
        sum += s->low * (int64_t) (depthwise ? tap_weight (s, o, t)
            : weight_of (s, o, t, i));
    bias[o] = (int32_t) (uint32_t) (uint64_t) sum;
  }
}

/* Panels of all groups. */
static size_t
panels_of (const Source *s)
{
  const uint32_t group_out = s->out_channels / groups_of (s);

  return (size_t) groups_of (s) *
      ((dcnn_padded (group_out) + DCNN_BYTES_PANEL - 1) / DCNN_BYTES_PANEL);
}

static void
pack_weights (const Source *s, DcnnBytesConv *conv, uint32_t *channel,
    uint16_t *order, char *weights)
{
  memset (channel, 0xff, s->in_span * sizeof *channel);
  for (uint32_t i = 0; i < s->in_channels; i++)
    channel[s->in_position ? s->in_position[i] : i] = i;
  conv->narrow = fits_narrow (s, channel);
  if (conv->narrow) {
    conv->order = order;
    pack_order (s, conv, channel, order);
  }
  pack_plain (s, conv, channel, weights);
}

static DcnnPrepared *
bytes_prepare (Source *s, bool depthwise)
{
  const size_t taps = taps_of (s), padded = dcnn_padded (s->in_span);
  const size_t lanes = dcnn_padded (s->out_channels) + DCNN_BYTES_PANEL;
  const size_t phases = s->transposed ? (size_t) (s->params->window.stride[0] *
      s->params->window.stride[1]) : 1;
  const size_t head = DCNN_ALIGN64 (sizeof (DcnnBytesConv));
  const size_t plan = DCNN_ALIGN64 (dcnn_window_plan_bytes (s->params,
          s->transposed));
  const size_t zeros = DCNN_ALIGN64 (s->in_span + 32);
  const size_t biases = DCNN_ALIGN64 (phases * lanes * sizeof (int32_t));
  const size_t map = DCNN_ALIGN64 (s->in_span * sizeof (uint32_t));
  const size_t orders = depthwise ? 0 : DCNN_ALIGN64 (panels_of (s) * taps *
      (1 + (size_t) steps_of (s)) * sizeof (uint16_t));
  const size_t weights = depthwise ? (taps + phases) * padded * 4 + 64
      : taps * steps_of (s) * dcnn_padded (s->out_channels) * 8 + 64;
  char *block = dcnn_prepared_new (head + plan + zeros + biases + map +
      orders + weights);
  DcnnBytesConv *conv = (DcnnBytesConv *) (void *) block;

  if (!conv)
    return NULL;
  conv->base.depthwise = depthwise;
  conv->out_channels = s->out_channels;
  conv->group_out = depthwise ? s->out_channels
      : s->out_channels / groups_of (s);
  conv->group_in = s->in_span / groups_of (s);
  conv->steps = depthwise ? (s->in_span + 3) / 4 : steps_of (s);
  dcnn_window_plan_fill (&conv->window, s->params, s->transposed,
      block + head);
  s->window = &conv->window;
  block += head + plan;
  memset (block, (uint8_t) -s->low, zeros);
  conv->zeros = (const uint8_t *) block;
  block += zeros;
  conv->bias = (const int32_t *) (void *) block;
  conv->bias_stride = lanes;
  for (size_t f = 0; f < phases; f++)
    fill_bias (s, depthwise, &conv->window.phases[f],
        (int32_t *) (void *) block + f * lanes);
  block += biases;
  conv->weights = block + map + orders;
  if (depthwise)
    conv->narrow = pack_depthwise (s, (int16_t *) (void *) (block + map));
  else
    pack_weights (s, conv, (uint32_t *) (void *) block,
        (uint16_t *) (void *) (block + map), block + map + orders);
  return &conv->base;
}

DcnnPrepared *
dcnn_k_bytes_conv_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias,
    int32_t low)
{
  Source s = { .params = params, .out_channels = out_channels,
    .in_channels = in_channels, .in_span = in_span,
    .in_position = in_position, .weights = weights, .bias = bias, .low = low };

  return bytes_prepare (&s, false);
}

DcnnPrepared *
dcnn_k_bytes_conv_transpose_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias,
    int32_t low)
{
  Source s = { .params = params, .out_channels = out_channels,
    .in_channels = in_channels, .in_span = in_span,
    .in_position = in_position, .weights = weights, .bias = bias, .low = low,
    .transposed = true };

  return bytes_prepare (&s, params->groups > 1);
}

DcnnPrepared *
dcnn_k_bytes_depthwise_prepare (const DcnnConvParams *params,
    uint32_t channels, const float *weights, const float *bias, int32_t low)
{
  Source s = { .params = params, .out_channels = channels,
    .in_channels = channels, .in_span = channels, .weights = weights,
    .bias = bias, .low = low };

  return bytes_prepare (&s, true);
}

/* ---- tables ---------------------------------------------------------------- */

void
dcnn_bytes_table_fill (DcnnBytesTable *table, const DcnnCpuKernels *kernels,
    const DcnnStep *steps, uint32_t n_steps, uint32_t n_tabled, int32_t low,
    int32_t out_low)
{
  float values[256];

  for (int32_t i = 0; i < 256; i++)
    values[i] = table->value[i] = (float) (i + low);
  for (uint32_t s = 0; s < n_tabled; s++) {
    DcnnStep step = steps[s];
    const bool self = step.operand == DCNN_OPERAND_MAP;
    kernels->step_row (&step, table->value, self ? values : NULL,
        table->value, 256);
  }
  table->n_steps = n_tabled;
  table->same = true;
  for (int32_t i = 0; i < 256 && n_tabled == n_steps; i++) {
    float byte = table->value[i] - (float) out_low;
    table->byte[i] = byte >= 0 && byte <= 255 ? (uint8_t) byte : 0;
    table->same &= table->byte[i] == i;
  }
}
