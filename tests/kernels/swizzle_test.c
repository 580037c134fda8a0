/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * swizzle_test.c - where the GPU's kernels for warp groups put their operands,
 * and where the hardware looks for them: a product is made here as the
 * hardware would, from shared memory that was filled as the kernel fills it.
 * What the hardware does is written down from the PTX ISA by itself: address
 * bits 4 to 6 are combined with bits 7 to 9; rows of 8 are a descriptor's
 * stride apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/dcnn_cuda_swizzle.h"

#define ROWS 128
#define K 192
#define MOST 128

static int failures;

#define CHECK(good, ...) do {                                                  \
    if (!(good) && failures++ < 10) {                                          \
      printf ("FAIL " __VA_ARGS__);                                            \
      printf ("\n");                                                           \
    }                                                                          \
  } while (0)

/* The hardware: half (row, column of 16) of the matrix that a descriptor says,
 * in shared memory. */
static int
matrix_half (const uint16_t *shared, uint64_t descriptor, uint32_t row,
    uint32_t column)
{
  uint32_t start = (uint32_t) (descriptor & 0x3fff) << 4;
  uint32_t stride = (uint32_t) (descriptor >> 32 & 0x3fff) << 4;
  uint32_t at = start + row / 8 * stride + row % 8 * 128 + column * 2;

  CHECK (descriptor >> 62 == 1, "layout is not that of 128 bytes");
  CHECK ((descriptor >> 49 & 7) == 0, "there is a base offset");
  at ^= (at >> 7 & 7) << 4;
  return shared[at / 2];
}

/* A 64 x n product of 16 steps of k, added to each thread's sums. */
static void
group_product (const uint16_t *shared, uint64_t a, uint64_t b, uint32_t n,
    int (*sums)[MOST / 2])
{
  for (uint32_t thread = 0; thread < 128; thread++)
    for (uint32_t i = 0; i < n / 2; i++) {
      uint32_t row = dcnn_wgmma_row (thread, i);
      uint32_t column = dcnn_wgmma_column (thread, i);
      for (uint32_t k = 0; k < 16; k++)
        sums[thread][i] += matrix_half (shared, a, row, k) *
            matrix_half (shared, b, column, k);
    }
}

static uint16_t inputs[ROWS][K], weights[MOST][K];
static int sums[2][128][MOST / 2];

/* The kernel's way: rows of both operands by pieces. */
static void
check_product (uint32_t n, uint32_t slot, uint32_t slots)
{
  uint32_t b_bytes = n * 128, a_bytes = ROWS * 128;
  uint16_t *shared = calloc ((a_bytes + b_bytes) * slots, 1);

  memset (sums, 0, sizeof sums);
  for (uint32_t step = 0; step < K / 64; step++) {
    uint32_t b = slot * b_bytes, a = slots * b_bytes + slot * a_bytes;
    CHECK (a % DCNN_SWIZZLE_ATOM == 0 && b % DCNN_SWIZZLE_ATOM == 0,
        "a tile begins inside of an atom");
    for (uint32_t c = 0; c < n; c++)
      for (uint32_t piece = 0; piece < 8; piece++)
        memcpy ((char *) shared + b + dcnn_piece_at (c, piece),
            &weights[c][step * 64 + piece * 8], 16);
    for (uint32_t row = 0; row < ROWS; row++)
      for (uint32_t piece = 0; piece < 8; piece++)
        memcpy ((char *) shared + a + dcnn_piece_at (row, piece),
            &inputs[row][step * 64 + piece * 8], 16);
    for (uint32_t group = 0; group < 2; group++)
      for (uint32_t k16 = 0; k16 < 4; k16++)
        group_product (shared, dcnn_wgmma_on (dcnn_wgmma_rows (a + group *
                    a_bytes / 2, 64), k16), dcnn_wgmma_on (dcnn_wgmma_rows (b, 64),
                k16), n, sums[group]);
    slot = (slot + 1) % slots;
  }
  for (uint32_t row = 0; row < ROWS; row++)
    for (uint32_t c = 0; c < n; c++) {
      int want = 0, found = 0;
      for (uint32_t k = 0; k < K; k++)
        want += inputs[row][k] * weights[c][k];
      for (uint32_t thread = 0; thread < 128; thread++)
        for (uint32_t i = 0; i < n / 2; i++)
          if (dcnn_wgmma_row (thread, i) == row % 64 &&
              dcnn_wgmma_column (thread, i) == c) {
            found++;
            CHECK (sums[row / 64][thread][i] == want, "row %u column %u: %d, "
                "should be %d", row, c, sums[row / 64][thread][i], want);
          }
      CHECK (found == 1, "row %u column %u is held %d times", row, c, found);
    }
  free (shared);
}

/* Eight rows of one piece are in different banks, for copies and ldmatrix. */
static void
check_banks (void)
{
  for (uint32_t piece = 0; piece < 8; piece++)
    for (uint32_t first = 0; first < 64; first += 8) {
      uint32_t banks = 0;
      for (uint32_t row = first; row < first + 8; row++)
        banks |= 1u << (dcnn_piece_at (row, piece) / 16 % 8);
      CHECK (banks == 0xff, "piece %u of rows from %u", piece, first);
    }
}

int
main (void)
{
  uint32_t state = 1;

  for (uint32_t k = 0; k < K; k++) {
    for (uint32_t row = 0; row < ROWS; row++)
      inputs[row][k] = (uint16_t) ((state = state * 1664525 + 1013904223) >>
          28);
    for (uint32_t c = 0; c < MOST; c++)
      weights[c][k] = (uint16_t) ((state = state * 1664525 + 1013904223) >>
          28);
  }
  check_product (64, 0, 4);
  check_product (128, 2, 3);
  check_banks ();
  printf ("%s\n", failures ? "failed" : "products as the hardware makes them");
  return failures != 0;
}
