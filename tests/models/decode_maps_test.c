/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoders of maps that are no masks by themselves, on planted tensors: optical
 * flow, and masks by queries against their published post-processing, written
 * down here on its own, in double precision and without anything of the
 * decoders.
 */
#include <math.h>
#include <string.h>

#include "decode_kit.h"
#include "decode_tools.h"

#define DIMS(...) ((const gint[]) { __VA_ARGS__, 0 })

/* ---- flow -------------------------------------------------------------- */

/* What a library that follows the paper draws of these, the longest being
 * 3 long. */
static const struct {
  gfloat u, v;
  guint8 rgb[3];
} flows[] = {
  { 3, 0, { 255, 0, 0 } }, { -3, 0, { 0, 209, 255 } },
  { 0, 3, { 255, 229, 0 } }, { 0, -3, { 87, 0, 255 } },
  { 1, 1, { 255, 188, 134 } }, { -2, 1, { 64, 255, 160 } },
  { -0.5f, -2.5f, { 84, 38, 255 } }, { 2, -2, { 222, 14, 255 } },
  { 0.1f, 0.05f, { 255, 248, 245 } }, { 0, 0, { 255, 255, 255 } },
  { -1, 2.7f, { 192, 255, 10 } }, { 2.2f, 0.4f, { 255, 84, 64 } },
};

static void
assert_colour (const DcnnResults *r, guint i, const guint8 rgb[3])
{
  for (guint c = 0; c < 3; c++)
    kit_assert_near (r->picture.data[3 * i + c], rgb[c], 1);
}

/* units: how many of the output's make a pixel. */
static void
check_flow (const char *keys, gfloat units, gboolean nhwc)
{
  g_autofree char *text = g_strdup_printf ("[decoder]\n%s[output:f]\n"
      "semantics=flow\nlayout=%s\n", keys, nhwc ? "nhwc" : "nchw");
  const DcnnResults *r;
  gfloat *data;
  Kit kit;

  kit_init (&kit, "flow", text, 16, 12);
  data = nhwc ? kit_add (&kit, "f", DIMS (1, 3, 4, 2))
      : kit_add (&kit, "f", DIMS (1, 2, 3, 4));
  for (guint i = 0; i < 12; i++) {
    data[nhwc ? 2 * i : i] = flows[i].u * units;
    data[nhwc ? 2 * i + 1 : 12 + i] = flows[i].v * units;
  }
  kit_frame (&kit, 64, 24, DCNN_FIT_STRETCH);
  r = kit_run (&kit, -1);
  g_assert_true (r->has_picture);
  g_assert_cmpuint (r->finds, ==, DCNN_FINDS_PICTURE);
  g_assert_cmpuint (r->picture.width, ==, 4);
  g_assert_cmpuint (r->picture.height, ==, 3);
  g_assert_cmpuint (r->picture.channels, ==, 3);
  for (guint i = 0; i < 12; i++)
    assert_colour (r, i, flows[i].rgb);
  kit_assert_near (r->picture.w, 64, 1e-3);
  kit_assert_near (r->picture.h, 24, 1e-3);
  kit_clear (&kit);
}

static void
test_flow (void)
{
  for (guint nhwc = 0; nhwc < 2; nhwc++) {
    check_flow ("", 1, nhwc != 0);
    check_flow ("scale=20\n", 0.05f, nhwc != 0); /* PWC-Net, FlowNet */
    check_flow ("longest=3\n", 1, nhwc != 0);
  }
}

/* What is longer than the longest is darker; what is shorter than a pixel is
 * pale without being asked to; what is not a number, or as files mark it, is
 * black and does not count. */
static void
test_flow_ends (void)
{
  const DcnnResults *r;
  gfloat *data;
  Kit kit;

  kit_init (&kit, "flow", "[decoder]\nlongest=2\n", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 2, 2, 2));
  memcpy (data, ((const gfloat[]) { 3, NAN, 1e10f, 0.2f, 0, 1, 1, 0 }), 32);
  r = kit_run (&kit, -1);
  assert_colour (r, 0, (const guint8[]) { 191, 0, 0 });
  assert_colour (r, 1, (const guint8[]) { 0, 0, 0 });
  assert_colour (r, 2, (const guint8[]) { 0, 0, 0 });
  assert_colour (r, 3, (const guint8[]) { 255, 229, 229 });
  kit_clear (&kit);

  kit_init (&kit, "flow", "", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 2, 2, 2));
  memcpy (data, ((const gfloat[]) { 0.5f, NAN, 1e10f, 0.2f, 0, 1, 1, 0 }), 32);
  r = kit_run (&kit, -1);
  assert_colour (r, 0, (const guint8[]) { 255, 127, 127 });
  assert_colour (r, 3, (const guint8[]) { 255, 204, 204 });
  kit_clear (&kit);
}

/* Blocks that did not change are kept, unless the longest flow did. */
static void
test_flow_blocks (void)
{
  const guint8 red[3] = { 255, 0, 0 }, pale[3] = { 255, 127, 127 };
  guint64 words[2] = { 0, 1 };
  DcnnMask updated = { 0 };
  const DcnnResults *r;
  gfloat *data;
  Kit kit;

  updated.words = words;
  updated.width = 16;
  updated.height = 8;
  updated.blocks_x = 2;
  updated.blocks_y = 1;
  kit_init (&kit, "flow", "", 16, 8);
  data = kit_add (&kit, "o", DIMS (1, 2, 8, 16));
  data[0] = 4;
  (void) kit_run (&kit, -1);
  data[1] = data[8] = 4; /* of both blocks, one is said to have changed */
  r = dcnn_decoder_run_updated (kit.decoder, kit.list, 1, &kit.transform, -1,
      &updated);
  assert_colour (r, 0, red);
  assert_colour (r, 1, (const guint8[]) { 255, 255, 255 });
  assert_colour (r, 8, red);
  data[9] = 8; /* all colours are others now */
  r = dcnn_decoder_run_updated (kit.decoder, kit.list, 1, &kit.transform, -1,
      &updated);
  assert_colour (r, 0, pale);
  assert_colour (r, 1, pale);
  assert_colour (r, 9, red);
  kit_clear (&kit);
}

/* ---- masks by queries -------------------------------------------------- */

enum { QUERIES = 12, CLASSES = 4, HEIGHT = 10, WIDTH = 14,
  CELLS = HEIGHT * WIDTH };

typedef struct Made {
  gdouble share[QUERIES][CLASSES + 1], mask[QUERIES][CELLS];
} Made;

/* Queries with blobs for masks, most of them sure of a class. */
static void
make_queries (Kit *kit, Made *made, guint seed, gboolean nhwc)
{
  gfloat *logits = kit_add (kit, "l", DIMS (1, QUERIES, CLASSES + 1));
  gfloat *masks = nhwc ? kit_add (kit, "m", DIMS (1, HEIGHT, WIDTH, QUERIES))
      : kit_add (kit, "m", DIMS (1, QUERIES, HEIGHT, WIDTH));
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (guint q = 0; q < QUERIES; q++) {
    gdouble sum = 0, cx = g_rand_double_range (rand, 0, WIDTH);
    gdouble cy = g_rand_double_range (rand, 0, HEIGHT);
    gdouble radius = g_rand_double_range (rand, 1, 6);

    for (guint c = 0; c <= CLASSES; c++) {
      gfloat v = (gfloat) g_rand_double_range (rand, -2, 2)
          + (c == q % (CLASSES + 1) ? 4 : 0);
      logits[q * (CLASSES + 1) + c] = v;
      made->share[q][c] = exp ((gdouble) v);
      sum += made->share[q][c];
    }
    for (guint c = 0; c <= CLASSES; c++)
      made->share[q][c] /= sum;
    for (guint i = 0; i < CELLS; i++) {
      gfloat v = (gfloat) (radius - hypot (i % WIDTH - cx, i / WIDTH - cy)
          + g_rand_double_range (rand, -0.5, 0.5));
      masks[nhwc ? i * QUERIES + q : q * CELLS + i] = v;
      made->mask[q][i] = 1 / (1 + exp (-(gdouble) v));
    }
  }
}

#define QUERY_GROUPS "[output:l]\nsemantics=logits\nactivation=softmax\n"      \
  "[output:m]\nsemantics=masks\nactivation=sigmoid\n"

static void
test_semantic (void)
{
  for (guint seed = 1; seed <= 20; seed++) {
    const DcnnResults *r;
    Made made;
    Kit kit;

    kit_init (&kit, "mask-queries", seed % 2 ? QUERY_GROUPS "layout=nhwc\n"
        : QUERY_GROUPS, 56, 40);
    make_queries (&kit, &made, seed, seed % 2 != 0);
    r = kit_run (&kit, -1);
    g_assert_true (r->has_segmentation);
    g_assert_cmpuint (r->finds, ==, DCNN_FINDS_MASK);
    g_assert_cmpuint (r->segmentation.n_classes, ==, CLASSES);
    for (guint i = 0; i < CELLS; i++) {
      guint best = 0;
      gdouble largest = -1;

      for (guint c = 0; c < CLASSES; c++) {
        gdouble sum = 0;
        for (guint q = 0; q < QUERIES; q++)
          sum += made.share[q][c] * made.mask[q][i];
        if (sum > largest) {
          largest = sum;
          best = c;
        }
      }
      g_assert_cmpuint (r->segmentation.data[i], ==, best);
    }
    kit_assert_near (r->segmentation.w, 56, 1e-3);
    kit_clear (&kit);
  }
}

typedef struct Segment {
  gdouble score;
  guint class_id;
  gint box[4]; /* cells */
  gboolean cells[CELLS];
} Segment;

static gint
by_score (gconstpointer a, gconstpointer b)
{
  gdouble x = ((const Segment *) a)->score, y = ((const Segment *) b)->score;

  return x < y ? 1 : x > y ? -1 : 0;
}

/* FALSE: it has no cells. */
static gboolean
measure_segment (Segment *s)
{
  gboolean any = FALSE;

  memcpy (s->box, ((const gint[]) { WIDTH, HEIGHT, 0, 0 }), sizeof s->box);
  for (gint i = 0; i < CELLS; i++)
    if (s->cells[i]) {
      any = TRUE;
      s->box[0] = MIN (s->box[0], i % WIDTH);
      s->box[1] = MIN (s->box[1], i / WIDTH);
      s->box[2] = MAX (s->box[2], i % WIDTH + 1);
      s->box[3] = MAX (s->box[3], i / WIDTH + 1);
    }
  return any;
}

static GArray *
expect_instances (const Made *made, gdouble threshold)
{
  GArray *list = g_array_new (FALSE, TRUE, sizeof (Segment));

  for (guint q = 0; q < QUERIES; q++)
    for (guint c = 0; c < CLASSES; c++) {
      Segment s = { 0 };
      gdouble sum = 0, n = 0;

      for (guint i = 0; i < CELLS; i++)
        if (made->mask[q][i] > 0.5) {
          s.cells[i] = TRUE;
          sum += made->mask[q][i];
          n++;
        }
      s.class_id = c;
      s.score = made->share[q][c] * (n > 0 ? sum / n : 0);
      if (measure_segment (&s) && s.score >= threshold)
        g_array_append_val (list, s);
    }
  g_array_sort (list, by_score);
  return list;
}

static GArray *
expect_panoptic (const Made *made, gdouble threshold, gdouble overlap)
{
  GArray *list = g_array_new (FALSE, TRUE, sizeof (Segment));
  gint winner[CELLS], class_of[QUERIES];

  for (guint q = 0; q < QUERIES; q++) {
    gint best = 0;
    for (gint c = 1; c <= CLASSES; c++)
      if (made->share[q][c] > made->share[q][best])
        best = c;
    class_of[q] = best == CLASSES || made->share[q][best] < threshold ? -1
        : best;
  }
  for (guint i = 0; i < CELLS; i++) {
    gdouble largest = -1;
    winner[i] = -1;
    for (gint q = 0; q < QUERIES; q++)
      if (class_of[q] >= 0
          && made->share[q][class_of[q]] * made->mask[q][i] > largest) {
        largest = made->share[q][class_of[q]] * made->mask[q][i];
        winner[i] = q;
      }
  }
  for (gint q = 0; q < QUERIES; q++) {
    Segment s = { 0 };
    gdouble mine = 0, all = 0;

    if (class_of[q] < 0)
      continue;
    for (guint i = 0; i < CELLS; i++) {
      mine += winner[i] == q;
      all += made->mask[q][i] >= 0.5;
      s.cells[i] = winner[i] == q && made->mask[q][i] >= 0.5;
    }
    s.class_id = (guint) class_of[q];
    s.score = made->share[q][s.class_id];
    if (measure_segment (&s) && !(mine / all < overlap))
      g_array_append_val (list, s);
  }
  g_array_sort (list, by_score);
  return list;
}

/* Boxes and the mask are those of the segments, the best on top. */
static void
assert_segments (const DcnnResults *r, const GArray *list, gboolean by_class)
{
  guint8 mask[CELLS] = { 0 };

  g_assert_cmpuint (r->detections->len, ==, list->len);
  for (guint k = list->len; k-- > 0;) {
    const Segment *s = &g_array_index (list, Segment, k);
    DcnnDetection box = kit_box (r, k);

    kit_assert_near (box.score, s->score, 1e-5);
    g_assert_cmpint (box.class_id, ==, (gint) s->class_id);
    kit_assert_near (box.x, s->box[0] * 4, 1e-3);
    kit_assert_near (box.y, s->box[1] * 4, 1e-3);
    kit_assert_near (box.x + box.width, s->box[2] * 4, 1e-3);
    kit_assert_near (box.y + box.height, s->box[3] * 4, 1e-3);
    for (guint i = 0; i < CELLS; i++)
      if (s->cells[i])
        mask[i] = (guint8) (by_class ? s->class_id + 1 : k + 1);
  }
  g_assert_cmpmem (r->segmentation.data, CELLS, mask, CELLS);
}

static void
test_segments (void)
{
  guint n_instances = 0, n_panoptic = 0, n_dropped = 0;

  for (guint seed = 1; seed <= 40; seed++) {
    const gboolean panoptic = seed % 2 == 0, by_class = seed % 4 < 2;
    g_autofree char *text = g_strdup_printf ("%s[decoder]\nform=%s\nmask=%s\n"
        "score-threshold=0.4\noverlap-threshold=0.6\n", QUERY_GROUPS,
        panoptic ? "panoptic" : "instance", by_class ? "class" : "instance");
    g_autoptr (GArray) list = NULL, all = NULL;
    const DcnnResults *r;
    Made made;
    Kit kit;

    kit_init (&kit, "mask-queries", text, 56, 40);
    make_queries (&kit, &made, seed, FALSE);
    list = panoptic ? expect_panoptic (&made, 0.4, 0.6)
        : expect_instances (&made, 0.4);
    all = panoptic ? expect_panoptic (&made, 0.4, 0) : g_array_ref (list);
    r = kit_run (&kit, -1);
    g_assert_true (r->finds_boxes);
    assert_segments (r, list, by_class);
    *(panoptic ? &n_panoptic : &n_instances) += list->len;
    n_dropped += all->len - list->len;
    kit_clear (&kit);
  }
  g_assert_cmpuint (n_instances, >, 100);
  g_assert_cmpuint (n_panoptic, >, 50);
  g_assert_cmpuint (n_dropped, >, 10);
}

/* Probabilities as they are, no column for no object, and nothing there. */
static void
test_query_ends (void)
{
  static const char *const forms[] = { "instance", "panoptic" };
  const DcnnResults *r;
  gfloat *logits, *masks;

  for (guint form = 0; form < 2; form++) {
    g_autofree char *text = g_strdup_printf ("[decoder]\nform=%s\n"
        "no-object=none\n", forms[form]);
    Kit kit;

    kit_init (&kit, "mask-queries", text, 8, 4);
    logits = kit_add (&kit, "logits", DIMS (1, 2, 1));
    masks = kit_add (&kit, "masks", DIMS (1, 2, 2, 4));
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 0);
    logits[1] = 0.9f;
    masks[8 + 5] = masks[8 + 6] = 1;
    masks[8 + 0] = NAN;
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 1);
    kit_assert_near (kit_box (r, 0).score, 0.9, 1e-6);
    kit_assert_near (kit_box (r, 0).x, 2, 1e-6);
    kit_assert_near (kit_box (r, 0).width, 4, 1e-6);
    kit_assert_near (kit_box (r, 0).y, 2, 1e-6);
    for (guint i = 0; i < 8; i++)
      g_assert_cmpuint (r->segmentation.data[i], ==, i == 5 || i == 6);
    logits[1] = NAN;
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 0);
    g_assert_cmpuint (r->segmentation.data[5], ==, 0);
    kit_clear (&kit);
  }
}

/* Nothing is allocated once all arrays have grown. */
static void
test_still (void)
{
  static const char *const forms[] = { "semantic", "instance", "panoptic" };

  for (guint form = 0; form < 3; form++) {
    g_autofree char *text = g_strdup_printf ("%s[decoder]\nform=%s\n"
        "score-threshold=0.01\n", QUERY_GROUPS, forms[form]);
    guint64 before;
    Made made;
    Kit kit;

    kit_init (&kit, "mask-queries", text, 56, 40);
    make_queries (&kit, &made, 3, FALSE);
    (void) kit_run (&kit, -1);
    before = kit_allocations ();
    (void) kit_run (&kit, -1);
    g_assert_cmpuint (kit_allocations (), ==, before);
    kit_clear (&kit);
  }
}

static const Misfit misfits[] = {
  { "flow", "", { { 1, 3, 4, 4 } }, { "m" }, "2 channels" },
  { "flow", "", { { 1, 2, 1, 4 } }, { "m" }, "2 channels" },
  { "mask-queries", "", { { 1, 5, 4, 4 }, { 1, 4, 3 } },
    { "masks", "logits" }, "each of the 5 queries" },
  { "mask-queries", "", { { 1, 5, 4, 4 }, { 1, 5, 1 } },
    { "masks", "logits" }, "1 to 256 classes" },
  { "mask-queries", "", { { 1, 5, 4, 4 }, { 1, 5, 258 } },
    { "masks", "logits" }, "1 to 256 classes" },
  { "mask-queries", "", { { 1, 5, 4, 4 } }, { "masks" }, "semantics=logits" },
  { "mask-queries", "[labels]\nlist=a;b;c", { { 1, 5, 4, 4 }, { 1, 5, 3 } },
    { "masks", "logits" }, "3 labels in the descriptor" },
};

static void
test_misfits (void)
{
  kit_expect_misfits (misfits, G_N_ELEMENTS (misfits));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/flow", test_flow);
  g_test_add_func ("/decode/flow/ends", test_flow_ends);
  g_test_add_func ("/decode/flow/blocks", test_flow_blocks);
  g_test_add_func ("/decode/queries/semantic", test_semantic);
  g_test_add_func ("/decode/queries/segments", test_segments);
  g_test_add_func ("/decode/queries/ends", test_query_ends);
  g_test_add_func ("/decode/queries/still", test_still);
  g_test_add_func ("/decode/maps/misfits", test_misfits);
  return g_test_run ();
}
