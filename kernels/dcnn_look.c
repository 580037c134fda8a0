/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_look.h"

#include <string.h>

/* A shift that misses whole pixels by no more than this in the whole window is
 * taken as one of whole pixels; px. */
#define WHOLE_PX 0.15
/* What misses them by more than this is forgiven as any part of a pixel. */
#define EXACT_PX (1.0 / 64)

/* ---- weights ---------------------------------------------------------- */

static double
lanczos (double t)
{
  double x = M_PI * t;
  return fabs (t) < 1e-9 ? 1 : fabs (t) >= 2 ? 0 : sin (x) / x * sin (x / 2)
      / (x / 2);
}

/* Of the pixels at -1, 0, 1 and 2, for a point at t of 0 .. 1. */
static void
weigh (DcnnSampling sampling, double t, double w[4])
{
  double t2 = t * t, t3 = t2 * t, sum = 0;
  switch (sampling) {
    case DCNN_SAMPLING_LANCZOS:
      for (int k = 0; k < 4; k++)
        sum += w[k] = lanczos (t + 1 - k);
      for (int k = 0; k < 4; k++)
        w[k] /= sum;
      return;
    case DCNN_SAMPLING_LINEAR:
    case DCNN_SAMPLING_NEAREST:
      w[0] = w[3] = 0;
      w[2] = sampling == DCNN_SAMPLING_LINEAR ? t : t >= 0.5;
      break;
    default:
      w[0] = (-t3 + 2 * t2 - t) / 2;
      w[2] = (-3 * t3 + 4 * t2 + t) / 2;
      w[3] = (t3 - t2) / 2;
  }
  w[1] = 1 - w[0] - w[2] - w[3];
}

void
dcnn_look_weights (DcnnSampling sampling, int16_t (*weights)[4])
{
  for (int i = 0; i < DCNN_LOOK_PHASES; i++) {
    double w[4];
    weigh (sampling, (double) i / DCNN_LOOK_PHASES, w);
    for (int k = 0; k < 4; k++)
      weights[i][k] = (int16_t) lrint (16384 * w[k]);
    weights[i][1] = (int16_t) (16384 - weights[i][0] - weights[i][2]
        - weights[i][3]);
  }
}

/* ---- which way of sampling -------------------------------------------- */

/* What the matrix comes to. exact: it misses whole pixels by nothing that
 * counts. */
static void
find_kind (DcnnLook *look, bool *exact)
{
  double whole_x = 0, whole_y = 0, most = 0;
  *exact = false;
  look->kind = DCNN_INPUT_WARPED;
  for (int corner = 0; corner < 4; corner++) {
    double u = corner & 1 ? look->width : 0, x;
    double v = corner & 2 ? look->height : 0, y;
    if (!dcnn_look_point (look->matrix, u, v, &x, &y))
      return;
    if (!corner) {
      whole_x = floor (x - u + 0.5);
      whole_y = floor (y - v + 0.5);
    }
    most = fmax (most, fabs (x - u - whole_x));
    most = fmax (most, fabs (y - v - whole_y));
  }
  *exact = most <= EXACT_PX;
  look->shift_x = (int32_t) whole_x;
  look->shift_y = (int32_t) whole_y;
  if (most <= WHOLE_PX)
    look->kind = look->shift_x == 0 && look->shift_y == 0
        ? DCNN_INPUT_AS_IT_IS : DCNN_INPUT_SHIFTED;
}

void
dcnn_look_init (DcnnLook *look, const DcnnInputGeometry *g,
    const DcnnInputView *view)
{
  bool exact;
  *look = (DcnnLook) { .kind = DCNN_INPUT_AS_IT_IS, .width = g->width,
    .height = g->height, .dst_x = g->dst_x, .dst_y = g->dst_y,
    .dst_w = g->dst_w, .dst_h = g->dst_h, .weights = look->weights };
  memcpy (look->fill, g->fill, 3);
  if (!view)
    return;
  memcpy (look->matrix, view->matrix, sizeof look->matrix);
  look->known_y0 = view->known_y0;
  look->known_y1 = view->known_y1;
  look->known_x0 = view->known_x0;
  look->known_x1 = view->known_x1;
  look->clamped = view->sampling == DCNN_SAMPLING_CLAMPED;
  find_kind (look, &exact);
  if (look->kind == DCNN_INPUT_AS_IT_IS
      && (g->dst_w < g->width || g->dst_h < g->height))
    look->kind = DCNN_INPUT_SHIFTED; /* what is beside it stays */
  if (!exact && view->forgive > 0)
    look->forgive = (uint32_t) (256 * (view->forgive < 1 ? view->forgive : 1));
}

void
dcnn_look_get_matrix (const DcnnLook *look, double matrix[9])
{
  const double shift[9] = { 1, 0, look->shift_x, 0, 1, look->shift_y, 0, 0,
    1 };
  memcpy (matrix, look->kind == DCNN_INPUT_WARPED ? look->matrix : shift,
      sizeof shift);
}
