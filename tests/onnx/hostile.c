/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hostile.c - files that are wrong, one way each: the import gives an error
 * that names the culprit, and never crashes (run it under the sanitizers).
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7
#define STRING 8

static const gint64 image_dims[4] = { 1, 3, 8, 8 };
static const gint64 weight_dims[4] = { 4, 3, 3, 3 };

static void
add_input (Pk *graph, const char *name, int type, int rank, const gint64 *dims)
{
  pk_message (graph, 11, pk_value (name, type, rank, dims));
}

static void
add_output (Pk *graph, const char *name)
{
  pk_message (graph, 12, pk_value (name, FLOAT, 0, NULL));
}

static void
add_node (Pk *graph, const char *name, const char *op, const char *inputs,
    const char *outputs)
{
  pk_message (graph, 1, pk_node (name, op, inputs, outputs));
}

/* A graph with the image input "x" and the output "y". */
static Pk *
new_graph (void)
{
  Pk *graph = pk_new ();
  add_input (graph, "x", FLOAT, 4, image_dims);
  add_output (graph, "y");
  return graph;
}

static void
add_ints (Pk *graph, const char *name, int n, const gint64 *values)
{
  gint64 dims[1] = { n };
  pk_message (graph, 5, pk_tensor (name, INT64, 1, dims, values,
          (gsize) n * sizeof *values));
}

/* Weights "w" of a convolution; poison replaces the last element. */
static void
add_weights (Pk *graph, float poison)
{
  float data[4 * 3 * 9] = { 0 };
  data[G_N_ELEMENTS (data) - 1] = poison;
  pk_message (graph, 5, pk_tensor ("w", FLOAT, 4, weight_dims, data,
          sizeof data));
}

static DcnnGraph *
load (Pk *model, const char *base_dir, const DcnnOnnxOptions *options,
    GError **error)
{
  /* an exact copy, so that a read past the end is seen */
  g_autofree guint8 *bytes = g_memdup2 (model->data, model->len);
  DcnnGraph *graph = dcnn_onnx_load_bytes (bytes, model->len, base_dir,
      options, error);
  g_byte_array_unref (model);
  return graph;
}

/* Loading fails and the message has the text in it. */
static void
expect_with (Pk *model, const char *base_dir, const DcnnOnnxOptions *options,
    const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = load (model, base_dir, options, &error);
  g_assert_null (graph);
  g_assert_nonnull (error);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  if (!strstr (error->message, text))
    g_error ("'%s' is not in: %s", text, error->message);
}

static void
expect (Pk *graph, const char *text)
{
  expect_with (pk_model (graph, 13), NULL, NULL, text);
}

static Pk *
conv_model (void)
{
  Pk *graph = new_graph ();
  add_weights (graph, 1);
  add_node (graph, "first", "Conv", "x w", "a");
  add_node (graph, "second", "Relu", "a", "y");
  return pk_model (graph, 13);
}

static void
test_no_model (void)
{
  static const char text[] = "This is no model, it is a letter to nobody.";
  Pk *model = pk_new ();
  expect_with (model, NULL, NULL, "empty");
  model = pk_new ();
  g_byte_array_append (model, (const guint8 *) text, sizeof text);
  expect_with (model, NULL, NULL, "no ONNX model");
  model = pk_new ();
  pk_int (model, 1, 8);
  expect_with (model, NULL, NULL, "no ONNX model");
  expect_with (pk_model (new_graph (), 5), NULL, NULL, "opset 5");
  expect_with (pk_model (new_graph (), 6), NULL, NULL, "output 'y'");
  expect_with (pk_model (new_graph (), G_MAXINT64), NULL, NULL, "opset");
  expect (pk_new (), "no outputs");
}

static void
test_files (void)
{
  g_autofree char *folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "m.onnx", NULL);
  DcnnOnnxOptions options = { .max_file_bytes = 100 };
  g_autoptr (GError) error = NULL;
  Pk *model = conv_model ();

  g_assert_null (dcnn_onnx_load_file (path, NULL, &error));
  g_assert_nonnull (strstr (error->message, "m.onnx"));
  g_clear_error (&error);
  g_assert_null (dcnn_onnx_load_file (folder, NULL, &error));
  g_assert_nonnull (strstr (error->message, "no regular file"));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, (char *) model->data,
          (gssize) model->len, NULL));
  g_assert_null (dcnn_onnx_load_file (path, &options, &error));
  g_assert_nonnull (strstr (error->message, "at most 100"));
  g_byte_array_unref (model);
  g_remove (path);
  g_rmdir (folder);
}

/* Cut anywhere, or with any byte changed: an error or a graph, no crash. */
static void
test_damage (void)
{
  Pk *whole = conv_model ();
  for (guint n = 0; n < whole->len; n++) {
    for (int change = 0; change < 3; change++) {
      Pk *model = pk_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (DcnnGraph) graph = NULL;
      g_byte_array_append (model, whole->data, change ? whole->len : n);
      if (change)
        model->data[n] ^= change == 1 ? 0x81 : 0xff;
      graph = load (model, NULL, NULL, &error);
      g_assert_true (change > 0 || !graph);
      g_assert_true ((graph == NULL) == (error != NULL));
    }
  }
  g_byte_array_unref (whole);
}

/* Fields that no message can have: number 0, and one of more than 29 bits. */
static void
test_numbers (void)
{
  static const guint8 tails[][8] = {
    { 2, 0x00, 0x01 }, { 7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x01 },
    { 3, 0xf8, 0x7f, 0x01 }, /* 2047: merely unknown */
  };

  for (guint i = 0; i < G_N_ELEMENTS (tails); i++) {
    Pk *model = conv_model ();
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnGraph) graph = NULL;

    g_byte_array_append (model, tails[i] + 1, tails[i][0]);
    graph = load (model, NULL, NULL, &error);
    g_assert_true ((graph != NULL) == (i == 2));
    g_assert_true ((error != NULL) == (i != 2));
  }
}

static void
test_structure (void)
{
  static const gint64 two_ints[2] = { 1, 192 };
  Pk *graph = new_graph ();
  add_node (graph, "one", "Relu", "b", "y");
  add_node (graph, "two", "Relu", "y", "b");
  expect (graph, "cycle through node 'one'");
  graph = new_graph ();
  add_node (graph, "self", "Add", "x y", "y");
  expect (graph, "cycle through node 'self'");
  graph = new_graph ();
  add_node (graph, "one", "Relu", "x", "y");
  add_node (graph, "two", "Relu", "x", "y");
  expect (graph, "'y' is defined twice");
  graph = new_graph ();
  add_node (graph, "one", "Relu", "x", "x");
  expect (graph, "'x' is defined twice");
  graph = new_graph ();
  add_weights (graph, 1);
  add_weights (graph, 1);
  expect (graph, "'w' is defined twice");
  graph = new_graph ();
  add_node (graph, "one", "Relu", "nowhere", "y");
  expect (graph, "'nowhere'");
  expect (new_graph (), "output 'y'");
  graph = new_graph ();
  add_node (graph, "lonely", "Conv", "x", "y");
  expect (graph, "lonely");
  graph = new_graph ();
  add_ints (graph, "s", 2, two_ints);
  add_output (graph, "z");
  add_node (graph, "twins", "Reshape", "x s", "y z");
  expect (graph, "has 2 outputs");
  graph = new_graph ();
  add_node (graph, "none", "Relu", "", "y");
  expect (graph, "none");
}

static void
test_refusals (void)
{
  Pk *graph = new_graph (), *node, *sub = pk_new ();
  g_autoptr (GString) names = g_string_new ("x");
  char name[32];

  for (int i = 0; i < 100; i++) {
    g_autofree char *in = g_strdup (i ? name : "x");
    g_snprintf (name, sizeof name, "v%d", i);
    add_node (graph, name, "Frobnicate", in, name);
  }
  add_node (graph, "", "NonMaxSuppression", name, "y");
  expect (graph, "... and 61 more");
  /* what a node leaves out is nobody's missing input: neither behind one that is
   * refused nor behind one that is left out for it */
  graph = new_graph ();
  add_node (graph, "early", "Frobnicate", "x", "a -");
  add_node (graph, "behind", "Relu", "a", "b -");
  add_node (graph, "apart", "Frobnicate", "x -", "c");
  add_node (graph, "last", "Add", "b c", "y");
  expect (graph, "node 'apart' (Frobnicate)");
  graph = new_graph ();
  node = pk_node ("apart", "Clip", "x - -", "c");
  pk_attr_int (node, "colour", 3);
  add_node (graph, "early", "Frobnicate", "x", "a -");
  add_node (graph, "behind", "Relu", "a", "b -");
  pk_message (graph, 1, node);
  add_node (graph, "last", "Add", "b c", "y");
  expect (graph, "node 'apart' (Clip)");
  graph = new_graph ();
  node = pk_node ("branch", "Loop", "x", "y");
  add_node (sub, "inner", "Relu", "x", "z");
  pk_attr_message (node, "body", 6, 5, sub);
  pk_message (graph, 1, node);
  expect (graph, "node 'branch' (Loop): control flow");
  graph = new_graph ();
  node = pk_node ("own", "Relu", "x", "y");
  pk_text (node, 7, "com.example");
  pk_message (graph, 1, node);
  expect (graph, "com.example");
  graph = new_graph ();
  pk_message (graph, 15, pk_new ());
  expect (graph, "sparse");
  graph = new_graph ();
  add_node (graph, "dice", "RandomNormalLike", "x", "y");
  expect (graph, "random numbers are not supported");
  graph = new_graph ();
  add_node (graph, "nobody", "Frobnicate", "x", "y");
  expect (graph, "export the model without it");
  graph = new_graph ();
  node = pk_node ("odd", "Relu", "x", "y");
  pk_attr_int (node, "colour", 3);
  pk_message (graph, 1, node);
  expect (graph, "colour");
  graph = new_graph ();
  node = pk_node ("typed", "Concat", "x x", "y");
  pk_attr_text (node, "axis", "one");
  pk_message (graph, 1, node);
  expect (graph, "attribute 'axis' is no integer");
  graph = new_graph ();
  for (int i = 0; i < 600; i++)
    g_string_append (names, " x");
  add_node (graph, "wide", "Concat", names->str, "y");
  expect (graph, "over 512 inputs");
  graph = new_graph ();
  add_node (graph, "bad \xff\xfe name", "Frob\xc0", "x", "y");
  expect (graph, "bad ");
}

/* An If over x on a condition; taken: what its then_branch holds. */
static Pk *
if_graph (const char *condition, Pk *taken)
{
  Pk *graph = new_graph (), *node = pk_node ("branch", "If", condition, "y");
  Pk *other = pk_new ();

  pk_message (graph, 5, pk_tensor ("yes", 9, 0, NULL, "\1", 1));
  add_node (other, "inner", "Relu", "x", "o");
  pk_message (other, 12, pk_value ("o", FLOAT, 0, NULL));
  pk_attr_message (node, "then_branch", 6, 5, taken);
  pk_attr_message (node, "else_branch", 6, 5, other);
  pk_message (graph, 1, node);
  return graph;
}

static void
test_branches (void)
{
  Pk *sub = pk_new (), *graph, *node;

  expect (if_graph ("x", pk_new ()), "its condition is");
  expect (if_graph ("yes", pk_new ()), "does not make output 0");
  add_node (sub, "inner", "Frobnicate", "x", "z");
  pk_message (sub, 12, pk_value ("z", FLOAT, 0, NULL));
  expect (if_graph ("yes", sub), "(Frobnicate)");
  sub = pk_new ();
  add_node (sub, "inner", "Relu", "nothing", "z");
  pk_message (sub, 12, pk_value ("z", FLOAT, 0, NULL));
  expect (if_graph ("yes", sub), "nothing");
  graph = new_graph ();
  node = pk_node ("branch", "If", "x", "y");
  pk_message (graph, 1, node);
  expect (graph, "branch");
}

/* A model with functions: name and the operators of their nodes. */
static void
expect_functions (const char *const (*functions)[8], guint n,
    const char *text)
{
  Pk *graph = new_graph (), *call = pk_node ("call", functions[0][0], "x",
      "y"), *model;
  g_autoptr (GError) error = NULL;

  pk_text (call, 7, "own");
  pk_message (graph, 1, call);
  model = pk_model (graph, 13);
  for (guint f = 0; f < n; f++) {
    Pk *function = pk_new ();
    pk_text (function, 1, functions[f][0]);
    pk_text (function, 10, "own");
    pk_text (function, 4, "a");
    pk_text (function, 5, "b");
    for (guint i = 1; functions[f][i]; i++) {
      g_autofree char *out = g_strdup_printf ("%s%u", functions[f][i + 1]
          ? "v" : "b", functions[f][i + 1] ? i : 0);
      Pk *node = pk_node ("inner", functions[f][i], "a",
          functions[f][i + 1] ? out : "b");
      pk_text (node, 7, "own");
      pk_message (function, 7, node);
    }
    pk_message (model, 25, function);
  }
  g_assert_null (dcnn_onnx_load_bytes (model->data, model->len, NULL, NULL,
          &error));
  g_assert_nonnull (strstr (error->message, text));
  g_byte_array_unref (model);
}

static void
test_functions (void)
{
  static const char *const endless[][8] = { { "F", "F" } };
  static const char *const unknown[][8] = { { "F", "G" } };
  const char *explosive[20][8];
  char names[20][8];

  expect_functions (endless, 1, "call each other too deep");
  expect_functions (unknown, 1, "domain 'own'");
  for (guint f = 0; f < 20; f++) {
    g_snprintf (names[f], sizeof names[f], "F%u", f);
    explosive[f][0] = names[f];
    for (guint i = 1; i < 7; i++)
      explosive[f][i] = f < 19 ? names[f + 1] : "Relu";
    explosive[f][7] = NULL;
  }
  expect_functions ((const char *const (*)[8]) explosive, 20, "unfold");
}

/* A grid of 48 cells of 8 px baked in, the picture's size left open; fits: rows
 * in all. */
static Pk *
grid_model (gboolean fixed)
{
  static const gint64 open_dims[4] = { 1, 3, -1, -1 };
  static const gint64 fixed_dims[4] = { 1, 3, 48, 64 };
  static const gint64 stride[2] = { 8, 8 }, grid_dims[3] = { 1, 4, 16 };
  static const gint64 flat[3] = { 1, 4, -1 };
  static const float grid[64] = { 1 };
  Pk *graph = pk_new (), *node;

  add_input (graph, "x", FLOAT, 4, fixed ? fixed_dims : open_dims);
  add_output (graph, "y");
  add_weights (graph, 1);
  add_ints (graph, "flat", 3, flat);
  pk_message (graph, 5, pk_tensor ("grid", FLOAT, 3, grid_dims, grid,
          sizeof grid));
  node = pk_node ("conv", "Conv", "x w", "a");
  pk_attr_ints (node, "strides", 2, stride);
  pk_message (graph, 1, node);
  add_node (graph, "reshape", "Reshape", "a flat", "b");
  add_node (graph, "cells", "Add", "b grid", "y");
  return pk_model (graph, 13);
}

/* What fits is named, whether another size was asked for or none. */
static void
test_grids (void)
{
  const DcnnOnnxOptions wrong = { .width = 64, .height = 64 };

  expect_with (grid_model (FALSE), NULL, NULL, "is not fixed in the file");
  expect_with (grid_model (FALSE), NULL, &wrong, "'cells' (Add)");
  expect_with (grid_model (FALSE), NULL, &wrong, "fit an input of 32x32");
  expect_with (grid_model (FALSE), NULL, NULL, "fit an input of 32x32");
  expect_with (grid_model (TRUE), NULL, &wrong, "fit an input of 32x32");
}

/* Nested subgraphs, deeper than any stack. */
static void
test_nesting (void)
{
  Pk *inner = pk_new ();
  for (int i = 0; i < 3000; i++) {
    Pk *node = pk_node ("n", "If", "c", "z"), *graph = pk_new ();
    pk_attr_message (node, "g", 6, 5, inner);
    pk_message (graph, 1, node);
    inner = graph;
  }
  expect (inner, "nested too deep");
}

static void
test_inputs (void)
{
  static const struct {
    int type, rank;
    gint64 dims[9];
    const char *text;
  } cases[] = {
    { FLOAT, 4, { 1, 3, 0, 8 }, "dimension 2 is 0" },
    { FLOAT, 4, { 1, 3, -7, 8 }, "dimension 2 is -7" },
    { FLOAT, 4, { 1, 3, G_MAXINT64, 8 }, "dimension 2" },
    { FLOAT, 4, { 1, 1 << 28, 1 << 28, 1 << 28 }, "out of range" },
    { FLOAT, 4, { 1, 1 << 16, 1 << 16, 1 << 16 }, "out of range" },
    { FLOAT, 9, { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, "rank" },
    { FLOAT, 4, { 1, 3, -1, 8 }, "--size" },
    { FLOAT, 3, { 1, -1, 8 }, "dimension 1, 'H'" },
    { STRING, 1, { 4 }, "STRING" },
    { 42, 1, { 4 }, "unknown type" },
    { INT64, 4, { 1, 3, 8, 8 }, "the input is int64" },
  };
  DcnnOnnxOptions bad = { .width = -1 };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    Pk *graph = pk_new ();
    add_input (graph, "x", cases[i].type, cases[i].rank, cases[i].dims);
    add_output (graph, "y");
    add_weights (graph, 1);
    add_node (graph, "conv", "Conv", "x w", "y");
    expect (graph, cases[i].text);
  }
  expect_with (conv_model (), NULL, &bad, "out of range");
}

/* One initializer and a node that reads it. */
static void
expect_tensor (Pk *tensor, const char *base_dir, const char *text)
{
  Pk *graph = new_graph ();
  pk_message (graph, 5, tensor);
  add_node (graph, "conv", "Conv", "x w", "y");
  expect_with (pk_model (graph, 13), base_dir, NULL, text);
}

static void
test_tensors (void)
{
  static const gint64 negative[2] = { -1, 4 }, huge[3] = { 1 << 28, 1 << 28,
    1 << 28 }, one[1] = { 1 };
  float data[4 * 3 * 9] = { 0 };
  Pk *graph, *tensor;

  expect_tensor (pk_tensor ("w", FLOAT, 4, weight_dims, data, 100), NULL,
      "tensor 'w': it has 100 bytes");
  expect_tensor (pk_tensor ("w", FLOAT, 4, weight_dims, NULL, 0), NULL,
      "it has 0 bytes");
  expect_tensor (pk_tensor ("w", FLOAT, 2, negative, data, 16), NULL, "'w'");
  expect_tensor (pk_tensor ("w", FLOAT, 3, huge, data, 16), NULL, "'w'");
  expect_tensor (pk_tensor ("w", STRING, 1, one, NULL, 0), NULL, "STRING");
  expect_tensor (pk_tensor ("w", 99, 1, one, NULL, 0), NULL, "unknown type");
  tensor = pk_tensor ("w", FLOAT, 1, one, data, 4);
  pk_message (tensor, 3, pk_new ());
  expect_tensor (tensor, NULL, "segments");
  graph = new_graph ();
  add_weights (graph, NAN);
  add_node (graph, "conv", "Conv", "x w", "y");
  expect (graph, "tensor 'w': element 107 is not a number");
  graph = new_graph ();
  add_weights (graph, INFINITY);
  add_node (graph, "conv", "Conv", "x w", "y");
  expect (graph, "infinite");
}

static Pk *
named_external (const char *name, const char *location, const char *offset,
    const char *length)
{
  Pk *tensor = pk_tensor (name, FLOAT, 4, weight_dims, NULL, 0);
  const char *entries[][2] = { { "location", location }, { "offset", offset },
    { "length", length } };
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++) {
    Pk *entry = pk_new ();
    if (entries[i][1]) {
      pk_text (entry, 1, entries[i][0]);
      pk_text (entry, 2, entries[i][1]);
    }
    pk_message (tensor, 13, entry);
  }
  pk_int (tensor, 14, 1);
  return tensor;
}

static Pk *
external_tensor (const char *location, const char *offset, const char *length)
{
  return named_external ("w", location, offset, length);
}

/* Many weights out of the same bytes. */
static void
expect_reread (const char *folder)
{
  Pk *graph = new_graph ();
  for (int i = 0; i < 5; i++) {
    char name[2] = { (char) ('a' + i), 0 };
    pk_message (graph, 5, named_external (name, "w.bin", NULL, NULL));
  }
  add_node (graph, "sum", "Sum", "a b c d e", "y");
  expect_with (pk_model (graph, 13), folder, NULL, "again and again");
}

static void
test_external (void)
{
  g_autofree char *outer = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename (outer, "model", NULL);
  g_autofree char *inside = g_build_filename (folder, "w.bin", NULL);
  g_autofree char *outside = g_build_filename (outer, "secret.bin", NULL);
  g_autofree char *link = g_build_filename (folder, "link.bin", NULL);
  char data[432] = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = NULL;
  Pk *good = new_graph ();

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (inside, data, sizeof data, NULL));
  g_assert_true (g_file_set_contents (outside, data, sizeof data, NULL));
  g_assert_cmpint (symlink (outside, link), ==, 0);
  expect_tensor (external_tensor ("w.bin", NULL, NULL), NULL, "no folder");
  expect_tensor (external_tensor (NULL, NULL, NULL), folder, "no location");
  expect_tensor (external_tensor ("gone.bin", NULL, NULL), folder,
      "gone.bin");
  expect_tensor (external_tensor ("../secret.bin", NULL, NULL), folder,
      "outside the model's folder");
  expect_tensor (external_tensor (outside, NULL, NULL), folder,
      "outside the model's folder");
  expect_tensor (external_tensor ("link.bin", NULL, NULL), folder,
      "link out of the model's folder");
  expect_tensor (external_tensor ("/dev/zero", NULL, NULL), folder, "outside");
  expect_tensor (external_tensor (".", NULL, NULL), folder, "'w'");
  expect_tensor (external_tensor ("w.bin", "1", NULL), folder, "too short");
  expect_tensor (external_tensor ("w.bin", "-1", NULL), folder, "bad offset");
  expect_tensor (external_tensor ("w.bin", "99999999999999999999", NULL),
      folder, "bad offset");
  expect_tensor (external_tensor ("w.bin", NULL, "7"), folder, "7 bytes");
  expect_reread (folder);
  pk_message (good, 5, external_tensor ("w.bin", "0", "432"));
  add_node (good, "conv", "Conv", "x w", "y");
  graph = load (pk_model (good, 13), folder, NULL, &error);
  g_assert_no_error (error);
  g_unlink (link);
  g_unlink (inside);
  g_unlink (outside);
  g_rmdir (folder);
  g_rmdir (outer);
}

/* Small files that ask for much memory or time while constants are folded. */
static void
test_bombs (void)
{
  static const gint64 large[2] = { 1 << 15, 1 << 15 }, many[1] = { 1 << 28 };
  static const gint64 wide[2] = { 2500, 2500 };
  static const gint64 range[3] = { 0, G_MAXINT64, 1 };
  Pk *graph = new_graph ();
  gint64 scalar[3];

  add_ints (graph, "shape", 2, large);
  add_node (graph, "bomb", "ConstantOfShape", "shape", "y");
  expect (graph, "bomb");
  graph = new_graph ();
  add_ints (graph, "one", 1, large);
  add_ints (graph, "many", 1, many);
  add_node (graph, "bomb", "Tile", "one many", "y");
  expect (graph, "bomb");
  graph = new_graph ();
  add_ints (graph, "one", 1, large);
  add_ints (graph, "many", 1, many);
  add_node (graph, "bomb", "Expand", "one many", "y");
  expect (graph, "bomb");
  graph = new_graph ();
  for (int i = 0; i < 3; i++) {
    char name[2] = { (char) ('a' + i), 0 };
    scalar[i] = range[i];
    pk_message (graph, 5, pk_tensor (name, INT64, 0, NULL, &scalar[i], 8));
  }
  add_node (graph, "bomb", "Range", "a b c", "y");
  expect (graph, "bomb");
  graph = new_graph ();
  add_ints (graph, "shape", 2, wide);
  add_node (graph, "ones", "ConstantOfShape", "shape", "m");
  add_node (graph, "bomb", "MatMul", "m m", "y");
  expect (graph, "bomb");
}

static Pk *
conv_with (const char *attribute, int n, gint64 value)
{
  Pk *graph = new_graph (), *node = pk_node ("conv", "Conv", "x w", "y");
  gint64 values[4] = { value, value, value, value };
  if (n > 0)
    pk_attr_ints (node, attribute, n, values);
  else
    pk_attr_int (node, attribute, value);
  add_weights (graph, 1);
  pk_message (graph, 1, node);
  return graph;
}

static void
test_parameters (void)
{
  static const gint64 extremes[] = { G_MININT64, -1, 0, G_MAXINT64,
    (gint64) 1 << 40 };
  for (gsize i = 0; i < G_N_ELEMENTS (extremes); i++) {
    expect (conv_with ("strides", 2, extremes[i]), "'conv'");
    expect (conv_with ("dilations", 2, extremes[i]), "'conv'");
    expect (conv_with ("group", 0, extremes[i]), "'conv'");
    if (extremes[i] != 0) {
      expect (conv_with ("kernel_shape", 2, extremes[i]), "'conv'");
      expect (conv_with ("pads", 4, extremes[i]), "'conv'");
    }
  }
  expect (conv_with ("strides", 3, 1), "strides has 3 numbers");
  expect (conv_with ("kernel_shape", 2, 5), "kernel_shape");
  expect (conv_with ("pads", 4, 1 << 27), "'conv'");
}

/* One node with constant integer inputs "a", "b" and "c" of two numbers. */
static void
expect_move (const char *op, const char *inputs, const char *attribute,
    gint64 value, gint64 a, const char *text)
{
  Pk *graph = new_graph (), *node = pk_node ("move", op, inputs, "y");
  gint64 pair[2] = { a, a }, zeros[2] = { 0, 0 };
  if (attribute)
    pk_attr_int (node, attribute, value);
  add_ints (graph, "a", 2, pair);
  add_ints (graph, "b", 2, zeros);
  pk_message (graph, 1, node);
  expect (graph, text);
}

/* A Resize of one dimension to n sizes, more than x has dimensions or not. */
static void
expect_axes_twice (int n, const char *mode)
{
  static const gint64 axes[8] = { 2, 2, 2, 2, 2, 2, 2, 2 };
  static const gint64 numbers[16] = { 16, 24 };
  Pk *graph = new_graph (), *node = pk_node ("move", "Resize", "x r - a", "y");

  pk_attr_ints (node, "axes", n, axes);
  pk_attr_text (node, "coordinate_transformation_mode", mode);
  add_ints (graph, "a", n, numbers);
  add_ints (graph, "r", 2 * n, numbers);
  pk_message (graph, 1, node);
  expect_with (pk_model (graph, 18), NULL, NULL, "axis 2 is named twice");
}

static void
test_moves (void)
{
  const gint64 far = G_MAXINT64, low = G_MININT64;
  expect_move ("Concat", "x x", "axis", 4, 0, "axis 4");
  expect_move ("Concat", "x x", "axis", low, 0, "axis");
  expect_move ("Gather", "x a", "axis", 1, 3, "index 3");
  expect_move ("Gather", "x a", "axis", 1, low, "index");
  expect_move ("Reshape", "x a", NULL, 0, 7, "cannot reshape");
  expect_move ("Reshape", "x a", NULL, 0, far, "out of range");
  expect_move ("Reshape", "x x", NULL, 0, 0, "must be a constant");
  expect_move ("Tile", "x a", NULL, 0, far, "repeats");
  expect_move ("Expand", "x a", NULL, 0, far, "'move'");
  expect_move ("Squeeze", "x a", NULL, 0, 2, "'move'");
  expect_move ("Unsqueeze", "x a", NULL, 0, 5, "named twice");
  expect_move ("Unsqueeze", "x a", NULL, 0, 99, "axis 99");
  expect_move ("Split", "x a", "axis", 1, far, "'move'");
  expect_move ("Pad", "x a", NULL, 0, far, "'move'");
  expect_move ("Slice", "x a b b b", NULL, 0, 0, "'move'");
  expect_move ("Resize", "x - - a", NULL, 0, far, "'move'");
  expect_axes_twice (2, "half_pixel");
  expect_axes_twice (8, "tf_crop_and_resize");
  expect_move ("TopK", "x a", NULL, 0, far, "'move'");
  expect_move ("GatherND", "x a", "batch_dims", 9, 0, "'move'");
  expect_move ("DepthToSpace", "x", "blocksize", far, 0, "block size");
  expect_move ("SpaceToDepth", "x", "blocksize", 0, 0, "block size");
  expect_move ("Add", "x a", NULL, 0, 0, "int64");
  expect_move ("ReduceMean", "x a", NULL, 0, 77, "axis 77");
}

/* A size that the file leaves open, and one that a stored shape forbids. */
static void
test_sizes (void)
{
  static const gint64 open_dims[4] = { -1, 3, -1, -1 };
  static const gint64 open_channels[4] = { 1, -1, 8, 8 };
  static const gint64 shape[2] = { 1, 192 };
  DcnnOnnxOptions options = { .width = 16, .height = 12 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) loaded = NULL;
  Pk *graph = pk_new ();

  add_input (graph, "x", FLOAT, 4, open_dims);
  add_output (graph, "y");
  add_node (graph, "relu", "Relu", "x", "y");
  loaded = load (pk_model (graph, 13), NULL, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (dcnn_graph_value (loaded, 0)->tensor.dims[0], ==, 1);
  g_assert_cmpint (dcnn_graph_value (loaded, 0)->tensor.dims[2], ==, 12);
  g_assert_cmpint (dcnn_graph_value (loaded, 0)->tensor.dims[3], ==, 16);
  g_clear_pointer (&loaded, dcnn_graph_free);
  /* channels are what the first convolution has weights for */
  graph = pk_new ();
  add_input (graph, "x", FLOAT, 4, open_channels);
  add_output (graph, "y");
  add_weights (graph, 1);
  add_node (graph, "conv", "Conv", "x w", "y");
  loaded = load (pk_model (graph, 13), NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (dcnn_graph_value (loaded, 0)->tensor.dims[1], ==, 3);
  graph = new_graph ();
  add_ints (graph, "shape", 2, shape);
  add_node (graph, "head", "Reshape", "x shape", "y");
  expect_with (pk_model (graph, 13), NULL, &options, "node 'head' (Reshape)");
  graph = new_graph ();
  add_ints (graph, "shape", 2, shape);
  add_node (graph, "head", "Reshape", "x shape", "y");
  expect_with (pk_model (graph, 13), NULL, &options, "resized to 16x12");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name) g_test_add_func ("/onnx/hostile/" #name, test_##name);
  TEST (no_model)
  TEST (files)
  TEST (damage)
  TEST (numbers)
  TEST (structure)
  TEST (refusals)
  TEST (nesting)
  TEST (branches)
  TEST (functions)
  TEST (grids)
  TEST (inputs)
  TEST (tensors)
  TEST (external)
  TEST (bombs)
  TEST (parameters)
  TEST (moves)
  TEST (sizes)
#undef TEST
  return g_test_run ();
}
