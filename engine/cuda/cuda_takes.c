/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_takes.c - gates that are taken as they are now when their reader has as good
 * as all of its map to compute anyway (policy/dense_rule.h).
 *
 * Before such a gate is judged somebody counts what its reader has to compute
 * whatever becomes of the gate: the candidates from all else that it reads, by a list
 * that nobody walks. Where these are enough, the gate is a candidate, and joins if it
 * differs at all. So a gate waits for what its reader waits for. Of several gates of
 * one reader each is counted with those ahead of it.
 */
#include "cuda.h"

#include "policy/dense_rule.h"

gint
dcnn_cuda_taker (const DcnnPlan *plan, guint gate)
{
  const PlanNode *node = plan_node (plan, (gint) gate);
  const PlanMap *map = node->out < 0 ? NULL : plan_map (plan, node->out);

  if (!node->is_gate || map->readers != 1 || map->mask < 0 ||
      (node->kind != PLAN_KERNEL && node->kind != PLAN_GLOBAL) ||
      (node->kind == PLAN_GLOBAL && /* no room for one source more */
          plan_count_masks (plan, node->in) >= DCNN_CUDA_MAX_SOURCES))
    return -1;
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *by = plan_node (plan, (gint) n);
    const PlanMap *out = by->out < 0 ? NULL : plan_map (plan, by->out);
    for (gint s = 0; s < by->n_steps; s++)
      if (by->steps[s].map == node->out && by->kind == PLAN_KERNEL &&
          by->steps[s].operand == DCNN_OPERAND_VECTOR &&
          out->width * out->height > 1)
        return (gint) n;
  }
  return -1;
}

GArray *
dcnn_cuda_terms_but_gate (const DcnnPlan *plan, guint gate, gint reader)
{
  const GArray *all = plan_node (plan, reader)->terms;
  GArray *terms = g_array_new (FALSE, FALSE, sizeof (PlanTerm));

  for (guint i = 0; i < all->len; i++) {
    const PlanTerm *t = &g_array_index (all, PlanTerm, i);
    gboolean later = FALSE;
    for (guint n = gate; n < plan->nodes->len; n++)
      later |= cuda_is_made_by (plan, t->map, n) &&
          dcnn_cuda_taker (plan, n) == reader;
    if (!later)
      g_array_append_val (terms, *t);
  }
  return terms;
}

cudaError_t
dcnn_cuda_launch_take (const DcnnSession *session, const CudaMerge *merge,
    DcnnCudaQueue queue)
{
  const CudaState *state = cuda_state (session);
  DcnnCudaTake t = { .candidates = merge->list.passed,
    .words = merge->list.words, .streams = state->streams,
    .from = (guint32) dcnn_dense_rule_least ((gsize) merge->list.width *
        merge->list.height),
    .judges = state->judges + merge->gate,
    .judge_stride = session->plan->nodes->len, .taken = merge->taken,
    .judge = merge->judge };

  queue.overlaps = TRUE;
  return dcnn_cuda_take_gate (&t, session->n_streams, queue);
}
