/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_prepare.c - a plan as the processor wants it: each operator packed for its
 * kernels, and steps and normalisations by position in a pixel, which
 * PlanMap.position says of each logical channel.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

/* ---- steps and normalisations -------------------------------------------------- */

static void
pack_vectors (CpuNode *packed, const PlanNode *node, const PlanMap *out)
{
  for (gint s = 0; s < node->n_steps; s++) {
    const float *from = node->steps[s].vector;
    if (from == NULL)
      continue;
    packed->vectors[s] = g_new0 (float, out->span + 2 * DCNN_LANES);
    for (guint i = 0; i < out->span && node->steps[s].kind == DCNN_STEP_DIV;
        i++)
      packed->vectors[s][i] = 1; /* holes: 0 / 1 */
    for (guint c = 0; c < out->channels; c++)
      packed->vectors[s][plan_position (out, c)] = from[c];
  }
}

static void
pack_norm (CpuNode *packed, const PlanNorm *norm, const PlanMap *in)
{
  guint n = dcnn_padded (in->span);

  packed->group = g_new (guint32, n);
  packed->scale = g_new0 (float, n);
  packed->bias = g_new0 (float, n);
  memset (packed->group, 0xff, sizeof (guint32) * n);
  for (guint c = 0; c < in->channels; c++) {
    guint32 at = plan_position (in, c);
    packed->group[at] = c / norm->group_channels;
    packed->scale[at] = norm->scale[c];
    packed->bias[at] = norm->bias[c];
  }
}

/* ---- a model --------------------------------------------------------------------- */

gpointer
dcnn_cpu_weights_new (const DcnnPlan *plan, gint index, GError **error)
{
  CpuWeights *weights = g_new0 (CpuWeights, 1);

  weights->n_nodes = plan->nodes->len;
  weights->nodes = g_new0 (CpuNode, weights->n_nodes + 1);
  for (guint n = 0; n < weights->n_nodes; n++) {
    const PlanNode *node = plan_node (plan, n);
    CpuNode *packed = &weights->nodes[n];
    if (node->norm)
      pack_norm (packed, node->norm, plan_map (plan, node->in));
    if (node->kind == PLAN_KERNEL)
      pack_vectors (packed, node, plan_map (plan, node->out));
    if ((node->kind == PLAN_KERNEL && !dcnn_cpu_pack (plan, node, packed)) ||
        (node->kind == PLAN_TAIL && !dcnn_tail_pack (plan, node, packed))) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
          "out of memory while packing the weights of '%s'", node->name);
      dcnn_cpu_weights_free (weights);
      return NULL;
    }
  }
  return weights;
}

void
dcnn_cpu_weights_free (gpointer data)
{
  CpuWeights *weights = data;

  for (guint n = 0; n < weights->n_nodes; n++) {
    CpuNode *packed = &weights->nodes[n];
    dcnn_prepared_free (packed->prepared);
    dcnn_prepared_free (packed->bytes);
    g_free (packed->table);
    for (guint s = 0; s < DCNN_MAX_STEPS; s++)
      g_free (packed->vectors[s]);
    g_free (packed->group);
    g_free (packed->scale);
    g_free (packed->bias);
    free (packed->panels);
  }
  g_free (weights->nodes);
  g_free (weights);
}
