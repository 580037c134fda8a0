/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * grids.c - GridSample: on every level of the instruction set its kernel equals
 * the reference, in all modes and paddings, at places that are far away or no
 * numbers, too, and of maps that hold such; a pixel has the same bits whatever others are computed with
 * it. Against ONNX's own cases: onnx/session_tests.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_kernels.h"
#include "nets.h"

#define CHANNELS 3
#define HEIGHT 7
#define WIDTH 11
#define PIXELS 151
#define POISON 12345

/* A map, a grid, and room for what comes out. */
typedef struct Case {
  DcnnGridParams params;
  float in[CHANNELS * HEIGHT * WIDTH], grid[PIXELS * 2];
  float out[CHANNELS * PIXELS + 1], want[CHANNELS * PIXELS];
} Case;

static void
run (const Case *c, const DcnnCpuKernels *kernels, float *out, gsize first,
    gsize n)
{
  const DcnnGrid grid = { .params = &c->params, .size = { HEIGHT, WIDTH },
    .channels = CHANNELS, .pixels = PIXELS, .in = c->in, .grid = c->grid,
    .out = out };

  kernels->grid (&grid, first, n);
}

static void
check_level (Case *c, const DcnnCpuKernels *kernels)
{
  float alone[CHANNELS * PIXELS + 1];

  c->out[CHANNELS * PIXELS] = POISON;
  for (gsize i = 0; i < PIXELS; i += DCNN_GRID_TILE)
    run (c, kernels, c->out, i, MIN (DCNN_GRID_TILE, PIXELS - i));
  for (gsize i = 0; i < PIXELS; i++)
    run (c, kernels, alone, i, 1);
  g_assert_cmpmem (alone, sizeof c->want, c->out, sizeof c->want);
  g_assert_cmpfloat (c->out[CHANNELS * PIXELS], ==, POISON);
  for (gsize i = 0; i < CHANNELS * PIXELS; i++)
    if (isfinite (c->want[i]))
      g_assert_cmpfloat (fabsf (c->out[i] - c->want[i]), <, 1e-5f);
    else if (isnan (c->want[i]))
      g_assert_true (isnan (c->out[i]));
    else
      g_assert_cmpfloat (c->out[i], ==, c->want[i]);
}

static void
check (DcnnGridMode mode, DcnnGridPadding padding, gboolean corners,
    gboolean finite)
{
  Case c = { .params = { mode, padding, corners } };
  const DcnnParams params = { .grid = c.params };
  const DcnnTensor in = { .dtype = DCNN_DTYPE_F32, .rank = 4, .dims = { 1,
      CHANNELS, HEIGHT, WIDTH }, .data = c.in };
  const DcnnTensor grid = { .dtype = DCNN_DTYPE_F32, .rank = 4, .dims = { 1, 1,
      PIXELS, 2 }, .data = c.grid };
  DcnnTensor want = { .dtype = DCNN_DTYPE_F32, .rank = 4, .dims = { 1,
      CHANNELS, 1, PIXELS }, .data = c.want };
  const DcnnTensor *inputs[2] = { &in, &grid };
  DcnnTensor *outputs[1] = { &want };
  guint64 seed = 7;

  for (gsize i = 0; i < G_N_ELEMENTS (c.in); i++)
    c.in[i] = test_random_value (&seed, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (c.grid); i++)
    c.grid[i] = 2 * test_random_value (&seed, FALSE);
  /* the first pixel and a corner of maps */
  c.in[0] = finite ? c.in[0] : NAN;
  c.in[HEIGHT * WIDTH * 2 - 1] = finite ? c.in[1] : INFINITY;
  c.grid[3] = 1e30f;
  c.grid[20] = INFINITY;
  c.grid[41] = NAN;
  c.grid[60] = c.grid[61] = -1;
  c.grid[62] = c.grid[63] = 1;
  dcnn_op_run_reference (DCNN_OP_GRID_SAMPLE, &params, 2, inputs, 1, outputs);
  for (guint level = 0; dcnn_cpu_kernels_at (level); level++)
    check_level (&c, dcnn_cpu_kernels_at (level));
}

static void
test_kernels (void)
{
  for (guint i = 0; i < 36; i++)
    check (i % 3, i / 3 % 3, i / 9 % 2, i < 18);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/grids/kernels", test_kernels);
  return g_test_run ();
}
