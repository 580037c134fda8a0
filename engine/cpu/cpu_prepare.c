/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_prepare.c - a plan's operators packed for the processor's kernels: by
 * position in a pixel, which PlanMap.position says of each logical channel.
 */
#include "cpu.h"

#include <string.h>

#define NOWHERE UINT32_MAX

/* ---- one operator ----------------------------------------------------------- */

static DcnnPrepared *
pack_depthwise (const PlanOp *op, const PlanMap *in, gboolean bytes)
{
  gsize taps = (gsize) (op->conv.window.kernel[0] * op->conv.window.kernel[1]);
  g_autofree float *weights = g_try_new0 (float, in->span * taps);
  g_autofree float *bias = g_try_new0 (float, in->span);

  if (weights == NULL || bias == NULL)
    return NULL;
  for (guint c = 0; c < in->channels; c++) {
    guint at = plan_position (in, c);
    memcpy (weights + at * taps, op->weights + c * taps,
        taps * sizeof (float));
    bias[at] = op->bias ? op->bias[c] : 0;
  }
  if (bytes)
    return dcnn_k_bytes_depthwise_prepare (&op->conv, in->span, weights, bias,
        in->low);
  return dcnn_k_depthwise_prepare (&op->conv, in->span, weights, bias);
}

static DcnnPrepared *
pack_copy (const PlanOp *op, const PlanMap *in, const PlanMap *out)
{
  g_autofree guint32 *source = NULL;

  if (op->source == NULL && plan_same_layout (in, out))
    return dcnn_k_copy_prepare (out->span, NULL, 0);
  source = g_new (guint32, out->span);
  memset (source, 0xff, sizeof *source * out->span);
  for (guint c = 0; c < out->channels; c++)
    source[plan_position (out, c)] =
        plan_position (in, op->source ? op->source[c] : c);
  return dcnn_k_copy_prepare (out->span, source, 0);
}

static DcnnPrepared *
pack_conv (DcnnPrimary primary, const PlanOp *op, const PlanMap *in)
{
  switch (primary) {
    case DCNN_PRIMARY_CONV:
      return dcnn_k_conv_prepare (&op->conv, op->out_channels,
          op->in_channels, in->span, in->position, op->weights, op->bias);
    case DCNN_PRIMARY_GROUP_CONV:
      return dcnn_k_group_conv_prepare (&op->conv, op->out_channels,
          op->in_channels, op->weights, op->bias);
    case DCNN_PRIMARY_DEPTHWISE:
      return pack_depthwise (op, in, FALSE);
    default:
      return dcnn_k_conv_transpose_prepare (&op->conv, op->out_channels,
          op->in_channels, in->span, in->position, op->weights, op->bias);
  }
}

static DcnnPrepared *
pack_resize (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  const PlanOp *op = &node->op;

  if (node->primary == DCNN_PRIMARY_RESAMPLE)
    return dcnn_k_resample_prepare (in->span, out->height, node->index_y,
        out->width, node->index_x, op->fill);
  return dcnn_k_resize_prepare (in->span, out->height, node->taps_y,
      node->index_y, op->weight_y, out->width, node->taps_x, node->index_x,
      op->weight_x);
}

static DcnnPrepared *
pack_node (const DcnnPlan *plan, const PlanNode *node)
{
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);
  const PlanOp *op = &node->op;
  DcnnDepthParams depth = { .block = op->block, .crd = op->crd };

  switch (node->primary) {
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      return dcnn_k_pool_prepare (&op->pool, in->span);
    case DCNN_PRIMARY_COPY:
      return pack_copy (op, in, out);
    case DCNN_PRIMARY_RESAMPLE:
    case DCNN_PRIMARY_RESIZE:
      return pack_resize (node, in, out);
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
      return dcnn_k_space_to_depth_prepare (op->block, op->in_channels);
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      return dcnn_k_depth_to_space_prepare (&depth, op->out_channels);
    case DCNN_PRIMARY_SOFTMAX:
      return dcnn_k_softmax_prepare (op->in_channels, op->log_form);
    case DCNN_PRIMARY_ARG_MAX:
      return dcnn_k_arg_max_prepare (op->in_channels, op->select_last);
    case DCNN_PRIMARY_CHANNEL_REDUCE:
      return dcnn_k_channel_reduce_prepare (op->in_channels, op->reduce);
    case DCNN_PRIMARY_LAYER_NORM:
      return dcnn_k_layer_norm_prepare (op->in_channels, op->epsilon,
          op->scale, op->bias);
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_DEPTHWISE:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
    case DCNN_PRIMARY_COUNT:
      break;
  }
  return pack_conv (node->primary, op, in);
}

/* ---- maps of bytes ---------------------------------------------------------- */

/* How many of the leading steps a table can stand for: those that look at
 * nothing but the byte itself. */
static guint
tabled_steps (const DcnnPlan *plan, const PlanNode *node)
{
  const PlanMap *in = plan_map (plan, node->in);
  gboolean same = node->primary == DCNN_PRIMARY_COPY &&
      node->op.source == NULL &&
      plan_same_layout (in, plan_map (plan, node->out));
  gint s = 0;

  for (; s < node->n_steps; s++) {
    const PlanStep *step = &node->steps[s];
    if (step->operand != DCNN_OPERAND_NONE &&
        step->operand != DCNN_OPERAND_SCALAR &&
        !(same && step->operand == DCNN_OPERAND_MAP && step->map == node->in))
      break;
  }
  return (guint) s;
}

static void
make_table (CpuNode *packed, const DcnnPlan *plan, const PlanNode *node)
{
  DcnnStep steps[DCNN_MAX_STEPS] = { 0 };
  guint n = tabled_steps (plan, node);
  const PlanMap *out = plan_map (plan, node->out);

  if (n == 0 && (node->n_steps > 0 || !out->bytes))
    return;
  for (guint s = 0; s < n; s++) {
    steps[s].kind = node->steps[s].kind;
    steps[s].operand = node->steps[s].operand;
    steps[s].a = node->steps[s].a;
    steps[s].b = node->steps[s].b;
  }
  packed->table = g_new0 (DcnnBytesTable, 1);
  dcnn_bytes_table_fill (packed->table, dcnn_cpu_kernels (), steps,
      (guint) node->n_steps, n, plan_map (plan, node->in)->low, out->low);
}

/* What a node whose in map is of bytes needs besides or instead. FALSE: out of
 * memory. */
static gboolean
pack_bytes (CpuNode *packed, const DcnnPlan *plan, const PlanNode *node)
{
  const PlanMap *in = plan_map (plan, node->in);
  const PlanOp *op = &node->op;

  if (!in->bytes)
    return TRUE;
  if (node->primary == DCNN_PRIMARY_CONV)
    packed->bytes = dcnn_k_bytes_conv_prepare (&op->conv, op->out_channels,
        op->in_channels, in->span, in->position, op->weights, op->bias,
        in->low);
  else if (node->primary == DCNN_PRIMARY_DEPTHWISE)
    packed->bytes = pack_depthwise (op, in, TRUE);
  else if (node->primary != DCNN_PRIMARY_RESIZE &&
      node->primary != DCNN_PRIMARY_AVERAGE_POOL)
    make_table (packed, plan, node);
  return packed->bytes || packed->table ||
      (node->primary != DCNN_PRIMARY_CONV &&
      node->primary != DCNN_PRIMARY_DEPTHWISE);
}

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
    if (node->kind != PLAN_KERNEL)
      continue;
    pack_vectors (packed, node, plan_map (plan, node->out));
    packed->prepared = pack_node (plan, node);
    if (packed->prepared == NULL || !pack_bytes (packed, plan, node)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
          "out of memory while packing the weights of '%s'", node->name);
      dcnn_cpu_weights_free (weights);
      return NULL;
    }
    weights->bytes += dcnn_prepared_bytes (packed->prepared);
    if (packed->bytes)
      weights->bytes += dcnn_prepared_bytes (packed->bytes);
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
  }
  g_free (weights->nodes);
  g_free (weights);
}

gsize
dcnn_cpu_weights_bytes (gpointer weights)
{
  return ((const CpuWeights *) weights)->bytes;
}
