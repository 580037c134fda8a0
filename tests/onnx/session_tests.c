/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * session_tests.c - ONNX's node tests through real sessions, at threshold 0:
 * the first push gives the test's outputs; a push with a few elements changed
 * gives the bits of a fresh session on that input; a push of the first input
 * again gives the first bits.
 *
 *   session_tests [NAME]
 *
 * Runs every test with its inputs as inputs, once more with all but the first
 * as constants, as weights of a model are, and a third time, where that can
 * be, with the first as a map, an image at a time.
 */
#include <stdio.h>
#include <string.h>

#include "deltacnn/session.h"
#include "node_harness.h"
#include "ref_util.h"

#define CHANGES 3

typedef struct Counts {
  int map_nodes;   /* tests of which a node ran on maps */
  int tails;       /* tests that are dense tails only */
  int unchangeable;/* tests without a float input to change */
} Counts;

static DcnnSession *
new_session (DcnnModel *model, GError **error)
{
  DcnnSessionOptions options;

  dcnn_session_options_init (&options);
  options.threads = 1;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.settle = FALSE;
  return dcnn_session_new (model, &options, error);
}

static gsize
bytes_of (const DcnnTensor *t)
{
  return (gsize) dcnn_tensor_count (t) * dcnn_dtype_bytes (t->dtype);
}

static gboolean
copy_tensor (const DcnnTensor *from, DcnnTensor *to, GError **error)
{
  *to = *from;
  to->data = NULL;
  if (!dcnn_tensor_alloc (to, error))
    return FALSE;
  if (bytes_of (from) > 0)
    memcpy (to->data, from->data, bytes_of (from));
  return TRUE;
}

/* A copy in the element type that the model takes: pictures of integers are
 * float32 there. */
static gboolean
copy_input (const DcnnTensor *from, const DcnnTensor *want, DcnnTensor *to,
    GError **error)
{
  if (from->dtype == want->dtype)
    return copy_tensor (from, to, error);
  *to = *from;
  to->dtype = want->dtype;
  to->data = NULL;
  if (!dcnn_tensor_alloc (to, error))
    return FALSE;
  for (gint64 i = 0, n = dcnn_tensor_count (to); i < n; i++)
    dcnn_ref_set (to, i, dcnn_ref_get (from, i));
  return TRUE;
}

/* A few elements become what others are, so that they stay in the operator's
 * domain. FALSE: nothing to change. */
static gboolean
change_elements (DcnnTensor *t)
{
  gint64 n = dcnn_tensor_count (t);
  gfloat *data = t->data;

  if (t->dtype != DCNN_DTYPE_F32 || n == 0)
    return FALSE;
  for (gint64 k = 0; k < CHANGES; k++) {
    gint64 at = k * (n - 1) / CHANGES, from = (at * 7 + 3) % n;
    data[at] = data[from] != data[at] ? data[from] : data[at] * 0.75f;
  }
  return TRUE;
}

/* Whether both sessions' outputs have the same bits; else error is set. */
static gboolean
same_outputs (DcnnModel *model, DcnnSession *have, DcnnSession *want,
    const char *when, GError **error)
{
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnTensor *a = &dcnn_session_get_output (have, 0, i)->tensor;
    const DcnnTensor *b = &dcnn_session_get_output (want, 0, i)->tensor;
    const guint8 *p = a->data, *q = b->data;
    gsize size = dcnn_dtype_bytes (a->dtype), n = bytes_of (a);
    for (gsize k = 0; k < n; k++)
      if (p[k] != q[k]) {
        g_autofree char *plan = dcnn_model_dump_plan (model);
        g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID, "output %u, "
            "element %" G_GSIZE_FORMAT ": not the dense result %s\n%s", i,
            k / size, when, plan);
        return FALSE;
      }
  }
  return TRUE;
}

static void
count_plan (DcnnModel *model, Counts *counts)
{
  DcnnModelSummary summary;
  gboolean on_maps = FALSE;

  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    on_maps |= info.width > 0 && strcmp (info.kernel, "import") != 0;
  }
  counts->map_nodes += on_maps;
  counts->tails += !on_maps;
}

static gboolean
push (DcnnSession *session, const DcnnTensor *inputs, GError **error)
{
  return dcnn_session_push_tensors (session, 0, inputs, 0, NULL, error);
}

/* The second and third push, against sessions that have seen nothing else. */
static gboolean
check_changes (DcnnModel *model, DcnnSession *session,
    const DcnnTensor *inputs, DcnnTensor *changed, Counts *counts,
    GError **error)
{
  g_autoptr (DcnnSession) fresh = new_session (model, error);
  g_autoptr (DcnnSession) first = new_session (model, error);
  DcnnModelSummary summary;
  gboolean any = FALSE;

  if (fresh == NULL || first == NULL)
    return FALSE;
  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_inputs; i++)
    any |= change_elements (&changed[i]);
  counts->unchangeable += !any;
  return push (session, changed, error) && push (fresh, changed, error) &&
      same_outputs (model, session, fresh, "after a change", error) &&
      push (session, inputs, error) && push (first, inputs, error) &&
      same_outputs (model, session, first, "after the change was undone",
      error);
}

static gboolean
take_outputs (DcnnModel *model, DcnnSession *session, DcnnTensor *outputs,
    GError **error)
{
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++)
    if (!copy_tensor (&dcnn_session_get_output (session, 0, i)->tensor,
            &outputs[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
run_session (DcnnGraph **graph, const DcnnTensor *inputs, DcnnTensor *outputs,
    gpointer data, GError **error)
{
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  g_autofree DcnnTensor *given = NULL, *changed = NULL;
  guint n = (*graph)->inputs->len;
  gboolean ok = TRUE;

  if (n == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
        "nothing is left to run: everything was constant");
    return FALSE;
  }
  model = dcnn_model_new (g_steal_pointer (graph), error);
  session = model ? new_session (model, error) : NULL;
  if (session == NULL)
    return FALSE;
  given = g_new0 (DcnnTensor, n);
  changed = g_new0 (DcnnTensor, n);
  for (guint i = 0; ok && i < n; i++)
    ok = copy_input (&inputs[i], dcnn_model_input (model, i), &given[i], error)
        && copy_tensor (&given[i], &changed[i], error);
  ok = ok && push (session, given, error) &&
      take_outputs (model, session, outputs, error) &&
      check_changes (model, session, given, changed, data, error);
  for (guint i = 0; i < n; i++) {
    dcnn_tensor_free (&given[i]);
    dcnn_tensor_free (&changed[i]);
  }
  if (ok)
    count_plan (model, data);
  return ok;
}

static int
run_form (int argc, char **argv, NodeForm form, const char *title, int minimum)
{
  Counts counts = { 0 };
  int status;

  printf ("%s\n", title);
  status = node_tests_run (argc, argv, form, run_session, &counts, minimum);
  if (status != 77)
    printf ("%d on maps, %d as dense tails; %d without a float input to "
        "change\n", counts.map_nodes, counts.tails, counts.unchangeable);
  return status;
}

int
main (int argc, char **argv)
{
  int open = run_form (argc, argv, NODE_FORM_OPEN, "-- inputs as inputs", 750);
  int model = run_form (argc, argv, NODE_FORM_MODEL,
      "-- all but the first input constant", 350);
  int maps = run_form (argc, argv, NODE_FORM_MAPS,
      "-- the same, the first input as maps [1,C,H,W]", 230);

  return open ? open : model ? model : maps;
}
