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
  guint8 **exact;          /* likewise: changed by settling instead */
  guint (*origin)[2];      /* by map: row and column at which the window begins
                              in what is held, a torus */
  gdouble *in_row;         /* scratch: a row of any map */
} SimMaps;

void sim_maps_init (SimMaps *maps, const DcnnPlan *plan, gsize *bytes);
void sim_maps_clear (SimMaps *maps);
/* Where the window begins, once it has moved by so many network pixels in
 * all. */
void sim_maps_place (SimMaps *maps, gint64 moved_y, gint64 moved_x);
/* A pixel of a map that is held itself. */
gfloat *sim_pixel (const SimMaps *maps, gint map, guint y, guint x);
gfloat sim_value (const SimMaps *maps, gint map, guint y, guint x, guint c);
/* Whether this frame marked (changed or exact) a pixel of a map: one of those
 * it is held in. */
gboolean sim_marked (const SimMaps *maps, guint8 *const *marks, gint map,
    guint y, guint x);
gboolean sim_any_marked (const SimMaps *maps, guint8 *const *marks, gint map);
/* As a map's buffer holds it. */
gfloat sim_stored (const DcnnPlan *plan, const PlanMap *map, gdouble v);

/* sim_rows.c: the row of a node at one pixel, steps included. */
void sim_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row);
/* Whether what is marked can bear on that pixel. */
gboolean sim_is_candidate (const SimMaps *maps, guint8 *const *marks,
    const PlanNode *node, guint y, guint x);

typedef struct SimStream {
  SimMaps maps;
  gdouble **spread_rows;   /* by node, [out channels]; NULL: it has none */
  gdouble **inv_spread;    /* by node: spread_rows, or NULL: not measured */
  DcnnTensor *tensors;     /* by plan tensor; data owned */
  gfloat **initial;        /* by state: what a first frame finds; NULL: the
                              picture */
  gboolean *tensor_changed;
  guint64 **mask_words;    /* by output; NULL: no map */
  guint8 **told;           /* by output: a copy of its tensor, as it was last
                              asked for; NULL: a constant */
  guint *copies;           /* by output: how often it was */
  BackendFrame frame;      /* in flight */
  DcnnTuning tuning;       /* of that frame */
  gboolean first;          /* that frame is the stream's first */
  gboolean all;            /* it computes every pixel */
  gboolean moving;         /* the window moves in it, by frame.dy and dx */
  DcnnDearFrames dear;     /* whether frames would rather run dense */
  gdouble cost;            /* of this frame's nodes: DcnnNodeCost */
  guint64 changed_pixels, input_pixels, macs, settled_macs;
  gboolean dense_input_changed; /* an input that is no map */
  guint8 **pending;        /* by node: a byte a pixel whose stored value
                              differs, or may; NULL: no kernel */
  DcnnSettling settling;
  gboolean distrust, respread; /* retuned since its last frame */
  /* scratch: rows of any map; a byte a pixel of any map, or three of the
   * picture's */
  gdouble *row;
  gfloat *now, *global;
  guint8 *marks;
  /* pictures */
  DcnnFrame picture_frame; /* in flight; planes borrowed */
  gboolean has_picture;    /* the last frame was one */
  DcnnInputTables tables;
  DcnnInputParams params, plain; /* plain: but for what lies between pixels */
  DcnnInputMatrix matrix;
  guint8 *picture, *reference; /* RGB, as shown and as stored */
  gboolean looks;          /* picture is taken from source, by look */
  DcnnLook look;
  gint16 (*weights)[4];    /* its own, of sampling */
  DcnnSampling sampling;
  guint8 *source;          /* RGB, as it came */
  guint8 *shadow;          /* RGB: every fourth row of what a window that never
                              moves would have stored; valid: of last frame */
  gboolean shadowing, shadow_valid;
  guint8 *differs;         /* a byte a pixel: the two do */
  gboolean in_regions;     /* that frame keeps to the stream's regions: */
  DcnnMask region;
  guint64 *region_words;
  gfloat wobble;           /* DELTACNN_SIM_ROUNDING: see sim.c */
  guint64 wobbles;         /* random numbers */
  StreamMask input_mask;
  guint64 *input_words;
  gboolean done;           /* guarded by SimState.lock */
} SimStream;

/* sim_input.c: how the frame's picture is taken: parameters, view, regions. Once
 * the frame's kind is known. */
void sim_begin_picture (DcnnSession *session, SimStream *sim,
    DcnnStream *stream);
/* The frame in flight into the input's maps and tensors; sets
 * what is a change, and starts or ends settling. */
void sim_take_picture (DcnnSession *session, SimStream *sim,
    DcnnStream *stream);
void sim_take_tensors (DcnnSession *session, SimStream *sim,
    DcnnStream *stream);
/* sim_states.c: a tensor into graph input i; adds to changed_pixels and
 * input_pixels. */
void sim_take_input (DcnnSession *session, SimStream *sim, guint i,
    const DcnnTensor *from, gfloat threshold);
/* DcnnState. Before a frame's picture is taken: pictures that are
 * kept move on by one frame; outputs are fed back, once more when the frame has
 * turned dense. done: once the picture is stored. */
void sim_states_init (SimStream *sim, const DcnnPlan *plan);
void sim_states_clear (SimStream *sim, const DcnnPlan *plan);
void sim_states_shift (SimStream *sim);
void sim_states_feed (DcnnSession *session, SimStream *sim);
void sim_states_done (SimStream *sim);

/* sim_nodes.c: one node. */
void sim_run_node (DcnnSession *session, SimStream *sim, NodeState *state,
    guint node);
/* What a node costs, by the device's arithmetic. */
DcnnNodeCost sim_node_cost (const DcnnSession *session, guint node);
/* A tensor into a map; a pixel changes when some channel differs by more than
 * the threshold. */
void sim_import (DcnnSession *session, SimStream *sim, gint map,
    const DcnnTensor *from, gboolean nhwc, gfloat threshold);
/* Whether a pixel has just come into view. */
gboolean sim_is_new (const SimStream *sim, gint map, guint y, guint x);

/* sim_judge.c: the rule of a node in a frame that is not dense. any: what
 * counts as a difference at all. */
DcnnCriterionRule sim_rule (const DcnnSession *session, const SimStream *sim,
    const NodeState *state, guint node, DcnnCriterionRule *any);
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
