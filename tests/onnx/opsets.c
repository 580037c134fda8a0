/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * opsets.c - attributes that a version of the operator set took away: known
 * before, refused by name from then on.
 */
#include <string.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

/* Gemm on a flattened picture, with the attribute that it had until opset 7. */
static Pk *
make_gemm (gint64 opset)
{
  static const gint64 image[4] = { 1, 3, 8, 8 }, flat[2] = { 1, 192 };
  static const gint64 dims[2] = { 192, 4 }, two[1] = { 2 };
  static const gfloat weights[192 * 4];
  Pk *graph = pk_new (), *node = pk_node ("gemm", "Gemm", "f w b", "y");

  pk_message (graph, 11, pk_value ("x", FLOAT, 4, image));
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  pk_message (graph, 5, pk_tensor ("s", INT64, 1, two, flat, sizeof flat));
  pk_message (graph, 5, pk_tensor ("w", FLOAT, 2, dims, weights,
          sizeof weights));
  pk_message (graph, 5, pk_tensor ("b", FLOAT, 1, dims + 1, weights,
          4 * sizeof *weights));
  pk_message (graph, 1, pk_node ("flat", "Reshape", "x s", "f"));
  pk_attr_int (node, "broadcast", 1);
  pk_message (graph, 1, node);
  return pk_model (graph, opset);
}

static void
test_broadcast (void)
{
  for (gint64 opset = 6; opset <= 8; opset++) {
    Pk *model = make_gemm (opset);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnGraph) graph = dcnn_onnx_load_bytes (model->data,
        model->len, NULL, NULL, &error);

    g_byte_array_unref (model);
    if (opset < 7) {
      g_assert_no_error (error);
      g_assert_nonnull (graph);
    } else {
      g_assert_null (graph);
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, "'broadcast'"));
      g_assert_nonnull (strstr (error->message, "'gemm'"));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/opsets/broadcast", test_broadcast);
  return g_test_run ();
}
