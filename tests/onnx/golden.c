/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * golden.c - what import makes of small nets, and what the passes make of some,
 * as text: folding, opset
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
attr_branch (Pk *node, const char *name, const char *input)
{
  Pk *branch = pk_new ();

  add_node (branch, pk_node ("inner", "Neg", input, "inside"));
  pk_message (branch, 12, pk_value ("inside", FLOAT, 0, NULL));
  pk_attr_message (node, name, 6, 5, branch);
}

/* Bytes in rows of pixels, scaled and split before the Transpose; an If on a
 * stored condition; a dilation wider than the map; a pixel shuffle spelled out,
 * then a step. */
static Pk *
picture (void)
{
  static const gint64 image[4] = { 1, 8, 12, 3 }, weights[4] = { 8, 3, 3, 3 };
  static const gint64 to_nchw[4] = { 0, 3, 1, 2 }, up[6] = { 1, 2, 2, 2, 6, 10 };
  static const gint64 swap[6] = { 0, 1, 4, 2, 5, 3 }, flat[4] = { 1, 2, 12, 20 };
  static const gint64 square[4] = { 8, 8, 3, 3 }, wide[2] = { 4, 12 };
  static const gint64 pads[4] = { 4, 12, 4, 12 };
  Pk *graph = pk_new (), *node;

  pk_message (graph, 11, pk_value ("image", 2, 4, image));
  add_floats (graph, "w", 4, weights);
  add_floats (graph, "far", 4, square);
  add_floats (graph, "gain", 0, NULL);
  add_ints (graph, "up", 6, up);
  add_ints (graph, "flat", 4, flat);
  pk_message (graph, 5, pk_tensor ("yes", 9, 0, NULL, "\1", 1));
  node = pk_node ("cast", "Cast", "image", "f");
  pk_attr_int (node, "to", FLOAT);
  add_node (graph, node);
  add_node (graph, pk_node ("scale", "Mul", "f gain", "s"));
  node = pk_node ("in", "Transpose", "s", "x");
  pk_attr_ints (node, "perm", 4, to_nchw);
  add_node (graph, node);
  add_node (graph, pk_node ("conv", "Conv", "x w", "c"));
  node = pk_node ("choice", "If", "yes", "n");
  attr_branch (node, "then_branch", "c");
  attr_branch (node, "else_branch", "gain");
  add_node (graph, node);
  node = pk_node ("atrous", "Conv", "n far", "a");
  pk_attr_ints (node, "dilations", 2, wide);
  pk_attr_ints (node, "pads", 4, pads);
  add_node (graph, node);
  add_node (graph, pk_node ("open", "Reshape", "a up", "r"));
  node = pk_node ("swap", "Transpose", "r", "t");
  pk_attr_ints (node, "perm", 6, swap);
  add_node (graph, node);
  add_node (graph, pk_node ("close", "Reshape", "t flat", "u"));
  add_node (graph, pk_node ("bound", "Relu", "u", "y"));
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  return graph;
}

/* Two frames on the channels, a state, a constant input, a convolution in one
 * dimension, and a decoding that is cut off. */
static Pk *
recurrent (void)
{
  static const gint64 image[4] = { 1, 6, 8, 12 }, state[4] = { 1, 2, -1, -1 };
  static const gint64 weights[4] = { 2, 8, 3, 3 }, one[1] = { 1 };
  static const gint64 row[3] = { 1, 2, -1 }, taps[3] = { 2, 2, 3 };
  static const gint64 pads[4] = { 1, 1, 1, 1 };
  Pk *graph = pk_new (), *node;

  pk_message (graph, 11, pk_value ("gain", FLOAT, 1, one));
  pk_message (graph, 11, pk_value ("h", FLOAT, 4, state));
  pk_message (graph, 11, pk_value ("image", FLOAT, 4, image));
  add_floats (graph, "w", 4, weights);
  add_floats (graph, "taps", 3, taps);
  add_ints (graph, "row", 3, row);
  add_node (graph, pk_node ("scale", "Mul", "image gain", "s"));
  add_node (graph, pk_node ("shape", "Shape", "r", "size"));
  node = pk_node ("join", "Concat", "s hh", "j");
  pk_attr_int (node, "axis", 1);
  add_node (graph, node);
  node = pk_node ("first", "Conv", "s first_w", "r");
  add_floats (graph, "first_w", 4, (const gint64[4]) { 2, 6, 1, 1 });
  add_node (graph, node);
  add_node (graph, pk_node ("spread", "Expand", "h size", "hh"));
  node = pk_node ("conv", "Conv", "j w", "h_next");
  pk_attr_ints (node, "pads", 4, pads);
  add_node (graph, node);
  add_node (graph, pk_node ("flat", "Reshape", "h_next row", "f"));
  add_node (graph, pk_node ("along", "Conv", "f taps", "y"));
  add_node (graph, pk_node ("decoding", "NonZero", "y", "places"));
  pk_message (graph, 12, pk_value ("places", INT64, 0, NULL));
  return graph;
}

static void
compare (const char *name, const char *have)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.txt", GOLDEN_DIR, name);
  g_autofree char *wanted = NULL;

  if (g_getenv ("DELTACNN_UPDATE_GOLDEN"))
    g_assert_true (g_file_set_contents (path, have, -1, NULL));
  g_assert_true (g_file_get_contents (path, &wanted, NULL, NULL));
  g_assert_cmpstr (have, ==, wanted);
}

static DcnnGraph *
load (Pk *graph, gint64 opset, const DcnnOnnxOptions *options)
{
  Pk *model = pk_model (graph, opset);
  g_autoptr (GError) error = NULL;
  DcnnGraph *loaded = dcnn_onnx_load_bytes (model->data, model->len, NULL,
      options, &error);

  g_byte_array_unref (model);
  g_assert_no_error (error);
  return loaded;
}

static void
check (const char *name, Pk *graph, gint64 opset)
{
  g_autoptr (DcnnGraph) loaded = load (graph, opset, NULL);
  g_autofree char *have = dcnn_graph_dump (loaded);

  compare (name, have);
}

/* A line for each fused node: its operators and its kernel. */
static char *
list_kernels (DcnnModel *model)
{
  GString *text = g_string_new (NULL);
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_nodes; i++) {
    DcnnNodeInfo node;
    dcnn_model_get_node (model, i, &node);
    g_string_append_printf (text, "%s: %s\n", node.ops, node.kernel);
  }
  return g_string_free (text, FALSE);
}

/* As imported, after the passes, and what runs. */
static void
check_passes (const char *name, Pk *graph, const DcnnOnnxOptions *options)
{
  DcnnGraph *loaded = load (graph, 13, options);
  g_autofree char *before = dcnn_graph_dump (loaded);
  g_autoptr (DcnnModel) model = dcnn_model_new (loaded, NULL);
  g_autofree char *after = NULL, *kernels = NULL, *all = NULL;

  g_assert_nonnull (model);
  after = dcnn_model_dump_graph (model);
  kernels = list_kernels (model);
  all = g_strdup_printf ("%s\n# after the passes\n%s\n# planned\n%s", before,
      after, kernels);
  compare (name, all);
}

static void
test_picture (void)
{
  check_passes ("picture", picture (), NULL);
}

static void
test_recurrent (void)
{
  static const gdouble gain = 0.5;
  static const char *const outputs[] = { "y", NULL };
  const DcnnOnnxInput inputs[] = {
    { .frames = 2 },
    { .name = "gain", .n_values = 1, .values = &gain },
    { .name = "h", .state = "h_next" },
  };
  const DcnnOnnxOptions options = { .inputs = inputs,
    .n_inputs = G_N_ELEMENTS (inputs), .outputs = outputs };

  check_passes ("recurrent", recurrent (), &options);
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
  g_test_add_func ("/onnx/golden/picture", test_picture);
  g_test_add_func ("/onnx/golden/recurrent", test_recurrent);
  return g_test_run ();
}
