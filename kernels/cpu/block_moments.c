/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * block_moments.c - sums and squared differences of 8x8 blocks in double, for
 * normalisations. Two passes over a block of eight channels, which stays in
 * the first cache; lanes do not mix, so every level gives the same bits.
 */
#include "cpu_table.h"

typedef struct Block {
  uint32_t y0, y1, x0, x1;
} Block;

/* Eight channels from c on, floats past the last included: maps may be read so
 * far. */
DCNN_INLINE void
lanes_moments (const DcnnMap *map, const Block *b, uint32_t c, double *sum,
    double *squares)
{
  double mean[DCNN_LANES];
  for (int k = 0; k < DCNN_LANES; k++)
    sum[k] = squares[k] = 0;
  for (uint32_t y = b->y0; y < b->y1; y++)
    for (uint32_t x = b->x0; x < b->x1; x++) {
      const float *p = dcnn_map_pixel (map, y, x) + c;
      for (int k = 0; k < DCNN_LANES; k++)
        sum[k] += (double) p[k];
    }
  for (int k = 0; k < DCNN_LANES; k++)
    mean[k] = sum[k] / ((b->y1 - b->y0) * (b->x1 - b->x0));
  for (uint32_t y = b->y0; y < b->y1; y++)
    for (uint32_t x = b->x0; x < b->x1; x++) {
      const float *p = dcnn_map_pixel (map, y, x) + c;
      for (int k = 0; k < DCNN_LANES; k++) {
        double d = (double) p[k] - mean[k];
        squares[k] += d * d;
      }
    }
}

DcnnBlockMomentsFnType DCNN_FN (dcnn_k_block_moments);

/* See DcnnBlockMomentsFn. */
void
DCNN_FN (dcnn_k_block_moments) (const DcnnMap *map, const uint32_t *blocks,
    size_t n, uint32_t blocks_x, double *moments)
{
  uint32_t padded = dcnn_padded (map->channels);
  for (size_t i = 0; i < n; i++) {
    Block b = { blocks[i] / blocks_x * 8, 0, blocks[i] % blocks_x * 8, 0 };
    double *out = moments + (size_t) blocks[i] * 2 * padded;
    b.y1 = map->height - b.y0 < 8 ? map->height : b.y0 + 8;
    b.x1 = map->width - b.x0 < 8 ? map->width : b.x0 + 8;
    for (uint32_t c = 0; c < padded; c += DCNN_LANES) {
      lanes_moments (map, &b, c, out + c, out + padded + c);
      for (uint32_t k = c; k < c + DCNN_LANES; k++)
        if (k >= map->channels)
          out[k] = out[padded + k] = 0;
    }
  }
}
