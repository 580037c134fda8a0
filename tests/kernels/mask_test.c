/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mask_test.c - mask algebra against brute force on random masks and windows.
 *
 *   mask_test [--seed N] [--cases N]   test; a failure prints its seed
 *   mask_test --bench                  time of the common operations
 */
#include "dcnn_mask.h"
#include "check_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD UINT64_C (0xdeadbeefcafef00d)

/* A mask with guard words on both sides. */
typedef struct Guarded {
  DcnnMask mask;
  uint64_t *store;
} Guarded;

static Guarded
guarded_new (uint32_t width, uint32_t height)
{
  Guarded g;
  size_t n = dcnn_mask_words (width, height);
  g.store = malloc ((n + 2) * sizeof (uint64_t));
  for (size_t i = 0; i < n + 2; i++)
    g.store[i] = GUARD;
  dcnn_mask_init (&g.mask, width, height, g.store + 1);
  return g;
}

static void
guarded_free (Guarded *g, uint64_t seed, const char *what)
{
  size_t n = dcnn_mask_n_words (&g->mask);
  CHECK (g->store[0] == GUARD && g->store[n + 1] == GUARD,
      "%s wrote outside", what);
  for (uint32_t y = 0; y < 8 * g->mask.blocks_y; y++)
    for (uint32_t x = 0; x < 8 * g->mask.blocks_x; x++)
      if (y >= g->mask.height || x >= g->mask.width)
        CHECK (!dcnn_mask_get (&g->mask, y, x), "%s set a bit outside", what);
  free (g->store);
}

static Guarded
guarded_random (uint32_t width, uint32_t height)
{
  Guarded g = guarded_new (width, height);
  uint32_t mode = check_random (4);
  dcnn_mask_clear (&g.mask);
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      if (mode == 3 || check_random (mode == 0 ? 40 : mode == 1 ? 6 : 2) == 0)
        dcnn_mask_set (&g.mask, y, x);
  return g;
}

static uint32_t
random_size (void)
{
  static const uint32_t big[] = { 96, 97, 127, 128, 129, 200, 257 };
  return check_random (12) ? 1 + check_random (40) : big[check_random (7)];
}

static bool
get (const DcnnMask *m, int64_t y, int64_t x)
{
  return y >= 0 && x >= 0 && y < m->height && x < m->width
      && dcnn_mask_get (m, (uint32_t) y, (uint32_t) x);
}

static void
compare (const DcnnMask *got, const DcnnMask *want, uint64_t seed,
    const char *what, const char *detail)
{
  for (uint32_t y = 0; y < want->height; y++)
    for (uint32_t x = 0; x < want->width; x++)
      CHECK (dcnn_mask_get (got, y, x) == dcnn_mask_get (want, y, x),
          "%s (%s) %ux%u differs at y %u x %u: got %d", what, detail,
          want->width, want->height, y, x, dcnn_mask_get (got, y, x));
}

static void
random_window (DcnnWindow *w)
{
  memset (w, 0, sizeof *w);
  w->rank = 2;
  for (int d = 0; d < 2; d++) {
    w->kernel[d] = 1 + check_random (check_random (8) ? 7 : 40);
    w->stride[d] = 1 + check_random (check_random (3) ? 2 : 5);
    w->dilation[d] = 1 + (check_random (3) ? 0 : check_random (5));
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d];
    bool same = check_random (2);
    w->pad_begin[d] = same ? reach / 2 : check_random ((uint32_t) reach + 2);
    w->pad_end[d] = same ? reach - reach / 2
        : check_random ((uint32_t) reach + 2);
  }
}

static void
test_conv (uint64_t seed)
{
  DcnnWindow w;
  random_window (&w);
  uint32_t size[2], out[2];
  for (int d = 0; d < 2; d++) {
    int64_t reach = (w.kernel[d] - 1) * w.dilation[d] + 1;
    size[d] = random_size ();
    int64_t room = size[d] + w.pad_begin[d] + w.pad_end[d] - reach;
    while (room < 0) {
      size[d]++;
      room++;
    }
    out[d] = (uint32_t) (room / w.stride[d] + 1);
  }
  Guarded src = guarded_random (size[1], size[0]);
  Guarded got = guarded_new (out[1], out[0]), want = guarded_new (out[1], out[0]);
  dcnn_mask_clear (&want.mask);
  for (uint32_t y = 0; y < out[0]; y++)
    for (uint32_t x = 0; x < out[1]; x++)
      for (int64_t ky = 0; ky < w.kernel[0]; ky++)
        for (int64_t kx = 0; kx < w.kernel[1]; kx++)
          if (get (&src.mask, y * w.stride[0] - w.pad_begin[0] + ky * w.dilation[0],
                  x * w.stride[1] - w.pad_begin[1] + kx * w.dilation[1]))
            dcnn_mask_set (&want.mask, y, x);
  void *scratch = malloc (dcnn_mask_scratch_bytes (size[1], size[0], out[1],
          out[0]));
  dcnn_mask_candidates_conv (&got.mask, &src.mask, &w, scratch);
  char detail[160];
  snprintf (detail, sizeof detail, "x: k %d s %d d %d p %d; y: k %d s %d d %d p %d",
      (int) w.kernel[1], (int) w.stride[1], (int) w.dilation[1],
      (int) w.pad_begin[1], (int) w.kernel[0], (int) w.stride[0],
      (int) w.dilation[0], (int) w.pad_begin[0]);
  compare (&got.mask, &want.mask, seed, "candidates_conv", detail);
  free (scratch);
  guarded_free (&src, seed, "nobody");
  guarded_free (&got, seed, "candidates_conv");
  guarded_free (&want, seed, "nobody");
}

static void
test_transposed (uint64_t seed)
{
  DcnnWindow w;
  random_window (&w);
  uint32_t size[2], out[2];
  for (int d = 0; d < 2; d++) {
    int64_t reach = (w.kernel[d] - 1) * w.dilation[d] + 1;
    size[d] = 1 + check_random (30);
    int64_t n = (size[d] - 1) * w.stride[d] + reach - w.pad_begin[d]
        - w.pad_end[d] + check_random ((uint32_t) w.stride[d]);
    out[d] = n < 1 ? 1 : (uint32_t) n;
  }
  Guarded src = guarded_random (size[1], size[0]);
  Guarded got = guarded_new (out[1], out[0]), want = guarded_new (out[1], out[0]);
  dcnn_mask_clear (&want.mask);
  for (uint32_t y = 0; y < size[0]; y++)
    for (uint32_t x = 0; x < size[1]; x++)
      for (int64_t ky = 0; get (&src.mask, y, x) && ky < w.kernel[0]; ky++)
        for (int64_t kx = 0; kx < w.kernel[1]; kx++) {
          int64_t oy = y * w.stride[0] - w.pad_begin[0] + ky * w.dilation[0];
          int64_t ox = x * w.stride[1] - w.pad_begin[1] + kx * w.dilation[1];
          if (oy >= 0 && ox >= 0 && oy < out[0] && ox < out[1])
            dcnn_mask_set (&want.mask, (uint32_t) oy, (uint32_t) ox);
        }
  void *scratch = malloc (dcnn_mask_scratch_bytes (size[1], size[0], out[1],
          out[0]));
  dcnn_mask_candidates_transposed (&got.mask, &src.mask, &w, scratch);
  char detail[160];
  snprintf (detail, sizeof detail, "x: k %d s %d d %d p %d; y: k %d s %d d %d p %d",
      (int) w.kernel[1], (int) w.stride[1], (int) w.dilation[1],
      (int) w.pad_begin[1], (int) w.kernel[0], (int) w.stride[0],
      (int) w.dilation[0], (int) w.pad_begin[0]);
  compare (&got.mask, &want.mask, seed, "candidates_transposed", detail);
  free (scratch);
  guarded_free (&src, seed, "nobody");
  guarded_free (&got, seed, "candidates_transposed");
  guarded_free (&want, seed, "nobody");
}

static void
test_table (uint64_t seed)
{
  uint32_t w = random_size (), h = random_size (), ow = random_size (),
      oh = random_size (), ty = 1 + check_random (4), tx = 1 + check_random (4);
  uint32_t *iy = malloc ((size_t) oh * ty * 4), *ix = malloc ((size_t) ow * tx * 4);
  for (uint32_t i = 0; i < oh * ty; i++)
    iy[i] = check_random (8) ? check_random (h) : UINT32_MAX;
  for (uint32_t i = 0; i < ow * tx; i++)
    ix[i] = check_random (8) ? check_random (w) : UINT32_MAX;
  Guarded src = guarded_random (w, h);
  Guarded got = guarded_new (ow, oh), want = guarded_new (ow, oh);
  dcnn_mask_clear (&want.mask);
  for (uint32_t y = 0; y < oh; y++)
    for (uint32_t x = 0; x < ow; x++)
      for (uint32_t a = 0; a < ty; a++)
        for (uint32_t b = 0; b < tx; b++) {
          uint32_t sy = iy[y * ty + a], sx = ix[x * tx + b];
          if (sy != UINT32_MAX && sx != UINT32_MAX && get (&src.mask, sy, sx))
            dcnn_mask_set (&want.mask, y, x);
        }
  void *scratch = malloc (dcnn_mask_scratch_bytes (w, h, ow, oh));
  dcnn_mask_candidates_table (&got.mask, &src.mask, ty, iy, tx, ix, scratch);
  compare (&got.mask, &want.mask, seed, "candidates_table", "");
  free (scratch);
  free (iy);
  free (ix);
  guarded_free (&src, seed, "nobody");
  guarded_free (&got, seed, "candidates_table");
  guarded_free (&want, seed, "nobody");
}

static void
test_shift_dilate (uint64_t seed)
{
  uint32_t w = random_size (), h = random_size ();
  int32_t dy = (int32_t) check_random (2 * h + 41) - (int32_t) h - 20;
  int32_t dx = (int32_t) check_random (2 * w + 41) - (int32_t) w - 20;
  Guarded src = guarded_random (w, h), got = guarded_new (w, h),
      want = guarded_new (w, h);
  dcnn_mask_clear (&want.mask);
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++)
      if (get (&src.mask, (int64_t) y - dy, (int64_t) x - dx))
        dcnn_mask_set (&want.mask, y, x);
  dcnn_mask_shift (&got.mask, &src.mask, dy, dx);
  compare (&got.mask, &want.mask, seed, "shift", "");

  int64_t r = check_random (check_random (3) ? 10 : 45);
  dcnn_mask_clear (&want.mask);
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++)
      if (get (&src.mask, y, x))
        for (int64_t a = y - r; a <= y + r; a++)
          for (int64_t b = x - r; b <= x + r; b++)
            if (a >= 0 && b >= 0 && a < h && b < w)
              dcnn_mask_set (&want.mask, (uint32_t) a, (uint32_t) b);
  void *scratch = malloc (dcnn_mask_scratch_bytes (w, h, w, h));
  dcnn_mask_dilate (&got.mask, &src.mask, (uint32_t) r, scratch);
  compare (&got.mask, &want.mask, seed, "dilate", "");
  dcnn_mask_dilate (&src.mask, &src.mask, (uint32_t) r, scratch);
  compare (&src.mask, &want.mask, seed, "dilate in place", "");
  free (scratch);
  guarded_free (&src, seed, "dilate in place");
  guarded_free (&got, seed, "shift, dilate");
  guarded_free (&want, seed, "nobody");
}

static void
test_sets (uint64_t seed)
{
  uint32_t w = random_size (), h = random_size ();
  Guarded a = guarded_random (w, h), b = guarded_random (w, h),
      c = guarded_new (w, h);
  uint64_t count = 0;
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++)
      count += get (&a.mask, y, x);
  CHECK (dcnn_mask_count (&a.mask) == count, "count");
  CHECK (dcnn_mask_any (&a.mask) == (count != 0), "any");
  CHECK (dcnn_mask_full (&a.mask) == (count == (uint64_t) w * h), "full");
  for (int op = 0; op < 3; op++) {
    dcnn_mask_copy (&c.mask, &a.mask);
    (op == 0 ? dcnn_mask_or : op == 1 ? dcnn_mask_and : dcnn_mask_and_not)
        (&c.mask, &b.mask);
    for (uint32_t y = 0; y < h; y++)
      for (uint32_t x = 0; x < w; x++) {
        bool p = get (&a.mask, y, x), q = get (&b.mask, y, x);
        bool want = op == 0 ? p || q : op == 1 ? p && q : p && !q;
        CHECK (get (&c.mask, y, x) == want, "set op %d", op);
      }
  }
  uint32_t rx = check_random (w + 4), ry = check_random (h + 4),
      rw = check_random (w + 9), rh = check_random (h + 9);
  dcnn_mask_clear (&c.mask);
  dcnn_mask_fill_rect (&c.mask, rx, ry, rw, rh);
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++)
      CHECK (get (&c.mask, y, x)
          == (x >= rx && y >= ry && x - rx < rw && y - ry < rh), "fill_rect");
  dcnn_mask_fill (&c.mask);
  CHECK (dcnn_mask_full (&c.mask) && dcnn_mask_count (&c.mask)
      == (uint64_t) w * h, "fill");
  guarded_free (&a, seed, "nobody");
  guarded_free (&b, seed, "nobody");
  guarded_free (&c, seed, "fill");
}

/* Grows along a list: tile, row of the tile, column. */
static uint64_t
list_place (uint32_t pixel)
{
  const uint64_t y = DCNN_PIXEL_Y (pixel), x = DCNN_PIXEL_X (pixel);
  return ((y / 8 * 9999 + x / DCNN_LIST_TILE) * 8 + y % 8) * DCNN_LIST_TILE
      + x % DCNN_LIST_TILE;
}

/* The list of some rows is what the list of all has of them. */
static void
test_rows (const DcnnMask *mask, const uint32_t *list, size_t n, uint64_t seed)
{
  uint32_t first = check_random (mask->height + 1);
  uint32_t end = first + check_random (mask->height - first + 1);
  uint32_t *rows = malloc ((n + DCNN_MASK_SLACK) * 4);
  size_t n_rows = dcnn_mask_rows_to_list (mask, first, end, rows), at = 0;
  for (size_t i = 0; i < n; i++)
    if (DCNN_PIXEL_Y (list[i]) >= first && DCNN_PIXEL_Y (list[i]) < end) {
      CHECK (at < n_rows && rows[at] == list[i], "rows_to_list");
      at++;
    }
  CHECK (at == n_rows, "rows_to_list length");
  free (rows);
}

static void
test_lists (uint64_t seed)
{
  uint32_t w = random_size (), h = random_size ();
  Guarded a = guarded_random (w, h), b = guarded_new (w, h),
      c = guarded_new (w, h);
  size_t n = dcnn_mask_count (&a.mask);
  uint32_t *list = malloc ((n + DCNN_MASK_SLACK) * 4);
  uint32_t *blocks = malloc (dcnn_mask_words (w, h) * 4);
  uint8_t *verdicts = malloc (n + DCNN_MASK_SLACK), *dense = malloc ((size_t) w * h);
  CHECK (dcnn_mask_to_list (&a.mask, list) == n, "to_list length");
  for (size_t i = 1; i < n; i++)
    CHECK (list_place (list[i - 1]) < list_place (list[i]), "list order");
  test_rows (&a.mask, list, n, seed);
  for (size_t i = 0; i < n; i++)
    list[i] |= check_random (2) ? DCNN_PIXEL_FORCE : 0;
  dcnn_mask_clear (&b.mask);
  dcnn_mask_from_list (&b.mask, list, n);
  compare (&b.mask, &a.mask, seed, "from_list", "");

  memset (dense, 0, (size_t) w * h);
  for (size_t i = 0; i < n; i++)
    dense[DCNN_PIXEL_Y (list[i]) * w + DCNN_PIXEL_X (list[i])] = verdicts[i] =
        (uint8_t) check_random (3);
  for (int form = 0; form < 2; form++) {
    dcnn_mask_clear (&b.mask);
    dcnn_mask_clear (&c.mask);
    DcnnMask *joined = form == 0 || check_random (4) ? &b.mask : NULL;
    DcnnMask *kept = check_random (4) ? &c.mask : NULL;
    if (form == 0)
      dcnn_mask_from_verdicts (&a.mask, joined, kept, verdicts);
    else
      dcnn_mask_from_verdicts_dense (joined, kept, dense);
    for (uint32_t y = 0; y < h; y++)
      for (uint32_t x = 0; x < w; x++) {
        CHECK (get (&b.mask, y, x) == (joined && dense[y * w + x] == 2),
            "joined, form %d", form);
        CHECK (get (&c.mask, y, x) == (kept && dense[y * w + x] == 1),
            "kept, form %d", form);
      }
  }
  size_t n_blocks = dcnn_mask_blocks_to_list (&a.mask, blocks), k = 0;
  for (size_t i = 0; i < dcnn_mask_words (w, h); i++)
    if (a.mask.words[i])
      CHECK (k < n_blocks && blocks[k++] == i, "blocks_to_list");
  CHECK (k == n_blocks, "blocks_to_list length");
  free (list);
  free (blocks);
  free (verdicts);
  free (dense);
  guarded_free (&a, seed, "nobody");
  guarded_free (&b, seed, "from_verdicts");
  guarded_free (&c, seed, "from_verdicts");
}

static void
bench_window (uint32_t w, uint32_t h, int64_t k, int64_t s, bool transposed)
{
  DcnnWindow win = { 2, { k, k }, { s, s }, { 1, 1 }, { k / 2, k / 2 },
    { k / 2, k / 2 } };
  uint32_t ow = transposed ? w * (uint32_t) s : (w - 1) / (uint32_t) s + 1;
  uint32_t oh = transposed ? h * (uint32_t) s : (h - 1) / (uint32_t) s + 1;
  Guarded src = guarded_random (w, h), dst = guarded_new (ow, oh);
  void *scratch = malloc (dcnn_mask_scratch_bytes (w, h, ow, oh));
  double best = 1e9;
  for (int round = 0; round < 20; round++) {
    double t = check_seconds ();
    for (int i = 0; i < 20; i++) {
      if (transposed)
        dcnn_mask_candidates_transposed (&dst.mask, &src.mask, &win, scratch);
      else
        dcnn_mask_candidates_conv (&dst.mask, &src.mask, &win, scratch);
    }
    t = (check_seconds () - t) / 20;
    best = t < best ? t : best;
  }
  printf ("candidates %s %4ux%-4u k %d s %d: %7.2f us\n",
      transposed ? "transposed" : "conv      ", w, h, (int) k, (int) s,
      best * 1e6);
  free (scratch);
  free (src.store);
  free (dst.store);
}

static void
bench_lists (uint32_t w, uint32_t h)
{
  Guarded a = guarded_random (w, h), b = guarded_new (w, h);
  size_t n = dcnn_mask_count (&a.mask);
  uint32_t *list = malloc ((n + DCNN_MASK_SLACK) * 4);
  uint8_t *verdicts = calloc (1, (size_t) w * h + DCNN_MASK_SLACK);
  double to = 1e9, from = 1e9, dense = 1e9;
  dcnn_mask_clear (&b.mask);
  for (int i = 0; i < 50; i++) {
    double t0 = check_seconds ();
    dcnn_mask_to_list (&a.mask, list);
    double t1 = check_seconds ();
    dcnn_mask_from_verdicts (&a.mask, &b.mask, NULL, verdicts);
    double t2 = check_seconds ();
    dcnn_mask_from_verdicts_dense (&b.mask, NULL, verdicts);
    double t3 = check_seconds ();
    to = t1 - t0 < to ? t1 - t0 : to;
    from = t2 - t1 < from ? t2 - t1 : from;
    dense = t3 - t2 < dense ? t3 - t2 : dense;
  }
  printf ("lists %ux%u, %zu pixels: to_list %.1f us, from_verdicts %.1f us, "
      "dense %.1f us\n", w, h, n, to * 1e6, from * 1e6, dense * 1e6);
  free (list);
  free (verdicts);
  free (a.store);
  free (b.store);
}

int
main (int argc, char **argv)
{
  CheckOptions options = check_options (argc, argv, 3000);
  if (options.bench) {
    for (int64_t k = 1; k <= 7; k += 2)
      for (int64_t s = 1; s <= 2; s++) {
        bench_window (96, 96, k, s, false);
        bench_window (768, 576, k, s, false);
      }
    bench_window (96, 96, 4, 2, true);
    bench_window (96, 96, 3, 3, false);
    bench_lists (96, 96);
    bench_lists (768, 576);
    return 0;
  }
  for (uint64_t i = 0; i < options.cases; i++) {
    uint64_t seed = options.seed + i;
    check_seed (seed);
    test_conv (seed);
    test_transposed (seed);
    test_table (seed);
    test_shift_dilate (seed);
    test_sets (seed);
    test_lists (seed);
  }
  printf ("ok: %llu cases from seed %llu\n", (unsigned long long) options.cases,
      (unsigned long long) options.seed);
  return 0;
}
