/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim.h - a second backend, for tests: what a plan means, computed pixel by
 * pixel in double precision from PlanOp and masks alone, with no layout, no
 * packing and no clever path. What other backends are compared with.
 */
#ifndef DCNN_SIM_H
#define DCNN_SIM_H

#include "dcnn_engine.h"

G_BEGIN_DECLS

/* Where a logical channel of a map is held. */
typedef struct SimPlace {
  gint map;
  guint channel;
} SimPlace;

/* Maps of a stream: every map that something writes is held on its own, as
 * [height][width][channels]; views and concatenations are looked up. */
typedef struct SimMaps {
  const DcnnPlan *plan;
  SimPlace **places;       /* by map: [channels]; NULL: it is held itself */
  gfloat **values;         /* by map; NULL: it is looked up */
  guint8 **changed;        /* by map: a byte a pixel, of this frame */
} SimMaps;

gfloat sim_value (const SimMaps *maps, gint map, guint y, guint x, guint c);
/* Whether this frame changed a pixel of a map: one of those it is held in. */
gboolean sim_changed (const SimMaps *maps, gint map, guint y, guint x);

/* sim_rows.c: the row of a node at one pixel, steps included. */
void sim_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row);
/* Whether a change of this frame can bear on that pixel. */
gboolean sim_is_candidate (const SimMaps *maps, const PlanNode *node, guint y,
    guint x);

typedef struct SimStream {
  SimMaps maps;
  gdouble **inv_spread;    /* by node, [out channels]; NULL: not measured */
  DcnnTensor *tensors;     /* by plan tensor; data owned */
  gboolean *tensor_changed;
  guint64 **mask_words;    /* by output; NULL: no map */
  BackendFrame frame;      /* in flight */
  DcnnTuning tuning;       /* of that frame */
  gboolean all;            /* that frame computes every pixel */
  guint64 changed_pixels, input_pixels, macs;
  gboolean done;           /* guarded by SimState.lock */
} SimStream;

/* sim_judge.c: the rule of a node in a frame that is not dense. */
DcnnCriterionRule sim_rule (const DcnnSession *session, const SimStream *sim,
    const NodeState *state, guint node);
/* Whether a row of the node, [out channels] as it was and is, has changed by
 * that rule. */
gboolean sim_is_significant (const DcnnSession *session,
    const SimStream *sim, guint node, const DcnnCriterionRule *rule,
    const gfloat *before, const gfloat *after);
/* Standard deviations over the first frame; quiet channels count as a tenth of
 * the rms of all. */
void sim_measure_spreads (SimStream *sim, const DcnnPlan *plan);

G_END_DECLS

#endif
