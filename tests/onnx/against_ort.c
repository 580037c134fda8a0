/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * against_ort.c - see against_ort.h.
 */
#include "against_ort.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ref_util.h"

#define MAX_TENSORS 64

const char *
ort_python (void)
{
  const char *python = g_getenv ("DELTACNN_PYTHON");
  return python ? python : "python3";
}

gboolean
ort_run (const char *const *arguments)
{
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  int status = 0;
  gboolean ok = g_spawn_sync (NULL, (char **) arguments, NULL,
      G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error)
      && status == 0;
  if (!ok)
    printf ("%s %s: %s%s%s\n", arguments[0], arguments[1],
        error ? error->message : "", out ? out : "", err ? err : "");
  return ok;
}

gboolean
ort_available (const char *module)
{
  g_autofree char *code = g_strdup_printf ("import numpy, onnxruntime%s%s",
      module ? ", " : "", module ? module : "");
  const char *arguments[] = { ort_python (), "-c", code, NULL };
  int status = 1;
  return g_spawn_sync (NULL, (char **) arguments, NULL, G_SPAWN_SEARCH_PATH
      | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
      NULL, NULL, &status, NULL) && status == 0;
}

/* Reads float32 values into a tensor of known shape and any type. */
static gboolean
read_values (const char *folder, const char *kind, guint i,
    DcnnTensor *tensor)
{
  g_autofree char *path = g_strdup_printf ("%s/%s_%u.bin", folder, kind, i);
  g_autofree char *bytes = NULL;
  gsize length;
  gint64 n = dcnn_tensor_count (tensor);

  if (!g_file_get_contents (path, &bytes, &length, NULL)
      || length != (gsize) n * sizeof (float)
      || !dcnn_tensor_alloc (tensor, NULL)) {
    printf ("  %s does not fit the graph (%" G_GSIZE_FORMAT " bytes)\n", path,
        length);
    return FALSE;
  }
  for (gint64 k = 0; k < n; k++)
    dcnn_ref_set (tensor, k, (double) ((float *) bytes)[k]);
  return TRUE;
}

/* Largest difference of an output relative to its largest value. */
static double
difference (const DcnnTensor *have, const DcnnTensor *want)
{
  double worst = 0, top = 0;
  for (gint64 i = 0, n = dcnn_tensor_count (have); i < n; i++) {
    double a = dcnn_ref_get (have, i), b = dcnn_ref_get (want, i);
    double d = fabs (a - b);
    worst = d > worst || d != d ? d : worst;
    top = MAX (top, fabs (b));
  }
  return top > 0 ? worst / top : worst;
}

/* Runs and compares. worst: largest difference of an output over what it may
 * be, so up to 1 is good; largest: the difference itself. */
static gboolean
run_graph (const DcnnGraph *graph, const char *folder, double tolerance,
    double *worst, double *largest)
{
  DcnnTensor noise = { .dtype = DCNN_DTYPE_F32, .rank = 1 };
  DcnnTensor inputs[MAX_TENSORS] = { { 0 } }, outputs[MAX_TENSORS] = { { 0 } };
  g_autoptr (GError) error = NULL;
  gboolean ok = graph->inputs->len <= MAX_TENSORS
      && graph->outputs->len <= MAX_TENSORS;

  for (guint i = 0; ok && i < graph->inputs->len; i++) {
    inputs[i] = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i))->tensor;
    ok = read_values (folder, "input", i, &inputs[i]);
  }
  if (ok && !dcnn_graph_run_reference (graph, inputs, outputs, &error)) {
    printf ("  %s\n", error->message);
    ok = FALSE;
  }
  *worst = *largest = 0;
  noise.dims[0] = graph->outputs->len;
  ok = ok && read_values (folder, "noise", 0, &noise);
  for (guint i = 0; ok && i < graph->outputs->len; i++) {
    DcnnTensor want = outputs[i];
    double d, allowed;
    ok = read_values (folder, "output", i, &want);
    if (!ok)
      break;
    d = difference (&outputs[i], &want);
    allowed = MAX (tolerance, 2 * dcnn_ref_get (&noise, i));
    if (allowed > tolerance)
      printf ("  output %u: badly conditioned, ONNX Runtime differs from itself "
          "by %.1e; difference %.1e\n", i, allowed / 2, d);
    *worst = d / allowed > *worst || d != d ? d / allowed : *worst;
    *largest = MAX (*largest, d);
    dcnn_tensor_free (&want);
  }
  dcnn_tensor_free (&noise);
  for (guint i = 0; i < MAX_TENSORS; i++) {
    dcnn_tensor_free (&inputs[i]);
    dcnn_tensor_free (&outputs[i]);
  }
  return ok;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (folder);
}

gboolean
ort_check (const OrtCase *self)
{
  DcnnOnnxOptions options = { .width = self->width, .height = self->height };
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_path_get_basename (self->model);
  g_autoptr (DcnnGraph) graph = dcnn_onnx_load_file (self->model, &options,
      &error);
  g_autofree char *folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  g_autofree char *size = g_strdup_printf ("%dx%d", self->width, self->height);
  const char *arguments[9] = { ort_python (), ORACLE, self->model, folder };
  int n = 4;
  double worst, largest;
  gboolean ok;

  if (!graph || !folder) {
    printf ("FAIL %s: %s\n", name, error ? error->message : "no folder");
    return FALSE;
  }
  if (self->width > 0) {
    arguments[n++] = "--size";
    arguments[n++] = size;
  }
  if (self->image) {
    arguments[n++] = "--image";
    arguments[n++] = self->image;
  }
  ok = ort_run (arguments) && run_graph (graph, folder,
      self->tolerance, &worst, &largest);
  remove_folder (folder);
  if (!ok) {
    printf ("FAIL %s\n", name);
    return FALSE;
  }
  printf ("%s %-40s max difference %.2e of the largest value\n",
      worst <= 1 ? "ok  " : "FAIL", name, largest);
  fflush (stdout);
  return worst <= 1;
}
