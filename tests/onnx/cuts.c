/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuts.c - a refusal names the values before what was refused, as outputs= of
 * a descriptor wants them, and with these the model loads.
 */
#include <string.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1

static void
add_node (Pk *graph, const char *op, const char *inputs, const char *output)
{
  pk_message (graph, 1, pk_node (output, op, inputs, output));
}

/* A detector: scores and boxes of a map, those over a threshold are picked. */
static Pk *
make_detector (void)
{
  static const gint64 image[4] = { 1, 3, 8, 8 }, kernel[4] = { 4, 3, 3, 3 };
  static const gint64 deep[4] = { 2, 4, 1, 1 };
  static const gfloat weights[4 * 3 * 9] = { 1 }, half[1] = { 0.5f };
  Pk *graph = pk_new ();

  pk_message (graph, 11, pk_value ("x", FLOAT, 4, image));
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  pk_message (graph, 5, pk_tensor ("w", FLOAT, 4, kernel, weights,
          sizeof weights));
  pk_message (graph, 5, pk_tensor ("v", FLOAT, 4, deep, weights,
          8 * sizeof *weights));
  pk_message (graph, 5, pk_tensor ("half", FLOAT, 0, NULL, half, sizeof half));
  add_node (graph, "Conv", "x w", "features");
  add_node (graph, "Conv", "features v", "logits");
  add_node (graph, "Sigmoid", "logits", "scores");
  add_node (graph, "Conv", "features v", "offsets");
  add_node (graph, "Exp", "offsets", "boxes");
  add_node (graph, "Greater", "scores half", "over");
  add_node (graph, "NonZero", "over", "places");
  add_node (graph, "Mul", "boxes half", "halves"); /* follows from boxes */
  add_node (graph, "Add", "boxes halves", "ends");
  add_node (graph, "GatherND", "ends places", "taken");
  add_node (graph, "GatherND", "boxes places", "begins");
  add_node (graph, "GatherND", "features places", "seen");
  add_node (graph, "Concat", "taken begins seen", "y");
  return pk_model (graph, 13);
}

static void
test_detector (void)
{
  static const char *const found[] = { "features", "scores", "boxes", NULL };
  const DcnnOnnxOptions cut = { .outputs = found };
  Pk *model = make_detector ();
  g_autoptr (GError) error = NULL, none = NULL;
  g_autoptr (DcnnGraph) whole = dcnn_onnx_load_bytes (model->data, model->len,
      NULL, NULL, &error);
  g_autoptr (DcnnGraph) part = dcnn_onnx_load_bytes (model->data, model->len,
      NULL, &cut, &none);

  g_byte_array_unref (model);
  g_assert_null (whole);
  g_assert_nonnull (strstr (error->message, "'places' (NonZero)"));
  g_assert_true (g_str_has_suffix (error->message,
          "[deltacnn]:\noutputs=features; scores; boxes"));
  g_assert_no_error (none);
  g_assert_cmpuint (part->outputs->len, ==, 3);
}

/* Nothing lies before: nothing is said. */
static void
test_nothing_before (void)
{
  static const gint64 image[4] = { 1, 3, 8, 8 };
  Pk *graph = pk_new (), *model;
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) whole = NULL;

  pk_message (graph, 11, pk_value ("x", FLOAT, 4, image));
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  add_node (graph, "NonZero", "x", "y");
  model = pk_model (graph, 13);
  whole = dcnn_onnx_load_bytes (model->data, model->len, NULL, NULL, &error);
  g_byte_array_unref (model);
  g_assert_null (whole);
  g_assert_nonnull (strstr (error->message, "'y' (NonZero)"));
  g_assert_null (strstr (error->message, "outputs=y"));
  g_assert_null (strstr (error->message, "[deltacnn]"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/cuts/detector", test_detector);
  g_test_add_func ("/onnx/cuts/nothing-before", test_nothing_before);
  return g_test_run ();
}
