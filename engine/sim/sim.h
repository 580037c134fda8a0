/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim.h - a second backend, for tests: what a plan means, computed pixel by
 * pixel in double precision from PlanOp and masks alone, with no layout, no
 * packing and no clever path. What other backends are compared with.
 */
#ifndef DCNN_SIM_H
#define DCNN_SIM_H

#include "dcnn_plan.h"

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

G_END_DECLS

#endif
