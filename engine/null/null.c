/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * null.c - computes nothing, and fails when it is told to: the
 * environment variable DELTACNN_NULL_FAIL is "ENTRY:N" for the n-th call, from
 * 1, of that entry since the variable was set so.
 */
#include "dcnn_engine.h"

#include <string.h>

typedef struct NullOutput {
  DcnnTensor tensor;       /* zeros, owned */
  guint64 *words;          /* of the mask; NULL: no map */
} NullOutput;

typedef struct NullState {
  guint n_outputs;
  NullOutput *outputs;     /* [streams][n_outputs] */
  gsize bytes;
} NullState;

static GMutex lock;
static char *plan_of_failure;
static guint calls;
static gint live;

gint
dcnn_backend_null_live (void)
{
  return g_atomic_int_get (&live);
}

/* Is this the call that fails? */
static gboolean
passes (const char *entry, GError **error)
{
  const char *text = g_getenv ("DELTACNN_NULL_FAIL");
  gsize length = strlen (entry);
  gboolean fails = FALSE;

  g_mutex_lock (&lock);
  if (g_strcmp0 (text, plan_of_failure) != 0) {
    g_free (plan_of_failure);
    plan_of_failure = g_strdup (text);
    calls = 0;
  }
  if (text && strncmp (text, entry, length) == 0 && text[length] == ':')
    fails = ++calls == g_ascii_strtoull (text + length + 1, NULL, 10);
  g_mutex_unlock (&lock);
  if (fails)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "the null device failed in %s, as DELTACNN_NULL_FAIL says", entry);
  return !fails;
}

static gboolean
null_available (gint index, GError **error)
{
  return passes ("available", error);
}

static gboolean
null_accepts (const DcnnPlan *plan, const DcnnSessionOptions *options,
    GError **error)
{
  return passes ("accepts", error);
}

/* It holds no maps: a granule of one. */
static PlanLayout
null_layout (DcnnPrecision precision)
{
  return (PlanLayout) { .pixel = 1, .slice = 1, .view = 1 };
}

static gpointer
null_model_new (const DcnnPlan *plan, gint index, GError **error)
{
  if (!passes ("model_new", error))
    return NULL;
  g_atomic_int_inc (&live);
  return g_malloc0 (1);
}

static void
null_model_free (gpointer weights)
{
  g_free (weights);
  g_atomic_int_add (&live, -1);
}

static gboolean
make_output (DcnnSession *session, DcnnOutput *out, NullOutput *own, guint i,
    GError **error)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->outputs, DcnnValueId, i);
  const DcnnValue *value = dcnn_graph_value (plan->graph, id);
  gint map = plan->values[id].map;

  own->tensor = value->tensor;
  own->tensor.data = NULL;
  if (!dcnn_tensor_alloc (&own->tensor, error))
    return FALSE;
  out->name = value->name;
  out->tensor = own->tensor;
  if (map >= 0 && plan_map (plan, map)->mask >= 0) {
    guint width = plan_map (plan, map)->width;
    guint height = plan_map (plan, map)->height;
    own->words = g_new0 (guint64, dcnn_mask_words (width, height));
    dcnn_mask_init (&out->updated, width, height, own->words);
    out->is_map = TRUE;
  }
  return TRUE;
}

static gboolean
null_session_new (DcnnSession *session, GError **error)
{
  NullState *state = g_new0 (NullState, 1);
  guint n = session->plan->graph->outputs->len;
  gboolean ok = TRUE;

  session->state = state;
  g_atomic_int_inc (&live);
  state->n_outputs = n;
  state->outputs = g_new0 (NullOutput, (gsize) n * session->n_streams);
  for (guint s = 0; s < session->n_streams; s++) {
    session->streams[s].outputs = g_new0 (DcnnOutput, n);
    for (guint i = 0; i < n && ok; i++) {
      NullOutput *own = &state->outputs[s * n + i];
      ok = make_output (session, &session->streams[s].outputs[i], own, i,
          error);
      state->bytes += (gsize) dcnn_tensor_count (&own->tensor) *
          dcnn_dtype_bytes (own->tensor.dtype);
    }
  }
  return ok && passes ("session_new", error);
}

static void
null_session_free (DcnnSession *session)
{
  NullState *state = session->state;

  if (state == NULL)
    return;
  for (guint i = 0; i < state->n_outputs * session->n_streams; i++) {
    dcnn_tensor_free (&state->outputs[i].tensor);
    g_free (state->outputs[i].words);
  }
  for (guint s = 0; s < session->n_streams; s++)
    g_free (session->streams[s].outputs);
  g_free (state->outputs);
  g_free (state);
  session->state = NULL;
  g_atomic_int_add (&live, -1);
}

static gsize
null_session_bytes (const DcnnSession *session)
{
  return ((const NullState *) session->state)->bytes;
}

static void
null_retune (DcnnSession *session, const DcnnTuning *before)
{
}

static gboolean
null_run (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  for (guint i = 0; i < n; i++)
    session->streams[frames[i].stream].stats.macs_dense = session->plan->macs;
  return passes ("run", error);
}

static gboolean
null_wait (DcnnSession *session, guint stream, guint wants, GError **error)
{
  return passes ("wait", error);
}

static void
null_reset (DcnnSession *session, guint stream)
{
}

const DcnnBackend dcnn_backend_null = {
  .name = "null",
  .available = null_available,
  .accepts = null_accepts,
  .layout = null_layout,
  .keeps_states = TRUE,
  .model_new = null_model_new,
  .model_free = null_model_free,
  .session_new = null_session_new,
  .session_free = null_session_free,
  .session_bytes = null_session_bytes,
  .retune = null_retune,
  .run = null_run,
  .wait = null_wait,
  .reset = null_reset,
};
