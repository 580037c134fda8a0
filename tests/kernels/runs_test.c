/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * runs_test.c - the search for a run at the head of a list of pixels, against
 * a loop: every length, every place where it ends, and nothing of what lies
 * past the list matters, which valgrind watches (kernels/runs-valgrind).
 */
#include <stdio.h>
#include <stdlib.h>

#include "conv_locate.h"

#define MOST 40

static uint32_t
pixel (uint32_t y, uint32_t x)
{
  return y << 16 | x;
}

/* Straight from what the function promises. */
static uint32_t
length_by_loop (const uint32_t *pixels, uint32_t n, uint32_t step)
{
  uint32_t i = 1;

  while (i < n && (pixels[i] & DCNN_PIXEL_PLACE) ==
      (pixels[0] & DCNN_PIXEL_PLACE) + i * step)
    i++;
  return i;
}

/* A list of n entries of which the one at `breaks` goes to another row, with
 * flags here and there. What lies past it is as malloc left it. */
static int
check (uint32_t n, uint32_t step, uint32_t breaks)
{
  uint32_t *list = malloc ((n + DCNN_RUN_OVERREAD) * sizeof *list);
  uint32_t want, got;

  if (list == NULL)
    return 1;
  for (uint32_t i = 0; i < n; i++)
    list[i] = pixel (i >= breaks ? 8 : 7, 3 + i * step) |
        (i % 3 == 1 ? DCNN_PIXEL_FORCE : 0);
  want = length_by_loop (list, n, step);
  got = dcnn_run_length (list, n, step);
  free (list);
  if (got == want && want == (breaks < n ? breaks : n))
    return 0;
  fprintf (stderr, "%u entries %u apart, row ends before %u: %u, not %u\n", n,
      step, breaks, got, want);
  return 1;
}

int
main (void)
{
  int bad = 0;

  if (!__builtin_cpu_supports ("avx2")) {
    printf ("SKIP: no AVX2\n");
    return 77;
  }
  for (uint32_t n = 1; n <= MOST; n++)
    for (uint32_t step = 1; step <= 2; step++)
      for (uint32_t breaks = 1; breaks <= n; breaks++)
        bad += check (n, step, breaks);
  if (bad)
    return 1;
  printf ("runs of up to %d entries: ok\n", MOST);
  return 0;
}
