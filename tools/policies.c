/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policies.c - see policies.h. */
#include "policies.h"

#include <string.h>

#define TILE 8 /* a word of a mask */

/* ---- masks ------------------------------------------------------------- */

static gboolean
is_set (const DcnnMask *mask, gint64 y, gint64 x)
{
  if (y < 0 || x < 0 || y >= mask->height || x >= mask->width)
    return FALSE;
  return mask->words[(gsize) (y / 8) * mask->blocks_x + (gsize) (x / 8)]
      >> (y % 8 * 8 + x % 8) & 1;
}

static void
set (DcnnMask *mask, gint64 y, gint64 x)
{
  if (y >= 0 && x >= 0 && y < mask->height && x < mask->width)
    mask->words[(gsize) (y / 8) * mask->blocks_x + (gsize) (x / 8)] |=
        G_GUINT64_CONSTANT (1) << (y % 8 * 8 + x % 8);
}

guint64
policy_pixels (const DcnnMask *mask)
{
  guint64 n = 0;
  for (gsize i = 0; mask && i < (gsize) mask->blocks_x * mask->blocks_y; i++)
    n += (guint64) __builtin_popcountll (mask->words[i]);
  return n;
}

/* Pixels of the tiles in which something is set. */
static guint64
pixels_of_tiles (const DcnnMask *mask)
{
  guint64 n = 0;
  for (guint by = 0; by < mask->blocks_y; by++)
    for (guint bx = 0; bx < mask->blocks_x; bx++)
      if (mask->words[(gsize) by * mask->blocks_x + bx])
        n += (guint64) MIN (TILE, mask->height - TILE * by)
            * MIN (TILE, mask->width - TILE * bx);
  return n;
}

/* One changed pixel of the input, onto the outputs that see it. */
static void
touch (const DcnnNodeWindow *n, gint64 y, gint64 x, DcnnMask *touched)
{
  for (guint i = 0; i < n->kernel_y; i++)
    for (guint k = 0; k < n->kernel_x; k++) {
      gint64 ky = (gint64) i * n->dilation_y, kx = (gint64) k * n->dilation_x;
      if (n->transposed) {
        set (touched, y * n->stride_y - n->pad_y + ky,
            x * n->stride_x - n->pad_x + kx);
        continue;
      }
      gint64 oy = y + n->pad_y - ky, ox = x + n->pad_x - kx;
      if (oy >= 0 && ox >= 0 && oy % n->stride_y == 0 && ox % n->stride_x == 0)
        set (touched, oy / n->stride_y, ox / n->stride_x);
    }
}

void
policy_touch (const PolicyNode *node, const DcnnMask *in,
    DcnnMask *touched)
{
  memset (touched->words, 0, (gsize) touched->blocks_x * touched->blocks_y
      * sizeof *touched->words);
  for (gint64 y = 0; in && y < in->height; y++)
    for (gint64 x = 0; x < in->width; x++) {
      if (!is_set (in, y, x))
        continue;
      if (node->window.kernel_y)
        touch (&node->window, y, x, touched);
      else /* scaled, or the same place */
        set (touched, y * node->info.height / in->height,
            x * node->info.width / in->width);
    }
}

/* ---- counts ------------------------------------------------------------ */

/* In pixels: changed inputs, touched outputs, those of their tiles, joined
 * outputs. */
typedef struct Pixels {
  double in, touched, tiles, joined;
} Pixels;

static void
count (Policy policy, const PolicyNode *n, const Pixels *p,
    PolicyCount *to)
{
  const DcnnNodeWindow *w = &n->window;
  double inputs = (double) w->in_width * w->in_height;
  double outputs = (double) n->info.width * n->info.height;
  double i = w->in_channels, o = n->info.channels, m = (double) n->info.macs;
  double in_map = inputs * i, out_map = outputs * o;
  double taps = (double) MAX (w->kernel_y, 1) * MAX (w->kernel_x, 1);
  double area = outputs > 0 ? inputs / outputs : 0;
  double weights = (double) n->info.weight_bytes, floats = 0;
  switch (policy) {
    case POLICY_RRM:
      to->macs += inputs > 0 ? m * p->in / inputs : 0;
      floats = 3 * in_map + 2 * p->touched * o + 2 * out_map;
      break;
    case POLICY_CBINFER:
      to->macs += m * p->touched / outputs;
      floats = 2 * in_map + p->in * i + taps * i * p->touched + p->touched * o
          + 2 * out_map;
      break;
    case POLICY_SKIP_CONVOLUTION:
      to->macs += m * p->joined / outputs;
      floats = 3 * in_map + taps * i * p->joined + 2 * p->joined * o
          + 2 * out_map;
      break;
    case POLICY_DELTACNN:
      to->macs += m * p->tiles / outputs;
      floats = p->tiles * (i * area + o) + 4 * p->touched * o;
      weights *= p->tiles > 0;
      break;
    default:
      to->macs += m * p->touched / outputs;
      floats = p->touched * (i * area + 2 * o);
      weights *= p->touched > 0;
  }
  to->bytes += 4 * floats + weights;
}

void
policy_count (Policy policy, const PolicyNode *node, guint64 changed,
    const DcnnMask *touched, const DcnnMask *joined, PolicyCount *to)
{
  Pixels p = { (double) changed, (double) policy_pixels (touched),
    (double) pixels_of_tiles (touched), (double) policy_pixels (joined) };
  double in_map = (double) node->window.in_width
      * node->window.in_height * node->window.in_channels;
  double out_map = (double) node->info.width * node->info.height
      * node->info.channels;
  count (policy, node, &p, to);
  to->state_bytes += 4 * (policy == POLICY_DELTACNN ? 2 * out_map
      : policy == POLICY_STORED_VALUES ? out_map : in_map + out_map);
}

void
policy_count_dense (Policy policy, const PolicyNode *node, PolicyCount *to)
{
  double outputs = (double) node->info.width * node->info.height;
  Pixels all = { (double) node->window.in_width * node->window.in_height, outputs, outputs,
    outputs };
  count (policy, node, &all, to);
}
