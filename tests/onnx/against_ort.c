/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * against_ort.c - see against_ort.h.
 */
#include "against_ort.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deltacnn/session.h"
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

/* What ONNX Runtime gives for an output: numbers, or whole numbers where the
 * type is one, since those may be too large for a float. */
static gboolean
read_output (const char *folder, guint i, DcnnTensor *want)
{
  g_autofree char *path = g_strdup_printf ("%s/output_%u.i64", folder, i);
  g_autofree char *bytes = NULL;
  gsize length;

  if (want->dtype == DCNN_DTYPE_F32 || want->dtype == DCNN_DTYPE_F64)
    return read_values (folder, "output", i, want);
  *want = (DcnnTensor) { .dtype = DCNN_DTYPE_I64, .rank = 1,
    .dims = { dcnn_tensor_count (want) } };
  if (!g_file_get_contents (path, &bytes, &length, NULL)
      || length != (gsize) want->dims[0] * sizeof (gint64)
      || !dcnn_tensor_alloc (want, NULL)) {
    printf ("  %s does not fit the graph\n", path);
    return FALSE;
  }
  memcpy (want->data, bytes, length);
  return TRUE;
}

/* An element of any whole type, unrounded. */
static gint64
whole (const DcnnTensor *t, gint64 i)
{
  if (t->dtype == DCNN_DTYPE_I64)
    return ((const gint64 *) t->data)[i];
  return (gint64) dcnn_ref_get (t, i);
}

/* Largest difference of an output relative to its largest value; of whole
 * numbers the share that differs at all. */
static double
difference (const DcnnTensor *have, const DcnnTensor *want)
{
  double worst = 0, top = 0;
  gint64 n = dcnn_tensor_count (have), other = 0;
  if (want->dtype == DCNN_DTYPE_I64) {
    for (gint64 i = 0; i < n; i++)
      other += whole (have, i) != whole (want, i);
    return n > 0 ? (double) other / (double) n : 0;
  }
  for (gint64 i = 0; i < n; i++) {
    double a = dcnn_ref_get (have, i), b = dcnn_ref_get (want, i);
    double d = fabs (a - b);
    worst = d > worst || d != d ? d : worst;
    top = MAX (top, fabs (b));
  }
  return top > 0 ? worst / top : worst;
}

/* Of one output: how far off it is over what it may be (up to 1 is good), and
 * the difference itself. */
typedef struct Verdict {
  double worst, largest;
} Verdict;

static void
judge (Verdict *verdict, const DcnnTensor *have, const DcnnTensor *want,
    double allowed)
{
  double d = difference (have, want);
  verdict->worst = d / allowed > verdict->worst || d != d ? d / allowed
      : verdict->worst;
  verdict->largest = MAX (verdict->largest, d);
}

static void
free_tensors (DcnnTensor *tensors)
{
  for (guint i = 0; i < MAX_TENSORS; i++)
    dcnn_tensor_free (&tensors[i]);
}

/* The same through plan and kernels. Takes graph. */
static gboolean
judge_sessions (DcnnGraph *graph, const DcnnTensor *inputs,
    const DcnnTensor *want, const double *allowed, Verdict *verdict)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (graph, &error);
  DcnnModelSummary summary;

  for (guint mode = DCNN_MODE_SPARSE; model && mode <= DCNN_MODE_DENSE;
      mode++) {
    DcnnSessionOptions options;
    dcnn_session_options_init (&options);
    options.threads = 1;
    options.tuning.mode = mode;
    dcnn_model_get_summary (model, &summary);
    g_autoptr (DcnnSession) session =
        dcnn_session_new (model, &options, &error);
    if (!session || !dcnn_session_push_tensors (session, 0, inputs, 0, NULL,
            &error))
      break;
    for (guint i = 0; i < summary.n_outputs; i++)
      judge (verdict, &dcnn_session_get_output (session, 0, i)->tensor,
          &want[i], allowed[i]);
  }
  if (error)
    printf ("  %s\n", error->message);
  return !error;
}

/* Runs with the reference operators and in sessions, and compares. Takes
 * graph. */
static gboolean
run_graph (DcnnGraph *graph, const char *folder, double tolerance,
    Verdict *verdict)
{
  DcnnTensor noise = { .dtype = DCNN_DTYPE_F32, .rank = 1 };
  DcnnTensor inputs[MAX_TENSORS] = { { 0 } }, outputs[MAX_TENSORS] = { { 0 } };
  DcnnTensor want[MAX_TENSORS] = { { 0 } };
  double allowed[MAX_TENSORS];
  g_autoptr (GError) error = NULL;
  guint n = graph->outputs->len;
  gboolean ok = graph->inputs->len <= MAX_TENSORS && n <= MAX_TENSORS;

  for (guint i = 0; ok && i < graph->inputs->len; i++) {
    inputs[i] = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i))->tensor;
    ok = read_values (folder, "input", i, &inputs[i]);
  }
  if (ok && !dcnn_graph_run_reference (graph, inputs, outputs, &error)) {
    printf ("  %s\n", error->message);
    ok = FALSE;
  }
  noise.dims[0] = n;
  ok = ok && read_values (folder, "noise", 0, &noise);
  for (guint i = 0; ok && i < n; i++) {
    want[i] = outputs[i];
    want[i].data = NULL;
    ok = read_output (folder, i, &want[i]);
    if (!ok)
      break;
    allowed[i] = MAX (tolerance, 2 * dcnn_ref_get (&noise, i));
    judge (verdict, &outputs[i], &want[i], allowed[i]);
    if (allowed[i] > tolerance)
      printf ("  output %u: badly conditioned, ONNX Runtime differs from itself "
          "by %.1e\n", i, allowed[i] / 2);
  }
  if (ok)
    ok = judge_sessions (g_steal_pointer (&graph), inputs, want, allowed,
        verdict);
  if (graph)
    dcnn_graph_free (graph);
  dcnn_tensor_free (&noise);
  free_tensors (inputs);
  free_tensors (outputs);
  free_tensors (want);
  return ok;
}

void
ort_clear_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
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
  Verdict verdict = { 0, 0 };
  gboolean ok;

  if (!graph || !folder) {
    printf ("FAIL %s: %s\n", name, error ? error->message : "no folder");
    if (folder)
      g_rmdir (folder);
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
  ok = ort_run (arguments) && run_graph (g_steal_pointer (&graph), folder,
      self->tolerance, &verdict);
  ort_clear_folder (folder);
  g_rmdir (folder);
  if (!ok) {
    printf ("FAIL %s\n", name);
    return FALSE;
  }
  printf ("%s %-40s max difference %.2e of the largest value\n",
      verdict.worst <= 1 ? "ok  " : "FAIL", name, verdict.largest);
  fflush (stdout);
  return verdict.worst <= 1;
}
