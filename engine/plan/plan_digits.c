/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_digits.c - views of maps as digits: see dcnn_plan_trace.h. What a view
 * costs is the sum of its dimensions, not their product.
 */
#include "dcnn_plan_trace.h"

#include <string.h>

/* Indices (8 bytes) of all traces of a plan together. */
#define PLAN_INDICES ((gint64) 1 << 28)

gboolean
plan_trace_spend (Trace *t, gint64 indices)
{
  t->failed |= indices > t->left || indices > PLAN_INDICES - t->b->traced;
  if (t->failed)
    return FALSE;
  t->left -= indices;
  t->b->traced += indices;
  return TRUE;
}

/* Room for a table of n, the trace's; NULL: over the budget, or out of memory. */
static gint64 *
new_table (Trace *t, gint64 n)
{
  gint64 *table = n > 0 && plan_trace_spend (t, n) ? g_try_new (gint64, n) : NULL;

  if (table)
    g_ptr_array_add (t->tables, table);
  return table;
}

/* ---- lists of digits -------------------------------------------------------------- */

static gboolean
follows (const TraceDigit *outer, const TraceDigit *inner)
{
  return outer->table == NULL && inner->table == NULL &&
      outer->stride == inner->stride * inner->size;
}

/* Appends to n digits, of which those before `from` stay as they are. */
static gboolean
push_digit (TraceDigit *digits, int *n, int from, const TraceDigit *digit)
{
  if (*n > from && follows (&digits[*n - 1], digit)) {
    digits[*n - 1].size *= digit->size;
    digits[*n - 1].stride = digit->stride;
    return TRUE;
  }
  if (*n == PLAN_TRACE_DIGITS)
    return FALSE;
  digits[(*n)++] = *digit;
  return TRUE;
}

static int
n_digits (const Traced *v)
{
  return v->first[v->shape.rank];
}

/* All digits, neighbours joined across dimensions. Returns how many. */
static int
joined_digits (const Traced *v, TraceDigit *digits)
{
  int n = 0;

  for (int i = 0; i < n_digits (v); i++)
    push_digit (digits, &n, 0, &v->digits[i]);
  return n;
}

/* ---- reshapes --------------------------------------------------------------------- */

/* A table as an outer digit and one of `size` inside it. FALSE: it is none. */
static gboolean
split_table (Trace *t, const TraceDigit *from, gint64 size, TraceDigit *outer,
    TraceDigit *inner)
{
  gint64 n = from->size / size, *table;

  for (gint64 i = 0; i < from->size; i++)
    if (from->table[i] == PLAN_NOTHING || from->table[i] !=
        from->table[i / size * size] + from->table[i % size] - from->table[0])
      return FALSE;
  table = new_table (t, n + size);
  if (table == NULL)
    return FALSE;
  for (gint64 i = 0; i < n; i++)
    table[i] = from->table[i * size];
  for (gint64 i = 0; i < size; i++)
    table[n + i] = from->table[i] - from->table[0];
  *outer = (TraceDigit) { n, 0, table };
  *inner = (TraceDigit) { size, 0, table + n };
  return TRUE;
}

/* The outermost `size` elements of what is left of a digit. */
static gboolean
take_part (Trace *t, TraceDigit *left, gint64 size, TraceDigit *part)
{
  TraceDigit whole = *left;

  if (size == whole.size) {
    *part = whole;
    left->size = 1;
    return TRUE;
  }
  if (whole.size % size != 0)
    return FALSE;
  if (whole.table)
    return split_table (t, &whole, whole.size / size, part, left);
  left->size = whole.size / size;
  *part = (TraceDigit) { size, whole.stride * left->size, NULL };
  return TRUE;
}

gboolean
plan_view_reshape (Trace *t, const Traced *in, Traced *out)
{
  TraceDigit from[PLAN_TRACE_DIGITS], part;
  int n = joined_digits (in, from), k = 0, used = 0;

  out->base = in->base;
  out->fill = in->fill;
  for (int i = 0; i < out->shape.rank; i++) {
    gint64 need = out->shape.dims[i];
    out->first[i] = used;
    while (need > 1) {
      if (k == n || (need % from[k].size != 0 && from[k].size % need != 0) ||
          !take_part (t, &from[k], MIN (need, from[k].size), &part) ||
          !push_digit (out->digits, &used, out->first[i], &part))
        return FALSE;
      need /= part.size;
      if (from[k].size == 1)
        k++;
    }
  }
  out->first[out->shape.rank] = used;
  return k == n;
}

/* ---- other movement ---------------------------------------------------------------- */

static gboolean
copy_dimension (const Traced *in, int dim, Traced *out, int *used)
{
  int from = *used;

  for (int i = in->first[dim]; i < in->first[dim + 1]; i++)
    if (!push_digit (out->digits, used, from, &in->digits[i]))
      return FALSE;
  return TRUE;
}

gboolean
plan_view_permute (const Traced *in, const int *perm, Traced *out)
{
  int used = 0;

  out->base = in->base;
  out->fill = in->fill;
  for (int i = 0; i < in->shape.rank; i++) {
    out->first[i] = used;
    if (!copy_dimension (in, perm[i], out, &used))
      return FALSE;
  }
  out->first[in->shape.rank] = used;
  return TRUE;
}

gint64
plan_view_step (const Traced *v, int dim, gint64 at)
{
  gint64 sum = 0;

  for (int i = v->first[dim + 1] - 1; i >= v->first[dim]; i--) {
    const TraceDigit *d = &v->digits[i];
    gint64 step = at % d->size;
    if (d->table && d->table[step] == PLAN_NOTHING)
      return PLAN_NOTHING;
    sum += d->table ? d->table[step] : step * d->stride;
    at /= d->size;
  }
  return sum;
}

/* The longest run of equal steps from the table's start, as a part of it that
 * divides it and is repeated in it. 1: none. */
static gint64
inner_run (const gint64 *table, gint64 n)
{
  gint64 run = 2, a, c;

  while (run < n && table[run] - table[run - 1] == table[1] - table[0])
    run++;
  for (a = run, c = n; c != 0;) {
    gint64 r = a % c;
    a = c;
    c = r;
  }
  for (gint64 i = 0; i < n; i++)
    if (table[i] != table[i / a * a] + i % a * (table[1] - table[0]))
      return 1;
  return a;
}

/* n entries as digits of a dimension; takes what all share into the base. */
static gboolean
push_table (gint64 *table, gint64 n, Traced *out, int *used)
{
  TraceDigit inner[PLAN_TRACE_DIGITS];
  int k = 0, from = *used;
  gint64 first = table[0];
  gboolean whole = TRUE;

  for (gint64 i = 0; i < n; i++)
    whole &= table[i] != PLAN_NOTHING;
  if (whole) {
    for (gint64 i = 0; i < n; i++)
      table[i] -= first;
    out->base += first;
  }
  while (whole && n > 1 && k < PLAN_TRACE_DIGITS) {
    gint64 run = inner_run (table, n);
    if (run == 1)
      break;
    inner[k++] = (TraceDigit) { run, table[1], NULL };
    n /= run;
    for (gint64 i = 1; i < n; i++)
      table[i] = table[i * run];
  }
  if (n > 1 || !whole) {
    TraceDigit rest = { n, 0, table };
    if (n == 1 || !push_digit (out->digits, used, from, &rest))
      return FALSE;
  }
  while (k > 0)
    if (!push_digit (out->digits, used, from, &inner[--k]))
      return FALSE;
  return TRUE;
}

/* The dimension that is picked from: as one digit where it is one, as it was
 * where all is picked, else by a table. */
static gboolean
pick_dimension (Trace *t, const Traced *in, int dim, const TracePick *pick,
    Traced *out, int *used)
{
  gint64 n = out->shape.dims[dim], size = in->shape.dims[dim], *table;
  const TraceDigit *only = &in->digits[in->first[dim]];
  gboolean one_digit = in->first[dim + 1] == in->first[dim] + 1 &&
      only->table == NULL;

  if (pick->of == NULL && one_digit) {
    TraceDigit d = { n, pick->step * only->stride, NULL };
    out->base += pick->start * only->stride;
    /* one element takes no step, whose product might not fit */
    return n <= 1 || push_digit (out->digits, used, *used, &d);
  }
  if (pick->of == NULL && pick->start == 0 && n == size)
    return copy_dimension (in, dim, out, used);
  table = new_table (t, n);
  if (table == NULL)
    return FALSE;
  for (gint64 k = 0; k < n; k++) {
    gint64 at = pick->of ? pick->of (pick, k, size) :
        pick->start + k * pick->step;
    table[k] = at < 0 ? PLAN_NOTHING : plan_view_step (in, dim, at);
  }
  return push_table (table, n, out, used);
}

gboolean
plan_view_pick (Trace *t, const Traced *in, int dim, const TracePick *pick,
    Traced *out)
{
  int used = 0;

  out->base = in->base;
  for (int i = 0; i < in->shape.rank; i++) {
    out->first[i] = used;
    if (i == dim ? !pick_dimension (t, in, dim, pick, out, &used) :
        !copy_dimension (in, i, out, &used))
      return FALSE;
  }
  out->first[in->shape.rank] = used;
  return TRUE;
}

static gboolean
same_digit (const TraceDigit *a, const TraceDigit *c)
{
  return a->size == c->size && a->stride == c->stride &&
      (a->table == c->table || (a->table && c->table &&
          memcmp (a->table, c->table, sizeof *a->table * (gsize) a->size) ==
          0));
}

static gboolean
same_dimension (const Traced *a, const Traced *c, int dim)
{
  int n = a->first[dim + 1] - a->first[dim];
  gboolean same = c->first[dim + 1] - c->first[dim] == n;

  for (int i = 0; i < n && same; i++)
    same = same_digit (&a->digits[a->first[dim] + i],
        &c->digits[c->first[dim] + i]);
  return same;
}

/* Whether a piece has the first one's other dimensions, and no other fill than
 * those before it, which it gives out. */
static gboolean
joins (const Traced *first, const Traced *piece, int dim, Traced *out)
{
  for (int i = 0; i < out->shape.rank; i++)
    if (i != dim && !same_dimension (first, piece, i))
      return FALSE;
  if (piece->fill == 0)
    return TRUE;
  if (out->fill != 0 && piece->fill != out->fill)
    return FALSE;
  out->fill = piece->fill;
  return TRUE;
}

gboolean
plan_view_join (Trace *t, const Traced *const *in, int n, int dim, Traced *out)
{
  gint64 *table = new_table (t, out->shape.dims[dim]);
  gint64 at = 0;
  int used = 0;

  if (table == NULL)
    return FALSE;
  out->base = in[0]->base;
  out->fill = 0;
  for (int k = 0; k < n; k++) {
    if (!joins (in[0], in[k], dim, out))
      return FALSE;
    for (gint64 i = 0; i < in[k]->shape.dims[dim]; i++, at++) {
      gint64 step = plan_view_step (in[k], dim, i);
      table[at] = step == PLAN_NOTHING ? step :
          step + in[k]->base - in[0]->base;
    }
  }
  for (int i = 0; i < out->shape.rank; i++) {
    out->first[i] = used;
    if (i == dim ? !push_table (table, at, out, &used) :
        !copy_dimension (in[0], i, out, &used))
      return FALSE;
  }
  out->first[out->shape.rank] = used;
  return TRUE;
}

/* ---- what a view is ------------------------------------------------------------------ */

/* Indices from digit d on, in order. Returns where it stopped. */
static gint64 *
fill_indices (const Traced *v, int d, gint64 index, gboolean nothing,
    gint64 *out)
{
  const TraceDigit *digit = &v->digits[d];

  if (d == n_digits (v)) {
    *out = nothing ? v->fill : index;
    return out + 1;
  }
  for (gint64 i = 0; i < digit->size; i++) {
    gint64 step = digit->table ? digit->table[i] : i * digit->stride;
    gboolean none = nothing || step == PLAN_NOTHING;
    out = fill_indices (v, d + 1, none ? index : index + step, none, out);
  }
  return out;
}

void
plan_view_indices (const Traced *v, gint64 *out)
{
  fill_indices (v, 0, v->base, FALSE, out);
}

gboolean
plan_view_is (const Traced *v, const TraceDigit *digits, int n)
{
  TraceDigit have[PLAN_TRACE_DIGITS], want[PLAN_TRACE_DIGITS];
  int n_have = joined_digits (v, have), n_want = 0;
  gboolean same;

  for (int i = 0; i < n; i++)
    if (digits[i].size > 1)
      push_digit (want, &n_want, 0, &digits[i]);
  same = v->base == 0 && n_have == n_want;
  for (int i = 0; i < n_have && same; i++)
    same = same_digit (&have[i], &want[i]);
  return same;
}

/* A digit of the map, and what a step along it adds to the place in the
 * value. */
typedef struct Scattered {
  gint64 size, stride, to;
} Scattered;

/* The view's digits, each going up in the map. FALSE: some are tables. */
static gboolean
scattered_digits (const Traced *v, Scattered *digits, int *n, gint64 *base,
    gint64 *to_base)
{
  gint64 to = 1;

  *n = 0;
  *base = v->base;
  *to_base = 0;
  for (int i = n_digits (v) - 1; i >= 0; i--) {
    Scattered d = { v->digits[i].size, v->digits[i].stride, to };
    if (v->digits[i].table)
      return FALSE;
    to *= d.size;
    if (d.stride < 0) { /* from its end */
      *base += (d.size - 1) * d.stride;
      *to_base += (d.size - 1) * d.to;
      d.stride = -d.stride;
      d.to = -d.to;
    }
    digits[(*n)++] = d;
  }
  return TRUE;
}

/* Sorted by stride, which must fill [0, total) without gap or overlap. */
static gboolean
sort_digits (Scattered *digits, int n, gint64 total)
{
  gint64 expected = 1;

  for (int i = 1; i < n; i++)
    for (int k = i; k > 0 && digits[k].stride < digits[k - 1].stride; k--) {
      Scattered d = digits[k];
      digits[k] = digits[k - 1];
      digits[k - 1] = d;
    }
  for (int i = 0; i < n; i++) {
    if (digits[i].stride != expected)
      return FALSE;
    expected *= digits[i].size;
  }
  return expected == total;
}

/* What `size` steps of `stride` elements of the map add each to the place in
 * the value. FALSE: not the same each. */
static gboolean
axis_step (const Scattered *digits, int n, gint64 stride, gint64 size,
    gint64 *step)
{
  gint64 reach, to;
  int k = 0;

  *step = 0;
  if (size == 1)
    return TRUE;
  while (k < n && digits[k].stride * digits[k].size <= stride)
    k++;
  if (k == n || stride % digits[k].stride != 0)
    return FALSE;
  *step = stride / digits[k].stride * digits[k].to;
  reach = digits[k].stride * digits[k].size;
  to = digits[k].to * digits[k].size;
  while (reach < stride * size) {
    if (++k == n || digits[k].to != to)
      return FALSE;
    reach *= digits[k].size;
    to *= digits[k].size;
  }
  return TRUE;
}

gboolean
plan_view_scatter (const PlanMap *map, const Traced *v, PlanGatherSource *s)
{
  gint64 plane = (gint64) map->width * map->height, base;
  Scattered digits[PLAN_TRACE_DIGITS];
  int n;

  return scattered_digits (v, digits, &n, &base, &s->base) && base == 0 &&
      sort_digits (digits, n, plane * map->channels) &&
      axis_step (digits, n, 1, map->width, &s->stride_x) &&
      axis_step (digits, n, map->width, map->height, &s->stride_y) &&
      axis_step (digits, n, plane, map->channels, &s->stride_c);
}
