/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * quantised_nets.c - quantised nets (make_quantised_nets.py) give what ONNX
 * Runtime gives within one step of the output's quantiser (but for a few
 * elements of the deepest nets, which say how often), in sessions on
 * every level of the instruction set; the second of two frames differs from
 * the first in a part, and sparse equals dense bit for bit. Nearly all maps of
 * the static nets are of bytes, and give the bits that floats give.
 *
 *   quantised_nets                 the nets are made in a folder of their own
 *   quantised_nets --level FOLDER  one level (DELTACNN_ISA is read once)
 *
 * Exit status 77 when $DELTACNN_PYTHON (python3) has no onnx or onnxruntime.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "against_ort.h"
#include "dcnn_kernels.h"
#include "deltacnn/session.h"
#include "ref_util.h"

#define FRAMES 2

/* Sums of many layers: an element of which some flips a tie, which later
 * layers without training make more of. */
#define FEW 500        /* at most one in so many elements */
#define STEPS_OF_FEW 4 /* by at most so many steps */

static const struct {
  DcnnMode mode;
  guint threads;
  gboolean floats;
} ways[] = { { DCNN_MODE_DENSE, 1 }, { DCNN_MODE_SPARSE, 2 },
  { DCNN_MODE_SPARSE, 1, TRUE } };

static float *
read_floats (const char *path, const char *suffix, gsize *n)
{
  g_autofree char *name = g_strconcat (path, ".", suffix, NULL);
  char *bytes = NULL;
  gsize length = 0;

  if (!g_file_get_contents (name, &bytes, &length, NULL))
    return NULL;
  *n = length / sizeof (float);
  return (float *) (gpointer) bytes;
}

/* The output of one frame as doubles, and how far it is off; beyond: how many
 * elements are off by more than allowed. */
static double
difference (DcnnSession *session, const char *path, int frame, double allowed,
    double *values, gsize *beyond)
{
  const DcnnTensor *have = &dcnn_session_get_output (session, 0, 0)->tensor;
  const char *const suffixes[] = { "out0", "out1" };
  gsize n = 0;
  g_autofree float *want = read_floats (path, suffixes[frame], &n);
  double worst = 0;

  if (!want || (gsize) dcnn_tensor_count (have) != n)
    return INFINITY;
  for (gsize i = 0; i < n; i++) {
    double d;
    values[i] = dcnn_ref_get (have, (gint64) i);
    d = fabs (values[i] - (double) want[i]);
    if (isnan (d))
      return INFINITY;
    worst = MAX (worst, d);
    *beyond += !(d <= allowed);
  }
  return worst;
}

static gboolean
check_frames (DcnnModel *model, const char *path, double allowed,
    double *worst)
{
  DcnnTensor input = *dcnn_model_input (model, 0);
  gsize n_in = (gsize) dcnn_tensor_count (&input), n;
  gsize n_out = (gsize) dcnn_tensor_count (dcnn_model_output (model, 0));
  g_autofree double *first = g_new0 (double, n_out * FRAMES);
  g_autofree double *other = g_new0 (double, n_out * FRAMES);
  gboolean ok = TRUE;

  for (guint w = 0; w < G_N_ELEMENTS (ways) && ok; w++) {
    double *values = w == 0 ? first : other;
    g_autoptr (DcnnSession) session = NULL;
    g_autoptr (GError) error = NULL;
    DcnnSessionOptions options;

    dcnn_session_options_init (&options);
    options.threads = ways[w].threads;
    options.store_all = ways[w].floats;
    options.tuning = (DcnnTuning) { .mode = ways[w].mode };
    session = dcnn_session_new (model, &options, &error);
    for (int f = 0; f < FRAMES && ok && session; f++) {
      g_autofree float *frame = read_floats (path, f ? "in1" : "in0", &n);
      double off = INFINITY;
      gsize beyond = 0;
      input.data = frame;
      if (frame && n == n_in && dcnn_session_push_tensors (session, 0, &input,
              0, NULL, &error))
        off = difference (session, path, f, allowed * (1 + 1e-5),
            values + (gsize) f * n_out, &beyond);
      *worst = MAX (*worst, off);
      ok = off <= allowed * (1 + 1e-5) * STEPS_OF_FEW
          && beyond * FEW <= n_out;
    }
    if (error)
      printf ("  %s\n", error->message);
    if (ok && w > 0 && memcmp (first, other, sizeof *first * n_out * FRAMES)) {
      printf ("  %s\n", ways[w].floats ? "bytes differ from floats" :
          "sparse differs from dense");
      ok = FALSE;
    }
    ok = ok && session;
  }
  return ok;
}

/* Nodes that the processor runs with a kernel of bytes; printed: those that
 * would, but for what their reasons say. kinds: 1 grouped, 2 transposed
 * convolutions among them, 4 more than one of these, 8 space to depth, 16 the
 * way back. */
static guint
count_byte_kernels (const DcnnModel *model, guint *kinds)
{
  DcnnModelSummary summary;
  guint n = 0;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_nodes; i++) {
    DcnnNodeInfo node;
    dcnn_model_get_node (model, i, &node);
    n += g_str_has_prefix (node.kernel, "bytes-");
    *kinds |= g_str_equal (node.kernel, "bytes-group-conv") ? 1 :
        g_str_equal (node.kernel, "bytes-conv-transpose") ?
        (*kinds & 2 ? 4 : 2) :
        g_str_equal (node.kernel, "bytes-space-to-depth") ? 8 :
        g_str_equal (node.kernel, "bytes-depth-to-space") ? 16 : 0;
    if (strstr (node.why, "on bytes: "))
      printf ("  %s: %s\n", node.kernel, node.why);
  }
  return n;
}

/* Whether all convolutions between the first and the last few of a static net
 * write bytes, and are read by kernels of bytes. */
static gboolean
check_bytes (const DcnnModel *model, const char *file)
{
  g_autofree char *dump = dcnn_model_dump_plan (model);
  g_auto (GStrv) lines = g_strsplit (dump, "\n", -1);
  guint convolutions = 0, bytes = 0, kinds = 0;

  for (guint i = 0; lines[i]; i++) {
    if (strstr (lines[i], "Conv") == NULL)
      continue;
    convolutions++;
    bytes += strstr (lines[i], " bytes from ") != NULL;
  }
  if (!g_str_has_prefix (file, "deep-") || (bytes + 2 >= convolutions &&
          count_byte_kernels (model, &kinds) >= bytes &&
          (kinds == 31 || !g_str_has_prefix (file, "deep-kinds"))))
    return TRUE;
  printf ("  %u of %u convolutions write bytes, kinds %u\n", bytes,
      convolutions, kinds);
  return FALSE;
}

static gboolean
check_net (const char *folder, const char *file)
{
  g_autofree char *model_path = g_build_filename (folder, file, NULL);
  g_autofree char *path = g_strndup (model_path, strlen (model_path) - 5);
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = dcnn_onnx_load_file (model_path, NULL, &error);
  g_autoptr (DcnnModel) model = graph ? dcnn_model_new (graph, &error) : NULL;
  gsize n = 0;
  g_autofree float *step = read_floats (path, "step", &n);
  double worst = 0;
  gboolean ok = model && n == 1 && check_bytes (model, file)
      && check_frames (model, path, (double) step[0], &worst);

  printf ("%s %-24s %s: at most %.6f of what is allowed%s%s\n",
      ok ? "ok  " : "FAIL", file, dcnn_cpu_kernels ()->isa,
      n != 1 ? NAN : step[0] > 0 ? worst / (double) step[0] : worst, error ? ": " : "",
      error ? error->message : "");
  return ok;
}

static int
check_level (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  int failed = 0, count = 0;

  setvbuf (stdout, NULL, _IOLBF, 0);
  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".onnx")) {
      failed += !check_net (folder, name);
      count++;
    }
  return failed > 0 || count == 0;
}

static gboolean
run_level (const char *self, const char *isa, const char *folder)
{
  const char *argv[] = { self, "--level", folder, NULL };
  g_auto (GStrv) environment = g_environ_setenv (g_get_environ (),
      "DELTACNN_ISA", isa, TRUE);
  int status = 1;

  fflush (stdout);
  return g_spawn_sync (NULL, (char **) argv, environment,
      G_SPAWN_DEFAULT | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL,
      &status, NULL) && status == 0;
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  gboolean ok;

  if (argc == 3 && strcmp (argv[1], "--level") == 0)
    return check_level (argv[2]);
  if (!ort_available ("onnx")) {
    printf ("SKIP: %s has no onnx or onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  ok = folder && ort_run ((const char *const[]) { ort_python (),
          MAKE_QUANTISED_NETS, folder, NULL });
  for (guint i = 0; ok && dcnn_cpu_kernels_at (i); i++)
    ok &= run_level (argv[0], dcnn_cpu_kernels_at (i)->isa, folder);
  if (folder) {
    ort_clear_folder (folder);
    g_rmdir (folder);
  }
  return !ok;
}
