/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * golden.c - what import makes of three small nets, as text: folding, opset
 * differences and layouts at a glance. Compared with golden/NAME.txt; with
 * DELTACNN_UPDATE_GOLDEN=1 the files are written anew.
 */
#include <stdio.h>
#include <string.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

static void
add_floats (Pk *graph, const char *name, int rank, const gint64 *dims)
{
  gint64 count = 1;
  g_autofree float *data = NULL;
  for (int i = 0; i < rank; i++)
    count *= dims[i];
  data = g_new (float, count);
  for (gint64 i = 0; i < count; i++)
    data[i] = (float) (i % 7) / 8;
  pk_message (graph, 5, pk_tensor (name, FLOAT, rank, dims, data,
          (gsize) count * sizeof *data));
}

static void
add_ints (Pk *graph, const char *name, int n, const gint64 *values)
{
  gint64 dims[1] = { n };
  pk_message (graph, 5, pk_tensor (name, INT64, 1, dims, values,
          (gsize) n * sizeof *values));
}

static Pk *
add_node (Pk *graph, Pk *node)
{
  pk_message (graph, 1, node);
  return graph;
}

/* Convolution with SAME pads, batch norm, pooling with
 * ceil_mode, a classifier with Flatten and Gemm; nodes out of order. */
static Pk *
classifier (void)
{
  static const gint64 image[4] = { -1, 3, 9, 9 }, weights[4] = { 4, 3, 3, 3 };
  static const gint64 four[1] = { 4 }, fc[2] = { 10, 36 }, ten[1] = { 10 };
  static const gint64 two[2] = { 2, 2 };
  Pk *graph = pk_new (), *node;

  pk_message (graph, 11, pk_value ("image", FLOAT, 4, image));
  add_floats (graph, "w", 4, weights);
  for (int i = 0; i < 4; i++) {
    char name[4] = { 'b', 'n', (char) ('0' + i), 0 };
    add_floats (graph, name, 1, four);
  }
  add_floats (graph, "fc", 2, fc);
  add_floats (graph, "fc_bias", 1, ten);
  node = pk_node ("head", "Gemm", "flat fc fc_bias", "scores");
  pk_attr_int (node, "transB", 1);
  add_node (graph, node);
  add_node (graph, pk_node ("flatten", "Flatten", "pooled", "flat"));
  node = pk_node ("conv", "Conv", "image w", "c");
  pk_attr_text (node, "auto_pad", "SAME_UPPER");
  pk_attr_ints (node, "strides", 2, two);
  add_node (graph, node);
  add_node (graph, pk_node ("norm", "BatchNormalization", "c bn0 bn1 bn2 bn3",
          "n"));
  add_node (graph, pk_node ("relu", "Relu", "n", "r"));
  node = pk_node ("pool", "MaxPool", "r", "pooled");
  pk_attr_ints (node, "kernel_shape", 2, two);
  pk_attr_ints (node, "strides", 2, two);
  pk_attr_int (node, "ceil_mode", 1);
  add_node (graph, node);
  add_node (graph, pk_node ("unused", "Relu", "c", "nobody"));
  pk_message (graph, 12, pk_value ("scores", FLOAT, 0, NULL));
  return graph;
}

/* An NHWC graph whose Resize takes its sizes from Shape, Slice and Concat. */
static Pk *
nhwc (void)
{
  static const gint64 image[4] = { 1, 8, 12, 3 }, weights[4] = { 2, 3, 1, 1 };
  static const gint64 to_nchw[4] = { 0, 3, 1, 2 }, to_nhwc[4] = { 0, 2, 3, 1 };
  static const gint64 zero[1] = { 0 }, two[1] = { 2 };
  static const gint64 sizes[2] = { 16, 24 };
  Pk *graph = pk_new (), *node;

  pk_message (graph, 11, pk_value ("image", FLOAT, 4, image));
  add_floats (graph, "w", 4, weights);
  add_ints (graph, "zero", 1, zero);
  add_ints (graph, "two", 1, two);
  add_ints (graph, "sizes", 2, sizes);
  node = pk_node ("in", "Transpose", "image", "x");
  pk_attr_ints (node, "perm", 4, to_nchw);
  add_node (graph, node);
  add_node (graph, pk_node ("conv", "Conv", "x w", "c"));
  add_node (graph, pk_node ("shape", "Shape", "c", "s"));
  add_node (graph, pk_node ("slice", "Slice", "s zero two", "nc"));
  node = pk_node ("concat", "Concat", "nc sizes", "all");
  pk_attr_int (node, "axis", 0);
  add_node (graph, node);
  node = pk_node ("resize", "Resize", "c - - all", "r");
  pk_attr_text (node, "mode", "linear");
  add_node (graph, node);
  node = pk_node ("out", "Transpose", "r", "y");
  pk_attr_ints (node, "perm", 4, to_nhwc);
  add_node (graph, node);
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  return graph;
}

/* The Focus slices of YOLOX, a channel shuffle and a detection head. */
static Pk *
detector (void)
{
  static const gint64 image[4] = { 1, 4, 8, 8 }, axes[2] = { 2, 3 };
  static const gint64 steps[2] = { 2, 2 }, far[2] = { G_MAXINT64, 100 };
  static const gint64 shuffle[5] = { 0, 2, 2, 4, -1 }, back[4] = { 1, -1, 4, 4 };
  static const gint64 swap[5] = { 0, 2, 1, 3, 4 }, head[3] = { 0, 0, -1 };
  static const gint64 last[3] = { 0, 2, 1 };
  Pk *graph = pk_new (), *node;

  pk_message (graph, 11, pk_value ("image", FLOAT, 4, image));
  add_ints (graph, "axes", 2, axes);
  add_ints (graph, "steps", 2, steps);
  add_ints (graph, "far", 2, far);
  add_ints (graph, "shuffle", 5, shuffle);
  add_ints (graph, "back", 4, back);
  add_ints (graph, "head", 3, head);
  for (int i = 0; i < 2; i++) {
    const gint64 start[2] = { i, i };
    char starts[3] = { 's', (char) ('0' + i), 0 };
    g_autofree char *in = g_strdup_printf ("image %s far axes steps", starts);
    add_ints (graph, starts, 2, start);
    add_node (graph, pk_node (i ? "odd" : "even", "Slice", in,
            i ? "b" : "a"));
  }
  add_node (graph, pk_node ("sigmoid", "Sigmoid", "b", "gate"));
  add_node (graph, pk_node ("gated", "Mul", "a gate", "m"));
  add_node (graph, pk_node ("split", "Reshape", "m shuffle", "g"));
  node = pk_node ("swap", "Transpose", "g", "t");
  pk_attr_ints (node, "perm", 5, swap);
  add_node (graph, node);
  add_node (graph, pk_node ("merge", "Reshape", "t back", "u"));
  add_node (graph, pk_node ("flat", "Reshape", "u head", "f"));
  node = pk_node ("last", "Transpose", "f", "boxes");
  pk_attr_ints (node, "perm", 3, last);
  add_node (graph, node);
  pk_message (graph, 12, pk_value ("boxes", FLOAT, 0, NULL));
  return graph;
}

static void
check (const char *name, Pk *graph, gint64 opset)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.txt", GOLDEN_DIR, name);
  Pk *model = pk_model (graph, opset);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) loaded = dcnn_onnx_load_bytes (model->data, model->len,
      NULL, NULL, &error);
  g_autofree char *wanted = NULL;
  g_autofree char *have = NULL;

  g_byte_array_unref (model);
  g_assert_no_error (error);
  have = dcnn_graph_dump (loaded);
  if (g_getenv ("DELTACNN_UPDATE_GOLDEN"))
    g_assert_true (g_file_set_contents (path, have, -1, NULL));
  g_assert_true (g_file_get_contents (path, &wanted, NULL, NULL));
  g_assert_cmpstr (have, ==, wanted);
}

static void
test_classifier (void)
{
  check ("classifier", classifier (), 11);
}

static void
test_nhwc (void)
{
  check ("nhwc", nhwc (), 13);
}

static void
test_detector (void)
{
  check ("detector", detector (), 13);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/golden/classifier", test_classifier);
  g_test_add_func ("/onnx/golden/nhwc", test_nhwc);
  g_test_add_func ("/onnx/golden/detector", test_detector);
  return g_test_run ();
}
