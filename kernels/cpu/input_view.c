/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * input_view.c - rows of the window that looks at the frame's picture through
 * a matrix: where their pixels lie there, what they become, and what a shift by
 * part of a pixel would make of the stored picture. Has the bytes of
 * dcnn_look_math.h, a row at a time.
 */
#include "input_stage.h"

#include <string.h>

/* ---- positions -------------------------------------------------------- */

/* Of row v; see dcnn_look_place(). */
static void
row_positions (const double m[9], uint32_t v, uint32_t width, int32_t *xs,
    int32_t *ys)
{
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool from = dcnn_look_point (m, 0.5, v + 0.5, &x0, &y0);
  for (uint32_t u = 0; u < width; u += DCNN_LOOK_SEGMENT) {
    bool to = dcnn_look_point (m, u + DCNN_LOOK_SEGMENT + 0.5, v + 0.5, &x1,
        &y1);
    uint32_t n = width - u < DCNN_LOOK_SEGMENT ? width - u
        : DCNN_LOOK_SEGMENT;
    if (from && to) {
      DcnnLookLine line = dcnn_look_between (x0, y0, x1, y1);
      for (uint32_t i = 0; i < n; i++, line.x += line.dx, line.y += line.dy)
        dcnn_look_place (&line, 0, xs + u + i, ys + u + i);
    } else {
      for (uint32_t i = 0; i < n; i++)
        xs[u + i] = ys[u + i] = DCNN_LOOK_NOWHERE;
    }
    from = to;
    x0 = x1;
    y0 = y1;
  }
}

/* ---- rows -------------------------------------------------------------- */

static void
outside (const DcnnInputViewRow *row, uint32_t v, uint32_t u, int32_t x,
    int32_t y)
{
  dcnn_look_outside (row->look, row->picture, row->reference
      + 3 * (size_t) u, v, u, x, y, row->to + 3 * (size_t) u);
}

void
dcnn_input_view_warp (const DcnnInputViewRow *row, uint32_t v, int32_t *xs,
    int32_t *ys, const DcnnInputRows *rows)
{
  const DcnnLook *l = row->look;
  row_positions (l->matrix, v, l->width, xs, ys);
  for (uint32_t u = 0; u < l->width;) {
    DcnnLookPixel covered = dcnn_look_covered (l, xs[u], ys[u]);
    uint8_t *to = row->to + 3 * (size_t) u;
    uint32_t end = u + 1;
    if (covered == DCNN_LOOK_OUTSIDE) {
      outside (row, v, u, xs[u], ys[u]);
    } else if (covered == DCNN_LOOK_BORDER) {
      dcnn_look_sample (l, row->picture, xs[u], ys[u], to);
    } else {
      while (end < l->width
          && dcnn_look_covered (l, xs[end], ys[end]) == DCNN_LOOK_INSIDE)
        end++;
      rows->sample (to, row->picture, (size_t) l->width * 3, xs + u, ys + u,
          l->weights, end - u);
      for (uint32_t i = u; l->clamped && i < end; i++)
        dcnn_look_within (l, row->picture, xs[i], ys[i], row->to
            + 3 * (size_t) i);
    }
    u = end;
  }
}

void
dcnn_input_view_shift (const DcnnInputViewRow *row, uint32_t v)
{
  const DcnnLook *l = row->look;
  int64_t dx = l->shift_x, width = l->width;
  int64_t y = (int64_t) v + l->shift_y, left = (int64_t) l->dst_x - dx;
  int64_t right = left + l->dst_w;
  bool covered = y >= l->dst_y && y < (int64_t) l->dst_y + l->dst_h;
  left = left < 0 ? 0 : left > width ? width : left;
  right = right < 0 ? 0 : right > width ? width : right;
  if (!covered)
    left = right = width;
  for (int64_t u = 0; u < left; u++)
    outside (row, v, (uint32_t) u, (int32_t) ((u + dx) * 256),
        (int32_t) (y * 256));
  if (left < right)
    memcpy (row->to + 3 * left, row->picture + (y * width + left + dx) * 3,
        (size_t) (right - left) * 3);
  for (int64_t u = right; u < width; u++)
    outside (row, v, (uint32_t) u, (int32_t) ((u + dx) * 256),
        (int32_t) (y * 256));
}

/* ---- forgiveness ------------------------------------------------------- */

static void
least_of (const uint8_t *restrict a, const uint8_t *restrict b,
    const uint8_t *restrict c, size_t n, uint8_t *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    uint8_t less = a[i] < b[i] ? a[i] : b[i];
    to[i] = less < c[i] ? less : c[i];
  }
}

static void
most_of (const uint8_t *restrict a, const uint8_t *restrict b,
    const uint8_t *restrict c, size_t n, uint8_t *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    uint8_t more = a[i] > b[i] ? a[i] : b[i];
    to[i] = more > c[i] ? more : c[i];
  }
}

/* The part share / 256 of the way from each value to low and high. */
static void
part_way (const uint8_t *restrict from, size_t n, uint16_t share,
    uint8_t *restrict low, uint8_t *restrict high)
{
  for (size_t i = 0; i < n; i++) {
    uint16_t down = (uint16_t) (from[i] - low[i]);
    uint16_t up = (uint16_t) (high[i] - from[i]);
    low[i] = (uint8_t) (from[i] - dcnn_look_part (down, share));
    high[i] = (uint8_t) (from[i] + dcnn_look_part (up, share));
  }
}

void
dcnn_input_view_band (const uint8_t *const rows[3], size_t width,
    unsigned share, uint8_t *least, uint8_t *most, uint8_t *low,
    uint8_t *high)
{
  size_t n = 3 * width;
  least_of (rows[0], rows[1], rows[2], n, least + 3);
  most_of (rows[0], rows[1], rows[2], n, most + 3);
  for (int i = 0; i < 3; i++) {
    least[i] = least[3 + i];
    most[i] = most[3 + i];
    least[3 + n + (size_t) i] = least[n + (size_t) i];
    most[3 + n + (size_t) i] = most[n + (size_t) i];
  }
  least_of (least, least + 3, least + 6, n, low);
  most_of (most, most + 3, most + 6, n, high);
  part_way (rows[1], n, (uint16_t) share, low, high);
}
