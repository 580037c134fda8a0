/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_memory.c - whether the machine can hold a session, asked before anything
 * of it is taken: Linux promises more memory than there is, and ends a process
 * that touches it.
 */
#include "cpu.h"

#include <sys/sysinfo.h>

#define MIB 1048576.0

/* What a node keeps of a stream's memory: its map, or its tensors. */
static gsize
kept_bytes (const DcnnSession *session, gint n)
{
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, n);
  gsize bytes = 0;

  if (node->out >= 0 && !dcnn_plan_inside (plan, n, session->plan_blocks)) {
    const PlanMap *map = plan_map (plan, node->out);

    bytes = (gsize) map->width * map->height * dcnn_padded (map->span) *
        (map->bytes && session->on_bytes ? 1 : sizeof (float));
  } else if (node->kind == PLAN_GATHER) {
    bytes = (gsize) dcnn_tensor_bytes (&dcnn_graph_value (plan->graph,
            node->value)->tensor);
  } else if (node->kind == PLAN_TAIL) {
    const DcnnNode *tail = dcnn_graph_node (plan->graph,
        (guint) node->graph_node);

    for (int i = 0; i < tail->n_outputs; i++)
      bytes += (gsize) dcnn_tensor_bytes (&dcnn_graph_value (plan->graph,
              tail->outputs[i])->tensor);
  }
  return bytes;
}

/* In RAM and swap; 0: not known. */
static gsize
machine_bytes (void)
{
  struct sysinfo info;

  if (sysinfo (&info) != 0)
    return 0;
  return ((gsize) info.totalram + info.totalswap) * info.mem_unit;
}

void
dcnn_session_no_memory (const DcnnSession *session, GError **error)
{
  const gsize stream = dcnn_stream_bytes (session->plan, session->plan_blocks,
      session->on_bytes);
  g_autoptr (GString) text = g_string_new (NULL);
  gsize most = 0;
  gint node = -1;

  for (gint n = 0; n < (gint) session->plan->nodes->len; n++)
    if (kept_bytes (session, n) > most) {
      most = kept_bytes (session, n);
      node = n;
    }
  g_string_printf (text, "out of memory: %u stream%s of %.1f MiB, on a "
      "machine that has %.1f MiB", session->n_streams,
      session->n_streams > 1 ? "s" : "", stream / MIB, machine_bytes () / MIB);
  if (node >= 0)
    g_string_append_printf (text, "; node '%s' (%s) keeps the most, %.1f MiB",
        plan_node (session->plan, node)->name,
        plan_node (session->plan, node)->ops->str, most / MIB);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
      "%s; use a smaller input size%s", text->str,
      session->n_streams > 1 ? " or fewer streams" : "");
}

gboolean
dcnn_session_fits (const DcnnSession *session, GError **error)
{
  const gsize stream = dcnn_stream_bytes (session->plan, session->plan_blocks,
      session->on_bytes);
  const gsize machine = machine_bytes ();

  if (session->maps_elsewhere || machine == 0
      || stream <= machine / session->n_streams)
    return TRUE;
  dcnn_session_no_memory (session, error);
  return FALSE;
}
