/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoders on planted tensors with known answers: masks, boxes and labels.
 * (Poses: decode_pose_test.c.)
 */
#include <math.h>
#include <string.h>

#include "decode_kit.h"
#include "dcnn_graph.h"

#define DIMS(...) ((const gint[]) { __VA_ARGS__, 0 })
#define OUT(name) "[" name "]\ndir=output\n"

static void
test_mask_probability (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation", "", 64, 32);
  data = kit_add (&kit, "alpha", DIMS (1, 1, 16, 32));
  data[5 * 32 + 7] = 1;
  data[0] = 0.5f;
  data[1] = NAN;
  data[2] = -3;
  data[3] = 7;
  kit_frame (&kit, 640, 480, DCNN_FIT_STRETCH);
  r = kit_run (&kit, -1);
  g_assert_true (r->has_segmentation);
  g_assert_cmpuint (r->segmentation.width, ==, 32);
  g_assert_cmpuint (r->segmentation.height, ==, 16);
  g_assert_cmpuint (r->segmentation.n_classes, ==, 1);
  g_assert_cmpuint (r->segmentation.data[5 * 32 + 7], ==, 255);
  g_assert_cmpuint (r->segmentation.data[0], ==, 128);
  g_assert_cmpuint (r->segmentation.data[1], ==, 0);
  g_assert_cmpuint (r->segmentation.data[2], ==, 0);
  g_assert_cmpuint (r->segmentation.data[3], ==, 255);
  kit_assert_near (r->segmentation.x, 0, 1e-4);
  kit_assert_near (r->segmentation.w, 640, 1e-2);
  kit_assert_near (r->segmentation.h, 480, 1e-2);
  kit_clear (&kit);
}

static void
test_mask_letterbox (void)
{
  Kit kit;
  const DcnnResults *r;

  kit_init (&kit, "segmentation", "[decoder]\ngrid-scale=1.5", 100, 100);
  (void) kit_add (&kit, "mask", DIMS (1, 1, 10, 10));
  kit_frame (&kit, 200, 100, DCNN_FIT_LETTERBOX);
  r = kit_run (&kit, -1);
  kit_assert_near (r->segmentation.x, 0, 1e-4);
  kit_assert_near (r->segmentation.y, -50, 1e-4);
  kit_assert_near (r->segmentation.w, 300, 1e-3);
  kit_assert_near (r->segmentation.h, 300, 1e-3);
  kit_clear (&kit);
}

static void
test_mask_logits (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation",
      "[output:m]\nsemantics=mask\nactivation=sigmoid\n", 8, 8);
  data = kit_add (&kit, "m", DIMS (1, 1, 8, 8));
  data[1] = 100;
  data[2] = -100;
  data[3] = 2;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->segmentation.data[0], ==, 128);
  g_assert_cmpuint (r->segmentation.data[1], ==, 255);
  g_assert_cmpuint (r->segmentation.data[2], ==, 0);
  g_assert_cmpuint (r->segmentation.data[3], ==, 225); /* .8808 */
  kit_clear (&kit);
}

static void
test_mask_two_classes (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation",
      "[output:m]\nsemantics=mask\nactivation=softmax\n", 8, 8);
  data = kit_add (&kit, "m", DIMS (1, 2, 8, 8));
  data[0] = 3; /* background */
  data[64] = 5;
  data[65] = -9;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->segmentation.n_classes, ==, 1);
  g_assert_cmpuint (r->segmentation.data[0], ==, 225); /* e^2 / (1 + e^2) */
  g_assert_cmpuint (r->segmentation.data[1], ==, 0);
  kit_clear (&kit);
}

/* The same scores as NCHW and NHWC give the same classes. */
static void
test_mask_classes (void)
{
  for (guint nhwc = 0; nhwc < 2; nhwc++) {
    Kit kit;
    gfloat *data;
    const DcnnResults *r;

    kit_init (&kit, "segmentation", nhwc
        ? "[output:m]\nsemantics=mask\nlayout=nhwc\n[labels]\nlist=a;b;c"
        : "[output:m]\nsemantics=mask\n[labels]\nlist=a;b;c", 4, 6);
    data = kit_add (&kit, "m", nhwc ? DIMS (1, 6, 4, 3) : DIMS (1, 3, 6, 4));
    for (guint p = 0; p < 24; p++)
      data[nhwc ? p * 3 + p % 3 : p % 3 * 24 + p] = 1;
    data[nhwc ? 5 * 3 : 5] = NAN; /* pixel 5, class 0; 2 stays best */
    r = kit_run (&kit, -1);
    g_assert_cmpuint (r->segmentation.n_classes, ==, 3);
    g_assert_cmpuint (r->segmentation.width, ==, 4);
    for (guint p = 0; p < 24; p++)
      g_assert_cmpuint (r->segmentation.data[p], ==, p % 3);
    kit_clear (&kit);
  }
}

static void
test_mask_foreground (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation", "[decoder]\nforeground-class=2\n"
      "[output:m]\nsemantics=mask\nactivation=softmax\n", 2, 2);
  data = kit_add (&kit, "m", DIMS (1, 4, 2, 2));
  data[2 * 4] = 1;                /* pixel 0: class 2 leads by 1 */
  data[3 * 4 + 1] = 1;            /* pixel 1: class 3 leads by 1 */
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->segmentation.n_classes, ==, 1);
  g_assert_cmpuint (r->segmentation.data[0], ==, 186);
  g_assert_cmpuint (r->segmentation.data[1], ==, 69);
  kit_clear (&kit);
}

static void
test_mask_index (void)
{
  Kit kit;
  gint64 *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation", "[labels]\nlist=a;b;c;d", 4, 4);
  data = kit_add_typed (&kit, "classes", DCNN_DTYPE_I64, DIMS (1, 4, 4));
  data[6] = 3;
  data[7] = -5;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->segmentation.n_classes, ==, 4);
  g_assert_cmpuint (r->segmentation.width, ==, 4);
  g_assert_cmpuint (r->segmentation.data[6], ==, 3);
  g_assert_cmpuint (r->segmentation.data[7], ==, 0);
  kit_clear (&kit);
}

static void
test_mask_half (void)
{
  static const guint16 halves[4] = { 0x3800, 0x3c00, 0xbc00, 0x0001 };
  Kit kit;
  guint16 *data;
  const DcnnResults *r;

  kit_init (&kit, "segmentation", "", 2, 2);
  data = kit_add_typed (&kit, "m", DCNN_DTYPE_F16, DIMS (1, 1, 2, 2));
  memcpy (data, halves, sizeof halves); /* 0.5, 1, -1, 2^-24 */
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->segmentation.data[0], ==, 128);
  g_assert_cmpuint (r->segmentation.data[1], ==, 255);
  g_assert_cmpuint (r->segmentation.data[2], ==, 0);
  g_assert_cmpuint (r->segmentation.data[3], ==, 0);
  kit_clear (&kit);
}

static void
put_yolox (gfloat *row, gfloat x, gfloat y, gfloat w, gfloat h, gfloat object)
{
  row[0] = x;
  row[1] = y;
  row[2] = w;
  row[3] = h;
  row[4] = object;
}

/* 64x32 px: grids of 8x4, 4x2, 2x1 cells. */
static void
test_yolox (void)
{
  Kit kit;
  gfloat *data, *row;
  const DcnnResults *r;

  kit_init (&kit, "yolox", "", 64, 32);
  data = kit_add (&kit, "output", DIMS (1, 42, 7));
  row = data + (32 + 4 + 2) * 7; /* stride 16, cell (1, 2) */
  put_yolox (row, 0.5f, -0.25f, 0, logf (1.5f), 0.9f);
  row[6] = 0.8f;
  row = data + (32 + 4 + 3) * 7; /* overlaps it, same class, weaker */
  put_yolox (row, -0.5f, -0.25f, 0, logf (1.5f), 0.8f);
  row[6] = 0.8f;
  row = data + (32 + 4 + 1) * 7; /* overlaps it, other class */
  put_yolox (row, 1.5f, -0.25f, 0, logf (1.5f), 0.8f);
  row[5] = 0.7f;
  put_yolox (data, NAN, 0, 0, 0, 1);
  data[5] = 1;
  put_yolox (data + 7, 0, 0, 1e30f, INFINITY, NAN);
  r = kit_run (&kit, 0.3f);
  g_assert_cmpuint (r->detections->len, ==, 2);
  kit_assert_near (kit_box (r, 0).x, 32, 1e-3);
  kit_assert_near (kit_box (r, 0).y, 0, 1e-3);
  kit_assert_near (kit_box (r, 0).width, 16, 1e-3);
  kit_assert_near (kit_box (r, 0).height, 24, 1e-3);
  kit_assert_near (kit_box (r, 0).score, 0.72, 1e-5);
  g_assert_cmpint (kit_box (r, 0).class_id, ==, 1);
  g_assert_cmpint (kit_box (r, 1).class_id, ==, 0);
  r = kit_run (&kit, 0.6f);
  g_assert_cmpuint (r->detections->len, ==, 1);
  kit_clear (&kit);
}

static void
test_yolox_topleft (void)
{
  Kit kit;
  gfloat *data, *row;
  const DcnnResults *r;

  kit_init (&kit, "yolox", "[decoder]\nstrides=32\nnms=all", 64, 64);
  data = kit_add (&kit, "output", DIMS (1, 4, 6));
  row = data + 6; /* cell (0, 1): centre (40, 8), 16x32: over the top */
  put_yolox (row, 0.25f, 0.25f, logf (0.5f), 0, 1);
  row[5] = 1;
  kit_frame (&kit, 128, 64, DCNN_FIT_LETTERBOX_TOPLEFT);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  kit_assert_near (kit_box (r, 0).x, 64, 1e-3);
  kit_assert_near (kit_box (r, 0).y, 0, 1e-3);
  kit_assert_near (kit_box (r, 0).width, 32, 1e-3);
  kit_assert_near (kit_box (r, 0).height, 48, 1e-3);
  kit_clear (&kit);
}

static void
test_centernet (void)
{
  Kit kit;
  gfloat *heat, *ltrb;
  const DcnnResults *r;

  kit_init (&kit, "centernet", "", 64, 64);
  heat = kit_add (&kit, "heatmap", DIMS (1, 2, 16, 16));
  ltrb = kit_add (&kit, "ltrb", DIMS (1, 4, 16, 16));
  heat[256 + 5 * 16 + 8] = 0.8f; /* class 1, cell (5, 8): (32, 20) px */
  heat[256 + 5 * 16 + 9] = 0.7f; /* no peak */
  heat[3 * 16 + 3] = NAN;
  for (guint side = 0; side < 4; side++)
    ltrb[side * 256 + 5 * 16 + 8] = (gfloat) (side + 1) * 4;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  kit_assert_near (kit_box (r, 0).x, 28, 1e-3);
  kit_assert_near (kit_box (r, 0).y, 12, 1e-3);
  kit_assert_near (kit_box (r, 0).width, 16, 1e-3);
  kit_assert_near (kit_box (r, 0).height, 24, 1e-3);
  g_assert_cmpint (kit_box (r, 0).class_id, ==, 1);
  kit_clear (&kit);
}

static void
test_fastestdet (void)
{
  Kit kit;
  gfloat *data;
  const guint cell = 3 * 8 + 2;
  const DcnnResults *r;

  kit_init (&kit, "fastestdet", "", 80, 80);
  data = kit_add (&kit, "out", DIMS (1, 8, 8, 8));
  data[cell] = 0.9f;
  data[64 + cell] = atanhf (0.5f);
  data[2 * 64 + cell] = atanhf (-0.5f);
  data[3 * 64 + cell] = 0;                   /* half of 80 px */
  data[4 * 64 + cell] = logf (0.25f / 0.75f);
  data[7 * 64 + cell] = 0.8f;
  data[0] = NAN;
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->detections->len, ==, 1);
  kit_assert_near (kit_box (r, 0).x, 25 - 20, 1e-3);
  kit_assert_near (kit_box (r, 0).y, 25 - 10, 1e-3);
  kit_assert_near (kit_box (r, 0).width, 40, 1e-3);
  kit_assert_near (kit_box (r, 0).height, 20, 1e-3);
  kit_assert_near (kit_box (r, 0).score, pow (0.9, 0.6) * pow (0.8, 0.4),
      1e-5);
  g_assert_cmpint (kit_box (r, 0).class_id, ==, 2);
  kit_clear (&kit);
}

/* An image of three channels and, as outputs, itself after ReLU n times. */
static DcnnModel *
model_of_outputs (guint n)
{
  static const gint64 dims[4] = { 1, 3, 8, 8 };
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = dcnn_graph_new ();
  DcnnParams none = { 0 };
  DcnnValueId in = dcnn_graph_add_input (graph, "image", DCNN_DTYPE_F32, 4,
      dims, &error);
  DcnnModel *model;

  for (guint i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("out%u", i);
    const char *names[1] = { name };
    DcnnValueId out;
    g_assert_true (dcnn_graph_add_node (graph, name, DCNN_OP_RELU, &none, 1,
            &in, 1, names, NULL, &out, &error));
    dcnn_graph_add_output (graph, out);
  }
  model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  return model;
}

static void
test_most_outputs (void)
{
  for (guint n = 64; n <= 65; n++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = model_of_outputs (n);
    DcnnDecoder *decoder;
    Kit kit;

    kit_init (&kit, "segmentation", "[output:out5]\nsemantics=mask\n", 8, 8);
    decoder = dcnn_decoder_new (kit.info, model, &error);
    if (n > 64) {
      g_assert_null (decoder);
      g_assert_nonnull (strstr (error->message, "at most 64 outputs (it has "
              "65)"));
    } else {
      g_assert_no_error (error);
    }
    dcnn_decoder_free (decoder);
    kit_clear (&kit);
  }
}

/* CenterNet's heatmap matters by its slope, a box by the best score of its
 * place; the third output matters fully, as nobody reads it. */
static void
test_weigh (void)
{
  static const gint64 dims[4] = { 1, 1, 2, 2 };
  static const char *const names[] = { "heatmap", "ltrb", "rest" };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  gfloat weights[3][16], *list[3] = { weights[0], weights[1], weights[2] };
  DcnnParams none = { 0 }, axis = { .axis = { .axis = 1 } };
  DcnnGraph *graph = dcnn_graph_new ();
  DcnnSessionOptions options;
  DcnnValueId four[4], out;
  Kit kit;

  four[0] = dcnn_graph_add_input (graph, "image", DCNN_DTYPE_F32, 4, dims,
      &error);
  four[1] = four[2] = four[3] = four[0];
  for (guint i = 0; i < 3; i++) {
    g_assert_true (dcnn_graph_add_node (graph, names[i], i == 1 ?
            DCNN_OP_CONCAT : DCNN_OP_RELU, i == 1 ? &axis : &none,
            i == 1 ? 4 : 1, four, 1, &names[i], NULL, &out, &error));
    dcnn_graph_add_output (graph, out);
  }
  model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  dcnn_session_options_init (&options);
  options.threads = 1;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  kit_init (&kit, "centernet", "[output:heatmap]\nsemantics=heatmap\n"
      "activation=sigmoid\n[output:ltrb]\nsemantics=ltrb\n", 2, 2);
  kit_add (&kit, "heatmap", DIMS (1, 1, 2, 2))[3] = logf (3);
  (void) kit_add (&kit, "ltrb", DIMS (1, 4, 2, 2));
  (void) kit_add (&kit, "rest", DIMS (1, 1, 2, 2));
  (void) kit_run (&kit, 0.1f);
  dcnn_decoder_weigh (kit.decoder, session, list);
  kit_assert_near (weights[0][0], 0.25, 1e-6);
  kit_assert_near (weights[0][3], 0.75 * 0.25, 1e-6);
  for (guint i = 0; i < 16; i++)
    kit_assert_near (weights[1][i], i % 4 == 3 ? 0.75 : 0.5, 1e-6);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat (weights[2][i], ==, 1);
  kit_clear (&kit);
}

static void
test_classification (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "classification",
      "[decoder]\nmax-results=2\nscore-threshold=0\n"
      "[output:o]\nsemantics=scores\nactivation=softmax\n", 8, 8);
  data = kit_add (&kit, "o", DIMS (1, 4));
  data[1] = logf (3);
  data[2] = NAN;
  data[3] = logf (6);
  r = kit_run (&kit, -1);
  g_assert_cmpuint (r->labels->len, ==, 2);
  g_assert_cmpint (g_array_index (r->labels, DcnnLabel, 0).class_id, ==, 3);
  g_assert_cmpint (g_array_index (r->labels, DcnnLabel, 1).class_id, ==, 1);
  kit_assert_near (g_array_index (r->labels, DcnnLabel, 0).score, 0.6, 1e-4);
  kit_assert_near (g_array_index (r->labels, DcnnLabel, 1).score, 0.3, 1e-4);
  kit_clear (&kit);
}

/* Two rows are the least that is a picture and no vector. */
static void
test_low_picture (void)
{
  Kit kit;
  gfloat *data;
  const DcnnResults *r;

  kit_init (&kit, "picture", "", 3, 2);
  data = kit_add (&kit, "o", DIMS (1, 1, 2, 3));
  data[5] = 1;
  r = kit_run (&kit, -1);
  g_assert_true (r->has_picture);
  g_assert_cmpuint (r->picture.height, ==, 2);
  g_assert_cmpuint (r->picture.data[5], ==, 255);
  kit_clear (&kit);
}

static const Misfit misfits[] = {
  { "yolox", "", { { 1, 41, 7 } }, { "o" }, "has 41 rows" },
  { "yolox", "[labels]\nlist=a;b;c", { { 1, 42, 7 } }, { "o" },
    "3 labels in the descriptor, but the model has 2 classes" },
  { "yolox", "", { { 1, 7, 4, 2 } }, { "o" }, "wants rows" },
  { "yolox", "", { { 1, 7, 1, 42 } }, { "o" }, "wants rows" },
  { "yolox", OUT ("o") "layout=nhwc", { { 1, 4, 2, 7 } }, { "o" },
    "wants rows" },
  { "yolox", "", { { 1, 42, 5 } }, { "o" }, "wants rows" },
  { "centernet", "", { { 1, 2, 4, 4 } }, { "heatmap" },
    "wants an output with semantics=ltrb" },
  { "centernet", "", { { 1, 2, 4, 4 }, { 1, 4, 4, 5 } },
    { "heatmap", "ltrb" }, "wants the size of heatmap" },
  { "movenet", OUT ("gone") "semantics=heatmap", { { 1, 17, 4, 4 } },
    { "heatmap" }, "speaks of output \"gone\"" },
  { "segmentation", "[decoder]\nforeground-class=9", { { 1, 3, 4, 4 } },
    { "m" }, "foreground-class=9" },
  { "segmentation", "", { { 2, 3, 4, 4 } }, { "m" }, "batch 1" },
  { "classification", "", { { 1, 5, 4, 4 } }, { "m" }, "one value a class" },
  { "landmarks", "", { { 1, 33 } }, { "m" }, "[1,K*values]" },
  { "values", "", { { 1, 4, 1, 2 } }, { "m" }, "wants a vector" },
  { "values", "", { { 1, 4, 2, 1 } }, { "m" }, "wants a vector" },
  { "picture", "", { { 1, 2, 4, 4 } }, { "m" }, "1 or 3 channels" },
  { "picture", "", { { 1, 3, 1, 4 } }, { "m" }, "1 or 3 channels" },
  { "heatmap-pose", "[decoder]\nskeleton=coco-17", { { 1, 14, 4, 4 } },
    { "m" }, "skeleton is for 17" },
  { "heatmap-pose", "[decoder]\nedges=0;14", { { 1, 14, 4, 4 } }, { "m" },
    "14 is no key point" },
};

static void
test_misfits (void)
{
  kit_expect_misfits (misfits, G_N_ELEMENTS (misfits));
}

static void
test_wrong_tensors (void)
{
  Kit kit;

  kit_init (&kit, "segmentation", "", 8, 8);
  (void) kit_add (&kit, "m", DIMS (1, 1, 8, 8));
  (void) kit_run (&kit, -1);
  kit.tensors[0].dims[3] = 9;
  g_assert_null (dcnn_decoder_run_tensors (kit.decoder, kit.list, 1,
          &kit.transform, -1));
  kit.tensors[0].dims[3] = 8;
  kit.tensors[0].dtype = DCNN_DTYPE_U8;
  g_assert_null (dcnn_decoder_run_tensors (kit.decoder, kit.list, 1,
          &kit.transform, -1));
  g_assert_null (dcnn_decoder_run_tensors (kit.decoder, kit.list, 0,
          &kit.transform, -1));
  kit_clear (&kit);
}

/* More candidates than room: the best stay, and memory does not grow. */
static void
test_crowd (void)
{
  Kit kit;
  gfloat *data;
  guint64 before;
  const DcnnResults *r;

  kit_init (&kit, "yolox", "[decoder]\nmax-results=50\nnms-threshold=1", 512,
      512);
  data = kit_add (&kit, "o", DIMS (1, 5376, 6));
  for (guint i = 0; i < 5376; i++) {
    data[i * 6 + 4] = 1;
    data[i * 6 + 5] = 0.4f + (gfloat) (i * 7919 % 5376) / 10000;
  }
  (void) kit_run (&kit, -1);
  before = kit_allocations ();
  r = kit_run (&kit, -1);
  g_assert_cmpuint (kit_allocations (), ==, before);
  g_assert_cmpuint (r->detections->len, ==, 50);
  for (guint i = 1; i < 50; i++)
    g_assert_cmpfloat (kit_box (r, i).score, <=, kit_box (r, i - 1).score);
  kit_assert_near (kit_box (r, 0).score, 0.4 + 0.5375, 1e-6);
  kit_clear (&kit);
}

/* What a decoder has no role for is not asked for. */
static void
test_wants (void)
{
  Kit kit;

  kit_init (&kit, "segmentation", "[output:m]\nsemantics=mask\n", 8, 8);
  kit_add (&kit, "first", (const gint[]) { 1, 1, 8, 8, 0 });
  kit_add (&kit, "m", (const gint[]) { 1, 1, 8, 8, 0 });
  kit_add (&kit, "last", (const gint[]) { 1, 3, 0 });
  kit_run (&kit, -1);
  g_assert_cmphex (dcnn_decoder_get_wants (kit.decoder), ==, DCNN_WANT_STATS |
      DCNN_WANT_MASKS | DCNN_WANT_OUTPUT (1));
  kit_clear (&kit);
}

static const gdouble as_it_is[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };

/* Weights that are not 0 must be those of columns from..to. */
static void
assert_columns (const gfloat *weights, guint columns, guint rows, guint from,
    guint to)
{
  for (guint i = 0; i < columns * rows; i++)
    g_assert_true ((weights[i] > 0) == (i % columns >= from &&
            i % columns <= to));
}

/* What lies at one side of the input weighs nothing at the other: 20 x 5 blocks,
 * and results reach five further. */
static void
test_interest (void)
{
  guint8 grid[2 * 4] = { 0 };
  g_autoptr (GArray) boxes = g_array_new (FALSE, TRUE, sizeof (DcnnDetection));
  DcnnDetection box = { .x = 0, .y = 17, .width = 6, .height = 6, .score = 1 };
  DcnnResults results = { .has_segmentation = TRUE };
  DcnnInterest *interest = dcnn_interest_new (160, 40);
  const gfloat *weights;

  results.segmentation = (DcnnSegmentation) { .width = 4, .height = 2,
    .n_classes = 1, .data = grid, .w = 160, .h = 40 };
  grid[4 + 3] = 255; /* the right quarter, from block 15 on */
  weights = dcnn_interest_update (interest, &results, as_it_is);
  assert_columns (weights, 20, 5, 10, 19);
  g_assert_cmpfloat (weights[4 * 20 + 16], ==, 1);
  results.has_segmentation = FALSE;
  results.detections = boxes;
  g_array_append_val (boxes, box); /* block 0 of row 2 */
  weights = dcnn_interest_update (interest, &results, as_it_is);
  assert_columns (weights, 20, 5, 0, 5);
  dcnn_interest_free (interest);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/mask/probability", test_mask_probability);
  g_test_add_func ("/decode/mask/letterbox", test_mask_letterbox);
  g_test_add_func ("/decode/mask/logits", test_mask_logits);
  g_test_add_func ("/decode/mask/two-classes", test_mask_two_classes);
  g_test_add_func ("/decode/mask/classes", test_mask_classes);
  g_test_add_func ("/decode/mask/foreground", test_mask_foreground);
  g_test_add_func ("/decode/mask/index", test_mask_index);
  g_test_add_func ("/decode/mask/half", test_mask_half);
  g_test_add_func ("/decode/yolox/boxes", test_yolox);
  g_test_add_func ("/decode/yolox/topleft", test_yolox_topleft);
  g_test_add_func ("/decode/yolox/crowd", test_crowd);
  g_test_add_func ("/decode/centernet", test_centernet);
  g_test_add_func ("/decode/fastestdet", test_fastestdet);
  g_test_add_func ("/decode/classification", test_classification);
  g_test_add_func ("/decode/most-outputs", test_most_outputs);
  g_test_add_func ("/decode/weigh", test_weigh);
  g_test_add_func ("/decode/wants", test_wants);
  g_test_add_func ("/decode/interest", test_interest);
  g_test_add_func ("/decode/misfits", test_misfits);
  g_test_add_func ("/decode/low-picture", test_low_picture);
  g_test_add_func ("/decode/wrong-tensors", test_wrong_tensors);
  return g_test_run ();
}
