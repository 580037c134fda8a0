/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * metrics.c - how far sparse results are from dense ones, on results made by
 * hand: every expected number is worked out in the test.
 */
#include "agree.h"

#include <math.h>
#include <string.h>

#define NEAR(have, want) g_assert_cmpfloat_with_epsilon ((have), (want), 1e-6)

/* A member of what bench_agreement_json() writes; NaN: it is not there. */
static double
member (const BenchAgreement *it, const char *name)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object;

  json_builder_begin_object (builder);
  bench_agreement_json (it, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  object = json_node_get_object (root);
  return json_object_has_member (object, name)
      ? json_object_get_double_member (object, name) : NAN;
}

/* The frame is twice the network's size across, as high as it down. */
static const DcnnTransform transform = {
  .scale_x = 0.5f, .scale_y = 1, .frame_width = 1280, .frame_height = 640,
  .net_width = 640, .net_height = 640,
};

/* ---- masks ---------------------------------------------------------------- */

static DcnnResults
mask_results (const guint8 *data, guint width, guint height, guint classes)
{
  return (DcnnResults) { .has_segmentation = TRUE, .segmentation = {
      .width = width, .height = height, .n_classes = classes, .data = data } };
}

static void
test_binary_mask (void)
{
  static const guint8 sparse[8] = { 200, 128, 127, 0, 255, 0, 0, 130 };
  static const guint8 dense[8] = { 255, 200, 129, 10, 0, 0, 0, 128 };
  DcnnResults a = mask_results (sparse, 4, 2, 1);
  DcnnResults b = mask_results (dense, 4, 2, 1);
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_results (&it, &a, &b, &transform);
  /* set in both: 0, 1, 7; in either: those, 2 and 4 */
  NEAR (bench_agreement_value (&it, BENCH_IOU), 3 / 5.0);
  NEAR (member (&it, "iou"), 3 / 5.0);
  /* a second frame adds to the sums, not to the means */
  bench_agreement_add_results (&it, &b, &b, &transform);
  NEAR (bench_agreement_value (&it, BENCH_IOU), 7 / 9.0);
}

static void
test_class_mask (void)
{
  static const guint8 sparse[6] = { 0, 0, 1, 2, 2, 2 };
  static const guint8 dense[6] = { 0, 1, 1, 2, 2, 0 };
  DcnnResults a = mask_results (sparse, 3, 2, 3);
  DcnnResults b = mask_results (dense, 3, 2, 3);
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_results (&it, &a, &b, &transform);
  /* 0: 1 of 3; 1: 1 of 2; 2: 2 of 3 */
  NEAR (bench_agreement_value (&it, BENCH_IOU), (1 / 3.0 + 1 / 2.0 + 2 / 3.0)
      / 3);
}

static void
test_lone_mask (void)
{
  static const guint8 ones[4] = { 255, 255, 0, 0 };
  static const guint8 zeros[4] = { 0 };
  DcnnResults a = mask_results (ones, 2, 2, 1), none = { NULL };
  DcnnResults nothing = mask_results (zeros, 2, 2, 1);
  DcnnResults other = mask_results (ones, 4, 1, 1);
  BenchAgreement it = { .tensors = 0 };

  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_IOU), ==, -1);
  bench_agreement_add_results (&it, &nothing, &nothing, &transform);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_IOU), ==, -1);
  bench_agreement_add_results (&it, &none, &a, &transform);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_IOU), ==, 0);
  memset (&it, 0, sizeof it);
  bench_agreement_add_results (&it, &a, &none, &transform);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_IOU), ==, 0);
  memset (&it, 0, sizeof it);
  bench_agreement_add_results (&it, &a, &other, &transform);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_IOU), ==, 0);
}

/* ---- poses ---------------------------------------------------------------- */

#define POINTS 4

static DcnnResults
pose_results (void)
{
  return (DcnnResults) {
    .poses = g_array_new (FALSE, FALSE, sizeof (DcnnPose)),
    .keypoints = g_array_new (FALSE, FALSE, sizeof (DcnnKeypoint)) };
}

/* A person of POINTS points in a column from (x, y) on, all of one score. */
static void
add_person (DcnnResults *results, float x, float y, float score)
{
  DcnnPose pose = { .score = 0.9f, .n_keypoints = POINTS,
    .first = results->keypoints->len };

  for (guint i = 0; i < POINTS; i++) {
    DcnnKeypoint point = { x, y + 10 * i, score };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

static void
clear_results (DcnnResults *results)
{
  g_array_unref (results->poses);
  g_array_unref (results->keypoints);
}

static void
test_pose_distance (void)
{
  DcnnResults a = pose_results (), b = pose_results ();
  BenchAgreement it = { .tensors = 0 };

  add_person (&a, 106, 108, 0.9f);
  add_person (&b, 100, 100, 0.9f);
  bench_agreement_add_results (&it, &a, &b, &transform);
  /* (6, 8) in the frame: 10; (3, 8) in the network */
  NEAR (member (&it, "keypoint_frame_px"), 10);
  NEAR (member (&it, "keypoint_px"), hypot (3, 8));
  NEAR (member (&it, "keypoint_f1"), 1);
  NEAR (member (&it, "pose_f1"), 1);
  clear_results (&a);
  clear_results (&b);
}

/* Two people in dense and one in sparse: one match, whichever is first. */
static void
test_pose_exclusive (void)
{
  for (guint swap = 0; swap < 2; swap++) {
    DcnnResults two = pose_results (), one = pose_results ();
    BenchAgreement it = { .tensors = 0 };

    add_person (&two, 100, 100, 0.9f);
    add_person (&two, 120, 100, 0.9f);
    add_person (&one, 118, 100, 0.9f);
    if (swap)
      bench_agreement_add_results (&it, &two, &one, &transform);
    else
      bench_agreement_add_results (&it, &one, &two, &transform);
    NEAR (member (&it, "pose_f1"), 2 / 3.0);
    /* the nearer one: 2 px of the frame */
    NEAR (member (&it, "keypoint_frame_px"), 2);
    clear_results (&two);
    clear_results (&one);
  }
}

/* Whoever has a partner has one only, whatever their places in the lists: of
 * three side by side the third and the first are there, one of them twice. */
static void
test_pose_one_partner (void)
{
  for (guint swap = 0; swap < 2; swap++) {
    DcnnResults a = pose_results (), b = pose_results ();
    BenchAgreement it = { .tensors = 0 };

    for (guint i = 0; i < 3; i++)
      add_person (&a, 100 + 200 * i, 100, 0.9f);
    add_person (&b, 500, 100, 0.9f);
    add_person (&b, 504, 100, 0.9f);
    add_person (&b, 106, 100, 0.9f);
    if (swap)
      bench_agreement_add_results (&it, &b, &a, &transform);
    else
      bench_agreement_add_results (&it, &a, &b, &transform);
    NEAR (member (&it, "pose_f1"), 2 * 2 / 6.0);
    NEAR (member (&it, "keypoint_frame_px"), 6 / 2.0);
    clear_results (&a);
    clear_results (&b);
  }
}

/* The nearest pair goes first: a greedy pass in the dense order would give the
 * first person the second one's pose. */
static void
test_pose_nearest_first (void)
{
  DcnnResults a = pose_results (), b = pose_results ();
  BenchAgreement it = { .tensors = 0 };

  add_person (&b, 100, 100, 0.9f);
  add_person (&b, 140, 100, 0.9f);
  add_person (&a, 136, 100, 0.9f);
  add_person (&a, 60, 100, 0.9f);
  bench_agreement_add_results (&it, &a, &b, &transform);
  NEAR (member (&it, "pose_f1"), 1);
  NEAR (member (&it, "keypoint_frame_px"), (4 + 40) / 2.0);
  clear_results (&a);
  clear_results (&b);
}

/* One of three people is 300 px off: neither found nor right. */
static void
test_pose_elsewhere (void)
{
  DcnnResults a = pose_results (), b = pose_results ();
  BenchAgreement it = { .tensors = 0 };

  for (guint i = 0; i < 3; i++) {
    add_person (&a, 100 + 300 * i, i == 2 ? 400 : 100, 0.9f);
    add_person (&b, 100 + 300 * i, 100, 0.9f);
  }
  bench_agreement_add_results (&it, &a, &b, &transform);
  NEAR (member (&it, "pose_f1"), 2 / 3.0);
  NEAR (member (&it, "keypoint_px"), 0);
  clear_results (&a);
  clear_results (&b);
}

/* Points in the right places of which nothing is sure any more. */
static void
test_pose_collapsed (void)
{
  DcnnResults a = pose_results (), b = pose_results ();
  BenchAgreement it = { .tensors = 0 };

  add_person (&a, 100, 100, 0.01f);
  add_person (&b, 100, 100, 0.9f);
  bench_agreement_add_results (&it, &a, &b, &transform);
  g_assert_true (isnan (member (&it, "keypoint_px")));
  NEAR (member (&it, "keypoint_f1"), 0);
  /* one of four is lost, one is made up, one is nearly sure */
  memset (&it, 0, sizeof it);
  for (guint i = 0; i < POINTS; i++)
    g_array_index (a.keypoints, DcnnKeypoint, i).score = i == 0 ? 0.1f : 0.9f;
  g_array_index (b.keypoints, DcnnKeypoint, 1).score = 0.2f;
  g_array_index (a.keypoints, DcnnKeypoint, 2).score =
      BENCH_KEYPOINT_SCORE - 0.03f;
  g_array_index (b.keypoints, DcnnKeypoint, 2).score =
      BENCH_KEYPOINT_SCORE + 0.01f;
  bench_agreement_add_results (&it, &a, &b, &transform);
  g_assert_cmpuint (it.keypoints, ==, 2);
  g_assert_cmpuint (it.keypoints_one, ==, 2);
  NEAR (member (&it, "keypoint_f1"), 4 / 6.0);
  clear_results (&a);
  clear_results (&b);
}

/* Nobody in one side, and nobody in both. */
static void
test_pose_nobody (void)
{
  DcnnResults a = pose_results (), b = pose_results ();
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_results (&it, &a, &b, &transform);
  g_assert_true (isnan (member (&it, "pose_f1")));
  add_person (&b, 100, 100, 0.9f);
  bench_agreement_add_results (&it, &a, &b, &transform);
  NEAR (member (&it, "pose_f1"), 0);
  memset (&it, 0, sizeof it);
  bench_agreement_add_results (&it, &b, &a, &transform);
  NEAR (member (&it, "pose_f1"), 0);
  clear_results (&a);
  clear_results (&b);
}

/* ---- boxes ---------------------------------------------------------------- */

static void
add_box_at (GArray *boxes, float x, float y, float width, float height)
{
  DcnnDetection box = { .x = x, .y = y, .width = width, .height = height,
    .score = 0.9f, .class_id = 1 };

  g_array_append_val (boxes, box);
}

static void
add_box (GArray *boxes, float x, float width, float score, gint class_id)
{
  DcnnDetection box = { .x = x, .y = 10, .width = width, .height = 10,
    .score = score, .class_id = class_id };

  g_array_append_val (boxes, box);
}

static GArray *
new_boxes (void)
{
  return g_array_new (FALSE, FALSE, sizeof (DcnnDetection));
}

static void
check_boxes (GArray *sparse, GArray *dense, double f1, double near_f1)
{
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_boxes (&it, sparse, dense, 0.5f);
  NEAR (member (&it, "f1"), f1);
  NEAR (member (&it, "f1_near"), near_f1);
  NEAR (bench_agreement_value (&it, BENCH_F1_NEAR), near_f1);
  g_array_unref (sparse);
  g_array_unref (dense);
}

static void
test_boxes (void)
{
  GArray *a = new_boxes (), *b = new_boxes ();

  /* IoU of boxes 10 wide, 2 apart: 8 / 12; 5 apart: 5 / 15 */
  add_box (a, 102, 10, 0.9f, 1);
  add_box (a, 205, 10, 0.8f, 1);
  add_box (b, 100, 10, 0.9f, 1);
  add_box (b, 200, 10, 0.8f, 1);
  check_boxes (a, b, 2 / 4.0, 2 / 4.0);

  /* exactly half is a match: 10 and 5 at one corner */
  a = new_boxes (), b = new_boxes ();
  add_box (a, 100, 5, 0.9f, 1);
  add_box (b, 100, 10, 0.9f, 1);
  check_boxes (a, b, 1, 1);

  /* of another class, it is none */
  a = new_boxes (), b = new_boxes ();
  add_box (a, 100, 10, 0.9f, 1);
  add_box (b, 100, 10, 0.9f, 2);
  check_boxes (a, b, 0, 0);
}

/* The same downwards, at one corner, and beside each other. */
static void
test_boxes_down (void)
{
  GArray *a = new_boxes (), *b = new_boxes ();

  add_box_at (a, 10, 102, 10, 10);
  add_box_at (a, 10, 205, 10, 10);
  add_box_at (b, 10, 100, 10, 10);
  add_box_at (b, 10, 200, 10, 10);
  check_boxes (a, b, 2 / 4.0, 2 / 4.0);
  a = new_boxes (), b = new_boxes ();
  add_box_at (a, 10, 100, 10, 5);
  add_box_at (b, 10, 100, 10, 10);
  check_boxes (a, b, 1, 1);
  a = new_boxes (), b = new_boxes ();
  add_box_at (a, 10, 100, 100, 10); /* tall and wide: 100 of 1900 */
  add_box_at (b, 10, 100, 10, 100);
  check_boxes (a, b, 0, 0);
  a = new_boxes (), b = new_boxes ();
  add_box_at (a, 10, 100, 10, 10); /* on the right, below: nothing in common */
  add_box_at (b, 40, 140, 10, 10);
  check_boxes (a, b, 0, 0);
}

static void
test_boxes_exclusive (void)
{
  GArray *a = new_boxes (), *b = new_boxes ();

  /* two on one place, one on the other side */
  add_box (a, 101, 10, 0.9f, 1);
  add_box (b, 100, 10, 0.9f, 1);
  add_box (b, 101, 10, 0.8f, 1);
  check_boxes (a, b, 2 / 3.0, 2 / 3.0);
  a = new_boxes (), b = new_boxes ();
  add_box (a, 100, 10, 0.9f, 1);
  add_box (a, 101, 10, 0.8f, 1);
  add_box (b, 101, 10, 0.9f, 1);
  check_boxes (a, b, 2 / 3.0, 2 / 3.0);
}

/* A score that is on the limit, and one that is not. */
static void
test_boxes_near (void)
{
  GArray *a = new_boxes (), *b = new_boxes ();

  add_box (a, 100, 10, 0.9f, 1);
  add_box (a, 200, 10, 0.47f, 1);
  add_box (b, 100, 10, 0.9f, 1);
  add_box (b, 200, 10, 0.52f, 1);
  add_box (b, 300, 10, 0.48f, 1); /* neither reaches the limit */
  check_boxes (a, b, 2 / 3.0, 1);
  a = new_boxes (), b = new_boxes ();
  add_box (a, 100, 10, 0.44f, 1);
  add_box (b, 100, 10, 0.52f, 1);
  check_boxes (a, b, 0, 0);
}

static void
test_boxes_none (void)
{
  g_autoptr (GArray) none = new_boxes ();
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_boxes (&it, none, none, 0.5f);
  g_assert_true (isnan (member (&it, "f1")));
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_F1_NEAR), ==, -1);
}

/* ---- labels, text --------------------------------------------------------- */

static void
test_labels (void)
{
  static const gint classes[4][2] = { { 3, 3 }, { 3, 4 }, { -1, 4 },
    { -1, -1 } };
  BenchAgreement it = { .tensors = 0 };

  for (guint f = 0; f < 4; f++) {
    DcnnResults r[2] = { { NULL }, { NULL } };
    for (guint i = 0; i < 2; i++) {
      DcnnLabel label = { classes[f][i], 0.5f };
      r[i].labels = g_array_new (FALSE, FALSE, sizeof label);
      if (classes[f][i] >= 0)
        g_array_append_val (r[i].labels, label);
      r[i].text = f == 0 ? "AB 12" : f == 1 && i ? "AB" : "";
    }
    bench_agreement_add_results (&it, &r[0], &r[1], &transform);
    g_array_unref (r[0].labels);
    g_array_unref (r[1].labels);
  }
  NEAR (member (&it, "top1"), 1 / 3.0);
  NEAR (member (&it, "same_text"), 1 / 2.0);
}

/* ---- outputs -------------------------------------------------------------- */

static void
add_floats (BenchAgreement *it, const float *a, const float *b, gint n)
{
  DcnnTensor x = { .dtype = DCNN_DTYPE_F32, .rank = 1, .dims = { n },
    .data = (gpointer) a };
  DcnnTensor y = x;

  y.data = (gpointer) b;
  bench_agreement_add_tensor (it, &x, &y);
}

static double
relative (const float *a, const float *b)
{
  BenchAgreement it = { .tensors = 0 };

  add_floats (&it, a, b, 2);
  NEAR (bench_agreement_value (&it, BENCH_RELATIVE), member (&it,
          "relative_rms"));
  return bench_agreement_value (&it, BENCH_RELATIVE);
}

static void
test_floats (void)
{
  static const float dense[2] = { 3, 4 }, sparse[2] = { 3.3f, 3.6f };
  static const float zeros[2] = { 0, 0 };
  static const float nan_[2] = { NAN, 4 }, inf[2] = { INFINITY, 4 };
  BenchAgreement it = { .tensors = 0 };

  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_RELATIVE), ==, -1);
  g_assert_cmpfloat (relative (dense, dense), ==, 0);
  /* sqrt (.09 + .16) / 5 */
  NEAR (relative (sparse, dense), 0.1);
  /* nothing where there is nothing is right, something is not */
  g_assert_cmpfloat (relative (zeros, zeros), ==, 0);
  g_assert_cmpfloat (relative (dense, zeros), ==, 1);
  g_assert_cmpfloat (relative (zeros, dense), ==, 1);
  /* what is no number is no match but with itself */
  g_assert_cmpfloat (relative (nan_, dense), ==, 1);
  g_assert_cmpfloat (relative (dense, nan_), ==, 1);
  g_assert_cmpfloat (relative (dense, inf), ==, 1);
  g_assert_cmpfloat (relative (nan_, nan_), ==, 0);
  g_assert_cmpfloat (relative (inf, inf), ==, 0);
  /* tensors and frames count alike, however large their values are */
  add_floats (&it, sparse, dense, 2);
  add_floats (&it, dense, dense, 2);
  NEAR (member (&it, "relative_rms"), 0.1 / sqrt (2));
  NEAR (member (&it, "max_abs"), 4 - 3.6f);
}

static void
test_other_types (void)
{
  static const gint64 p[4] = { 1, 2, 3, 4 };
  static const gint64 q[4] = { 1, 2, 3, G_GINT64_CONSTANT (1) << 40 | 4 };
  static const guint8 flags[4] = { 0, 1, 1, 1 }, none[4] = { 0 };
  DcnnTensor x = { .dtype = DCNN_DTYPE_I64, .rank = 2, .dims = { 1, 4 },
    .data = (gpointer) p };
  DcnnTensor y = x;
  BenchAgreement it = { .tensors = 0 };

  bench_agreement_add_tensor (&it, &x, &y);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_RELATIVE), ==, 0);
  y.data = (gpointer) q;
  memset (&it, 0, sizeof it);
  bench_agreement_add_tensor (&it, &x, &y);
  NEAR (bench_agreement_value (&it, BENCH_RELATIVE), sqrt (1 / 4.0));
  x.dtype = y.dtype = DCNN_DTYPE_BOOL;
  x.data = (gpointer) flags;
  y.data = (gpointer) none;
  memset (&it, 0, sizeof it);
  bench_agreement_add_tensor (&it, &x, &y);
  NEAR (bench_agreement_value (&it, BENCH_RELATIVE), sqrt (3 / 4.0));
  /* a tensor without elements says nothing */
  memset (&it, 0, sizeof it);
  x.dims[1] = y.dims[1] = 0;
  bench_agreement_add_tensor (&it, &x, &y);
  g_assert_cmpfloat (bench_agreement_value (&it, BENCH_RELATIVE), ==, -1);
}

/* ---- words ---------------------------------------------------------------- */

static void
test_text (void)
{
  BenchAgreement it = { .mask_both = { 0, 3 }, .mask_either = { 9, 4 },
    .binary = TRUE, .keypoints = 4, .keypoint_net_sum = 6,
    .keypoints_one = 2, .poses_both = 3, .poses_one = 2, .boxes_both = 1,
    .boxes_one = 1, .near_both = 2, .labels_both = 1, .labels_one = 3,
    .texts_both = 1, .texts_one = 1, .relative_squares = 0.0004,
    .tensors = 4 };
  g_autofree char *all = bench_agreement_text (&it);
  BenchAgreement only = { .relative_squares = 0.0004, .tensors = 4 };
  BenchAgreement nothing = { .tensors = 0 };
  g_autofree char *outputs = bench_agreement_text (&only);
  g_autofree char *none = bench_agreement_text (&nothing);

  g_assert_cmpstr (all, ==, "mask IoU 0.7500, key points within 1.50 px, "
      "their F1 0.800, poses F1 0.750, boxes F1 0.667 (1.000 with scores "
      "within 0.05), the same first class in 25.0 %, the same text in 50.0 %");
  g_assert_cmpstr (outputs, ==, "outputs differ by 1 % rms");
  g_assert_cmpstr (none, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/mask/binary", test_binary_mask);
  g_test_add_func ("/metrics/mask/classes", test_class_mask);
  g_test_add_func ("/metrics/mask/lone", test_lone_mask);
  g_test_add_func ("/metrics/pose/distance", test_pose_distance);
  g_test_add_func ("/metrics/pose/exclusive", test_pose_exclusive);
  g_test_add_func ("/metrics/pose/one-partner", test_pose_one_partner);
  g_test_add_func ("/metrics/pose/nearest-first", test_pose_nearest_first);
  g_test_add_func ("/metrics/pose/elsewhere", test_pose_elsewhere);
  g_test_add_func ("/metrics/pose/collapsed", test_pose_collapsed);
  g_test_add_func ("/metrics/pose/nobody", test_pose_nobody);
  g_test_add_func ("/metrics/boxes/overlap", test_boxes);
  g_test_add_func ("/metrics/boxes/down", test_boxes_down);
  g_test_add_func ("/metrics/boxes/exclusive", test_boxes_exclusive);
  g_test_add_func ("/metrics/boxes/near", test_boxes_near);
  g_test_add_func ("/metrics/boxes/none", test_boxes_none);
  g_test_add_func ("/metrics/labels", test_labels);
  g_test_add_func ("/metrics/outputs/floats", test_floats);
  g_test_add_func ("/metrics/outputs/other-types", test_other_types);
  g_test_add_func ("/metrics/text", test_text);
  return g_test_run ();
}
