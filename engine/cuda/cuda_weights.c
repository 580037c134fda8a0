/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_weights.c - a plan's operators packed for the GPU's kernels.
 */
#include "cuda.h"

#include "dcnn_cuda_swizzle.h"

#include <string.h>

static void *
to_device (CudaWeights *w, const void *data, gsize bytes, cudaError_t *e)
{
  void *p = NULL;

  if (*e == cudaSuccess)
    *e = cudaMalloc (&p, MAX (bytes, 64));
  if (*e != cudaSuccess)
    return NULL;
  g_ptr_array_add (w->memory, p);
  *e = cudaMemcpy (p, data, bytes, cudaMemcpyHostToDevice);
  return p;
}

gfloat *
dcnn_cuda_pack_floats (const DcnnPlan *plan, guint n, const CudaNode *to)
{
  const PlanNode *node = plan_node (plan, (gint) n);
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);
  const PlanOp *op = &node->op;
  gsize taps = (gsize) (op->conv.window.kernel[0] * op->conv.window.kernel[1]);
  gboolean transposed = node->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
  guint groups = (guint) op->conv.groups, channels = op->out_channels;
  guint in_group = op->in_channels / groups, out_group = channels / groups;
  gfloat *packed = g_new0 (gfloat, (gsize) to->n_padded * to->k_padded);

  for (guint o = 0; o < channels; o++) {
    gfloat *row = packed + (gsize) plan_position (out, o) * to->k_padded;
    for (guint i = 0; i < in_group; i++) {
      guint channel = o / out_group * in_group + i;
      const gfloat *from = transposed ? op->weights +
          ((gsize) channel * out_group + o % out_group) * taps :
          op->weights + ((gsize) o * in_group + i) * taps;
      for (gsize t = 0; t < taps; t++)
        row[t * to->span8 * 8 + plan_position (in, channel)] = from[t];
    }
  }
  return packed;
}

/* [n_padded][k_padded], see DcnnCudaConv. */
static void
pack_conv (CudaWeights *w, const DcnnPlan *plan, guint n, cudaError_t *e)
{
  CudaNode *to = &w->nodes[n];
  const PlanNode *node = plan_node (plan, (gint) n);
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);
  const PlanOp *op = &node->op;
  gsize taps = (gsize) (op->conv.window.kernel[0] * op->conv.window.kernel[1]);
  gsize count, bias_bytes;
  g_autofree gfloat *floats = NULL, *bias = NULL;
  g_autofree guint16 *packed = NULL;

  to->span8 = dcnn_padded (in->span) / 8;
  to->n_padded = out->span <= 96 ? (out->span + 31) / 32 * 32 :
      (out->span + 63) / 64 * 64;
  to->k_padded = (guint) ((taps * to->span8 * 8 + 63) / 64 * 64);
  count = (gsize) to->n_padded * to->k_padded;
  bias_bytes = (gsize) (to->n_padded + 63) / 64 * 64 * sizeof (gfloat);
  floats = dcnn_cuda_pack_floats (plan, n, to);
  packed = g_new (guint16, count);
  bias = g_malloc0 (bias_bytes);
  for (gsize i = 0; i < count; i++)
    packed[i] = dcnn_cuda_narrow (floats[i],
        plan->layout.store == PLAN_STORE_BF16);
  for (guint o = 0; o < op->out_channels && op->bias; o++)
    bias[plan_position (out, o)] = op->bias[o];
  to->weights = to_device (w, packed, count * sizeof *packed, e);
  to->bias = to_device (w, bias, bias_bytes, e);
}

/* Of the normalisation that a convolution computes as it reads, for each k. */
static void
pack_norm (CudaWeights *w, const DcnnPlan *plan, guint n, cudaError_t *e)
{
  gint norm = dcnn_cuda_fold_of (plan, n);
  CudaNode *to = &w->nodes[n];
  g_autofree gfloat *vectors = g_new0 (gfloat, 2 * to->k_padded);
  guint span = plan_map (plan, plan_node (plan, (gint) n)->in)->span;

  for (gint s = 0; norm >= 0 && s < 2; s++)
    memcpy (vectors + s * to->k_padded, w->cpu.nodes[norm].vectors[s],
        span * sizeof *vectors);
  if (norm >= 0)
    to->norm = to_device (w, vectors, 2 * to->k_padded * sizeof *vectors, e);
}

static void
pack_channelwise (CudaWeights *w, CudaNode *to, const PlanNode *node,
    const PlanMap *out, cudaError_t *e)
{
  const PlanOp *op = &node->op;
  gboolean norm = node->primary == DCNN_PRIMARY_LAYER_NORM;
  gboolean group = node->primary == DCNN_PRIMARY_GROUP_CONV;
  gsize taps = norm ? 1 : (gsize) (op->conv.window.kernel[0] *
      op->conv.window.kernel[1]);
  guint padded = dcnn_padded (out->span);
  g_autofree gfloat *weights = g_new0 (gfloat, taps * padded);
  g_autofree gfloat *bias = g_new0 (gfloat, padded + 8);

  for (guint c = 0; c < op->out_channels; c++) {
    guint at = plan_position (out, c);
    bias[at] = op->bias ? op->bias[c] : 0;
    if (norm)
      weights[at] = op->scale ? op->scale[c] : 1;
    for (gsize t = 0; !norm && !group && t < taps; t++)
      weights[t * padded + at] = op->weights[c * taps + t];
  }
  to->bias = to_device (w, bias, (padded + 8) * sizeof (gfloat), e);
  if (group)
    to->weights = to_device (w, op->weights, (gsize) op->out_channels *
        (op->in_channels / (gsize) op->conv.groups) * taps * sizeof (gfloat),
        e);
  else
    to->weights = to_device (w, weights, taps * padded * sizeof (gfloat), e);
}

static void
pack_source (CudaWeights *w, CudaNode *to, const PlanNode *node,
    const PlanMap *in, const PlanMap *out, cudaError_t *e)
{
  const PlanOp *op = &node->op;
  guint padded = dcnn_padded (out->span), planes = 1;
  g_autofree guint32 *table = NULL;

  if (node->primary == DCNN_PRIMARY_COPY && op->source == NULL &&
      plan_same_layout (in, out))
    return;
  if (node->primary == DCNN_PRIMARY_DEPTH_TO_SPACE)
    planes = op->block * op->block;
  table = g_new (guint32, (gsize) planes * padded);
  memset (table, 0xff, sizeof *table * planes * padded);
  for (guint p = 0; p < planes; p++)
    for (guint c = 0; c < out->channels; c++) {
      guint32 *at = &table[p * padded + plan_position (out, c)];
      guint from = op->source ? op->source[c] : c;
      if (node->primary == DCNN_PRIMARY_DEPTH_TO_SPACE)
        *at = plan_position (in, op->crd ? c * planes + p :
            p * op->out_channels + c);
      else if (node->primary == DCNN_PRIMARY_SPACE_TO_DEPTH)
        *at = from / op->in_channels << 16 |
            plan_position (in, from % op->in_channels);
      else
        *at = plan_position (in, from);
    }
  to->source = to_device (w, table, (gsize) planes * padded * 4, e);
}

static void
pack_tables (CudaWeights *w, CudaNode *to, const PlanNode *node,
    const PlanMap *out, cudaError_t *e)
{
  gsize ny = (gsize) out->height * node->taps_y;
  gsize nx = (gsize) out->width * node->taps_x;

  if (node->index_y) {
    to->index_y = to_device (w, node->index_y, ny * 4, e);
    to->index_x = to_device (w, node->index_x, nx * 4, e);
  }
  if (node->op.weight_y) {
    to->weight_y = to_device (w, node->op.weight_y, ny * 4, e);
    to->weight_x = to_device (w, node->op.weight_x, nx * 4, e);
  }
}

static void
pack_kernel (CudaWeights *w, const DcnnPlan *plan, guint n, cudaError_t *e)
{
  const PlanNode *node = plan_node (plan, n);
  CudaNode *to = &w->nodes[n];
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);

  for (gint s = 0; s < node->n_steps; s++)
    if (w->cpu.nodes[n].vectors[s])
      to->vectors[s] = to_device (w, w->cpu.nodes[n].vectors[s],
          (out->span + 2 * DCNN_LANES) * sizeof (gfloat), e);
  pack_tables (w, to, node, out, e);
  switch (node->primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      pack_conv (w, plan, n, e);
      pack_norm (w, plan, n, e);
      break;
    case DCNN_PRIMARY_DEPTHWISE:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_LAYER_NORM:
      pack_channelwise (w, to, node, out, e);
      break;
    case DCNN_PRIMARY_COPY:
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      pack_source (w, to, node, in, out, e);
      break;
    /* No weights; tables are packed above. Who comes here with a new line needs
     * its rows in dcnn_cuda_rows.cu, too, where it is a copy else. */
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
    case DCNN_PRIMARY_RESAMPLE:
    case DCNN_PRIMARY_RESIZE:
    case DCNN_PRIMARY_SOFTMAX:
    case DCNN_PRIMARY_ARG_MAX:
    case DCNN_PRIMARY_CHANNEL_REDUCE:
    case DCNN_PRIMARY_COUNT:
      break;
  }
}

/* Where a source's channels lie, for the kernel that scatters them. */
static void
pack_gather (CudaWeights *w, const DcnnPlan *plan, guint n, cudaError_t *e)
{
  const PlanNode *node = plan_node (plan, n);
  guint total = 0, at = 0;
  g_autofree guint32 *position = NULL;

  for (guint i = 0; i < node->sources->len; i++)
    total += plan_map (plan, g_array_index (node->sources, PlanGatherSource,
            i).map)->channels;
  position = g_new (guint32, total + 1);
  for (guint i = 0; i < node->sources->len; i++) {
    const PlanMap *map = plan_map (plan,
        g_array_index (node->sources, PlanGatherSource, i).map);
    for (guint c = 0; c < map->channels; c++)
      position[at++] = plan_position (map, c);
  }
  w->nodes[n].source = to_device (w, position, total * sizeof *position, e);
}

static void
pack_node (CudaWeights *w, const DcnnPlan *plan, guint n, cudaError_t *e)
{
  const PlanNode *node = plan_node (plan, n);
  const CpuNode *cpu = &w->cpu.nodes[n];
  CudaNode *to = &w->nodes[n];

  if (node->norm) {
    gsize bytes = dcnn_padded (plan_map (plan, node->in)->span) * 4;
    to->group = to_device (w, cpu->group, bytes, e);
    to->scale = to_device (w, cpu->scale, bytes, e);
    to->bias = to_device (w, cpu->bias, bytes, e);
  }
  if (node->kind == PLAN_KERNEL)
    pack_kernel (w, plan, n, e);
  else if (node->kind == PLAN_GATHER)
    pack_gather (w, plan, n, e);
}

gpointer
dcnn_cuda_weights_new (const DcnnPlan *plan, gint index, GError **error)
{
  CpuWeights *cpu;
  CudaWeights *w;
  cudaError_t e = cudaSetDevice (MAX (index, 0));

  if (!dcnn_cuda_check (e, "choosing the device", error))
    return NULL;
  cpu = dcnn_cpu_weights_new (plan, index, error);
  if (cpu == NULL)
    return NULL;
  w = g_new0 (CudaWeights, 1);
  w->cpu = *cpu;
  w->cpu_outer = cpu;
  w->device = MAX (index, 0);
  w->nodes = g_new0 (CudaNode, plan->nodes->len + 1);
  w->memory = g_ptr_array_new ();
  for (guint n = 0; n < plan->nodes->len && e == cudaSuccess; n++)
    pack_node (w, plan, n, &e);
  if (dcnn_cuda_check (e, "uploading the weights", error))
    return w;
  dcnn_cuda_weights_free (w);
  return NULL;
}

void
dcnn_cuda_weights_free (gpointer data)
{
  CudaWeights *w = data;

  (void) cudaSetDevice (w->device);
  for (guint i = 0; i < w->memory->len; i++)
    (void) cudaFree (w->memory->pdata[i]);
  g_ptr_array_unref (w->memory);
  dcnn_cpu_weights_free (w->cpu_outer);
  g_free (w->nodes);
  g_free (w);
}
