/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_engine.h - internal: what a session and its streams hold, whatever they
 * run on. What a backend holds is its own: behind `cpu` and `state`, of types
 * that nobody else knows.
 *
 * All of it is allocated when the session is made: the frame path allocates
 * nothing.
 */
#ifndef DCNN_ENGINE_H
#define DCNN_ENGINE_H

#include <time.h>

#include "dcnn_backend.h"
#include "dcnn_look.h"
#include "dcnn_plan.h"
#include "criterion.h"
#include "dense_rule.h"
#include "frame_fit.h"
#include "node_cost.h"
#include "settling.h"
#include "window.h"
#include "deltacnn/session.h"

G_BEGIN_DECLS

/* Weights as a backend wants them, in use by `users` sessions. */
typedef struct ModelWeights {
  const DcnnPlan *plan;
  const DcnnBackend *backend;
  gint index;
  guint users;
  gpointer data;
} ModelWeights;

struct DcnnModel {
  gatomicrefcount refs;
  DcnnPlan *plan;          /* laid out for the cpu */
  GMutex weights_lock;     /* guards weights and laid_out */
  GPtrArray *laid_out;     /* of DcnnPlan*: for other layouts, as they were asked
                              for; they stay */
  GArray *weights;         /* of ModelWeights */
};

/* The model's plan for a layout, planned the first time. NULL: error is set. */
const DcnnPlan *dcnn_model_plan (DcnnModel *model, const PlanLayout *layout,
    GError **error);

/* A canvas is no larger, pixels each way from where it began: positions stay
 * exact to 1/256 px. */
#define DCNN_CANVAS_MOST 16000000

/* A mask with its summary. words are stale while any is FALSE. */
typedef struct StreamMask {
  DcnnMask mask;
  gboolean any;
} StreamMask;

/* A node of a stream, whatever it runs on. */
typedef struct NodeState {
  float threshold;         /* own; NaN: the session's */
  DcnnNodeStats stats;
} NodeState;

typedef struct DcnnStream {
  /* whatever it runs on */
  gboolean first;          /* the next frame runs dense */
  gboolean in_flight;      /* a frame was run and not waited for */
  gint tile_y, tile_x;     /* of the window on the canvas */
  gint64 torus_y, torus_x; /* network pixels that the window has moved in all:
                              where stored values begin, modulo their size */
  DcnnRegion regions[DCNN_REGIONS_MOST]; /* of the frame */
  guint n_regions, region_margin;
  gboolean looks;          /* this frame is sampled through view */
  gboolean afresh;         /* on a canvas that has just been restarted */
  gboolean weighs;         /* DcnnMotion.weigh */
  gdouble view[9];         /* window -> picture, network pixels; of the last
                              frame, as it was sampled */
  NodeState *nodes;        /* by plan node */
  gfloat *interest;
  gboolean interest_set;
  guint64 places;          /* where results lie, for settling: DcnnSettling; 0:
                              it does not matter */
  DcnnFrameStats stats;
  gint not_finite;         /* the node of stats.not_finite */
  /* filled by the backend */
  DcnnOutput *outputs;
  StreamMask *input_mask;  /* NULL: none */
  StreamMask *masks;       /* by plan mask: update masks of this frame; NULL:
                              they are not told */
  DcnnFrame format;        /* of the last frame: size and format */
  DcnnInputGeometry geometry;
  struct CpuStream *cpu;   /* the processor's own: cpu/cpu.h; NULL elsewhere */
} DcnnStream;

struct DcnnSession {
  DcnnModel *model;
  const DcnnPlan *plan;
  PlanBlocks plan_blocks;  /* those in use */
  gboolean on_bytes;       /* maps that may be are of bytes */
  gboolean pass_on;        /* nodes that may pass everything on do */
  gboolean maps_elsewhere; /* the device has them: the host's are one stream's
                            * for all to pass through (but for inputs), and
                            * take no memory before they are read back */
  const DcnnBackend *backend;
  gint device_index;       /* -1: the first */
  GString *device_why;     /* what "auto" passed over */
  gboolean fell_back;      /* of that, something is there */
  BackendFrame *frames;    /* [n_streams]: those of one submission */
  gpointer weights;        /* of the model, the backend's; borrowed */
  gpointer state;          /* a backend's own */
  gdouble arithmetic;      /* by the backend: see dcnn_node_cost() */
  gfloat rounding;         /* by the backend: how far a channel may be from what
                              the same inputs gave another time, as a share of
                              its spread over the map. 0: the bits are the
                              same. See dcnn_criterion_any() */
  DcnnSessionOptions options;
  DcnnTuning tuning;       /* in force */
  DcnnTuning *next_tuning; /* atomic: set by anybody, taken by push */
  GMutex tuning_lock;      /* guards shown_tuning; never on the frame path */
  DcnnTuning shown_tuning;
  guint threads;
  guint n_streams;
  DcnnStream *streams;
  float **influence;       /* by node: by position, [span padded], pads 0;
                              NULL: not known */
  gdouble *limits;         /* by node: see dcnn_plan_limits() */
  DcnnMask told;           /* dcnn_session_get_node_mask()'s answer; words owned */
  struct CpuSession *cpu;  /* the processor's own; NULL elsewhere */
};

/* ---- dcnn_check.c: what callers give; DCNN_ERROR_ARGUMENT, naming it ---------- */

gboolean dcnn_check_tuning (const DcnnTuning *tuning, GError **error);
gboolean dcnn_check_options (const DcnnSessionOptions *options,
    GError **error);
/* A node's own threshold. */
gboolean dcnn_check_threshold (const char *node, gdouble threshold,
    GError **error);
/* frame may be NULL, which is an error. */
gboolean dcnn_check_frame (const DcnnSession *session, const DcnnFrame *frame,
    GError **error);
/* One tensor a model input; inputs may be NULL, which is an error. */
gboolean dcnn_check_tensors (const DcnnSession *session,
    const DcnnTensor *inputs, gfloat threshold, GError **error);

/* ---- dcnn_view.c: where the window lies, and how it looks at the frame ------ */

/* Whether a frame (NULL: tensors) can be run with that motion. */
gboolean dcnn_check_motion (const DcnnSession *session,
    const DcnnMotion *motion, const DcnnFrame *frame, GError **error);
/* Moves the window, as frame then says, and tells the stream how it looks at
 * the picture. */
void dcnn_view_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnMotion *motion, BackendFrame *frame);

/* By what a stream's pictures are compared and stored. */
void dcnn_view_params (const DcnnSession *session, const DcnnStream *stream,
    DcnnInputParams *params);
/* How a stream that looks through its view does so; seen: rows and columns
 * [from, to) that were in view before. */
void dcnn_view_look (const DcnnSession *session, const DcnnStream *stream,
    const gint seen[4], DcnnInputView *view);
/* By what is compared instead where a frame is sampled between its pixels
 * (DCNN_INPUT_WARPED). */
void dcnn_view_between (const DcnnSession *session, DcnnStream *stream,
    DcnnInputParams *params);
/* Where a frame's picture goes in the network's input. */
void dcnn_view_fit (const DcnnSession *session, const DcnnFrame *frame,
    DcnnInputGeometry *geometry);
/* Where a stream's regions lie in the network's input at this frame. FALSE:
 * everywhere. */
gboolean dcnn_view_regions (DcnnSession *session, guint stream,
    DcnnMask *mask);

/* ---- numbers ------------------------------------------------------------ */

/* A node's map holds what is infinite or no number: the first such node is told
 * where maps are of half floats, which end sooner than networks. */
static inline void
dcnn_see_not_finite (const DcnnSession *session, DcnnStream *stream, gint node)
{
  if (session->plan->layout.store != PLAN_STORE_F16 ||
      (stream->stats.not_finite && node >= stream->not_finite))
    return;
  stream->not_finite = node;
  stream->stats.not_finite = plan_node (session->plan, node)->name;
}

/* ---- the clock ---------------------------------------------------------- */

static inline gint64
dcnn_now_ns (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

G_END_DECLS

#endif
