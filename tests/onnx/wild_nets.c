/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wild_nets.c - plan and kernels against ONNX Runtime on whole random nets
 * (make_wild_nets.py): every net runs in sessions on every level of the
 * instruction set, frames each of which changes a part; and once on sim, also in
 * halves, whose maps and views lie otherwise.
 *
 *   wild_nets [FIRST COUNT]    default: 300 nets (100 in a quick run)
 *   wild_nets 0 40000          the long run: about 15 ms a net
 *
 * DELTACNN_ISA is read once, so each level is a process of its own:
 *   wild_nets --level FOLDER FIRST COUNT
 *
 * Exit status 77 when $DELTACNN_PYTHON (python3) has no onnx or onnxruntime.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "against_ort.h"
#include "dcnn_kernels.h"
#include "deltacnn/session.h"
#include "ref_util.h"

#define FRAMES 3
#define MOST_INPUTS 4
#define BATCH 500          /* nets on disk at a time */
#define TOLERANCE 1e-4     /* of the largest value */
#define TIMES_NOISE 30     /* or of how far the net's own rounding moves it */
#define OF_HALVES .25      /* what lies in a wrong place is off by about 1 */

/* The frames as they are pushed: one stays, and the first one comes back. */
static const guint order[] = { 0, 1, 1, 2, 0 };

/* The ways to run a session that have code of their own. */
static const struct {
  const char *name;
  DcnnMode mode;
  guint threads;
  gboolean store_all;
  gboolean sim, halves;
} ways[] = {
  { "sparse", DCNN_MODE_SPARSE, 1, FALSE, FALSE, FALSE },
  { "auto, two threads", DCNN_MODE_AUTO, 2, TRUE, FALSE, FALSE },
  { "dense", DCNN_MODE_DENSE, 1, FALSE, FALSE, FALSE },
  { "sparse, sim", DCNN_MODE_SPARSE, 1, FALSE, TRUE, FALSE },
  { "sparse, sim, halves", DCNN_MODE_SPARSE, 1, FALSE, TRUE, TRUE },
};

static float *
read_floats (const char *folder, guint seed, const char *what, gsize *n)
{
  g_autofree char *path = g_strdup_printf ("%s/%u.%s", folder, seed, what);
  char *bytes = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &bytes, &length, NULL))
    return NULL;
  *n = length / sizeof (float);
  return (float *) (gpointer) bytes;
}

/* How far an output is off, relative to its largest value; NaN counts. */
static double
difference (const DcnnTensor *have, const float *want, gsize n)
{
  double worst = 0, top = 0;

  if ((gsize) dcnn_tensor_count (have) != n)
    return INFINITY;
  for (gsize i = 0; i < n; i++) {
    double v = dcnn_ref_get (have, (gint64) i), d = fabs (v - (double) want[i]);
    worst = d > worst ? d : worst;
    if (!isfinite (v))
      return INFINITY;
    top = MAX (top, fabs ((double) want[i]));
  }
  return top > 0 ? worst / top : worst;
}

static gboolean
check_frame (DcnnSession *session, DcnnModel *model, const char *folder,
    guint seed, guint frame, guint way)
{
  DcnnModelSummary summary;
  gsize n = 0;
  g_autofree float *noise = read_floats (folder, seed, "noise", &n);
  gboolean ok = noise != NULL;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs && ok; i++) {
    g_autofree char *what = g_strdup_printf ("out%u.%u", frame, i);
    g_autofree float *want = read_floats (folder, seed, what, &n);
    double allowed = MAX (TOLERANCE, TIMES_NOISE *
        (double) noise[frame * summary.n_outputs + i]);
    double limit = ways[way].halves ? MAX (OF_HALVES, 500 * allowed) : allowed;
    double d = want ? difference (
        &dcnn_session_get_output (session, 0, i)->tensor, want, n) : INFINITY;
    if (d <= limit)
      continue;
    printf ("FAIL net %u, %s, %s, frame %u, output %u: off by %.2g of its "
        "largest value (allowed: %.2g)\n", seed, dcnn_cpu_kernels ()->isa,
        ways[way].name, frame, i, d, limit);
    ok = FALSE;
  }
  return ok;
}

static gboolean
check_way (DcnnModel *model, const char *folder, guint seed, guint w,
    DcnnTensor frames[FRAMES][MOST_INPUTS])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  gboolean ok = TRUE;

  dcnn_session_options_init (&options);
  options.device = ways[w].sim ? "sim" : "cpu";
  options.precision =
      ways[w].halves ? DCNN_PRECISION_F16 : DCNN_PRECISION_F32;
  options.threads = ways[w].threads;
  options.store_all = ways[w].store_all;
  options.tuning = (DcnnTuning) { .mode = ways[w].mode };
  session = dcnn_session_new (model, &options, &error);
  for (guint k = 0; k < G_N_ELEMENTS (order) && session && ok; k++) {
    const guint f = order[k];
    ok = dcnn_session_push_tensors (session, 0, frames[f], 0, NULL, &error) &&
        check_frame (session, model, folder, seed, f, w);
  }
  if (error)
    printf ("FAIL net %u, %s: %s\n", seed, ways[w].name, error->message);
  return ok && !error;
}

/* The inputs of a frame, of whatever type; FALSE: they are no such net's. */
static gboolean
read_inputs (const char *folder, guint seed, guint frame, DcnnModel *model,
    DcnnTensor *inputs)
{
  DcnnModelSummary summary;
  gboolean ok = TRUE;
  gsize n;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_inputs && ok; i++) {
    g_autofree char *what = g_strdup_printf ("in%u.%u", frame, i);
    g_autofree float *values =
        i < MOST_INPUTS ? read_floats (folder, seed, what, &n) : NULL;
    ok = values && n == (gsize) dcnn_tensor_count (dcnn_model_input (model, i));
    if (!ok)
      break;
    inputs[i] = *dcnn_model_input (model, i);
    ok = dcnn_tensor_alloc (&inputs[i], NULL);
    for (gsize k = 0; k < n && ok; k++)
      dcnn_ref_set (&inputs[i], (gint64) k, (double) values[k]);
  }
  if (!ok)
    printf ("FAIL net %u: its inputs are not those of the file\n", seed);
  return ok;
}

/* Whether a rounding may turn a choice. */
static gboolean
chooses (const DcnnGraph *graph)
{
  for (guint n = 0; graph && n < graph->nodes->len; n++)
    if (dcnn_graph_node (graph, (int) n)->op == DCNN_OP_ARG_MAX)
      return TRUE;
  return FALSE;
}

static gboolean
check_net (const char *folder, guint seed)
{
  g_autofree char *path = g_strdup_printf ("%s/%u.onnx", folder, seed);
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = dcnn_onnx_load_file (path, NULL, &error);
  gboolean may_turn = chooses (graph);
  gboolean last_level = strcmp (dcnn_cpu_kernels ()->isa, "c") == 0;
  g_autoptr (DcnnModel) model = graph ? dcnn_model_new (graph, &error) : NULL;
  DcnnTensor frames[FRAMES][MOST_INPUTS] = { { { 0 } } };
  gboolean ok = model != NULL;

  if (error)
    printf ("FAIL net %u: %s\n", seed, error->message);
  for (guint f = 0; f < FRAMES && ok; f++)
    ok = read_inputs (folder, seed, f, model, frames[f]);
  for (guint w = 0; w < G_N_ELEMENTS (ways) && ok; w++)
    if ((!ways[w].sim || last_level) && (!ways[w].halves || !may_turn))
      ok = check_way (model, folder, seed, w, frames);
  for (guint f = 0; f < FRAMES; f++)
    for (guint i = 0; i < MOST_INPUTS; i++)
      dcnn_tensor_free (&frames[f][i]);
  return ok;
}

static int
check_level (const char *folder, guint first, guint count)
{
  guint failed = 0;

  setvbuf (stdout, NULL, _IOLBF, 0);
  for (guint seed = first; seed < first + count; seed++)
    failed += !check_net (folder, seed);
  return failed > 0;
}

/* ---- batches ------------------------------------------------------------------ */

static gboolean
run_level (const char *self, const char *isa, const char *folder, guint first,
    guint count)
{
  g_autofree char *from = g_strdup_printf ("%u", first);
  g_autofree char *many = g_strdup_printf ("%u", count);
  const char *argv[] = { self, "--level", folder, from, many, NULL };
  g_auto (GStrv) environment = g_environ_setenv (g_get_environ (),
      "DELTACNN_ISA", isa, TRUE);
  int status = 1;

  if (!g_spawn_sync (NULL, (char **) argv, environment,
          G_SPAWN_DEFAULT | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
          NULL, &status, NULL) || status != 0)
    printf ("FAIL level %s, nets %u to %u; rerun: %s %u %u\n", isa, first,
        first + count - 1, self, first, count);
  fflush (stdout);
  return status == 0;
}

static gboolean
check_batch (const char *self, const char *folder, guint first, guint count)
{
  g_autofree char *from = g_strdup_printf ("%u", first);
  g_autofree char *many = g_strdup_printf ("%u", count);
  const char *arguments[] = { ort_python (), MAKE_WILD_NETS, folder, from,
    many, NULL };
  gboolean ok = ort_run (arguments);

  for (guint i = 0; ok && dcnn_cpu_kernels_at (i); i++)
    ok &= run_level (self, dcnn_cpu_kernels_at (i)->isa, folder, first, count);
  ort_clear_folder (folder);
  return ok;
}

int
main (int argc, char **argv)
{
  gboolean quick = g_strcmp0 (g_getenv ("DELTACNN_TEST_QUICK"), "1") == 0;
  guint first = argc > 1 ? (guint) atoi (argv[1]) : 0;
  guint count = argc > 2 ? (guint) atoi (argv[2]) : quick ? 100 : 300;
  g_autofree char *folder = NULL;
  gboolean ok = TRUE;

  if (argc == 5 && strcmp (argv[1], "--level") == 0)
    return check_level (argv[2], (guint) atoi (argv[3]),
        (guint) atoi (argv[4]));
  if (!ort_available ("onnx")) {
    printf ("SKIP: %s has no onnx or onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  for (guint at = 0; folder && at < count; at += BATCH)
    ok &= check_batch (argv[0], folder, first + at, MIN (BATCH, count - at));
  if (folder)
    g_rmdir (folder);
  printf ("%u nets%s\n", count, ok && folder ? "" : ": FAILED");
  return !ok || !folder;
}
