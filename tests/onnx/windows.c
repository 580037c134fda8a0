/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * windows.c - numbers of windows whose sum is none that 64 bits hold: refused
 * by every operator that has windows, and not wrapped round to a size.
 */
#include <string.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

static const gint64 image[4] = { 1, 3, 8, 8 };

static void
add_numbers (Pk *graph, const char *name, gint64 n, const gint64 *values)
{
  pk_message (graph, 5, pk_tensor (name, INT64, 1, &n, values,
          (gsize) n * sizeof *values));
}

/* A node that reads the picture "x", 8x8 zeros as places "i", offsets "o",
 * weights "w" with a bias "b", masks "m", 12x12 as "s" and "p"; all four pads are
 * `pad`. "flat", "more" are offsets and "thin" is a mask of other sizes. */
static DcnnGraph *
load (const char *op, const char *inputs, gint64 pad, gint64 size,
    GError **error)
{
  static const gint64 places[192], two[2] = { 2, 2 };
  static const gint64 kernel[4] = { 3, 3, 2, 2 }, taps[4] = { 1, 8, 7, 7 };
  static const gint64 flat[4] = { 1, 8, 7, 8 }, more[4] = { 2, 8, 7, 4 };
  static const gint64 mask[4] = { 1, 4, 7, 7 }, thin[4] = { 1, 4, 6, 7 };
  static const gint64 bias[1] = { 3 };
  static const gfloat zeros[512];
  const gint64 sizes[4] = { 1, 3, size, size };
  const gint64 pads[4] = { pad, pad, pad, pad };
  Pk *graph = pk_new (), *node = pk_node ("window", op, inputs, "y"), *model;
  DcnnGraph *loaded;

  pk_message (graph, 11, pk_value ("x", FLOAT, 4, image));
  pk_message (graph, 12, pk_value ("y", FLOAT, 0, NULL));
  pk_message (graph, 5, pk_tensor ("i", INT64, 4, image, places,
          sizeof places));
  pk_message (graph, 5, pk_tensor ("o", FLOAT, 4, taps, zeros,
          392 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("flat", FLOAT, 4, flat, zeros,
          448 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("more", FLOAT, 4, more, zeros,
          448 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("m", FLOAT, 4, mask, zeros,
          196 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("thin", FLOAT, 4, thin, zeros,
          168 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("b", FLOAT, 1, bias, zeros,
          3 * sizeof *zeros));
  pk_message (graph, 5, pk_tensor ("w", FLOAT, 4, kernel, zeros,
          36 * sizeof *zeros));
  add_numbers (graph, "s", 4, sizes);
  add_numbers (graph, "p", 2, sizes + 2);
  if (!strcmp (op, "CenterCropPad")) {
    pk_attr_ints (node, "axes", 2, (const gint64[]) { 2, 3 });
  } else {
    pk_attr_ints (node, "kernel_shape", 2, two);
    pk_attr_ints (node, "pads", 4, pads);
  }
  pk_message (graph, 1, node);
  model = pk_model (graph, 19);
  loaded = dcnn_onnx_load_bytes (model->data, model->len, NULL, NULL, error);
  g_byte_array_unref (model);
  return loaded;
}

static void
expect (const char *op, const char *inputs, gint64 pad, gint64 size,
    const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = load (op, inputs, pad, size, &error);

  if (!text) {
    g_assert_no_error (error);
    return;
  }
  g_assert_null (graph);
  g_assert_nonnull (error);
  if (!strstr (error->message, text) || !strstr (error->message, "'window'"))
    g_error ("%s: \"%s\" lacks \"%s\"", op, error->message, text);
}

/* Twice the largest number is -2 where it wraps round. */
static void
test_pads (void)
{
  static const char *const nodes[][2] = { { "Conv", "x w" },
    { "ConvTranspose", "x w" }, { "MaxPool", "x" }, { "AveragePool", "x" },
    { "LpPool", "x" }, { "MaxUnpool", "x i" }, { "DeformConv", "x w o" } };
  static const gint64 far[] = { G_MAXINT64, G_MININT64, (gint64) 1 << 40 };

  for (gsize i = 0; i < G_N_ELEMENTS (nodes); i++) {
    expect (nodes[i][0], nodes[i][1], 0, 12, NULL);
    for (gsize k = 0; k < G_N_ELEMENTS (far); k++)
      expect (nodes[i][0], nodes[i][1], far[k], 12, "pads");
  }
}

static void
test_sizes (void)
{
  static const gint64 far[] = { G_MAXINT64, G_MININT64, -1 };

  expect ("MaxUnpool", "x i s", 0, 12, NULL);
  expect ("CenterCropPad", "x p", 0, 12, NULL);
  for (gsize k = 0; k < G_N_ELEMENTS (far); k++) {
    expect ("MaxUnpool", "x i s", 0, far[k], "output_shape is out of range");
    expect ("CenterCropPad", "x p", 0, far[k], "shape is out of range");
  }
}

/* A kernel of 2x2 on 8x8 gives 7x7, and 9x9 with a pixel all round. */
static void
test_offsets (void)
{
  static const struct
  {
    const char *inputs;
    gint64 pad;
    const char *text;
  } cases[] = {
    { "x w o", 1, "its offset is for 1 pictures of 7x7, but its output is 1 of "
      "9x9" },
    { "x w flat", 0, "its offset is for 1 pictures of 7x8, but its output is 1 "
      "of 7x7" },
    { "x w more", 0, "2 pictures of 7x4, but" },
    { "x w o b thin", 0, "its mask is for 1 pictures of 6x7, but its output is "
      "1 of 7x7" },
    { "x w o b m", 0, NULL } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    expect ("DeformConv", cases[i].inputs, cases[i].pad, 12, cases[i].text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/windows/pads", test_pads);
  g_test_add_func ("/onnx/windows/sizes", test_sizes);
  g_test_add_func ("/onnx/windows/offsets", test_offsets);
  return g_test_run ();
}
