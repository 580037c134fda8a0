/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * random_nets.c - nets of well-known shapes with random weights (make_nets.py)
 * load and match ONNX Runtime at a small size.
 *
 *   random_nets [tiny | full]      default: tiny
 *
 * With DELTACNN_TEST_QUICK=1 only one of each shape.
 * Exit status 77 when $DELTACNN_PYTHON (python3) has no onnx or onnxruntime.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "against_ort.h"

/* Arguments for make_nets.py; a second pair of sizes is the caller's, for
 * nets that leave it open. */
typedef struct Net {
  const char *name, *size, *option;
  int width, height;
  double tolerance;
} Net;

/* float16: ONNX Runtime rounds every activation, we none. */
static const Net nets[] = {
  { "hrnet-w32", "64x96", NULL, 0, 0, 1e-4 },
  { "hrnet-w32", "64x64", "--symbolic", 96, 64, 1e-4 },
  { "resnet50", "64x64", NULL, 0, 0, 1e-4 },
  { "resnet50", "65x63", "--no-classifier", 0, 0, 1e-4 },
  { "densenet121", "64x64", NULL, 0, 0, 1e-4 },
  { "densenet121", "64x64", "--no-classifier", 0, 0, 1e-4 },
  { "mobilenetv2", "64x64", NULL, 0, 0, 1e-4 },
  { "mobilenetv2", "64x64", "--symbolic", 72, 40, 1e-4 },
  { "mobilenetv2", "64x64", "--float16", 0, 0, 3e-2 },
  { "norms", "72x40", "--opset=17", 0, 0, 1e-4 },
  { "quantised", "72x40", NULL, 0, 0, 7e-2 }, /* a step; the largest is 15 */
};

static gboolean
check_net (const Net *net, gboolean tiny, const char *folder)
{
  g_autofree char *path = g_strdup_printf ("%s/%s%s.onnx", folder, net->name,
      net->option ? net->option : "");
  const char *arguments[10] = { ort_python (), MAKE_NETS, net->name, path,
    "--size", net->size };
  int n = 6;
  OrtCase one = { path, net->width, net->height, NULL, net->tolerance };
  gboolean ok;

  if (net->option)
    arguments[n++] = net->option;
  if (tiny)
    arguments[n++] = "--tiny";
  ok = ort_run (arguments) && ort_check (&one);
  g_remove (path);
  return ok;
}

int
main (int argc, char **argv)
{
  gboolean tiny = argc < 2 || strcmp (argv[1], "full") != 0;
  g_autofree char *folder = NULL;
  gboolean quick = g_strcmp0 (g_getenv ("DELTACNN_TEST_QUICK"), "1") == 0;
  int failed = 0, count = 0;

  if (!ort_available ("onnx")) {
    printf ("SKIP: %s has no onnx or onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  for (gsize i = 0; folder && i < G_N_ELEMENTS (nets); i++) {
    if (quick && i > 0 && strcmp (nets[i].name, nets[i - 1].name) == 0)
      continue;
    failed += !check_net (&nets[i], tiny, folder);
    count++;
  }
  if (folder)
    g_rmdir (folder);
  printf ("%d nets, %d failed\n", count, failed);
  return failed > 0 || count == 0;
}
