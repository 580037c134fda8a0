/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_layout.c - data movement without moving data. A chain of Reshape,
 * Transpose, Slice, Gather, Pad, Concat ... is followed once at load, as views
 * or on tensors of indices (dcnn_plan_trace.h); what comes out says where every
 * element of the result lies in the maps it came from. That is then recognised as a view, a channel gather, a
 * crop or pad, space-to-depth, depth-to-space, or an affine scatter into a
 * dense tensor, whatever way the exporter spelled it.
 */
#include "dcnn_plan_trace.h"

#include <string.h>

/* ---- to a dense tensor: affine scatter --------------------------------------- */

/* dest[e]: where element e of the root goes, -1 nowhere. Finds the strides
 * and checks every element. */
static gboolean
fit_affine (const PlanMap *map, const gint64 *dest, PlanGatherSource *s)
{
  gint64 origin = dest[0], plane = (gint64) map->width * map->height, e = 0;

  s->base = origin;
  s->stride_y = s->stride_x = s->stride_c = 0;
  if (origin < 0)
    return FALSE;
  if (map->height > 1)
    s->stride_y = dest[map->width] - origin;
  if (map->width > 1)
    s->stride_x = dest[1] - origin;
  if (map->channels > 1)
    s->stride_c = dest[plane] - origin;
  for (guint c = 0; c < map->channels; c++)
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++, e++)
        if (dest[e] != origin + y * s->stride_y + x * s->stride_x +
            c * s->stride_c)
          return FALSE;
  return TRUE;
}

/* Where each element of each root goes, root after root, into dest; first: the
 * place of a root's first. FALSE: some are used twice or not at all. */
static gboolean
invert (const gint64 *index, gint64 count, const gint64 *first, gint64 *dest)
{
  for (gint64 i = 0; i < count; i++)
    dest[i] = -1;
  for (gint64 i = 0; i < count; i++) {
    gint64 at;
    if (index[i] < 0)
      return FALSE;
    at = first[index[i] >> PLAN_INDEX_BITS] + (index[i] & PLAN_INDEX_MASK);
    if (dest[at] >= 0)
      return FALSE;
    dest[at] = i;
  }
  return TRUE;
}

/* All elements of all roots, each once: a scatter for each. */
static gboolean
affine_sources (Trace *t, const gint64 *index, gint64 count, GArray *sources)
{
  DcnnPlan *plan = t->b->plan;
  gint64 first[PLAN_TRACE_ROOTS + 1] = { 0 }, *dest;
  gboolean ok;

  for (int r = 0; r < t->n_roots; r++)
    first[r + 1] = first[r] + dcnn_tensor_count (&dcnn_graph_value (
            t->b->graph, t->roots[r])->tensor);
  if (count < 1 || first[t->n_roots] != count)
    return FALSE;
  dest = g_try_new (gint64, count);
  ok = dest != NULL && invert (index, count, first, dest);
  for (int r = 0; r < t->n_roots && ok; r++) {
    const PlanValue *v = &plan->values[t->roots[r]];
    PlanGatherSource s = { .map = v->map };
    ok = fit_affine (plan_map (plan, v->map), dest + first[r], &s);
    g_array_append_val (sources, s);
  }
  g_free (dest);
  return ok;
}

static gboolean
scatter_sources (Trace *t, Traced *traced, GArray *sources)
{
  const gint64 *index;

  if (traced->shape.data == NULL && t->n_roots == 1) {
    PlanGatherSource s = { .map = t->b->plan->values[t->roots[0]].map };
    gboolean ok = plan_view_scatter (plan_map (t->b->plan, s.map), traced,
        &s);
    g_array_append_val (sources, s);
    return ok;
  }
  index = plan_trace_indices (t, traced);
  return index != NULL && affine_sources (t, index,
      dcnn_tensor_count (&traced->shape), sources);
}

gboolean
plan_trace_tensor (PlanBuilder *b, DcnnValueId value)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (PlanGatherSource));
  const DcnnTensor *tensor = &dcnn_graph_value (b->graph, value)->tensor;
  Trace t;
  Traced *traced = plan_trace_begin (&t, b, value);
  gboolean ok = traced != NULL && tensor->dtype == DCNN_DTYPE_F32 &&
      scatter_sources (&t, traced, sources);

  plan_trace_end (&t);
  if (ok) {
    PlanNode *node = plan_new_node (b, PLAN_GATHER, "Gather");
    g_free (node->name);
    node->name = g_strdup (dcnn_graph_value (b->graph, value)->name);
    node->value = value;
    node->sources = g_steal_pointer (&sources);
    plan_commit_node (b, node);
  } else {
    g_array_unref (sources);
  }
  return ok;
}

/* ---- to a map --------------------------------------------------------------------- */

typedef struct Shape {
  gint64 c, h, w;
} Shape;

/* out(c, y, x) = in(f[c], g[y], k[x]); -1 in g or k is padding. */
typedef struct Separable {
  gint64 *f, *g, *k;
} Separable;

static void
split_index (gint64 e, const Shape *in, gint64 *c, gint64 *y, gint64 *x)
{
  e &= PLAN_INDEX_MASK;
  *x = e % in->w;
  *y = e / in->w % in->h;
  *c = e / (in->w * in->h);
}

static gboolean
fit_separable (const gint64 *index, const Shape *in, const Shape *out,
    Separable *s)
{
  gint64 plane = out->h * out->w, c, y, x;

  for (gint64 i = 0; i < out->c; i++)
    s->f[i] = -1;
  for (gint64 i = 0; i < out->h; i++)
    s->g[i] = -1;
  for (gint64 i = 0; i < out->w; i++)
    s->k[i] = -1;
  for (gint64 i = 0; i < out->c * plane; i++) {
    if (index[i] < 0)
      continue;
    split_index (index[i], in, &c, &y, &x);
    s->f[i / plane] = c;
    s->g[i / out->w % out->h] = y;
    s->k[i % out->w] = x;
  }
  for (gint64 i = 0; i < out->c * plane; i++) {
    gint64 f = s->f[i / plane], g = s->g[i / out->w % out->h],
        k = s->k[i % out->w];
    if (index[i] < 0) {
      if (g >= 0 && k >= 0)
        return FALSE;
      continue;
    }
    split_index (index[i], in, &c, &y, &x);
    if (c != f || y != g || x != k)
      return FALSE;
  }
  return TRUE;
}

/* What the steps along the axes of a view, [1, C, H, W], add to its base, and
 * of each axis one that is no padding. */
typedef struct Axes {
  gint64 *c, *h, *w;
  gint64 some_c, some_h, some_w;
} Axes;

static gint64 *
axis_steps (const Traced *view, int dim, gint64 n, gint64 *some)
{
  gint64 *steps = g_new (gint64, n);

  *some = -1;
  for (gint64 i = 0; i < n; i++) {
    steps[i] = plan_view_step (view, dim, i);
    if (*some < 0 && steps[i] != PLAN_NOTHING)
      *some = i;
  }
  return steps;
}

/* FALSE: it is nothing but padding. */
static gboolean
axes_init (Axes *a, const Traced *view, const Shape *out)
{
  a->c = axis_steps (view, 1, out->c, &a->some_c);
  a->h = axis_steps (view, 2, out->h, &a->some_h);
  a->w = axis_steps (view, 3, out->w, &a->some_w);
  return a->some_c >= 0 && a->some_h >= 0 && a->some_w >= 0;
}

static void
axes_clear (Axes *a)
{
  g_free (a->c);
  g_free (a->h);
  g_free (a->w);
}

static gboolean
is_padded (const gint64 *steps, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    if (steps[i] == PLAN_NOTHING)
      return TRUE;
  return FALSE;
}

/* Where on axis `axis` (0: channels) of the map the steps lead from `from` on;
 * they must stay where they are on the others. */
static gboolean
fill_axis (gint64 *table, const gint64 *steps, gint64 n, gint64 from,
    const Shape *in, int axis)
{
  gint64 at[3], now[3];

  split_index (from, in, &at[0], &at[1], &at[2]);
  for (gint64 i = 0; i < n; i++) {
    table[i] = -1;
    if (steps[i] == PLAN_NOTHING)
      continue;
    split_index (from + steps[i], in, &now[0], &now[1], &now[2]);
    for (int k = 0; k < 3; k++)
      if (k != axis && now[k] != at[k])
        return FALSE;
    table[i] = now[axis];
  }
  return TRUE;
}

/* fit_separable() of a view, without its elements. */
static gboolean
view_separable (gint64 base, const Axes *a, const Shape *in, const Shape *out,
    Separable *s)
{
  gint64 c = a->c[a->some_c], h = a->h[a->some_h], w = a->w[a->some_w];

  return fill_axis (s->f, a->c, out->c, base + h + w, in, 0) &&
      fill_axis (s->g, a->h, out->h, base + c + w, in, 1) &&
      fill_axis (s->k, a->w, out->w, base + c + h, in, 2);
}

static gboolean
is_identity (const gint64 *table, gint64 n, gint64 in)
{
  for (gint64 i = 0; i < n; i++)
    if (table[i] != i)
      return FALSE;
  return n == in;
}

/* n channels of a map, each once, in some order. */
static gboolean
is_permutation (const gint64 *table, gint64 n)
{
  g_autofree gboolean *seen = g_new0 (gboolean, n);

  for (gint64 i = 0; i < n; i++) {
    if (table[i] < 0 || table[i] >= n || seen[table[i]])
      return FALSE;
    seen[table[i]] = TRUE;
  }
  return TRUE;
}

/* Channels f[0..n-1] of map: a view when they ascend or are all that there
 * are, else a copy. */
static gint
gather_channels (PlanBuilder *b, gint map, const gint64 *f, guint n)
{
  const PlanMap *from = plan_map (b->plan, map);
  gboolean ascending = TRUE, aligned;
  guint32 first = plan_position (from, (guint) f[0]);
  PlanMap *to;
  PlanNode *node;
  gint out;

  if (is_identity (f, n, from->channels))
    return map;
  aligned = first % b->plan->layout.view == 0;
  for (guint i = 1; i < n; i++)
    ascending &= plan_position (from, (guint) f[i]) ==
        plan_position (from, (guint) f[i - 1]) + 1;
  out = plan_add_map (b->plan, from->width, from->height, n);
  to = plan_map (b->plan, out);
  from = plan_map (b->plan, map);
  if (n == from->channels && is_permutation (f, n)) {
    to->position = g_new (guint32, n);
    to->span = from->span;
    for (guint i = 0; i < n; i++)
      to->position[i] = plan_position (from, (guint) f[i]);
    first = 0;
  }
  if (to->position || (ascending && aligned)) {
    to->parent = map;
    to->parent_offset = first;
    to->pieces = g_array_new (FALSE, FALSE, sizeof (gint));
    g_array_append_val (to->pieces, map);
    return out;
  }
  node = plan_new_node (b, PLAN_KERNEL, "Gather");
  g_string_assign (node->why, ascending ? "a view: its channels begin where "
      "the device cannot read them" : "a view: its channels are no neighbours "
      "in ascending order");
  node->op.source = g_new (guint32, n);
  for (guint i = 0; i < n; i++)
    node->op.source[i] = (guint32) f[i];
  node->primary = DCNN_PRIMARY_COPY;
  node->in = map;
  plan_node_writes (b, node, out);
  plan_commit_node (b, node);
  return out;
}

static gint
resample (PlanBuilder *b, gint map, const Separable *s, const Shape *out,
    float fill)
{
  PlanNode *node;
  gint to;

  if (fill != 0 && plan_has_holes (plan_map (b->plan, map)))
    map = plan_relayout (b, map, NULL);
  node = plan_new_node (b, PLAN_KERNEL, "Resample");
  to = plan_add_map_like (b->plan, map);
  plan_map (b->plan, to)->height = (guint) out->h;
  plan_map (b->plan, to)->width = (guint) out->w;
  node->primary = DCNN_PRIMARY_RESAMPLE;
  node->in = map;
  node->reach = PLAN_REACH_TABLE;
  node->taps_y = node->taps_x = 1;
  node->index_y = g_new (guint32, out->h);
  node->index_x = g_new (guint32, out->w);
  for (gint64 y = 0; y < out->h; y++)
    node->index_y[y] = s->g[y] < 0 ? UINT32_MAX : (guint32) s->g[y];
  for (gint64 x = 0; x < out->w; x++)
    node->index_x[x] = s->k[x] < 0 ? UINT32_MAX : (guint32) s->k[x];
  node->op.fill = fill;
  plan_node_writes (b, node, to);
  plan_commit_node (b, node);
  return to;
}

/* The blocks' pixels one after the other. */
static gint
add_space_to_depth (PlanBuilder *b, gint map, gint64 block)
{
  const PlanMap *from = plan_map (b->plan, map);
  PlanNode *node = plan_new_node (b, PLAN_KERNEL, "SpaceToDepth");
  gint to = plan_add_map (b->plan, from->width / (guint) block,
      from->height / (guint) block,
      from->channels * (guint) (block * block));

  node->primary = DCNN_PRIMARY_SPACE_TO_DEPTH;
  node->op.block = (guint) block;
  node->op.source = g_new (guint32, plan_map (b->plan, to)->channels);
  for (guint c = 0; c < plan_map (b->plan, to)->channels; c++)
    node->op.source[c] = c;
  node->in = map;
  node->reach = PLAN_REACH_WINDOW;
  node->window = (DcnnWindow) { .rank = 2, .kernel = { block, block },
    .stride = { block, block }, .dilation = { 1, 1 } };
  plan_node_writes (b, node, to);
  plan_commit_node (b, node);
  return to;
}

/* out(c, y, x) = in(f[c], y * block + oy[c], x * block + ox[c]), where slot has
 * f, oy and ox of each. Where each of these comes once, the map's positions say
 * where; else they are gathered. */
static gint
build_space_to_depth (PlanBuilder *b, gint map, gint64 block, gint64 all,
    const gint64 *slot, gint64 channels)
{
  gint to = add_space_to_depth (b, plan_relayout (b, map, NULL), block);

  if (channels != all || !is_permutation (slot, all))
    return gather_channels (b, to, slot, (guint) channels);
  plan_map (b->plan, to)->position = g_new (guint32, channels);
  for (gint64 i = 0; i < channels; i++)
    plan_map (b->plan, to)->position[i] = (guint32) slot[i];
  memcpy (plan_node (b->plan, plan_map (b->plan, to)->source)->op.source,
      plan_map (b->plan, to)->position, sizeof (guint32) * (gsize) channels);
  return to;
}

/* The slot of the first element of a channel; -1: it is in no block. */
static gint64
slot_of (gint64 e, const Shape *in, gint64 block)
{
  gint64 c, y, x;

  split_index (e, in, &c, &y, &x);
  return y >= block || x >= block ? -1 : (y * block + x) * in->c + c;
}

/* n steps of `size` from the first on, block at a time: all else repeats. */
static gboolean
goes_by_steps (const gint64 *steps, gint64 n, gint64 block, gint64 size)
{
  for (gint64 i = 0; i < n; i++)
    if (steps[i] - steps[i % block] != i / block * size)
      return FALSE;
  return TRUE;
}

static gint
try_space_to_depth (PlanBuilder *b, gint map, gint64 base, const Axes *axes,
    const Shape *in, const Shape *out)
{
  gint64 block = out->h > 0 ? in->h / out->h : 0;
  gint64 all = in->c * block * block;
  g_autofree gint64 *slot = NULL;

  if (block < 2 || block * out->h != in->h || block * out->w != in->w ||
      all > 65536)
    return -1;
  if (!goes_by_steps (axes->h, out->h, 1, block * in->w) ||
      !goes_by_steps (axes->w, out->w, 1, block))
    return -1;
  slot = g_new (gint64, out->c);
  for (gint64 i = 0; i < out->c; i++) {
    slot[i] = slot_of (base + axes->c[i] + axes->h[0] + axes->w[0], in, block);
    if (slot[i] < 0)
      return -1;
  }
  return build_space_to_depth (b, map, block, all, slot, out->c);
}

gint
plan_add_depth_to_space (PlanBuilder *b, gint map, const DcnnDepthParams *p,
    guint channels)
{
  const PlanMap *from = plan_map (b->plan, map);
  guint block = (guint) p->block;
  PlanNode *node = plan_new_node (b, PLAN_KERNEL, "DepthToSpace");
  gint to = plan_add_map (b->plan, from->width * block, from->height * block,
      channels);

  from = plan_map (b->plan, map);
  node->primary = DCNN_PRIMARY_DEPTH_TO_SPACE;
  node->op.block = block;
  node->op.crd = p->crd;
  node->in = map;
  node->reach = PLAN_REACH_TABLE;
  node->taps_y = node->taps_x = 1;
  node->index_y = g_new (guint32, from->height * block);
  node->index_x = g_new (guint32, from->width * block);
  for (guint y = 0; y < from->height * block; y++)
    node->index_y[y] = y / block;
  for (guint x = 0; x < from->width * block; x++)
    node->index_x[x] = x / block;
  plan_node_writes (b, node, to);
  plan_commit_node (b, node);
  return to;
}

/* F of each slot. */
static gboolean
fit_depth_to_space (gint64 base, const Axes *axes, const Shape *in,
    const Shape *out, gint64 block, gint64 *f)
{
  gint64 y, x;

  if (!goes_by_steps (axes->h, out->h, block, in->w) ||
      !goes_by_steps (axes->w, out->w, block, 1))
    return FALSE;
  for (gint64 slot = 0; slot < in->c; slot++) {
    gint64 at = slot / out->c;
    split_index (base + axes->c[slot % out->c] + axes->h[at / block] +
        axes->w[at % block], in, &f[slot], &y, &x);
    if (y != 0 || x != 0)
      return FALSE;
  }
  return TRUE;
}

/* out(c, y, x) = in(F(c, y mod block, x mod block), y / block, x / block). */
static gint
try_depth_to_space (PlanBuilder *b, gint map, gint64 base, const Axes *axes,
    const Shape *in, const Shape *out)
{
  gint64 block = in->h > 0 ? out->h / in->h : 0;
  DcnnDepthParams params = { .block = block };
  g_autofree gint64 *f = NULL;

  if (block < 2 || block * in->h != out->h || block * in->w != out->w ||
      out->c * block * block != in->c)
    return -1;
  f = g_new (gint64, in->c);
  if (!fit_depth_to_space (base, axes, in, out, block, f))
    return -1;
  map = plan_relayout (b, gather_channels (b, map, f, (guint) in->c), NULL);
  return plan_add_depth_to_space (b, map, &params, (guint) out->c);
}

/* What all padding holds. FALSE: not one value. */
static gboolean
one_fill (const Trace *t, const gint64 *index, gint64 n, float *fill)
{
  gint64 code = 0;

  for (gint64 i = 0; i < n; i++)
    if (index[i] < 0) {
      if (code < 0 && index[i] != code)
        return FALSE;
      code = index[i];
    }
  *fill = code < 0 ? (float) t->fills[-1 - code] : 0;
  return TRUE;
}

/* The map through a resampling and a gathering of channels; -1: some channel
 * is nothing but padding. */
static gint
build_separable (PlanBuilder *b, gint map, const Separable *s, const Shape *in,
    const Shape *out, float fill)
{
  for (gint64 c = 0; c < out->c; c++)
    if (s->f[c] < 0)
      return -1;
  if (!is_identity (s->g, out->h, in->h) || !is_identity (s->k, out->w, in->w))
    map = resample (b, map, s, out, fill);
  return gather_channels (b, map, s->f, (guint) out->c);
}

static gint
classify_view (Trace *t, const Traced *view, gint map, const Shape *in,
    const Shape *out, Separable *s)
{
  gint result = -1;
  Axes axes;

  if (!axes_init (&axes, view, out)) {
    axes_clear (&axes);
    return -1;
  }
  if (view_separable (view->base, &axes, in, out, s))
    result = build_separable (t->b, map, s, in, out, view->fill == 0 ? 0 :
        (float) t->fills[-1 - view->fill]);
  else if (!is_padded (axes.c, out->c) && !is_padded (axes.h, out->h) &&
      !is_padded (axes.w, out->w)) {
    result = try_space_to_depth (t->b, map, view->base, &axes, in, out);
    if (result < 0)
      result = try_depth_to_space (t->b, map, view->base, &axes, in, out);
  }
  axes_clear (&axes);
  return result;
}

/* mixed: set when padding holds several values. */
static gint
classify_indices (Trace *t, Traced *traced, gint map, const Shape *in,
    const Shape *out, Separable *s, gboolean *mixed)
{
  const gint64 *index = plan_trace_indices (t, traced);
  gint result = -1;
  float fill = 0;

  *mixed = index != NULL &&
      !one_fill (t, index, dcnn_tensor_count (&traced->shape), &fill);
  if (index == NULL || *mixed)
    return -1;
  if (fit_separable (index, in, out, s))
    result = build_separable (t->b, map, s, in, out, fill);
  return result;
}

static gint
classify (Trace *t, Traced *traced, gint map, const Shape *in,
    const Shape *out, gboolean *mixed)
{
  Separable s = { g_new (gint64, out->c), g_new (gint64, out->h),
    g_new (gint64, out->w) };
  gint result = traced->shape.data == NULL ?
      classify_view (t, traced, map, in, out, &s) :
      classify_indices (t, traced, map, in, out, &s, mixed);

  g_free (s.f);
  g_free (s.g);
  g_free (s.k);
  return result;
}

/* The shape of a root as a map, in the order of its elements: also of the vector
 * that a fully connected layer makes. */
static gboolean
root_shape (const PlanBuilder *b, DcnnValueId root, Shape *shape)
{
  const DcnnTensor *from = &dcnn_graph_value (b->graph, root)->tensor;
  const PlanMap *map = plan_map (b->plan, b->plan->values[root].map);

  if (plan_is_map_shaped (b->plan, root)) {
    *shape = (Shape) { from->dims[1], from->dims[2], from->dims[3] };
    return TRUE;
  }
  *shape = (Shape) { map->channels, 1, 1 };
  return map->width == 1 && map->height == 1 &&
      dcnn_tensor_count (from) == map->channels;
}

gboolean
plan_trace_map (PlanBuilder *b, DcnnValueId value, gboolean *mixed)
{
  const DcnnTensor *to = &dcnn_graph_value (b->graph, value)->tensor;
  Trace t;
  Traced *traced = plan_trace_begin (&t, b, value);
  gint map = -1;
  Shape in;

  *mixed = FALSE;
  if (traced != NULL && t.n_roots == 1 && plan_is_map_shaped (b->plan, value)
      && root_shape (b, t.roots[0], &in)) {
    Shape out = { to->dims[1], to->dims[2], to->dims[3] };
    map = classify (&t, traced, b->plan->values[t.roots[0]].map, &in, &out,
        mixed);
  }
  plan_trace_end (&t);
  if (map >= 0)
    plan_set_map (b, value, map);
  return map >= 0;
}

/* Does the trace walk the map in this order? */
static gboolean
in_order (const gint64 *index, const PlanMap *map, PlanOrder order)
{
  gint64 w = map->width, h = map->height, c = map->channels;
  gint64 n = w * h * c;

  for (gint64 i = 0; i < n; i++) {
    gint64 p = i / c, e = i;
    if (order == PLAN_ORDER_HWC)
      e = i % c * w * h + p;
    else if (order == PLAN_ORDER_WHC)
      e = i % c * w * h + p % h * w + p / h;
    if (index[i] != e)
      return FALSE;
  }
  return TRUE;
}

/* The same of a view. */
static gboolean
view_in_order (const Traced *view, const PlanMap *map, PlanOrder order)
{
  gint64 w = map->width, h = map->height;
  TraceDigit c = { map->channels, w * h, NULL }, y = { h, w, NULL };
  TraceDigit x = { w, 1, NULL };
  TraceDigit orders[3][3] = { { c, y, x }, { y, x, c }, { x, y, c } };

  return plan_view_is (view, orders[order], 3);
}

gint
plan_trace_order (PlanBuilder *b, DcnnValueId value, PlanOrder order)
{
  gint64 count = dcnn_tensor_count (&dcnn_graph_value (b->graph,
          value)->tensor);
  const PlanValue *v = &b->plan->values[value];
  Traced *traced;
  gint map = -1;
  Trace t;

  if (v->map < 0 && !v->lazy)
    return -1;
  traced = plan_trace_begin (&t, b, value);
  if (traced != NULL && t.n_roots == 1) {
    gint root = b->plan->values[t.roots[0]].map;
    const PlanMap *m = plan_map (b->plan, root);
    if (count == (gint64) m->width * m->height * m->channels &&
        (traced->shape.data ? in_order (traced->shape.data, m, order) :
            view_in_order (traced, m, order)))
      map = root;
  }
  plan_trace_end (&t);
  return map;
}
