/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pose decoders on planted tensors with known answers, on noise of every kind
 * of bad value, and without allocation.
 */
#include <math.h>
#include <string.h>

#include "decode_kit.h"

#define DIMS(...) ((const gint[]) { __VA_ARGS__, 0 })

static void
test_heatmap (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "heatmap-pose", "", 64, 32);
  data = kit_add (&kit, "h", DIMS (1, 17, 8, 16)); /* stride 4 */
  for (guint k = 0; k < 17; k++) {
    gfloat *map = data + k * 128;

    map[3 * 16 + k % 14 + 1] = 0.8f;
    map[3 * 16 + k % 14 + 2] = 0.5f; /* to the right: + 1/4 cell */
    map[2 * 16 + k % 14 + 1] = 0.1f; /* up: - 1/4 cell */
    map[0] = NAN;
  }
  kit_frame (&kit, 128, 64, DCNN_FIT_STRETCH); /* 2 frame px a net px */
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  g_assert_cmpuint (r->n_edges, ==, 16);
  kit_assert_near (g_array_index (r->poses, DcnnPose, 0).score, 0.8, 1e-5);
  for (guint k = 0; k < 17; k++) {
    kit_assert_near (kit_point (r, 0, k).x,
        ((k % 14 + 1.25) * 4 + 0.5) * 2, 1e-3);
    kit_assert_near (kit_point (r, 0, k).y, (2.75 * 4 + 0.5) * 2, 1e-3);
  }
  r = kit_run (&kit, 0.9f);
  g_assert_cmpuint (r->poses->len, ==, 0);
  g_assert_cmpuint (r->keypoints->len, ==, 0);
  kit_clear (&kit);
}

static void
test_heatmap_centre (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "heatmap-pose", "[decoder]\ngrid=centre\nrefine=false\n"
      "edges=0;1\n[labels]\nlist=left;right", 16, 16);
  data = kit_add (&kit, "h", DIMS (1, 2, 4, 4));
  data[5] = data[16 + 10] = 1;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->n_edges, ==, 1);
  g_assert_cmpuint (r->edges[0][1], ==, 1);
  kit_assert_near (kit_point (r, 0, 0).x, 6, 1e-4);
  kit_assert_near (kit_point (r, 0, 1).y, 10, 1e-4);
  kit_clear (&kit);
}

/* Two people; the one near the middle is found, and its points only. */
static void
test_movenet (void)
{
  Kit kit;
  gfloat *heat, *center, *regress, *offset;
  const DcnnResults *r;
  enum { W = 24, N = W * W };

  kit_init (&kit, "movenet", "", 96, 96);
  heat = kit_add (&kit, "heatmap", DIMS (1, 17, W, W));
  center = kit_add (&kit, "center", DIMS (1, 1, W, W));
  regress = kit_add (&kit, "regress", DIMS (1, 34, W, W));
  offset = kit_add (&kit, "offset", DIMS (1, 34, W, W));
  center[12 * W + 12] = 0.7f;
  center[2 * W + 2] = 0.9f;
  for (guint k = 0; k < 17; k++) {
    const guint y = 4 + k, x = 12 + k % 3;

    regress[2 * k * N + 12 * W + 12] = (gfloat) y - 12.4f;
    regress[(2 * k + 1) * N + 12 * W + 12] = (gfloat) x - 11.7f;
    heat[k * N + y * W + x] = 0.6f;
    heat[k * N + 1 * W + 1] = 0.9f; /* the other person's */
    offset[2 * k * N + y * W + x] = 0.25f;
    offset[(2 * k + 1) * N + y * W + x] = 0.75f;
  }
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  for (guint k = 0; k < 17; k++) {
    kit_assert_near (kit_point (r, 0, k).y, (4.25 + k) * 4 + 0.5, 1e-3);
    kit_assert_near (kit_point (r, 0, k).x, (12.75 + k % 3) * 4 + 0.5,
        1e-3);
    kit_assert_near (kit_point (r, 0, k).score, 0.6, 1e-5);
  }
  kit_clear (&kit);
}

/* How far cells are from where something is looked for decides with their
 * value: v / (distance + 1.8). The middle of 24 rows is at 11.5. */
static void
test_movenet_nearness (void)
{
  Kit kit;
  gfloat *heat, *center, *regress;
  const DcnnResults *r;
  enum { W = 24, N = W * W };

  kit_init (&kit, "movenet", "", 96, 96);
  heat = kit_add (&kit, "heatmap", DIMS (1, 17, W, W));
  center = kit_add (&kit, "center", DIMS (1, 1, W, W));
  regress = kit_add (&kit, "regress", DIMS (1, 34, W, W));
  kit_add (&kit, "offset", DIMS (1, 34, W, W));
  center[7 * W + 11] = center[16 * W + 11] = 0.9f; /* 4.5 off both: first */
  center[10 * W + 3] = 0.9f;                       /* 8.6 off */
  for (guint k = 0; k < 17; k++) {
    /* from row 7, point 0 is looked for at (12, 12), others where 16 is */
    regress[2 * k * N + 7 * W + 11] = k == 0 ? 5 : 9;
    regress[(2 * k + 1) * N + 7 * W + 11] = k == 0 ? 1 : 0;
    heat[k * N + 16 * W + 11] = 0.4f;
  }
  heat[12 * W + 12] = 0.4f; /* there: 0.4 / 1.8 */
  heat[12 * W + 15] = 0.9f; /* three off: 0.9 / 4.8 */
  heat[16 * W + 11] = 0;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  kit_assert_near (kit_point (r, 0, 0).x, 12 * 4 + 0.5, 1e-3);
  kit_assert_near (kit_point (r, 0, 0).y, 12 * 4 + 0.5, 1e-3);
  for (guint k = 1; k < 17; k++) {
    kit_assert_near (kit_point (r, 0, k).x, 11 * 4 + 0.5, 1e-3);
    kit_assert_near (kit_point (r, 0, k).y, 16 * 4 + 0.5, 1e-3);
  }

  /* a little nearer is nearer */
  center[7 * W + 11] = 0;
  center[8 * W + 11] = 0.9f; /* 3.5 off, the other 4.5 */
  for (guint k = 0; k < 17; k++)
    regress[2 * k * N + 8 * W + 11] = 1;
  for (guint k = 0; k < 17; k++)
    heat[k * N + 9 * W + 11] = 0.7f;
  r = kit_run (&kit, -1);
  for (guint k = 0; k < 17; k++)
    kit_assert_near (kit_point (r, 0, k).y, 9 * 4 + 0.5, 1e-3);
  kit_clear (&kit);
}

/* Parents and children as the PoseNet tree has them. */
static const guint8 tree[16][2] = {
  { 0, 1 }, { 1, 3 }, { 0, 2 }, { 2, 4 }, { 0, 5 }, { 5, 7 }, { 7, 9 },
  { 5, 11 }, { 11, 13 }, { 13, 15 }, { 0, 6 }, { 6, 8 }, { 8, 10 },
  { 6, 12 }, { 12, 14 }, { 14, 16 },
};

enum { PW = 33, PN = PW * PW }; /* 513 px, stride 16 */

/* Cell of point k of a person standing at column x. */
static guint
cell_of (guint x, guint k)
{
  return (2 + k + k / 4) * PW + x + k % 4;
}

static void
plant_posenet (gfloat *heat, gfloat *offset, gfloat *fwd, gfloat *bwd,
    guint x, gfloat score)
{
  for (guint k = 0; k < 17; k++) {
    heat[k * PN + cell_of (x, k)] = score;
    offset[k * PN + cell_of (x, k)] = 3;
    offset[(17 + k) * PN + cell_of (x, k)] = -5;
  }
  for (guint e = 0; e < 16; e++) {
    guint a = cell_of (x, tree[e][0]), b = cell_of (x, tree[e][1]);
    gfloat dy = ((gfloat) (b / PW) - (gfloat) (a / PW)) * 16;
    gfloat dx = ((gfloat) (b % PW) - (gfloat) (a % PW)) * 16;

    fwd[e * PN + a] = dy + 2; /* refined away by the offsets */
    fwd[(16 + e) * PN + a] = dx - 2;
    bwd[e * PN + b] = -dy;
    bwd[(16 + e) * PN + b] = -dx;
  }
}

static void
test_posenet (void)
{
  static const guint columns[2] = { 20, 4 };
  Kit kit;
  gfloat *maps[4];
  const DcnnResults *r;

  kit_init (&kit, "posenet", "", 513, 513);
  maps[0] = kit_add (&kit, "heatmap", DIMS (1, 17, PW, PW));
  maps[1] = kit_add (&kit, "offset", DIMS (1, 34, PW, PW));
  maps[2] = kit_add (&kit, "displacement_fwd", DIMS (1, 32, PW, PW));
  maps[3] = kit_add (&kit, "displacement_bwd", DIMS (1, 32, PW, PW));
  plant_posenet (maps[0], maps[1], maps[2], maps[3], 4, 0.7f);
  plant_posenet (maps[0], maps[1], maps[2], maps[3], 20, 0.9f);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 2);
  for (guint p = 0; p < 2; p++)
    for (guint k = 0; k < 17; k++) {
      guint cell = cell_of (columns[p], k);

      kit_assert_near (kit_point (r, p, k).y, cell / PW * 16 + 3.5, 1e-3);
      kit_assert_near (kit_point (r, p, k).x, cell % PW * 16 - 4.5, 1e-3);
      kit_assert_near (kit_point (r, p, k).score, p == 0 ? 0.9 : 0.7, 1e-5);
    }
  r = kit_run (&kit, 0.8f);
  g_assert_cmpuint (r->poses->len, ==, 1);
  /* from any point as the seed all others are found, up the tree and down */
  for (guint seed = 1; seed < 17; seed++) {
    maps[0][seed * PN + cell_of (20, seed)] = 0.95f;
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->poses->len, ==, 2);
    for (guint k = 0; k < 17; k++) {
      kit_assert_near (kit_point (r, 0, k).y, cell_of (20, k) / PW * 16 + 3.5,
          1e-3);
      kit_assert_near (kit_point (r, 0, k).x, cell_of (20, k) % PW * 16 - 4.5,
          1e-3);
      kit_assert_near (kit_point (r, 0, k).score, k == seed ? 0.95 : 0.9, 1e-5);
    }
    maps[0][seed * PN + cell_of (20, seed)] = 0.9f;
  }
  kit_clear (&kit);
}

enum { CW = 40, CH = 30, CN = CW * CH }; /* 160x120 px, stride 4 */

static void
plant_people (gfloat *heat, gfloat *center, gfloat *offset, guint cx,
    guint cy, gfloat score, guint n)
{
  center[cy * CW + cx] = score;
  for (guint k = 0; k < n; k++) {
    guint x = cx + k % 3 - 1, y = cy - 8 + k, cell = y * CW + x;

    heat[k * CN + cell] = score;
    offset[2 * k * CN + cell] = ((gfloat) cx - (gfloat) x) * 4 + 1;
    offset[(2 * k + 1) * CN + cell] = ((gfloat) cy - (gfloat) y) * 4 - 1;
  }
}

/* Two people side by side and one with too few points. */
static void
test_people (void)
{
  Kit kit;
  gfloat *heat, *center, *offset;
  const DcnnResults *r;

  kit_init (&kit, "people-pose", "", 160, 120);
  heat = kit_add (&kit, "heatmaps", DIMS (1, 17, CH, CW));
  center = kit_add (&kit, "center", DIMS (1, 1, CH, CW));
  offset = kit_add (&kit, "offsets", DIMS (1, 34, CH, CW));
  plant_people (heat, center, offset, 10, 12, 0.8f, 17);
  plant_people (heat, center, offset, 15, 12, 0.6f, 17);
  plant_people (heat, center, offset, 32, 12, 0.9f, 2);
  heat[3] = NAN;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 2);
  kit_assert_near (g_array_index (r->poses, DcnnPose, 0).score, 0.64, 1e-5);
  kit_assert_near (g_array_index (r->poses, DcnnPose, 1).score, 0.36, 1e-5);
  for (guint p = 0; p < 2; p++)
    for (guint k = 0; k < 17; k++) {
      gdouble x = (p == 0 ? 10 : 15) + k % 3 - 1.0, y = 4.0 + k;

      kit_assert_near (kit_point (r, p, k).x, (x + 0.5) * 4, 1e-3);
      kit_assert_near (kit_point (r, p, k).y, (y + 0.5) * 4, 1e-3);
    }
  kit_clear (&kit);
}

static void
test_landmarks (void)
{
  Kit kit;
  gfloat *points, *mask;
  const DcnnResults *r;

  kit_init (&kit, "landmarks",
      "[decoder]\nvalues=4\nscore-value=3\nskeleton=none\n"
      "[output:p]\nsemantics=landmarks\nactivation=sigmoid\n"
      "[output:s]\nsemantics=mask\n", 64, 64);
  points = kit_add (&kit, "p", DIMS (1, 8));
  mask = kit_add (&kit, "s", DIMS (1, 1, 8, 8));
  points[0] = 10;
  points[1] = 20;
  points[3] = 3;
  points[4] = INFINITY;
  points[7] = 3;
  mask[9] = 1;
  kit_frame (&kit, 32, 32, DCNN_FIT_STRETCH);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  g_assert_null (r->edges);
  kit_assert_near (kit_point (r, 0, 0).x, 5, 1e-4);
  kit_assert_near (kit_point (r, 0, 0).y, 10, 1e-4);
  kit_assert_near (kit_point (r, 0, 0).score, 0.952574, 1e-5);
  kit_assert_near (kit_point (r, 0, 1).score, 0, 1e-9);
  g_assert_true (r->has_segmentation);
  g_assert_cmpuint (r->segmentation.data[9], ==, 255);
  kit_clear (&kit);
}

/* ---- every decoder on hostile values ----------------------------------- */

typedef struct Shape {
  const char *decoder;
  struct { const char *name; gint dims[5]; } outputs[5];
} Shape;

static const Shape shapes[] = {
  { "segmentation", { { "mask", { 1, 3, 9, 17 } } } },
  { "heatmap-pose", { { "heatmap", { 1, 14, 9, 17 } } } },
  { "movenet", { { "heatmap", { 1, 17, 8, 8 } }, { "center", { 1, 1, 8, 8 } },
      { "regress", { 1, 34, 8, 8 } }, { "offset", { 1, 34, 8, 8 } } } },
  { "posenet", { { "heatmap", { 1, 17, 5, 5 } }, { "offset", { 1, 34, 5, 5 } },
      { "displacement_fwd", { 1, 32, 5, 5 } },
      { "displacement_bwd", { 1, 32, 5, 5 } } } },
  { "people-pose", { { "heatmaps", { 1, 17, 16, 16 } },
      { "center", { 1, 1, 16, 16 } }, { "offsets", { 1, 34, 16, 16 } } } },
  { "yolox", { { "boxes", { 1, 84, 9 } } } },
  { "centernet", { { "heatmap", { 1, 4, 16, 16 } },
      { "ltrb", { 1, 4, 16, 16 } } } },
  { "fastestdet", { { "boxes", { 1, 9, 8, 8 } } } },
  { "landmarks", { { "landmarks", { 1, 195 } }, { "mask", { 1, 1, 8, 8 } } } },
  { "classification", { { "scores", { 1, 100 } } } },
};

static gfloat
hostile_value (GRand *rand)
{
  static const gfloat values[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f,
    1e-40f, -0.0f, 0.5f, 1, 100 };

  switch (g_rand_int_range (rand, 0, 3)) {
    case 0:
      return values[g_rand_int_range (rand, 0, G_N_ELEMENTS (values))];
    case 1:
      return (gfloat) g_rand_double (rand);
    default:
      return (gfloat) g_rand_double_range (rand, -100, 100);
  }
}

static void
check_results (const DcnnResults *r, const DcnnTransform *t)
{
  for (guint i = 0; i < r->detections->len; i++) {
    DcnnDetection d = kit_box (r, i);

    g_assert_true (d.x >= 0 && d.y >= 0 && d.width > 0 && d.height > 0);
    g_assert_true (d.x + d.width <= (gfloat) t->frame_width + 0.01f);
    g_assert_true (d.y + d.height <= (gfloat) t->frame_height + 0.01f);
    g_assert_true (d.score >= 0 && d.score <= 1);
  }
  for (guint i = 0; i < r->keypoints->len; i++) {
    DcnnKeypoint p = g_array_index (r->keypoints, DcnnKeypoint, i);

    g_assert_true (p.score >= 0 && p.score <= 1);
    g_assert_true (isfinite (p.x) && isfinite (p.y));
  }
  for (guint i = 0; i < r->poses->len; i++) {
    DcnnPose p = g_array_index (r->poses, DcnnPose, i);

    g_assert_true (p.score >= 0 && p.score <= 1);
    g_assert_cmpuint (p.first + p.n_keypoints, <=, r->keypoints->len);
  }
  for (guint i = 0; i < r->labels->len; i++)
    g_assert_true (g_array_index (r->labels, DcnnLabel, i).score >= 0);
}

static void
test_hostile (gconstpointer data)
{
  const Shape *shape = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  Kit kit;

  kit_init (&kit, shape->decoder, "", 64, 64);
  for (guint o = 0; shape->outputs[o].name != NULL; o++)
    (void) kit_add (&kit, shape->outputs[o].name, shape->outputs[o].dims);
  kit_frame (&kit, 101, 57, DCNN_FIT_LETTERBOX);
  for (guint round = 0; round < 300; round++) {
    for (guint o = 0; o < kit.n; o++) {
      gfloat *values = kit.tensors[o].data;
      for (gint64 i = dcnn_tensor_count (&kit.tensors[o]); i-- > 0;)
        values[i] = hostile_value (rand);
    }
    check_results (kit_run (&kit, (gfloat) (round % 10) / 10),
        &kit.transform);
  }
  kit_clear (&kit);
}

/* After a first frame that finds as much as any, nothing is allocated. */
static void
test_no_allocation (gconstpointer data)
{
  const Shape *shape = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  guint64 before;
  Kit kit;

  kit_init (&kit, shape->decoder, "", 64, 64);
  for (guint o = 0; shape->outputs[o].name != NULL; o++) {
    gfloat *values = kit_add (&kit, shape->outputs[o].name,
        shape->outputs[o].dims);
    for (gint64 i = dcnn_tensor_count (&kit.tensors[o]); i-- > 0;)
      values[i] = (gfloat) g_rand_double (rand);
  }
  (void) kit_run (&kit, 0);
  before = kit_allocations ();
  for (guint i = 0; i < 20; i++)
    (void) kit_run (&kit, 0);
  g_assert_cmpuint (kit_allocations (), ==, before);
  kit_clear (&kit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pose/heatmap", test_heatmap);
  g_test_add_func ("/pose/heatmap-centre", test_heatmap_centre);
  g_test_add_func ("/pose/movenet", test_movenet);
  g_test_add_func ("/pose/movenet-nearness", test_movenet_nearness);
  g_test_add_func ("/pose/posenet", test_posenet);
  g_test_add_func ("/pose/people", test_people);
  g_test_add_func ("/pose/landmarks", test_landmarks);
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    g_autofree char *hostile = g_strconcat ("/hostile/", shapes[i].decoder,
        NULL);
    g_autofree char *still = g_strconcat ("/no-allocation/",
        shapes[i].decoder, NULL);

    g_test_add_data_func (hostile, &shapes[i], test_hostile);
    g_test_add_data_func (still, &shapes[i], test_no_allocation);
  }
  return g_test_run ();
}
