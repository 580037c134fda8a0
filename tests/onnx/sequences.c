/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sequences.c - a sequence is read by SequenceAt alone, within its parts; what
 * reads it otherwise, and sizes that part nothing, are refused by name. Against
 * ONNX Runtime: onnx/user_nets.
 */
#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

/* Parts of 8 channels, and what is done with them. */
typedef struct Case {
  gint64 sizes[3];
  int n; /* 0: one size for all; -1: none is given */
  gint64 position;
  const char *reader; /* of the sequence */
  const char *error; /* NULL: it loads */
} Case;

static const Case cases[] = {
  { { 3, 5 }, 2, -2, "SequenceAt", NULL },
  { { 3 }, 0, 2, "SequenceAt", NULL },
  { { 0 }, -1, 7, "SequenceAt", NULL },
  { { 3, 5 }, 2, 2, "SequenceAt", "there is no part 2 of 2" },
  { { 3, 5 }, 2, -3, "SequenceAt", "there is no part -3 of 2" },
  { { 3 }, 0, 3, "SequenceAt", "there is no part 3 of 3" },
  { { 3, 6 }, 2, 0, "SequenceAt", "do not part an axis of 8" },
  { { 3, 4 }, 2, 0, "SequenceAt", "do not part an axis of 8" },
  { { -1, 9 }, 2, 0, "SequenceAt", "do not part an axis of 8" },
  { { G_MAXINT64, G_MAXINT64, 10 }, 3, 0, "SequenceAt",
    "do not part an axis of 8" },
  { { 0 }, 0, 0, "SequenceAt", "do not part an axis of 8" },
  { { G_MAXINT64 }, 0, 0, "SequenceAt", NULL },
  { { 3, 5 }, 2, 0, "Add", "'parts' is a sequence, which SequenceAt alone" },
  { { 3, 5 }, 2, 0, "SequenceErase", "sequences are not supported but where" },
  { { 3, 5 }, 2, 0, NULL, "output 'parts' is a sequence" },
};

static void
test_case (gconstpointer data)
{
  static const gint64 image[4] = { 1, 8, 4, 4 };
  const Case *c = data;
  const gint64 n = c->n;
  Pk *graph = pk_new (), *node, *model;
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) loaded = NULL;

  pk_message (graph, 11, pk_value ("x", FLOAT, 4, image));
  pk_message (graph, 12, pk_value (c->reader ? "y" : "parts", FLOAT, 0, NULL));
  pk_message (graph, 5, pk_tensor ("sizes", INT64, n > 0, &n, c->sizes,
          (gsize) MAX (1, n) * sizeof *c->sizes));
  pk_message (graph, 5, pk_tensor ("at", INT64, 0, NULL, &c->position,
          sizeof c->position));
  node = pk_node ("split", "SplitToSequence", n < 0 ? "x" : "x sizes", "parts");
  pk_attr_int (node, "axis", 1);
  pk_message (graph, 1, node);
  if (c->reader)
    pk_message (graph, 1, pk_node ("read", c->reader, "parts at", "y"));
  model = pk_model (graph, 13);
  loaded = dcnn_onnx_load_bytes (model->data, model->len, NULL, NULL, &error);
  g_byte_array_unref (model);
  if (!c->error) {
    g_assert_no_error (error);
    g_assert_nonnull (loaded);
    return;
  }
  g_assert_null (loaded);
  g_assert_nonnull (strstr (error->message, c->error));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strdup_printf ("/onnx/sequences/%u", (guint) i);
    g_test_add_data_func (name, &cases[i], test_case);
  }
  return g_test_run ();
}
