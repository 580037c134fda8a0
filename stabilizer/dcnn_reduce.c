/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_reduce.h"

/* Rows are added up whole, whatever the step, so that the compiler can do many
 * bytes at once; 64 rows of 255 fit into 16 bits. */
static void
add_rows (const uint8_t *luma, ptrdiff_t stride, unsigned factor, size_t bytes,
    uint16_t *restrict sums)
{
  for (size_t i = 0; i < bytes; i++)
    sums[i] = luma[i];
  for (unsigned y = 1; y < factor; y++) {
    const uint8_t *restrict row = luma + (ptrdiff_t) y * stride;
    for (size_t i = 0; i < bytes; i++)
      sums[i] = (uint16_t) (sums[i] + row[i]);
  }
}

static void
mean_of_row (const uint16_t *sums, unsigned step, unsigned factor, uint8_t *out,
    unsigned width)
{
  const uint32_t area = factor * factor;
  /* exact: sums stay under 2^20, areas are at most 2^12 */
  const uint64_t inverse = (((uint64_t) 1 << 32) + area - 1) / area;

  for (unsigned x = 0; x < width; x++) {
    uint32_t sum = area / 2;
    for (unsigned i = 0; i < factor; i++, sums += step)
      sum += *sums;
    out[x] = (uint8_t) (sum * inverse >> 32);
  }
}

void
dcnn_reduce (const uint8_t *luma, ptrdiff_t stride, unsigned step,
    unsigned factor, uint8_t *out, ptrdiff_t out_stride, unsigned out_w,
    unsigned out_h, uint16_t *sums)
{
  const size_t bytes = ((size_t) out_w * factor - 1) * step + 1;

  for (unsigned y = 0; y < out_h; y++) {
    add_rows (luma + (ptrdiff_t) y * factor * stride, stride, factor, bytes,
        sums);
    /* the usual ones as constants, which the compiler unrolls */
    if (factor == 2 && step == 1)
      mean_of_row (sums, 1, 2, out, out_w);
    else if (factor == 3 && step == 1)
      mean_of_row (sums, 1, 3, out, out_w);
    else
      mean_of_row (sums, step, factor, out, out_w);
    out += out_stride;
  }
}
