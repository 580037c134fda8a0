/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_cost.h - internal: what a node costs on a list of pixels and on its whole
 * map, by which frames turn dense (dense_rule.h). From a table and counts, never
 * from a clock. Pure.
 */
#ifndef DCNN_POLICY_NODE_COST_H
#define DCNN_POLICY_NODE_COST_H

#include <glib.h>

#include "dcnn_fused.h"

G_BEGIN_DECLS

/* In units of which only proportions matter. */
typedef struct DcnnNodeCost {
  gdouble list_node, list_pixel; /* on a list: once, and a pixel */
  gdouble map;             /* the whole map */
  gdouble judged_map;      /* the same, compared with what was stored */
} DcnnNodeCost;

/* channels, pixels: of the out map. arithmetic: what a multiply-accumulate costs
 * beside AVX2's. */
DcnnNodeCost dcnn_node_cost (DcnnPrimary primary, guint64 macs_per_pixel,
    guint channels, gsize pixels, gdouble arithmetic);
/* What it costs in a node that reads a map of bytes (or not), on a level where
 * it costs so much in floats. */
gdouble dcnn_node_arithmetic (gdouble arithmetic, gboolean bytes);

G_END_DECLS

#endif
