/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_fit.c - which input sizes a file's stored shapes fit: exporters
 * bake grids and anchors for one size into files that leave theirs open. Common
 * sizes are tried, one after the other, when a load has failed.
 */
#include "dcnn_onnx_loader.h"

#include <string.h>

/* Sizes named, and the time that looking for them may take. */
#define MAX_NAMED 3
#define MAX_US (2 * G_USEC_PER_SEC)

static const int others[][2] = {
  { 640, 480 }, { 640, 384 }, { 640, 352 }, { 640, 360 }, { 320, 240 },
  { 320, 192 }, { 416, 256 }, { 416, 234 }, { 512, 288 }, { 512, 256 },
  { 480, 640 }, { 240, 320 }, { 192, 256 }, { 256, 192 }, { 384, 640 },
  { 800, 480 }, { 960, 544 }, { 1280, 736 }, { 1280, 720 }, { 1920, 1088 },
};

/* Sizes in the order of their being tried: those that nets are made for first.
 */
static gboolean
candidate (guint i, int *width, int *height)
{
  static const int usual[] = { 640, 416, 320, 224, 256, 512, 192, 300, 608,
    384, 448, 128 };
  guint n = G_N_ELEMENTS (usual);

  if (i < n) {
    *width = *height = usual[i];
    return TRUE;
  }
  i -= n;
  if (i < G_N_ELEMENTS (others)) {
    *width = others[i][0];
    *height = others[i][1];
    return TRUE;
  }
  i -= G_N_ELEMENTS (others);
  *width = *height = 32 * (int) (i + 1);
  return *width <= 1280;
}

char *
onnx_find_sizes (const DcnnOnnxOptions *options, OnnxTryFn try,
    gpointer data)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 end = g_get_monotonic_time () + MAX_US;
  DcnnOnnxOptions sized = *options;
  guint found = 0, tried = 0;

  for (; candidate (tried, &sized.width, &sized.height); tried++) {
    g_autofree char *size = g_strdup_printf ("%dx%d", sized.width,
        sized.height);
    if (g_get_monotonic_time () > end || found == MAX_NAMED)
      break;
    if (strstr (text->str, size) || !try (&sized, data))
      continue;
    g_string_append_printf (text, "%s%s", found++ ? ", " : "", size);
  }
  /* what fits at every one is no matter of size */
  return found > 0 && found < tried ? g_string_free (
      g_steal_pointer (&text), FALSE) : NULL;
}
