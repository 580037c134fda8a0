/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * oracle.c - see oracle.h: accumulated and truncated values, judgement,
 * comparison with the engine.
 */
#include "oracle.h"

#include <math.h>
#include <string.h>

/* A significance this near its limit may fall either way in float. */
#define TIE_SHARE 1e-3
/* Differences below this may be none in float. */
#define TIE_ABSOLUTE 2e-5
#define MAX_CHANNELS 512

/* ---- making ----------------------------------------------------------------- */

/* Which leaf map holds channel c of a map made of pieces: where it lies in
 * the buffer tells. */
static gboolean
find_leaf (const DcnnPlan *plan, gint map, guint32 place, gint *leaf,
    guint *channel)
{
  const PlanMap *m = plan_map (plan, map);

  if (m->mask >= 0) {
    for (guint c = 0; c < m->channels; c++)
      if (m->offset + plan_position (m, c) == place) {
        *leaf = map;
        *channel = c;
        return TRUE;
      }
    return FALSE;
  }
  for (guint i = 0; m->pieces && i < m->pieces->len; i++)
    if (find_leaf (plan, g_array_index (m->pieces, gint, i), place, leaf,
            channel))
      return TRUE;
  return FALSE;
}

static gboolean
init_map (const DcnnPlan *plan, gint index, OracleMap *map)
{
  const PlanMap *m = plan_map (plan, index);
  gsize pixels = (gsize) m->width * m->height;

  map->width = m->width;
  map->height = m->height;
  map->channels = m->channels;
  if (m->mask >= 0) {
    map->delta = g_new0 (double, pixels * m->channels);
    map->sum = g_new0 (double, pixels * m->channels);
    map->mask = g_new0 (guint8, pixels);
    return TRUE;
  }
  map->leaf_map = g_new0 (gint, m->channels);
  map->leaf_channel = g_new0 (guint, m->channels);
  for (guint c = 0; c < m->channels; c++)
    if (!find_leaf (plan, index, m->offset + plan_position (m, c),
            &map->leaf_map[c], &map->leaf_channel[c]))
      return FALSE;
  return TRUE;
}

/* The map that the plan's node reads value from: the value's own, or a copy
 * laid out anew. */
static gint
map_of_operand (const DcnnPlan *plan, const PlanNode *node, DcnnValueId value)
{
  gint wanted = plan->values[value].map;

  for (gint s = -1; s < node->n_steps; s++) {
    gint map = s < 0 ? node->in : node->steps[s].map, source;
    if (map < 0)
      continue;
    source = plan_map (plan, map)->source;
    if (map == wanted || (source >= 0 && plan_node (plan, source)->in ==
            wanted && plan_node (plan, source)->primary == DCNN_PRIMARY_COPY
            && plan_node (plan, source)->kind == PLAN_KERNEL))
      return map;
  }
  return -1;
}

/* Walks from what the node makes back to what it reads. */
static gboolean
collect (const DcnnPlan *plan, OracleNode *node, DcnnValueId value,
    gboolean top)
{
  const PlanNode *pn = plan_node (plan, node->index);
  const DcnnValue *v = dcnn_graph_value (plan->graph, value);
  const DcnnNode *gn;

  if (v->tensor.data != NULL || value == node->root)
    return TRUE;
  if (!top && plan->values[value].map >= 0) {
    gint map = map_of_operand (plan, pn, value);
    if (map < 0 || node->n_operands == ORACLE_MAX_OPERANDS)
      return FALSE;
    if (map == node->in && node->root < 0 && pn->primary ==
        DCNN_PRIMARY_COPY) {
      node->root = value;
      return TRUE;
    }
    for (guint i = 0; i < node->n_operands; i++)
      if (node->operand[i] == value)
        return TRUE;
    node->operand[node->n_operands] = value;
    node->operand_map[node->n_operands++] = map;
    return TRUE;
  }
  if (v->producer < 0)
    return FALSE;
  gn = dcnn_graph_node (plan->graph, v->producer);
  if (oracle_is_primary (gn->op)) {
    node->op = gn;
    node->root = value;
    return TRUE;
  }
  if (!oracle_is_pointwise (gn->op))
    return FALSE;
  for (int i = 0; i < gn->n_inputs; i++)
    if (gn->inputs[i] >= 0 && !collect (plan, node, gn->inputs[i], FALSE))
      return FALSE;
  return TRUE;
}

static DcnnValueId
value_of_node (const DcnnPlan *plan, const PlanNode *node)
{
  for (guint v = 0; v < plan->graph->values->len; v++)
    if (plan->values[v].map == node->out &&
        strcmp (dcnn_graph_value (plan->graph, v)->name, node->name) == 0)
      return (DcnnValueId) v;
  return -1;
}

static gboolean
init_node (Oracle *oracle, gint index, const char **why)
{
  const DcnnPlan *plan = oracle->plan;
  const PlanNode *pn = plan_node (plan, index);
  OracleNode node = { .index = index, .in = pn->in, .out = pn->out,
    .root = -1 };
  gsize pixels;

  if (pn->kind == PLAN_GATHER)
    return TRUE;
  *why = "a node that is no kernel";
  if (pn->kind != PLAN_KERNEL)
    return FALSE;
  node.value = value_of_node (plan, pn);
  if (node.value < 0 && (pn->primary != DCNN_PRIMARY_COPY || pn->n_steps))
    return FALSE;
  *why = "a node whose fused operators are not found";
  if (node.value >= 0 && (!collect (plan, &node, node.value, TRUE) ||
          node.root < 0))
    return FALSE;
  pixels = (gsize) oracle->maps[node.out].width *
      oracle->maps[node.out].height;
  for (guint k = 0; k <= node.n_operands; k++) {
    node.row_channels[k] = k == 0 ? oracle->maps[node.out].channels :
        oracle->maps[node.operand_map[k - 1]].channels;
    g_assert_cmpuint (node.row_channels[k], <=, MAX_CHANNELS);
    node.acc[k] = g_new0 (double, pixels * node.row_channels[k]);
    node.trunc[k] = g_new0 (double, pixels * node.row_channels[k]);
  }
  if (node.op && node.op->op == DCNN_OP_MAX_POOL)
    node.pool_input = g_new0 (double, (gsize) oracle->maps[node.in].width *
        oracle->maps[node.in].height * oracle->maps[node.in].channels);
  g_array_append_val (oracle->nodes, node);
  return TRUE;
}

Oracle *
oracle_new (const DcnnPlan *plan, const char **why)
{
  Oracle *oracle = g_new0 (Oracle, 1);
  gboolean ok = TRUE;

  oracle->plan = plan;
  oracle->first = TRUE;
  oracle->maps = g_new0 (OracleMap, plan->maps->len);
  oracle->nodes = g_array_new (FALSE, TRUE, sizeof (OracleNode));
  *why = "a map whose channels are not found";
  for (guint m = 0; m < plan->maps->len && ok; m++)
    if (plan_map (plan, m)->buffer >= 0)
      ok = !plan_map (plan, m)->constant && init_map (plan, m,
          &oracle->maps[m]);
  for (guint n = 0; n < plan->nodes->len && ok; n++)
    ok = init_node (oracle, n, why);
  if (!ok)
    g_clear_pointer (&oracle, oracle_free);
  return oracle;
}

void
oracle_free (Oracle *oracle)
{
  for (guint m = 0; m < oracle->plan->maps->len; m++) {
    g_free (oracle->maps[m].delta);
    g_free (oracle->maps[m].sum);
    g_free (oracle->maps[m].mask);
    g_free (oracle->maps[m].leaf_map);
    g_free (oracle->maps[m].leaf_channel);
  }
  for (guint n = 0; n < oracle->nodes->len; n++) {
    OracleNode *node = &g_array_index (oracle->nodes, OracleNode, n);
    for (guint k = 0; k <= node->n_operands; k++) {
      g_free (node->acc[k]);
      g_free (node->trunc[k]);
    }
    g_free (node->pool_input);
  }
  g_free (oracle->maps);
  g_array_unref (oracle->nodes);
  g_free (oracle);
}

/* ---- rules ------------------------------------------------------------------------ */

void
oracle_rules_take (OracleRules *rules, const DcnnSession *session,
    GHashTable *influence)
{
  const DcnnPlan *plan = session->plan;
  guint n_nodes = plan->nodes->len;

  rules->tuning = session->tuning;
  rules->threshold = g_new0 (float, n_nodes);
  rules->spread_valid = g_new0 (gboolean, n_nodes);
  rules->inv_spread = g_new0 (float *, n_nodes);
  rules->influence = g_new0 (const float *, n_nodes);
  rules->limits = g_new0 (double, n_nodes);
  dcnn_plan_limits (plan, rules->limits);
  for (guint n = 0; n < n_nodes; n++) {
    const CpuNodeState *state = &session->streams[0].cpu->nodes[n];
    const PlanNode *node = plan_node (plan, n);
    if (node->kind != PLAN_KERNEL)
      continue;
    rules->threshold[n] = node->is_output ? 0 :
        isnan (state->told->threshold) ?
        session->tuning.threshold : state->told->threshold;
    rules->spread_valid[n] = state->spread_valid;
    rules->inv_spread[n] = g_memdup2 (state->inv_spread,
        sizeof (float) * plan_map (plan, node->out)->span);
    if (influence && g_hash_table_contains (influence, node->name))
      rules->influence[n] = (const float *) (const void *)
          ((GArray *) g_hash_table_lookup (influence, node->name))->data;
  }
}

void
oracle_rules_clear (OracleRules *rules, const DcnnPlan *plan)
{
  for (guint n = 0; n < plan->nodes->len; n++)
    g_free (rules->inv_spread[n]);
  g_free (rules->inv_spread);
  g_free (rules->influence);
  g_free (rules->limits);
  g_free (rules->threshold);
  g_free (rules->spread_valid);
}

typedef enum Verdict { KEEP, JOIN, TIE } Verdict;

/* The criterion that a node goes by: what is not known goes by nrms. */
static DcnnCriterion
criterion_of (const OracleRules *rules, const OracleNode *node)
{
  return rules->tuning.criterion == DCNN_CRITERION_INFLUENCE &&
      rules->influence[node->index] == NULL ? DCNN_CRITERION_NRMS :
      rules->tuning.criterion;
}

/* What a change of channel c is multiplied by. */
static double
weight_of (const Oracle *oracle, const OracleRules *rules,
    const OracleNode *node, guint c)
{
  const PlanMap *out = plan_map (oracle->plan, node->out);

  switch (criterion_of (rules, node)) {
    case DCNN_CRITERION_NRMS:
      return rules->inv_spread[node->index][plan_position (out, c)];
    case DCNN_CRITERION_INFLUENCE:
      return rules->influence[node->index][c];
    default:
      return 1;
  }
}

static Verdict
judge (const Oracle *oracle, const OracleRules *rules, const OracleNode *node,
    const double *d, const double *s)
{
  const PlanMap *out = plan_map (oracle->plan, node->out);
  float t = rules->threshold[node->index];
  DcnnCriterion criterion = criterion_of (rules, node);
  double most = 0, squares = 0, size = 0, value, limit;

  for (guint c = 0; c < out->channels; c++) {
    double weighted = d[c] * weight_of (oracle, rules, node, c);
    most = MAX (most, fabs (d[c]));
    size = MAX (size, fabs (s[c]));
    squares += weighted * weighted;
  }
  if (oracle->first || t < 0)
    return JOIN;
  if (t <= 0 || (out->width == 1 && out->height == 1) ||
      (criterion == DCNN_CRITERION_NRMS &&
          !rules->spread_valid[node->index]))
    return most == 0 ? KEEP : most <= TIE_ABSOLUTE * (1 + size) ? TIE : JOIN;
  value = criterion == DCNN_CRITERION_MAX ? most :
      criterion == DCNN_CRITERION_INFLUENCE ? sqrt (squares) :
      sqrt (squares / out->channels);
  limit = criterion == DCNN_CRITERION_INFLUENCE ?
      t * sqrt (rules->limits[node->index]) : t;
  if (fabs (value - limit) <= TIE_SHARE * limit)
    return TIE;
  return value > limit ? JOIN : KEEP;
}

/* ---- a node ------------------------------------------------------------------------ */

static gboolean
is_candidate (const Oracle *oracle, const OracleNode *node, guint y, guint x)
{
  if (oracle_reaches (oracle, node, y, x))
    return TRUE;
  for (guint k = 0; k < node->n_operands; k++)
    if (oracle_mask (oracle, node->operand_map[k], y, x))
      return TRUE;
  return FALSE;
}

/* F of the node's steps on rows, all channels. */
static void
evaluate (const Oracle *oracle, const OracleNode *node,
    double rows[][MAX_CHANNELS], guint y, guint x, double *result)
{
  const double *pointers[1 + ORACLE_MAX_OPERANDS];
  guint channels = oracle->maps[node->out].channels;

  for (guint k = 0; k <= node->n_operands; k++)
    pointers[k] = rows[k];
  for (guint c = 0; c < channels; c++)
    result[c] = node->value < 0 ? rows[0][c] : oracle_evaluate (oracle, node,
        node->value, pointers, c, y, x);
}

/* One candidate: T += delta; sent when significant. TRUE: joined. */
static gboolean
run_pixel (Oracle *oracle, const OracleRules *rules, OracleNode *node, guint y,
    guint x, gboolean engine_joined)
{
  OracleMap *out = &oracle->maps[node->out];
  gsize at = (gsize) y * out->width + x;
  double before[1 + ORACLE_MAX_OPERANDS][MAX_CHANNELS];
  double after[1 + ORACLE_MAX_OPERANDS][MAX_CHANNELS];
  double f0[MAX_CHANNELS], f1[MAX_CHANNELS], d[MAX_CHANNELS];
  Verdict verdict;

  for (guint k = 0; k <= node->n_operands; k++) {
    guint channels = node->row_channels[k];
    double *acc = node->acc[k] + at * channels;
    double *trunc = node->trunc[k] + at * channels;
    double delta[MAX_CHANNELS];
    if (k == 0)
      oracle_row_delta (oracle, node, y, x, acc, delta);
    else
      for (guint c = 0; c < channels; c++)
        delta[c] = oracle_delta (oracle, node->operand_map[k - 1], y, x, c);
    for (guint c = 0; c < channels; c++) {
      /* the pool's row is a difference to what was sent, T included */
      trunc[c] = k == 0 && node->pool_input ? delta[c] : trunc[c] + delta[c];
      before[k][c] = acc[c];
      after[k][c] = acc[c] + trunc[c];
    }
  }
  evaluate (oracle, node, before, y, x, f0);
  evaluate (oracle, node, after, y, x, f1);
  for (guint c = 0; c < out->channels; c++)
    d[c] = oracle->first ? f1[c] : f1[c] - f0[c];
  verdict = judge (oracle, rules, node, d, f1);
  oracle->judged++;
  if (verdict == TIE) {
    oracle->ties++;
    verdict = engine_joined ? JOIN : KEEP;
  }
  if (verdict == KEEP) {
    oracle->kept++;
    return FALSE;
  }
  for (guint k = 0; k <= node->n_operands; k++)
    for (guint c = 0; c < node->row_channels[k]; c++) {
      node->acc[k][at * node->row_channels[k] + c] = after[k][c];
      node->trunc[k][at * node->row_channels[k] + c] = 0;
    }
  for (guint c = 0; c < out->channels; c++) {
    out->delta[at * out->channels + c] = d[c];
    out->sum[at * out->channels + c] += d[c];
  }
  return TRUE;
}

static gboolean
engine_mask (const DcnnSession *session, gint map, guint y, guint x)
{
  const StreamMask *m =
      &session->streams[0].masks[plan_map (session->plan, map)->mask];

  return m->any && dcnn_mask_get (&m->mask, y, x);
}

/* What differs at a pixel between the oracle's sum and the engine's S. */
static char *
compare_pixel (Oracle *oracle, const DcnnSession *session, gint map, guint y,
    guint x)
{
  const OracleMap *m = &oracle->maps[map];
  const PlanMap *pm = plan_map (oracle->plan, map);
  const float *s = dcnn_map_pixel (&session->streams[0].cpu->maps[map], y, x);

  for (guint c = 0; c < m->channels; c++) {
    double want = m->sum[((gsize) y * m->width + x) * m->channels + c];
    double d = fabs (want - s[plan_position (pm, c)]) / (1 + fabs (want));
    oracle->worst = MAX (oracle->worst, d);
    if (!(d <= 1e-4))
      return g_strdup_printf ("value %g, the oracle has %g in channel %u",
          s[plan_position (pm, c)], want, c);
  }
  return NULL;
}

static char *
run_node (Oracle *oracle, const OracleRules *rules, OracleNode *node,
    const DcnnSession *session)
{
  OracleMap *out = &oracle->maps[node->out];
  const OracleMap *in = &oracle->maps[node->in];

  for (guint y = 0; node->pool_input && y < in->height; y++)
    for (guint x = 0; x < in->width; x++)
      for (guint c = 0; c < in->channels; c++)
        node->pool_input[((gsize) y * in->width + x) * in->channels + c] +=
            oracle_delta (oracle, node->in, y, x, c);
  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++) {
      gboolean engine = engine_mask (session, node->out, y, x), joined;
      char *text;
      joined = is_candidate (oracle, node, y, x) &&
          run_pixel (oracle, rules, node, y, x, engine);
      out->mask[y * out->width + x] = joined;
      if (joined != engine)
        return g_strdup_printf ("node %d (%s) pixel y %u x %u: the engine %s, "
            "the oracle does not", node->index, plan_node (oracle->plan,
                node->index)->name, y, x, engine ? "joins" : "keeps");
      text = compare_pixel (oracle, session, node->out, y, x);
      if (text) {
        char *more = g_strdup_printf ("node %d (%s) pixel y %u x %u: %s",
            node->index, plan_node (oracle->plan, node->index)->name, y, x,
            text);
        g_free (text);
        return more;
      }
    }
  return NULL;
}

/* ---- a frame --------------------------------------------------------------------------- */

static char *
enter_frame (Oracle *oracle, const DcnnTensor *frame, float threshold,
    const DcnnSession *session, gint index)
{
  OracleMap *m = &oracle->maps[index];
  gsize plane = (gsize) m->width * m->height;
  const float *from = frame->data;

  for (gsize p = 0; p < plane; p++) {
    double *sum = m->sum + p * m->channels;
    float most = 0;
    for (guint c = 0; c < m->channels; c++)
      most = MAX (most, fabsf (from[c * plane + p] - (float) sum[c]));
    m->mask[p] = oracle->first || most > threshold;
    if (m->mask[p] != engine_mask (session, index, (guint) (p / m->width),
            (guint) (p % m->width)))
      return g_strdup_printf ("the input's mask differs at pixel %"
          G_GSIZE_FORMAT, p);
    for (guint c = 0; c < m->channels; c++) {
      m->delta[p * m->channels + c] =
          m->mask[p] ? (double) from[c * plane + p] - sum[c] : 0;
      sum[c] += m->delta[p * m->channels + c];
    }
  }
  return NULL;
}

char *
oracle_frame (Oracle *oracle, const OracleRules *rules,
    const DcnnTensor *frame, float input_threshold,
    const DcnnSession *session)
{
  char *text = NULL;

  for (guint m = 0; m < oracle->plan->maps->len && !text; m++)
    if (plan_map (oracle->plan, m)->graph_input == 0)
      text = enter_frame (oracle, frame, input_threshold, session, m);
  for (guint n = 0; n < oracle->nodes->len && !text; n++)
    text = run_node (oracle, rules,
        &g_array_index (oracle->nodes, OracleNode, n), session);
  oracle->first = FALSE;
  return text;
}
