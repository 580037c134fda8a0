/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * user_nets.c - nets as exporters write them (make_user_nets.py,
 * make_export_nets.py, make_operator_nets.py, make_fused_nets.py), each by its
 * descriptor, on pictures, in sessions at threshold 0: every frame equals ONNX
 * Runtime, sparse frames the dense ones bit for bit.
 *
 *   user_nets [NAME]
 *
 * Exit status 77 when $DELTACNN_PYTHON (python3) has no onnx or onnxruntime.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "against_ort.h"
#include "deltacnn/modelinfo.h"

#define TOLERANCE 2e-5 /* of the largest value */

/* The ways to run a session that have code of their own. */
static const DcnnMode modes[] = {
  DCNN_MODE_DENSE, DCNN_MODE_SPARSE, DCNN_MODE_AUTO,
};

/* A line of nets.txt. */
typedef struct Net {
  char name[64];
  guint width, height, channels, frames, outputs;
  gint tails; /* operators that run whole; -1: not said */
  const char *folder;
} Net;

static gpointer
read_file (const Net *net, gsize *length, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gpointer
read_file (const Net *net, gsize *length, const char *format, ...)
{
  g_autofree char *what = NULL;
  g_autofree char *path = NULL;
  char *bytes = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  path = g_strdup_printf ("%s/%s.%s", net->folder, net->name, what);
  return g_file_get_contents (path, &bytes, length, NULL) ? bytes : NULL;
}

static gboolean
fail (const Net *net, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (const Net *net, const char *format, ...)
{
  va_list args;

  printf ("FAIL %s: ", net->name);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n");
  return FALSE;
}

/* How far an output is off, relative to its largest value; NaN counts. */
static double
difference (const DcnnTensor *have, const float *want, gsize n)
{
  const float *v = have->data;
  double worst = 0, top = 1e-30;

  if (have->dtype != DCNN_DTYPE_F32 || (gsize) dcnn_tensor_count (have) != n)
    return INFINITY;
  for (gsize i = 0; i < n; i++) {
    double d = fabs ((double) v[i] - (double) want[i]);
    if (!isfinite (v[i]))
      return INFINITY;
    worst = MAX (worst, d);
    top = MAX (top, fabs ((double) want[i]));
  }
  return worst / top;
}

/* Compares the outputs of a frame with ONNX Runtime's, and with those that
 * the dense session gave: made there, kept in dense[]. */
static gboolean
check_outputs (const Net *net, DcnnSession *session, guint mode, guint frame,
    GBytes **dense)
{
  for (guint i = 0; i < net->outputs; i++) {
    const DcnnTensor *have = &dcnn_session_get_output (session, 0, i)->tensor;
    g_autoptr (GBytes) bytes = g_bytes_new (have->data,
        (gsize) dcnn_tensor_count (have) * dcnn_dtype_bytes (have->dtype));
    gsize length = 0;
    g_autofree float *want = read_file (net, &length, "out%u.%u", frame, i);
    double d = want ? difference (have, want, length / sizeof (float))
        : INFINITY;

    if (d > TOLERANCE)
      return fail (net, "mode %d, frame %u, output %u: off by %.2g of its "
          "largest value", (int) modes[mode], frame, i, d);
    if (modes[mode] == DCNN_MODE_DENSE)
      dense[i] = g_bytes_ref (bytes);
    else if (!g_bytes_equal (dense[i], bytes))
      return fail (net, "mode %d, frame %u, output %u: not the bits of the "
          "dense run", (int) modes[mode], frame, i);
  }
  return TRUE;
}

static gboolean
check_mode (const Net *net, DcnnModel *model, const DcnnModelInfo *info,
    guint mode, GBytes **dense)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  gboolean ok = TRUE;

  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  options.threads = 1;
  options.fit = DCNN_FIT_STRETCH;
  options.tuning = (DcnnTuning) { .mode = modes[mode] };
  session = dcnn_session_new (model, &options, &error);
  for (guint f = 0; f < net->frames && session && ok; f++) {
    gsize length = 0;
    g_autofree guint8 *pixels = read_file (net, &length, "frame%u", f);
    DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = net->width,
      .height = net->height, .pixel_aspect = 1 };

    if (!pixels || length != 3 * (gsize) net->width * net->height)
      return fail (net, "frame %u is missing", f);
    frame.planes[0] = pixels;
    frame.strides[0] = 3 * net->width;
    ok = dcnn_session_push_frame (session, 0, &frame, NULL, &error)
        && check_outputs (net, session, mode, f, dense + f * net->outputs);
  }
  return error ? fail (net, "%s", error->message) : ok;
}

/* Whether no more of the net runs whole than is said. */
static gboolean
check_tails (const Net *net, const DcnnModel *model)
{
  g_autofree char *dump = dcnn_model_dump_plan (model);
  g_auto (GStrv) lines = g_strsplit (dump, "\n", -1);
  gint tails = 0;

  for (guint i = 0; lines[i]; i++)
    tails += strstr (lines[i], " tail [") != NULL;
  return net->tails < 0 || tails == net->tails || fail (net, "%d operators "
      "run whole, not %d:\n%s", tails, net->tails, dump);
}

static gboolean
check_net (const Net *net)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.onnx", net->folder,
      net->name);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_load (path, 0, 0, &info, &error);
  g_autofree GBytes **dense = g_new0 (GBytes *, net->frames * net->outputs);
  DcnnModelSummary summary;
  gboolean ok = TRUE;

  if (!model)
    return fail (net, "%s", error->message);
  dcnn_model_get_summary (model, &summary);
  if (summary.n_inputs != 1 || summary.input_width != net->width
      || summary.input_height != net->height
      || summary.input_channels != net->channels)
    return fail (net, "%u inputs, its picture is %ux%u with %u channels",
        summary.n_inputs, summary.input_width, summary.input_height,
        summary.input_channels);
  if (summary.n_outputs != net->outputs)
    return fail (net, "%u outputs", summary.n_outputs);
  ok = check_tails (net, model);
  for (guint m = 0; m < G_N_ELEMENTS (modes) && ok; m++)
    ok = check_mode (net, model, info, m, dense);
  for (guint i = 0; i < net->frames * net->outputs; i++)
    g_clear_pointer (&dense[i], g_bytes_unref);
  printf ("%s %s\n", ok ? "ok  " : "FAIL", net->name);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  const char *makers[] = { MAKE_USER_NETS, MAKE_EXPORT_NETS,
    MAKE_OPERATOR_NETS, MAKE_FUSED_NETS };
  gboolean made = TRUE;
  g_autofree char *list = NULL;
  g_autofree char *path = g_build_filename (folder, "nets.txt", NULL);
  g_auto (GStrv) lines = NULL;
  guint failed = 0, count = 0;

  setvbuf (stdout, NULL, _IOLBF, 0);
  if (!ort_available ("onnx")) {
    g_rmdir (folder);
    printf ("SKIP: %s has no onnx or onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++) {
    const char *arguments[] = { ort_python (), makers[i], folder,
      argc > 1 ? argv[1] : NULL, NULL };
    made &= ort_run (arguments);
  }
  if (made && g_file_get_contents (path, &list, NULL, NULL))
    lines = g_strsplit (list, "\n", -1);
  for (guint i = 0; lines && lines[i]; i++) {
    Net net = { .folder = folder };
    if (sscanf (lines[i], "%63s %u %u %u %u %u %d", net.name, &net.width,
            &net.height, &net.channels, &net.frames, &net.outputs,
            &net.tails) != 7)
      continue;
    failed += !check_net (&net);
    count++;
  }
  ort_clear_folder (folder);
  g_rmdir (folder);
  printf ("%u nets, %u failed; rerun one: %s NAME\n", count, failed, argv[0]);
  return failed > 0 || count == 0;
}
