/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_influence.c - how strongly each channel bears on the outputs, by
 * sending random gradients back through the plan. With what a pixel that joins
 * will cost (plan/plan_price.c) it makes the criterion "influence"
 * (DcnnCriterion).
 *
 * With outputs y, each divided by its own norm, and J = dy / dx for one pixel
 * x of a node, a change d of that pixel moves the outputs by |J d|^2. Its
 * expectation over changes whose channels have independent signs is
 * sum_c (s_c d_c)^2 with s_c^2 = (J^T J)_cc; and for u of independent signs
 * (J^T u)_c^2 is an unbiased estimate of that (Hutchinson 1990). Averaged over
 * the map's pixels, over a few u and a few frames.
 *
 * The frame may have run anywhere: what its maps hold comes from the backend's
 * probe, and gradients go back through the processor's kernels.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* ---- a frame's values ------------------------------------------------------- */

/* What a stream holds after its last frame, on whatever device, as the cpu's
 * kernels read it: taken through the backend's probe. */
typedef struct Values {
  const DcnnPlan *plan;
  gfloat **buffers;        /* by plan buffer */
  guint32 **offsets;       /* by plan geometry: of rows, then of columns */
  DcnnMap *maps;           /* by plan map */
  DcnnJob *jobs;           /* by plan node; of KERNEL nodes */
  DcnnStep *steps;         /* of these */
  float *ones;             /* [span of the widest map, padded] */
} Values;

static gsize
buffer_floats (const PlanBuffer *buffer)
{
  return (gsize) buffer->width * buffer->height * buffer->pixel_elements +
      DCNN_OVERREAD;
}

/* New, zeroed, for vectors; NULL: no memory. */
static gfloat *
take_floats (gsize n)
{
  gsize bytes = 0;

  return dcnn_take (n * sizeof (gfloat), &bytes);
}

static gboolean
take_buffers (const DcnnPlan *plan, gfloat **buffers)
{
  for (guint i = 0; i < plan->buffers->len; i++)
    if ((buffers[i] = take_floats (buffer_floats (&g_array_index (
                      plan->buffers, PlanBuffer, i)))) == NULL)
      return FALSE;
  return TRUE;
}

/* The window begins where the buffer does. */
static guint32 *
new_offsets (const PlanGeometry *g)
{
  guint32 *offsets = g_new (guint32, g->height + g->width);

  for (guint y = 0; y < g->height; y++)
    offsets[y] = y * g->width * g->pixel_elements;
  for (guint x = 0; x < g->width; x++)
    offsets[g->height + x] = x * g->pixel_elements;
  return offsets;
}

static DcnnMap
map_in (const Values *v, const PlanMap *map)
{
  static const guint32 still[2];
  const PlanBuffer *buffer =
      &g_array_index (v->plan->buffers, PlanBuffer, map->buffer);
  const guint32 *offsets = v->offsets[buffer->geometry];

  return (DcnnMap) { v->buffers[map->buffer] + map->offset, map->width,
    map->height, map->span, MIN (dcnn_padded (map->span),
        buffer->pixel_elements - map->offset), offsets,
    offsets + buffer->height, still, NULL, 0 };
}

/* A map's values into where they lie; room: as many as the map has. */
static gboolean
fill_map (Values *v, DcnnSession *session, guint stream, gint index,
    gfloat *room, GError **error)
{
  const PlanMap *map = plan_map (v->plan, index);
  const gfloat *from = map->constant;

  if (from == NULL) {
    if (!dcnn_session_probe (session, stream, index, room, NULL, error))
      return FALSE;
    from = room;
  }
  for (guint y = 0; y < map->height; y++)
    for (guint x = 0; x < map->width; x++)
      for (guint c = 0; c < map->channels; c++)
        dcnn_map_pixel (&v->maps[index], y, x)[plan_position (map, c)] =
            *from++;
  return TRUE;
}

static void
values_clear (Values *v)
{
  for (guint i = 0; i < v->plan->buffers->len; i++)
    free (v->buffers[i]);
  for (guint i = 0; i < v->plan->geometries->len; i++)
    g_free (v->offsets[i]);
  g_free (v->buffers);
  g_free (v->offsets);
  g_free (v->maps);
  g_free (v->jobs);
  g_free (v->steps);
  free (v->ones);
}

/* Every map's values. */
static gboolean
take_maps (Values *v, DcnnSession *session, guint stream, GError **error)
{
  const DcnnPlan *plan = v->plan;
  g_autofree gfloat *room = NULL;
  gsize most = 1, span = 1;

  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, (gint) i);
    most = MAX (most, (gsize) map->width * map->height * map->channels);
    span = MAX (span, map->span);
  }
  room = g_try_new (gfloat, most);
  v->ones = take_floats (dcnn_padded ((guint) span));
  if (!room || !v->ones || !take_buffers (plan, v->buffers)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for the values of a frame");
    return FALSE;
  }
  for (gsize i = 0; i < span; i++)
    v->ones[i] = 1;
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, (gint) i);
    if (map->buffer < 0)
      continue;
    v->maps[i] = map_in (v, map);
    if (!fill_map (v, session, stream, (gint) i, room, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
values_init (Values *v, DcnnSession *session, guint stream,
    const CpuWeights *weights, GError **error)
{
  const DcnnPlan *plan = v->plan = session->plan;
  DcnnStep *steps;

  v->buffers = g_new0 (gfloat *, plan->buffers->len + 1);
  v->offsets = g_new0 (guint32 *, plan->geometries->len + 1);
  v->maps = g_new0 (DcnnMap, plan->maps->len + 1);
  v->jobs = g_new0 (DcnnJob, plan->nodes->len + 1);
  v->steps = steps = g_new0 (DcnnStep, dcnn_cpu_count_steps (plan) + 1);
  for (guint i = 0; i < plan->geometries->len; i++)
    v->offsets[i] = new_offsets (&g_array_index (plan->geometries,
            PlanGeometry, i));
  if (!take_maps (v, session, stream, error))
    return FALSE;
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, (gint) n)->kind == PLAN_KERNEL)
      dcnn_cpu_job (plan_node (plan, (gint) n), &weights->nodes[n], FALSE,
          v->maps, &steps, &v->jobs[n]);
  return TRUE;
}

/* ---- gradients ---------------------------------------------------------------- */

typedef struct Backward {
  const DcnnPlan *plan;
  const DcnnCpuKernels *kernels;
  Values of;               /* the frame */
  const gfloat *const *weights; /* by output; NULL: none */
  gfloat **buffers;        /* gradients, laid out as the values' */
  DcnnMap *maps;           /* views on them, by plan map */
  gfloat *rows, *values;   /* [pixels][channels padded] of the largest map */
  guint32 *offsets;        /* of rows and columns in those two */
  gfloat *tensor;          /* the largest gathered one's elements */
  void *scratch;
  gsize scratch_bytes;
  guint64 random;
} Backward;

static float
random_sign (Backward *b)
{
  /* xorshift64* (Vigna 2016) */
  b->random ^= b->random >> 12;
  b->random ^= b->random << 25;
  b->random ^= b->random >> 27;
  return (b->random * 0x2545f4914f6cdd1dull) >> 63 ? 1 : -1;
}

/* A map of its own rows, one pixel after the other. */
static DcnnMap
row_map (const Backward *b, const PlanMap *map, gfloat *data)
{
  static const guint32 still[2];
  guint width = dcnn_padded (map->span);

  for (guint y = 0; y < map->height; y++)
    b->offsets[y] = y * map->width * width;
  for (guint x = 0; x < map->width; x++)
    b->offsets[map->height + x] = x * width;
  return (DcnnMap) { data, map->width, map->height, map->span, width,
    b->offsets, b->offsets + map->height, still, NULL, 0 };
}

/* The caller's weights of a gathered tensor's elements; NULL: all 1. */
static const gfloat *
weights_of (const Backward *b, DcnnValueId value)
{
  const GArray *outputs = b->plan->graph->outputs;

  for (guint i = 0; b->weights && i < outputs->len; i++)
    if (g_array_index (outputs, DcnnValueId, i) == value)
      return b->weights[i];
  return NULL;
}

/* The elements of a gathered tensor, in their order. */
static void
gather (Backward *b, const PlanNode *node)
{
  for (guint i = 0; i < node->sources->len; i++) {
    const PlanGatherSource *s =
        &g_array_index (node->sources, PlanGatherSource, i);
    const PlanMap *map = plan_map (b->plan, s->map);
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++)
        for (guint c = 0; c < map->channels; c++)
          b->tensor[s->base + y * s->stride_y + x * s->stride_x +
              c * s->stride_c] = dcnn_map_pixel (&b->of.maps[s->map], y,
              x)[plan_position (map, c)];
  }
}

/* The outputs, and what goes into tails: +-weight over the weighted tensor's
 * norm. */
static void
seed_gather (Backward *b, const PlanNode *node)
{
  const DcnnTensor *t =
      &dcnn_graph_value (b->plan->graph, node->value)->tensor;
  const gfloat *weights = weights_of (b, node->value);
  gint64 count = dcnn_tensor_count (t);
  const float *v = b->tensor;
  gdouble squares = 0;

  if (t->dtype != DCNN_DTYPE_F32)
    return;
  gather (b, node);
  for (gint64 i = 0; i < count; i++) {
    gdouble w = weights ? weights[i] : 1;
    squares += w * w * v[i] * v[i];
  }
  if (!(squares > 0) || !isfinite (squares))
    return;
  for (guint i = 0; i < node->sources->len; i++) {
    const PlanGatherSource *s =
        &g_array_index (node->sources, PlanGatherSource, i);
    const PlanMap *map = plan_map (b->plan, s->map);
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++)
        for (guint c = 0; c < map->channels; c++) {
          gint64 at = s->base + y * s->stride_y + x * s->stride_x +
              c * s->stride_c;
          float w = weights ? weights[at] : 1;
          dcnn_map_pixel (&b->maps[s->map], y, x)[plan_position (map, c)] +=
              random_sign (b) * w / (float) sqrt (squares);
        }
  }
}

/* Arg max has no slope; what stands in is any change of what it compares. */
static void
seed_arg_max (Backward *b, const PlanNode *node)
{
  const PlanMap *map = plan_map (b->plan, node->in);
  const DcnnMap *values = &b->of.maps[node->in];
  const DcnnMap *to = &b->maps[node->in];
  gdouble squares = 0;

  for (guint y = 0; y < map->height; y++)
    for (guint x = 0; x < map->width; x++)
      for (guint c = 0; c < map->span; c++) {
        gdouble v = dcnn_map_pixel (values, y, x)[c];
        squares += v * v;
      }
  for (guint y = 0; squares > 0 && y < map->height; y++)
    for (guint x = 0; x < map->width; x++)
      for (guint c = 0; c < map->span; c++)
        dcnn_map_pixel (to, y, x)[c] +=
            random_sign (b) / (float) sqrt (squares);
}

/* The rows of a node as they are before step k, into b->values. */
static gboolean
rows_before (Backward *b, gint n, gint k, DcnnMap *values)
{
  const PlanNode *node = plan_node (b->plan, n);
  DcnnJob job = b->of.jobs[n];
  gsize bytes;

  job.n_steps = (guint) k;
  job.out = *values;
  job.pixels = NULL;
  job.verdicts = NULL;
  job.significance = (DcnnSignificance) { DCNN_SIGNIFICANT_ALWAYS, 0,
    b->of.ones };
  bytes = b->kernels->scratch_bytes (&job);
  if (bytes > b->scratch_bytes) {
    free (b->scratch);
    b->scratch = dcnn_take (bytes, &b->scratch_bytes);
    b->scratch_bytes = b->scratch ? bytes : 0;
    if (b->scratch == NULL)
      return FALSE;
  }
  b->kernels->run[node->primary] (&job, 0, job.out.height, b->scratch);
  return TRUE;
}

/* One step at one pixel: its rows' gradient, and its operand's. */
static void
step_pixel (Backward *b, const DcnnStep *step, gint operand, guint y, guint x,
    const float *r, float *g, guint channels)
{
  const float *e = NULL;
  float *to = NULL;
  guint advance = step->operand == DCNN_OPERAND_MAP ||
      step->operand == DCNN_OPERAND_VECTOR;

  if (step->operand == DCNN_OPERAND_MAP || step->operand == DCNN_OPERAND_PIXEL)
    e = dcnn_map_pixel (&step->map, y, x);
  else if (step->operand == DCNN_OPERAND_VECTOR)
    e = step->vector;
  if (operand >= 0)
    to = step->operand == DCNN_OPERAND_VECTOR ? b->maps[operand].data :
        dcnn_map_pixel (&b->maps[operand], y, x);
  for (guint c = 0; c < channels; c++) {
    float of_row, of_operand;
    dcnn_k_step_slope (step, r[c], e ? e[c * advance] : step->a, &of_row,
        &of_operand);
    /* at a pole (a logarithm of 0) nothing is known: not infinity */
    if (to && isfinite (of_operand))
      to[c * advance] += g[c] * of_operand;
    g[c] = isfinite (of_row) ? g[c] * of_row : 0;
  }
}

static gboolean
back_through_kernel (Backward *b, gint n)
{
  const PlanNode *node = plan_node (b->plan, n);
  const PlanMap *out = plan_map (b->plan, node->out);
  const DcnnJob *job = &b->of.jobs[n];
  DcnnMap rows = row_map (b, out, b->rows);
  DcnnMap values = row_map (b, out, b->values);

  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++)
      memcpy (dcnn_map_pixel (&rows, y, x),
          dcnn_map_pixel (&b->maps[node->out], y, x),
          out->span * sizeof (float));
  for (gint k = node->n_steps - 1; k >= 0; k--) {
    if (!rows_before (b, n, k, &values))
      return FALSE;
    for (guint y = 0; y < out->height; y++)
      for (guint x = 0; x < out->width; x++)
        step_pixel (b, &job->steps[k], node->steps[k].map, y, x,
            dcnn_map_pixel (&values, y, x), dcnn_map_pixel (&rows, y, x),
            out->span);
  }
  if (node->primary == DCNN_PRIMARY_ARG_MAX)
    seed_arg_max (b, node);
  else
    dcnn_k_adjoint (job, &rows, &b->maps[node->in]);
  return TRUE;
}

/* A mean sends its gradient to all pixels, a maximum to where it is. The
 * moments of a normalisation are held. */
static void
back_through_global (Backward *b, const PlanNode *node)
{
  const PlanMap *in = plan_map (b->plan, node->in);
  const DcnnMap *values = &b->of.maps[node->in];
  const DcnnMap *to = &b->maps[node->in];
  const float *g = b->maps[node->out].data;
  float pixels = (float) in->width * (float) in->height;

  for (guint c = 0; node->norm == NULL && c < in->span; c++) {
    guint at_y = 0, at_x = 0;
    for (guint y = 0; y < in->height; y++)
      for (guint x = 0; x < in->width; x++)
        if (!node->maximum) {
          dcnn_map_pixel (to, y, x)[c] += g[c] / pixels;
        } else if (dcnn_map_pixel (values, y, x)[c] >
            dcnn_map_pixel (values, at_y, at_x)[c]) {
          at_y = y;
          at_x = x;
        }
    if (node->maximum)
      dcnn_map_pixel (to, at_y, at_x)[c] += g[c];
  }
}

/* ---- a measurement -------------------------------------------------------------- */

/* Mean squares over the map's pixels, added. */
static void
add_squares (const Backward *b, gint n, GHashTable *squares)
{
  const PlanNode *node = plan_node (b->plan, n);
  const PlanMap *out = plan_map (b->plan, node->out);
  GArray *sums = g_hash_table_lookup (squares, node->name);
  gdouble pixels = (gdouble) out->width * out->height;

  if (pixels < 2)
    return;
  if (sums == NULL) {
    sums = g_array_new (FALSE, TRUE, sizeof (gdouble));
    g_array_set_size (sums, out->channels);
    g_hash_table_insert (squares, g_strdup (node->name), sums);
  }
  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++) {
      const float *g = dcnn_map_pixel (&b->maps[node->out], y, x);
      for (guint c = 0; c < out->channels; c++) {
        gdouble v = g[plan_position (out, c)];
        g_array_index (sums, gdouble, c) += v * v / pixels;
      }
    }
}

static gboolean
run_backward (Backward *b, GHashTable *squares)
{
  for (guint i = 0; i < b->plan->buffers->len; i++)
    memset (b->buffers[i], 0, sizeof (float) *
        buffer_floats (&g_array_index (b->plan->buffers, PlanBuffer, i)));
  for (gint n = (gint) b->plan->nodes->len - 1; n >= 0; n--) {
    const PlanNode *node = plan_node (b->plan, n);
    if (node->kind == PLAN_GATHER)
      seed_gather (b, node);
    else if (node->kind == PLAN_GLOBAL)
      back_through_global (b, node);
    if (node->kind != PLAN_KERNEL)
      continue;
    add_squares (b, n, squares);
    if (!back_through_kernel (b, n))
      return FALSE;
  }
  return TRUE;
}

static void
backward_clear (Backward *b)
{
  for (guint i = 0; i < b->plan->buffers->len; i++)
    free (b->buffers[i]);
  g_free (b->buffers);
  g_free (b->maps);
  g_free (b->offsets);
  g_free (b->tensor);
  free (b->rows);
  free (b->values);
  free (b->scratch);
}

static gboolean
backward_init (Backward *b)
{
  const DcnnPlan *plan = b->plan;
  gsize floats = 0, sides = 0, elements = 1;
  gboolean ok;

  b->buffers = g_new0 (gfloat *, plan->buffers->len + 1);
  b->maps = g_memdup2 (b->of.maps, (plan->maps->len + 1) * sizeof (DcnnMap));
  ok = take_buffers (plan, b->buffers);
  for (guint i = 0; i < plan->maps->len && ok; i++) {
    const PlanMap *map = plan_map (plan, (gint) i);
    if (map->buffer >= 0)
      b->maps[i].data = b->buffers[map->buffer] + map->offset;
    floats = MAX (floats, (gsize) map->width * map->height *
        dcnn_padded (map->span) + DCNN_OVERREAD);
    sides = MAX (sides, (gsize) map->width + map->height);
  }
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, (gint) n)->kind == PLAN_GATHER)
      elements = MAX (elements, (gsize) dcnn_tensor_count (&dcnn_graph_value (
                  plan->graph, plan_node (plan, (gint) n)->value)->tensor));
  b->offsets = g_new (guint32, sides + 1);
  b->tensor = g_try_new0 (gfloat, elements);
  b->rows = ok ? take_floats (floats) : NULL;
  b->values = ok ? take_floats (floats) : NULL;
  return ok && b->tensor && b->rows && b->values;
}

/* All probes of a stream's last frame. */
static gboolean
measure (Backward *b, DcnnSession *session, guint stream,
    const CpuWeights *packed, guint probes, GHashTable *squares,
    GError **error)
{
  gboolean ok;

  if (!values_init (&b->of, session, stream, packed, error)) {
    values_clear (&b->of);
    return FALSE;
  }
  ok = backward_init (b);
  for (guint i = 0; i < probes && ok; i++)
    ok = run_backward (b, squares);
  backward_clear (b);
  values_clear (&b->of);
  if (!ok)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for gradients");
  return ok;
}

gboolean
dcnn_session_measure_influence (DcnnSession *session, guint stream,
    const gfloat *const *weights, guint probes, GHashTable *squares,
    GError **error)
{
  const DcnnBackend *cpu = &dcnn_backend_cpu;
  Backward b = { .plan = session->plan, .kernels = dcnn_cpu_kernels (),
    .weights = weights };
  gpointer packed;
  gboolean ok;

  if (squares == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "influence is measured into a table, and there is none (NULL)");
    return FALSE;
  }
  if (!session->options.store_all) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "influence is measured where every map is stored: make the session "
        "with the option store_all");
    return FALSE;
  }
  if (stream >= session->n_streams || session->streams[stream].first ||
      session->streams[stream].in_flight) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "influence is measured on a stream that has seen a frame, after "
        "dcnn_session_wait()");
    return FALSE;
  }
  b.random = 0x9e3779b97f4a7c15ull + session->streams[stream].stats.frames;
  if (!dcnn_backend_take_weights (session->model, session->plan, cpu, -1,
          &packed, error))
    return FALSE;
  ok = measure (&b, session, stream, packed, probes, squares, error);
  dcnn_backend_drop_weights (session->model, session->plan, cpu, -1);
  return ok;
}
