/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stage_test.c - the device's input stage, run here pixel by pixel, has the
 * bytes of the cpu's: pictures, masks, references and stored values of random
 * frames, geometries, formats and parameters.
 *
 *   stage_test [SEED]     one case, to rerun what failed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_util.h"
#include "cuda/dcnn_stage_tables.h"
#include "input_stage.h"

static int failures;

#define SAME(a, b, bytes, what) do {                                           \
    if (memcmp (a, b, bytes) != 0 && failures++ < 10)                          \
      printf ("FAIL %s differs; rerun: stage_test %llu\n", what,               \
          (unsigned long long) seed);                                          \
  } while (0)

typedef struct Case {
  DcnnFrame frame;
  uint8_t *memory;
  DcnnInputGeometry g;
  DcnnInputParams p;
  float *interest;
} Case;

static void
fill_frame (Case *c)
{
  static const uint8_t bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  DcnnFrame *f = &c->frame;
  size_t total = 0, at[3];
  f->format = (DcnnPixelFormat) check_random (DCNN_FORMAT_COUNT);
  f->width = 1 + check_random (check_random (8) ? 90 : 700);
  f->height = 1 + check_random (70);
  f->full_range = check_random (2);
  f->kr = check_random (2) ? 0.299f : 0.2126f;
  f->kb = f->kr > 0.25f ? 0.114f : 0.0722f;
  for (int p = 0; p < 3; p++) {
    uint32_t row = p == 0 ? f->width * bytes[f->format] :
        (f->width + 1) / 2 * (f->format == DCNN_FORMAT_NV12 ? 2 : 1);
    f->strides[p] = (int32_t) (row + check_random (20));
    at[p] = total;
    total += (size_t) f->strides[p] * f->height + 32;
  }
  c->memory = malloc (total);
  for (size_t i = 0; i < total; i++)
    c->memory[i] = (uint8_t) check_random (256);
  for (int p = 0; p < 3; p++)
    f->planes[p] = c->memory + at[p];
}

static void
fill_rest (Case *c)
{
  DcnnInputGeometry *g = &c->g;
  DcnnInputParams *p = &c->p;
  size_t words;
  g->width = 1 + check_random (70);
  g->height = 1 + check_random (60);
  if (!check_random (4)) { /* one to one */
    g->width = c->frame.width;
    g->height = c->frame.height;
  }
  g->dst_w = 1 + check_random (g->width);
  g->dst_h = 1 + check_random (g->height);
  if (check_random (2)) {
    g->dst_w = g->width;
    g->dst_h = g->height;
  }
  g->dst_x = check_random (g->width - g->dst_w + 1);
  g->dst_y = check_random (g->height - g->dst_h + 1);
  g->scaling = (DcnnScaling) check_random (4);
  for (int i = 0; i < 3; i++)
    g->fill[i] = (uint8_t) check_random (256);
  p->bgr = check_random (2);
  p->gray = !check_random (4);
  for (int i = 0; i < 3; i++) {
    p->scale[i] = check_random_float () * 0.02f;
    p->bias[i] = check_random_float () * 3 - 1.5f;
  }
  p->threshold = check_random (3) ? check_random_float () * 0.4f : 0;
  p->noise_suppression = check_random (2);
  p->dilation = check_random (5);
  words = dcnn_mask_words (g->width, g->height);
  c->interest = malloc (words * sizeof (float));
  for (size_t i = 0; i < words; i++)
    c->interest[i] = check_random_float () * 1.4f;
  p->interest = check_random (2) ? c->interest : NULL;
  p->interest_far = 0.4f;
}

/* Some bytes become others, most stay. */
static void
disturb (Case *c, size_t bytes)
{
  for (size_t i = 0; i < bytes / 6; i++)
    c->memory[check_random ((uint32_t) bytes)] ^=
        (uint8_t) (1 << check_random (8));
}

/* The kernel dcnn_cuda_input.cu does this with a warp a block. */
static void
convert (const DcnnStage *s, const DcnnInputParams *p, bool all,
    uint8_t *picture, const uint8_t *reference, uint64_t *changed,
    uint64_t *differs)
{
  uint32_t blocks_x = (s->width + 7) / 8, blocks_y = (s->height + 7) / 8;
  for (uint32_t b = 0; b < blocks_x * blocks_y; b++) {
    uint32_t y0 = b / blocks_x * 8, x0 = b % blocks_x * 8;
    int limit = dcnn_input_change_limit (p, b);
    changed[b] = differs[b] = 0;
    for (uint32_t i = 0; i < 64; i++) {
      uint32_t y = y0 + i / 8, x = x0 + i % 8;
      size_t at = ((size_t) y * s->width + x) * 3;
      int most;
      if (y >= s->height || x >= s->width)
        continue;
      dcnn_stage_pixel (s, y, x, picture + at);
      most = dcnn_stage_most (picture + at, reference + at);
      changed[b] |= (uint64_t) (most > limit || all) << i;
      differs[b] |= (uint64_t) (most > 0) << i;
    }
    for (uint32_t cell = 0; p->noise_suppression && !all && cell < 4; cell++)
      if (!dcnn_stage_cell_moved (picture, reference, s->width, s->height,
              y0 + cell / 2 * 4, x0 + cell % 2 * 4, limit))
        changed[b] &= ~(UINT64_C (0x0f0f0f0f) << (8 * (cell / 2 * 4) +
                cell % 2 * 4));
  }
}

static void
store (const DcnnStage *s, const DcnnInputParams *p, const uint64_t *words,
    const uint8_t *picture, uint8_t *reference, float *values)
{
  uint32_t blocks_x = (s->width + 7) / 8;
  for (uint32_t y = 0; y < s->height; y++)
    for (uint32_t x = 0; x < s->width; x++) {
      size_t pixel = (size_t) y * s->width + x;
      if (!(words[y / 8 * blocks_x + x / 8] >> (y % 8 * 8 + x % 8) & 1))
        continue;
      memcpy (reference + pixel * 3, picture + pixel * 3, 3);
      for (uint32_t c = 0; c < 4; c++)
        values[pixel * 4 + c] = c < (p->gray ? 1 : 3) ?
            (float) dcnn_stage_channel (picture + pixel * 3, c, p->bgr,
            p->gray) * p->scale[c] + p->bias[c] : 0;
    }
}

typedef struct Room {
  uint64_t *changed, *differs, *words[3];
  uint8_t *picture, *reference;
  float *values, *want;
  uint32_t *rows, *columns;
  DcnnMap map;
} Room;

static void
room_init (Room *r, uint32_t w, uint32_t h)
{
  size_t n = (size_t) w * h, words = dcnn_mask_words (w, h);
  r->changed = calloc (words, 8);
  r->differs = calloc (words, 8);
  for (int i = 0; i < 3; i++)
    r->words[i] = calloc (words, 8);
  r->picture = calloc (n, 3);
  r->reference = calloc (n, 3);
  r->values = calloc (4 * n, sizeof (float));
  r->want = calloc (4 * n + 64, sizeof (float));
  r->rows = calloc (h + 8, 4);
  r->columns = calloc (w + 8, 4);
  for (uint32_t y = 0; y < h; y++)
    r->rows[y] = y * w * 4;
  for (uint32_t x = 0; x < w; x++)
    r->columns[x] = x * 4;
  r->map.data = r->want;
  r->map.row_offset = r->rows;
  r->map.col_offset = r->columns;
  r->map.width = w;
  r->map.height = h;
}

static void
room_clear (Room *r)
{
  free (r->changed);
  free (r->differs);
  for (int i = 0; i < 3; i++)
    free (r->words[i]);
  free (r->picture);
  free (r->reference);
  free (r->values);
  free (r->want);
  free (r->rows);
  free (r->columns);
}

static void
test_case (uint64_t seed)
{
  Case c = { 0 };
  Room r = { 0 };
  DcnnInputStage *stage;
  DcnnMask changed, differs, force;
  DcnnStage s;
  size_t bytes, words, n;
  check_seed (seed);
  fill_frame (&c);
  fill_rest (&c);
  bytes = (size_t) c.frame.strides[0] * c.frame.height;
  words = dcnn_mask_words (c.g.width, c.g.height) * 8;
  n = (size_t) c.g.width * c.g.height;
  room_init (&r, c.g.width, c.g.height);
  stage = dcnn_input_stage_new (&c.g, c.frame.width, c.frame.height,
      c.frame.format, 1);
  dcnn_stage_init (&s, &c.g, dcnn_input_stage_tables (stage));
  dcnn_stage_set_matrix (&s, &c.frame);
  memcpy (s.planes, c.frame.planes, sizeof s.planes);
  memcpy (s.strides, c.frame.strides, sizeof s.strides);
  dcnn_mask_init (&changed, c.g.width, c.g.height, r.words[0]);
  dcnn_mask_init (&differs, c.g.width, c.g.height, r.words[1]);
  dcnn_mask_init (&force, c.g.width, c.g.height, r.words[2]);
  dcnn_mask_fill (&force);
  for (int step = 0; step < 3; step++) {
    bool all = step == 0;
    DcnnMask ours;
    dcnn_input_convert_rows (stage, &c.p, &c.frame, 0, 0, c.g.height,
        all ? &force : NULL, &changed, &differs);
    convert (&s, &c.p, all, r.picture, r.reference, r.changed, r.differs);
    SAME (dcnn_input_picture (stage), r.picture, 3 * n, "the picture");
    SAME (differs.words, r.differs, words, "where anything differs");
    dcnn_mask_init (&ours, c.g.width, c.g.height, r.changed);
    if (!all) {
      dcnn_input_refine_mask (stage, &c.p, NULL, &changed);
      dcnn_input_widen_mask (stage, &c.p, NULL, &ours);
    }
    SAME (changed.words, r.changed, words, "the refined mask");
    dcnn_input_store (stage, &c.p, &changed, &r.map, 0, changed.blocks_y);
    store (&s, &c.p, r.changed, r.picture, r.reference, r.values);
    SAME (r.want, r.values, n * 16, "a stored value");
    disturb (&c, bytes);
  }
  dcnn_input_stage_free (stage);
  room_clear (&r);
  free (c.memory);
  free (c.interest);
}

int
main (int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull (argv[1], NULL, 0) : 1;
  uint64_t n = argc > 1 ? 1 : 3000;

  for (uint64_t seed = first; seed < first + n; seed++)
    test_case (seed);
  printf ("%d failures in %llu cases\n", failures, (unsigned long long) n);
  return failures > 0;
}
