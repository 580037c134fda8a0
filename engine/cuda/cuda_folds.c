/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_folds.c - normalisations that the convolution behind them computes as it reads.
 *
 * A batch norm ahead of a convolution (DenseNet, and whatever normalises before it
 * multiplies) cannot be folded into weights where a Relu is in between. As a node of its
 * own it reads and writes as many bytes as the convolution reads, and takes a launch.
 * So where it passes on and a 1x1 convolution is all that reads it, it has no launch and
 * no memory: the convolution reads what it reads. What was stored followed from the same
 * pixel at all times, so bits are the same; its masks are its list's as before.
 */
#include "cuda.h"

/* Of fewer, whole maps have no such kernels. */
#define LEAST_CHANNELS 32

static gboolean
is_vector (const PlanNode *node, gint s, DcnnStepKind kind)
{
  return s < node->n_steps && node->steps[s].kind == kind &&
      node->steps[s].operand == DCNN_OPERAND_VECTOR && node->steps[s].map < 0;
}

/* x * scale + shift by constants, and, it may be, a Relu or Clip. */
static gboolean
is_norm (const DcnnPlan *plan, const PlanNode *node)
{
  return node->kind == PLAN_KERNEL && node->passes_on &&
      node->primary == DCNN_PRIMARY_COPY && node->op.source == NULL &&
      plan_same_layout (plan_map (plan, node->in), plan_map (plan, node->out)) &&
      is_vector (node, 0, DCNN_STEP_MUL) && is_vector (node, 1, DCNN_STEP_ADD) &&
      (node->n_steps == 2 || (node->n_steps == 3 &&
          (node->steps[2].kind == DCNN_STEP_RELU ||
              node->steps[2].kind == DCNN_STEP_CLIP)));
}

/* A convolution of the same pixels. */
static gboolean
is_pointwise (const DcnnPlan *plan, const PlanNode *node)
{
  const DcnnWindow *w = &node->op.conv.window;
  const PlanMap *in, *out;
  gboolean one = node->kind == PLAN_KERNEL && node->primary == DCNN_PRIMARY_CONV;

  for (gint a = 0; one && a < 2; a++)
    one = w->kernel[a] == 1 && w->stride[a] == 1 && w->pad_begin[a] == 0 &&
        w->pad_end[a] == 0;
  if (!one)
    return FALSE;
  in = plan_map (plan, node->in);
  out = plan_map (plan, node->out);
  return in->width == out->width && in->height == out->height &&
      in->span > LEAST_CHANNELS && in->span <= DCNN_CUDA_NORM_CHANNELS &&
      out->span > LEAST_CHANNELS;
}

static gboolean
has_buffer_of_its_own (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);

  for (gint m = 0; m < (gint) plan->maps->len; m++)
    if (m != index && plan_map (plan, m)->buffer == map->buffer)
      return FALSE;
  return map->buffer >= 0 && map->mask >= 0 && map->pieces == NULL;
}

/* Whether the reader's list is the node's. */
static gboolean
share_list (const DcnnPlan *plan, guint n, guint reader)
{
  return dcnn_cuda_taker (plan, n) < 0 && dcnn_cuda_taker (plan, reader) < 0 &&
      plan_terms_equal (plan_node (plan, (gint) n)->terms,
      plan_node (plan, (gint) reader)->terms);
}

/* One that passes on has one reader alone, and is no piece of another map where that
 * reads it itself. */
gint
dcnn_cuda_fold_of (const DcnnPlan *plan, guint n)
{
  const PlanNode *node = plan_node (plan, (gint) n);
  gint by = node->in < 0 ? -1 : plan_map (plan, node->in)->source;

  if (by < 0 || plan->layout.store == PLAN_STORE_F32 ||
      !is_pointwise (plan, node) || !is_norm (plan, plan_node (plan, by)) ||
      !has_buffer_of_its_own (plan, node->in) ||
      dcnn_cuda_bits_are_read (plan, (guint) by) ||
      !share_list (plan, (guint) by, n))
    return -1;
  for (gint s = 0; s < node->n_steps; s++)
    if (cuda_is_made_by (plan, node->steps[s].map, (guint) by))
      return -1;
  return by;
}

void
dcnn_cuda_plan_folds (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  gboolean none = session->options.store_all || (!state->measuring &&
      state->device.shared_bytes < DCNN_CUDA_NORM_SHARED);

  state->fold_of = g_new (gint, plan->nodes->len + 1);
  state->folded = g_new0 (gboolean, plan->nodes->len + 1);
  for (guint n = 0; n < plan->nodes->len; n++) {
    state->fold_of[n] = none ? -1 : dcnn_cuda_fold_of (plan, n);
    if (state->fold_of[n] >= 0)
      state->folded[state->fold_of[n]] = TRUE;
  }
}

gint
dcnn_cuda_reads (const DcnnSession *session, guint n)
{
  gint by = cuda_state (session)->fold_of[n];

  return plan_node (session->plan, by >= 0 ? by : (gint) n)->in;
}
