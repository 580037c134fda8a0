/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes.h - convolutions of maps of bytes, prepared: weights as whole numbers,
 * sums in int32, which are exact. Plain, grouped, transposed and depthwise.
 *
 * A map of bytes holds value - low in each (dcnn_map.h). What its low adds to
 * a sum is the same for every pixel and lies in the bias; taps outside the map
 * read bytes that stand for 0.
 *
 * Weights come in one of two forms, for the same numbers. Narrow: bytes, four
 * channels a step, where no sum of two products leaves int16, as the
 * instruction that adds them would clamp it: of weights of 7 bits never. Most
 * weights are small: where two steps together stay in int16 as well, their sums
 * are added before they are widened, which spares one multiplication of four.
 * Wide: int16, two channels a step.
 */
#ifndef DCNN_BYTES_H
#define DCNN_BYTES_H

#include "prepared.h"
#include "window.h"

#define DCNN_BYTES_PANEL 24 /* output channels of a panel, at most */

typedef struct DcnnBytesConv {
  DcnnPrepared base;          /* base.depthwise: one filter a channel */
  DcnnWindowPlan window;
  uint32_t out_channels;
  uint32_t group_out;         /* output channels of a group: all, or a multiple
                                 of DCNN_LANES */
  uint32_t group_in;          /* bytes of an input pixel that a group reads:
                                 all, or a multiple of 4 */
  uint32_t steps;             /* of four channels of a group's */
  bool narrow;                /* depthwise: all weights fit int8 */
  /* [panel][tap]: how many pairs of steps keep every sum of four products in
   * int16, then the steps [steps], those pairs first; NULL when wide: steps in
   * order */
  const uint16_t *order;
  const uint8_t *zeros;       /* [in span + 32] bytes that stand for 0 */
  const int32_t *bias;        /* [phase][bias_stride] */
  size_t bias_stride;         /* out channels, padded, + DCNN_BYTES_PANEL */
  /* plain: panel after panel of `lanes` channels, steps in their order,
   *   narrow int8_t [tap][step][lane][4]
   *   wide   int16_t [tap][step][2][lane][2]: channels 0 and 2, 1 and 3
   * depthwise: phase after phase, int16_t [pair of taps][channel padded][2] */
  const void *weights;
} DcnnBytesConv;

/* Lanes of the panel that begins at an output channel: of one group. */
static inline uint32_t
dcnn_bytes_lanes (const DcnnBytesConv *conv, uint32_t begin)
{
  const uint32_t left = dcnn_padded (conv->group_out -
      begin % conv->group_out);

  return left < DCNN_BYTES_PANEL ? left : DCNN_BYTES_PANEL;
}

/* The panel of an output channel; *begin: its first. */
static inline uint32_t
dcnn_bytes_panel (const DcnnBytesConv *conv, uint32_t channel, uint32_t *begin)
{
  const uint32_t group = channel / conv->group_out;
  const uint32_t panel = channel % conv->group_out / DCNN_BYTES_PANEL;

  *begin = group * conv->group_out + panel * DCNN_BYTES_PANEL;
  return group * ((conv->group_out + DCNN_BYTES_PANEL - 1) /
      DCNN_BYTES_PANEL) + panel;
}

/* Where the inputs of an output channel's group begin in a pixel. */
static inline uint32_t
dcnn_bytes_shift (const DcnnBytesConv *conv, uint32_t channel)
{
  return channel / conv->group_out * conv->group_in;
}

/* Bytes of the weights of a tap and step, and of a lane of it. */
static inline size_t
dcnn_bytes_lane (const DcnnBytesConv *conv)
{
  return conv->narrow ? 4 : 8;
}

/* Elements of order of a panel. */
static inline size_t
dcnn_bytes_order (const DcnnBytesConv *conv)
{
  return (size_t) conv->window.n_taps * (1 + conv->steps);
}

/* The first pair of taps of a phase, depthwise. */
static inline size_t
dcnn_bytes_first_pair (const DcnnBytesConv *conv, uint32_t phase)
{
  size_t pairs = 0;

  for (uint32_t f = 0; f < phase; f++)
    pairs += (conv->window.phases[f].n_taps + 1) / 2;
  return pairs;
}

/* Input channel 4 step + i is the i-th of a step: where its weight lies in the
 * step's, in elements. */
static inline size_t
dcnn_bytes_place (const DcnnBytesConv *conv, uint32_t lanes, uint32_t lane,
    uint32_t i)
{
  return conv->narrow ? (size_t) lane * 4 + i
      : ((size_t) (i % 2) * lanes + lane) * 2 + i / 2;
}

#endif
