/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan_trace.h - internal to the planner: where every element of a lazy value
 * lies in the maps that it came from.
 *
 * A chain of movement is followed from its roots, values that have a map. As
 * long as each dimension is moved by itself (Transpose, Slice, Gather, Pad,
 * Concat, DepthToSpace, most Reshapes ...) it is a view: strides and tables of
 * single dimensions are composed, which costs their sum whatever the size of
 * the whole; what is not runs on tensors of indices. Tables and indices share a
 * budget, for one trace and for all of a plan: a trace that goes over it fails,
 * and the movement becomes a tail.
 */
#ifndef DCNN_PLAN_TRACE_H
#define DCNN_PLAN_TRACE_H

#include "dcnn_plan.h"

#define PLAN_TRACE_ROOTS 64
#define PLAN_TRACE_INDICES ((gint64) 1 << 26)
#define PLAN_TRACE_FILLS 8
#define PLAN_INDEX_BITS 40
#define PLAN_INDEX_MASK (((gint64) 1 << PLAN_INDEX_BITS) - 1)

/* More than any view has: each is of two elements or more. */
#define PLAN_TRACE_DIGITS 48
/* In a table: padding. */
#define PLAN_NOTHING G_MININT64

/* What the steps along a dimension, or a part of one, add to an index. */
typedef struct TraceDigit {
  gint64 size, stride;
  const gint64 *table;     /* [size], the trace's; NULL: i steps add i * stride */
} TraceDigit;

/* A value's elements: root << PLAN_INDEX_BITS | element of the root's map, in
 * its order [C][H][W]; padding with fills[k] is -1 - k. */
typedef struct Traced {
  DcnnTensor shape;        /* int64; data: the indices in order; NULL: a view */
  /* view: */
  gint64 base;             /* index of the first element */
  gint64 fill;             /* of its padding; 0: it has none */
  int first[DCNN_MAX_RANK + 1]; /* where a dimension's digits begin: the outer
                              before the inner, none where it is 1 */
  TraceDigit digits[PLAN_TRACE_DIGITS];
} Traced;

/* Which elements of a dimension a view takes. */
typedef struct TracePick TracePick;
struct TracePick {
  gint64 (*of) (const TracePick *pick, gint64 i, gint64 size); /* the i-th; -1:
                              padding. NULL: start + i * step */
  gint64 start, step;
  const DcnnTensor *indices; /* Gather */
  DcnnPadMode mode;
};

typedef struct Trace {
  PlanBuilder *b;
  GHashTable *done;        /* DcnnValueId -> Traced* */
  GPtrArray *tables;
  DcnnValueId roots[PLAN_TRACE_ROOTS];
  int n_roots;
  double fills[PLAN_TRACE_FILLS];
  int n_fills;
  gint64 left;             /* indices that this trace may still hold */
  gboolean failed;
} Trace;

/* Follows a lazy value. NULL: no trace. Call plan_trace_end() always. */
Traced *plan_trace_begin (Trace *t, PlanBuilder *b, DcnnValueId value);
void plan_trace_end (Trace *t);
/* The indices in order; NULL: over the budget, or out of memory. */
const gint64 *plan_trace_indices (Trace *t, Traced *traced);
/* Takes so many indices from the budgets. FALSE: over one, and the trace fails. */
gboolean plan_trace_spend (Trace *t, gint64 indices);

/* plan_digits.c: views of views. out->shape is set. FALSE: it is none. */
gboolean plan_view_reshape (Trace *t, const Traced *in, Traced *out);
gboolean plan_view_permute (const Traced *in, const int *perm, Traced *out);
/* Some elements of a dimension; out->fill is the caller's. */
gboolean plan_view_pick (Trace *t, const Traced *in, int dim,
    const TracePick *pick, Traced *out);
/* Side by side along a dimension, where the others are alike. */
gboolean plan_view_join (Trace *t, const Traced *const *in, int n, int dim,
    Traced *out);
/* What `at` steps along a dimension add to the index, or PLAN_NOTHING. */
gint64 plan_view_step (const Traced *v, int dim, gint64 at);
/* All indices in order. */
void plan_view_indices (const Traced *v, gint64 *out);
/* Whether it goes over its first root so. */
gboolean plan_view_is (const Traced *v, const TraceDigit *digits, int n);
/* A view of a whole map, each element once, as a scatter of it into the
 * value. FALSE: it is none. */
gboolean plan_view_scatter (const PlanMap *map, const Traced *v,
    PlanGatherSource *source);

#endif
