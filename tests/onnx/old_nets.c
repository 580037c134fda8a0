/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * old_nets.c - nets of the operator sets before 13, and pads before windows
 * (make_old_nets.py), against ONNX Runtime.
 *
 *   old_nets [PART OF A NAME]
 *
 * Exit status 77 when $DELTACNN_PYTHON (python3) has no onnx or onnxruntime.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "against_ort.h"

#define LEAST 18 /* nets that the script writes */

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *folder = NULL;
  guint failed = 0, count = 0;
  const char *name;

  if (!ort_available ("onnx")) {
    printf ("SKIP: %s has no onnx or onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  if (!folder || !ort_run ((const char *const[]) { ort_python (),
              MAKE_OLD_NETS, folder, NULL }))
    return 1;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  while (dir && (name = g_dir_read_name (dir)))
    g_ptr_array_add (names, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (names, by_name);
  for (guint i = 0; i < names->len; i++) {
    OrtCase one = { names->pdata[i], 0, 0, NULL, 1e-4 };
    if (argc < 2 || strstr (one.model, argv[1])) {
      failed += !ort_check (&one);
      count++;
    }
    g_remove (one.model);
  }
  g_rmdir (folder);
  printf ("%u nets, %u failed\n", count, failed);
  return failed > 0 || (argc < 2 && count < LEAST);
}
