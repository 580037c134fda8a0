/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan_trace.h - internal to the planner: where every element of a lazy value
 * lies in the maps that it came from.
 *
 * A chain of movement is followed from its roots, values that have a map. As
 * long as steps are affine (Transpose, Slice, most Reshapes ...) they are
 * composed as strides, which costs nothing whatever the size; what is not runs
 * on tensors of indices. These share a budget, for one trace and for all of a
 * plan: a trace that goes over it fails, and the movement becomes a tail.
 */
#ifndef DCNN_PLAN_TRACE_H
#define DCNN_PLAN_TRACE_H

#include "dcnn_plan.h"

#define PLAN_TRACE_ROOTS 64
#define PLAN_TRACE_FILLS 8
#define PLAN_INDEX_BITS 40
#define PLAN_INDEX_MASK (((gint64) 1 << PLAN_INDEX_BITS) - 1)

/* A value's elements: root << PLAN_INDEX_BITS | element of the root's map, in
 * its order [C][H][W]; padding with fills[k] is -1 - k. */
typedef struct Traced {
  DcnnTensor shape;        /* int64; data: the indices in order; NULL: a view */
  gint64 base, stride[DCNN_MAX_RANK]; /* view: index of the first element, and
                              what a step along a dimension adds */
} Traced;

typedef struct Trace {
  PlanBuilder *b;
  GHashTable *done;        /* DcnnValueId -> Traced* */
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
/* A view of a whole map, each element once, as a scatter of it into the
 * value. FALSE: it is none. */
gboolean plan_trace_scatter (const PlanMap *map, const Traced *traced,
    PlanGatherSource *source);

#endif
