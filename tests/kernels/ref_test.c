/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_test.c - the reference's corners that no net has shown: a scalar is
 * copied alone, of equal maxima the first one's place is told, a local
 * normalisation stays in its own picture, and a resize that is to keep the middle
 * keeps it.
 */
#include <math.h>
#include <stdio.h>

#include "dcnn_resize.h"
#include "ref.h"
#include "ref_util.h"

static int failures;

#define CHECK(ok) \
  do { \
    if (!(ok)) { \
      printf ("%s:%d: %s\n", __FILE__, __LINE__, #ok); \
      failures++; \
    } \
  } while (0)

/* What lies before a scalar's dimensions is none of it. */
static void
check_scalar (void)
{
  static const int64_t before[] = { 0, 1 };
  const float from[3] = { 1, 2, 3 };
  float to[3] = { 7, 7, 7 };

  dcnn_ref_copy_strided (sizeof (float), 0, before + 1, from, before + 1, to,
      before + 1);
  CHECK (to[0] == 1);
  CHECK (to[1] == 7 && to[2] == 7);
}

static void
check_equal_maxima (void)
{
  float in[4] = { 1, 5, 5, 0 }, top = 0;
  int64_t at = -1;
  const DcnnTensor input = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { 1, 1, 2, 2 }, .data = in };
  DcnnTensor output = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { 1, 1, 1, 1 }, .data = &top };
  DcnnTensor place = { .dtype = DCNN_DTYPE_I64, .rank = 4,
    .dims = { 1, 1, 1, 1 }, .data = &at };
  const DcnnTensor *inputs[] = { &input };
  DcnnTensor *outputs[] = { &output, &place };
  DcnnParams params = { 0 };
  DcnnWindow *w = &params.pool.window;

  w->rank = 2;
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = 2;
    w->stride[i] = w->dilation[i] = 1;
  }
  dcnn_ref_max_pool (&params, 1, inputs, 2, outputs);
  CHECK (top == 5);
  CHECK (at == 1);
}

/* Two pictures of two channels: the last channel's neighbour is not the next
 * picture's first. */
static void
check_local_norm (void)
{
  const float in[4] = { 1, 2, 64, 3 };
  float out[4] = { 0 };
  const DcnnTensor input = { .dtype = DCNN_DTYPE_F32, .rank = 3,
    .dims = { 2, 2, 1 }, .data = (void *) in };
  DcnnTensor output = { .dtype = DCNN_DTYPE_F32, .rank = 3,
    .dims = { 2, 2, 1 }, .data = out };
  const DcnnTensor *inputs[] = { &input };
  DcnnTensor *outputs[] = { &output };
  DcnnParams params = { .lrn = { .alpha = 3, .beta = 1, .bias = 1,
      .size = 3 } };

  dcnn_ref_lrn (&params, 1, inputs, 1, outputs);
  CHECK (fabsf (out[0] - 1.f / (1 + 1 + 4)) < 1e-6f);
  CHECK (fabsf (out[1] - 2.f / (1 + 1 + 4)) < 1e-6f);
  CHECK (fabsf (out[2] - 64.f / (1 + 64 * 64 + 9)) < 1e-6f);
}

/* 5 to 7, where 7.5 would be 1.5 times as many. */
static void
check_middle (void)
{
  DcnnResizeParams p = { .coord = DCNN_COORD_HALF_PIXEL_SYMMETRIC };

  p.scale[2] = 1.5;
  CHECK (fabsf (dcnn_resize_coordinate (&p, 2, 3, 5, 7) - 2) < 1e-5f);
}

int
main (void)
{
  check_scalar ();
  check_equal_maxima ();
  check_local_norm ();
  check_middle ();
  printf ("%s\n", failures ? "failed" : "corners of the reference");
  return failures != 0;
}
