/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_engine.h - internal: what a session and its streams hold.
 *
 * A stream owns the stored values S of every fused node, update masks, and
 * everything else that changes from frame to frame; a session owns what its
 * streams take turns with (threads, scratch). All of it is allocated when the
 * session is made: the frame path allocates nothing.
 */
#ifndef DCNN_ENGINE_H
#define DCNN_ENGINE_H

#include "dcnn_backend.h"
#include "dcnn_input.h"
#include "dcnn_kernels.h"
#include "dcnn_plan.h"
#include "dcnn_pool.h"
#include "criterion.h"
#include "dense_rule.h"
#include "frame_fit.h"
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

typedef struct NodeState {
  DcnnJob job;
  StreamMask pending;      /* settling: stored value differs, or may */
  float *inv_spread;       /* [span padded]; pads 0 */
  gboolean spread_valid;
  float threshold;         /* own; NaN: the session's */
  float *sums;             /* GLOBAL: [blocks][span padded] */
  gdouble *moments;        /* GLOBAL of a normalisation, instead of sums: see
                              DcnnBlockMomentsFn */
  gboolean sums_valid;
  DcnnNodeStats stats;
} NodeState;

/* The part of the window that was there before the last move, as shares of
 * the window in tiles: everything outside is new. */
typedef struct StreamMove {
  gboolean active;
  gint dy, dx;             /* network pixels that the window moved */
} StreamMove;

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
  NodeState *nodes;        /* by plan node: statistics and thresholds; the
                              rest of a NodeState is the cpu's */
  gfloat *interest;
  gboolean interest_set;
  DcnnFrameStats stats;
  /* filled by the backend */
  DcnnOutput *outputs;
  StreamMask *input_mask;  /* NULL: none */
  DcnnFrame format;        /* of the last frame: size and format */
  DcnnInputGeometry geometry;
  /* the cpu's own from here on */
  guint8 *block;           /* all buffers, one after the other */
  gfloat **buffers;        /* by plan buffer */
  guint32 **row_offset, **col_offset; /* by plan geometry */
  guint32 (*torus)[2];     /* by plan geometry: y, x */
  DcnnMap *maps;           /* by plan map */
  StreamMask *masks;       /* by plan mask: update masks of this frame */
  StreamMask *exact;       /* by plan mask: changed by settling instead */
  DcnnTensor *tensors;     /* by plan tensor; data owned */
  gboolean *tensor_changed;
  guint8 **tensor_rows;    /* by plan tensor: which rows of its last dimension
                              changed, when it did; NULL: not told apart */
  gboolean dense;          /* this frame does */
  DcnnDearFrames dear;     /* whether frames would rather run dense */
  gdouble cost;            /* of this frame's nodes: see NodeCost */
  guint wired;             /* of the session's sets of blocks, that which the
                              nodes' jobs are made for */
  gboolean hollow;         /* maps inside of blocks of set 1 are stale */
  StreamMove move;
  /* picture input */
  DcnnInputStage *stage;
  DcnnMask differs, force, region;
  DcnnSettling settling;
  guint64 settled_macs;    /* of this frame */
  /* statistics */
  guint64 macs_done;
  gsize bytes;
} DcnnStream;

/* A block of nodes as a session runs it: dcnn_block.c. */
typedef struct SessionBlock SessionBlock;

typedef struct BlockSet {
  PlanBlocks which;
  SessionBlock *blocks;    /* by node that ends one; NULL: no such set */
} BlockSet;

/* What a node costs, in units of which only proportions matter. */
typedef struct NodeCost {
  gdouble list_node, list_pixel; /* on a list: once, and a pixel */
  gdouble map;             /* the whole map */
  gdouble judged_map;      /* the same, compared with what was stored */
} NodeCost;

struct DcnnSession {
  DcnnModel *model;
  const DcnnPlan *plan;
  PlanBlocks plan_blocks;  /* those in use */
  gboolean on_bytes;       /* maps that may be are of bytes */
  gboolean pass_on;        /* nodes that may pass everything on do */
  const DcnnBackend *backend;
  gint device_index;       /* -1: the first */
  GString *device_why;     /* what "auto" passed over */
  gboolean fell_back;      /* of that, something is there */
  BackendFrame *frames;    /* [n_streams]: those of one submission */
  gpointer weights;        /* of the model, the backend's; borrowed */
  gpointer state;          /* a backend's own */
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
  /* the cpu's own from here on */
  const DcnnCpuKernels *kernels;
  DcnnPool *pool;          /* NULL: one thread */
  void **scratch;          /* by thread */
  DcnnMask candidates, other, settle; /* of the largest map */
  guint64 *mask_words;
  void *mask_scratch;
  guint32 *list;
  guint8 *verdicts;
  guint32 *tail_rows;      /* rows that a tail computes; NULL: no tails */
  float *tail_pack;        /* a matrix of a product */
  BlockSet sets[2];        /* 1: for dense frames, when they are many */
  SessionBlock *blocks;    /* of the set in use, as is plan_blocks */
  NodeCost *costs;         /* by node */
  gdouble dense_cost;      /* of all whole maps */
  gchar **rings;           /* by thread: what blocks hold on the way */
  gsize *strip_starts;     /* of a list: [word rows of the highest map + 1] */
  float *ones;             /* for criteria without a spread */
  gdouble *spread_sums;    /* while spreads are measured */
  gpointer *initial;       /* by state: what a first frame finds; NULL: the
                              picture */
  gsize bytes;
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

/* ---- cpu_prepare.c: a plan's operators as the processor wants them --------- */

/* Arrays by position in a pixel. */
typedef struct CpuNode {
  DcnnPrepared *prepared;  /* KERNEL */
  DcnnPrepared *bytes;     /* of a map of bytes, instead; or NULL */
  DcnnBytesTable *table;   /* likewise: DcnnJob.table; or NULL */
  float *vectors[DCNN_MAX_STEPS]; /* constant VECTORs, [out span padded] */
  /* GLOBAL of a normalisation, [in span padded] */
  guint32 *group;          /* UINT32_MAX: no channel lies here */
  float *scale, *bias;
} CpuNode;

/* What DcnnSession.weights is on the cpu. Immutable. */
typedef struct CpuWeights {
  guint n_nodes;
  CpuNode *nodes;          /* by plan node */
  gsize bytes;
} CpuWeights;

/* As DcnnBackend.model_new, model_free and model_bytes. */
gpointer dcnn_cpu_weights_new (const DcnnPlan *plan, gint index,
    GError **error);
void dcnn_cpu_weights_free (gpointer weights);
gsize dcnn_cpu_weights_bytes (gpointer weights);
/* dcnn_backend_cpu.c: a frame's tensors into the input's maps and tensors. */
void dcnn_cpu_take_tensors (DcnnSession *session, DcnnStream *stream,
    const BackendFrame *frame);

static inline const CpuNode *
dcnn_cpu_node (const DcnnSession *session, guint node)
{
  return &((const CpuWeights *) session->weights)->nodes[node];
}

/* ---- dcnn_view.c: where the window lies, and how it looks at the frame ------ */

/* Whether a frame (NULL: tensors) can be run with that motion. */
gboolean dcnn_check_motion (const DcnnSession *session,
    const DcnnMotion *motion, const DcnnFrame *frame, GError **error);
/* Moves the window, as frame then says, and tells the stream how it looks at
 * the picture. */
void dcnn_view_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnMotion *motion, BackendFrame *frame);

/* Where a frame's picture goes in the network's input. */
void dcnn_view_fit (const DcnnSession *session, const DcnnFrame *frame,
    DcnnInputGeometry *geometry);
/* Where a stream's regions lie in the network's input at this frame. FALSE:
 * everywhere. */
gboolean dcnn_view_regions (DcnnSession *session, guint stream,
    DcnnMask *mask);

/* ---- dcnn_stream.c: state ------------------------------------------------- */

/* New zeroed memory for any vector, on huge pages where there is enough of it
 * and the system has them; to be freed with free(). NULL: none. Adds to total
 * either way. */
gpointer dcnn_take (gsize bytes, gsize *total);
gsize dcnn_stream_predict_bytes (const DcnnPlan *plan);
gboolean dcnn_stream_init (DcnnStream *stream, DcnnSession *session,
    GError **error);
void dcnn_stream_clear (DcnnStream *stream, const DcnnPlan *plan);
/* The rows of a map that lie in the band being settled. */
void dcnn_stream_band (const DcnnStream *stream, DcnnMask *mask);
/* Recomputes torus tables after the window moved by (dy, dx) network pixels
 * and shifts what is kept in window coordinates. */
void dcnn_stream_move (DcnnStream *stream, DcnnSession *session, gint dy,
    gint dx);
/* Rows and columns of a map that were in the window before its last move. */
void dcnn_stream_kept (const DcnnStream *stream, const PlanMap *map, gint *y0,
    gint *y1, gint *x0, gint *x1);
/* The mask of a map of this frame, from masks (stream->masks or
 * stream->exact): its own, or the union of its pieces' in session->other.
 * NULL: empty. */
const DcnnMask *dcnn_stream_mask (DcnnSession *session,
    const StreamMask *masks, gint map);

/* ---- dcnn_run.c: one frame ---------------------------------------------------- */

/* Runs all nodes after the input maps' masks are set. */
void dcnn_run_nodes (DcnnSession *session, DcnnStream *stream);
/* Work split over threads; units of about equal cost. */
void dcnn_run_parallel (DcnnSession *session, gsize units, gsize chunk,
    guint64 cost, DcnnPoolFn fn, gpointer data);
gint64 dcnn_now_ns (void);

/* ---- dcnn_block.c: nodes computed on the way to another ---------------------------- */

/* Allocates what blocks need, and points the jobs of the nodes in them there.
 * FALSE: out of memory. */
gboolean dcnn_blocks_init (DcnnSession *session);
/* Set 0 or 1 for the stream's next run. */
void dcnn_blocks_use (DcnnSession *session, DcnnStream *stream, guint set);
void dcnn_blocks_clear (DcnnSession *session);
/* Whether a node ends a block. */
gboolean dcnn_block_ends (const DcnnSession *session, gint node);
/* The map that the node's block reads: of a node on its own, its in map. */
gint dcnn_block_input (const DcnnSession *session, gint node);
/* MACs of a pixel of the node and of what is computed on the way to it. */
guint64 dcnn_block_macs (const DcnnSession *session, gint node);
/* Runs the block that ends in the node on the pixels of mask, whose list of
 * entries the node's job has; NULL: on the whole map. */
void dcnn_block_run (DcnnSession *session, DcnnStream *stream, gint node,
    const DcnnMask *mask);

/* ---- dcnn_frame.c: whole frames ----------------------------------------------------- */

void dcnn_frame_costs_init (DcnnSession *session);
/* Once a frame that does not run dense anyway, or a first one: whether it had
 * better, now that it is known how much of the input changed. */
gboolean dcnn_frame_turns_dense (DcnnSession *session, DcnnStream *stream,
    gsize changed, gsize pixels);
/* Which set of blocks the frame runs with. */
guint dcnn_frame_blocks (const DcnnSession *session, const DcnnStream *stream);
/* Once its nodes have run. */
void dcnn_frame_ran (DcnnSession *session, DcnnStream *stream);

/* ---- dcnn_judge.c: thresholds, spreads, candidates --------------------------------- */

/* The rule of a node in a frame that is not dense. */
DcnnCriterionRule dcnn_judge_rule (const DcnnSession *session,
    const DcnnStream *stream, gint node);
void dcnn_judge_node (DcnnSession *session, DcnnStream *stream, gint node);
void dcnn_measure_spreads (DcnnSession *session, DcnnStream *stream);
/* Candidates of a node after the changes in masks (stream->masks or
 * stream->exact), into session->candidates (sized for the node). FALSE: none,
 * and session->candidates is stale. */
gboolean dcnn_find_candidates (DcnnSession *session, const StreamMask *masks,
    gint node);

/* ---- dcnn_influence.c: what a pixel bears on, and what it costs -------------------- */

/* For each node: the work, as a share of a dense frame's, that a pixel which
 * joins its update mask makes downstream. price: [nodes]. */
void dcnn_plan_price (const DcnnPlan *plan, gdouble *price);
/* What the criterion "influence" compares with, at t = 1: the price times the
 * square root of the area that a pixel of the node covers, in pixels of the
 * largest map. Neighbours change together, and their errors add up; where a
 * pixel covers more, fewer of them do. limits: [nodes]. */
void dcnn_plan_limits (const DcnnPlan *plan, gdouble *limits);

/* ---- dcnn_global.c: maps to one pixel ----------------------------------------------- */

void dcnn_run_global (DcnnSession *session, DcnnStream *stream, gint node);
/* What it held back becomes its value. FALSE: nothing was. */
gboolean dcnn_take_global (DcnnSession *session, DcnnStream *stream,
    gint node);

/* ---- dcnn_dense.c: dense tensors ---------------------------------------------------- */

/* Regular and settling changes of a map together, into session->candidates;
 * NULL: none. */
const DcnnMask *dcnn_all_changes (DcnnSession *session, DcnnStream *stream,
    gint map);
void dcnn_run_gather (DcnnSession *session, DcnnStream *stream, gint node);
void dcnn_run_import (DcnnSession *session, DcnnStream *stream, gint node);
/* A tensor into a map; marks pixels whose change exceeds the threshold. */
void dcnn_import_tensor (DcnnSession *session, DcnnStream *stream, gint map,
    const DcnnTensor *tensor, gboolean nhwc, gfloat threshold);

/* ---- dcnn_tail.c: operators on dense tensors --------------------------------------------- */

/* FALSE: out of memory. */
gboolean dcnn_tails_init (DcnnSession *session);
void dcnn_tails_clear (DcnnSession *session);
void dcnn_run_tail (DcnnSession *session, DcnnStream *stream, gint node);
/* Rows of a tensor, along its last dimension. */
gsize dcnn_tensor_rows (const DcnnTensor *tensor);
/* Whoever writes a tensor says which of its rows are new: none, then rows from
 * to to (0 to -1: all). FALSE: nobody wants to know. */
gboolean dcnn_forget_rows (DcnnStream *stream, gint tensor);
void dcnn_mark_rows (DcnnStream *stream, gint tensor, gint64 from, gint64 to);

/* ---- dcnn_state.c: inputs that come from the last frame --------------------------------- */

/* FALSE with error set: out of memory. */
gboolean dcnn_states_init (DcnnSession *session, GError **error);
void dcnn_states_clear (DcnnSession *session);
/* A tensor into graph input i; returns how many pixels of its map changed by
 * more than the threshold, and adds its pixels. */
gsize dcnn_take_input (DcnnSession *session, DcnnStream *stream, guint i,
    const DcnnTensor *tensor, gfloat threshold, gsize *pixels);
/* Before a frame's picture is taken: pictures that are kept move on by one
 * frame. Returns how many pixels changed, and adds their number. */
gsize dcnn_states_shift (DcnnSession *session, DcnnStream *stream,
    gsize *pixels);
/* The last frame's outputs into the inputs that they are fed back to. The same;
 * once stream->dense has turned, again. */
gsize dcnn_states_feed (DcnnSession *session, DcnnStream *stream,
    gsize *pixels);
/* Once the picture is stored. */
void dcnn_states_done (DcnnSession *session, DcnnStream *stream);

/* ---- dcnn_picture.c: the input stage --------------------------------------------------- */

gboolean dcnn_picture_update (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error);
/* Its parts, for stages elsewhere. begin: a stage for the frame's size and
 * format, and whether the frame runs dense; params: by what is compared and
 * stored; decide: after the input's update mask is refined and
 * stream->differs known, cuts, settling, statistics. kept: pixels that changed
 * in states, of the network's `pixels` in all. */
gboolean dcnn_picture_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error);
void dcnn_picture_params (const DcnnSession *session,
    const DcnnStream *stream, DcnnInputParams *params);
void dcnn_picture_decide (DcnnSession *session, DcnnStream *stream,
    gsize kept, gsize pixels);
/* Starts, continues or ends settling, after the input's update mask (number
 * mask) is known; stream->differs says where the input differs otherwise. mask
 * -1: the input is no picture, and is as it was given. */
void dcnn_settle_input (DcnnSession *session, DcnnStream *stream,
    gint mask, gsize changed, gsize pixels);

G_END_DECLS

#endif
