/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_passing.c - nodes that may pass every change on without judging it.
 *
 * Where a list of pixels costs as much as computing them (a GPU), few nodes
 * should need one of their own. A node that one other node reads may store
 * all of its candidates: what its reader has to compute then follows from the
 * masks that the node itself was led by, through both windows at once, and
 * readers with equal candidates share a list. So of a residual block only the
 * last node judges; the others truncate nothing, which costs some pixels more
 * and makes no error. A concatenation has no mask of its own: who reads it reads
 * its pieces, each of which may pass on.
 */
#include "dcnn_plan.h"

/* Windows of more than one pixel between two nodes that judge. */
#define MOST_WINDOWS 2

static gboolean
is_wide (const DcnnWindow *w)
{
  return w->kernel[0] > 1 || w->kernel[1] > 1;
}

/* Pixels [*from, *to) of n that out pixel p of a window reads. */
static void
window_range (const DcnnWindow *w, gint axis, gint64 p, gint64 n,
    gint64 *from, gint64 *to)
{
  gint64 first = p * w->stride[axis] - w->pad_begin[axis];

  *from = MAX (0, first);
  *to = MIN (n, first + (w->kernel[axis] - 1) * w->dilation[axis] + 1);
}

/* Window `second` on what window `first` makes of n pixels (middle of them),
 * as one window: FALSE where that reads other pixels than the two. */
static gboolean
compose_axis (const DcnnWindow *first, const DcnnWindow *second, gint axis,
    gint64 n, gint64 middle, gint64 out, DcnnWindow *both)
{
  const gint64 s = first->stride[axis];

  if ((first->dilation[axis] != 1 && first->kernel[axis] > 1) ||
      (second->dilation[axis] != 1 && second->kernel[axis] > 1))
    return FALSE;
  both->kernel[axis] = (second->kernel[axis] - 1) * s + first->kernel[axis];
  both->stride[axis] = s * second->stride[axis];
  both->pad_begin[axis] = second->pad_begin[axis] * s + first->pad_begin[axis];
  both->dilation[axis] = 1;
  if (second->kernel[axis] > 1 && first->kernel[axis] < s)
    return FALSE;
  for (gint64 p = 0; p < out; p++) {
    gint64 from, to, q0, q1, low, high, unused;
    window_range (both, axis, p, n, &from, &to);
    window_range (second, axis, p, middle, &q0, &q1);
    if (q0 >= q1)
      return FALSE;
    window_range (first, axis, q0, n, &low, &unused);
    window_range (first, axis, q1 - 1, n, &unused, &high);
    if (from != low || to != high)
      return FALSE;
  }
  return TRUE;
}

/* What a reader with that reach (a term on the node's map) has to do with one
 * of the node's own terms. FALSE: it cannot be said as a term. */
static gboolean
compose (const DcnnPlan *plan, const PlanTerm *inner, const PlanMap *middle,
    const PlanTerm *reader, const PlanMap *out, PlanTerm *term)
{
  const PlanMap *in = plan_map (plan, inner->map);

  *term = *inner;
  if (inner->all || (reader->reach == PLAN_REACH_SAME && !reader->all))
    return TRUE;
  if (reader->all) {
    term->all = TRUE;
    return TRUE;
  }
  if (inner->reach == PLAN_REACH_SAME) {
    *term = *reader;
    term->map = inner->map;
    return TRUE;
  }
  if (inner->reach != PLAN_REACH_WINDOW || reader->reach != PLAN_REACH_WINDOW)
    return FALSE;
  term->windows = inner->windows + reader->windows;
  return compose_axis (&inner->window, &reader->window, 0, in->height,
      middle->height, out->height, &term->window) &&
      compose_axis (&inner->window, &reader->window, 1, in->width,
      middle->width, out->width, &term->window);
}

/* Whether every pixel that a reaches, b reaches too. */
static gboolean
covers (const PlanTerm *b, const PlanTerm *a)
{
  static const DcnnWindow same = { 2, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 },
    { 0 } };
  const DcnnWindow *wa = a->reach == PLAN_REACH_SAME ? &same : &a->window;
  const DcnnWindow *wb = b->reach == PLAN_REACH_SAME ? &same : &b->window;

  if (a->map != b->map)
    return FALSE;
  if (b->all || a->all)
    return b->all;
  if (a->reach > PLAN_REACH_WINDOW || b->reach > PLAN_REACH_WINDOW)
    return FALSE;
  for (gint i = 0; i < 2; i++)
    if (wa->stride[i] != wb->stride[i] ||
        wb->pad_begin[i] < wa->pad_begin[i] ||
        wb->kernel[i] - wb->pad_begin[i] <
        (wa->kernel[i] - 1) * wa->dilation[i] + 1 - wa->pad_begin[i] ||
        (wb->dilation[i] != 1 && wb->kernel[i] > 1))
      return FALSE;
  return TRUE;
}

/* Whether two terms reach the same pixels of equal maps. */
static gboolean
same_term (const PlanTerm *a, const PlanTerm *b)
{
  if (a->reach > PLAN_REACH_WINDOW && !a->all)
    return a->map == b->map && a->reach == b->reach && a->node == b->node &&
        !b->all;
  return covers (a, b) && covers (b, a);
}

gboolean
plan_terms_equal (const GArray *a, const GArray *b)
{
  for (guint i = 0; a->len == b->len && i < a->len; i++) {
    gboolean found = FALSE;
    for (guint j = 0; j < b->len && !found; j++)
      found = same_term (&g_array_index (a, PlanTerm, i),
          &g_array_index (b, PlanTerm, j));
    if (!found)
      return FALSE;
  }
  return a->len == b->len;
}

static void
add_term (GArray *terms, const PlanTerm *term)
{
  for (guint i = 0; i < terms->len; i++)
    if (covers (&g_array_index (terms, PlanTerm, i), term))
      return;
  for (guint i = terms->len; i-- > 0;)
    if (covers (term, &g_array_index (terms, PlanTerm, i)))
      g_array_remove_index (terms, i);
  g_array_append_val (terms, *term);
}

/* Whether a map holds anything that is passed on. */
static gboolean
holds_passed (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);

  if (map->mask >= 0)
    return map->source >= 0 && plan_node (plan, map->source)->passes_on;
  for (guint i = 0; map->pieces && i < map->pieces->len; i++)
    if (holds_passed (plan, g_array_index (map->pieces, gint, i)))
      return TRUE;
  return FALSE;
}

/* Adds what one read of a node, as a term on the map that it reads, comes to.
 * FALSE: see compose(). */
static gboolean
add_read (const DcnnPlan *plan, const PlanTerm *read, const PlanMap *out,
    GArray *terms)
{
  const PlanMap *map = plan_map (plan, read->map);
  const GArray *inner;

  if (!holds_passed (plan, read->map)) {
    add_term (terms, read);
    return TRUE;
  }
  for (guint i = 0; map->mask < 0 && i < map->pieces->len; i++) {
    PlanTerm part = *read;
    part.map = g_array_index (map->pieces, gint, i);
    if (!add_read (plan, &part, out, terms))
      return FALSE;
  }
  if (map->mask < 0)
    return TRUE;
  inner = plan_node (plan, map->source)->terms;
  for (guint i = 0; i < inner->len; i++) {
    PlanTerm term;
    if (!compose (plan, &g_array_index (inner, PlanTerm, i), map, read, out,
            &term))
      return FALSE;
    add_term (terms, &term);
  }
  return TRUE;
}

static PlanTerm
primary_read (const DcnnPlan *plan, gint n)
{
  const PlanNode *node = plan_node (plan, n);
  PlanTerm read = { .map = node->in, .reach = node->reach, .node = n };

  if (node->reach == PLAN_REACH_WINDOW || node->reach == PLAN_REACH_TRANSPOSED)
    read.window = node->window;
  read.windows = node->reach == PLAN_REACH_WINDOW ? is_wide (&node->window) :
      node->reach != PLAN_REACH_SAME;
  return read;
}

static PlanTerm
step_read (const DcnnPlan *plan, gint n, gint map)
{
  const PlanMap *m = plan_map (plan, map);
  const PlanMap *out = plan_map (plan, plan_node (plan, n)->out);

  return (PlanTerm) { .map = map, .reach = PLAN_REACH_SAME, .node = n,
    .all = m->width != out->width || m->height != out->height };
}

static gboolean
collect (const DcnnPlan *plan, gint n, GArray *terms)
{
  const PlanNode *node = plan_node (plan, n);
  const PlanMap *out = plan_map (plan, node->out);
  PlanTerm read = primary_read (plan, n);

  if (!add_read (plan, &read, out, terms))
    return FALSE;
  for (gint s = 0; s < node->n_steps; s++) {
    if (node->steps[s].map < 0)
      continue;
    read = step_read (plan, n, node->steps[s].map);
    if (!add_read (plan, &read, out, terms))
      return FALSE;
  }
  return TRUE;
}

guint
plan_count_masks (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);
  guint n = map->mask >= 0;

  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len; i++)
    n += plan_count_masks (plan, g_array_index (map->pieces, gint, i));
  return n;
}

/* Whether all that the reader's candidates come from can be said. */
static gboolean
reader_can_tell (const DcnnPlan *plan, gint reader)
{
  g_autoptr (GArray) terms = g_array_new (FALSE, TRUE, sizeof (PlanTerm));
  guint masks = 0;

  if (!collect (plan, reader, terms) || terms->len > PLAN_MOST_TERMS)
    return FALSE;
  for (guint i = 0; i < terms->len; i++) {
    const PlanTerm *t = &g_array_index (terms, PlanTerm, i);
    if (t->windows > MOST_WINDOWS)
      return FALSE;
    masks += plan_count_masks (plan, t->map);
  }
  return terms->len == 1 || masks <= PLAN_MOST_MASKS;
}

/* ---- who reads ------------------------------------------------------------------ */

enum { NOBODY = -1, OTHERS = -2 };

/* A map has another reader, and with it all that it is made of. */
static void
add_reader (const DcnnPlan *plan, gint *reader, gint index, gint another)
{
  const PlanMap *map = plan_map (plan, index);

  reader[index] = reader[index] == NOBODY ? another : OTHERS;
  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len; i++)
    add_reader (plan, reader, g_array_index (map->pieces, gint, i), another);
}

/* By map: the one KERNEL that reads it, itself or as a piece of another map;
 * NOBODY; or OTHERS: several, or something else. New. */
static gint *
find_readers (const DcnnPlan *plan)
{
  gint *reader = g_new (gint, plan->maps->len + 1);

  for (guint i = 0; i < plan->maps->len; i++)
    reader[i] = NOBODY;
  for (gint n = 0; n < (gint) plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    gint as = node->kind == PLAN_KERNEL ? n : OTHERS;
    if (node->in >= 0)
      add_reader (plan, reader, node->in, as);
    for (gint s = 0; s < node->n_steps; s++)
      if (node->steps[s].map >= 0)
        add_reader (plan, reader, node->steps[s].map, as);
    for (guint i = 0; node->sources && i < node->sources->len; i++)
      add_reader (plan, reader, g_array_index (node->sources,
              PlanGatherSource, i).map, OTHERS);
  }
  return reader;
}

/* ---- windows that move ---------------------------------------------------------- */

/* Whether one tap of out pixel p along an axis is the pixel in the same place,
 * of `in` of them for `out`. */
static gboolean
has_own_tap (const PlanNode *node, gint axis, guint p, guint in, guint out)
{
  const DcnnWindow *w = &node->window;
  const guint32 *index = axis ? node->index_x : node->index_y;
  guint taps = node->reach != PLAN_REACH_TABLE ? (guint) w->kernel[axis] :
      axis ? node->taps_x : node->taps_y;
  gint64 own = (gint64) p * in / out, next = ((gint64) p + 1) * in / out;

  for (guint k = 0; k < taps; k++) {
    gint64 at = node->reach == PLAN_REACH_TABLE ? index[p * taps + k] :
        node->reach == PLAN_REACH_WINDOW ? p * w->stride[axis] -
        w->pad_begin[axis] + k * w->dilation[axis] :
        p + w->pad_begin[axis] - k * w->dilation[axis];
    if (node->reach == PLAN_REACH_TRANSPOSED) {
      if (at % w->stride[axis])
        continue;
      at /= w->stride[axis];
    }
    if (at == own || (at > own && at < next))
      return TRUE;
  }
  return FALSE;
}

/* Whether each pixel of the node reads the place where it lies itself: what
 * comes into view of its map is then all reached by what comes into view of
 * those that it reads, and need not be said. */
static gboolean
reads_own_place (const DcnnPlan *plan, gint n)
{
  const PlanNode *node = plan_node (plan, n);
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);

  if (node->reach == PLAN_REACH_SAME)
    return in->width == out->width && in->height == out->height;
  for (guint y = 0; y < out->height; y++)
    if (!has_own_tap (node, 0, y, in->height, out->height))
      return FALSE;
  for (guint x = 0; x < out->width; x++)
    if (!has_own_tap (node, 1, x, in->width, out->width))
      return FALSE;
  return TRUE;
}

void
dcnn_plan_find_passing (DcnnPlan *plan)
{
  g_autofree gint *reader = find_readers (plan);

  for (guint n = 0; n < plan->nodes->len; n++) {
    PlanNode *node = plan_node (plan, n);
    const PlanMap *out;
    if (node->kind != PLAN_KERNEL)
      continue;
    node->terms = g_array_new (FALSE, TRUE, sizeof (PlanTerm));
    (void) collect (plan, (gint) n, node->terms); /* was tried before */
    if (node->is_output || node->is_gate)
      continue;
    out = plan_map (plan, node->out);
    if (reader[node->out] < 0 || out->pieces || out->mask < 0 ||
        (out->width == 1 && out->height == 1) ||
        (plan->tile > 0 && !reads_own_place (plan, (gint) n)))
      continue;
    node->passes_on = TRUE;
    node->passes_on = reader_can_tell (plan, reader[node->out]);
  }
}
