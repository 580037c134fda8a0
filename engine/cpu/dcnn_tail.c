/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail.c - operators on dense tensors. Products, softmax, reductions
 * (dcnn_tail_reduce.c), layer norms, point-wise ones and transposes have
 * kernels; of all but the last, rows that nothing changed are not computed. The
 * rest run on the reference operators.
 */
#include "dcnn_tail.h"

#include <stdlib.h>
#include <string.h>

/* Whether an input changed in this frame. */
static gboolean
input_changed (const TailRun *run, int i)
{
  return i < run->gn->n_inputs && run->index[i] >= 0 &&
      run->stream->cpu->tensor_changed[run->index[i]];
}

static gboolean
same_shape (const DcnnTensor *a, const DcnnTensor *b)
{
  return a->rank == b->rank &&
      memcmp (a->dims, b->dims, sizeof (int64_t) * (gsize) a->rank) == 0;
}

/* ---- steps ------------------------------------------------------------------------ */

/* Where the operand of a row begins. */
static gsize
operand_at (const TailRun *run, gsize row)
{
  gsize at = 0;

  if (run->row_each)
    return row * (run->number_each ? 1 : run->length);
  for (int i = run->out->rank - 2; i >= 0; i--) {
    at += row % (gsize) run->out->dims[i] * run->operand_strides[i];
    row /= (gsize) run->out->dims[i];
  }
  return at;
}

static void
step_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;
  const float *in = run->in[run->row_input]->data;
  DcnnStep step = run->step;

  for (gsize i = begin; i < end; i++) {
    gsize at = run->rows[i] * run->length;
    const float *operand = run->operand == NULL ? NULL
        : run->operand + operand_at (run, run->rows[i]);
    if (run->number_each) {
      step.a = *operand;
      operand = NULL;
    }
    run->session->cpu->kernels->step_row (&step, in + at, operand,
        (float *) run->out->data + at, run->length);
  }
}

/* The other operand: a number for all, else a row or a number for each row,
 * which several may share. */
static gboolean
take_operand (TailRun *run, const DcnnTensor *t)
{
  const int more = run->out->rank - t->rank;
  const gboolean lone = dcnn_tensor_count (t) == 1;
  gsize stride = 1, rows = 1;

  run->operand = t->data;
  if (lone) {
    run->step.a = run->operand[0];
    run->operand = NULL;
    return TRUE;
  }
  if (more < 0 || t->rank < 1)
    return FALSE;
  run->number_each = dcnn_tail_row_length (t) == 1 && run->length > 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    const gsize n = (gsize) t->dims[i];
    if (n != 1 && n != (gsize) run->out->dims[more + i])
      return FALSE;
    if (i < t->rank - 1) {
      run->operand_strides[more + i] = n == 1 ? 0 : stride;
      rows *= n;
    }
    stride *= n;
  }
  run->row_each = rows == dcnn_tensor_rows (run->out);
  return TRUE;
}

static gboolean
run_steps (TailRun *run)
{
  const DcnnNode *gn = run->gn;
  PlanStep step;
  int other;

  for (run->row_input = 0; run->row_input < MIN (gn->n_inputs, 2);
      run->row_input++)
    if (dcnn_tail_is_floats (run->in[run->row_input]) &&
        same_shape (run->in[run->row_input], run->out))
      break;
  if (run->row_input >= MIN (gn->n_inputs, 2) ||
      !plan_step_of_op (gn, run->row_input == 0, &step))
    return FALSE;
  run->step = (DcnnStep) { .kind = step.kind, .a = step.a, .b = step.b };
  run->operand = NULL;
  other = gn->n_inputs == 2 ? 1 - run->row_input : -1;
  if (other >= 0 && (!dcnn_tail_is_floats (run->in[other]) ||
          !take_operand (run, run->in[other])))
    return FALSE;
  dcnn_tail_list_rows (run, 3, run->stream->cpu->dense || (other >= 0 &&
          !run->row_each && input_changed (run, other)));
  dcnn_tail_share_out (run, 4 * run->length, step_work);
  return TRUE;
}

/* ---- layer normalisation -------------------------------------------------------------- */

static void
layer_norm_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;
  const float *scale = run->in[1]->data;

  for (gsize i = begin; i < end; i++) {
    gsize at = run->rows[i] * run->length;
    run->session->cpu->kernels->layer_norm_row ((const float *)
        run->in[0]->data + at, scale, run->operand, (float *) run->out->data +
        at, run->length, (float) run->gn->params.norm.epsilon);
  }
}

static gboolean
run_layer_norm (TailRun *run)
{
  const DcnnTensor *bias = run->gn->n_inputs > 2 ? run->in[2] : NULL;

  if (!dcnn_tail_is_floats (run->in[0]) || !dcnn_tail_is_floats (run->in[1]) ||
      run->gn->params.norm.axis != run->in[0]->rank - 1 ||
      (gsize) dcnn_tensor_count (run->in[1]) != run->length || (bias &&
          (!dcnn_tail_is_floats (bias) ||
              (gsize) dcnn_tensor_count (bias) != run->length)))
    return FALSE;
  run->operand = bias ? bias->data : NULL;
  dcnn_tail_list_rows (run, 1, run->stream->cpu->dense || input_changed (run, 1) ||
      input_changed (run, 2));
  dcnn_tail_share_out (run, 8 * run->length, layer_norm_work);
  return TRUE;
}

/* ---- products --------------------------------------------------------------------- */

static void
product_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;

  run->session->cpu->kernels->matmul (&run->product, run->rows, begin, end);
}

/* A matrix of k rows and n columns, in panels. */
static void
pack (const float *b, gsize k, gsize n, gsize row, gsize column, float *to)
{
  for (gsize c = 0; c < n; c += DCNN_MATMUL_PANEL)
    for (gsize p = 0; p < k; p++, to += DCNN_MATMUL_PANEL)
      for (gsize i = 0; i < DCNN_MATMUL_PANEL; i++)
        to[i] = c + i < n ? b[p * row + (c + i) * column] : 0;
}

static gboolean
is_turned (const DcnnNode *gn)
{
  return gn->op == DCNN_OP_GEMM && gn->params.gemm.trans_b;
}

/* The second operand of a product; NULL: it is none. */
static const DcnnTensor *
second_operand (const DcnnGraph *graph, const DcnnNode *gn)
{
  return gn->n_inputs < 2 || gn->inputs[1] < 0 ? NULL :
      &dcnn_graph_value (graph, gn->inputs[1])->tensor;
}

/* What its panels take, floats; 0: no product of ours. */
static gsize
pack_floats (const DcnnGraph *graph, const DcnnNode *gn)
{
  const DcnnTensor *b = second_operand (graph, gn);
  gboolean turned = is_turned (gn);

  if (gn->op == DCNN_OP_RECURRENT)
    return dcnn_tail_recurrent_floats (gn, b);
  if ((gn->op != DCNN_OP_MATMUL && gn->op != DCNN_OP_GEMM) || b == NULL ||
      b->rank < 2 || !dcnn_tail_is_floats (b))
    return 0;
  return ((gsize) b->dims[b->rank - (turned ? 2 : 1)] + DCNN_MATMUL_PANEL - 1)
      / DCNN_MATMUL_PANEL * DCNN_MATMUL_PANEL *
      (gsize) b->dims[b->rank - (turned ? 1 : 2)];
}

/* Whether the second operand is packed with the model's weights. */
static gboolean
is_packed_once (const DcnnGraph *graph, const DcnnNode *gn)
{
  return pack_floats (graph, gn) > 0 && second_operand (graph, gn)->rank == 2
      && second_operand (graph, gn)->data != NULL;
}

gboolean
dcnn_tail_pack (const DcnnPlan *plan, const PlanNode *node, CpuNode *packed)
{
  const DcnnNode *gn = dcnn_graph_node (plan->graph, node->graph_node);
  gboolean turned = is_turned (gn);
  const DcnnTensor *b;
  gsize bytes = 0;

  if (!is_packed_once (plan->graph, gn))
    return TRUE;
  b = second_operand (plan->graph, gn);
  packed->panels = dcnn_take (pack_floats (plan->graph, gn) * sizeof (float),
      &bytes);
  if (packed->panels == NULL)
    return FALSE;
  if (gn->op == DCNN_OP_RECURRENT)
    dcnn_tail_recurrent_pack (gn, b, packed->panels);
  else
    pack (b->data, (gsize) b->dims[turned ? 1 : 0], (gsize) b->dims[turned ?
            0 : 1], turned ? 1 : (gsize) b->dims[1], turned ? (gsize)
        b->dims[1] : 1, packed->panels);
  return TRUE;
}

/* The second operand of the product at hand, which lies at b: panels. */
static const float *
panels_of (TailRun *run, const float *b, gsize row, gsize column)
{
  if (run->panels)
    return run->panels;
  pack (b, run->product.k, run->product.n, row, column,
      run->session->cpu->tail_pack);
  return run->session->cpu->tail_pack;
}

/* alpha times the product, and beta times what Gemm adds. */
static void
finish_gemm (TailRun *run)
{
  const DcnnGemmParams *p = &run->gn->params.gemm;
  const DcnnTensor *c = run->gn->n_inputs > 2 ? run->in[2] : NULL;
  gsize row = 0, column = 0;

  if (c) {
    column = dcnn_tail_row_length (c) == run->length && run->length > 1;
    row = c->rank == 2 && c->dims[0] > 1 ? dcnn_tail_row_length (c) : 0;
  }
  for (gsize i = 0; i < run->n_rows; i++) {
    float *out = (float *) run->out->data + run->rows[i] * run->length;
    const float *add = c ? (const float *) c->data + run->rows[i] * row : NULL;
    for (gsize k = 0; k < run->length; k++)
      out[k] = (float) p->alpha * out[k] + (add ? (float) p->beta *
          add[k * column] : 0);
  }
}

static gboolean
run_gemm (TailRun *run)
{
  const DcnnGemmParams *p = &run->gn->params.gemm;
  const DcnnTensor *a = run->in[0], *b = run->in[1];
  DcnnMatmul *mm = &run->product;

  if (!dcnn_tail_is_floats (a) || !dcnn_tail_is_floats (b) || (run->gn->n_inputs > 2 &&
          run->in[2] && !dcnn_tail_is_floats (run->in[2])))
    return FALSE;
  *mm = (DcnnMatmul) { .n = run->length,
    .k = (gsize) a->dims[p->trans_a ? 0 : 1], .a = a->data,
    .a_row = p->trans_a ? 1 : a->dims[1],
    .a_column = p->trans_a ? a->dims[1] : 1, .out = run->out->data,
    .out_row = run->length };
  mm->packed = panels_of (run, b->data, p->trans_b ? 1 : mm->n,
      p->trans_b ? mm->k : 1);
  dcnn_tail_list_rows (run, 1, run->stream->cpu->dense || p->trans_a ||
      input_changed (run, 1) || input_changed (run, 2));
  dcnn_tail_share_out (run, mm->n * mm->k, product_work);
  finish_gemm (run);
  return TRUE;
}

/* Of batch number `batch` of the output: which one of an operand's. */
static gsize
batch_of (const DcnnTensor *out, gsize batch, const DcnnTensor *t)
{
  gsize at = 0, step = 1;

  for (int i = out->rank - 3, k = t->rank - 3; i >= 0; i--, k--) {
    gsize here = batch % (gsize) out->dims[i];
    batch /= (gsize) out->dims[i];
    if (k < 0)
      continue;
    at += t->dims[k] == 1 ? 0 : here * step;
    step *= (gsize) t->dims[k];
  }
  return at;
}

static gboolean
run_matmul (TailRun *run)
{
  const DcnnTensor *a = run->in[0], *b = run->in[1];
  DcnnMatmul *mm = &run->product;
  const guint32 *list;
  gsize m, total, at = 0;

  if (!dcnn_tail_is_floats (a) || !dcnn_tail_is_floats (b) || a->rank < 2 || b->rank < 2)
    return FALSE;
  m = (gsize) a->dims[a->rank - 2];
  *mm = (DcnnMatmul) { .n = run->length, .k = dcnn_tail_row_length (a), .a_row =
    (ptrdiff_t) dcnn_tail_row_length (a), .a_column = 1,
    .out_row = run->length };
  dcnn_tail_list_rows (run, 1, run->stream->cpu->dense || input_changed (run, 1) ||
      dcnn_tensor_rows (a) != dcnn_tensor_rows (run->out));
  list = run->rows;
  total = run->n_rows;
  while (at < total) { /* batch after batch, the rows that it has */
    gsize batch = list[at] / m, n = 0;
    while (at + n < total && list[at + n] / m == batch)
      n++;
    run->rows = list + at;
    run->n_rows = n;
    /* rows count through all batches */
    mm->a = (const float *) a->data + (ptrdiff_t) batch_of (run->out, batch,
        a) * (ptrdiff_t) (m * mm->k) - (ptrdiff_t) (batch * m * mm->k);
    mm->out = run->out->data;
    mm->packed = panels_of (run, (const float *) b->data +
        batch_of (run->out, batch, b) * mm->k * mm->n, mm->n, 1);
    dcnn_tail_share_out (run, mm->n * mm->k, product_work);
    at += n;
  }
  run->rows = list;
  run->n_rows = total;
  return TRUE;
}

/* ---- transposes ---------------------------------------------------------------------- */

#define SQUARE 16

/* One plane: rows that lie `from` apart become columns of the out tensor. */
static void
turn_plane (const float *in, gsize from, float *out, gsize to, gsize rows,
    gsize columns)
{
  for (gsize r = 0; r < rows; r += SQUARE)
    for (gsize c = 0; c < columns; c += SQUARE)
      for (gsize y = r; y < MIN (rows, r + SQUARE); y++)
        for (gsize x = c; x < MIN (columns, c + SQUARE); x++)
          out[y * to + x] = in[x * from + y];
}

/* Whatever the order: planes of the out tensor's last dimension and of that
 * which is the in tensor's last. */
static gboolean
run_transpose (TailRun *run)
{
  const int *perm = run->gn->params.transpose.perm;
  const DcnnTensor *in = run->in[0], *out = run->out;
  gsize from[DCNN_MAX_RANK], to[DCNN_MAX_RANK], strides[DCNN_MAX_RANK];
  gint64 at[DCNN_MAX_RANK] = { 0 };
  int rank = out->rank, inner = rank - 1;

  if (!dcnn_tail_is_floats (in) || rank < 2 || dcnn_tensor_count (out) == 0 ||
      perm[rank - 1] == rank - 1)
    return FALSE;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = i == rank - 1 ? 1 : strides[i + 1] * (gsize) in->dims[i + 1];
    to[i] = i == rank - 1 ? 1 : to[i + 1] * (gsize) out->dims[i + 1];
  }
  for (int i = 0; i < rank; i++) {
    from[i] = strides[perm[i]];
    inner = perm[i] == rank - 1 ? i : inner;
  }
  for (int k = rank - 1; k >= 0;) {
    gsize source = 0, target = 0;
    for (int i = 0; i < rank; i++) {
      source += (gsize) at[i] * from[i];
      target += (gsize) at[i] * to[i];
    }
    turn_plane ((const float *) in->data + source, from[rank - 1],
        (float *) out->data + target, to[inner], (gsize) out->dims[inner],
        (gsize) out->dims[rank - 1]);
    for (k = rank - 2; k >= 0; k--) { /* the next of all other dimensions */
      if (k == inner)
        continue;
      if (++at[k] < out->dims[k])
        break;
      at[k] = 0;
    }
  }
  dcnn_tail_list_rows (run, 0, TRUE);
  return TRUE;
}

/* ---- a tail --------------------------------------------------------------------------- */

static gboolean
run_kernel (TailRun *run)
{
  if (!dcnn_tail_is_floats (run->out) || run->out_index < 0 ||
      run->session->cpu->tail_rows == NULL ||
      dcnn_tensor_count (run->out) == 0)
    return FALSE;
  run->length = dcnn_tail_row_length (run->out);
  switch (run->gn->op) {
    case DCNN_OP_MATMUL:
      return run_matmul (run);
    case DCNN_OP_GEMM:
      return run_gemm (run);
    case DCNN_OP_CONV:
      return dcnn_tail_conv (run);
    case DCNN_OP_GRID_SAMPLE:
      return dcnn_tail_grid (run);
    case DCNN_OP_RECURRENT:
      return dcnn_tail_recurrent (run);
    case DCNN_OP_SOFTMAX:
    case DCNN_OP_LOG_SOFTMAX:
      return dcnn_tail_softmax (run);
    case DCNN_OP_REDUCE_MEAN:
    case DCNN_OP_REDUCE_SUM:
    case DCNN_OP_REDUCE_L2:
      return dcnn_tail_reduce (run);
    case DCNN_OP_LAYER_NORM:
      return run_layer_norm (run);
    case DCNN_OP_TRANSPOSE:
      return run_transpose (run);
    default:
      return plan_op_is_elementwise (run->gn->op) && run_steps (run);
  }
}

/* Which rows of the output are new. */
static void
mark_output (TailRun *run)
{
  guint8 *rows = run->stream->cpu->tensor_rows[run->out_index];

  if (rows == NULL)
    return;
  memset (rows, 0, dcnn_tensor_rows (run->out));
  for (gsize i = 0; i < run->n_rows; i++)
    rows[run->rows[i]] = 1;
}

static void
run_reference (TailRun *run)
{
  const DcnnPlan *plan = run->session->plan;
  const DcnnNode *gn = run->gn;
  DcnnTensor *out[DCNN_MAX_NODE_OUTPUTS];

  for (int i = 0; i < gn->n_outputs; i++) {
    gint t = gn->outputs[i] < 0 ? -1 : plan->values[gn->outputs[i]].tensor;
    out[i] = t < 0 ? NULL : &run->stream->cpu->tensors[t];
    if (t >= 0)
      dcnn_mark_rows (run->stream, t, 0, -1);
  }
  dcnn_op_run_reference (gn->op, &gn->params, gn->n_inputs, run->in,
      gn->n_outputs, out);
}

void
dcnn_run_tail (DcnnSession *session, DcnnStream *stream, gint n)
{
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, n);
  TailRun run;
  CpuNodeState *state = &stream->cpu->nodes[n];
  gboolean changed = stream->cpu->dense;
  gdouble share = 1;

  memset (&run, 0, G_STRUCT_OFFSET (TailRun, in));
  run.session = session;
  run.stream = stream;
  run.gn = dcnn_graph_node (plan->graph, node->graph_node);
  run.out_index = -1;
  run.panels = dcnn_cpu_node (session, (guint) n)->panels;
  for (int i = 0; i < run.gn->n_inputs; i++) {
    DcnnValueId id = run.gn->inputs[i];
    gint t = run.index[i] = id < 0 ? -1 : plan->values[id].tensor;
    run.in[i] = id < 0 ? NULL : t >= 0 ? &stream->cpu->tensors[t] :
        &dcnn_graph_value (plan->graph, id)->tensor;
    changed |= t >= 0 && stream->cpu->tensor_changed[t];
  }
  for (int i = 0; i < run.gn->n_outputs; i++)
    if (run.gn->outputs[i] >= 0)
      stream->cpu->tensor_changed[plan->values[run.gn->outputs[i]].tensor] =
          changed;
  if (!changed)
    return;
  if (run.gn->outputs[0] >= 0 && (run.gn->n_outputs == 1 ||
          run.gn->op == DCNN_OP_RECURRENT)) {
    run.out_index = plan->values[run.gn->outputs[0]].tensor;
    run.out = &stream->cpu->tensors[run.out_index];
  }
  if (run.out_index >= 0 && run_kernel (&run)) {
    mark_output (&run);
    share = (gdouble) run.n_rows / (gdouble) MAX (1,
        dcnn_tensor_rows (run.out));
  } else {
    run_reference (&run);
  }
  state->told->stats.candidates += share;
  state->told->stats.joined += share;
  state->told->stats.macs_done +=
      (guint64) (share * (gdouble) node->tail_macs);
  stream->cpu->macs_done += (guint64) (share * (gdouble) node->tail_macs);
}

/* ---- making ----------------------------------------------------------------------------- */

/* The tensors that tails read and write, of which rows are told apart. */
static gboolean
init_rows (DcnnStream *stream, const DcnnPlan *plan, DcnnValueId id,
    gsize *most)
{
  gint t = id < 0 ? -1 : plan->values[id].tensor;
  gsize rows;

  if (t < 0)
    return TRUE;
  rows = dcnn_tensor_rows (&stream->cpu->tensors[t]);
  *most = MAX (*most, rows);
  return stream->cpu->tensor_rows[t] || (stream->cpu->tensor_rows[t] =
      dcnn_take (rows + 1, &stream->cpu->bytes)) != NULL;
}

gboolean
dcnn_tails_init (DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  gsize rows = 0, floats = 0;
  gboolean ok = TRUE;

  for (guint s = 0; s < session->n_streams; s++)
    session->streams[s].cpu->tensor_rows = g_new0 (guint8 *,
        plan->tensors->len + 1);
  for (guint n = 0; n < plan->nodes->len && ok; n++) {
    const PlanNode *node = plan_node (plan, n);
    const DcnnNode *gn;
    if (node->kind != PLAN_TAIL)
      continue;
    gn = dcnn_graph_node (plan->graph, node->graph_node);
    if (gn->op == DCNN_OP_CONV)
      floats = MAX (floats, dcnn_tail_conv_floats (plan->graph, gn,
              session->threads));
    else if (!is_packed_once (plan->graph, gn))
      floats = MAX (floats, pack_floats (plan->graph, gn));
    for (guint s = 0; s < session->n_streams && ok; s++) {
      DcnnStream *stream = &session->streams[s];
      for (int i = 0; i < gn->n_inputs && ok; i++)
        ok = init_rows (stream, plan, gn->inputs[i], &rows);
      for (int i = 0; i < gn->n_outputs && ok; i++)
        ok = init_rows (stream, plan, gn->outputs[i], &rows);
    }
  }
  if (ok && rows > 0)
    ok = (session->cpu->tail_rows = dcnn_take (rows * sizeof (guint32),
            &session->cpu->bytes)) != NULL;
  if (ok && floats > 0)
    ok = (session->cpu->tail_pack = dcnn_take (floats * sizeof (float),
            &session->cpu->bytes)) != NULL;
  return ok;
}

void
dcnn_tails_clear (DcnnSession *session)
{
  for (guint s = 0; s < session->n_streams; s++) {
    DcnnStream *stream = &session->streams[s];
    for (guint t = 0; stream->cpu->tensor_rows && t <
        session->plan->tensors->len;
        t++)
      free (stream->cpu->tensor_rows[t]);
    g_free (stream->cpu->tensor_rows);
  }
  free (session->cpu->tail_rows);
  free (session->cpu->tail_pack);
}
