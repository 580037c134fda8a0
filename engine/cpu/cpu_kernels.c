/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_kernels.c - the list of the processor's kernels: which takes a node, and
 * what it makes of the node's operator, once a model.
 */
#include "cpu.h"

#include <string.h>

/* ---- on floats: a function for each line of DCNN_PRIMARIES -------------------- */

/* The weights and bias by position, zeros in holes. FALSE: no memory. */
static gboolean
place_depthwise (const PlanOp *op, const PlanMap *in, float **weights,
    float **bias)
{
  gsize taps = (gsize) (op->conv.window.kernel[0] * op->conv.window.kernel[1]);

  *weights = g_try_new0 (float, in->span * taps);
  *bias = g_try_new0 (float, in->span);
  if (*weights == NULL || *bias == NULL)
    return FALSE;
  for (guint c = 0; c < in->channels; c++) {
    guint at = plan_position (in, c);
    memcpy (*weights + at * taps, op->weights + c * taps,
        taps * sizeof (float));
    (*bias)[at] = op->bias ? op->bias[c] : 0;
  }
  return TRUE;
}

static DcnnPrepared *
pack_depthwise (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  g_autofree float *weights = NULL, *bias = NULL;

  return place_depthwise (&node->op, in, &weights, &bias) ?
      dcnn_k_depthwise_prepare (&node->op.conv, in->span, weights, bias) :
      NULL;
}

static DcnnPrepared *
pack_conv (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  const PlanOp *op = &node->op;

  return dcnn_k_conv_prepare (&op->conv, op->out_channels, op->in_channels,
      in->span, in->position, op->weights, op->bias);
}

static DcnnPrepared *
pack_group_conv (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  const PlanOp *op = &node->op;

  return dcnn_k_group_conv_prepare (&op->conv, op->out_channels,
      op->in_channels, op->weights, op->bias);
}

static DcnnPrepared *
pack_conv_transpose (const PlanNode *node, const PlanMap *in,
    const PlanMap *out)
{
  const PlanOp *op = &node->op;

  return dcnn_k_conv_transpose_prepare (&op->conv, op->out_channels,
      op->in_channels, in->span, in->position, op->weights, op->bias);
}

static DcnnPrepared *
pack_max_pool (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_pool_prepare (&node->op.pool, in->span);
}

static DcnnPrepared *
pack_average_pool (const PlanNode *node, const PlanMap *in,
    const PlanMap *out)
{
  return dcnn_k_pool_prepare (&node->op.pool, in->span);
}

static DcnnPrepared *
pack_copy (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  const guint32 *from = node->op.source;
  g_autofree guint32 *source = NULL;

  if (from == NULL && plan_same_layout (in, out))
    return dcnn_k_copy_prepare (out->span, NULL, 0);
  source = g_new (guint32, out->span);
  memset (source, 0xff, sizeof *source * out->span);
  for (guint c = 0; c < out->channels; c++)
    source[plan_position (out, c)] = plan_position (in, from ? from[c] : c);
  return dcnn_k_copy_prepare (out->span, source, 0);
}

static DcnnPrepared *
pack_resample (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_resample_prepare (in->span, out->height, node->index_y,
      out->width, node->index_x, node->op.fill);
}

static DcnnPrepared *
pack_resize (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_resize_prepare (in->span, out->height, node->taps_y,
      node->index_y, node->op.weight_y, out->width, node->taps_x,
      node->index_x, node->op.weight_x);
}

static DcnnPrepared *
pack_space_to_depth (const PlanNode *node, const PlanMap *in,
    const PlanMap *out)
{
  return dcnn_k_space_to_depth_prepare (node->op.block, node->op.in_channels);
}

static DcnnPrepared *
pack_depth_to_space (const PlanNode *node, const PlanMap *in,
    const PlanMap *out)
{
  DcnnDepthParams depth = { .block = node->op.block, .crd = node->op.crd };

  return dcnn_k_depth_to_space_prepare (&depth, node->op.out_channels);
}

static DcnnPrepared *
pack_softmax (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_softmax_prepare (node->op.in_channels, node->op.log_form);
}

static DcnnPrepared *
pack_arg_max (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_arg_max_prepare (node->op.in_channels, node->op.select_last);
}

static DcnnPrepared *
pack_channel_reduce (const PlanNode *node, const PlanMap *in,
    const PlanMap *out)
{
  return dcnn_k_channel_reduce_prepare (node->op.in_channels,
      node->op.reduce);
}

static DcnnPrepared *
pack_layer_norm (const PlanNode *node, const PlanMap *in, const PlanMap *out)
{
  return dcnn_k_layer_norm_prepare (node->op.in_channels, node->op.epsilon,
      node->op.scale, node->op.bias);
}

/* ---- on bytes ----------------------------------------------------------------- */

static const char *
refuses_bytes (const DcnnPlan *plan, const PlanNode *node)
{
  const char *why;

  if (plan_map (plan, node->in)->bytes)
    return NULL;
  why = dcnn_plan_bytes_refusal (plan, node);
  return why ? why : "its map is of floats";
}

static gboolean
pack_bytes_conv (const DcnnPlan *plan, const PlanNode *node, CpuNode *packed)
{
  const PlanOp *op = &node->op;
  const PlanMap *in = plan_map (plan, node->in);

  packed->bytes = dcnn_k_bytes_conv_prepare (&op->conv, op->out_channels,
      op->in_channels, in->span, in->position, op->weights, op->bias, in->low);
  return packed->bytes != NULL;
}

static gboolean
pack_bytes_conv_transpose (const DcnnPlan *plan, const PlanNode *node,
    CpuNode *packed)
{
  const PlanOp *op = &node->op;
  const PlanMap *in = plan_map (plan, node->in);

  packed->bytes = dcnn_k_bytes_conv_transpose_prepare (&op->conv,
      op->out_channels, op->in_channels, in->span, in->position, op->weights,
      op->bias, in->low);
  return packed->bytes != NULL;
}

static gboolean
pack_bytes_depthwise (const DcnnPlan *plan, const PlanNode *node,
    CpuNode *packed)
{
  const PlanMap *in = plan_map (plan, node->in);
  g_autofree float *weights = NULL, *bias = NULL;

  if (place_depthwise (&node->op, in, &weights, &bias))
    packed->bytes = dcnn_k_bytes_depthwise_prepare (&node->op.conv, in->span,
        weights, bias, in->low);
  return packed->bytes != NULL;
}

/* What is prepared for floats does. */
static gboolean
pack_bytes_as_floats (const DcnnPlan *plan, const PlanNode *node,
    CpuNode *packed)
{
  return TRUE;
}

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

/* Whether the n leading steps cost less done than looked up: a look-up of a
 * float goes byte by byte. */
static gboolean
are_cheap (const PlanNode *node, guint n)
{
  for (guint s = 0; s < n; s++)
    switch (node->steps[s].operand == DCNN_OPERAND_MAP ? DCNN_STEP_COUNT :
        node->steps[s].kind) {
      case DCNN_STEP_RELU: case DCNN_STEP_CLIP: case DCNN_STEP_ROUND:
      case DCNN_STEP_ADD: case DCNN_STEP_SUB: case DCNN_STEP_MUL:
      case DCNN_STEP_DIV:
        break;
      default:
        return FALSE;
    }
  return TRUE;
}

/* That, and a table of the leading steps, where there are any and it pays. */
static gboolean
pack_bytes_table (const DcnnPlan *plan, const PlanNode *node, CpuNode *packed)
{
  DcnnStep steps[DCNN_MAX_STEPS] = { 0 };
  guint n = tabled_steps (plan, node);
  const PlanMap *out = plan_map (plan, node->out);

  if ((n == 0 && (node->n_steps > 0 || !out->bytes)) ||
      (n > 0 && (n < (guint) node->n_steps || !out->bytes) &&
          are_cheap (node, n)))
    return TRUE;
  for (guint s = 0; s < n; s++) {
    steps[s].kind = node->steps[s].kind;
    steps[s].operand = node->steps[s].operand;
    steps[s].a = node->steps[s].a;
    steps[s].b = node->steps[s].b;
  }
  packed->table = g_new0 (DcnnBytesTable, 1);
  dcnn_bytes_table_fill (packed->table, dcnn_cpu_kernels (), steps,
      (guint) node->n_steps, n, plan_map (plan, node->in)->low, out->low);
  return TRUE;
}

/* ---- the list ------------------------------------------------------------------- */

/* Before the kernels on floats, in which every node ends. */
static const struct {
  const char *name;
  DcnnPrimary primary;
  const char *(*refuses) (const DcnnPlan *plan, const PlanNode *node);
  gboolean (*pack) (const DcnnPlan *plan, const PlanNode *node,
      CpuNode *packed);
} kernels[] = {
#define CPU_KERNEL(name, primary, refuses, pack)                               \
  { name, DCNN_PRIMARY_##primary, refuses, pack },
#include "kernels.def"
#undef CPU_KERNEL
};

static DcnnPrepared *(*const pack_floats[DCNN_PRIMARY_COUNT])
    (const PlanNode *node, const PlanMap *in, const PlanMap *out) = {
#define DCNN_X(e, f, n) [DCNN_PRIMARY_##e] = pack_##f,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
};

/* The first of the list that takes it; -1: none. */
static gint
find_kernel (const DcnnPlan *plan, const PlanNode *node, GString *refused)
{
  for (guint i = 0; i < G_N_ELEMENTS (kernels); i++) {
    const char *why;
    if (kernels[i].primary != node->primary)
      continue;
    why = kernels[i].refuses (plan, node);
    if (why == NULL)
      return (gint) i;
    if (refused)
      g_string_append_printf (refused, "%s%s: %s", refused->len ? "; " : "",
          kernels[i].name, why);
  }
  return -1;
}

const char *
dcnn_cpu_kernel (const DcnnPlan *plan, const PlanNode *node, GString *refused)
{
  gint kernel = node->kind == PLAN_KERNEL ? find_kernel (plan, node, refused) :
      -1;

  return kernel < 0 ? plan_node_kernel (node) : kernels[kernel].name;
}

gboolean
dcnn_cpu_pack (const DcnnPlan *plan, const PlanNode *node, CpuNode *packed)
{
  gint kernel = find_kernel (plan, node, NULL);

  packed->prepared = pack_floats[node->primary] (node,
      plan_map (plan, node->in), plan_map (plan, node->out));
  return packed->prepared &&
      (kernel < 0 || kernels[kernel].pack (plan, node, packed));
}
