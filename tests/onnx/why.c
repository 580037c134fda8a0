/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * why.c - every node that is not the fastest choice says what refused that:
 * a small net of such nodes, compared with golden/why.txt (what
 * deltacnn-inspect --why shows); with DELTACNN_UPDATE_GOLDEN=1 the file is
 * written anew.
 */
#include "dcnn_onnx.h"
#include "deltacnn/session.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

static void
add_floats (Pk *graph, const char *name, const gint64 *dims)
{
  gsize count = (gsize) (dims[0] * dims[1] * dims[2] * dims[3]);
  g_autofree float *data = g_new0 (float, count);

  for (gsize i = 0; i < count; i++)
    data[i] = (float) (i % 7) / 8;
  pk_message (graph, 5, pk_tensor (name, FLOAT, 4, dims, data,
          count * sizeof *data));
}

static void
add (Pk *graph, const char *op, const char *inputs, const char *output,
    const char *attribute, gint64 value)
{
  Pk *node = pk_node (output, op, inputs, output);

  if (attribute)
    pk_attr_int (node, attribute, value);
  pk_message (graph, 1, node);
}

static Pk *
make_net (void)
{
  static const gint64 image[4] = { 1, 3, 16, 16 }, kernel[4] = { 1, 2, 1, 1 };
  static const gint64 w[4] = { 8, 3, 1, 1 }, grouped[4] = { 8, 4, 1, 1 };
  static const gint64 last[4] = { 2, 3, 1, 1 }, three[1] = { 3 };
  static const gint64 order[3] = { 2, 0, 1 };
  Pk *graph = pk_new ();

  pk_message (graph, 11, pk_value ("image", FLOAT, 4, image));
  pk_message (graph, 11, pk_value ("kernel", FLOAT, 4, kernel));
  add_floats (graph, "w", w);
  add_floats (graph, "grouped", grouped);
  add_floats (graph, "last", last);
  pk_message (graph, 5, pk_tensor ("order", INT64, 1, three, order,
          sizeof order));
  add (graph, "Conv", "image w", "conv", NULL, 0);
  add (graph, "Relu", "conv", "relu", NULL, 0);
  add (graph, "Add", "relu conv", "sum", NULL, 0);
  add (graph, "Conv", "sum grouped", "groups", "group", 2);
  add (graph, "Concat", "image groups", "joined", "axis", 1);
  add (graph, "Softmax", "joined", "soft", "axis", 1);
  add (graph, "Gather", "soft order", "shuffled", "axis", 1);
  add (graph, "Shrink", "shuffled", "threshold", NULL, 0);
  add (graph, "Conv", "threshold last", "back", NULL, 0);
  add (graph, "Conv", "back kernel", "dynamic", NULL, 0);
  add (graph, "Softmax", "back", "wide", "axis", 3);
  pk_message (graph, 12, pk_value ("dynamic", FLOAT, 0, NULL));
  pk_message (graph, 12, pk_value ("wide", FLOAT, 0, NULL));
  return graph;
}

static void
test_why (void)
{
  g_autofree char *path = g_strdup_printf ("%s/why.txt", GOLDEN_DIR);
  Pk *bytes = pk_model (make_net (), 13);
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = dcnn_onnx_load_bytes (bytes->data, bytes->len, NULL,
      NULL, &error);
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (GString) have = g_string_new (NULL);
  g_autofree char *wanted = NULL;
  DcnnModelSummary summary;

  g_byte_array_unref (bytes);
  g_assert_no_error (error);
  model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    g_string_append_printf (have, "%s %s\n", info.kernel, info.ops);
    if (*info.why)
      g_string_append_printf (have, "    why: %s\n", info.why);
  }
  if (g_getenv ("DELTACNN_UPDATE_GOLDEN"))
    g_assert_true (g_file_set_contents (path, have->str, -1, NULL));
  g_assert_true (g_file_get_contents (path, &wanted, NULL, NULL));
  g_assert_cmpstr (have->str, ==, wanted);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/why", test_why);
  return g_test_run ();
}
