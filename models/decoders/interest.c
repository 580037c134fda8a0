/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * interest.c - where the last results lie, as weights for the input stage
 * (the mean of the result's mask dilated by 10, 20 and 40
 * network pixels), one a block of 8x8 network pixels.
 */
#include "deltacnn/decode.h"

#include <math.h>
#include <string.h>

#define BLOCK_PX 8

struct DcnnInterest {
  guint columns, rows; /* blocks */
  guint8 *inside;               /* [rows][columns]: a result lies there */
  guint8 *grown;                /* the same, dilated */
  guint8 *scratch;
  gfloat *weights;
};

DcnnInterest *
dcnn_interest_new (guint width, guint height)
{
  DcnnInterest *interest = g_new0 (DcnnInterest, 1);
  gsize count;

  interest->columns = (width + BLOCK_PX - 1) / BLOCK_PX;
  interest->rows = (height + BLOCK_PX - 1) / BLOCK_PX;
  count = (gsize) interest->columns * interest->rows;
  interest->inside = g_malloc0 (count);
  interest->grown = g_malloc0 (count);
  interest->scratch = g_malloc0 (count);
  interest->weights = g_new0 (gfloat, count);
  return interest;
}

void
dcnn_interest_free (DcnnInterest *interest)
{
  if (!interest)
    return;
  g_free (interest->inside);
  g_free (interest->grown);
  g_free (interest->scratch);
  g_free (interest->weights);
  g_free (interest);
}

/* A point of the frame, in blocks of the network's input. */
static void
block_under (const gdouble *m, gfloat x, gfloat y, gfloat *bx, gfloat *by)
{
  const gdouble w = MAX (m[6] * x + m[7] * y + m[8], 1e-6) * BLOCK_PX;

  *bx = (m[0] * x + m[1] * y + m[2]) / w;
  *by = (m[3] * x + m[4] * y + m[5]) / w;
}

/* Marks the blocks that a rectangle of the frame touches. */
static void
mark_rectangle (DcnnInterest *interest, const gdouble *inward,
    gfloat left, gfloat top, gfloat right, gfloat bottom)
{
  const gfloat last_x = interest->columns - 1, last_y = interest->rows - 1;
  gfloat ax, ay, bx, by;
  gint x0, x1, y0, y1;

  block_under (inward, left, top, &ax, &ay);
  block_under (inward, right, bottom, &bx, &by);
  x0 = CLAMP (MIN (ax, bx), 0, last_x);
  x1 = CLAMP (MAX (ax, bx), 0, last_x);
  y0 = CLAMP (MIN (ay, by), 0, last_y);
  y1 = CLAMP (MAX (ay, by), 0, last_y);
  for (gint y = y0; y <= y1; y++)
    memset (interest->inside + (gsize) y * interest->columns + x0, 1,
        x1 - x0 + 1);
}

static void
mark_mask (DcnnInterest *interest, const DcnnSegmentation *mask,
    const gdouble *inward)
{
  const guint8 least = mask->n_classes == 1 ? 128 : 1;
  const gfloat cell_w = mask->w / mask->width;
  const gfloat cell_h = mask->h / mask->height;

  for (guint y = 0; y < mask->height; y++)
    for (guint x = 0; x < mask->width; x++)
      if (mask->data[(gsize) y * mask->width + x] >= least)
        mark_rectangle (interest, inward, mask->x + x * cell_w,
            mask->y + y * cell_h, mask->x + (x + 1) * cell_w,
            mask->y + (y + 1) * cell_h);
}

static void
mark_pose (DcnnInterest *interest, const DcnnResults *results,
    const DcnnPose *pose, const gdouble *inward)
{
  gfloat left = G_MAXFLOAT, top = G_MAXFLOAT;
  gfloat right = -G_MAXFLOAT, bottom = -G_MAXFLOAT;

  for (guint i = 0; i < pose->n_keypoints; i++) {
    const DcnnKeypoint *k = &g_array_index (results->keypoints,
        DcnnKeypoint, pose->first + i);
    if (k->score > 0) {
      left = MIN (left, k->x);
      right = MAX (right, k->x);
      top = MIN (top, k->y);
      bottom = MAX (bottom, k->y);
    }
  }
  if (left <= right)
    mark_rectangle (interest, inward, left, top, right, bottom);
}

/* One axis of a square dilation: out[i] = any of in[i - radius .. i + radius],
 * `lines` lines of `length` cells with the given strides. */
static void
dilate_axis (const guint8 *in, guint8 *out, guint lines, gsize line_stride,
    guint length, gsize stride, gint radius)
{
  for (guint line = 0; line < lines; line++) {
    const guint8 *from = in + line * line_stride;
    guint8 *to = out + line * line_stride;
    for (gint i = 0; i < (gint) length; i++) {
      guint8 any = 0;
      for (gint k = MAX (i - radius, 0); k <= MIN (i + radius,
              (gint) length - 1); k++)
        any |= from[k * stride];
      to[i * stride] = any;
    }
  }
}

const gfloat *
dcnn_interest_update (DcnnInterest *interest,
    const DcnnResults *results, const gdouble *inward)
{
  static const gint radii_px[] = { 10, 20, 40 };
  const gsize count = (gsize) interest->columns * interest->rows;
  const guint columns = interest->columns, rows = interest->rows;

  memset (interest->inside, 0, count);
  for (guint i = 0; results && results->detections &&
      i < results->detections->len; i++) {
    const DcnnDetection *d =
        &g_array_index (results->detections, DcnnDetection, i);
    mark_rectangle (interest, inward, d->x, d->y, d->x + d->width,
        d->y + d->height);
  }
  for (guint i = 0; results && results->poses && i < results->poses->len; i++)
    mark_pose (interest, results,
        &g_array_index (results->poses, DcnnPose, i), inward);
  if (results && results->has_segmentation)
    mark_mask (interest, &results->segmentation, inward);

  if (!memchr (interest->inside, 1, count)) {
    for (gsize i = 0; i < count; i++)
      interest->weights[i] = 1;
    return interest->weights;
  }
  memset (interest->weights, 0, count * sizeof (gfloat));
  for (guint r = 0; r < G_N_ELEMENTS (radii_px); r++) {
    const gint radius = (radii_px[r] + BLOCK_PX / 2) / BLOCK_PX;
    dilate_axis (interest->inside, interest->scratch, rows, columns, columns,
        1, radius);
    dilate_axis (interest->scratch, interest->grown, columns, 1, rows,
        columns, radius);
    for (gsize i = 0; i < count; i++)
      interest->weights[i] += interest->grown[i] / 3.0f;
  }
  return interest->weights;
}
