/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensor_conv.c - convolutions of dense tensors in their own order, [channels,
 * depth, height, width]: what a tile of pixels reads is laid out as panels of a
 * matrix, which the weights are multiplied by.
 */
#include <string.h>

#include "cpu_table.h"
#include "simd.h"

#define PIXELS DCNN_MATMUL_PANEL

#if V_LANES > 1
#define ACCUMULATE V_ACCUMULATE
#else
#define ACCUMULATE(sum, a, b) ((sum) += (a) * (b))
#endif

DcnnMatmulFnType DCNN_FN (dcnn_k_matmul);
DcnnTensorConvFnType DCNN_FN (dcnn_k_tensor_conv);

/* Pixels of a panel that lie in one row of the out tensor. */
typedef struct Run {
  uint32_t lane, n;
  size_t at;               /* of the first one's first number, in floats */
} Run;

/* Finds the runs of n pixels from `first` on; returns how many. */
static uint32_t
find_runs (const DcnnTensorConv *conv, size_t first, uint32_t n, Run *runs)
{
  uint32_t found = 0;

  for (uint32_t lane = 0; lane < n; found++) {
    const size_t pixel = first + lane, row = pixel / conv->size[2];
    const size_t x = pixel % conv->size[2], left = conv->size[2] - x;
    runs[found] = (Run) { .lane = lane, .n = left < n - lane ? (uint32_t) left
      : n - lane, .at = row / conv->size[1] * conv->step[0] + row %
          conv->size[1] * conv->step[1] + x * conv->step[2] };
    lane += runs[found].n;
  }
  return found;
}

/* How a panel's runs lie: all of one length, or any. */
typedef enum Form { WHOLE, HALVES, QUARTERS, ANY } Form;

static Form
form_of (const DcnnTensorConv *conv, const Run *runs, uint32_t n)
{
  const uint32_t length = PIXELS / n;

  for (uint32_t i = 0; i < n; i++)
    if (runs[i].n != length || conv->step[2] > 2)
      return ANY;
  return n == 1 ? WHOLE : n == 2 ? HALVES : n == 4 ? QUARTERS : ANY;
}

/* One number of each pixel, which lies at `in` from their firsts on; the next
 * one's lies `step` further. */
DCNN_INLINE void
take (const float *in, const Run *runs, uint32_t n, const Form form,
    const size_t step, float *to)
{
  if (form != ANY) {
    const uint32_t many = form == WHOLE ? 1 : form == HALVES ? 2 : 4;
    DCNN_UNROLL
    for (uint32_t i = 0; i < many; i++)
      for (uint32_t x = 0; x < PIXELS / many; x++)
        to[i * (PIXELS / many) + x] = in[runs[i].at + x * step];
    return;
  }
  for (uint32_t r = 0; r < n; r++)
    for (uint32_t i = 0; i < runs[r].n; i++)
      to[runs[r].lane + i] = in[runs[r].at + i * step];
}

/* A panel: [channels][taps][PIXELS]. form and step are constants where this is
 * expanded. */
DCNN_INLINE void
fill (const DcnnTensorConv *conv, const Run *runs, uint32_t n, const Form form,
    const size_t step, float *to)
{
  for (size_t c = 0; c < conv->in_channels; c++)
    for (size_t z = 0; z < conv->kernel[0]; z++)
      for (size_t y = 0; y < conv->kernel[1]; y++)
        for (size_t x = 0; x < conv->kernel[2]; x++, to += PIXELS)
          take (conv->in + c * conv->plane + z * conv->reach[0] + y *
              conv->reach[1] + x * conv->reach[2], runs, n, form, step, to);
}

static void
fill_panel (const DcnnTensorConv *conv, size_t first, uint32_t pixels, float *to)
{
  Run runs[PIXELS];
  const uint32_t n = find_runs (conv, first, pixels, runs);

  if (pixels < PIXELS)
    memset (to, 0, sizeof (float) * PIXELS * conv->k);
  switch (form_of (conv, runs, n) * 2 + (conv->step[2] == 1)) {
    case WHOLE * 2:
      fill (conv, runs, n, WHOLE, 2, to);
      break;
    case WHOLE * 2 + 1:
      fill (conv, runs, n, WHOLE, 1, to);
      break;
    case HALVES * 2:
      fill (conv, runs, n, HALVES, 2, to);
      break;
    case HALVES * 2 + 1:
      fill (conv, runs, n, HALVES, 1, to);
      break;
    case QUARTERS * 2:
      fill (conv, runs, n, QUARTERS, 2, to);
      break;
    case QUARTERS * 2 + 1:
      fill (conv, runs, n, QUARTERS, 1, to);
      break;
    default:
      fill (conv, runs, n, ANY, conv->step[2], to);
  }
}

/* The only channel of a group: a panel whose pixels follow each other needs no
 * copy. The sums run as dcnn_k_matmul()'s. */
static void
run_alone (const DcnnTensorConv *conv, size_t at, float *out)
{
  const float *w = conv->weights;
  v_t sums[PIXELS / V_LANES];

  DCNN_UNROLL
  for (uint32_t v = 0; v < PIXELS / V_LANES; v++)
    sums[v] = v_zero ();
  for (size_t c = 0; c < conv->in_channels; c++)
    for (size_t z = 0; z < conv->kernel[0]; z++)
      for (size_t y = 0; y < conv->kernel[1]; y++)
        for (size_t x = 0; x < conv->kernel[2]; x++) {
          const float *in = conv->in + at + c * conv->plane + z *
              conv->reach[0] + y * conv->reach[1] + x * conv->reach[2];
          const v_t by = v_set (*w++);
          DCNN_UNROLL
          for (uint32_t v = 0; v < PIXELS / V_LANES; v++)
            ACCUMULATE (sums[v], by, v_load (in + v * V_LANES));
        }
  DCNN_UNROLL
  for (uint32_t v = 0; v < PIXELS / V_LANES; v++)
    v_store (out + v * V_LANES, sums[v]);
}

/* So many of the n pixels from `first` on were computed by run_alone(). */
static size_t
run_whole_panels (const DcnnTensorConv *conv, size_t first, size_t n)
{
  Run runs[PIXELS];
  size_t done = 0;

  for (; done + PIXELS <= n; done += PIXELS) {
    if (conv->step[2] != 1 || find_runs (conv, first + done, PIXELS, runs) > 1)
      break;
    run_alone (conv, runs[0].at, conv->out + first + done);
  }
  return done;
}

/* See DcnnTensorConvFn. */
void
DCNN_FN (dcnn_k_tensor_conv) (const DcnnTensorConv *conv, size_t first,
    size_t n, float *scratch)
{
  const size_t done = conv->out_channels > 1 ? 0 : run_whole_panels (conv,
      first, n);
  const DcnnMatmul mm = { .k = conv->k, .n = n - done, .a = conv->weights, .a_row =
        (ptrdiff_t) conv->k, .a_column = 1, .packed = scratch,
    .out = conv->out + first + done, .out_row = conv->pixels };

  for (size_t i = done; i < n; i += PIXELS)
    fill_panel (conv, first + i, n - i < PIXELS ? (uint32_t) (n - i) : PIXELS,
        scratch + (i - done) * conv->k);
  if (done < n)
    DCNN_FN (dcnn_k_matmul) (&mm, conv->rows, 0, conv->out_channels);
  for (size_t c = 0; conv->bias && c < conv->out_channels; c++) {
    float *out = conv->out + c * conv->pixels + first;
    const float by = conv->bias[c];
    for (size_t i = 0; i < n; i++)
      out[i] += by;
  }
}
