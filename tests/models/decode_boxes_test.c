/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoders of boxes on planted tensors: expected places are worked out from
 * each family's published post-processing, written down here on its own, in
 * double precision and without anything of the decoders.
 */
#include <math.h>
#include <string.h>

#include "decode_kit.h"
#include "dcnn_graph.h"

#define DIMS(...) ((const gint[]) { __VA_ARGS__, 0 })
#define OUT(name, role) "[output:" name "]\nsemantics=" role "\n"

static void
assert_box (const DcnnResults *r, guint i, gdouble left, gdouble top,
    gdouble right, gdouble bottom, gdouble score, gint class_id)
{
  DcnnDetection box = kit_box (r, i);

  kit_assert_near (box.x, left, 2e-3);
  kit_assert_near (box.y, top, 2e-3);
  kit_assert_near (box.x + box.width, right, 2e-3);
  kit_assert_near (box.y + box.height, bottom, 2e-3);
  kit_assert_near (box.score, score, 1e-4);
  g_assert_cmpint (box.class_id, ==, class_id);
}

static gdouble
logistic (gdouble v)
{
  return 1 / (1 + exp (-v));
}

/* v8 writes [1,4+C,N]; v5 [1,N,5+C] with an objectness: the same boxes. */
static void
test_yolo (void)
{
  for (guint way = 0; way < 4; way++) {
    const guint v5 = way % 2; /* labels say it as well as the order does */
    const gdouble box[3][4] = { { 40, 30, 20, 10 }, { 42, 30, 20, 10 },
      { 100, 60, 30, 40 } };
    const gdouble score[3] = { 0.9, 0.6, 0.5 };
    const guint n = 40, columns = v5 ? 8 : 7;
    Kit kit;
    gfloat *data;
    const DcnnResults *r;

    kit_init (&kit, "yolo", way / 2 ? "[labels]\nlist=a;b;c" : "", 128, 96);
    data = v5 ? kit_add (&kit, "o", DIMS (1, 40, 8))
        : kit_add (&kit, "o", DIMS (1, 7, 40));
    for (guint i = 0; i < 3; i++)
      for (guint c = 0; c < columns; c++) {
        guint row = 7 * i + 3;
        gdouble value = c < 4 ? box[i][c] : v5 && c == 4 ? 0.9
            : c == columns - 2 ? score[i] / (v5 ? 0.9 : 1) : 0.01;
        data[v5 ? row * columns + c : c * n + row] = (gfloat) value;
      }
    kit_frame (&kit, 256, 192, DCNN_FIT_STRETCH);
    r = kit_run (&kit, -1);
    g_assert_true (r->finds_boxes);
    g_assert_cmpuint (r->detections->len, ==, 2); /* IoU of the first: .82 */
    assert_box (r, 0, 60, 50, 100, 70, 0.9, 1);
    assert_box (r, 1, 170, 80, 230, 160, 0.5, 1);
    kit_clear (&kit);
  }
}

/* Mask = sigmoid (coefficients . prototypes) > 1/2, inside the box. */
static void
test_yolo_masks (void)
{
  Kit kit;
  gfloat *data, *protos;
  const DcnnResults *r;

  kit_init (&kit, "yolo", "[labels]\nlist=a;b\n" OUT ("o", "boxes")
      OUT ("p", "protos"), 64, 64);
  data = kit_add (&kit, "o", DIMS (1, 8, 20)); /* 4 + 2 classes + 2 */
  protos = kit_add (&kit, "p", DIMS (1, 2, 16, 16));
  for (guint i = 0; i < 256; i++) {
    protos[i] = i % 16 < 8 ? 1 : -1; /* left half */
    protos[256 + i] = i / 16 < 8 ? 1 : -1; /* upper half */
  }
  for (guint i = 0; i < 4; i++)
    data[i * 20 + 11] = i < 2 ? 32 : 48; /* 8..56: cells 2..13 */
  data[5 * 20 + 11] = 0.9f; /* class b */
  data[6 * 20 + 11] = 2;
  data[7 * 20 + 11] = 1; /* 2 left + upper > 0: the left half */
  r = kit_run (&kit, -1);
  g_assert_true (r->has_segmentation);
  g_assert_cmpuint (r->segmentation.n_classes, ==, 3);
  for (guint i = 0; i < 256; i++)
    g_assert_cmpuint (r->segmentation.data[i], ==, i % 16 >= 2 && i % 16 < 8
        && i / 16 >= 2 && i / 16 < 14 ? 2 : 0);
  kit_clear (&kit);
}

static void
test_yolo_pose (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "yolo", "[decoder]\nkeypoints=3\nedges=0;1;1;2", 64, 64);
  data = kit_add (&kit, "o", DIMS (1, 14, 30)); /* 4 + 1 + 3 * 3 */
  for (guint i = 0; i < 4; i++)
    data[i * 30 + 4] = i < 2 ? 32 : 16;
  data[4 * 30 + 4] = 0.8f;
  for (guint k = 0; k < 3; k++) {
    data[(5 + 3 * k) * 30 + 4] = (gfloat) (30 + k);
    data[(6 + 3 * k) * 30 + 4] = (gfloat) (20 + 2 * k);
    data[(7 + 3 * k) * 30 + 4] = (gfloat) (0.5 + 0.1 * k);
  }
  kit_frame (&kit, 128, 64, DCNN_FIT_LETTERBOX);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  g_assert_cmpuint (r->n_edges, ==, 2);
  for (guint k = 0; k < 3; k++) {
    kit_assert_near (kit_point (r, 0, k).x, 2 * (30 + k), 1e-3);
    kit_assert_near (kit_point (r, 0, k).y, 2 * (20 + 2 * k - 16.0), 1e-3);
    kit_assert_near (kit_point (r, 0, k).score, 0.5 + 0.1 * k, 1e-4);
  }
  kit_clear (&kit);
}

/* ProbIoU of two equal boxes at a right angle, by its closed form: with
 * variances a = w^2/12, b = h^2/12 the Bhattacharyya distance is
 * 1/2 log ((a + b)^2 / (4 a b)). */
static void
test_yolo_oriented (void)
{
  const gdouble a = 40 * 40 / 12.0, b = 10 * 10 / 12.0;
  const gdouble distance = 0.5 * log ((a + b) * (a + b) / (4 * a * b));
  const gdouble iou = 1 - sqrt (1 - exp (-distance));

  for (guint above = 0; above < 2; above++) {
    g_autofree char *text = g_strdup_printf (
        "[decoder]\noriented=true\nnms-threshold=%.4f",
        iou + (above ? 0.01 : -0.01));
    Kit kit;
    gfloat *data;
    const DcnnResults *r;

    kit_init (&kit, "yolo", text, 128, 128);
    data = kit_add (&kit, "o", DIMS (1, 6, 50)); /* 4 + 1 + angle */
    for (guint i = 0; i < 2; i++) {
      data[0 * 50 + i] = data[1 * 50 + i] = 64;
      data[2 * 50 + i] = 40;
      data[3 * 50 + i] = 10;
      data[4 * 50 + i] = 0.9f - 0.1f * (gfloat) i;
      data[5 * 50 + i] = (gfloat) (0.3 + i * G_PI / 2);
    }
    kit_frame (&kit, 256, 256, DCNN_FIT_STRETCH);
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, above ? 2 : 1);
    kit_assert_near (kit_box (r, 0).angle, 0.3, 1e-5);
    kit_assert_near (kit_box (r, 0).width, 80, 1e-3);
    kit_assert_near (kit_box (r, 0).x, 128 - 40, 1e-3);
    kit_clear (&kit);
  }
}

/* YOLOv5's Detect layer; [1,A*V,H,W] and [1,A,H,W,V] hold the same. */
static void
test_yolo_anchors (void)
{
  const gdouble raw[7] = { 0.4, -0.3, 0.2, -0.5, 3, -2, 2.5 };

  for (guint stacked = 0; stacked < 2; stacked++) {
    const guint a = 1, y = 2, x = 3, h = 4, w = 8;
    gdouble cx = (2 * logistic (raw[0]) - 0.5 + x) * 8;
    gdouble cy = (2 * logistic (raw[1]) - 0.5 + y) * 8;
    gdouble bw = pow (2 * logistic (raw[2]), 2) * 16;
    gdouble bh = pow (2 * logistic (raw[3]), 2) * 30;
    Kit kit;
    gfloat *data;
    const DcnnResults *r;

    kit_init (&kit, "yolo-anchors", "[decoder]\nanchors=10;13;16;30\n"
        OUT ("o", "head1"), 64, 32);
    data = stacked ? kit_add (&kit, "o", DIMS (1, 2, 4, 8, 7))
        : kit_add (&kit, "o", DIMS (1, 14, 4, 8));
    for (guint i = 0; i < 14 * h * w; i++)
      data[i] = -9;
    for (guint v = 0; v < 7; v++)
      data[stacked ? ((a * h + y) * w + x) * 7 + v
          : ((a * 7 + v) * h + y) * w + x] = (gfloat) raw[v];
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 1);
    assert_box (r, 0, cx - bw / 2, MAX (cy - bh / 2, 0), cx + bw / 2,
        MIN (cy + bh / 2, 32), logistic (3) * logistic (2.5), 1);
    kit_clear (&kit);
  }
}

/* Distances are means of softmax over bins, from the cell's centre. */
static void
test_yolo_dfl (void)
{
  Kit kit;
  gfloat *data;
  gdouble side[4];
  const guint cell = 2 * 8 + 5; /* (5.5, 2.5) * 8 px */
  const DcnnResults *r;

  kit_init (&kit, "yolo-dfl", "[output:o]\nsemantics=head-8\n"
      "activation=sigmoid\n", 64, 32);
  data = kit_add (&kit, "o", DIMS (1, 66, 4, 8)); /* 4 * 16 bins, 2 classes */
  for (guint i = 64 * 32; i < 66 * 32; i++)
    data[i] = -9;
  for (guint s = 0; s < 4; s++) {
    gdouble sum = 0, mean = 0;
    for (guint b = 0; b < 16; b++) {
      gdouble v = 3 * sin (s * 2 + b) - (b > 4 ? b : 0);
      data[(s * 16 + b) * 32 + cell] = (gfloat) v;
      sum += exp (v);
      mean += b * exp (v);
    }
    side[s] = mean / sum * 8;
  }
  data[65 * 32 + cell] = 2;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 44 - side[0], MAX (20 - side[1], 0),
      MIN (44 + side[2], 64), MIN (20 + side[3], 32), logistic (2), 1);
  kit_clear (&kit);
}

/* NanoDet-plus: rows of strides 8, 16, 32, 64; classes, then 4 * 8 bins; a
 * bin that is sure is its own distance; cells are counted from corners. */
static void
test_nanodet (void)
{
  Kit kit;
  gfloat *data;
  const guint row = 64 + 6; /* stride 16, cell (2, 1) of 4x4 */
  const DcnnResults *r;

  kit_init (&kit, "nanodet", "", 64, 64);
  data = kit_add (&kit, "o", DIMS (1, 85, 35)); /* 64 + 16 + 4 + 1 */
  data[row * 35 + 2] = 0.7f;
  for (guint s = 0; s < 4; s++)
    data[row * 35 + 3 + s * 8 + s % 2 + 1] = 60; /* 1, 2, 1, 2 */
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 32 - 16, MAX (16 - 32, 0), 32 + 16, 16 + 32, 0.7, 2);
  kit_clear (&kit);
}

/* Cells count from their centres; a stride's scores and distances lie apart. */
static void
test_picodet (void)
{
  Kit kit;
  gfloat *scores, *boxes;
  const guint row = 6; /* stride 16, cell (2, 1) of 4x4 */
  const DcnnResults *r;

  kit_init (&kit, "picodet", "", 64, 64);
  kit_add (&kit, "scores-8", DIMS (1, 64, 3));
  kit_add (&kit, "boxes-8", DIMS (1, 64, 32));
  scores = kit_add (&kit, "scores-16", DIMS (1, 16, 3));
  boxes = kit_add (&kit, "boxes-16", DIMS (1, 16, 32));
  scores[row * 3 + 1] = 0.8f;
  for (guint side = 0; side < 4; side++)
    boxes[row * 32 + side * 8 + 1] = 60; /* a stride each way */
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 40 - 16, 24 - 16, 40 + 16, 24 + 16, 0.8, 1);
  kit_clear (&kit);
}

static void
test_scrfd (void)
{
  Kit kit;
  gfloat *scores, *boxes, *points;
  const guint row = 2 * 5; /* cell (1, 1) of 4x4, first of two */
  const DcnnResults *r;

  kit_init (&kit, "scrfd", OUT ("s", "scores-16") OUT ("b", "boxes-16")
      OUT ("p", "points-16"), 64, 64);
  scores = kit_add (&kit, "s", DIMS (32, 1));
  boxes = kit_add (&kit, "b", DIMS (32, 4));
  points = kit_add (&kit, "p", DIMS (32, 10));
  scores[row] = 0.9f;
  for (guint i = 0; i < 4; i++)
    boxes[row * 4 + i] = 0.5f + 0.25f * (gfloat) i;
  for (guint i = 0; i < 10; i++)
    points[row * 10 + i] = 0.1f * (gfloat) i;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 16 - 8, 16 - 12, 16 + 16, 16 + 20, 0.9, 0);
  for (guint k = 0; k < 5; k++) {
    kit_assert_near (kit_point (r, 0, k).x, 16 + 0.2 * k * 16, 1e-3);
    kit_assert_near (kit_point (r, 0, k).y, 16 + (0.2 * k + 0.1) * 16, 1e-3);
  }
  kit_clear (&kit);
}

static void
test_yunet (void)
{
  Kit kit;
  gfloat *cls, *obj, *boxes, *points;
  const guint row = 9; /* cell (1, 1) of 8x8 */
  const DcnnResults *r;

  kit_init (&kit, "yunet", OUT ("c", "scores-8") OUT ("o", "objects-8")
      OUT ("b", "boxes-8") OUT ("k", "points-8"), 64, 64);
  cls = kit_add (&kit, "c", DIMS (1, 64, 1));
  obj = kit_add (&kit, "o", DIMS (1, 64, 1));
  boxes = kit_add (&kit, "b", DIMS (1, 64, 4));
  points = kit_add (&kit, "k", DIMS (1, 64, 10));
  cls[row] = 0.81f;
  obj[row] = 1;
  boxes[row * 4] = 0.5f;
  boxes[row * 4 + 1] = 1.5f;
  boxes[row * 4 + 2] = (gfloat) log (2);
  boxes[row * 4 + 3] = (gfloat) log (3);
  points[row * 10 + 1] = -0.5f;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 12 - 8, 20 - 12, 12 + 8, 20 + 12, 0.9, 0);
  kit_assert_near (kit_point (r, 0, 0).x, 8, 1e-4);
  kit_assert_near (kit_point (r, 0, 0).y, 4, 1e-4);
  kit_clear (&kit);
}

/* Rows of YOLOv10, rows of batch, box, class, score, and four tensors. */
static void
test_end_to_end (void)
{
  Kit kit;
  gfloat *data, *count;
  const DcnnResults *r;

  kit_init (&kit, "end-to-end", "", 64, 64);
  data = kit_add (&kit, "o", DIMS (1, 10, 6));
  memcpy (data + 12, ((const gfloat[]) { 8, 4, 40, 30, 0.8f, 7 }), 24);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 8, 4, 40, 30, 0.8, 7);
  g_assert_cmpuint (kit_run (&kit, 0.8f)->detections->len, ==, 1);
  g_assert_cmpuint (kit_run (&kit, 0.801f)->detections->len, ==, 0);
  kit_clear (&kit);

  kit_init (&kit, "end-to-end", "[decoder]\norder=image-box-class-score", 64,
      64);
  data = kit_add (&kit, "o", DIMS (10, 7));
  memcpy (data, ((const gfloat[]) { 0, 8, 4, 40, 30, 3, 0.8f }), 28);
  assert_box (kit_run (&kit, -1), 0, 8, 4, 40, 30, 0.8, 3);
  kit_clear (&kit);

  kit_init (&kit, "end-to-end", "[decoder]\nbox=yxyx\nunits=unit\n"
      "first-class=1\n", 64, 32);
  data = kit_add (&kit, "boxes", DIMS (1, 5, 4));
  memcpy (data, ((const gfloat[]) { 0.25f, 0.125f, 0.75f, 0.5f }), 16);
  memcpy (data + 4, data, 16);
  data = kit_add (&kit, "scores", DIMS (1, 5));
  data[0] = data[1] = 0.6f;
  data = kit_add (&kit, "classes", DIMS (1, 5));
  data[0] = data[1] = 3;
  count = kit_add (&kit, "count", DIMS (1));
  *count = 1;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 8, 8, 32, 24, 0.6, 2);
  kit_clear (&kit);
}

static void
test_detr (void)
{
  for (guint sigmoid = 0; sigmoid < 2; sigmoid++) {
    Kit kit;
    gfloat *logits, *boxes;
    const DcnnResults *r;
    const gdouble sum = exp (1) + exp (4) + exp (2);

    kit_init (&kit, "detr", sigmoid
        ? "[output:l]\nsemantics=logits\nactivation=sigmoid\n"
        OUT ("b", "boxes")
        : "[output:l]\nsemantics=logits\nactivation=softmax\n"
        OUT ("b", "boxes"), 64, 32);
    logits = kit_add (&kit, "l", DIMS (1, 3, 3));
    boxes = kit_add (&kit, "b", DIMS (1, 3, 4));
    for (guint i = 0; i < 9; i++)
      logits[i] = i % 3 == 2 && !sigmoid ? 5 : -5;
    memcpy (logits + 3, ((const gfloat[]) { 1, 4, 2 }), 12);
    for (guint i = 0; i < 3; i++)
      memcpy (boxes + 4 * i, ((const gfloat[]) { 0.5f, 0.5f, 0.25f, 0.5f }),
          16);
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 1);
    assert_box (r, 0, 24, 8, 40, 24,
        sigmoid ? logistic (4) : exp (4) / sum, 1);
    kit_clear (&kit);
  }
}

/* The last column: no object with softmax, a class with sigmoid; or as told. */
static void
test_detr_no_object (void)
{
  static const struct {
    const char *activation, *no_object;
    guint found;
  } cases[] = {
    { "softmax", "auto", 0 }, { "softmax", "last", 0 },
    { "softmax", "none", 1 }, { "sigmoid", "auto", 1 },
    { "sigmoid", "last", 0 }, { "sigmoid", "none", 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strdup_printf ("[decoder]\nno-object=%s\n"
        "[output:l]\nsemantics=logits\nactivation=%s\n" OUT ("b", "boxes"),
        cases[i].no_object, cases[i].activation);
    const DcnnResults *r;
    Kit kit;

    kit_init (&kit, "detr", text, 64, 32);
    memcpy (kit_add (&kit, "l", DIMS (1, 1, 3)),
        ((const gfloat[]) { -5, -5, 5 }), 12);
    memcpy (kit_add (&kit, "b", DIMS (1, 1, 4)),
        ((const gfloat[]) { 0.5f, 0.5f, 0.25f, 0.5f }), 16);
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, cases[i].found);
    if (cases[i].found)
      assert_box (r, 0, 24, 8, 40, 24, cases[i].activation[1] == 'i'
          ? logistic (5) : exp (5) / (exp (5) + 2 * exp (-5)), 2);
    kit_clear (&kit);
  }
}

static void
test_ultraface (void)
{
  Kit kit;
  gfloat *scores, *boxes;
  const DcnnResults *r;

  kit_init (&kit, "ultraface", "", 320, 240);
  scores = kit_add (&kit, "scores", DIMS (1, 4420, 2));
  boxes = kit_add (&kit, "boxes", DIMS (1, 4420, 4));
  scores[2 * 77] = 0.05f;
  scores[2 * 77 + 1] = 0.95f;
  memcpy (boxes + 4 * 77, ((const gfloat[]) { 0.1f, 0.2f, 0.3f, 0.5f }), 16);
  for (guint i = 0; i < 4420; i++)
    if (i != 77)
      scores[2 * i] = 0.99f;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 32, 48, 96, 120, 0.95, 0);
  kit_clear (&kit);
}

/* RetinaFace: two anchors a cell of strides 8, 16, 32; variances 0.1, 0.2. */
static void
test_retinaface (void)
{
  Kit kit;
  gfloat *scores, *boxes, *points;
  const guint row = 2 * 64 + 2 * (4 * 1 + 2) + 1; /* stride 16, 128 px */
  const gdouble v[4] = { 0.5, -0.4, 0.3, -0.6 };
  const gdouble cx = 40 + v[0] * 0.1 * 128, cy = 24 + v[1] * 0.1 * 128;
  const gdouble w = 128 * exp (v[2] * 0.2), h = 128 * exp (v[3] * 0.2);
  const DcnnResults *r;

  kit_init (&kit, "retinaface", "[decoder]\nstrides=8;16;32\n"
      "sizes=16;32;64;128;256;512\n" OUT ("c", "scores") OUT ("b", "boxes")
      OUT ("l", "points"), 64, 64);
  scores = kit_add (&kit, "c", DIMS (1, 168, 2));
  boxes = kit_add (&kit, "b", DIMS (1, 168, 4));
  points = kit_add (&kit, "l", DIMS (1, 168, 10));
  scores[row * 2 + 1] = 0.9f;
  for (guint i = 0; i < 4; i++)
    boxes[row * 4 + i] = (gfloat) v[i];
  for (guint i = 0; i < 10; i++)
    points[row * 10 + i] = 0.1f * (gfloat) i;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, MAX (cx - w / 2, 0), MAX (cy - h / 2, 0),
      MIN (cx + w / 2, 64), MIN (cy + h / 2, 64), 0.9, 0);
  kit_assert_near (kit_point (r, 0, 2).x, 40 + 0.4 * 0.1 * 128, 1e-3);
  kit_assert_near (kit_point (r, 0, 2).y, 24 + 0.5 * 0.1 * 128, 1e-3);
  kit_clear (&kit);
}

/* BlazeFace 128: 2 anchors a cell of 16x16, 6 of 8x8, all of size 1; rows of
 * offset and size in pixels, and 6 points. */
static void
test_blazeface (void)
{
  Kit kit;
  gfloat *scores, *boxes;
  const guint row = 512 + 6 * (8 * 3 + 4) + 5;
  const DcnnResults *r;

  kit_init (&kit, "blazeface", "[decoder]\nstrides=8;16\n"
      "sizes-per-stride=2;6\n[output:s]\nsemantics=scores\n"
      "activation=sigmoid\n" OUT ("b", "boxes"), 128, 128);
  scores = kit_add (&kit, "s", DIMS (1, 896, 1));
  boxes = kit_add (&kit, "b", DIMS (1, 896, 16));
  for (guint i = 0; i < 896; i++)
    scores[i] = -50;
  scores[row] = 2;
  memcpy (boxes + row * 16, ((const gfloat[]) { 3, -2, 30, 40, 5, 6 }), 24);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  assert_box (r, 0, 75 - 15, 54 - 20, 75 + 15, 54 + 20, logistic (2), 0);
  g_assert_cmpuint (r->keypoints->len, ==, 6);
  kit_assert_near (kit_point (r, 0, 0).x, 72 + 5, 1e-3);
  kit_assert_near (kit_point (r, 0, 0).y, 56 + 6, 1e-3);
  kit_clear (&kit);
}

/* TensorFlow's SSD, 300x300: 1917 anchors by its rule, y before x, scales 10
 * and 5; the same with the anchors as an output. */
static void
test_ssd (void)
{
  for (guint tensor = 0; tensor < 2; tensor++) {
    /* second stride: 10x10 of 6 anchors; cell (4, 7), aspect 2:1 */
    const guint row = 19 * 19 * 3 + (7 * 10 + 4) * 6 + 1;
    const gdouble scale = 0.2 + 0.75 / 5, v[4] = { 1, -2, 0.5, 0.25 };
    const gdouble ax = 4.5 / 10, ay = 7.5 / 10;
    const gdouble aw = scale * sqrt (2), ah = scale / sqrt (2);
    const gdouble cy = v[0] / 10 * ah + ay, cx = v[1] / 10 * aw + ax;
    const gdouble h = exp (v[2] / 5) * ah, w = exp (v[3] / 5) * aw;
    gfloat *scores, *boxes, *anchors;
    const DcnnResults *r;
    Kit kit;

    kit_init (&kit, "ssd", tensor ? "[decoder]\nencoding=tf\n"
        : "[decoder]\nencoding=tf\nanchor-rule=tf\n"
        "strides=16;32;64;100;150;300", 300, 300);
    scores = kit_add (&kit, "scores", DIMS (1, 1917, 4));
    boxes = kit_add (&kit, "boxes", DIMS (1, 1917, 4));
    if (tensor) {
      anchors = kit_add (&kit, "anchors", DIMS (1917, 4));
      anchors[row * 4] = (gfloat) ax;
      anchors[row * 4 + 1] = (gfloat) ay;
      anchors[row * 4 + 2] = (gfloat) aw;
      anchors[row * 4 + 3] = (gfloat) ah;
    }
    scores[row * 4 + 3] = 0.6f;
    for (guint i = 0; i < 4; i++)
      boxes[row * 4 + i] = (gfloat) v[i];
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->detections->len, ==, 1);
    assert_box (r, 0, MAX ((cx - w / 2) * 300, 0), (cy - h / 2) * 300,
        (cx + w / 2) * 300, MIN ((cy + h / 2) * 300, 300), 0.6, 2);
    kit_clear (&kit);
  }
}

static void
test_picture (void)
{
  for (guint nhwc = 0; nhwc < 2; nhwc++) {
    Kit kit;
    gfloat *data;
    const DcnnResults *r;

    kit_init (&kit, "picture", nhwc ? "[decoder]\nchannel-order=bgr\n"
        "[output:o]\nlayout=nhwc\n" : "", 8, 6);
    data = nhwc ? kit_add (&kit, "o", DIMS (1, 12, 16, 3))
        : kit_add (&kit, "o", DIMS (1, 3, 12, 16));
    for (guint i = 0; i < 12 * 16; i++)
      for (guint c = 0; c < 3; c++)
        data[nhwc ? 3 * i + 2 - c : c * 192 + i] =
            (gfloat) (i + c) / 255 + (i == 5 ? 9 : 0);
    kit_frame (&kit, 80, 60, DCNN_FIT_STRETCH);
    r = kit_run (&kit, -1);
    g_assert_true (r->has_picture);
    g_assert_cmpuint (r->picture.width, ==, 16);
    g_assert_cmpuint (r->picture.channels, ==, 3);
    for (guint i = 0; i < 12 * 16 * 3; i++)
      g_assert_cmpuint (r->picture.data[i], ==,
          i / 3 == 5 ? 255 : i / 3 + i % 3);
    kit_assert_near (r->picture.w, 80, 1e-3);
    kit_assert_near (r->picture.h, 60, 1e-3);
    kit_clear (&kit);
  }
}

static void
test_values (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "values", "[decoder]\nscale=10\noffset=1\n"
      "[labels]\nlist=yaw;pitch", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 2));
  data[0] = 0.5f;
  data[1] = NAN;
  r = kit_run (&kit, -1);
  kit_assert_near (g_array_index (r->values, gfloat, 0), 6, 1e-5);
  kit_assert_near (g_array_index (r->values, gfloat, 1), 0, 1e-5);
  kit_clear (&kit);

  kit_init (&kit, "embedding", "", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 3));
  data[0] = 3;
  data[2] = -4;
  r = kit_run (&kit, -1);
  kit_assert_near (g_array_index (r->values, gfloat, 0), 0.6, 1e-5);
  kit_assert_near (g_array_index (r->values, gfloat, 2), -0.8, 1e-5);
  kit_clear (&kit);
}

/* "aab-b" with blanks: repeats merge, a blank parts them. */
static void
test_ctc (void)
{
  static const guint steps[] = { 1, 1, 0, 1, 2, 2, 0, 2, 0 };
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "ctc", "[labels]\nlist=a;\u00e9", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 9, 3));
  for (guint i = 0; i < 9; i++)
    data[i * 3 + steps[i]] = 0.9f;
  r = kit_run (&kit, -1);
  g_assert_cmpstr (r->text, ==, "aa\u00e9\u00e9");
  kit_assert_near (r->text_score, 0.9, 1e-4);
  r = kit_run (&kit, 0.95f);
  g_assert_cmpstr (r->text, ==, "");
  kit_clear (&kit);
}

static void
test_lines (void)
{
  const guint cell = 6 * 16 + 9;
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "lines", "", 32, 32);
  data = kit_add (&kit, "o", DIMS (1, 5, 16, 16));
  data[cell] = 0.8f;
  data[cell + 2] = 0.7f;      /* two cells on: not the best of 5x5 */
  data[cell - 96] = 0.6f;     /* best, but too short */
  data[13 * 16 + 13] = 0.6f;  /* likewise, where coordinates are large */
  for (guint i = 0; i < 4; i++)
    data[(i + 1) * 256 + cell] = i < 2 ? -6 : 6;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  kit_assert_near (kit_point (r, 0, 0).x, 2 * (9 - 6), 1e-4);
  kit_assert_near (kit_point (r, 0, 1).y, 2 * (6 + 6), 1e-4);
  g_assert_cmpuint (r->n_edges, ==, 1);

  /* of equals beside and below each other the first */
  data[cell + 1] = data[cell + 15] = data[cell + 17] = data[cell + 32] = 0.8f;
  for (guint i = 0; i < 4; i++)
    data[(i + 1) * 256 + cell + 1] = data[(i + 1) * 256 + cell + 15] =
        data[(i + 1) * 256 + cell + 17] = data[(i + 1) * 256 + cell + 32] =
        i < 2 ? -6 : 6;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 1);
  kit_assert_near (kit_point (r, 0, 0).x, 2 * (9 - 6), 1e-4);
  kit_assert_near (kit_point (r, 0, 0).y, 2 * (6 - 6), 1e-4);
  kit_clear (&kit);
}

/* PFLD and FaceMesh: 468 points as parts of the picture, rows of three. */
static void
test_many_landmarks (void)
{
  Kit kit;
  gfloat *data, *there;
  const DcnnResults *r;

  kit_init (&kit, "landmarks", "[decoder]\nvalues=3\nscore-value=-1\n"
      "units=unit\n[output:p]\nsemantics=presence\nactivation=sigmoid\n"
      OUT ("o", "landmarks"), 64, 32);
  data = kit_add (&kit, "o", DIMS (1, 468, 3));
  there = kit_add (&kit, "p", DIMS (1, 1));
  for (guint k = 0; k < 468; k++) {
    data[3 * k] = (gfloat) k / 468;
    data[3 * k + 1] = 0.25f;
  }
  *there = 2;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->keypoints->len, ==, 468);
  kit_assert_near (kit_point (r, 0, 467).x, 64 * 467 / 468.0, 1e-3);
  kit_assert_near (kit_point (r, 0, 467).y, 8, 1e-4);
  kit_assert_near (kit_point (r, 0, 467).score, logistic (2), 1e-4);
  *there = -2;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->poses->len, ==, 0);
  kit_clear (&kit);
}

static const Misfit misfits[] = {
  { "yolo", "[labels]\nlist=a;b;c", { { 1, 20, 4 } }, { "o" }, "wants rows" },
  { "yolo", "[decoder]\nobjectness=false\n[labels]\nlist=a;b;c",
    { { 1, 6, 40 } }, { "o" }, "3 labels in the descriptor" },
  { "yolo-anchors", "", { { 1, 21, 4, 8 } }, { "head1" }, "anchors=W;H" },
  { "yolo-anchors", "[decoder]\nanchors=1;2;3;4", { { 1, 21, 4, 8 } },
    { "head1" }, "of 2 anchors a cell" },
  { "yolo-dfl", "", { { 1, 64, 4, 8 } }, { "head-8" }, "64 numbers of the box" },
  { "nanodet", "", { { 1, 41, 34 } }, { "o" }, "wants numbers for" },
  { "scrfd", "", { { 32, 1 } }, { "x" }, "wants numbers for" },
  { "yunet", "", { { 1, 32, 1 }, { 1, 1, 1 } }, { "scores-8", "x" },
    "semantics=boxes-8" },
  { "yunet", "", { { 1, 32, 1 }, { 1, 1, 1 } }, { "y", "x" },
    "outputs named by stride" },
  { "end-to-end", "", { { 1, 10, 5 } }, { "o" }, "rows of 6 numbers" },
  { "end-to-end", "", { { 1, 10, 4 }, { 1, 3 } }, { "boxes", "scores" },
    "each of the 10 boxes" },
  { "end-to-end", "", { { 1, 10, 4 } }, { "boxes" }, "one with scores" },
  { "detr", "", { { 1, 10, 4 }, { 1, 9, 4 } }, { "logits", "boxes" },
    "each of the 10 queries" },
  { "detr", "[decoder]\nno-object=last", { { 1, 10, 1 }, { 1, 10, 4 } }, { "logits", "boxes" },
    "a column a class" },
  { "ssd", "[decoder]\nstrides=16\nsizes=8", { { 1, 9, 4 }, { 1, 9, 4 } },
    { "scores", "boxes" }, "make 8 anchors at 64x32" },
  { "retinaface", "", { { 1, 9, 2 }, { 1, 9, 5 } }, { "scores", "boxes" },
    "pairs of points" },
};

static void
test_misfits (void)
{
  kit_expect_misfits (misfits, G_N_ELEMENTS (misfits));
}

/* Everything found everywhere: bounded, and without allocating. */
static void
test_crowd (void)
{
  Kit kit;
  gfloat *data;
  guint64 before;
  const DcnnResults *r;

  kit_init (&kit, "yolo", "[decoder]\nkeypoints=2\nmax-results=50\n"
      "nms-threshold=1\n", 512, 512);
  data = kit_add (&kit, "o", DIMS (1, 11, 5376));
  for (guint i = 0; i < 11 * 5376; i++)
    data[i] = i < 4 * 5376 ? 100 : 0.4f + (gfloat) (i % 5376) / 10000;
  (void) kit_run (&kit, -1);
  before = kit_allocations ();
  r = kit_run (&kit, -1);
  g_assert_cmpuint (kit_allocations (), ==, before);
  g_assert_cmpuint (r->detections->len, ==, 50);
  g_assert_cmpuint (r->keypoints->len, ==, 100);
  kit_clear (&kit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/yolo/boxes", test_yolo);
  g_test_add_func ("/decode/yolo/masks", test_yolo_masks);
  g_test_add_func ("/decode/yolo/pose", test_yolo_pose);
  g_test_add_func ("/decode/yolo/oriented", test_yolo_oriented);
  g_test_add_func ("/decode/yolo/crowd", test_crowd);
  g_test_add_func ("/decode/yolo-anchors", test_yolo_anchors);
  g_test_add_func ("/decode/yolo-dfl", test_yolo_dfl);
  g_test_add_func ("/decode/nanodet", test_nanodet);
  g_test_add_func ("/decode/picodet", test_picodet);
  g_test_add_func ("/decode/scrfd", test_scrfd);
  g_test_add_func ("/decode/yunet", test_yunet);
  g_test_add_func ("/decode/end-to-end", test_end_to_end);
  g_test_add_func ("/decode/detr", test_detr);
  g_test_add_func ("/decode/detr/no-object", test_detr_no_object);
  g_test_add_func ("/decode/ultraface", test_ultraface);
  g_test_add_func ("/decode/retinaface", test_retinaface);
  g_test_add_func ("/decode/blazeface", test_blazeface);
  g_test_add_func ("/decode/ssd", test_ssd);
  g_test_add_func ("/decode/boxes/misfits", test_misfits);
  g_test_add_func ("/decode/picture", test_picture);
  g_test_add_func ("/decode/values", test_values);
  g_test_add_func ("/decode/ctc", test_ctc);
  g_test_add_func ("/decode/lines", test_lines);
  g_test_add_func ("/decode/landmarks/many", test_many_landmarks);
  return g_test_run ();
}
